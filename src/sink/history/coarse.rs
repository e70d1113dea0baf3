//! The tables of minutes and hours: a row's number, its counts, its detail. Knows not when they are written.

use super::{
    counts::{Counts, Crowd, Kinds},
    detail::Detail,
    raw::{count, maybe},
};
use crate::UnixNanos;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter, types::Value};

/// One of the two coarser tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coarse {
    Minutes,
    Hours,
}

/// A row's number: bits of the sensor's number.
const SENSOR_BITS: u32 = 24;
/// Octets of a row beside its detail, about.
const ROW: i64 = 150;

pub(super) const COUNTS: &str = "windows, covered_ms, listened_ms, switching_ms, off_ms, frames, bytes, station_frames, \
     bad_fcs, malformed, without_ta, group_ta, overflow_frames, late, kernel_drops, interface_drops, most_access_points, \
     most_known_vendor, most_randomised, most_other, sum_access_points, sum_known_vendor, sum_randomised, sum_other";

impl Coarse {
    pub const fn table(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
        }
    }

    pub const fn details(self) -> &'static str {
        match self {
            Self::Minutes => "minute_details",
            Self::Hours => "hour_details",
        }
    }

    /// Nanoseconds that a row covers.
    pub const fn length(self) -> i64 {
        match self {
            Self::Minutes => 60_000_000_000,
            Self::Hours => 3_600_000_000_000,
        }
    }

    /// The number of the row of a time and a sensor.
    pub const fn id(self, time: UnixNanos, sensor: i64) -> i64 {
        (time.0.div_euclid(self.length()) << SENSOR_BITS) | sensor
    }

    /// Numbers of the rows that begin in the range: from the first, up to and without the second.
    pub fn ids(self, from: UnixNanos, to: UnixNanos) -> (i64, i64) {
        let first = |time: UnixNanos| {
            let number = time.0.div_euclid(self.length()) + i64::from(time.0.rem_euclid(self.length()) != 0);
            number << SENSOR_BITS
        };
        (first(from), first(to))
    }

    /// When the row of this number begins.
    pub const fn start(self, id: i64) -> UnixNanos {
        UnixNanos((id >> SENSOR_BITS).saturating_mul(self.length()))
    }

    /// The sensor's number in that of a row.
    pub const fn sensor(id: i64) -> i64 {
        id & ((1 << SENSOR_BITS) - 1)
    }
}

/// The sums of one minute or hour of a sensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub end: UnixNanos,
    pub counts: Counts,
    pub crowd: Crowd,
    pub detail: Detail,
}

impl Sums {
    pub fn add(&mut self, other: &Self) {
        self.end = self.end.max(other.end);
        self.counts.add(&other.counts);
        self.crowd.add(&other.crowd);
        self.detail.add(&other.detail);
    }
}

/// The counts of a row, the first of them in column `at`.
pub(super) fn counts(row: &Row<'_>, at: usize) -> rusqlite::Result<(Counts, Crowd)> {
    let kinds = |at: usize| {
        Ok::<_, rusqlite::Error>(Kinds {
            access_points: count(row, at)?,
            known_vendor: count(row, at + 1)?,
            randomised: count(row, at + 2)?,
            other: count(row, at + 3)?,
        })
    };
    let counts = Counts {
        windows: count(row, at)?,
        covered_ms: count(row, at + 1)?,
        listened_ms: maybe(row, at + 2)?,
        switching_ms: maybe(row, at + 3)?,
        off_ms: maybe(row, at + 4)?,
        frames: count(row, at + 5)?,
        bytes: count(row, at + 6)?,
        station_frames: count(row, at + 7)?,
        bad_fcs: count(row, at + 8)?,
        malformed: count(row, at + 9)?,
        without_ta: count(row, at + 10)?,
        group_ta: count(row, at + 11)?,
        overflow_frames: count(row, at + 12)?,
        late: count(row, at + 13)?,
        kernel_drops: maybe(row, at + 14)?,
        interface_drops: maybe(row, at + 15)?,
    };
    Ok((counts, Crowd { most: kinds(at + 16)?, sum: kinds(at + 20)? }))
}

