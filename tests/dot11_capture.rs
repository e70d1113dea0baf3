//! Capture files of every form that is read, written here octet by octet: what comes out is what was put in, and a
//! file that is cut, damaged or something else ends in a warning or one sentence.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use airtally::{
    UnixNanos,
    capture::{CaptureError, LiveOptions, Polled, Source, segments::Segments},
    dot11::LinkType,
};
use proptest::prelude::*;
use std::io::{self, Cursor, Read, Write};

/// A packet as it should come out.
type Kept = (UnixNanos, LinkType, Vec<u8>, u32);

#[derive(Debug)]
struct Reading {
    packets: Vec<Kept>,
    ended: Result<Option<String>, CaptureError>,
}

fn read_from(reader: impl Read + Send + 'static) -> Reading {
    let mut packets = Vec::new();
    let mut source = match Source::from_reader(Box::new(reader), "some.pcap") {
        Ok(source) => source,
        Err(error) => return Reading { packets, ended: Err(error) },
    };
    loop {
        match source
            .poll(&mut |packet| packets.push((packet.time, packet.link, packet.data.to_vec(), packet.original_len)))
        {
            Ok(Polled::More) => {}
            Ok(polled) => {
                assert_eq!(polled, Polled::End);
                let warning = Some(source.warnings().join("\n")).filter(|text| !text.is_empty());
                return Reading { packets, ended: Ok(warning) };
            }
            Err(error) => return Reading { packets, ended: Err(error) },
        }
    }
}

fn read(bytes: Vec<u8>) -> Reading {
    read_from(Cursor::new(bytes))
}

/// Hands out one octet at a time.
struct Dribble(Cursor<Vec<u8>>);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

impl Order {
    fn i64(self, value: i64) -> [u8; 8] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// Seconds, fraction, data, original length.
type Put = (u32, u32, Vec<u8>, u32);

fn classic(order: Order, magic: u32, link: u32, packets: &[Put]) -> Vec<u8> {
    let mut file = [order.u32(magic), [0; 4], [0; 4], [0; 4], order.u32(65_535), order.u32(link)].concat();
    if !order.0 {
        file[4..8].copy_from_slice(&[2, 0, 4, 0]);
    }
    for (seconds, fraction, data, original_len) in packets {
        for word in [*seconds, *fraction, data.len() as u32, *original_len] {
            file.extend(order.u32(word));
        }
        if magic == 0xa1b2_cd34 {
            file.extend([0; 8]);
        }
        file.extend(data);
    }
    file
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let len = order.u32(padded as u32 + 12);
    [&order.u32(kind)[..], &len, body, &vec![0; padded - body.len()], &len].concat()
}

fn section(order: Order) -> Vec<u8> {
    block(order, 0x0a0d_0d0a, &[&order.u32(0x1a2b_3c4d)[..], &order.u16(1), &order.u16(0), &[0xff; 8]].concat())
}

fn interface(order: Order, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = [&order.u16(link)[..], &[0, 0], &order.u32(snaplen)].concat();
    for (code, value) in options {
        body.extend([&order.u16(*code)[..], &order.u16(value.len() as u16), value].concat());
        body.resize(body.len().next_multiple_of(4), 0);
    }
    if !options.is_empty() {
        body.extend([0; 4]);
    }
    block(order, 1, &body)
}

fn enhanced(order: Order, interface: u32, time: u64, data: &[u8], original_len: u32) -> Vec<u8> {
    let mut body = Vec::new();
    for word in [interface, (time >> 32) as u32, time as u32, data.len() as u32, original_len] {
        body.extend(order.u32(word));
    }
    body.extend(data);
    block(order, 6, &body)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn three() -> Vec<Put> {
    vec![
        (4_294_967_293, 999_999, vec![1, 2, 3], 3),
        (4_294_967_294, 0, vec![], 60),
        (4_294_967_295, 1, (0..=255).cycle().take(1500).collect(), 1500),
    ]
}

fn kept(packets: &[Put], unit: i64, link: u16) -> Vec<Kept> {
    packets
        .iter()
        .map(|(seconds, fraction, data, original_len)| {
            let nanos = i64::from(*seconds) * 1_000_000_000 + i64::from(*fraction) * unit;
            (UnixNanos(nanos), LinkType(link), data.clone(), *original_len)
        })
        .collect()
}

#[test]
fn every_classic_form_reads_back_however_it_arrives() {
    for order in [Order(false), Order(true)] {
        for (magic, unit) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1), (0xa1b2_cd34, 1_000)] {
            // The upper half of the link type may tell of an FCS.
            for link in [127, 0x1400_0000 | 127] {
                let file = classic(order, magic, link, &three());
                let zstd = zstd::encode_all(&file[..], 1).unwrap();
                let (head, tail) = file.split_at(30);
                let members = [gzip(head), gzip(tail)].concat();
                let expected = kept(&three(), unit, 127);
                for reading in [
                    read(file.clone()),
                    read(gzip(&file)),
                    read(zstd),
                    read(members),
                    read_from(Dribble(Cursor::new(file.clone()))),
                    read_from(Dribble(Cursor::new(gzip(&file)))),
                ] {
                    assert_eq!(reading.packets, expected);
                    assert!(matches!(reading.ended, Ok(None)), "{:?}", reading.ended);
                }
            }
        }
    }
}

