//! The 802.11 header (IEEE 802.11-2020, 9.2 and 9.3): frame control, addresses, where the elements begin. Knows
//! no capture header; what it is given ends before the frame check sequence.

use super::{Body, Class, Ends, Facts, FrameKind, Outcome};
use crate::Mac;

/// Frame control, duration, one address.
const ONE_ADDRESS: usize = 10;
/// … and a second.
const TWO_ADDRESSES: usize = 16;
/// … and a third.
const THREE_ADDRESSES: usize = 22;
/// Up to and including sequence control, which parts the third address from the fourth.
const MANAGEMENT: usize = 24;
/// … and a fourth.
const FOUR_ADDRESSES: usize = 30;
/// HT control, where the +HTC/Order bit announces it (9.2.4.1.10).
const HT_CONTROL: usize = 4;

/// Bits of the second octet of frame control (9.2.4.1).
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const RETRY: u8 = 0x08;
const PROTECTED: u8 = 0x40;
const HTC: u8 = 0x80;

/// Reads one frame.
#[must_use]
pub fn read(frame: &[u8]) -> Facts<'_> {
    let mut facts = Facts::only(Outcome::Malformed);
    read_into(frame, &mut facts);
    facts
}

/// Reads one frame into facts that say [`Outcome::Malformed`] and nothing else: into their place, for they are large, and
/// the compiler moves them field by field.
#[inline(always)]
pub(super) fn read_into<'a>(frame: &'a [u8], facts: &mut Facts<'a>) {
    let Some(&[first, second]) = frame.first_chunk() else { return };
    if first & 0x03 != 0 {
        return;
    }
    // Type in bits 2 and 3, subtype in bits 4 to 7.
    let kind = FrameKind(u16::from((first & 0x0c) << 2 | first >> 4));
    // Malformed until the addresses prove to be there; the receiver where it is.
    facts.kind = Some(kind);
    facts.frame = frame;
    facts.ra = frame.first_chunk().map(address::<4, ONE_ADDRESS>);
    facts.retry = second & RETRY != 0;
    match first & 0x0c {
        0x00 => management(frame, second, facts),
        0x04 => match kind.0 {
            0x10 | 0x11 | 0x16 | 0x17 | 0x1e | 0x1f => rare_control(frame, kind, second, facts),
            _ => control(frame, kind, facts),
        },
        0x08 => data(frame, second, facts),
        _ => extension(kind, facts),
    }
}

/// Management frames (9.3.3): receiver, transmitter, BSSID.
#[inline(always)]
fn management(frame: &[u8], flags: u8, facts: &mut Facts<'_>) {
    let Some(header) = frame.first_chunk::<THREE_ADDRESSES>() else { return };
    facts.outcome = transmitted_by(address::<10, _>(header));
    facts.bssid = Some(address::<16, _>(header));
    (facts.to_ds, facts.from_ds) = (flags & TO_DS != 0, flags & FROM_DS != 0);
}

/// What the body of a management frame of this kind says (9.3.3, tables 9-32 to 9-42), by the fixed fields before its
/// elements.
#[must_use]
#[inline]
pub fn body(kind: FrameKind, frame: &[u8]) -> Body<'_> {
    const NO_CAPABILITY: usize = usize::MAX;
    let Some(header) = frame.first_chunk::<MANAGEMENT>() else { return Body::default() };
    // An encrypted body says nothing, and a later fragment goes on in the middle of one.
    if header[1] & PROTECTED != 0 || header[22] & 0x0f != 0 {
        return Body::default();
    }
    let at = if header[1] & HTC == 0 { MANAGEMENT } else { MANAGEMENT + HT_CONTROL };
    let body = frame.get(at..).unwrap_or_default();
    let (capability_at, elements_at) = match kind.0 {
        0x0 => (0, 4),                   // association request: capability, listen interval
        0x1 | 0x3 => (0, 6),             // (re)association response: capability, status, AID
        0x2 => (0, 10),                  // reassociation request: capability, listen interval, current AP
        0x4 => (NO_CAPABILITY, 0),       // probe request
        0x5 | 0x8 => (10, 12),           // probe response, beacon: timestamp, interval, capability
        0x6 => (8, 10),                  // timing advertisement: timestamp, capability
        0xa | 0xc => (NO_CAPABILITY, 2), // disassociation, deauthentication: reason
        0xb => match body.first_chunk() {
            // Authentication: algorithm, sequence, status. Open, shared key and FT go on with elements; SAE and
            // others with fields of their own (9.3.3.11).
            Some([0..=2, 0]) => (NO_CAPABILITY, 6),
            _ => return Body::default(),
        },
        _ => return Body::default(),
    };
    let capability =
        body.get(capability_at..).and_then(<[u8]>::first_chunk).map(|&[low, high]| u16::from_le_bytes([low, high]));
    Body { kind: Some(kind), capability, elements: body.get(elements_at..).unwrap_or_default(), frame, cut: false }
}

