//! Round trips, and input that lies.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::{
    header::{FRAGMENT, Header, ZLIB, check_sum},
    *,
};
use core::net::IpAddr;
use proptest::prelude::*;
use std::time::Duration;

fn arbitrary_payload() -> impl Strategy<Value = Payload> {
    let octets = prop::collection::vec(any::<u8>(), 0..2_000);
    let numbers = (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u32>>());
    (any::<u32>(), any::<u32>(), any::<i64>(), any::<u32>(), numbers, octets).prop_map(
        |(vendor, number, seconds, nanos, (source, operator, group), octets)| Payload {
            kind: Type { vendor, number },
            seconds,
            nanos,
            source,
            operator,
            group,
            octets,
        },
    )
}

fn write(payloads: &[Payload], settings: WriterSettings) -> Vec<Vec<u8>> {
    let mut writer = Writer::new(settings);
    let mut containers = Vec::new();
    for payload in payloads {
        writer.push(payload.clone()).unwrap();
        containers.extend(std::iter::from_fn(|| writer.pop()));
    }
    writer.flush();
    containers.extend(std::iter::from_fn(|| writer.pop()));
    containers
}

fn read_stream(octets: &[u8], chunk: usize) -> (Vec<Payload>, Reader) {
    let mut reader = Reader::default();
    let mut payloads = Vec::new();
    for piece in octets.chunks(chunk.max(1)) {
        reader.push(piece);
        payloads.extend(std::iter::from_fn(|| reader.next_payload()));
    }
    reader.end();
    payloads.extend(std::iter::from_fn(|| reader.next_payload()));
    (payloads, reader)
}

fn read_datagrams(datagrams: &[Vec<u8>]) -> (Vec<Payload>, Reader) {
    let mut reader = Reader::default();
    let mut payloads = Vec::new();
    for datagram in datagrams {
        reader.datagram(datagram, 1, Duration::ZERO);
        payloads.extend(std::iter::from_fn(|| reader.next_payload()));
    }
    (payloads, reader)
}

fn conn(number: u32) -> Payload {
    let address = IpAddr::from(number.to_be_bytes());
    IpConn {
        proto: Some(6),
        srcip: Some(address),
        srcport: Some(number % 65_536),
        dstip: Some(address),
        dstport: Some(80),
    }
    .to_payload(i64::from(number), 5)
}

fn container(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Header::write(flags, body.len(), &mut out);
    out.extend(body);
    out
}

