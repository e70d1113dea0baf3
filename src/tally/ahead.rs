//! Counting many frames at once: the same counts, without waiting for memory once a frame. Decides nothing.
//!
//! With more stations than a cache holds, each address costs two loads from memory, the second of a place that the
//! first tells: one frame after another waits for both. Looked up for a block of frames first, the loads of one kind
//! wait for none of the others, and the processor has many on the way at a time.

use super::{
    Tally, at,
    station::{Name, Rare},
};
use crate::{
    Mac, UnixNanos,
    dot11::{Class, Facts, Outcome},
};
use std::hint::black_box;

/// Frames looked up together: enough loads to keep memory busy, few enough for their lines to stay in the cache.
const BLOCK: usize = 32;

/// Addresses known below which they are in the cache anyway, and looking them up first only costs.
const WORTHWHILE: usize = if cfg!(test) { 4 } else { 4096 };

/// A frame with what [`Tally::add`] takes besides.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// When it was captured.
    pub time: UnixNanos,
    /// What it says.
    pub facts: Facts<'a>,
    /// Its length on the air, the capture header included.
    pub original_len: u32,
}

/// Where transmitter and receiver of a frame are, most likely: no address was compared. [`NOWHERE`] if not known.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    pub ta: u32,
    pub ra: u32,
}

/// No place at all.
const NOWHERE: u32 = u32::MAX;

impl Ahead {
    pub(super) const UNKNOWN: Self = Self { ta: NOWHERE, ra: NOWHERE };
}

/// An address on its way to its place: its hash, and what the first slot for it holds, which is nothing where the frame
/// has no address to look for.
type Search = (u64, u32);

impl Tally {
    /// Whether there are so many stations that [`Tally::add_all`] is faster than [`Tally::add`] for each frame.
    #[must_use]
    #[inline]
    pub fn is_large(&self) -> bool {
        self.entries.len() >= WORTHWHILE
    }

    /// Counts frames in their order: the same as [`Tally::add`] for each, and several times faster where there are
    /// more stations than a cache holds.
    pub fn add_all(&mut self, frames: &[Observed<'_>]) {
        for block in frames.chunks(BLOCK) {
            if !self.is_large() {
                for frame in block {
                    self.add(frame.time, &frame.facts, frame.original_len);
                }
                continue;
            }
            let mut places = [Ahead::UNKNOWN; BLOCK];
            self.look_ahead(block, &mut places);
            for (frame, ahead) in block.iter().zip(&places) {
                self.count(frame.time, &frame.facts, frame.original_len, *ahead);
            }
        }
    }

    /// Each step below is a loop of loads that do not wait for each other.
    fn look_ahead(&self, block: &[Observed<'_>], places: &mut [Ahead; BLOCK]) {
        let mut searches: [[Search; 2]; BLOCK] = [[(0, 0); 2]; BLOCK];
        for (frame, [ta, ra]) in block.iter().zip(&mut searches) {
            if let Outcome::Sent(mac) = frame.facts.outcome {
                *ta = self.search(mac);
            }
            if let Some(mac) = frame.facts.ra
                && !mac.is_group()
            {
                *ra = self.search(mac);
            }
        }
        for (ahead, [ta, ra]) in places.iter_mut().zip(&searches) {
            *ahead = Ahead { ta: self.guess(*ta), ra: self.guess(*ra) };
        }
        let mut newest_names = [0; BLOCK];
        for ((frame, ahead), newest_name) in block.iter().zip(places.iter()).zip(&mut newest_names) {
            let [ta, ra] = [ahead.ta, ahead.ra].map(|place| self.entries.get(place as usize));
            // Only to have it in the cache, as the names below.
            black_box(ra.map(|entry| entry.key));
            if frame.facts.class() == Some(Class::Management) {
                *newest_name = ta.map_or(0, |entry| entry.rare);
            } else {
                black_box(ta.map(|entry| entry.key));
            }
        }
        for rare in newest_names.iter_mut().filter(|rare| **rare != 0) {
            *rare = at(&self.rares, *rare).map_or(0, |rare: &Rare| rare.names);
        }
        for name in newest_names.iter().filter(|name| **name != 0) {
            black_box(at(&self.names, *name).map(|name: &Name| name.len));
        }
    }

    #[inline]
    fn search(&self, mac: Mac) -> Search {
        let hash = self.index.hash(mac.to_u64());
        (hash, self.index.first_slot(hash))
    }

    #[inline]
    fn guess(&self, (hash, slot): Search) -> u32 {
        if slot == 0 { NOWHERE } else { self.index.guess(hash, slot) }
    }
}
