//! Reads the embedded history: opening, totals, busiest stations. Writes nothing; [`super::Sqlite`] does. [`super::query`] has
//! the other questions.

use super::{
    cells::{Moment, address, count, maybe},
    range::{HistoryError, Range, Scope},
    store::HISTORY,
};
use crate::{
    UnixNanos,
    sink::{OpenError, sqlite_file},
};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, types::Value};
use std::path::Path;

/// The history, opened for reading. Each answer is of one moment; a writer is not held up.
#[derive(Debug)]
pub struct History(Connection);

/// Sums over everything in the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Sensors heard of.
    pub sensors: u64,
    /// Windows whose part 0 is here.
    pub windows: u64,
    /// Windows of which a part is missing.
    pub incomplete: u64,
    /// Frames captured, as the sensors say.
    pub frames: u64,
    /// Octets captured, as the sensors say.
    pub bytes: u64,
    /// Frames counted at stations, as the sensors say: what was sent.
    pub station_frames: u64,
    /// The same, summed over the rows of stations and vendors: what is stored. Equal where nothing is missing.
    pub stored_station_frames: u64,
    /// Frames with a wrong check sequence.
    pub bad_fcs: u64,
    /// Frames that could not be read.
    pub malformed: u64,
    /// Frames of a kind without transmitter address.
    pub without_ta: u64,
    /// Frames with a group address as transmitter.
    pub group_ta: u64,
    /// Frames of stations past the bound.
    pub overflow_frames: u64,
    /// Frames the kernels dropped; absent where no sensor can know, as with capture files.
    pub kernel_drops: Option<u64>,
    /// Distinct station addresses.
    pub stations: u64,
    /// Those of them that are randomised.
    pub randomised: u64,
    /// Start of the first window.
    pub start: Option<UnixNanos>,
    /// End of the last one.
    pub end: Option<UnixNanos>,
    /// Declared losses.
    pub gaps: u64,
}

/// One station over the whole history of all sensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationTotal {
    /// Its address or pseudonym.
    pub station: String,
    /// Its vendor, where known.
    pub vendor: Option<String>,
    /// Whether it is randomised.
    pub randomised: bool,
    /// What it was last seen doing, as the batch writes it.
    pub role: String,
    /// Network names of its last window that has any, as a JSON array.
    pub ssids: Option<String>,
    /// Windows it was seen in.
    pub windows: u64,
    /// Frames it sent.
    pub frames_sent: u64,
    /// Their octets.
    pub bytes_sent: u64,
    /// Frames addressed to it.
    pub frames_received: u64,
    /// Its strongest signal, in dBm.
    pub signal_max_dbm: Option<i8>,
    /// When it was first heard.
    pub first_seen: UnixNanos,
    /// When it was last heard.
    pub last_seen: UnixNanos,
}

