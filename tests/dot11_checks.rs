//! Captures whose headers are wrong about their frames: check sequences that are not there, or not announced, or told of
//! by the file; frames cut in silence; other headers than promised; 802.11 inside other packets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use airtally::{
    config::Pace,
    dot11::{self, LinkType, Outcome, evidence::Evidence},
    inspect::{self, Input, Options, Report, document, rows},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, fs, io::Write as _, path::Path, process::Stdio, sync::Arc, time::Duration};
use support::{broker::Broker, pipeline, program::Daemon, temp_dir, tshark, wait_until};

const BROADCAST: [u8; 6] = [0xff; 6];

/// Address number `n`: of an access point if even, else of a client.
fn address(n: u8) -> [u8; 6] {
    [0x00, 0x0d, 0x93, 0x10, 0x20, n]
}

/// A beacon of `ta`, without check sequence.
fn beacon(ta: [u8; 6], sequence: u16, elements: &[u8]) -> Vec<u8> {
    let fixed = [&[0; 8][..], &[100, 0, 1, 0]].concat();
    [&[0x80, 0, 0, 0][..], &BROADCAST, &ta, &ta, &(sequence << 4).to_le_bytes(), &fixed, elements].concat()
}

/// A data frame from `ta` to the access point.
fn data(ta: [u8; 6], sequence: u16, len: usize) -> Vec<u8> {
    let ap = address(0);
    [&[0x08, 1, 0, 0][..], &ap, &ta, &ap, &(sequence << 4).to_le_bytes(), &vec![sequence as u8; len]].concat()
}

const SSID: [u8; 7] = [0, 5, b'f', b'i', b'e', b'l', b'd'];

/// Frame number `n` of a small network: 2 of 3 are beacons of station 0, the others data of station 1.
fn frame(n: usize) -> Vec<u8> {
    if n % 3 < 2 { beacon(address(0), n as u16, &SSID) } else { data(address(1), n as u16, 20 + n % 40) }
}

fn with_fcs(frame: &[u8]) -> Vec<u8> {
    [frame, &crc32fast::hash(frame).to_le_bytes()].concat()
}

/// Changes an address, as a bit error on the air does.
fn damaged(mut frame: Vec<u8>) -> Vec<u8> {
    frame[13] ^= 0x40;
    frame
}

/// A capture header that says whether a check sequence follows.
fn header(link: u32, says_fcs: bool, antennas: usize) -> Vec<u8> {
    match link {
        127 => {
            let words = (0..antennas).map(|n| {
                let first = if n == 0 { 1 << 1 | 1 << 3 } else { 0 };
                first | 1 << 5 | 1 << 11 | if n + 1 < antennas { 1 << 31 | 1 << 29 } else { 0u32 }
            });
            let mut header = [vec![0, 0, 0, 0], words.flat_map(u32::to_le_bytes).collect()].concat();
            header.extend([if says_fcs { 0x10 } else { 0 }, 0, 0x85, 0x09, 0xa0, 0, 0xce, 0]);
            (1..antennas).for_each(|antenna| header.extend([0xc4, antenna as u8]));
            let len = header.len() as u16;
            header[2..4].copy_from_slice(&len.to_le_bytes());
            header
        }
        192 => {
            let mut header = vec![0, 0, 32, 0, 105, 0, 0, 0, 2, 0, 20, 0];
            header.resize(32, 0);
            header[20] = u8::from(says_fcs);
            header[30] = 0xce;
            header
        }
        105 => Vec::new(),
        link => panic!("{link}"),
    }
}

/// A classic file; each packet with its original length.
fn classic(link: u32, snaplen: u32, packets: &[(Vec<u8>, usize)]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, snaplen, link].map(u32::to_le_bytes).concat();
    for (n, (packet, original)) in (0u32..).zip(packets) {
        let words = [1_700_000_000 + n / 100, n % 100 * 10_000, packet.len() as u32, *original as u32];
        file.extend(words.map(u32::to_le_bytes).concat());
        file.extend(packet);
    }
    file
}

