//! The sensors that ingest has heard of, and what each said last of itself: its retained status and info. Bounded; kept
//! in memory alone, for the broker tells it again at each connection.

use crate::{
    UnixNanos,
    wire::{Info, StatusMessage, series_budget},
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Sensors kept, at most; a further one pushes out the one that was silent longest.
const MAX_SENSORS: usize = 10_000;
/// Octets of a site or a name, at most: a longer one is no sensor of ours, whose names have 64.
const MAX_NAME: usize = 256;
/// Runs of a status that are kept: no sensor sends more.
const MAX_RUNS: usize = 16;
/// Characters of a word that a sensor says, at most.
const MAX_WORD: usize = 64;

/// What one sensor said last.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// The place.
    pub site: String,
    /// Its name.
    pub sensor: String,
    /// When its status or info came here last, by this machine's clock. A status that the broker kept may be older: see
    /// its own time.
    pub heard: UnixNanos,
    /// Its status.
    pub status: Option<StatusMessage>,
    /// What it is.
    pub about: Option<About>,
}

/// What of a sensor's info is kept. Absent is what an older or newer version does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its program's version.
    pub version: String,
    /// Its privacy mode: `plain`, `pseudonym`, `vendor`.
    pub privacy: Option<String>,
    /// Whether it keeps the names of networks that devices look for.
    pub ssids: Option<bool>,
    /// Whether it watches for attacks.
    pub alerts: Option<bool>,
    /// The length of its windows, like `10s`.
    pub window: Option<String>,
    /// Where its frames come from: `radio`, `interface`, `file`, `stdin`, `none`.
    pub source: Option<String>,
    /// What people call it.
    pub label: Option<String>,
    /// Where it is.
    pub location: Option<String>,
    /// Series that it may ask a database for.
    pub budget: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Roster {
    sensors: Mutex<HashMap<(String, String), Sensor>>,
    changes: watch::Sender<u64>,
}

impl Roster {
    /// Notes the status of a sensor, heard at `now`.
    pub fn status(&self, now: UnixNanos, mut status: StatusMessage) {
        status.status.runs.truncate(MAX_RUNS);
        if let Some(reason) = &mut status.status.reason {
            cut(reason);
        }
        let (site, sensor) = (status.site.clone(), status.sensor.clone());
        let changed = self.note(now, site, sensor, |known| {
            let said = |status: &StatusMessage| (status.status.state, status.status.reason.clone());
            let changed = known.status.as_ref().map(said) != Some(said(&status));
            known.status = Some(status);
            changed
        });
        if changed {
            self.changes.send_modify(|number| *number += 1);
        }
    }

    /// Notes the info of a sensor, heard at `now`.
    pub fn info(&self, now: UnixNanos, info: &Info) {
        let about = About::new(info);
        self.note(now, info.site.clone(), info.sensor.clone(), |known| {
            known.about = Some(about);
            false
        });
    }

    /// All of them, by site and name.
    #[must_use]
    pub fn all(&self) -> Vec<Sensor> {
        let mut all: Vec<Sensor> = self.lock().values().cloned().collect();
        all.sort_by(|a, b| (&a.site, &a.sensor).cmp(&(&b.site, &b.sensor)));
        all
    }

    /// Tells of every change of a state or its reason.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn note(&self, now: UnixNanos, site: String, sensor: String, note: impl FnOnce(&mut Sensor) -> bool) -> bool {
        if site.len().max(sensor.len()) > MAX_NAME {
            return false;
        }
        let mut sensors = self.lock();
        let key = (site, sensor);
        if sensors.len() >= MAX_SENSORS && !sensors.contains_key(&key) {
            let silent = sensors.iter().min_by_key(|(_, sensor)| sensor.heard).map(|(key, _)| key.clone());
            silent.map(|silent| sensors.remove(&silent));
        }
        let known = sensors.entry(key).or_insert_with_key(|(site, sensor)| Sensor {
            site: site.clone(),
            sensor: sensor.clone(),
            heard: now,
            status: None,
            about: None,
        });
        known.heard = now;
        note(known)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Sensor>> {
        self.sensors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl About {
    fn new(info: &Info) -> Self {
        let text = |path: &str| info.config.pointer(path).and_then(serde_json::Value::as_str).map(word);
        Self {
            version: word(&info.version),
            privacy: text("/privacy/mac"),
            ssids: info.config.pointer("/privacy/ssids").and_then(serde_json::Value::as_bool),
            alerts: info.config.pointer("/alerts/enabled").and_then(serde_json::Value::as_bool),
            window: text("/window/length"),
            source: text("/source/kind"),
            label: text("/label"),
            location: text("/location"),
            budget: series_budget(&info.config),
        }
    }
}

/// The beginning of what a stranger says.
fn word(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}

fn cut(text: &mut String) {
    if text.len() > MAX_WORD {
        *text = word(text);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::{STATUS_SCHEMA, State, Status};

    fn status(sensor: &str, state: State, reason: Option<&str>) -> StatusMessage {
        StatusMessage {
            schema: STATUS_SCHEMA.into(),
            site: "home".into(),
            sensor: sensor.into(),
            time: UnixNanos(0),
            status: Status { state, reason: reason.map(str::to_owned), ..Status::online(None) },
        }
    }

    #[test]
    fn what_a_sensor_said_last_counts_and_changes_are_told() {
        let roster = Roster::default();
        let changes = roster.changes();
        roster.status(UnixNanos(1), status("attic", State::Online, None));
        roster.status(UnixNanos(2), status("attic", State::Online, None));
        assert_eq!(*changes.borrow(), 1, "saying the same again is no change");
        roster.status(UnixNanos(3), status("attic", State::Degraded, Some("radio_deaf")));
        assert_eq!(*changes.borrow(), 2);
        let config = serde_json::json!({"privacy": {"mac": "vendor", "ssids": false}, "window": {"length": "10s"}});
        roster.info(UnixNanos(4), &Info::new("home", "attic", config));
        let all = roster.all();
        assert_eq!((all.len(), all[0].heard), (1, UnixNanos(4)));
        assert_eq!(all[0].status.as_ref().unwrap().status.reason.as_deref(), Some("radio_deaf"));
        let about = all[0].about.as_ref().unwrap();
        assert_eq!(
            (about.privacy.as_deref(), about.source.as_deref(), about.ssids),
            (Some("vendor"), None, Some(false))
        );
    }

    #[test]
    fn the_roster_is_bounded_and_the_longest_silent_one_goes() {
        let roster = Roster::default();
        for number in 0..=10_000_i64 {
            roster.status(UnixNanos(number), status(&format!("s{number:05}"), State::Online, Some(&"x".repeat(1_000))));
        }
        let all = roster.all();
        assert_eq!((all.len(), all[0].sensor.as_str()), (10_000, "s00001"));
        assert_eq!(all[0].status.as_ref().unwrap().status.reason.as_ref().unwrap().len(), 64);
        roster.status(UnixNanos(20_000), status(&"n".repeat(1_000), State::Online, None));
        assert_eq!(roster.all(), all, "no sensor has such a name");
    }
}
