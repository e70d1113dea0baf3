//! A live pipe: it is not paced, what was written to it before a stop is counted, and so is what `inspect -` has read at
//! Ctrl-C. And what systemd hears of a start that takes long.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use airtally::{
    UnixNanos,
    config::{Pace, SourceKind},
    spool::{Settings, Spool, Want},
};
use serde_json::Value;
use std::{
    io::Write as _,
    os::unix::net::UnixDatagram,
    path::Path,
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};
use support::{free_port, pipeline, program, temp_dir, wait_for, wait_until};

/// A capture of ACKs, 10 s apart.
fn capture(frames: u32) -> Vec<u8> {
    let mut octets = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 105].map(u32::to_le_bytes).concat();
    octets.extend(records(0, frames));
    octets
}

fn records(from: u32, to: u32) -> Vec<u8> {
    let record = |at: u32| {
        let head = [1_700_000_000 + 10 * at, 0, 10, 10].map(u32::to_le_bytes).concat();
        [head, vec![0xd4, 0, 0, 0, 2, 0, 0, 0, 0, 1]].concat()
    };
    (from..to).flat_map(record).collect()
}

/// Frames in the spool, and whether the last window says that the run has ended.
fn spooled(config: &airtally::config::Sensor) -> (u64, bool) {
    let settings = Settings {
        runtime_dir: Some(config.spool.runtime_dir.clone()),
        state_dir: config.spool.state_dir.clone(),
        max_bytes: config.spool.max_bytes.0,
        age_out: config.spool.age_out,
        durable: false,
        ledger: false,
        privacy: None,
        readers: vec!["test".into()],
    };
    let (mut spool, _) = Spool::open(UnixNanos::now(), settings).expect("the sensor's spool");
    let entries = spool.pending("test", Want::Everything, 0, 1_000_000, usize::MAX).expect("its batches");
    let batches: Vec<Value> = entries.iter().map(|entry| serde_json::from_slice(&entry.body).unwrap()).collect();
    let frames = batches.iter().filter_map(|batch| batch["capture"]["frames"].as_u64()).sum();
    (frames, batches.last().is_some_and(|batch| batch["final"] == true))
}

fn sensor(dir: &Path, name: &str, pace: Pace) -> airtally::config::Sensor {
    let mut config = pipeline::sensor(dir, name, free_port(), Path::new(""));
    config.source.kind = SourceKind::Stdin;
    config.source.pace = pace;
    for path in [&config.spool.runtime_dir, &config.spool.state_dir] {
        std::fs::create_dir_all(path).unwrap();
    }
    config
}

#[test]
fn all_that_a_pipe_gave_is_counted_at_a_stop() {
    for pace in [Pace::Auto, Pace::Fast, Pace::Recorded] {
        let dir = temp_dir();
        let config = sensor(dir.path(), "pipe", pace);
        let file = pipeline::write(dir.path(), "pipe", &config);
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut child = program::airtally()
            .args(["sensor", "--config"])
            .arg(file)
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&capture(239)).unwrap();
        wait_until("it counts", Duration::from_secs(30), || {
            std::fs::read_to_string(dir.path().join("log")).unwrap().contains("counting")
        });
        sleep(Duration::from_secs(1));
        // What is still in the pipe at the stop counts too.
        pipe.write_all(&records(239, 250)).unwrap();
        let status = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(status.unwrap().success());
        let began = Instant::now();
        let ended = wait_for("it stops", Duration::from_secs(30), || child.try_wait().unwrap());
        assert!(ended.success() && began.elapsed() < Duration::from_secs(20));
        assert_eq!(spooled(&config), (250, true), "{pace:?}");
    }
}

#[test]
fn a_live_pipe_is_not_paced_by_its_stamps() {
    let dir = temp_dir();
    let config = sensor(dir.path(), "live", Pace::Auto);
    let file = pipeline::write(dir.path(), "live", &config);
    let mut child = program::airtally().args(["sensor", "--config"]).arg(file).stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&capture(239)).unwrap();
    sleep(Duration::from_secs(3));
    child.kill().unwrap();
    child.wait().unwrap();
    // Its last window was open.
    assert_eq!(spooled(&config), (238, false));
}

#[test]
fn a_replay_whose_times_leap_is_over_in_seconds() {
    let dir = temp_dir();
    let mut octets = capture(0);
    for (stamp, count) in [(1_700_000_000, 3), (4_294_967_000, 4), (1_600_000_000, 3)] {
        for at in 0..count {
            octets.extend([stamp + at / 2, 0, 10, 10].map(u32::to_le_bytes).concat());
            octets.extend([0xd4, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
        }
    }
    let path = dir.path().join("leaps.pcap");
    std::fs::write(&path, octets).unwrap();
    let mut config = pipeline::sensor(dir.path(), "leaps", free_port(), &path);
    config.source.pace = Pace::Recorded;
    let mut daemon = pipeline::start_sensor(dir.path(), &config);
    wait_until("the clock is told of", Duration::from_secs(20), || daemon.log().contains("the clock was set"));
    assert!(daemon.log().contains("this pause of the replay is cut"), "{}", daemon.log());
    assert!(daemon.stop().success());
    assert_eq!(spooled(&config), (10, true));
}

#[test]
fn inspect_prints_what_it_has_when_it_is_interrupted() {
    for (signal, arguments) in [("INT", &["--format", "json"][..]), ("TERM", &["--window", "10s"])] {
        let mut child = program::airtally()
            .args(["inspect", "-", "--oui"])
            .arg(program::small_registry())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&capture(239)).unwrap();
        sleep(Duration::from_secs(2));
        let status = std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(status.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let frames: u64 = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|answer| answer["frames"].as_u64().or(answer["capture"]["frames"].as_u64()).unwrap())
            .sum();
        assert_eq!(frames, 239);
        assert!((text + &String::from_utf8_lossy(&output.stderr)).contains("reading was stopped"));
        drop(pipe);
    }
}

/// The check of a spool of gigabytes on a slow card takes longer than the unit's TimeoutStartSec.
#[test]
fn systemd_is_asked_for_time_while_the_spool_is_opened() {
    let dir = temp_dir();
    let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let config = sensor(dir.path(), "start", Pace::Auto);
    let file = pipeline::write(dir.path(), "start", &config);
    let mut child = program::airtally()
        .args(["sensor", "--config"])
        .arg(file)
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&capture(1)).unwrap();
    let mut heard = [0; 1_000];
    let len = socket.recv(&mut heard).expect("a word to systemd");
    let first = String::from_utf8_lossy(&heard[..len]).into_owned();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.contains("EXTEND_TIMEOUT_USEC="), "{first}");
}
