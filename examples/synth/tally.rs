//! What a correct count of the generated capture is: kept while frames are written, from what the generator
//! meant by each, never by reading the octets back. Knows nothing of airtally.

use serde::{Serialize, Serializer, ser::SerializeMap};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Six octets of an address.
pub type MacBytes = [u8; 6];

/// `aa:bb:cc:dd:ee:ff`.
pub fn mac_text(mac: &MacBytes) -> String {
    let mut text = String::with_capacity(17);
    for (index, octet) in mac.iter().enumerate() {
        let _ = write!(text, "{}{octet:02x}", if index == 0 { "" } else { ":" });
    }
    text
}

/// The whole capture.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Tally {
    /// The seed it was made from.
    pub seed: u64,
    /// Frames in the file.
    pub frames: u64,
    /// Their length on the air in octets, radiotap header included.
    pub bytes: u64,
    /// Frames of individual transmitters.
    pub station_frames: u64,
    /// Frames flagged as having a wrong frame check sequence (its value is wrong too, where it is present).
    pub bad_fcs: u64,
    /// Frames with another protocol version, cut before their addresses, or cut within the radiotap header.
    pub malformed: u64,
    /// ACK and CTS.
    pub without_ta: u64,
    /// Frames with a group address as transmitter.
    pub group_ta: u64,
    /// Frames with the Retry bit and a good frame check sequence, by individual transmitters.
    pub retries: u64,
    /// Time of the first frame, nanoseconds since 1970.
    pub first_time: i64,
    /// Time of the last frame.
    pub last_time: i64,
    /// Frames by type and subtype, like `0x0008`, bad ones included wherever version 0 says what they are.
    pub subtypes: BTreeMap<String, u64>,
    /// By centre frequency in MHz, every frame whose radiotap header is whole.
    pub channels: BTreeMap<u16, Channel>,
    /// By transmitter.
    #[serde(serialize_with = "by_text")]
    pub stations: BTreeMap<MacBytes, Station>,
    /// What was planted, if that was asked for.
    pub planted: Option<Planted>,
}

fn by_text<S: Serializer>(stations: &BTreeMap<MacBytes, Station>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(stations.len()))?;
    for (mac, station) in stations {
        map.serialize_entry(&mac_text(mac), station)?;
    }
    map.end()
}

/// One frequency.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Frames captured there.
    pub frames: u64,
    /// Their length in octets.
    pub bytes: u64,
}

/// One transmitter.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Station {
    /// Frames it transmitted (the transmitter address is its own, the check sequence not known to be bad).
    pub frames_sent: u64,
    /// Their length in octets.
    pub bytes_sent: u64,
    /// Good frames whose receiver address is its own.
    pub frames_received: u64,
    /// Management frames among those sent.
    pub management: u64,
    /// Control frames among those sent.
    pub control: u64,
    /// Data frames among those sent.
    pub data: u64,
    /// Those sent with the Retry bit.
    pub retries: u64,
    /// Weakest signal of those sent, in dBm, at the first antenna.
    pub signal_min: Option<i8>,
    /// Strongest.
    pub signal_max: Option<i8>,
    /// Sum of all signals.
    pub signal_sum: i64,
    /// How many frames reported one.
    pub signal_frames: u64,
    /// Frequencies it sent on.
    pub freqs_mhz: BTreeSet<u16>,
    /// Network names in its beacons and probe responses. Octets that are not UTF-8 as `\xNN`, a backslash as `\\`.
    pub ssids: BTreeSet<String>,
    /// Network names in its probe and association requests.
    pub sought_ssids: BTreeSet<String>,
    /// Whether the address is locally administered.
    pub randomised: bool,
    /// Time of its first frame, nanoseconds since 1970.
    pub first_seen: i64,
    /// Time of its last frame.
    pub last_seen: i64,
}

/// Addresses and names that occur for the sake of being searched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// A client with a maker's address.
    pub client: String,
    /// A client with a randomised address.
    pub randomised: String,
    /// The access point that both use.
    pub access_point: String,
    /// A host behind the access point, seen as source and destination only.
    pub wired_host: String,
    /// The access point's network name.
    pub beacon_ssid: String,
    /// A name that only the clients' probe requests carry.
    pub probe_ssid: String,
}
