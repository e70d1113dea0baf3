//! Radiotap headers against tshark: every field's size and alignment, channels in either field, signals that are none,
//! sounding packets without a frame.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/tshark.rs"]
mod tshark;

use airtally::{
    Mac,
    dot11::{self, Facts, LinkType, Outcome},
};
use proptest::prelude::*;

/// The fields of the radiotap registry (radiotap.org/fields/defined, and its suggested XChannel): bit, name, alignment,
/// size.
const FIELDS: [(u32, &str, usize, usize); 28] = [
    (0, "TSFT", 8, 8),
    (1, "Flags", 1, 1),
    (2, "Rate", 1, 1),
    (3, "Channel", 2, 4),
    (4, "FHSS", 2, 2),
    (5, "Antenna signal", 1, 1),
    (6, "Antenna noise", 1, 1),
    (7, "Lock quality", 2, 2),
    (8, "TX attenuation", 2, 2),
    (9, "dB TX attenuation", 2, 2),
    (10, "dBm TX power", 1, 1),
    (11, "Antenna", 1, 1),
    (12, "dB antenna signal", 1, 1),
    (13, "dB antenna noise", 1, 1),
    (14, "RX flags", 2, 2),
    (15, "TX flags", 2, 2),
    (16, "RTS retries", 1, 1),
    (17, "data retries", 1, 1),
    (18, "XChannel", 4, 8),
    (19, "MCS", 1, 3),
    (20, "A-MPDU status", 4, 8),
    (21, "VHT", 2, 12),
    (22, "timestamp", 8, 12),
    (23, "HE", 2, 12),
    (24, "HE-MU", 2, 12),
    (25, "HE-MU other user", 2, 6),
    (26, "0-length PSDU", 1, 1),
    (27, "L-SIG", 2, 4),
];

const EXT: u32 = 1 << 31;
const NAMESPACE: u32 = 1 << 29;
const CHANNEL: u32 = 3;
const SIGNAL: u32 = 5;
const XCHANNEL: u32 = 18;
const HE_MU_OTHER_USER: u32 = 25;
const ZERO_LENGTH: u32 = 26;

/// A header of one radiotap namespace a word, each with these fields and contents; other fields are zeros.
fn header(words: &[&[(u32, &[u8])]]) -> Vec<u8> {
    let mut header = vec![0, 0, 0, 0];
    for (index, fields) in words.iter().enumerate() {
        let more = if index + 1 < words.len() { EXT | NAMESPACE } else { 0 };
        header.extend((fields.iter().fold(0, |word, (bit, _)| word | 1 << bit) | more).to_le_bytes());
    }
    for fields in words {
        for &(bit, content) in *fields {
            let (_, _, align, size) = FIELDS[bit as usize];
            header.resize(header.len().next_multiple_of(align), 0);
            let end = header.len() + size;
            header.extend(content);
            header.resize(end, 0);
        }
    }
    let len = header.len() as u16;
    header[2..4].copy_from_slice(&len.to_le_bytes());
    header
}

fn signal(dbm: i8) -> [u8; 1] {
    dbm.to_le_bytes()
}

/// RTS of a station with this last octet.
fn rts(last: u8) -> Vec<u8> {
    [&[0xb4, 0, 0, 0, 2, 0, 0, 0, 0, 1][..], &[0x00, 0x11, 0x22, 0x33, 0x44, last]].concat()
}

fn facts(packet: &[u8]) -> Facts<'_> {
    dot11::parse(LinkType::RADIOTAP, packet, packet.len() as u32)
}

/// What tshark says of these packets: one row a packet.
fn ask_tshark(packets: &[Vec<u8>], fields: &[&str]) -> Vec<Vec<String>> {
    let mut file = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 127].map(u32::to_le_bytes).concat();
    for packet in packets {
        file.extend([1_700_000_000, 0, packet.len() as u32, packet.len() as u32].map(u32::to_le_bytes).concat());
        file.extend(packet);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("radiotap.pcap");
    std::fs::write(&path, file).unwrap();
    tshark::fields(&path, fields)
}

/// Each field behind every set of five others, so that it begins at every place; the signal comes after it.
#[test]
fn every_field_has_its_size_and_alignment() {
    let mut packets = Vec::new();
    for (bit, ..) in FIELDS {
        for others in 0u32..32 {
            let before =
                [0, 1, 2, 6, 11].into_iter().enumerate().filter(|(n, _)| others >> n & 1 == 1).map(|(_, bit)| bit);
            let mut bits: Vec<u32> = before.chain([bit]).collect();
            bits.sort_unstable();
            bits.dedup();
            let fields: Vec<(u32, &[u8])> = bits.into_iter().map(|bit| (bit, &[][..])).collect();
            let dbm = signal(-30 - (packets.len() % 60) as i8);
            packets.push([header(&[&fields, &[(SIGNAL, &dbm)]]), rts(7)].concat());
        }
    }
    let rows = ask_tshark(&packets, &["wlan.ta", "radiotap.dbm_antsignal"]);
    assert_eq!(rows.len(), packets.len());
    for ((n, packet), row) in packets.iter().enumerate().zip(&rows) {
        let (bit, name, ..) = FIELDS[n / 32];
        let expected = Some(-30 - (n % 60) as i8);
        let facts = facts(packet);
        assert_eq!(facts.signal_dbm, expected, "behind {name} (bit {bit}), with the others {:#07b}", n % 32);
        assert_eq!(facts.outcome, Outcome::Sent(Mac([0x00, 0x11, 0x22, 0x33, 0x44, 7])), "{name}");
        // The first signal field of tshark's row is ours, but where a word of zeros had one before. tshark 4.0 does not
        // know bit 25, and reads no further.
        if bit != SIGNAL && bit != HE_MU_OTHER_USER {
            assert_eq!(row[1].parse().ok(), expected, "tshark, behind {name} with {:#07b}", n % 32);
        }
    }
}

