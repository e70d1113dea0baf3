//! One tier: one SQLite file, its transactions, its size. Knows neither the other tier nor the byte bound; what is in
//! the tables is read and written by `rows` and `ledger`, the only other files of this module that speak SQL.
//!
//! Metadata and bodies have a table each, so that an acknowledgement or a new position rewrites some dozen octets and
//! never a body.

use super::{
    SpoolError,
    failure::{Damage, Failure, SqlResult},
    rows::{Rows, unsigned},
};
use crate::own_file;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// "atsp": marks an SQLite file as a spool (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i32 = 0x6174_7370;
/// What makes one of its tables: by this a spool of a version that set no mark is known.
pub(super) const FIRST_TABLE: &str = "CREATE TABLE runs (\n    id INTEGER PRIMARY KEY, site TEXT NOT NULL, sensor TEXT";
/// The format of the file (`PRAGMA user_version`). It rises only together with a change of the tables: a file that has
/// exactly these tables has this format, and another number in it is damage.
const FORMAT: i64 = 4;
/// Octets of a page of a new file: small, because a commit rewrites a page of each index for some dozen octets.
const PAGE: u64 = 1024;
/// Octets overwritten in one transaction.
const WIPED_TOGETHER: u64 = 1 << 20;

const SCHEMA: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, sensor TEXT NOT NULL, run BLOB NOT NULL,
    first_seq INTEGER, last_seq INTEGER, last_end INTEGER NOT NULL, finished INTEGER NOT NULL,
    touched INTEGER NOT NULL, boot BLOB, anchor INTEGER, UNIQUE (site, sensor, run)
) STRICT;
CREATE INDEX touched ON runs (touched);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, kind INTEGER NOT NULL, seq INTEGER NOT NULL,
    part INTEGER NOT NULL, parts INTEGER NOT NULL, last_seq INTEGER, start INTEGER NOT NULL, end INTEGER NOT NULL,
    frames INTEGER NOT NULL, last INTEGER NOT NULL, added INTEGER NOT NULL, pending INTEGER NOT NULL,
    size INTEGER NOT NULL, stored INTEGER NOT NULL, body INTEGER NOT NULL, boot BLOB, boot_start INTEGER,
    way INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX identity ON entries (run_id, kind, seq, part);
CREATE INDEX undelivered ON entries (id, pending) WHERE pending <> 0;
CREATE INDEX delivered ON entries (id) WHERE pending = 0;
CREATE INDEX gaps ON entries (id, pending) WHERE kind <> 0;
CREATE INDEX held ON entries (id) WHERE boot IS NOT NULL;
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE readers (name TEXT PRIMARY KEY, bit INTEGER NOT NULL) STRICT;
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL, written INTEGER NOT NULL) STRICT;
CREATE TABLE settled (
    run_id INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (run_id, first)
) STRICT, WITHOUT ROWID;
";

/// From format 1: it held no records back.
const TO_FORMAT_2: &str = "
ALTER TABLE runs ADD COLUMN boot BLOB;
ALTER TABLE runs ADD COLUMN anchor INTEGER;
ALTER TABLE entries ADD COLUMN boot BLOB;
ALTER TABLE entries ADD COLUMN boot_start INTEGER;
CREATE INDEX held ON entries (id) WHERE boot IS NOT NULL;
";
/// From format 2: parts of windows went one way.
const TO_FORMAT_3: &str = "
ALTER TABLE entries ADD COLUMN flows INTEGER NOT NULL DEFAULT 0;
";
/// From format 3: parts of windows went two ways.
const TO_FORMAT_4: &str = "
ALTER TABLE entries RENAME COLUMN flows TO way;
";

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
    /// Where damage is noted that is met from now on.
    pub damage: Damage,
}

/// The file whose presence says that the spool at `path` was found damaged while it was in use.
pub(super) fn damage_mark(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    PathBuf::from(name)
}

/// Tables and indexes, and what they are made of: columns with their types.
type Shape = BTreeMap<String, Vec<String>>;

fn shape(conn: &Connection) -> SqlResult<Shape> {
    let sql = "SELECT s.name, c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk
                 FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type = 'table' AND s.name <> 'wipe'
               UNION ALL
               SELECT s.name, s.tbl_name || ' ' || coalesce(c.name, '')
                 FROM sqlite_schema s, pragma_index_info(s.name) c WHERE s.type = 'index'";
    let mut shape = Shape::new();
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        shape.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(shape)
}

