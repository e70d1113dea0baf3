//! How long the radio really listened, per frequency, cut at the boundaries of windows. Times are nanoseconds of
//! CLOCK_BOOTTIME, which others read. Knows no card and no window.

use std::collections::{BTreeMap, VecDeque};

/// Turns that are kept beyond the open window's end, at most: its counting lags by no more than these.
const MOST_AHEAD: usize = 1 << 14;

/// What a radio is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: there is none, or it is being set up.
    #[default]
    Off,
    /// Going to another channel.
    Switching,
    /// Listening on this frequency (MHz).
    Listening(u16),
}

/// What a radio did in a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    listened: BTreeMap<u16, i64>,
    switching: i64,
    off: i64,
}

/// An [`Exposure`] in whole milliseconds, which add up to the window's length (rounded down).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Millis {
    /// By frequency in MHz.
    pub listened: BTreeMap<u16, u64>,
    /// Lost in switching.
    pub switching: u64,
    /// Lost without a radio.
    pub off: u64,
}

impl Exposure {
    fn add(&mut self, doing: Doing, nanos: i64) {
        let nanos = nanos.max(0);
        match doing {
            Doing::Off => self.off += nanos,
            Doing::Switching => self.switching += nanos,
            Doing::Listening(freq_mhz) => *self.listened.entry(freq_mhz).or_default() += nanos,
        }
    }

    /// In milliseconds: each figure within one of the exact one, and their sum that of all together.
    #[must_use]
    pub fn millis(&self) -> Millis {
        // Rounding the running sum, not each figure, keeps the total.
        let (mut sum, mut given) = (0i64, 0i64);
        let mut next = |nanos: i64| {
            sum += nanos;
            let upto = sum / 1_000_000;
            let ms = upto - given;
            given = upto;
            u64::try_from(ms).unwrap_or(0)
        };
        Millis {
            listened: self.listened.iter().map(|(&freq_mhz, &nanos)| (freq_mhz, next(nanos))).collect(),
            switching: next(self.switching),
            off: next(self.off),
        }
    }
}

/// Writes down what the radio does, and tells each window its share. Bounded whatever its windows' length: what lies
/// in the open window is summed at once.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Where the open window ends; `None` before the first.
    until: Option<i64>,
    doing: Doing,
    since: i64,
    window: Exposure,
    /// Turns after `until`.
    ahead: VecDeque<(i64, Doing)>,
}

impl Ledger {
    /// The first window runs from `start` to `until`; what was before is forgotten.
    pub fn open(&mut self, start: i64, until: i64) {
        self.window = Exposure::default();
        // A turn may have come between the reading of the clock and this.
        self.window.add(self.doing, self.since - start);
        self.since = self.since.max(start);
        self.until = Some(until);
    }

    /// From `at` on the radio does something else. Turns come in their order.
    pub fn turn(&mut self, at: i64, doing: Doing) {
        if self.until.is_none_or(|until| at < until) {
            self.advance(at, doing);
        } else if self.ahead.len() < MOST_AHEAD {
            self.ahead.push_back((at, doing));
        } else if let Some((_, last)) = self.ahead.back_mut() {
            // Nobody counts any more: what is not known is not claimed as listened to.
            *last = Doing::Off;
        }
    }

    /// Closes the window at `end` and gives what the radio did in it. Until [`Self::extend`], nothing is summed.
    pub fn close(&mut self, end: i64) -> Exposure {
        while let Some(&(at, doing)) = self.ahead.front().filter(|(at, _)| *at < end) {
            self.ahead.pop_front();
            self.advance(at, doing);
        }
        self.window.add(self.doing, end - self.since);
        self.since = self.since.max(end);
        self.until = Some(end);
        std::mem::take(&mut self.window)
    }

    /// The window that is open now ends at `until`.
    pub fn extend(&mut self, until: i64) {
        self.until = Some(until);
        while let Some(&(at, doing)) = self.ahead.front().filter(|(at, _)| *at < until) {
            self.ahead.pop_front();
            self.advance(at, doing);
        }
    }

    fn advance(&mut self, at: i64, doing: Doing) {
        self.window.add(self.doing, at - self.since);
        self.since = self.since.max(at);
        self.doing = doing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn a_window_gets_what_lies_in_it_and_no_more() {
        let mut ledger = Ledger::default();
        ledger.turn(0, Doing::Listening(2412));
        ledger.open(100 * MS, 1000 * MS);
        ledger.turn(400 * MS, Doing::Switching);
        ledger.turn(410 * MS, Doing::Listening(2437));
        ledger.turn(1200 * MS, Doing::Switching);
        ledger.turn(1210 * MS, Doing::Off);
        // Closed late, as windows are.
        let first = ledger.close(1000 * MS).millis();
        ledger.extend(2000 * MS);
        assert_eq!(first.listened, BTreeMap::from([(2412, 300), (2437, 590)]));
        assert_eq!((first.switching, first.off), (10, 0));
        let second = ledger.close(2000 * MS).millis();
        assert_eq!(second.listened, BTreeMap::from([(2437, 200)]));
        assert_eq!((second.switching, second.off), (10, 790));
    }

    #[test]
    fn the_last_window_may_end_before_its_time() {
        let mut ledger = Ledger::default();
        ledger.open(0, 1000 * MS);
        ledger.turn(100 * MS, Doing::Listening(2412));
        let last = ledger.close(300 * MS).millis();
        assert_eq!((last.listened.get(&2412), last.off), (Some(&200), 100));
    }

    proptest! {
        #[test]
        fn every_window_is_accounted_for_to_the_millisecond(
            turns in proptest::collection::vec((1i64..400_000_000, 0u16..5), 0..300),
            length in 1i64..20, lag in 0i64..3,
        ) {
            let length = length * 100 * MS;
            let (mut ledger, mut at, mut start) = (Ledger::default(), 0, 0);
            ledger.open(0, length);
            let mut total = 0;
            for (step, what) in turns {
                at += step;
                ledger.turn(at, match what { 0 => Doing::Off, 1 => Doing::Switching, freq => Doing::Listening(freq) });
                while at >= start + length + lag * length / 2 {
                    start += length;
                    let closed = ledger.close(start);
                    ledger.extend(start + length);
                    let exact = closed.listened.values().sum::<i64>() + closed.switching + closed.off;
                    prop_assert_eq!(exact, length);
                    let ms = closed.millis();
                    let sum = ms.listened.values().sum::<u64>() + ms.switching + ms.off;
                    prop_assert_eq!(sum as i64, length / MS);
                    for (freq, nanos) in &closed.listened {
                        prop_assert!((ms.listened[freq] as i64 - nanos / MS).abs() <= 1);
                    }
                    total += closed.listened.values().sum::<i64>();
                }
            }
            prop_assert!(total <= at);
        }

        #[test]
        fn nothing_grows_without_bound(windows in 0usize..3) {
            let mut ledger = Ledger::default();
            ledger.open(0, 1);
            for at in 0..40_000 {
                ledger.turn(at, Doing::Listening(2412));
            }
            prop_assert!(ledger.ahead.len() <= MOST_AHEAD);
            for window in 1..=windows as i64 {
                ledger.close(window);
                ledger.extend(window + 1);
            }
        }
    }
}
