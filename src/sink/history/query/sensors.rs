//! Sensors: how well each listened, and what there was.

use super::{Steps, gaps, losses};
use crate::{
    UnixNanos,
    sink::history::{
        History,
        counts::{Counts, Crowd},
        range::{HistoryError, Page, Range, Scope},
        raw::count,
    },
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// One sensor over a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct SensorRow {
    /// The place.
    pub site: String,
    /// Its name.
    pub sensor: String,
    /// What it counted, and how well it listened. `covered_ms` beside `range_ms` is how much of the range it covers.
    #[serde(flatten)]
    pub counts: Counts,
    /// How long the range is, in milliseconds.
    pub range_ms: u64,
    /// Length of its longest window in milliseconds: in the hour tier the mean.
    pub window_ms: u64,
    /// Windows of that length that fit into the range.
    pub expected_windows: u64,
    /// Stations at a time.
    pub stations: Crowd,
    /// Runs that have windows in the range, of those windows that are still kept one by one.
    pub runs: u64,
    /// Declared losses that touch the range.
    pub gaps: u64,
    /// Milliseconds of the range that they declare.
    pub gap_ms: u64,
    /// Frames that they declare; absent where nobody counted them.
    pub lost_frames: Option<u64>,
    /// Start of its first window in the range; absent where there is none.
    pub first_start: Option<UnixNanos>,
    /// End of its last one.
    pub last_end: Option<UnixNanos>,
}

impl History {
    /// The sensors with windows or gaps in the range, by site and name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sensors(&self, range: Range, scope: &Scope) -> Result<Page<SensorRow>, HistoryError> {
        let transaction = self.moment()?;
        let moment = Self::at(&transaction, range, scope);
        let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let fresh = |site: &str, sensor: &str| SensorRow {
            site: site.to_owned(),
            sensor: sensor.to_owned(),
            counts: Counts::default(),
            range_ms: millis(range.length()),
            window_ms: 0,
            expected_windows: 0,
            stations: Crowd::default(),
            runs: 0,
            gaps: 0,
            gap_ms: 0,
            lost_frames: None,
            first_start: None,
            last_end: None,
        };
        let mut rows: BTreeMap<(String, String), SensorRow> = BTreeMap::new();
        moment.cells(|cell| {
            let row =
                rows.entry((cell.site.clone(), cell.sensor.clone())).or_insert_with(|| fresh(&cell.site, &cell.sensor));
            row.counts.add(&cell.counts);
            row.stations.add(&cell.crowd);
            row.window_ms = row.window_ms.max(cell.counts.covered_ms.checked_div(cell.counts.windows).unwrap_or(0));
            row.first_start = Some(row.first_start.map_or(cell.start, |first| first.min(cell.start)));
            row.last_end = Some(row.last_end.map_or(cell.end, |last| last.max(cell.end)));
        })?;
        gaps::each(&moment, |_, gap| {
            let row =
                rows.entry((gap.site.clone(), gap.sensor.clone())).or_insert_with(|| fresh(&gap.site, &gap.sensor));
            row.gaps += 1;
        })?;
        moment.runs(|row| {
            let key = (row.get(0)?, row.get(1)?);
            if let Some(sensor) = rows.get_mut(&key) {
                sensor.runs = count(row, 2)?;
            }
            Ok(())
        })?;
        let mut items: Vec<SensorRow> = rows.into_values().collect();
        for row in &mut items {
            row.expected_windows = row.range_ms.checked_div(row.window_ms).unwrap_or(0);
            if row.gaps > 0 && range.length() > Duration::ZERO {
                let scope = Scope { site: Some(row.site.clone()), sensor: Some(row.sensor.clone()) };
                let own = Self::at(&transaction, range, &scope);
                for (gap_ms, lost) in losses(&own, Steps::new(range, range.length())?)? {
                    row.gap_ms = row.gap_ms.saturating_add(gap_ms);
                    row.lost_frames = lost;
                }
            }
        }
        Ok(Page { tier: moment.tier(), items, next: None, truncated: false })
    }
}