#[test]
fn pcapng_sections_interfaces_and_clocks_read_back() {
    let (big, little) = (Order(true), Order(false));
    let nanos = |order: Order| interface(order, 127, 0, &[(9, &[9]), (14, &order.i64(10))]);
    let offset = interface(little, 1, 0, &[(9, &[6]), (14, &little.i64(-10))]);
    let binary = interface(little, 105, 4, &[(9, &[0x80 | 10])]);
    let mut obsolete = [&little.u16(1)[..], &little.u16(7)].concat();
    for word in [0, 2_000_000, 3, 9] {
        obsolete.extend(little.u32(word));
    }
    obsolete.extend([7, 8, 9]);
    let file = [
        section(big),
        nanos(big),
        enhanced(big, 0, 1, &[1, 2, 3], 5),
        block(big, 0xbad, &[1, 2, 3, 4, 5]),
        section(little),
        nanos(little),
        offset,
        binary,
        enhanced(little, 1, 1_000_000, &[4], 4),
        enhanced(little, 2, 5 << 9, &[5, 6], 2),
        block(little, 2, &obsolete),
        section(little),
        interface(little, 105, 4, &[]),
        enhanced(little, 0, 3_000_000, &[1], 1),
        // No time of its own, and no length but the interface's.
        block(little, 3, &[&little.u32(6)[..], &[1, 2, 3, 4]].concat()),
    ]
    .concat();
    let expected: Vec<Kept> = vec![
        (UnixNanos(10_000_000_001), LinkType(127), vec![1, 2, 3], 5),
        (UnixNanos(-9_000_000_000), LinkType(1), vec![4], 4),
        (UnixNanos(2_500_000_000), LinkType(105), vec![5, 6], 2),
        (UnixNanos(-8_000_000_000), LinkType(1), vec![7, 8, 9], 9),
        (UnixNanos(3_000_000_000), LinkType(105), vec![1], 1),
        (UnixNanos(3_000_000_000), LinkType(105), vec![1, 2, 3, 4], 6),
    ];
    for reading in [read(file.clone()), read(gzip(&file)), read_from(Dribble(Cursor::new(file)))] {
        assert_eq!(reading.packets, expected);
        let note = reading.ended.unwrap().unwrap();
        assert!(note.contains("the time of 1 packet was mended: 1 without a time"), "{note}");
    }
}

#[test]
fn what_comes_before_a_cut_counts() {
    let order = Order(false);
    let packets: Vec<Put> = (0..20).map(|n| (n + 1, n, vec![n as u8; n as usize], n)).collect();
    let file = classic(order, 0xa1b2_c3d4, 1, &packets);
    let boundaries: Vec<usize> = packets.iter().fold(vec![24], |mut ends, packet| {
        ends.push(ends.last().unwrap() + 16 + packet.2.len());
        ends
    });
    for len in 24..=file.len() {
        let reading = read(file[..len].to_vec());
        let whole = boundaries.iter().filter(|&&end| end <= len).count() - 1;
        assert_eq!(reading.packets, kept(&packets[..whole], 1_000, 1));
        assert_eq!(reading.ended.unwrap().is_some(), !boundaries.contains(&len), "cut at {len}");
    }
    let ng: Vec<Vec<u8>> = [section(order), interface(order, 127, 0, &[])]
        .into_iter()
        .chain((0..5).map(|n| enhanced(order, 0, n, &[1; 9], 9)))
        .collect();
    let file = ng.concat();
    for len in ng[0].len()..=file.len() {
        let reading = read(file[..len].to_vec());
        let ends: Vec<usize> = (0..=ng.len()).map(|n| ng[..n].concat().len()).collect();
        assert_eq!(reading.packets.len() + 2, (ends.iter().filter(|&&end| end <= len).count() - 1).max(2));
        assert_eq!(reading.ended.unwrap().is_some(), !ends.contains(&len), "cut at {len}");
    }
}

