//! Reading a configuration file: parse, name the nearest valid key, check what serde cannot, and name every mistake.

use super::{Ingest, Sensor};
use crate::bounds::{Mistakes, Wrong};
use serde::de::DeserializeOwned;
use std::{
    cmp::Ordering,
    io,
    ops::Range,
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
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
    /// It is not TOML, keys or types are wrong, values out of bounds, or values do not fit together.
    #[error("{}", shown(path, mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// Each: where, what, and what would do.
        mistakes: Vec<String>,
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
    /// Tells which daemon the file at `path` is for: by the top-level keys that only one of them has, else by the file's
    /// name, else by which of them finds fewer mistakes. Of a file that suits both it is a sensor's.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has mistakes for both and nothing says which it is for.
    pub fn of(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let keys = |table: &DeTable<'_>| table.keys().map(|key| key.get_ref().to_string()).collect::<Vec<_>>();
        let broken =
            |error| ConfigError::Mistakes { path: path.to_owned(), mistakes: vec![parse_error(&text, &error)] };
        let keys = DeTable::parse(&text).map(|table| keys(table.get_ref())).map_err(broken)?;
        let has = |known: &[&str]| keys.iter().any(|key| known.contains(&key.as_str()));
        let named = |word: &str| path.file_name().is_some_and(|name| name.to_string_lossy().contains(word));
        for (for_sensor, for_ingest) in [(has(&OF_SENSOR), has(&OF_INGEST)), (named("sensor"), named("ingest"))] {
            match (for_sensor, for_ingest) {
                (true, false) => return Ok(Self::Sensor),
                (false, true) => return Ok(Self::Ingest),
                _ => {}
            }
        }
        let mistakes = |error: ConfigError| match error {
            ConfigError::Mistakes { mistakes, .. } => mistakes.len(),
            _ => usize::MAX,
        };
        let as_sensor = parse_sensor(path, &text).err().map_or(0, mistakes);
        let as_ingest = parse_ingest(path, &text).err().map_or(0, mistakes);
        match as_sensor.cmp(&as_ingest) {
            Ordering::Less => Ok(Self::Sensor),
            Ordering::Greater => Ok(Self::Ingest),
            Ordering::Equal if as_sensor == 0 => Ok(Self::Sensor),
            Ordering::Equal => Err(ConfigError::ConfigKind {
                path: path.to_owned(),
                message: "nothing in it or its name says so; pass --kind to see what is wrong with it".to_owned(),
            }),
        }
    }
}

/// Top-level keys that only a sensor's file has.
const OF_SENSOR: [&str; 17] = [
    "sensor", "label", "location", "source", "radio", "window", "tracking", "devices", "networks", "alerts", "privacy",
    "flows", "people", "sketch", "oui", "clock", "metrics",
];
/// Top-level keys that only an ingest's file has.
const OF_INGEST: [&str; 9] =
    ["name", "replay", "declare_after", "dead_letters", "influx", "webhook", "sqlite", "web", "home_assistant"];

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
    parse(path, text, Sensor::check)
}

/// As [`load_ingest`], from text; `path` is for messages.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn parse_ingest(path: &Path, text: &str) -> Result<Ingest, ConfigError> {
    parse(path, text, Ingest::check)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

/// Mistakes named of one file, at most.
const MOST: usize = 50;

/// Reads and checks. An entry that cannot be read is named, and left out for the rest to be read.
fn parse<T: DeserializeOwned>(path: &Path, text: &str, check: fn(&T, &mut Mistakes)) -> Result<T, ConfigError> {
    let mut rest = text.to_owned();
    let mut mistakes: Vec<String> = Vec::new();
    // Tables with entries that cannot be read: what is said of their values may only follow from that.
    let mut spoilt: Vec<String> = Vec::new();
    let parsed: Option<T> = loop {
        match toml::from_str(&rest) {
            Ok(parsed) => break Some(parsed),
            Err(error) => {
                mistakes.push(parse_error(text, &error));
                let entry = error.span().and_then(|span| entry_at(&rest, &span));
                let Some((table, entry)) = entry.filter(|_| mistakes.len() < MOST) else { break None };
                spoilt.push(table);
                blank(&mut rest, &entry);
                // A part of an inline table cannot be left out.
                if DeTable::parse(&rest).is_err() {
                    break None;
                }
            }
        }
    };
    if let Some(parsed) = &parsed {
        let mut found = Mistakes::default();
        check(parsed, &mut found);
        let table = DeTable::parse(text).ok();
        for Wrong { key, index, message } in found.found() {
            if spoilt.iter().any(|table| key.split('.').next() == Some(table.as_str())) {
                continue;
            }
            let line = table.as_ref().and_then(|table| line_in(text, table.get_ref(), &key, index));
            let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            mistakes.push(format!("{place}{key}: {message}"));
        }
    }
    match parsed {
        Some(parsed) if mistakes.is_empty() => Ok(parsed),
        _ => Err(ConfigError::Mistakes { path: path.to_owned(), mistakes }),
    }
}

