//! From a captured packet to the IP packets in it: link headers, VLAN tags, LLC, PPP, 802.11, A-MSDU. Knows no IP.
//!
//! Tunnels above IP (GRE, VXLAN, TZSP, IP in IP) are not entered: they are flows of their own ends.

use super::fate::Fate;
use crate::dot11::{self, Class, Facts, LinkType, Outcome, Reading, ppi};

/// EtherTypes (IEEE 802 Numbers, IANA).
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Customer, service, and two older service tags; MACsec and others are not read.
const TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
const PPPOE_SESSION: u16 = 0x8864;
const MPLS: [u16; 2] = [0x8847, 0x8848];
/// VLAN tags and MPLS labels that are read, at most: each is four octets, so that this bounds nothing that is sent.
const MOST_TAGS: usize = 16;
/// EtherTypes begin here; below it the field is a length (IEEE 802.3, 3.2.6).
const FIRST_ETHERTYPE: u16 = 0x0600;
/// The LLC header that says SNAP follows.
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];
/// Octets of a subframe header in an A-MSDU: destination, source, length (IEEE 802.11-2020, 9.3.2.2.2).
const SUBFRAME: usize = 14;

/// One packet of the network layer within a captured one, or what it is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner<'a> {
    /// Octets that begin with an IP header.
    Ip(&'a [u8]),
    /// None: where the packet is counted.
    Other(Fate),
}

/// Hands the network packets of a captured packet to `each`, at least one, with the octets of the captured packet that
/// belong to it: their sum is `original_len`. More than one is in an A-MSDU alone; the first of them has what stands around
/// them: capture header, 802.11 header, check sequence.
#[inline]
pub fn each_inner<'a>(
    link: LinkType,
    data: &'a [u8],
    original_len: u32,
    reading: Reading,
    each: &mut impl FnMut(Inner<'a>, u32),
) {
    let wired = match link {
        LinkType::ETHERNET => ethernet(data),
        link if link.is_without_mac() => without_mac(link, data),
        LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => {
            // Protocol and hardware type of either version; 801 to 803 are monitor interfaces, with 802.11 behind.
            let (protocol_at, hardware_at, len) = if link == LinkType::LINUX_SLL { (14, 2, 16) } else { (0, 8, 20) };
            match (word(data, protocol_at), word(data, hardware_at), data.get(len..)) {
                (Some(_), Some(801..=803), Some(_)) => return wlan(link, data, original_len, reading, each),
                (Some(protocol), _, Some(rest)) => typed(protocol, rest),
                _ => Inner::Other(Fate::Cut),
            }
        }
        LinkType::PPI => match ppi::read(data) {
            Some((LinkType::IEEE802_11, _)) => return wlan(link, data, original_len, reading, each),
            Some((LinkType::ETHERNET, radio)) => ethernet(data.get(radio.header_len..).unwrap_or_default()),
            Some((inner, radio)) if inner.is_without_mac() => {
                without_mac(inner, data.get(radio.header_len..).unwrap_or_default())
            }
            Some(_) => Inner::Other(Fate::NotIp),
            None => Inner::Other(Fate::Malformed),
        },
        _ => return wlan(link, data, original_len, reading, each),
    };
    // What the capture says of the check sequence.
    each(if reading.told.crc_error { Inner::Other(Fate::BadFcs) } else { wired }, original_len);
}

#[inline]
fn word(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes)
}

#[inline]
fn ethernet(data: &[u8]) -> Inner<'_> {
    match (word(data, 12), data.get(14..)) {
        (Some(IPV4 | IPV6), Some(rest)) => Inner::Ip(rest),
        (Some(kind), Some(rest)) => typed(kind, rest),
        _ => Inner::Other(Fate::Cut),
    }
}

