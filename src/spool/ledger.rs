//! The runs a tier knows, and which windows of each have arrived or are declared lost: in the store's own file and
//! transactions.
//!
//! Everything a stranger can make grow is bounded: ranges a run, runs a sensor, and both over all.

use super::{
    RunInfo,
    entry::{EntryKind, NewEntry},
    failure::SqlResult,
    rows::{Rows, signed, unsigned, uuid},
};
use crate::UnixNanos;
use rusqlite::{OptionalExtension as _, params};
use std::time::Duration;
use uuid::Uuid;

/// A run without news for this long is forgotten.
const RUN_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// Most runs of one sensor.
const RUNS_PER_SENSOR: i64 = 1_000;
/// Most runs of all sensors.
const RUNS: i64 = 50_000;
/// Most ranges of one run.
const RANGES_PER_RUN: i64 = 1_000;
/// Most ranges of all runs.
const RANGES: i64 = 200_000;
/// How many of the oldest runs are looked at for one that no entry needs.
const LOOK: i64 = 16;

impl Rows<'_> {
    /// The run's number in this tier, if it is known.
    pub fn find_run(&self, site: &str, sensor: &str, run: Uuid) -> SqlResult<Option<i64>> {
        let mut statement =
            self.conn.prepare_cached("SELECT id FROM runs WHERE site = ? AND sensor = ? AND run = ?")?;
        Ok(statement.query_row(params![site, sensor, run.as_bytes()], |row| row.get(0)).optional()?)
    }

    /// Site, sensor and run behind a run's number.
    pub fn run_name(&self, run_id: i64) -> SqlResult<(String, String, Uuid)> {
        let mut statement = self.conn.prepare_cached("SELECT site, sensor, run FROM runs WHERE id = ?")?;
        Ok(statement.query_row([run_id], |row| Ok((row.get(0)?, row.get(1)?, uuid(row, 2)?)))?)
    }

    /// The run's number in this tier; new to it, the run begins at `begin`.
    pub fn run_id(&self, site: &str, sensor: &str, run: Uuid, begin: UnixNanos, now: UnixNanos) -> SqlResult<i64> {
        if let Some(id) = self.find_run(site, sensor, run)? {
            return Ok(id);
        }
        self.prune_runs(site, sensor, now)?;
        self.set(
            "INSERT INTO runs (site, sensor, run, last_end, finished, touched) VALUES (?, ?, ?, ?, 0, ?)",
            params![site, sensor, run.as_bytes(), begin.0, now.0],
        )?;
        Ok(self.conn.last_insert_rowid())
    }

    /// Notes how far a run has come; it never goes back.
    pub fn advance_run(&self, run_id: i64, info: &RunInfo, now: UnixNanos) -> SqlResult<()> {
        self.set(
            "UPDATE runs SET first_seq = min(coalesce(first_seq, ?2), coalesce(?2, first_seq)),
                last_end = CASE WHEN coalesce(?3, -1) >= coalesce(last_seq, 0) THEN ?4 ELSE last_end END,
                last_seq = max(coalesce(last_seq, ?3), coalesce(?3, last_seq)), finished = max(finished, ?5)
             WHERE id = ?1",
            params![run_id, info.first_seq.map(signed), info.last_seq.map(signed), info.last_end.0, info.finished],
        )?;
        // `touched` has an index to rewrite: once an hour is enough for a bound of days.
        let hour = 3_600_000_000_000;
        self.set(
            "UPDATE runs SET touched = ?2 WHERE id = ?1 AND touched NOT BETWEEN ?3 AND ?4",
            params![run_id, now.0, now.0.saturating_sub(hour), now.0.saturating_add(hour)],
        )
    }

    /// The times of this run are a guess, made in `boot`: its time less the time since that boot.
    pub fn guess_run(&self, run_id: i64, boot: Uuid, anchor: i64) -> SqlResult<()> {
        self.set(
            "UPDATE runs SET boot = ?, anchor = ? WHERE id = ? AND boot IS NULL",
            params![boot.as_bytes(), anchor, run_id],
        )
    }

    /// No window of any run is to be had any more.
    pub fn forget_windows(&self) -> SqlResult<()> {
        self.set("UPDATE runs SET first_seq = NULL", [])
    }

    /// The guess of `boot` is replaced by the truth.
    pub fn anchor_runs(&self, boot: Uuid, anchor: i64) -> SqlResult<()> {
        self.set(
            "UPDATE runs SET last_end = last_end - anchor + ?2, boot = NULL, anchor = NULL WHERE boot = ?1",
            params![boot.as_bytes(), anchor],
        )
    }

    /// Every run, oldest first.
    pub fn runs(&self) -> SqlResult<Vec<RunInfo>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT site, sensor, run, first_seq, last_seq, last_end, finished, boot, anchor FROM runs ORDER BY id",
        )?;
        let runs = statement
            .query_map([], |row| {
                Ok(RunInfo {
                    site: row.get(0)?,
                    sensor: row.get(1)?,
                    run: uuid(row, 2)?,
                    first_seq: row.get::<_, Option<i64>>(3)?.map(unsigned),
                    last_seq: row.get::<_, Option<i64>>(4)?.map(unsigned),
                    last_end: UnixNanos(row.get(5)?),
                    finished: row.get(6)?,
                    guess: row.get::<_, Option<[u8; 16]>>(7)?.map(Uuid::from_bytes).zip(row.get(8)?),
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(runs)
    }

    /// Of each run with undelivered windows: the first of them, and when that one began.
    pub fn first_waiting(&self) -> SqlResult<Vec<(Uuid, u64, UnixNanos)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT r.run, min(e.seq), e.start FROM entries AS e INDEXED BY undelivered JOIN runs AS r
             ON r.id = e.run_id WHERE e.pending <> 0 AND e.kind = 0 GROUP BY e.run_id",
        )?;
        let first = statement
            .query_map([], |row| Ok((uuid(row, 0)?, unsigned(row.get(1)?), UnixNanos(row.get(2)?))))?
            .collect::<Result<_, _>>()?;
        Ok(first)
    }

    fn set(&self, sql: &str, params: impl rusqlite::Params) -> SqlResult<()> {
        self.conn.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    /// Notes a window whose last missing part is `entry`, or the windows that a gap declares lost.
    pub fn settle(&self, run_id: i64, entry: &NewEntry) -> SqlResult<()> {
        let seq = signed(entry.key.seq);
        match entry.kind {
            EntryKind::Gap(_) => self.add_range(run_id, seq, entry.last_seq.map_or(i64::MAX, signed)),
            EntryKind::Batch | EntryKind::Flows | EntryKind::Alerts
                if entry.parts == 1 || self.parts_stored(run_id, seq)? == i64::from(entry.parts) =>
            {
                self.add_range(run_id, seq, seq)
            }
            EntryKind::Batch | EntryKind::Flows | EntryKind::Alerts => Ok(()),
        }
    }

    fn parts_stored(&self, run_id: i64, seq: i64) -> SqlResult<i64> {
        let sql = "SELECT count(*) FROM entries WHERE run_id = ? AND kind = 0 AND seq = ?";
        Ok(self.conn.prepare_cached(sql)?.query_row([run_id, seq], |row| row.get(0))?)
    }

    /// Adds `first..=last`, joined with every range it overlaps or adjoins. Where that would take one range too
    /// many it is not noted: such a window is asked for again, and never taken for received.
    pub fn add_range(&self, run_id: i64, first: i64, last: i64) -> SqlResult<()> {
        let mut joined = self.conn.prepare_cached(
            "SELECT min(first), max(last), count(*) FROM settled WHERE run_id = ?1 AND first <= ?3 AND first >= coalesce(
                 (SELECT CASE WHEN last >= ?2 - 1 THEN first END FROM settled WHERE run_id = ?1 AND first <= ?2
                  ORDER BY first DESC LIMIT 1), ?2)",
        )?;
        let (low, high, ranges): (Option<i64>, Option<i64>, i64) = joined
            .query_row(params![run_id, first, last.saturating_add(1)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let (low, high) = (low.map_or(first, |low| low.min(first)), high.map_or(last, |high| high.max(last)));
        match ranges {
            0 if self.is_full(run_id)? => return Ok(()),
            0 => {}
            _ => {
                let sql = "DELETE FROM settled WHERE run_id = ? AND first BETWEEN ? AND ?";
                self.set(sql, [run_id, low, high])?;
            }
        }
        let sql = "INSERT INTO settled (run_id, first, last) VALUES (?, ?, ?)";
        self.set(sql, [run_id, low, high])
    }

    /// Takes `first..=last` out again: these windows are neither here nor declared lost.
    pub fn remove_range(&self, run_id: i64, first: i64, last: i64) -> SqlResult<()> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT first, last FROM settled WHERE run_id = ? AND first <= ? AND last >= ?")?;
        let met: Vec<(i64, i64)> = statement
            .query_map([run_id, last, first], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (low, high) in met {
            self.set("DELETE FROM settled WHERE run_id = ? AND first = ?", [run_id, low])?;
            let rests = [(low, first.saturating_sub(1)), (last.saturating_add(1), high)];
            for (low, high) in rests.into_iter().filter(|(low, high)| low <= high) {
                self.set("INSERT INTO settled (run_id, first, last) VALUES (?, ?, ?)", [run_id, low, high])?;
            }
        }
        Ok(())
    }

    /// Whether the ledger can take no further range of this run: then it may not know of all that came.
    pub fn is_full(&self, run_id: i64) -> SqlResult<bool> {
        let sql = "SELECT (SELECT count(*) FROM settled WHERE run_id = ?) >= ? OR (SELECT count(*) FROM settled) >= ?";
        Ok(self.conn.prepare_cached(sql)?.query_row([run_id, RANGES_PER_RUN, RANGES], |row| row.get(0))?)
    }

    /// The last window of a run that has ended with its `final` mark, if none before it is missing.
    pub fn complete(&self, run_id: i64) -> SqlResult<Option<u64>> {
        let sql = "SELECT r.last_seq FROM runs AS r JOIN settled AS s ON s.run_id = r.id AND s.first = 0
                   WHERE r.id = ? AND r.finished AND s.last >= r.last_seq";
        Ok(self.conn.prepare_cached(sql)?.query_row([run_id], |row| row.get(0)).optional()?.map(unsigned))
    }

    /// The runs of which windows are missing before the newest that came, those heard of last first, at most `max`: with that
    /// newest one.
    pub fn incomplete_runs(&self, max: usize) -> SqlResult<Vec<(String, String, Uuid, u64)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT site, sensor, run, last_seq FROM runs AS r WHERE last_seq IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM settled WHERE run_id = r.id AND first = 0 AND last >= r.last_seq)
             ORDER BY touched DESC LIMIT ?",
        )?;
        let runs = statement
            .query_map([signed(max as u64)], |row| {
                Ok((row.get(0)?, row.get(1)?, uuid(row, 2)?, unsigned(row.get(3)?)))
            })?
            .collect::<Result<_, _>>()?;
        Ok(runs)
    }

    /// Windows from 0 to `last_seq` neither received nor declared lost, as ranges, ascending, at most `max`.
    pub fn holes(&self, run_id: i64, last_seq: u64, max: usize) -> SqlResult<Vec<(u64, u64)>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT first, last FROM settled WHERE run_id = ? AND first <= ? ORDER BY first")?;
        let mut rows = statement.query([run_id, signed(last_seq)])?;
        let (mut holes, mut next) = (Vec::new(), 0u64);
        while let (Some(row), true) = (rows.next()?, holes.len() < max) {
            let (first, last) = (unsigned(row.get(0)?), unsigned(row.get(1)?));
            if first > next {
                holes.push((next, first - 1));
            }
            next = last.saturating_add(1);
        }
        if next <= last_seq && holes.len() < max {
            holes.push((next, last_seq));
        }
        Ok(holes)
    }

    /// Makes room for one more run of this sensor: forgets runs long without news, and the stalest of too many.
    /// Runs with entries stay.
    pub fn prune_runs(&self, site: &str, sensor: &str, now: UnixNanos) -> SqlResult<()> {
        let limit = now.0.saturating_sub(i64::try_from(RUN_LIFE.as_nanos()).unwrap_or(i64::MAX));
        let stale = "SELECT id FROM (SELECT id FROM runs WHERE touched < ? ORDER BY touched LIMIT ?) AS r
                     WHERE NOT EXISTS (SELECT 1 FROM entries WHERE run_id = r.id)";
        let mut statement = self.conn.prepare_cached(stale)?;
        let ids: Vec<i64> = statement.query_map([limit, LOOK], |row| row.get(0))?.collect::<Result<_, _>>()?;
        ids.into_iter().try_for_each(|id| self.forget_run(id))?;

        let own: i64 = self
            .conn
            .prepare_cached("SELECT count(*) FROM runs WHERE site = ? AND sensor = ?")?
            .query_row([site, sensor], |row| row.get(0))?;
        if own >= RUNS_PER_SENSOR {
            let sql = "SELECT id FROM runs AS r WHERE site = ? AND sensor = ?
                       AND NOT EXISTS (SELECT 1 FROM entries WHERE run_id = r.id) ORDER BY touched LIMIT 1";
            let id = self.conn.prepare_cached(sql)?.query_row([site, sensor], |row| row.get(0)).optional()?;
            id.map_or(Ok(()), |id| self.forget_run(id))?;
        }
        let all: i64 = self.conn.prepare_cached("SELECT count(*) FROM runs")?.query_row([], |row| row.get(0))?;
        if all >= RUNS {
            let id = statement.query_row([i64::MAX, LOOK], |row| row.get(0)).optional()?;
            id.map_or(Ok(()), |id| self.forget_run(id))?;
        }
        Ok(())
    }

    fn forget_run(&self, id: i64) -> SqlResult<()> {
        self.set("DELETE FROM settled WHERE run_id = ?", [id])?;
        self.set("DELETE FROM runs WHERE id = ?", [id])
    }
}