/// The shape of a spool of this format.
fn our_shape() -> SqlResult<Shape> {
    let conn = Connection::open_in_memory()?;
    conn.execute_batch(SCHEMA)?;
    shape(&conn)
}

/// Whether the versions of the file format for readers and writers are known ones (SQLite's file format, clause 1.3.3):
/// of others SQLite says that the file is merely read-only.
fn has_known_versions(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_err() || header[18..20].iter().all(|version| (1..=2).contains(version))
}

/// Octets of the file's pages: files of earlier versions have larger ones.
fn page_size(conn: &Connection) -> SqlResult<u64> {
    Ok(unsigned(conn.pragma_query_value(None, "page_size", |row| row.get(0))?).max(512))
}

impl Store {
    /// Opens or creates the file, which must not be open anywhere else.
    ///
    /// # Errors
    /// [`SpoolError::Corrupt`] if the file is no spool or damaged; [`SpoolError::Newer`]; or as the system has it.
    pub fn open(path: &Path, medium: Medium, wal_limit: u64) -> Result<Self, SpoolError> {
        if !has_known_versions(path) {
            return Err(SpoolError::Corrupt { path: path.to_owned(), message: "its header is damaged".into() });
        }
        let open = || -> SqlResult<(Connection, i64, String)> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let conn = Connection::open_with_flags(path, flags)?;
            conn.set_prepared_statement_cache_capacity(96);
            // Exclusive: no other process reads it, so the index of the write-ahead log stays out of the directory.
            conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            conn.pragma_update(None, "temp_store", "MEMORY")?;
            let mut found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if found != FORMAT && tables > 0 && shape(&conn)? == our_shape()? {
                conn.pragma_update(None, "user_version", FORMAT)?;
                found = FORMAT;
            }
            if found > FORMAT || (found <= 0 && tables > 0) {
                return Ok((conn, found, "it is an SQLite file, but not a spool".into()));
            }
            if found == 0 {
                conn.pragma_update(None, "page_size", PAGE as i64)?;
                conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            }
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.pragma_update(None, "journal_size_limit", wal_limit as i64)?;
            conn.pragma_update(None, "wal_autocheckpoint", (wal_limit / page_size(&conn)? / 2) as i64)?;
            let sync = if medium == Medium::Memory { "OFF" } else { "FULL" };
            conn.pragma_update(None, "synchronous", sync)?;
            let mark: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
            if mark != APPLICATION_ID {
                conn.pragma_update(None, "application_id", APPLICATION_ID)?;
            }
            if found < FORMAT {
                let tx = conn.unchecked_transaction()?;
                let steps: &[&str] = match found {
                    0 => &[SCHEMA],
                    1 => &[TO_FORMAT_2, TO_FORMAT_3, TO_FORMAT_4],
                    2 => &[TO_FORMAT_3, TO_FORMAT_4],
                    _ => &[TO_FORMAT_4],
                };
                steps.iter().try_for_each(|sql| tx.execute_batch(sql))?;
                tx.pragma_update(None, "user_version", FORMAT)?;
                tx.commit()?;
            }
            if shape(&conn)? != our_shape()? {
                return Ok((conn, FORMAT, "its tables are not those of a spool".into()));
            }
            let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            Ok((conn, FORMAT, verdict))
        };
        let (conn, found, verdict) = open().map_err(|failure| failure.at(path))?;
        if found > FORMAT {
            return Err(SpoolError::Newer { path: path.to_owned(), found, known: FORMAT });
        }
        if verdict != "ok" {
            return Err(SpoolError::Corrupt { path: path.to_owned(), message: verdict });
        }
        Ok(Self { conn, path: path.to_owned(), medium, wal_limit, damage: Damage::default() })
    }

    /// The error for what SQLite said. Damage is noted, in a file beside the spool too: the next start sets the spool
    /// aside, though it may find nothing wrong with it.
    fn failed(&self, failure: &Failure) -> SpoolError {
        let error = failure.at(&self.path);
        if matches!(error, SpoolError::Corrupt { .. }) {
            // Where this cannot be written, the next start opens the file once more.
            let _ = own_file::make_private(&damage_mark(&self.path));
        }
        self.damage.note(&error);
        error
    }

    /// Reads within one consistent view.
    pub fn read<T>(&self, work: impl FnOnce(&Rows<'_>) -> SqlResult<T>) -> Result<T, SpoolError> {
        work(&Rows { conn: &self.conn }).map_err(|failure| self.failed(&failure))
    }

    /// Does `work` in one transaction: all of it, or none.
    pub fn write<T>(&mut self, safety: Safety, work: impl FnOnce(&Rows<'_>) -> SqlResult<T>) -> Result<T, SpoolError> {
        let Self { conn, medium, .. } = self;
        let relaxed = *medium == Medium::Disk && safety == Safety::Lazy;
        let run = || -> SqlResult<T> {
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
        result.and_then(|value| Ok(restored.map(|()| value)?)).map_err(|failure| self.failed(&failure))
    }

    /// The file as the last commit left it, its write-ahead log aside.
    pub fn space(&self) -> Result<Space, SpoolError> {
        let pragma = |name| self.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let read = || -> SqlResult<Space> {
            let (pages, free, page) = (pragma("page_count")?, pragma("freelist_count")?, page_size(&self.conn)?);
            Ok(Space { file: unsigned(pages) * page, free: unsigned(free) * page })
        };
        read().map_err(|failure| self.failed(&failure))
    }

    /// Returns `bytes` of free pages to the file system.
    pub fn give_back(&mut self, bytes: u64) -> Result<(), SpoolError> {
        let work = || -> SqlResult<()> {
            let pages = bytes.div_ceil(page_size(&self.conn)?);
            let mut statement = self.conn.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        };
        work().map_err(|failure| self.failed(&failure))?;
        self.checkpoint()
    }

    /// Brings the write-ahead log into the file and empties it.
    pub fn checkpoint(&mut self) -> Result<(), SpoolError> {
        self.conn
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(|error| self.failed(&error.into()))
    }

    /// Begins to erase: what is deleted from now on is overwritten, and so is what was given up before. Calls
    /// `progress` every now and then.
    pub fn begin_wipe(&mut self, progress: fn()) -> Result<(), SpoolError> {
        let prepare = || -> SqlResult<()> {
            self.conn.pragma_update(None, "secure_delete", "ON")?;
            Ok(self.conn.execute_batch("CREATE TABLE wipe (body BLOB NOT NULL) STRICT")?)
        };
        prepare().map_err(|failure| self.failed(&failure))?;
        loop {
            progress();
            let free = self.space()?.free.min(WIPED_TOGETHER);
            if free == 0 {
                return Ok(());
            }
            // Zeros take the free pages, a chunk at a time so that the write-ahead log stays small.
            self.conn
                .execute("INSERT INTO wipe (body) VALUES (zeroblob(?))", [free as i64])
                .map_err(|error| self.failed(&error.into()))?;
            self.trim_log()?;
        }
    }

    /// Ends [`Store::begin_wipe`], also one that was cut off: its zeros go.
    pub fn end_wipe(&mut self) -> Result<(), SpoolError> {
        self.conn.execute_batch("DROP TABLE IF EXISTS wipe").map_err(|error| self.failed(&error.into()))
    }

    /// Writes the file anew, so that no page has anything but what is stored, and empties the write-ahead log. In
    /// memory, so for little only. Ends [`Store::begin_wipe`].
    pub fn rebuild(&mut self) -> Result<(), SpoolError> {
        self.conn.execute_batch("VACUUM").map_err(|error| self.failed(&error.into()))?;
        self.checkpoint()?;
        self.conn.pragma_update(None, "secure_delete", "OFF").map_err(|error| self.failed(&error.into()))
    }

    /// As [`Store::checkpoint`], if a large transaction has left the log larger than it may stay.
    pub fn trim_log(&mut self) -> Result<(), SpoolError> {
        if self.log_bytes() > self.wal_limit { self.checkpoint() } else { Ok(()) }
    }

    /// What the file and its write-ahead log take on their file system.
    pub fn bytes(&self) -> u64 {
        self.log_bytes() + std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn log_bytes(&self) -> u64 {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::{
        UnixNanos,
        spool::{
            EntryKind, Key, NewEntry,
            entry::{PackedEntry, Packer},
        },
        wire::GapReason,
    };
    use uuid::Uuid;

    fn row(id: u64, seq: u64, len: usize) -> PackedEntry {
        let entry = NewEntry {
            kind: EntryKind::Gap(GapReason::Crash),
            key: Key { site: "home".into(), sensor: "s".into(), run: Uuid::nil(), seq, part: 0 },
            parts: 1,
            last_seq: None,
            start: UnixNanos(0),
            end: UnixNanos(0),
            frames: 0,
            last: false,
            held: None,
            body: Vec::new(),
        };
        PackedEntry { id, body: vec![7; len], ..PackedEntry::pack(&entry, UnixNanos(0), 1, &mut Packer::default()) }
    }

    #[test]
    fn a_full_disk_is_an_error_that_leaves_nothing_half_written_and_can_be_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.sqlite");
        File::create(&path).unwrap();
        let mut store = Store::open(&path, Medium::Disk, 1 << 20).unwrap();
        let two = |tier: &Rows<'_>| {
            let run_id = tier.run_id("home", "s", Uuid::nil(), UnixNanos(0), UnixNanos(0))?;
            tier.put(run_id, &row(1, 0, 10))?;
            tier.put(run_id, &row(2, 1, 200_000))?;
            tier.set_state("k", b"v", UnixNanos(0))
        };
        store.conn.query_row("PRAGMA max_page_count = 40", [], |_| Ok(())).unwrap();
        let error = store.write(Safety::Synced, two).unwrap_err();
        assert!(matches!(error, SpoolError::Full { .. }) && error.is_temporary(), "{error}");
        assert_eq!(
            store.read(|tier| Ok((tier.entries()?, tier.runs()?.len(), tier.state("k")?))).unwrap(),
            (0, 0, None)
        );

        store.conn.query_row("PRAGMA max_page_count = 4000", [], |_| Ok(())).unwrap();
        store.write(Safety::Synced, two).unwrap();
        assert_eq!(store.read(|tier| tier.entries()).unwrap(), 2);
    }

    #[test]
    fn a_file_of_an_earlier_format_is_brought_up_to_date_with_what_it_holds() {
        let to_3 = "ALTER TABLE entries RENAME COLUMN way TO flows; PRAGMA user_version = 3;";
        let to_2 = "ALTER TABLE entries DROP COLUMN flows; PRAGMA user_version = 2;";
        let to_1 = "DROP INDEX held; ALTER TABLE runs DROP COLUMN boot; ALTER TABLE runs DROP COLUMN anchor;
                    ALTER TABLE entries DROP COLUMN boot; ALTER TABLE entries DROP COLUMN boot_start;
                    PRAGMA user_version = 1;";
        for back in [&[to_3][..], &[to_3, to_2], &[to_3, to_2, to_1]] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("spool.sqlite");
            File::create(&path).unwrap();
            let mut store = Store::open(&path, Medium::Disk, 1 << 20).unwrap();
            store
                .write(Safety::Synced, |tier| {
                    let run_id = tier.run_id("home", "s", Uuid::nil(), UnixNanos(0), UnixNanos(0))?;
                    tier.put(run_id, &row(1, 0, 10))
                })
                .unwrap();
            back.iter().for_each(|sql| store.conn.execute_batch(sql).unwrap());
            drop(store);
            let store = Store::open(&path, Medium::Disk, 1 << 20).unwrap();
            assert_eq!(store.read(|tier| Ok((tier.all()?.len(), tier.runs()?.len()))).unwrap(), (1, 1));
        }
    }

    #[test]
    fn an_acknowledgement_does_not_rewrite_the_body() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spool.sqlite");
        File::create(&path).unwrap();
        let mut store = Store::open(&path, Medium::Disk, 1 << 20).unwrap();
        store
            .write(Safety::Synced, |tier| {
                let run_id = tier.run_id("home", "s", Uuid::nil(), UnixNanos(0), UnixNanos(0))?;
                tier.put(run_id, &row(1, 0, 100_000))
            })
            .unwrap();
        store.checkpoint().unwrap();
        store.write(Safety::Lazy, |tier| tier.acknowledge(1, 1).map(drop)).unwrap();
        assert!(store.log_bytes() < 6 * PAGE, "{} octets", store.log_bytes());
    }
}
