//! Estimates of people, an interval a row.

use crate::{
    UnixNanos,
    sink::history::{
        History,
        range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, Tier, page},
        raw::{maybe, parameters},
    },
};
use rusqlite::types::Value;
use serde::Serialize;

/// Intervals that one answer looks at, at most: those of one sensor in a year.
const MOST_ROWS: usize = 110_000;

/// What one sensor estimated for five minutes: never a count. Either the three numbers are there, or a reason is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct PeopleRow {
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// When the interval began.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// At least so many people, in nine of ten intervals.
    pub low: Option<u64>,
    /// The estimate.
    pub estimate: Option<u64>,
    /// At most so many people, in nine of ten intervals.
    pub high: Option<u64>,
    /// Why there is no estimate: `coverage`, `deaf`, `full`, `signal`, `other`.
    pub reason: Option<String>,
    /// Milliseconds that the radio listened in the interval; null for captures, of which that is not known.
    pub listened_ms: Option<u64>,
}

impl History {
    /// The estimates for intervals that began in the range, by their start.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn people(
        &self,
        range: Range,
        scope: &Scope,
        order: Order,
        paging: &Paging,
    ) -> Result<Page<PeopleRow>, HistoryError> {
        let sql = "SELECT site, sensor, start_ns, end_ns, low, estimate, high, reason, listened_ms FROM people \
                   WHERE start_ns >= ?1 AND start_ns < ?2 AND (?3 IS NULL OR site = ?3) AND (?4 IS NULL OR sensor = ?4) \
                   ORDER BY start_ns DESC LIMIT ?5";
        let most = i64::try_from(MOST_ROWS).unwrap_or(i64::MAX).saturating_add(1);
        let asked = parameters(range, scope).into_iter().chain([Value::Integer(most)]);
        let moment = self.moment()?;
        let mut statement = moment.prepare_cached(sql)?;
        let mut found = statement.query(rusqlite::params_from_iter(asked))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let people = PeopleRow {
                site: row.get(0)?,
                sensor: row.get(1)?,
                start: UnixNanos(row.get(2)?),
                end: UnixNanos(row.get(3)?),
                low: maybe(row, 4)?,
                estimate: maybe(row, 5)?,
                high: maybe(row, 6)?,
                reason: row.get(7)?,
                listened_ms: maybe(row, 8)?,
            };
            rows.push((Place(Key::Number(people.start.0), format!("{}/{}", people.site, people.sensor)), people));
        }
        let truncated = rows.len() > MOST_ROWS;
        rows.truncate(MOST_ROWS);
        let (items, next) = page(rows, order, paging)?;
        Ok(Page { tier: Tier::Windows, items, next, truncated })
    }
}
