//! One tier: one SQLite file of entries, cursors, runs and state. Knows neither the other tier nor the byte bound.
//!
//! Metadata and bodies have a table each, so that an acknowledgement or a new position rewrites some dozen octets and
//! never a body.

use super::{
    SpoolError,
    entry::{Key, Row, code},
    ring::Want,
};
use crate::UnixNanos;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The format of the file (`PRAGMA user_version`).
const FORMAT: i64 = 1;
const PAGE: u64 = 4096;

const SCHEMA: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, sensor TEXT NOT NULL, run BLOB NOT NULL,
    first_seq INTEGER, last_seq INTEGER, last_end INTEGER NOT NULL, finished INTEGER NOT NULL,
    touched INTEGER NOT NULL, UNIQUE (site, sensor, run)
) STRICT;
CREATE INDEX touched ON runs (touched);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, kind INTEGER NOT NULL, seq INTEGER NOT NULL,
    part INTEGER NOT NULL, parts INTEGER NOT NULL, last_seq INTEGER, start INTEGER NOT NULL, end INTEGER NOT NULL,
    frames INTEGER NOT NULL, last INTEGER NOT NULL, added INTEGER NOT NULL, pending INTEGER NOT NULL,
    size INTEGER NOT NULL, stored INTEGER NOT NULL, body INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX identity ON entries (run_id, kind, seq, part);
CREATE INDEX undelivered ON entries (id, pending) WHERE pending <> 0;
CREATE INDEX delivered ON entries (id) WHERE pending = 0;
CREATE INDEX gaps ON entries (id, pending) WHERE kind <> 0;
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE readers (name TEXT PRIMARY KEY, bit INTEGER NOT NULL) STRICT;
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL, written INTEGER NOT NULL) STRICT;
CREATE TABLE settled (
    run_id INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (run_id, first)
) STRICT, WITHOUT ROWID;
";

/// What SQLite said; its own type stays in this room's two files of SQL.
#[derive(Debug)]
pub(super) struct Failure(rusqlite::Error);

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl Failure {
    fn at(&self, path: &Path) -> SpoolError {
        let (path, message) = (path.to_owned(), self.0.to_string());
        match self.0.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => SpoolError::Full { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => SpoolError::Corrupt { path, message },
            _ => SpoolError::Io { path, message },
        }
    }
}

type Done<T> = Result<T, Failure>;

/// What a commit must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Safety {
    /// A power cut.
    Synced,
    /// A killed process; a power cut may undo it.
    Lazy,
}

/// What the file is kept on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// Memory: nothing outlives power, so nothing is synced.
    Memory,
    /// Disk.
    Disk,
}

/// A window's place in one tier, or a gap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    pub run_id: i64,
    pub code: i64,
    pub seq: u64,
}

/// The few columns that decisions are made on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub id: u64,
    pub spot: Spot,
    pub part: u32,
    pub pending: u64,
    pub size: u64,
    /// Octets of the compressed body.
    pub stored: u64,
    pub added: UnixNanos,
    pub start: UnixNanos,
    pub end: UnixNanos,
    pub frames: u64,
}

/// Size of the file, and how much of it is free to be used again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Space {
    pub file: u64,
    pub free: u64,
}

/// An open tier.
pub(super) struct Store {
    conn: Connection,
    path: PathBuf,
    medium: Medium,
    wal_limit: u64,
}

