//! Estimates of people, through the real programs: what `airtally inspect --people` says of a capture is what is stored of it, in
//! every privacy mode, once, and after a replay too.

use crate::support::{
    block_on,
    databases::Influxd,
    pipeline::{Rig, history, influx_v1, start_sensor},
    program::{airtally, text},
    wait_until,
};
use airtally::{
    tally::{devices::Device, settings::PrivacyMac},
    wire::People,
};
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Start in milliseconds; low, estimate and high, where there are any.
type Told = BTreeMap<i64, Option<[i64; 3]>>;

/// Fifty minutes of a room in which phones come, and which they leave; the first and the last interval are cut. A computer of the room
/// asks all the time.
fn capture(dir: &Path) -> PathBuf {
    let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0004_0000, 127].map(u32::to_le_bytes).concat();
    let mut request = |second: u32, address: [u8; 6], model: u8| {
        let mut packet = vec![0, 0, 9, 0, 0x20, 0, 0, 0, (-50_i8).to_le_bytes()[0], 0x40, 0, 0, 0];
        packet.extend([0xff; 6]);
        packet.extend(address);
        packet.extend([0xff; 6]);
        packet.extend([0, 0, 0, 0, 1, 2, 0x82, model]);
        let len = u32::try_from(packet.len()).unwrap();
        file.extend([1_700_000_100 + second, 0, len, len].map(u32::to_le_bytes).concat());
        file.extend(packet);
    };
    for second in (200..3_100).step_by(25) {
        let here = if second < 2_400 { u8::try_from(second / 300).unwrap() } else { 0 };
        let turn = u8::try_from(second / 25).unwrap();
        (0..here).for_each(|model| request(second, [0x02, model, 0, 0, 0, turn], model));
        request(second, [0x3c, 0x22, 0xfb, 0, 0, 1], 99);
    }
    let path = dir.join("room.pcap");
    fs::write(&path, file).unwrap();
    path
}

fn told(capture: &Path, config: &Path) -> Told {
    let output = airtally()
        .args(["inspect", "--people", "--format", "json", "--config"])
        .args([config, capture])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let people = lines.lines().map(|line| serde_json::from_str::<People>(line).unwrap());
    let numbers = |people: &People| Some([people.low?, people.estimate?, people.high?].map(i64::from));
    people.map(|people| (people.start.0 / 1_000_000, numbers(&people))).collect()
}

fn stored(database: &Connection, sensor: &str) -> Told {
    let sql = "SELECT start_ns / 1000000, low, estimate, high FROM people WHERE sensor = ?1";
    let Ok(mut statement) = database.prepare(sql) else { return Told::new() };
    let rows = statement.query_map([sensor], |row| {
        let [low, estimate, high]: [Option<i64>; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        Ok((row.get(0)?, low.zip(estimate).zip(high).map(|((low, estimate), high)| [low, estimate, high])))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_inspect_says_is_stored_once_in_every_privacy_mode() {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.influx.push(influx_v1(&influx.url, "airtally"));
    });
    let path = capture(rig.path());
    let database = || Connection::open(rig.path().join("history.sqlite")).unwrap();
    for (name, mac) in
        [("plain", PrivacyMac::Plain), ("pseudonym", PrivacyMac::Pseudonym), ("vendor", PrivacyMac::Vendor)]
    {
        let mut config = rig.sensor(name, &path);
        config.privacy.mac = mac;
        config.people.enabled = true;
        config.people.people_per_device = 1.5;
        // Windows that do not end with the five minutes.
        config.window.length = Duration::from_secs(70);
        let address = "3c:22:fb:00:00:01".parse().unwrap();
        config.devices.0 =
            vec![Device { name: "printer".into(), address, track: false, ignore: true, presence: false }];
        for pass in 0..2 {
            start_sensor(rig.path(), &config).succeed(Duration::from_secs(60));
            let expected = told(&path, &rig.path().join(format!("{name}.toml")));
            assert_eq!((expected.len(), expected.values().flatten().count()), (11, 9), "{expected:?}");
            assert!(expected.values().flatten().any(|told| *told == [6, 11, 21]), "seven phones: {expected:?}");
            wait_until("all estimates are stored", Duration::from_secs(60), || stored(&database(), name) == expected);
            let in_influx = || {
                let query = format!("SELECT low, estimate, high FROM wifi_people WHERE sensor = '{name}'");
                let series = block_on(influx.series("airtally", &query));
                let number = |row: &BTreeMap<String, serde_json::Value>, key: &str| row[key].as_i64().unwrap();
                let rows = series.iter().flat_map(|series| &series.rows);
                rows.map(|row| {
                    let numbers = ["low", "estimate", "high"].map(|key| number(row, key));
                    (number(row, "time") / 1_000_000, Some(numbers))
                })
                .collect::<Told>()
            };
            let known: Told =
                expected.iter().filter(|(_, told)| told.is_some()).map(|(at, told)| (*at, *told)).collect();
            wait_until("InfluxDB has them", Duration::from_secs(60), || in_influx() == known);
            let rows: i64 = database()
                .query_row("SELECT count(*) FROM people WHERE sensor = ?1", [name], |row| row.get(0))
                .unwrap();
            assert_eq!(rows, 11, "pass {pass}");
        }
    }
    let shown = airtally()
        .args(["history", "--people", "--sensor", "vendor", "--format", "json", "--top", "100", "--db"])
        .arg(rig.path().join("history.sqlite"))
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["people"].as_array().unwrap().len(), 11);
    assert_eq!(
        (&shown["people"][0]["reason"], &shown["people"][0]["estimate"]),
        (&"coverage".into(), &serde_json::Value::Null)
    );
}
