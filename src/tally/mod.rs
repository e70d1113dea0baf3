//! Frames to a window's counts, in bounded memory; privacy is applied here, before a batch exists.
//!
//! [`Tally`] counts; [`Windows`] decides when a window closes; [`Tracker`] which stations may have a time series;
//! [`Counter`] joins them and gives out [`Closed`] windows. All of it is pure: time comes in with the frames.

mod add;
mod ahead;
mod bases;
mod counter;
mod day_keys;
pub mod devices;
mod merge;
mod privacy;
pub mod settings;
mod station;
mod table;
mod tracking;
mod window;

#[cfg(test)]
mod counter_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use ahead::Observed;
pub use bases::Bases;
pub use counter::{Closed, Counter, CounterSettings};
pub use day_keys::DayKeys;
pub use merge::MergeError;
pub use privacy::{KeyError, Keys, Naming, NoKeys, pseudonym, rotation_index};
pub use station::{Counts, Station};
pub use tracking::{Tracker, TrackerError};
pub use window::{Open, Windows};

use crate::{
    dot11::FrameKind,
    wire::{Capture, Channel},
};
use station::{Extra, Name, Rare, Slot, flag};
use table::Index;

/// Frequencies with counts of their own.
const MAX_CHANNELS: usize = 128;
/// Frame kinds: 64 types and subtypes, 16 control frame extensions.
const KINDS: usize = 80;
/// What a place in the index can tell apart.
const MOST_STATIONS: usize = 1 << 28;

/// One window's counts. Every frame costs the same, whatever was counted before.
///
/// Memory is bounded by `max_stations`: transmitters are counted first come, first counted, and frames of further
/// ones are `overflow_frames`. Addresses seen only as receivers are kept too, because they may transmit later in
/// the window, at most `max_stations` of them beside the transmitters; they are not stations until they do.
#[derive(Clone)]
pub struct Tally {
    max_stations: usize,
    transmitters: usize,
    receivers: usize,
    /// The most that `receivers` ever was.
    most_receivers: usize,
    capture: Capture,
    receiver_overflow: u64,
    channel_overflow: u64,
    subtypes: [u64; KINDS],
    channels: Vec<Channel>,
    /// For each frequency its place in `channels`, counted from 1; 0 is none.
    channel_places: Box<[u8; 1 << 16]>,
    index: Index,
    entries: Vec<Slot>,
    rares: Vec<Rare>,
    extras: Vec<Extra>,
    names: Vec<Name>,
    /// A name had no room, or took another's.
    names_overflowed: bool,
    /// Addresses, and names, past which it is not worth merging.
    most_to_merge: usize,
}

/// Addresses that all parts of a capture which is counted in parts may have together, and names: with more, the parts would
/// take more memory than one tally for all.
const MOST_IN_PARTS: usize = 1 << 19;

impl Tally {
    /// An empty tally that gives at most `max_stations` transmitters counts of their own.
    #[must_use]
    pub fn new(max_stations: usize) -> Self {
        Self::to_merge(max_stations, usize::MAX)
    }

    /// An empty tally for one of the `parts` parts of a capture, which are to be [merged](Self::merge).
    #[must_use]
    pub fn part_of(max_stations: usize, parts: usize) -> Self {
        let share = MOST_IN_PARTS / parts.max(1);
        let mut part = Self::to_merge(max_stations, share);
        // In one piece each from the beginning: what is not used takes no memory, and all of it is given back at the end,
        // which allocators do not do with what has grown bit by bit in another thread.
        part.entries.reserve_exact(share);
        part.rares.reserve_exact(share);
        part.names.reserve_exact(share);
        part
    }

    fn to_merge(max_stations: usize, most_to_merge: usize) -> Self {
        Self {
            max_stations: max_stations.min(MOST_STATIONS),
            transmitters: 0,
            receivers: 0,
            most_receivers: 0,
            capture: Capture::default(),
            receiver_overflow: 0,
            channel_overflow: 0,
            subtypes: [0; KINDS],
            channels: Vec::new(),
            channel_places: Box::new([0; 1 << 16]),
            index: Index::new(),
            entries: Vec::new(),
            rares: Vec::new(),
            extras: Vec::new(),
            names: Vec::new(),
            names_overflowed: false,
            most_to_merge,
        }
    }

