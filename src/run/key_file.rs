//! The file that keeps the key of pseudonyms for one rotation, so that a restart does not change them. Knows no
//! address. The key is never printed, and is overwritten once the next rotation has begun or the mode is left.

use crate::{
    erase::erase,
    own_file::{self, Content, Stranger},
    tally::{KeyError, Keys},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// The file's name in its directory.
pub const FILE_NAME: &str = "pseudonym.key";
/// Octets of the rotation's index, and of the key after it.
const LENGTH: u64 = 8 + 32;

/// Whether a file with these octets is ours, or with `is_partial` its beginning, which a crash left. Rotations are a minute
/// long at least, so the first half of their index is 0, which no text begins with.
fn is_key(octets: &[u8], is_partial: bool) -> bool {
    let begins_so = octets.iter().take(4).all(|octet| *octet == 0);
    begins_so && (octets.len() == 40 || octets.is_empty() || is_partial && octets.len() < 40)
}

/// Refuses a file at `path` that is not ours.
fn check(path: &Path, is_partial: bool) -> io::Result<()> {
    let content = own_file::look(path)?;
    let stranger = || Err(Stranger::new(path, &content, "a key file of pseudonyms").into());
    match content {
        Content::Absent | Content::Empty => Ok(()),
        Content::File => {
            let mut octets = Vec::with_capacity(41);
            File::open(path)?.take(41).read_to_end(&mut octets)?;
            if is_key(&octets, is_partial) { Ok(()) } else { stranger() }
        }
        Content::Sqlite(_) | Content::Special(_) => stranger(),
    }
}

/// The key file of one directory: eight octets of rotation index (big endian), then the key.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The key file in `directory`, which must exist; the file is made when a key is first asked for.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join(FILE_NAME) }
    }

    /// The kept key, if it is this rotation's and nobody else could read it.
    fn read(&self, rotation_index: i64) -> Result<Option<[u8; 32]>, KeyError> {
        let fail = |source| self.fail("read", source);
        check(&self.path, false).map_err(fail)?;
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        let mode = file.metadata().map_err(fail)?.permissions().mode();
        let mut octets = Vec::with_capacity(41);
        file.take(41).read_to_end(&mut octets).map_err(fail)?;
        let Some((index, key)) = octets.split_first_chunk() else { return Ok(None) };
        // Zeros are what an erasure leaves that was cut off.
        let current =
            mode & 0o077 == 0 && i64::from_be_bytes(*index) == rotation_index && key.iter().any(|&octet| octet != 0);
        Ok(if current { key.try_into().ok() } else { None })
    }

    /// Puts a new key in place of the kept one, at once and for good.
    fn replace(&self, rotation_index: i64) -> Result<[u8; 32], KeyError> {
        let key = random()?;
        let fail = |source| self.fail("write", source);
        let new = self.new_path();
        check(&new, true).map_err(fail)?;
        erase(&new).map_err(fail)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(fail)?;
        file.write_all(&rotation_index.to_be_bytes()).map_err(fail)?;
        file.write_all(&key).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        erase(&self.path).map_err(fail)?;
        fs::rename(&new, &self.path).map_err(fail)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(fail)?;
        }
        Ok(key)
    }

    /// Erases the kept key if its rotation is before that of `rotation_index`, and what a crash left of a new one.
    /// Something else that has the file's name is left alone.
    ///
    /// # Errors
    /// When it cannot be read or erased.
    pub fn erase_past(&mut self, rotation_index: i64) -> Result<(), KeyError> {
        let index = match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_file() && metadata.len() == LENGTH => {
                let octets = fs::read(&self.path).map_err(|source| self.fail("read", source))?;
                octets.first_chunk().map(|index| i64::from_be_bytes(*index))
            }
            _ => None,
        };
        if index.is_some_and(|index| index < rotation_index) { self.forget() } else { self.erase_new() }
    }

    /// Erases the kept key, because the mode that needed it is left. A file that is not ours is left alone.
    ///
    /// # Errors
    /// When it cannot be erased.
    pub fn leave(&mut self) -> Result<(), KeyError> {
        // What an erasure left that was cut off is as short as it likes.
        if check(&self.path, true).is_ok() {
            erase(&self.path).map_err(|source| self.fail("remove", source))?;
        }
        self.erase_new()
    }

    /// Erases what a crash left of a new key. Something else that has its name is left alone.
    fn erase_new(&self) -> Result<(), KeyError> {
        let new = self.new_path();
        if check(&new, true).is_err() {
            return Ok(());
        }
        erase(&new).map_err(|source| self.fail("remove", source))
    }

    fn new_path(&self) -> PathBuf {
        self.path.with_extension("key.new")
    }

    fn fail(&self, action: &'static str, source: io::Error) -> KeyError {
        KeyError::File { action, path: self.path.clone(), source }
    }
}

impl Keys for KeyFile {
    fn key(&mut self, rotation_index: i64) -> Result<[u8; 32], KeyError> {
        match self.read(rotation_index)? {
            Some(key) => Ok(key),
            None => self.replace(rotation_index),
        }
    }

    fn forget(&mut self) -> Result<(), KeyError> {
        check(&self.path, false).and_then(|()| erase(&self.path)).map_err(|source| self.fail("remove", source))?;
        self.erase_new()
    }
}

/// Keys that nobody keeps, for captures: what an interface is counted with must neither be read nor replaced by a
/// replay, whose rotations are of another time.
#[derive(Default)]
pub struct PassingKeys(Option<(i64, [u8; 32])>);

