//! The batch: one window of one sensor as it travels, its JSON and its schema version. Knows no transport.
//!
//! `docs/mqtt.md` shows real messages; `docs/schema/` holds the JSON Schema they are validated against.

mod exposure;
mod split;
mod ssid;

pub use exposure::{Addresses, Exposure};
pub use split::split;
pub use ssid::ssid_text;

use crate::{Mac, UnixNanos};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{collections::BTreeMap, fmt, str::FromStr};
use uuid::Uuid;

/// The schema of [`Batch`] messages. Readers ignore unknown fields within a major version.
pub const BATCH_SCHEMA: &str = "airtally.batch/1";
/// The schema of [`Gap`] messages.
pub const GAP_SCHEMA: &str = "airtally.gap/1";
/// The [`Gap::detail`] of what was erased because privacy became stricter.
pub const ERASED: &str = "privacy";

/// A station's address as privacy lets it leave the sensor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// The MAC address itself.
    Mac(Mac),
    /// A keyed hash of it, good for one rotation of the key; written `p-` and sixteen hexadecimal digits.
    Pseudonym(u64),
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(out),
            Self::Pseudonym(bits) => write!(out, "p-{bits:016x}"),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("p-") {
            Some(digits) if digits.len() == 16 => u64::from_str_radix(digits, 16)
                .map(Self::Pseudonym)
                .map_err(|_| format!("'{text}' is not a pseudonym: it is p- and sixteen hexadecimal digits")),
            _ => text.parse().map(Self::Mac).map_err(|error: crate::mac::MacError| error.to_string()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a station was seen doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sends beacons, probe responses or frames from the distribution system as its own BSSID.
    AccessPoint,
    /// Sends frames to the distribution system, or joins an access point.
    Client,
    /// Seen on a wire (an Ethernet-like capture).
    Wired,
    /// A member of an independent basic service set.
    AdHoc,
    /// None of these could be told.
    Unknown,
}

/// Received signal strength over the frames that reported one, in dBm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The weakest.
    pub min: i8,
    /// The arithmetic mean of the dBm values, rounded to a tenth.
    pub mean: f64,
    /// The strongest.
    pub max: i8,
    /// How many frames reported one.
    pub frames: u64,
}

/// One transmitter in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Station {
    /// Its address, or its pseudonym.
    pub mac: Address,
    /// The vendor by longest prefix; absent if unknown or randomised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Locally administered: the address says nothing of its maker.
    pub randomised: bool,
    /// Whether this station may have a time series of its own.
    pub tracked: bool,
    /// What it was seen doing.
    pub role: Role,
    /// Frames transmitted by it.
    pub frames_sent: u64,
    /// Their length in octets, capture headers included (Wireshark's `frame.len`).
    pub bytes_sent: u64,
    /// Frames addressed to it (RA).
    pub frames_received: u64,
    /// Management frames among those sent.
    pub management: u64,
    /// Control frames among those sent.
    pub control: u64,
    /// Data frames among those sent.
    pub data: u64,
    /// Frames sent with the Retry bit.
    pub retries: u64,
    /// Signal of the frames sent; absent where none was reported.
    #[serde(default)]
    pub signal_dbm: Option<Signal>,
    /// Frequencies it was heard on, in MHz, ascending.
    #[serde(default)]
    pub freqs_mhz: Vec<u16>,
    /// The BSS it was last seen sending in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bssid: Option<Address>,
    /// Network names it sent, ascending, as far as the privacy settings allow. Octets that are not UTF-8 are
    /// written `\xNN`, and a backslash `\\`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssids: Vec<String>,
    /// When its first frame of the window was captured.
    pub first_seen: UnixNanos,
    /// When its last frame of the window was captured.
    pub last_seen: UnixNanos,
}

/// One vendor in one window: what privacy mode `vendor` sends in place of stations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vendor {
    /// The name; absent where unknown or randomised.
    #[serde(default)]
    pub vendor: Option<String>,
    /// Whether this row stands for randomised addresses.
    pub randomised: bool,
    /// How many transmitters it sums up.
    pub stations: u64,
    /// Frames they transmitted.
    pub frames_sent: u64,
    /// Their length in octets.
    pub bytes_sent: u64,
    /// Management frames among them.
    pub management: u64,
    /// Control frames among them.
    pub control: u64,
    /// Data frames among them.
    pub data: u64,
    /// Frames sent with the Retry bit.
    pub retries: u64,
}

