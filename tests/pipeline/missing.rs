//! What an ingest declares lost by itself: windows that it knows of, and that nobody sends or declares any more.

use crate::{
    support::{
        block_on,
        databases::Influxd,
        history::{number, open},
        pipeline::{Rig, history, influx_v1, start_sensor},
        program::Daemon,
        synth, synthesise, wait_until,
    },
    survivors::{batches, publish, status_of_ingest},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

/// The retained status of a sensor that is not there any more, and had windows up to `last_seq`.
fn gone(of: &str, last_seq: u64) -> String {
    let batch: Value = serde_json::from_str(of).unwrap();
    json!({
        "schema": "airtally.status/1", "site": batch["site"], "sensor": batch["sensor"], "time": batch["end"],
        "state": "offline", "reason": "stopped", "run": batch["run"], "last_seq": last_seq, "runs": []
    })
    .to_string()
}

fn gaps(history: &Path) -> Vec<(i64, i64)> {
    let Some(database) = open(history) else { return Vec::new() };
    let mut statement = database.prepare("SELECT first_seq, last_seq FROM gaps ORDER BY first_seq").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

fn rows(influx: &Influxd, sql: &str) -> Vec<BTreeMap<String, Value>> {
    block_on(influx.series("air", sql)).into_iter().flat_map(|series| series.rows).collect()
}

/// Length and `withdrawn` of each gap in InfluxDB, by its first window.
fn points(influx: &Influxd) -> Vec<(i64, i64, i64)> {
    let rows = rows(influx, "SELECT first_seq, length_ms, withdrawn, ingest FROM wifi_gap");
    let mut points: Vec<_> = rows
        .iter()
        .map(|row| {
            assert_eq!(row["ingest"], "test-ingest");
            let field = |name: &str| row[name].as_i64().unwrap_or(-1);
            (field("first_seq"), field("length_ms"), field("withdrawn"))
        })
        .collect();
    points.sort_unstable();
    points
}

#[test]
fn the_survivor_declares_what_is_missing_and_withdraws_what_comes_after_all() {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE air"));
    let mut rig = Rig::start(|dir, config| {
        config.declare_after = Duration::from_secs(1);
        config.sqlite = Some(history(dir));
        config.influx = vec![influx_v1(&influx.url, "air")];
    });
    let history = history(rig.path()).path;
    let port = rig.broker.port;
    let lines = batches(rig.path(), "gone", 1);
    rig.ingest.await_log("storing", PATIENCE);
    for seq in [0, 1, 2, 3, 4, 7] {
        publish(port, "airtally/test/gone/batch", &lines[seq], false);
    }
    publish(port, "airtally/test/gone/status", &gone(&lines[0], 9), true);
    wait_until("the tail and the middle are declared", PATIENCE, || gaps(&history) == [(5, 6), (8, 9)]);
    wait_until("InfluxDB has them too", PATIENCE, || points(&influx).len() == 2);
    let length = |line: &str| {
        let batch: Value = serde_json::from_str(line).unwrap();
        let time = |key: &str| batch[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        i64::try_from(time("end").duration_since(time("start")).as_millis()).unwrap()
    };
    let middle = length(&lines[5]) + length(&lines[6]);
    assert!(points(&influx)[0].1.abs_diff(middle) <= 1, "{:?} and not {middle} ms", points(&influx));
    wait_until("the status counts them", PATIENCE, || status_of_ingest(port)["missing_windows"] == 4);

    // Nobody but this ingest says so.
    rig.ingest.stop();
    rig.restart_ingest();
    rig.ingest.await_log("storing", PATIENCE);
    assert_eq!(gaps(&history), [(5, 6), (8, 9)]);

    publish(port, "airtally/test/gone/batch", &lines[6], false);
    wait_until("what still is missing is declared anew", PATIENCE, || gaps(&history) == [(5, 5), (8, 9)]);
    for seq in [5, 8, 9] {
        publish(port, "airtally/test/gone/batch", &lines[seq], false);
    }
    wait_until("nothing is missing", PATIENCE, || gaps(&history).is_empty());
    wait_until("the status says so", PATIENCE, || status_of_ingest(port)["missing_windows"] == Value::Null);
    wait_until("InfluxDB has them withdrawn", PATIENCE, || {
        points(&influx).iter().all(|(_, length, withdrawn)| (*length, *withdrawn) == (0, 1))
    });
    let windows = || open(&history).map(|database| number(&database, "SELECT count(*) FROM windows"));
    wait_until("all windows are stored", PATIENCE, || windows() == Some(10));
    // As the dashboard asks: none of them counts.
    let sql = "SELECT count(first_seq) AS gaps FROM wifi_gap WHERE (\"ingest\" = '' OR \"withdrawn\" = 0)";
    assert!(rows(&influx, sql).is_empty());
    assert!(!rig.ingest.log().contains("not a batch"));
}

#[test]
fn of_runs_that_nobody_names_any_more_the_ledger_speaks() {
    let mut rig = Rig::start(|dir, config| {
        // Nobody is there to be asked, and no status was ever kept.
        config.declare_after = Duration::from_secs(1);
        config.sqlite = Some(history(dir));
    });
    let history = history(rig.path()).path;
    let lines = batches(rig.path(), "mute", 1);
    rig.ingest.await_log("storing", PATIENCE);
    for seq in [2, 3, 6] {
        publish(rig.broker.port, "airtally/test/mute/batch", &lines[seq], false);
    }
    let windows = || open(&history).map_or(0, |database| number(&database, "SELECT count(*) FROM windows"));
    wait_until("they are stored", PATIENCE, || windows() == 3);
    rig.ingest.kill9();
    rig.restart_ingest();
    wait_until("its holes are declared", PATIENCE, || gaps(&history) == [(0, 1), (4, 5)]);
}

/// A capture of some seconds, and a sensor for it.
fn short(rig: &Rig, name: &str) -> Daemon {
    let options = synth::Options { frames: 2_000, stations: 20, seconds: 100, ..synth::Options::default() };
    let (capture, _) = synthesise(rig.path(), &options);
    start_sensor(rig.path(), &rig.sensor(name, &capture))
}

#[test]
fn a_sensor_whose_capture_has_ended_waits_for_the_word_of_an_ingest() {
    let (rig, history) = Rig::with_history();
    rig.ingest.await_log("storing", PATIENCE);
    let mut sensor = short(&rig, "ends");
    sensor.succeed(PATIENCE);
    assert!(sensor.log().contains("an ingest has stored it"), "{}", sensor.log());
    let frames = || open(&history).map_or(0, |database| number(&database, "SELECT sum(frames) FROM windows"));
    wait_until("all of it is in the history", PATIENCE, || frames() == 2_000);
    // Again: it is the same run, and all there.
    let mut sensor = short(&rig, "ends");
    sensor.succeed(PATIENCE);
    assert_eq!(sensor.log().matches("an ingest has stored it").count(), 2, "{}", sensor.log());
}

/// What the broker acknowledged and then forgot is asked for while the sensor waits.
#[test]
fn a_broker_that_forgets_what_a_sensor_at_its_end_sent_costs_nothing() {
    let (mut rig, history) = Rig::with_history();
    rig.ingest.await_log("storing", PATIENCE);
    // Frozen, it leaves all with the broker, and is there for all that the broker knows.
    rig.ingest.signal("STOP");
    let mut sensor = short(&rig, "forgotten");
    let received = || {
        rig.broker.log().lines().filter(|line| line.contains("Received PUBLISH") && line.contains("/batch'")).count()
    };
    wait_until("all is with the broker", PATIENCE, || received() >= 10);
    rig.broker.kill9();
    let _ = std::fs::remove_file(rig.broker.dir.path().join("mosquitto.db"));
    rig.broker.restart();
    rig.ingest.signal("CONT");
    sensor.succeed(Duration::from_secs(60));
    let frames = || open(&history).map_or(0, |database| number(&database, "SELECT sum(frames) FROM windows"));
    wait_until("all of it is in the history", PATIENCE, || frames() == 2_000);
}

#[test]
fn where_nobody_says_that_all_is_stored_a_sensor_ends_all_the_same() {
    let (mut rig, _) = Rig::with_history();
    rig.ingest.await_log("storing", PATIENCE);
    rig.ingest.stop();
    // Ingest's queue takes what it sends.
    let mut sensor = short(&rig, "alone");
    sensor.succeed(Duration::from_secs(15));
    assert!(sensor.log().contains("no ingest is there to say"), "{}", sensor.log());
    // One that is there, and says nothing: it is waited for in vain.
    rig.restart_ingest();
    rig.ingest.await_log("connected to the broker", PATIENCE);
    wait_until("its status says so", PATIENCE, || status_of_ingest(rig.broker.port)["state"] == "online");
    rig.ingest.signal("STOP");
    let mut sensor = short(&rig, "unheard");
    sensor.succeed(Duration::from_secs(60));
    assert!(sensor.log().contains("no ingest said within 20 s"), "{}", sensor.log());
    rig.ingest.signal("CONT");
}
