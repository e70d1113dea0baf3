//! What records may tell of those who were on the air: the order of the privacy modes. Knows no configuration.

use super::{Address, Alert, Evidence, Record, Role, Station};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How much of an address records may hold, the strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// None: sums per vendor.
    Vendor,
    /// Keyed hashes.
    Pseudonym,
    /// All of it.
    Plain,
}

/// What records may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exposure {
    /// How much of an address.
    pub addresses: Addresses,
    /// The network names that devices look for.
    pub sought: bool,
}

impl Exposure {
    /// What a gap tells.
    pub const NOTHING: Self = Self { addresses: Addresses::Vendor, sought: false };
    /// The most that there is.
    pub const EVERYTHING: Self = Self { addresses: Addresses::Plain, sought: true };

    /// That of a privacy mode; without stations there are no names either.
    #[must_use]
    pub fn new(addresses: Addresses, sought: bool) -> Self {
        Self { addresses, sought: sought && addresses != Addresses::Vendor }
    }

    /// Whether anything in this is too much for `allowed`.
    #[must_use]
    pub fn exceeds(self, allowed: Self) -> bool {
        self.addresses > allowed.addresses || self.sought && !allowed.sought
    }

    /// What both tell together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { addresses: self.addresses.max(other.addresses), sought: self.sought || other.sought }
    }

    /// What can be seen of it in a record. A name at a station that is no access point and of no independent set was
    /// looked for, since nobody else announces any.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let batch = match record {
            Record::Batch(batch) => batch,
            // Addresses of who speaks with whom are never withheld in part: see `config::Flows`.
            Record::Flows(_) => return Self { addresses: Addresses::Plain, sought: false },
            Record::Alerts(alerts) => return alerts.alerts.iter().map(Self::of_alert).fold(Self::NOTHING, Self::and),
            Record::Gap(_) => return Self::NOTHING,
        };
        batch.stations.iter().map(Self::of_station).fold(Self::NOTHING, Self::and)
    }

    /// Names in evidence are those of networks, which access points announce.
    fn of_alert(alert: &Alert) -> Self {
        let texts = alert.evidence.values().flat_map(|evidence| match evidence {
            Evidence::Text(text) => std::slice::from_ref(text),
            Evidence::Texts(texts) => texts.as_slice(),
            Evidence::Number(_) | Evidence::Numbers(_) => &[],
        });
        let addresses = texts.chain([&alert.subject]).map(|text| match text.parse() {
            Ok(Address::Mac(_)) => Addresses::Plain,
            Ok(Address::Pseudonym(_)) => Addresses::Pseudonym,
            Err(_) => Addresses::Vendor,
        });
        Self { addresses: addresses.max().unwrap_or(Addresses::Vendor), sought: false }
    }

    fn of_station(station: &Station) -> Self {
        let addresses = |address| match address {
            Address::Mac(_) => Addresses::Plain,
            Address::Pseudonym(_) => Addresses::Pseudonym,
        };
        let announces = matches!(station.role, Role::AccessPoint | Role::AdHoc);
        Self {
            addresses: addresses(station.mac).max(station.bssid.map_or(Addresses::Vendor, addresses)),
            sought: !announces && !station.ssids.is_empty(),
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.addresses {
            Addresses::Vendor => "vendor",
            Addresses::Pseudonym => "pseudonym",
            Addresses::Plain => "plain",
        };
        write!(out, "{mode}{}", if self.sought { " with ssids" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exposure() -> impl Strategy<Value = Exposure> {
        let addresses = prop_oneof![Just(Addresses::Vendor), Just(Addresses::Pseudonym), Just(Addresses::Plain)];
        (addresses, any::<bool>()).prop_map(|(addresses, sought)| Exposure::new(addresses, sought))
    }

    proptest! {
        #[test]
        fn two_together_are_too_much_for_a_mode_if_one_of_them_is(a in exposure(), b in exposure(), mode in exposure()) {
            prop_assert_eq!(a.and(b).exceeds(mode), a.exceeds(mode) || b.exceeds(mode));
            prop_assert!(!a.exceeds(a) && !a.exceeds(Exposure::EVERYTHING) && !Exposure::NOTHING.exceeds(a));
        }
    }

    #[test]
    fn a_mode_without_stations_has_no_names() {
        assert_eq!(Exposure::new(Addresses::Vendor, true), Exposure::NOTHING);
        assert!(Exposure::new(Addresses::Plain, true).exceeds(Exposure::new(Addresses::Plain, false)));
        assert!(Exposure::new(Addresses::Pseudonym, false).exceeds(Exposure::NOTHING));
    }
}
