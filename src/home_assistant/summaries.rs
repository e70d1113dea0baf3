//! What is known of each sensor, and what is to be published of it.

use super::{
    discovery::{self, Device},
    names,
    window::{self, Newest},
};
use crate::{
    Mac, UnixNanos,
    mqtt::{Leaf, Topics},
    wire::{
        Alert, Alerts, Batch, Info, People, Presence, Remark, SILENT_AFTER, SUMMARY_SCHEMA, State, StatusMessage,
        Summary, Whereabouts, encode, remarks,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;

/// Sensors kept, at most.
const MAX_SENSORS: usize = 10_000;
/// Devices of one sensor whose presence is told, at most.
const MAX_PRESENT: usize = 32;
/// How long an estimate of people says something: two intervals.
const PEOPLE_FOR: Duration = Duration::from_secs(600);
/// Open alerts of one sensor that are told apart, at most.
const MAX_ALERTS: usize = 1_000;
/// Characters of a text of a sensor that are told.
const MAX_TEXT: usize = 64;
/// How often all sensors are looked at.
const LOOK_AT_ALL: Duration = Duration::from_secs(10);
/// How long after a start a sensor that was told of before has to be heard of, until it counts as taken away.
const GRACE: Duration = Duration::from_secs(60);

/// A message to be kept by the broker; an empty payload takes away what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub topic: String,
    /// The schema of it, if it is one of ours.
    pub schema: Option<&'static str>,
    /// The JSON.
    pub payload: Vec<u8>,
}

/// What is known of the sensors, and what the broker keeps of that.
#[derive(Debug)]
pub struct Summaries {
    topics: Topics,
    /// This ingest's name.
    ingest: String,
    prefix: String,
    away_after: Duration,
    sensors: BTreeMap<(String, String), Known>,
    /// What the broker keeps, by topic; nothing but the topic where that is all that is known.
    kept: BTreeMap<String, Option<Vec<u8>>>,
    /// Topics of an earlier start that are not looked after yet.
    earlier: BTreeSet<String>,
    /// Topics that are to be emptied.
    over: BTreeSet<String>,
    begun: UnixNanos,
    /// When all sensors were looked at last: silence is no news, and changes what is told all the same.
    looked: Option<UnixNanos>,
}

#[derive(Debug, Default)]
struct Known {
    newest: Newest,
    status: Option<StatusMessage>,
    about: About,
    heard: BTreeMap<Mac, UnixNanos>,
    alerts: OpenAlerts,
    people: Option<People>,
    has_news: bool,
    /// Where it is told of.
    topics: BTreeSet<String>,
}

/// Alerts of the newest run that were opened and have not ended, by kind and subject. Subjects are never told.
#[derive(Debug, Default)]
struct OpenAlerts {
    run: Option<Uuid>,
    open: BTreeSet<(String, String)>,
}

impl OpenAlerts {
    fn take(&mut self, alerts: &Alerts) {
        // A run that is over ends nothing of what it left open: the next one sees it again, or it has ended.
        if self.run.replace(alerts.identity.run) != Some(alerts.identity.run) {
            self.open.clear();
        }
        for Alert { kind, subject, end, .. } in &alerts.alerts {
            let key = (text(kind), text(subject));
            if end.is_some() {
                self.open.remove(&key);
            } else if self.open.len() < MAX_ALERTS {
                self.open.insert(key);
            }
        }
    }

    fn kinds(&self) -> Vec<String> {
        let kinds: BTreeSet<&String> = self.open.iter().map(|(kind, _)| kind).collect();
        kinds.into_iter().cloned().collect()
    }
}

/// What of a sensor's info is told.
#[derive(Debug, Default)]
struct About {
    version: String,
    label: Option<String>,
    location: Option<String>,
    /// Whether it watches for alerts.
    watches: bool,
    /// Whether it estimates how many people are near.
    estimates: bool,
    /// Names and addresses of devices whose presence is asked for.
    present: BTreeMap<String, (String, Mac)>,
    addresses: BTreeSet<Mac>,
}

impl Summaries {
    /// Nothing is known yet at `now`. The broker keeps messages on the topics `kept`, which an earlier start published.
    #[must_use]
    pub fn new(
        base_topic: &str,
        ingest: &str,
        prefix: &str,
        away_after: Duration,
        kept: impl IntoIterator<Item = String>,
        now: UnixNanos,
    ) -> Self {
        let earlier: BTreeSet<String> = kept.into_iter().collect();
        Self {
            topics: Topics::new(base_topic),
            ingest: ingest.to_owned(),
            prefix: prefix.to_owned(),
            away_after,
            sensors: BTreeMap::new(),
            kept: earlier.iter().map(|topic| (topic.clone(), None)).collect(),
            earlier,
            over: BTreeSet::new(),
            begun: now,
            looked: None,
        }
    }

    /// A part of a window came.
    pub fn batch(&mut self, batch: &Batch) {
        let Some(known) = self.known(&batch.identity.site, &batch.identity.sensor) else { return };
        known.newest.add(batch);
        for people in &batch.people {
            if known.people.as_ref().is_none_or(|known| known.end <= people.end) {
                known.people = Some(people.clone());
            }
        }
        for (mac, seen) in window::heard(batch, &known.about.addresses) {
            let last = known.heard.entry(mac).or_insert(seen);
            *last = seen.max(*last);
        }
    }

    /// A part of a window that is alerts came.
    pub fn alerts(&mut self, alerts: &Alerts) {
        if let Some(known) = self.known(&alerts.identity.site, &alerts.identity.sensor) {
            known.alerts.take(alerts);
        }
    }

    /// A sensor said how it is.
    pub fn status(&mut self, status: StatusMessage) {
        if let Some(known) = self.known(&status.site, &status.sensor) {
            known.status = Some(status);
        }
    }

    /// A sensor said what it is.
    pub fn info(&mut self, info: &Info) {
        let Some(known) = self.known(&info.site, &info.sensor) else { return };
        known.about = About::new(info);
        known.heard.retain(|mac, _| known.about.addresses.contains(mac));
    }

    /// The broker keeps no status of a sensor any more: somebody has taken it away.
    pub fn gone(&mut self, site: &str, sensor: &str) {
        let known = self.sensors.remove(&(site.to_owned(), sensor.to_owned()));
        self.over.extend(known.into_iter().flat_map(|known| known.topics));
    }

    /// A connection to a broker has begun, which may have forgotten everything.
    pub fn connected(&mut self) {
        self.kept.values_mut().for_each(|payload| *payload = None);
        self.looked = None;
    }

    /// The topics on which the broker keeps, or is about to keep, something.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.kept.keys().map(String::as_str)
    }

    /// What has changed by `now`.
    pub fn due(&mut self, now: UnixNanos) -> Vec<Publication> {
        let all = self.looked.is_none_or(|looked| now < looked || now.saturating_since(looked) >= LOOK_AT_ALL);
        if all {
            self.looked = Some(now);
        }
        let mut sensors = std::mem::take(&mut self.sensors);
        let mut due = Vec::new();
        for (name, known) in sensors.iter_mut().filter(|(_, known)| all || known.has_news) {
            known.has_news = false;
            let publications = self.publications(name, known, now);
            let topics: BTreeSet<String> = publications.iter().map(|publication| publication.topic.clone()).collect();
            let before = std::mem::replace(&mut known.topics, topics);
            self.over.extend(before.difference(&known.topics).cloned());
            for publication in publications {
                let kept = self.kept.entry(publication.topic.clone()).or_default();
                if kept.as_ref() != Some(&publication.payload) {
                    *kept = Some(publication.payload.clone());
                    due.push(publication);
                }
            }
        }
        self.sensors = sensors;
        if now.saturating_since(self.begun) >= GRACE {
            // What an earlier start published, and nobody has said anything to since.
            let is_told = |topic: &String| self.sensors.values().any(|known| known.topics.contains(topic));
            let over = std::mem::take(&mut self.earlier).into_iter().filter(|topic| !is_told(topic));
            self.over.extend(over.collect::<Vec<_>>());
        }
        for topic in std::mem::take(&mut self.over) {
            self.kept.remove(&topic);
            due.push(Publication { topic, schema: None, payload: Vec::new() });
        }
        due
    }

    fn known(&mut self, site: &str, sensor: &str) -> Option<&mut Known> {
        let key = (site.to_owned(), sensor.to_owned());
        let has_room = self.sensors.len() < MAX_SENSORS || self.sensors.contains_key(&key);
        let known = has_room.then(|| self.sensors.entry(key).or_default())?;
        known.has_news = true;
        Some(known)
    }

    fn publications(&self, (site, sensor): &(String, String), known: &Known, now: UnixNanos) -> Vec<Publication> {
        let summary = self.summary((site, sensor), known, now);
        let topic = self.topics.of(site, sensor, &Leaf::Summary);
        let device = Device {
            prefix: &self.prefix,
            id: names::joined(&["airtally", site, sensor]),
            name: known.about.label.clone().unwrap_or_else(|| format!("airtally {sensor}")),
            version: &known.about.version,
            location: known.about.location.as_deref(),
            summary: &topic,
            watches: known.about.watches,
            estimates: known.about.estimates,
            available: [self.topics.of(site, sensor, &Leaf::Status), self.topics.ingest(&self.ingest)],
        };
        let mut publications = vec![discovery::sensor(&device)];
        for (id, presence) in &summary.presence {
            publications.push(discovery::present(&device, id, &presence.name));
        }
        publications.push(Publication { topic, schema: Some(SUMMARY_SCHEMA), payload: encode(&summary) });
        publications
    }

    fn summary(&self, (site, sensor): (&str, &str), known: &Known, now: UnixNanos) -> Summary {
        let window = known.newest.window();
        let status = known.status.as_ref();
        let age = status.map(|status| (&status.status, now.saturating_since(status.time)));
        let found = remarks(age, None, "");
        let percent = |part: u64, of: u64| (of > 0).then(|| tenths(part as f64 * 100.0 / of as f64));
        let coverage = window.and_then(|window| window.listened).and_then(|(listened, of)| percent(listened, of));
        let is_current = window.is_some_and(|window| now.saturating_since(window.end) <= SILENT_AFTER);
        let listens = is_current
            && coverage != Some(0.0)
            && age.is_some_and(|(status, _)| status.state != State::Offline)
            && !found.iter().any(|remark| matches!(remark, Remark::Silent | Remark::Deaf));
        let people = known.people.as_ref().filter(|people| now.saturating_since(people.end) <= PEOPLE_FOR);
        Summary {
            schema: SUMMARY_SCHEMA.to_owned(),
            site: site.to_owned(),
            sensor: sensor.to_owned(),
            state: status.map(|status| status.status.state),
            reason: status.and_then(|status| status.status.reason.as_deref().map(text)),
            problem: status.is_some_and(|status| status.status.state == State::Degraded),
            listens,
            last_window: window.map(|window| window.end),
            stations: window.map(|window| window.stations),
            access_points: window.and_then(|window| window.access_points),
            randomised_percent: window.and_then(|window| percent(window.randomised, window.stations)),
            frames_per_second: window.and_then(|window| {
                let (listened, _) = window.listened.filter(|(listened, _)| *listened > 0)?;
                Some(tenths(window.frames as f64 * 1_000.0 / listened as f64))
            }),
            coverage_percent: coverage,
            waiting: status.and_then(|status| status.status.waiting),
            alerts: known.about.watches.then_some(known.alerts.open.len() as u64),
            alert_kinds: if known.about.watches { known.alerts.kinds() } else { Vec::new() },
            people: people.and_then(|people| people.estimate),
            people_low: people.and_then(|people| people.low),
            people_high: people.and_then(|people| people.high),
            presence: self.presence(known, listens, now),
        }
    }

    fn presence(&self, known: &Known, listens: bool, now: UnixNanos) -> BTreeMap<String, Presence> {
        let one = |(id, (name, mac)): (&String, &(String, Mac))| {
            let heard = known.heard.get(mac).is_some_and(|seen| now.saturating_since(*seen) <= self.away_after);
            let state = listens.then_some(if heard { Whereabouts::Home } else { Whereabouts::NotHome });
            (id.clone(), Presence { name: name.clone(), state })
        };
        known.about.present.iter().map(one).collect()
    }
}