fn whole(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<(Vec<u8>, usize)> {
    packets.into_iter().map(|packet| (packet.clone(), packet.len())).collect()
}

/// What somebody is told.
#[derive(Debug, PartialEq)]
struct Told {
    frames: u64,
    bad_fcs: u64,
    malformed: u64,
    without_ta: u64,
    stations: BTreeMap<String, u64>,
    warnings: Vec<String>,
}

fn told(report: &Report) -> Told {
    let capture = report.tally().capture();
    let stations = report.stations().map(|station| (station.mac().to_string(), station.counts().frames_sent)).collect();
    // The name of the capture goes before.
    let warnings = document::warnings(report);
    let warnings = warnings.into_iter().map(|text| text.rsplit("pcap: ").next().unwrap().to_owned()).collect();
    Told {
        frames: capture.frames,
        bad_fcs: capture.bad_fcs,
        malformed: capture.malformed,
        without_ta: capture.without_ta,
        stations,
        warnings,
    }
}

fn counted(path: &Path, threads: usize) -> Report {
    let options = Options { threads, ..Options::default() };
    inspect::merged(&[Input::Named(path.to_owned())], &options, &Arc::default())
}

/// Counts a file with 1, 2 and 8 threads, which must agree.
fn inspected(file: &[u8]) -> Told {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.pcap");
    fs::write(&path, file).unwrap();
    let one = told(&counted(&path, 1));
    for threads in [2, 8] {
        assert_eq!(told(&counted(&path, threads)), one, "{threads} threads");
    }
    one
}

/// The same by a pipe.
fn piped(file: &[u8]) -> serde_json::Value {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_airtally"))
        .args(["inspect", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(file).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

fn agrees_with_pipe(file: &[u8], told: &Told) {
    let answer = piped(file);
    for (key, value) in [("frames", told.frames), ("bad_fcs", told.bad_fcs), ("malformed", told.malformed)] {
        assert_eq!(answer[key], value, "{key}");
    }
    let stations = answer["stations"].as_array().unwrap().iter();
    let stations: BTreeMap<String, u64> =
        stations.map(|row| (row["mac"].as_str().unwrap().to_owned(), row["frames_sent"].as_u64().unwrap())).collect();
    assert_eq!(stations, told.stations);
    assert_eq!(answer["warnings"].as_array().unwrap().len(), told.warnings.len());
}

/// Stations by the frames that `frame` makes, but for those left out.
fn expected(count: usize, left_out: impl Fn(usize) -> bool) -> BTreeMap<String, u64> {
    let mut stations = BTreeMap::new();
    for n in (0..count).filter(|&n| !left_out(n)) {
        let mac = airtally::Mac(address(u8::from(n % 3 == 2))).to_string();
        *stations.entry(mac).or_default() += 1;
    }
    stations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A flag that is set, and no check sequence: frames are counted as they are, and somebody says so.
    #[test]
    fn a_flag_that_lies_is_not_believed(count in 8usize..300, link in proptest::sample::select(vec![127u32, 192]), antennas in 1usize..4) {
        let packets = (0..count).map(|n| [header(link, true, antennas), frame(n)].concat());
        let told = inspected(&classic(link, 65_535, &whole(packets)));
        prop_assert_eq!(told.bad_fcs, 0);
        prop_assert_eq!(&told.stations, &expected(count, |_| false));
        prop_assert_eq!(told.warnings.len(), 1, "{:?}", told.warnings);
        prop_assert!(told.warnings[0].contains("end with a frame check sequence, and none of"), "{:?}", told.warnings);
    }

    /// A flag that is clear, and a check sequence: it is verified.
    #[test]
    fn a_flag_that_is_missing_is_seen(
        count in 8usize..300, link in proptest::sample::select(vec![105u32, 127, 192]), antennas in 1usize..4, every in 4usize..20,
    ) {
        let is_bad = |n: usize| n % every == 3;
        let packets = (0..count).map(|n| {
            let frame = with_fcs(&frame(n));
            [header(link, false, antennas), if is_bad(n) { damaged(frame) } else { frame }].concat()
        });
        let told = inspected(&classic(link, 65_535, &whole(packets)));
        prop_assert_eq!(told.bad_fcs, (0..count).filter(|&n| is_bad(n)).count() as u64);
        prop_assert_eq!(&told.stations, &expected(count, is_bad));
        prop_assert_eq!(told.warnings.len(), 1, "{:?}", told.warnings);
        prop_assert!(told.warnings[0].contains("that no header announces"), "{:?}", told.warnings);
    }

    /// Headers that are right are believed, and nobody says anything; a damaged frame is one.
    #[test]
    fn headers_that_are_right_are_believed(
        count in 1usize..200, link in proptest::sample::select(vec![127u32, 192]), says_fcs: bool, every in 3usize..20,
    ) {
        let is_bad = |n: usize| says_fcs && n % every == 2;
        let packets = (0..count).map(|n| {
            let frame = if says_fcs { with_fcs(&frame(n)) } else { frame(n) };
            [header(link, says_fcs, 1), if is_bad(n) { damaged(frame) } else { frame }].concat()
        });
        let told = inspected(&classic(link, 65_535, &whole(packets)));
        prop_assert_eq!(told.bad_fcs, (0..count).filter(|&n| is_bad(n)).count() as u64);
        prop_assert_eq!(&told.stations, &expected(count, is_bad));
        prop_assert_eq!(told.warnings, [""; 0]);
    }

    /// Whatever a carrier carries, and however it is cut.
    #[test]
    fn any_octets_in_a_carrier_have_facts(
        payload in prop::collection::vec(any::<u8>(), 0..120), version in proptest::sample::select(vec![4u8, 6]),
        tags in 0u16..3, port in proptest::sample::select(vec![37_008u16, 5_247, 5_000]), arphrd in 800u16..805,
        start in proptest::sample::select(vec![vec![], vec![1, 0, 0, 18], vec![1, 1, 0, 119], vec![0, 16, 67]]), kept: prop::sample::Index,
    ) {
        let payload = [start, payload].concat();
        for (link, packet) in [
            (LinkType::ETHERNET, udp(address(9), version, tags, port, &payload)),
            (LinkType::LINUX_SLL, [cooked(1, arphrd), payload.clone()].concat()),
            (LinkType::LINUX_SLL2, [cooked(2, arphrd), payload].concat()),
        ] {
            let packet = &packet[..kept.index(packet.len() + 1)];
            let facts = dot11::parse(link, packet, packet.len() as u32);
            if let Outcome::Sent(ta) = facts.outcome {
                prop_assert!(packet.windows(5).any(|octets| octets == &ta.0[1..]));
            }
            let _ = (facts.body().network(), facts.ends());
            let mut evidence = Evidence::default();
            evidence.add(link, packet, packet.len() as u32, dot11::Told::default());
            let _ = evidence.verdict().warnings();
        }
    }

    /// Cut at the snap length by a writer that gives it as the whole length: their end is no check sequence.
    #[test]
    fn frames_cut_in_silence_are_not_bad(count in 8usize..100, snaplen in 60usize..75, says_so: bool) {
        let packets: Vec<(Vec<u8>, usize)> = (0..count)
            .map(|n| {
                let mut packet = [header(127, true, 1), with_fcs(&frame(n))].concat();
                let original = packet.len();
                packet.truncate(snaplen);
                let kept = packet.len();
                (packet, if says_so { original } else { kept })
            })
            .collect();
        let told = inspected(&classic(127, snaplen as u32, &packets));
        prop_assert_eq!(told.bad_fcs, 0);
        prop_assert_eq!(&told.stations, &expected(count, |_| false));
        prop_assert_eq!(told.warnings, [""; 0]);
    }
}

/// Large enough to be divided among threads, and by a pipe.
#[test]
fn the_verdict_does_not_depend_on_how_a_capture_is_read() {
    for (says_fcs, has_fcs) in [(true, false), (false, true), (true, true), (false, false)] {
        let packets = (0..120_000).map(|n| {
            let frame = if has_fcs { with_fcs(&frame(n)) } else { frame(n) };
            [header(127, says_fcs, 1), if has_fcs && n % 50 == 7 { damaged(frame) } else { frame }].concat()
        });
        let file = classic(127, 65_535, &whole(packets));
        assert!(file.len() > 9 << 20);
        let told = inspected(&file);
        assert_eq!(told.bad_fcs, if has_fcs { 2_400 } else { 0 });
        assert_eq!(told.stations.len(), 2);
        assert_eq!(told.warnings.len(), usize::from(says_fcs != has_fcs));
        agrees_with_pipe(&file, &told);
    }
}

#[test]
fn all_bad_or_malformed_is_never_silent() {
    // Too few to disbelieve their headers.
    let few = (0..5).map(|n| [header(127, true, 1), frame(n)].concat());
    let file = classic(127, 65_535, &whole(few));
    let told = inspected(&file);
    assert_eq!((told.bad_fcs, told.stations.len()), (5, 0));
    assert!(told.warnings[0].contains("no frame can be attributed to a station: of 5, 5 have a bad"), "{told:?}");
    agrees_with_pipe(&file, &told);
    let zeros = classic(127, 65_535, &whole((0..3).map(|_| vec![0; 40])));
    assert!(inspected(&zeros).warnings[0].contains("3 are malformed"));
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let len = (padded as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &len, body, &vec![0; padded - body.len()], &len].concat()
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [&code.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat();
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

/// A pcapng file of one interface, with this `if_fcslen`, and packets with these `epb_flags`.
fn ng(link: u16, fcs_len: Option<u8>, packets: &[(Vec<u8>, Option<u32>)]) -> Vec<u8> {
    let section = [&0x1a2b_3c4du32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let mut interface = [&link.to_le_bytes()[..], &[0; 6]].concat();
    if let Some(len) = fcs_len {
        interface.extend(option(13, &[len]));
        interface.extend([0; 4]);
    }
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
    for (n, (packet, flags)) in (0u64..).zip(packets) {
        let time = 1_700_000_000_000_000 + n;
        let words = [0, (time >> 32) as u32, time as u32, packet.len() as u32, packet.len() as u32];
        let mut body = [words.map(u32::to_le_bytes).concat(), packet.clone()].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        if let Some(flags) = flags {
            body.extend(option(2, &flags.to_le_bytes()));
            body.extend([0; 4]);
        }
        file.extend(block(6, &body));
    }
    file
}

#[test]
fn what_the_file_says_of_check_sequences_counts() {
    let frames = |is_bad: fn(usize) -> bool| {
        (0..6).map(move |n| if is_bad(n) { damaged(with_fcs(&frame(n))) } else { with_fcs(&frame(n)) })
    };
    let fourth = |n: usize| n == 3;
    // By interface, by packet, by both; by the file header in either unit.
    let by_interface: Vec<_> = frames(fourth).map(|frame| (frame, None)).collect();
    let by_packet: Vec<_> = frames(fourth).map(|frame| (frame, Some(4 << 5 | 1))).collect();
    for file in [
        ng(105, Some(4), &by_interface),
        ng(105, None, &by_packet),
        ng(105, Some(4), &by_packet),
        classic(0x2400_0069, 65_535, &whole(frames(fourth))),
        classic(0x4400_0069, 65_535, &whole(frames(fourth))),
    ] {
        let told = inspected(&file);
        assert_eq!((told.bad_fcs, &told.stations), (1, &expected(6, fourth)));
        assert_eq!(told.warnings, [""; 0]);
    }
    // The receiver's own word, with or without a check sequence.
    let flagged: Vec<_> = (0..6).map(|n| (frame(n), Some(if fourth(n) { 1 << 24 } else { 0 }))).collect();
    let told = inspected(&ng(105, Some(0), &flagged));
    assert_eq!((told.bad_fcs, &told.stations), (1, &expected(6, fourth)));
    let flagged: Vec<_> = (0..6).map(|n| ([header(127, false, 1), frame(n)].concat(), Some(1 << 24))).collect();
    assert_eq!(inspected(&ng(127, None, &flagged)).bad_fcs, 6);
    // A radiotap header speaks for itself.
    let own: Vec<_> = (0..6).map(|n| ([header(127, false, 1), frame(n)].concat(), Some(4 << 5))).collect();
    assert_eq!(inspected(&ng(127, Some(4), &own)).stations, expected(6, |_| false));
}

#[test]
fn the_octets_of_a_check_sequence_are_no_security() {
    // 30 02 …: an RSN element of two octets, if anybody took it for one.
    let mut found = (0..u32::MAX).map(|n| {
        let mut frame = beacon(address(0), 1, &SSID);
        frame[24..28].copy_from_slice(&n.to_le_bytes());
        with_fcs(&frame)
    });
    let frame = found.find(|frame| frame[frame.len() - 4..].starts_with(&[0x30, 2])).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.pcap");
    fs::write(&path, classic(105, 65_535, &whole([frame]))).unwrap();
    let report = counted(&path, 1);
    let registry = airtally::oui::Registry::empty();
    let points = rows::access_points(&report, &registry, None).into_iter();
    assert_eq!(points.map(|row| row.security.unwrap()).collect::<Vec<_>>(), ["open"]);
}

#[test]
fn a_promised_radiotap_header_that_is_not_there_is_missed() {
    let told = inspected(&classic(127, 65_535, &whole((0..10).map(frame))));
    assert_eq!(told.malformed, 10);
    assert!(told.warnings.iter().any(|text| text.contains("editcap -T ieee-802-11")), "{told:?}");
}

/// What a cooked capture of version 1 or 2 puts before a packet of this hardware type.
fn cooked(version: u8, arphrd: u16) -> Vec<u8> {
    let hardware = arphrd.to_be_bytes();
    match version {
        1 => [&[0, 3][..], &hardware, &[0; 10], &[0, 4]].concat(),
        _ => [&[0, 4, 0, 0, 0, 0, 0, 7][..], &hardware, &[0; 10]].concat(),
    }
}

/// TZSP in UDP over IPv4 or IPv6 in Ethernet, from `device`.
fn tzsp(device: [u8; 6], version: u8, tags: u16, port: u16, protocol: u16, fields: &[u8], frame: &[u8]) -> Vec<u8> {
    let payload = [&[1, 0][..], &protocol.to_be_bytes(), fields, &[1], frame].concat();
    udp(device, version, tags, port, &payload)
}

fn udp(device: [u8; 6], version: u8, tags: u16, port: u16, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16 + 8;
    let datagram = [&[0x90, 0x90][..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat();
    let packet = match version {
        4 => {
            let head = [&[0x45, 0][..], &(len + 20).to_be_bytes(), &[0, 1, 0, 0, 64, 17, 0, 0]].concat();
            [&head[..], &[192, 0, 2, 1], &[192, 0, 2, 2], &datagram].concat()
        }
        _ => [&[0x60, 0, 0, 0][..], &len.to_be_bytes(), &[17, 64], &[0x20; 32], &datagram].concat(),
    };
    let kind: [u8; 2] = if version == 4 { [8, 0] } else { [0x86, 0xdd] };
    let tagged = [0x81, 0, 0, 5].repeat(usize::from(tags));
    [&address(200)[..], &device, &tagged, &kind, &packet].concat()
}

/// Transmitters as tshark names them.
fn tsharks(file: &[u8]) -> BTreeMap<String, u64> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.pcap");
    fs::write(&path, file).unwrap();
    let mut stations = BTreeMap::new();
    for row in tshark::fields(&path, &["wlan.ta"]).into_iter().filter(|row| !row[0].is_empty()) {
        *stations.entry(row[0].clone()).or_default() += 1;
    }
    stations
}

#[test]
fn a_monitor_interface_in_a_cooked_capture_is_read() {
    for (link, version) in [(113, 1), (276, 2)] {
        for (arphrd, inner) in [(803, 127), (801, 105)] {
            for antennas in 1..3 {
                let packets =
                    (0..15).map(|n| [cooked(version, arphrd), header(inner, false, antennas), frame(n)].concat());
                let file = classic(link, 65_535, &whole(packets));
                let told = inspected(&file);
                assert_eq!((told.without_ta, &told.stations), (0, &expected(15, |_| false)), "{link} {arphrd}");
                if arphrd == 803 {
                    assert_eq!(tsharks(&file), told.stations, "tshark, {link}");
                }
            }
        }
    }
    // Cut before the header's end, it is what it was.
    let cut = classic(113, 65_535, &whole([cooked(1, 803)[..15].to_vec()]));
    assert_eq!(inspected(&cut).malformed, 1);
}

#[test]
fn frames_in_tzsp_are_read() {
    let sniffer = address(77);
    let fields = [10, 1, 0xc4, 0, 18, 1, 6, 41, 2, 0, 99];
    for (version, tags) in [(4, 0), (4, 1), (6, 0), (6, 2)] {
        let packets = (0..30).map(|n| tzsp(sniffer, version, tags, 37_008, 18, &fields, &frame(n)));
        let file = classic(1, 65_535, &whole(packets));
        let told = inspected(&file);
        assert_eq!(told.stations, expected(30, |_| false), "IPv{version}, {tags} tags");
        assert_eq!(tsharks(&file), told.stations, "tshark, IPv{version}, {tags} tags");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.pcap");
        fs::write(&path, file).unwrap();
        let report = counted(&path, 1);
        let station = report.stations().next().unwrap();
        assert_eq!((station.freqs_mhz(), station.signal().map(|signal| signal.max)), (vec![2437], Some(-60)));
    }
    // What the receiver found wrong.
    let bad = (0..4).map(|n| tzsp(sniffer, 4, 0, 37_008, 18, &[17, 1, 1], &frame(n)));
    assert_eq!(inspected(&classic(1, 65_535, &whole(bad))).bad_fcs, 4);
    // Another port, another protocol, a field that is cut: a wired packet.
    for packet in [
        tzsp(sniffer, 4, 0, 37_009, 18, &fields, &frame(0)),
        tzsp(sniffer, 4, 0, 37_008, 1, &fields, &frame(0)),
        tzsp(sniffer, 4, 0, 37_008, 18, &[10, 200], &[]),
    ] {
        let told = inspected(&classic(1, 65_535, &whole([packet])));
        assert_eq!(told.stations.keys().collect::<Vec<_>>(), ["00:0d:93:10:20:4d"]);
    }
}

#[test]
fn other_carriers_are_named() {
    let controller = address(77);
    for (port, head, name) in [
        (5_247, vec![0, 0x10, 0x43, 0, 0, 0, 0, 0], "CAPWAP"),
        (5_247, vec![0, 0x10, 0x03, 0, 0, 0, 0, 0], "CAPWAP"),
        (5_000, vec![0, 0xff, 0xab, 0xcd, 0, 0, 0, 0], "PEEKREMOTE"),
    ] {
        let packets = (0..3).map(|n| udp(controller, 4, 0, port, &[&head[..], &frame(n)].concat()));
        let told = inspected(&classic(1, 65_535, &whole(packets)));
        assert_eq!(told.stations.len(), 1);
        assert!(told.warnings.iter().any(|text| text.contains(name)), "{told:?}");
    }
    let other = whole([udp(controller, 4, 0, 5_000, &[1; 40]), udp(controller, 4, 0, 5_247, &[0; 40])]);
    assert_eq!(inspected(&classic(1, 65_535, &other)).warnings, [""; 0]);
    let erf = inspected(&classic(197, 65_535, &whole([vec![0; 40]])));
    assert!(erf.warnings[0].contains("ERF, which may carry 802.11"), "{erf:?}");
}

/// Three seconds of frames of which none is any good, and then good ones.
#[test]
fn a_sensor_that_hears_nothing_good_is_degraded_until_it_does() {
    let (dir, broker) = (temp_dir(), Broker::start(""));
    let packets = (0..600).map(|n| {
        let mut frame = frame(n);
        // Another protocol version.
        frame[0] |= u8::from(n < 300);
        [header(127, false, 1), frame].concat()
    });
    let capture = dir.path().join("some.pcap");
    fs::write(&capture, classic(127, 65_535, &whole(packets))).unwrap();
    let mut reader = std::process::Command::new("mosquitto_sub");
    reader.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-V", "5", "-q", "1", "-t", "airtally/#"]);
    let reader = Daemon::start("mosquitto_sub", &mut reader, &dir.path().join("mosquitto_sub.log"));
    let mut config = pipeline::sensor(dir.path(), "bad", broker.port, &capture);
    config.window.length = Duration::from_secs(1);
    config.source.pace = Pace::Recorded;
    pipeline::start_sensor(dir.path(), &config).succeed(Duration::from_secs(60));
    let degraded = r#""state":"degraded","reason":"malformed""#;
    wait_until("the status", Duration::from_secs(10), || reader.log().contains(r#""reason":"stopped""#));
    let said = reader.log();
    let after = said.split_once(degraded).unwrap_or_else(|| panic!("never degraded:\n{said}")).1;
    assert!(after.contains(r#""state":"online","reason":null"#), "degraded for ever:\n{after}");
}
