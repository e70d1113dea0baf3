//! Arbitrary frames for the tests of this module.

use super::{Counts, Tally};
use crate::{
    Mac, UnixNanos,
    dot11::{Facts, FrameKind, Network, Outcome},
    wire::{Capture, Channel, Role, Signal},
};
use proptest::prelude::*;

/// What [`Facts`] says, owned, with the rest of what `add` takes.
#[derive(Clone, Debug)]
pub struct Frame {
    pub time: UnixNanos,
    pub len: u32,
    pub outcome: Outcome,
    pub kind: Option<u16>,
    pub ra: Option<Mac>,
    pub bssid: Option<Mac>,
    pub to_ds: bool,
    pub from_ds: bool,
    pub retry: bool,
    pub signal_dbm: Option<i8>,
    pub freq_mhz: Option<u16>,
    pub frame: Vec<u8>,
    pub cut: bool,
}

impl Frame {
    /// A data frame of 100 octets at the beginning of time.
    pub fn data(ta: Mac, ra: Mac) -> Self {
        Self {
            time: UnixNanos(0),
            len: 100,
            outcome: Outcome::Sent(ta),
            kind: Some(0x20),
            ra: Some(ra),
            bssid: None,
            to_ds: false,
            from_ds: false,
            retry: false,
            signal_dbm: None,
            freq_mhz: None,
            frame: Vec::new(),
            cut: false,
        }
    }

    /// A management frame that names a network.
    pub fn naming(kind: u16, ta: Mac, ssid: &[u8]) -> Self {
        let frame = management(kind, 1, &ssid_element(ssid));
        Self { kind: Some(kind), frame, ..Self::data(ta, Mac::BROADCAST) }
    }

    pub fn facts(&self) -> Facts<'_> {
        Facts {
            outcome: self.outcome,
            kind: self.kind.map(FrameKind),
            ra: self.ra,
            bssid: self.bssid,
            to_ds: self.to_ds,
            from_ds: self.from_ds,
            retry: self.retry,
            signal_dbm: self.signal_dbm,
            freq_mhz: self.freq_mhz,
            frame: &self.frame,
            cut: self.cut,
        }
    }

    pub fn add_to(&self, tally: &mut Tally) {
        tally.add(self.time, &self.facts(), self.len);
    }
}

/// A management frame's octets: no addresses, this capability where the kind has one, these elements.
pub fn management(kind: u16, capability: u16, elements: &[u8]) -> Vec<u8> {
    let (before, after) = match kind {
        0x05 | 0x08 => (10, 0),
        0x00 => (0, 2),
        0x02 => (0, 8),
        _ => return [&[0; 24], elements].concat(),
    };
    [&[0; 24][..], &vec![0; before], &capability.to_le_bytes(), &vec![0; after], elements].concat()
}

pub fn ssid_element(ssid: &[u8]) -> Vec<u8> {
    let mut element = vec![0, u8::try_from(ssid.len()).unwrap_or(0)];
    element.extend(ssid);
    element
}

pub fn tally<'a>(frames: impl IntoIterator<Item = &'a Frame>, max_stations: usize) -> Tally {
    let mut tally = Tally::new(max_stations);
    for frame in frames {
        frame.add_to(&mut tally);
    }
    tally
}

/// Everything that a tally tells, to be compared.
#[derive(Debug, PartialEq)]
pub struct Expected {
    pub capture: Capture,
    pub overflows: (u64, u64),
    pub subtypes: Vec<(FrameKind, u64)>,
    pub channels: Vec<Channel>,
    pub stations: Vec<ToldStation>,
}

#[derive(Debug, PartialEq)]
pub struct ToldStation {
    pub mac: Mac,
    pub role: Role,
    pub counts: Counts,
    pub signal: Option<Signal>,
    pub freqs_mhz: Vec<u16>,
    pub bssid: Option<Mac>,
    pub announced: Vec<Vec<u8>>,
    pub sought: Vec<Vec<u8>>,
    pub names_left_out: u64,
    pub network: Option<Network>,
    pub seen: (UnixNanos, UnixNanos),
}