impl About {
    /// What is not as this version says it is left out: nobody's presence is told by guesswork.
    fn new(info: &Info) -> Self {
        let of = |path: &str| info.config.pointer(path);
        let word = |path: &str| of(path).and_then(serde_json::Value::as_str).map(text);
        let mut about = Self {
            version: text(&info.version),
            label: word("/label"),
            location: word("/location"),
            watches: of("/alerts/enabled").and_then(serde_json::Value::as_bool) == Some(true),
            estimates: of("/people/enabled").and_then(serde_json::Value::as_bool) == Some(true),
            ..Self::default()
        };
        // In other modes there are no addresses to hear of, and the sensor names no devices.
        if word("/privacy/mac").as_deref() != Some("plain") {
            return about;
        }
        let devices = of("/devices").and_then(serde_json::Value::as_array);
        for device in devices.into_iter().flatten() {
            let name = device["name"].as_str().map(text);
            let address: Option<Mac> = device["address"].as_str().and_then(|address| address.parse().ok());
            if let (Some(name), Some(address), Some(true)) = (name, address, device["presence"].as_bool())
                && about.present.len() < MAX_PRESENT
            {
                about.present.insert(names::id(&name), (name, address));
                about.addresses.insert(address);
            }
        }
        about
    }
}

fn text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
#[path = "summaries_tests.rs"]
mod tests;
