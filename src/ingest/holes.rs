//! Which windows to ask sensors for again, and which nobody will send any more: compares what sensors say they have with
//! what arrived. Pure: the time and the ledger come in as arguments.
//!
//! Everybody gets a turn, whoever else there is: sensors are asked one after the other, a request each, and the next look
//! goes on where this one stopped. What stays missing for a bound is overdue, whether its sensor is there or not, and whether
//! its status still names the run or not.

use crate::{
    UnixNanos,
    wire::{ReplayRequest, RunRange, State, Status},
};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Sensors kept in mind, at most; a further one pushes out the one that was silent longest.
const MAX_SENSORS: usize = 10_000;
/// Runs of one sensor kept in mind, at most.
const MAX_RUNS: usize = 32;
/// Requests made by one look at one sensor, at most.
const MAX_REQUESTS: usize = 16;
/// Runs that one look asks the ledger about, at most: it is shared with whoever stores.
const MAX_LOOKED_AT: usize = 2_000;
/// Ranges declared overdue by one look, at most: whoever claims windows that never were is not to fill the databases.
const MAX_OVERDUE: usize = 32;
/// How long a window may be on its way before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same after the broker lost our queue: then it is known that something went missing.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);
/// The highest window number that is believed: at a window a second, a run gets there in 34,000 years.
pub const LAST_BELIEVED: u64 = 1 << 40;
/// Longest wait before the same hole is asked for once more.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Site and sensor.
pub type SensorName = (String, String);

/// What one sensor last said, and what is missing of it.
#[derive(Debug)]
struct Sensor {
    heard: Instant,
    present: bool,
    runs: HashMap<Uuid, Run>,
}

#[derive(Debug)]
struct Run {
    last_seq: u64,
    /// When a status last named it.
    named: Instant,
    /// The time in the last status that named it.
    said: UnixNanos,
    /// When the ledger is asked about it again; `None` while nothing is missing and the sensor says no more.
    look_at: Option<Instant>,
    /// What is missing, by its first window.
    holes: HashMap<u64, Hole>,
}

#[derive(Debug)]
struct Hole {
    last_seq: u64,
    /// When it was found, or last asked for.
    since: Instant,
    asked: u32,
    /// Whether its first windows were asked for.
    was_asked: bool,
    /// When it was found, and its last window then: what of it is missing ever since.
    found: (Instant, u64),
}

/// Windows that stay missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Whose.
    pub sensor: SensorName,
    /// The run.
    pub run: Uuid,
    /// The first of them.
    pub first_seq: u64,
    /// The last of them.
    pub last_seq: u64,
    /// The time in the last status that named the run.
    pub said: UnixNanos,
}

/// What one look finds.
#[derive(Debug, Default)]
pub struct Due {
    /// What to ask for.
    pub requests: Vec<(SensorName, ReplayRequest)>,
    /// What nobody will send any more.
    pub overdue: Vec<Overdue>,
}

/// How a look is made.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Requests that there is room for.
    pub room: usize,
    /// Whether sensors are asked at all.
    pub asks: bool,
    /// What is missing for so long is overdue.
    pub patience: Duration,
}

/// The holes of every sensor.
#[derive(Debug, Default)]
pub struct Holes {
    sensors: HashMap<SensorName, Sensor>,
    /// Whose turn it is, from the front; every sensor is in it once.
    turns: VecDeque<SensorName>,
    patience_until: Option<Instant>,
}

