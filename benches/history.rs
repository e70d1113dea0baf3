//! A history as a fleet fills it in weeks, and how long its questions take.
//!
//!     history make FILE [DAYS SENSORS STATIONS]   7 20 100 where absent; 10-second windows
//!     history ask FILE
//!
//! `make` stores windows with the program's own sink, each at its own time: what the tiers hold in the end is what they would
//! hold. For the 23 days before those, windows are ten minutes long: the hours of 30 days are all there, and made sooner.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::cast_precision_loss)]

use airtally::{
    Mac, UnixNanos, config,
    sink::{
        History, Sqlite,
        history::{
            Order, Paging, Range, Scope,
            query::{NetworkSort, StationFilter, StationSort},
        },
    },
    wire::{
        Address, BATCH_SCHEMA, Batch, Capture, Channel, Identity, Record, Role, STAMPING, Signal, Station, TimeSource,
    },
};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use uuid::Uuid;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Of the stations of a sensor: access points, tracked ones, randomised ones; one in so many.
const ONE_IN: [u64; 3] = [10, 4, 3];

/// A number that looks like chance (SplitMix64).
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn station(sensor: u64, n: u64, chance: u64, start: UnixNanos, end: UnixNanos) -> Station {
    let access_point = n.is_multiple_of(ONE_IN[0]);
    let randomised = !access_point && n.is_multiple_of(ONE_IN[2]);
    let local = if randomised { 0x0200_0000_0000 } else { 0x0014_0000_0000 };
    let of = |n: u64| Address::Mac(Mac::from_u64(local | (sensor << 16) | n));
    let access_point_of =
        |n: u64| Address::Mac(Mac::from_u64(0x0014_0000_0000 | (sensor << 16) | (n / ONE_IN[0] * ONE_IN[0])));
    let frames = 1 + chance % 40;
    Station {
        mac: of(n),
        vendor: (!randomised).then(|| format!("Vendor {} Corporation", n % 23)),
        randomised,
        tracked: !randomised && n.is_multiple_of(ONE_IN[1]),
        role: if access_point { Role::AccessPoint } else { Role::Client },
        frames_sent: frames,
        bytes_sent: frames * (80 + chance % 900),
        frames_received: chance % 20,
        management: frames / 3,
        control: 0,
        data: frames - frames / 3,
        retries: chance % 3,
        signal_dbm: Some(Signal { min: -80, mean: -60.0 - (chance % 90) as f64 / 10.0, max: -55, frames }),
        freqs_mhz: vec![[2_412, 2_437, 2_462][usize::try_from(n % 3).unwrap_or(0)]],
        bssid: Some(access_point_of(n)),
        ssids: if access_point { vec![format!("network {sensor} {n}")] } else { Vec::new() },
        ssids_left_out: None,
        security: access_point.then(|| "WPA2/WPA3".into()),
        channel: access_point.then_some(6),
        width_mhz: access_point.then_some(20),
        first_seen: UnixNanos(start.0 + i64::try_from(chance % 1_000_000_000).unwrap_or(0)),
        last_seen: UnixNanos(end.0 - 1 - i64::try_from(chance % 1_000_000_000).unwrap_or(0)),
    }
}

fn window(sensor: u64, seq: u64, stations: u64, start: UnixNanos, length: i64) -> Record {
    let end = UnixNanos(start.0 + length);
    let chance = |n: u64| mixed(mixed(sensor << 40 | seq) ^ n);
    let stations: Vec<Station> = (0..stations).map(|n| station(sensor, n, chance(n), start, end)).collect();
    let frames = stations.iter().map(|station| station.frames_sent).sum();
    let bytes = stations.iter().map(|station| station.bytes_sent).sum();
    let listened = u64::try_from(length / 1_000_000 / 3).ok();
    let channel = |freq_mhz| Channel { freq_mhz, listened_ms: listened, frames: frames / 3, bytes: bytes / 3 };
    Record::Batch(Box::new(Batch {
        schema: BATCH_SCHEMA.into(),
        identity: Identity {
            site: "bench".into(),
            sensor: format!("pi-{sensor:02}"),
            run: Uuid::from_u128((u128::from(sensor) << 64) | u128::from(length.unsigned_abs())),
            seq,
        },
        part: 0,
        parts: 1,
        flow_parts: None,
        alert_parts: None,
        people: Vec::new(),
        start,
        end,
        clock: TimeSource::System,
        last: false,
        stamping: Some(STAMPING),
        capture: Some(Capture { frames, bytes, station_frames: frames, kernel_drops: Some(0), ..Capture::default() }),
        subtypes: [("0x0008".to_owned(), frames / 2), ("0x0020".to_owned(), frames - frames / 2)].into(),
        channels: [2_412, 2_437, 2_462].map(channel).into(),
        stations,
        vendors: Vec::new(),
        distinct: None,
    }))
}

