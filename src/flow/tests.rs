//! Flows of packets made here.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::dot11::Told;
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

/// UDP in IPv4, of eight octets of payload.
fn udp(src: u8, sport: u16, dst: u8, dport: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, src, 10, 0, 0, dst];
    packet.extend(sport.to_be_bytes());
    packet.extend(dport.to_be_bytes());
    packet.extend([0, 16, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    packet
}

fn ethernet(kind: &[u8], packet: &[u8]) -> Vec<u8> {
    [&[2; 12][..], kind, packet].concat()
}

/// The flows and totals of packets, each with its second.
fn metered(settings: Settings, link: LinkType, packets: &[(i64, Vec<u8>)]) -> (Vec<Flow>, Totals) {
    let mut meter = Meter::new(settings);
    let mut flows = Vec::new();
    for (second, packet) in packets {
        let time = UnixNanos::new(*second, 0);
        meter.packet(time, link, packet, packet.len() as u32, Reading::default(), &mut |flow| flows.push(flow));
        assert!(meter.totals().add_up());
        assert!(meter.flows() <= settings.max_flows);
    }
    meter.finish(&mut |flow| flows.push(flow));
    let in_flows = flows.iter().fold(Sum::default(), |mut sum, flow| {
        sum += flow.total();
        sum
    });
    assert_eq!(in_flows, meter.totals().flows);
    (flows, *meter.totals())
}

fn fate_of(link: LinkType, packet: &[u8]) -> &'static str {
    let (_, totals) = metered(Settings::OF_CAPTURES, link, &[(0, packet.to_vec())]);
    totals.classes().into_iter().find(|(_, sum)| sum.packets > 0).unwrap().0
}

#[test]
fn the_source_is_who_sent_first_and_both_directions_are_one() {
    let packets = [
        (5, udp(9, 40_000, 1, 53)),
        (6, udp(1, 53, 9, 40_000)),
        (4, udp(9, 40_000, 1, 53)),
        (7, udp(9, 40_001, 1, 53)),
    ];
    let (flows, _) = metered(Settings::OF_CAPTURES, LinkType::RAW, &packets);
    assert_eq!(flows.len(), 2);
    let flow = &flows[0];
    assert_eq!((flow.tuple.src, flow.tuple.sport), ([10, 0, 0, 9].into(), 40_000));
    assert_eq!((flow.sent, flow.received), (Sum { packets: 2, bytes: 72 }, Sum { packets: 1, bytes: 36 }));
    // Packets out of order.
    assert_eq!((flow.first, flow.last), (Some(UnixNanos::new(4, 0)), Some(UnixNanos::new(6, 0))));
}

#[test]
fn idle_and_active_timeouts_part_flows() {
    let settings = Settings {
        idle: Some(Duration::from_secs(10)),
        active: Some(Duration::from_secs(25)),
        ..Settings::OF_CAPTURES
    };
    let times = [0, 9, 18, 26, 27, 100, 101];
    let packets: Vec<_> = times.into_iter().map(|second| (second, udp(1, 1, 2, 2))).collect();
    let (flows, _) = metered(settings, LinkType::RAW, &packets);
    let seen: Vec<_> = flows.iter().map(|flow| (flow.sent.packets, flow.end, flow.part)).collect();
    assert_eq!(seen, [(3, End::Active, 0), (2, End::Idle, 1), (2, End::Capture, 0)]);
}

#[test]
fn what_is_too_much_gives_way_with_a_record() {
    let settings = Settings { max_flows: 3, ..Settings::OF_CAPTURES };
    // The first flow is the freshest when the fourth comes.
    let order = [1, 2, 3, 1, 4, 5];
    let packets: Vec<_> = order.into_iter().map(|src| (0, udp(src, 1, 99, 2))).collect();
    let (flows, _) = metered(settings, LinkType::RAW, &packets);
    let seen: Vec<_> = flows.iter().map(|flow| (flow.tuple.src.to_string(), flow.end)).collect();
    let expected = [("10.0.0.2", End::Evicted), ("10.0.0.3", End::Evicted), ("10.0.0.1", End::Capture)];
    assert_eq!(seen[..3], expected.map(|(src, end)| (src.to_owned(), end)));
}

