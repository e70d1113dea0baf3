//! What leaves a tally: its counts as a batch's contents, after privacy. What a mode withholds does not get past
//! here. Knows no window and no transport; does no I/O: keys come from whoever implements [`Keys`].

use super::{
    Bases, Station, Tally,
    settings::{Privacy, PrivacyMac},
};
use crate::{
    Mac, UnixNanos,
    oui::Registry,
    wire::{self, Address, Contents, Role, Vendor, ssid_text},
};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use std::{collections::BTreeMap, fmt, io, path::PathBuf, time::Duration};

/// Where the pseudonyms' keys come from. Implementations keep one key, and destroy it when another rotation's is
/// asked for.
pub trait Keys {
    /// The key of one rotation: the same one as long as no other is asked for.
    ///
    /// # Errors
    /// When there is none to be had.
    fn key(&mut self, rotation_index: i64) -> Result<[u8; 32], KeyError>;

    /// Destroys the kept key, so that even the same rotation gets another: the clock was moved, and a key must not live
    /// longer than a rotation by any clock.
    ///
    /// # Errors
    /// When it cannot be destroyed.
    fn forget(&mut self) -> Result<(), KeyError> {
        Ok(())
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nobody provides keys.
    #[error("privacy.mac is \"pseudonym\", but no place for its key is known: set privacy.key_dir")]
    Absent,
    /// The key file cannot be used.
    #[error("cannot {action} {}: {source}; privacy.key_dir must be a directory this user can write to", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Which rotation of keys `at` is in, where each lasts `rotation`.
#[must_use]
pub fn rotation_index(at: UnixNanos, rotation: Duration) -> i64 {
    at.0.div_euclid(i64::try_from(rotation.as_nanos()).unwrap_or(i64::MAX).max(1))
}

/// For modes that need no key.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl Keys for NoKeys {
    fn key(&mut self, _: i64) -> Result<[u8; 32], KeyError> {
        Err(KeyError::Absent)
    }
}

/// What stands for addresses, and whether names of networks are told, in what one window says besides counts.
#[derive(Clone, PartialEq, Eq)]
pub enum Naming {
    /// They themselves.
    Plain,
    /// Pseudonyms by the window's key.
    Pseudonym([u8; 32]),
    /// Nothing.
    Withheld,
}

impl Naming {
    /// What stands for `mac`, if anything does.
    #[must_use]
    pub fn address(&self, mac: Mac) -> Option<Address> {
        match self {
            Self::Plain => Some(Address::Mac(mac)),
            Self::Pseudonym(key) => Some(Address::Pseudonym(pseudonym(key, mac))),
            Self::Withheld => None,
        }
    }

    /// Whether names that access points announce are told.
    #[must_use]
    pub fn tells_names(&self) -> bool {
        *self != Self::Withheld
    }
}

/// Without the key.
impl fmt::Debug for Naming {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Plain => "Plain",
            Self::Pseudonym(_) => "Pseudonym",
            Self::Withheld => "Withheld",
        })
    }
}

/// How addresses leave.
pub(super) enum Mode<'a> {
    Plain,
    Pseudonym(&'a [u8; 32]),
    Vendor,
}

/// The contents of a window without its drops and late frames. `tracked` says of each station, in ascending order of
/// address, whether it is tracked; missing entries are not.
pub(super) fn contents(
    tally: &Tally,
    registry: &Registry,
    mode: &Mode<'_>,
    probes: bool,
    tracked: &[bool],
) -> Contents {
    let mut contents = Contents {
        capture: tally.capture().clone(),
        subtypes: tally.subtypes().map(|(kind, frames)| (format!("{:#06x}", kind.0), frames)).collect(),
        channels: tally.channels(),
        ..Contents::default()
    };
    match mode {
        Mode::Plain => {
            let tracked = tracked.iter().copied().chain(std::iter::repeat(false));
            let rows = tally.stations().zip(tracked);
            let bases = Bases::new(registry, tally.stations_unsorted());
            let vendor = |station: &Station<'_>| bases.vendor(station);
            contents.stations =
                rows.map(|(station, tracked)| row(&station, vendor, Address::Mac, probes, tracked)).collect();
        }
        Mode::Pseudonym(key) => {
            let address = |mac| Address::Pseudonym(pseudonym(key, mac));
            let vendor = |station: &Station<'_>| registry.vendor_of_many(station.mac());
            contents.stations = tally.stations().map(|station| row(&station, vendor, address, probes, false)).collect();
            // The order of the addresses would tell something of them.
            contents.stations.sort_unstable_by_key(|station| station.mac);
        }
        Mode::Vendor => contents.vendors = vendors(tally, registry),
    }
    contents
}