/// What is behind an EtherType, or behind the length that stands in its place.
fn typed(mut kind: u16, mut rest: &[u8]) -> Inner<'_> {
    for _ in 0..=MOST_TAGS {
        match kind {
            IPV4 | IPV6 => return Inner::Ip(rest),
            tag if TAGS.contains(&tag) => match (word(rest, 2), rest.get(4..)) {
                (Some(inner), Some(behind)) => (kind, rest) = (inner, behind),
                _ => return Inner::Other(Fate::Cut),
            },
            // Version 1, type 1, code 0 is session data (RFC 2516, 4).
            PPPOE_SESSION => {
                return match rest.split_first_chunk() {
                    Some(([0x11, 0, _, _, _, _], rest)) => ppp(rest),
                    Some(_) => Inner::Other(Fate::NotIp),
                    None => Inner::Other(Fate::Cut),
                };
            }
            label if MPLS.contains(&label) => return mpls(rest),
            // A cooked capture writes 1 for 802.3 frames without LLC and 4 for LLC (Linux' ETH_P_802_3, ETH_P_802_2).
            length if length < FIRST_ETHERTYPE => return llc(rest),
            _ => return Inner::Other(Fate::NotIp),
        }
    }
    Inner::Other(Fate::Malformed)
}

/// What is behind the header of a link without MAC addresses.
fn without_mac(link: LinkType, data: &[u8]) -> Inner<'_> {
    match link {
        LinkType::NULL | LinkType::LOOP => family(data),
        // Cisco's HDLC has 0x0f or 0x8f where PPP's framing has 0xff.
        LinkType::PPP_HDLC if matches!(data.first(), Some(0x0f | 0x8f)) => cisco(data),
        LinkType::PPP | LinkType::PPP_HDLC => ppp(data),
        LinkType::C_HDLC => cisco(data),
        _ => Inner::Ip(data),
    }
}

/// Behind an address family: in the order of the capturing machine's octets, or in the network's. No family is larger
/// than 65,535, which tells the orders apart. That of IPv6 has a number of its own on Linux, NetBSD, FreeBSD and macOS.
fn family(data: &[u8]) -> Inner<'_> {
    let Some((family, rest)) = data.split_first_chunk() else { return Inner::Other(Fate::Cut) };
    let (big, little) = (u32::from_be_bytes(*family), u32::from_le_bytes(*family));
    match big.min(little) {
        2 | 10 | 24 | 28 | 30 => Inner::Ip(rest),
        _ => Inner::Other(Fate::NotIp),
    }
}

/// PPP with HDLC's address and control or without (RFC 1662, 3.1), its protocol in two octets, or in one whose last bit
/// is set (RFC 1661, 6.5). IPv4, IPv6 and MPLS (RFC 1332, RFC 5072, RFC 3032) are looked into.
fn ppp(data: &[u8]) -> Inner<'_> {
    let (protocol, rest) = match data.strip_prefix(&[0xff, 0x03]).unwrap_or(data) {
        [protocol, rest @ ..] if protocol & 1 != 0 => (u16::from(*protocol), rest),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return Inner::Other(Fate::Cut),
    };
    match protocol {
        0x0021 | 0x0057 => Inner::Ip(rest),
        0x0281 | 0x0283 => mpls(rest),
        _ => Inner::Other(Fate::NotIp),
    }
}

/// Cisco's HDLC: address, control, then an EtherType.
fn cisco(data: &[u8]) -> Inner<'_> {
    match (word(data, 2), data.get(4..)) {
        (Some(kind), Some(rest)) if kind >= FIRST_ETHERTYPE => typed(kind, rest),
        (Some(_), Some(_)) => Inner::Other(Fate::NotIp),
        _ => Inner::Other(Fate::Cut),
    }
}

/// Labels down to the one at the bottom (RFC 3032, 2.1); what is behind it says by its first bits whether it is IP.
fn mpls(mut rest: &[u8]) -> Inner<'_> {
    for _ in 0..=MOST_TAGS {
        let Some((label, behind)) = rest.split_first_chunk::<4>() else { return Inner::Other(Fate::Cut) };
        rest = behind;
        if label[2] & 1 != 0 {
            return match rest.first() {
                Some(0x45..=0x4f | 0x60..=0x6f) => Inner::Ip(rest),
                Some(_) => Inner::Other(Fate::NotIp),
                None => Inner::Other(Fate::Cut),
            };
        }
    }
    Inner::Other(Fate::Malformed)
}

/// Behind an LLC header with SNAP and an EtherType (IEEE 802, 9.4; RFC 1042), whatever organisation is named: 0 as a rule,
/// 00:00:f8 for bridged frames.
fn llc(rest: &[u8]) -> Inner<'_> {
    match rest.split_first_chunk::<8>() {
        Some((header, behind)) if header[..3] == SNAP && matches!(header[3..6], [0, 0, 0 | 0xf8]) => {
            match u16::from_be_bytes([header[6], header[7]]) {
                kind if kind >= FIRST_ETHERTYPE => typed(kind, behind),
                _ => Inner::Other(Fate::NotIp),
            }
        }
        Some(_) => Inner::Other(Fate::NotIp),
        None if rest.len() >= 3 && !rest.starts_with(&SNAP) => Inner::Other(Fate::NotIp),
        None => Inner::Other(Fate::Cut),
    }
}

