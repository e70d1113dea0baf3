//! 802.11 frames as octets (IEEE 802.11-2020, clause 9): headers, bodies, the frame check sequence.

use super::{rng::Rng, tally::MacBytes};

/// The broadcast address.
pub const BROADCAST: MacBytes = [0xff; 6];

/// Type and subtype in one number, type × 16 + subtype.
pub mod kind {
    #![allow(missing_docs, reason = "the names are the standard's (table 9-1)")]
    pub const ASSOC_REQ: u8 = 0x00;
    pub const ASSOC_RESP: u8 = 0x01;
    pub const PROBE_REQ: u8 = 0x04;
    pub const PROBE_RESP: u8 = 0x05;
    pub const BEACON: u8 = 0x08;
    pub const DISASSOC: u8 = 0x0a;
    pub const AUTH: u8 = 0x0b;
    pub const DEAUTH: u8 = 0x0c;
    pub const ACTION: u8 = 0x0d;
    pub const BLOCK_ACK_REQ: u8 = 0x18;
    pub const BLOCK_ACK: u8 = 0x19;
    pub const PS_POLL: u8 = 0x1a;
    pub const RTS: u8 = 0x1b;
    pub const CTS: u8 = 0x1c;
    pub const ACK: u8 = 0x1d;
    pub const DATA: u8 = 0x20;
    pub const NULL: u8 = 0x24;
    pub const QOS_DATA: u8 = 0x28;
    pub const QOS_NULL: u8 = 0x2c;
}

/// Frame Control, second octet (9.2.4.1).
pub mod bit {
    #![allow(missing_docs, reason = "the names are the standard's")]
    pub const TO_DS: u8 = 0x01;
    pub const FROM_DS: u8 = 0x02;
    pub const RETRY: u8 = 0x08;
    pub const POWER_MGMT: u8 = 0x10;
    pub const PROTECTED: u8 = 0x40;
    pub const HTC: u8 = 0x80;
}

/// Begins a frame: frame control and duration.
pub fn begin(out: &mut Vec<u8>, kind: u8, flags: u8) {
    out.clear();
    let (class, subtype) = (kind >> 4, kind & 0x0f);
    out.extend_from_slice(&[subtype << 4 | class << 2, flags, 0x2c, 0]);
}

/// Begins a management or data frame: three addresses and the sequence number.
pub fn begin_three(out: &mut Vec<u8>, kind: u8, flags: u8, addresses: [&MacBytes; 3], sequence: u16) {
    begin(out, kind, flags);
    for address in addresses {
        out.extend_from_slice(address);
    }
    out.extend_from_slice(&(sequence << 4).to_le_bytes());
}

/// Appends an information element.
pub fn element(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.extend_from_slice(&[id, body.len() as u8]);
    out.extend_from_slice(body);
}

/// Appends SSID and supported rates.
pub fn ssid_and_rates(out: &mut Vec<u8>, ssid: &[u8]) {
    element(out, 0, ssid);
    element(out, 1, &[0x82, 0x84, 0x8b, 0x96, 0x0c, 0x12, 0x18, 0x24]);
}

/// Appends the body of a beacon or probe response.
pub fn beacon_body(out: &mut Vec<u8>, tsft: u64, interval_tu: u16, ssid: &[u8], channel: u8, ibss: bool) {
    out.extend_from_slice(&tsft.to_le_bytes());
    out.extend_from_slice(&interval_tu.to_le_bytes());
    out.extend_from_slice(if ibss { &[0x02, 0x00] } else { &[0x11, 0x04] });
    ssid_and_rates(out, ssid);
    if channel <= 14 {
        element(out, 3, &[channel]);
    }
    if ibss {
        element(out, 6, &[0, 0]);
        return;
    }
    element(out, 5, &[0, 1, 0, 0]);
    let rsn = [1, 0, 0x00, 0x0f, 0xac, 4, 1, 0, 0x00, 0x0f, 0xac, 4, 1, 0, 0x00, 0x0f, 0xac, 2, 0, 0];
    element(out, 48, &rsn);
    let mut ht = [0; 26];
    ht[0] = 0x6f;
    ht[3] = 0xff;
    element(out, 45, &ht);
    element(
        out,
        221,
        &[0x00, 0x50, 0xf2, 2, 1, 1, 0, 0, 3, 0xa4, 0, 0, 0x27, 0xa4, 0, 0, 0x42, 0x43, 0x5e, 0, 0x62, 0x32, 0x2f, 0],
    );
}

/// Appends an encrypted payload: a CCMP header (12.5.3.2) and `len` octets.
pub fn protected_body(out: &mut Vec<u8>, len: usize, rng: &mut Rng) {
    let number = rng.next().to_le_bytes();
    out.extend_from_slice(&[number[0], number[1], 0, 0x20, number[2], number[3], 0, 0]);
    rng.fill(out, len);
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

const CRC_TABLE: [u32; 256] = crc_table();

/// The frame check sequence of `frame` (9.2.4.8), in the order it is sent.
pub fn fcs(frame: &[u8]) -> [u8; 4] {
    let step = |crc: u32, octet: &u8| CRC_TABLE[usize::from(crc as u8 ^ octet)] ^ crc >> 8;
    (!frame.iter().fold(u32::MAX, step)).to_le_bytes()
}