/// One frequency in one window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Centre frequency of the channel, in MHz.
    pub freq_mhz: u16,
    /// Milliseconds that the radio listened there; absent where it is not ours to know.
    #[serde(default)]
    pub listened_ms: Option<u64>,
    /// Frames captured there.
    pub frames: u64,
    /// Their length in octets.
    pub bytes: u64,
}

/// The window-wide counts. `frames` is the sum of `station_frames`, `bad_fcs`, `malformed`, `without_ta`,
/// `group_ta` and `overflow_frames`, always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// Frames captured.
    pub frames: u64,
    /// Their length in octets, capture headers included.
    pub bytes: u64,
    /// Frames counted at a station.
    pub station_frames: u64,
    /// Frames known to have a wrong frame check sequence.
    pub bad_fcs: u64,
    /// Frames of another protocol version, or cut before their addresses.
    pub malformed: u64,
    /// Frames of a kind without transmitter address.
    pub without_ta: u64,
    /// Frames with a group address as transmitter.
    pub group_ta: u64,
    /// Frames of stations past the bound on stations.
    pub overflow_frames: u64,
    /// Frames older than the window's start, counted in it all the same.
    pub late: u64,
    /// Frames that the kernel dropped; absent for files.
    #[serde(default)]
    pub kernel_drops: Option<u64>,
    /// Frames that the interface dropped; absent for files.
    #[serde(default)]
    pub interface_drops: Option<u64>,
    /// Milliseconds that the radio lost in changing channels; absent where it is not ours to tune. With `off_ms` and
    /// the channels' `listened_ms` it adds up to the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switching_ms: Option<u64>,
    /// Milliseconds without a radio that listens: absent, down, being set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_ms: Option<u64>,
}

/// Where a batch's times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The capture file's own time stamps.
    Capture,
    /// The sensor's system clock, synchronised.
    System,
    /// The sensor's own guess: its system clock was not synchronised, and the sensor was switched off before it was.
    Unsynced,
}

/// Who counted, and which window of its run this is. `(sensor, run, seq, part)` is unique for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The place.
    pub site: String,
    /// The sensor's name, unique within the site.
    pub sensor: String,
    /// One start of the sensor, or one content of a file.
    pub run: Uuid,
    /// 0, 1, 2, … without holes within the run.
    pub seq: u64,
}

/// What was counted in a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Window-wide counts.
    pub capture: Capture,
    /// Frames by type and subtype, like `"0x0008"`, bad frame check sequences included.
    pub subtypes: BTreeMap<String, u64>,
    /// Per frequency, ascending.
    pub channels: Vec<Channel>,
    /// Per transmitter, by address; empty in privacy mode `vendor`.
    pub stations: Vec<Station>,
    /// Per vendor; only in privacy mode `vendor`.
    pub vendors: Vec<Vendor>,
}

/// One part of one window, as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// [`BATCH_SCHEMA`].
    pub schema: String,
    /// Whose window.
    #[serde(flatten)]
    pub identity: Identity,
    /// Which part, from 0.
    pub part: u32,
    /// Of how many.
    pub parts: u32,
    /// When the window began.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// Where the times come from.
    pub clock: Clock,
    /// Set on the parts of the last window of a run that ended cleanly.
    #[serde(rename = "final", default)]
    pub last: bool,
    /// Window-wide counts: in part 0 only, so that sums over parts are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// Frames by type and subtype: in part 0 only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subtypes: BTreeMap<String, u64>,
    /// Per frequency: in part 0 only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// Per transmitter, divided over the parts.
    #[serde(default)]
    pub stations: Vec<Station>,
    /// Per vendor, divided over the parts: privacy mode `vendor` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vendors: Vec<Vendor>,
}

/// Why windows are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The spool was full and the oldest undelivered windows gave way.
    Evicted,
    /// The sensor ended without closing its last window: killed, crashed, or without power.
    Crash,
    /// No longer in the sensor's spool: asked for again, or erased because a stricter privacy mode forbids to keep it.
    Unavailable,
}

