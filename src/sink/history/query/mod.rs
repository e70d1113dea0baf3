//! The questions that the history answers: one file a noun. Each call reads one moment and blocks meanwhile; callers of the
//! async side give it a thread. The answer says which tier it was made of; which one that is, is chosen here.

mod alerts;
mod channels;
mod distinct;
mod flows;
mod gaps;
mod networks;
mod people;
mod sensors;
mod series;
mod stations;
mod vendors;
mod windows;

pub use alerts::{AlertFilter, AlertRow, AlertSeen, AlertState};
pub use channels::{ChannelRow, ChannelStep};
pub use distinct::{DistinctRow, Untold};
pub use flows::{FlowFilter, FlowRow};
pub use gaps::GapRow;
pub use networks::{NetworkRow, NetworkSort};
pub use people::PeopleRow;
pub use sensors::SensorRow;
pub use series::SeriesRow;
pub use stations::{StationDetail, StationFilter, StationRow, StationSort, StationStep};
pub use vendors::VendorRow;
pub use windows::WindowRow;

use super::{
    cells::Moment,
    range::{HistoryError, Range},
};
use crate::UnixNanos;
use std::time::Duration;

/// Rows of a series, at most.
pub const MOST_STEPS: i64 = 10_000;
/// Stations that one answer counts, at most.
pub const MOST_STATIONS: usize = 100_000;

/// A range cut into steps of one length, the last one perhaps shorter.
#[derive(Clone, Copy, Debug)]
struct Steps {
    range: Range,
    step: i64,
}

impl Steps {
    fn new(range: Range, step: Duration) -> Result<Self, HistoryError> {
        let step = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
        if step <= 0 {
            return Err(HistoryError::Question("the step must be longer than nothing".into()));
        }
        let length = range.to.0.saturating_sub(range.from.0);
        if length / step >= MOST_STEPS {
            return Err(HistoryError::Question(format!(
                "that makes more than {MOST_STEPS} steps: ask for a longer step or a shorter range"
            )));
        }
        Ok(Self { range, step })
    }

    fn ranges(self) -> impl Iterator<Item = Range> {
        let Self { range, step } = self;
        let starts = std::iter::successors(Some(range.from), move |from| Some(UnixNanos(from.0.saturating_add(step))));
        starts.take_while(move |from| *from < range.to).map(move |from| {
            let to = UnixNanos(from.0.saturating_add(step)).min(range.to);
            Range { from, to }
        })
    }

    /// Which step a time of the range lies in. An hour or a minute that began before the range counts in its first step.
    fn of(self, time: UnixNanos) -> usize {
        usize::try_from(time.0.saturating_sub(self.range.from.0).max(0) / self.step).unwrap_or(usize::MAX)
    }
}

/// What gaps of the scope say of each step: milliseconds that are missing, and frames known to be lost (of the gaps that
/// begin in it).
fn losses(moment: &Moment<'_>, steps: Steps) -> Result<Vec<(u64, Option<u64>)>, HistoryError> {
    let mut losses = vec![(0_u64, None); steps.ranges().count()];
    gaps::each(moment, |_, gap| {
        let first = steps.of(gap.start);
        for (step, lost) in steps.ranges().zip(&mut losses).skip(first) {
            if step.from >= gap.end {
                break;
            }
            let missing = gap.end.min(step.to).saturating_since(gap.start.max(step.from));
            lost.0 = lost.0.saturating_add(u64::try_from(missing.as_millis()).unwrap_or(u64::MAX));
        }
        if let Some(lost) = losses.get_mut(first)
            && gap.start >= steps.range.from
        {
            lost.1 = super::counts::plus(lost.1, gap.frames);
        }
    })?;
    Ok(losses)
}
