//! `airtally inspect` on captures of our own, whose tally the generator knows: in each form of file, on any number of
//! threads, in every format.

use crate::support::{
    program::{self, small_registry},
    synth::{Options, tally::mac_text},
    synthesise, temp_dir, wait_for,
};
use airtally::UnixNanos;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

fn inspect(arguments: &[&str], path: &Path) -> Vec<u8> {
    let before = ["inspect".as_ref(), "--oui".as_ref(), small_registry().as_os_str()];
    let output =
        program::run(before.into_iter().chain(arguments.iter().map(std::ffi::OsStr::new)).chain([path.as_os_str()]));
    assert!(output.status.success(), "{}", program::text(&output));
    output.stdout
}

fn json(arguments: &[&str], path: &Path) -> Value {
    serde_json::from_slice(&inspect(&[&["--format", "json"], arguments].concat(), path)).expect("JSON")
}

/// Frames by transmitter.
fn sent(answer: &Value) -> BTreeMap<String, u64> {
    let stations = answer["stations"].as_array().expect("stations").iter();
    stations.map(|row| (row["mac"].as_str().unwrap().to_owned(), row["frames_sent"].as_u64().unwrap())).collect()
}

/// Everything but the name of the file.
fn facts(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("files");
    answer
}

#[test]
fn every_count_is_the_generators() {
    let dir = temp_dir();
    let (path, tally) =
        synthesise(dir.path(), &Options { frames: 30_000, stations: 800, plant: true, ..Options::default() });
    let answer = json(&[], &path);
    for (key, expected) in [
        ("frames", tally.frames),
        ("bytes", tally.bytes),
        ("station_frames", tally.station_frames),
        ("bad_fcs", tally.bad_fcs),
        ("malformed", tally.malformed),
        ("without_ta", tally.without_ta),
        ("group_ta", tally.group_ta),
        ("overflow", 0),
    ] {
        assert_eq!(answer[key], expected, "{key}");
    }
    assert_eq!(answer["subtypes"], serde_json::to_value(&tally.subtypes).unwrap());
    assert_eq!(answer["first_time"], UnixNanos(tally.first_time).to_string());
    assert_eq!(answer["last_time"], UnixNanos(tally.last_time).to_string());
    let stations = answer["stations"].as_array().unwrap();
    assert_eq!(stations.len(), tally.stations.len());
    for (ours, (mac, station)) in stations.iter().zip(&tally.stations) {
        let names: BTreeSet<&String> = station.ssids.union(&station.sought_ssids).collect();
        let signal = station.signal_min.zip(station.signal_max).map(|(min, max)| {
            let mean = station.signal_sum as f64 / station.signal_frames as f64;
            json!({"min": min, "mean": (mean * 10.0).round() / 10.0, "max": max})
        });
        let expected = json!({
            "mac": mac_text(mac),
            "randomised": station.randomised,
            "frames_sent": station.frames_sent,
            "bytes_sent": station.bytes_sent,
            "frames_received": station.frames_received,
            "management": station.management,
            "control": station.control,
            "data": station.data,
            "retries": station.retries,
            "signal_dbm": signal,
            "freqs_mhz": station.freqs_mhz,
            "first_seen": UnixNanos(station.first_seen).to_string(),
            "last_seen": UnixNanos(station.last_seen).to_string(),
        });
        for (key, expected) in expected.as_object().unwrap() {
            assert_eq!(ours[key], *expected, "{key} of {}", mac_text(mac));
        }
        // At most 16 names of each kind are kept.
        if names.len() <= 16 {
            assert_eq!(ours["ssids"], json!(names), "names of {}", mac_text(mac));
        }
    }
}

#[test]
fn the_schema_describes_the_document() {
    let dir = temp_dir();
    let (path, _) = synthesise(dir.path(), &Options { frames: 3_000, plant: true, ..Options::default() });
    let schema =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/inspect.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let answer = json(&[], &path);
    if let Err(error) = validator.validate(&answer) {
        panic!("{} at {}", error, error.instance_path());
    }
    // And it is strict: a key it does not know is refused, so that a new one cannot be forgotten there.
    let mut other = answer;
    other["stations"][0]["colour"] = "blue".into();
    assert!(!validator.is_valid(&other));
}

