//! One station's counts: 64 octets (one cache line) that every frame touches, and rare things beside them.
//! Knows no frames and no privacy.

use super::Tally;
use crate::{
    Mac, UnixNanos,
    dot11::{Network, Security},
    wire::{Role, Signal},
};
use std::cmp::Reverse;

/// Names of one station that are told, of each origin.
const MAX_TOLD: usize = 16;
/// Names counted of one station, of each origin. As long as there are no more, which are heard most is known exactly, and
/// parts of a capture can be counted apart.
pub(super) const MAX_NAMES: u8 = 64;
/// Names kept of all stations together: they take 44 octets each.
pub(super) const MAX_ALL_NAMES: usize = 1 << 20;
/// Octets of a network name at most (IEEE 802.11-2020, 9.4.2.2).
pub(super) const MAX_NAME_LEN: usize = 32;

/// What a station was seen doing, and which fields mean something: bits above the address in [`Slot::key`].
pub(super) mod flag {
    pub const SENT: u64 = 1 << 48;
    pub const ACCESS_POINT: u64 = 1 << 49;
    pub const CLIENT: u64 = 1 << 50;
    pub const AD_HOC: u64 = 1 << 51;
    pub const WIRED: u64 = 1 << 52;
    pub const HAS_BSSID: u64 = 1 << 53;
    /// It sent probe requests.
    pub const PROBED: u64 = 1 << 54;
    /// It sent beacons or probe responses of neither an access point nor an independent BSS.
    pub const NEITHER: u64 = 1 << 55;
}

/// The address bits of [`Slot::key`].
pub(super) const MAC_BITS: u64 = (1 << 48) - 1;

/// What every frame touches. Its counts are narrow; before one of them overflows they move to [`Extra`].
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Slot {
    pub key: u64,
    /// As [`first_key`] has it.
    pub first: i64,
    pub last: i64,
    /// A bit for each of the tally's first 64 channels.
    pub channels: u64,
    pub bytes: u32,
    pub signal_sum: i32,
    /// Its [`Rare`], counted from 1; 0 is none.
    pub rare: u32,
    pub frames: u16,
    pub received: u16,
    pub management: u16,
    pub control: u16,
    pub retries: u16,
    pub signals: u16,
    pub signal_min: i8,
    pub signal_max: i8,
    pub bssid: [u8; 6],
}

const _: () = assert!(size_of::<Slot>() == 64);

/// A time as the earliest one is kept: one less, so that no time at all ([`UnixNanos::NONE`]) is after all others.
#[inline]
pub(super) const fn first_key(time: UnixNanos) -> i64 {
    time.0.wrapping_sub(1)
}

impl Slot {
    pub(super) fn new(mac: u64) -> Self {
        Self {
            key: mac,
            first: 0,
            last: 0,
            channels: 0,
            bytes: 0,
            signal_sum: 0,
            rare: 0,
            frames: 0,
            received: 0,
            management: 0,
            control: 0,
            retries: 0,
            signals: 0,
            // Any signal is at least as strong and as weak as these.
            signal_min: i8::MAX,
            signal_max: i8::MIN,
            bssid: [0; 6],
        }
    }

    pub(super) fn mac(&self) -> u64 {
        self.key & MAC_BITS
    }

    pub(super) fn has(&self, flag: u64) -> bool {
        self.key & flag != 0
    }
}

/// What few stations have.
#[derive(Clone, Copy, Default)]
pub(super) struct Rare {
    /// The newest [`Name`], counted from 1; 0 is none.
    pub names: u32,
    /// Its [`Extra`], counted from 1; 0 is none.
    pub extra: u32,
    pub network: Option<Network>,
    pub announced: u8,
    pub sought: u8,
    /// How often a name that it announced, or looked for, had no room, or took another's.
    pub announced_left_out: u32,
    pub sought_left_out: u32,
}

/// What is known of a network from what was announced before and after.
pub(super) fn join(earlier: Option<Network>, later: Option<Network>) -> Option<Network> {
    match (earlier, later) {
        (Some(earlier), Some(later)) => Some(earlier.and_then(later)),
        (earlier, later) => earlier.or(later),
    }
}

