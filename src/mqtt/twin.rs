//! Whether another ingest of our name is at work on the same broker: both have one client id, and throw each other out. Pure: it
//! is told what happens.

use crate::{
    UnixNanos,
    wire::{IngestStatus, State},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// So often in a row the connection is taken over before anybody gives way.
const TAKEN_OVER: u32 = 2;
/// Other instances that are remembered, at most.
const MOST: usize = 16;

/// What is known of others of our name.
#[derive(Debug)]
pub(super) struct Twin {
    /// Which process this is.
    pub instance: Uuid,
    /// Others that were heard of, and what time their status told first.
    heard: BTreeMap<Uuid, UnixNanos>,
    /// One of them that has said something since.
    alive: Option<Uuid>,
    taken_over: u32,
}

impl Twin {
    pub fn new() -> Self {
        Self { instance: Uuid::new_v4(), heard: BTreeMap::new(), alive: None, taken_over: 0 }
    }

    /// A status with our name. What the broker kept may be our predecessor's: only who says something new is alive.
    pub fn heard(&mut self, payload: &[u8]) {
        let Some(status) = IngestStatus::decode(payload) else { return };
        let Some(instance) = status.instance.filter(|other| *other != self.instance) else { return };
        // A connection that was lost was there: it may be the one that we have just taken over.
        if status.state == State::Offline && status.reason.as_deref() != Some("connection_lost") {
            self.alive = self.alive.filter(|alive| *alive != instance);
            return;
        }
        match self.heard.get(&instance) {
            Some(first) if status.time > *first => self.alive = Some(instance),
            Some(_) => {}
            None if self.heard.len() < MOST => {
                self.heard.insert(instance, status.time);
            }
            None => {}
        }
    }

    /// A connection has ended: `cut` if the broker ended it without a reason of its own or for another client, `soon` if it was
    /// a short one. Gives the other one, if it is time to give way.
    pub fn ended(&mut self, cut: bool, soon: bool) -> Option<Uuid> {
        // Whoever has left us alone for so long is not there any more.
        if !soon {
            (self.alive, self.taken_over) = (None, 0);
        }
        let before = self.taken_over;
        self.taken_over = if cut { before.saturating_add(1) } else { before };
        self.alive.filter(|_| self.taken_over >= TAKEN_OVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{IngestHealth, encode};

    fn says(instance: Uuid, second: i64, state: State) -> Vec<u8> {
        let mut status =
            IngestStatus::new("one", &["+".to_owned()], UnixNanos(second * 1_000_000_000), IngestHealth::default());
        (status.instance, status.state) = (Some(instance), state);
        encode(&status)
    }

    #[test]
    fn whoever_is_taken_over_twice_by_one_that_lives_gives_way() {
        let (mut twin, other) = (Twin::new(), Uuid::from_u128(1));
        twin.heard(&says(other, 10, State::Online));
        assert_eq!(twin.ended(true, false), None, "once, after a long time");
        twin.heard(&says(other, 15, State::Online));
        assert_eq!(twin.ended(true, true), Some(other));
    }

    #[test]
    fn what_was_left_behind_is_nobody() {
        let (mut twin, predecessor) = (Twin::new(), Uuid::from_u128(1));
        for _ in 0..4 {
            // The broker keeps it, and it comes at each connection.
            twin.heard(&says(predecessor, 10, State::Online));
            let me = twin.instance;
            twin.heard(&says(me, 20, State::Online));
            twin.heard(b"no status");
            assert_eq!(twin.ended(true, true), None);
        }
        twin.heard(&says(predecessor, 11, State::Offline));
        assert_eq!(twin.ended(true, true), None, "it was stopped");
    }

    #[test]
    fn a_network_that_fails_now_and_then_is_no_twin() {
        let (mut twin, other) = (Twin::new(), Uuid::from_u128(1));
        twin.heard(&says(other, 10, State::Online));
        twin.heard(&says(other, 11, State::Online));
        for _ in 0..4 {
            assert_eq!(twin.ended(true, false), None, "each lasted long");
        }
        assert_eq!(twin.ended(true, true), None, "it was last heard of long ago");
        twin.heard(&says(other, 12, State::Online));
        twin.heard(&says(other, 13, State::Offline));
        assert_eq!(twin.ended(true, true), None, "it has left");
    }
}