pub fn told(tally: &Tally) -> Expected {
    Expected {
        capture: tally.capture().clone(),
        overflows: (tally.receiver_overflow(), tally.channel_overflow()),
        subtypes: tally.subtypes().collect(),
        channels: tally.channels(),
        stations: tally
            .stations()
            .map(|station| ToldStation {
                mac: station.mac(),
                role: station.role(),
                counts: station.counts(),
                signal: station.signal(),
                freqs_mhz: station.freqs_mhz(),
                bssid: station.bssid(),
                announced: station.announced().map(<[u8]>::to_vec).collect(),
                sought: station.sought().map(<[u8]>::to_vec).collect(),
                names_left_out: station.names_left_out(),
                network: station.network(),
                seen: (station.first_seen(), station.last_seen()),
            })
            .collect(),
    }
}

/// One of a few addresses: global and randomised ones, two group ones.
pub fn mac() -> impl Strategy<Value = Mac> {
    (0u8..10).prop_map(|n| match n {
        8 => Mac::BROADCAST,
        9 => Mac([0x01, 0, 0x5e, 0, 0, 1]),
        n => Mac([if n % 2 == 0 { 0x10 } else { 0x12 }, 1, 2, 3, 4, n]),
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        1 => Just(Outcome::BadFcs),
        1 => Just(Outcome::Malformed),
        1 => Just(Outcome::WithoutTa),
        1 => Just(Outcome::GroupTa),
        8 => mac().prop_map(|mac| Outcome::Sent(mac.individual())),
    ]
}

fn elements() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        // Few names, so that they repeat; one too long to be one.
        (0usize..24).prop_map(|n| ssid_element(&[b'a'].repeat(n))),
        Just(ssid_element(&[b'b'; 40])),
        proptest::collection::vec(any::<u8>(), 0..20),
        // What a network says of itself, whole or not.
        (0u8..12, 0usize..30).prop_map(|(channel, kept)| {
            let rsn = [48, 20, 1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 4, 1, 0, 0, 0x0f, 0xac, 2, 0, 0];
            let mut elements = [&[3, 1, channel][..], &rsn].concat();
            elements.truncate(kept);
            elements
        }),
    ]
}

/// Any frame at all, over few addresses, frequencies and names.
pub fn frame() -> impl Strategy<Value = Frame> {
    let kind = prop_oneof![
        4 => prop_oneof![Just(0x08u16), Just(0x04), Just(0x05), Just(0x0b), Just(0x20), Just(0x28)].prop_map(Some),
        1 => (0u16..0x40).prop_map(Some),
        1 => (0x160u16..0x170).prop_map(Some),
        1 => Just(None),
    ];
    let capability = (0u16..8).prop_map(|bits| bits & 3 | (bits & 4) << 2);
    let freq = prop_oneof![Just(None), (0u16..4).prop_map(|n| Some(2412 + 5 * n)), (0u16..200).prop_map(Some)];
    (
        (-1_000i64..1_000, prop_oneof![60u32..2_000, Just(u32::MAX)], outcome(), kind),
        (proptest::option::of(mac()), proptest::option::of(mac())),
        (any::<bool>(), any::<bool>(), any::<bool>()),
        (proptest::option::of(any::<i8>()), freq, capability, elements(), any::<bool>()),
    )
        .prop_map(|(what, addresses, bits, rest)| Frame {
            time: UnixNanos(what.0),
            len: what.1,
            outcome: what.2,
            kind: what.3,
            ra: addresses.0,
            bssid: addresses.1,
            to_ds: bits.0,
            from_ds: bits.1,
            retry: bits.2,
            signal_dbm: rest.0,
            freq_mhz: rest.1,
            frame: management(what.3.unwrap_or_default(), rest.2, &rest.3),
            cut: rest.4,
        })
}

pub fn frames(most: usize) -> impl Strategy<Value = Vec<Frame>> {
    proptest::collection::vec(frame(), 0..most)
}
