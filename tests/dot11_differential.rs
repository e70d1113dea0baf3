//! `dot11` against other people's parsers, the crates `ieee80211` and `libwifi`, and against a second reading of
//! radiotap's rules; and what holds for any octets at all.
//!
//! Each crate is asked only what it answers rightly: `ieee80211` knows no fourth address and no TA of RTS;
//! `libwifi` names source and destination otherwise than the standard, so its plain addresses are compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use airtally::{
    Mac,
    capture::{Packet, Polled, Source},
    dot11::{self, Class, Facts, LinkType, Outcome},
};
use ieee80211::{GenericFrame, common::FrameType};
use libwifi::Frame;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

const LINKS: [LinkType; 13] = [
    LinkType::ETHERNET,
    LinkType(12),
    LinkType(14),
    LinkType::RAW,
    LinkType::IEEE802_11,
    LinkType::LINUX_SLL,
    LinkType::PRISM,
    LinkType::RADIOTAP,
    LinkType::AVS,
    LinkType::PPI,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL2,
];

/// What a frame says of its transmitter: an address that the I/G bit may mark as a group or as signalling.
fn transmitter(facts: &Facts<'_>, second: [u8; 6]) -> bool {
    match facts.outcome {
        Outcome::Sent(ta) if facts.class() == Some(Class::Control) => ta == Mac(second).individual(),
        Outcome::Sent(ta) => ta == Mac(second),
        Outcome::GroupTa => Mac(second).is_group(),
        _ => false,
    }
}

/// Compares one bare frame (no capture header, no FCS) with both crates. Says whether either had an opinion.
fn compare(frame: &[u8]) -> bool {
    let facts = dot11::parse(LinkType::IEEE802_11, frame, frame.len() as u32);
    let Ok(generic) = GenericFrame::new(frame, false) else { return false };
    let control = generic.frame_control_field();
    if control.version() != 0 {
        assert_eq!(facts.outcome, Outcome::Malformed);
        return false;
    }
    let number = match control.frame_type() {
        FrameType::Management(subtype) => u16::from(subtype.into_bits()),
        FrameType::Control(subtype) => 0x10 + u16::from(subtype.into_bits()),
        FrameType::Data(subtype) => 0x20 + u16::from(subtype.into_bits()),
        FrameType::Unknown(_) => return false,
    };
    // An extension's number is in bits that ieee80211 reads as flags.
    if number == 0x16 {
        return false;
    }
    let kind = facts.kind.unwrap();
    assert_eq!(kind.0, number);
    assert_eq!(facts.retry, control.flags().retry());
    if let Some(ra) = facts.ra {
        assert_eq!(ra.0, *generic.address_1());
    }
    let whole = facts.outcome != Outcome::Malformed;
    if kind.class() != Class::Control || matches!(number, 0x18..=0x1a) {
        match generic.address_2() {
            Some(second) if whole => assert!(transmitter(&facts, *second), "{facts:?}"),
            _ => assert!(!whole, "{facts:?}"),
        }
    }
    if kind.class() == Class::Management && whole {
        assert_eq!(facts.bssid.unwrap().0, *generic.address_3().unwrap());
    }

    match libwifi::parse_frame(frame, false) {
        Ok(Frame::Rts(rts)) => assert!(transmitter(&facts, rts.source.0) && facts.ra == Some(Mac(rts.destination.0))),
        Ok(Frame::Cts(cts)) => {
            assert_eq!((facts.outcome, facts.ra), (Outcome::WithoutTa, Some(Mac(cts.destination.0))));
        }
        Ok(Frame::Ack(ack)) => {
            assert_eq!((facts.outcome, facts.ra), (Outcome::WithoutTa, Some(Mac(ack.destination.0))));
        }
        // libwifi does without a fourth address that was cut.
        Ok(_) if !whole => {}
        Ok(Frame::Data(data)) => data_header(&facts, &data.header),
        Ok(Frame::NullData(data)) => data_header(&facts, &data.header),
        Ok(Frame::QosData(data)) => data_header(&facts, &data.header),
        Ok(Frame::QosNull(data)) => data_header(&facts, &data.header),
        _ => {}
    }
    true
}

/// Table 9-30 of the standard, over the addresses that libwifi finds.
fn data_header(facts: &Facts<'_>, header: &libwifi::frame::components::DataHeader) {
    let mac = |address: libwifi::frame::components::MacAddress| Some(Mac(address.0));
    let (first, second, third) = (mac(header.address_1), mac(header.address_2), mac(header.address_3));
    assert!(transmitter(facts, header.address_2.0));
    assert_eq!(facts.ra, first);
    assert_eq!(facts.ends().amsdu, facts.kind.unwrap().0 == 0x28 && header.qos.is_some_and(|qos| qos[0] & 0x80 != 0));
    assert_eq!((facts.to_ds, facts.from_ds), (header.frame_control.to_ds(), header.frame_control.from_ds()));
    let (da, sa, bssid) = match (facts.to_ds, facts.from_ds) {
        (false, false) => (first, second, third),
        (false, true) => (first, third, second),
        (true, false) => (third, second, first),
        (true, true) => (third, header.address_4.and_then(mac), None),
    };
    assert_eq!(facts.bssid, bssid);
    if !facts.ends().amsdu {
        assert_eq!((facts.ends().da, facts.ends().sa), (da, sa));
    }
}

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("AIRTALLY_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    path.join("captures").exists().then(|| path.join("captures"))
}