#[test]
fn fhss_does_not_move_the_signal() {
    let packet = [header(&[&[(1, &[0]), (4, &[1, 2]), (5, &signal(-50))]]), rts(1)].concat();
    assert_eq!(facts(&packet).signal_dbm, Some(-50));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Either channel field tells the channel, in whichever word; the short one wins.
    #[test]
    fn a_channel_is_read_from_either_field(
        freq in 2_412u16..7_115, other in 2_412u16..7_115, others in 0u32..1 << 18, words in 1usize..4, last: bool,
        with_channel: bool, channel_is_zero: bool,
    ) {
        let frequency = if channel_is_zero { [0; 2] } else { other.to_le_bytes() };
        let xchannel = [&[0, 0, 1, 0][..], &freq.to_le_bytes(), &[6, 0]].concat();
        let mut fields: Vec<(u32, &[u8])> = (0..18)
            .filter(|bit| others >> bit & 1 == 1 && *bit != CHANNEL && *bit != 1)
            .map(|bit| (bit, &[][..]))
            .collect();
        fields.push((XCHANNEL, &xchannel));
        if with_channel {
            fields.push((CHANNEL, &frequency));
        }
        fields.sort_unstable_by_key(|(bit, _)| *bit);
        let antenna: &[(u32, &[u8])] = &[(SIGNAL, &[0xc4]), (11, &[1])];
        let mut all = vec![antenna; words];
        let place = if last { words - 1 } else { 0 };
        all[place] = &fields;
        let packet = [header(&all), rts(2)].concat();
        let facts = facts(&packet);
        let expected = if with_channel && !channel_is_zero { other } else { freq };
        prop_assert_eq!(facts.freq_mhz, Some(expected));
        prop_assert_eq!(facts.outcome, Outcome::Sent(Mac([0x00, 0x11, 0x22, 0x33, 0x44, 2])));
    }

    /// The first antenna that measured something is the one that counts.
    #[test]
    fn values_that_stand_for_nothing_are_no_signals(signals in prop::collection::vec(any::<i8>(), 1..5), flags: bool) {
        let octets: Vec<[u8; 1]> = signals.iter().map(|&dbm| signal(dbm)).collect();
        let words: Vec<Vec<(u32, &[u8])>> = octets
            .iter()
            .enumerate()
            .map(|(n, octet)| {
                let first: &[(u32, &[u8])] = if n == 0 && flags { &[(1, &[0]), (3, &[0x6c, 0x09])] } else { &[] };
                [first, &[(SIGNAL, &octet[..])]].concat()
            })
            .collect();
        let words: Vec<&[(u32, &[u8])]> = words.iter().map(Vec::as_slice).collect();
        let packet = [header(&words), rts(3)].concat();
        let expected = signals.iter().copied().find(|signal| ![-128, 0, 127].contains(signal));
        prop_assert_eq!(facts(&packet).signal_dbm, expected);
    }

    /// However many antennas it was heard with.
    #[test]
    fn a_sounding_packet_has_no_transmitter_and_is_not_malformed(antennas in 0usize..5, others in 0u32..1 << 26) {
        let mut fields: Vec<(u32, &[u8])> =
            (0..26).filter(|bit| others >> bit & 1 == 1 && *bit != 1).map(|bit| (bit, &[][..])).collect();
        fields.push((ZERO_LENGTH, &[0]));
        let mut words = vec![&fields[..]];
        let antenna: &[(u32, &[u8])] = &[(SIGNAL, &[0xc4]), (11, &[1])];
        words.resize(antennas + 1, antenna);
        let packet = header(&words);
        prop_assert_eq!(facts(&packet).outcome, Outcome::WithoutTa);
        // Only without a frame.
        let with_frame = [packet, rts(4)].concat();
        prop_assert_eq!(facts(&with_frame).outcome, Outcome::Sent(Mac([0x00, 0x11, 0x22, 0x33, 0x44, 4])));
    }
}

#[test]
fn no_header_of_another_kind_tells_a_signal_that_was_not_measured() {
    for dbm in [-128i8, -127, -60, -1, 0, 126, 127] {
        let expected = Some(dbm).filter(|dbm| ![-128, 0, 127].contains(dbm));
        let mut ppi = vec![0, 0, 32, 0, 105, 0, 0, 0, 2, 0, 20, 0];
        ppi.resize(32, 0);
        ppi[30] = dbm.to_le_bytes()[0];
        let packet = [ppi, rts(5)].concat();
        assert_eq!(dot11::parse(LinkType::PPI, &packet, 48).signal_dbm, expected, "PPI {dbm}");
        let mut words = [0u32; 16];
        (words[0], words[1], words[11], words[12]) = (0x8021_1001, 64, 2, i32::from(dbm).cast_unsigned());
        let avs = words.iter().flat_map(|word| word.to_be_bytes()).chain(rts(5)).collect::<Vec<_>>();
        for link in [LinkType::AVS, LinkType::PRISM] {
            assert_eq!(dot11::parse(link, &avs, 80).signal_dbm, expected, "AVS {dbm}");
        }
    }
}
