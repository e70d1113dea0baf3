//! `airtally status` against a real broker: who is well, who is not, and who says so but has been gone for long.

use super::broker::Broker;
use serde_json::{Value, json};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

fn keep(broker: &Broker, topic: &str, message: &Value) {
    let mut child = Command::new("mosquitto_pub")
        .args(["-V", "5", "-q", "1", "-r", "-s", "-p", &broker.port.to_string(), "-t", topic])
        .stdin(Stdio::piped())
        .spawn()
        .expect("mosquitto_pub, which scripts/test installs");
    child.stdin.take().unwrap().write_all(message.to_string().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn time(seconds_ago: i64) -> String {
    let now = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds_ago);
    now.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

fn sensor(broker: &Broker, site: &str, name: &str, seconds_ago: i64, state: &str, reason: Option<&str>, source: &str) {
    let status = json!({
        "schema": "airtally.status/1", "site": site, "sensor": name, "time": time(seconds_ago), "state": state,
        "reason": reason, "run": null, "last_seq": null, "runs": [], "frames_last_window": 282,
        "waiting": if name == "busy" { 60 } else { 0 }
    });
    let info = json!({
        "schema": "airtally.info/1", "site": site, "sensor": name, "version": "0.1.0", "schemas": [],
        "config": {"source": {"kind": source}}
    });
    keep(broker, &format!("airtally/{site}/{name}/status"), &status);
    keep(broker, &format!("airtally/{site}/{name}/info"), &info);
}

fn config(dir: &Path, port: u16) -> std::path::PathBuf {
    let path = dir.join("ingest.toml");
    let text =
        format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[sqlite]\npath = \"{}\"\n", dir.join("h").display());
    std::fs::write(&path, text).unwrap();
    path
}

fn status(config: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtally"));
    command.arg("status").arg("--config").arg(config).args(more).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_fleet_is_on_one_screen_and_whoever_is_silent_is_not_well() {
    let (broker, dir) = (Broker::start(""), tempfile::tempdir().unwrap());
    let config = config(dir.path(), broker.port);
    sensor(&broker, "home", "attic", 5, "online", None, "radio");
    let well = status(&config, &[]);
    assert!(well.status.success() && well.stderr.is_empty(), "{well:?}");
    assert!(text(&well.stdout).contains("home/attic  online  "), "{}", text(&well.stdout));

    sensor(&broker, "home", "cellar", 5, "degraded", Some("radio_deaf"), "radio");
    sensor(&broker, "home", "replay", 9_000, "offline", Some("stopped"), "file");
    sensor(&broker, "shop", "till", 300_000, "online", None, "radio");
    sensor(&broker, "shop", "door", 60, "offline", Some("stopped"), "radio");
    sensor(&broker, "shop", "\u{202e}live", 5, "online", Some("quiet"), "radio");
    // It speaks for another.
    keep(
        &broker,
        "airtally/shop/liar/status",
        &json!({
            "schema": "airtally.status/1", "site": "home", "sensor": "attic", "time": time(0), "state": "offline"
        }),
    );
    keep(&broker, "airtally/shop/noise/status", &json!("nonsense"));
    keep(
        &broker,
        "airtally/ingest/main",
        &json!({
            "schema": "airtally.ingest/1", "name": "main", "time": time(20), "state": "degraded", "reason": "sink",
            "sinks": [{"name": "ix", "state": "degraded", "reason": "it is full"}], "missing_windows": 3
        }),
    );

    let all = status(&config, &["--format", "json"]);
    assert_eq!(all.status.code(), Some(1));
    let said = text(&all.stderr);
    assert!(said.contains("3 of 6 sensors and 1 of 1 ingest need a person"), "{said}");
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    let states: Vec<(&str, &str, &str)> = all["sensors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["sensor"].as_str().unwrap(), row["state"].as_str().unwrap(), row["level"].as_str().unwrap()))
        .collect();
    assert_eq!(
        states,
        [
            ("attic", "online", "good"),
            ("cellar", "degraded", "bad"),
            ("replay", "offline", "note"),
            ("door", "offline", "bad"),
            ("till", "silent", "bad"),
            ("\u{202e}live", "online", "note"),
        ]
    );
    assert_eq!(all["ingests"][0]["missing_windows"], 3);

    let table = text(&status(&config, &[]).stdout);
    for line in [
        "home/cellar: it hears nothing",
        "shop/till: it said online and nothing since",
        "main: ix: it is full",
        "main: 3 windows are missing",
    ] {
        assert!(table.contains(line), "no '{line}' in:\n{table}");
    }
    assert!(table.contains("3 days ago") && !table.contains("\u{202e}"), "{table}");
    assert!(table.lines().take(8).all(|line| line.chars().count() <= 80), "{table}");

    let one = status(&config, &["--site", "home", "--sensor", "attic", "--format", "csv"]);
    assert!(text(&one.stdout).lines().count() == 2, "{one:?}");
    assert_eq!(one.status.code(), Some(1), "the ingest still needs a person");
}

#[test]
fn nobody_and_no_broker_are_failures_and_a_wrong_site_is_a_mistake() {
    let (broker, dir) = (Broker::start(""), tempfile::tempdir().unwrap());
    let config = config(dir.path(), broker.port);
    let nobody = status(&config, &[]);
    assert!(nobody.status.code() == Some(1) && text(&nobody.stderr).contains("knows of no such sensor"), "{nobody:?}");
    let wrong = status(&config, &["--site", "a/b"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    broker.freeze();
    let frozen = status(&config, &["--wait", "1"]);
    assert!(
        frozen.status.code() == Some(1) && text(&frozen.stderr).contains("did not answer within 1 s"),
        "{frozen:?}"
    );
    drop(broker);
    let gone = status(&config, &[]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
}

#[test]
fn a_fleet_has_its_silent_deaf_behind_old_and_without_a_radio_and_its_series_are_added_up() {
    let (broker, dir) = (Broker::start(""), tempfile::tempdir().unwrap());
    let config = config(dir.path(), broker.port);
    let influx = |series: &str| {
        let text = std::fs::read_to_string(&config).unwrap();
        let text = text.split("[[influx]]").next().unwrap().to_owned();
        let more =
            format!("[[influx]]\nname = \"ix\"\napi = \"v1\"\nurl = \"http://localhost:1\"\ndb = \"d\"\n{series}\n");
        std::fs::write(&config, text + &more).unwrap();
    };
    sensor(&broker, "home", "attic", 5, "online", None, "radio");
    sensor(&broker, "home", "busy", 5, "online", None, "radio");
    sensor(&broker, "home", "deaf", 5, "degraded", Some("radio_absent"), "radio");
    sensor(&broker, "home", "none", 5, "online", Some("no_radio"), "none");
    sensor(&broker, "home", "gone", 500, "online", None, "radio");
    sensor(&broker, "home", "lost", 50, "offline", Some("connection_lost"), "radio");
    for (name, version, budget, mode) in
        [("attic", "0.1.0", 60_000, "plain"), ("busy", "9.0.0", 60_000, "plain"), ("deaf", "0.0.9", 60_000, "vendor")]
    {
        let info = json!({
            "schema": "airtally.info/1", "site": "home", "sensor": name, "version": version, "schemas": [],
            "config": {
                "source": {"kind": "radio"}, "privacy": {"mac": mode}, "tracking": {"budget": budget},
                "label": "The attic", "location": "Main Street 1"
            }
        });
        keep(&broker, &format!("airtally/home/{name}/info"), &info);
    }
    keep(
        &broker,
        "airtally/ingest/main",
        &json!({"schema": "airtally.ingest/1", "name": "main", "version": "0.1.0", "time": time(2), "state": "online"}),
    );
    influx("");
    let table = text(&status(&config, &[]).stdout);
    for line in [
        "silent: 2 of 6: home/gone, home/lost: not heard",
        "deaf: 1 of 6: home/deaf: there",
        "behind: 1 of 6: home/busy: windows wait",
        "old: 1 of 6: home/deaf: the program",
        "no radio: 1 of 6: home/none: without",
        "the series budgets of 2 sensors together are 120000, and the database 'ix' is to hold 100000",
    ] {
        assert!(table.contains(line), "no '{line}' in:\n{table}");
    }
    influx("max_series = 200000");
    let all: Value = serde_json::from_slice(&status(&config, &["--format", "json"]).stdout).unwrap();
    assert_eq!(all["warnings"], json!([]));
    assert_eq!(all["sensors"][0]["location"], "Main Street 1");
    assert_eq!(all["sensors"][3]["remarks"], json!(["silent"]), "{all}");
}
