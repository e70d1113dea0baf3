//! The tiers against each other: whatever comes in whatever order, and whatever is deleted, each count is what was stored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{
    super::{coarse, detail},
    *,
};
use crate::{
    Mac,
    sink::history::{
        Counts, History, Paging, Range, Scope,
        query::{StationFilter, StationSort, Untold},
    },
    sketch::{DayKey, SiteSecret, Sketch},
    units::Bytes,
    wire::{BATCH_SCHEMA, Capture, Channel, Distinct, Identity, Role, Signal, Station, TimeSource, Vendor},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Monday, at a whole hour.
const NOON: i64 = 1_699_876_800_000_000_000;
const SECOND: i64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3_600);

fn writer(path: &Path) -> Writer {
    let config = config::Sqlite {
        path: path.to_owned(),
        retention: Some(HOUR),
        minutes: HOUR * 3,
        hours: HOUR * 1_000,
        max_bytes: Bytes(256 << 20),
        ..config::Sqlite::default()
    };
    Writer::open(&config).unwrap()
}

/// A part of a window. What is in it follows from `seed` alone.
fn part(sensor: u8, seq: u64, part: u32, parts: u32, seed: u64) -> Batch {
    let start = UnixNanos(NOON + i64::try_from(seq).unwrap() * 10 * SECOND);
    let end = UnixNanos(start.0 + 10 * SECOND);
    let station = |n: u64| {
        let frames = 1 + (seed >> n) % 50;
        Station {
            mac: Address::Mac(Mac::from_u64((u64::from(part) << 8) + (seed + n) % 12)),
            vendor: n.is_multiple_of(3).then(|| format!("Vendor {}", n % 2)),
            randomised: (seed + n) % 12 > 8,
            tracked: (seed + n) % 12 < 3,
            role: if (seed + n) % 12 == 5 { Role::AccessPoint } else { Role::Client },
            frames_sent: frames,
            bytes_sent: frames * 100,
            frames_received: n,
            management: frames / 2,
            control: 0,
            data: frames - frames / 2,
            retries: n % 2,
            signal_dbm: n.is_multiple_of(2).then(|| Signal { min: -70, mean: -60.5, max: -50, frames }),
            freqs_mhz: vec![2_412],
            bssid: None,
            ssids: Vec::new(),
            ssids_left_out: None,
            security: None,
            channel: None,
            width_mhz: None,
            first_seen: start,
            last_seen: UnixNanos(end.0 - 1),
        }
    };
    let stations: Vec<Station> = (0..seed % 9).map(station).collect();
    let withheld = Vendor {
        vendor: Some("Withheld".into()),
        randomised: false,
        stations: 2,
        frames_sent: seed % 7,
        bytes_sent: seed,
        management: 0,
        control: 0,
        data: seed % 7,
        retries: 0,
    };
    let whole = part == 0;
    let capture = Capture {
        frames: seed % 1_000,
        bytes: seed % 10_000,
        station_frames: stations.iter().map(|station| station.frames_sent).sum::<u64>() + withheld.frames_sent,
        bad_fcs: seed % 3,
        kernel_drops: seed.is_multiple_of(2).then_some(seed % 5),
        off_ms: Some(seed % 100),
        ..Capture::default()
    };
    let channel = Channel { freq_mhz: 2_412, listened_ms: Some(seed % 10_000), frames: seed % 90, bytes: seed % 900 };
    Batch {
        schema: BATCH_SCHEMA.into(),
        identity: Identity {
            site: "home".into(),
            sensor: format!("pi-{sensor}"),
            run: Uuid::from_u128(sensor.into()),
            seq,
        },
        part,
        parts,
        flow_parts: None,
        alert_parts: None,
        start,
        end,
        clock: TimeSource::System,
        last: false,
        capture: whole.then_some(capture),
        stamping: None,
        subtypes: if whole { [("0x0008".to_owned(), seed % 11)].into() } else { BTreeMap::new() },
        channels: if whole { vec![channel] } else { Vec::new() },
        stations,
        vendors: if whole { vec![withheld] } else { Vec::new() },
        people: Vec::new(),
        distinct: None,
    }
}

