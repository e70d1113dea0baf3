//! The SQLite sink: the embedded history, bounded in size and age. Owns the writing side: `roll` makes the
//! coarser tiers, `bounds` says what gives way. Tables and views: `schema.sql`, `tiers.sql`.

use super::{alerts, bounds, coarse, counts::Kinds, flows, people, roll, sketches};
use crate::{
    UnixNanos, config,
    sink::{
        OpenError, Sink, SinkError, Storing,
        sqlite_file::{self, FileMark},
        word,
    },
    wire::{Address, Batch, Gap, Record},
};
use rusqlite::{
    Connection, OptionalExtension as _, ToSql, Transaction, TransactionBehavior, params, types::ToSqlOutput,
};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The history's kind of file.
pub(super) const HISTORY: FileMark = FileMark {
    name: "a history",
    application_id: sqlite_file::HISTORY_MARK,
    table: "windows",
    schema: &[
        include_str!("tiers.sql"),
        include_str!("schema.sql"),
        include_str!("flows.sql"),
        include_str!("alerts.sql"),
        include_str!("people.sql"),
        include_str!("sketches.sql"),
    ],
    // Version 1 kept windows for 30 days where the configuration did not say.
    upgrades: &[
        &[include_str!("from_1.sql"), include_str!("tiers.sql"), "INSERT INTO progress VALUES ('retention', 2592000);"],
        // Version 2 had no flows.
        &[include_str!("flows.sql")],
        // Version 3 had no alerts.
        &[include_str!("alerts.sql")],
        // Version 4 had no estimates of people.
        &[include_str!("people.sql")],
        // Version 5 had no sketches.
        &[include_str!("sketches.sql")],
    ],
};

/// Gap records kept, at most.
const MOST_GAPS: i64 = 10_000;
/// Pages given back to the system in one call, at most.
const PAGES_AT_ONCE: i64 = 4_096;
/// The journal is folded into the file when it is longer than this, or than an eighth of the bound; twice as long, where a
/// reader keeps it from being folded, it grows no more.
const LONGEST_JOURNAL: u64 = 4 << 20;

/// The embedded history.
#[derive(Debug)]
pub struct Sqlite {
    writer: Arc<Mutex<Writer>>,
    commit_within: Duration,
}

#[derive(Debug)]
struct Writer {
    connection: Connection,
    config: config::Sqlite,
    /// Which file it is that was opened.
    file: Option<FileId>,
    /// The file is another than the one before it.
    is_new: bool,
}

/// Device and inode of a file with something in it.
type FileId = (u64, u64);

fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.len() > 0)?;
    Some((metadata.dev(), metadata.ino()))
}

impl Sqlite {
    /// Opens the history, and makes it where there is none. A damaged file is renamed to `….corrupt`, said in the
    /// log, and a fresh one begun.
    ///
    /// # Errors
    /// When the file is newer, another program's, or cannot be opened.
    pub fn open(config: &config::Sqlite) -> Result<Self, OpenError> {
        Ok(Self { writer: Arc::new(Mutex::new(Writer::open(config)?)), commit_within: config.commit_within })
    }
}

impl Sqlite {
    /// Stores as if it were `now`, on this thread: for whoever makes a history of weeks in minutes.
    ///
    /// # Errors
    /// What keeps it from being stored, in a sentence.
    #[doc(hidden)]
    pub fn store_as_of(&mut self, records: &[Record], now: UnixNanos) -> Result<(), String> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).store(records, now)
    }
}

impl Sink for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    /// One transaction for all of them.
    fn store<'a>(&'a mut self, records: &'a [Record]) -> Storing<'a> {
        Box::pin(async move {
            let (writer, records) = (Arc::clone(&self.writer), records.to_vec());
            let stored = tokio::task::spawn_blocking(move || {
                let now = UnixNanos::default().saturating_add(std::time::UNIX_EPOCH.elapsed().unwrap_or_default());
                writer.lock().unwrap_or_else(PoisonError::into_inner).store(&records, now)
            });
            match stored.await {
                Ok(stored) => stored.map_err(|reason| SinkError::Temporary { reason, retry_after: None }),
                Err(error) => {
                    let reason = format!("the history's thread ended: {error}; it is tried again");
                    Err(SinkError::Temporary { reason, retry_after: None })
                }
            }
        })
    }

    fn gather(&self) -> Duration {
        self.commit_within
    }

    fn has_forgotten(&mut self) -> bool {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).has_forgotten()
    }
}