/// Counts of busy stations, added to those of the [`Slot`], and what hardly any station has.
#[derive(Clone, Copy, Default)]
pub(super) struct Extra {
    pub counts: Counts,
    pub signals: u64,
    pub signal_sum: i64,
    /// Frames of type 3 (extension), which are neither management, control nor data.
    pub extension: u64,
    /// A bit for each of the tally's channels past the first 64.
    pub channels: u64,
}

/// How a station used a network name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// In beacons and probe responses: an announcement.
    Announced,
    /// In probe and (re)association requests: where it wants to be.
    Sought,
}

#[derive(Clone, Copy)]
pub(super) struct Name {
    pub octets: [u8; MAX_NAME_LEN],
    pub len: u8,
    pub origin: Origin,
    /// How often it was heard; of one that took another's place, both together.
    pub heard: u32,
    /// The one before it, counted from 1; 0 is none.
    pub older: u32,
}

impl Name {
    pub(super) fn octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// What a station sent and received.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Frames transmitted by it.
    pub frames_sent: u64,
    /// Their length in octets, capture headers included.
    pub bytes_sent: u64,
    /// Frames with good check sequence addressed to it (RA), those before its own first one included.
    pub frames_received: u64,
    /// Management frames among those sent.
    pub management: u64,
    /// Control frames among those sent.
    pub control: u64,
    /// Data frames among those sent, Ethernet-like ones included.
    pub data: u64,
    /// Frames sent with the Retry bit.
    pub retries: u64,
}

/// A transmitter of a [`Tally`], looked at.
#[derive(Clone, Copy)]
pub struct Station<'a> {
    tally: &'a Tally,
    entry: &'a Slot,
}

impl<'a> Station<'a> {
    pub(super) fn new(tally: &'a Tally, entry: &'a Slot) -> Self {
        Self { tally, entry }
    }

    // Looked up when asked for: reports sort hundreds of thousands of stations.
    fn rare(&self) -> Rare {
        self.tally.rare_of(self.entry)
    }

    fn extra(&self) -> Extra {
        self.tally.extra_of(&self.rare())
    }