fn shown(path: &Path, mistakes: &[String]) -> String {
    mistakes.iter().map(|mistake| format!("{}: {mistake}", path.display())).collect::<Vec<_>>().join("\n")
}

fn parse_error(text: &str, error: &toml::de::Error) -> String {
    let mut message = error.to_string().trim_end().to_owned();
    if let Some(nearest) = nearest_key(error.message()) {
        message.push_str(&format!("\ndid you mean '{nearest}'?"));
    }
    if error.span().is_none() && text.trim().is_empty() {
        message.push_str(" (the file is empty)");
    }
    message
}

/// The innermost entry (key and value) that `span` is about, and the top-level table it is in. None for a span that is a
/// whole table, for what that lacks is not mended by leaving it out, and where the text is no TOML.
fn entry_at(text: &str, span: &Range<usize>) -> Option<(String, Range<usize>)> {
    let document = DeTable::parse(text).ok()?;
    document.get_ref().iter().find_map(|(key, value)| {
        let entry = entry_within(text, key.span(), value, span)?;
        Some((key.get_ref().to_string(), entry))
    })
}

fn entry_within(
    text: &str,
    key: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    span: &Range<usize>,
) -> Option<Range<usize>> {
    let contains = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let inner = tables(value.get_ref());
    if inner.is_empty() {
        return (contains(&key) || contains(&value.span())).then(|| key.start..value.span().end.max(key.end));
    }
    if contains(&key) {
        // A whole table, with its header.
        let start = text.get(..key.start)?.rfind('\n').map_or(0, |at| at + 1);
        return Some(start..end_of(value).max(key.end));
    }
    inner.into_iter().flatten().find_map(|(key, value)| entry_within(text, key.span(), value, span))
}

/// The tables that a value is made of.
fn tables<'t, 'i>(value: &'t DeValue<'i>) -> Vec<&'t DeTable<'i>> {
    match value {
        DeValue::Table(table) => vec![table],
        DeValue::Array(items) => items.iter().filter_map(|item| item.get_ref().as_table()).collect(),
        _ => Vec::new(),
    }
}

/// Where the last of a value's entries ends.
fn end_of(value: &Spanned<DeValue<'_>>) -> usize {
    let inner = tables(value.get_ref()).into_iter().flatten().map(|(_, value)| end_of(value));
    inner.max().unwrap_or_default().max(value.span().end)
}

/// Writes spaces over a part of a text, so that all other places stay.
fn blank(text: &mut String, part: &Range<usize>) {
    let Some(old) = text.get(part.clone()) else { return };
    let new: String = old.bytes().map(|octet| if octet == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(part.clone(), &new);
}

/// The line of a key in the file at `path`, or of the innermost table of it that is there; `index` is which of several
/// tables of one name.
#[must_use]
pub fn line_of(path: &Path, key: &str, index: Option<usize>) -> Option<usize> {
    let text = read(path).ok()?;
    line_in(&text, DeTable::parse(&text).ok()?.get_ref(), key, index)
}

fn line_in(text: &str, table: &DeTable<'_>, key: &str, index: Option<usize>) -> Option<usize> {
    let (mut table, mut place) = (table, None);
    for part in key.split('.') {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else { break };
        place = Some(key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::Array(items) => match items.get(index.unwrap_or_default()) {
                Some(item) if item.get_ref().is_table() => {
                    place = Some(item.span().start);
                    table = item.get_ref().as_table()?;
                }
                _ => break,
            },
            _ => break,
        }
    }
    Some(text.get(..place?)?.matches('\n').count() + 1)
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
