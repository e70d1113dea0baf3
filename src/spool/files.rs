//! A tier's directory: made, locked, and rid of a damaged file. Knows nothing of what is in the file.

use super::{
    SpoolError,
    store::{Medium, Store},
};
use crate::{UnixNanos, erase::erase};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Names of a tier's files, and how many damaged ones are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub file: &'static str,
    pub lock: &'static str,
    pub medium: Medium,
    keep: usize,
}

/// The hot tier. A damaged one takes memory, so one is kept.
pub(super) const HOT: Place =
    Place { file: "spool-hot.sqlite", lock: "spool-hot.lock", medium: Medium::Memory, keep: 1 };
/// The cold tier.
pub(super) const COLD: Place = Place { file: "spool.sqlite", lock: "spool.lock", medium: Medium::Disk, keep: 2 };

/// A tier as opened: released when the lock is dropped.
pub(super) struct Opened {
    pub store: Store,
    pub lock: File,
    pub set_aside: Option<PathBuf>,
}

/// Opens the tier in `dir`, making what is not there; a damaged file is renamed and a fresh one begun.
///
/// # Errors
/// When the directory cannot be used, another process has it, or the file is of a newer version.
pub(super) fn open(now: UnixNanos, dir: &Path, place: Place, wal_limit: u64) -> Result<Opened, SpoolError> {
    let in_dir = |source| SpoolError::Directory { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(in_dir)?;
    let lock = private(&dir.join(place.lock)).map_err(in_dir)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(SpoolError::Locked { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(in_dir(source)),
    }
    let path = dir.join(place.file);
    private(&path).map_err(in_dir)?;
    match Store::open(&path, place.medium, wal_limit) {
        Err(SpoolError::Corrupt { .. }) => {
            let aside = set_aside(now, dir, place).map_err(in_dir)?;
            private(&path).map_err(in_dir)?;
            let store = Store::open(&path, place.medium, wal_limit)?;
            sync_dir(dir).map_err(in_dir)?;
            Ok(Opened { store, lock, set_aside: Some(aside) })
        }
        Err(other) => Err(other),
        Ok(store) => {
            sync_dir(dir).map_err(in_dir)?;
            Ok(Opened { store, lock, set_aside: None })
        }
    }
}

/// Whether `dir` has a tier's file from before.
pub(super) fn exists(dir: &Path, place: Place) -> bool {
    dir.join(place.file).exists()
}

/// Deletes the tier's file; its lock stays.
pub(super) fn delete(dir: &Path, place: Place) -> Result<(), SpoolError> {
    let in_dir = |source| SpoolError::Directory { path: dir.to_owned(), source };
    ["-wal", ""]
        .iter()
        .try_for_each(|tail| absent(fs::remove_file(tailed(&dir.join(place.file), tail))))
        .map_err(in_dir)
}

/// Erases the files that [`open`] set aside in `dir`, with their write-ahead logs.
pub(super) fn erase_damaged(dir: &Path, place: Place) -> Result<(), SpoolError> {
    let prefix = damaged_prefix(place);
    let ours = |name: &str| {
        let stamp = name.strip_prefix(&prefix).map(|stamp| stamp.strip_suffix("-wal").unwrap_or(stamp));
        stamp.is_some_and(|stamp| stamp.len() == 19 && stamp.bytes().all(|octet| octet.is_ascii_digit()))
    };
    let work = || -> io::Result<()> {
        let files = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            files => files?,
        };
        for file in files {
            let file = file?;
            if ours(&file.file_name().to_string_lossy()) {
                erase(&file.path())?;
            }
        }
        sync_dir(dir)
    };
    work().map_err(|source| SpoolError::Directory { path: dir.to_owned(), source })
}

fn damaged_prefix(place: Place) -> String {
    format!("{}.damaged-", place.file)
}

/// Opens a file that only this user may read: it names who was on the air. SQLite's other files take its mode.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn tailed(path: &Path, tail: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(tail);
    PathBuf::from(name)
}

fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Renames the file with its write-ahead log, and deletes the oldest of those renamed before.
fn set_aside(now: UnixNanos, dir: &Path, place: Place) -> io::Result<PathBuf> {
    let path = dir.join(place.file);
    let prefix = damaged_prefix(place);
    let mut kept: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .filter(|path| !path.to_string_lossy().ends_with("-wal"))
        .collect();
    kept.sort();
    let excess = (kept.len() + 1).saturating_sub(place.keep);
    for old in kept.iter().take(excess) {
        fs::remove_file(old)?;
        absent(fs::remove_file(tailed(old, "-wal")))?;
    }
    let aside = dir.join(format!("{prefix}{:019}", now.0.max(0)));
    absent(fs::rename(tailed(&path, "-wal"), tailed(&aside, "-wal")))?;
    fs::rename(&path, &aside)?;
    Ok(aside)
}
