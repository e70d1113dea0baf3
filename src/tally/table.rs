//! Where a MAC address is kept: an open-addressing index from addresses to places in a list. Knows no counts.
//!
//! One `u32` a slot: the place in its low bits, and what room is left holds high bits of the hash, so that a slot
//! of another address is nearly always told apart without touching the list. The hash is a folded multiplication
//! by a random seed of each table; addresses chosen by a stranger who does not know the seed collide no more often
//! than random ones.

use std::hash::{BuildHasher as _, RandomState};

/// Slots at first, as a power of two.
const FIRST_BITS: u32 = 8;

/// The index. Places are numbers below 2^30, given out by the caller.
#[derive(Clone)]
pub(super) struct Index {
    slots: Vec<u32>,
    /// One less than the number of slots, a power of two: the bits of a place.
    mask: u32,
    len: usize,
    seed: [u64; 2],
}

impl Index {
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        let seed = [random.hash_one(0u8), random.hash_one(1u8) | 1];
        Self { slots: vec![0; 1 << FIRST_BITS], mask: (1 << FIRST_BITS) - 1, len: 0, seed }
    }

    /// The hash of an address; `find` and `insert` take it, so that it is made once.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
    pub(super) fn hash(&self, mac: u64) -> u64 {
        let product = u128::from(mac ^ self.seed[0]) * u128::from(self.seed[1]);
        product as u64 ^ (product >> 64) as u64
    }

    /// The slot where the search for this hash begins.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the low half chooses the slot")]
    fn home(&self, hash: u64) -> u32 {
        hash as u32 & self.mask
    }

    /// The part of the hash that is kept in a slot.
    #[inline]
    fn tag(&self, hash: u64) -> u32 {
        (hash >> 32) as u32 & !self.mask
    }

    /// What the first slot for this hash holds. One load that waits for no other: [`Index::guess`] goes on from it.
    #[inline]
    pub(super) fn first_slot(&self, hash: u64) -> u32 {
        self.slots.get(self.home(hash) as usize).copied().unwrap_or_default()
    }

    /// The place that the address with this hash most likely has, if it has one, for no address is compared.
    #[inline]
    pub(super) fn guess(&self, hash: u64, first_slot: u32) -> u32 {
        let mask = self.mask;
        if first_slot & !mask == self.tag(hash) {
            return (first_slot & mask).wrapping_sub(1);
        }
        self.find(hash, |_| true).unwrap_or(u32::MAX)
    }

    /// The place of the address with this hash that `is_it` confirms.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let (mask, tag) = (self.mask, self.tag(hash));
        let mut at = self.home(hash);
        // A slot is always vacant, for the load stays under three quarters: the search ends.
        while let Some(&slot) = self.slots.get(at as usize) {
            if slot == 0 {
                return None;
            }
            let place = (slot & mask).wrapping_sub(1);
            if slot & !mask == tag && is_it(place) {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Enters an address that is not in it. `hash_of` gives the hash of the address at each place entered before,
    /// for when the index grows.
    pub(super) fn insert(&mut self, hash: u64, place: u32, hash_of: impl Fn(&Self, u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let old = std::mem::take(&mut self.slots);
            let old_mask = self.mask;
            self.slots = vec![0; old.len() * 2];
            self.mask = old_mask << 1 | 1;
            for slot in old.into_iter().filter(|&slot| slot != 0) {
                let place = (slot & old_mask).wrapping_sub(1);
                self.put(hash_of(self, place), place);
            }
        }
        self.put(hash, place);
        self.len += 1;
    }

    fn put(&mut self, hash: u64, place: u32) {
        let (mask, tag) = (self.mask, self.tag(hash));
        let mut at = self.home(hash);
        while let Some(slot) = self.slots.get_mut(at as usize) {
            if *slot == 0 {
                *slot = tag | (place + 1);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Forgets every address and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn finds_what_was_entered_and_nothing_else(macs in proptest::collection::vec(0u64..5_000, 0..3_000)) {
            let mut index = Index::new();
            let mut list: Vec<u64> = Vec::new();
            let mut model = HashMap::new();
            for mac in macs {
                let hash = index.hash(mac);
                let found = index.find(hash, |place| list[place as usize] == mac);
                prop_assert_eq!(found, model.get(&mac).copied());
                if found.is_none() {
                    let place = u32::try_from(list.len()).unwrap_or_default();
                    list.push(mac);
                    model.insert(mac, place);
                    index.insert(hash, place, |index, place| index.hash(list[place as usize]));
                }
            }
            index.clear();
            prop_assert!(list.iter().all(|&mac| index.find(index.hash(mac), |_| true).is_none()));
        }
    }

    #[test]
    fn addresses_in_a_row_do_not_pile_up() {
        let mut index = Index::new();
        let list: Vec<u64> = (0..100_000).map(|n| n << 24 | 0x10).collect();
        for (place, &mac) in (0..).zip(&list) {
            index.insert(index.hash(mac), place, |index, place| index.hash(list[place as usize]));
        }
        let longest = index.slots.split(|&slot| slot == 0).map(<[u32]>::len).max();
        assert!(longest < Some(1_000), "{longest:?} slots in a row");
    }
}
