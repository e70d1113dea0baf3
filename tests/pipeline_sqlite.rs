//! Capture to SQLite history, through the real programs: what is stored is what tshark counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use airtally::Mac;
use rusqlite::Connection;
use std::{collections::BTreeMap, path::Path, time::Duration};
use support::{
    pipeline::{Expected, Rig, expectations, history},
    synth::{self, tally::Tally},
    synthesise, wait_until,
};

fn number(database: &Connection, sql: &str) -> u64 {
    database.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap().unwrap_or(0).try_into().unwrap()
}

fn open(path: &Path) -> Option<Connection> {
    let database = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    database.busy_timeout(Duration::from_secs(10)).ok()?;
    let readable = database.prepare("SELECT 1 FROM windows").is_ok();
    readable.then_some(database)
}

fn await_sensor(history: &Path, sensor: &str) {
    let sql = format!("SELECT count(*) FROM windows WHERE sensor = '{sensor}'");
    wait_until(&format!("{sensor} is stored"), Duration::from_secs(120), || {
        open(history).is_some_and(|database| number(&database, &sql) > 0)
    });
}

/// Frames sent of each station of a sensor.
fn stations(database: &Connection, sensor: &str) -> BTreeMap<Mac, u64> {
    let sql = "SELECT station, sum(frames_sent) FROM station_rows WHERE sensor = ?1 GROUP BY station";
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([sensor], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))).unwrap();
    rows.map(|row| row.unwrap()).map(|(mac, frames)| (mac.parse().unwrap(), frames.try_into().unwrap())).collect()
}

/// Everything but when it was stored.
fn fingerprint(database: &Connection) -> (u64, u64, u64, u64, u64) {
    (
        number(database, "SELECT count(*) FROM windows WHERE sensor NOT LIKE 'mark%'"),
        number(database, "SELECT count(*) FROM stations"),
        number(database, "SELECT sum(frames_sent * 3 + bytes_sent * 5 + frames_received * 7) FROM stations"),
        number(database, "SELECT sum(frames) FROM windows WHERE sensor NOT LIKE 'mark%'"),
        number(database, "SELECT count(*) FROM gaps"),
    )
}

