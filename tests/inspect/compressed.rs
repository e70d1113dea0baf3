//! Captures in gzip, zstd, lz4 and xz, in several pieces, damaged, and too large to unpack; what is no capture and known
//! all the same; pcapng files whose interfaces are odd or many.

use crate::support::{
    program::{self, small_registry},
    synth::Options,
    synthesise, temp_dir,
};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

fn zstd(octets: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(octets, 1).unwrap()
}

fn lz4(octets: &[u8]) -> Vec<u8> {
    let mut out = lz4_flex::frame::FrameEncoder::new(Vec::new());
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

fn xz(octets: &[u8]) -> Vec<u8> {
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    out.write_all(octets).unwrap();
    out.finish().unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;
const ALL: [(&str, Compress); 4] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4), ("xz", xz)];

fn inspect(path: &Path) -> (Option<i32>, Option<Value>, String) {
    let before = ["inspect", "--format", "json", "--oui"].map(OsStr::new).into_iter();
    let output = program::run(before.chain([small_registry().as_os_str(), path.as_os_str()]));
    let answer = (!output.stdout.is_empty()).then(|| serde_json::from_slice(&output.stdout).unwrap());
    (output.status.code(), answer, String::from_utf8(output.stderr).unwrap())
}

fn write(dir: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, octets).unwrap();
    path
}

#[test]
fn every_compression_gives_what_the_capture_gives() {
    let dir = temp_dir();
    let (path, _) = synthesise(dir.path(), &Options { frames: 3_000, ..Options::default() });
    let octets = fs::read(&path).unwrap();
    let mut plain = inspect(&path).1.unwrap();
    plain["files"] = Value::Null;
    for (name, compress) in ALL {
        // In one piece, and in two.
        let (one, other) = octets.split_at(octets.len() / 3);
        for compressed in [compress(&octets), [compress(one), compress(other)].concat()] {
            let path = write(dir.path(), name, &compressed);
            let (status, answer, said) = inspect(&path);
            let mut answer = answer.unwrap_or_else(|| panic!("{name}: {said}"));
            answer["files"] = Value::Null;
            assert_eq!((status, &answer), (Some(0), &plain), "{name}: {said}");
        }
    }
}

#[test]
fn damaged_compression_is_not_empty_and_what_came_before_is_counted() {
    let dir = temp_dir();
    let (path, _) = synthesise(dir.path(), &Options { frames: 3_000, ..Options::default() });
    let octets = fs::read(&path).unwrap();
    for (name, compress) in ALL {
        let whole = compress(&octets);
        for len in [7, 12, 20] {
            let (status, _, said) = inspect(&write(dir.path(), name, whole.get(..len).unwrap()));
            assert_eq!(status, Some(1), "{name}: {said}");
            assert!(said.contains("cut or damaged") && said.contains(name) && !said.contains("empty"), "{said}");
        }
        let (status, answer, said) = inspect(&write(dir.path(), name, whole.get(..whole.len() * 3 / 4).unwrap()));
        // What a decompressor holds back until a block is whole is not there.
        let Some(answer) = answer else {
            assert!(status == Some(1) && said.contains("cut or damaged"), "{name}: {said}");
            continue;
        };
        assert!(answer["frames"].as_u64().unwrap() < 3_000);
        assert!(answer["warnings"].to_string().contains("cut or damaged"), "{name}: {answer}");
        let mut flipped = whole.clone();
        let at = flipped.len() / 2;
        flipped.iter_mut().skip(at).take(64).for_each(|octet| *octet ^= 0x5a);
        let (status, answer, said) = inspect(&write(dir.path(), name, &flipped));
        let told = answer.map(|answer| answer["warnings"].to_string()).unwrap_or_default() + &said;
        assert!(matches!(status, Some(0 | 1)) && !told.contains("empty"), "{name}: {told}");
    }
    // Nothing, compressed, is empty.
    for (name, compress) in ALL {
        let (status, _, said) = inspect(&write(dir.path(), name, &compress(&[])));
        assert!(status == Some(1) && said.contains("is empty"), "{name}: {said}");
    }
}