    /// Its address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        Mac::from_u64(self.entry.mac())
    }

    /// What it was seen doing. Of several the first of this order holds: access point, client, ad hoc, wired.
    ///
    /// * Access point: it sent a beacon or probe response with the ESS and without the IBSS capability bit (IEEE
    ///   802.11-2020, 9.4.1.4), or one that was cut before these and whose BSSID is its own address; or a data frame
    ///   with FromDS and without ToDS whose BSSID is its own address. With neither bit it is a mesh station, or a
    ///   Wi-Fi Direct device.
    /// * Client: it sent a data frame with ToDS and without FromDS, a PS-Poll, an association or reassociation
    ///   request, or an authentication frame to the BSSID. Also what sent probe requests and is none of the others,
    ///   nor announced anything.
    /// * Ad hoc: it sent a beacon or probe response with the IBSS bit, or a data frame with neither DS bit in a BSS
    ///   that is not its own address.
    /// * Wired: it sent a frame that is not 802.11.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.entry {
            entry if entry.has(flag::ACCESS_POINT) => Role::AccessPoint,
            entry if entry.has(flag::CLIENT) => Role::Client,
            entry if entry.has(flag::AD_HOC) => Role::AdHoc,
            entry if entry.has(flag::WIRED) => Role::Wired,
            entry if entry.has(flag::PROBED) && !entry.has(flag::NEITHER) => Role::Client,
            _ => Role::Unknown,
        }
    }

    /// What it sent and received.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (entry, extra) = (self.entry, self.extra());
        let carried = extra.counts;
        let mut counts = Counts {
            frames_sent: carried.frames_sent + u64::from(entry.frames),
            bytes_sent: carried.bytes_sent + u64::from(entry.bytes),
            frames_received: carried.frames_received + u64::from(entry.received),
            management: carried.management + u64::from(entry.management),
            control: carried.control + u64::from(entry.control),
            data: 0,
            retries: carried.retries + u64::from(entry.retries),
        };
        // Every frame sent is of one of four types, so one of them need not be counted.
        let others = counts.management + counts.control + extra.extension;
        counts.data = counts.frames_sent.saturating_sub(others);
        counts
    }

    /// Signal of the frames sent that reported one.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sums of dBm stay far below 2^53")]
    pub fn signal(&self) -> Option<Signal> {
        let extra = self.extra();
        let frames = extra.signals + u64::from(self.entry.signals);
        let sum = extra.signal_sum + i64::from(self.entry.signal_sum);
        (frames > 0).then(|| Signal {
            min: self.entry.signal_min,
            mean: (sum as f64 * 10.0 / frames as f64).round() / 10.0 + 0.0, // never -0.0
            max: self.entry.signal_max,
            frames,
        })
    }

    /// Frequencies it was heard on, in MHz, ascending.
    #[must_use]
    pub fn freqs_mhz(&self) -> Vec<u16> {
        let bits = u128::from(self.extra().channels) << 64 | u128::from(self.entry.channels);
        let mut freqs: Vec<u16> = (0..)
            .zip(&self.tally.channels)
            .filter(|&(place, _)| bits >> place & 1 != 0)
            .map(|(_, channel)| channel.freq_mhz)
            .collect();
        freqs.sort_unstable();
        freqs
    }

    /// The BSSID of the last frame it sent that named one BSS.
    #[must_use]
    pub fn bssid(&self) -> Option<Mac> {
        self.entry.has(flag::HAS_BSSID).then_some(Mac(self.entry.bssid))
    }

    /// Names of networks it announced in beacons and probe responses, those of Multiple BSSID elements included: 16 at
    /// most, newest first.
    ///
    /// Of more, those heard most (the older of several). 64 are counted: a name past them takes the place of the one heard
    /// least (the newest of several), and its count with it, so that a name in more than a sixteenth of a station's
    /// announcements is always told (the algorithm Space-Saving of Metwally, Agrawal and El Abbadi, 2005). Of all stations
    /// together 1,048,576 names are counted; past them a station can only exchange its own.
    pub fn announced(&self) -> impl Iterator<Item = &'a [u8]> {
        self.names(Origin::Announced)
    }

    /// Names of networks it looked for in probe, association and reassociation requests: 16 at most, newest first, those
    /// heard most as in [`Station::announced`].
    pub fn sought(&self) -> impl Iterator<Item = &'a [u8]> {
        self.names(Origin::Sought)
    }

    /// How many names it announced beyond those told, at most: one that was not even counted and comes again counts again.
    #[must_use]
    pub fn announced_left_out(&self) -> u64 {
        let rare = self.rare();
        u64::from(rare.announced).saturating_sub(MAX_TOLD as u64) + u64::from(rare.announced_left_out)
    }

    /// How many names it looked for beyond those told, at most, likewise.
    #[must_use]
    pub fn sought_left_out(&self) -> u64 {
        let rare = self.rare();
        u64::from(rare.sought).saturating_sub(MAX_TOLD as u64) + u64::from(rare.sought_left_out)
    }

    /// How many names of either kind are not told.
    #[must_use]
    pub fn names_left_out(&self) -> u64 {
        self.announced_left_out() + self.sought_left_out()
    }

    /// The network that it announced first, in a frame that was not cut if there is one.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.rare().network
    }

    /// How the network that it announced protects itself.
    #[must_use]
    pub fn security(&self) -> Option<Security> {
        self.network().map(|network| network.security)
    }

    /// When the earliest of its frames was captured, of those whose time is known; [`UnixNanos::NONE`] if of none it is.
    #[must_use]
    pub fn first_seen(&self) -> UnixNanos {
        UnixNanos(self.entry.first.wrapping_add(1))
    }

    /// When the latest of its frames was captured, likewise.
    #[must_use]
    pub fn last_seen(&self) -> UnixNanos {
        UnixNanos(self.entry.last)
    }

    fn names(&self, origin: Origin) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let tally = self.tally;
        let mut names: Vec<&Name> = tally.names_from(self.rare().names).filter(|name| name.origin == origin).collect();
        if names.len() > MAX_TOLD {
            let mut counts: Vec<_> = (0..).zip(&names).map(|(at, name)| (Reverse(name.heard), Reverse(at))).collect();
            counts.sort_unstable();
            let least = counts.get(MAX_TOLD - 1).copied();
            let mut at = 0;
            names.retain(|name| {
                let told = least.is_some_and(|least| (Reverse(name.heard), Reverse(at)) <= least);
                at += 1;
                told
            });
        }
        names.into_iter().map(Name::octets)
    }
}
