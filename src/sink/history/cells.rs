//! Reads the tiers, whatever they are: sums of a sensor and a stretch of time, in the form that all questions share.

use super::{
    counts::{Counts, Crowd, Kinds},
    range::{HistoryError, Range, Scope, Tier},
    station::{ChannelSum, SignalSum, StationSum, VendorSum},
};
use crate::{
    Mac, UnixNanos,
    wire::{Address, Role},
};
use rusqlite::{Connection, Row, params, types::Value};

/// One sensor's sums over one stretch of time: a window, a minute, an hour.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub site: String,
    pub sensor: String,
    pub start: UnixNanos,
    pub end: UnixNanos,
    pub counts: Counts,
    pub crowd: Crowd,
}

/// A moment of the history: nothing that is stored meanwhile is seen.
pub(super) struct Moment<'a> {
    pub connection: &'a Connection,
    pub range: Range,
    pub scope: Scope,
}

/// The windows that a question is about; parameters 1 to 4.
pub(super) const OF_RANGE: &str = "w.start_ns >= ?1 AND w.start_ns < ?2 AND (?3 IS NULL OR w.site = ?3) \
     AND (?4 IS NULL OR w.sensor = ?4)";

impl Moment<'_> {
    /// The coarsest tier that [`Moment::cells`] and the others read.
    pub fn tier(&self) -> Tier {
        Tier::Windows
    }

    /// What begins in one step of this length is wanted: coarser tiers will not do.
    pub fn in_steps(self, _step: std::time::Duration) -> Self {
        self
    }

    /// Site, sensor and number of runs.
    pub fn runs(&self, visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>) -> Result<(), HistoryError> {
        let sql =
            format!("SELECT w.site, w.sensor, count(DISTINCT w.run) FROM windows w WHERE {OF_RANGE} GROUP BY 1, 2");
        self.each(&sql, visit)
    }

    /// Calls `visit` for each row of `sql`, whose parameters 1 to 4 are the range and the scope.
    pub fn each(&self, sql: &str, mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>) -> Result<(), HistoryError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows =
            statement.query(params![self.range.from.0, self.range.to.0, self.scope.site, self.scope.sensor])?;
        while let Some(row) = rows.next()? {
            visit(row)?;
        }
        Ok(())
    }

    /// The sums of windows, minutes or hours.
    pub fn cells(&self, mut visit: impl FnMut(&Cell)) -> Result<(), HistoryError> {
        let kind = |wanted: &str| format!("(SELECT count(*) FROM stations s WHERE s.window = w.id AND {wanted})");
        let sql = format!(
            "SELECT w.site, w.sensor, w.start_ns, w.end_ns, w.run, w.seq, w.frames IS NOT NULL, w.frames, w.bytes, \
             w.station_frames, w.bad_fcs, w.malformed, w.without_ta, w.group_ta, w.overflow_frames, w.late, \
             w.kernel_drops, w.interface_drops, (SELECT CAST(sum(listened_ms) AS INTEGER) FROM channels c \
             WHERE c.window = w.id), {}, {}, {}, {} FROM windows w WHERE {OF_RANGE} ORDER BY w.site, w.sensor, w.run, w.seq",
            kind("s.role = 'access_point'"),
            kind("s.role <> 'access_point' AND NOT s.randomised AND s.vendor IS NOT NULL"),
            kind("s.role <> 'access_point' AND s.randomised"),
            kind("s.role <> 'access_point' AND NOT s.randomised AND s.vendor IS NULL"),
        );
        // Parts of a window become one cell.
        let mut last: Option<((String, u64), Cell)> = None;
        self.each(&sql, |row| {
            let key = (row.get::<_, String>(4)?, count(row, 5)?);
            let (start, end) = (UnixNanos(row.get(2)?), UnixNanos(row.get(3)?));
            let part0: bool = row.get(6)?;
            let covered = u64::try_from(end.saturating_since(start).as_millis()).unwrap_or(u64::MAX);
            let counts = Counts {
                windows: part0.into(),
                covered_ms: if part0 { covered } else { 0 },
                listened_ms: maybe(row, 18)?,
                switching_ms: None,
                off_ms: None,
                frames: count(row, 7)?,
                bytes: count(row, 8)?,
                station_frames: count(row, 9)?,
                bad_fcs: count(row, 10)?,
                malformed: count(row, 11)?,
                without_ta: count(row, 12)?,
                group_ta: count(row, 13)?,
                overflow_frames: count(row, 14)?,
                late: count(row, 15)?,
                kernel_drops: maybe(row, 16)?,
                interface_drops: maybe(row, 17)?,
            };
            let kinds = Kinds {
                access_points: count(row, 19)?,
                known_vendor: count(row, 20)?,
                randomised: count(row, 21)?,
                other: count(row, 22)?,
            };
            let (site, sensor): (String, String) = (row.get(0)?, row.get(1)?);
            match &mut last {
                Some((known, cell)) if *known == key && cell.site == site && cell.sensor == sensor => {
                    cell.counts.add(&counts);
                    cell.crowd.sum = cell.crowd.sum.map2(kinds, u64::saturating_add);
                    cell.crowd.most = cell.crowd.sum;
                }
                _ => {
                    let crowd = Crowd { most: kinds, sum: kinds };
                    let cell = Cell { site, sensor, start, end, counts, crowd };
                    if let Some((_, cell)) = last.replace((key, cell)) {
                        visit(&cell);
                    }
                }
            }
            Ok(())
        })?;
        if let Some((_, cell)) = last {
            visit(&cell);
        }
        Ok(())
    }

    /// Each station's sums, with site, sensor, and the start of the window, minute or hour; of `address` alone where one is
    /// given, or of those that belong to it.
    pub fn stations(
        &self,
        only: Option<Address>,
        mut visit: impl FnMut((&str, &str), UnixNanos, Address, StationSum),
    ) -> Result<(), HistoryError> {
        let only = match only {
            Some(address) => format!(" AND (s.address = {0} OR s.bssid = {0})", literal(address)),
            None => String::new(),
        };
        let sql = format!(
            "SELECT w.site, w.sensor, w.start_ns, s.address, s.vendor, s.randomised, s.tracked, s.role, s.frames_sent, \
             s.bytes_sent, s.frames_received, s.management, s.control, s.data, s.retries, s.signal_min, s.signal_mean, \
             s.signal_max, s.signal_frames, s.freqs_mhz, s.bssid, s.ssids, s.first_seen_ns, s.last_seen_ns \
             FROM windows w JOIN stations s ON s.window = w.id WHERE {OF_RANGE}{only}"
        );
        self.each(&sql, |row| {
            let Some(address) = address(&row.get(3)?) else { return Ok(()) };
            let (site, sensor): (String, String) = (row.get(0)?, row.get(1)?);
            let sum = station(row)?;
            visit((&site, &sensor), UnixNanos(row.get(2)?), address, sum);
            Ok(())
        })
    }

    /// Each frequency's sums.
    pub fn channels(&self, mut visit: impl FnMut(UnixNanos, u16, ChannelSum)) -> Result<(), HistoryError> {
        let sql = format!(
            "SELECT w.start_ns, c.freq_mhz, c.listened_ms, c.frames, c.bytes FROM windows w JOIN channels c \
             ON c.window = w.id WHERE {OF_RANGE}"
        );
        self.each(&sql, |row| {
            let sum = ChannelSum { listened_ms: maybe(row, 2)?, frames: count(row, 3)?, bytes: count(row, 4)? };
            visit(UnixNanos(row.get(0)?), row.get(1)?, sum);
            Ok(())
        })
    }

    /// Each vendor's sums: name, whether randomised.
    pub fn vendors(&self, mut visit: impl FnMut((Option<String>, bool), VendorSum)) -> Result<(), HistoryError> {
        let sql = format!(
            "SELECT vendor, randomised, sum(stations), CAST(total(frames_sent) AS INTEGER), \
             CAST(total(bytes_sent) AS INTEGER) FROM ( \
             SELECT s.vendor, s.randomised, 1 AS stations, s.frames_sent, s.bytes_sent FROM windows w \
             JOIN stations s ON s.window = w.id WHERE {OF_RANGE} UNION ALL \
             SELECT v.vendor, v.randomised, v.stations, v.frames_sent, v.bytes_sent FROM windows w \
             JOIN vendors v ON v.window = w.id WHERE {OF_RANGE}) GROUP BY 1, 2"
        );
        self.each(&sql, |row| {
            let sum = VendorSum { stations: count(row, 2)?, frames_sent: count(row, 3)?, bytes_sent: count(row, 4)? };
            visit((row.get(0)?, row.get(1)?), sum);
            Ok(())
        })
    }
}

