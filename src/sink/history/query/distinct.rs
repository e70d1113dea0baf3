//! About how many distinct stations a site had. Only sketches of one key can be merged, and a key is of one UTC day: what is of
//! more than one is not answered.

use super::Steps;
use crate::{
    UnixNanos,
    sink::history::{
        History, coarse,
        range::{HistoryError, Page, Range, Scope, Tier},
        sketches::{HOUR, MINUTE, MINUTES_FROM, start},
    },
    sketch::Sketch,
};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Rows that one answer merges, at most.
const MOST_ROWS: usize = 200_000;

/// Why a number of distinct stations is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Untold {
    /// The sketches were made with more than one key: this is more than one UTC day, or the sensors have not one secret.
    SeveralKeys,
    /// Its minutes are no longer kept, and it is no whole hours.
    WholeHoursOnly,
}

/// One site in one stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct DistinctRow {
    /// The place.
    pub site: String,
    /// The start.
    pub from: UnixNanos,
    /// The end (exclusive).
    pub to: UnixNanos,
    /// Sensors whose sketches were merged.
    pub sensors: u64,
    /// About how many distinct stations they heard.
    pub stations: Option<u64>,
    /// Two standard errors below it.
    pub low: Option<u64>,
    /// Two standard errors above it.
    pub high: Option<u64>,
    /// Why there is no number; null where there is one.
    pub untold: Option<Untold>,
}

#[derive(Default)]
struct Merged {
    sensors: BTreeSet<String>,
    keys: BTreeSet<String>,
    sketch: Sketch,
    is_cut: bool,
}

impl History {
    /// Each site's distinct stations in the range, or in each step of it, as far as its sensors send sketches. Minutes count in
    /// the step that they begin in; rows without sketches are left out.
    ///
    /// # Errors
    /// When the file cannot be read, or that is too much for one answer.
    pub fn distinct(
        &self,
        range: Range,
        step: Option<Duration>,
        scope: &Scope,
    ) -> Result<Page<DistinctRow>, HistoryError> {
        let steps = Steps::new(range, step.unwrap_or_else(|| range.length().max(Duration::from_nanos(1))))?;
        let moment = self.moment()?;
        let minutes_from = coarse::progress(&moment, MINUTES_FROM)?;
        let (mut items, mut rows, mut tier) = (Vec::new(), 0, Tier::Minutes);
        for stretch in steps.ranges() {
            let mut sites: BTreeMap<String, Merged> = BTreeMap::new();
            for (seconds, part) in parts(stretch) {
                let sql = "SELECT site, sensor, key, sketch FROM sketches WHERE seconds = ?1 AND start_ns >= ?2 \
                           AND start_ns < ?3 AND (?4 IS NULL OR site = ?4) AND (?5 IS NULL OR sensor = ?5)";
                let asked = params![seconds, part.from.0, part.to.0, scope.site, scope.sensor];
                let mut statement = moment.prepare_cached(sql)?;
                let mut found = statement.query(asked)?;
                while let Some(row) = found.next()? {
                    rows += 1;
                    if rows > MOST_ROWS {
                        let what =
                            "that is too much to merge at once: ask for whole hours, one site, or a shorter time";
                        return Err(HistoryError::Question(what.into()));
                    }
                    let Some(sketch) = Sketch::decode(row.get_ref(3)?.as_blob().unwrap_or_default()) else { continue };
                    let merged = sites.entry(row.get(0)?).or_default();
                    merged.sensors.insert(row.get(1)?);
                    merged.keys.insert(row.get(2)?);
                    merged.sketch.merge(&sketch);
                }
                if seconds == HOUR {
                    tier = Tier::Hours;
                } else if part.from.0 < minutes_from {
                    // Its minutes may be gone: whose hour is there is told without them, and that would be too few.
                    let sql = "SELECT DISTINCT site FROM sketches WHERE seconds = ?1 AND start_ns >= ?2 AND start_ns < ?3 \
                               AND (?4 IS NULL OR site = ?4) AND (?5 IS NULL OR sensor = ?5)";
                    let from = start(HOUR, part.from);
                    let asked = params![HOUR, from, part.to.0, scope.site, scope.sensor];
                    let mut statement = moment.prepare_cached(sql)?;
                    let mut found = statement.query(asked)?;
                    while let Some(row) = found.next()? {
                        sites.entry(row.get(0)?).or_default().is_cut = true;
                    }
                }
            }
            items.extend(sites.into_iter().map(|(site, merged)| merged.told(site, stretch)));
        }
        Ok(Page { tier, items, next: None, truncated: false })
    }
}

impl Merged {
    fn told(self, site: String, Range { from, to }: Range) -> DistinctRow {
        let untold = match self.keys.len() {
            _ if self.is_cut => Some(Untold::WholeHoursOnly),
            0 | 1 => None,
            _ => Some(Untold::SeveralKeys),
        };
        let about = self.sketch.about();
        let number = |value: f64| untold.is_none().then_some(whole(value));
        DistinctRow {
            site,
            from,
            to,
            sensors: self.sensors.len() as u64,
            stations: number(about.stations),
            low: number(about.low),
            high: number(about.high),
            untold,
        }
    }
}

/// An estimate as a whole number.
fn whole(value: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "estimates are small and not negative")]
    let whole = value.round().max(0.0) as u64;
    whole
}

/// A stretch in whole hours, and in minutes where it is none.
fn parts(Range { from, to }: Range) -> Vec<(i64, Range)> {
    let (first, last) = (UnixNanos(start(HOUR, UnixNanos(from.0.saturating_add(HOUR * 1_000_000_000 - 1)))), {
        UnixNanos(start(HOUR, to))
    });
    if first >= last {
        return vec![(MINUTE, Range { from, to })];
    }
    let parts = [
        (MINUTE, Range { from, to: first }),
        (HOUR, Range { from: first, to: last }),
        (MINUTE, Range { from: last, to }),
    ];
    parts.into_iter().filter(|(_, part)| part.from < part.to).collect()
}