impl Writer {
    fn open(config: &config::Sqlite) -> Result<Self, OpenError> {
        let before = file_id(&config.path);
        let connection = sqlite_file::open(&config.path, &HISTORY)?;
        let file = file_id(&config.path);
        Ok(Self { connection, config: config.clone(), file, is_new: before.is_none() || file != before })
    }

    /// Whether the file is not the one that was written to so far. SQLite goes on writing to a file that was removed, and
    /// nobody would ever read it.
    fn has_forgotten(&mut self) -> bool {
        if self.file.is_none() || file_id(&self.config.path) != self.file {
            // It would hold its locks on a file that was emptied and has the same inode.
            if let Ok(nothing) = Connection::open_in_memory() {
                (self.connection, self.file) = (nothing, None);
            }
            match Self::open(&self.config) {
                Ok(writer) => {
                    tracing::error!(
                        path = %self.config.path.display(),
                        "the history was removed or replaced while it was in use: it goes on in the file that is there now"
                    );
                    *self = Self { is_new: true, ..writer };
                }
                // Storing will say what is wrong with the place.
                Err(_) => return false,
            }
        }
        std::mem::take(&mut self.is_new)
    }

    fn store(&mut self, records: &[Record], now: UnixNanos) -> Result<(), String> {
        let path = self.config.path.clone();
        if self.file.is_none() || file_id(&path) != self.file {
            return Err(match Self::open(&self.config) {
                Err(error) => error.to_string(),
                Ok(_) => format!("the history {} was just replaced: it is opened again", path.display()),
            });
        }
        if self.journal() > self.longest_journal() * 2 {
            self.checkpoint().map_err(|error| error.to_string())?;
            if self.journal() > self.longest_journal() * 2 {
                return Err(format!(
                    "a program has been reading the history {} in one go for long, and its journal may not grow for ever: end that \
                     program; until then windows wait in ingest's spool",
                    path.display()
                ));
            }
        }
        let stored = match self.try_store(records, now) {
            Err(error) if sqlite_file::is_damage(&error) => {
                sqlite_file::set_aside(&path, &HISTORY, &error).map_err(|error| error.to_string())?;
                *self = Self::open(&self.config).map_err(|error| error.to_string())?;
                self.try_store(records, now)
            }
            other => other,
        };
        let path = path.display();
        stored.map_err(|error| format!("cannot write to the history {path}: {error}; is the disk full, or read-only?"))
    }

    fn try_store(&mut self, records: &[Record], now: UnixNanos) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // An eighth is left for what is beside the file: the journal.
        let bound = self.config.max_bytes.0 / 8 * 7;
        for record in records {
            match record {
                Record::Batch(batch) => {
                    if let Some(window) = store_part(&transaction, batch, now)? {
                        store_rows(&transaction, batch, window)?;
                        sketches::store(&transaction, batch, now)?;
                    }
                    people::store(&transaction, batch, now)?;
                }
                Record::Flows(flows) => {
                    if let Some(window) = store_part(&transaction, &flows::shell(flows), now)? {
                        flows::store(&transaction, flows, window)?;
                    }
                }
                Record::Alerts(told) => {
                    store_part(&transaction, &alerts::shell(told), now)?;
                    alerts::store(&transaction, told, now)?;
                }
                Record::Gap(gap) => store_gap(&transaction, gap, now)?,
            }
            // After each record: the space of what gives way is used again by the next, and the file never
            // grows past the bound.
            let mut evicted = false;
            loop {
                let used = used(&transaction)?;
                if used <= bound || !bounds::evict(&transaction, used, now)? {
                    break;
                }
                evicted = true;
            }
            if evicted && transaction.query_row("SELECT NOT EXISTS (SELECT 1 FROM windows)", [], |row| row.get(0))? {
                tracing::warn!("a window alone is larger than sqlite.max_bytes, and is not in the history");
            }
        }
        roll::roll_due(&transaction, now)?;
        bounds::expire(&transaction, &self.config, now)?;
        transaction.commit()?;
        self.tidy()
    }

    /// Folds a long journal into the file, and gives much free space back to the system.
    fn tidy(&self) -> rusqlite::Result<()> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (pages, free) = (pragma("page_count")?, pragma("freelist_count")?);
        let vacuum = free > pages / 4;
        if vacuum {
            let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
            // Each step frees a page.
            let mut steps = vacuum.query([])?;
            while steps.next()?.is_some() {}
        }
        if vacuum || self.journal() > self.longest_journal() {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Folds the journal into the file. A reader may hold it up: then the next time will do.
    fn checkpoint(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Octets of the journal.
    fn journal(&self) -> u64 {
        let mut journal = self.config.path.clone().into_os_string();
        journal.push("-wal");
        std::fs::metadata(journal).map(|metadata| metadata.len()).unwrap_or(0)
    }

    fn longest_journal(&self) -> u64 {
        LONGEST_JOURNAL.min(self.config.max_bytes.0 / 8)
    }
}

/// Octets of the file in use.
fn used(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let used = pragma("page_count")?.saturating_sub(pragma("freelist_count")?).saturating_mul(pragma("page_size")?);
    Ok(u64::try_from(used).unwrap_or(0))
}

/// A count as SQLite keeps it: held at 2^63 - 1.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

struct Stored(Address);

impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Address::Mac(mac) => ToSqlOutput::from(count(mac.to_u64())),
            Address::Pseudonym(_) => ToSqlOutput::from(self.0.to_string()),
        })
    }
}