impl History {
    /// Opens the history at `path`.
    ///
    /// # Errors
    /// When there is none, or it is newer than this program, or not a history.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        sqlite_file::open_to_read(path, &HISTORY).map(Self)
    }

    /// Sums over everything, of one moment.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn totals(&self) -> Result<Totals, HistoryError> {
        let moment = self.0.unchecked_transaction()?;
        let mut totals = moment.query_row(
            &format!(
                "SELECT count(frames), {}, {}, {}, {}, {}, {}, {}, {}, CASE WHEN count(kernel_drops) THEN {} END, \
                 min(start_ns), max(end_ns) FROM windows",
                sum("frames"),
                sum("bytes"),
                sum("station_frames"),
                sum("bad_fcs"),
                sum("malformed"),
                sum("without_ta"),
                sum("group_ta"),
                sum("overflow_frames"),
                sum("kernel_drops"),
            ),
            [],
            |row| {
                Ok(Totals {
                    windows: count(row, 0)?,
                    frames: count(row, 1)?,
                    bytes: count(row, 2)?,
                    station_frames: count(row, 3)?,
                    bad_fcs: count(row, 4)?,
                    malformed: count(row, 5)?,
                    without_ta: count(row, 6)?,
                    group_ta: count(row, 7)?,
                    overflow_frames: count(row, 8)?,
                    kernel_drops: maybe(row, 9)?,
                    start: row.get::<_, Option<i64>>(10)?.map(UnixNanos),
                    end: row.get::<_, Option<i64>>(11)?.map(UnixNanos),
                    ..Totals::default()
                })
            },
        )?;
        let number = |sql: &str| moment.query_row(sql, [], |row| count(row, 0));
        totals.sensors = number("SELECT count(*) FROM (SELECT DISTINCT site, sensor FROM windows)")?;
        totals.incomplete = number(
            "SELECT count(*) FROM (SELECT 1 FROM windows GROUP BY site, sensor, run, seq HAVING count(*) < max(parts))",
        )?;
        totals.stored_station_frames =
            number(&format!("SELECT (SELECT {0} FROM stations) + (SELECT {0} FROM vendors)", sum("frames_sent")))?;
        totals.stations = number("SELECT count(DISTINCT address) FROM stations")?;
        totals.randomised = number("SELECT count(DISTINCT address) FROM stations WHERE randomised")?;
        totals.gaps = number("SELECT count(*) FROM gaps")?;
        Ok(totals)
    }

    /// The stations that sent most frames, the busiest first, ties by address.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn busiest(&self, limit: usize) -> Result<Vec<StationTotal>, HistoryError> {
        let moment = self.0.unchecked_transaction()?;
        let sql = format!(
            "SELECT address, max(vendor), max(randomised), count(*), {}, {}, {}, max(signal_max), \
             min(first_seen_ns), max(last_seen_ns) FROM stations GROUP BY address ORDER BY 5 DESC, address LIMIT ?1",
            sum("frames_sent"),
            sum("bytes_sent"),
            sum("frames_received"),
        );
        let busiest = self.rows(&sql, limit, |row| {
            let address: Value = row.get(0)?;
            let total = StationTotal {
                station: address_text(&address),
                vendor: row.get(1)?,
                randomised: row.get(2)?,
                windows: count(row, 3)?,
                frames_sent: count(row, 4)?,
                bytes_sent: count(row, 5)?,
                frames_received: count(row, 6)?,
                signal_max_dbm: row.get(7)?,
                first_seen: UnixNanos(row.get(8)?),
                last_seen: UnixNanos(row.get(9)?),
                role: String::new(),
                ssids: None,
            };
            Ok((address, total))
        })?;
        let last = |column: &str| {
            moment.prepare(&format!(
                "SELECT {column} FROM stations WHERE address = ?1 AND {column} IS NOT NULL \
                 ORDER BY last_seen_ns DESC LIMIT 1"
            ))
        };
        let (mut role, mut ssids) = (last("role")?, last("ssids")?);
        let mut totals = Vec::with_capacity(busiest.len());
        for (address, mut total) in busiest {
            total.role = role.query_row([&address], |row| row.get(0)).optional()?.unwrap_or_default();
            total.ssids = ssids.query_row([&address], |row| row.get(0)).optional()?;
            totals.push(total);
        }
        Ok(totals)
    }

    /// One moment of the file: nothing that is stored meanwhile is seen.
    pub(super) fn moment(&self) -> Result<Transaction<'_>, HistoryError> {
        Ok(self.0.unchecked_transaction()?)
    }

    /// What of a moment a question is about.
    pub(super) fn at<'a>(moment: &'a Connection, range: Range, scope: &Scope) -> Moment<'a> {
        Moment { connection: moment, range, scope: scope.clone() }
    }

    /// Differs from what it was whenever something was stored since: an ETag's heart.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest_id(&self) -> Result<String, HistoryError> {
        let moment = self.moment()?;
        let number = |sql: &str| moment.query_row(sql, [], |row| count(row, 0));
        let windows = number("SELECT max(id) FROM windows")?;
        let (gaps, last) = (number("SELECT count(*) FROM gaps")?, number("SELECT max(id) FROM gaps")?);
        Ok(format!("{windows:x}-{gaps:x}-{last:x}"))
    }

    fn rows<T>(
        &self,
        sql: &str,
        limit: usize,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, HistoryError> {
        let mut statement = self.0.prepare(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([limit], |row| read(row))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// A sum that cannot overflow, whatever a hostile batch claims: exact up to 2^53.
fn sum(column: &str) -> String {
    format!("CAST(total({column}) AS INTEGER)")
}

/// An address as the batch writes it.
fn address_text(value: &Value) -> String {
    address(value).map(|address| address.to_string()).unwrap_or_default()
}
