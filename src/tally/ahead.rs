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

/// Where the addresses of a frame are, as far as known beforehand. Places never change, so what is known stays true.
#[derive(Clone, Copy, Default)]
pub(super) struct Ahead {
    pub ta: Option<u32>,
    pub ra: Option<u32>,
}

/// One address on its way from hash to place.
#[derive(Clone, Copy)]
struct Search {
    /// The address; [`NOBODY`] where the frame has none to look for.
    mac: u64,
    hash: u64,
    slot: u32,
    place: u32,
}

/// No address: addresses have 48 bits.
const NOBODY: u64 = u64::MAX;

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
            let ahead = self.look_ahead(block);
            for (frame, ahead) in block.iter().zip(ahead) {
                self.count(frame.time, &frame.facts, frame.original_len, ahead);
            }
        }
    }

    /// Each step below is a loop of loads that do not wait for each other.
    fn look_ahead(&self, block: &[Observed<'_>]) -> [Ahead; BLOCK] {
        let mut searches = [[Search { mac: NOBODY, hash: 0, slot: 0, place: u32::MAX }; 2]; BLOCK];
        for (frame, [ta, ra]) in block.iter().zip(&mut searches) {
            let facts = &frame.facts;
            if let Outcome::Sent(mac) = facts.outcome {
                *ta = self.search(mac);
            }
            if let Some(mac) = facts.ra.filter(|mac| !mac.is_group()) {
                *ra = self.search(mac);
            }
        }
        for search in searches.as_flattened_mut() {
            if search.mac != NOBODY {
                search.place = self.index.guess(search.hash, search.slot).unwrap_or(u32::MAX);
            }
        }
        let mut found = [Ahead::default(); BLOCK];
        let mut newest_names = [0; BLOCK];
        for (((frame, [ta, ra]), ahead), newest_name) in
            block.iter().zip(&searches).zip(&mut found).zip(&mut newest_names)
        {
            *ahead = Ahead { ta: self.confirm(ta), ra: self.confirm(ra) };
            if frame.facts.class() == Some(Class::Management) {
                *newest_name = self.entries.get(ta.place as usize).map_or(0, |entry| entry.rare);
            }
        }
        for rare in newest_names.iter_mut().filter(|rare| **rare != 0) {
            *rare = at(&self.rares, *rare).map_or(0, |rare: &Rare| rare.names);
        }
        for name in newest_names.iter().filter(|name| **name != 0) {
            // Only to have it in the cache.
            std::hint::black_box(at(&self.names, *name).map(|name: &Name| name.len));
        }
        found
    }

    #[inline]
    fn search(&self, mac: Mac) -> Search {
        let mac = mac.to_u64();
        let hash = self.index.hash(mac);
        Search { mac, hash, slot: self.index.first_slot(hash), place: u32::MAX }
    }

    #[inline]
    fn confirm(&self, search: &Search) -> Option<u32> {
        self.entries.get(search.place as usize).filter(|entry| entry.mac() == search.mac).map(|_| search.place)
    }
}
