//! Secrets: configuration names the file, the program reads it when it needs it, and no log can print it.

use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The path of a file that holds a secret. Its content never appears in `Debug` output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretFile(pub PathBuf);

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read the secret in {path}: {source}; check that it exists and that this user may read it")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing in it.
    #[error("the secret in {0} is empty: write it as the file's first line")]
    Empty(PathBuf),
}

impl SecretFile {
    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file's first line, without the line's end.
    ///
    /// # Errors
    /// When the file cannot be read as text or its first line is empty.
    pub fn read_line(&self) -> Result<String, SecretError> {
        let text =
            std::fs::read_to_string(&self.0).map_err(|source| SecretError::Read { path: self.0.clone(), source })?;
        match text.lines().next().map(str::trim_end) {
            Some(line) if !line.is_empty() => Ok(line.to_owned()),
            _ => Err(SecretError::Empty(self.0.clone())),
        }
    }
}