/// A zstd frame (RFC 8878, 3.1.1) whose window is 2 GiB, with one raw block.
#[test]
fn a_window_that_needs_too_much_memory_is_refused_and_says_so() {
    let dir = temp_dir();
    let (path, _) = synthesise(dir.path(), &Options { frames: 10, ..Options::default() });
    let octets = fs::read(&path).unwrap();
    // No single segment, no checksum; the window's exponent is 10 + 21.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3];
    let block = ((octets.len() as u32) << 3 | 1).to_le_bytes();
    frame.extend(&block[..3]);
    frame.extend(&octets);
    let (status, answer, said) = inspect(&write(dir.path(), "long.zst", &frame));
    assert_eq!((status, answer), (Some(1), None));
    assert!(said.contains("needs more memory than the 128 MiB") && said.contains("zstd -dc"), "{said}");
    frame[5] = 10 << 3;
    assert_eq!(inspect(&write(dir.path(), "short.zst", &frame)).1.unwrap()["frames"], 10);

    // xz with a dictionary of 1 GiB: its size is in the block's header (The .xz File Format, 3.1 and 5.3.1), behind the
    // stream's 12 octets, and the header ends with a check sum.
    let mut long = xz(&octets);
    let end = 12 + (usize::from(long[12]) + 1) * 4;
    let size = (12..end).find(|&at| long[at] == 0x21 && long[at + 1] == 1).unwrap() + 2;
    long[size] = 36;
    let sum = crc32fast::hash(&long[12..end - 4]).to_le_bytes();
    long[end - 4..end].copy_from_slice(&sum);
    let (status, _, said) = inspect(&write(dir.path(), "long.xz", &long));
    assert!(status == Some(1) && said.contains("needs more memory") && said.contains("xz -dc"), "{said}");
}

#[test]
fn what_is_known_and_no_capture_is_named() {
    let dir = temp_dir();
    for (start, word) in [
        (&b"BZh91AY&SY\x93\x94\x95\x96\x97\x98\x99"[..], "bzip2"),
        (b"SQLite format 3\0\x10\x00\x01\x01", "Kismet"),
        (b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0", "zip"),
    ] {
        let octets = [start, &[0; 100]].concat();
        let path = write(dir.path(), "thing", &octets);
        let (status, _, said) = inspect(&path);
        assert!(status == Some(1) && said.contains(word) && said.contains("no capture"), "{said}");
    }
    // In a directory it is passed over.
    let captures = dir.path().join("captures");
    fs::create_dir(&captures).unwrap();
    fs::rename(dir.path().join("thing"), captures.join("thing")).unwrap();
    let (good, _) = synthesise(dir.path(), &Options { frames: 10, ..Options::default() });
    fs::rename(good, captures.join("good")).unwrap();
    let (status, answer, said) = inspect(&captures);
    assert_eq!((status, answer.unwrap()["frames"].as_u64()), (Some(0), Some(10)), "{said}");
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let body = [body, &vec![0; body.len().wrapping_neg() % 4]].concat();
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes(), &len[..], &body, &len].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX].map(u32::to_le_bytes).concat())
}

fn interface(link: u16, options: &[u8]) -> Vec<u8> {
    block(1, &[&u32::from(link).to_le_bytes(), &[0; 4], options].concat())
}

fn packet(interface: u32) -> Vec<u8> {
    let ack = [0xd4, 0, 0, 0, 2, 0, 0, 0, 0, 1];
    let units = 1_700_000_000_000_000u64;
    let head = [interface, (units >> 32) as u32, units as u32, 10, 10].map(u32::to_le_bytes).concat();
    block(6, &[head, ack.to_vec()].concat())
}

#[test]
fn an_odd_interface_does_not_refuse_the_others_packets() {
    let dir = temp_dir();
    for resolution in [20u8, 64, 127, 0x80 | 64, 0xff] {
        let odd = interface(105, &[9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]);
        let packets = packet(0).repeat(5);
        let unused = [section(), interface(105, &[]), odd.clone(), packets].concat();
        let (status, answer, said) = inspect(&write(dir.path(), "unused", &unused));
        assert_eq!((status, answer.unwrap()["frames"].as_u64()), (Some(0), Some(5)), "{said}");
        // Its own packets are counted too; their time is that of the packet before.
        let used = [section(), interface(105, &[]), odd, packet(0), packet(1)].concat();
        let answer = inspect(&write(dir.path(), "used", &used)).1.unwrap();
        assert_eq!((answer["frames"].as_u64(), &answer["first_time"]), (Some(2), &answer["last_time"]));
    }
}

#[test]
fn many_interfaces_and_sections_take_no_longer_than_other_octets() {
    let dir = temp_dir();
    let many = |packets: &[u8], sections: usize| {
        let described: Vec<u8> = (0..=u16::MAX - 1).flat_map(|link| interface(link, &[])).collect();
        let again = [section(), interface(u16::MAX - 1, &[])].concat().repeat(sections);
        [&section(), &described, packets, &again].concat()
    };
    for (name, octets) in [
        ("blocks", many(&packet(105), 0)),
        ("skipped", many(&packet(60_000), 0)),
        ("sections", many(&packet(105), 400_000)),
        ("both", many(&[packet(105), packet(60_000)].concat(), 10)),
    ] {
        let path = write(dir.path(), name, &octets);
        let began = Instant::now();
        let (_, _, said) = inspect(&path);
        // Unoptimised and on a busy machine; it was 8.7 and 40 s for a program of the release profile.
        assert!(began.elapsed() < Duration::from_secs(20), "{name} took {:?}", began.elapsed());
        assert!(said.len() < 2_000, "{name}: {said}");
    }
}
