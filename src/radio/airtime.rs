//! What the task that tunes and the thread that counts tell each other: where the radio was when, what was heard there,
//! and on which interface to listen. One small lock, held for moments: the counting thread takes it once for each
//! buffer of frames and once for each window, never for a frame.

use super::exposure::{Doing, Exposure, Ledger};
use crate::dot11::channels::Tuning;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Stays that are remembered, at most: a counting thread that lags by more says nothing of them.
const MOST_STAYS: usize = 512;
/// A frame reaches the counting thread this long after its time stamp, at most, in nanoseconds.
const GRACE: i64 = 500_000_000;
/// For so long after a switch frames of the channel before may still come out of the driver, in nanoseconds.
const ECHO: i64 = 20_000_000;

/// What was heard during one stay on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Where the radio was told to be.
    pub tuning: Tuning,
    /// When it began, in nanoseconds of CLOCK_BOOTTIME.
    pub from: i64,
    /// When it ended; `None` while it lasts.
    pub to: Option<i64>,
    /// Frames heard that claim this channel, or none at all.
    pub matched: u64,
    /// Frames heard that claim another channel.
    pub foreign: u64,
    /// The channel that the last of those claimed, in MHz.
    pub foreign_mhz: Option<u16>,
}

impl Stay {
    /// How long it was, in nanoseconds; 0 while it lasts.
    #[must_use]
    pub fn nanos(&self) -> i64 {
        self.to.map_or(0, |to| to - self.from)
    }
}

/// The interface to listen on. A change of `generation` means: open it anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tap {
    /// Goes up with each change.
    pub generation: u64,
    /// The interface's name; `None` while there is none.
    pub interface: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    stays: VecDeque<Stay>,
    /// The number of the first of `stays`, counted from the start.
    first: u64,
    /// Until when the counting thread has seen everything, in nanoseconds of CLOCK_BOOTTIME.
    counted: i64,
    tap: Tap,
    /// Why the tap cannot be opened.
    trouble: Option<String>,
}

/// The shared state. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Airtime(Arc<Mutex<State>>);

impl Airtime {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- the side that tunes ---

    /// From `at` on the radio is away from its channel.
    pub fn leave(&self, at: i64, doing: Doing) {
        let mut state = self.lock();
        state.ledger.turn(at, doing);
        if let Some(stay) = state.stays.back_mut() {
            stay.to.get_or_insert(at);
        }
    }

    /// From `at` on the radio listens at `tuning`.
    pub fn arrive(&self, at: i64, tuning: Tuning) {
        let mut state = self.lock();
        if let Some(stay) = state.stays.back_mut() {
            stay.to.get_or_insert(at);
        }
        state.ledger.turn(at, Doing::Listening(tuning.freq_mhz));
        state.stays.push_back(Stay { tuning, from: at, to: None, matched: 0, foreign: 0, foreign_mhz: None });
        if state.stays.len() > MOST_STAYS {
            state.stays.pop_front();
            state.first += 1;
        }
    }

    /// The stays that are over and counted to their end, each once.
    #[must_use]
    pub fn finished(&self) -> Vec<Stay> {
        let mut state = self.lock();
        let mut finished = Vec::new();
        while let Some(stay) =
            state.stays.front().copied().filter(|stay| stay.to.is_some_and(|to| to + GRACE <= state.counted))
        {
            state.stays.pop_front();
            state.first += 1;
            finished.push(stay);
        }
        finished
    }

    /// Forgets the stays so far: what was heard in them no longer tells how the radio is.
    pub fn forget(&self) {
        let mut state = self.lock();
        let keep = usize::from(state.stays.back().is_some_and(|stay| stay.to.is_none()));
        while state.stays.len() > keep {
            state.stays.pop_front();
            state.first += 1;
        }
    }

    /// Says where to listen, or that there is nothing to listen to. The same name again is opened anew.
    pub fn set_tap(&self, interface: Option<&str>) {
        let mut state = self.lock();
        state.tap = Tap { generation: state.tap.generation + 1, interface: interface.map(str::to_owned) };
        state.trouble = None;
    }

    /// Why the counting thread cannot listen, if it cannot.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    // --- the side that counts ---

    /// Where to listen.
    #[must_use]
    pub fn tap(&self) -> Tap {
        self.lock().tap.clone()
    }

    /// Whether the tap has changed since `generation`.
    #[must_use]
    pub fn is_stale(&self, generation: u64) -> bool {
        self.lock().tap.generation != generation
    }

    /// The tap of this generation cannot be opened, or can (`None`).
    pub fn report(&self, generation: u64, trouble: Option<String>) {
        let mut state = self.lock();
        if state.tap.generation == generation {
            state.trouble = trouble;
        }
    }

    /// The first window runs from `start` to `until`.
    pub fn open_window(&self, start: i64, until: i64) {
        self.lock().ledger.open(start, until);
    }

    /// What the radio did in the window that ended at `end`.
    #[must_use]
    pub fn close_window(&self, end: i64) -> Exposure {
        self.lock().ledger.close(end)
    }

    /// The window that is open now ends at `until`.
    pub fn extend_window(&self, until: i64) {
        self.lock().ledger.extend(until);
    }
}

