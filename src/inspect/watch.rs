//! Captures that appear in a directory: which of them are fully written, and which were dealt with before.
//!
//! A file is fully written when its size and modification time stood still between two looks. What was dealt with is
//! remembered in a state file, a line each, durably; a file that changes afterwards is a new one.

use crate::own_file::{self, Content, Stranger};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

/// The state file's name, in the directory that is watched, where nobody says otherwise.
pub const STATE_FILE: &str = ".airtally-watch";

/// How each line of a state file begins: the mark of ours.
const START: &[u8] = b"{\"name\":\"";
const WANTED: &str = "the state of a watched directory";

/// Size and modification time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    mtime_ns: i64,
}

/// A line of the state file.
#[derive(Serialize, Deserialize)]
struct Line {
    /// The octets of the file's name, as text where they are UTF-8, else in hexadecimal after `hex:`.
    name: String,
    #[serde(flatten)]
    stamp: Stamp,
}

/// A directory being watched.
pub struct Watch {
    directory: PathBuf,
    state: PathBuf,
    /// Files dealt with.
    done: BTreeMap<String, Stamp>,
    /// Files as of the last look.
    seen: BTreeMap<OsString, Stamp>,
}

impl Watch {
    /// Watches `directory`, whose state is kept in the file `state`.
    ///
    /// # Errors
    /// When the state file cannot be read or rewritten; a [`Stranger`] (as [`io::ErrorKind::InvalidData`]) where it is
    /// somebody else's.
    pub fn open(directory: &Path, state: &Path) -> io::Result<Self> {
        fs::read_dir(directory)?;
        let mut done = BTreeMap::new();
        if let Some(octets) = own_file::read(state, START, WANTED)? {
            let mut lines = octets.split(|octet| *octet == b'\n').peekable();
            while let Some(line) = lines.next() {
                match serde_json::from_slice(line) {
                    Ok(Line { name, stamp }) => drop(done.insert(name, stamp)),
                    // A last line that a crash cut short is as good as none.
                    Err(_) if lines.peek().is_none() => {}
                    Err(_) => return Err(Stranger::new(state, &Content::File, WANTED).into()),
                }
            }
        }
        let (directory, state) = (directory.to_owned(), state.to_owned());
        let mut watch = Self { directory, state, done, seen: BTreeMap::new() };
        let present = watch.look()?;
        watch.done.retain(|name, _| present.keys().any(|file| text(file) == *name));
        watch.rewrite()?;
        Ok(watch)
    }

    /// The files that are fully written and not dealt with, by name. Call about once a second.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn ready(&mut self) -> io::Result<Vec<PathBuf>> {
        let now = self.look()?;
        let is_ready = |(name, stamp): &(&OsString, &Stamp)| {
            self.seen.get(*name) == Some(stamp) && self.done.get(&text(name)) != Some(stamp)
        };
        let ready = now.iter().filter(is_ready).map(|(name, _)| self.directory.join(name)).collect();
        self.seen = now;
        Ok(ready)
    }

    /// Remembers, for good, that `path` was dealt with as it was at the last look.
    ///
    /// # Errors
    /// When the state file cannot be written.
    pub fn done(&mut self, path: &Path) -> io::Result<()> {
        let Some((name, stamp)) = path.file_name().and_then(|name| self.seen.get_key_value(name)) else {
            return Ok(());
        };
        let (name, stamp) = (text(name), *stamp);
        let mut file = File::options().create(true).append(true).mode(0o600).open(&self.state)?;
        file.write_all(&line(&name, stamp))?;
        file.sync_data()?;
        self.done.insert(name, stamp);
        Ok(())
    }

    fn look(&self) -> io::Result<BTreeMap<OsString, Stamp>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            // It may be gone already; hidden files are being written or are no captures, as ours is.
            let hidden = entry.file_name().as_bytes().starts_with(b".");
            if let (false, Ok(metadata)) = (hidden || path == self.state, fs::metadata(&path))
                && metadata.is_file()
            {
                let mtime_ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
                files.insert(entry.file_name(), Stamp { size: metadata.len(), mtime_ns });
            }
        }
        Ok(files)
    }

    /// Writes the state file anew, without files that are gone.
    fn rewrite(&self) -> io::Result<()> {
        let lines: Vec<u8> = self.done.iter().flat_map(|(name, stamp)| line(name, *stamp)).collect();
        own_file::replace(&self.state, &lines, START, WANTED)
    }
}

fn text(name: &std::ffi::OsStr) -> String {
    name.to_str().map_or_else(
        || format!("hex:{}", name.as_bytes().iter().map(|octet| format!("{octet:02x}")).collect::<String>()),
        str::to_owned,
    )
}

fn line(name: &str, stamp: Stamp) -> Vec<u8> {
    // Text and numbers always become JSON.
    let mut line = serde_json::to_vec(&Line { name: name.to_owned(), stamp }).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_ready_when_it_stands_still_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let (state, path) = (dir.path().join(STATE_FILE), dir.path().join("a.pcap"));
        let mut watch = Watch::open(dir.path(), &state).unwrap();
        fs::write(&path, "1").unwrap();
        assert!(watch.ready().unwrap().is_empty());
        fs::write(&path, "12").unwrap();
        assert!(watch.ready().unwrap().is_empty());
        assert_eq!(watch.ready().unwrap(), std::slice::from_ref(&path));
        watch.done(&path).unwrap();
        assert!(watch.ready().unwrap().is_empty());
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o600);

        fs::write(dir.path().join(STATE_FILE), [fs::read(&state).unwrap(), b"{\"name\":\"b".to_vec()].concat())
            .unwrap();
        let mut watch = Watch::open(dir.path(), &state).unwrap();
        watch.ready().unwrap();
        assert!(watch.ready().unwrap().is_empty());
        fs::write(&path, "123").unwrap();
        watch.ready().unwrap();
        assert_eq!(watch.ready().unwrap(), [path]);
    }

    #[test]
    fn somebody_elses_file_is_no_state() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        for text in
            ["site = \"home\"\n", "{\"name\":\"a package\"}\n", "{\"name\":\"a\",\"size\":1,\"mtime_ns\":2}\nnotes\n"]
        {
            for path in [state.clone(), dir.path().join("state.new")] {
                if text.starts_with('{') && path != state {
                    continue;
                }
                fs::write(&path, text).unwrap();
                let error = Watch::open(dir.path(), &state).err().unwrap();
                assert!(error.to_string().contains("left as it is"), "{error}");
                assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
                fs::remove_file(&path).unwrap();
            }
        }
        assert!(Watch::open(dir.path(), dir.path()).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
