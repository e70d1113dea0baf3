//! `sensor.toml`: what to listen to, how to count it, what to withhold, where to send it.

use super::{Flows, Log, Metrics, Mqtt, People, Radio, Sketch, mqtt::topic_level};
use crate::{
    alert::{self, Networks},
    bounds::{DAY, MAX_PARTS, Mistakes, SECOND},
    tally::{
        devices::Devices,
        settings::{Privacy, Tracking, Window},
    },
    units,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sensor {
    /// The place; a level of every topic.
    pub site: String,
    /// This sensor's name, unique within the site; a level of every topic.
    pub sensor: String,
    /// What people call it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Where it is, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// Where frames come from.
    pub source: Source,
    /// The card, for source kind `radio`.
    pub radio: Radio,
    /// The tumbling window.
    pub window: Window,
    /// Which stations may have a time series of their own; [`Self::tracked`] has all that is always tracked.
    pub tracking: Tracking,
    /// The user's own devices.
    pub devices: Devices,
    /// The user's own networks.
    pub networks: Networks,
    /// What looks like an attack.
    pub alerts: alert::Settings,
    /// What is withheld.
    pub privacy: Privacy,
    /// Who spoke with whom.
    pub flows: Flows,
    /// How many people are near, by an estimate.
    pub people: People,
    /// About how many distinct stations there were.
    pub sketch: Sketch,
    /// The vendor registry.
    pub oui: Oui,
    /// How the time is known.
    pub clock: Clock,
    /// The store-and-forward log.
    pub spool: Spool,
    /// The broker.
    pub mqtt: Mqtt,
    /// Metrics; none where absent.
    pub metrics: Option<Metrics>,
    /// The log.
    pub log: Log,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            site: "home".into(),
            sensor: "sensor-1".into(),
            label: String::new(),
            location: String::new(),
            source: Source::default(),
            radio: Radio::default(),
            window: Window::default(),
            tracking: Tracking::default(),
            devices: Devices::default(),
            networks: Networks::default(),
            alerts: alert::Settings::default(),
            privacy: Privacy::default(),
            flows: Flows::default(),
            people: People::default(),
            sketch: Sketch::default(),
            oui: Oui::default(),
            clock: Clock::default(),
            spool: Spool::default(),
            mqtt: Mqtt::default(),
            metrics: None,
            log: Log::default(),
        }
    }
}

impl Sensor {
    /// Refuses what serde cannot: values out of bounds, and values that do not fit together.
    pub fn check(&self, found: &mut Mistakes) {
        topic_level(found, "site", &self.site);
        topic_level(found, "sensor", &self.sensor);
        for (key, text) in [("label", &self.label), ("location", &self.location)] {
            if text.chars().count() > MAX_WORDS || text.contains(char::is_control) {
                found.wrong(key, format!("it must be one line of {MAX_WORDS} characters at most"));
            }
        }
        self.source.check(found);
        self.radio.check(found);
        self.window.check(found);
        self.devices.check(found);
        self.networks.check(found);
        self.alerts.check(found);
        self.tracked().check(found);
        self.privacy.check(found);
        self.flows.check(self, found);
        self.people.check(found);
        self.sketch.check(self, found);
        self.clock.check(found);
        self.spool.check(found);
        if let Some(metrics) = &self.metrics {
            metrics.check(found);
        }
        self.mqtt.check(found);
        self.check_parts(found);
    }

    /// A full window has to be one that the spool takes: in no more parts than that.
    fn check_parts(&self, found: &mut Mistakes) {
        let (stations, message) = (self.window.max_stations as u64, self.mqtt.max_message.0);
        let flows = if self.flows.enabled { self.flows.max_records as u64 } else { 0 };
        let most = u64::from(MAX_PARTS).saturating_mul(message / ROW);
        if stations.saturating_add(flows) > most {
            let (key, what) = if stations > most {
                ("window.max_stations", format!("{stations} stations are"))
            } else {
                ("flows.max_records", format!("{flows} records of flows beside {stations} stations are"))
            };
            found.wrong(
                key,
                format!(
                    "{what} more than {MAX_PARTS} messages of mqtt.max_message ({}) hold, and a window may have no more: lower \
                     it to {}, or raise mqtt.max_message",
                    self.mqtt.max_message,
                    if stations > most { most } else { most - stations },
                ),
            );
        }
    }

    /// What a watch for attacks goes by.
    #[must_use]
    pub fn rules(&self) -> alert::Rules {
        alert::Rules {
            settings: self.alerts.clone(),
            networks: self.networks.0.clone(),
            devices: self.devices.0.iter().map(|device| device.address).collect(),
        }
    }

    /// [`Self::tracking`] with the devices that are always tracked.
    #[must_use]
    pub fn tracked(&self) -> Tracking {
        self.devices.tracked(&self.tracking)
    }
}

/// Characters of a label or a location, at most.
const MAX_WORDS: usize = 128;
/// Octets of a station or a flow in a message, when it has much to say.
const ROW: u64 = 600;

/// Kinds of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A wireless card that we set up, tune and give back: see [`Radio`].
    Radio,
    /// A network interface as it is: already in monitor mode, or Ethernet.
    Interface,
    /// A capture file.
    File,
    /// A capture on standard input.
    Stdin,
    /// Nothing: a sensor without a radio, which says that it is there and counts nothing.
    None,
}

