//! The sample configurations say what the code does, and mistakes get one clear sentence.

use airtally::config::{Ingest, Sensor, parse_ingest, parse_sensor};
use std::{fs, path::Path, process::Command};

fn sample(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap()
}

/// The sample with its commented keys and tables made live: a line like `#port = 1883` or `#[mqtt.tls]`.
pub(super) fn uncommented(text: &str) -> String {
    text.lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with('[') || (!rest.starts_with(' ') && rest.contains(" = ")) => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every key of `expected` must be in `actual`, table by table.
fn assert_has_every_key(expected: &toml::Table, actual: &toml::Table, place: &str) {
    for (key, value) in expected {
        let found = actual.get(key).unwrap_or_else(|| panic!("the sample lacks {place}{key}"));
        if let (Some(expected), Some(actual)) = (value.as_table(), found.as_table()) {
            assert_has_every_key(expected, actual, &format!("{place}{key}."));
        }
    }
}

#[test]
fn the_sensor_sample_is_the_defaults_and_complete() {
    let text = sample("sensor.toml");
    assert_eq!(toml::from_str::<Sensor>(&text).unwrap(), Sensor::default());
    let all = uncommented(&text);
    parse_sensor(Path::new("sensor.toml"), &all).unwrap();
    let table: toml::Table = toml::from_str(&all).unwrap();
    assert_has_every_key(&toml::Table::try_from(Sensor::default()).unwrap(), &table, "");
    // A full value has every optional key; serialising it back must give nothing the sample does not show.
    let full: Sensor = toml::from_str(&all).unwrap();
    assert!(full.mqtt.tls.is_some() && full.privacy.key_dir.is_some() && full.mqtt.password_file.is_some());
}

#[test]
fn the_ingest_sample_is_the_defaults_and_complete() {
    let text = sample("ingest.toml");
    assert_eq!(toml::from_str::<Ingest>(&text).unwrap(), Ingest::default());
    let all = uncommented(&text);
    let full = parse_ingest(Path::new("ingest.toml"), &all).unwrap();
    assert_eq!(full.influx.len(), 2);
    let day = Some(std::time::Duration::from_secs(86_400));
    assert_eq!(full.sqlite, Some(airtally::config::Sqlite { retention: day, ..airtally::config::Sqlite::default() }));
    // As shipped, it stores in the history.
    assert_eq!(check(&text).0, 0);
    assert!(full.influx.iter().all(|influx| influx.timeout == std::time::Duration::from_secs(10)));
    let table: toml::Table = toml::from_str(&all).unwrap();
    assert_has_every_key(&toml::Table::try_from(Ingest::default()).unwrap(), &table, "");
}

fn check(text: &str) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.toml");
    fs::write(&path, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_airtally")).arg("check").arg(&path).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn check_names_line_column_and_the_nearest_key() {
    let (status, said) = check("site = \"a\"\nsensor = \"b\"\n[mqtt]\nhots = \"x\"\n");
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("line 4, column 1") && said.contains("did you mean 'host'?"), "{said}");
}

#[test]
fn check_says_what_is_out_of_bounds() {
    for (text, word) in [
        ("sensor = \"a/b\"", "sensor: 'a/b' has a '/'"),
        ("[window]\nlength = \"0s\"", "window.length: 0s is not between 1s and 1day"),
        ("[window]\nlength = \"ten\"", "not a duration"),
        ("[source]\nkind = \"file\"", "source.file: name the capture file"),
        (
            "name = \"x\"\n[[influx]]\nname = \"a\"\napi = \"v2\"\nurl = \"http://h\"\ndb = \"x\"",
            "influx.org: is needed",
        ),
        ("sensor = \"x\"\n[spool]\nmax_bytes = \"1 parsec\"", "not a size"),
        ("sensor = \"x\"\n[tracking]\nalways = [\"aa:bb\"]", "not a MAC address"),
        ("[[devices]]\nname = \"tv\"\naddress = \"aa:bb\"", "line 3"),
        ("[[devices]]\nname = \"tv\"\naddress = \"aa:bb\"", "'aa:bb' is not a MAC address"),
        ("[[devices]]\nname = \"tv\"", "missing field `address`"),
        ("[[devices]]\nname = \"tv\"\naddress = \"ff:ff:ff:ff:ff:ff\"", "devices.address: ff:ff:ff:ff:ff:ff"),
        (
            "[[devices]]\nname = \"tv\"\naddress = \"02:00:00:00:00:01\"\n[[devices]]\nname = \"tv\"\naddress = \"02:00:00:00:00:02\"",
            "devices.name: \"tv\" is there twice",
        ),
        ("[[devices]]\nname = \"tv\"\naddress = \"02:00:00:00:00:01\"\ntrak = true", "did you mean 'track'?"),
        (
            "[tracking]\nbudget = 1\nalways = [\"02:00:00:00:00:01\"]\n[[devices]]\nname = \"tv\"\naddress = \"02:00:00:00:00:02\"\ntrack = true",
            "tracking.budget: 1 is less than the 2 addresses",
        ),
        ("sensor = ", "line 1"),
    ] {
        let (status, said) = check(text);
        assert_eq!(status, 2, "{text}: {said}");
        assert!(said.contains(word), "{text}: {said}");
    }
}

#[test]
fn an_address_in_both_lists_is_one() {
    let text = "[tracking]\nbudget = 2\nalways = [\"02-00-00-00-00-01\", \"020000000001\"]
[[devices]]\nname = \"tv\"\naddress = \"02:00:00:00:00:01\"\ntrack = true
[[devices]]\nname = \"phone\"\naddress = \"02:00:00:00:00:02\"\ntrack = true
[[devices]]\nname = \"guest\"\naddress = \"02:00:00:00:00:03\"\n";
    let (status, said) = check(text);
    assert_eq!(status, 0, "{said}");
    let config = parse_sensor(Path::new("sensor.toml"), text).unwrap();
    let tracked: std::collections::BTreeSet<String> = config.tracked().always.iter().map(ToString::to_string).collect();
    assert_eq!(tracked.into_iter().collect::<Vec<_>>(), ["02:00:00:00:00:01", "02:00:00:00:00:02"]);
}

#[test]
fn check_accepts_the_samples_and_tells_a_missing_file() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let output =
        Command::new(env!("CARGO_BIN_EXE_airtally")).arg("check").arg(directory.join("sensor.toml")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("sensor.toml: a good sensor configuration"));
    let output = Command::new(env!("CARGO_BIN_EXE_airtally")).args(["check", "no-such.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read no-such.toml"));
}

#[test]
fn more_stations_than_the_messages_of_a_window_hold_are_refused() {
    let text = |stations: u32, message: &str| {
        format!(
            "site = \"home\"\nsensor = \"attic\"\n[window]\nmax_stations = {stations}\n[mqtt]\nmax_message = \"{message}\"\n"
        )
    };
    let refused = parse_sensor(Path::new("sensor.toml"), &text(1_000_000, "16KiB")).unwrap_err().to_string();
    for word in ["window.max_stations", "1000000 stations", "mqtt.max_message", "lower it to 270000"] {
        assert!(refused.contains(word), "{refused}");
    }
    parse_sensor(Path::new("sensor.toml"), &text(270_000, "16KiB")).unwrap();
    parse_sensor(Path::new("sensor.toml"), &text(1_000_000, "256KiB")).unwrap();
}
