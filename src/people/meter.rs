//! Frames to estimates, five minutes at a time. The time comes in with frames and windows, keys from outside.

use super::{
    Settings,
    estimate::{self, Guess},
    fingerprint::fingerprint,
};
use crate::{
    UnixNanos,
    dot11::{Facts, FrameKind, Outcome},
    time::LEAP,
    wire::{NoEstimate, People},
};
use std::{collections::HashSet, mem, time::Duration};

/// How long an interval is; it begins at a multiple of this since 1970.
pub const INTERVAL: Duration = Duration::from_secs(300);
/// The same in nanoseconds.
const NANOS: i64 = 300 * 1_000_000_000;
/// Addresses of one interval that are told apart, at most: some 16 octets each.
const MOST: usize = 1 << 14;
/// Intervals that a capture without a frame is quiet for, at most: in a longer time it was not captured at all.
const MOST_QUIET: i64 = 288;

/// What fingerprints of one interval are keyed with.
pub type Key = [u8; 32];

/// What is known of a window beside its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is of a capture: it was listened to from the first frame to the last.
    Captured,
    /// It is of an interface or a card, which listened so many milliseconds of it; all of it where that is not known.
    Live(Option<u64>),
}

/// Tells devices apart, five minutes at a time.
pub struct Meter {
    settings: Settings,
    ignored: HashSet<u64>,
    keys: Box<dyn FnMut() -> Key + Send>,
    open: Option<Open>,
    /// The latest time of a frame.
    latest: UnixNanos,
    /// Intervals that have ended, in their order.
    ended: Vec<Ended>,
    addresses: HashSet<u64>,
    fingerprints: HashSet<u64>,
}

/// The interval that frames go into.
struct Open {
    key: Key,
    devices: usize,
    is_one_near: bool,
    is_full: bool,
    /// Probe requests with a signal, and without.
    with_signal: bool,
    without_signal: bool,
    /// There was a frame, of whatever kind.
    heard: bool,
    start: i64,
    /// The first moment of it that a capture tells of.
    from: i64,
    listened: Listened,
}

/// One that has ended.
struct Ended {
    start: i64,
    /// Nanoseconds of it that a capture tells of.
    captured: i64,
    listened: Listened,
    heard: bool,
    result: Result<Guess, NoEstimate>,
}

/// Nanoseconds that were listened to, as far as windows have told by now.
#[derive(Clone, Copy, Default)]
struct Listened {
    nanos: i64,
    is_known: bool,
}

impl Meter {
    /// A meter before the first frame. `keys` gives a new secret each time it is asked.
    #[must_use]
    pub fn new(settings: Settings, keys: Box<dyn FnMut() -> Key + Send>) -> Self {
        let ignored = settings.ignored.iter().map(|address| address.to_u64()).collect();
        Self {
            settings,
            ignored,
            keys,
            open: None,
            latest: UnixNanos::NONE,
            ended: Vec::new(),
            addresses: HashSet::new(),
            fingerprints: HashSet::new(),
        }
    }

    /// A frame captured at `time`; one from a little before the open interval belongs to that all the same.
    #[inline]
    pub fn frame(&mut self, time: UnixNanos, facts: &Facts<'_>) {
        if time == UnixNanos::NONE {
            return;
        }
        if self.open.as_ref().is_none_or(|open| time.0 >= open.end() || open.is_long_after(time.0)) {
            self.reach(time.0);
        }
        self.latest = self.latest.max(time);
        let Some(open) = &mut self.open else { return };
        open.heard = true;
        if facts.kind == Some(FrameKind::PROBE_REQUEST) {
            self.probe_request(facts);
        }
    }

    fn probe_request(&mut self, facts: &Facts<'_>) {
        let (Outcome::Sent(address), Some(open)) = (facts.outcome, &mut self.open) else { return };
        let Some(signal) = facts.signal_dbm else {
            open.without_signal = true;
            return;
        };
        open.with_signal = true;
        let number = address.to_u64();
        if signal < self.settings.min_signal || self.ignored.contains(&number) {
            return;
        }
        open.is_one_near |= signal >= self.settings.min_signal.saturating_add(estimate::NEAR);
        if self.addresses.contains(&number) {
            return;
        }
        if self.addresses.len() == MOST {
            open.is_full = true;
            return;
        }
        self.addresses.insert(number);
        // The first request of an address decides: a device has several variants, and sends them from one address as from several.
        let is_another =
            !address.is_randomised() || self.fingerprints.insert(fingerprint(&open.key, facts.body().whole_elements()));
        open.devices += usize::from(is_another);
    }

