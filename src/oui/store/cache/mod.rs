//! The cache: one SQLite file, only ever replaced whole. What changes it writes a new file beside the old one and swaps
//! it in by a rename: a reader sees the old cache or the new one and never a mixture, and a process killed at any
//! moment leaves one of them.

mod db;

use super::{OuiError, merge::merge, parsed::Row, snapshot, source::Source};
use crate::{
    UnixNanos,
    oui::{Prefix, Registry},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// How many local entries a cache holds at most.
pub const MAX_LOCAL: usize = 10_000;

/// What an update did.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Assignments now in the cache.
    pub entries: u64,
    /// Well-known addresses now in the cache.
    pub special: u64,
    /// Prefixes that the IEEE gave to more than one organisation.
    pub shared: u64,
    /// The hash of the registry, without local entries.
    pub hash: String,
    /// Whether that is another one than before.
    pub changed: bool,
    /// What the old cache had and the new one does not: labels like `MA-L`.
    pub left_out: Vec<String>,
    /// Where a damaged cache was moved.
    pub set_aside: Option<PathBuf>,
}

/// One source, as the cache remembers it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SourceInfo {
    /// `MA-L`, …, `manuf` or `wka`.
    pub label: String,
    /// Its path or address.
    pub origin: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// When it was read.
    pub fetched_at: String,
    /// The server's name for its version.
    pub etag: Option<String>,
    /// The server's date for it.
    pub last_modified: Option<String>,
    /// Its entries.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What is in a cache.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Info {
    /// Where each part came from.
    pub sources: Vec<SourceInfo>,
    /// When the cache was made.
    pub updated_at: String,
    /// Assignments per registry; `unstated` are those that only Wireshark lists.
    pub registries: BTreeMap<&'static str, u64>,
    /// Well-known addresses.
    pub special: u64,
    /// The hash of all it says, local entries included.
    pub hash: String,
}

/// What is read of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All but postal addresses, which are the larger half: what it takes to name vendors.
    Names,
    /// Everything.
    All,
}

impl Registry {
    /// Loads the cache at `path`.
    ///
    /// # Errors
    /// When there is none, it is damaged, it is from a newer program, or it cannot be read.
    pub fn load(path: &Path, detail: Detail) -> Result<Self, OuiError> {
        db::load(path, detail)
    }
}

/// Loads the cache at `path`; in its place the snapshot that travels with the program where there is none, or where it
/// is damaged. A damaged one is set aside and made anew from the snapshot, as far as the directory may be written.
/// The text, if any, says what was done.
///
/// # Errors
/// When the cache is from a newer program or cannot be read.
pub fn load_or_rebuild(path: &Path, detail: Detail, now: UnixNanos) -> Result<(Registry, Option<String>), OuiError> {
    match Registry::load(path, detail) {
        Ok(registry) => Ok((registry, None)),
        Err(error @ OuiError::Missing { .. }) => {
            let note = format!("{error}; until then names come from a snapshot: {}", snapshot::origin());
            Ok((Registry::snapshot(), Some(note)))
        }
        Err(error @ OuiError::Corrupt { .. }) => {
            let mut note = format!("{error}; until then names come from a snapshot: {}", snapshot::origin());
            let set_aside = update(path, &snapshot::sources(), now, true).ok().and_then(|report| report.set_aside);
            if let Some(place) = set_aside {
                note.push_str(&format!("; the damaged cache is now {}", place.display()));
            }
            Ok((Registry::snapshot(), Some(note)))
        }
        Err(error) => Err(error),
    }
}

/// Makes a new cache at `path` of exactly `sources` and the old one's local entries, and swaps it in.
///
/// # Errors
/// When a source has lost more than a tenth of its entries (unless `accept_shrink`), the old cache is from a newer
/// program, or the disk refuses. The old cache then stays.
pub fn update(path: &Path, sources: &[Source], now: UnixNanos, accept_shrink: bool) -> Result<Report, OuiError> {
    let merged = merge(sources);
    let _lock = lock(path)?;
    let (old, set_aside) = match db::old(path) {
        Ok(old) => (old, None),
        Err(OuiError::Missing { .. }) => (db::Old::default(), None),
        Err(OuiError::Corrupt { .. }) => (db::Old::default(), Some(aside(path)?)),
        Err(error) => return Err(error),
    };
    let mut rows: BTreeMap<&'static str, u64> = BTreeMap::new();
    for source in sources {
        *rows.entry(source.kind.label()).or_default() += source.rows();
    }
    for (label, now) in &rows {
        let before = old.rows.get(*label).copied().unwrap_or(0);
        if !accept_shrink && *now < before - before / 10 {
            return Err(OuiError::Shrank { label, before, now: *now });
        }
    }
    let hash = merged.hash();
    swap_in(path, |new| db::create(new, &merged, sources, &old.local, &hash, now))?;
    Ok(Report {
        entries: merged.entries.len() as u64,
        special: merged.special.len() as u64,
        shared: merged.shared,
        changed: old.hash.as_deref() != Some(&hash),
        hash,
        left_out: old.rows.into_keys().filter(|label| !rows.contains_key(label.as_str())).collect(),
        set_aside,
    })
}

