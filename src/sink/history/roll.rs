//! Rolls windows up into minutes and hours: each window once, in the order of their ids, in the transaction that says how far
//! it came. So nothing is counted twice or left out, whatever ends the process; windows that come late are added to the sums
//! that there are.

use super::{
    coarse::{self, Coarse, Sums},
    counts::Kinds,
    raw::{Origin, Windows},
};
use crate::UnixNanos;
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// What waits for so long is rolled up.
const EVERY: Duration = Duration::from_secs(600);
/// What came so recently is left for the next time: its other parts may be on their way.
const SETTLED: Duration = Duration::from_secs(60);
/// Windows rolled up at once, at most.
const AT_ONCE: i64 = 1_024;
/// Ranges of windows that are known to be in the sums, at most.
const MOST_SUMMED: i64 = 100_000;

/// Rolls up what is due.
pub(super) fn roll_due(transaction: &Transaction<'_>, now: UnixNanos) -> rusqlite::Result<()> {
    let rolled = coarse::progress(transaction, "rolled")?;
    let before = |wait: Duration| now.0.saturating_sub(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX));
    let sql = "SELECT id FROM windows WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2";
    let waits_many = transaction.prepare_cached(sql)?.exists(params![rolled, AT_ONCE])?;
    let sql = "SELECT stored_ns FROM windows WHERE id > ?1 ORDER BY id LIMIT 1";
    let oldest: Option<i64> = transaction.prepare_cached(sql)?.query_row([rolled], |row| row.get(0)).optional()?;
    if !waits_many && oldest.is_none_or(|oldest| oldest > before(EVERY)) {
        return Ok(());
    }
    let sql = "SELECT max(id) FROM (SELECT id FROM windows WHERE id > ?1 AND stored_ns <= ?2 ORDER BY id LIMIT ?3)";
    let last: Option<i64> =
        transaction.prepare_cached(sql)?.query_row(params![rolled, before(SETTLED), AT_ONCE], |row| row.get(0))?;
    last.map_or(Ok(()), |last| roll(transaction, last, now))
}

/// Rolls up the windows up to and with `last`, as far as they are not.
pub(super) fn roll(transaction: &Transaction<'_>, last: i64, now: UnixNanos) -> rusqlite::Result<()> {
    let rolled = coarse::progress(transaction, "rolled")?;
    if last <= rolled {
        return Ok(());
    }
    let mut rolling = Rolling { transaction, sensors: HashMap::new(), minutes: BTreeMap::new() };
    rolling.read(&Windows::between(transaction, rolled, last))?;
    let mut hours: BTreeMap<i64, Sums> = BTreeMap::new();
    let mut grown = [0, 0];
    for (id, sums) in rolling.minutes {
        let hour = Coarse::Hours.id(Coarse::Minutes.start(id), Coarse::sensor(id));
        hours.entry(hour).or_default().add(&sums);
        grown[0] += coarse::add(transaction, Coarse::Minutes, id, sums, now)?;
    }
    for (id, sums) in hours {
        grown[1] += coarse::add(transaction, Coarse::Hours, id, sums, now)?;
    }
    for (tier, grown) in [Coarse::Minutes, Coarse::Hours].into_iter().zip(grown) {
        let size = coarse::progress(transaction, tier.table())?;
        coarse::set_progress(transaction, tier.table(), size.saturating_add(grown))?;
    }
    note(transaction, rolled, last, now)?;
    coarse::set_progress(transaction, "rolled", last)
}

/// Keeps that these windows are in the sums.
fn note(transaction: &Transaction<'_>, after: i64, last: i64, now: UnixNanos) -> rusqlite::Result<()> {
    let sql = "SELECT run, part, seq FROM windows WHERE id > ?1 AND id <= ?2 ORDER BY run, part, seq";
    let mut statement = transaction.prepare_cached(sql)?;
    let mut rows = statement.query([after, last])?;
    let mut range: Option<(String, i64, i64, i64)> = None;
    let put = |(run, part, first, last): &(String, i64, i64, i64)| {
        // It continues what is known, or begins anew.
        let sql = "UPDATE summed SET last = ?4, stored_ns = ?5 WHERE run = ?1 AND part = ?2 AND last = ?3 - 1";
        if transaction.prepare_cached(sql)?.execute(params![run, part, first, last, now.0])? == 0 {
            let sql = "INSERT OR IGNORE INTO summed VALUES (?1, ?2, ?3, ?4, ?5)";
            transaction.prepare_cached(sql)?.execute(params![run, part, first, last, now.0])?;
        }
        Ok::<_, rusqlite::Error>(())
    };
    while let Some(row) = rows.next()? {
        let (run, part, seq): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match &mut range {
            Some((known, of, _, end)) if *known == run && *of == part && *end + 1 == seq => *end = seq,
            _ => {
                if let Some(range) = range.replace((run, part, seq, seq)) {
                    put(&range)?;
                }
            }
        }
    }
    if let Some(range) = &range {
        put(range)?;
    }
    let sql =
        "DELETE FROM summed WHERE stored_ns < (SELECT stored_ns FROM summed ORDER BY stored_ns DESC LIMIT 1 OFFSET ?1)";
    transaction.prepare_cached(sql)?.execute([MOST_SUMMED])?;
    Ok(())
}

