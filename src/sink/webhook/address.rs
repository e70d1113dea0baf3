//! Which addresses a webhook may be sent to: those of the internet, and what of one's own networks is named. Pure.
//!
//! Whoever may write an alert's receiver into a file is not asked whom it reaches: a name may lead to a router's page, to a cloud's
//! metadata, or to this machine, today or after the next look-up.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is allowed beside the internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    networks: Vec<IpNet>,
    hosts: Vec<String>,
}

impl Allowed {
    /// Reads a list of addresses, networks like `10.0.0.0/24`, and names of hosts.
    ///
    /// # Errors
    /// The one that is none of these.
    pub fn parse(list: &[String]) -> Result<Self, String> {
        let mut allowed = Self::default();
        for item in list {
            if let Ok(address) = item.parse::<IpAddr>() {
                allowed.networks.push(address.into());
            } else if let Ok(network) = item.parse::<IpNet>() {
                allowed.networks.push(network.trunc());
            } else if is_name(item) {
                allowed.hosts.push(item.to_ascii_lowercase());
            } else {
                return Err(format!(
                    "'{item}' is neither an address, nor a network like 10.0.0.0/24, nor a host's name"
                ));
            }
        }
        Ok(allowed)
    }

    /// Whether something for `host`, whose address is `address`, may be sent there.
    #[must_use]
    pub fn permits(&self, host: &str, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || self.networks.iter().any(|network| network.contains(&address))
            || self.hosts.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

fn is_name(text: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() < 64
            && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    // What ends in digits is meant as an address (WHATWG URL, 3.5).
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() < 254 && text.split('.').all(label) && !last.bytes().all(|octet| octet.is_ascii_digit())
}

/// Whether an address is one of the internet: by the registries of special-purpose addresses (RFC 6890 and what IANA added).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Shared by carriers (RFC 6598), for protocols (RFC 6890), relays of 6to4 (RFC 7526), benchmarks (RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |at: usize| {
        let [high, low] =
            [segments.get(at), segments.get(at + 1)].map(|segment| segment.copied().unwrap_or(0).to_be_bytes());
        Ipv4Addr::new(high[0], high[1], low[0], low[1])
    };
    match segments {
        // Translated (RFC 6052) and tunnelled (RFC 3056): where it ends counts.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(embedded(6)),
        [0x2002, ..] => is_public_v4(embedded(1)),
        // Teredo and other protocols (2001::/23), documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn permits(list: &[&str], host: &str, address: &str) -> bool {
        let list: Vec<String> = list.iter().map(|item| (*item).to_owned()).collect();
        Allowed::parse(&list).unwrap().permits(host, address.parse().unwrap())
    }

    #[test]
    fn without_a_list_only_the_internet_is_reached() {
        for address in ["9.9.9.9", "172.32.0.1", "100.128.0.1", "2606:4700::1", "64:ff9b::909:909", "::ffff:9.9.9.9"] {
            assert!(permits(&[], "example.org", address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "240.0.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fec0::1",
            "::127.0.0.1",
            "64:ff9b:1::7f00:1",
        ] {
            assert!(!permits(&[], "example.org", address), "{address}");
        }
    }

    #[test]
    fn what_is_named_is_reached_and_nothing_beside_it() {
        assert!(permits(&["10.0.0.0/24"], "x", "10.0.0.7") && !permits(&["10.0.0.0/24"], "x", "10.0.1.7"));
        assert!(permits(&["127.0.0.1"], "x", "127.0.0.1") && permits(&["127.0.0.1"], "x", "::ffff:127.0.0.1"));
        assert!(permits(&["fd00::/8"], "x", "fd12::1") && !permits(&["fd00::/8"], "x", "fe80::1"));
        assert!(
            permits(&["Alarm.lan"], "alarm.LAN", "192.168.1.9") && !permits(&["alarm.lan"], "other.lan", "192.168.1.9")
        );
        for wrong in ["", "10.0.0.0/33", "a b", "http://alarm.lan", "10.0.0", "alarm.lan:80", "alarm..lan"] {
            assert!(Allowed::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
