//! One IP packet: its addresses, its protocol and its ports. Knows no link and no flow.
//!
//! IPv4 (RFC 791), IPv6 (RFC 8200) with its extension headers, and the ports of those protocols that have some. Borrows
//! from the packet, allocates nothing, and has an answer for all octets.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Extension headers that are read, at most (RFC 8200, 4.1, names eight): more of them is no packet that anybody sends.
const MOST_EXTENSIONS: usize = 16;

/// A protocol number (IANA, "Assigned Internet Protocol Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proto(pub u8);

impl Proto {
    /// Internet Control Message Protocol.
    pub const ICMP: Self = Self(1);
    /// Transmission Control Protocol.
    pub const TCP: Self = Self(6);
    /// User Datagram Protocol.
    pub const UDP: Self = Self(17);
    /// Datagram Congestion Control Protocol.
    pub const DCCP: Self = Self(33);
    /// ICMP for IPv6.
    pub const ICMP6: Self = Self(58);
    /// Stream Control Transmission Protocol.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite.
    pub const UDPLITE: Self = Self(136);

    /// Its name in lower case, where this program has one; others go by their number.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            1 => "icmp",
            2 => "igmp",
            4 => "ipip",
            6 => "tcp",
            17 => "udp",
            33 => "dccp",
            41 => "ipv6",
            46 => "rsvp",
            47 => "gre",
            50 => "esp",
            51 => "ah",
            58 => "icmp6",
            88 => "eigrp",
            89 => "ospf",
            97 => "etherip",
            103 => "pim",
            112 => "vrrp",
            115 => "l2tp",
            132 => "sctp",
            136 => "udplite",
            _ => return None,
        })
    }

    /// The protocol of this name, or of this number in decimal digits.
    #[must_use]
    pub fn of_name(text: &str) -> Option<Self> {
        text.parse().ok().map(Self).or_else(|| (0..=u8::MAX).map(Self).find(|proto| proto.name() == Some(text)))
    }

    /// Whether its header begins with two port numbers.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::DCCP | Self::SCTP | Self::UDPLITE)
    }
}

impl std::fmt::Display for Proto {
    /// The name, or the number.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => out.pad(name),
            None => write!(out, "{}", self.0),
        }
    }
}

/// Who sends to whom: what makes packets one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    /// The protocol behind all extension headers.
    pub proto: Proto,
    /// Source address.
    pub src: IpAddr,
    /// Source port; 0 where the protocol has none.
    pub sport: u16,
    /// Destination address.
    pub dst: IpAddr,
    /// Destination port; 0 where the protocol has none.
    pub dport: u16,
}

/// Which part of a fragmented packet this is (RFC 791, 3.2; RFC 8200, 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// The identification that all fragments of a packet share.
    pub id: u32,
    /// Where it belongs, in octets.
    pub offset: u16,
    /// More come behind it.
    pub more: bool,
}

/// One IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpPacket<'a> {
    /// Addresses, protocol, ports. A later fragment ([`Self::is_later_fragment`]) has no ports: they are 0.
    pub tuple: Tuple,
    /// Set for each fragment; a packet that is whole has none, nor has an "atomic" fragment (RFC 6946).
    pub fragment: Option<Fragment>,
    /// The flags of a TCP header, FIN in bit 0 to CWR in bit 7 (RFC 9293, 3.1); 0 for all else, and where they were cut off.
    pub tcp_flags: u8,
    /// What the transport carries, as much as was kept and the packet claims; empty for later fragments and where that
    /// cannot be told.
    pub payload: &'a [u8],
    /// Octets of the packet, as its header claims; what was kept where that says nothing (length 0, RFC 2675, or
    /// an offload that left it empty).
    pub len: u32,
}

impl IpPacket<'_> {
    /// Whether this is a fragment without the transport's header: its ports are those of the first one.
    #[must_use]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }
}

/// Why octets are no packet with a tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotIp {
    /// The version is neither 4 nor 6, or lengths contradict each other.
    Malformed,
    /// The packet ends before its addresses and ports: it was cut when it was captured, or sent so short.
    Cut,
}

/// Reads an IP packet of either version that begins with the first octet of `data`; what comes behind the packet's own
/// length (the padding of an Ethernet frame) is not looked at.
///
/// # Errors
/// Why there is no 5-tuple.
///
/// ```
/// use airtally::flow::packet::parse_ip;
/// // UDP from 10.0.0.1, port 5353, to 10.0.0.2, port 53, with four octets of payload.
/// let mut packet = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
/// packet.extend([0x14, 0xe9, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
/// let parsed = parse_ip(&packet).unwrap();
/// assert_eq!(parsed.tuple.proto.to_string(), "udp");
/// assert_eq!((parsed.tuple.sport, parsed.tuple.dport), (5353, 53));
/// assert_eq!(parsed.payload, [1, 2, 3, 4]);
/// ```
#[inline]
pub fn parse_ip(data: &[u8]) -> Result<IpPacket<'_>, NotIp> {
    match data.first().map(|first| first >> 4) {
        Some(4) => v4(data),
        Some(6) => v6(data),
        Some(_) => Err(NotIp::Malformed),
        None => Err(NotIp::Cut),
    }
}

