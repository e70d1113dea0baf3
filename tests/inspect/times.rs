//! Times of capture that cannot be right: windows, spans and notes, whatever the number of threads, from a file and
//! from a pipe. Where all times are right, windows agree with tshark's times.

use crate::support::{
    corpus::Corpus,
    program::{self, small_registry},
    temp_dir,
};
use airtally::UnixNanos;
use proptest::prelude::*;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
/// 2023-11-14T22:13:20Z.
const NOW: u32 = 1_700_000_000;

/// A beacon of an open network, without a radio header.
fn beacon() -> Vec<u8> {
    let mut frame = vec![0x80, 0, 0, 0];
    frame.extend([0xff; 6]);
    frame.extend([0xb8, 0x27, 0xeb, 0, 0, 1].repeat(2));
    frame.extend([0, 0]);
    frame.extend([0; 8]);
    frame.extend([100, 0, 1, 0, 0, 3, b'a', b'b', b'c']);
    frame
}

fn header(magic: u32) -> Vec<u8> {
    [magic, 0x0004_0002, 0, 0, 0x0004_0000, 105].map(u32::to_le_bytes).concat()
}

fn record(second: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u32;
    [[second, fraction, len, len].map(u32::to_le_bytes).concat(), data.to_vec()].concat()
}

/// A capture of beacons with these stamps.
fn capture(magic: u32, stamps: &[(u32, u32)]) -> Vec<u8> {
    let records = stamps.iter().flat_map(|&(second, fraction)| record(second, fraction, &beacon()));
    header(magic).into_iter().chain(records).collect()
}

fn seconds(count: u32) -> Vec<(u32, u32)> {
    (0..count).map(|second| (NOW + second, 500_000)).collect()
}

fn write(dir: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, octets).unwrap();
    path
}