fn fragment(id: u32, current: u32, last: u32, octets: &[u8]) -> Vec<u8> {
    use prost::Message as _;
    let fragment = fragments::Fragment {
        id: Some(id),
        current: Some(current),
        last: Some(last),
        fragment: Some(octets.to_vec()),
        crc: None,
    };
    container(FRAGMENT, &fragment.encode_to_vec())
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        payloads in prop::collection::vec(arbitrary_payload(), 0..40),
        most in 512_usize..5_000,
        zlib: bool,
        sequence: bool,
        unbuffered: bool,
        id: u64,
        chunk in 1_usize..3_000,
    ) {
        let settings = WriterSettings { most, zlib, sequence, unbuffered, ..WriterSettings::socket(id) };
        let containers = write(&payloads, settings);
        for container in &containers {
            prop_assert!(container.len() <= most, "{} octets of {most}", container.len());
        }
        let (read, reader) = read_datagrams(&containers);
        prop_assert_eq!(&read, &payloads);
        prop_assert!(reader.counts().is_clean(), "{}", reader.counts());
        let (read, reader) = read_stream(&containers.concat(), chunk);
        prop_assert_eq!(&read, &payloads);
        prop_assert!(reader.counts().is_clean() && reader.stopped().is_none(), "{}", reader.counts());
    }

    /// Fragments in any order, each as often as it likes: the same payloads, once.
    #[test]
    fn order_and_doubles_do_not_matter(
        octets in prop::collection::vec(any::<u8>(), 1_000..20_000),
        order in any::<prop::sample::Index>(),
        zlib: bool,
    ) {
        let payload = Payload { kind: PACKET, octets, ..Payload::default() };
        let containers = write(std::slice::from_ref(&payload), WriterSettings { most: 512, zlib, ..WriterSettings::socket(7) });
        let mut shuffled = containers.clone();
        shuffled.extend(containers.clone());
        let turn = order.index(shuffled.len());
        shuffled.rotate_left(turn);
        shuffled.reverse();
        let (read, reader) = read_datagrams(&shuffled);
        prop_assert_eq!(read, vec![payload]);
        prop_assert!(reader.counts().is_clean(), "{}", reader.counts());
    }

    /// Whatever comes, nothing aborts, and what is handed out was checked.
    #[test]
    fn any_change_of_an_octet_is_survived(at in any::<prop::sample::Index>(), to: u8, zlib: bool, most in 512_usize..2_000) {
        let payloads: Vec<_> = (0..50).map(conn).collect();
        let mut file = write(&payloads, WriterSettings { most, zlib, ..WriterSettings::file() }).concat();
        let at = at.index(file.len());
        file[at] = to;
        let (read, _) = read_stream(&file, 1_000);
        prop_assert!(read.len() <= payloads.len());
        let mut reader = Reader::default();
        reader.datagram(&file, 1, Duration::ZERO);
        while reader.next_payload().is_some() {}
    }

    #[test]
    fn any_octets_are_survived(octets in prop::collection::vec(any::<u8>(), 0..300), flags in 0_u8..5) {
        read_stream(&octets, 7);
        read_datagrams(&[octets.clone(), container(flags, &octets)]);
    }

    /// Losing any containers: what is counted as lost is what is missing between the first and the last that came.
    #[test]
    fn losses_are_counted(kept in prop::collection::vec(any::<bool>(), 2..300)) {
        let payloads: Vec<_> = (0..u32::try_from(kept.len()).unwrap()).map(conn).collect();
        let all = write(&payloads, WriterSettings { unbuffered: true, ..WriterSettings::socket(3) });
        let came: Vec<_> = all.iter().zip(&kept).filter(|&(_, &kept)| kept).map(|(octets, _)| octets.clone()).collect();
        let (read, reader) = read_datagrams(&came);
        let first = kept.iter().position(|&kept| kept).unwrap_or(0);
        let last = kept.iter().rposition(|&kept| kept).unwrap_or(0);
        let missing = kept.get(first..=last).unwrap_or_default().iter().filter(|&&kept| !kept).count();
        prop_assert_eq!(reader.counts().lost, if read.is_empty() { 0 } else { missing as u64 });
        prop_assert_eq!(read.len(), came.len());
    }

    #[test]
    fn messages_round_trip(proto: Option<u32>, srcip: Option<IpAddr>, srcport: Option<u32>, dstip: Option<IpAddr>, dstport: Option<u32>) {
        let conn = IpConn { proto, srcip, srcport, dstip, dstport };
        prop_assert_eq!(IpConn::from_payload(&conn.to_payload(1, 2)), Ok(conn));
    }
}

#[test]
fn a_check_sum_is_crc_32c_the_other_way_round() {
    // CRC-32C of these nine digits is e3069283 (RFC 3720, B.4, and every catalogue of check sums).
    assert_eq!(check_sum(b"123456789"), 0x8392_06e3);
}

#[test]
fn late_and_doubled_containers_are_told_from_lost_ones() {
    let payloads: Vec<_> = (0..10).map(conn).collect();
    let all = write(&payloads, WriterSettings { unbuffered: true, ..WriterSettings::socket(3) });
    let came: Vec<_> = [5, 6, 8, 7, 7, 4, 9, 9].iter().map(|&at: &usize| all[at].clone()).collect();
    let (read, reader) = read_datagrams(&came);
    let counts = reader.counts();
    assert_eq!((read.len(), counts.lost, counts.late, counts.doubled), (6, 0, 2, 2));
}

#[test]
fn a_million_fragments_that_are_never_completed_take_bounded_memory() {
    let limits = Limits { fragments: 1 << 20, ..Limits::default() };
    let mut reader = Reader::new(limits);
    for id in 0..1_000_000 {
        reader.datagram(&fragment(id, 0, 1, b"a"), 1, Duration::ZERO);
    }
    let counts = *reader.counts();
    assert_eq!((counts.fragments, reader.next_payload()), (1_000_000, None));
    // Each costs some 320 octets: a few thousand are kept, the others gave way.
    assert!((990_000..1_000_000).contains(&counts.incomplete), "{}", counts.incomplete);
    reader.tick(limits.patience);
    assert_eq!(reader.counts().incomplete, 1_000_000);
}

#[test]
fn fragments_that_contradict_themselves_are_refused() {
    let mut reader = Reader::default();
    let come = [(1, 5, 4), (2, 0, u32::MAX), (3, 0, 2), (3, 1, 3), (3, 0, 2)];
    for (id, current, last) in come {
        reader.datagram(&fragment(id, current, last, b"abc"), 1, Duration::ZERO);
    }
    assert_eq!((reader.counts().bad_fragments, reader.counts().doubled_fragments), (3, 1));
}

