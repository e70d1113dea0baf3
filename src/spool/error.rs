//! What can go wrong with a spool, in words for the person who runs it.

use crate::own_file::Stranger;
use std::{io, path::PathBuf};

/// Why a spool could not do what it was asked to. Nothing is half done after any of these.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A directory that cannot be made, read or written.
    #[error("cannot use the spool directory {path}: {source}; make it writable for this user, or configure another")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is at the file's path is not ours: it is neither read nor changed.
    #[error("{0}")]
    Stranger(#[from] Stranger),
    /// Another process has it.
    #[error(
        "the spool in {path} is in use by another airtally; stop that one, or give this one a directory of its own"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error(
        "the spool {path} has format {found}, and this version reads up to {known}; install the newer airtally again, or move the file away and lose what it holds"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// No space left. Worth trying again.
    #[error("no space left for the spool {path}; free some, or set a smaller spool.max_bytes")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Damaged while in use.
    #[error(
        "the spool {path} is damaged: {message}; restart airtally, which sets the file aside and begins a fresh one"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        message: String,
    },
    /// Reading or writing failed. Worth trying again.
    #[error("cannot read or write the spool {path}: {message}; check the disk and the file's permissions")]
    Io {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        message: String,
    },
    /// A record that no honest sensor sends.
    #[error("not spooling a record: {0}")]
    Refused(&'static str),
    /// A reader that the spool was not opened with.
    #[error("the spool has no reader '{0}'; name it when opening the spool")]
    UnknownReader(String),
    /// More readers than there are cursors.
    #[error("the spool serves at most {limit} readers, not {wanted}; configure fewer sinks")]
    TooManyReaders {
        /// How many were named.
        wanted: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl SpoolError {
    /// Whether the same call may succeed later without anybody changing the configuration.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. })
    }
}