#[test]
fn top_bounds_every_list_and_says_how_long_it_is() {
    let dir = temp_dir();
    let (path, _) =
        synthesise(dir.path(), &Options { frames: 6_000, stations: 400, plant: true, ..Options::default() });
    let (all, few) = (json(&[], &path), json(&["--top", "2"], &path));
    let lists = [
        ("stations", "station_count"),
        ("access_points", "access_point_count"),
        ("vendors", "vendor_count"),
        ("groups", "group_count"),
    ];
    for (list, count) in lists {
        let length = |answer: &Value| answer[list].as_array().unwrap().len();
        assert_eq!(all[count], length(&all), "{list}");
        assert_eq!(few[count], all[count], "{list}");
        assert_eq!(length(&few), length(&all).min(2), "{list}");
    }
    assert!(all["access_point_count"].as_u64().unwrap() > 2);
}

#[test]
fn threads_and_compression_change_nothing() {
    let dir = temp_dir();
    // Large enough to be divided.
    let (path, _) = synthesise(dir.path(), &Options { frames: 150_000, stations: 3_000, ..Options::default() });
    assert!(fs::metadata(&path).unwrap().len() > 9 << 20);
    let answer = facts(json(&["--threads", "1"], &path));
    assert_eq!(facts(json(&["--threads", "2"], &path)), answer);
    assert_eq!(facts(json(&["--threads", "5"], &path)), answer);

    let octets = fs::read(&path).unwrap();
    let (gz, zst) = (dir.path().join("gz"), dir.path().join("zst"));
    let mut encoder = flate2::write::GzEncoder::new(File::create(&gz).unwrap(), flate2::Compression::fast());
    encoder.write_all(&octets).unwrap();
    encoder.finish().unwrap();
    fs::write(&zst, zstd::encode_all(&octets[..], 1).unwrap()).unwrap();
    assert_eq!(facts(json(&[], &gz)), answer);
    assert_eq!(facts(json(&[], &zst)), answer);

    let mut child = program::airtally();
    child.args(["inspect", "-", "--format", "json", "--oui"]).arg(small_registry()).stdin(File::open(&path).unwrap());
    assert_eq!(facts(serde_json::from_slice(&child.output().unwrap().stdout).unwrap()), answer);
}

/// A segment's first record is guessed. Where the payload of the file looks like records itself, the guess is wrong,
/// is found out, and the file is counted in order.
#[test]
fn a_capture_that_looks_like_another_inside_is_counted_right() {
    let dir = temp_dir();
    let path = dir.path().join("nested.pcap");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    file.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]).unwrap();
    let record = |len: u32, sender: u8| {
        let mut record = [1_u32, 0, len, len].map(u32::to_le_bytes).concat();
        record.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, sender, 8, 0]);
        record
    };
    let mut outer = record(60_014, 1);
    while outer.len() + 30 <= 16 + 60_014 {
        outer.extend(record(14, 9));
    }
    outer.resize(16 + 60_014, 0);
    (0..300).for_each(|_| file.write_all(&outer).unwrap());
    file.into_inner().unwrap();
    let expected = BTreeMap::from([("02:00:00:00:00:01".to_owned(), 300)]);
    assert_eq!(sent(&json(&["--threads", "2"], &path)), expected);
}

#[test]
fn bounds_and_choices_hold() {
    let dir = temp_dir();
    let (path, tally) = synthesise(dir.path(), &Options { frames: 5_000, ..Options::default() });
    let frames = |arguments: &[&str]| json(arguments, &path)["frames"].as_u64().unwrap();
    assert_eq!(frames(&["--count", "17"]), 17);
    assert_eq!(frames(&["--max-frames", "4000"]), 4_000);
    assert!(json(&["--max-frames", "4000"], &path)["warnings"][0].as_str().unwrap().contains("4000 packets"));
    assert_eq!(json(&["--max-frames", "5000"], &path)["warnings"].as_array().unwrap().len(), 0);
    let len = fs::metadata(&path).unwrap().len();
    assert_eq!(json(&["--max-bytes", &len.to_string()], &path)["warnings"].as_array().unwrap().len(), 0);
    let cut = json(&["--max-bytes", &(len - 1).to_string()], &path);
    assert_eq!(cut["frames"], 4_999);
    assert_eq!(cut["warnings"].as_array().unwrap().len(), 1);

    let all = json(&[], &path);
    let middle = "2026-01-01T00:01:00Z";
    let (before, after) = (frames(&["--until", middle]), frames(&["--since", middle]));
    assert!(before > 0 && after > 0);
    assert_eq!(before + after, tally.frames);
    let beacons = json(&["--filter", "wlan type mgt subtype beacon"], &path);
    assert_eq!(beacons["subtypes"].as_object().unwrap().keys().collect::<Vec<_>>(), ["0x0008"]);
    // libpcap does not look at protocol versions, or beyond a radiotap header that is cut.
    assert!(beacons["subtypes"]["0x0008"].as_u64() <= all["subtypes"]["0x0008"].as_u64());
    let bounded = json(&["--max-stations", "10"], &path);
    assert_eq!(bounded["stations"].as_array().unwrap().len(), 10);
    assert!(bounded["overflow"].as_u64().unwrap() > 0);
    assert_eq!(
        bounded["station_frames"].as_u64().unwrap() + bounded["overflow"].as_u64().unwrap(),
        all["station_frames"].as_u64().unwrap()
    );
}

