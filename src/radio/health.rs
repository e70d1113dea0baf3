//! Whether the radio hears what it should: a pure judgement on what was heard during each stay on a channel, and on what
//! this place usually gives. Says what to try next; tries nothing itself.

use super::{airtime::Stay, baseline::Baseline};
use crate::pace::Backoff;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Frames that must be missing before silence means something.
const MISSING: f64 = 10.0;
/// Frames of other channels that must be heard before they mean something.
const STRAY: u64 = 10;
/// What judging takes at least, however short a cycle is.
const LEAST: Duration = Duration::from_secs(2);
/// Pause after a round of healing in vain; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);

/// How the radio is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hearing {
    /// It hears, or nothing speaks against it.
    #[default]
    Good,
    /// It hears nothing, and nobody knows whether there is anything to hear.
    Quiet,
    /// It hears nothing where there is something to hear.
    Deaf,
    /// It hears, or is, elsewhere than it was told to be.
    WrongChannel,
}

/// What to try, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Tune to the channel again.
    Retune,
    /// Take the interface down, and up again.
    Bounce,
    /// Remove the interface and create it anew.
    Recreate,
    /// Tell a person: nothing that we may do helps.
    Advise,
}

const STEPS: [Step; 4] = [Step::Retune, Step::Bounce, Step::Recreate, Step::Advise];

/// What a judgement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How the radio is.
    pub hearing: Hearing,
    /// What to do now.
    pub step: Option<Step>,
}

/// One stay, with what the driver said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What was heard.
    pub stay: Stay,
    /// Whether the driver named another frequency than the one commanded.
    pub elsewhere: bool,
}

/// The judge. Time is any clock that only moves forward, as the duration since its start.
#[derive(Debug)]
pub struct Health {
    baseline: Baseline,
    hearing: Hearing,
    /// The last cycle's stays, newest last.
    recent: VecDeque<Observed>,
    /// Listened to since the last frame, by frequency; and in how many stays.
    silence: BTreeMap<u16, Duration>,
    silent_stays: usize,
    /// Which step is next, and not before when.
    next: usize,
    rest_until: Duration,
    backoff: Backoff,
}

impl Health {
    /// A judge who knows what the place usually gives.
    #[must_use]
    pub fn new(baseline: Baseline) -> Self {
        Self {
            baseline,
            hearing: Hearing::Good,
            recent: VecDeque::new(),
            silence: BTreeMap::new(),
            silent_stays: 0,
            next: 0,
            rest_until: Duration::ZERO,
            backoff: Backoff::new(PAUSE, LONGEST),
        }
    }

    /// What the place usually gives, as known by now.
    pub fn baseline(&mut self) -> &mut Baseline {
        &mut self.baseline
    }

    /// The radio was set up anew, or away: what was heard before says nothing of it.
    pub fn forget(&mut self) {
        self.recent.clear();
        self.silence.clear();
        self.silent_stays = 0;
    }

    /// Judges after some more stays; `cycle` is how many stays and how much time a cycle takes.
    pub fn judge(&mut self, now: Duration, cycle: (usize, Duration), stays: &[Observed]) -> Verdict {
        let each = (cycle.1 / u32::try_from(cycle.0.max(1)).unwrap_or(u32::MAX)).max(Duration::from_millis(1));
        let least = usize::try_from(LEAST.as_millis() / each.as_millis().max(1)).unwrap_or(usize::MAX);
        let enough = cycle.0.max(least).max(1);
        for observed in stays {
            self.take(*observed);
        }
        while self.recent.len() > enough {
            self.recent.pop_front();
        }
        let was = self.hearing;
        self.hearing = self.verdict(enough);
        if was != self.hearing && (self.hearing == Hearing::Good || was == Hearing::Good) {
            // What may be nothing can wait a minute.
            let rest = if self.hearing == Hearing::Quiet { PAUSE } else { Duration::ZERO };
            (self.next, self.rest_until) = (0, now + rest);
            self.backoff.reset();
        }
        Verdict { hearing: self.hearing, step: self.step(now, enough) }
    }