fn inspect(path: &Path, arguments: &[&str]) -> (String, String) {
    let before = ["inspect", "--oui"].map(OsStr::new).into_iter().chain([small_registry().as_os_str()]);
    let output = program::run(before.chain(arguments.iter().map(OsStr::new)).chain([path.as_os_str()]));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", program::text(&output));
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// The windows' starts in seconds, with their frames, late ones, and those whose time was mended.
fn windows(path: &Path) -> Vec<(u32, u64, u64, u64)> {
    let (text, _) = inspect(path, &["--window", "10s"]);
    text.lines()
        .map(|line| {
            let batch: Value = serde_json::from_str(line).unwrap();
            let start: UnixNanos = batch["start"].as_str().unwrap().parse().unwrap();
            let count = |key: &str| batch["capture"][key].as_u64().unwrap_or(0);
            let second = u32::try_from(start.0 / 1_000_000_000).unwrap();
            (second, count("frames"), count("late"), count("mended_times"))
        })
        .collect()
}

fn document(path: &Path) -> Value {
    serde_json::from_str(&inspect(path, &["--format", "json"]).0).unwrap()
}

fn notes(document: &Value) -> String {
    document["warnings"].to_string()
}

/// Ten seconds a window, a beacon a second, and `mended` of them in all.
fn assert_even(path: &Path, frames: u64, mended: u64) {
    let windows = windows(path);
    assert_eq!(windows.iter().map(|window| window.1).sum::<u64>(), frames, "{windows:?}");
    assert_eq!(windows.iter().map(|window| window.2).sum::<u64>(), 0, "{windows:?}");
    assert_eq!(windows.iter().map(|window| window.3).sum::<u64>(), mended, "{windows:?}");
    for (at, (second, count, ..)) in windows.iter().enumerate() {
        // The first packet's own time may be the one that was mended.
        let begins = *second == NOW + 10 * at as u32 || (at == 0 && mended > 0 && *second == NOW + 1);
        assert!(begins, "{windows:?}");
        assert!((8..=12).contains(count) || at + 1 == windows.len(), "{windows:?}");
    }
    let document = document(path);
    assert_eq!(document["frames"], frames);
    assert!(document["first_time"].as_str().unwrap().starts_with("2023-11-14T22:13:"), "{document}");
    assert!(document["last_time"].as_str().unwrap().starts_with("2023-11-14T22:1"), "{document}");
    assert_eq!(notes(&document).contains("mended"), mended > 0, "{}", notes(&document));
}

#[test]
fn fractions_below_zero_and_in_nanoseconds_are_read_as_what_they_are() {
    let dir = temp_dir();
    for fraction in [-1i32, -14, -999_999] {
        let mut stamps = seconds(46);
        stamps[5] = (NOW + 6, fraction.cast_unsigned());
        stamps[20].1 = fraction.cast_unsigned();
        assert_even(&write(dir.path(), "below", &capture(MICROS, &stamps)), 46, 2);
    }
    // airodump-ng's: 14 microseconds before the second 6.
    let mut stamps = seconds(12);
    stamps[5] = (NOW + 6, (-14i32).cast_unsigned());
    let path = write(dir.path(), "airodump", &capture(MICROS, &stamps[..6]));
    assert_eq!(document(&path)["last_time"], "2023-11-14T22:13:25.999986000Z");

    // Nanoseconds under the magic number of microseconds, some of them small enough for either.
    let stamps: Vec<_> = (0..46).map(|at| (NOW + at, if at % 12 == 11 { 999_999 } else { 123_456_789 })).collect();
    let path = write(dir.path(), "nanos", &capture(MICROS, &stamps));
    assert_even(&path, 46, 46);
    let path = write(dir.path(), "nanos", &capture(MICROS, &stamps[..12]));
    assert_eq!(document(&path)["last_time"], "2023-11-14T22:13:31.000999999Z");
    assert_even(&write(dir.path(), "nanos", &capture(NANOS, &stamps)), 46, 0);
    // Neither: the second counts.
    let mut stamps = seconds(46);
    stamps[7].1 = 2_000_000_000;
    assert_even(&write(dir.path(), "neither", &capture(MICROS, &stamps)), 46, 1);
}

#[test]
fn one_wild_stamp_does_not_drag_the_others_along() {
    let dir = temp_dir();
    for wild in [0, 1, NOW - 86_400, NOW - 1_000, NOW + 3_600, NOW + 40_000_000, 0x7fff_ffff, u32::MAX] {
        for places in [&[30][..], &[30, 31], &[5, 40, 77], &[1], &[88]] {
            let mut stamps = seconds(91);
            places.iter().for_each(|&place| stamps[place].0 = wild);
            assert_even(&write(dir.path(), "wild", &capture(MICROS, &stamps)), 91, places.len() as u64);
        }
    }
    for place in [0, 90] {
        let mut stamps = seconds(91);
        stamps[place].0 = u32::MAX;
        assert_even(&write(dir.path(), "wild", &capture(MICROS, &stamps)), 91, 1);
    }
    let (points, _) = inspect(&write(dir.path(), "wild", &capture(MICROS, &seconds(91))), &["--format", "influx"]);
    assert!(!points.contains("mended_times"));
    let mut stamps = seconds(91);
    stamps[30].0 = u32::MAX;
    let (points, _) = inspect(&write(dir.path(), "wild", &capture(MICROS, &stamps)), &["--format", "influx"]);
    assert!(points.contains("mended_times=1i"));
    let stamp = |line: &str| line.rsplit(' ').next().unwrap()[..10].parse::<u32>().unwrap();
    assert!(points.lines().all(|line| (NOW..NOW + 100).contains(&stamp(line))), "{points}");
}

#[test]
fn a_clock_that_was_set_has_its_windows_where_it_stands() {
    let dir = temp_dir();
    let learnt: Vec<_> = (0..20).map(|at| (at, 0)).chain(seconds(20)).collect();
    let starts = |stamps: &[(u32, u32)]| {
        let path = write(dir.path(), "set", &capture(MICROS, stamps));
        assert!(notes(&document(&path)).contains("the clock was set once"));
        let windows = windows(&path);
        assert!(windows.iter().all(|&(_, frames, late, mended)| (frames, late, mended) == (10, 0, 0)), "{windows:?}");
        windows.iter().map(|window| window.0).collect::<Vec<_>>()
    };
    assert_eq!(starts(&learnt), [0, 10, NOW, NOW + 10]);
    let forgot: Vec<_> = seconds(20).into_iter().chain((0..20).map(|at| (at, 0))).collect();
    assert_eq!(starts(&forgot), [NOW, NOW + 10, 0, 10]);
    let back: Vec<_> = seconds(20).into_iter().chain((0..20).map(|at| (NOW - 7_200 + at, 0))).collect();
    assert_eq!(starts(&back), [NOW, NOW + 10, NOW - 7_200, NOW - 7_190]);
}

#[test]
fn a_hole_of_zeros_is_said_and_has_no_time_of_its_own() {
    let dir = temp_dir();
    let whole = capture(MICROS, &seconds(40));
    let place = 24 + 20 * (16 + beacon().len());
    let mut holed = whole.clone();
    holed.splice(place..place, vec![0; 512]);
    let path = write(dir.path(), "hole", &holed);
    let document = document(&path);
    assert_eq!((document["frames"].as_u64(), document["malformed"].as_u64()), (Some(72), Some(32)));
    assert!(document["first_time"].as_str().unwrap().starts_with("2023-"), "{document}");
    assert!(notes(&document).contains("32 records are nothing but zeros"), "{}", notes(&document));
    let frames: Vec<_> = windows(&path).iter().map(|window| window.1).collect();
    assert_eq!(frames, [10, 42, 10, 10]);
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let body = [body, &vec![0; body.len().wrapping_neg() % 4]].concat();
    let len = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes(), &len[..], &body, &len].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX].map(u32::to_le_bytes).concat())
}

