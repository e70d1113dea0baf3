//! Why SQLite did not do something: what the files of SQL hand to each other.

use super::SpoolError;
use rusqlite::ErrorCode;
use std::path::Path;

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
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => SpoolError::Corrupt { path, message },
            _ => SpoolError::Io { path, message },
        }
    }
}
