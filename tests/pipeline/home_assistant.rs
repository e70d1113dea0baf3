//! What ingest tells a Home Assistant of a real sensor, at a real broker: its figures are those of the history, its messages have
//! the form that Home Assistant reads, and what is no more is taken away. A real Home Assistant: scripts/test-peers.

use crate::support::{
    broker::Broker,
    history::{number, open},
    pipeline::{self, PERSISTENT, Rig, history, start_ingest, start_sensor},
    synth::Options,
    synthesise, temp_dir, wait_until,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

const PATIENCE: Duration = Duration::from_secs(30);

/// What the broker keeps on topics of this filter.
fn kept(broker: &Broker, filter: &str) -> BTreeMap<String, Value> {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", &broker.port.to_string(), "-t", filter, "-W", "1", "-v", "--retained-only"]);
    let output = command.output().expect("mosquitto_sub");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pair = |line: &str| line.split_once(' ').map(|(topic, json)| (topic.to_owned(), json.to_owned()));
    text.lines().filter_map(pair).map(|(topic, text)| (topic, serde_json::from_str(&text).unwrap())).collect()
}

/// Waits until the history has so many frames.
fn await_frames(dir: &Path, frames: u64) {
    wait_until("all windows are stored", PATIENCE, || {
        let database = open(&history(dir).path);
        database.is_some_and(|database| number(&database, "SELECT sum(frames) FROM windows") == frames)
    });
}

fn schema(path: &str) -> jsonschema::Validator {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn assert_valid(validator: &jsonschema::Validator, message: &Value) {
    let errors: Vec<String> = validator.iter_errors(message).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{message:#}");
}

#[test]
fn what_is_told_is_what_is_stored_and_goes_when_it_is_over() {
    let mut rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.home_assistant.enabled = true;
    });
    let (capture, tally) = synthesise(rig.path(), &Options { frames: 5_000, ..Options::default() });
    let mut sensor = rig.sensor("attic", &capture);
    sensor.site = "Haus am See.1".replace(' ', "_");
    sensor.label = "Dachgeschoß".into();
    let own = *tally.stations.keys().next().unwrap();
    sensor.devices.0 = vec![airtally::tally::devices::Device {
        name: "Oma's phone".into(),
        address: airtally::Mac(own),
        track: false,
        ignore: false,
        presence: true,
    }];
    start_sensor(rig.path(), &sensor).succeed(Duration::from_secs(60));

    // The figures of the newest window are those of the history, by another program's sums.
    let sql = "WITH newest AS (SELECT max(end_ns) AS end FROM windows)
        SELECT count(s.n), sum(s.role = 'access_point'), sum(s.randomised) FROM newest
        JOIN windows w ON w.end_ns = newest.end JOIN stations s ON s.window = w.id";
    await_frames(rig.path(), 5_000);
    let database = open(&history(rig.path()).path).unwrap();
    let (stations, access_points, randomised): (i64, i64, i64) =
        database.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    assert!(stations > 0);
    let topic = "airtally/Haus_am_See.1/attic/summary";
    let summary = || kept(&rig.broker, "airtally/+/+/summary").remove(topic).unwrap_or_default();
    wait_until("the newest window is told", PATIENCE, || summary()["stations"] == stations);
    let summary = summary();
    assert_valid(&schema("docs/schema/summary.schema.json"), &summary);
    assert_eq!(summary["access_points"], access_points);
    let percent = (randomised as f64 * 1000.0 / stations as f64).round() / 10.0;
    assert_eq!(summary["randomised_percent"], percent);
    // A file of yesterday says nothing of who is there now, and nobody knows how long its radio listened.
    assert_eq!((&summary["coverage_percent"], &summary["listens"]), (&Value::Null, &json!(false)));
    assert_eq!(summary["presence"], json!({"Oma_27s_20phone": {"name": "Oma's phone", "state": null}}));

    // Home Assistant reads two devices: the sensor, and the phone beside it.
    let devices = kept(&rig.broker, "homeassistant/#");
    let id = "airtally__Haus_5fam_5fSee_2e1__attic";
    let wanted =
        [id.to_owned(), format!("{id}__Oma_27s_20phone")].map(|id| format!("homeassistant/device/{id}/config"));
    assert_eq!(devices.keys().collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    let validator = schema("tests/pipeline/home_assistant.schema.json");
    devices.values().for_each(|device| assert_valid(&validator, device));
    assert_eq!(devices[&wanted[0]]["device"]["name"], "Dachgeschoß");
    let said = format!("{devices:?}{summary:?}").to_lowercase();
    for mac in tally.stations.keys() {
        let mac = airtally::Mac(*mac).to_string();
        assert!(!said.contains(&mac) && !said.contains(&mac.replace(':', "")), "{mac} is told");
    }

    // Ingest is killed, and started without the feature: nothing of it stays.
    rig.ingest.kill9();
    rig.config.home_assistant.enabled = false;
    rig.ingest = start_ingest(rig.path(), &rig.config);
    wait_until("all is taken away", PATIENCE, || {
        kept(&rig.broker, "homeassistant/#").is_empty() && kept(&rig.broker, "airtally/+/+/summary").is_empty()
    });
    wait_until("the list of it too", PATIENCE, || !rig.config.spool.state_dir.join("home-assistant").exists());
}

#[test]
fn a_broker_that_refuses_it_is_named_and_windows_are_stored() {
    let acl = "topic readwrite airtally/#\ntopic deny airtally/+/+/summary\n";
    let broker = Broker::start_with(|dir| {
        let path = dir.join("acl");
        fs::write(&path, acl).unwrap();
        format!("allow_anonymous true\nacl_file {}\n{}", path.display(), PERSISTENT)
    });
    let dir = temp_dir();
    let mut config = pipeline::ingest(dir.path(), broker.port);
    config.sqlite = Some(history(dir.path()));
    config.home_assistant.enabled = true;
    let ingest = start_ingest(dir.path(), &config);
    let (capture, _) = synthesise(dir.path(), &Options { frames: 100, ..Options::default() });
    let sensor = pipeline::sensor(dir.path(), "attic", broker.port, &capture);
    start_sensor(dir.path(), &sensor).succeed(Duration::from_secs(60));
    wait_until("the log says why", PATIENCE, || {
        let log = ingest.log();
        log.contains("refuses what Home Assistant is to read on") && log.contains("ACL")
    });
    await_frames(dir.path(), 100);
}
