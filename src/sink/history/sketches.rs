//! Sketches of distinct stations, by the minute and by the hour: stores them, and forgets what is too old.

use super::coarse;
use crate::{UnixNanos, sketch::Sketch, wire::Batch};
use rusqlite::{OptionalExtension as _, Transaction, params};

/// The lengths that are kept, in seconds.
pub(super) const MINUTE: i64 = 60;
/// See [`MINUTE`].
pub(super) const HOUR: i64 = 3_600;
/// Octets of a row beside its sketch, about.
const ROW: i64 = 120;
/// Where the table's size is kept.
const SIZE: &str = "sketches";
/// Where the first time is kept of which all minutes are still there.
pub(super) const MINUTES_FROM: &str = "sketch_minutes_from";

/// When the minute or hour of a time begins.
pub(super) const fn start(seconds: i64, time: UnixNanos) -> i64 {
    let length = seconds * 1_000_000_000;
    time.0.div_euclid(length).saturating_mul(length)
}

/// Adds the sketch of a part of a window, if it has one.
pub(super) fn store(transaction: &Transaction<'_>, batch: &Batch, now: UnixNanos) -> rusqlite::Result<()> {
    let Some((distinct, sketch)) = batch.distinct.as_ref().and_then(|distinct| Some((distinct, distinct.sketch()?)))
    else {
        return Ok(());
    };
    let mut grown = 0;
    for seconds in [MINUTE, HOUR] {
        let sql = "SELECT id, sketch FROM sketches \
                   WHERE seconds = ?1 AND start_ns = ?2 AND site = ?3 AND sensor = ?4 AND key = ?5";
        let identity = &batch.identity;
        let place = params![seconds, start(seconds, batch.start), identity.site, identity.sensor, distinct.key];
        let known: Option<(i64, Vec<u8>)> =
            transaction.prepare_cached(sql)?.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((id, octets)) = known {
            let mut merged = sketch.clone();
            Sketch::decode(&octets).iter().for_each(|known| merged.merge(known));
            let merged = merged.encode();
            grown += length(&merged) - length(&octets);
            let sql = "UPDATE sketches SET sketch = ?2, stored_ns = ?3 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![id, merged, now.0])?;
        } else {
            let octets = sketch.encode();
            grown += ROW + length(&octets);
            let sql = "INSERT INTO sketches (seconds, start_ns, site, sensor, key, sketch, stored_ns) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let start = start(seconds, batch.start);
            let row = params![seconds, start, identity.site, identity.sensor, distinct.key, octets, now.0];
            transaction.prepare_cached(sql)?.execute(row)?;
        }
    }
    grow(transaction, grown)
}

/// Octets of all sketches, about.
pub(super) fn size(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    Ok(coarse::progress(transaction, SIZE)?.max(0))
}

fn grow(transaction: &Transaction<'_>, octets: i64) -> rusqlite::Result<()> {
    let size = coarse::progress(transaction, SIZE)?;
    coarse::set_progress(transaction, SIZE, size.saturating_add(octets).max(0))
}

fn length(octets: &[u8]) -> i64 {
    i64::try_from(octets.len()).unwrap_or(0)
}

/// Deletes the oldest rows of a length that were stored before a time, `most` of them; whether there were any.
pub(super) fn forget(transaction: &Transaction<'_>, seconds: i64, before: i64, most: usize) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM sketches WHERE id IN (SELECT id FROM sketches WHERE seconds = ?1 AND stored_ns < ?2 \
               ORDER BY stored_ns LIMIT ?3) RETURNING length(sketch), start_ns";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let gone: Vec<(i64, i64)> = transaction
        .prepare_cached(sql)?
        .query_map(params![seconds, before, most], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let Some(last) = gone.iter().map(|(_, start)| *start).max() else { return Ok(false) };
    if seconds == MINUTE {
        let from = coarse::progress(transaction, MINUTES_FROM)?;
        coarse::set_progress(transaction, MINUTES_FROM, from.max(last.saturating_add(MINUTE * 1_000_000_000)))?;
    }
    grow(transaction, -gone.iter().map(|(length, _)| ROW + length).sum::<i64>())?;
    Ok(true)
}
