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
    assert_eq!(check_named("ingest.toml", &text).0, 0);
    assert!(full.influx.iter().all(|influx| influx.timeout == std::time::Duration::from_secs(10)));
    let table: toml::Table = toml::from_str(&all).unwrap();
    assert_has_every_key(&toml::Table::try_from(Ingest::default()).unwrap(), &table, "");
}

fn check(text: &str) -> (i32, String) {
    check_named("x.toml", text)
}

fn check_named(name: &str, text: &str) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
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
fn check_names_every_mistake_with_its_line() {
    let (status, said) = check(
        "sensor = \"a/b\"\n[mqtt]\nhots = \"x\"\nport = \"y\"\nkeep_alive = \"1s\"\n[windw]\nlength = \"1s\"\n\
         [spool]\nmax_bytes = \"1KiB\"\nage_out = \"0s\"\n[tracking]\nalways = [\"aa:bb\"]\n",
    );
    assert_eq!(status, 2, "{said}");
    for word in [
        "line 1: sensor: 'a/b' has a '/'",
        "line 3, column 1",
        "line 4, column 8",
        "line 6, column 2",
        "did you mean 'window'?",
        "line 9: spool.max_bytes: 1KiB is less than 1MiB",
        "line 10: spool.age_out: 0s is not between",
        "line 12, column 10",
    ] {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
    let influx =
        |name: &str, url: &str| format!("[[influx]]\nname = \"{name}\"\napi = \"v1\"\ndb = \"d\"\nurl = \"{url}\"\n");
    let (_, said) = check(&[influx("a", "http://h"), influx("a", "h:8086"), influx("b", "ftp://h")].concat());
    for word in ["line 10: influx.url: 'h:8086'", "line 7: influx.name: 'a' is taken", "line 15: influx.url: 'ftp://h'"]
    {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
}

#[test]
fn check_knows_hosts_and_urls_that_cannot_work() {
    for (host, word) in [
        ("mqtt://broker", "host = \"broker\""),
        ("mqtts://broker:8883/x", "mqtt.port = 8883, and a table [mqtt.tls]"),
        ("broker:1883", "host = \"broker\", and mqtt.port = 1883"),
        ("[::1]:1883", "host = \"::1\", and mqtt.port = 1883"),
        ("broker/x", "has a '/'"),
        ("user@broker", "has a '@'"),
        ("my broker", "has a ' '"),
        ("", "name the broker's host"),
    ] {
        let (status, said) = check(&format!("sensor = \"x\"\n[mqtt]\nhost = \"{host}\"\n"));
        assert_eq!(status, 2, "{host}: {said}");
        assert!(said.contains("line 3: mqtt.host: ") && said.contains(word), "{host}: {said}");
    }
    for host in ["broker", "broker.example.org", "192.0.2.1", "::1", "[::1]", "fe80::1%eth0", "my_pi-2.local"] {
        let (status, said) = check(&format!("sensor = \"x\"\n[mqtt]\nhost = \"{host}\"\n"));
        assert_eq!(status, 0, "{host}: {said}");
    }
    for (url, word) in [
        ("http://user:word@h:8086", "url must not hold user or password"),
        ("http://", "url cannot be read"),
        ("http://h:port", "url cannot be read"),
        ("h:8086", "must begin with http:// or https://"),
    ] {
        let text = format!("[[influx]]\nname = \"a\"\napi = \"v1\"\ndb = \"d\"\nurl = \"{url}\"\n");
        let (status, said) = check(&text);
        assert_eq!(status, 2, "{url}: {said}");
        assert!(said.contains("line 5: influx.url: ") && said.contains(word), "{url}: {said}");
        // The daemon says the same.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ingest.toml");
        let state = dir.path().join("state");
        fs::write(&path, format!("{text}[spool]\nstate_dir = {state:?}\n")).unwrap();
        let daemon = Command::new(env!("CARGO_BIN_EXE_airtally")).arg("ingest").arg("--config").arg(&path).output();
        let daemon = daemon.unwrap();
        assert!(!daemon.status.success());
        assert!(String::from_utf8_lossy(&daemon.stderr).contains(word), "{daemon:?}");
    }
}

#[test]
fn check_looks_for_the_files_that_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    fs::write(at("empty"), "\n").unwrap();
    fs::write(at("secret"), "word\n").unwrap();
    let (absent, empty, secret) = (at("absent"), at("empty"), at("secret"));
    for (text, word) in [
        (
            format!("sensor = \"x\"\n[mqtt]\nusername = \"u\"\npassword_file = {absent:?}"),
            "line 4: mqtt.password_file: ",
        ),
        (format!("sensor = \"x\"\n[mqtt]\nusername = \"u\"\npassword_file = {empty:?}"), "is empty"),
        (format!("sensor = \"x\"\n[mqtt.tls]\nca_file = {absent:?}"), "line 2: mqtt.tls: "),
        (format!("sensor = \"x\"\n[mqtt.tls]\nca_file = {secret:?}"), "line 2: mqtt.tls: "),
        (format!("[source]\nkind = \"file\"\nfile = {absent:?}"), "line 3: source.file: cannot read"),
        (
            format!(
                "[[influx]]\nname = \"a\"\napi = \"v2\"\norg = \"o\"\nbucket = \"b\"\nurl = \"http://h\"\ntoken_file = {absent:?}"
            ),
            "line 7: influx.token_file: cannot read the secret",
        ),
        (format!("[web]\ncert_file = {absent:?}\nkey_file = {absent:?}"), "line 2: web.cert_file: "),
        (format!("[web]\ntoken_file = {absent:?}"), "line 2: web.token_file: "),
    ] {
        let (status, said) = check(&text);
        assert_eq!(status, 2, "{text}: {said}");
        assert!(said.contains(word), "{text}: {said}");
    }
    let (status, said) = check(&format!("sensor = \"x\"\n[mqtt]\nusername = \"u\"\npassword_file = {secret:?}"));
    assert_eq!(status, 0, "{said}");
}

#[test]
fn the_kind_of_a_file_is_found_without_being_told() {
    // Nothing but what both have: its name says it, and its mistakes are shown.
    let (status, said) = check_named("sensor.toml", "[mqtt]\nhots = \"x\"\n");
    assert!(status == 2 && said.contains("did you mean 'host'?"), "{said}");
    let (status, said) = check_named("my-ingest.toml", "[mqqt]\n");
    assert!(status == 2 && said.contains("did you mean 'mqtt'?"), "{said}");
    let (status, said) = check_named("ingest.toml", "[log]\nlevel = \"info\"\n");
    assert!(status == 0 && said.contains("a good ingest configuration"), "{said}");
    // What only one of them takes.
    let (status, said) = check("[spool]\ncommit_within = \"5s\"\n");
    assert!(status == 0 && said.contains("a good ingest configuration"), "{said}");
    let (status, said) = check("[spool]\ndurable = true\n");
    assert!(status == 0 && said.contains("a good sensor configuration"), "{said}");
    // Keys of both: of the one with fewer mistakes.
    let (status, said) = check("sensor = \"x\"\n[window]\nlength = \"5s\"\n[web]\nenabled = true\n");
    assert!(status == 2 && said.contains("unknown field `web`"), "{said}");
    let (status, said) = check("[mqtt]\nhots = \"x\"\n");
    assert!(status == 2 && said.contains("pass --kind"), "{said}");
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