/// What must come out, whichever tier tells it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Truth {
    counts: Counts,
    stations_sum: u64,
    listened: u64,
    vendor_frames: u64,
    named_frames: u64,
}

fn truth(batches: &[Batch]) -> Truth {
    let mut truth = Truth::default();
    for batch in batches {
        truth.stations_sum += Kinds::of(batch).total();
        if let Some(capture) = &batch.capture {
            let listened_ms = batch.channels.iter().filter_map(|channel| channel.listened_ms).reduce(|a, b| a + b);
            truth.counts.add(&Counts {
                windows: 1,
                covered_ms: 10_000,
                listened_ms,
                off_ms: capture.off_ms,
                frames: capture.frames,
                bytes: capture.bytes,
                station_frames: capture.station_frames,
                bad_fcs: capture.bad_fcs,
                kernel_drops: capture.kernel_drops,
                ..Counts::default()
            });
            truth.listened += listened_ms.unwrap_or(0);
        }
        truth.vendor_frames += batch.stations.iter().map(|station| station.frames_sent).sum::<u64>();
        truth.vendor_frames += batch.vendors.iter().map(|vendor| vendor.frames_sent).sum::<u64>();
        let named = batch.stations.iter().filter(|station| station.tracked || station.role == Role::AccessPoint);
        truth.named_frames += named.map(|station| station.frames_sent).sum::<u64>();
    }
    truth
}

/// The same by the questions. Stations that have no name in sums may or may not have one here.
fn told(history: &History, range: Range) -> Truth {
    let scope = Scope::default();
    let mut told = Truth::default();
    for row in history.sensors(range, &scope).unwrap().items {
        told.counts.add(&row.counts);
        told.stations_sum += row.stations.sum.total();
    }
    let paging = Paging { limit: 1_000, cursor: None };
    told.listened = history.channels(range, None, &scope).unwrap().items.iter().filter_map(|row| row.listened_ms).sum();
    told.vendor_frames = history.vendors(range, &scope, &paging).unwrap().items.iter().map(|row| row.frames_sent).sum();
    let sort = (StationSort::Frames, crate::sink::history::Order::Descending);
    let stations = history.stations(range, &scope, &StationFilter::default(), sort, &paging).unwrap();
    // By the rows of windows of stations with names: tracked in one window and not in another, they are summed otherwise.
    told.named_frames = stations.items.iter().map(|row| row.frames_sent).sum();
    told
}