#[test]
fn captured_frames_read_alike() {
    let Some(captures) = corpus() else { return };
    let (mut compared, mut seen) = (0, 0);
    for entry in std::fs::read_dir(captures).unwrap() {
        let Ok(mut source) = Source::open_file(&entry.unwrap().path()) else { continue };
        let mut each = |packet: Packet<'_>| {
            let header_len = match packet.link {
                LinkType::IEEE802_11 => Some(0),
                LinkType::RADIOTAP => dot11::radiotap::read(packet.data).map(|radio| radio.header_len),
                LinkType::PPI => dot11::ppi::read(packet.data).map(|(_, radio)| radio.header_len),
                _ => None,
            };
            if let Some(header_len) = header_len {
                seen += 1;
                compared += u64::from(compare(&packet.data[header_len..]));
            }
        };
        while matches!(source.poll(&mut each), Ok(Polled::More)) {}
    }
    eprintln!("{compared} of {seen} captured frames compared");
    assert!(compared > 100_000, "only {compared} of {seen}");
}

/// A frame with a known type and subtype, random flags and enough random octets after it.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    (0u8..3, 0u8..16, any::<u8>(), proptest::collection::vec(any::<u8>(), 8..64))
        .prop_map(|(class, subtype, flags, rest)| [vec![class << 2 | subtype << 4, flags], rest].concat())
}

/// Radiotap fields as the registry defines them, written down a second time: bit, alignment, size.
const FIELDS: [(u32, usize, usize); 28] = [
    (0, 8, 8),
    (1, 1, 1),
    (2, 1, 1),
    (3, 2, 4),
    (4, 2, 2),
    (5, 1, 1),
    (6, 1, 1),
    (7, 2, 2),
    (8, 2, 2),
    (9, 2, 2),
    (10, 1, 1),
    (11, 1, 1),
    (12, 1, 1),
    (13, 1, 1),
    (14, 2, 2),
    (15, 2, 2),
    (16, 1, 1),
    (17, 1, 1),
    (18, 4, 8),
    (19, 1, 3),
    (20, 4, 8),
    (21, 2, 12),
    (22, 8, 12),
    (23, 2, 12),
    (24, 2, 12),
    (25, 2, 6),
    (26, 1, 1),
    (27, 2, 4),
];

/// One word of a radiotap header.
#[derive(Clone, Debug)]
enum Word {
    /// The fields present, and what fills them.
    Fields { present: u32, filler: u8 },
    /// A vendor's bits and the octets behind its header.
    Vendor { bits: u32, data: Vec<u8> },
}

#[derive(Debug, Default, PartialEq)]
struct Expected {
    fcs_at_end: bool,
    bad_fcs: bool,
    freq: Option<u16>,
    signal: Option<i8>,
}

