//! Which windows to ask sensors for again: compares what they say they have with what arrived. Pure: the time and the
//! ledger come in as arguments.
//!
//! Everybody gets a turn, whoever else there is: sensors are asked one after the other, a request each, and the next look
//! goes on where this one stopped.

use crate::wire::{ReplayRequest, RunRange, State, Status};
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
    /// When the ledger is asked about it again; `None` while nothing is missing and the sensor says no more.
    look_at: Option<Instant>,
    holes: HashMap<(u64, u64), Hole>,
}

#[derive(Debug)]
struct Hole {
    since: Instant,
    asked: u32,
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
    /// Notes what a sensor says of itself. Returns what of it is not believed: a run and its newest window, past
    /// [`LAST_BELIEVED`] or before its oldest one. Such a run has no holes, and nothing of it is asked for.
    pub fn heard(&mut self, now: Instant, sensor: &SensorName, status: &Status) -> Option<(Uuid, u64)> {
        if !self.sensors.contains_key(sensor) && self.sensors.len() >= MAX_SENSORS {
            let silent = self.sensors.iter().min_by_key(|(_, sensor)| sensor.heard).map(|(name, _)| name.clone());
            if let Some(silent) = silent {
                self.sensors.remove(&silent);
                self.turns.retain(|name| *name != silent);
            }
        }
        let turns = &mut self.turns;
        let known = self.sensors.entry(sensor.clone()).or_insert_with(|| {
            turns.push_back(sensor.clone());
            Sensor { heard: now, present: true, runs: HashMap::new() }
        });
        known.heard = now;
        known.present = status.state != State::Offline;
        let current = status.run.zip(status.last_seq).map(|(run, last_seq)| (run, 0, last_seq));
        let stored = status.runs.iter().map(|RunRange { run, first_seq, last_seq, .. }| (*run, *first_seq, *last_seq));
        let mut unbelieved = None;
        let mut said: Vec<(Uuid, u64)> = Vec::new();
        for (run, first_seq, last_seq) in stored.chain(current).take(MAX_RUNS) {
            if first_seq <= last_seq && last_seq <= LAST_BELIEVED {
                said.push((run, last_seq));
            } else {
                unbelieved = unbelieved.or(Some((run, last_seq)));
            }
        }
        // A last will repeats no runs: what was known before still holds.
        if !said.is_empty() {
            known.runs.retain(|run, _| said.iter().any(|(other, _)| other == run));
        }
        for (run, last_seq) in said {
            let new = || Run { last_seq, look_at: Some(now), holes: HashMap::new() };
            let run = known.runs.entry(run).or_insert_with(new);
            if last_seq > run.last_seq {
                (run.last_seq, run.look_at) = (last_seq, Some(now));
            }
        }
        unbelieved
    }

    /// The broker lost our queue: what it held will not come by itself.
    pub fn queue_lost(&mut self, now: Instant) {
        self.patience_until = now.checked_add(Duration::from_secs(60));
        for run in self.sensors.values_mut().flat_map(|sensor| sensor.runs.values_mut()) {
            run.look_at = Some(now);
        }
    }

    /// What to ask for now, at most `room` requests. `missing` gives the ranges of windows, from 0 to the given last one,
    /// that neither arrived nor were declared lost.
    pub fn due(
        &mut self,
        now: Instant,
        room: usize,
        mut missing: impl FnMut(&SensorName, Uuid, u64) -> Vec<(u64, u64)>,
    ) -> Vec<(SensorName, ReplayRequest)> {
        let hurry = self.patience_until.is_some_and(|until| now < until);
        let patience = if hurry { SHORT_PATIENCE } else { PATIENCE };
        let mut requests = Vec::new();
        let mut looked_at = 0;
        let waiting = self.sensors.values().filter(|sensor| sensor.present && sensor.is_due(now)).count();
        let share = (room / waiting.max(1)).clamp(1, MAX_REQUESTS);
        let looks = (MAX_LOOKED_AT / waiting.max(1)).clamp(1, MAX_RUNS);
        for _ in 0..self.turns.len() {
            if requests.len() >= room || looked_at >= MAX_LOOKED_AT {
                break;
            }
            let Some(name) = self.turns.pop_front() else { break };
            if let Some(sensor) = self.sensors.get_mut(&name).filter(|sensor| sensor.present) {
                let share = share.min(room - requests.len());
                let asked = sensor.due(now, patience, share, looks, |run, last_seq| {
                    looked_at += 1;
                    missing(&name, run, last_seq)
                });
                requests.extend(asked.into_iter().map(|request| (name.clone(), request)));
            }
            self.turns.push_back(name);
        }
        requests
    }
}