#[test]
fn the_forms_of_the_answer_agree() {
    let dir = temp_dir();
    let (path, _) = synthesise(dir.path(), &Options { frames: 5_000, plant: true, ..Options::default() });
    let all = json(&[], &path);
    let stations = all["stations"].as_array().unwrap();
    let csv = inspect(&["--format", "csv"], &path);
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), stations.len());
    for (row, station) in rows.iter().zip(stations) {
        assert_eq!(row["mac"], station["mac"].as_str().unwrap());
        assert_eq!(row["frames_sent"], station["frames_sent"].to_string());
        assert_eq!(row["role"], station["role"].as_str().unwrap());
    }
    let table = String::from_utf8(inspect(&["--top", "5"], &path)).unwrap();
    assert!(table.contains("broadcast") && table.contains(&format!("{} more stations", stations.len() - 5)), "{table}");
    assert!(!table.contains('\u{1b}'), "colours without a terminal");
    let busiest = json(&["--top", "1"], &path);
    let most = stations.iter().map(|station| station["frames_sent"].as_u64().unwrap()).max();
    assert_eq!(busiest["stations"][0]["frames_sent"].as_u64(), most);

    for by in ["vendor", "bssid", "ssid", "channel", "subtype"] {
        let rows = json(&["--by", by], &path);
        let rows = rows.as_array().unwrap();
        assert!(!rows.is_empty(), "{by}");
        let sum = |key: &str| rows.iter().map(|row| row[key].as_u64().unwrap()).sum::<u64>();
        match by {
            "vendor" | "bssid" => {
                assert_eq!(sum("frames_sent"), all["station_frames"].as_u64().unwrap(), "{by}");
                assert_eq!(sum("stations"), stations.len() as u64, "{by}");
            }
            "subtype" => {
                let expected = all["subtypes"].as_object().unwrap().values().map(|count| count.as_u64().unwrap());
                assert_eq!(sum("frames"), expected.sum::<u64>());
            }
            _ => {}
        }
        assert!(!inspect(&["--by", by], &path).is_empty());
        assert!(!inspect(&["--by", by, "--format", "csv"], &path).is_empty());
    }
}