fn compare(database: &Connection, captures: &[Expected]) {
    let mut wrong = Vec::new();
    for capture in captures {
        let stored = stations(database, &capture.sensor);
        if stored != capture.stations {
            wrong.push(format!("{:?}: stored {stored:?}, counted {:?}", capture.path, capture.stations));
        }
        for (column, expected) in [
            ("frames", capture.frames),
            ("station_frames", capture.station_frames()),
            ("group_ta", capture.group_ta),
            ("overflow_frames", 0),
        ] {
            let sql = format!("SELECT sum({column}) FROM windows WHERE sensor = '{}'", capture.sensor);
            let stored = number(database, &sql);
            if stored != expected {
                wrong.push(format!("{:?}: {column} stored {stored}, counted {expected}", capture.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let leaks = "SELECT count(*) FROM windows WHERE part = 0 AND frames <> \
        station_frames + bad_fcs + malformed + without_ta + group_ta + overflow_frames";
    assert_eq!(number(database, leaks), 0, "windows whose frames are not conserved");
    let unequal = "SELECT count(*) FROM (SELECT sum(windows.station_frames) AS said, (SELECT sum(frames_sent) FROM \
        stations JOIN windows AS w ON w.id = stations.window WHERE w.run = windows.run AND w.seq = windows.seq \
        AND w.sensor = windows.sensor) AS rows FROM windows GROUP BY sensor, run, seq) WHERE said <> coalesce(rows, 0)";
    assert_eq!(number(database, unequal), 0, "windows whose rows do not sum up to what they say");
    let holes = "SELECT count(*) FROM (SELECT max(seq) + 1 AS due, count(DISTINCT seq) AS there, \
        count(*) AS parts_there, sum(CASE part WHEN 0 THEN parts END) AS parts_due FROM windows GROUP BY sensor, run) \
        WHERE due <> there OR parts_there <> parts_due";
    assert_eq!(number(database, holes), 0, "runs with holes");
    assert_eq!(number(database, "SELECT count(*) FROM gaps"), 0, "losses declared, though nothing was lost");
}

#[test]
fn every_wireless_capture_is_stored_as_tshark_counts_it() {
    let mut path = None;
    let rig = Rig::start(|dir, config| {
        let sqlite = history(dir);
        path = Some(sqlite.path.clone());
        config.sqlite = Some(sqlite);
    });
    let path = path.unwrap();
    let captures = expectations(rig.path());
    rig.replay(&captures, |_| ());
    rig.replay_mark("mark-1");
    await_sensor(&path, "mark-1");
    let database = open(&path).unwrap();
    compare(&database, &captures);

    // Everything again: a file's run is its content, so every window overwrites itself.
    let before = fingerprint(&database);
    rig.replay(&captures, |_| ());
    rig.replay_mark("mark-2");
    await_sensor(&path, "mark-2");
    assert_eq!(fingerprint(&database), before);
    compare(&database, &captures);
    let frames: u64 = captures.iter().map(|capture| capture.frames).sum();
    println!("{} captures, {frames} frames, twice", captures.len());
}

/// One window over the whole capture, so that every column can be compared.
fn replay_whole(options: &synth::Options) -> (Tally, Rig, Connection) {
    let mut path = None;
    let rig = Rig::start(|dir, config| {
        let sqlite = history(dir);
        path = Some(sqlite.path.clone());
        config.sqlite = Some(sqlite);
    });
    let (capture, tally) = synthesise(rig.path(), options);
    rig.replay(&[Expected::synthetic("whole", capture, &tally)], |config| {
        config.window.length = Duration::from_secs(86_400);
        config.privacy.ssids = true;
    });
    await_sensor(path.as_ref().unwrap(), "whole");
    rig.replay_mark("mark");
    await_sensor(path.as_ref().unwrap(), "mark");
    let database = open(path.as_ref().unwrap()).unwrap();
    (tally, rig, database)
}

#[test]
fn every_column_is_what_the_generator_meant() {
    let options = synth::Options { frames: 30_000, stations: 600, probe_ssids: 3, ..synth::Options::default() };
    let (tally, _rig, database) = replay_whole(&options);
    let sum = |column: &str| number(&database, &format!("SELECT sum({column}) FROM windows WHERE sensor = 'whole'"));
    assert_eq!(sum("frames"), tally.frames);
    assert_eq!(sum("bytes"), tally.bytes);
    assert_eq!(sum("bad_fcs"), tally.bad_fcs);
    assert_eq!(sum("malformed"), tally.malformed);
    assert_eq!(sum("without_ta"), tally.without_ta);
    assert_eq!(sum("group_ta"), tally.group_ta);

    let counts = |sql: &str| -> BTreeMap<String, u64> {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned())));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let of_whole = "JOIN windows ON windows.id = window WHERE sensor = 'whole' GROUP BY 1";
    let stored = counts(&format!("SELECT subtype, sum(subtypes.frames) FROM subtypes {of_whole}"));
    assert_eq!(stored, tally.subtypes);
    let stored = counts(&format!("SELECT CAST(freq_mhz AS TEXT), sum(channels.bytes) FROM channels {of_whole}"));
    assert_eq!(stored, tally.channels.iter().map(|(freq, channel)| (freq.to_string(), channel.bytes)).collect());

    let mut statement = database
        .prepare(
            "SELECT station, frames_sent, bytes_sent, frames_received, management, control, data, retries, signal_min, \
             signal_max, signal_frames, signal_mean, freqs_mhz, ssids, first_seen_ns, last_seen_ns, randomised \
             FROM station_rows WHERE sensor = 'whole'",
        )
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut seen = 0;
    while let Some(row) = rows.next().unwrap() {
        seen += 1;
        let mac: Mac = row.get::<_, String>(0).unwrap().parse().unwrap();
        let meant = &tally.stations[&mac.0];
        let number = |column: usize| row.get::<_, i64>(column).unwrap().cast_unsigned();
        let counts: Vec<u64> = (1..8).map(number).collect();
        assert_eq!(
            counts,
            [
                meant.frames_sent,
                meant.bytes_sent,
                meant.frames_received,
                meant.management,
                meant.control,
                meant.data,
                meant.retries
            ],
            "{mac}"
        );
        assert_eq!(row.get::<_, Option<i8>>(8).unwrap(), meant.signal_min, "{mac}");
        assert_eq!(row.get::<_, Option<i8>>(9).unwrap(), meant.signal_max, "{mac}");
        assert_eq!(row.get::<_, Option<i64>>(10).unwrap().unwrap_or(0).cast_unsigned(), meant.signal_frames, "{mac}");
        if let Some(mean) = row.get::<_, Option<f64>>(11).unwrap() {
            let exact = meant.signal_sum as f64 / meant.signal_frames as f64;
            assert!((mean - exact).abs() < 0.051, "{mac}: {mean} for {exact}");
        }
        let freqs: Vec<u16> = serde_json::from_str(&row.get::<_, String>(12).unwrap()).unwrap();
        assert_eq!(freqs, meant.freqs_mhz.iter().copied().collect::<Vec<_>>(), "{mac}");
        let names: Vec<String> =
            row.get::<_, Option<String>>(13).unwrap().map_or(Vec::new(), |text| serde_json::from_str(&text).unwrap());
        let mut known: Vec<String> = meant.ssids.union(&meant.sought_ssids).cloned().collect();
        known.sort_unstable();
        assert_eq!(names, known, "{mac}");
        let times = (row.get::<_, i64>(14).unwrap(), row.get::<_, i64>(15).unwrap());
        assert_eq!(times, (meant.first_seen, meant.last_seen), "{mac}");
        assert_eq!(row.get::<_, bool>(16).unwrap(), meant.randomised, "{mac}");
    }
    assert_eq!(seen, tally.stations.len());
}