    /// The first part of a capture goes on as the whole of it.
    pub fn becomes_whole(&mut self) {
        self.most_to_merge = usize::MAX;
    }

    /// Whether merging it is refused already, so that counting on is of no use.
    #[must_use]
    pub fn is_beyond_merging(&self) -> bool {
        self.reached_a_bound() || self.entries.len().max(self.names.len()) > self.most_to_merge
    }

    /// Whether no frame was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.capture.frames == 0
    }

    /// Forgets everything counted and keeps the memory.
    pub fn clear(&mut self) {
        (self.transmitters, self.receivers, self.most_receivers) = (0, 0, 0);
        self.capture = Capture::default();
        (self.receiver_overflow, self.channel_overflow) = (0, 0);
        self.subtypes = [0; KINDS];
        for channel in self.channels.drain(..) {
            if let Some(place) = self.channel_places.get_mut(usize::from(channel.freq_mhz)) {
                *place = 0;
            }
        }
        self.index.clear();
        self.entries.clear();
        self.rares.clear();
        self.extras.clear();
        self.names.clear();
        self.names_overflowed = false;
    }

    /// The window-wide counts. `late` and the drops are not a tally's to know: 0 and absent.
    #[must_use]
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// Frames whose receiver found no place, so that `frames_received` of stations may lack them.
    #[must_use]
    pub fn receiver_overflow(&self) -> u64 {
        self.receiver_overflow
    }

    /// Frames on frequencies past the 128 that have counts of their own.
    #[must_use]
    pub fn channel_overflow(&self) -> u64 {
        self.channel_overflow
    }

    /// Frames by type and subtype, bad check sequences included; ascending, those seen only.
    pub fn subtypes(&self) -> impl Iterator<Item = (FrameKind, u64)> {
        (0u16..).zip(&self.subtypes).filter(|&(_, &frames)| frames > 0).map(|(place, &frames)| {
            let kind = if place < 64 { place } else { 0x160 + place - 64 };
            (FrameKind(kind), frames)
        })
    }

    /// Frames and octets by frequency, whatever became of the frames; ascending.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        let mut channels = self.channels.clone();
        channels.sort_unstable_by_key(|channel| channel.freq_mhz);
        channels
    }

    /// How many transmitters have counts of their own.
    #[must_use]
    pub fn transmitters(&self) -> usize {
        self.transmitters
    }

    /// The transmitters, by address.
    pub fn stations(&self) -> impl Iterator<Item = Station<'_>> {
        let mut order: Vec<&Slot> = Vec::with_capacity(self.transmitters);
        order.extend(self.entries.iter().filter(|entry| entry.has(flag::SENT)));
        order.sort_unstable_by_key(|entry| entry.mac());
        order.into_iter().map(|entry| Station::new(self, entry))
    }

    /// The transmitters, in the order in which their addresses were met.
    pub fn stations_unsorted(&self) -> impl Iterator<Item = Station<'_>> + Clone {
        self.entries.iter().filter(|entry| entry.has(flag::SENT)).map(|entry| Station::new(self, entry))
    }

    fn rare_of(&self, entry: &Slot) -> Rare {
        at(&self.rares, entry.rare).copied().unwrap_or_default()
    }

    fn extra_of(&self, rare: &Rare) -> Extra {
        at(&self.extras, rare.extra).copied().unwrap_or_default()
    }

    /// A station's names, newest first.
    fn names_from(&self, newest: u32) -> impl Iterator<Item = &Name> {
        std::iter::successors(at(&self.names, newest), |name| at(&self.names, name.older))
    }
}

/// What a place counted from 1 holds.
#[inline]
fn at<T>(list: &[T], place: u32) -> Option<&T> {
    list.get((place as usize).wrapping_sub(1))
}

#[inline]
fn at_mut<T>(list: &mut [T], place: u32) -> Option<&mut T> {
    list.get_mut((place as usize).wrapping_sub(1))
}
