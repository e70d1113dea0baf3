//! Fragments put together: in bounded memory, whatever comes in whichever order.

use super::{Counts, Limits, header};
use prost::Message as _;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    time::Duration,
};

/// Octets that a fragment costs beside its own, about.
const COST: usize = 64;
/// Octets that a container in pieces costs beside its fragments, about.
const ENTRY: usize = 256;
/// Containers remembered after they were whole, so that what comes again is known.
const DONE: usize = 1024;

/// `NmsgFragment`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Fragment {
    #[prost(uint32, optional, tag = "1")]
    pub(super) id: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) current: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub(super) last: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) fragment: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "5")]
    pub(super) crc: Option<u32>,
}

/// Which container a fragment belongs to: who sent it, the number it has there, its check sum, its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    from: u64,
    id: u32,
    crc: Option<u32>,
    flags: u8,
}

#[derive(Debug)]
struct Pieces {
    /// When the last one came.
    heard: Duration,
    turn: u64,
    last: u32,
    octets: usize,
    pieces: BTreeMap<u32, Vec<u8>>,
}

impl Pieces {
    fn cost(&self) -> usize {
        ENTRY + self.octets + self.pieces.len() * COST
    }
}

/// Containers of which not all fragments have come.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    waiting: HashMap<Key, Pieces>,
    /// By when they were heard of, the oldest first.
    order: BTreeMap<u64, Key>,
    turn: u64,
    cost: usize,
    done: HashSet<Key>,
    done_order: VecDeque<Key>,
}

impl Fragments {
    /// Takes one fragment; gives the body if it was the last one missing.
    pub(super) fn take(
        &mut self,
        (from, flags): (u64, u8),
        octets: &[u8],
        now: Duration,
        limits: &Limits,
        counts: &mut Counts,
    ) -> Option<Vec<u8>> {
        let Ok(Fragment { id: Some(id), current: Some(current), last: Some(last), fragment, crc }) =
            Fragment::decode(octets)
        else {
            counts.damaged += 1;
            return None;
        };
        counts.fragments += 1;
        // A body of one octet a fragment is the longest row there can be; and some writers send an empty one at the end.
        let piece = fragment.unwrap_or_default();
        let longest = u32::try_from(limits.body).unwrap_or(u32::MAX);
        if current > last || last > longest {
            counts.bad_fragments += 1;
            return None;
        }
        let key = Key { from, id, crc, flags };
        if self.done.contains(&key) {
            counts.doubled_fragments += 1;
            return None;
        }
        self.turn += 1;
        let turn = self.turn;
        let waiting = self.waiting.entry(key).or_insert_with(|| {
            self.order.insert(turn, key);
            self.cost += ENTRY;
            Pieces { heard: now, turn, last, octets: 0, pieces: BTreeMap::new() }
        });
        if waiting.last != last {
            counts.bad_fragments += 1;
            return None;
        }
        if waiting.pieces.contains_key(&current) {
            counts.doubled_fragments += 1;
            return None;
        }
        if waiting.octets + piece.len() > limits.body {
            counts.too_large += 1;
            self.drop(key);
            return None;
        }
        self.order.remove(&waiting.turn);
        self.order.insert(turn, key);
        (waiting.turn, waiting.heard) = (turn, now);
        waiting.octets += piece.len();
        self.cost += COST + piece.len();
        waiting.pieces.insert(current, piece);
        if waiting.pieces.len() as u64 <= u64::from(last) {
            self.keep_within(limits, counts);
            return None;
        }
        let whole = self.drop(key)?;
        let mut body = Vec::with_capacity(whole.octets);
        whole.pieces.into_values().for_each(|piece| body.extend(piece));
        if crc.is_some_and(|crc| crc != header::check_sum(&body)) {
            counts.bad_reassembled += 1;
            return None;
        }
        self.remember(key);
        Some(body)
    }

    /// Lets go of those that were not heard of for longer than the limit.
    pub(super) fn expire(&mut self, now: Duration, limits: &Limits, counts: &mut Counts) {
        while let Some((_, &key)) = self.order.first_key_value() {
            let heard = self.waiting.get(&key).map_or(Duration::ZERO, |pieces| pieces.heard);
            if now.saturating_sub(heard) < limits.patience {
                return;
            }
            self.drop(key);
            counts.incomplete += 1;
        }
    }

    /// Lets go of all: nothing more will come.
    pub(super) fn end(&mut self, counts: &mut Counts) {
        counts.incomplete += self.waiting.len() as u64;
        *self = Self::default();
    }

    /// The oldest give way.
    fn keep_within(&mut self, limits: &Limits, counts: &mut Counts) {
        while self.cost > limits.fragments
            && let Some((_, &key)) = self.order.first_key_value()
        {
            self.drop(key);
            counts.incomplete += 1;
        }
    }

    fn drop(&mut self, key: Key) -> Option<Pieces> {
        let pieces = self.waiting.remove(&key)?;
        self.order.remove(&pieces.turn);
        self.cost -= pieces.cost();
        Some(pieces)
    }

    fn remember(&mut self, key: Key) {
        if self.done_order.len() >= DONE
            && let Some(oldest) = self.done_order.pop_front()
        {
            self.done.remove(&oldest);
        }
        if self.done.insert(key) {
            self.done_order.push_back(key);
        }
    }
}