impl Keys for PassingKeys {
    fn key(&mut self, rotation_index: i64) -> Result<[u8; 32], KeyError> {
        if let Some((_, key)) = self.0.filter(|&(index, _)| index == rotation_index) {
            return Ok(key);
        }
        let key = random()?;
        self.0 = Some((rotation_index, key));
        Ok(key)
    }

    fn forget(&mut self) -> Result<(), KeyError> {
        self.0 = None;
        Ok(())
    }
}

fn random() -> Result<[u8; 32], KeyError> {
    let mut key = [0; 32];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut key)).map_err(|source| KeyError::File {
        action: "read",
        path: "/dev/urandom".into(),
        source,
    })?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_lives_for_its_rotation_and_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = KeyFile::new(directory.path());
        let first = keys.key(7).unwrap();
        assert_eq!(keys.key(7).unwrap(), first);
        assert_eq!(KeyFile::new(directory.path()).key(7).unwrap(), first);
        let second = keys.key(8).unwrap();
        assert_ne!(second, first);
        assert_ne!(keys.key(7).unwrap(), first, "the key of a past rotation is gone");
    }

    #[test]
    fn only_one_key_exists_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = KeyFile::new(directory.path());
        let first = keys.key(1).unwrap();
        fs::write(directory.path().join("pseudonym.key.new"), [0, 0, 0, 0, 1, 2, 3, 4, 5]).unwrap();
        keys.key(2).unwrap();
        let files: Vec<_> = fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let kept = fs::read(files[0].path()).unwrap();
        assert!(!kept.windows(32).any(|window| window == first));
    }

    #[test]
    fn a_key_that_others_could_read_or_that_is_empty_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = KeyFile::new(directory.path());
        let first = keys.key(1).unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let second = keys.key(1).unwrap();
        assert_ne!(first, second);
        fs::write(&path, "").unwrap();
        assert_ne!(keys.key(1).unwrap(), second);
    }

    #[test]
    fn somebody_elses_file_is_neither_replaced_nor_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let new = path.with_extension("key.new");
        // As long as a key, shorter and longer.
        for text in
            ["da39a3ee5e6b4b0d3255bfef95601890afd80709", "notes\n", "a private key that is longer than a key of ours\n"]
        {
            for path in [&path, &new] {
                fs::write(path, text).unwrap();
                let mut keys = KeyFile::new(directory.path());
                let error = keys.key(1).unwrap_err().to_string();
                assert!(error.contains("left as it is") && error.contains(path.to_str().unwrap()), "{error}");
                assert_eq!(keys.forget().is_err(), path.ends_with(FILE_NAME));
                assert_eq!(fs::read(path).unwrap(), text.as_bytes());
                fs::remove_file(path).unwrap();
            }
        }
    }

    #[test]
    fn a_passing_key_lasts_a_rotation_and_is_nobody_elses() {
        let (mut one, mut other) = (PassingKeys::default(), PassingKeys::default());
        let first = one.key(1).unwrap();
        assert_eq!(one.key(1).unwrap(), first);
        assert_ne!(other.key(1).unwrap(), first);
        assert_ne!(one.key(2).unwrap(), first);
        assert_ne!(one.key(1).unwrap(), first);
    }

    #[test]
    fn a_forgotten_key_never_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = KeyFile::new(directory.path());
        keys.forget().unwrap();
        let first = keys.key(1).unwrap();
        keys.forget().unwrap();
        assert_ne!(keys.key(1).unwrap(), first);
    }

    #[test]
    fn a_key_of_a_past_rotation_is_overwritten_and_a_present_one_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join(FILE_NAME), directory.path().join("what the medium holds"));
        let mut keys = KeyFile::new(directory.path());
        let key = keys.key(7).unwrap();
        fs::write(directory.path().join("pseudonym.key.new"), [0; 20]).unwrap();
        keys.erase_past(7).unwrap();
        assert!(!directory.path().join("pseudonym.key.new").exists());
        assert_eq!(keys.key(7).unwrap(), key);
        fs::hard_link(&path, &other).unwrap();
        keys.erase_past(8).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read(&other).unwrap(), [0; 40]);
        fs::remove_file(&other).unwrap();
        keys.key(8).unwrap();
        fs::hard_link(&path, &other).unwrap();
        keys.key(9).unwrap();
        assert_eq!(fs::read(&other).unwrap(), [0; 40], "the key before is overwritten too");
    }

    #[test]
    fn a_mode_that_is_left_leaves_no_key_and_strangers_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = KeyFile::new(directory.path());
        keys.leave().unwrap();
        keys.key(7).unwrap();
        fs::write(directory.path().join("pseudonym.key.new"), [0; 20]).unwrap();
        keys.leave().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let stranger = vec![b'x'; 4096];
        fs::write(directory.path().join(FILE_NAME), &stranger).unwrap();
        keys.leave().unwrap();
        keys.erase_past(9).unwrap();
        assert_eq!(fs::read(directory.path().join(FILE_NAME)).unwrap(), stranger);
    }

    #[test]
    fn an_erasure_that_was_cut_off_leaves_no_key_to_be_used() {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = KeyFile::new(directory.path());
        keys.key(0).unwrap();
        fs::write(directory.path().join(FILE_NAME), [0; 40]).unwrap();
        assert_ne!(keys.key(0).unwrap(), [0; 32]);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = KeyFile::new(Path::new("/nowhere/at/all")).key(1).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all/pseudonym.key"), "{error}");
        assert!(error.contains("privacy.key_dir"), "{error}");
    }
}
