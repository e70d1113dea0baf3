//! Frames to group addresses: broadcast, multicast. A tally keeps only what single stations send and receive.

use crate::{Mac, tally::MergeError};
use std::collections::HashMap;

/// Multicast addresses with counts of their own.
const MAX_GROUPS: usize = 1 << 14;

/// Frames by group address.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// By far the most frequent, so it has a place of its own.
    broadcast: u64,
    others: HashMap<u64, u64>,
    overflow: bool,
}

impl Groups {
    #[inline]
    pub(super) fn add(&mut self, group: Mac) {
        if group == Mac::BROADCAST {
            self.broadcast += 1;
        } else {
            self.add_other(group.to_u64(), 1);
        }
    }

    fn add_other(&mut self, group: u64, frames: u64) {
        if let Some(count) = self.others.get_mut(&group) {
            *count += frames;
        } else if self.others.len() < MAX_GROUPS {
            self.others.insert(group, frames);
        } else {
            self.overflow = true;
        }
    }

    pub(super) fn merge(&mut self, later: &Self) -> Result<(), MergeError> {
        self.broadcast += later.broadcast;
        for (&group, &frames) in &later.others {
            self.add_other(group, frames);
        }
        if self.overflow || later.overflow { Err(MergeError) } else { Ok(()) }
    }

    /// Whether there were more addresses than have counts.
    pub(super) fn is_cut(&self) -> bool {
        self.overflow
    }

    /// Addresses and frames, most frames first.
    pub(super) fn rows(&self) -> Vec<(Mac, u64)> {
        let others = self.others.iter().map(|(&group, &frames)| (Mac::from_u64(group), frames));
        let broadcast = (self.broadcast > 0).then_some((Mac::BROADCAST, self.broadcast));
        let mut rows: Vec<(Mac, u64)> = broadcast.into_iter().chain(others).collect();
        rows.sort_unstable_by_key(|&(group, frames)| (std::cmp::Reverse(frames), group));
        rows
    }
}