fn v4(data: &[u8]) -> Result<IpPacket<'_>, NotIp> {
    let header = data.first_chunk::<20>().ok_or(NotIp::Cut)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header_len < 20 || (total != 0 && total < header_len) {
        return Err(NotIp::Malformed);
    }
    let end = if total == 0 { data.len() } else { total.min(data.len()) };
    let body = data.get(header_len..end).ok_or(NotIp::Cut)?;
    let word = u16::from_be_bytes([header[6], header[7]]);
    let (offset, more) = ((word & 0x1fff) << 3, word & 0x2000 != 0);
    let fragment = (offset != 0 || more).then(|| Fragment {
        id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        offset,
        more,
    });
    let address = |at: usize| IpAddr::V4(Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]));
    let len = u32::try_from(if total == 0 { data.len() } else { total }).unwrap_or(u32::MAX);
    transport(Proto(header[9]), body, fragment, address(12), address(16), len)
}

fn v6(data: &[u8]) -> Result<IpPacket<'_>, NotIp> {
    let header = data.first_chunk::<40>().ok_or(NotIp::Cut)?;
    let claimed = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let end = if claimed == 0 { data.len() } else { data.len().min(40 + claimed) };
    let body = data.get(40..end).ok_or(NotIp::Cut)?;
    let address = |at: usize| {
        let octets = header.get(at..).and_then(<[u8]>::first_chunk::<16>).copied().unwrap_or_default();
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    let len = u32::try_from(if claimed == 0 { data.len() } else { 40 + claimed }).unwrap_or(u32::MAX);
    transport(Proto(header[6]), body, None, address(8), address(24), len)
}

