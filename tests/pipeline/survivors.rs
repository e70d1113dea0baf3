//! What ingest makes of what others say: a loss that is none here, a message that the broker kept, two sensors of one name.

use crate::support::{
    history::{await_sensor, number, open},
    pipeline::{self, Rig, start_ingest, write},
    program::{self, small_registry},
    synth, synthesise, wait_until,
};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Publishes one message.
fn publish(port: u16, topic: &str, payload: &str, retain: bool) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-V", "5", "-q", "1", "-p", &port.to_string(), "-t", topic, "-s"]);
    if retain {
        command.arg("-r");
    }
    let mut child = command.stdin(Stdio::piped()).spawn().expect("mosquitto_pub, which scripts/test installs");
    child.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// The batches of a synthetic capture, as its sensor would publish them: one line each.
fn batches(dir: &Path, sensor: &str, seed: u64) -> Vec<String> {
    let options = synth::Options { seed, frames: 2_000, stations: 20, seconds: 100, ..synth::Options::default() };
    let (capture, _) = synthesise(dir, &options);
    let config = pipeline::sensor(dir, sensor, 1, &capture);
    let file = write(dir, sensor, &config);
    let arguments = ["inspect", "--window", "10s", "--config"].map(std::ffi::OsStr::new).into_iter();
    let rest = [file.as_os_str(), "--oui".as_ref(), small_registry().as_os_str(), capture.as_os_str()];
    let output = program::run(arguments.chain(rest));
    assert!(output.status.success(), "{}", program::text(&output));
    let lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert!(lines.len() >= 10, "{} windows", lines.len());
    lines
}

fn gap(of: &str, first_seq: u64, last_seq: u64) -> String {
    let batch: Value = serde_json::from_str(of).unwrap();
    json!({
        "schema": "airtally.gap/1", "site": batch["site"], "sensor": batch["sensor"], "run": batch["run"],
        "reason": "unavailable", "first_seq": first_seq, "last_seq": last_seq, "start": batch["start"],
        "end": batch["end"], "frames": 5
    })
    .to_string()
}

#[test]
fn what_another_ingest_asked_for_in_vain_is_lost_here_only_if_it_never_came() {
    let (rig, history) = Rig::with_history();
    let port = rig.broker.port;
    let lines = batches(rig.path(), "asked", 1);
    rig.ingest.await_log("storing", PATIENCE);
    rig.replay_mark("before");
    await_sensor(&history, "before");
    for line in &lines[..5] {
        publish(port, "airtally/test/asked/batch", line, false);
    }
    // All of it came here; some of it; none of it.
    for (first, last) in [(0, 3), (3, 6), (9, 9), (0, 9)] {
        publish(port, "airtally/test/asked/event", &gap(&lines[0], first, last), false);
    }
    rig.replay_mark("after");
    await_sensor(&history, "after");
    let database = open(&history).unwrap();
    assert_eq!(number(&database, "SELECT count(*) FROM windows WHERE sensor = 'asked'"), 5);
    let mut statement = database
        .prepare("SELECT first_seq, last_seq, frames FROM gaps WHERE sensor = 'asked' ORDER BY first_seq")
        .unwrap();
    let gaps: Vec<(i64, i64, Option<i64>)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(gaps, [(5, 6, None), (7, 8, None), (9, 9, Some(5))]);
}

#[test]
fn what_the_broker_kept_is_no_news() {
    let (mut rig, history) = Rig::with_history();
    let lines = batches(rig.path(), "kept", 1);
    rig.ingest.await_log("storing", PATIENCE);
    rig.ingest.stop();
    // As long as ingest's session lives, the broker queues what is published; with a new name it finds what was kept.
    publish(rig.broker.port, "airtally/test/kept/batch", &lines[0], true);
    publish(rig.broker.port, "airtally/test/kept/event", &gap(&lines[0], 5, 6), true);
    rig.config.name = "another".into();
    rig.config.spool.state_dir = rig.path().join("another");
    rig.ingest = start_ingest(rig.path(), &rig.config);
    rig.ingest.await_log("it is ignored", PATIENCE);
    rig.replay_mark("after");
    await_sensor(&history, "after");
    let database = open(&history).unwrap();
    assert_eq!(number(&database, "SELECT count(*) FROM windows WHERE sensor = 'kept'"), 0);
    assert_eq!(number(&database, "SELECT count(*) FROM gaps WHERE sensor = 'kept'"), 0);
}

#[test]
fn two_sensors_of_one_name_are_noticed() {
    let (rig, history) = Rig::with_history();
    let port = rig.broker.port;
    rig.ingest.await_log("storing", PATIENCE);
    // Two captures of the same time.
    for seed in [1, 2] {
        for line in batches(rig.path(), "twin", seed) {
            publish(port, "airtally/test/twin/batch", &line, false);
        }
    }
    rig.replay_mark("after");
    await_sensor(&history, "after");
    let status = || {
        let output = Command::new("mosquitto_sub")
            .args(["-V", "5", "-p", &port.to_string(), "-t", "airtally/ingest/test-ingest"])
            .args(["-C", "1", "-W", "5"])
            .output()
            .expect("mosquitto_sub");
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
    };
    wait_until("ingest's status tells of it", PATIENCE, || status()["reason"] == "overlap");
    let overlap = status()["overlapping"][0].clone();
    assert_eq!((&overlap["site"], &overlap["sensor"]), (&json!("test"), &json!("twin")));
    assert_eq!(overlap["runs"].as_array().unwrap().len(), 2);
    let log = rig.ingest.log();
    assert_eq!(log.matches("two runs of this name").count(), 1, "{log}");
}
