//! The sums that every tier carries: pure numbers, and how two of them become one. Exact: the order does not matter.

use crate::wire::{Batch, Role, Station};
use serde::{Deserialize, Serialize};

/// What was counted, with the exposure beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Counts {
    /// Windows, known by their part 0.
    pub windows: u64,
    /// Milliseconds that these windows cover. Two runs of one name at one time count twice.
    pub covered_ms: u64,
    /// Milliseconds that a radio listened, over all channels; absent where no sensor can know, as with captures.
    pub listened_ms: Option<u64>,
    /// Milliseconds lost in changing channels.
    pub switching_ms: Option<u64>,
    /// Milliseconds without a radio that listens.
    pub off_ms: Option<u64>,
    /// Frames captured: the sum of the six classes below.
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
    /// Frames older than their window.
    pub late: u64,
    /// Frames that kernels dropped; absent where no sensor can know.
    pub kernel_drops: Option<u64>,
    /// Frames that interfaces dropped; absent where no sensor can know.
    pub interface_drops: Option<u64>,
}

/// Stations by kind: each address is of one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Kinds {
    /// Access points.
    pub access_points: u64,
    /// Others whose vendor is known.
    pub known_vendor: u64,
    /// Others with a randomised address.
    pub randomised: u64,
    /// All the rest.
    pub other: u64,
}

impl Kinds {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.access_points, self.known_vendor, self.randomised, self.other].into_iter().fold(0, u64::saturating_add)
    }

    /// Those of a part of a window.
    #[must_use]
    pub fn of(batch: &Batch) -> Self {
        let mut kinds = Self::default();
        for station in &batch.stations {
            *kinds.kind(station) += 1;
        }
        // Where no addresses are kept, the sensor says how many there were of a vendor.
        for vendor in &batch.vendors {
            let kind = match (vendor.randomised, &vendor.vendor) {
                (true, _) => &mut kinds.randomised,
                (false, Some(_)) => &mut kinds.known_vendor,
                (false, None) => &mut kinds.other,
            };
            *kind = kind.saturating_add(vendor.stations);
        }
        kinds
    }

    fn kind(&mut self, station: &Station) -> &mut u64 {
        match (station.role, station.randomised, &station.vendor) {
            (Role::AccessPoint, _, _) => &mut self.access_points,
            (_, true, _) => &mut self.randomised,
            (_, false, Some(_)) => &mut self.known_vendor,
            (_, false, None) => &mut self.other,
        }
    }

    pub(super) fn map2(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            access_points: with(self.access_points, other.access_points),
            known_vendor: with(self.known_vendor, other.known_vendor),
            randomised: with(self.randomised, other.randomised),
            other: with(self.other, other.other),
        }
    }
}

/// How many stations there were at a time. Distinct addresses over longer times are not kept in sums: this says how many
/// were heard *in a window*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Crowd {
    /// The most of each kind in one window of one sensor.
    pub most: Kinds,
    /// The sum over all windows. Over the number of windows, it is the mean.
    pub sum: Kinds,
}

impl Crowd {
    /// The mean number of stations of a window.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // A mean.
    pub fn mean(&self, windows: u64) -> f64 {
        if windows == 0 { 0.0 } else { self.sum.total() as f64 / windows as f64 }
    }

    /// Adds what was counted elsewhere or at another time.
    pub fn add(&mut self, other: &Self) {
        self.most = self.most.map2(other.most, u64::max);
        self.sum = self.sum.map2(other.sum, u64::saturating_add);
    }
}

/// Absent is "nobody knows", and the sum of that and a number is the number.
pub(super) fn plus(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

impl Counts {
    /// Adds what was counted elsewhere or at another time.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.windows, other.windows),
            (&mut self.covered_ms, other.covered_ms),
            (&mut self.frames, other.frames),
            (&mut self.bytes, other.bytes),
            (&mut self.station_frames, other.station_frames),
            (&mut self.bad_fcs, other.bad_fcs),
            (&mut self.malformed, other.malformed),
            (&mut self.without_ta, other.without_ta),
            (&mut self.group_ta, other.group_ta),
            (&mut self.overflow_frames, other.overflow_frames),
            (&mut self.late, other.late),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in [
            (&mut self.listened_ms, other.listened_ms),
            (&mut self.switching_ms, other.switching_ms),
            (&mut self.off_ms, other.off_ms),
            (&mut self.kernel_drops, other.kernel_drops),
            (&mut self.interface_drops, other.interface_drops),
        ] {
            *mine = plus(*mine, theirs);
        }
    }
}