/// Control frames (9.3.1) of the usual kinds: a receiver, and for most a transmitter.
#[inline(always)]
fn control(frame: &[u8], kind: FrameKind, facts: &mut Facts<'_>) {
    match kind.0 {
        // CTS and ack: the receiver alone.
        0x1c | 0x1d => {
            if facts.ra.is_some() {
                facts.outcome = Outcome::WithoutTa;
            }
        }
        // Trigger, TACK, beamforming report poll, NDP announcement, block ack (request), PS-Poll, RTS.
        _ => {
            if let Some(header) = frame.first_chunk::<TWO_ADDRESSES>() {
                facts.outcome = signalled_by(address::<10, _>(header));
            }
        }
    }
    if kind.0 == 0x1a {
        // PS-Poll goes to the access point, whose address is the BSSID (9.3.1.5).
        facts.bssid = facts.ra;
    }
}

/// The other control frames.
#[cold]
fn rare_control(frame: &[u8], kind: FrameKind, flags: u8, facts: &mut Facts<'_>) {
    match kind.0 {
        0x16 => control_extension(frame, flags, facts),
        0x17 => wrapper(frame, facts),
        // CF-End (9.3.1.6): the second address names the BSS, whichever of its stations sends.
        0x1e | 0x1f => {
            if let Some(header) = frame.first_chunk::<TWO_ADDRESSES>() {
                facts.outcome = Outcome::WithoutTa;
                facts.bssid = Some(address::<10, _>(header).individual());
            }
        }
        // Reserved subtypes: nobody knows where their addresses are.
        _ => {
            facts.ra = None;
            facts.outcome = Outcome::WithoutTa;
        }
    }
}

/// Control frame extensions (table 9-2; DMG): bits 8 to 11 of frame control, elsewhere ToDS to Retry, say which.
fn control_extension(frame: &[u8], flags: u8, facts: &mut Facts<'_>) {
    let extension = flags & 0x0f;
    facts.kind = Some(FrameKind(FrameKind::CONTROL_EXTENSION + u16::from(extension)));
    facts.retry = false;
    match extension {
        // Poll, SPR, grant, DMG CTS, grant ack, SSW, SSW-Feedback, SSW-Ack: receiver and transmitter.
        2..=5 | 7..=10 => {
            if let Some(header) = frame.first_chunk::<TWO_ADDRESSES>() {
                facts.outcome = signalled_by(address::<10, _>(header));
            }
        }
        // DMG DTS: receiver, and the two ends of the exchange that it defers to.
        6 => {
            if facts.ra.is_some() {
                facts.outcome = Outcome::WithoutTa;
            }
        }
        _ => {
            facts.ra = None;
            facts.outcome = Outcome::WithoutTa;
        }
    }
}

/// Control wrapper (9.3.1.9): another control frame with an HT control field: frame control, duration, address 1,
/// carried frame control, HT control, and then what the carried frame has after its address 1.
fn wrapper(frame: &[u8], facts: &mut Facts<'_>) {
    let Some(&[carried, flags]) = frame.get(ONE_ADDRESS..).and_then(<[u8]>::first_chunk) else { return };
    let second_address = || {
        let rest = frame.get(ONE_ADDRESS + 2 + HT_CONTROL..)?;
        rest.first_chunk::<6>().copied().map(Mac)
    };
    match (carried, flags & 0x0f) {
        (0xc4 | 0xd4, _) => facts.outcome = Outcome::WithoutTa,
        (0xe4 | 0xf4, _) => {
            if let Some(bssid) = second_address() {
                facts.outcome = Outcome::WithoutTa;
                facts.bssid = Some(bssid.individual());
            }
        }
        (0x24 | 0x34 | 0x44 | 0x54 | 0x84 | 0x94 | 0xa4 | 0xb4, _) | (0x64, 2..=5 | 7..=10) => {
            if let Some(ta) = second_address() {
                facts.outcome = signalled_by(ta);
            }
        }
        // Nothing that may be carried.
        _ => facts.outcome = Outcome::WithoutTa,
    }
}