impl Store {
    /// Opens or creates the file, which must not be open anywhere else.
    ///
    /// # Errors
    /// [`SpoolError::Corrupt`] if the file is no spool or damaged; [`SpoolError::Newer`]; or as the system has it.
    pub fn open(path: &Path, medium: Medium, wal_limit: u64) -> Result<Self, SpoolError> {
        let open = || -> Done<(Connection, i64, String)> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let conn = Connection::open_with_flags(path, flags)?;
            conn.set_prepared_statement_cache_capacity(96);
            // Exclusive: no other process reads it, so the index of the write-ahead log stays out of the directory.
            conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            conn.pragma_update(None, "page_size", PAGE as i64)?;
            conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            conn.pragma_update(None, "temp_store", "MEMORY")?;
            let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if found > FORMAT || (found <= 0 && tables > 0) {
                return Ok((conn, found, "it is an SQLite file, but not a spool".into()));
            }
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.pragma_update(None, "journal_size_limit", wal_limit as i64)?;
            conn.pragma_update(None, "wal_autocheckpoint", (wal_limit / PAGE / 2) as i64)?;
            let sync = if medium == Medium::Memory { "OFF" } else { "FULL" };
            conn.pragma_update(None, "synchronous", sync)?;
            if found == 0 {
                let tx = conn.unchecked_transaction()?;
                tx.execute_batch(SCHEMA)?;
                tx.pragma_update(None, "user_version", FORMAT)?;
                tx.commit()?;
            }
            let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            Ok((conn, FORMAT, verdict))
        };
        let (conn, found, verdict) = open().map_err(|failure| failure.at(path))?;
        if found > FORMAT {
            return Err(SpoolError::Newer { path: path.to_owned(), found, known: FORMAT });
        }
        if verdict != "ok" {
            return Err(SpoolError::Corrupt { path: path.to_owned(), message: verdict });
        }
        Ok(Self { conn, path: path.to_owned(), medium, wal_limit })
    }

    /// Reads within one consistent view.
    pub fn read<T>(&self, work: impl FnOnce(&Rows<'_>) -> Done<T>) -> Result<T, SpoolError> {
        work(&Rows { conn: &self.conn }).map_err(|failure| failure.at(&self.path))
    }

    /// Does `work` in one transaction: all of it, or none.
    pub fn write<T>(&mut self, safety: Safety, work: impl FnOnce(&Rows<'_>) -> Done<T>) -> Result<T, SpoolError> {
        let Self { conn, medium, .. } = self;
        let relaxed = *medium == Medium::Disk && safety == Safety::Lazy;
        let run = || -> Done<T> {
            if relaxed {
                conn.pragma_update(None, "synchronous", "NORMAL")?;
            }
            let tx = Transaction::new(conn, TransactionBehavior::Immediate)?;
            let result = work(&Rows { conn: &tx })?;
            tx.commit()?;
            Ok(result)
        };
        let result = run();
        let restored = if relaxed { self.conn.pragma_update(None, "synchronous", "FULL") } else { Ok(()) };
        result.and_then(|value| Ok(restored.map(|()| value)?)).map_err(|failure| failure.at(&self.path))
    }

    /// The file as the last commit left it, its write-ahead log aside.
    pub fn space(&self) -> Result<Space, SpoolError> {
        let pragma = |name| self.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let read = || -> Done<Space> {
            let (pages, free) = (pragma("page_count")?, pragma("freelist_count")?);
            Ok(Space { file: unsigned(pages) * PAGE, free: unsigned(free) * PAGE })
        };
        read().map_err(|failure| failure.at(&self.path))
    }

    /// Returns `bytes` of free pages to the file system.
    pub fn give_back(&mut self, bytes: u64) -> Result<(), SpoolError> {
        let pages = bytes.div_ceil(PAGE);
        let work = || -> Done<()> {
            let mut statement = self.conn.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        };
        work().map_err(|failure| failure.at(&self.path))?;
        self.checkpoint()
    }

    /// Brings the write-ahead log into the file and empties it.
    pub fn checkpoint(&mut self) -> Result<(), SpoolError> {
        self.conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| Failure(error).at(&self.path))
    }

    /// As [`Store::checkpoint`], if a large transaction has left the log larger than it may stay.
    pub fn trim_log(&mut self) -> Result<(), SpoolError> {
        if self.log_bytes() > self.wal_limit { self.checkpoint() } else { Ok(()) }
    }

    /// The size of the write-ahead log.
    pub fn log_bytes(&self) -> u64 {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |metadata| metadata.len())
    }
}

/// The rows of a tier, within a transaction or for reading.
pub(super) struct Rows<'c> {
    pub(super) conn: &'c Connection,
}

const HEAD: &str = "id, run_id, kind, seq, part, pending, size, stored, added, start, end, frames";