#[test]
fn senders_with_the_same_numbers_do_not_mix() {
    let payload = Payload { kind: PACKET, octets: vec![7; 900], ..Payload::default() };
    let pieces = write(std::slice::from_ref(&payload), WriterSettings { most: 512, ..WriterSettings::file() });
    let mut reader = Reader::default();
    reader.datagram(&pieces[0], 1, Duration::ZERO);
    reader.datagram(&pieces[1], 2, Duration::ZERO);
    assert_eq!(reader.next_payload(), None);
    reader.datagram(&pieces[1], 1, Duration::ZERO);
    assert_eq!(reader.next_payload(), Some(payload));
}

#[test]
fn a_body_of_any_length_is_cut_into_as_many_fragments_as_it_needs() {
    for len in 400..1_500 {
        let payload = Payload { kind: PACKET, octets: vec![1; len], ..Payload::default() };
        let pieces = write(std::slice::from_ref(&payload), WriterSettings { most: 512, ..WriterSettings::file() });
        let (read, reader) = read_datagrams(&pieces);
        assert_eq!((read.as_slice(), reader.counts().incomplete), (std::slice::from_ref(&payload), 0), "{len}");
    }
}

#[test]
fn a_zip_bomb_costs_what_the_limit_says() {
    let mut zlib = body::compressor();
    let mut bomb = body::deflate(&mut zlib, &vec![0; 64 << 20]).unwrap();
    let mut reader = Reader::default();
    reader.datagram(&container(ZLIB, &bomb), 1, Duration::ZERO);
    assert_eq!(reader.counts().too_large, 1);
    // And one that lies about how large it is.
    bomb[..4].copy_from_slice(&1_000_u32.to_be_bytes());
    reader.datagram(&container(ZLIB, &bomb), 1, Duration::ZERO);
    assert_eq!((reader.counts().bad_zlib, reader.next_payload()), (1, None));
}

#[test]
fn a_stream_stops_where_it_is_no_longer_known_where_containers_begin() {
    let good = write(&[conn(1)], WriterSettings::file()).concat();
    let at = good.len() as u64;
    let mut version = good.clone();
    version[5] = 3;
    let mut large = good.clone();
    large[6] = 0xff;
    for (next, stop) in [
        (b"text".to_vec(), Stop::NotNmsg(at)),
        (version, Stop::Version { at, version: 3 }),
        (good[..20].to_vec(), Stop::Cut(at)),
        (good[..3].to_vec(), Stop::Cut(at)),
        (large, Stop::TooLarge { at, len: 0xff00_0000 + good.len() - 10, most: Limits::default().body }),
    ] {
        let (read, reader) = read_stream(&[good.clone(), next, good.clone()].concat(), 5);
        if matches!(stop, Stop::Cut(_)) {
            // What follows a cut container is taken for its rest.
            assert!(reader.stopped().is_some() || !reader.counts().is_clean());
        } else {
            assert_eq!((read, reader.stopped()), (vec![conn(1)], Some(stop)));
        }
    }
    let (read, reader) = read_stream(&[good.clone(), good[..20].to_vec()].concat(), 5);
    assert_eq!((read, reader.stopped()), (vec![conn(1)], Some(Stop::Cut(at))));
}

#[test]
fn types_have_names_and_numbers() {
    assert_eq!("base:ipconn".parse(), Ok(IPCONN));
    assert_eq!("1:12".parse(), Ok(PACKET));
    assert_eq!("2:5".parse(), Ok(Type { vendor: 2, number: 5 }));
    assert_eq!((IPCONN.to_string(), Type { vendor: 2, number: 5 }.to_string()), ("base:ipconn".into(), "2:5".into()));
    for wrong in ["", "ipconn", "base", "base:", "base:nothing", "x:5", "1:5:6"] {
        assert!(wrong.parse::<Type>().is_err(), "{wrong}");
    }
}

#[test]
fn a_message_of_millions_of_values_is_none() {
    let email = |values: &[(u8, usize)]| {
        // Fields of no octets, by their numbers and how many of each.
        let octets = values.iter().flat_map(|&(number, count)| [number << 3 | 2, 0].repeat(count)).collect();
        Payload { kind: Type { vendor: 1, number: 2 }, octets, ..Payload::default() }
    };
    let mut out = Vec::new();
    assert_eq!(text::presentation(&email(&[(9, 2_000), (7, 2_096)]), &mut out), text::Shown::Whole);
    // In the type's order, whatever the message's.
    assert!(out.starts_with(b"[8192] ") && out.windows(8).filter(|line| line == b"bodyurl:").count() == 2_000);
    out.clear();
    // The second kind is looked for among those of the first, millions of times, by who is careless.
    assert_eq!(text::json(&email(&[(9, 2_000_000), (7, 2_000_000)]), &mut out), text::Shown::Damaged);
    assert!(out.is_empty());
}
