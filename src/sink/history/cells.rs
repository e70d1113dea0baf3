//! Reads the tiers as one: for each stretch of a question's range the coarsest tier that will do, or the finest there is. Each
//! window is counted once, whichever tier tells of it.

use super::{
    coarse::{self, COUNTS, Coarse},
    counts::{Counts, Crowd},
    detail::Detail,
    range::{HistoryError, Range, Scope, Tier},
    raw::{OF_RANGE, Origin, Windows, parameters},
    station::{ChannelSum, StationSum, VendorSum},
};
use crate::{UnixNanos, wire::Address};
use rusqlite::{Connection, Row, params, params_from_iter};
use std::{cell::Cell as Shared, collections::HashMap, time::Duration};

/// What a question may read of a tier: beyond, the next one answers.
struct Budget {
    /// Windows; and their stations, if those are read.
    windows: i64,
    stations: bool,
    /// Rows of minutes.
    minutes: i64,
}

const COUNTS_ALONE: Budget = Budget { windows: 20_000, stations: false, minutes: 20_000 };
const DETAILS: Budget = Budget { windows: 200_000, stations: true, minutes: 4_000 };

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
    connection: &'a Connection,
    range: Range,
    scope: Scope,
    /// The steps that are asked for: nothing coarser will do.
    step: Option<i64>,
    /// The coarsest tier that was read so far.
    read: Shared<Tier>,
}

/// Which windows a segment reads: those that are in no sum, or all of those hours that have theirs.
struct Segment {
    tier: Tier,
    range: Range,
}

/// Hours that have lost finer rows: minutes, windows; by the number of the hour's row.
type Gone = HashMap<i64, (bool, bool)>;

impl<'a> Moment<'a> {
    pub fn new(connection: &'a Connection, range: Range, scope: &Scope) -> Self {
        Self { connection, range, scope: scope.clone(), step: None, read: Shared::new(Tier::Windows) }
    }

    /// What begins in one step of this length is wanted: coarser tiers will not do.
    pub fn in_steps(mut self, step: Duration) -> Self {
        self.step = Some(i64::try_from(step.as_nanos()).unwrap_or(i64::MAX));
        self
    }

    /// The coarsest tier that was read.
    pub fn tier(&self) -> Tier {
        self.read.get()
    }