#[test]
fn what_comes_before_a_cut_or_damage_in_compressed_data_counts() {
    // Octets that do not compress, so that there is something to read before every cut.
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let packets: Vec<Put> = (0..3_000).map(|n| (n, n, (0..200).map(|_| noise()).collect(), 200)).collect();
    let file = classic(Order(false), 0xa1b2_c3d4, 1, &packets);
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.include_checksum(true).unwrap();
    zstd.write_all(&file).unwrap();
    for compressed in [gzip(&file), zstd.finish().unwrap()] {
        let reading = read(compressed[..compressed.len() / 2].to_vec());
        assert_eq!(reading.packets, kept(&packets[..reading.packets.len()], 1_000, 1));
        assert!((100..3_000).contains(&reading.packets.len()), "{}", reading.packets.len());
        assert!(reading.ended.unwrap().unwrap().contains("cut or damaged in its compressed data"));
        let mut damaged = compressed;
        let middle = damaged.len() / 2;
        damaged[middle..middle + 4].fill(0xa5);
        // Damage is noticed at once or by a check sum at the end, and said either way.
        assert!(read(damaged).ended.unwrap().is_some());
    }
}

#[test]
fn a_length_that_nobody_writes_is_refused_and_not_allocated() {
    let order = Order(false);
    let mut file = classic(order, 0xa1b2_c3d4, 127, &[(1, 1, vec![9], 1)]);
    file.extend([[0; 4], [0; 4], order.u32(u32::MAX), order.u32(u32::MAX)].concat());
    let reading = read(file);
    assert_eq!(reading.packets.len(), 1);
    let text = reading.ended.unwrap_err().to_string();
    assert_eq!(
        text,
        "some.pcap is damaged at octet 41: a record claims 4294967311 octets, and more than 16777216 is not read"
    );
    let ng = [section(order), [order.u32(6), order.u32(u32::MAX - 3), [0; 4]].concat()].concat();
    assert!(matches!(read(ng).ended, Err(CaptureError::TooLarge { .. })));
    // The largest that is read is.
    let big = classic(order, 0xa1b2_c3d4, 127, &[(1, 1, vec![9; (16 << 20) - 16], 1), (2, 2, vec![1], 1)]);
    assert_eq!(read(big).packets.len(), 2);
}

#[test]
fn interfaces_that_are_not_read_are_skipped_and_counted() {
    let order = Order(false);
    let file = |kinds: &[u32]| {
        let mut file = [section(order), interface(order, 147, 0, &[]), interface(order, 127, 0, &[])].concat();
        kinds.iter().for_each(|&kind| file.extend(enhanced(order, kind, 1, &[0], 1)));
        file
    };
    let reading = read(file(&[0, 1, 0]));
    assert_eq!(reading.packets.len(), 1);
    let warning = reading.ended.unwrap().unwrap();
    assert!(warning.contains("2 packets of interfaces with link type 147 were skipped"), "{warning}");
    assert!(matches!(read(file(&[0])).ended, Err(CaptureError::LinkType { link: LinkType(147), .. })));
    assert!(matches!(read(file(&[])).ended, Ok(None)));
    let text = read(classic(order, 0xa1b2_c3d4, 8, &three())).ended.unwrap_err().to_string();
    assert!(text.contains("link type 8 (SLIP), which airtally does not read"), "{text}");
}

#[test]
fn what_is_no_capture_says_so() {
    assert_eq!(read(vec![]).ended.unwrap_err().to_string(), "some.pcap is empty: a capture file has at least a header");
    assert!(matches!(read(gzip(&[])).ended, Err(CaptureError::Empty { .. })));
    for bytes in [&b"<html>"[..], b"PK\x03\x04", b"x", &gzip(b"<html>")] {
        let text = read(bytes.to_vec()).ended.unwrap_err().to_string();
        assert!(text.contains("is not a capture: it begins with"), "{text}");
    }
    let header = classic(Order(false), 0xa1b2_c3d4, 127, &[]);
    assert!(matches!(read(header.clone()).ended, Ok(None)));
    for len in 4..24 {
        assert!(matches!(read(header[..len].to_vec()).ended, Err(CaptureError::CutHeader { .. })));
    }
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("absent.pcap")] {
        let text = Source::open_file(&path).err().unwrap().to_string();
        assert!(text.starts_with(&format!("cannot open {}: ", path.display())), "{text}");
    }
}

