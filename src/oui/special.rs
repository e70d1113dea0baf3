//! Addresses that mean something by themselves: reserved by a standard, whoever holds the prefix.

use super::Prefix;
use crate::Mac;

/// What `mac` is, by the standards; the most specific meaning where several hold.
#[must_use]
pub fn special(mac: Mac) -> Option<&'static str> {
    let [first, ..] = mac.0;
    if !BEGINNINGS[usize::from(first)] {
        return None;
    }
    TABLE
        .iter()
        .filter(|(address, bits, _)| Prefix::new(*address, *bits).covers(mac))
        .max_by_key(|(_, bits, _)| *bits)
        .map(|(_, _, name)| *name)
}

/// Whether any of the addresses begins with this octet: most addresses need no further look.
static BEGINNINGS: [bool; 256] = {
    let mut beginnings = [false; 256];
    let mut row = 0;
    while row < TABLE.len() {
        beginnings[(TABLE[row].0 >> 40) as usize] = true;
        row += 1;
    }
    beginnings
};

const TABLE: &[(u64, u8, &str)] = &[
    (0x0000_0000_0000, 48, "all zero: no address"),
    (0xffff_ffff_ffff, 48, "broadcast"),
    // IEEE 802.1Q-2018, tables 8-1 to 8-3, 8-14; IEEE 802.3 annexes 31B and 57A; IEEE 802.1AB 7.1; IEEE 802.1X 11.1.1.
    (0x0180_c200_0000, 44, "IEEE 802.1 link-local, not forwarded by bridges"),
    (0x0180_c200_0000, 48, "spanning tree (nearest customer bridge)"),
    (0x0180_c200_0001, 48, "IEEE 802.3 MAC control (PAUSE)"),
    (0x0180_c200_0002, 48, "IEEE 802.3 slow protocols (LACP, OAM)"),
    (0x0180_c200_0003, 48, "EAPOL (nearest non-TPMR bridge)"),
    (0x0180_c200_0008, 48, "spanning tree (provider bridges)"),
    (0x0180_c200_000d, 48, "MVRP (provider bridges)"),
    (0x0180_c200_000e, 48, "LLDP (nearest bridge)"),
    (0x0180_c200_0010, 48, "all LANs bridge management"),
    (0x0180_c200_0014, 48, "IS-IS level 1"),
    (0x0180_c200_0015, 48, "IS-IS level 2"),
    (0x0180_c200_0020, 44, "IEEE 802.1 multiple registration protocol"),
    (0x0180_c200_0020, 48, "MMRP"),
    (0x0180_c200_0021, 48, "MVRP"),
    (0x0180_c200_0030, 44, "IEEE 802.1 connectivity fault management"),
    // IEEE 1588-2019, annex E.
    (0x011b_1900_0000, 48, "PTP"),
    // RFC 1112, 6.4; RFC 5332, 4; RFC 9542, 2.1.2.
    (0x0100_5e00_0000, 25, "IPv4 multicast"),
    (0x0100_5e00_0001, 48, "IPv4 multicast: all systems"),
    (0x0100_5e00_0002, 48, "IPv4 multicast: all routers"),
    (0x0100_5e00_0016, 48, "IPv4 multicast: IGMPv3"),
    (0x0100_5e00_00fb, 48, "IPv4 multicast: mDNS"),
    (0x0100_5e00_00fc, 48, "IPv4 multicast: LLMNR"),
    (0x0100_5e7f_fffa, 48, "IPv4 multicast: SSDP"),
    (0x0100_5e80_0000, 28, "MPLS multicast"),
    (0x0100_5e90_1000, 40, "documentation (multicast)"),
    // RFC 2464, 7; RFC 4291, 2.7.1.
    (0x3333_0000_0000, 16, "IPv6 multicast"),
    (0x3333_0000_0001, 48, "IPv6 multicast: all nodes"),
    (0x3333_0000_0002, 48, "IPv6 multicast: all routers"),
    (0x3333_0000_0016, 48, "IPv6 multicast: MLDv2"),
    (0x3333_0000_00fb, 48, "IPv6 multicast: mDNS"),
    (0x3333_0001_0002, 48, "IPv6 multicast: DHCPv6 servers and relays"),
    (0x3333_ff00_0000, 24, "IPv6 multicast: neighbour solicitation"),
    // RFC 9568, 7.3; RFC 9542, 2.1.1.
    (0x0000_5e00_0100, 40, "VRRP virtual router (IPv4)"),
    (0x0000_5e00_0200, 40, "VRRP virtual router (IPv6)"),
    (0x0000_5e00_5300, 40, "documentation (unicast)"),
    // Cisco's own. HSRP: "First Hop Redundancy Protocols Configuration Guide", "HSRP Version 2" and "HSRP for IPv6": 4,096
    // groups each. GLBP: the same guide, and Wireshark's packet-glbp.c: six zero bits, ten of the group, eight of the
    // forwarder.
    (0x0000_0c07_ac00, 40, "HSRP virtual router"),
    (0x0000_0c9f_f000, 36, "HSRPv2 virtual router"),
    (0x0005_73a0_0000, 36, "HSRP virtual router (IPv6)"),
    (0x0007_b400_0000, 30, "GLBP virtual forwarder"),
    (0x0100_0c00_0000, 40, "Cisco ISL"),
    (0x0100_0ccc_cccc, 48, "CDP, VTP, DTP, PAgP, UDLD"),
    (0x0100_0ccc_cccd, 48, "Cisco PVST+"),
    // Industry's own.
    (0x0900_07ff_ffff, 48, "AppleTalk broadcast"),
    (0x010c_cd01_0000, 39, "IEC 61850 GOOSE"),
    (0x010c_cd04_0000, 39, "IEC 61850 sampled values"),
    (0x010e_cf00_0000, 24, "PROFINET multicast"),
    (0x0115_4e00_0100, 40, "PRP/HSR supervision"),
    (0xcf00_0000_0000, 48, "Ethernet configuration test (loopback)"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn well_known_addresses_are_what_they_are() {
        for (mac, name) in [
            ("ff:ff:ff:ff:ff:ff", Some("broadcast")),
            ("01:80:c2:00:00:00", Some("spanning tree (nearest customer bridge)")),
            ("01:80:c2:00:00:0f", Some("IEEE 802.1 link-local, not forwarded by bridges")),
            ("01:00:5e:7f:ff:ff", Some("IPv4 multicast")),
            ("01:00:5e:ff:ff:ff", None),
            ("33:33:00:00:00:fb", Some("IPv6 multicast: mDNS")),
            ("33:33:12:34:56:78", Some("IPv6 multicast")),
            ("00:00:5e:00:01:2a", Some("VRRP virtual router (IPv4)")),
            ("00:00:0c:9f:f1:23", Some("HSRPv2 virtual router")),
            ("00:00:5e:00:03:2a", None),
            ("00:05:73:a0:00:00", Some("HSRP virtual router (IPv6)")),
            ("00:05:73:a0:0f:ff", Some("HSRP virtual router (IPv6)")),
            ("00:05:73:a0:10:00", None),
            ("00:07:b4:00:01:01", Some("GLBP virtual forwarder")),
            ("00:07:b4:03:ff:04", Some("GLBP virtual forwarder")),
            ("00:07:b4:04:00:01", None),
            ("00:00:00:00:00:00", Some("all zero: no address")),
            ("00:00:00:00:00:01", None),
            ("a4:83:e7:00:00:00", None),
        ] {
            assert_eq!(special(mac.parse().unwrap()), name, "{mac}");
        }
    }

    #[test]
    fn no_entry_has_bits_beyond_its_length() {
        for (address, bits, name) in TABLE {
            assert_eq!(Prefix::new(*address, *bits).first(), *address, "{name}");
        }
    }
}