/// Writes the header that `words` describe, and what must be read from it.
fn radiotap(words: &[Word]) -> (Vec<u8>, Expected) {
    let mut header = vec![0, 0, 0, 0];
    for (index, word) in words.iter().enumerate() {
        let bits = match word {
            Word::Fields { present, .. } => *present,
            Word::Vendor { bits, .. } => *bits,
        };
        let announces = match words.get(index + 1) {
            Some(Word::Fields { .. }) => 1 << 31 | 1 << 29,
            Some(Word::Vendor { .. }) => 1 << 31 | 1 << 30,
            None => 0,
        };
        header.extend((bits | announces).to_le_bytes());
    }
    let mut expected = Expected::default();
    for (index, word) in words.iter().enumerate() {
        match word {
            Word::Fields { present, filler } => {
                for &(bit, align, size) in FIELDS.iter().filter(|&&(bit, ..)| present >> bit & 1 == 1) {
                    header.resize(header.len().next_multiple_of(align), 0);
                    let at = header.len();
                    header
                        .extend((0..size).map(|octet| filler.wrapping_mul(31).wrapping_add((octet as u8) ^ bit as u8)));
                    let octet = header[at];
                    match bit {
                        1 => {
                            expected.fcs_at_end |= octet & 0x10 != 0;
                            expected.bad_fcs |= octet & 0x40 != 0;
                        }
                        3 => {
                            let freq = u16::from_le_bytes([header[at], header[at + 1]]);
                            expected.freq = expected.freq.or((freq != 0).then_some(freq));
                        }
                        5 => {
                            let signal = Some(octet as i8).filter(|signal| ![-128, 0, 127].contains(signal));
                            expected.signal = expected.signal.or(signal);
                        }
                        // XChannel: flags (4 octets) and the frequency, which counts where no channel field has one.
                        18 => {
                            let freq = u16::from_le_bytes([header[at + 4], header[at + 5]]);
                            expected.freq = expected.freq.or((freq != 0).then_some(freq));
                        }
                        _ => {}
                    }
                }
            }
            Word::Vendor { data, .. } => {
                // Written already, as what its predecessor announced.
                assert!(index > 0 && data.len() < 256);
            }
        }
        if let Some(Word::Vendor { data, .. }) = words.get(index + 1) {
            header.resize(header.len().next_multiple_of(2), 0);
            header.extend([0x00, 0x11, 0x22, 0x01]);
            header.extend((data.len() as u16).to_le_bytes());
            header.extend(data);
        }
    }
    let len = header.len() as u16;
    header[2..4].copy_from_slice(&len.to_le_bytes());
    (header, expected)
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let fields = || (0u32..1 << 28, any::<u8>()).prop_map(|(present, filler)| Word::Fields { present, filler });
    let vendor = (0u32..1 << 29, proptest::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(bits, data)| Word::Vendor { bits, data });
    let more = proptest::collection::vec(prop_oneof![3 => fields(), 1 => vendor], 0..4);
    (fields(), more).prop_map(|(first, more)| [vec![first], more].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn generated_frames_read_alike(frame in frames()) {
        compare(&frame);
    }

    #[test]
    fn a_frame_check_sequence_is_good_or_bad_for_everybody(frame in frames(), damage in proptest::option::of(0usize..512)) {
        let mut with_fcs = frame.clone();
        with_fcs.extend(crc32fast::hash(&frame).to_le_bytes());
        if let Some(bit) = damage {
            let bit = bit % (8 * with_fcs.len());
            with_fcs[bit / 8] ^= 1 << (bit % 8);
        }
        let packet = [&[0, 0, 9, 0, 2, 0, 0, 0, 0x10][..], &with_fcs].concat();
        let facts = dot11::parse(LinkType::RADIOTAP, &packet, packet.len() as u32);
        if with_fcs[0] & 3 == 0 {
            prop_assert_eq!(facts.outcome != Outcome::BadFcs, GenericFrame::new(&with_fcs, true).is_ok());
        }
        // Of a frame that was cut nobody can tell, and its addresses are where they are.
        let cut = dot11::parse(LinkType::RADIOTAP, &packet, packet.len() as u32 + 1);
        prop_assert_ne!(cut.outcome, Outcome::BadFcs);
        // What the receiver flags is bad, whatever it looks like.
        let mut flagged = packet.clone();
        flagged[8] |= 0x40;
        prop_assert_eq!(dot11::parse(LinkType::RADIOTAP, &flagged, flagged.len() as u32).outcome, Outcome::BadFcs);
    }

    #[test]
    fn every_radiotap_header_reads_back(words in words()) {
        let (header, expected) = radiotap(&words);
        let radio = dot11::radiotap::read(&header).unwrap();
        prop_assert_eq!(radio.header_len, header.len());
        let read = Expected {
            fcs_at_end: radio.fcs_at_end,
            bad_fcs: radio.bad_fcs,
            freq: radio.freq_mhz,
            signal: radio.signal_dbm,
        };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_octets_have_facts(link in proptest::sample::select(&LINKS[..]), data in proptest::collection::vec(any::<u8>(), 0..200), more: u16) {
        any_packet(link, &data, data.len() as u32 + u32::from(more));
    }

    #[test]
    fn a_damaged_header_has_facts(words in words(), frame in frames(), at: prop::sample::Index, octet: u8, len: prop::sample::Index) {
        let (header, _) = radiotap(&words);
        let mut packet = [header, frame].concat();
        let original_len = packet.len() as u32;
        *at.get_mut(&mut packet) = octet;
        packet.truncate(len.index(packet.len() + 1));
        any_packet(LinkType::RADIOTAP, &packet, original_len);
    }
}

/// What holds for every packet: facts, and nothing claimed that the octets do not bear.
fn any_packet(link: LinkType, data: &[u8], original_len: u32) {
    let facts = dot11::parse(link, data, original_len);
    if let Outcome::Sent(ta) = facts.outcome {
        assert!(!ta.is_group());
        assert!(data.windows(5).any(|octets| octets == &ta.0[1..]), "an address that is not in the packet");
    }
    let elements = dot11::elements::iter(facts.body().elements).map(|element| element.body.len() + 2).sum::<usize>();
    assert!(elements <= facts.body().elements.len() && facts.body().elements.len() <= data.len());
    let _ = (facts.body().ssid(), facts.body().channel(), facts.body().security().map(|security| security.to_string()));
    if let Some(kind) = facts.kind {
        assert!(kind.to_string().len() == 6 && !kind.name().is_empty());
    }
}