impl SourceKind {
    /// Whether frames come as they are on the air, and not from a capture.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Radio | Self::Interface)
    }
}

/// How fast a file is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// A file with the pauses of its own time stamps, standard input as it comes.
    Auto,
    /// With the pauses of its own time stamps.
    Recorded,
    /// As fast as it can be read.
    Fast,
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// A card, an interface, a file, or standard input.
    pub kind: SourceKind,
    /// The interface's name, for kind `interface`.
    pub interface: String,
    /// The capture's path, for kind `file`.
    pub file: PathBuf,
    /// How fast a capture is replayed.
    pub pace: Pace,
    /// Begin the file again at its end, for ever; each pass is a run of its own.
    #[serde(rename = "loop")]
    pub repeat: bool,
    /// Octets kept of each frame, for kinds `radio` and `interface`.
    pub snaplen: u32,
    /// The kernel's capture buffer, for kinds `radio` and `interface`.
    pub buffer: units::Bytes,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            kind: SourceKind::Radio,
            interface: String::new(),
            file: PathBuf::new(),
            pace: Pace::Auto,
            repeat: false,
            snaplen: 512,
            buffer: units::Bytes(4 << 20),
        }
    }
}

impl Source {
    /// Refuses a source that is not named, or cannot be read so.
    pub fn check(&self, found: &mut Mistakes) {
        match self.kind {
            SourceKind::Interface if self.interface.is_empty() => {
                found.wrong("source.interface", "name the interface to listen on, like \"wlan1\"");
            }
            SourceKind::File if self.file.as_os_str().is_empty() => {
                found.wrong("source.file", "name the capture file to replay");
            }
            SourceKind::Stdin if self.repeat => {
                found.wrong("source.loop", "standard input cannot begin again; use kind = \"file\"");
            }
            _ => {}
        }
        if self.repeat && self.pace == Pace::Fast && self.kind == SourceKind::File {
            found.wrong("source.loop", "a loop at pace = \"fast\" would never rest; use pace = \"recorded\"");
        }
        if !(64..=262_144).contains(&self.snaplen) {
            found.wrong("source.snaplen", format!("{} is not between 64 and 262144", self.snaplen));
        }
        if !(64 << 10..=1 << 30).contains(&self.buffer.0) {
            found.wrong("source.buffer", format!("{} is not between 64KiB and 1GiB", self.buffer));
        }
    }
}

/// The vendor registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oui {
    /// The cache that `airtally oui update` writes.
    pub cache: PathBuf,
}

impl Default for Oui {
    fn default() -> Self {
        Self { cache: "/var/lib/airtally/oui.sqlite".into() }
    }
}

/// How it is known that the system clock is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sync {
    /// A file exists once it is: systemd-timesyncd's, or whatever another time daemon's hook writes.
    Marker,
    /// Nobody will ever say: windows are marked `unsynced`.
    Never,
}

/// How the time of an interface's windows is known. Captures bring their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clock {
    /// How it is known that the system clock is synchronised.
    pub sync: Sync,
    /// The file that exists while the system clock is synchronised, for sync `marker`.
    pub marker: PathBuf,
    /// How long a system clock that was set must stand, and be synchronised, before windows follow it.
    #[serde(with = "units::duration")]
    pub settle: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            sync: Sync::Marker,
            marker: "/run/systemd/timesync/synchronized".into(),
            settle: Duration::from_secs(600),
        }
    }
}

impl Clock {
    /// Refuses a clock that nobody could follow.
    pub fn check(&self, found: &mut Mistakes) {
        found.between("clock.settle", self.settle, SECOND, DAY);
        if self.sync == Sync::Marker && !self.marker.is_absolute() {
            found.wrong("clock.marker", format!("'{}' must be the whole path, from /", self.marker.display()));
        }
    }
}

/// The sensor's store-and-forward log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spool {
    /// In memory, and kept over restarts: new batches are here first.
    pub runtime_dir: PathBuf,
    /// On disk: batches that could not be delivered in time, and all at a clean stop.
    pub state_dir: PathBuf,
    /// Both together, at most; then delivered batches give way, and after them the oldest.
    pub max_bytes: units::Bytes,
    /// How long a batch may stay undelivered before it moves to disk.
    #[serde(with = "units::duration")]
    pub age_out: Duration,
    /// Write every batch to disk at once: nothing is lost in a power cut, and the SD card wears.
    pub durable: bool,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            runtime_dir: "/run/airtally".into(),
            state_dir: "/var/lib/airtally".into(),
            max_bytes: units::Bytes(64 << 20),
            age_out: Duration::from_secs(60),
            durable: false,
        }
    }
}

impl Spool {
    /// Refuses a log that holds nothing, or never lets go.
    pub fn check(&self, found: &mut Mistakes) {
        if self.max_bytes.0 < 1 << 20 {
            found.wrong("spool.max_bytes", format!("{} is less than 1MiB", self.max_bytes));
        }
        found.between("spool.age_out", self.age_out, SECOND, DAY);
    }
}