#[cold]
#[inline(never)]
fn wlan<'a>(
    link: LinkType,
    data: &'a [u8],
    original_len: u32,
    reading: Reading,
    each: &mut impl FnMut(Inner<'a>, u32),
) {
    let facts = dot11::parse_as(link, data, original_len, reading);
    match data_body(&facts) {
        Ok((body, false)) => each(llc(body), original_len),
        Ok((body, true)) => aggregate(body, facts.cut, original_len, each),
        Err(fate) => each(Inner::Other(fate), original_len),
    }
}

/// The body of an open data frame, and whether it is an A-MSDU.
fn data_body<'a>(facts: &Facts<'a>) -> Result<(&'a [u8], bool), Fate> {
    let kind = match (facts.outcome, facts.kind) {
        (Outcome::BadFcs, _) => return Err(Fate::BadFcs),
        (Outcome::Malformed, _) => return Err(Fate::Malformed),
        (_, Some(kind)) if kind.class() == Class::Data => kind,
        _ => return Err(Fate::NotIp),
    };
    // Null, CF-Ack and CF-Poll alone: no body (IEEE 802.11-2020, table 9-1).
    if kind.0 & 0x04 != 0 {
        return Err(Fate::NotIp);
    }
    let frame = facts.frame;
    let flags = *frame.get(1).ok_or(Fate::Malformed)?;
    if flags & 0x40 != 0 {
        return Err(Fate::Protected);
    }
    // Sequence control: a later fragment of an MSDU goes on where another frame ended.
    if frame.get(22).ok_or(Fate::Cut)? & 0x0f != 0 {
        return Err(Fate::Fragment);
    }
    let mut at = if flags & 0x03 == 0x03 { 30 } else { 24 };
    let mut is_aggregate = false;
    if kind.0 & 0x08 != 0 {
        is_aggregate = frame.get(at).ok_or(Fate::Cut)? & 0x80 != 0;
        at += 2;
        if flags & 0x80 != 0 {
            at += 4;
        }
    }
    let body = frame.get(at..).ok_or(Fate::Cut)?;
    // Some drivers pad the header to a multiple of four octets: radiotap says so, and few captures have it. LLC shows it.
    let padded = body.get(2..).filter(|padded| at % 4 != 0 && padded.starts_with(&SNAP) && !body.starts_with(&SNAP));
    Ok((if is_aggregate { body } else { padded.unwrap_or(body) }, is_aggregate))
}

/// The subframes of an A-MSDU (9.3.2.2): header, MSDU, padding to a multiple of four.
fn aggregate<'a>(body: &'a [u8], cut: bool, original_len: u32, each: &mut impl FnMut(Inner<'a>, u32)) {
    let subframes = || {
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = body.get(at..).filter(|rest| !rest.is_empty())?;
            let len = rest.get(12..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes).map(usize::from);
            let Some(len) = len else {
                // Padding of the last one, or its beginning.
                at = body.len();
                return (rest.len() > 3).then_some((Inner::Other(if cut { Fate::Cut } else { Fate::Malformed }), 0));
            };
            let end = SUBFRAME + len;
            let inner = match rest.get(SUBFRAME..end) {
                Some(msdu) => llc(msdu),
                None if cut => rest.get(SUBFRAME..).map_or(Inner::Other(Fate::Cut), llc),
                None => Inner::Other(Fate::Malformed),
            };
            at = at.saturating_add(end.next_multiple_of(4));
            Some((inner, end.min(rest.len())))
        })
    };
    let octets = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    // What is around the subframes belongs to the first.
    let inside: u32 = subframes().skip(1).map(|(_, len)| octets(len)).sum();
    let mut first = true;
    for (inner, len) in subframes() {
        each(inner, if first { original_len.saturating_sub(inside) } else { octets(len) });
        first = false;
    }
    if first {
        each(Inner::Other(Fate::Cut), original_len);
    }
}