/// Reads what the cache at `path` has and checks all of it.
///
/// # Errors
/// As [`Registry::load`]; also damage that loading does not meet.
pub fn info(path: &Path) -> Result<Info, OuiError> {
    db::info(path)
}

/// The source that came from `origin`, as the cache at `path` keeps it: for a server that says that it has not changed.
///
/// # Errors
/// As [`Registry::load`].
pub fn stored(path: &Path, origin: &str) -> Result<Option<(SourceInfo, Vec<u8>)>, OuiError> {
    db::stored(path, origin)
}

/// Adds a local entry, or with `replace` corrects one. Says whether it is new. Without a cache one is made from the
/// snapshot.
///
/// # Errors
/// When there is one for this prefix already (without `replace`), there are [`MAX_LOCAL`], or the cache cannot be used.
pub fn put_local(path: &Path, row: Row, replace: bool, now: UnixNanos) -> Result<bool, OuiError> {
    change_local(path, now, |rows| match rows.binary_search_by_key(&row.prefix, |row| row.prefix) {
        Ok(_) if !replace => Err(OuiError::LocalExists { prefix: row.prefix }),
        Ok(place) => {
            if let Some(old) = rows.get_mut(place) {
                *old = row;
            }
            Ok(false)
        }
        Err(_) if rows.len() >= MAX_LOCAL => Err(OuiError::LocalFull { max: MAX_LOCAL }),
        Err(place) => {
            rows.insert(place, row);
            Ok(true)
        }
    })
}

/// Takes a local entry back.
///
/// # Errors
/// When there is none for `prefix`, or the cache cannot be used.
pub fn remove_local(path: &Path, prefix: Prefix, now: UnixNanos) -> Result<(), OuiError> {
    change_local(path, now, |rows| match rows.binary_search_by_key(&prefix, |row| row.prefix) {
        Ok(place) => {
            rows.remove(place);
            Ok(())
        }
        Err(_) => Err(OuiError::LocalUnknown { prefix }),
    })
}

/// Changes the local entries, sorted by prefix, of the cache at `path`.
fn change_local<T>(
    path: &Path,
    now: UnixNanos,
    change: impl FnOnce(&mut Vec<Row>) -> Result<T, OuiError>,
) -> Result<T, OuiError> {
    let _lock = lock(path)?;
    let (mut rows, fresh) = match db::old(path) {
        Ok(old) => (old.local, false),
        Err(OuiError::Missing { .. }) => (Vec::new(), true),
        Err(error) => return Err(error),
    };
    let done = change(&mut rows)?;
    swap_in(path, |new| {
        if fresh {
            let sources = snapshot::sources();
            let merged = merge(&sources);
            return db::create(new, &merged, &sources, &rows, &merged.hash(), now);
        }
        fs::copy(path, new).map_err(|source| OuiError::Io { action: "write", path: new.to_owned(), source })?;
        db::set_local(new, &rows)
    })?;
    Ok(done)
}

/// Keeps two writers apart: an advisory lock on the cache's directory, made if need be.
fn lock(path: &Path) -> Result<File, OuiError> {
    let directory = directory(path);
    let failed = |action| move |source| OuiError::Io { action, path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(failed("create"))?;
    let lock = File::open(directory).map_err(failed("open"))?;
    lock.lock().map_err(failed("lock"))?;
    Ok(lock)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name `suffix` beside `path`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Moves a damaged cache out of the way and says where.
fn aside(path: &Path) -> Result<PathBuf, OuiError> {
    let target = beside(path, ".corrupt");
    fs::rename(path, &target).map_err(|source| OuiError::Io { action: "set aside", path: path.into(), source })?;
    Ok(target)
}

/// Lets `fill` write a new file beside `path`, makes sure that it is on the disk, and renames it over `path`.
fn swap_in(path: &Path, fill: impl FnOnce(&Path) -> Result<(), OuiError>) -> Result<(), OuiError> {
    let new = beside(path, ".new");
    let io = |action| {
        let new = new.clone();
        move |source| OuiError::Io { action, path: new, source }
    };
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("remove")(error)),
        _ => {}
    }
    if let Err(error) = fill(&new) {
        // What could not be finished is of no use to anyone; that it may stay is no second failure.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    if let Ok(old) = fs::metadata(path) {
        fs::set_permissions(&new, old.permissions()).map_err(io("set the mode of"))?;
    }
    File::open(&new).and_then(|file| file.sync_all()).map_err(io("sync"))?;
    fs::rename(&new, path).map_err(io("rename"))?;
    File::open(directory(path)).and_then(|directory| directory.sync_all()).map_err(io("sync the directory of"))
}
