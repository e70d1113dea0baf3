//! `sensor.toml`: what to listen to, how to count it, what to withhold, where to send it.

use super::{Log, Mqtt, Radio, units};
use crate::Mac;
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
    /// Where frames come from.
    pub source: Source,
    /// The card, for source kind `radio`.
    pub radio: Radio,
    /// The tumbling window.
    pub window: Window,
    /// Which stations may have a time series of their own.
    pub tracking: Tracking,
    /// What is withheld.
    pub privacy: Privacy,
    /// The vendor registry.
    pub oui: Oui,
    /// How the time is known.
    pub clock: Clock,
    /// The store-and-forward log.
    pub spool: Spool,
    /// The broker.
    pub mqtt: Mqtt,
    /// The log.
    pub log: Log,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            site: "home".into(),
            sensor: "sensor-1".into(),
            source: Source::default(),
            radio: Radio::default(),
            window: Window::default(),
            tracking: Tracking::default(),
            privacy: Privacy::default(),
            oui: Oui::default(),
            clock: Clock::default(),
            spool: Spool::default(),
            mqtt: Mqtt::default(),
            log: Log::default(),
        }
    }
}

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
    /// How fast a file is replayed.
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
            pace: Pace::Recorded,
            repeat: false,
            snaplen: 512,
            buffer: units::Bytes(4 << 20),
        }
    }
}

/// The tumbling window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// Its length; windows are aligned to multiples of it since 1970 (UTC).
    #[serde(with = "units::duration")]
    pub length: Duration,
    /// Transmitters with counts of their own in one window; frames of others are `overflow_frames`.
    pub max_stations: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { length: Duration::from_secs(10), max_stations: 20_000 }
    }
}

/// Which stations may have a time series of their own. A database does not forget a series, so what is bounded
/// are admissions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracking {
    /// These are always tracked, and first in the budget.
    pub always: Vec<Mac>,
    /// Admissions per period, at most.
    pub budget: usize,
    /// The period: the retention time of your database.
    #[serde(with = "units::duration")]
    pub period: Duration,
    /// Windows in which a station must have been seen before it is admitted.
    pub track_after: u32,
}

impl Default for Tracking {
    fn default() -> Self {
        Self { always: Vec::new(), budget: 1_000, period: Duration::from_secs(30 * 86_400), track_after: 3 }
    }
}

/// What becomes of addresses before anything leaves memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrivacyMac {
    /// As they are.
    Plain,
    /// Keyed hashes, with a new key each rotation.
    Pseudonym,
    /// No stations at all: sums per vendor.
    Vendor,
}

/// What is withheld.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// What becomes of addresses.
    pub mac: PrivacyMac,
    /// Whether the network names in probe requests, which tell where a device's owner has been, are kept.
    /// Names that access points announce are kept in mode `plain` and `pseudonym`.
    pub ssids: bool,
    /// How long a pseudonym's key lives; windows end there.
    #[serde(with = "units::duration")]
    pub rotation: Duration,
    /// The directory of the key file (mode 0600), for mode `pseudonym`; `spool.state_dir` where absent.
    pub key_dir: Option<PathBuf>,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { mac: PrivacyMac::Plain, ssids: false, rotation: Duration::from_secs(86_400), key_dir: None }
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
