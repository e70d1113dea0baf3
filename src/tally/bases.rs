//! Whose an access point's second address is. Knows stations and the registry; decides nothing about privacy.

use super::Station;
use crate::{Mac, oui::Registry, wire::Role};
use std::collections::BTreeMap;

/// Vendors of stations, those of access points with a locally administered address included where another access
/// point tells: one that was heard beside it, whose address is globally administered and agrees in the second to the
/// fifth octet. So access points number the networks that they have besides their first: with the U/L bit set, and
/// changes to the rest of the first octet and to the last (IEEE 802-2014, 8.2.2, leaves these to them). 32 bits do not
/// agree by chance. Where two vendors' addresses agree, nobody can tell which it is.
pub struct Bases<'r> {
    registry: &'r Registry,
    /// By the four octets of those that have a second address.
    names: BTreeMap<[u8; 4], Option<&'r str>>,
}

impl<'r> Bases<'r> {
    /// Learns the access points among `stations`.
    #[must_use]
    pub fn new<'t>(registry: &'r Registry, stations: impl Iterator<Item = Station<'t>> + Clone) -> Self {
        let points = stations.filter(|station| station.role() == Role::AccessPoint).map(|station| station.mac());
        // Nobody asks for the others, and there may be a million of them.
        let wanted = points.clone().filter(|mac| mac.is_randomised()).map(|mac| (middle(mac), None));
        let mut told: BTreeMap<[u8; 4], Option<Option<&'r str>>> = wanted.collect();
        for mac in points.filter(|mac| !mac.is_local()) {
            if let Some(told) = told.get_mut(&middle(mac)) {
                let name = registry.vendor(mac);
                *told = Some(told.map_or(name, |known| known.filter(|_| known == name)));
            }
        }
        Self { registry, names: told.into_iter().map(|(middle, told)| (middle, told.flatten())).collect() }
    }

    /// The vendor of a station; `None` if unknown or randomised.
    #[must_use]
    pub fn vendor(&self, station: &Station<'_>) -> Option<&'r str> {
        let mac = station.mac();
        if mac.is_randomised() && station.role() != Role::AccessPoint { None } else { self.vendor_of_bss(mac) }
    }

    /// The vendor of an access point with this address.
    #[must_use]
    pub fn vendor_of_bss(&self, bssid: Mac) -> Option<&'r str> {
        if bssid.is_randomised() {
            return self.names.get(&middle(bssid)).copied().flatten();
        }
        self.registry.vendor(bssid)
    }
}

fn middle(Mac([_, b, c, d, e, _]): Mac) -> [u8; 4] {
    [b, c, d, e]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        oui::{Assignment, Prefix, RegistryEntry, table::Builder},
        tally::testing::{Frame, tally},
    };

    #[test]
    fn a_second_address_has_the_vendor_of_the_one_it_was_made_of() {
        let mut builder = Builder::default();
        for (address, name) in [(0x00bb_cc00_0000, "Acme"), (0x10bb_cc00_0000, "Bolt")] {
            let (prefix, registry) = (Prefix::new(address, 24), Some(Assignment::MaL));
            builder.row(RegistryEntry { prefix, registry, short_name: None, organisation: Some(name), address: None });
        }
        let registry = builder.build(String::new());
        let vendor = |base: &[u64], second: u64, kind: u16| {
            let all = base.iter().chain([&second]).map(|&mac| Frame::naming(kind, Mac::from_u64(mac), b"net"));
            let tally = tally(&all.collect::<Vec<_>>(), 10);
            let bases = Bases::new(&registry, tally.stations_unsorted());
            let station = tally.stations().find(|station| station.mac().to_u64() == second);
            station.and_then(|station| bases.vendor(&station)).map(str::to_owned)
        };
        let acme = Some("Acme".to_owned());
        for second in [0x02bb_cc01_0203, 0x06bb_cc01_0204, 0xfabb_cc01_02ff] {
            assert_eq!(vendor(&[0x00bb_cc01_0203], second, 8), acme, "{second:#x}");
            assert_eq!(vendor(&[0x00bb_cc01_0203, 0x00bb_cc01_0210], second, 8), acme, "{second:#x}");
            assert_eq!(vendor(&[], second, 8), None, "nobody to tell");
            assert_eq!(vendor(&[0x00bb_cc01_0203, 0x10bb_cc01_0203], second, 8), None, "two who might");
            assert_eq!(vendor(&[0x00bb_cc01_0303], second, 8), None, "another device of the same maker");
            assert_eq!(vendor(&[0x00bb_cc01_0203], second, 4), None, "a client makes its address up");
        }
        assert_eq!(vendor(&[], 0x00bb_cc01_0203, 4), acme);
    }
}
