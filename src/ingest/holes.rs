//! Which windows to ask sensors for again: compares what they say they have with what arrived. Pure: the time and the
//! ledger come in as arguments.

use crate::wire::{ReplayRequest, RunRange, State, Status};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Sensors kept in mind, at most; a further one pushes out the one that was silent longest.
const MAX_SENSORS: usize = 10_000;
/// Runs of one sensor kept in mind, at most.
const MAX_RUNS: usize = 32;
/// Requests made by one look at one sensor, at most.
const MAX_REQUESTS: usize = 16;
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
    /// Everything up to here has arrived: no need to look again before the sensor says more.
    complete_to: Option<u64>,
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
            }
        }
        let known = self.sensors.entry(sensor.clone()).or_insert_with(|| Sensor {
            heard: now,
            present: true,
            runs: HashMap::new(),
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
            let run =
                known.runs.entry(run).or_insert_with(|| Run { last_seq, complete_to: None, holes: HashMap::new() });
            run.last_seq = run.last_seq.max(last_seq);
        }
        unbelieved
    }

    /// The broker lost our queue: what it held will not come by itself.
    pub fn queue_lost(&mut self, now: Instant) {
        self.patience_until = now.checked_add(Duration::from_secs(60));
        for run in self.sensors.values_mut().flat_map(|sensor| sensor.runs.values_mut()) {
            run.complete_to = None;
        }
    }

    /// What to ask for now. `missing` gives the ranges of windows, from 0 to the given last one, that neither arrived
    /// nor were declared lost.
    pub fn due(
        &mut self,
        now: Instant,
        mut missing: impl FnMut(&SensorName, Uuid, u64) -> Vec<(u64, u64)>,
    ) -> Vec<(SensorName, ReplayRequest)> {
        let hurry = self.patience_until.is_some_and(|until| now < until);
        let patience = if hurry { SHORT_PATIENCE } else { PATIENCE };
        let mut requests = Vec::new();
        for (name, sensor) in self.sensors.iter_mut().filter(|(_, sensor)| sensor.present) {
            let mut room = MAX_REQUESTS;
            for (&id, run) in &mut sensor.runs {
                if run.complete_to == Some(run.last_seq) {
                    continue;
                }
                let ranges = missing(name, id, run.last_seq);
                run.complete_to = ranges.is_empty().then_some(run.last_seq);
                run.holes.retain(|range, _| ranges.contains(range));
                for range in ranges {
                    let hole = run.holes.entry(range).or_insert(Hole { since: now, asked: 0 });
                    let wait = match hole.asked {
                        0 => patience,
                        asked => PATIENCE.saturating_mul(2u32.saturating_pow(asked.min(16))).min(LONGEST_WAIT),
                    };
                    if room > 0 && now.saturating_duration_since(hole.since) >= wait {
                        room -= 1;
                        hole.asked += 1;
                        hole.since = now;
                        let (first_seq, last_seq) = range;
                        requests.push((name.clone(), ReplayRequest { run: id, first_seq, last_seq, id: None }));
                    }
                }
            }
        }
        requests
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
        assert!(holes.due(start, |_, _, _| vec![(5, 6), (9, 9)]).is_empty());
        let later = start + PATIENCE;
        // The tail arrived meanwhile, and the next window is on its way.
        holes.heard(later, &sensor(), &status(State::Online, 10));
        let asked = holes.due(later, |_, _, _| vec![(5, 6), (10, 10)]);
        assert_eq!(asked, vec![(sensor(), ReplayRequest { run: RUN, first_seq: 5, last_seq: 6, id: None })]);
        // Not again at once, but again later.
        assert!(holes.due(later + PATIENCE, |_, _, _| vec![(5, 6)]).is_empty());
        assert_eq!(holes.due(later + 2 * PATIENCE, |_, _, _| vec![(5, 6)]).len(), 1);
    }

    #[test]
    fn a_sensor_that_is_offline_is_not_asked() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), &status(State::Online, 9));
        holes.due(start, |_, _, _| vec![(5, 6)]);
        holes.heard(start, &sensor(), &Status { state: State::Offline, ..Status::online(None) });
        assert!(holes.due(start + 2 * PATIENCE, |_, _, _| vec![(5, 6)]).is_empty());
        holes.heard(start, &sensor(), &status(State::Online, 9));
        assert_eq!(holes.due(start + 2 * PATIENCE, |_, _, _| vec![(5, 6)]).len(), 1);
    }

    #[test]
    fn a_complete_run_is_not_looked_at_again_until_it_grows_or_the_queue_is_lost() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        holes.heard(start, &sensor(), &status(State::Online, 9));
        let mut looks = 0;
        for _ in 0..3 {
            holes.due(start, |_, _, _| {
                looks += 1;
                Vec::new()
            });
        }
        assert_eq!(looks, 1);
        holes.queue_lost(start);
        holes.due(start, |_, _, _| {
            looks += 1;
            vec![(0, 9)]
        });
        assert_eq!(looks, 2);
        assert_eq!(holes.due(start + SHORT_PATIENCE, |_, _, _| vec![(0, 9)]).len(), 1);
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
            holes.due(start + later * LONGEST_WAIT, |_, run, last_seq| {
                looked.push((run, last_seq));
                vec![(0, last_seq)]
            });
        }
        // What was believed before still holds.
        assert_eq!(looked, [(RUN, 9); 3]);
        assert_eq!(holes.heard(start, &sensor(), &status(State::Online, LAST_BELIEVED)), None);
    }

    #[test]
    fn hostile_names_do_not_grow_it_without_bound() {
        let (mut holes, start) = (Holes::default(), Instant::now());
        for index in 0..MAX_SENSORS + 10 {
            holes.heard(start, &("x".into(), index.to_string()), &status(State::Online, 1));
        }
        assert_eq!(holes.sensors.len(), MAX_SENSORS);
    }
}