/// Stores a part of a window, without what is in its rows. Gives its row's number; nothing if it is here already.
fn store_part(transaction: &Transaction<'_>, batch: &Batch, now: UnixNanos) -> rusqlite::Result<Option<i64>> {
    let identity = &batch.identity;
    let run = identity.run.to_string();
    let frames = batch.capture.as_ref().map(|capture| count(capture.frames));
    let known: Option<(i64, Option<i64>, i64, u32)> = transaction
        .prepare_cached(
            "SELECT id, frames, end_ns, parts FROM windows WHERE site = ?1 AND sensor = ?2 AND run = ?3 AND seq = ?4 \
             AND part = ?5",
        )?
        .query_row(params![identity.site, identity.sensor, run, count(identity.seq), batch.part], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let rolled = coarse::progress(transaction, "rolled")?;
    match known {
        Some((_, was, end, parts)) if (was, end, parts) == (frames, batch.end.0, batch.parts) => return Ok(None),
        // A sensor on a file that was stopped amid a window sends that window again, whole, when it goes on.
        Some((id, ..)) if id > rolled => {
            // Its other parts too, where it is cut otherwise now.
            let sql = "DELETE FROM windows WHERE id = ?1 OR site = ?2 AND sensor = ?3 AND run = ?4 AND seq = ?5 \
                       AND parts <> ?6 AND id > ?7";
            let seq = count(identity.seq);
            let what = params![id, identity.site, identity.sensor, run, seq, batch.parts, rolled];
            transaction.prepare_cached(sql)?.execute(what)?;
        }
        // What is in the sums stays what it was.
        Some(_) => return Ok(None),
        None if roll::is_summed(transaction, &run, batch.part, count(identity.seq))? => return Ok(None),
        None => {}
    }
    let kinds = Kinds::of(batch);
    let listened = batch.channels.iter().filter_map(|channel| channel.listened_ms).reduce(u64::saturating_add);
    let capture = batch.capture.as_ref();
    let sum = |field: fn(&crate::wire::Capture) -> u64| capture.map(|capture| count(field(capture)));
    transaction
        .prepare_cached(
            "INSERT INTO windows (site, sensor, run, seq, part, parts, start_ns, end_ns, clock, final, stored_ns, \
             frames, bytes, station_frames, bad_fcs, malformed, without_ta, group_ta, overflow_frames, late, \
             kernel_drops, interface_drops, mended_times, switching_ms, off_ms, all_listened_ms, access_points, \
             known_vendors, randomised_others, unknown_others) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
             ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)",
        )?
        .execute(params![
            identity.site,
            identity.sensor,
            run,
            count(identity.seq),
            batch.part,
            batch.parts,
            batch.start.0,
            batch.end.0,
            word(&batch.clock),
            batch.last,
            now.0,
            sum(|capture| capture.frames),
            sum(|capture| capture.bytes),
            sum(|capture| capture.station_frames),
            sum(|capture| capture.bad_fcs),
            sum(|capture| capture.malformed),
            sum(|capture| capture.without_ta),
            sum(|capture| capture.group_ta),
            sum(|capture| capture.overflow_frames),
            sum(|capture| capture.late),
            capture.and_then(|capture| capture.kernel_drops).map(count),
            capture.and_then(|capture| capture.interface_drops).map(count),
            capture.and_then(|capture| capture.mended_times).map(count),
            capture.and_then(|capture| capture.switching_ms).map(count),
            capture.and_then(|capture| capture.off_ms).map(count),
            listened.map(count),
            count(kinds.access_points),
            count(kinds.known_vendor),
            count(kinds.randomised),
            count(kinds.other),
        ])?;
    Ok(Some(transaction.last_insert_rowid()))
}

