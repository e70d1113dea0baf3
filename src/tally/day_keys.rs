//! The stations of a closed window as a sketch of distinct ones, where somebody keeps the keys for that.

use super::Tally;
use crate::{
    UnixNanos,
    sketch::{DayKey, Sketch, day_of},
    wire::Distinct,
};

/// Where the keys of sketches come from: one of a site and a UTC day.
pub trait DayKeys {
    /// The key of a day; nothing where there is none to be had.
    fn key(&mut self, day: i64) -> Option<DayKey>;
}

/// The sketch of a window that ended at `end`. Its key is that of the day that it ends in.
pub(super) fn distinct(tally: &Tally, end: UnixNanos, keys: &mut dyn DayKeys) -> Option<Distinct> {
    let key = keys.key(day_of(UnixNanos(end.0.saturating_sub(1))))?;
    let mut sketch = Sketch::new();
    tally.stations_unsorted().for_each(|station| sketch.add(&key, station.mac()));
    Some(Distinct::new(&key, &sketch))
}
