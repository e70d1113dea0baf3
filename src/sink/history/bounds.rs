//! Age and size of the history: what gives way, and in which order. Windows are rolled up before they go.

use super::{
    coarse::{self, Coarse},
    people,
    roll::roll,
    sketches::{self, HOUR, MINUTE},
};
use crate::{UnixNanos, config};
use rusqlite::{Transaction, params};
use std::time::Duration;

/// Windows that give way at once.
const EVICTED_AT_ONCE: usize = 16;
/// Rows looked at for their age in one call: more than are stored in one.
const EXPIRED_AT_ONCE: usize = 256;
/// How long windows are kept where the configuration does not say.
const RETENTION: Duration = Duration::from_secs(86_400);

/// Deletes what was stored too long ago, of each tier the first rows, so that no call takes long. Age is that of the storing,
/// since a capture of years ago is new here today.
pub(super) fn expire(transaction: &Transaction<'_>, config: &config::Sqlite, now: UnixNanos) -> rusqlite::Result<()> {
    let before = |age: Duration| now.0.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
    let retention = match config.retention {
        Some(retention) => retention,
        None => match u64::try_from(coarse::progress(transaction, "retention")?).unwrap_or(0) {
            0 => RETENTION,
            seconds => Duration::from_secs(seconds),
        },
    };
    let sql = "SELECT id, stored_ns FROM windows ORDER BY id LIMIT ?1";
    let first: Vec<(i64, i64)> = transaction
        .prepare_cached(sql)?
        .query_map([i64::try_from(EXPIRED_AT_ONCE).unwrap_or(i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let old: Vec<i64> = first.into_iter().filter(|(_, stored)| *stored < before(retention)).map(|(id, _)| id).collect();
    forget_windows(transaction, &old, now)?;
    for (tier, age) in [(Coarse::Minutes, config.minutes), (Coarse::Hours, config.hours)] {
        let sql = format!("SELECT id FROM {} WHERE stored_ns < ?1 ORDER BY stored_ns LIMIT ?2", tier.table());
        forget(transaction, tier, &ids(transaction, &sql, before(age), EXPIRED_AT_ONCE)?)?;
    }
    for (seconds, age) in [(MINUTE, config.minutes), (HOUR, config.hours)] {
        sketches::forget(transaction, seconds, before(age), EXPIRED_AT_ONCE)?;
    }
    transaction.prepare_cached("DELETE FROM gaps WHERE stored_ns < ?1")?.execute([before(config.hours)])?;
    transaction.prepare_cached("DELETE FROM alerts WHERE stored_ns < ?1")?.execute([before(config.hours)])?;
    transaction.prepare_cached("DELETE FROM people WHERE stored_ns < ?1")?.execute([before(config.hours)])?;
    transaction.prepare_cached("DELETE FROM summed WHERE stored_ns < ?1")?.execute([before(config.hours)])?;
    Ok(())
}

/// Deletes some of the tier that is farthest beyond its share of the file, which is used up; false if there is nothing.
pub(super) fn evict(transaction: &Transaction<'_>, used: u64, now: UnixNanos) -> rusqlite::Result<bool> {
    if people::evict(transaction, used)? {
        return Ok(true);
    }
    let minutes = coarse::progress(transaction, "minutes")?.max(0);
    let hours = coarse::progress(transaction, "hours")?.max(0);
    let distinct = sketches::size(transaction)?;
    let windows = i64::try_from(used).unwrap_or(i64::MAX).saturating_sub(minutes + hours + distinct);
    // Sketches give way first while they have more than an eighth of the file. Shares of the rest: a quarter for windows, three eighths each for minutes and hours.
    if distinct > i64::try_from(used / 8).unwrap_or(i64::MAX) {
        for seconds in [MINUTE, HOUR] {
            if sketches::forget(transaction, seconds, i64::MAX, EVICTED_AT_ONCE)? {
                return Ok(true);
            }
        }
    }
    let mut shares = [(windows / 2, None), (minutes / 3, Some(Coarse::Minutes)), (hours / 3, Some(Coarse::Hours))];
    shares.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    for (_, tier) in shares {
        let gone = match tier {
            None => {
                let first =
                    ids(transaction, "SELECT id FROM windows WHERE id > ?1 ORDER BY id LIMIT ?2", -1, EVICTED_AT_ONCE)?;
                forget_windows(transaction, &first, now)?
            }
            Some(tier) => {
                let sql = format!("SELECT id FROM {} WHERE stored_ns > ?1 ORDER BY stored_ns LIMIT ?2", tier.table());
                forget(transaction, tier, &ids(transaction, &sql, i64::MIN, EVICTED_AT_ONCE)?)?
            }
        };
        if gone {
            return Ok(true);
        }
    }
    for (table, order) in [("gaps", "id"), ("alerts", "id"), ("summed", "stored_ns")] {
        let sql = format!(
            "DELETE FROM {table} WHERE {order} IN (SELECT {order} FROM {table} ORDER BY {order} LIMIT {EVICTED_AT_ONCE})"
        );
        if transaction.prepare_cached(&sql)?.execute([])? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ids(transaction: &Transaction<'_>, sql: &str, bound: i64, most: usize) -> rusqlite::Result<Vec<i64>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = transaction.prepare_cached(sql)?;
    let ids = statement.query_map(params![bound, most], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(ids)
}

/// Deletes windows, ids ascending. They are in the sums then.
fn forget_windows(transaction: &Transaction<'_>, ids: &[i64], now: UnixNanos) -> rusqlite::Result<bool> {
    let Some(last) = ids.last() else { return Ok(false) };
    roll(transaction, *last, now)?;
    for id in ids {
        let sql = "DELETE FROM windows WHERE id = ?1 RETURNING site, sensor, start_ns";
        let (site, sensor, start): (String, String, i64) =
            transaction.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let sql = "SELECT id FROM sensors WHERE site = ?1 AND sensor = ?2";
        let sensor: i64 = transaction.prepare_cached(sql)?.query_row(params![site, sensor], |row| row.get(0))?;
        let hour = Coarse::Hours.id(UnixNanos(start), sensor);
        let sql = "UPDATE hours SET windows_gone = 1 WHERE id = ?1 AND NOT windows_gone";
        transaction.prepare_cached(sql)?.execute([hour])?;
    }
    Ok(true)
}

/// Deletes minutes or hours.
fn forget(transaction: &Transaction<'_>, tier: Coarse, ids: &[i64]) -> rusqlite::Result<bool> {
    let mut shrunk = 0;
    for id in ids {
        shrunk += coarse::remove(transaction, tier, *id)?;
        if tier == Coarse::Minutes {
            let hour = Coarse::Hours.id(tier.start(*id), Coarse::sensor(*id));
            let sql = "UPDATE hours SET minutes_gone = 1 WHERE id = ?1 AND NOT minutes_gone";
            transaction.prepare_cached(sql)?.execute([hour])?;
        }
    }
    if !ids.is_empty() {
        let size = coarse::progress(transaction, tier.table())?;
        coarse::set_progress(transaction, tier.table(), size.saturating_sub(shrunk).max(0))?;
    }
    Ok(!ids.is_empty())
}
