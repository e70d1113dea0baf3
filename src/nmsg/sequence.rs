//! What the sequence numbers of containers say: which were lost, which came late, which came twice.

use super::Counts;
use std::collections::{BTreeMap, HashMap};

/// A number further than this from the one awaited is a new start, not a loss.
const LEAP: u32 = 1 << 20;
/// How many containers back a late one is still known not to have come before.
const WINDOW: u32 = 128;

/// The outputs heard of; those not heard of for longest give way.
#[derive(Debug)]
pub(super) struct Sequences {
    most: usize,
    heard: HashMap<u64, Heard>,
    /// Which output was heard when, the oldest first.
    order: BTreeMap<u64, u64>,
    turn: u64,
}

#[derive(Debug)]
struct Heard {
    turn: u64,
    /// The number awaited.
    next: u32,
    /// Which of the numbers before it came: bit 0 is the last one.
    came: u128,
    /// How many numbers there are since the first that was heard.
    since: u32,
}

impl Sequences {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), heard: HashMap::new(), order: BTreeMap::new(), turn: 0 }
    }

    /// A container of the output `id` with this number came. Whether it is new: a doubled one is not to be read again.
    pub(super) fn came(&mut self, id: u64, number: u32, counts: &mut Counts) -> bool {
        self.turn += 1;
        let Some(heard) = self.heard.get_mut(&id) else {
            if self.heard.len() >= self.most
                && let Some((_, oldest)) = self.order.pop_first()
            {
                self.heard.remove(&oldest);
            }
            self.heard.insert(id, Heard { turn: self.turn, next: number.wrapping_add(1), came: 1, since: 1 });
            self.order.insert(self.turn, id);
            return true;
        };
        self.order.remove(&heard.turn);
        heard.turn = self.turn;
        self.order.insert(self.turn, id);
        heard.came(number, counts)
    }
}

impl Heard {
    fn came(&mut self, number: u32, counts: &mut Counts) -> bool {
        let ahead = number.wrapping_sub(self.next);
        if ahead < LEAP {
            counts.lost += u64::from(ahead);
            self.came = self.came.checked_shl(ahead + 1).unwrap_or(0) | 1;
            self.next = number.wrapping_add(1);
            self.since = self.since.saturating_add(ahead + 1);
            return true;
        }
        let behind = self.next.wrapping_sub(number) - 1;
        if behind < WINDOW {
            let bit = 1_u128 << behind;
            if self.came & bit != 0 {
                counts.doubled += 1;
                return false;
            }
            self.came |= bit;
            counts.late += 1;
            // Before the first one that was heard nothing had been counted as lost.
            if behind < self.since {
                counts.lost = counts.lost.saturating_sub(1);
            }
            return true;
        }
        if behind >= LEAP {
            // The output began anew, with the same id.
            *self = Self { turn: self.turn, next: number.wrapping_add(1), came: 1, since: 1 };
        } else {
            counts.late += 1;
        }
        true
    }
}