impl Sensor {
    /// Whether there is a run to look at.
    fn is_due(&self, now: Instant) -> bool {
        self.runs.values().any(|run| run.is_due(now))
    }

    /// What to ask this sensor for now: at most `room` requests, after a look at `looks` of its runs.
    fn due(
        &mut self,
        now: Instant,
        patience: Duration,
        room: usize,
        looks: usize,
        mut missing: impl FnMut(Uuid, u64) -> Vec<(u64, u64)>,
    ) -> Vec<ReplayRequest> {
        let mut requests = Vec::new();
        for (&id, run) in self.runs.iter_mut().filter(|(_, run)| run.is_due(now)).take(looks) {
            if requests.len() >= room {
                break;
            }
            let ranges = missing(id, run.last_seq);
            run.holes.retain(|range, _| ranges.contains(range));
            run.look_at = None;
            for range in ranges {
                let hole = run.holes.entry(range).or_insert(Hole { since: now, asked: 0 });
                if now.saturating_duration_since(hole.since) >= hole.wait(patience, range) && requests.len() < room {
                    hole.asked += 1;
                    hole.since = now;
                    let (first_seq, last_seq) = range;
                    requests.push(ReplayRequest { run: id, first_seq, last_seq, id: None });
                }
                let due = now.max(hole.since + hole.wait(patience, range));
                run.look_at = Some(run.look_at.map_or(due, |time| time.min(due)));
            }
        }
        requests
    }
}

impl Run {
    fn is_due(&self, now: Instant) -> bool {
        self.look_at.is_some_and(|time| time <= now)
    }
}

