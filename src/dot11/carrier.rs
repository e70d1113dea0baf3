//! 802.11 within other packets: cooked captures of a monitor interface, and TZSP in UDP. Names the carriers that are
//! not read. Knows no 802.11 header.

use super::{LinkType, Radio, avs, signal_dbm};

/// Where TZSP goes (IANA).
const TZSP_PORT: u16 = 37_008;
/// CAPWAP data (RFC 5415, 14).
const CAPWAP_PORT: u16 = 5_247;
/// PEEKREMOTE, by the programs that listen for it.
const PEEKREMOTE_PORT: u16 = 5_000;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const UDP: u8 = 17;

/// Linux' hardware types of monitor interfaces (`ARPHRD_IEEE80211`, `_PRISM`, `_RADIOTAP`), as link types.
pub(super) fn of_hardware_type(arphrd: u16) -> Option<LinkType> {
    match arphrd {
        801 => Some(LinkType::IEEE802_11),
        802 => Some(LinkType::PRISM),
        803 => Some(LinkType::RADIOTAP),
        _ => None,
    }
}

/// Destination port, payload and where it begins, of UDP in an IP packet in an Ethernet frame; VLAN tags are skipped.
#[inline]
fn udp(data: &[u8]) -> Option<(u16, usize)> {
    let word = |at: usize| data.get(at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes);
    let mut at = 12;
    let mut kind = word(at)?;
    // Two tags at most (IEEE 802.1Q-2018, 9.6).
    for _ in 0..2 {
        if matches!(kind, 0x8100 | 0x88a8) {
            at += 4;
            kind = word(at)?;
        }
    }
    let ip = at + 2;
    let udp = match kind {
        // Not a later fragment (RFC 791, 3.1).
        IPV4 if *data.get(ip + 9)? == UDP && word(ip + 6)? & 0x1fff == 0 => ip + 4 * usize::from(data.get(ip)? & 0x0f),
        IPV6 if *data.get(ip + 6)? == UDP => ip + 40,
        _ => return None,
    };
    Some((word(udp + 2)?, udp + 8))
}

/// The 802.11 frame that an Ethernet frame carries in TZSP, and what the receiver said of it: its link type, and how
/// many octets there are before it.
#[inline]
pub(super) fn tzsp(data: &[u8]) -> Option<(LinkType, Radio)> {
    match udp(data) {
        Some((TZSP_PORT, at)) => tzsp_header(data, at),
        _ => None,
    }
}

/// The header of TZSP version 1 (TaZmen Sniffer Protocol): version, type, protocol, then tagged fields.
#[cold]
fn tzsp_header(data: &[u8], mut at: usize) -> Option<(LinkType, Radio)> {
    let &[1, kind, high, low] = data.get(at..)?.first_chunk()? else { return None };
    // A packet received, or one to be transmitted.
    if kind > 1 {
        return None;
    }
    let link = match u16::from_be_bytes([high, low]) {
        18 => LinkType::IEEE802_11,
        119 => LinkType::PRISM,
        127 => LinkType::AVS,
        _ => return None,
    };
    at += 4;
    let mut radio = Radio::default();
    loop {
        let tag = *data.get(at)?;
        at += 1;
        match tag {
            0 => continue,
            1 => break,
            _ => {}
        }
        let len = usize::from(*data.get(at)?);
        let value = data.get(at + 1..at + 1 + len)?;
        at += 1 + len;
        match (tag, value) {
            (10, &[rssi]) => radio.signal_dbm = signal_dbm(i8::from_le_bytes([rssi])),
            (17, &[error]) => radio.bad_fcs = error != 0,
            (18, &[channel]) => radio.freq_mhz = avs::frequency(u32::from(channel)),
            _ => {}
        }
    }
    Some((link, Radio { header_len: at, ..radio }))
}

/// The name of what carries 802.11 in this Ethernet frame and is not read.
pub(super) fn unread(data: &[u8]) -> Option<&'static str> {
    let (port, at) = udp(data)?;
    let payload = data.get(at..)?;
    match (port, payload) {
        // Version 0, a header without DTLS; 802.11 (WBID 1) as it is (T) (RFC 5415, 4.3).
        (CAPWAP_PORT, &[0, _, binding, ..]) if binding & 0x3f == 0x03 => Some("CAPWAP (UDP 5247)"),
        (PEEKREMOTE_PORT, &[0x00, 0xff, 0xab, 0xcd, ..]) => Some("PEEKREMOTE (UDP 5000)"),
        _ => None,
    }
}
