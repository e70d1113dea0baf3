//! Reads the finest tier: windows as they came, and what is in them.

use super::{
    counts::{Counts, Kinds},
    range::{Range, Scope},
    station::{ChannelSum, SignalSum, StationSum, VendorSum},
};
use crate::{
    Mac, UnixNanos,
    wire::{Address, Role, Signal},
};
use rusqlite::{Connection, Row, params_from_iter, types::Value};

/// The windows that are meant.
pub(super) struct Windows<'a> {
    connection: &'a Connection,
    filter: String,
    parameters: [Value; 4],
}

/// Which sensor, and when the window (minute, hour) began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The row's number in its tier.
    pub id: i64,
    pub site: &'a str,
    pub sensor: &'a str,
    pub start: UnixNanos,
}

/// A part of a window, without what is in its rows.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub run: String,
    pub seq: u64,
    pub end: UnixNanos,
    pub counts: Counts,
    pub kinds: Kinds,
}

/// The windows of a range and scope: parameters 1 to 4.
pub(super) const OF_RANGE: &str = "w.start_ns >= ?1 AND w.start_ns < ?2 AND (?3 IS NULL OR w.site = ?3) \
     AND (?4 IS NULL OR w.sensor = ?4)";

/// The gaps that touch a range: the same parameters.
pub(super) const OF_GAPS: &str = "start_ns < ?2 AND (end_ns > ?1 OR start_ns >= ?1) AND (?3 IS NULL OR site = ?3) \
     AND (?4 IS NULL OR sensor = ?4)";

/// The parameters of [`OF_RANGE`].
pub(super) fn parameters(range: Range, scope: &Scope) -> [Value; 4] {
    let text = |name: &Option<String>| name.clone().map_or(Value::Null, Value::Text);
    [Value::Integer(range.from.0), Value::Integer(range.to.0), text(&scope.site), text(&scope.sensor)]
}

impl<'a> Windows<'a> {
    /// Those that began in the range; those with a greater id than `after` alone.
    pub fn within(connection: &'a Connection, range: Range, scope: &Scope, after: i64) -> Self {
        Self { connection, filter: format!("{OF_RANGE} AND w.id > {after}"), parameters: parameters(range, scope) }
    }

    /// Those with ids past `after`, up to and with `last`.
    pub fn between(connection: &'a Connection, after: i64, last: i64) -> Self {
        let filter = "w.id > ?1 AND w.id <= ?2 AND ?3 IS NULL AND ?4 IS NULL".to_owned();
        let parameters = [Value::Integer(after), Value::Integer(last), Value::Null, Value::Null];
        Self { connection, filter, parameters }
    }

