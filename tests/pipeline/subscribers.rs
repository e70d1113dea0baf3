//! The examples that subscribe, in Python and in Rust: what a real sensor publishes of a capture they add up to what
//! `airtally inspect` counts in it, whatever comes twice, in parts, or not at all.

use crate::support::{
    broker::Broker,
    pipeline::{PERSISTENT, sensor, start_sensor},
    program::{Daemon, run, text},
    synth::Options,
    synthesise, temp_dir,
};
use airtally::{config::Sensor, tally::settings::PrivacyMac, units::Bytes};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// The two programs, ready for arguments. Debian's own Python has Debian's paho-mqtt.
fn programs() -> [(&'static str, Command); 2] {
    let example = Path::new(env!("CARGO_BIN_EXE_airtally")).with_file_name("examples").join("subscribe");
    assert!(example.exists(), "`cargo test` builds examples; before a test alone: cargo build --example subscribe");
    let python = if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    let mut script = Command::new(python);
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/subscribe.py"));
    [("python", script), ("rust", Command::new(example))]
}

/// A subscriber at work; its output goes to a file.
struct Subscriber {
    name: &'static str,
    daemon: Daemon,
    out: PathBuf,
}

impl Subscriber {
    fn start_all(dir: &Path, port: u16, arguments: &[&str]) -> Vec<Self> {
        let start = |(name, mut command): (&'static str, Command)| {
            command.args(["--host", "127.0.0.1", "--port", &port.to_string()]).args(arguments);
            // One file for both: standard output is one line of JSON for each run, at the end.
            let out = dir.join(format!("{name}-{}.log", arguments.len()));
            let daemon = Daemon::start(name, command.stdin(Stdio::null()), &out);
            daemon.await_log("listening", Duration::from_secs(30));
            Self { name, daemon, out }
        };
        programs().map(start).into()
    }

    /// What it printed of the runs, by sensor.
    fn sums(&self, sensor: &str) -> Vec<Value> {
        let said = fs::read_to_string(&self.out).unwrap();
        let lines = said.lines().filter(|line| line.starts_with('{'));
        let all = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|sums| sums["sensor"] == sensor).collect()
    }
}

fn publish(port: u16, leaf: &str, message: &str) {
    let port = port.to_string();
    let topic = format!("airtally/test/attic/{leaf}");
    let status = Command::new("mosquitto_pub")
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", &topic, "-m", message])
        .status();
    assert!(status.expect("mosquitto_pub (package mosquitto-clients)").success());
}