fn row<'r>(
    station: &Station<'_>,
    vendor: impl Fn(&Station<'_>) -> Option<&'r str>,
    address: impl Fn(Mac) -> Address,
    probes: bool,
    tracked: bool,
) -> wire::Station {
    let (mac, counts) = (station.mac(), station.counts());
    let mut ssids: Vec<String> = station.announced().map(ssid_text).collect();
    if probes {
        ssids.extend(station.sought().map(ssid_text));
    }
    ssids.sort_unstable();
    ssids.dedup();
    let left_out = station.announced_left_out() + if probes { station.sought_left_out() } else { 0 };
    let network = station.network().filter(|_| station.role() == Role::AccessPoint);
    wire::Station {
        mac: address(mac),
        vendor: vendor(station).map(Into::into),
        randomised: mac.is_randomised(),
        tracked,
        role: station.role(),
        frames_sent: counts.frames_sent,
        bytes_sent: counts.bytes_sent,
        frames_received: counts.frames_received,
        management: counts.management,
        control: counts.control,
        data: counts.data,
        retries: counts.retries,
        signal_dbm: station.signal(),
        freqs_mhz: station.freqs_mhz(),
        bssid: station.bssid().map(address),
        ssids,
        ssids_left_out: Some(left_out).filter(|&names| names > 0),
        security: network.map(|network| network.security.to_string()),
        channel: network.and_then(|network| network.channel),
        width_mhz: network.and_then(|network| network.width_mhz),
        first_seen: station.first_seen(),
        last_seen: station.last_seen(),
    }
}

/// Known vendors by name, then the unknown, then the randomised.
fn vendors(tally: &Tally, registry: &Registry) -> Vec<Vendor> {
    let mut rows: BTreeMap<(bool, bool, Option<&str>), Vendor> = BTreeMap::new();
    for station in tally.stations() {
        let (mac, counts) = (station.mac(), station.counts());
        let name = registry.vendor_of_many(mac);
        let row = rows.entry((mac.is_randomised(), name.is_none(), name)).or_insert_with(|| Vendor {
            vendor: name.map(Into::into),
            randomised: mac.is_randomised(),
            stations: 0,
            frames_sent: 0,
            bytes_sent: 0,
            management: 0,
            control: 0,
            data: 0,
            retries: 0,
        });
        row.stations += 1;
        row.frames_sent += counts.frames_sent;
        row.bytes_sent += counts.bytes_sent;
        row.management += counts.management;
        row.control += counts.control;
        row.data += counts.data;
        row.retries += counts.retries;
    }
    rows.into_values().collect()
}