impl Holes {
    /// Notes what a sensor says of itself, at `time` by its clock. Returns what of it is not believed: a run and its newest
    /// window, past [`LAST_BELIEVED`] or before its oldest one. Such a run has no holes, and nothing of it is asked for.
    pub fn heard(
        &mut self,
        now: Instant,
        sensor: &SensorName,
        time: UnixNanos,
        status: &Status,
    ) -> Option<(Uuid, u64)> {
        let current = status.run.zip(status.last_seq).map(|(run, last_seq)| (run, 0, last_seq));
        let stored = status.runs.iter().map(|RunRange { run, first_seq, last_seq, .. }| (*run, *first_seq, *last_seq));
        let mut unbelieved = None;
        let known = self.known(now, sensor);
        known.heard = now;
        let present = status.state != State::Offline;
        if present && !known.present {
            // Now it can be asked.
            known.runs.values_mut().filter(|run| run.look_at.is_some()).for_each(|run| run.look_at = Some(now));
        }
        known.present = present;
        for (run, first_seq, last_seq) in stored.chain(current).take(MAX_RUNS) {
            if first_seq <= last_seq && last_seq <= LAST_BELIEVED {
                known.names(now, run, last_seq, time);
            } else {
                unbelieved = unbelieved.or(Some((run, last_seq)));
            }
        }
        unbelieved
    }

    /// Notes what the ledger knows of a run: that its windows up to `last_seq` were counted, and some are not here.
    pub fn recall(&mut self, now: Instant, sensor: &SensorName, run: Uuid, last_seq: u64, time: UnixNanos) {
        self.known(now, sensor).names(now, run, last_seq.min(LAST_BELIEVED), time);
    }

    /// What is known of a sensor. A new one is not there, and pushes out the one that was silent longest, if there are too
    /// many.
    fn known(&mut self, now: Instant, sensor: &SensorName) -> &mut Sensor {
        if !self.sensors.contains_key(sensor) && self.sensors.len() >= MAX_SENSORS {
            let silent = self.sensors.iter().min_by_key(|(_, sensor)| sensor.heard).map(|(name, _)| name.clone());
            if let Some(silent) = silent {
                self.sensors.remove(&silent);
                self.turns.retain(|name| *name != silent);
            }
        }
        let turns = &mut self.turns;
        self.sensors.entry(sensor.clone()).or_insert_with(|| {
            turns.push_back(sensor.clone());
            Sensor { heard: now, present: false, runs: HashMap::new() }
        })
    }

    /// The broker lost our queue: what it held will not come by itself.
    pub fn queue_lost(&mut self, now: Instant) {
        self.patience_until = now.checked_add(Duration::from_secs(60));
        for run in self.sensors.values_mut().flat_map(|sensor| sensor.runs.values_mut()) {
            run.look_at = Some(now);
        }
    }

    /// What to ask for now, and what is overdue. `missing` gives the ranges of windows, from 0 to the given last one, that
    /// neither arrived nor were declared lost.
    pub fn due(
        &mut self,
        now: Instant,
        look: Look,
        mut missing: impl FnMut(&SensorName, Uuid, u64) -> Vec<(u64, u64)>,
    ) -> Due {
        let hurry = self.patience_until.is_some_and(|until| now < until);
        let on_its_way = if hurry { SHORT_PATIENCE } else { PATIENCE };
        let mut due = Due::default();
        let mut looked_at = 0;
        let waiting = self.sensors.values().filter(|sensor| sensor.is_due(now)).count();
        let share = (look.room / waiting.max(1)).clamp(1, MAX_REQUESTS);
        let looks = (MAX_LOOKED_AT / waiting.max(1)).clamp(1, MAX_RUNS);
        for _ in 0..self.turns.len() {
            let is_full = look.asks && due.requests.len() >= look.room;
            if is_full || looked_at >= MAX_LOOKED_AT || due.overdue.len() >= MAX_OVERDUE {
                break;
            }
            let Some(name) = self.turns.pop_front() else { break };
            if let Some(sensor) = self.sensors.get_mut(&name) {
                let room = if look.asks && sensor.present { share.min(look.room - due.requests.len()) } else { 0 };
                let asked = sensor.due(now, on_its_way, Look { room, ..look }, looks, |run, last_seq| {
                    looked_at += 1;
                    missing(&name, run, last_seq)
                });
                due.requests.extend(asked.requests.into_iter().map(|request| (name.clone(), request)));
                due.overdue.extend(asked.overdue.into_iter().map(|(run, first_seq, last_seq, said)| Overdue {
                    sensor: name.clone(),
                    run,
                    first_seq,
                    last_seq,
                    said,
                }));
            }
            self.turns.push_back(name);
        }
        due
    }
}