/// Data frames (9.3.2): three addresses or four, whose meaning ToDS and FromDS decide (table 9-30).
#[inline(always)]
fn data(frame: &[u8], flags: u8, facts: &mut Facts<'_>) {
    let (to_ds, from_ds) = (flags & TO_DS != 0, flags & FROM_DS != 0);
    (facts.to_ds, facts.from_ds) = (to_ds, from_ds);
    let Some(header) = frame.first_chunk::<THREE_ADDRESSES>() else { return };
    facts.bssid = match (to_ds, from_ds) {
        (false, false) => Some(address::<16, _>(header)),
        (false, true) => Some(address::<10, _>(header)),
        (true, false) => Some(address::<4, _>(header)),
        (true, true) if frame.len() < FOUR_ADDRESSES => return,
        (true, true) => None,
    };
    facts.outcome = transmitted_by(address::<10, _>(header));
}

/// Source and destination of a frame of this kind.
pub(super) fn ends(kind: FrameKind, frame: &[u8]) -> Ends {
    let Some(header) = frame.first_chunk::<THREE_ADDRESSES>() else {
        let source = frame.first_chunk().filter(|_| kind.0 == 0x31).map(address::<4, ONE_ADDRESS>);
        return Ends { sa: source, ..Ends::default() };
    };
    let (first, second, third) = (address::<4, _>(header), address::<10, _>(header), address::<16, _>(header));
    match kind.class() {
        Class::Management => Ends { sa: Some(second), da: Some(first), amsdu: false },
        Class::Control => Ends::default(),
        Class::Extension => Ends { sa: Some(first).filter(|_| kind.0 == 0x31), ..Ends::default() },
        Class::Data => {
            let ds = (header[1] & TO_DS != 0, header[1] & FROM_DS != 0);
            let four = ds == (true, true);
            // QoS data with a body (subtypes 8 to 11): A-MSDU Present is bit 7 of QoS control (9.2.4.5.9).
            let qos_at = if four { FOUR_ADDRESSES } else { MANAGEMENT };
            let amsdu = kind.0 & 0x0c == 0x08 && frame.get(qos_at).is_some_and(|qos| qos & 0x80 != 0);
            let unless_amsdu = |mac| Some(mac).filter(|_| !amsdu);
            let (sa, da) = match ds {
                (false, false) => (Some(second), Some(first)),
                (false, true) => (unless_amsdu(third), Some(first)),
                (true, false) => (Some(second), unless_amsdu(third)),
                (true, true) => match frame.first_chunk::<FOUR_ADDRESSES>() {
                    Some(header) => (unless_amsdu(address::<24, _>(header)), unless_amsdu(third)),
                    None => (None, None),
                },
            };
            Ends { sa, da, amsdu }
        }
    }
}

/// Extension frames (9.3.4): DMG beacons, where the BSSID stands alone, and S1G beacons, with their source.
#[cold]
fn extension(kind: FrameKind, facts: &mut Facts<'_>) {
    (facts.ra, facts.retry) = (None, false);
    let only = facts.frame.first_chunk::<ONE_ADDRESS>().map(address::<4, ONE_ADDRESS>);
    match (kind.0, only) {
        (0x30, Some(bssid)) => (facts.outcome, facts.bssid) = (Outcome::WithoutTa, Some(bssid)),
        (0x31, Some(source)) => facts.outcome = transmitted_by(source),
        (0x30 | 0x31, None) => {}
        _ => facts.outcome = Outcome::WithoutTa,
    }
}

#[inline]
fn transmitted_by(ta: Mac) -> Outcome {
    if ta.is_group() { Outcome::GroupTa } else { Outcome::Sent(ta) }
}

/// The transmitter of a control frame, whose I/G bit says only that the scrambler signals a bandwidth (9.2.4.3.7).
#[inline]
fn signalled_by(ta: Mac) -> Outcome {
    Outcome::Sent(ta.individual())
}

/// The address at offset `AT`.
#[inline]
fn address<const AT: usize, const LEN: usize>(header: &[u8; LEN]) -> Mac {
    const { assert!(AT + 6 <= LEN) };
    Mac([header[AT], header[AT + 1], header[AT + 2], header[AT + 3], header[AT + 4], header[AT + 5]])
}
