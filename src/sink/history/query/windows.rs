//! Windows: as they came, while they are kept.

use crate::{
    UnixNanos,
    sink::history::{
        History,
        range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, Tier},
        raw::{OF_RANGE, count, maybe},
    },
};
use rusqlite::params;
use serde::Serialize;

/// One window of a sensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct WindowRow {
    /// Its number in this history: rises as windows are stored.
    pub id: u64,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// The run.
    pub run: String,
    /// Which window of the run.
    pub seq: u64,
    /// Of how many parts it is.
    pub parts: u64,
    /// How many of them are here.
    pub parts_here: u64,
    /// When it began.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// Where its times come from, as the batch writes it.
    pub clock: String,
    /// Whether it is the last of a run that ended cleanly.
    #[serde(rename = "final")]
    pub last: bool,
    /// Frames captured.
    pub frames: u64,
    /// Their octets.
    pub bytes: u64,
    /// Frames counted at a station.
    pub station_frames: u64,
    /// Frames with a wrong check sequence.
    pub bad_fcs: u64,
    /// Frames that could not be read.
    pub malformed: u64,
    /// Frames of a kind without transmitter address.
    pub without_ta: u64,
    /// Frames with a group address as transmitter.
    pub group_ta: u64,
    /// Frames of stations past the bound.
    pub overflow_frames: u64,
    /// Frames older than the window.
    pub late: u64,
    /// Frames that the kernel dropped; absent where it cannot be known.
    pub kernel_drops: Option<u64>,
    /// Frames that the interface dropped; absent where it cannot be known.
    pub interface_drops: Option<u64>,
}

impl History {
    /// The windows that began in the range and are still kept one by one, by their start.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn windows(
        &self,
        range: Range,
        scope: &Scope,
        order: Order,
        paging: &Paging,
    ) -> Result<Page<WindowRow>, HistoryError> {
        let transaction = self.moment()?;
        let after = paging.cursor.as_deref().map(Place::parse).transpose()?;
        let after = match after {
            None => None,
            Some(Place(Key::Number(start), id)) if id.parse::<i64>().is_ok() => Some((start, id)),
            Some(_) => return Err(HistoryError::Question("the cursor is not one of this list".into())),
        };
        let (direction, beyond) = match order {
            Order::Ascending => ("ASC", ">"),
            Order::Descending => ("DESC", "<"),
        };
        let beyond =
            after.map_or_else(String::new, |(start, id)| format!("AND (w.start_ns, w.id) {beyond} ({start}, {id})"));
        // Of each window the part with the counts.
        let sql = format!(
            "SELECT w.id, w.site, w.sensor, w.run, w.seq, w.parts, (SELECT count(*) FROM windows p \
             WHERE (p.site, p.sensor, p.run, p.seq) = (w.site, w.sensor, w.run, w.seq)), w.start_ns, w.end_ns, w.clock, \
             w.final, w.frames, w.bytes, w.station_frames, w.bad_fcs, w.malformed, w.without_ta, w.group_ta, \
             w.overflow_frames, w.late, w.kernel_drops, w.interface_drops FROM windows w \
             WHERE {OF_RANGE} AND w.part = 0 {beyond} ORDER BY w.start_ns {direction}, w.id {direction} LIMIT ?5"
        );
        let mut statement = transaction.prepare(&sql)?;
        let limit = i64::try_from(paging.limit.saturating_add(1)).unwrap_or(i64::MAX);
        let mut items: Vec<WindowRow> = statement
            .query_map(params![range.from.0, range.to.0, scope.site, scope.sensor, limit], |row| {
                Ok(WindowRow {
                    id: count(row, 0)?,
                    site: row.get(1)?,
                    sensor: row.get(2)?,
                    run: row.get(3)?,
                    seq: count(row, 4)?,
                    parts: count(row, 5)?,
                    parts_here: count(row, 6)?,
                    start: UnixNanos(row.get(7)?),
                    end: UnixNanos(row.get(8)?),
                    clock: row.get(9)?,
                    last: row.get(10)?,
                    frames: count(row, 11)?,
                    bytes: count(row, 12)?,
                    station_frames: count(row, 13)?,
                    bad_fcs: count(row, 14)?,
                    malformed: count(row, 15)?,
                    without_ta: count(row, 16)?,
                    group_ta: count(row, 17)?,
                    overflow_frames: count(row, 18)?,
                    late: count(row, 19)?,
                    kernel_drops: maybe(row, 20)?,
                    interface_drops: maybe(row, 21)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let more = items.len() > paging.limit;
        items.truncate(paging.limit);
        let next = items.last().filter(|_| more);
        let next = next.map(|row| Place(Key::Number(row.start.0), row.id.to_string()).cursor());
        Ok(Page { tier: Tier::Windows, items, next, truncated: false })
    }
}