fn interface(options: &[u8]) -> Vec<u8> {
    block(1, &[&105u32.to_le_bytes(), &[0; 4], options].concat())
}

fn enhanced(units: u64) -> Vec<u8> {
    let (data, len) = (beacon(), beacon().len() as u32);
    let head = [0, (units >> 32) as u32, units as u32, len, len].map(u32::to_le_bytes).concat();
    block(6, &[head, data].concat())
}

fn simple() -> Vec<u8> {
    block(3, &[(beacon().len() as u32).to_le_bytes().to_vec(), beacon()].concat())
}

#[test]
fn nanoseconds_that_no_option_tells_are_nanoseconds() {
    let dir = temp_dir();
    let packets = (0..30).flat_map(|at| enhanced(u64::from(NOW + at) * 1_000_000_000));
    let path =
        write(dir.path(), "untold", &section().into_iter().chain(interface(&[])).chain(packets).collect::<Vec<_>>());
    assert_even(&path, 30, 30);
    // Told microseconds, and yet beyond every calendar: no time.
    let told = interface(&[9, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    let path = write(dir.path(), "told", &[section(), told, enhanced(u64::MAX)].concat());
    let document = document(&path);
    assert_eq!((&document["first_time"], &document["frames"]), (&Value::Null, &1.into()));
}

#[test]
fn simple_packets_have_no_time_and_never_1970() {
    let dir = temp_dir();
    let path = write(dir.path(), "simple", &[section(), interface(&[]), simple(), simple()].concat());
    let answer = document(&path);
    assert_eq!(answer["frames"], 2);
    let station = &answer["stations"][0];
    for time in [&answer["first_time"], &answer["last_time"], &station["first_seen"], &station["last_seen"]] {
        assert_eq!(time, &Value::Null, "{answer}");
    }
    assert!(notes(&answer).contains("before the first that has a time"), "{answer}");
    let (text, said) = inspect(&path, &["--window", "10s"]);
    assert!(text.is_empty() && said.contains("no times of capture"), "{said}");
    for form in ["table", "csv"] {
        assert!(!inspect(&path, &["--format", form]).0.contains("1970"));
    }
    // Beside others they have the time of the one before them.
    let told = enhanced(u64::from(NOW) * 1_000_000);
    let path = write(dir.path(), "mixed", &[section(), interface(&[]), simple(), told, simple()].concat());
    let answer = document(&path);
    assert_eq!((&answer["frames"], &answer["first_time"]), (&3.into(), &answer["last_time"]));
    assert_eq!(answer["stations"][0]["first_seen"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(windows(&path), [(NOW, 2, 0, 1)]);
    let since = inspect(&path, &["--format", "json", "--since", "1980-01-01T00:00:00Z"]).0;
    assert!(since.contains("\"frames\":2"), "{since}");
}

/// Stamps with every kind of trouble now and then; large frames, so that the capture can be divided.
fn troubled(seed: u64, faults: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut octets, mut second) = (header(MICROS), NOW);
    let data = [beacon(), vec![0; 4_000]].concat();
    while octets.len() < 9 << 20 {
        second += random(2) as u32;
        let (mut stamp, mut fraction) = (second, random(1_000_000) as u32);
        if random(4_000) < faults {
            match random(5) {
                0 => stamp = [0, u32::MAX, NOW - 90_000, NOW + 9_000_000][random(4) as usize],
                1 => fraction = (-(random(999_999) as i32) - 1).cast_unsigned(),
                2 => fraction = 1_000_000 + random(900_000_000) as u32,
                3 => second = if random(2) == 0 { second + 100_000 } else { second - 50_000 },
                _ => octets.extend([0; 16]),
            }
        }
        octets.extend(record(stamp.max(if stamp == 0 { 0 } else { 1 }), fraction, &data));
    }
    octets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn threads_and_pipes_make_no_difference(seed: u64, faults in prop_oneof![Just(0u64), Just(1), 1u64..60]) {
        let dir = temp_dir();
        let path = write(dir.path(), "troubled", &troubled(seed, faults));
        let run = |threads: &str, pipe: bool, window: bool| {
            let mut command = program::airtally();
            command.args(["inspect", "--threads", threads, "--oui"]).arg(small_registry());
            if window { command.args(["--window", "10s"]) } else { command.args(["--format", "json"]) };
            if pipe {
                // In pieces of another size than a file is read in.
                let mut cat = Command::new("dd")
                    .arg(format!("if={}", path.display())).args(["bs=7001", "status=none"])
                    .stdout(Stdio::piped()).spawn().unwrap();
                command.arg("-").stdin(cat.stdout.take().unwrap());
                let output = command.output().unwrap();
                cat.wait().unwrap();
                return output.stdout;
            }
            command.arg(&path).stdin(File::open("/dev/null").unwrap()).output().unwrap().stdout
        };
        let named = |output: Vec<u8>| {
            String::from_utf8(output).unwrap().replace(&path.display().to_string(), "standard input")
        };
        let one = named(run("1", false, false));
        prop_assert!(one.contains("\"frames\":"));
        prop_assert_eq!(&one, &named(run("2", false, false)));
        prop_assert_eq!(&one, &named(run("8", false, false)));
        prop_assert_eq!(&one, &named(run("8", true, false)));
        let without_run = |output: Vec<u8>| -> Vec<Value> {
            String::from_utf8(output).unwrap().lines().map(|line| {
                let mut batch: Value = serde_json::from_str(line).unwrap();
                batch.as_object_mut().unwrap().remove("run");
                batch
            }).collect()
        };
        let file = without_run(run("2", false, true));
        prop_assert!(file.len() > 3);
        prop_assert_eq!(file, without_run(run("1", true, true)));
    }
}

/// Where no time is mended, the windows' counts are those of tshark's times.
#[test]
fn windows_have_the_times_that_tshark_has() {
    let Some(corpus) = Corpus::find() else {
        eprintln!("there is no corpus: nothing compared");
        return;
    };
    let (mut compared, mut mended, mut wrong) = (0, 0, Vec::new());
    for entry in &corpus.entries {
        let path = corpus.path(entry);
        let (text, said) = inspect(&path, &["--window", "10s"]);
        if text.is_empty() {
            continue;
        }
        let output = Command::new("tshark")
            .args(["-n", "-T", "fields", "-e", "frame.time_epoch", "-r"])
            .arg(&path)
            .stderr(Stdio::null())
            .output()
            .expect("tshark");
        let times: Vec<i64> =
            String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()).map(nanos).collect();
        let batches: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let total = |key: &str| -> u64 { batches.iter().filter_map(|batch| batch["capture"][key].as_u64()).sum() };
        if total("frames") != times.len() as u64 {
            // Interfaces that are not read, or a dissector that gave up: said elsewhere.
            continue;
        }
        if total("mended_times") > 0 {
            mended += 1;
            if !said.contains("mended") {
                wrong.push(format!("{}: mended without a word", entry.file));
            }
            continue;
        }
        compared += 1;
        let mut counted = BTreeMap::<usize, i64>::new();
        let mut late = 0;
        let bound = |batch: &Value, key: &str| batch[key].as_str().unwrap().parse::<UnixNanos>().unwrap().0;
        let spans: Vec<(i64, i64)> = batches.iter().map(|batch| (bound(batch, "start"), bound(batch, "end"))).collect();
        for time in times {
            match spans.iter().position(|&(start, end)| (start..end).contains(&time)) {
                Some(window) => *counted.entry(window).or_default() += 1,
                None => late += 1,
            }
        }
        // A late frame is counted in a later window than its time says: what is missing in one is late in others.
        let total_late = total("late") as i64;
        let mut away = late;
        for (window, batch) in batches.iter().enumerate().filter(|(_, batch)| batch["part"] == 0) {
            let ours = batch["capture"]["frames"].as_i64().unwrap() - batch["capture"]["late"].as_i64().unwrap();
            let theirs = counted.get(&window).copied().unwrap_or(0);
            away += theirs - ours;
            if theirs < ours || theirs - ours > total_late {
                wrong.push(format!("{}: window {window} has {ours}, tshark {theirs}", entry.file));
            }
        }
        if away != total_late {
            wrong.push(format!("{}: {away} frames are elsewhere, {total_late} are late", entry.file));
        }
    }
    eprintln!("{compared} captures agree with tshark's times, {mended} have times that were mended");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 100);
}

/// `1700000000.123456789` as nanoseconds.
fn nanos(text: &str) -> i64 {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let fraction: i64 = format!("{fraction:0<9}")[..9].parse().unwrap();
    seconds.parse::<i64>().unwrap().saturating_mul(1_000_000_000).saturating_add(sign * fraction)
}
