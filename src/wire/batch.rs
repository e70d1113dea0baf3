//! The batch: one window of one sensor, or a part of one.

use super::{Address, Distinct, People};
use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The schema of [`Batch`] messages. Readers ignore unknown fields within a major version.
pub const BATCH_SCHEMA: &str = "airtally.batch/1";

/// What a station was seen doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sends beacons or probe responses of an ESS, or frames from the distribution system as its own BSSID.
    AccessPoint,
    /// Sends frames to the distribution system, joins an access point, or does nothing but look for one.
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
    /// The vendor by longest prefix; absent if unknown or randomised. Of an access point with a locally administered
    /// address that of the one it was made of, where that one was heard too.
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
    /// How many names more it sent, at most, that there was no room for; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssids_left_out: Option<u64>,
    /// Of an access point: how its network protects itself, like `WPA2/WPA3`, `open` or `encrypted, kind unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<String>,
    /// Of an access point: the number of the primary channel that it announces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u8>,
    /// Of an access point: how wide the channel is that it announces, in MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_mhz: Option<u16>,
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
    /// Frames of a capture whose time could not be right and was mended, or that have none and got that of the frame
    /// before; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended_times: Option<u64>,
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

/// The rule by which databases that know no more than series and time stamp the points of a batch or gap made by this
/// version: 2 keeps runs apart. What has no number is stamped by the rule before it, by every ingest, so that what was stored
/// before an upgrade never doubles. `docs/influxdb.md` has both.
pub const STAMPING: u8 = 2;

/// Where a batch's times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
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
    /// Estimates of people, for the intervals that ended in it.
    pub people: Vec<People>,
    /// The stations as a sketch, where that is wanted.
    pub distinct: Option<Distinct>,
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
    /// How many of these are on the topic `flow`; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_parts: Option<u32>,
    /// How many of these are on the topic `alert`; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_parts: Option<u32>,
    /// When the window began.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// Where the times come from.
    pub clock: TimeSource,
    /// Set on the parts of the last window of a run that ended cleanly.
    #[serde(rename = "final", default)]
    pub last: bool,
    /// [`STAMPING`]; absent from sensors that are older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamping: Option<u8>,
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
    /// Estimates of people, for the intervals that ended in the window: in part 0, and in others only where that is full.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<People>,
    /// All stations of the window as a sketch: in one of its parts, where the sensor sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<Distinct>,
}
