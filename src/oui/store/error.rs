//! What can go wrong in the vendor registry, in sentences for the person who has to act.

use crate::{oui::Prefix, own_file::Stranger};
use std::{io, path::PathBuf};

/// A registry file, or the cache, could not be used.
#[derive(Debug, thiserror::Error)]
pub enum OuiError {
    /// There is no cache yet.
    #[error("there is no vendor cache at {path}: make one with 'airtally oui update'")]
    Missing {
        /// The cache.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A registry file is not what it should be.
    #[error("{origin} {message}; the cache is as it was")]
    Source {
        /// The file or address.
        origin: String,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// A source has far fewer entries than before.
    #[error(
        "{label} shrank from {before} to {now} entries, more than a tenth; the cache is as it was: \
         look at the file, and pass --accept-shrink if it is right"
    )]
    Shrank {
        /// Which registry.
        label: &'static str,
        /// Its entries in the cache.
        before: u64,
        /// Its entries in the new file.
        now: u64,
    },
    /// What is at the cache's path is not ours: it is neither read nor changed.
    #[error("{0}")]
    Stranger(#[from] Stranger),
    /// The cache was made by a newer program.
    #[error(
        "the vendor cache {path} has format {found} and this program knows up to {known}: upgrade airtally, or move the cache away and run 'airtally oui update'"
    )]
    Newer {
        /// The cache.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program reads.
        known: i64,
    },
    /// The cache is damaged.
    #[error("the vendor cache {path} is damaged ({message}): run 'airtally oui update' to replace it")]
    Corrupt {
        /// The cache.
        path: PathBuf,
        /// What SQLite or the reader said.
        message: String,
    },
    /// The cache is sound and something else stopped SQLite.
    #[error("cannot use the vendor cache {path}: {message}")]
    Cache {
        /// The cache.
        path: PathBuf,
        /// What SQLite said.
        message: String,
    },
    /// A local entry is there already.
    #[error("there is a local entry for {prefix} already: replace it, or take it back first")]
    LocalExists {
        /// Its prefix.
        prefix: Prefix,
    },
    /// No local entry is there.
    #[error("there is no local entry for {prefix}")]
    LocalUnknown {
        /// The prefix asked for.
        prefix: Prefix,
    },
    /// The local entries are at their bound.
    #[error("there are {max} local entries, which is all that a cache holds: take some back first")]
    LocalFull {
        /// The bound.
        max: usize,
    },
}