/// What is behind the IP header: extension headers (an authentication header in IPv4 too, RFC 4302), then the transport.
#[inline]
fn transport(
    mut proto: Proto,
    mut body: &[u8],
    mut fragment: Option<Fragment>,
    src: IpAddr,
    dst: IpAddr,
    len: u32,
) -> Result<IpPacket<'_>, NotIp> {
    let is_v6 = src.is_ipv6();
    let portless = |proto, payload, fragment| IpPacket {
        tuple: Tuple { proto, src, sport: 0, dst, dport: 0 },
        fragment,
        tcp_flags: 0,
        payload,
        len,
    };
    for _ in 0..=MOST_EXTENSIONS {
        if fragment.is_some_and(|fragment| fragment.offset != 0) {
            // The octets here are of the middle of the packet.
            return Ok(portless(proto, &[], fragment));
        }
        let extension_len = match proto.0 {
            // Hop-by-hop options, routing, destination options, mobility, HIP, Shim6: RFC 8200, 4; RFC 7045.
            0 | 43 | 60 | 135 | 139 | 140 if is_v6 => 8 + 8 * usize::from(*body.get(1).ok_or(NotIp::Cut)?),
            44 if is_v6 => {
                let &[_, _, high, low, a, b, c, d] = body.first_chunk().ok_or(NotIp::Cut)?;
                let word = u16::from_be_bytes([high, low]);
                let (offset, more) = (word & 0xfff8, word & 1 != 0);
                // A second fragment header cannot be (RFC 8200, 4.5): what it says would be of another packet.
                if fragment.is_some() {
                    return Err(NotIp::Malformed);
                }
                fragment =
                    (offset != 0 || more).then(|| Fragment { id: u32::from_be_bytes([a, b, c, d]), offset, more });
                8
            }
            51 => 8 + 4 * usize::from(*body.get(1).ok_or(NotIp::Cut)?),
            _ if proto.has_ports() => {
                let &[a, b, c, d] = body.first_chunk().ok_or(NotIp::Cut)?;
                let ports = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                let (tcp_flags, header_len) = match proto {
                    Proto::TCP => match body.get(12..14) {
                        Some(&[offset, flags]) => (flags, usize::from(offset >> 4) * 4),
                        _ => (0, usize::MAX),
                    },
                    Proto::UDP | Proto::UDPLITE => (0, 8),
                    // SCTP's common header; what DCCP carries is not looked at.
                    Proto::SCTP => (0, 12),
                    _ => (0, usize::MAX),
                };
                let least = if proto == Proto::TCP { 20 } else { 8 };
                let payload = body.get(header_len.max(least)..).filter(|_| header_len >= least).unwrap_or_default();
                let tuple = Tuple { proto, src, sport: ports.0, dst, dport: ports.1 };
                return Ok(IpPacket { tuple, fragment, tcp_flags, payload, len });
            }
            _ => return Ok(portless(proto, body, fragment)),
        };
        proto = Proto(*body.first().ok_or(NotIp::Cut)?);
        body = match body.get(extension_len..) {
            Some(rest) => rest,
            // A chain that is longer than the first fragment has its ports in a later one (RFC 7112 forbids it).
            None => return Err(NotIp::Cut),
        };
    }
    Err(NotIp::Malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// An IPv4 header before `body`.
    fn v4(proto: u8, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0];
        packet.extend((20 + body.len() as u16).to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(flags.to_be_bytes());
        packet.extend([64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend(body);
        packet
    }

    fn v6(next: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((body.len() as u16).to_be_bytes());
        packet.extend([next, 64]);
        packet.extend([1; 16]);
        packet.extend([2; 16]);
        packet.extend(body);
        packet
    }

    #[test]
    fn padding_is_no_payload_and_lengths_must_agree() {
        let mut packet = v4(17, 0, &[0, 7, 0, 9, 0, 10, 0, 0, b'a', b'b']);
        packet.extend([0; 20]);
        assert_eq!(parse_ip(&packet).unwrap().payload, b"ab");
        assert_eq!(parse_ip(&packet).unwrap().len, 30);
        packet[3] = 19;
        assert_eq!(parse_ip(&packet), Err(NotIp::Malformed));
        packet[3] = 22;
        assert_eq!(parse_ip(&packet), Err(NotIp::Cut));
        packet[0] = 0x44;
        assert_eq!(parse_ip(&packet), Err(NotIp::Malformed));
        packet[0] = 0x55;
        assert_eq!(parse_ip(&packet), Err(NotIp::Malformed));
        assert_eq!(parse_ip(&[]), Err(NotIp::Cut));
    }

    #[test]
    fn extension_headers_are_walked_to_the_ports() {
        let udp = [0, 7, 0, 9, 0, 8, 0, 0];
        // Hop-by-hop, then routing, then destination options, of 8, 16 and 8 octets; then an authentication header of 12.
        let mut body = vec![43, 0, 0, 0, 0, 0, 0, 0, 60, 1];
        body.extend([0; 14]);
        body.extend([51, 0, 0, 0, 0, 0, 0, 0, 17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        body.extend(udp);
        let packet = v6(0, &body);
        let parsed = parse_ip(&packet).unwrap();
        assert_eq!((parsed.tuple.proto, parsed.tuple.sport, parsed.tuple.dport), (Proto::UDP, 7, 9));
        assert_eq!(parse_ip(&v6(0, &body[..26])), Err(NotIp::Cut));
        // In IPv4, 0 is no extension header.
        assert_eq!(parse_ip(&v4(0, 0, &body)).unwrap().tuple.proto, Proto(0));
        // Headers without end.
        let endless: Vec<u8> = [60, 0, 0, 0, 0, 0, 0, 0].repeat(40);
        assert_eq!(parse_ip(&v6(60, &endless)), Err(NotIp::Malformed));
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let body = [0, 7, 0, 9, 0, 40, 0, 0];
        let first = v4(17, 0x2000, &body);
        let first = parse_ip(&first).unwrap();
        assert_eq!(first.fragment, Some(Fragment { id: 0x1234, offset: 0, more: true }));
        assert_eq!((first.tuple.sport, first.is_later_fragment()), (7, false));
        let later = v4(17, 4, &body);
        let later = parse_ip(&later).unwrap();
        assert_eq!(later.fragment, Some(Fragment { id: 0x1234, offset: 32, more: false }));
        assert_eq!((later.tuple.sport, later.is_later_fragment()), (0, true));
        let mut six = vec![17, 0, 0, 33, 0, 0, 0, 5];
        six.extend(body);
        let six = v6(44, &six);
        assert_eq!(parse_ip(&six).unwrap().fragment, Some(Fragment { id: 5, offset: 32, more: true }));
        let mut atomic = vec![17, 0, 0, 0, 0, 0, 0, 5];
        atomic.extend(body);
        let atomic = v6(44, &atomic);
        assert_eq!(parse_ip(&atomic).unwrap().fragment, None);
    }

    #[test]
    fn flags_and_payload_of_tcp() {
        let mut tcp = vec![0, 80, 0, 81, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0x12, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1];
        tcp.extend(b"hi");
        let packet = v4(6, 0, &tcp);
        let parsed = parse_ip(&packet).unwrap();
        assert_eq!((parsed.tcp_flags, parsed.payload), (0x12, &b"hi"[..]));
        // Cut behind the ports.
        let parsed = parse_ip(&packet[..30]).unwrap();
        assert_eq!((parsed.tcp_flags, parsed.payload.len(), parsed.tuple.dport), (0, 0, 81));
    }

    #[test]
    fn protocols_have_one_name_each() {
        for proto in (0..=u8::MAX).map(Proto) {
            assert_eq!(Proto::of_name(&proto.to_string()), Some(proto));
        }
        assert_eq!(Proto::of_name("256"), None);
    }

    proptest! {
        #[test]
        fn any_octets_have_an_answer_within_them(data in prop::collection::vec(any::<u8>(), 0..200), version in prop::sample::select(vec![0x45u8, 0x60])) {
            let mut data = data;
            if let Some(first) = data.first_mut() {
                *first = version;
            }
            if let Ok(parsed) = parse_ip(&data) {
                prop_assert!(parsed.payload.len() < data.len());
                prop_assert!(parsed.tuple.proto.has_ports() || (parsed.tuple.sport, parsed.tuple.dport) == (0, 0));
            }
        }
    }
}
