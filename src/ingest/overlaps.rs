//! Two sensors of one name: their runs cover the same time. Pure: the time comes in as an argument.

use super::holes::SensorName;
use crate::{UnixNanos, wire::Overlap};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Sensors kept in mind, at most; a further one pushes out all others.
const MAX_SENSORS: usize = 10_000;
/// Runs of one sensor kept in mind, at most: those heard last.
const MAX_RUNS: usize = 8;
/// Sensors whose runs met that are kept in mind, at most.
const MAX_MET: usize = 1_000;
/// Overlaps that are told, at most.
const MAX_TOLD: usize = 16;
/// An overlap without news for this long is over.
const OVER: Duration = Duration::from_secs(600);

/// The time that a run's windows cover, as far as they came here.
#[derive(Debug)]
struct Span {
    run: Uuid,
    start: UnixNanos,
    end: UnixNanos,
}

/// What the runs of every sensor cover, and which of them met.
#[derive(Debug, Default)]
pub struct Overlaps {
    spans: HashMap<SensorName, VecDeque<Span>>,
    /// Sensors whose runs met, with the two runs and when that was last seen.
    met: HashMap<SensorName, ([Uuid; 2], Instant)>,
}

impl Overlaps {
    /// Notes a window. Gives the run whose time it is in, if that is another's.
    pub fn window(
        &mut self,
        now: Instant,
        sensor: &SensorName,
        run: Uuid,
        start: UnixNanos,
        end: UnixNanos,
    ) -> Option<Uuid> {
        if !self.spans.contains_key(sensor) && self.spans.len() >= MAX_SENSORS {
            self.spans.clear();
        }
        let spans = self.spans.entry(sensor.clone()).or_default();
        let other = spans.iter().find(|span| span.run != run && start < span.end && span.start < end);
        let other = other.map(|span| span.run);
        match spans.iter_mut().find(|span| span.run == run) {
            Some(span) => (span.start, span.end) = (span.start.min(start), span.end.max(end)),
            None => {
                if spans.len() >= MAX_RUNS {
                    spans.pop_front();
                }
                spans.push_back(Span { run, start, end });
            }
        }
        if let Some(other) = other
            && (self.met.len() < MAX_MET || self.met.contains_key(sensor))
        {
            self.met.insert(sensor.clone(), ([run.min(other), run.max(other)], now));
        }
        other
    }

    /// The overlaps that there are now.
    pub fn now(&mut self, now: Instant) -> Vec<Overlap> {
        self.met.retain(|_, (_, seen)| now.saturating_duration_since(*seen) < OVER);
        let overlap = |((site, sensor), (runs, _)): (&SensorName, &([Uuid; 2], Instant))| Overlap {
            site: site.clone(),
            sensor: sensor.clone(),
            runs: runs.to_vec(),
        };
        let mut told: Vec<Overlap> = self.met.iter().map(overlap).collect();
        told.sort_unstable_by(|one, other| (&one.site, &one.sensor).cmp(&(&other.site, &other.sensor)));
        told.truncate(MAX_TOLD);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn sensor() -> SensorName {
        ("home".into(), "attic".into())
    }

    fn window(overlaps: &mut Overlaps, now: Instant, run: Uuid, second: i64) -> Option<Uuid> {
        let start = UnixNanos(second * 1_000_000_000);
        overlaps.window(now, &sensor(), run, start, start.saturating_add(Duration::from_secs(10)))
    }

    #[test]
    fn runs_one_after_the_other_do_not_overlap_in_whatever_order_their_windows_come() {
        let (mut overlaps, now) = (Overlaps::default(), Instant::now());
        for (run, second) in [(ONE, 0), (ONE, 20), (OTHER, 40), (ONE, 10), (OTHER, 50), (ONE, 30), (OTHER, 40)] {
            assert_eq!(window(&mut overlaps, now, run, second), None, "{run} {second}");
        }
        assert_eq!(overlaps.now(now), []);
    }

    #[test]
    fn two_sensors_of_one_name_are_told_until_one_of_them_is_gone() {
        let (mut overlaps, now) = (Overlaps::default(), Instant::now());
        assert_eq!(window(&mut overlaps, now, ONE, 0), None);
        assert_eq!(window(&mut overlaps, now, OTHER, 5), Some(ONE));
        assert_eq!(window(&mut overlaps, now, ONE, 10), Some(OTHER));
        let told = Overlap { site: "home".into(), sensor: "attic".into(), runs: vec![ONE, OTHER] };
        assert_eq!(overlaps.now(now), [told]);
        assert_eq!(window(&mut overlaps, now, ONE, 20), None);
        assert_eq!(overlaps.now(now + OVER), []);
    }

    #[test]
    fn hostile_names_and_runs_do_not_grow_it_without_bound() {
        let (mut overlaps, now) = (Overlaps::default(), Instant::now());
        for index in 0..MAX_SENSORS + 10 {
            overlaps.window(now, &("x".into(), index.to_string()), ONE, UnixNanos(0), UnixNanos(1));
        }
        assert!(overlaps.spans.len() <= MAX_SENSORS);
        for index in 0..100 {
            window(&mut overlaps, now, Uuid::from_u128(index), 0);
        }
        assert!(overlaps.spans.values().all(|spans| spans.len() <= MAX_RUNS) && overlaps.met.len() == 1);
        for index in 0..2 * MAX_MET {
            for run in [ONE, OTHER] {
                overlaps.window(now, &("y".into(), index.to_string()), run, UnixNanos(0), UnixNanos(1));
            }
        }
        assert_eq!((overlaps.met.len(), overlaps.now(now).len()), (MAX_MET, MAX_TOLD));
    }
}