#[test]
fn a_closed_pipe_is_no_failure_and_usage_is_2() {
    let dir = temp_dir();
    let (path, _) = synthesise(dir.path(), &Options { frames: 20_000, stations: 2_000, ..Options::default() });
    let mut child = program::airtally()
        .args(["inspect", "--format", "csv"])
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", program::text(&output));
    for arguments in [
        &["inspect"][..],
        &["inspect", "x", "--filter", "wlan typ mgt"],
        &["inspect", "x", "--since", "yesterday"],
        &["inspect", "x", "--window", "0s"],
        &["inspect", "x", "--window", "10s", "--format", "csv"],
        &["inspect", "x", "--config", "y"],
        &["inspect", "x", "--watch", "y"],
    ] {
        assert_eq!(program::run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_watched_directory_gives_each_capture_once() {
    let dir = temp_dir();
    let (watched, log) = (dir.path().join("in"), dir.path().join("log"));
    fs::create_dir(&watched).unwrap();
    let (first, _) = synthesise(dir.path(), &Options { frames: 1_000, ..Options::default() });
    let (second, _) = synthesise(dir.path(), &Options { frames: 2_000, ..Options::default() });
    let out = |name: &str| dir.path().join(name);
    let start = |name: &str| {
        Command::new(env!("CARGO_BIN_EXE_airtally"))
            .args(["inspect", "--oui"])
            .arg(small_registry())
            .arg("--watch")
            .arg(&watched)
            .stdout(File::create(out(name)).unwrap())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap()
    };
    let lines = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(out(name)).unwrap();
        text.lines().filter(|_| text.ends_with('\n')).map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let stop = |mut child: std::process::Child| {
        let asked = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(&log).unwrap());
    };

    let child = start("one");
    // Written in two steps: the first alone is no whole capture.
    let octets = fs::read(&first).unwrap();
    let mut file = File::create(watched.join("first")).unwrap();
    file.write_all(&octets[..octets.len() / 2]).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    file.write_all(&octets[octets.len() / 2..]).unwrap();
    fs::write(watched.join("note.txt"), "not a capture").unwrap();
    wait_for("the first line", Duration::from_secs(20), || (lines("one").len() == 1).then_some(()));
    stop(child);
    assert_eq!(lines("one")[0]["frames"], 1_000);

    let child = start("two");
    fs::copy(&second, watched.join("second")).unwrap();
    wait_for("the second line", Duration::from_secs(20), || (!lines("two").is_empty()).then_some(()));
    std::thread::sleep(Duration::from_millis(2_500));
    stop(child);
    let lines = lines("two");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["frames"], 2_000);
}

/// Where the parts of a capture cannot be added, the first of them goes on as the whole: with more names of a station than
/// are counted, with more stations than parts may have, with a time at the dividing point that its neighbours contradict.
#[test]
fn a_capture_that_cannot_be_divided_is_counted_as_by_one_thread() {
    let dir = temp_dir();
    let beacon = |station: u32, name: u32| {
        let [a, b, c, d] = station.to_be_bytes();
        let mac = [0x10, a, b, c, d, 1];
        let name = format!("n{name:05}");
        [&[0x80, 0, 0, 0][..], &[0xff; 6], &mac, &mac, &[0; 10], &[100, 0, 1, 0, 0, 6], name.as_bytes(), &[3, 1, 6]]
            .concat()
    };
    let record = |second: u32, frame: &[u8]| {
        let len = frame.len() as u32;
        [[second, 0, len, len].map(u32::to_le_bytes).concat(), frame.to_vec()].concat()
    };
    let header = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 105].map(u32::to_le_bytes).concat();
    let write = |name: &str, frames: &mut dyn Iterator<Item = (u32, u32, u32)>| {
        let path = dir.path().join(name);
        let records = frames.flat_map(|(second, station, name)| record(second, &beacon(station, name)));
        fs::write(&path, header.iter().copied().chain(records).collect::<Vec<u8>>()).unwrap();
        path
    };
    let now = 1_700_000_000;
    let many = 200_000;
    let names = write("names", &mut (0..many).map(|n| (now + n / 1000, n % 40, n)));
    let stations = write("stations", &mut (0..560_000).map(|n| (now + n / 1000, n, n % 7)));
    let times =
        write("times", &mut (0..many).map(|n| (if n % 10_000 == 0 { 7 } else { now + n / 1000 }, n % 40, n % 5)));
    for path in [names, stations, times] {
        let run = |threads: &str| inspect(&["--format", "json", "--top", "50", "--threads", threads], &path);
        let one = run("1");
        for threads in ["2", "8"] {
            assert!(one == run(threads), "{}: {threads} threads give another answer", path.display());
        }
    }
}

/// A large capture on several threads, stopped amid it: what is counted is told, and that it is not all.
#[test]
fn a_stop_amid_a_divided_capture_says_that_it_is_not_all() {
    let dir = temp_dir();
    let options = Options { frames: 400_000, stations: 300, ..Options::default() };
    let (path, tally) = synthesise(dir.path(), &options);
    for wait in [60, 200, 400, 700] {
        let child = program::airtally()
            .args(["inspect", "--format", "json", "--threads", "2", "--oui"])
            .args([small_registry(), &path])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        let output = child.wait_with_output().unwrap();
        // Stopped before it began to listen to signals, it ends by them.
        let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) else { continue };
        let said = answer["warnings"].to_string();
        let whole = answer["frames"] == tally.frames;
        assert!(whole || said.contains("not read"), "{} of {}: {said}", answer["frames"], tally.frames);
    }
}