/// Whether a part of a window is in the sums.
pub(super) fn is_summed(transaction: &Transaction<'_>, run: &str, part: u32, seq: i64) -> rusqlite::Result<bool> {
    // Ranges of a run and part do not overlap: the last that begins before it is the only one that can hold it.
    let sql = "SELECT last FROM summed WHERE run = ?1 AND part = ?2 AND first <= ?3 ORDER BY first DESC LIMIT 1";
    let last = transaction.prepare_cached(sql)?.query_row(params![run, part, seq], |row| row.get::<_, i64>(0));
    Ok(last.optional()?.is_some_and(|last| last >= seq))
}

struct Rolling<'a> {
    transaction: &'a Transaction<'a>,
    sensors: HashMap<(String, String), i64>,
    minutes: BTreeMap<i64, Sums>,
}

impl Rolling<'_> {
    fn read(&mut self, windows: &Windows<'_>) -> rusqlite::Result<()> {
        // First the parts: they name every sensor there is.
        let mut failed = None;
        let mut last: Option<((i64, String, u64), Kinds)> = None;
        windows.parts(|origin, part| {
            let sensor = match self.sensor(origin) {
                Ok(sensor) => sensor,
                Err(error) => {
                    failed = failed.take().or(Some(error));
                    return;
                }
            };
            let sums = self.minutes.entry(Coarse::Minutes.id(origin.start, sensor)).or_default();
            sums.end = sums.end.max(part.end);
            sums.counts.add(&part.counts);
            sums.crowd.sum = sums.crowd.sum.map2(part.kinds, u64::saturating_add);
            let key = (sensor, part.run, part.seq);
            let kinds = match &mut last {
                Some((known, kinds)) if *known == key => {
                    *kinds = kinds.map2(part.kinds, u64::saturating_add);
                    *kinds
                }
                _ => last.insert((key, part.kinds)).1,
            };
            sums.crowd.most = sums.crowd.most.map2(kinds, u64::max);
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let Self { sensors, minutes, .. } = self;
        let mut key = (String::new(), String::new());
        let mut with = |origin: Origin<'_>, add: &mut dyn FnMut(&mut Sums)| {
            if key.0 != origin.site || key.1 != origin.sensor {
                key = (origin.site.to_owned(), origin.sensor.to_owned());
            }
            if let Some(sensor) = sensors.get(&key)
                && let Some(sums) = minutes.get_mut(&Coarse::Minutes.id(origin.start, *sensor))
            {
                add(sums);
            }
        };
        windows.stations(None, |origin, address, sum| {
            let mut sum = Some(sum);
            with(origin, &mut |sums| {
                if let Some(sum) = sum.take() {
                    sums.detail.station(address, sum);
                }
            });
        })?;
        windows.channels(|origin, freq_mhz, sum| {
            with(origin, &mut |sums| sums.detail.channels.entry(freq_mhz).or_default().add(&sum));
        })?;
        windows.vendors(|origin, vendor, sum| {
            with(origin, &mut |sums| sums.detail.vendors.entry(vendor.clone()).or_default().add(&sum));
        })?;
        windows.subtypes(|origin, subtype, frames| {
            with(origin, &mut |sums| {
                let sum = sums.detail.subtypes.entry(subtype.clone()).or_default();
                *sum = sum.saturating_add(frames);
            });
        })
    }

    /// The number of a sensor.
    fn sensor(&mut self, origin: Origin<'_>) -> rusqlite::Result<i64> {
        let key = (origin.site.to_owned(), origin.sensor.to_owned());
        if let Some(sensor) = self.sensors.get(&key) {
            return Ok(*sensor);
        }
        let sql = "INSERT OR IGNORE INTO sensors (site, sensor) VALUES (?1, ?2)";
        self.transaction.prepare_cached(sql)?.execute(params![key.0, key.1])?;
        let sql = "SELECT id FROM sensors WHERE site = ?1 AND sensor = ?2";
        let sensor = self.transaction.prepare_cached(sql)?.query_row(params![key.0, key.1], |row| row.get(0))?;
        self.sensors.insert(key, sensor);
        Ok(sensor)
    }
}
