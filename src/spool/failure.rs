//! Why SQLite did not do something: what the files of SQL hand to each other.

use super::SpoolError;
use rusqlite::ErrorCode;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// Damage that was met while the spool was in use: the file, and what SQLite said of it. Clones share one.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage(Arc<OnceLock<(PathBuf, String)>>);

impl Damage {
    /// Notes `error`, if it is the first that tells of damage.
    pub fn note(&self, error: &SpoolError) {
        if let SpoolError::Corrupt { path, message } = error {
            self.0.get_or_init(|| (path.clone(), message.clone()));
        }
    }

    /// What was noted.
    pub fn error(&self) -> Option<SpoolError> {
        self.0.get().map(|(path, message)| SpoolError::Corrupt { path: path.clone(), message: message.clone() })
    }
}

/// What SQLite said; its own type stays in this module's files of SQL.
#[derive(Debug)]
pub(super) struct Failure(rusqlite::Error);

/// What a piece of SQL gives.
pub(super) type SqlResult<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl Failure {
    /// The error for the file at `path`.
    pub fn at(&self, path: &Path) -> SpoolError {
        let (path, message) = (path.to_owned(), self.0.to_string());
        match self.0.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => SpoolError::Full { path },
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted,
            ) => SpoolError::Io { path, message },
            // Our statements are sound and fit our tables: whatever else they meet, the file is to blame. A missing
            // table, a value of another type and two records of one identity are damage too.
            _ => SpoolError::Corrupt { path, message },
        }
    }
}
