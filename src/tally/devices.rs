//! One's own devices: the list `[[devices]]` of a configuration, with a flag for each thing that is done for a device.

use super::settings::Tracking;
use crate::{Mac, bounds::Mistakes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Characters of a device's name, at most.
const MAX_NAME: usize = 64;

/// A device of the user's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// What its owner calls it; unique in the list.
    pub name: String,
    /// The address that it sends from.
    pub address: Mac,
    /// Whether it always has a time series of its own.
    #[serde(default)]
    pub track: bool,
    /// Whether it says nothing of people: a computer of the room, and nobody's.
    #[serde(default)]
    pub ignore: bool,
    /// Whether ingest may tell others whether it is heard (`[home_assistant]`); in privacy mode plain alone.
    #[serde(default)]
    pub presence: bool,
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Devices(pub Vec<Device>);

impl Devices {
    /// Refuses names that say nothing or are there twice, and addresses that no device sends from.
    pub fn check(&self, found: &mut Mistakes) {
        let mut names = BTreeSet::new();
        for (index, Device { name, address, .. }) in self.0.iter().enumerate() {
            let which = index + 1;
            found.at(index);
            if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
                found.wrong(
                    "devices.name",
                    format!(
                        "{name:?}, of device {which}, must have 1 to {MAX_NAME} characters, not only spaces, and no control characters"
                    ),
                );
            }
            if !names.insert(name) {
                found.wrong("devices.name", format!("{name:?} is there twice: give each device a name of its own"));
            }
            if address.is_group() {
                found.wrong(
                    "devices.address",
                    format!(
                        "{address}, of {name:?}, is a group address, and no device sends from one: give the device's own"
                    ),
                );
            }
        }
        found.at(None);
    }

    /// `tracking` with all that is always tracked in its list: first the addresses that it names, as they stand there,
    /// then those of devices, each once. So a list that moves from the one to the other stays the same list.
    #[must_use]
    pub fn tracked(&self, tracking: &Tracking) -> Tracking {
        let mut known: BTreeSet<Mac> = tracking.always.iter().copied().collect();
        let mut tracking = tracking.clone();
        let tracked = self.0.iter().filter(|device| device.track).map(|device| device.address);
        tracking.always.extend(tracked.filter(|address| known.insert(*address)));
        tracking
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device(name: &str, last: u8, track: bool) -> Device {
        let address = Mac([0x3c, 0x22, 0xfb, 0, 0, last]);
        Device { name: name.to_owned(), address, track, ignore: false, presence: false }
    }

    #[test]
    fn names_are_unique_and_addresses_those_of_devices() {
        let refused = |devices: Vec<Device>| {
            let mut found = Mistakes::default();
            Devices(devices).check(&mut found);
            found.found().into_iter().next().map(|wrong| (wrong.key, wrong.message))
        };
        assert_eq!(refused(vec![device("phone", 1, true), device("Phone", 1, true)]), None);
        for (name, word) in [("", "1 to 64"), (" \t ", "1 to 64"), ("a\nb", "control"), (&"x".repeat(65), "1 to 64")] {
            let (key, message) = refused(vec![device(name, 1, true)]).unwrap_or_default();
            assert!(key == "devices.name" && message.contains(word), "{name:?}: {message}");
        }
        let (key, message) = refused(vec![device("tv", 1, true), device("tv", 2, false)]).unwrap_or_default();
        assert!(key == "devices.name" && message.contains("\"tv\" is there twice"), "{message}");
        let group = Device { address: Mac::BROADCAST, ..device("all", 1, true) };
        let (key, message) = refused(vec![group]).unwrap_or_default();
        assert!(key == "devices.address" && message.contains("group address"), "{message}");
    }

    proptest! {
        /// Wherever an address stands, it is tracked, and once; what the old list says stays as it was.
        #[test]
        fn both_lists_are_one(always in prop::collection::vec(0u8..8, 0..6), listed in prop::collection::vec((0u8..8, any::<bool>()), 0..6)) {
            let mac = |last: u8| device("", last, true).address;
            let tracking = Tracking { always: always.iter().copied().map(mac).collect(), ..Tracking::default() };
            let devices: Vec<Device> = listed.iter().map(|&(last, track)| device("x", last, track)).collect();
            let tracked = Devices(devices.clone()).tracked(&tracking).always;
            prop_assert_eq!(&tracked[..always.len()], &tracking.always[..]);
            let wanted: BTreeSet<Mac> = always.iter().copied().map(mac).chain(devices.iter().filter(|one| one.track).map(|one| one.address)).collect();
            prop_assert_eq!(tracked.iter().copied().collect::<BTreeSet<Mac>>(), wanted);
            let added = &tracked[always.len()..];
            prop_assert_eq!(added.iter().collect::<BTreeSet<_>>().len(), added.len());
            prop_assert!(added.iter().all(|one| !tracking.always.contains(one)));
        }
    }
}