fn parts_of(sensors: u8, windows: u64) -> impl Strategy<Value = Vec<Batch>> {
    proptest::collection::btree_map((0..sensors, 0..windows), (1_u32..=3, any::<u32>()), 1..80)
        .prop_map(|windows| {
            let mut batches = Vec::new();
            for ((sensor, seq), (parts, seed)) in windows {
                batches.extend((0..parts).map(|n| part(sensor, seq, n, parts, u64::from(seed) + u64::from(n))));
            }
            batches
        })
        .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_count_is_the_same_in_every_tier(
        batches in parts_of(3, 2_000),
        again in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        killed in any::<prop::sample::Index>(),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history.sqlite");
        let mut writer = writer(&path);
        let expected = truth(&batches);
        let record = |batch: &Batch| Record::Batch(Box::new(batch.clone()));
        let mut now = UnixNanos(NOON);
        let killed = killed.index(batches.len());
        for (n, batch) in batches.iter().enumerate() {
            // Some come soon after each other, some long after: rolled up and gone by then.
            now = now.saturating_add(Duration::from_secs(if n % 7 == 0 { 1_500 } else { 3 }));
            writer.store(&[record(batch)], now).unwrap();
            if n == killed {
                // As after a kill amid a transaction: what it did is undone.
                let transaction = writer.connection.transaction().unwrap();
                roll::roll(&transaction, i64::MAX >> 1, now).unwrap();
                transaction.rollback().unwrap();
                writer = self::writer(&path);
            }
        }
        for index in &again {
            writer.store(&[record(index.get(&batches))], now).unwrap();
        }
        let history = History::open(&path).unwrap();
        let total = || {
            let told = told(&history, Range::ALL);
            (told.counts, told.stations_sum, told.listened, told.vendor_frames)
        };
        let wanted = (expected.counts.clone(), expected.stations_sum, expected.listened, expected.vendor_frames);
        prop_assert_eq!(total(), wanted.clone());
        // Everything grows old, windows first, then minutes.
        for hours in [2_u64, 4, 6, 8] {
            let later = now.saturating_add(HOUR * u32::try_from(hours).unwrap());
            for _ in 0..20 {
                writer.store(&[], later).unwrap();
            }
            prop_assert_eq!(total(), wanted.clone(), "after {} hours", hours);
        }
        let left = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            writer.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        prop_assert_eq!((left("windows"), left("minutes"), left("minute_details")), (0, 0, 0));
        prop_assert!(left("hours") > 0);
        // What is gone is known to have been counted.
        for batch in &batches {
            writer.store(&[record(batch)], now.saturating_add(HOUR * 9)).unwrap();
        }
        prop_assert_eq!(total(), wanted.clone());
        // Minutes alone, and hours alone, add up to the same over steps of theirs.
        let (first, last) = (UnixNanos(NOON), UnixNanos(NOON + 20_000 * SECOND + 3_600 * SECOND));
        let range = Range { from: first, to: last };
        let series = history.series(range, HOUR, &Scope::default()).unwrap();
        let mut counts = Counts::default();
        series.items.iter().filter_map(|row| row.counts.as_ref()).for_each(|row| counts.add(row));
        prop_assert_eq!(counts, wanted.0);
        // Named stations are named still.
        let named = told(&history, Range::ALL).named_frames;
        prop_assert_eq!(named, expected.named_frames);
    }
}

/// Addresses that may have no history of their own are in no file of the coarser tiers.
#[test]
fn minutes_and_hours_name_tracked_stations_and_access_points_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path);
    let batch = part(0, 0, 0, 1, 8 + 9 * 5);
    writer.store(&[Record::Batch(Box::new(batch.clone()))], UnixNanos(NOON)).unwrap();
    writer.store(&[], UnixNanos(NOON).saturating_add(HOUR * 2)).unwrap();
    for tier in [coarse::Coarse::Minutes, coarse::Coarse::Hours] {
        let sql = format!("SELECT detail FROM {}", tier.details());
        let packed: Vec<u8> = writer.connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        let detail = detail::Detail::unpack(&packed).unwrap();
        let may = |station: &&Station| station.tracked || station.role == Role::AccessPoint;
        let named: Vec<Address> = batch.stations.iter().filter(may).map(|station| station.mac).collect();
        assert_eq!(detail.stations.len(), named.len());
        assert!(!named.is_empty() && named.len() < batch.stations.len());
        assert!(named.iter().all(|address| detail.stations.contains_key(address)));
        let unnamed = batch.stations.len() as u64 - named.len() as u64;
        assert_eq!(detail.other.stations + detail.randomised.stations, unnamed);
    }
}

/// A window of `sensor` that heard these stations.
fn heard(site: &str, sensor: u8, seq: u64, key: &DayKey, stations: std::ops::Range<u64>) -> Record {
    let mut batch = part(sensor, seq, 0, 1, 0);
    batch.identity.site = site.into();
    let mut sketch = Sketch::new();
    stations.for_each(|station| sketch.add(key, Mac::from_u64(station)));
    batch.distinct = Some(Distinct::new(key, &sketch));
    Record::Batch(Box::new(batch))
}

