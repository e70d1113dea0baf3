//! Which stations may have a time series of their own. A database does not forget a series before its retention
//! ends, so what is bounded is how many distinct stations are tracked within any such period.
//!
//! A tracked station has a seat. It keeps the seat while it is seen, and loses it after a whole period unseen.
//! There are never more seats taken than the budget; stations that the user listed have theirs reserved. Hence the
//! bound: of all stations tracked in windows that begin within one period, take the moment of the last admission.
//! Those seen before it within the period have not yet lost their seats, and those seen after it had one; so all of
//! them had a seat at that moment, and there were at most `budget`.

use super::settings;
use crate::{Mac, UnixNanos};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The version of the encoded state.
const SCHEMA: &str = "airtally.tracker/1";
/// A seat's time is kept in steps of this part of the period, rounded up, so that the state changes seldom and no
/// seat is lost early.
const STEPS: i64 = 64;

/// The tracked stations, and those on their way to become so. Times are starts of windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracker {
    /// Who has a seat, and when it was last seen (rounded up).
    seats: BTreeMap<Mac, i64>,
    /// Who was seen in how many windows, and in which one last. Not kept over restarts: it costs a few windows.
    candidates: HashMap<Mac, Candidate>,
    /// The same by age, so that the oldest give way.
    ages: BTreeSet<(i64, Mac)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    windows: u32,
    last: i64,
}

/// A saved state that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// Not JSON of the right shape.
    #[error("cannot read the saved set of tracked stations: {0}; without it the budget starts anew")]
    Shape(#[from] serde_json::Error),
    /// Of another version.
    #[error("cannot read the saved set of tracked stations: its schema is '{0}', not '{SCHEMA}'")]
    Schema(String),
}

#[derive(Serialize, Deserialize)]
struct Saved {
    schema: String,
    seats: Vec<(Mac, i64)>,
}

