//! What one connection remembers about the offers of one kind: how far it has read, what is on the way, and whether
//! the broker wants any. Pure: time comes in as an argument, reading and sending are done elsewhere.
//!
//! A lane is *open* until the broker answers that nobody subscribes or that it refuses. Then it is *held* for a
//! pause, and then *probes*: one offer at a time, until one is taken. So a broker without subscribers is asked with
//! one message and not with all of the spool; and since a probe goes on behind a refused offer before it comes back
//! to it, one offer that is refused for ever does not block the others.

use crate::pace::Backoff;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// First and longest pause after an answer that was not a yes.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why a lane is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// PUBACK 0x10.
    NoSubscriber,
    /// PUBACK 0x80 or above.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Held { until: Instant, why: Trouble },
    Probing(Trouble),
}

/// The offers of one kind.
#[derive(Debug)]
pub(super) struct Lane {
    gate: Gate,
    backoff: Backoff,
    /// Everything up to here has been looked at in this round.
    cursor: u64,
    /// The round has reached the end, and nothing has changed since.
    dry: bool,
    /// Begin a new round at the end of this one.
    again: bool,
    flying: BTreeSet<u64>,
}

impl Lane {
    pub(super) fn new() -> Self {
        let (first, longest) = PAUSES;
        Self {
            gate: Gate::Open,
            backoff: Backoff::new(first, longest),
            cursor: 0,
            dry: false,
            again: false,
            flying: BTreeSet::new(),
        }
    }

    /// Something may be new, anywhere: behind the cursor too, by replay.
    pub(super) const fn changed(&mut self) {
        if self.dry {
            self.dry = false;
            self.cursor = 0;
        } else {
            self.again = true;
        }
    }

    /// How many offers may be sent now, out of `free` places.
    pub(super) fn room(&mut self, free: usize, now: Instant) -> usize {
        if self.dry {
            return 0;
        }
        if let Gate::Held { until, why } = self.gate
            && now >= until
            && self.flying.is_empty()
        {
            self.gate = Gate::Probing(why);
        }
        match self.gate {
            Gate::Open => free,
            Gate::Probing(_) if self.flying.is_empty() => free.min(1),
            Gate::Probing(_) | Gate::Held { .. } => 0,
        }
    }

    /// Read offers after this.
    pub(super) const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// How many are on the way.
    pub(super) fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Passes the offer `id`; whether it is to be sent, and not on the way already.
    pub(super) fn pass(&mut self, id: u64) -> bool {
        self.cursor = self.cursor.max(id);
        !self.flying.contains(&id)
    }

    /// The offer `id` is on the way.
    pub(super) fn sent(&mut self, id: u64) {
        self.flying.insert(id);
    }

    /// There is nothing after the cursor. Whether to go on reading, from the beginning.
    pub(super) fn end(&mut self) -> bool {
        if self.cursor == 0
            && let Gate::Probing(_) = self.gate
        {
            self.gate = Gate::Open; // Nothing is pending: nothing is wrong.
        }
        let again = std::mem::take(&mut self.again) && self.cursor != 0;
        self.cursor = 0;
        self.dry = !again;
        again
    }

    /// The offer `id` was taken. Whether that ends a trouble.
    pub(super) fn taken(&mut self, id: u64) -> bool {
        self.flying.remove(&id);
        match self.gate {
            Gate::Probing(_) => {
                self.gate = Gate::Open;
                self.backoff.reset();
                true
            }
            Gate::Open | Gate::Held { .. } => false,
        }
    }

    /// The offer `id` was not taken. Whether that begins a trouble (and is not one of the same burst, or a probe).
    pub(super) fn refused(&mut self, id: u64, why: Trouble, now: Instant) -> bool {
        self.flying.remove(&id);
        let news = match self.gate {
            Gate::Held { .. } => return false,
            Gate::Open => true,
            Gate::Probing(before) => before != why,
        };
        self.gate = Gate::Held { until: now + self.backoff.pause(), why };
        match why {
            // The topic is at fault, not the offer: the oldest first, when somebody listens.
            Trouble::NoSubscriber => self.cursor = 0,
            // The offer may be at fault: go on behind it, and come back to it.
            Trouble::Refused => self.again = true,
        }
        self.dry = false;
        news
    }

