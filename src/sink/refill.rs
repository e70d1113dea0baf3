//! What a database may have lost of what it had taken, and when to offer that again. Keeps which records were stored when, for
//! as long as a refill covers; knows neither the database nor the feed.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What was stored within so long is told together.
const TOGETHER: Duration = Duration::from_secs(1);

/// Records that were stored together.
#[derive(Clone, Copy, Debug)]
struct Slice {
    began: Instant,
    ended: Instant,
    first: u64,
    last: u64,
}

/// One sink's refills.
#[derive(Debug)]
pub(super) struct Refill {
    /// How much is offered again: what was stored within so long before a failure.
    covers: Duration,
    slices: VecDeque<Slice>,
    /// When the failure was whose refill is still to come.
    owed: Option<Instant>,
    /// When the last refill was. A database that fails again and again gets no more than one for as long as one covers.
    refilled: Option<Instant>,
}

impl Refill {
    pub fn new(covers: Duration) -> Self {
        Self { covers, slices: VecDeque::new(), owed: None, refilled: None }
    }

    /// These were stored just now.
    pub fn stored(&mut self, ids: &[u64], now: Instant) {
        let (Some(&first), Some(&last)) = (ids.iter().min(), ids.iter().max()) else { return };
        if self.covers.is_zero() {
            return;
        }
        match self.slices.back_mut() {
            Some(slice) if now.saturating_duration_since(slice.began) < TOGETHER => {
                (slice.ended, slice.first, slice.last) = (now, slice.first.min(first), slice.last.max(last));
            }
            _ => self.slices.push_back(Slice { began: now, ended: now, first, last }),
        }
        let needed = self.needed_since(now);
        while self.slices.front().is_some_and(|slice| needed.is_some_and(|needed| slice.ended < needed)) {
            self.slices.pop_front();
        }
    }

    /// The database failed, or may have: it was well at `well` for the last time.
    pub fn failed(&mut self, well: Instant) {
        if !self.covers.is_zero() {
            self.owed = Some(self.owed.map_or(well, |owed| owed.min(well)));
        }
    }

    /// When something was stored last.
    pub fn stored_last(&self) -> Option<Instant> {
        self.slices.back().map(|slice| slice.ended)
    }

    /// Numbers of the first and the last record that are to be offered again now; each range of them once.
    pub fn due(&mut self, now: Instant) -> Vec<(u64, u64)> {
        if self.owed.is_none() || self.wait(now).is_some_and(|wait| !wait.is_zero()) {
            return Vec::new();
        }
        let needed = self.needed_since(now);
        (self.owed, self.refilled) = (None, Some(now));
        let slices = self.slices.iter().filter(|slice| needed.is_none_or(|needed| slice.ended >= needed));
        slices.map(|slice| (slice.first, slice.last)).collect()
    }

    /// How long until a refill that is owed is due.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.owed?;
        let since = self.refilled.map(|refilled| now.saturating_duration_since(refilled));
        Some(since.map_or(Duration::ZERO, |since| self.covers.saturating_sub(since)))
    }

    /// What was stored before this is not asked for any more.
    fn needed_since(&self, now: Instant) -> Option<Instant> {
        self.owed.unwrap_or(now).checked_sub(self.covers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A clock's start, far enough from the machine's.
    fn start() -> Instant {
        Instant::now() + Duration::from_secs(3_600)
    }

    #[test]
    fn what_was_stored_within_its_time_before_a_failure_is_due_once() {
        let (start, mut refill) = (start(), Refill::new(MINUTE));
        for second in 0..120 {
            refill.stored(&[second * 2, second * 2 + 1], start + Duration::from_secs(second));
        }
        assert_eq!(refill.due(start + MINUTE * 2), [], "nothing failed");
        refill.failed(start + Duration::from_secs(119));
        let due = refill.due(start + MINUTE * 2);
        assert_eq!((due.first(), due.last()), (Some(&(118, 119)), Some(&(238, 239))));
        assert_eq!(refill.due(start + MINUTE * 2), [], "each once");
    }

    #[test]
    fn a_backlog_of_old_records_is_covered_by_when_it_was_stored() {
        let (start, mut refill) = (start(), Refill::new(MINUTE));
        refill.stored(&(1..=64).collect::<Vec<_>>(), start);
        refill.stored(&(65..=128).collect::<Vec<_>>(), start + TOGETHER / 2);
        refill.failed(start + Duration::from_secs(8));
        assert_eq!(refill.due(start + Duration::from_secs(30)), [(1, 128)]);
    }

    #[test]
    fn refills_are_as_far_apart_as_one_covers_and_none_is_forgotten() {
        let (start, mut refill) = (start(), Refill::new(MINUTE));
        refill.stored(&[1], start);
        refill.failed(start);
        assert_eq!(refill.due(start), [(1, 1)]);
        refill.stored(&[2], start + Duration::from_secs(5));
        refill.failed(start + Duration::from_secs(5));
        // Meanwhile it goes on for long.
        refill.stored(&[3], start + Duration::from_secs(59));
        assert_eq!(refill.due(start + Duration::from_secs(59)), []);
        assert_eq!(refill.wait(start + Duration::from_secs(59)), Some(Duration::from_secs(1)));
        assert_eq!(refill.due(start + MINUTE), [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(refill.wait(start + MINUTE), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (start, mut refill) = (start(), Refill::new(MINUTE));
        for tenth in 0..100_000 {
            refill.stored(&[tenth], start + Duration::from_millis(tenth * 100));
        }
        assert!(refill.slices.len() < 64, "{}", refill.slices.len());
        let mut none = Refill::new(Duration::ZERO);
        none.stored(&[1], start);
        none.failed(start);
        assert_eq!(none.due(start), []);
    }
}