    fn take(&mut self, observed: Observed) {
        let stay = observed.stay;
        let listened = Duration::from_nanos(u64::try_from(stay.nanos()).unwrap_or(0));
        self.recent.push_back(observed);
        *self.silence.entry(stay.tuning.freq_mhz).or_default() += listened;
        if stay.matched == 0 {
            self.silent_stays += 1;
            return;
        }
        let mut silence = std::mem::take(&mut self.silence);
        if self.hearing != Hearing::Good {
            // It was the radio that was silent, or nobody knows: that says nothing of the place.
            silence = BTreeMap::from([(stay.tuning.freq_mhz, listened)]);
        }
        for (freq_mhz, listened) in silence {
            let frames = if freq_mhz == stay.tuning.freq_mhz { stay.matched } else { 0 };
            self.baseline.learn(freq_mhz, frames, listened);
        }
        self.silent_stays = 0;
    }

    fn verdict(&self, enough: usize) -> Hearing {
        let sum = |of: fn(&Observed) -> u64| self.recent.iter().map(of).sum::<u64>();
        let (matched, foreign) = (sum(|observed| observed.stay.matched), sum(|observed| observed.stay.foreign));
        let elsewhere = sum(|observed| observed.elsewhere.into());
        // Four in five: a strong neighbour is heard on the next channel too, and some drivers name that one.
        if (foreign >= STRAY && foreign > 4 * matched) || (elsewhere > 1 && elsewhere * 2 > self.recent.len() as u64) {
            return Hearing::WrongChannel;
        }
        if self.recent.back().is_some_and(|observed| observed.stay.matched > 0) {
            return Hearing::Good;
        }
        if !self.is_silent(enough) {
            return self.hearing;
        }
        match self.baseline.expected(&self.silence) {
            None => Hearing::Quiet,
            Some(frames) if frames >= MISSING => Hearing::Deaf,
            Some(_) => match self.hearing {
                Hearing::Deaf => Hearing::Deaf,
                _ => Hearing::Good,
            },
        }
    }

    /// Not yet two cycles, so that a verdict falls within two.
    const fn is_silent(&self, enough: usize) -> bool {
        self.silent_stays * 2 >= enough * 3
    }

    /// The next step, if it is time for one. Each gets a cycle and a half to show what it did.
    fn step(&mut self, now: Duration, enough: usize) -> Option<Step> {
        let judged = match self.hearing {
            Hearing::Good => return None,
            Hearing::WrongChannel => self.recent.len() >= enough.div_ceil(2),
            Hearing::Quiet | Hearing::Deaf => self.is_silent(enough),
        };
        if !judged || now < self.rest_until {
            return None;
        }
        let step = if self.hearing == Hearing::Quiet {
            // Nothing says that it is ill: one attempt, and a pause.
            self.rest(now);
            Step::Bounce
        } else {
            let step = STEPS.get(self.next).copied().unwrap_or(Step::Advise);
            if step == Step::Advise {
                self.next = 0;
                self.rest(now);
            } else {
                self.next += 1;
            }
            step
        };
        self.forget();
        Some(step)
    }