/// What one look finds of one sensor.
#[derive(Default)]
struct OfOne {
    requests: Vec<ReplayRequest>,
    /// Run, first and last window, and when the run was last named.
    overdue: Vec<(Uuid, u64, u64, UnixNanos)>,
}

impl Sensor {
    /// Notes that a run has windows up to `last_seq`. One too many pushes out the run that was named longest ago.
    fn names(&mut self, now: Instant, run: Uuid, last_seq: u64, said: UnixNanos) {
        if !self.runs.contains_key(&run) && self.runs.len() >= MAX_RUNS {
            let oldest =
                self.runs.iter().min_by_key(|(_, run)| (run.look_at.is_some(), run.named)).map(|(run, _)| *run);
            oldest.map(|oldest| self.runs.remove(&oldest));
        }
        let new = || Run { last_seq, named: now, said, look_at: Some(now), holes: HashMap::new() };
        let run = self.runs.entry(run).or_insert_with(new);
        (run.named, run.said) = (now, run.said.max(said));
        if last_seq > run.last_seq {
            (run.last_seq, run.look_at) = (last_seq, Some(now));
        }
    }

    /// Whether there is a run to look at.
    fn is_due(&self, now: Instant) -> bool {
        self.runs.values().any(|run| run.is_due(now))
    }

    /// What to ask this sensor for now, and what of it is overdue, after a look at `looks` of its runs.
    fn due(
        &mut self,
        now: Instant,
        on_its_way: Duration,
        look: Look,
        looks: usize,
        mut missing: impl FnMut(Uuid, u64) -> Vec<(u64, u64)>,
    ) -> OfOne {
        let mut due = OfOne::default();
        let asks = look.asks && self.present;
        for (&id, run) in self.runs.iter_mut().filter(|(_, run)| run.is_due(now)).take(looks) {
            if asks && due.requests.len() >= look.room {
                break;
            }
            let ranges = missing(id, run.last_seq);
            run.holes.retain(|first, _| ranges.iter().any(|(other, _)| other == first));
            run.look_at = None;
            for (first_seq, last_seq) in ranges {
                let hole = run.holes.entry(first_seq).or_insert_with(|| Hole::new(now, last_seq));
                hole.reaches(now, last_seq);
                let wait = hole.wait(on_its_way, first_seq);
                if asks && now.saturating_duration_since(hole.since) >= wait && due.requests.len() < look.room {
                    (hole.asked, hole.was_asked, hole.since) = (hole.asked + 1, true, now);
                    due.requests.push(ReplayRequest { run: id, first_seq, last_seq, id: None });
                }
                // A sensor that is there is asked before anything of it is given up.
                if hole.is_overdue(now, look.patience) && (hole.was_asked || !asks) && due.overdue.len() < MAX_OVERDUE {
                    due.overdue.push((id, first_seq, last_seq.min(hole.found.1), run.said));
                    // It may not have been declared: then it is looked at again as a new one.
                    *hole = Hole { asked: hole.asked, was_asked: true, ..Hole::new(now, last_seq) };
                    run.look_at = Some(now);
                }
                let ask = asks.then(|| hole.since + hole.wait(on_its_way, first_seq));
                let next = ask.into_iter().chain([hole.found.0 + look.patience]).min().unwrap_or(now).max(now);
                run.look_at = Some(run.look_at.map_or(next, |time| time.min(next)));
            }
        }
        due
    }
}

impl Run {
    fn is_due(&self, now: Instant) -> bool {
        self.look_at.is_some_and(|time| time <= now)
    }
}

