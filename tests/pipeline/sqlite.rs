//! Capture to SQLite history, through the real programs: what is stored is what tshark counts.

use crate::support::{
    history::{await_sensor, compare, number, open},
    pipeline::{Expected, Rig, expectations, start_sensor, write},
    program::{Daemon, airtally},
    synth::{self, tally::Tally},
    synthesise, wait_until,
};
use airtally::{
    Mac,
    config::{Pace, SourceKind},
};
use rusqlite::Connection;
use std::{collections::BTreeMap, fs::File, path::Path, process::Command, time::Duration};

/// Everything but when it was stored, and but the marks.
fn fingerprint(database: &Connection) -> Vec<u64> {
    ["count(*)", "sum(frames_sent * 3 + bytes_sent * 5 + frames_received * 7 + retries * 11 + tracked * 13)"]
        .map(|sum| {
            format!("SELECT {sum} FROM stations JOIN windows ON windows.id = window WHERE sensor NOT LIKE 'mark%'")
        })
        .into_iter()
        .chain(
            ["count(*)", "sum(frames)", "sum(bytes)", "sum(start_ns / 1000000000 % 1000003 * (seq + 1))"]
                .map(|sum| format!("SELECT {sum} FROM windows WHERE sensor NOT LIKE 'mark%'")),
        )
        .map(|sql| number(database, &sql))
        .collect()
}

#[test]
fn every_wireless_capture_is_stored_as_tshark_counts_it() {
    let (rig, path) = Rig::with_history();
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
    let (rig, path) = Rig::with_history();
    let (capture, tally) = synthesise(rig.path(), options);
    rig.replay(&[Expected::synthetic("whole", capture, &tally)], |config| {
        config.window.length = Duration::from_secs(86_400);
        config.privacy.ssids = true;
    });
    await_sensor(&path, "whole");
    rig.replay_mark("mark");
    await_sensor(&path, "mark");
    let database = open(&path).unwrap();
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

/// `command`'s output as the sensor's standard input.
fn replay_stdin(rig: &Rig, name: &str, capture: &Path) {
    let mut config = rig.sensor(name, Path::new(""));
    config.source.kind = SourceKind::Stdin;
    let file = write(rig.path(), name, &config);
    let mut command = airtally();
    command.arg("sensor").arg("--config").arg(file).stdin(File::open(capture).unwrap());
    Daemon::start(name, &mut command, &rig.path().join(format!("{name}.log"))).succeed(Duration::from_secs(60));
}

#[test]
fn standard_input_counts_like_the_file_in_pcap_and_pcapng() {
    let (rig, path) = Rig::with_history();
    let (capture, tally) = synthesise(rig.path(), &synth::Options::default());
    let ng = rig.path().join("synth.pcapng");
    let status = Command::new("editcap").args(["-F", "pcapng"]).args([&capture, &ng]).status();
    assert!(status.expect("editcap (package wireshark-common)").success());
    replay_stdin(&rig, "in-pcap", &capture);
    replay_stdin(&rig, "in-pcapng", &ng);
    rig.replay(&[Expected::synthetic("from-pcapng", ng.clone(), &tally)], |_| ());
    rig.replay_mark("mark");
    await_sensor(&path, "mark");
    let expected = ["in-pcap", "in-pcapng", "from-pcapng"].map(|name| Expected::synthetic(name, ng.clone(), &tally));
    compare(&open(&path).unwrap(), &expected);
}

#[test]
fn each_pass_of_a_loop_is_a_run_of_its_own() {
    let (rig, path) = Rig::with_history();
    let options = synth::Options { frames: 2_000, seconds: 3, stations: 60, ..synth::Options::default() };
    let (capture, tally) = synthesise(rig.path(), &options);
    let mut config = rig.sensor("round", &capture);
    config.source.pace = Pace::Recorded;
    config.source.repeat = true;
    config.window.length = Duration::from_secs(1);
    let mut sensor = start_sensor(rig.path(), &config);
    let passes = |frames: u64| {
        let sql =
            format!("SELECT count(*) FROM (SELECT sum(frames) AS n FROM windows GROUP BY run) WHERE n = {frames}");
        open(&path).map_or(0, |database| number(&database, &sql))
    };
    wait_until("two whole passes are stored", Duration::from_secs(60), || passes(tally.frames) >= 2);
    assert!(sensor.stop().success());
    assert_eq!(number(&open(&path).unwrap(), "SELECT count(*) FROM gaps"), 0);
}