#[test]
fn packets_are_found_behind_every_link() {
    let packet = udp(1, 1, 2, 2);
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &packet].concat();
    let tag = [0x81, 0, 0, 5];
    let sll = [&[0, 0, 0, 1, 0, 6, 1, 1, 1, 1, 1, 1, 0, 0, 8, 0][..], &packet].concat();
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 1, 1, 1, 1, 1, 0, 0][..], &packet].concat();
    let open = |control: &[u8], rest: &[u8]| [control, &[0; 2], &[2; 18], &[0; 2], rest].concat();
    for (link, data) in [
        (LinkType::RAW, packet.clone()),
        (LinkType::IPV4, packet.clone()),
        (LinkType::ETHERNET, ethernet(&[8, 0], &packet)),
        (LinkType::ETHERNET, ethernet(&[&tag[..], &[8, 0]].concat(), &packet)),
        (LinkType::ETHERNET, ethernet(&[&[0x88, 0xa8, 0, 1][..], &tag, &tag, &[8, 0]].concat(), &packet)),
        (LinkType::ETHERNET, ethernet(&[0, 44], &snap)),
        (LinkType::ETHERNET, ethernet(&[0x88, 0x64, 0x11, 0, 0, 1, 0, 38, 0, 0x21], &packet)),
        (LinkType::ETHERNET, ethernet(&[0x88, 0x47, 0, 1, 0, 9, 0, 1, 1, 9], &packet)),
        (LinkType::LINUX_SLL, sll),
        (LinkType::LINUX_SLL2, sll2),
        (LinkType::IEEE802_11, open(&[0x08, 0x01], &snap)),
        // QoS, with HT control, and four addresses.
        (LinkType::IEEE802_11, open(&[0x88, 0x82], &[&[0, 0, 0, 0, 0, 0][..], &snap].concat())),
        (LinkType::IEEE802_11, open(&[0x88, 0x03], &[&[2; 6][..], &[0, 0], &snap].concat())),
        // Padded behind QoS control.
        (LinkType::IEEE802_11, open(&[0x88, 0x01], &[&[0, 0, 0, 0][..], &snap].concat())),
    ] {
        let (flows, _) = metered(Settings::OF_CAPTURES, link, &[(0, data.clone())]);
        assert_eq!(flows.len(), 1, "{link} {data:?}");
        assert_eq!(flows[0].sent, Sum { packets: 1, bytes: data.len() as u64 });
    }
    assert_eq!(fate_of(LinkType::IEEE802_11, &open(&[0x08, 0x41], &snap)), "protected");
    assert_eq!(fate_of(LinkType::IEEE802_11, &open(&[0x80, 0], &snap)), "not_ip");
    assert_eq!(fate_of(LinkType::IEEE802_11, &open(&[0x48, 1], &[])), "not_ip");
    assert_eq!(fate_of(LinkType::IEEE802_11, &[8]), "malformed");
    assert_eq!(fate_of(LinkType::ETHERNET, &ethernet(&[8, 6], &[0; 28])), "not_ip");
    assert_eq!(fate_of(LinkType::ETHERNET, &[1; 13]), "cut");
    assert_eq!(fate_of(LinkType::RAW, &packet[..22]), "cut");
    assert_eq!(fate_of(LinkType::RAW, &[0x10; 40]), "malformed");
    let later = [&packet[..6], &[0, 1], &packet[8..]].concat();
    assert_eq!(fate_of(LinkType::RAW, &later), "fragments");
    let mut later = open(&[0x08, 0x01], &snap);
    later[22] = 1;
    assert_eq!(fate_of(LinkType::IEEE802_11, &later), "fragments");
    let told = Reading { told: Told { crc_error: true, ..Told::default() }, ..Reading::default() };
    let mut meter = Meter::new(Settings::OF_CAPTURES);
    meter.packet(UnixNanos::NONE, LinkType::ETHERNET, &ethernet(&[8, 0], &packet), 50, told, &mut |_| ());
    assert_eq!(meter.totals().bad_fcs, Sum { packets: 1, bytes: 50 });
}