    fn rest(&mut self, now: Duration) {
        self.rest_until = now + self.backoff.pause();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dot11::channels::Tuning;
    use proptest::prelude::*;

    const DWELL: i64 = 250;
    const CYCLE: (usize, Duration) = (10, Duration::from_millis(2500));

    fn stay(freq_mhz: u16, matched: u64, foreign: u64) -> Observed {
        let foreign_mhz = (foreign > 0).then_some(2472);
        let tuning = Tuning::narrow(freq_mhz);
        let stay = Stay { tuning, from: 0, to: Some(DWELL * 1_000_000), matched, foreign, foreign_mhz };
        Observed { stay, elsewhere: false }
    }

    /// A judge and its clock, stay by stay over ten channels.
    struct Court {
        health: Health,
        stays: u32,
        steps: Vec<(u32, Step)>,
    }

    impl Court {
        fn new(baseline: Baseline) -> Self {
            Self { health: Health::new(baseline), stays: 0, steps: Vec::new() }
        }

        fn hear(&mut self, stays: u32, matched: u64, foreign: u64) -> Hearing {
            self.observe(stays, |freq_mhz| stay(freq_mhz, matched, foreign))
        }

        fn observe(&mut self, stays: u32, observed: impl Fn(u16) -> Observed) -> Hearing {
            for _ in 0..stays {
                self.stays += 1;
                let freq_mhz = 2412 + 5 * u16::try_from(self.stays % 10).unwrap_or(0);
                let now = Duration::from_millis(u64::from(self.stays) * DWELL.unsigned_abs());
                let verdict = self.health.judge(now, CYCLE, &[observed(freq_mhz)]);
                self.steps.extend(verdict.step.map(|step| (self.stays, step)));
            }
            self.health.hearing
        }
    }

    /// A place that gives `frames` in each stay.
    fn place(frames: u64) -> Baseline {
        let mut baseline = Baseline::new(Duration::from_secs(60));
        for number in 0..240 {
            baseline.learn(2412 + 5 * (number % 10), frames, Duration::from_millis(DWELL.unsigned_abs()));
        }
        baseline
    }

    #[test]
    fn silence_where_there_were_frames_is_deafness_within_two_cycles_and_is_healed_by_steps() {
        let mut court = Court::new(place(3));
        assert_eq!(court.hear(100, 3, 0), Hearing::Good);
        assert_eq!(court.hear(14, 0, 0), Hearing::Good);
        assert_eq!(court.hear(6, 0, 0), Hearing::Deaf, "within two cycles");
        court.hear(60, 0, 0);
        let steps: Vec<Step> = court.steps.iter().map(|(_, step)| *step).collect();
        assert_eq!(steps, [Step::Retune, Step::Bounce, Step::Recreate, Step::Advise]);
        court.steps.clear();
        court.hear(4 * 60 - 50, 0, 0);
        assert_eq!(court.steps, [], "then it rests a minute");
        court.hear(100, 0, 0);
        assert_eq!(court.steps.len(), 4, "and begins again");
        assert_eq!(court.hear(1, 1, 0), Hearing::Good, "one frame is enough");
    }

    #[test]
    fn without_a_baseline_a_place_is_quiet_and_one_healing_is_tried_with_backoff_up_to_an_hour() {
        let mut court = Court::new(Baseline::new(Duration::from_secs(3600)));
        assert_eq!(court.hear(20, 0, 0), Hearing::Quiet);
        assert_eq!(court.steps, []);
        court.hear(240, 0, 0);
        assert_eq!(court.steps, [(15 + 240, Step::Bounce)]);
        assert_eq!(court.hear(4 * 3600 * 10, 0, 0), Hearing::Quiet);
        let times: Vec<u32> = court.steps.iter().map(|(stay, _)| stay / 4).collect();
        let pauses: Vec<u32> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[..4], [60, 120, 240, 480]);
        assert!(pauses.iter().all(|pause| *pause <= 3600) && pauses.contains(&3600), "{pauses:?}");
    }

    #[test]
    fn a_place_that_gives_little_is_given_time() {
        // One frame in a hundred stays.
        let mut baseline = Baseline::new(Duration::from_secs(60));
        for number in 0..240 {
            baseline.learn(2412 + 5 * (number % 10), u64::from(number % 100 == 0), Duration::from_millis(250));
        }
        let mut court = Court::new(baseline);
        assert_eq!(court.hear(600, 0, 0), Hearing::Good);
        assert_eq!(court.hear(900, 0, 0), Hearing::Deaf);
    }

    #[test]
    fn frames_of_another_channel_are_noticed_within_two_cycles_and_strays_are_not() {
        let mut court = Court::new(place(3));
        assert_eq!(court.hear(100, 3, 1), Hearing::Good);
        assert_eq!(court.hear(20, 0, 3), Hearing::WrongChannel);
        assert_eq!(court.steps.first().map(|(_, step)| *step), Some(Step::Retune));
        assert_eq!(court.hear(11, 3, 0), Hearing::Good);
        let elsewhere = |freq_mhz| Observed { elsewhere: true, ..stay(freq_mhz, 3, 0) };
        assert_eq!(court.observe(20, elsewhere), Hearing::WrongChannel, "the driver itself says so");
    }

    #[test]
    fn deafness_is_not_learned_as_what_the_place_gives() {
        let mut court = Court::new(place(3));
        court.hear(10_000, 0, 0);
        court.hear(1, 1, 0);
        assert_eq!(court.hear(30, 0, 0), Hearing::Deaf);
    }

    proptest! {
        #[test]
        fn steps_are_never_hot(
            heard in proptest::collection::vec((0u64..3, 0u64..20), 1..400), known: bool,
        ) {
            let mut court = Court::new(if known { place(3) } else { Baseline::new(Duration::from_secs(60)) });
            for (matched, foreign) in heard {
                court.hear(1, matched / 2, foreign / 10 * foreign);
            }
            for pair in court.steps.windows(2) {
                prop_assert!(pair[1].0 - pair[0].0 >= 5, "{:?}", pair);
            }
        }
    }
}