impl Hole {
    /// How long after `since` it is asked for: each time twice as long, up to a bound, and up to a quarter longer, so that
    /// what went missing together is not asked for together for ever.
    fn wait(&self, patience: Duration, (first_seq, last_seq): (u64, u64)) -> Duration {
        if self.asked == 0 {
            return patience;
        }
        let wait = PATIENCE.saturating_mul(2u32.saturating_pow(self.asked.min(16))).min(LONGEST_WAIT);
        let dice = (first_seq ^ last_seq ^ u64::from(self.asked)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
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

    fn status(state: State, last_seq: u64) -> Status {
        Status { state, last_seq: Some(last_seq), ..Status::online(Some(RUN)) }
    }

    #[test]
    fn a_window_on_its_way_is_not_asked_for_and_a_lost_one_is() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), &status(State::Online, 9));
        assert!(holes.due(start, 64, |_, _, _| vec![(5, 6), (9, 9)]).is_empty());
        let later = start + PATIENCE;
        // The tail arrived meanwhile, and the next window is on its way.
        holes.heard(later, &sensor(), &status(State::Online, 10));
        let asked = holes.due(later, 64, |_, _, _| vec![(5, 6), (10, 10)]);
        assert_eq!(asked, vec![(sensor(), ReplayRequest { run: RUN, first_seq: 5, last_seq: 6, id: None })]);
        // Not again at once, but again later.
        assert!(holes.due(later + PATIENCE, 64, |_, _, _| vec![(5, 6)]).is_empty());
        assert_eq!(holes.due(later + 3 * PATIENCE, 64, |_, _, _| vec![(5, 6)]).len(), 1);
    }

    #[test]
    fn a_sensor_that_is_offline_is_not_asked() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), &status(State::Online, 9));
        holes.due(start, 64, |_, _, _| vec![(5, 6)]);
        holes.heard(start, &sensor(), &Status { state: State::Offline, ..Status::online(None) });
        assert!(holes.due(start + 2 * PATIENCE, 64, |_, _, _| vec![(5, 6)]).is_empty());
        holes.heard(start, &sensor(), &status(State::Online, 9));
        assert_eq!(holes.due(start + 2 * PATIENCE, 64, |_, _, _| vec![(5, 6)]).len(), 1);
    }

    #[test]
    fn a_complete_run_is_not_looked_at_again_until_it_grows_or_the_queue_is_lost() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), &status(State::Online, 9));
        let mut looks = 0;
        for _ in 0..3 {
            holes.due(start, 64, |_, _, _| {
                looks += 1;
                Vec::new()
            });
        }
        assert_eq!(looks, 1);
        holes.queue_lost(start);
        holes.due(start, 64, |_, _, _| {
            looks += 1;
            vec![(0, 9)]
        });
        assert_eq!(looks, 2);
        assert_eq!(holes.due(start + SHORT_PATIENCE, 64, |_, _, _| vec![(0, 9)]).len(), 1);
    }

    #[test]
    fn windows_that_cannot_be_are_not_asked_for() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        let range = |run, first_seq, last_seq| RunRange { run, first_seq, last_seq, finished: false };
        let made_up = Uuid::from_u128(2);
        let said = Status { runs: vec![range(made_up, 0, u64::MAX)], ..status(State::Online, 9) };
        assert_eq!(holes.heard(start, &sensor(), &said), Some((made_up, u64::MAX)));
        let said = Status { runs: vec![range(made_up, 5, 4)], ..status(State::Online, u64::MAX) };
        assert_eq!(holes.heard(start, &sensor(), &said), Some((made_up, 4)));
        assert_eq!(
            holes.heard(start, &sensor(), &status(State::Online, LAST_BELIEVED + 1)),
            Some((RUN, LAST_BELIEVED + 1))
        );
        let mut looked = Vec::new();
        for later in 0..3 {
            holes.due(start + later * 2 * LONGEST_WAIT, 64, |_, run, last_seq| {
                looked.push((run, last_seq));
                vec![(0, last_seq)]
            });
        }
        // What was believed before still holds.
        assert_eq!(looked, [(RUN, 9); 3]);
        assert_eq!(holes.heard(start, &sensor(), &status(State::Online, LAST_BELIEVED)), None);
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
                holes.heard(now, &name("liar", index), &Status { runs: lies, ..status(State::Online, 1 << 30) });
            }
            for index in (0..1_000).filter(|_| second == 0) {
                holes.heard(now, &name("honest", index), &status(State::Online, 9));
            }
            let due = holes.due(now, 128, |(kind, _), _, last_seq| match kind.as_str() {
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
        holes.heard(start, &sensor(), &status(State::Online, 9));
        let missing = |_: &SensorName, _, _| vec![(1, 1), (3, 3), (5, 5)];
        holes.due(start, 1, missing);
        let later = start + PATIENCE;
        assert!(holes.due(later, 0, missing).is_empty());
        let asked: Vec<u64> =
            (0..3).flat_map(|_| holes.due(later, 1, missing)).map(|(_, request)| request.first_seq).collect();
        assert_eq!(asked, [1, 3, 5]);
        assert!(holes.due(later, 8, missing).is_empty());
    }

    #[test]
    fn hostile_names_do_not_grow_it_without_bound() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        for index in 0..MAX_SENSORS + 10 {
            holes.heard(start, &("x".into(), index.to_string()), &status(State::Online, 1));
        }
        assert_eq!((holes.sensors.len(), holes.turns.len()), (MAX_SENSORS, MAX_SENSORS));
    }
}