fn inspected(capture: &Path) -> Value {
    let output = run(["inspect".as_ref(), "--format".as_ref(), "json".as_ref(), capture.as_os_str()]);
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The sums are those of the capture, station by station.
fn assert_equal(name: &str, sums: &Value, counted: &Value) {
    for key in ["frames", "bytes", "station_frames", "bad_fcs", "malformed", "without_ta", "group_ta"] {
        assert_eq!(sums[key], counted[key], "{name}: {key}");
    }
    assert_eq!(sums["overflow_frames"], counted["overflow"], "{name}");
    let stations = counted["stations"].as_array().unwrap();
    let stations: serde_json::Map<_, _> = stations
        .iter()
        .map(|station| (station["mac"].as_str().unwrap().to_owned(), station["frames_sent"].clone()))
        .filter(|(_, frames)| *frames != 0)
        .collect();
    assert!(stations.len() > 50);
    assert_eq!(sums["stations"], Value::Object(stations), "{name}");
    assert_eq!(sums["conserved"], true, "{name}: {sums}");
}

fn capture(dir: &Path) -> PathBuf {
    synthesise(dir, &Options { frames: 6_000, stations: 250, plant: true, ..Options::default() }).0
}

/// A sensor whose windows come in parts.
fn in_parts(dir: &Path, port: u16, capture: &Path) -> Sensor {
    let mut config = sensor(dir, "attic", port, capture);
    config.mqtt.max_message = Bytes(16 << 10);
    config
}

#[test]
fn both_add_up_what_a_sensor_publishes_and_end_with_it() {
    let (dir, broker) = (temp_dir(), Broker::start(PERSISTENT));
    let capture = capture(dir.path());
    let subscribers = Subscriber::start_all(dir.path(), broker.port, &["--sensor", "attic", "--until-ended"]);
    start_sensor(dir.path(), &in_parts(dir.path(), broker.port, &capture)).succeed(Duration::from_secs(60));
    let counted = inspected(&capture);
    for mut subscriber in subscribers {
        subscriber.daemon.succeed(Duration::from_secs(30));
        let sums = subscriber.sums("attic");
        assert_eq!(sums.len(), 1);
        assert_equal(subscriber.name, &sums[0], &counted);
        assert_eq!((&sums[0]["missing"], &sums[0]["ended"]), (&json!([]), &json!(true)));
    }
}

#[test]
fn what_comes_twice_or_not_at_all_changes_no_sum() {
    let (dir, broker) = (temp_dir(), Broker::start(PERSISTENT));
    let (capture, port) = (capture(dir.path()), broker.port);
    let subscribers = Subscriber::start_all(dir.path(), port, &[]);
    // The same file twice is the same run: every part of every window comes again.
    let config = in_parts(dir.path(), port, &capture);
    for _ in 0..2 {
        start_sensor(dir.path(), &config).succeed(Duration::from_secs(60));
    }
    // Of another run: window 0 whole, windows 1 and 2 declared lost, 3 never heard of, one of two parts of window 4.
    let run = "b7a3c0de-0000-4000-8000-000000000001";
    let batch = |seq: u64, part: u64, parts: u64, schema: &str| {
        let capture = json!({"frames": 3, "bytes": 300, "station_frames": 0, "bad_fcs": 1, "malformed": 0, "without_ta": 2,
            "group_ta": 0, "overflow_frames": 0, "late": 0});
        json!({"schema": schema, "site": "test", "sensor": "attic", "run": run, "seq": seq, "part": part, "parts": parts,
            "start": "2026-11-21T03:00:10Z", "end": "2026-11-21T03:00:20Z", "clock": "capture", "final": false,
            "stations": [], "capture": capture, "of_a_later_version": 1})
        .to_string()
    };
    publish(port, "batch", &batch(0, 0, 1, "airtally.batch/1"));
    let gap = json!({"schema": "airtally.gap/1", "site": "test", "sensor": "attic", "run": run, "reason": "evicted",
        "first_seq": 1, "last_seq": 2, "start": "2026-11-21T03:00:10Z", "end": "2026-11-21T03:00:20Z"});
    for _ in 0..2 {
        publish(port, "event", &gap.to_string());
    }
    publish(port, "batch", &batch(4, 0, 2, "airtally.batch/1"));
    // Not theirs to count: another major version, what is impossible, an event, what is no message.
    publish(port, "batch", &batch(5, 0, 1, "airtally.batch/2"));
    publish(port, "batch", &batch(1 << 41, 0, 1, "airtally.batch/1"));
    publish(port, "batch", &batch(6, 1, 2, "airtally.batch/1"));
    let event = json!({"schema": "airtally.event/1", "site": "test", "sensor": "attic", "kind": "channels",
        "time": "2026-11-21T03:00:10Z", "run": null, "message": "Hm.", "data": {}});
    publish(port, "event", &event.to_string());
    publish(port, "batch", "the end of this test");
    let counted = inspected(&capture);
    for mut subscriber in subscribers {
        let aside = || subscriber.daemon.log().matches("set aside a message").count() == 4;
        crate::support::wait_until("four messages set aside", Duration::from_secs(30), aside);
        assert!(subscriber.daemon.stop().success());
        let sums = subscriber.sums("attic");
        let (of_capture, other): (Vec<&Value>, Vec<&Value>) = sums.iter().partition(|sums| sums["run"] != run);
        assert_eq!((of_capture.len(), other.len()), (1, 1), "{}", subscriber.name);
        assert_equal(subscriber.name, of_capture[0], &counted);
        let windows = of_capture[0]["windows"].as_u64().unwrap();
        assert!(of_capture[0]["again"].as_u64().unwrap() > windows, "no window came in parts: {}", of_capture[0]);
        for (key, value) in [
            ("windows", json!(1)),
            ("missing", json!([[3, 4]])),
            ("declared", json!([[1, 2, "evicted"]])),
            ("ended", json!(false)),
            ("frames", json!(6)),
            ("conserved", json!(true)),
        ] {
            assert_eq!(other[0][key], value, "{}: {key}", subscriber.name);
        }
    }
}

#[test]
fn sums_of_vendors_stand_for_stations_and_mistakes_end_in_words() {
    let (dir, broker) = (temp_dir(), Broker::start(PERSISTENT));
    let capture = capture(dir.path());
    let mut config = in_parts(dir.path(), broker.port, &capture);
    config.privacy.mac = PrivacyMac::Vendor;
    let subscribers = Subscriber::start_all(dir.path(), broker.port, &["--until-ended"]);
    start_sensor(dir.path(), &config).succeed(Duration::from_secs(60));
    let counted = inspected(&capture);
    for mut subscriber in subscribers {
        subscriber.daemon.succeed(Duration::from_secs(30));
        let sums = subscriber.sums("attic");
        assert_eq!(sums[0]["frames"], counted["frames"]);
        assert_eq!((&sums[0]["conserved"], &sums[0]["station_frames"]), (&json!(true), &counted["station_frames"]));
    }
    // A mistake in the arguments, or a broker that is not there, ends them in words.
    for (name, mut program) in programs() {
        let output = program.args(["--port", "1"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {}", text(&output));
    }
    for (name, mut program) in programs() {
        let output = program.arg("--no-such").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {}", text(&output));
    }
}
