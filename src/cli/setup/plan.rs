//! What setup is about to write: told before anything is written, then written, each file in one piece.

use super::{files, say};
use crate::{cli::format::UsageError, own_file::beside};
use anyhow::Context as _;
use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

/// What the copy of a replaced file is called.
const COPY: &str = ".before-setup";

/// Whose a file is to be, beside root's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Nobody else.
    Root,
    /// The group of its folder.
    Folder,
    /// This group, where the system has it.
    Group(&'static str),
    /// It belongs to this user, where the system has it.
    User(&'static str),
}

/// A file to write.
#[derive(Debug)]
struct File {
    path: PathBuf,
    content: Vec<u8>,
    mode: u32,
    readers: Readers,
    /// Not worth a copy: a secret, or what the package has elsewhere.
    is_replaceable: bool,
}

/// Files to write below a root.
#[derive(Debug)]
pub struct Plan {
    root: PathBuf,
    files: Vec<File>,
}

impl Plan {
    /// Nothing yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), files: Vec::new() }
    }

    /// Where a path of the system is, seen from here.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What a file will hold, or holds; nothing where there is none and will be none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        if let Some(file) = self.files.iter().find(|file| file.path == path) {
            return Ok(Some(file.content.clone()));
        }
        match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            content => content.map(Some),
        }
    }

    /// Has a file written, unless it is so already. `replaceable` is what may be lost without a copy.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn write(
        &mut self,
        path: PathBuf,
        content: Vec<u8>,
        mode: u32,
        readers: Readers,
        replaceable: &[u8],
    ) -> anyhow::Result<()> {
        let old = self.read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if old.as_ref() == Some(&content) {
            return Ok(());
        }
        let is_replaceable = old.is_none_or(|old| old == replaceable);
        self.files.retain(|file| file.path != path);
        self.files.push(File { path, content, mode, readers, is_replaceable });
        Ok(())
    }

    /// A secret: for root alone, or for the user whose daemon reads it where systemd does not hand it over.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn secret(&mut self, path: PathBuf, secret: &str, readers: Readers) -> anyhow::Result<()> {
        self.write(path, format!("{secret}\n").into_bytes(), 0o600, readers, b"")?;
        // The last one, if it was not so already.
        if let Some(file) = self.files.last_mut() {
            file.is_replaceable |= file.mode == 0o600;
        }
        Ok(())
    }

    /// A file with this first line, which marks it as ours: another one at its place is a stranger's.
    ///
    /// # Errors
    /// When what is there is not ours, or cannot be read.
    pub fn marked(
        &mut self,
        path: &str,
        content: String,
        mode: u32,
        readers: Readers,
        marks: &[&str],
    ) -> anyhow::Result<()> {
        let path = self.at(path);
        let old = self.read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Some(old) = old
            && !marks.iter().any(|mark| old.starts_with(mark.as_bytes()))
        {
            let message = format!(
                "{} is not airtally's, and is left as it is, so nothing was written: move it away, or do by hand what it is for",
                path.display()
            );
            return Err(UsageError(message).into());
        }
        self.write(path, content.into_bytes(), mode, readers, b"")
    }

    /// Whether a file whose path contains this will be written.
    pub fn changes(&self, part: &str) -> bool {
        self.files.iter().any(|file| file.path.to_string_lossy().contains(part))
    }

    /// Says what will be written.
    pub fn tell(&self) {
        if self.files.is_empty() {
            say("nothing to write: all files are as they should be");
        }
        for file in &self.files {
            let copy = if file.is_replaceable {
                String::new()
            } else {
                format!(", and keeps the old one as {}", beside(&file.path, COPY).display())
            };
            say(&format!("writes {}{copy}", file.path.display()));
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When a file cannot be written; those before it are written, those behind it are not.
    pub fn apply(&self) -> anyhow::Result<()> {
        for file in &self.files {
            // A link stays one.
            let path = fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
            let told = || format!("cannot write {}", file.path.display());
            if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                // Only for secrets: every other folder is the package's, or the broker's.
                fs::DirBuilder::new().mode(0o700).create(folder).with_context(told)?;
            }
            if !file.is_replaceable {
                let old = fs::read(&path).with_context(told)?;
                let mode = fs::metadata(&path).with_context(told)?.permissions().mode() & 0o777;
                files::write(&beside(&path, COPY), &old, mode, false)?;
            }
            files::write(&path, &file.content, file.mode, file.readers == Readers::Folder)?;
            let (user, group) = match file.readers {
                Readers::Root | Readers::Folder => (None, None),
                Readers::Group(name) => (None, self.number("etc/group", name)),
                Readers::User(name) => (self.number("etc/passwd", name), None),
            };
            if user.is_some() || group.is_some() {
                chown(&path, user, group).with_context(told)?;
            }
            if let (Some(user), Some(folder)) = (user, path.parent())
                && fs::metadata(folder).with_context(told)?.uid() != user
            {
                chown(folder, Some(user), None).with_context(told)?;
            }
        }
        Ok(())
    }

    /// The number of a user or group, by /etc/passwd or /etc/group.
    fn number(&self, table: &str, name: &str) -> Option<u32> {
        let text = fs::read_to_string(self.at(table)).ok()?;
        let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_replaced_file_has_a_copy_and_what_is_so_already_is_left() {
        let home = tempfile::tempdir().unwrap();
        let mut plan = Plan::new(home.path());
        let path = plan.at("/a.toml");
        fs::write(&path, "theirs").unwrap();
        plan.write(path.clone(), b"new".to_vec(), 0o640, Readers::Folder, b"sample").unwrap();
        plan.secret(home.path().join("s.secrets/pw"), "sesame", Readers::Root).unwrap();
        assert!(plan.changes("a.toml") && plan.changes("s.secrets"));
        plan.apply().unwrap();
        let copy = home.path().join("a.toml.before-setup");
        assert_eq!((fs::read(&copy).unwrap(), fs::read(&path).unwrap()), (b"theirs".to_vec(), b"new".to_vec()));
        let mode = |path: &str| fs::metadata(home.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a.toml"), mode("s.secrets"), mode("s.secrets/pw")), (0o640, 0o700, 0o600));

        let mut again = Plan::new(home.path());
        again.write(path.clone(), b"new".to_vec(), 0o640, Readers::Folder, b"sample").unwrap();
        again.secret(home.path().join("s.secrets/pw"), "sesame", Readers::Root).unwrap();
        assert!(again.files.is_empty());
        // What a sample was needs no copy.
        again.write(path, b"newer".to_vec(), 0o640, Readers::Folder, b"new").unwrap();
        again.secret(home.path().join("s.secrets/pw"), "other", Readers::Root).unwrap();
        again.apply().unwrap();
        assert_eq!(fs::read(&copy).unwrap(), b"theirs");
        assert!(!home.path().join("s.secrets/pw.before-setup").exists());
    }

    #[test]
    fn what_is_not_ours_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("x.conf"), "listener 1\n").unwrap();
        let mut plan = Plan::new(home.path());
        let error = plan.marked("/x.conf", "# ours\n".into(), 0o644, Readers::Root, &["# ours"]).unwrap_err();
        assert!(error.to_string().contains("nothing was written"), "{error}");
        fs::write(home.path().join("x.conf"), "# ours, older\n").unwrap();
        plan.marked("/x.conf", "# ours\n".into(), 0o644, Readers::Root, &["# ours"]).unwrap();
        assert!(plan.changes("x.conf"));
    }
}