/// Reads a file in segments, one thread each, and says whether they fit.
fn read_segments(segments: &Segments) -> (Vec<Kept>, bool) {
    let read_one = |index| -> Result<(Vec<Kept>, Source), CaptureError> {
        let (mut packets, mut source) = (Vec::new(), segments.open(index)?);
        while source.poll(&mut |packet| {
            packets.push((packet.time, packet.link, packet.data.to_vec(), packet.original_len));
        })? != Polled::End
        {}
        Ok((packets, source))
    };
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..segments.count()).map(|index| scope.spawn(move || read_one(index))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    match parts.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(parts) => {
            let (packets, sources): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            (packets.concat(), segments.fit(&sources))
        }
        Err(_) => (Vec::new(), false),
    }
}

#[test]
fn segments_that_fit_are_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.pcap");
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut packets: Vec<Put> = (0..60_000u32)
        .map(|n| {
            let data: Vec<u8> = (0..next() % 400).map(|_| (next() >> 4) as u8).collect();
            let len = data.len() as u32;
            (1_700_000_000 + n / 100, n % 1_000_000, data, len)
        })
        .collect();
    for order in [Order(false), Order(true)] {
        let file = classic(order, 0xa1b2_c3d4, 127, &packets);
        std::fs::write(&path, &file).unwrap();
        let whole = read(file.clone()).packets;
        for parts in [2, 3] {
            let segments = Segments::plan(&path, parts).unwrap().unwrap();
            assert_eq!(segments.count(), parts);
            let (packets, fit) = read_segments(&segments);
            assert!(fit && packets == whole);
        }
        // What is cut stays cut, in the last segment.
        std::fs::write(&path, &file[..file.len() - 1]).unwrap();
        let segments = Segments::plan(&path, 2).unwrap().unwrap();
        let (packets, fit) = read_segments(&segments);
        assert!(fit && packets == whole[..whole.len() - 1]);
        // Neither compressed nor small files are divided.
        std::fs::write(&path, gzip(&file)).unwrap();
        assert_eq!(Segments::plan(&path, 2).unwrap(), None);
        std::fs::write(&path, &file[..1 << 20]).unwrap();
        assert_eq!(Segments::plan(&path, 2).unwrap(), None);
    }

    // A capture whose packets hold a capture: whoever is misled by it does not fit, and is never wrong unawares.
    let inner = classic(Order(false), 0xa1b2_c3d4, 127, &packets[..1_000])[24..].to_vec();
    packets = (0..60u32).map(|n| (1_700_000_000 + n, 0, inner.clone(), inner.len() as u32)).collect();
    let file = classic(Order(false), 0xa1b2_c3d4, 127, &packets);
    std::fs::write(&path, &file).unwrap();
    let segments = Segments::plan(&path, 2).unwrap().unwrap();
    assert!(!read_segments(&segments).1);
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let options = LiveOptions { interface: "no-such-if0".into(), snaplen: 512, buffer_bytes: 1 << 20 };
    let error = Source::open_live(&options).err().unwrap();
    assert!(error.to_string().contains("'no-such-if0'"), "{error}");
}

proptest! {
    #[test]
    fn any_file_is_read_or_refused(start in 0usize..5, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
        let order = Order(rest.len() % 2 == 1);
        let head = match start {
            0 => vec![],
            1 => classic(order, 0xa1b2_c3d4, 127, &three()),
            2 => section(order),
            3 => [section(order), interface(order, 127, 0, &[])].concat(),
            _ => vec![0x1f, 0x8b, 8, 0],
        };
        let _ = read([head, rest].concat());
    }

    #[test]
    fn a_damaged_pcapng_file_is_read_or_refused(at: prop::sample::Index, octet: u8) {
        let order = Order(octet % 2 == 1);
        let mut file = [
            section(order),
            interface(order, 127, 0, &[(9, &[9])]),
            enhanced(order, 0, 1, &[1, 2, 3], 3),
            block(order, 3, &[0, 0, 0, 1, 9]),
            enhanced(order, 0, 1, &[1, 2, 3], 3),
        ]
        .concat();
        *at.get_mut(&mut file) = octet;
        prop_assert!(read(file).packets.len() <= 3);
    }
}
