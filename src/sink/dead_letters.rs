//! The dead letters: what no database will take, and payloads that are no records, kept with the reason. Bounded
//! in size and age. Knows neither sinks nor topics but by name.

use super::{
    OpenError,
    sqlite_file::{self, FileMark},
};
use crate::{UnixNanos, config};
use rusqlite::{Connection, Row, params};
use std::path::Path;

const LETTERS: FileMark = FileMark {
    name: "a table of dead letters",
    application_id: sqlite_file::LETTERS_MARK,
    table: "letters",
    schema: &["CREATE TABLE letters (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ns INTEGER NOT NULL,
        sink TEXT,
        topic TEXT,
        reason TEXT NOT NULL,
        whole INTEGER NOT NULL,  -- 0: the body is only the beginning of what there was
        size INTEGER NOT NULL,   -- octets that count towards the bound
        body BLOB NOT NULL       -- zstd
    );
    CREATE INDEX letters_by_time ON letters (at_ns);"],
    upgrades: &[],
};

/// Octets of a payload that is no record, at most; of the rest only the beginning is kept.
const LONGEST_PAYLOAD: usize = 64 << 10;
/// Octets of a body after decompression, at most: more than the largest message there can be.
const LONGEST_BODY: usize = 32 << 20;
/// Octets of a reason, at most.
const LONGEST_REASON: usize = 2 << 10;
/// What a row costs beside its body and reason.
const ROW: usize = 128;

/// Why the dead letters could not be read or written: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the dead letters: {0}")]
pub struct DeadLetterError(String);

impl From<rusqlite::Error> for DeadLetterError {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

/// The table of dead letters.
#[derive(Debug)]
pub struct DeadLetters {
    connection: Connection,
    config: config::DeadLetters,
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number: later letters have higher ones.
    pub id: i64,
    /// When it was put here.
    pub at: UnixNanos,
    /// The sink that refused it; absent where none was asked, because it is no record.
    pub sink: Option<String>,
    /// The `<site>/<sensor>` whose topic it came on, where known.
    pub topic: Option<String>,
    /// Why it is here.
    pub reason: String,
    /// Whether `body` is all there was.
    pub whole: bool,
    /// The payload.
    pub body: Vec<u8>,
}

impl DeadLetters {
    /// Opens the table in the file at `path`, and makes it where there is none. A damaged file is set aside.
    ///
    /// # Errors
    /// When the file is newer, another program's, or cannot be opened.
    pub fn open(path: &Path, config: &config::DeadLetters) -> Result<Self, OpenError> {
        Ok(Self { connection: sqlite_file::open(path, &LETTERS)?, config: config.clone() })
    }

    /// Keeps a record that `sink` refused for good.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn refused(&mut self, sink: &str, reason: &str, body: &[u8], now: UnixNanos) -> Result<(), DeadLetterError> {
        self.add(Some(sink), None, reason, body, LONGEST_BODY, now)
    }

    /// Keeps a payload that came from `topic` (`<site>/<sensor>`) and is no record of that sensor's: its beginning, if it
    /// is long.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn undecodable(
        &mut self,
        topic: &str,
        reason: &str,
        payload: &[u8],
        now: UnixNanos,
    ) -> Result<(), DeadLetterError> {
        self.add(None, Some(cut(topic)), reason, payload, LONGEST_PAYLOAD, now)
    }

    fn add(
        &mut self,
        sink: Option<&str>,
        topic: Option<&str>,
        reason: &str,
        body: &[u8],
        longest: usize,
        now: UnixNanos,
    ) -> Result<(), DeadLetterError> {
        let reason = cut(reason);
        let kept = body.get(..longest).unwrap_or(body);
        let packed = zstd::bulk::compress(kept, 3).map_err(|error| DeadLetterError(error.to_string()))?;
        let size = packed.len() + reason.len() + topic.map_or(0, str::len) + ROW;
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO letters (at_ns, sink, topic, reason, whole, size, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![now.0, sink, topic, reason, kept.len() == body.len(), size, packed],
        )?;
        let retention = i64::try_from(self.config.retention.as_nanos()).unwrap_or(i64::MAX);
        transaction.execute("DELETE FROM letters WHERE at_ns < ?1", [now.0.saturating_sub(retention)])?;
        let bound = i64::try_from(self.config.max_bytes.0).unwrap_or(i64::MAX);
        let evicted = transaction.execute(
            "DELETE FROM letters WHERE id IN (SELECT id FROM \
             (SELECT id, sum(size) OVER (ORDER BY id DESC) AS newer FROM letters) WHERE newer > ?1)",
            [bound],
        )?;
        transaction.commit()?;
        if evicted > 0 {
            tracing::warn!(evicted, "dead letters gave way to dead_letters.max_bytes, the oldest first");
        }
        self.connection.execute_batch("PRAGMA incremental_vacuum")?;
        Ok(())
    }

    /// Letters after the one numbered `after` (0 for the first), the oldest first, `limit` at most; only those of
    /// `sink`, where one is named.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self, sink: Option<&str>, after: i64, limit: usize) -> Result<Vec<Letter>, DeadLetterError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, at_ns, sink, topic, reason, whole, body FROM letters \
             WHERE id > ?1 AND (?2 IS NULL OR sink = ?2) ORDER BY id LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let letters = statement.query_map(params![after, sink, limit], letter)?;
        letters.map(|letter| letter?).collect()
    }

    /// How many letters there are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self) -> Result<u64, DeadLetterError> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM letters", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Takes a letter away: it was stored after all, or is no longer wanted.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&mut self, id: i64) -> Result<(), DeadLetterError> {
        self.connection.execute("DELETE FROM letters WHERE id = ?1", [id])?;
        Ok(())
    }
}

/// The outer error is SQLite's, the inner one the letter's own.
fn letter(row: &Row<'_>) -> rusqlite::Result<Result<Letter, DeadLetterError>> {
    let packed: Vec<u8> = row.get(6)?;
    let letter = Letter {
        id: row.get(0)?,
        at: UnixNanos(row.get(1)?),
        sink: row.get(2)?,
        topic: row.get(3)?,
        reason: row.get(4)?,
        whole: row.get(5)?,
        body: Vec::new(),
    };
    Ok(match zstd::bulk::decompress(&packed, LONGEST_BODY) {
        Ok(body) => Ok(Letter { body, ..letter }),
        Err(error) => Err(DeadLetterError(format!("letter {} cannot be unpacked: {error}", letter.id))),
    })
}

fn cut(text: &str) -> &str {
    let end = (0..=LONGEST_REASON.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