#[test]
fn distinct_stations_are_merged_over_windows_and_sensors_and_never_over_keys() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("history.sqlite");
    let mut writer = writer(&path);
    let secret = SiteSecret::new(19_675, [1; 32]);
    let (today, tomorrow) = (secret.key(), secret.on(19_676).unwrap().key());
    let shop = SiteSecret::new(19_675, [2; 32]).key();
    let at = |seconds: u64| UnixNanos(NOON + i64::try_from(seconds).unwrap() * SECOND);
    let windows = [
        heard("home", 1, 0, &today, 0..100),
        heard("home", 1, 1, &today, 50..150),
        heard("home", 2, 7, &today, 100..200), // the second minute
        heard("home", 1, 400, &today, 0..300), // the second hour
        heard("shop", 3, 0, &shop, 0..40),
        heard("home", 1, 3_600, &tomorrow, 0..10),
    ];
    writer.store(&windows, at(100)).unwrap();
    // Once more, as a replay does.
    writer.store(&windows, at(110)).unwrap();
    let told = |from: u64, to: u64, step: Option<Duration>, site: Option<&str>| {
        let scope = Scope { site: site.map(str::to_owned), sensor: None };
        let history = History::open(&path).unwrap();
        let rows = history.distinct(Range { from: at(from), to: at(to) }, step, &scope).unwrap().items;
        rows.into_iter().map(|row| (row.site, row.sensors, row.stations, row.untold)).collect::<Vec<_>>()
    };
    let row = |site: &str, sensors, stations, untold| (site.to_owned(), sensors, stations, untold);
    assert_eq!(told(0, 60, None, Some("home")), [row("home", 1, Some(150), None)]);
    assert_eq!(told(0, 3_600, None, None), [row("home", 2, Some(200), None), row("shop", 1, Some(40), None)]);
    assert_eq!(told(0, 7_200, Some(HOUR), Some("home")).len(), 2);
    // A minute, an hour and a minute.
    assert_eq!(told(60, 7_260, None, Some("home")), [row("home", 2, Some(300), None)]);
    let several = Some(Untold::SeveralKeys);
    assert_eq!(told(0, 40_000, None, Some("home")), [row("home", 2, None, several)]);
    assert_eq!(told(9_000, 30_000, None, None), []);
    // The minutes are gone.
    writer.store(&[heard("home", 1, 4_000, &tomorrow, 0..10)], at(200 + 3 * 3_600)).unwrap();
    assert_eq!(told(0, 3_600, None, Some("home")), [row("home", 2, Some(200), None)]);
    assert_eq!(told(0, 60, None, Some("home")), [row("home", 0, None, Some(Untold::WholeHoursOnly))]);
}

#[test]
fn in_a_full_history_sketches_give_way_first() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("history.sqlite");
    let mut writer = writer(&path);
    writer.config.max_bytes = Bytes(2 << 20);
    let key = SiteSecret::new(19_675, [1; 32]).key();
    let Record::Batch(first) = heard("home", 1, 0, &key, 0..1_000) else { panic!("a batch") };
    for seq in 0..900 {
        let mut batch = part(1, seq * 6, 0, 1, 0);
        batch.distinct.clone_from(&first.distinct);
        writer.store(&[Record::Batch(Box::new(batch))], UnixNanos(NOON)).unwrap();
    }
    let sum = |sql: &str| writer.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let octets = sum("SELECT sum(length(sketch) + 120) FROM sketches");
    assert_eq!(octets, sum("SELECT value FROM progress WHERE key = 'sketches'"));
    let used = (sum("PRAGMA page_count") - sum("PRAGMA freelist_count")) * 4_096;
    assert!(used <= 2 << 20 && octets > used / 8, "{octets} of {used}");
    let left = sum("SELECT count(*) FROM sketches WHERE seconds = 60");
    assert!(left < 800 && left > 50, "{left}");
    assert_eq!(sum("SELECT count(*) FROM windows"), 900);
}