fn make(path: &Path, days: i64, sensors: u64, stations: u64) {
    let config = config::Sqlite { path: path.to_owned(), ..config::Sqlite::default() };
    let mut sink = Sqlite::open(&config).expect("a history");
    let now = UnixNanos::now().align_down(Duration::from_secs(3_600)).0;
    let begun = Instant::now();
    let mut fill = |from: i64, to: i64, length: i64, at_once: i64| {
        let (mut start, mut seq) = (from, 0);
        while start < to {
            let mut records = Vec::new();
            for _ in 0..at_once {
                records.extend((0..sensors).map(|sensor| window(sensor, seq, stations, UnixNanos(start), length)));
                (start, seq) = (start + length, seq + 1);
            }
            sink.store_as_of(&records, UnixNanos(start)).expect("stored");
            if seq % 8_640 < u64::try_from(at_once).unwrap_or(1) {
                println!("{:.0} s: {} to go", begun.elapsed().as_secs_f64(), (to - start) / DAY);
            }
        }
    };
    fill(now - 30 * DAY, now - days * DAY, 600 * SECOND, 1);
    fill(now - days * DAY, now, 10 * SECOND, 12);
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or(0)
}

fn ask(path: &Path) {
    println!("file: {} MiB", size(path) >> 20);
    let now = UnixNanos::now().align_down(Duration::from_secs(3_600));
    let last = |length: i64| Range { from: UnixNanos(now.0 - length), to: now };
    let (all, hour) = (Scope::default(), Duration::from_secs(3_600));
    let one = Scope { site: None, sensor: Some("pi-07".into()) };
    let time = |name: &str, question: &dyn Fn(&History) -> String| {
        // The second time: what a page that is looked at costs.
        for _ in 0..2 {
            let begun = Instant::now();
            let history = History::open(path).expect("a history");
            let answer = question(&history);
            println!("{name}: {:.0} ms ({answer})", begun.elapsed().as_secs_f64() * 1e3);
        }
    };
    let (week, month) = (last(7 * DAY), last(30 * DAY));
    let series = |history: &History, range, step, scope: &Scope| {
        let page = history.series(range, step, scope).expect("an answer");
        format!("{} rows, {:?}", page.items.len(), page.tier)
    };
    time("series, hour by 1 minute", &|history| series(history, last(DAY / 24), Duration::from_secs(60), &all));
    time("series, day by 10 minutes", &|history| series(history, last(DAY), hour / 6, &all));
    time("series, 7 days by 1 hour", &|history| series(history, week, hour, &all));
    time("series, 7 days by 1 hour, one sensor", &|history| series(history, week, hour, &one));
    time("series, 30 days by 6 hours", &|history| series(history, month, hour * 6, &all));
    time("sensors, 7 days", &|history| format!("{}", history.sensors(week, &all).expect("an answer").items.len()));
    time("sensors, 30 days", &|history| format!("{}", history.sensors(month, &all).expect("an answer").items.len()));
    for (name, range) in
        [("10 minutes", last(DAY / 144)), ("hour", last(DAY / 24)), ("7 days", week), ("30 days", month)]
    {
        time(&format!("stations, {name}"), &|history| {
            let sort = (StationSort::Frames, Order::Descending);
            let page = history.stations(range, &all, &StationFilter::default(), sort, &Paging::default());
            let page = page.expect("an answer");
            format!("{} rows, {:?}", page.items.len(), page.tier)
        });
        time(&format!("networks, {name}"), &|history| {
            let sort = (NetworkSort::Signal, Order::Descending);
            let page = history.networks(range, &all, None, sort, &Paging::default()).expect("an answer");
            format!("{} rows, {:?}", page.items.len(), page.tier)
        });
    }
    time("channels, 7 days", &|history| {
        format!("{}", history.channels(week, None, &all).expect("an answer").items.len())
    });
    time("vendors, 7 days", &|history| {
        format!("{}", history.vendors(week, &all, &Paging::default()).expect("an answer").items.len())
    });
    time("windows, the newest 100", &|history| {
        let page = history.windows(week, &all, Order::Descending, &Paging::default()).expect("an answer");
        format!("{}", page.items.len())
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, default: u64| arguments.get(n).and_then(|text| text.parse().ok()).unwrap_or(default);
    match arguments.first().map(String::as_str).zip(arguments.get(1)) {
        Some(("make", file)) => {
            make(Path::new(file), i64::try_from(number(2, 7)).unwrap_or(7), number(3, 20), number(4, 100));
        }
        Some(("ask", file)) => ask(Path::new(file)),
        _ => println!("history make FILE [DAYS SENSORS STATIONS] | history ask FILE"),
    }
}