    /// When to look again although nothing has happened.
    pub(super) fn wake(&self) -> Option<Instant> {
        match self.gate {
            Gate::Held { until, .. } if !self.dry && self.flying.is_empty() => Some(until),
            _ => None,
        }
    }

    /// Why this lane is not open.
    pub(super) const fn trouble(&self) -> Option<Trouble> {
        match self.gate {
            Gate::Open => None,
            Gate::Held { why, .. } | Gate::Probing(why) => Some(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

    /// Drives a lane over `pending` like the publisher does, once a second. `answer` says what the
    /// broker makes of an offer at that second. Returns how often each offer was sent.
    fn drive(
        lane: &mut Lane,
        pending: &mut BTreeSet<u64>,
        seconds: std::ops::Range<u64>,
        window: usize,
        answer: impl Fn(u64, u64) -> Option<Trouble>,
    ) -> std::collections::BTreeMap<u64, u32> {
        let start = *START;
        let mut sends = std::collections::BTreeMap::new();
        for second in seconds {
            let now = start + SECOND * u32::try_from(second).unwrap_or(u32::MAX);
            let mut batch = Vec::new();
            loop {
                let room = lane.room(window - lane.flying(), now);
                if room == 0 {
                    break;
                }
                let page: Vec<u64> = pending.range(lane.cursor() + 1..).take(room).copied().collect();
                if page.is_empty() && !lane.end() {
                    break;
                }
                for id in page {
                    assert!(lane.flying() < window);
                    if lane.pass(id) {
                        lane.sent(id);
                        *sends.entry(id).or_insert(0) += 1;
                        batch.push(id);
                    }
                }
            }
            for id in batch {
                match answer(second, id) {
                    None => {
                        pending.remove(&id);
                        lane.taken(id);
                    }
                    Some(why) => {
                        lane.refused(id, why, now);
                    }
                }
            }
        }
        sends
    }

    #[test]
    fn without_a_subscriber_a_probe_at_a_time_goes_out_and_then_everything() {
        let mut lane = Lane::new();
        let mut pending: BTreeSet<u64> = (1..=500).collect();
        let nobody = |second, _| (second < 300).then_some(Trouble::NoSubscriber);
        let sends = drive(&mut lane, &mut pending, 0..300, 20, nobody);
        assert_eq!(pending.len(), 500);
        assert_eq!(lane.trouble(), Some(Trouble::NoSubscriber));
        let probes = sends.values().sum::<u32>();
        assert!(probes <= 20 + 12, "{probes} messages for nobody in five minutes");
        let everybody = |_, _| None;
        drive(&mut lane, &mut pending, 300..400, 20, everybody);
        assert!(pending.is_empty());
        assert_eq!(lane.trouble(), None);
    }

    #[test]
    fn an_offer_refused_for_ever_does_not_block_the_others() {
        let mut lane = Lane::new();
        let mut pending: BTreeSet<u64> = (1..=300).collect();
        let poison = |_, id| (id == 1 || id == 150).then_some(Trouble::Refused);
        let sends = drive(&mut lane, &mut pending, 0..600, 20, poison);
        assert_eq!(pending.iter().copied().collect::<Vec<_>>(), [1, 150]);
        assert!(sends.get(&1).is_some_and(|&times| times < 60), "{sends:?}");
    }

    proptest! {
        /// Whatever the broker answers for a while: all is delivered once it says yes, and what it took is never sent
        /// again.
        #[test]
        fn everything_arrives_in_the_end(count in 1u64..200, window in 1usize..30, answers in prop::collection::vec(0u8..6, 64)) {
            let mut lane = Lane::new();
            let mut pending: BTreeSet<u64> = (1..=count).collect();
            let moody = |second: u64, id: u64| match answers.get(((second * 7 + id) % 64) as usize) {
                Some(0) => Some(Trouble::NoSubscriber),
                Some(1) => Some(Trouble::Refused),
                _ => None,
            };
            drive(&mut lane, &mut pending, 0..100, window, moody);
            drive(&mut lane, &mut pending, 100..1100, window, |_, _| None);
            prop_assert!(pending.is_empty(), "{pending:?}");
            prop_assert_eq!(lane.flying(), 0);
        }
    }
}
