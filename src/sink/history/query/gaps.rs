//! Gaps: what was lost, and was said to be.

use crate::{
    UnixNanos,
    sink::history::{
        History,
        cells::Moment,
        range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, Tier, page},
        raw::{OF_GAPS, count, maybe},
    },
};
use serde::Serialize;

/// One declared loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct GapRow {
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// The run that lost windows.
    pub run: String,
    /// Why, as the batch writes it.
    pub reason: String,
    /// First missing window.
    pub first_seq: u64,
    /// Last missing window, where known.
    pub last_seq: Option<u64>,
    /// Start of what is missing.
    pub start: UnixNanos,
    /// End of it.
    pub end: UnixNanos,
    /// Frames known to be lost.
    pub frames: Option<u64>,
}

/// Calls `visit` with each gap that touches the moment's range, and its row's number.
pub(super) fn each(moment: &Moment<'_>, mut visit: impl FnMut(i64, GapRow)) -> Result<(), HistoryError> {
    let sql = format!(
        "SELECT id, site, sensor, run, reason, first_seq, last_seq, start_ns, end_ns, frames FROM gaps WHERE {OF_GAPS}"
    );
    moment.each(&sql, |row| {
        let gap = GapRow {
            site: row.get(1)?,
            sensor: row.get(2)?,
            run: row.get(3)?,
            reason: row.get(4)?,
            first_seq: count(row, 5)?,
            last_seq: maybe(row, 6)?,
            start: UnixNanos(row.get(7)?),
            end: UnixNanos(row.get(8)?),
            frames: maybe(row, 9)?,
        };
        visit(row.get(0)?, gap);
        Ok(())
    })
}

impl History {
    /// The declared losses that touch the range, by their start.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn gaps(
        &self,
        range: Range,
        scope: &Scope,
        order: Order,
        paging: &Paging,
    ) -> Result<Page<GapRow>, HistoryError> {
        let transaction = self.moment()?;
        let mut rows = Vec::new();
        each(&Self::at(&transaction, range, scope), |id, gap| {
            rows.push((Place(Key::Number(gap.start.0), format!("{id:020}")), gap));
        })?;
        let (items, next) = page(rows, order, paging)?;
        Ok(Page { tier: Tier::Windows, items, next, truncated: false })
    }
}
