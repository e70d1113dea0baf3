//! Stores estimates of people: one for each sensor and interval, however often it comes.

use super::store::count;
use crate::{UnixNanos, wire::Batch};
use rusqlite::{Transaction, params};

/// Octets of a row, with its place in the index, where names are short.
const ROW: i64 = 160;
/// Rows that give way at once.
const EVICTED_AT_ONCE: i64 = 256;

/// Stores what a batch says. Of two runs that had a part of an interval each, the one that could tell counts.
pub(super) fn store(transaction: &Transaction<'_>, batch: &Batch, now: UnixNanos) -> rusqlite::Result<()> {
    if batch.people.is_empty() {
        return Ok(());
    }
    let mut upsert = transaction.prepare_cached(
        "INSERT INTO people (site, sensor, start_ns, end_ns, low, estimate, high, reason, listened_ms, run, stored_ns) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
         ON CONFLICT (site, sensor, start_ns) DO UPDATE SET end_ns = excluded.end_ns, low = excluded.low, \
         estimate = excluded.estimate, high = excluded.high, reason = excluded.reason, \
         listened_ms = excluded.listened_ms, run = excluded.run, stored_ns = excluded.stored_ns \
         WHERE excluded.estimate IS NOT NULL OR estimate IS NULL",
    )?;
    let run = batch.identity.run.to_string();
    for people in &batch.people {
        upsert.execute(params![
            batch.identity.site,
            batch.identity.sensor,
            people.start.0,
            people.end.0,
            people.low,
            people.estimate,
            people.high,
            people.reason.map(|reason| reason.word()),
            people.listened_ms.map(count),
            run,
            now.0,
        ])?;
    }
    Ok(())
}

/// Deletes some of the first where all of them take more than an eighth of the file, of which `used` octets are used up; false if
/// they do not.
pub(super) fn evict(transaction: &Transaction<'_>, used: u64) -> rusqlite::Result<bool> {
    let sql = "SELECT coalesce(max(id) - min(id) + 1, 0) FROM people";
    let rows: i64 = transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    if rows.saturating_mul(ROW) <= i64::try_from(used / 8).unwrap_or(i64::MAX) {
        return Ok(false);
    }
    let sql = "DELETE FROM people WHERE id IN (SELECT id FROM people ORDER BY id LIMIT ?1)";
    Ok(transaction.prepare_cached(sql)?.execute([EVICTED_AT_ONCE])? > 0)
}