impl Tracker {
    /// Reads a state that [`Tracker::encode`] wrote.
    ///
    /// # Errors
    /// When it is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, TrackerError> {
        let saved: Saved = serde_json::from_slice(bytes)?;
        if saved.schema != SCHEMA {
            return Err(TrackerError::Schema(saved.schema.chars().take(64).collect()));
        }
        Ok(Self { seats: saved.seats.into_iter().collect(), ..Self::default() })
    }

    /// The state to keep over restarts, as JSON: who has a seat, and since when unseen at most.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let seats = self.seats.iter().map(|(&mac, &seen)| (mac, seen)).collect();
        // Strings and numbers: nothing that can fail.
        serde_json::to_vec(&Saved { schema: SCHEMA.into(), seats }).unwrap_or_default()
    }

    /// Takes note of the stations in a window that began at `start` (`present`, ascending, each once) and says of
    /// each whether it is tracked in it; and whether the state to keep has changed.
    pub fn window(&mut self, rules: &settings::Tracking, start: UnixNanos, present: &[Mac]) -> (Vec<bool>, bool) {
        let period = i64::try_from(rules.period.as_nanos()).unwrap_or(i64::MAX).max(1);
        let step = (period / STEPS).max(1);
        let now = start.0;
        let seen = match now.rem_euclid(step) {
            0 => now,
            past => now.saturating_add(step - past),
        };
        let always: BTreeSet<Mac> = rules.always.iter().copied().collect();
        let before = self.seats.len();
        self.seats.retain(|mac, last| *last > now.saturating_sub(period) && !always.contains(mac));
        let mut changed = self.seats.len() != before;
        while let Some(&(last, mac)) = self.ages.first().filter(|&&(last, _)| last <= now.saturating_sub(period)) {
            self.ages.remove(&(last, mac));
            self.candidates.remove(&mac);
        }
        for last in self.seats.values_mut().filter(|last| **last > seen) {
            // The clock was wrong then, and nothing is seen in the future: else the seat would be held for ever.
            (*last, changed) = (seen, true);
        }

        // Who is known comes before who is new, so that a flood of new ones pushes out no one who is there.
        let seats = rules.budget.saturating_sub(always.len());
        let mut unknown = Vec::new();
        for &mac in present.iter().filter(|&&mac| !mac.is_local() && !always.contains(&mac)) {
            if let Some(last) = self.seats.get_mut(&mac) {
                changed |= *last != seen;
                *last = seen;
            } else if let Some(candidate) = self.candidates.get_mut(&mac) {
                self.ages.remove(&(candidate.last, mac));
                *candidate = Candidate { windows: candidate.windows.saturating_add(1), last: now };
                if candidate.windows >= rules.track_after && self.seats.len() < seats {
                    self.candidates.remove(&mac);
                    self.seats.insert(mac, seen);
                    changed = true;
                } else {
                    self.ages.insert((now, mac));
                }
            } else {
                unknown.push(mac);
            }
        }
        for mac in unknown {
            if rules.track_after <= 1 && self.seats.len() < seats {
                self.seats.insert(mac, seen);
                changed = true;
            } else {
                self.consider(mac, now, rules.budget);
            }
        }
        (present.iter().map(|mac| always.contains(mac) || self.seats.contains_key(mac)).collect(), changed)
    }

    /// Moves what was seen at `since` or later by `shift` nanoseconds: the windows since then were restamped. Says
    /// whether the state to keep has changed.
    pub fn restamp(&mut self, since: UnixNanos, shift: i64) -> bool {
        let mut changed = false;
        for last in self.seats.values_mut().filter(|last| **last >= since.0) {
            *last = last.saturating_add(shift);
            changed = true;
        }
        for candidate in self.candidates.values_mut().filter(|candidate| candidate.last >= since.0) {
            candidate.last = candidate.last.saturating_add(shift);
        }
        self.ages = self.candidates.iter().map(|(&mac, candidate)| (candidate.last, mac)).collect();
        changed
    }

    /// Makes a newcomer a candidate; when there are too many, the oldest gives way, unless it is here too.
    fn consider(&mut self, mac: Mac, now: i64, budget: usize) {
        if self.candidates.len() >= budget.saturating_mul(4).saturating_add(1_000) {
            let Some(&(last, oldest)) = self.ages.first().filter(|&&(last, _)| last < now) else { return };
            self.ages.remove(&(last, oldest));
            self.candidates.remove(&oldest);
        }
        self.candidates.insert(mac, Candidate { windows: 1, last: now });
        self.ages.insert((now, mac));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const HOUR: i64 = 3_600_000_000_000;

    fn mac(number: u64) -> Mac {
        Mac::from_u64(0x0010_0000_0000 | number)
    }

    fn rules(budget: usize, track_after: u32, always: Vec<Mac>) -> settings::Tracking {
        settings::Tracking { always, budget, period: Duration::from_secs(3600 * 10), track_after }
    }

    fn tracked(tracker: &mut Tracker, rules: &settings::Tracking, hour: i64, macs: &[Mac]) -> Vec<bool> {
        tracker.window(rules, UnixNanos(hour * HOUR), macs).0
    }

    #[test]
    fn a_station_is_admitted_in_its_third_window_and_a_listed_one_at_once() {
        let rules = rules(10, 3, vec![mac(9)]);
        let mut tracker = Tracker::default();
        let macs = [mac(1), mac(9)];
        assert_eq!(tracked(&mut tracker, &rules, 0, &macs), [false, true]);
        assert_eq!(tracked(&mut tracker, &rules, 1, &macs), [false, true]);
        assert_eq!(tracked(&mut tracker, &rules, 2, &macs), [true, true]);
    }

    #[test]
    fn a_randomised_address_is_tracked_only_if_listed() {
        let random = Mac([2, 0, 0, 0, 0, 1]);
        let mut tracker = Tracker::default();
        assert_eq!(tracked(&mut tracker, &rules(10, 1, vec![]), 0, &[random]), [false]);
        assert_eq!(tracked(&mut tracker, &rules(10, 1, vec![random]), 0, &[random]), [true]);
    }

    #[test]
    fn a_seat_is_free_again_only_after_a_period_unseen() {
        let rules = rules(1, 1, vec![]);
        let mut tracker = Tracker::default();
        assert_eq!(tracked(&mut tracker, &rules, 0, &[mac(1)]), [true]);
        for hour in 1..=10 {
            assert_eq!(tracked(&mut tracker, &rules, hour - 1, &[mac(2)]), [false], "hour {hour}");
        }
        assert_eq!(tracked(&mut tracker, &rules, 10, &[mac(2)]), [true]);
        assert_eq!(tracked(&mut tracker, &rules, 11, &[mac(1)]), [false]);
    }

    #[test]
    fn a_flood_of_new_addresses_displaces_no_one_who_is_there() {
        let rules = rules(10, 3, vec![]);
        let mut tracker = Tracker::default();
        for hour in 0..3u64 {
            let mut macs: Vec<Mac> = (0..5_000).map(|n| mac(hour << 20 | n)).collect();
            macs.push(mac(1 << 30));
            if hour == 0 {
                macs.reverse();
                macs.truncate(1);
            }
            let last = *tracked(&mut tracker, &rules, hour as i64, &macs).last().unwrap();
            assert_eq!(last, hour == 2);
            assert!(tracker.candidates.len() <= 1_040);
            assert_eq!(tracker.candidates.len(), tracker.ages.len());
        }
    }

    #[test]
    fn seats_move_with_the_windows_they_were_taken_in() {
        let rules = rules(1, 2, vec![]);
        let mut tracker = Tracker::default();
        tracked(&mut tracker, &rules, 0, &[mac(1)]);
        assert_eq!(tracked(&mut tracker, &rules, 1, &[mac(1), mac(2)]), [true, false]);
        // Hours 0 and 1 were hours 500 000 and 500 001: the seat is not ten hours old, and the candidate counts on.
        assert!(tracker.restamp(UnixNanos(0), 500_000 * HOUR));
        assert_eq!(tracked(&mut tracker, &rules, 500_002, &[mac(2)]), [false]);
        assert_eq!(tracker.candidates.len(), tracker.ages.len());
        assert!(!tracker.restamp(UnixNanos(600_000 * HOUR), 1));
    }

    #[test]
    fn what_was_saved_by_something_else_is_refused() {
        assert!(Tracker::decode(b"{}").is_err());
        assert!(Tracker::decode(br#"{"schema":"airtally.tracker/9","seats":[]}"#).is_err());
    }

    proptest! {
        #[test]
        fn never_more_than_the_budget_within_a_period(
            windows in proptest::collection::vec((0i64..200, proptest::collection::btree_set(0u64..20, 0..8), 0u8..10), 1..80),
            budget in 1usize..6, track_after in 1u32..4, listed in 0u64..2,
        ) {
            let rules = rules(budget, track_after, (0..listed).map(mac).collect());
            let mut tracker = Tracker::default();
            let mut minute = 0;
            let mut history: Vec<(i64, Mac)> = Vec::new();
            for (step, numbers, restart) in windows {
                minute += step;
                let macs: Vec<Mac> = numbers.into_iter().map(mac).collect();
                let saved = tracker.encode();
                let (is_tracked, changed) = tracker.window(&rules, UnixNanos(minute * (HOUR / 60)), &macs);
                prop_assert_eq!(changed, tracker.encode() != saved);
                history.extend(macs.iter().zip(is_tracked).filter(|(_, tracked)| *tracked).map(|(&mac, _)| (minute, mac)));
                if restart == 0 {
                    tracker = Tracker::decode(&tracker.encode()).unwrap();
                }
            }
            for &(from, _) in &history {
                let distinct: BTreeSet<Mac> =
                    history.iter().filter(|(minute, _)| (from..from + 600).contains(minute)).map(|&(_, mac)| mac).collect();
                prop_assert!(distinct.len() <= budget, "{} tracked from minute {from}", distinct.len());
            }
        }

        #[test]
        fn the_bound_holds_for_clocks_that_jump(
            times in proptest::collection::vec(any::<i64>(), 1..40), budget in 0usize..4,
        ) {
            let rules = rules(budget, 1, vec![]);
            let mut tracker = Tracker::default();
            for (number, time) in (0..).zip(times) {
                let (is_tracked, _) = tracker.window(&rules, UnixNanos(time), &[mac(number), mac(number + 1)]);
                prop_assert!(tracker.seats.len() <= budget && is_tracked.len() == 2);
            }
        }
    }
}