    fn each(
        &self,
        columns: &str,
        rest: &str,
        mut visit: impl FnMut(Origin<'_>, &Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let sql = format!("SELECT w.site, w.sensor, w.start_ns, w.id, {columns} WHERE {}{rest}", self.filter);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&self.parameters))?;
        while let Some(row) = rows.next()? {
            let (site, sensor) = (row.get_ref(0)?.as_str().unwrap_or(""), row.get_ref(1)?.as_str().unwrap_or(""));
            visit(Origin { id: row.get(3)?, site, sensor, start: UnixNanos(row.get(2)?) }, row)?;
        }
        Ok(())
    }

    /// Parts of windows, those of one window after each other.
    pub fn parts(&self, mut visit: impl FnMut(Origin<'_>, Part)) -> rusqlite::Result<()> {
        // Windows of version 1 do not have these sums.
        let kind = |column: &str, wanted: &str| {
            format!("coalesce(w.{column}, (SELECT count(*) FROM stations s WHERE s.window = w.id AND {wanted}))")
        };
        let columns = format!(
            "w.end_ns, w.run, w.seq, w.frames IS NOT NULL, w.frames, w.bytes, w.station_frames, w.bad_fcs, w.malformed, \
             w.without_ta, w.group_ta, w.overflow_frames, w.late, w.kernel_drops, w.interface_drops, w.switching_ms, \
             w.off_ms, CASE WHEN w.access_points IS NULL THEN (SELECT CAST(sum(listened_ms) AS INTEGER) FROM channels c \
             WHERE c.window = w.id) ELSE w.all_listened_ms END, {}, {}, {}, {} FROM windows w",
            kind("access_points", "s.role = 'access_point'"),
            kind("known_vendors", "s.role <> 'access_point' AND NOT s.randomised AND s.vendor IS NOT NULL"),
            kind("randomised_others", "s.role <> 'access_point' AND s.randomised"),
            kind("unknown_others", "s.role <> 'access_point' AND NOT s.randomised AND s.vendor IS NULL"),
        );
        self.each(&columns, " ORDER BY w.site, w.sensor, w.run, w.seq", |origin, row| {
            let end = UnixNanos(row.get(4)?);
            let whole: bool = row.get(7)?;
            let covered = u64::try_from(end.saturating_since(origin.start).as_millis()).unwrap_or(u64::MAX);
            let counts = Counts {
                windows: whole.into(),
                covered_ms: if whole { covered } else { 0 },
                frames: count(row, 8)?,
                bytes: count(row, 9)?,
                station_frames: count(row, 10)?,
                bad_fcs: count(row, 11)?,
                malformed: count(row, 12)?,
                without_ta: count(row, 13)?,
                group_ta: count(row, 14)?,
                overflow_frames: count(row, 15)?,
                late: count(row, 16)?,
                kernel_drops: maybe(row, 17)?,
                interface_drops: maybe(row, 18)?,
                switching_ms: maybe(row, 19)?,
                off_ms: maybe(row, 20)?,
                listened_ms: maybe(row, 21)?,
            };
            let kinds = Kinds {
                access_points: count(row, 22)?,
                known_vendor: count(row, 23)?,
                randomised: count(row, 24)?,
                other: count(row, 25)?,
            };
            visit(origin, Part { run: row.get(5)?, seq: count(row, 6)?, end, counts, kinds });
            Ok(())
        })
    }

    /// Stations; `only` this one, and those that belong to it.
    pub fn stations(
        &self,
        only: Option<Address>,
        mut visit: impl FnMut(Origin<'_>, Address, StationSum),
    ) -> rusqlite::Result<()> {
        let only = match only {
            Some(Address::Mac(mac)) => format!(" AND {0} IN (s.address, s.bssid)", mac.to_u64()),
            Some(pseudonym @ Address::Pseudonym(_)) => format!(" AND '{pseudonym}' IN (s.address, s.bssid)"),
            None => String::new(),
        };
        let columns = "s.address, s.vendor, s.randomised, s.tracked, s.role, s.frames_sent, \
             s.bytes_sent, s.frames_received, s.management, s.control, s.data, s.retries, s.signal_min, s.signal_mean, \
             s.signal_max, s.signal_frames, s.freqs_mhz, s.bssid, s.ssids, s.first_seen_ns, s.last_seen_ns, s.security, \
             s.channel, s.width_mhz FROM windows w JOIN stations s ON s.window = w.id";
        self.each(columns, &only, |origin, row| {
            if let Some(address) = address(&row.get(4)?) {
                visit(origin, address, station(row)?);
            }
            Ok(())
        })
    }

    /// Channels, by frequency.
    pub fn channels(&self, mut visit: impl FnMut(Origin<'_>, u16, ChannelSum)) -> rusqlite::Result<()> {
        let columns = "c.freq_mhz, c.listened_ms, c.frames, c.bytes FROM windows w JOIN channels c ON c.window = w.id";
        self.each(columns, "", |origin, row| {
            let sum = ChannelSum { listened_ms: maybe(row, 5)?, frames: count(row, 6)?, bytes: count(row, 7)? };
            visit(origin, row.get(4)?, sum);
            Ok(())
        })
    }

    /// Vendors: of stations, and of a privacy mode that names none. Name, and whether randomised.
    pub fn vendors(
        &self,
        mut visit: impl FnMut(Origin<'_>, (Option<String>, bool), VendorSum),
    ) -> rusqlite::Result<()> {
        for columns in [
            "s.vendor, s.randomised, 1, s.frames_sent, s.bytes_sent FROM windows w JOIN stations s ON s.window = w.id",
            "v.vendor, v.randomised, v.stations, v.frames_sent, v.bytes_sent FROM windows w JOIN vendors v ON v.window = w.id",
        ] {
            self.each(columns, "", |origin, row| {
                let sum =
                    VendorSum { stations: count(row, 6)?, frames_sent: count(row, 7)?, bytes_sent: count(row, 8)? };
                visit(origin, (row.get(4)?, row.get(5)?), sum);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Frames by type and subtype.
    pub fn subtypes(&self, mut visit: impl FnMut(Origin<'_>, String, u64)) -> rusqlite::Result<()> {
        let columns = "t.subtype, t.frames FROM windows w JOIN subtypes t ON t.window = w.id";
        self.each(columns, "", |origin, row| {
            visit(origin, row.get(4)?, count(row, 5)?);
            Ok(())
        })
    }
}

fn station(row: &Row<'_>) -> rusqlite::Result<StationSum> {
    let signal: (Option<i8>, Option<f64>, Option<i8>) = (row.get(16)?, row.get(17)?, row.get(18)?);
    let signal = match (signal, maybe(row, 19)?) {
        ((Some(min), Some(mean), Some(max)), Some(frames)) => Some(SignalSum::of(&Signal { min, mean, max, frames })),
        _ => None,
    };
    Ok(StationSum {
        vendor: row.get(5)?,
        randomised: row.get(6)?,
        tracked: row.get(7)?,
        role: role(row.get_ref(8)?.as_str().unwrap_or("")),
        windows: 1,
        frames_sent: count(row, 9)?,
        bytes_sent: count(row, 10)?,
        frames_received: count(row, 11)?,
        management: count(row, 12)?,
        control: count(row, 13)?,
        data: count(row, 14)?,
        retries: count(row, 15)?,
        signal,
        freqs_mhz: array(row, 20)?,
        bssid: address(&row.get(21)?),
        ssids: array(row, 22)?,
        first_seen: UnixNanos(row.get(23)?),
        last_seen: UnixNanos(row.get(24)?),
        security: row.get(25)?,
        channel: row.get(26)?,
        width_mhz: row.get(27)?,
    })
}

/// As the batch writes it.
fn role(word: &str) -> Role {
    match word {
        "access_point" => Role::AccessPoint,
        "client" => Role::Client,
        "wired" => Role::Wired,
        "ad_hoc" => Role::AdHoc,
        _ => Role::Unknown,
    }
}

fn array<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<T>> {
    let text = row.get_ref(column)?.as_str_or_null().unwrap_or(None);
    Ok(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
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
