//! Link types: what a capture says its packets begin with. Knows the numbers and names, reads no packet.

use std::fmt;

/// What a capture says its packets begin with: a `LINKTYPE_` number of the tcpdump.org registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// Every link type that is read, and its name in the registry (without `LINKTYPE_`).
const SUPPORTED: [(LinkType, &str); 18] = [
    (LinkType::NULL, "NULL"),
    (LinkType::ETHERNET, "ETHERNET"),
    (LinkType::PPP, "PPP"),
    (LinkType(12), "RAW"),
    (LinkType(14), "RAW"),
    (LinkType::PPP_HDLC, "PPP_HDLC"),
    (LinkType::RAW, "RAW"),
    (LinkType::C_HDLC, "C_HDLC"),
    (LinkType::IEEE802_11, "IEEE802_11"),
    (LinkType::LOOP, "LOOP"),
    (LinkType::LINUX_SLL, "LINUX_SLL"),
    (LinkType::PRISM, "IEEE802_11_PRISM"),
    (LinkType::RADIOTAP, "IEEE802_11_RADIOTAP"),
    (LinkType::AVS, "IEEE802_11_AVS"),
    (LinkType::PPI, "PPI"),
    (LinkType::IPV4, "IPV4"),
    (LinkType::IPV6, "IPV6"),
    (LinkType::LINUX_SLL2, "LINUX_SLL2"),
];

/// Names of common link types that carry no MAC address, so that a refusal can say what was found.
const OTHERS: [(u16, &str); 10] = [
    (8, "SLIP"),
    (10, "FDDI"),
    (107, "FRELAY"),
    (129, "ARCNET_LINUX"),
    (187, "BLUETOOTH_HCI_H4"),
    (195, "IEEE802_15_4_WITHFCS"),
    (197, "ERF, which may carry 802.11"),
    (239, "NFLOG"),
    (249, "USBPCAP"),
    (253, "NETLINK"),
];

impl LinkType {
    /// The link types that are read, in words for a message.
    pub const READ: &str = "802.11 (105, 119, 127, 163, 192), Ethernet (1), Linux cooked (113, 276), raw IP (12, 14, 101, 228, \
                            229), BSD loopback (0, 108), PPP (9, 50) and Cisco HDLC (104)";

    /// BSD loopback: the address family, in the byte order of the machine that captured.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without the framing of HDLC.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC-like framing, or Cisco HDLC.
    pub const PPP_HDLC: Self = Self(50);
    /// IP without a link header.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// 802.11 without a capture header.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: the address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux "cooked" capture.
    pub const LINUX_SLL: Self = Self(113);
    /// 802.11 after a prism (or AVS) header.
    pub const PRISM: Self = Self(119);
    /// 802.11 after a radiotap header.
    pub const RADIOTAP: Self = Self(127);
    /// 802.11 after an AVS header.
    pub const AVS: Self = Self(163);
    /// Per-Packet Information, before 802.11 as a rule.
    pub const PPI: Self = Self(192);
    /// IPv4 without a link header.
    pub const IPV4: Self = Self(228);
    /// IPv6 without a link header.
    pub const IPV6: Self = Self(229);
    /// Linux "cooked" capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);

    /// Whether [`super::parse`] reads it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        SUPPORTED.iter().any(|&(link, _)| link == self)
    }

    /// Whether its packets are 802.11 frames.
    #[must_use]
    pub const fn is_wireless(self) -> bool {
        matches!(self, Self::IEEE802_11 | Self::PRISM | Self::RADIOTAP | Self::AVS | Self::PPI)
    }

    /// Whether its packets are IP packets without any MAC address. 12 and 14 are what `DLT_RAW` was on some
    /// systems.
    #[must_use]
    pub const fn is_raw_ip(self) -> bool {
        matches!(self, Self(12 | 14) | Self::RAW | Self::IPV4 | Self::IPV6)
    }

    /// Whether its packets carry no MAC address: raw IP, the loopback of BSD, and links that have two ends alone.
    #[must_use]
    pub const fn is_without_mac(self) -> bool {
        self.is_raw_ip() || matches!(self, Self::NULL | Self::PPP | Self::PPP_HDLC | Self::C_HDLC | Self::LOOP)
    }

    /// Its name in the registry, where this program knows it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let others = OTHERS.iter().map(|&(number, name)| (Self(number), name));
        SUPPORTED.iter().copied().chain(others).find(|&(link, _)| link == self).map(|(_, name)| name)
    }
}

impl fmt::Display for LinkType {
    /// Number and name, like `127 (IEEE802_11_RADIOTAP)`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(out, "{} ({name})", self.0),
            None => write!(out, "{}", self.0),
        }
    }
}
