//! What a privacy mode withholds is nowhere: addresses and network names planted in a capture are looked for in the
//! spools, the logs, the messages and the databases, and found exactly where the mode allows.

use crate::support::{
    block_on,
    databases::Influxd,
    history::{await_sensor, number, open},
    pipeline::{Expected, Rig, history, influx_v1, start_sensor},
    program::{Daemon, airtally, text},
    synth::{Options, tally::Planted},
    synthesise, wait_until,
};
use airtally::{Mac, config::LogLevel, tally::settings::PrivacyMac};
use rusqlite::{Connection, types::ValueRef};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Everything that is kept or said somewhere, as octets.
struct Places {
    spools: Vec<u8>,
    logs: Vec<u8>,
    wire: Vec<u8>,
    history: Vec<u8>,
    influx: Vec<u8>,
}

impl Places {
    fn each(&self) -> [(&'static str, &[u8]); 5] {
        [
            ("spools", &self.spools),
            ("logs", &self.logs),
            ("wire", &self.wire),
            ("history", &self.history),
            ("influx", &self.influx),
        ]
    }
}

/// Files below `dir`, however deep.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A file's octets, and, if it is a SQLite database, every value in it, decompressed where it is compressed.
fn contents(path: &Path) -> Vec<u8> {
    let mut all = fs::read(path).unwrap_or_default();
    if !all.starts_with(b"SQLite format 3") {
        return all;
    }
    let database = Connection::open(path).unwrap();
    let mut tables = database.prepare("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").unwrap();
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for name in names {
        let mut statement = database.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                all.push(b'\n');
                match row.get_ref(column).unwrap() {
                    ValueRef::Text(octets) => all.extend_from_slice(octets),
                    ValueRef::Blob(octets) => {
                        all.extend_from_slice(octets);
                        all.extend(zstd::decode_all(octets).unwrap_or_default());
                    }
                    ValueRef::Integer(number) => all.extend_from_slice(number.to_string().as_bytes()),
                    ValueRef::Real(number) => all.extend_from_slice(number.to_string().as_bytes()),
                    ValueRef::Null => {}
                }
            }
        }
    }
    all
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// Whether an address is there in any form: as text, as octets, as a number.
fn holds_mac(hay: &[u8], mac: &str) -> bool {
    let mac: Mac = mac.parse().unwrap();
    let (colons, bare) = (mac.to_string(), mac.to_string().replace(':', ""));
    let texts =
        [&colons, &colons.replace(':', "-"), &bare, &colons.to_uppercase(), &bare.to_uppercase()].map(String::clone);
    texts.iter().any(|text| holds(hay, text.as_bytes()))
        || holds(hay, &mac.0)
        || holds(hay, mac.to_u64().to_string().as_bytes())
}

/// Whether a network name is there, as text or in hexadecimal.
fn holds_name(hay: &[u8], name: &str) -> bool {
    let hex: String = name.bytes().map(|octet| format!("{octet:02x}")).collect();
    holds(hay, name.as_bytes()) || holds(hay, hex.as_bytes())
}

/// Replays the planted capture in a mode and gathers everything.
fn replay(mode: PrivacyMac, ssids: bool) -> (Planted, Places) {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let mut rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.influx.push(influx_v1(&influx.url, "airtally"));
        config.log.level = LogLevel::Trace;
    });
    // The listener is a subscriber too: what is sent before ingest has subscribed would count as delivered.
    rig.replay_mark("first");
    await_sensor(&history(rig.path()).path, "first");
    let mut listen = Command::new("mosquitto_sub");
    listen.args(["-h", "127.0.0.1", "-p", &rig.broker.port.to_string(), "-t", "#", "-v", "-V", "5"]);
    let wire = rig.path().join("wire.txt");
    let listener = Daemon::start("mosquitto_sub", &mut listen, &wire);

    let dir = rig.path();
    let manuf = dir.join("manuf");
    fs::write(&manuf, "00:0E:8E\tPlanted\tPlanted Radios\n3C:22:FB\tOther\tOther Makers\n").unwrap();
    let output = airtally()
        .args(["oui", "update", "--from"])
        .arg(&manuf)
        .arg("--db")
        .arg(dir.join("oui.sqlite"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));

    let options = Options { frames: 4_000, stations: 60, plant: true, ..Options::default() };
    let (capture, tally) = synthesise(dir, &options);
    let mut config = rig.sensor("private", &capture);
    config.privacy.mac = mode;
    config.privacy.ssids = ssids;
    config.tracking.track_after = 1;
    config.log.level = LogLevel::Trace;
    let mut sensor = start_sensor(dir, &config);
    sensor.succeed(Duration::from_secs(60));
    rig.replay_mark("mark");
    await_sensor(&history(dir).path, "mark");
    wait_until("InfluxDB has everything", Duration::from_secs(60), || {
        !block_on(influx.series("airtally", "SELECT count(frames) FROM wifi_sensor WHERE sensor = 'mark'")).is_empty()
    });
    wait_until("the listener has everything", Duration::from_secs(20), || listener.log().contains("\"mark\""));

    rig.ingest.kill9(); // Its spool is its alone while it runs, and would be tidied at a clean end.
    let dir = rig.path();
    let gather = |paths: &[PathBuf]| paths.iter().flat_map(|path| contents(path)).collect::<Vec<u8>>();
    let spools = [files(&dir.join("private")), files(&dir.join("ingest"))].concat();
    assert!(!spools.is_empty());
    let histories: Vec<PathBuf> =
        files(dir).into_iter().filter(|path| path.to_string_lossy().contains("history.sqlite")).collect();
    let mut stored = Vec::new();
    for measurement in ["wifi_station", "wifi_vendor", "wifi_channel", "wifi_sensor", "wifi_gap"] {
        let series = block_on(influx.series("airtally", &format!("SELECT * FROM {measurement}")));
        stored.extend(format!("{series:?}").into_bytes());
    }
    let places = Places {
        spools: gather(&spools),
        logs: gather(&[dir.join("private.log"), dir.join("test-ingest.log")]),
        wire: fs::read(&wire).unwrap(),
        history: gather(&histories),
        influx: stored,
    };
    let frames: u64 = Expected::synthetic("private", capture, &tally).frames;
    assert!(frames > 0 && places.each().iter().all(|(_, octets)| !octets.is_empty()));
    (tally.planted.unwrap(), places)
}

