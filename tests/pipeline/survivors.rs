//! What ingest makes of what others say: a loss that is none here, a message that the broker kept, two sensors of one name.

use crate::support::{
    block_on,
    databases::Victoria,
    history::{await_sensor, number, open},
    pipeline::{self, Rig, influx_v2, start_ingest, write},
    program::{self, small_registry},
    synth, synthesise, wait_until,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Publishes one message.
pub fn publish(port: u16, topic: &str, payload: &str, retain: bool) {
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
pub fn batches(dir: &Path, sensor: &str, seed: u64) -> Vec<String> {
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

/// The status that an ingest keeps at the broker.
pub fn status_of_ingest(port: u16) -> Value {
    let output = Command::new("mosquitto_sub")
        .args(["-V", "5", "-p", &port.to_string(), "-t", "airtally/ingest/test-ingest", "-C", "1", "-W", "5"])
        .output()
        .expect("mosquitto_sub");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
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
    let status = || status_of_ingest(port);
    wait_until("ingest's status tells of it", PATIENCE, || status()["reason"] == "overlap");
    let overlap = status()["overlapping"][0].clone();
    assert_eq!((&overlap["site"], &overlap["sensor"]), (&json!("test"), &json!("twin")));
    assert_eq!(overlap["runs"].as_array().unwrap().len(), 2);
    let log = rig.ingest.log();
    assert_eq!(log.matches("two runs of this name").count(), 1, "{log}");
}

/// On one machine the spool's lock keeps them apart; these have a spool each.
#[test]
fn of_two_ingests_of_one_name_one_gives_way_and_names_the_other() {
    let (mut rig, history) = Rig::with_history();
    rig.ingest.await_log("connected to the broker", PATIENCE);
    let instance = |status: Value| status["instance"].as_str().map(str::to_owned);
    wait_until("the first one's status", PATIENCE, || instance(status_of_ingest(rig.broker.port)).is_some());
    let first = instance(status_of_ingest(rig.broker.port)).unwrap();
    let elsewhere = rig.path().join("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let mut second = start_ingest(&elsewhere, &pipeline::ingest(&elsewhere, rig.broker.port));
    let mut gone = None;
    wait_until("one of them to end", Duration::from_secs(60), || {
        gone = second.ended().map(|status| (status, true)).or(rig.ingest.ended().map(|status| (status, false)));
        gone.is_some()
    });
    let (status, was_second) = gone.unwrap();
    let log = if was_second { second.log() } else { rig.ingest.log() };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("is called 'test-ingest' too") && log.contains("give each its own name"), "{log}");
    if was_second {
        assert!(log.contains(&first), "{log}");
        // The other one is well.
        rig.replay_mark("after");
        await_sensor(&history, "after");
    }
}

/// Frames of all windows of a sensor in the history.
fn frames(history: &Path, sensor: &str) -> u64 {
    let sql = format!("SELECT sum(frames) FROM windows WHERE sensor = '{sensor}'");
    open(history).map_or(0, |database| number(&database, &sql))
}

fn frames_of(lines: &[String]) -> u64 {
    let frames =
        |line: &String| serde_json::from_str::<Value>(line).unwrap()["capture"]["frames"].as_u64().unwrap_or(0);
    lines.iter().map(frames).sum()
}

fn remove(history: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut path = history.as_os_str().to_owned();
        path.push(end);
        let _ = std::fs::remove_file(path);
    }
}

#[test]
fn a_history_that_is_removed_while_in_use_is_begun_anew_and_filled_again() {
    let (mut rig, history) = Rig::with_history();
    let (port, lines) = (rig.broker.port, batches(rig.path(), "removed", 1));
    rig.ingest.await_log("storing", PATIENCE);
    let publish_all = |lines: &[String]| {
        lines.iter().for_each(|line| publish(port, "airtally/test/removed/batch", line, false));
    };
    publish_all(&lines[..5]);
    wait_until("five windows", PATIENCE, || frames(&history, "removed") == frames_of(&lines[..5]));
    remove(&history);
    publish_all(&lines[5..7]);
    wait_until("all seven", PATIENCE, || frames(&history, "removed") == frames_of(&lines[..7]));
    rig.ingest.await_log("removed or replaced while it was in use", PATIENCE);
    // Emptied, and still the same file.
    std::fs::File::options().write(true).truncate(true).open(&history).unwrap();
    publish_all(&lines[7..8]);
    wait_until("all eight", PATIENCE, || frames(&history, "removed") == frames_of(&lines[..8]));
    // Removed while nobody had it, and damaged: likewise.
    rig.ingest.stop();
    remove(&history);
    rig.restart_ingest();
    wait_until("all eight again", PATIENCE, || frames(&history, "removed") == frames_of(&lines[..8]));
    rig.ingest.stop();
    let mut octets = std::fs::read(&history).unwrap();
    octets[100..].fill(0x5a);
    std::fs::write(&history, octets).unwrap();
    rig.restart_ingest();
    publish_all(&lines[8..]);
    wait_until("everything", PATIENCE, || frames(&history, "removed") == frames_of(&lines));
}

#[test]
fn a_database_is_filled_again_where_somebody_asks_for_it() {
    let (mut rig, history) = Rig::with_history();
    let (port, lines) = (rig.broker.port, batches(rig.path(), "asked", 1));
    rig.ingest.await_log("storing", PATIENCE);
    lines.iter().for_each(|line| publish(port, "airtally/test/asked/batch", line, false));
    wait_until("everything", PATIENCE, || frames(&history, "asked") == frames_of(&lines));
    let config = write(rig.path(), "test-ingest", &rig.config);
    let refill = |sink: &str, more: &[&str]| {
        let arguments = [&["ingest", "refill", sink, "--config", config.to_str().unwrap()][..], more].concat();
        let output = program::run(arguments);
        (output.status.code(), program::text(&output))
    };
    // A daemon that runs has the spool.
    let (status, said) = refill("sqlite", &[]);
    assert!(status == Some(1) && said.lines().count() == 1, "{status:?} {said}");
    rig.ingest.stop();
    let (status, said) = refill("influx9", &[]);
    assert!(status == Some(2) && said.contains("no sink 'influx9'") && said.contains("sqlite"), "{status:?} {said}");
    let (status, said) = refill("sqlite", &["--since", "2200-01-01T00:00:00Z"]);
    assert!(status == Some(0) && said.starts_with("0 more messages wait for sqlite"), "{status:?} {said}");
    let nowhere = rig.path().join("nowhere");
    let mut elsewhere = rig.config.clone();
    elsewhere.spool.state_dir = nowhere.clone();
    let file = write(rig.path(), "elsewhere", &elsewhere);
    let output = program::run(["ingest", "refill", "sqlite", "--config", file.to_str().unwrap()]);
    assert!(output.status.code() == Some(1) && program::text(&output).contains("there is no spool in"));
    assert!(!nowhere.exists(), "it made a spool");
    // Something of it was deleted.
    rusqlite::Connection::open(&history).unwrap().execute("DELETE FROM windows WHERE seq > 2", []).unwrap();
    let (status, said) = refill("sqlite", &["--since", "2020-01-01T00:00:00Z"]);
    assert!(status == Some(0) && said.starts_with(&format!("{} more messages wait", lines.len())), "{status:?} {said}");
    rig.restart_ingest();
    wait_until("everything again", PATIENCE, || frames(&history, "asked") == frames_of(&lines));
}

/// VictoriaMetrics keeps its last seconds in memory, and says yes before they are on disk.
#[test]
fn what_a_killed_database_had_taken_is_stored_once_more() {
    let mut victoria = block_on(Victoria::start());
    let rig = Rig::start(|_, config| config.influx.push(influx_v2(&victoria.url)));
    let (port, lines) = (rig.broker.port, batches(rig.path(), "taken", 1));
    rig.ingest.await_log("storing", PATIENCE);
    let publish_all = |lines: &[String]| {
        lines.iter().for_each(|line| publish(port, "airtally/test/taken/batch", line, false));
    };
    let stored = |victoria: &Victoria| -> u64 {
        let of_frames = |(labels, samples): (BTreeMap<String, String>, Vec<(i64, f64)>)| {
            let is_it = labels["__name__"] == "wifi_sensor_frames" && labels["sensor"] == "taken";
            // One sample a millisecond, as its queries have it.
            if is_it { samples.into_iter().collect::<BTreeMap<_, _>>().values().sum::<f64>() as u64 } else { 0 }
        };
        block_on(victoria.export()).into_iter().map(of_frames).sum()
    };
    publish_all(&lines[..6]);
    wait_until("six windows", PATIENCE, || stored(&victoria) == frames_of(&lines[..6]));
    // It is back before anything is written to it, and nothing is, for a while. It tells in seconds when it was started.
    std::thread::sleep(Duration::from_millis(1_100));
    victoria.kill9();
    block_on(victoria.restart());
    rig.ingest.await_log("the database was started anew", PATIENCE);
    wait_until("six windows again", PATIENCE, || stored(&victoria) == frames_of(&lines[..6]));
    // It is away when something is.
    victoria.kill9();
    publish_all(&lines[6..]);
    rig.ingest.await_log("cannot store", PATIENCE);
    block_on(victoria.restart());
    wait_until("everything", Duration::from_secs(90), || stored(&victoria) == frames_of(&lines));
}
