//! A tier's directory: made, locked, and rid of a damaged file. Knows nothing of what is in the file.

use super::{
    SpoolError,
    store::{self, Medium, Store},
};
use crate::{
    UnixNanos,
    erase::erase,
    own_file::{self, Content, Stranger},
};
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

/// Whether `content` is a spool of this version or another.
fn is_spool(content: &Content) -> bool {
    let Content::Sqlite(header) = content else { return false };
    header.application_id == store::APPLICATION_ID
        || header.application_id == 0 && header.user_version > 0 && header.mentions(store::FIRST_TABLE)
}

/// Opens the tier in `dir`, making what is not there; a damaged file is renamed and a fresh one begun. Damaged is a spool,
/// and, in a directory that has had one, what is no SQLite database any more or has lost its mark.
///
/// # Errors
/// When the directory cannot be used, another process has it, or the file is of a newer version or not ours.
pub(super) fn open(now: UnixNanos, dir: &Path, place: Place, wal_limit: u64) -> Result<Opened, SpoolError> {
    let in_dir = |source| SpoolError::Directory { path: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(in_dir)?;
    let path = dir.join(place.file);
    // Before the lock is made: in a stranger's directory nothing is.
    let content = own_file::look(&path).map_err(in_dir)?;
    let may_be_spool = match &content {
        Content::File => true,
        Content::Sqlite(header) => header.mentions(store::FIRST_TABLE),
        _ => false,
    };
    let was_spool = is_spool(&content) || may_be_spool && dir.join(place.lock).is_file();
    if !was_spool && !matches!(content, Content::Absent | Content::Empty) {
        return Err(Stranger::new(&path, &content, "a spool").into());
    }
    let lock = private(&dir.join(place.lock)).map_err(in_dir)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(SpoolError::Locked { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(in_dir(source)),
    }
    own_file::make_private(&path).map_err(in_dir)?;
    own_file::tighten(&path);
    let mark = store::damage_mark(&path);
    let opened = if mark.exists() {
        Err(SpoolError::Corrupt { path: path.clone(), message: "it was found damaged while in use".into() })
    } else {
        Store::open(&path, place.medium, wal_limit)
    };
    match opened {
        Err(SpoolError::Corrupt { .. }) => {
            let aside = set_aside(now, dir, place).map_err(in_dir)?;
            absent(fs::remove_file(&mark)).map_err(in_dir)?;
            own_file::make_private(&path).map_err(in_dir)?;
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

/// Opens the lock, which only this user may read.
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
        .filter(|entry| {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            number.is_some_and(|number| number.len() == 19 && number.bytes().all(|octet| octet.is_ascii_digit()))
        })
        .map(|entry| entry.path())
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