/// Nowhere, not even in a log at its most talkative.
fn assert_nowhere(places: &Places, what: &str, holds: impl Fn(&[u8]) -> bool) {
    for (place, octets) in places.each() {
        assert!(!holds(octets), "{what} is in the {place}");
    }
}

#[test]
fn plain_keeps_addresses_and_announced_names_and_withholds_probes() {
    let (planted, places) = replay(PrivacyMac::Plain, false);
    for mac in [&planted.client, &planted.randomised, &planted.access_point] {
        for (place, octets) in [("spools", &places.spools), ("wire", &places.wire), ("history", &places.history)] {
            assert!(holds_mac(octets, mac), "{mac} is not in the {place}");
        }
    }
    assert!(holds_mac(&places.influx, &planted.client) && holds_mac(&places.influx, &planted.access_point));
    // A randomised address never becomes a series.
    assert!(!holds_mac(&places.influx, &planted.randomised));
    assert!(holds_name(&places.wire, &planted.beacon_ssid) && holds_name(&places.history, &planted.beacon_ssid));
    assert_nowhere(&places, "the probed name", |octets| holds_name(octets, &planted.probe_ssid));
}

#[test]
fn probed_names_are_kept_when_they_are_asked_for() {
    let (planted, places) = replay(PrivacyMac::Plain, true);
    for (place, octets) in [("spools", &places.spools), ("wire", &places.wire), ("history", &places.history)] {
        assert!(holds_name(octets, &planted.probe_ssid), "the probed name is not in the {place}");
    }
}

#[test]
fn pseudonyms_withhold_addresses_everywhere() {
    for ssids in [false, true] {
        let (planted, places) = replay(PrivacyMac::Pseudonym, ssids);
        for mac in [&planted.client, &planted.randomised, &planted.access_point, &planted.wired_host] {
            assert_nowhere(&places, mac, |octets| holds_mac(octets, mac));
        }
        assert!(holds(&places.wire, b"\"p-") && holds(&places.history, b"p-"), "pseudonyms are there");
        assert!(!holds(&places.influx, b"\"p-"), "a pseudonym never becomes a series");
        assert!(holds(&places.history, b"Planted"), "the vendor is told before the address is withheld");
        assert!(holds_name(&places.wire, &planted.beacon_ssid));
        if ssids {
            assert!(holds_name(&places.wire, &planted.probe_ssid));
        } else {
            assert_nowhere(&places, "the probed name", |octets| holds_name(octets, &planted.probe_ssid));
        }
    }
}

/// No key outlives its rotation, so a replay is another run, and touches no key of an interface's.
#[test]
fn a_replay_with_pseudonyms_is_a_run_of_its_own_and_leaves_the_live_key_alone() {
    let (rig, path) = Rig::with_history();
    let (capture, tally) = synthesise(rig.path(), &Options { frames: 500, ..Options::default() });
    let expected = Expected::synthetic("twice", capture, &tally);
    let state = rig.sensor("twice", &expected.path).spool.state_dir;
    fs::create_dir_all(&state).unwrap();
    let key = state.join("pseudonym.key");
    fs::write(&key, "the interface's").unwrap();
    for _ in 0..2 {
        rig.replay(std::slice::from_ref(&expected), |config| config.privacy.mac = PrivacyMac::Pseudonym);
    }
    rig.replay_mark("last");
    await_sensor(&path, "last");
    let database = open(&path).unwrap();
    assert_eq!(number(&database, "SELECT count(DISTINCT run) FROM windows WHERE sensor = 'twice'"), 2);
    let frames = "SELECT sum(frames) FROM windows WHERE sensor = 'twice'";
    assert_eq!(number(&database, frames), 2 * tally.frames);
    assert_eq!(fs::read(&key).unwrap(), b"the interface's");
}

#[test]
fn vendor_sums_withhold_addresses_pseudonyms_and_names() {
    for ssids in [false, true] {
        let (planted, places) = replay(PrivacyMac::Vendor, ssids);
        for mac in [&planted.client, &planted.randomised, &planted.access_point, &planted.wired_host] {
            assert_nowhere(&places, mac, |octets| holds_mac(octets, mac));
        }
        for name in [&planted.beacon_ssid, &planted.probe_ssid] {
            assert_nowhere(&places, name, |octets| holds_name(octets, name));
        }
        assert!(!holds(&places.wire, b"\"p-"), "no pseudonyms either");
        for (place, octets) in [("wire", &places.wire), ("history", &places.history), ("influx", &places.influx)] {
            assert!(holds(octets, b"Planted"), "the vendor is not in the {place}");
        }
    }
}