fn values(counts: &Counts, crowd: &Crowd) -> Vec<Value> {
    let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let perhaps = |maybe: Option<u64>| maybe.map_or(Value::Null, number);
    let kinds = |kinds: &Kinds| [kinds.access_points, kinds.known_vendor, kinds.randomised, kinds.other].map(number);
    let mut values = vec![
        number(counts.windows),
        number(counts.covered_ms),
        perhaps(counts.listened_ms),
        perhaps(counts.switching_ms),
        perhaps(counts.off_ms),
        number(counts.frames),
        number(counts.bytes),
        number(counts.station_frames),
        number(counts.bad_fcs),
        number(counts.malformed),
        number(counts.without_ta),
        number(counts.group_ta),
        number(counts.overflow_frames),
        number(counts.late),
        perhaps(counts.kernel_drops),
        perhaps(counts.interface_drops),
    ];
    values.extend(kinds(&crowd.most));
    values.extend(kinds(&crowd.sum));
    values
}

/// Adds sums to the row of this number, or makes it. Gives by how many octets the tier grew.
pub(super) fn add(
    transaction: &Transaction<'_>,
    tier: Coarse,
    id: i64,
    sums: Sums,
    now: UnixNanos,
) -> rusqlite::Result<i64> {
    let sql = format!("SELECT end_ns, {COUNTS} FROM {} WHERE id = ?1", tier.table());
    let known = transaction.prepare_cached(&sql)?.query_row([id], |row| Ok((UnixNanos(row.get(0)?), counts(row, 1)?)));
    let (mut sums, mut grown) = (sums, ROW);
    if let Some((end, (counts, crowd))) = known.optional()? {
        let sql = format!("SELECT detail FROM {} WHERE id = ?1", tier.details());
        let packed: Option<Vec<u8>> = transaction.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
        grown = -packed.as_ref().map_or(0, |packed| length(packed));
        let detail = packed.as_deref().and_then(Detail::unpack).unwrap_or_default();
        let mut known = Sums { end, counts, crowd, detail };
        known.add(&sums);
        sums = known;
    }
    let marks = "?, ".repeat(24);
    let (gone, values_of_gone) = match tier {
        Coarse::Minutes => ("", ""),
        Coarse::Hours => ("minutes_gone, windows_gone, ", "0, 0, "),
    };
    let updated: Vec<String> = COUNTS.split(", ").map(|column| format!("{0} = excluded.{0}", column.trim())).collect();
    let sql = format!(
        "INSERT INTO {} (id, start_ns, end_ns, stored_ns, {gone}{COUNTS}) VALUES (?, ?, ?, ?, {values_of_gone}{}) \
         ON CONFLICT (id) DO UPDATE SET end_ns = excluded.end_ns, stored_ns = excluded.stored_ns, {}",
        tier.table(),
        marks.trim_end_matches(", "),
        updated.join(", "),
    );
    let mut parameters: Vec<Value> =
        [id, tier.start(id).0, sums.end.0, now.0].into_iter().map(Value::Integer).collect();
    parameters.extend(values(&sums.counts, &sums.crowd));
    transaction.prepare_cached(&sql)?.execute(params_from_iter(parameters))?;
    let packed = sums.detail.pack();
    let sql = format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2)", tier.details());
    transaction.prepare_cached(&sql)?.execute(params![id, packed])?;
    Ok(grown + length(&packed))
}

fn length(packed: &[u8]) -> i64 {
    i64::try_from(packed.len()).unwrap_or(0)
}

/// Deletes a row. Gives by how many octets the tier shrank.
pub(super) fn remove(transaction: &Transaction<'_>, tier: Coarse, id: i64) -> rusqlite::Result<i64> {
    let sql = format!("DELETE FROM {} WHERE id = ?1 RETURNING length(detail)", tier.details());
    let length: Option<i64> = transaction.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
    transaction.prepare_cached(&format!("DELETE FROM {} WHERE id = ?1", tier.table()))?.execute([id])?;
    Ok(ROW + length.unwrap_or(0))
}

/// A number that is kept beside the tiers; 0 where there is none.
pub(super) fn progress(connection: &Connection, key: &str) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached("SELECT value FROM progress WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?.unwrap_or(0))
}

pub(super) fn set_progress(transaction: &Transaction<'_>, key: &str, value: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("INSERT OR REPLACE INTO progress VALUES (?1, ?2)")?.execute(params![key, value])?;
    Ok(())
}