fn store_rows(transaction: &Transaction<'_>, batch: &Batch, window: i64) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO stations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
         ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
    )?;
    for (n, station) in (0_i64..).zip(&batch.stations) {
        let signal = station.signal_dbm.as_ref();
        insert.execute(params![
            window,
            n,
            Stored(station.mac),
            station.vendor,
            station.randomised,
            station.tracked,
            word(&station.role),
            count(station.frames_sent),
            count(station.bytes_sent),
            count(station.frames_received),
            count(station.management),
            count(station.control),
            count(station.data),
            count(station.retries),
            signal.map(|signal| signal.min),
            signal.map(|signal| signal.mean),
            signal.map(|signal| signal.max),
            signal.map(|signal| count(signal.frames)),
            array(&station.freqs_mhz),
            station.bssid.map(Stored),
            array(&station.ssids),
            station.first_seen.0,
            station.last_seen.0,
            station.security,
            station.channel,
            station.width_mhz,
        ])?;
    }
    let mut insert =
        transaction.prepare_cached("INSERT INTO vendors VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    for (n, row) in (0_i64..).zip(&batch.vendors) {
        insert.execute(params![
            window,
            n,
            row.vendor,
            row.randomised,
            count(row.stations),
            count(row.frames_sent),
            count(row.bytes_sent),
            count(row.management),
            count(row.control),
            count(row.data),
            count(row.retries),
        ])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO channels VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for (n, channel) in (0_i64..).zip(&batch.channels) {
        let (listened, frames, bytes) = (channel.listened_ms.map(count), count(channel.frames), count(channel.bytes));
        insert.execute(params![window, n, channel.freq_mhz, listened, frames, bytes])?;
    }
    let mut insert = transaction.prepare_cached("INSERT INTO subtypes VALUES (?1, ?2, ?3)")?;
    for (subtype, frames) in &batch.subtypes {
        insert.execute(params![window, subtype, count(*frames)])?;
    }
    Ok(())
}

/// A JSON array; absent where there is nothing in it.
fn array<T: serde::Serialize>(items: &[T]) -> Option<String> {
    if items.is_empty() { None } else { serde_json::to_string(items).ok() }
}

fn store_gap(transaction: &Transaction<'_>, gap: &Gap, now: UnixNanos) -> rusqlite::Result<()> {
    let run = gap.run.to_string();
    if gap.withdrawn {
        let sql = "DELETE FROM gaps WHERE site = ? AND sensor = ? AND run = ? AND reason = ? AND first_seq = ?";
        let what = params![gap.site, gap.sensor, run, word(&gap.reason), count(gap.first_seq)];
        transaction.prepare_cached(sql)?.execute(what)?;
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO gaps \
             (site, sensor, run, reason, first_seq, last_seq, start_ns, end_ns, frames, stored_ns) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            gap.site,
            gap.sensor,
            run,
            word(&gap.reason),
            count(gap.first_seq),
            gap.last_seq.map(count),
            gap.start.0,
            gap.end.0,
            gap.frames.map(count),
            now.0,
        ])?;
    let sql = "DELETE FROM gaps WHERE id <= (SELECT max(id) FROM gaps) - ?1";
    transaction.prepare_cached(sql)?.execute([MOST_GAPS])?;
    Ok(())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "tiers_tests.rs"]
mod tiers_tests;