    /// A window from `start` to `end` is over; `last` where no frame comes any more. Gives the intervals that have ended.
    pub fn window(&mut self, start: UnixNanos, end: UnixNanos, heard: Heard, last: bool) -> Vec<People> {
        match heard {
            Heard::Captured if last => self.close(self.latest.0),
            Heard::Captured if self.open.is_some() => self.reach(end.0),
            Heard::Captured => {}
            Heard::Live(_) => {
                if self.open.is_none() {
                    self.begin(start.0);
                }
                self.reach(end.0);
            }
        }
        if let Heard::Live(listened_ms) = heard {
            let share = |from: i64| share(from, start.0, end.0, listened_ms);
            self.ended.iter_mut().for_each(|ended| ended.listened.add(share(ended.start), listened_ms.is_some()));
            if let Some(open) = &mut self.open {
                open.listened.add(share(open.start), listened_ms.is_some());
            }
            if last {
                self.close(end.0);
            }
        }
        let is_live = heard != Heard::Captured;
        mem::take(&mut self.ended).into_iter().map(|ended| ended.people(is_live)).collect()
    }

    /// Forgets the open interval: the clock was set, and what comes belongs to other times.
    pub fn restart(&mut self) {
        (self.open, self.latest) = (None, UnixNanos::NONE);
        self.ended.clear();
        self.addresses.clear();
        self.fingerprints.clear();
    }

    /// Goes to the interval that `time` is in. Those before it are over; after a day without a frame, there are none. Nor are
    /// there where a clock was set back.
    fn reach(&mut self, time: i64) {
        while let Some(open) = &self.open {
            let (start, end) = (open.start, open.end());
            if open.is_long_after(time) {
                let latest = self.latest.0;
                self.close(latest);
                self.latest = UnixNanos::NONE;
                break;
            }
            if time < end {
                return;
            }
            if time.saturating_sub(self.latest.0.max(start)) > MOST_QUIET * NANOS {
                let latest = self.latest.0;
                self.close(latest);
                break;
            }
            self.close(end);
            self.begin(end);
        }
        self.begin(time);
    }

    fn begin(&mut self, from: i64) {
        self.addresses.clear();
        self.fingerprints.clear();
        self.open = Some(Open {
            key: (self.keys)(),
            devices: 0,
            is_one_near: false,
            is_full: false,
            with_signal: false,
            without_signal: false,
            heard: false,
            start: from.saturating_sub(from.rem_euclid(NANOS)),
            from,
            listened: Listened::default(),
        });
    }

    /// Ends the open interval; a capture tells of it up to `until`.
    fn close(&mut self, until: i64) {
        let Some(open) = self.open.take() else { return };
        let result = if open.is_full {
            Err(NoEstimate::Full)
        } else if open.without_signal && !open.with_signal {
            Err(NoEstimate::Signal)
        } else {
            Ok(estimate::guess(open.devices, open.is_one_near, self.settings.people_per_device))
        };
        let captured = until.clamp(open.start, open.end()).saturating_sub(open.from.max(open.start)).max(0);
        if captured > 0 || open.heard {
            self.ended.push(Ended { start: open.start, captured, listened: open.listened, heard: open.heard, result });
        }
        self.addresses.clear();
        self.fingerprints.clear();
    }
}

impl Open {
    const fn end(&self) -> i64 {
        self.start.saturating_add(NANOS)
    }

    /// Whether `time` is so long before it that a clock was set in between.
    const fn is_long_after(&self, time: i64) -> bool {
        time < self.start.saturating_sub(LEAP)
    }
}

impl Ended {
    fn people(self, is_live: bool) -> People {
        let covered = if is_live { self.listened.nanos } else { self.captured };
        let result = match self.result {
            _ if covered.saturating_mul(2) < NANOS => Err(NoEstimate::Coverage),
            _ if is_live && !self.heard => Err(NoEstimate::Deaf),
            result => result,
        };
        let guess = result.ok();
        People {
            start: UnixNanos(self.start),
            end: UnixNanos(self.start.saturating_add(NANOS)),
            low: guess.map(|guess| guess.low),
            estimate: guess.map(|guess| guess.estimate),
            high: guess.map(|guess| guess.high),
            reason: result.err(),
            listened_ms: self.listened.is_known.then(|| u64::try_from(self.listened.nanos / 1_000_000).unwrap_or(0)),
        }
    }
}

impl Listened {
    fn add(&mut self, nanos: i64, is_known: bool) {
        self.nanos = self.nanos.saturating_add(nanos);
        self.is_known |= is_known;
    }
}

/// How long of the interval that begins at `from` was listened to in a window: as much of each part of a window as of the
/// others.
fn share(from: i64, start: i64, end: i64, listened_ms: Option<u64>) -> i64 {
    let both = from.saturating_add(NANOS).min(end).saturating_sub(from.max(start)).max(0);
    let Some(listened_ms) = listened_ms else { return both };
    let window = i128::from(end.saturating_sub(start).max(1));
    let listened = (i128::from(listened_ms) * 1_000_000).min(window);
    i64::try_from(i128::from(both) * listened / window).unwrap_or(both)
}