/// A declared loss: windows that were counted, or should have been, and cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// [`GAP_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor's name.
    pub sensor: String,
    /// The run that lost them.
    pub run: Uuid,
    /// Why.
    pub reason: GapReason,
    /// First missing window.
    pub first_seq: u64,
    /// Last missing window; absent where nobody knows.
    #[serde(default)]
    pub last_seq: Option<u64>,
    /// Start of what is missing.
    pub start: UnixNanos,
    /// End of what is missing.
    pub end: UnixNanos,
    /// Frames known to be lost; absent where nobody counted them.
    #[serde(default)]
    pub frames: Option<u64>,
    /// One word more on why, where there is one: [`ERASED`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What travels through spool, broker and sinks.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Part of a window.
    Batch(Box<Batch>),
    /// A declared loss.
    Gap(Gap),
}

/// Why a payload is not a record.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("not a batch: {0}")]
    Shape(#[from] serde_json::Error),
    /// Another schema, or a major version that this program does not read.
    #[error("schema '{0}' is not one this version reads ({BATCH_SCHEMA}, {GAP_SCHEMA})")]
    Schema(String),
    /// Well-formed, but impossible.
    #[error("not a batch: {0}")]
    Impossible(&'static str),
}

impl Record {
    /// Reads a payload, ignoring fields this version does not know.
    ///
    /// # Errors
    /// When it is not JSON of a known schema's shape, or contradicts itself.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let Head { schema } = serde_json::from_slice(payload)?;
        match schema.as_str() {
            BATCH_SCHEMA => {
                let batch: Batch = serde_json::from_slice(payload)?;
                if batch.part >= batch.parts {
                    return Err(DecodeError::Impossible("its part number is not below its number of parts"));
                }
                if batch.end < batch.start {
                    return Err(DecodeError::Impossible("it ends before it starts"));
                }
                if (batch.part == 0) != batch.capture.is_some() {
                    return Err(DecodeError::Impossible("'capture' belongs to part 0 and to no other"));
                }
                Ok(Self::Batch(Box::new(batch)))
            }
            GAP_SCHEMA => Ok(Self::Gap(serde_json::from_slice(payload)?)),
            _ => Err(DecodeError::Schema(schema.chars().take(64).collect())),
        }
    }

    /// The record as the JSON that travels: one line, no spaces, the same bytes for the same record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Batch(batch) => serde_json::to_vec(batch),
            Self::Gap(gap) => serde_json::to_vec(gap),
        }
        .unwrap_or_default() // These types have string keys and finite numbers: nothing in them can fail.
    }

    /// The same record, all its times later by `shift` nanoseconds (which may be negative); a batch's clock is then the
    /// synchronised one. For records that have not left the sensor: no one else restamps.
    #[must_use]
    pub fn restamped(mut self, shift: i64) -> Self {
        let moved = |time: &mut UnixNanos| time.0 = time.0.saturating_add(shift);
        match &mut self {
            Self::Batch(batch) => {
                batch.clock = Clock::System;
                moved(&mut batch.start);
                moved(&mut batch.end);
                for station in &mut batch.stations {
                    moved(&mut station.first_seen);
                    moved(&mut station.last_seen);
                }
            }
            Self::Gap(gap) => {
                moved(&mut gap.start);
                moved(&mut gap.end);
            }
        }
        self
    }

    /// The site it came from.
    #[must_use]
    pub fn site(&self) -> &str {
        match self {
            Self::Batch(batch) => &batch.identity.site,
            Self::Gap(gap) => &gap.site,
        }
    }

    /// The sensor it came from.
    #[must_use]
    pub fn sensor(&self) -> &str {
        match self {
            Self::Batch(batch) => &batch.identity.sensor,
            Self::Gap(gap) => &gap.sensor,
        }
    }

    /// The run it belongs to.
    #[must_use]
    pub fn run(&self) -> Uuid {
        match self {
            Self::Batch(batch) => batch.identity.run,
            Self::Gap(gap) => gap.run,
        }
    }
}
