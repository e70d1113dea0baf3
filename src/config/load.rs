//! Reading a configuration file: parse, name the nearest valid key, check what serde cannot.

use super::{Ingest, Sensor};
use crate::bounds::Wrong;
use serde::de::DeserializeOwned;
use std::{
    io,
    path::{Path, PathBuf},
};

/// What is wrong with a configuration, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not TOML, or a key or type is wrong. The message has line, column and a caret.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        message: String,
    },
    /// A value is out of bounds, or two values do not fit together.
    #[error("{path}: {key}: {message}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, with its table.
        key: String,
        /// What is wrong and what would do.
        message: String,
    },
    /// Neither a sensor's nor an ingest's file.
    #[error("{path}: cannot tell whether this is for the sensor or for ingest: {message}")]
    ConfigKind {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

/// Which daemon a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    /// `airtally sensor`.
    Sensor,
    /// `airtally ingest`.
    Ingest,
}

impl ConfigKind {
    /// Tells which daemon the file at `path` is for, by the top-level keys that only one of them has.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has keys of neither or both.
    pub fn of(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| parse_error(path, &text, &error))?;
        let has = |keys: &[&str]| keys.iter().any(|key| table.contains_key(*key));
        let kind_error = |message: &str| ConfigError::ConfigKind { path: path.to_owned(), message: message.into() };
        match (
            has(&["sensor", "source", "radio", "window", "tracking", "devices", "privacy", "oui", "clock"]),
            has(&["name", "replay", "dead_letters", "influx", "sqlite", "web"]),
        ) {
            (true, false) => Ok(Self::Sensor),
            (false, true) => Ok(Self::Ingest),
            (false, false) => Err(kind_error(
                "it has none of the keys that only one of them knows, like 'sensor' or 'name'; pass --kind",
            )),
            (true, true) => {
                Err(kind_error("it has keys of both, like 'sensor' and 'name'; pass --kind to see which are wrong"))
            }
        }
    }
}

/// Reads and checks a sensor's configuration.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn load_sensor(path: &Path) -> Result<Sensor, ConfigError> {
    parse_sensor(path, &read(path)?)
}

/// Reads and checks an ingest's configuration.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn load_ingest(path: &Path) -> Result<Ingest, ConfigError> {
    parse_ingest(path, &read(path)?)
}

/// As [`load_sensor`], from text; `path` is for messages.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn parse_sensor(path: &Path, text: &str) -> Result<Sensor, ConfigError> {
    let config: Sensor = parse(path, text)?;
    config.check().map_err(|wrong| value_error(path, wrong))?;
    Ok(config)
}

/// As [`load_ingest`], from text; `path` is for messages.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn parse_ingest(path: &Path, text: &str) -> Result<Ingest, ConfigError> {
    let config: Ingest = parse(path, text)?;
    config.check().map_err(|wrong| value_error(path, wrong))?;
    Ok(config)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| parse_error(path, text, &error))
}

fn value_error(path: &Path, Wrong { key, message }: Wrong) -> ConfigError {
    ConfigError::Value { path: path.to_owned(), key, message }
}

fn parse_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let mut message = error.to_string().trim_end().to_owned();
    if let Some(nearest) = nearest_key(error.message()) {
        message.push_str(&format!("\ndid you mean '{nearest}'?"));
    }
    if error.span().is_none() && text.trim().is_empty() {
        message.push_str(" (the file is empty)");
    }
    ConfigError::Parse { path: path.to_owned(), message }
}

/// From "unknown field `a`, expected one of `b`, `c`": the expected key that looks most like the unknown one.
fn nearest_key(message: &str) -> Option<&str> {
    let mut quoted = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|key| (strsim::normalized_damerau_levenshtein(unknown, key), key))
        .filter(|(likeness, _)| *likeness >= 0.4)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}