impl Hole {
    const fn new(now: Instant, last_seq: u64) -> Self {
        Self { last_seq, since: now, asked: 0, was_asked: false, found: (now, last_seq) }
    }

    /// Notes where it ends now. A hole that another window was added to, or that became smaller, is new to whoever asks; how
    /// long its first windows are missing stays.
    fn reaches(&mut self, now: Instant, last_seq: u64) {
        if self.last_seq != last_seq {
            (self.last_seq, self.since, self.asked) = (last_seq, now, 0);
        }
    }

    fn is_overdue(&self, now: Instant, patience: Duration) -> bool {
        now.saturating_duration_since(self.found.0) >= patience
    }

    /// How long after `since` it is asked for: each time twice as long, up to a bound, and up to a quarter longer, so that
    /// what went missing together is not asked for together for ever.
    fn wait(&self, on_its_way: Duration, first_seq: u64) -> Duration {
        if self.asked == 0 {
            return on_its_way;
        }
        let wait = PATIENCE.saturating_mul(2u32.saturating_pow(self.asked.min(16))).min(LONGEST_WAIT);
        let dice = (first_seq ^ self.last_seq ^ u64::from(self.asked)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        wait + wait / 1024 * u32::try_from(dice).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RUN: Uuid = Uuid::from_u128(1);

    fn sensor() -> SensorName {
        ("home".into(), "attic".into())
    }

    /// What is asked for, and nothing is overdue.
    fn asks(
        holes: &mut Holes,
        now: Instant,
        room: usize,
        missing: impl FnMut(&SensorName, Uuid, u64) -> Vec<(u64, u64)>,
    ) -> Vec<(SensorName, ReplayRequest)> {
        let due = holes.due(now, Look { room, asks: true, patience: Duration::from_secs(86_400) }, missing);
        assert_eq!(due.overdue, []);
        due.requests
    }

    /// What is overdue after a bound of 60 s.
    fn overdue(holes: &mut Holes, now: Instant, asks: bool, missing: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let look = Look { room: 64, asks, patience: Duration::from_secs(60) };
        let due = holes.due(now, look, |_, _, _| missing.to_vec());
        assert!(due.overdue.iter().all(|one| one.sensor == sensor() && one.run == RUN));
        due.overdue.into_iter().map(|one| (one.first_seq, one.last_seq)).collect()
    }

    #[test]
    fn what_stays_missing_is_overdue_whether_its_sensor_is_there_or_not() {
        for (asks, state) in [(true, State::Online), (true, State::Offline), (false, State::Online)] {
            let (mut holes, start) = (Holes::default(), Instant::now());
            holes.heard(start, &sensor(), UnixNanos(0), &status(state, 9));
            let missing = [(2, 3), (9, 9)];
            let mut found = Vec::new();
            for second in 0..70 {
                let now = start + Duration::from_secs(second);
                let now_overdue = overdue(&mut holes, now, asks, if found.is_empty() { &missing } else { &[] });
                assert!(second >= 60 || now_overdue.is_empty(), "after {second} s: {now_overdue:?}");
                found.extend(now_overdue);
            }
            assert_eq!(found, missing, "{asks} {state:?}");
        }
    }

    #[test]
    fn a_run_that_the_status_names_no_longer_and_one_of_the_ledger_are_overdue_too() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, 9));
        let other = Status { run: Some(Uuid::from_u128(2)), ..status(State::Online, 0) };
        holes.heard(start + PATIENCE, &sensor(), UnixNanos(0), &other);
        holes.recall(start, &("home".into(), "cellar".into()), RUN, 5, UnixNanos(7));
        let missing = |_: &SensorName, run: Uuid, last_seq| if run == RUN { vec![(4, last_seq)] } else { Vec::new() };
        let look = Look { room: 64, asks: true, patience: Duration::from_secs(60) };
        let mut found: Vec<(String, u64, UnixNanos)> = (0..=60)
            .flat_map(|second| holes.due(start + Duration::from_secs(second), look, missing).overdue)
            .map(|one| (one.sensor.1, one.last_seq, one.said))
            .collect();
        found.sort();
        assert_eq!(found, [("attic".into(), 9, UnixNanos(0)), ("cellar".into(), 5, UnixNanos(7))]);
    }

    #[test]
    fn a_hole_that_grows_is_overdue_as_far_as_it_was_found() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        let mut found = Vec::new();
        for second in 0..=125 {
            let (now, newest) = (start + Duration::from_secs(second), second / 10);
            holes.heard(now, &sensor(), UnixNanos(0), &status(State::Online, newest));
            let next = found.last().map_or(0, |(_, last)| last + 1);
            let missing = if next <= newest { vec![(next, newest)] } else { Vec::new() };
            found.extend(overdue(&mut holes, now, true, &missing));
        }
        // What was missing after 0 s, and what had come to it when that was declared.
        assert_eq!(found, [(0, 0), (1, 6)]);
    }

    #[test]
    fn what_comes_bit_by_bit_is_not_overdue() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, 20));
        for second in 0..200 {
            let now = start + Duration::from_secs(second);
            assert_eq!(overdue(&mut holes, now, true, &[(second / 10, 20)]), []);
        }
    }

    fn status(state: State, last_seq: u64) -> Status {
        Status { state, last_seq: Some(last_seq), ..Status::online(Some(RUN)) }
    }

    #[test]
    fn a_window_on_its_way_is_not_asked_for_and_a_lost_one_is() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, 9));
        assert!(asks(&mut holes, start, 64, |_, _, _| vec![(5, 6), (9, 9)]).is_empty());
        let later = start + PATIENCE;
        // The tail arrived meanwhile, and the next window is on its way.
        holes.heard(later, &sensor(), UnixNanos(0), &status(State::Online, 10));
        let asked = asks(&mut holes, later, 64, |_, _, _| vec![(5, 6), (10, 10)]);
        assert_eq!(asked, vec![(sensor(), ReplayRequest { run: RUN, first_seq: 5, last_seq: 6, id: None })]);
        // Not again at once, but again later.
        assert!(asks(&mut holes, later + PATIENCE, 64, |_, _, _| vec![(5, 6)]).is_empty());
        assert_eq!(asks(&mut holes, later + 3 * PATIENCE, 64, |_, _, _| vec![(5, 6)]).len(), 1);
    }

    #[test]
    fn a_sensor_that_is_offline_is_not_asked() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, 9));
        asks(&mut holes, start, 64, |_, _, _| vec![(5, 6)]);
        holes.heard(start, &sensor(), UnixNanos(0), &Status { state: State::Offline, ..Status::online(None) });
        assert!(asks(&mut holes, start + 2 * PATIENCE, 64, |_, _, _| vec![(5, 6)]).is_empty());
        holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, 9));
        assert_eq!(asks(&mut holes, start + 2 * PATIENCE, 64, |_, _, _| vec![(5, 6)]).len(), 1);
    }

    #[test]
    fn a_complete_run_is_not_looked_at_again_until_it_grows_or_the_queue_is_lost() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, 9));
        let mut looks = 0;
        for _ in 0..3 {
            asks(&mut holes, start, 64, |_, _, _| {
                looks += 1;
                Vec::new()
            });
        }
        assert_eq!(looks, 1);
        holes.queue_lost(start);
        asks(&mut holes, start, 64, |_, _, _| {
            looks += 1;
            vec![(0, 9)]
        });
        assert_eq!(looks, 2);
        assert_eq!(asks(&mut holes, start + SHORT_PATIENCE, 64, |_, _, _| vec![(0, 9)]).len(), 1);
    }

    #[test]
    fn windows_that_cannot_be_are_not_asked_for() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        let range = |run, first_seq, last_seq| RunRange { run, first_seq, last_seq, finished: false };
        let made_up = Uuid::from_u128(2);
        let said = Status { runs: vec![range(made_up, 0, u64::MAX)], ..status(State::Online, 9) };
        assert_eq!(holes.heard(start, &sensor(), UnixNanos(0), &said), Some((made_up, u64::MAX)));
        let said = Status { runs: vec![range(made_up, 5, 4)], ..status(State::Online, u64::MAX) };
        assert_eq!(holes.heard(start, &sensor(), UnixNanos(0), &said), Some((made_up, 4)));
        assert_eq!(
            holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, LAST_BELIEVED + 1)),
            Some((RUN, LAST_BELIEVED + 1))
        );
        let mut looked = Vec::new();
        for later in 0..3 {
            asks(&mut holes, start + later * 2 * LONGEST_WAIT, 64, |_, run, last_seq| {
                looked.push((run, last_seq));
                vec![(0, last_seq)]
            });
        }
        // What was believed before still holds.
        assert_eq!(looked, [(RUN, 9); 3]);
        assert_eq!(holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, LAST_BELIEVED)), None);
    }

    /// A thousand sensors with a hole each, among three thousand made-up ones that claim ever more runs: all of the thousand
    /// are asked within a minute, a bounded number at a time, and none is asked without end.
    #[test]
    fn everybody_is_asked_whoever_else_lies() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        let name = |kind: &str, index: usize| (kind.to_owned(), index.to_string());
        let range = |run| RunRange { run: Uuid::from_u128(run), first_seq: 0, last_seq: 1 << 30, finished: true };
        let mut asked = HashMap::<SensorName, usize>::new();
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            for index in 0..3_000 {
                let lies = (0..32).map(|run| range(u128::from(second) << 64 | run)).collect();
                holes.heard(
                    now,
                    &name("liar", index),
                    UnixNanos(0),
                    &Status { runs: lies, ..status(State::Online, 1 << 30) },
                );
            }
            for index in (0..1_000).filter(|_| second == 0) {
                holes.heard(now, &name("honest", index), UnixNanos(0), &status(State::Online, 9));
            }
            let due = asks(&mut holes, now, 128, |(kind, _), _, last_seq| match kind.as_str() {
                "honest" => vec![(3, 4)],
                _ => vec![(0, last_seq)],
            });
            assert!(due.len() <= 128);
            due.into_iter().for_each(|(sensor, _)| *asked.entry(sensor).or_default() += 1);
        }
        let honest: Vec<usize> =
            asked.iter().filter(|((kind, _), _)| kind == "honest").map(|(_, count)| *count).collect();
        assert_eq!(honest.len(), 1_000);
        assert!(honest.iter().all(|count| *count <= 4), "{:?}", honest.iter().max());
    }

    #[test]
    fn what_there_is_no_room_for_is_not_counted_as_asked() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), UnixNanos(0), &status(State::Online, 9));
        let missing = |_: &SensorName, _, _| vec![(1, 1), (3, 3), (5, 5)];
        asks(&mut holes, start, 1, missing);
        let later = start + PATIENCE;
        assert!(asks(&mut holes, later, 0, missing).is_empty());
        let asked: Vec<u64> =
            (0..3).flat_map(|_| asks(&mut holes, later, 1, missing)).map(|(_, request)| request.first_seq).collect();
        assert_eq!(asked, [1, 3, 5]);
        assert!(asks(&mut holes, later, 8, missing).is_empty());
    }

    #[test]
    fn hostile_names_do_not_grow_it_without_bound() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        for index in 0..MAX_SENSORS + 10 {
            holes.heard(start, &("x".into(), index.to_string()), UnixNanos(0), &status(State::Online, 1));
        }
        assert_eq!((holes.sensors.len(), holes.turns.len()), (MAX_SENSORS, MAX_SENSORS));
    }
}
