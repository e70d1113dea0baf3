//! What of several sensors is one alert: of the same kind and about the same subject, at the same site and time. Pure.

use super::message::Event;
use crate::UnixNanos;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Alerts that are open at the same time, at most; then the one told of longest ago is forgotten.
const MOST: usize = 1_024;
/// A sensor that says nothing of an open alert for so long has gone without ending it.
const STALE: Duration = Duration::from_secs(15 * 60);

/// One alert, whoever sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The place.
    pub site: String,
    /// What kind it is.
    pub kind: String,
    /// What it is about.
    pub subject: String,
}

/// What is open.
#[derive(Clone, Debug, Default)]
pub struct Joined(BTreeMap<Key, Group>);

#[derive(Clone, Debug)]
struct Group {
    /// Those for which it goes on.
    open: BTreeSet<String>,
    /// All that saw it.
    seen: BTreeSet<String>,
    told: UnixNanos,
}

impl Joined {
    /// `sensor` says at `told` that the alert is open, or has ended. What is new of it to a receiver, if anything is, and which
    /// sensors saw it.
    pub fn take(&mut self, key: Key, sensor: &str, is_open: bool, told: UnixNanos) -> Option<(Event, Vec<String>)> {
        let stale = |group: &Group| told.saturating_since(group.told) > STALE;
        if self.0.get(&key).is_some_and(stale) {
            self.0.remove(&key);
        }
        let (mut open, mut seen) = self.0.remove(&key).map_or_else(Default::default, |group| (group.open, group.seen));
        let is_new = open.is_empty();
        seen.insert(sensor.to_owned());
        if is_open {
            open.insert(sensor.to_owned());
        } else {
            open.remove(sensor);
        }
        let sensors = seen.iter().cloned().collect();
        let event = match (is_open, open.is_empty()) {
            (true, _) => is_new.then_some(Event::Opened),
            (false, is_over) => is_over.then_some(Event::Ended),
        };
        if !open.is_empty() {
            self.0.insert(key, Group { open, seen, told });
            if self.0.len() > MOST
                && let Some(oldest) = self.0.iter().min_by_key(|(_, group)| group.told).map(|(key, _)| key.clone())
            {
                self.0.remove(&oldest);
            }
        }
        event.map(|event| (event, sensors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(subject: &str) -> Key {
        Key { site: "home".into(), kind: "deauth_flood".into(), subject: subject.into() }
    }

    #[test]
    fn several_sensors_of_one_alert_are_told_once() {
        let mut joined = Joined::default();
        let mut take = |sensor, is_open, seconds| {
            let told = joined.take(key("a"), sensor, is_open, UnixNanos::new(seconds, 0));
            told.map(|(event, sensors)| (event, sensors.join(" ")))
        };
        assert_eq!(take("attic", true, 10), Some((Event::Opened, "attic".into())));
        assert_eq!(take("cellar", true, 12), None);
        assert_eq!(take("attic", true, 40), None, "it has grown");
        assert_eq!(take("attic", false, 70), None, "the other still sees it");
        assert_eq!(take("cellar", false, 80), Some((Event::Ended, "attic cellar".into())));
        assert_eq!(take("attic", false, 90), Some((Event::Ended, "attic".into())), "short, or from before a restart");
        assert_eq!(take("attic", true, 100), Some((Event::Opened, "attic".into())));
        assert_eq!(
            take("cellar", true, 2_000),
            Some((Event::Opened, "cellar".into())),
            "the attic went without a word"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut joined = Joined::default();
        for n in 0..2_000 {
            joined.take(key(&n.to_string()), "attic", true, UnixNanos::new(n / 10, 0));
        }
        assert_eq!(joined.0.len(), MOST);
        assert_eq!(joined.take(key("1999"), "attic", true, UnixNanos::new(200, 0)), None);
    }
}