#[test]
fn each_msdu_of_an_aggregate_is_a_packet_and_octets_are_those_of_the_frame() {
    let subframe = |src, pad: usize| {
        let msdu = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &udp(src, 1, 9, 2)].concat();
        [&[2; 12][..], &(msdu.len() as u16).to_be_bytes(), &msdu, &vec![0; pad]].concat()
    };
    let header = [&[0x88, 0x01, 0, 0][..], &[2; 18], &[0, 0, 0x80, 0]].concat();
    let frame = [header.clone(), subframe(1, 2), subframe(2, 2), subframe(1, 0)].concat();
    let (flows, totals) = metered(Settings::OF_CAPTURES, LinkType::IEEE802_11, &[(0, frame.clone())]);
    assert_eq!(totals.captured, Sum { packets: 1, bytes: frame.len() as u64 });
    assert_eq!((totals.aggregated, totals.flows.packets, flows.len()), (2, 3, 2));
    // A length that lies.
    let mut lying = frame.clone();
    lying[26 + 60 + 12] = 0xff;
    let (_, totals) = metered(Settings::OF_CAPTURES, LinkType::IEEE802_11, &[(0, lying)]);
    assert_eq!((totals.flows.packets, totals.malformed.packets), (1, 1));
    let (_, totals) = metered(Settings::OF_CAPTURES, LinkType::IEEE802_11, &[(0, header)]);
    assert_eq!(totals.cut.packets, 1);
}

#[test]
fn fragments_are_of_the_flow_of_the_first() {
    let first = [&udp(1, 7, 2, 9)[..6], &[0x20, 0], &udp(1, 7, 2, 9)[8..]].concat();
    let later = [&udp(1, 0, 2, 0)[..6], &[0, 2], &udp(1, 0, 2, 0)[8..]].concat();
    let packets = [(0, later.clone()), (1, first), (2, later)];
    let (flows, totals) = metered(Settings::OF_CAPTURES, LinkType::RAW, &packets);
    assert_eq!((flows.len(), flows[0].sent.packets, totals.fragments.packets), (1, 2, 1));
}

#[test]
fn packets_without_times_have_flows_without_times() {
    let mut meter = Meter::new(Settings::LIVE);
    let mut flows = Vec::new();
    meter.packet(UnixNanos::NONE, LinkType::RAW, &udp(1, 1, 2, 2), 36, Reading::default(), &mut |_| ());
    meter.sweep(UnixNanos::new(1_000_000, 0), &mut |flow| flows.push(flow));
    meter.finish(&mut |flow| flows.push(flow));
    assert_eq!((flows.len(), flows[0].first), (1, None));
}

proptest! {
    #[test]
    fn packets_are_counted_once_whatever_the_bounds(
        packets in prop::collection::vec((0i64..500, 1u8..6, 1u16..4, 1u8..6, 1u16..4), 1..200),
        max_flows in 1usize..10,
        idle in prop::option::of(1u64..100),
        active in prop::option::of(1u64..100),
    ) {
        let settings = Settings { max_flows, idle: idle.map(Duration::from_secs), active: active.map(Duration::from_secs), names: true };
        let packets: Vec<_> = packets.into_iter().map(|(second, src, sport, dst, dport)| (second, udp(src, sport, dst, dport))).collect();
        let (flows, _) = metered(settings, LinkType::RAW, &packets);
        prop_assert!(flows.iter().all(|flow| flow.total().packets > 0));
        // With room for all and no timeouts, each pair of ends is one record.
        let (flows, _) = metered(Settings::OF_CAPTURES, LinkType::RAW, &packets);
        let mut pairs = BTreeMap::new();
        for flow in &flows {
            let mut ends = [(flow.tuple.src, flow.tuple.sport), (flow.tuple.dst, flow.tuple.dport)];
            ends.sort();
            *pairs.entry(ends).or_insert(0) += 1;
        }
        prop_assert_eq!(pairs.len(), flows.len());
    }

    #[test]
    fn any_octets_of_any_link_are_in_one_class(
        data in prop::collection::vec(any::<u8>(), 0..300),
        start in prop::sample::select(vec![vec![], vec![0x88, 0x01], vec![0x08, 0x02], vec![0, 0, 8, 0, 0, 0, 0, 0, 0x88], vec![0x45], vec![0x60]]),
        link in prop::sample::select(vec![0u16, 1, 9, 12, 50, 101, 104, 105, 108, 113, 119, 127, 163, 192, 228, 229, 276, 9_999]),
        longer in 0u32..100,
    ) {
        let mut data = data;
        data.splice(0..0, start);
        let mut meter = Meter::new(Settings::LIVE);
        meter.packet(UnixNanos::new(1, 0), LinkType(link), &data, data.len() as u32 + longer, Reading::default(), &mut |_| ());
        prop_assert!(meter.totals().add_up(), "{:?}", meter.totals());
    }
}