fn station(row: &Row<'_>) -> rusqlite::Result<StationSum> {
    let frames = maybe(row, 18)?;
    let signal =
        match (row.get::<_, Option<i8>>(15)?, row.get::<_, Option<f64>>(16)?, row.get::<_, Option<i8>>(17)?, frames) {
            (Some(min), Some(mean), Some(max), Some(frames)) => {
                Some(SignalSum::of(&crate::wire::Signal { min, mean, max, frames }))
            }
            _ => None,
        };
    Ok(StationSum {
        vendor: row.get(4)?,
        randomised: row.get(5)?,
        tracked: row.get(6)?,
        role: role(&row.get::<_, String>(7)?),
        windows: 1,
        frames_sent: count(row, 8)?,
        bytes_sent: count(row, 9)?,
        frames_received: count(row, 10)?,
        management: count(row, 11)?,
        control: count(row, 12)?,
        data: count(row, 13)?,
        retries: count(row, 14)?,
        signal,
        freqs_mhz: array(row, 19)?,
        bssid: address(&row.get(20)?),
        ssids: array(row, 21)?,
        security: None,
        channel: None,
        width_mhz: None,
        first_seen: UnixNanos(row.get(22)?),
        last_seen: UnixNanos(row.get(23)?),
    })
}

fn role(word: &str) -> Role {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).unwrap_or(Role::Unknown)
}

fn array<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<T>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// An address as a value of SQL.
fn literal(address: Address) -> String {
    match address {
        Address::Mac(mac) => mac.to_u64().to_string(),
        Address::Pseudonym(_) => format!("'{address}'"),
    }
}

/// An address as it is stored.
pub(super) fn address(value: &Value) -> Option<Address> {
    match value {
        Value::Integer(bits) => Some(Address::Mac(Mac::from_u64(u64::try_from(*bits).unwrap_or(0)))),
        Value::Text(pseudonym) => pseudonym.parse().ok(),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

/// A count of the row's column; never negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(maybe(row, column)?.unwrap_or(0))
}

pub(super) fn maybe(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|number| u64::try_from(number).unwrap_or(0)))
}