/// What stands for an address: the first 64 bits of HMAC-SHA256 (RFC 2104) over it.
#[must_use]
pub fn pseudonym(key: &[u8; 32], mac: Mac) -> u64 {
    let mut block = [0; 64]; // A short key is padded with zeros to SHA-256's block (RFC 2104, clause 2).
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let mut hash = Hmac::<Sha256>::new(&block.into());
    hash.update(&mac.0);
    let digest: [u8; 32] = hash.finalize().into_bytes().into();
    digest.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

impl Mode<'_> {
    pub(super) fn naming(&self) -> Naming {
        match self {
            Self::Plain => Naming::Plain,
            Self::Pseudonym(key) => Naming::Pseudonym(**key),
            Self::Vendor => Naming::Withheld,
        }
    }

    /// The mode that a configuration asks for; `None` if it needs a key and has none.
    pub(super) fn new<'a>(privacy: &Privacy, key: Option<&'a [u8; 32]>) -> Option<Mode<'a>> {
        match privacy.mac {
            PrivacyMac::Plain => Some(Mode::Plain),
            PrivacyMac::Pseudonym => key.map(Mode::Pseudonym),
            PrivacyMac::Vendor => Some(Mode::Vendor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        oui::{Assignment, Prefix, RegistryEntry, table::Builder},
        tally::testing::{Frame, management, ssid_element, tally},
    };
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];

    fn registry(rows: &[(u64, u8)]) -> Registry {
        let mut builder = Builder::default();
        for &(address, bits) in rows {
            let prefix = Prefix::new(address, bits);
            let (name, registry) = (format!("{prefix:?}"), Some(Assignment::Local));
            builder.row(RegistryEntry { prefix, registry, short_name: None, organisation: Some(&name), address: None });
        }
        builder.build(String::new())
    }

    /// Addresses that lie close together, so that prefixes nest and cover them.
    fn close() -> impl Strategy<Value = u64> {
        (0u64..3, 0u64..3, 0u64..3).prop_map(|(a, b, c)| 0x1000_0000_0000 | a << 22 | b << 11 | c)
    }

    proptest! {
        /// What is withheld about a station does not come back by the name of an entry for it alone.
        #[test]
        fn entries_longer_than_36_bits_name_nobody_whose_address_is_withheld(
            rows in prop::collection::vec((close(), 20u8..=48), 0..20),
            stations in prop::collection::vec(close(), 1..20),
        ) {
            let frames: Vec<Frame> =
                stations.iter().map(|&mac| Frame::data(Mac::from_u64(mac), Mac::BROADCAST)).collect();
            let tally = tally(&frames, 100);
            let (all, short): (Vec<_>, Vec<_>) = (rows.clone(), rows.into_iter().filter(|row| row.1 <= 36).collect());
            let (all, short) = (registry(&all), registry(&short));
            for mode in [Mode::Pseudonym(&KEY), Mode::Vendor] {
                let said = |registry| contents(&tally, registry, &mode, false, &[]);
                prop_assert_eq!(said(&all), said(&short));
            }
            // Plain addresses keep the names that the longest entries give.
            for station in contents(&tally, &all, &Mode::Plain, false, &[]).stations {
                let Address::Mac(mac) = station.mac else { return Err(TestCaseError::fail("a pseudonym")) };
                prop_assert_eq!(station.vendor.as_deref(), all.vendor(mac));
            }
        }
    }

    #[test]
    fn an_access_points_row_says_what_its_network_announces() {
        // Channel 6, and nothing to protect it.
        let elements = [&ssid_element(b"net")[..], &[3, 1, 6]].concat();
        let [ap, phone] = [1, 2].map(|n| Mac::from_u64(0x1000_0000_0000 | n));
        let beacon = Frame { frame: management(8, 1, &elements), ..Frame::naming(8, ap, b"") };
        let cut = Frame { cut: true, ..beacon.clone() };
        // A mesh station announces a network too, and is no access point.
        let mesh = Frame { frame: management(8, 0, &elements), ..Frame::naming(8, phone, b"") };
        for (mode, sent, width) in
            [(Mode::Plain, &beacon, Some(20)), (Mode::Pseudonym(&KEY), &beacon, Some(20)), (Mode::Plain, &cut, None)]
        {
            let tally = tally(&[sent.clone(), mesh.clone()], 10);
            let mut rows = contents(&tally, &Registry::empty(), &mode, false, &[]).stations;
            rows.sort_by_key(|row| row.role != Role::AccessPoint);
            let said: Vec<_> = rows.iter().map(|row| (row.security.as_deref(), row.channel, row.width_mhz)).collect();
            assert_eq!(said, [(Some("open"), Some(6), width), (None, None, None)]);
        }
    }

    #[test]
    fn a_row_says_how_many_names_had_no_room_of_the_kinds_that_are_told() {
        let mac = Mac::from_u64(0x1000_0000_0001);
        let names = |kind, count| (0..count).map(move |n| Frame::naming(kind, mac, &[kind.to_le_bytes()[0] + 65, n]));
        let tally = tally(&names(0x08, 20).chain(names(0x04, 18)).collect::<Vec<_>>(), 10);
        let row = |probes| contents(&tally, &Registry::empty(), &Mode::Plain, probes, &[]).stations.remove(0);
        assert_eq!((row(false).ssids.len(), row(false).ssids_left_out), (16, Some(4)));
        assert_eq!((row(true).ssids.len(), row(true).ssids_left_out), (32, Some(6)));
    }

    #[test]
    fn a_pseudonym_is_what_others_compute_by_hmac_sha256() {
        // printf '\\x10\\0\\0\\0\\0\\x01' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…1f
        let key = std::array::from_fn(|n| u8::try_from(n).unwrap_or(0));
        assert_eq!(pseudonym(&key, Mac([0x10, 0, 0, 0, 0, 1])), 0xf9b9_adfa_68b1_31a3);
    }
}