    /// Calls `visit` for each row of `sql`, whose parameters 1 to 4 are the range and the scope.
    pub fn each(&self, sql: &str, mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>) -> Result<(), HistoryError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(parameters(self.range, &self.scope)))?;
        while let Some(row) = rows.next()? {
            visit(row)?;
        }
        Ok(())
    }

    /// Site, sensor and number of runs that have windows which are kept one by one.
    pub fn runs(&self, visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>) -> Result<(), HistoryError> {
        let sql =
            format!("SELECT w.site, w.sensor, count(DISTINCT w.run) FROM windows w WHERE {OF_RANGE} GROUP BY 1, 2");
        self.each(&sql, visit)
    }

    /// The sums of windows, minutes or hours.
    pub fn cells(&self, mut visit: impl FnMut(&Cell)) -> Result<(), HistoryError> {
        for segment in self.segments(&COUNTS_ALONE)? {
            // Parts of a window become one cell.
            let mut last: Option<((String, u64), Cell)> = None;
            self.windows(&segment, |windows, takes| {
                windows.parts(|origin, part| {
                    if !takes(origin) {
                        return;
                    }
                    let key = (part.run, part.seq);
                    match &mut last {
                        Some((known, cell)) if *known == key && cell.sensor == origin.sensor => {
                            cell.counts.add(&part.counts);
                            cell.crowd.sum = cell.crowd.sum.map2(part.kinds, u64::saturating_add);
                            cell.crowd.most = cell.crowd.sum;
                        }
                        _ => {
                            let cell = Cell {
                                site: origin.site.to_owned(),
                                sensor: origin.sensor.to_owned(),
                                start: origin.start,
                                end: part.end,
                                counts: part.counts,
                                crowd: Crowd { most: part.kinds, sum: part.kinds },
                            };
                            if let Some((_, cell)) = last.replace((key, cell)) {
                                visit(&cell);
                            }
                        }
                    }
                })
            })?;
            if let Some((_, cell)) = last {
                visit(&cell);
            }
            self.coarse(&segment, COUNTS, |origin, row| {
                let (counts, crowd) = coarse::counts(row, 5)?;
                let end = UnixNanos(row.get(4)?);
                let (site, sensor) = (origin.site.to_owned(), origin.sensor.to_owned());
                visit(&Cell { site, sensor, start: origin.start, end, counts, crowd });
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Each station's sums, and where they are from; of `only` this one, and of those that belong to it.
    pub fn stations(
        &self,
        only: Option<Address>,
        mut visit: impl FnMut(Origin<'_>, Address, StationSum),
    ) -> Result<(), HistoryError> {
        for segment in self.segments(&DETAILS)? {
            self.windows(&segment, |windows, takes| {
                windows.stations(only, |origin, address, sum| {
                    if takes(origin) {
                        visit(origin, address, sum);
                    }
                })
            })?;
            self.details(&segment, |origin, detail| {
                for (address, sum) in detail.stations {
                    if only.is_none_or(|only| only == address || sum.bssid == Some(only)) {
                        visit(origin, address, sum);
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Each frequency's sums.
    pub fn channels(&self, mut visit: impl FnMut(UnixNanos, u16, ChannelSum)) -> Result<(), HistoryError> {
        for segment in self.segments(&DETAILS)? {
            self.windows(&segment, |windows, takes| {
                windows.channels(|origin, freq_mhz, sum| {
                    if takes(origin) {
                        visit(origin.start, freq_mhz, sum);
                    }
                })
            })?;
            self.details(&segment, |origin, detail| {
                for (freq_mhz, sum) in detail.channels {
                    visit(origin.start, freq_mhz, sum);
                }
            })?;
        }
        Ok(())
    }

    /// Each vendor's sums: name, whether randomised.
    pub fn vendors(&self, mut visit: impl FnMut((Option<String>, bool), VendorSum)) -> Result<(), HistoryError> {
        for segment in self.segments(&DETAILS)? {
            self.windows(&segment, |windows, takes| {
                windows.vendors(|origin, vendor, sum| {
                    if takes(origin) {
                        visit(vendor, sum);
                    }
                })
            })?;
            self.details(&segment, |_, detail| {
                for (vendor, sum) in detail.vendors {
                    visit(vendor, sum);
                }
            })?;
        }
        Ok(())
    }

    /// The windows of a segment, and which of them count.
    fn windows(
        &self,
        segment: &Segment,
        read: impl FnOnce(&Windows<'_>, &dyn Fn(Origin<'_>) -> bool) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let rolled = coarse::progress(self.connection, "rolled")?;
        if segment.tier > Tier::Windows {
            // What no sum has.
            let windows = Windows::within(self.connection, segment.range, &self.scope, rolled);
            return Ok(read(&windows, &|_| true)?);
        }
        let windows = Windows::within(self.connection, segment.range, &self.scope, -1);
        let gone = self.gone(segment)?;
        if gone.values().all(|(_, windows)| !windows) {
            return Ok(read(&windows, &|_| true)?);
        }
        // Hours that have lost windows are told by their minutes or by themselves, but for what no sum has.
        let sensors = self.sensors()?;
        Ok(read(&windows, &|origin| {
            let key = (origin.site.to_owned(), origin.sensor.to_owned());
            let hour = sensors.get(&key).map(|sensor| Coarse::Hours.id(origin.start, *sensor));
            origin.id > rolled || hour.and_then(|hour| gone.get(&hour)).is_none_or(|(_, windows)| !windows)
        })?)
    }

    /// The minutes and hours of a segment that count, with the columns `columns` from the fifth on (the fourth is the end of the
    /// last window).
    fn coarse(
        &self,
        segment: &Segment,
        columns: &str,
        mut visit: impl FnMut(Origin<'_>, &Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let gone = if segment.tier < Tier::Hours { self.gone(segment)? } else { Gone::new() };
        let hour_of = |id: i64| Coarse::Hours.id(Coarse::Minutes.start(id), Coarse::sensor(id));
        if segment.tier == Tier::Minutes || gone.values().any(|(minutes, windows)| *windows && !*minutes) {
            self.rows(segment, Coarse::Minutes, columns, |origin, row| {
                let (minutes, windows) = gone.get(&hour_of(origin.id)).copied().unwrap_or_default();
                if !minutes && (segment.tier == Tier::Minutes || windows) {
                    self.reads(Tier::Minutes);
                    visit(origin, row)?;
                }
                Ok(())
            })?;
        }
        if segment.tier == Tier::Hours || gone.values().any(|(minutes, _)| *minutes) {
            self.rows(segment, Coarse::Hours, columns, |origin, row| {
                let (minutes, windows) = gone.get(&origin.id).copied().unwrap_or_default();
                let told_by_windows = segment.tier == Tier::Windows && !windows;
                if segment.tier == Tier::Hours || minutes && !told_by_windows {
                    self.reads(Tier::Hours);
                    visit(origin, row)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn rows(
        &self,
        segment: &Segment,
        tier: Coarse,
        columns: &str,
        mut visit: impl FnMut(Origin<'_>, &Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), HistoryError> {
        let (first, past) = tier.ids(segment.range.from, segment.range.to);
        let sql = format!(
            "SELECT s.site, s.sensor, t.start_ns, t.id, t.end_ns, {columns} FROM {} t JOIN sensors s \
             ON s.id = (t.id & 16777215) JOIN {} d ON d.id = t.id WHERE t.id >= ?1 AND t.id < ?2 \
             AND (?3 IS NULL OR s.site = ?3) AND (?4 IS NULL OR s.sensor = ?4)",
            tier.table(),
            tier.details()
        );
        // Without details they need not be looked up.
        let sql = if columns == COUNTS {
            sql.replace(&format!(" JOIN {} d ON d.id = t.id", tier.details()), "")
        } else {
            sql
        };
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![first, past, self.scope.site, self.scope.sensor])?;
        while let Some(row) = rows.next()? {
            let (site, sensor) = (row.get_ref(0)?.as_str().unwrap_or(""), row.get_ref(1)?.as_str().unwrap_or(""));
            visit(Origin { id: row.get(3)?, site, sensor, start: UnixNanos(row.get(2)?) }, row)?;
        }
        Ok(())
    }

    fn details(&self, segment: &Segment, mut visit: impl FnMut(Origin<'_>, Detail)) -> Result<(), HistoryError> {
        self.coarse(segment, "d.detail", |origin, row| {
            if let Some(detail) = Detail::unpack(row.get_ref(5)?.as_blob().unwrap_or_default()) {
                visit(origin, detail);
            }
            Ok(())
        })
    }

    /// The hours of a segment that have lost something finer.
    fn gone(&self, segment: &Segment) -> Result<Gone, HistoryError> {
        // A segment may begin and end amid an hour.
        let hour = |time: UnixNanos| Coarse::Hours.id(time, 0);
        let past = hour(UnixNanos(segment.range.to.0.saturating_sub(1)))
            .saturating_add(Coarse::Hours.id(UnixNanos(Coarse::Hours.length()), 0));
        let sql = "SELECT id, minutes_gone, windows_gone FROM hours WHERE id >= ?1 AND id < ?2 \
                   AND (minutes_gone OR windows_gone)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map([hour(segment.range.from), past], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn reads(&self, tier: Tier) {
        self.read.set(self.read.get().max(tier));
    }

    fn sensors(&self) -> Result<HashMap<(String, String), i64>, HistoryError> {
        let mut statement = self.connection.prepare_cached("SELECT site, sensor, id FROM sensors")?;
        let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The range in segments, each with the tier that tells it: the coarsest that the steps allow and that so many rows
    /// demand, and finer ones at the edges that are no whole hours or minutes.
    fn segments(&self, budget: &Budget) -> Result<Vec<Segment>, HistoryError> {
        let Range { from, to } = self.range;
        if from >= to {
            return Ok(Vec::new());
        }
        let fits = |tier: Coarse| {
            self.step.is_none_or(|step| step % tier.length() == 0 && from.0.rem_euclid(tier.length()) == 0)
        };
        let tier = if !fits(Coarse::Minutes) {
            Tier::Windows
        } else if self.minutes_within(budget.minutes)? {
            if self.windows_within(budget)? { Tier::Windows } else { Tier::Minutes }
        } else if fits(Coarse::Hours) {
            Tier::Hours
        } else {
            Tier::Minutes
        };
        let mut segments = Vec::new();
        split(Segment { tier, range: self.range }, &mut segments);
        Ok(segments)
    }

    /// Whether the range has no more rows of minutes than this.
    fn minutes_within(&self, most: i64) -> Result<bool, HistoryError> {
        let (first, past) = Coarse::Minutes.ids(self.range.from, self.range.to);
        let sql = "SELECT EXISTS (SELECT 1 FROM minutes WHERE id >= ?1 AND id < ?2 LIMIT 1 OFFSET ?3)";
        Ok(!self.connection.prepare_cached(sql)?.query_row([first, past, most], |row| row.get::<_, bool>(0))?)
    }

    /// Whether the range has no more windows, or stations in them, than may be read.
    fn windows_within(&self, budget: &Budget) -> Result<bool, HistoryError> {
        let most = budget.windows;
        let stations = "1 + coalesce(access_points + known_vendors + randomised_others + unknown_others, 50)";
        let sql = format!(
            "SELECT total(n) FROM (SELECT {} AS n FROM windows WHERE start_ns >= ?1 AND start_ns < ?2 LIMIT ?3)",
            if budget.stations { stations } else { "1" }
        );
        let sum: f64 = self
            .connection
            .prepare_cached(&sql)?
            .query_row([self.range.from.0, self.range.to.0, most.saturating_add(1)], |row| row.get(0))?;
        #[allow(clippy::cast_precision_loss)] // Thousands.
        Ok(sum <= most as f64)
    }
}

fn split(segment: Segment, segments: &mut Vec<Segment>) {
    let Range { from, to } = segment.range;
    let (coarse, finer) = match segment.tier {
        Tier::Windows => return segments.push(segment),
        Tier::Minutes => (Coarse::Minutes, Tier::Windows),
        Tier::Hours => (Coarse::Hours, Tier::Minutes),
    };
    let down = |time: i64| time.div_euclid(coarse.length()).saturating_mul(coarse.length());
    let first = UnixNanos(if down(from.0) == from.0 { from.0 } else { down(from.0).saturating_add(coarse.length()) });
    let last = UnixNanos(down(to.0));
    if first >= last {
        return split(Segment { tier: finer, ..segment }, segments);
    }
    for (tier, from, to) in [(finer, from, first), (segment.tier, first, last), (finer, last, to)] {
        let part = Segment { tier, range: Range { from, to } };
        if from >= to {
            continue;
        }
        if tier == segment.tier { segments.push(part) } else { split(part, segments) }
    }
}
