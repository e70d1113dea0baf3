//! The cache: one SQLite file, only ever replaced whole. What changes it writes a new file beside the old one and swaps
//! it in by a rename: a reader sees the old cache or the new one and never a mixture, and a process killed at any
//! moment leaves one of them. Who only reads never writes, and nobody touches a file that is not a cache of ours.

mod db;
mod place;

use super::{OuiError, merge::merge, parsed::RegistryRow, snapshot, source::Source};
use crate::{
    UnixNanos,
    oui::{Prefix, Registry},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub use place::DEFAULT_PATH;

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
    /// Its path or address, without what may be secret in it.
    pub origin: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// When it was read.
    pub fetched_at: String,
    /// The server's name for its version.
    pub etag: Option<String>,
    /// The server's date for it; a file's own, in RFC 3339.
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
/// is damaged. Writes nothing. The text, if any, says why the snapshot serves.
///
/// # Errors
/// When the file is not ours, from a newer program or cannot be read.
pub fn load_or_snapshot(path: &Path, detail: Detail) -> Result<(Registry, Option<String>), OuiError> {
    match Registry::load(path, detail) {
        Ok(registry) => Ok((registry, None)),
        Err(error @ (OuiError::Missing { .. } | OuiError::Corrupt { .. })) => {
            Ok((Registry::snapshot(), Some(format!("{error}; until then {}", snapshot::serves(UnixNanos::now())))))
        }
        Err(error) => Err(error),
    }
}

/// Whether an update may replace what is at `path`: a cache of ours, even a damaged one, or nothing.
///
/// # Errors
/// When it is not ours, or cannot be read.
pub fn may_replace(path: &Path) -> Result<(), OuiError> {
    match place::find(path)? {
        place::Found::Stranger(stranger) => Err(stranger.into()),
        _ => Ok(()),
    }
}

/// Makes a new cache at `path` of exactly `sources` and the old one's local entries, and swaps it in.
///
/// # Errors
/// When a source has lost more than a tenth of its entries (unless `accept_shrink`), the old file is not ours or from a
/// newer program, or the disk refuses. The old file then stays.
pub fn update(path: &Path, sources: &[Source], now: UnixNanos, accept_shrink: bool) -> Result<Report, OuiError> {
    let merged = merge(sources);
    let path = &place::real(path);
    may_replace(path)?;
    let _lock = place::lock(path)?;
    let (old, is_damaged) = match db::old(path) {
        Ok(old) => (old, false),
        Err(OuiError::Missing { .. }) => (db::Old::default(), false),
        Err(OuiError::Corrupt { .. }) => (db::Old::default(), true),
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
    let set_aside = place::swap_in(path, is_damaged, |new| db::create(new, &merged, sources, &old.local, &hash, now))?;
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
pub fn put_local(path: &Path, row: RegistryRow, replace: bool, now: UnixNanos) -> Result<bool, OuiError> {
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
    change: impl FnOnce(&mut Vec<RegistryRow>) -> Result<T, OuiError>,
) -> Result<T, OuiError> {
    let path = &place::real(path);
    may_replace(path)?;
    let _lock = place::lock(path)?;
    let (mut rows, fresh) = match db::old(path) {
        Ok(old) => (old.local, false),
        Err(OuiError::Missing { .. }) => (Vec::new(), true),
        Err(error) => return Err(error),
    };
    let done = change(&mut rows)?;
    place::swap_in(path, false, |new| {
        if fresh {
            let sources = snapshot::sources();
            let merged = merge(&sources);
            return db::create(new, &merged, &sources, &rows, &merged.hash(), now);
        }
        place::copy(path, new)?;
        db::set_local(new, &rows)
    })?;
    Ok(done)
}
