//! Random records for the sinks' tests: windows in parts whose counts add up, in every privacy mode, with names
//! that try every kind of escaping. Knows no database.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use airtally::{
    Mac, UnixNanos,
    wire::{
        Address, Alert, AlertClass, Alerts, BATCH_SCHEMA, Batch, Capture, Channel, Evidence, FlowContents, FlowRow,
        FlowSum, Flows, GAP_SCHEMA, Gap, GapReason, Identity, Metered, NoEstimate, PacketSum, People, PortClass,
        Record, Role, STAMPING, Severity, Signal, Station, TimeSource, Vendor, number_parts,
    },
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};
use uuid::Uuid;

/// Names that want escaping somewhere.
pub const NASTY: [&str; 14] = [
    "plain",
    "two words",
    "a,b=c d",
    "back\\slash",
    "ends\\",
    "ends in two\\\\",
    "\\,\\=\\ \\\"",
    "\"quoted\"",
    "'single'; DROP SERIES",
    "Zürich-東京",
    "😀 emoji",
    "line\nbreak\r\n\ttab",
    "\\x5c spelt",
    "# not a comment",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![proptest::sample::select(&NASTY[..]).prop_map(str::to_owned), "\\PC{1,12}"]
}

/// Twenty addresses, so that stations come again; a third is randomised.
fn mac() -> impl Strategy<Value = Mac> {
    (0..20_u64).prop_map(|n| {
        let first = if n % 3 == 0 { 0x02 } else { 0x00 };
        Mac::from_u64(first << 40 | 0x00bb_cc00_0000 | n)
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    Pseudonym,
    Vendor,
}

fn signal() -> impl Strategy<Value = Option<Signal>> {
    proptest::option::of((-90_i8..-40, 0_i8..30, 1_u64..50).prop_map(|(min, range, frames)| Signal {
        min,
        mean: f64::from(min) + f64::from(range) / 2.0,
        max: min + range,
        frames,
    }))
}

fn station(mode: Mode) -> impl Strategy<Value = Station> {
    const ROLES: [Role; 5] = [Role::AccessPoint, Role::Client, Role::Wired, Role::AdHoc, Role::Unknown];
    (
        (mac(), any::<bool>(), proptest::option::of(name()), proptest::sample::select(&ROLES[..])),
        (0_u64..1_000, 0_u64..1_000, 0_u64..1_000, 0_u64..100, 0_u64..1_000_000, 0_u64..1_000),
        signal(),
        proptest::collection::btree_set(proptest::sample::select(&[2412_u16, 2484, 5180, 6415][..]), 0..3),
        proptest::option::of(mac()),
        proptest::collection::btree_set(name(), 0..3),
    )
        .prop_map(move |((mac, tracked, vendor, role), counts, signal_dbm, freqs, bssid, ssids)| {
            let (management, control, data, retries, bytes_sent, frames_received) = counts;
            let address = |mac: Mac| match mode {
                Mode::Pseudonym => Address::Pseudonym(mac.to_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                Mode::Plain | Mode::Vendor => Address::Mac(mac),
            };
            Station {
                mac: address(mac),
                vendor: vendor.filter(|_| !mac.is_randomised()),
                randomised: mac.is_randomised(),
                tracked,
                role,
                frames_sent: management + control + data,
                bytes_sent,
                frames_received,
                management,
                control,
                data,
                retries,
                signal_dbm,
                freqs_mhz: freqs.into_iter().collect(),
                bssid: bssid.map(address),
                ssids: ssids.into_iter().collect(),
                ssids_left_out: None,
                security: (role == Role::AccessPoint && tracked).then(|| "WPA2/WPA3".into()),
                channel: (role == Role::AccessPoint).then_some(36),
                width_mhz: (role == Role::AccessPoint && tracked).then_some(160),
                first_seen: UnixNanos(0),
                last_seen: UnixNanos(0),
            }
        })
}

/// What the stations of one window become in mode `vendor`.
fn vendor_rows(stations: &[Station]) -> Vec<Vendor> {
    let mut rows: BTreeMap<(Option<String>, bool), Vendor> = BTreeMap::new();
    for station in stations {
        let key = (station.vendor.clone(), station.randomised);
        let row = rows.entry(key).or_insert_with(|| Vendor {
            vendor: station.vendor.clone(),
            randomised: station.randomised,
            stations: 0,
            frames_sent: 0,
            bytes_sent: 0,
            management: 0,
            control: 0,
            data: 0,
            retries: 0,
        });
        row.stations += 1;
        row.frames_sent += station.frames_sent;
        row.bytes_sent += station.bytes_sent;
        row.management += station.management;
        row.control += station.control;
        row.data += station.data;
        row.retries += station.retries;
    }
    rows.into_values().collect()
}

/// One window as its parts: sums over the parts are those of the window.
fn window() -> impl Strategy<Value = Vec<Batch>> {
    let mode = prop_oneof![4 => Just(Mode::Plain), 1 => Just(Mode::Pseudonym), 1 => Just(Mode::Vendor)];
    mode.prop_flat_map(|mode| {
        (
            Just(mode),
            proptest::collection::vec(station(mode), 0..12),
            1_usize..4,
            proptest::array::uniform7(0_u64..500),
            proptest::collection::btree_map(0_u16..4, (proptest::option::of(0_u64..9_000), 0_u64..500), 0..4),
            proptest::option::of((0_u64..9, 0_u64..9)),
            any::<bool>(),
        )
    })
    .prop_map(|(mode, stations, parts, counts, channels, drops, last)| {
        // An address has one row in a window.
        let stations: BTreeMap<Address, Station> = stations.into_iter().map(|one| (one.mac, one)).collect();
        let stations: Vec<Station> = stations.into_values().collect();
        let station_frames = stations.iter().map(|station| station.frames_sent).sum();
        let [bad_fcs, malformed, without_ta, group_ta, overflow_frames, late, bytes] = counts;
        let capture = Capture {
            frames: station_frames + bad_fcs + malformed + without_ta + group_ta + overflow_frames,
            bytes,
            station_frames,
            bad_fcs,
            malformed,
            without_ta,
            group_ta,
            overflow_frames,
            late,
            mended_times: (late % 3 == 0).then_some(late),
            kernel_drops: drops.map(|(kernel, _)| kernel),
            interface_drops: drops.map(|(_, interface)| interface),
            switching_ms: None,
            off_ms: None,
        };
        let vendors = if mode == Mode::Vendor { vendor_rows(&stations) } else { Vec::new() };
        let stations = if mode == Mode::Vendor { Vec::new() } else { stations };
        let share = |part: usize, n: usize| n % parts == part;
        (0..parts)
            .map(|part| Batch {
                schema: BATCH_SCHEMA.into(),
                identity: Identity { site: String::new(), sensor: String::new(), run: Uuid::nil(), seq: 0 },
                part: part as u32,
                parts: parts as u32,
                flow_parts: None,
                alert_parts: None,
                people: Vec::new(),
                start: UnixNanos(0),
                end: UnixNanos(0),
                clock: if last { TimeSource::Capture } else { TimeSource::System },
                last,
                distinct: None,
                capture: (part == 0).then(|| capture.clone()),
                stamping: None,
                subtypes: if part == 0 { [("0x0008".to_owned(), 3)].into() } else { BTreeMap::new() },
                channels: channels
                    .iter()
                    .filter(|_| part == 0)
                    .map(|(n, (listened_ms, frames))| Channel {
                        freq_mhz: 2_412 + 5 * n,
                        listened_ms: *listened_ms,
                        frames: *frames,
                        bytes: frames * 100,
                    })
                    .collect(),
                stations: stations
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| share(part, *n))
                    .map(|(_, s)| s.clone())
                    .collect(),
                vendors: vendors.iter().enumerate().filter(|(n, _)| share(part, *n)).map(|(_, v)| v.clone()).collect(),
            })
            .collect()
    })
}

/// Some runs of one or two sensors with such names: windows of ten seconds from a day in 2008 on, and a gap.
pub fn records(windows: usize) -> impl Strategy<Value = Vec<Record>> {
    let sensors = proptest::collection::btree_set((name(), name()), 1..3);
    (sensors, proptest::collection::vec(window(), 1..=windows), any::<u64>()).prop_map(|(sensors, windows, bits)| {
        let mut records = Vec::new();
        let ten = Duration::from_secs(10);
        // The first window of a run starts where the run did, not on a multiple of the length.
        let begin = UnixNanos::new(1_218_600_003, 123_456_789);
        for (n, (site, sensor)) in sensors.iter().enumerate() {
            let run = Uuid::from_u128(u128::from(bits) << 8 | n as u128);
            let mut start = begin;
            for (seq, parts) in windows.iter().enumerate() {
                let end = start.align_down(ten).saturating_add(ten);
                let identity = Identity { site: site.clone(), sensor: sensor.clone(), run, seq: seq as u64 };
                let mut batches = parts.clone();
                for part in &mut batches {
                    part.stamping = (bits & 1 == 1).then_some(STAMPING);
                    part.identity = identity.clone();
                    (part.start, part.end) = (start, end);
                    if part.part == 0 {
                        part.people = people(bits >> (seq % 32), start, end);
                    }
                    for station in &mut part.stations {
                        (station.first_seen, station.last_seen) = (start, end);
                    }
                }
                let mut flows = match bits >> (seq % 8) & 2 {
                    0 => Vec::new(),
                    _ => Flows::split(
                        &identity,
                        (start, end),
                        TimeSource::Capture,
                        false,
                        flows(seq as u64, start),
                        4_096,
                    ),
                };
                let changed = alerts(bits >> (seq % 16), seq as u64, start);
                let mut alerts = Alerts::split(&identity, (start, end), TimeSource::Capture, false, changed, 2_048);
                number_parts(&mut batches, &mut flows, &mut alerts);
                records.extend(batches.into_iter().map(|batch| Record::Batch(Box::new(batch))));
                records.extend(flows.into_iter().map(|flows| Record::Flows(Box::new(flows))));
                records.extend(alerts.into_iter().map(|alerts| Record::Alerts(Box::new(alerts))));
                start = end;
            }
            records.push(Record::Gap(Gap {
                schema: GAP_SCHEMA.into(),
                site: site.clone(),
                sensor: sensor.clone(),
                run,
                reason: GapReason::Evicted,
                first_seq: windows.len() as u64,
                last_seq: Some(windows.len() as u64 + 3),
                start,
                end: start.saturating_add(ten * 4),
                frames: Some(77),
                detail: None,
                stamping: (bits & 1 == 1).then_some(STAMPING),
                ingest: None,
                withdrawn: false,
            }));
        }
        records
    })
}

/// An estimate of people, in most windows; of some nobody can tell.
pub fn people(bits: u64, start: UnixNanos, end: UnixNanos) -> Vec<People> {
    let number = u32::try_from(bits % 64).unwrap();
    let told = (bits & 3 != 0).then_some(number);
    let one = People {
        start,
        end,
        low: told.map(|number| number / 2),
        estimate: told,
        high: told.map(|number| number * 2),
        reason: told.is_none().then_some(NoEstimate::Coverage),
        listened_ms: (bits & 4 != 0).then_some(bits % 300_000),
    };
    if bits & 8 == 0 { Vec::new() } else { vec![one] }
}

/// Alerts that change in a window: of one kind several subjects, in some windows none.
pub fn alerts(bits: u64, seq: u64, time: UnixNanos) -> Vec<Alert> {
    let alert = |n: u64| Alert {
        kind: if n.is_multiple_of(3) { "beacon_flood".into() } else { "deauth_flood".into() },
        class: AlertClass::Air,
        severity: Severity::High,
        subject: format!("02:00:00:00:00:{n:02x}"),
        start: time,
        end: n.is_multiple_of(2).then_some(time),
        frames: n + seq,
        evidence: [
            ("reasons".to_owned(), Evidence::Numbers(vec![1, 7])),
            ("deauths".to_owned(), Evidence::Number(n.cast_signed())),
            ("receivers".to_owned(), Evidence::Texts(vec!["02:00:00:00:00:09".into()])),
            ("ssid".to_owned(), Evidence::Text("\"naïve\" \\x01".into())),
        ]
        .into(),
        listened_ms: (bits & 1 == 1).then_some(1_000 * n),
        not_watched_ms: n,
    };
    (0..bits % 20).map(alert).collect()
}

/// What a window has of flows: some records, and their sum.
fn flows(seq: u64, time: UnixNanos) -> FlowContents {
    let row = |n: u64| FlowRow {
        proto: "tcp".into(),
        src: IpAddr::from([10, 0, 0, 1]),
        src_port: 40_000,
        dst: IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        dst_port: 443,
        packets_out: n,
        bytes_out: 100 * n,
        packets_in: 1,
        bytes_in: 60,
        first_time: (n != 1).then_some(time),
        last_time: (n != 1).then_some(time),
        tcp_flags_out: "SA".into(),
        tcp_flags_in: String::new(),
        layer7: Some("tls".into()),
        layer7_info: (n == 2).then(|| "\"naïve\".example\u{1}".into()),
        part: u32::try_from(n).unwrap(),
        end: "idle".into(),
    };
    let records = seq % 40;
    let packets: u64 = (0..records).sum();
    FlowContents {
        metered: Metered {
            captured: PacketSum { packets: packets + 1, bytes: 100 * packets + 60 * records },
            in_flows: PacketSum { packets: packets + 1, bytes: 100 * packets + 60 * records },
            ..Metered::default()
        },
        sums: vec![FlowSum {
            proto: "tcp".into(),
            ports: PortClass::System,
            records,
            packets_out: packets,
            bytes_out: 100 * packets,
            packets_in: records,
            bytes_in: 60 * records,
        }],
        rows: (0..records).map(row).collect(),
    }
}

/// One value of a strategy, the same in every run of the tests.
pub fn sample<S: Strategy>(strategy: S) -> S::Value {
    strategy.new_tree(&mut TestRunner::deterministic()).unwrap().current()
}

/// A part with this name of site and sensor, one station and nothing else.
pub fn simple(site: &str, sensor: &str, seq: u64, station: Station) -> Batch {
    let start = UnixNanos::new(1_700_000_000 + 10 * i64::try_from(seq).unwrap(), 0);
    Batch {
        schema: BATCH_SCHEMA.into(),
        identity: Identity { site: site.into(), sensor: sensor.into(), run: Uuid::from_u128(7), seq },
        part: 0,
        parts: 1,
        flow_parts: None,
        alert_parts: None,
        start,
        end: start.saturating_add(Duration::from_secs(10)),
        clock: TimeSource::System,
        last: false,
        capture: Some(Capture {
            frames: station.frames_sent,
            bytes: station.bytes_sent,
            station_frames: station.frames_sent,
            ..Capture::default()
        }),
        stamping: None,
        subtypes: BTreeMap::new(),
        channels: Vec::new(),
        stations: vec![station],
        vendors: Vec::new(),
        people: Vec::new(),
        distinct: None,
    }
}

/// As many windows of each of these runs of one name, all of the same times, and as many gaps of each that begin at one
/// time, because nobody knows better.
pub fn contested(runs: &[u128], windows: u64, gaps: u64) -> Vec<Record> {
    let mut records = Vec::new();
    for &run in runs {
        let run = Uuid::from_u128(run);
        for seq in 0..windows {
            let mut batch = simple("home", "attic", seq, tracked(0xb827_eb00_0001, 10 + seq));
            (batch.identity.run, batch.stamping) = (run, Some(STAMPING));
            records.push(Record::Batch(Box::new(batch)));
        }
        let start = UnixNanos::new(1_700_000_000 + 10 * i64::try_from(windows).unwrap(), 0);
        records.extend((0..gaps).map(|gap| {
            let first_seq = windows + 2 * gap;
            Record::Gap(Gap {
                schema: GAP_SCHEMA.into(),
                site: "home".into(),
                sensor: "attic".into(),
                run,
                reason: GapReason::Unavailable,
                first_seq,
                last_seq: Some(first_seq),
                start,
                end: start,
                frames: Some(1),
                detail: None,
                stamping: Some(STAMPING),
                ingest: None,
                withdrawn: false,
            })
        }));
    }
    records
}

/// A tracked access point that sent `frames` frames.
pub fn tracked(mac: u64, frames: u64) -> Station {
    Station {
        mac: Address::Mac(Mac::from_u64(mac)),
        vendor: Some("Acme".into()),
        randomised: false,
        tracked: true,
        role: Role::AccessPoint,
        frames_sent: frames,
        bytes_sent: frames.saturating_mul(100),
        frames_received: 1,
        management: frames,
        control: 0,
        data: 0,
        retries: 0,
        signal_dbm: Some(Signal { min: -60, mean: -50.5, max: -41, frames }),
        freqs_mhz: vec![2_412],
        bssid: None,
        ssids: Vec::new(),
        ssids_left_out: None,
        security: Some("open".into()),
        channel: Some(1),
        width_mhz: None,
        first_seen: UnixNanos::new(1_700_000_000, 0),
        last_seen: UnixNanos::new(1_700_000_001, 0),
    }
}

/// A record for each of the [`NASTY`] names, which is that of its site, sensor, vendor and network.
pub fn nasty() -> Vec<Record> {
    (0..)
        .zip(NASTY)
        .map(|(n, name)| {
            let mut station = tracked(0x10 + n, 1 + n);
            station.vendor = Some(name.into());
            station.ssids = vec![name.into()];
            Record::Batch(Box::new(simple(name, name, n, station)))
        })
        .collect()
}

/// Ten minutes of two sensors, with something for every measurement and field.
pub fn neighbourhood() -> Vec<Record> {
    neighbourhood_of(60)
}

/// As [`neighbourhood`], so many windows of ten seconds.
pub fn neighbourhood_of(windows: u64) -> Vec<Record> {
    let mut records = Vec::new();
    for sensor in ["attic", "cellar.2"] {
        for seq in 0..windows {
            let mut batch = simple("home", sensor, seq, tracked(0x0011_2233_4400 + seq % 7, 10 + seq));
            let mut stranger = tracked(0x0200_0000_0001 + seq, 5);
            (stranger.randomised, stranger.tracked, stranger.vendor) = (true, false, None);
            batch.stations[0].ssids = vec!["my network".into()];
            batch.stations[0].retries = 1;
            batch.stations.push(stranger);
            let capture = batch.capture.as_mut().unwrap();
            (capture.kernel_drops, capture.interface_drops, capture.without_ta) = (Some(seq % 3), Some(0), 4);
            batch.channels = vec![
                Channel { freq_mhz: 2_412, listened_ms: Some(6_000), frames: 10, bytes: 1_000 },
                Channel { freq_mhz: 5_180, listened_ms: Some(4_000), frames: 9, bytes: 900 },
            ];
            records.push(Record::Batch(Box::new(batch)));
        }
        let Some(Record::Batch(last)) = records.last().cloned() else { unreachable!() };
        records.push(Record::Gap(Gap {
            schema: GAP_SCHEMA.into(),
            site: "home".into(),
            sensor: sensor.into(),
            run: last.identity.run,
            reason: GapReason::Evicted,
            first_seq: windows,
            last_seq: Some(windows + 1),
            start: last.end,
            end: last.end.saturating_add(Duration::from_secs(20)),
            frames: Some(99),
            detail: Some("privacy".into()),
            stamping: None,
            ingest: None,
            withdrawn: false,
        }));
    }
    records
}
