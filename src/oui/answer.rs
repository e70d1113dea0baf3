//! All that is known about one address or prefix, in the form in which the command line and the web give it.

use super::{Assignment, Prefix, Query, Registry};
use crate::Mac;
use serde::Serialize;

/// The answer to one query. What is unknown is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer<'a> {
    /// What was asked, as it was written.
    pub query: &'a str,
    /// The address, unless only a prefix was asked for.
    pub mac: Option<Mac>,
    /// The longest prefix that is assigned.
    pub prefix: Option<Prefix>,
    /// Its length in bits.
    pub prefix_bits: Option<u8>,
    /// Who assigned it.
    pub registry: Option<Assignment>,
    /// Wireshark's short name.
    pub short_name: Option<&'a str>,
    /// The organisation; its short name where nothing else is known.
    pub organisation: Option<&'a str>,
    /// Its postal address.
    pub address: Option<&'a str>,
    /// Whether it is a group address: the I/G bit (IEEE 802-2014, 8.2.2).
    pub multicast: bool,
    /// Whether it is locally administered: the U/L bit (IEEE 802-2014, 8.2.2).
    pub local: bool,
    /// The quadrant of the structured local address plan (IEEE 802c-2017; RFC 8948, 1): `AAI`, `ELI`, `SAI` or
    /// `reserved`, for local addresses.
    pub slap: Option<&'static str>,
    /// Whether the holder asked the IEEE not to be named.
    pub private: bool,
    /// What the address is by itself, like `broadcast`.
    pub special: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// What `registry` knows about `query`, which was written as `text`.
    #[must_use]
    pub fn new(registry: &'a Registry, text: &'a str, query: Query) -> Self {
        let first = Mac::from_u64(query.prefix().first());
        // Zeros are no address, and nobody's.
        let entry = registry.lookup_query(query).filter(|_| query.mac() != Some(Mac::ZERO));
        Self {
            query: text,
            mac: query.mac(),
            prefix: entry.map(|entry| entry.prefix),
            prefix_bits: entry.map(|entry| entry.prefix.bits()),
            registry: entry.and_then(|entry| entry.registry),
            short_name: entry.and_then(|entry| entry.short_name),
            organisation: entry.and_then(|entry| entry.organisation),
            address: entry.and_then(|entry| entry.address),
            multicast: first.is_group(),
            local: first.is_local(),
            slap: slap(first),
            private: entry
                .is_some_and(|entry| entry.organisation.is_some_and(|name| name.eq_ignore_ascii_case("private"))),
            special: query.mac().and_then(|mac| registry.special(mac)),
        }
    }

    /// Whether anything is known beyond the address's own bits.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.prefix.is_some() || self.special.is_some()
    }
}

fn slap(mac: Mac) -> Option<&'static str> {
    let Mac([first, ..]) = mac;
    mac.is_local().then_some(match first & 0x0c {
        0x00 => "AAI",
        0x08 => "ELI",
        0x0c => "SAI",
        _ => "reserved",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_quadrant_is_in_the_first_octet() {
        let of = |text: &str| slap(text.parse().unwrap());
        assert_eq!(of("00:00:00:00:00:01"), None);
        assert_eq!(of("02:00:00:00:00:01"), Some("AAI"));
        assert_eq!(of("ca:00:00:00:00:01"), Some("ELI"));
        assert_eq!(of("36:00:00:00:00:01"), Some("reserved"));
        assert_eq!(of("3e:00:00:00:00:01"), Some("SAI"));
    }

    #[test]
    fn zeros_are_nobodys_address() {
        let mut builder = crate::oui::table::Builder::default();
        builder.holder(Prefix::new(0, 24), Assignment::MaL, "XEROX CORPORATION");
        let registry = builder.build(String::new());
        let of = |text| Answer::new(&registry, text, str::parse(text).unwrap()).organisation;
        assert_eq!(of("00:00:00:00:00:00"), None);
        assert_eq!((of("00:00:00:00:00:01"), of("00:00:00")), (Some("XEROX CORPORATION"), Some("XEROX CORPORATION")));
        assert_eq!((registry.vendor(Mac::ZERO), registry.vendor_of_many(Mac::ZERO)), (None, None));
    }

    #[test]
    fn an_unknown_address_still_has_its_flags() {
        let registry = Registry::empty();
        let answer = Answer::new(&registry, "03-00-00-00-00-01", "03-00-00-00-00-01".parse().unwrap());
        assert!(answer.multicast && answer.local && !answer.is_known());
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(json["mac"], "03:00:00:00:00:01");
        assert!(json["organisation"].is_null() && json["prefix_bits"].is_null());
    }
}
