//! What a minute or an hour holds beside its counts: stations, channels, vendors, subtypes. Of stations only those that may
//! have a history of their own (tracked ones and access points); all others are sums. Packed, because nobody looks for a row
//! of it.

use super::station::{ChannelSum, StationSum, VendorSum};
use crate::wire::{Address, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The packing's version: the first octet.
const VERSION: u8 = 1;
/// Largest detail that is unpacked; a larger one is damage.
const LARGEST: usize = 64 << 20;
/// How hard zstd tries.
const LEVEL: i32 = 3;

/// Sums of stations that are not named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unnamed {
    /// Stations of each window, summed over windows.
    pub stations: u64,
    pub frames_sent: u64,
    pub bytes_sent: u64,
    pub frames_received: u64,
    pub management: u64,
    pub control: u64,
    pub data: u64,
    pub retries: u64,
}

impl Unnamed {
    fn of(sum: &StationSum) -> Self {
        Self {
            stations: sum.windows,
            frames_sent: sum.frames_sent,
            bytes_sent: sum.bytes_sent,
            frames_received: sum.frames_received,
            management: sum.management,
            control: sum.control,
            data: sum.data,
            retries: sum.retries,
        }
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.stations, other.stations),
            (&mut self.frames_sent, other.frames_sent),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.frames_received, other.frames_received),
            (&mut self.management, other.management),
            (&mut self.control, other.control),
            (&mut self.data, other.data),
            (&mut self.retries, other.retries),
        ] {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// The detail of a minute or an hour of a sensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Detail {
    pub stations: BTreeMap<Address, StationSum>,
    /// All stations without a history of their own whose address is globally administered, and their pseudonyms.
    pub other: Unnamed,
    /// Those whose address is randomised.
    pub randomised: Unnamed,
    pub channels: BTreeMap<u16, ChannelSum>,
    /// All stations, named above or not, and the sums of a privacy mode that names none.
    pub vendors: BTreeMap<(Option<String>, bool), VendorSum>,
    /// Frames by type and subtype.
    pub subtypes: BTreeMap<String, u64>,
}

impl Detail {
    /// A station of a window.
    pub fn station(&mut self, address: Address, sum: StationSum) {
        if sum.tracked || sum.role == Role::AccessPoint {
            match self.stations.entry(address) {
                std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().add(&sum),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(sum);
                }
            }
        } else if sum.randomised {
            self.randomised.add(&Unnamed::of(&sum));
        } else {
            self.other.add(&Unnamed::of(&sum));
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (address, sum) in &other.stations {
            match self.stations.get_mut(address) {
                Some(known) => known.add(sum),
                None => {
                    self.stations.insert(*address, sum.clone());
                }
            }
        }
        self.other.add(&other.other);
        self.randomised.add(&other.randomised);
        for (freq_mhz, sum) in &other.channels {
            self.channels.entry(*freq_mhz).or_default().add(sum);
        }
        for (vendor, sum) in &other.vendors {
            self.vendors.entry(vendor.clone()).or_default().add(sum);
        }
        for (subtype, frames) in &other.subtypes {
            let sum = self.subtypes.entry(subtype.clone()).or_default();
            *sum = sum.saturating_add(*frames);
        }
    }

    pub fn pack(&self) -> Vec<u8> {
        // Strings, numbers and maps: nothing in them can fail.
        let plain = postcard::to_stdvec(self).unwrap_or_default();
        let mut packed = vec![VERSION];
        packed.extend(u32::try_from(plain.len()).unwrap_or(u32::MAX).to_le_bytes());
        packed.extend(zstd::bulk::compress(&plain, LEVEL).unwrap_or_default());
        packed
    }

    /// Nothing if that is no detail: the disk is damaged.
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        let (&[VERSION, a, b, c, d], body) = packed.split_first_chunk::<5>()? else { return None };
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok().filter(|length| *length <= LARGEST)?;
        let plain = zstd::bulk::decompress(body, length).ok()?;
        postcard::from_bytes(&plain).ok()
    }
}
