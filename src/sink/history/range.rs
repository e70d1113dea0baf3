//! What is asked of the history, and the frame of every answer: ranges, scopes, pages, cursors.

use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A stretch of time: `from` belongs to it, `to` does not. A window belongs to the range that its start lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Its first nanosecond.
    pub from: UnixNanos,
    /// The first nanosecond after it.
    pub to: UnixNanos,
}

impl Range {
    /// All that can be in a history.
    pub const ALL: Self = Self { from: UnixNanos(i64::MIN), to: UnixNanos(i64::MAX) };

    /// Whether `time` lies in it.
    #[must_use]
    pub fn contains(&self, time: UnixNanos) -> bool {
        self.from <= time && time < self.to
    }

    /// How long it is; zero where `to` is not after `from`.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.to.saturating_since(self.from)
    }
}

/// Which sensors are meant: all of them where nothing is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Those of this site alone.
    pub site: Option<String>,
    /// Those of this name alone.
    pub sensor: Option<String>,
}

/// What an answer was made of. Coarser tiers hold no address of a station that is neither tracked nor an access point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Windows as the sensors sent them.
    Windows,
    /// Sums of a minute.
    Minutes,
    /// Sums of an hour.
    Hours,
}

/// A list, or a page of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page<T> {
    /// The coarsest tier that went into it.
    pub tier: Tier,
    /// The rows, in the order asked for.
    pub items: Vec<T>,
    /// The cursor of the next page; absent where this is the last one.
    pub next: Option<String>,
    /// There are more stations than one answer counts: those that were met last are missing.
    pub truncated: bool,
}

/// Upwards or downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Smallest, earliest or first letter first.
    Ascending,
    /// Greatest, latest or last letter first.
    #[default]
    Descending,
}

/// Which page of a list: how many rows, after which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Rows of a page, at most.
    pub limit: usize,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

impl Default for Paging {
    fn default() -> Self {
        Self { limit: 100, cursor: None }
    }
}

/// Why the history cannot answer: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be read.
    #[error("cannot read the history: {0}")]
    Unreadable(String),
    /// What was asked makes no sense. The asker's fault.
    #[error("{0}")]
    Question(String),
}

impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// The place of a row in a list: its sort key, and what tells apart the rows of one key. Rows that arrive meanwhile do
/// not shift the pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place(pub Key, pub String);

/// What a list is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Key {
    Number(i64),
    Text(String),
}

impl Place {
    /// As a cursor: hexadecimal digits, for URLs.
    pub fn cursor(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for octet in serde_json::to_vec(self).unwrap_or_default() {
            let _ = write!(text, "{octet:02x}");
        }
        text
    }

    pub fn parse(cursor: &str) -> Result<Self, HistoryError> {
        let octets = (0..cursor.len())
            .step_by(2)
            .map(|at| cursor.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .collect::<Option<Vec<u8>>>();
        octets.and_then(|octets| serde_json::from_slice(&octets).ok()).ok_or_else(|| {
            HistoryError::Question("the cursor is not one of this list: begin with its first page".into())
        })
    }
}

/// Sorts rows by their places, and cuts the page out.
pub(super) fn page<T>(
    mut rows: Vec<(Place, T)>,
    order: Order,
    paging: &Paging,
) -> Result<(Vec<T>, Option<String>), HistoryError> {
    let ordered = |one: &Place, other: &Place| match order {
        Order::Ascending => one.cmp(other),
        Order::Descending => other.cmp(one),
    };
    if let Some(cursor) = &paging.cursor {
        let last = Place::parse(cursor)?;
        rows.retain(|(place, _)| ordered(place, &last).is_gt());
    }
    rows.sort_by(|(one, _), (other, _)| ordered(one, other));
    let more = rows.len() > paging.limit;
    rows.truncate(paging.limit);
    let next = rows.last().filter(|_| more).map(|(place, _)| place.cursor());
    Ok((rows.into_iter().map(|(_, row)| row).collect(), next))
}