/// The counting thread's eye on which channel a frame claims, against where the radio was at the time.
#[derive(Debug)]
pub struct Witness {
    airtime: Airtime,
    stays: Vec<Stay>,
    /// The number of the first of `stays`.
    first: u64,
    /// Where in `stays` the last frame belonged.
    place: usize,
    fresh: bool,
}

impl Witness {
    /// Looks on for `airtime`.
    #[must_use]
    pub fn new(airtime: &Airtime) -> Self {
        Self { airtime: airtime.clone(), stays: Vec::with_capacity(MOST_STAYS), first: 0, place: 0, fresh: false }
    }

    /// A frame of time `at` (nanoseconds of CLOCK_BOOTTIME) that claims this frequency.
    #[inline]
    pub fn frame(&mut self, at: i64, freq_mhz: Option<u16>) {
        if !self.fresh {
            self.look();
        }
        let holds = |stay: &Stay| at >= stay.from && stay.to.is_none_or(|to| at < to);
        if !self.stays.get(self.place).is_some_and(holds) {
            match self.stays.iter().rposition(holds) {
                Some(place) => self.place = place,
                None => return,
            }
        }
        let Some(stay) = self.stays.get_mut(self.place) else { return };
        match freq_mhz {
            Some(freq_mhz) if !stay.tuning.covers(freq_mhz) => {
                if at >= stay.from + ECHO {
                    stay.foreign += 1;
                    stay.foreign_mhz = Some(freq_mhz);
                }
            }
            _ => stay.matched += 1,
        }
    }

    /// Takes up where the radio was lately: once for each buffer of frames.
    fn look(&mut self) {
        self.stays.clear();
        let state = self.airtime.lock();
        self.first = state.first;
        let blank = |stay: &Stay| Stay { matched: 0, foreign: 0, foreign_mhz: None, ..*stay };
        self.stays.extend(state.stays.iter().map(blank));
        self.place = self.stays.len().saturating_sub(1);
        self.fresh = true;
    }

    /// Everything until `at` is counted: tells what was heard.
    pub fn counted(&mut self, at: i64) {
        let mut state = self.airtime.lock();
        state.counted = at;
        if !std::mem::take(&mut self.fresh) {
            return;
        }
        for (number, heard) in (self.first..).zip(&self.stays).filter(|(_, stay)| stay.matched + stay.foreign > 0) {
            let place = number.checked_sub(state.first).and_then(|place| usize::try_from(place).ok());
            if let Some(stay) = place.and_then(|place| state.stays.get_mut(place)) {
                stay.matched += heard.matched;
                stay.foreign += heard.foreign;
                stay.foreign_mhz = heard.foreign_mhz.or(stay.foreign_mhz);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn frames_are_held_against_where_the_radio_was_at_their_time() {
        let airtime = Airtime::default();
        let mut witness = Witness::new(&airtime);
        airtime.arrive(0, Tuning::narrow(2412));
        airtime.leave(250 * MS, Doing::Switching);
        airtime.arrive(260 * MS, Tuning::narrow(2437));
        witness.frame(10 * MS, Some(2412));
        witness.frame(30 * MS, Some(2437));
        witness.frame(255 * MS, Some(2412)); // while switching: nobody's
        witness.frame(265 * MS, Some(2412)); // an echo of the channel before
        witness.frame(300 * MS, None);
        witness.frame(200 * MS, Some(2412));
        witness.counted(400 * MS);
        assert!(airtime.finished().is_empty(), "frames may still be on their way");
        airtime.leave(510 * MS, Doing::Off);
        witness.frame(500 * MS, Some(2462));
        witness.counted(760 * MS);
        let stays = airtime.finished();
        assert_eq!(stays.len(), 1);
        assert_eq!((stays[0].matched, stays[0].foreign, stays[0].foreign_mhz), (2, 1, Some(2437)));
        assert_eq!(stays[0].nanos(), 250 * MS);
        witness.counted(1100 * MS);
        let stays = airtime.finished();
        assert_eq!((stays[0].matched, stays[0].foreign, stays[0].foreign_mhz), (1, 1, Some(2462)));
        assert!(airtime.finished().is_empty());
    }

    #[test]
    fn a_thread_that_lags_is_not_taken_for_silence_and_nothing_grows() {
        let airtime = Airtime::default();
        for number in 0..2000 {
            airtime.arrive(number * MS, Tuning::narrow(2412));
        }
        assert!(airtime.finished().is_empty());
        let mut witness = Witness::new(&airtime);
        witness.frame(1990 * MS, Some(2412));
        witness.counted(10_000 * MS);
        let stays = airtime.finished();
        assert!(stays.len() < MOST_STAYS);
        assert_eq!(stays.iter().map(|stay| stay.matched).sum::<u64>(), 1);
    }

    #[test]
    fn a_tap_is_opened_anew_when_it_is_set_again() {
        let airtime = Airtime::default();
        airtime.set_tap(Some("airtally0"));
        let tap = airtime.tap();
        airtime.report(tap.generation, Some("down".into()));
        assert_eq!(airtime.trouble().as_deref(), Some("down"));
        airtime.set_tap(Some("airtally0"));
        assert!(airtime.is_stale(tap.generation));
        airtime.report(tap.generation, Some("old news".into()));
        assert_eq!(airtime.trouble(), None);
    }
}