fn head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        id: unsigned(row.get(0)?),
        spot: Spot { run_id: row.get(1)?, code: row.get(2)?, seq: unsigned(row.get(3)?) },
        part: row.get(4)?,
        pending: unsigned(row.get(5)?),
        size: unsigned(row.get(6)?),
        stored: unsigned(row.get(7)?),
        added: UnixNanos(row.get(8)?),
        start: UnixNanos(row.get(9)?),
        end: UnixNanos(row.get(10)?),
        frames: unsigned(row.get(11)?),
    })
}

pub(super) fn uuid(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// SQLite's integers are signed; what is stored here never reaches 2^63.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Rows<'_> {
    fn heads(&self, sql: &str, params: impl rusqlite::Params) -> Done<Vec<Head>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let heads = statement.query_map(params, head)?.collect::<Result<_, _>>()?;
        Ok(heads)
    }

    fn number(&self, sql: &str, params: impl rusqlite::Params) -> Done<u64> {
        let value: Option<i64> = self.conn.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
        Ok(value.map_or(0, unsigned))
    }

    fn change(&self, sql: &str, params: impl rusqlite::Params) -> Done<usize> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }

    /// The largest position in use.
    pub fn last_id(&self) -> Done<u64> {
        self.number("SELECT max(id) FROM entries", [])
    }

    /// How many entries are stored.
    pub fn entries(&self) -> Done<u64> {
        self.number("SELECT count(*) FROM entries", [])
    }

    /// How many entries wait for a reader of `mask`.
    pub fn waiting(&self, mask: u64) -> Done<u64> {
        let sql = "SELECT count(*) FROM entries INDEXED BY undelivered WHERE pending <> 0 AND pending & ? <> 0";
        self.number(sql, [signed(mask)])
    }

    /// Entries after `after` that wait for a reader of `mask`, oldest first.
    pub fn pending(&self, mask: u64, want: Want, after: u64, limit: usize) -> Done<Vec<Head>> {
        let from = match want {
            Want::Everything => "INDEXED BY undelivered WHERE pending <> 0",
            Want::Batches => "INDEXED BY undelivered WHERE pending <> 0 AND kind = 0",
            Want::Gaps => "INDEXED BY gaps WHERE kind <> 0",
        };
        let sql = format!("SELECT {HEAD} FROM entries {from} AND id > ? AND pending & ? <> 0 ORDER BY id LIMIT ?");
        self.heads(&sql, params![signed(after), signed(mask), signed(limit as u64)])
    }

    /// The oldest entries of windows (and gaps) that nobody waits for.
    pub fn oldest_delivered(&self, limit: usize) -> Done<Vec<Head>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries AS e INDEXED BY delivered WHERE pending = 0 AND NOT EXISTS (
                 SELECT 1 FROM entries AS o WHERE o.run_id = e.run_id AND o.kind = e.kind AND o.seq = e.seq
                 AND o.pending <> 0)
             ORDER BY id LIMIT ?"
        );
        self.heads(&sql, [signed(limit as u64)])
    }

    /// The oldest entries of windows that somebody waits for; gaps are left out.
    pub fn oldest_undelivered(&self, limit: usize) -> Done<Vec<Head>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries INDEXED BY undelivered WHERE pending <> 0 AND kind = 0 ORDER BY id LIMIT ?"
        );
        self.heads(&sql, [signed(limit as u64)])
    }

    /// All parts of a window, or the one of a gap.
    pub fn window(&self, spot: Spot) -> Done<Vec<Head>> {
        let sql = format!("SELECT {HEAD} FROM entries WHERE run_id = ? AND kind = ? AND seq = ? ORDER BY part");
        self.heads(&sql, params![spot.run_id, spot.code, signed(spot.seq)])
    }

    /// Parts of windows of `run` (of whichever sensor) from `first` to `last`, both included.
    pub fn windows_between(&self, run: Uuid, first: u64, last: u64) -> Done<Vec<Head>> {
        let sql = format!(
            "SELECT {HEAD} FROM entries WHERE kind = 0 AND run_id IN (SELECT id FROM runs WHERE run = ?)
             AND seq BETWEEN ? AND ? ORDER BY seq, part"
        );
        self.heads(&sql, params![run.as_bytes(), signed(first), signed(last)])
    }

    /// Every entry's identity, oldest first.
    pub fn all(&self) -> Done<Vec<Head>> {
        self.heads(&format!("SELECT {HEAD} FROM entries ORDER BY id"), [])
    }

    /// A stored entry.
    pub fn load(&self, id: u64) -> Done<Option<Row>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT e.id, e.kind, r.site, r.sensor, r.run, e.seq, e.part, e.parts, e.last_seq, e.start, e.end,
                    e.frames, e.last, e.added, e.pending, e.size, b.body
             FROM entries AS e JOIN runs AS r ON r.id = e.run_id LEFT JOIN bodies AS b ON b.id = e.body
             WHERE e.id = ?",
        )?;
        let row = statement.query_row([signed(id)], |row| {
            Ok(Row {
                id: unsigned(row.get(0)?),
                code: row.get(1)?,
                key: Key {
                    site: row.get(2)?,
                    sensor: row.get(3)?,
                    run: uuid(row, 4)?,
                    seq: unsigned(row.get(5)?),
                    part: row.get(6)?,
                },
                parts: row.get(7)?,
                last_seq: row.get::<_, Option<i64>>(8)?.map(unsigned),
                start: UnixNanos(row.get(9)?),
                end: UnixNanos(row.get(10)?),
                frames: unsigned(row.get(11)?),
                last: row.get(12)?,
                added: UnixNanos(row.get(13)?),
                pending: unsigned(row.get(14)?),
                size: unsigned(row.get(15)?),
                body: row.get::<_, Option<Vec<u8>>>(16)?.unwrap_or_default(),
            })
        });
        Ok(row.optional()?)
    }

    /// Stores `row` in place of the same entry, and of parts of the same window cut otherwise.
    pub fn put(&self, run_id: i64, row: &Row) -> Done<()> {
        let spot = Spot { run_id, code: row.code, seq: row.key.seq };
        self.displace(spot, row.key.part, row.parts)?;
        self.change("INSERT INTO bodies (body) VALUES (?)", [&row.body])?;
        let body = self.conn.last_insert_rowid();
        self.change(
            "INSERT INTO entries (id, run_id, kind, seq, part, parts, last_seq, start, end, frames, last, added,
                                  pending, size, stored, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                signed(row.id),
                run_id,
                row.code,
                signed(row.key.seq),
                row.key.part,
                row.parts,
                row.last_seq.map(signed),
                row.start.0,
                row.end.0,
                signed(row.frames),
                row.last,
                row.added.0,
                signed(row.pending),
                signed(row.size),
                signed(row.body.len() as u64),
                body
            ],
        )?;
        Ok(())
    }

    /// What [`Rows::put`] would replace.
    pub fn displaced(&self, spot: Spot, part: u32, parts: u32) -> Done<Vec<u64>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM entries WHERE run_id = ? AND kind = ? AND seq = ? AND (part = ? OR parts <> ?)",
        )?;
        let ids = statement
            .query_map(params![spot.run_id, spot.code, signed(spot.seq), part, parts], |row| row.get(0).map(unsigned))?
            .collect::<Result<_, _>>()?;
        Ok(ids)
    }

    fn displace(&self, spot: Spot, part: u32, parts: u32) -> Done<()> {
        self.displaced(spot, part, parts)?.into_iter().try_for_each(|id| self.remove(id))
    }

    /// Deletes an entry with its body.
    pub fn remove(&self, id: u64) -> Done<()> {
        let body: Option<i64> = self
            .conn
            .prepare_cached("DELETE FROM entries WHERE id = ? RETURNING body")?
            .query_row([signed(id)], |row| row.get(0))
            .optional()?;
        if let Some(body) = body {
            self.change("DELETE FROM bodies WHERE id = ?", [body])?;
        }
        Ok(())
    }

    /// The readers of `mask` have the entry. Says whether it is stored here.
    pub fn acknowledge(&self, id: u64, mask: u64) -> Done<bool> {
        Ok(self.change("UPDATE entries SET pending = pending & ~? WHERE id = ?", params![signed(mask), signed(id)])?
            > 0)
    }

    /// Gives an entry another position and makes it wait for the readers of `mask` too.
    pub fn reposition(&self, id: u64, new_id: u64, mask: u64) -> Done<()> {
        let sql = "UPDATE entries SET id = ?, pending = pending | ? WHERE id = ?";
        self.change(sql, params![signed(new_id), signed(mask), signed(id)])?;
        Ok(())
    }

    /// How many gaps wait for somebody.
    pub fn waiting_gaps(&self) -> Done<u64> {
        self.number("SELECT count(*) FROM entries INDEXED BY gaps WHERE kind <> 0 AND pending <> 0", [])
    }

    /// The oldest gap that waits for somebody, and another of the same run and kind, if there is one.
    pub fn gaps_to_merge(&self) -> Done<Option<(u64, Option<u64>)>> {
        let sql =
            format!("SELECT {HEAD} FROM entries INDEXED BY gaps WHERE kind <> 0 AND pending <> 0 ORDER BY id LIMIT 1");
        let Some(oldest) = self.heads(&sql, [])?.first().copied() else { return Ok(None) };
        let sql = "SELECT min(id) FROM entries WHERE run_id = ? AND kind = ? AND pending <> 0 AND id <> ?";
        let other = self.number(sql, params![oldest.spot.run_id, oldest.spot.code, signed(oldest.id)])?;
        Ok(Some((oldest.id, (other != 0).then_some(other))))
    }

    /// A loss declared here that waits for exactly the readers of `mask` and ends before `first` or begins after
    /// `last`, with nothing between.
    pub fn adjoining_loss(&self, run_id: i64, mask: u64, first: u64, last: u64) -> Done<Option<u64>> {
        let sql = "SELECT min(id) FROM entries WHERE run_id = ? AND kind = ? AND pending = ?
                   AND (last_seq = ? - 1 OR seq = ? + 1)";
        let id = self.number(sql, params![run_id, code::EVICTED_HERE, signed(mask), signed(first), signed(last)])?;
        Ok((id != 0).then_some(id))
    }

    /// The value kept under `key`.
    pub fn state(&self, key: &str) -> Done<Option<Vec<u8>>> {
        let mut statement = self.conn.prepare_cached("SELECT value FROM state WHERE key = ?")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    /// All values.
    pub fn states(&self) -> Done<Vec<(String, Vec<u8>)>> {
        let mut statement = self.conn.prepare_cached("SELECT key, value FROM state ORDER BY key")?;
        let states = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(states)
    }

    /// Keeps `value` under `key`.
    pub fn set_state(&self, key: &str, value: &[u8], now: UnixNanos) -> Done<()> {
        let sql = "INSERT OR REPLACE INTO state (key, value, written) VALUES (?, ?, ?)";
        self.change(sql, params![key, value, now.0])?;
        Ok(())
    }

    /// When a value was last kept here.
    pub fn state_written(&self) -> Done<Option<UnixNanos>> {
        let written: Option<i64> = self.conn.query_row("SELECT max(written) FROM state", [], |row| row.get(0))?;
        Ok(written.map(UnixNanos))
    }

    /// Makes bit *n* of every entry's cursors stand for `names[n]`. A new name waits for everything stored, a name
    /// that is gone for nothing.
    pub fn set_readers(&self, names: &[String]) -> Done<()> {
        let mut statement = self.conn.prepare("SELECT name, bit FROM readers")?;
        let old: Vec<(String, i64)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let terms: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(bit, name)| match old.iter().find(|(known, _)| known == name) {
                Some((_, was)) => format!("(((pending >> {was}) & 1) << {bit})"),
                None => format!("(1 << {bit})"),
            })
            .collect();
        let same = old.len() == names.len()
            && names.iter().zip(0..).all(|(name, bit)| old.iter().any(|(known, was)| known == name && *was == bit));
        if same {
            return Ok(());
        }
        let pending = if terms.is_empty() { "0".to_owned() } else { terms.join(" | ") };
        self.conn.execute(&format!("UPDATE entries SET pending = {pending}"), [])?;
        self.conn.execute("DELETE FROM readers", [])?;
        for (name, bit) in names.iter().zip(0i64..) {
            self.conn.execute("INSERT INTO readers (name, bit) VALUES (?, ?)", params![name, bit])?;
        }
        Ok(())
    }
}
