//! What a privacy mode withholds is nowhere: addresses and network names planted in a capture are looked for in the
//! spools, the logs, the messages and the databases, and found exactly where the mode allows.

use crate::support::{
    block_on,
    broker::free_port,
    databases::Influxd,
    history::{await_sensor, number, open},
    pipeline::{Expected, Rig, history, influx_v1, start_sensor},
    program::{Daemon, airtally, text},
    synth::{
        Options,
        tally::{Planted, Tally},
    },
    synthesise, wait_until,
};
use airtally::{
    Mac,
    config::{LogLevel, Pace, Sensor},
    tally::settings::PrivacyMac,
};
use rusqlite::{Connection, types::ValueRef};
use std::{
    fs,
    io::Read as _,
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

/// A file's octets, what is compressed anywhere in them, and, if it is a SQLite database, every value in it,
/// decompressed where it is compressed.
fn contents(path: &Path) -> Vec<u8> {
    let mut all = fs::read(path).unwrap_or_default();
    // RFC 8878, 3.1.1: a frame's magic number. A free page, too, may have one.
    let frames = all.windows(4).enumerate().filter(|(_, four)| **four == [0x28, 0xb5, 0x2f, 0xfd]).map(|(at, _)| at);
    let mut unpacked = Vec::new();
    for at in frames {
        if let Ok(decoder) = zstd::Decoder::new(&all[at..]) {
            let _ = decoder.single_frame().take(1 << 20).read_to_end(&mut unpacked);
        }
    }
    all.extend(unpacked);
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

/// An address in eighteen spellings.
fn spellings(mac: Mac) -> [Vec<u8>; 18] {
    let octets = mac.0;
    let mut backwards = octets;
    backwards.reverse();
    let colons = mac.to_string();
    let bare = colons.replace(':', "");
    let cisco = format!("{}.{}.{}", &bare[..4], &bare[4..8], &bare[8..]);
    let listed = |octets: [u8; 6], format: fn(u8) -> String, between: &str| octets.map(format).join(between);
    let texts = [
        colons.clone(),
        colons.to_uppercase(),
        colons.replace(':', "-"),
        colons.replace(':', "-").to_uppercase(),
        colons.replace(':', " "),
        colons.replace(':', "%3A"),
        bare.clone(),
        bare.to_uppercase(),
        cisco.clone(),
        cisco.to_uppercase(),
        listed(octets, |octet| format!("{octet:x}"), ":"),
        listed(octets, |octet| octet.to_string(), ","),
        listed(backwards, |octet| format!("{octet:02x}"), ":"),
        listed(backwards, |octet| format!("{octet:02x}"), ""),
        mac.to_u64().to_string(),
        base64(octets),
    ];
    let mut all: Vec<Vec<u8>> = texts.map(String::into_bytes).into();
    all.extend([octets.to_vec(), backwards.to_vec()]);
    all.try_into().unwrap()
}

/// RFC 4648, clause 4: three octets are four characters, so that six need no padding.
fn base64(octets: [u8; 6]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = octets.iter().fold(0u64, |bits, &octet| bits << 8 | u64::from(octet));
    (0..8).rev().map(|place| char::from(alphabet[(bits >> (6 * place)) as usize & 63])).collect()
}

/// Whether an address is there in any form.
fn holds_mac(hay: &[u8], mac: &str) -> bool {
    spellings(mac.parse().unwrap()).iter().any(|spelling| holds(hay, spelling))
}

#[test]
fn the_spellings_are_those_that_others_use() {
    let all = spellings(Mac([0x00, 0x0e, 0x8e, 0xab, 0xcd, 0xef]));
    // printf '\\x00\\x0e\\x8e\\xab\\xcd\\xef' | base64
    for text in ["00:0E:8E:AB:CD:EF", "000e.8eab.cdef", "0:e:8e:ab:cd:ef", "0,14,142,171,205,239", "AA6Oq83v"] {
        assert!(all.iter().any(|spelling| spelling == text.as_bytes()), "{text}");
    }
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 18);
}

/// Whether a network name is there, as text or in hexadecimal.
fn holds_name(hay: &[u8], name: &str) -> bool {
    let hex: String = name.bytes().map(|octet| format!("{octet:02x}")).collect();
    holds(hay, name.as_bytes()) || holds(hay, hex.as_bytes())
}

/// A broker, an ingest with both databases, and a listener to everything but what was retained before it came.
struct World {
    influx: Influxd,
    rig: Rig,
    wire: PathBuf,
    listener: Daemon,
}

fn world() -> World {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let rig = Rig::start(|dir, config| {
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
    World { influx, rig, wire, listener }
}

/// A sensor that replays a capture with everything planted in it.
fn planted(rig: &Rig, mode: PrivacyMac, ssids: bool) -> (Sensor, Tally) {
    let options = Options { frames: 4_000, stations: 60, plant: true, ..Options::default() };
    let (capture, tally) = synthesise(rig.path(), &options);
    let mut config = rig.sensor("private", &capture);
    config.privacy.mac = mode;
    config.privacy.ssids = ssids;
    config.tracking.track_after = 1;
    config.log.level = LogLevel::Trace;
    (config, tally)
}

/// Replays the planted capture in a mode and gathers everything.
fn replay(mode: PrivacyMac, ssids: bool) -> (Planted, Places) {
    let world = world();
    let (config, tally) = planted(&world.rig, mode, ssids);
    start_sensor(world.rig.path(), &config).succeed(Duration::from_secs(60));
    (tally.planted.unwrap(), gather(world))
}

/// Once everything has arrived everywhere.
fn gather(world: World) -> Places {
    let World { influx, mut rig, wire, listener } = world;
    let dir = rig.path();
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
    assert!(places.each().iter().all(|(_, octets)| !octets.is_empty()));
    places
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

/// What had not been delivered when the mode became stricter: counted with no broker to be had, the sensor killed; then
/// killed five more times amid the erasure.
fn switched(before: (PrivacyMac, bool), after: (PrivacyMac, bool)) -> (Planted, Places) {
    let world = world();
    let (mut config, tally) = planted(&world.rig, before.0, before.1);
    let dir = world.rig.path().to_owned();
    config.mqtt.port = Some(free_port());
    let log = dir.join("private.log");
    for stopped in [true, false] {
        // What waits at a stop is on disk, what waits at a kill in memory; windows of another length are another run.
        config.window.length = Duration::from_secs(if stopped { 10 } else { 7 });
        let mut sensor = start_sensor(&dir, &config);
        std::thread::sleep(Duration::from_secs(4));
        if stopped {
            assert!(sensor.stop().success());
        } else {
            sensor.kill9();
        }
    }
    let spools: Vec<u8> = files(&dir.join("private")).iter().flat_map(|path| contents(path)).collect();
    let planted = tally.planted.unwrap();
    if before.0 == PrivacyMac::Plain {
        assert!(holds_mac(&spools, &planted.client), "there is something to erase");
    }
    fs::remove_file(&log).unwrap();
    config.mqtt.port = Some(world.rig.broker.port);
    (config.privacy.mac, config.privacy.ssids) = after;
    for delay in [20, 35, 50, 70, 100] {
        let sensor = start_sensor(&dir, &config);
        std::thread::sleep(Duration::from_millis(delay));
        drop(sensor); // Killed, if it has not ended.
    }
    start_sensor(&dir, &config).succeed(Duration::from_secs(60));
    (planted, gather(world))
}

#[test]
fn a_stricter_mode_withholds_what_had_not_been_delivered() {
    use PrivacyMac::{Plain, Pseudonym, Vendor};
    for (before, after) in [((Plain, true), Pseudonym), ((Plain, false), Vendor), ((Pseudonym, true), Vendor)] {
        let (planted, places) = switched(before, (after, false));
        for mac in [&planted.client, &planted.randomised, &planted.access_point, &planted.wired_host] {
            assert_nowhere(&places, mac, |octets| holds_mac(octets, mac));
        }
        assert_nowhere(&places, "the probed name", |octets| holds_name(octets, &planted.probe_ssid));
        if after == Vendor {
            assert!(!holds(&places.wire, b"\"p-"), "no pseudonyms either");
            assert_nowhere(&places, "the announced name", |octets| holds_name(octets, &planted.beacon_ssid));
        }
        let declared =
            holds(&places.wire, b"\"reason\":\"unavailable\"") && holds(&places.wire, b"\"detail\":\"privacy\"");
        assert!(declared, "the loss is declared");
        assert!(holds(&places.history, b"unavailable") && holds(&places.influx, b"unavailable"), "and stored");
    }
}

#[test]
fn network_names_asked_for_no_more_are_withheld() {
    let (planted, places) = switched((PrivacyMac::Plain, true), (PrivacyMac::Plain, false));
    assert_nowhere(&places, "the probed name", |octets| holds_name(octets, &planted.probe_ssid));
    assert!(holds_mac(&places.wire, &planted.client), "addresses were not what changed");
}

/// What was delivered in mode plain is neither listed nor sent again in mode pseudonym, whoever asks for it.
#[test]
fn a_stricter_mode_withholds_what_is_asked_for_again() {
    let world = world();
    let (mut config, tally) = planted(&world.rig, PrivacyMac::Plain, false);
    let dir = world.rig.path().to_owned();
    let key = dir.join("private/state/pseudonym.key");
    fs::create_dir_all(&config.spool.state_dir).unwrap();
    fs::write(&key, [&7i64.to_be_bytes()[..], &[0x7f; 32]].concat()).unwrap();
    start_sensor(&dir, &config).succeed(Duration::from_secs(60));
    assert!(!key.exists(), "mode plain needs no key");
    let said = fs::read_to_string(&world.wire).unwrap();
    let said = said.split_once("airtally/test/private/batch").unwrap().1;
    let run = said.split("\"run\":\"").nth(1).and_then(|rest| rest.get(..36)).unwrap().to_owned();
    drop(world.listener);
    fs::write(&key, [&1i64.to_be_bytes()[..], &[7; 32]].concat()).unwrap(); // Of 1970.
    fs::write(dir.join("private/state/pseudonym.key.new"), [0; 20]).unwrap(); // Left by a crash.
    fs::remove_file(dir.join("private.log")).unwrap();

    let port = world.rig.broker.port.to_string();
    let mut listen = Command::new("mosquitto_sub");
    listen.args(["-h", "127.0.0.1", "-p", &port, "-t", "airtally/test/private/#", "-R", "-v", "-V", "5"]);
    let wire = dir.join("strict.txt");
    let listener = Daemon::start("mosquitto_sub", &mut listen, &wire);
    config.privacy.mac = PrivacyMac::Pseudonym;
    // At the capture's own pace it is there long enough to be asked.
    config.source.pace = Pace::Recorded;
    config.window.length = Duration::from_secs(1);
    let mut sensor = start_sensor(&dir, &config);
    wait_until("a window comes", Duration::from_secs(30), || listener.log().contains("private/batch"));
    let request = format!("{{\"run\":\"{run}\",\"first_seq\":0,\"last_seq\":1000,\"id\":\"x\"}}");
    let mut ask = Command::new("mosquitto_pub");
    ask.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "airtally/test/private/request/replay", "-m", &request]);
    for asked in 1..=2 {
        assert!(ask.status().unwrap().success());
        wait_until("the sensor answers", Duration::from_secs(30), || {
            listener.log().lines().filter(|line| line.contains("response/replay")).count() == asked
        });
    }
    std::thread::sleep(Duration::from_secs(2));
    assert!(sensor.stop().success());
    let said = listener.log();
    let answer = said.lines().find(|line| line.contains("response/replay")).unwrap();
    assert!(answer.contains("\"offered\":0") && answer.contains("\"missing\":[[0,"), "{answer}");
    let listed = said.lines().any(|line| line.contains("private/status") && line.contains(&run));
    assert!(!listed, "what was erased is listed");
    let planted = tally.planted.unwrap();
    let spools: Vec<u8> = files(&dir.join("private")).iter().flat_map(|path| contents(path)).collect();
    let log = fs::read(dir.join("private.log")).unwrap();
    for mac in [&planted.client, &planted.randomised, &planted.access_point, &planted.wired_host] {
        for (place, octets) in [("wire", said.as_bytes()), ("spools", &spools), ("log", &log)] {
            assert!(!holds_mac(octets, mac), "{mac} is in the {place}");
        }
    }
    assert!(!key.exists() && !dir.join("private/state/pseudonym.key.new").exists(), "a key of a past rotation is left");
}
