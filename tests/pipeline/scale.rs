//! Size: many stations pass with exact sums and little memory, and the budget of admissions holds while stations
//! come and go.

use crate::support::{
    block_on,
    databases::Influxd,
    history::{await_sensor, compare, number, open},
    pipeline::{Expected, Rig, history, influx_v1, start_sensor},
    synth, synthesise, wait_until,
};
use std::{collections::BTreeSet, thread::sleep, time::Duration};

/// The sensor's resident set at its peak, at most, in MiB. Measured: see docs/benchmarks.md.
const MOST_MIB: u64 = 128;

#[test]
fn twenty_thousand_stations_pass_exactly() {
    let (rig, history) = Rig::with_history();
    let options = synth::Options {
        frames: 300_000,
        stations: 20_000,
        access_points: 60,
        seconds: 600,
        ..synth::Options::default()
    };
    let (path, tally) = synthesise(rig.path(), &options);
    assert_eq!(tally.stations.len(), options.stations);
    let capture = Expected::synthetic("large", path, &tally);
    let mut sensor = start_sensor(rig.path(), &rig.sensor(&capture.sensor, &capture.path));
    let mut peak = 0;
    let status = loop {
        peak = sensor.peak_kib().unwrap_or(0).max(peak);
        if let Some(status) = sensor.ended() {
            break status;
        }
        sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{}", sensor.log());
    println!("300,000 frames of 20,000 stations: the sensor's peak memory was {} MiB", peak / 1024);
    assert!(peak > 0 && peak < MOST_MIB * 1024, "{peak} KiB");

    rig.replay_mark("mark");
    await_sensor(&history, "mark");
    compare(&open(&history).unwrap(), &[capture]);
}

#[test]
fn the_budget_of_admissions_holds_while_stations_come_and_go() {
    const BUDGET: usize = 200;
    const HOUR: i64 = 3_600_000_000_000;
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.influx.push(influx_v1(&influx.url, "airtally"));
    });
    // Three retention periods of an hour each.
    let options = synth::Options {
        frames: 160_000,
        stations: 8_000,
        access_points: 20,
        seconds: 3 * 3_600,
        seed: 3,
        ..synth::Options::default()
    };
    let (path, tally) = synthesise(rig.path(), &options);
    let capture = Expected::synthetic("churn", path, &tally);
    rig.replay(std::slice::from_ref(&capture), |config| {
        config.window.length = Duration::from_secs(60);
        config.tracking.budget = BUDGET;
        config.tracking.period = Duration::from_secs(3_600);
        config.tracking.track_after = 3;
    });
    rig.replay_mark("mark");
    let path = history(rig.path()).path;
    await_sensor(&path, "mark");
    wait_until("InfluxDB has everything", Duration::from_secs(60), || {
        !block_on(influx.series("airtally", "SELECT count(frames) FROM wifi_sensor WHERE sensor = 'mark'")).is_empty()
    });
    let database = open(&path).unwrap();
    compare(&database, std::slice::from_ref(&capture));

    // The tide is higher than the dam: far more stations are seen often enough than may be admitted.
    let eligible = "SELECT count(*) FROM (SELECT address FROM stations WHERE NOT randomised GROUP BY address \
        HAVING count(*) >= 3)";
    let eligible = number(&database, eligible);
    assert!(eligible > 4 * BUDGET as u64, "only {eligible} stations are seen in three windows");

    let series = |from: i64| -> BTreeSet<String> {
        let query = format!(
            "SELECT count(frames_sent) FROM wifi_station WHERE sensor = 'churn' AND time >= {from} AND time < {} \
             GROUP BY station",
            from + HOUR
        );
        let found = block_on(influx.series("airtally", &query));
        found.iter().map(|series| series.tags["station"].clone()).filter(|tag| tag.contains(':')).collect()
    };
    // In no hour, wherever it begins, are there more stations with a series of their own.
    let mut everybody = BTreeSet::new();
    for step in 0..=8 {
        let tracked = series(synth::DEFAULT_START + HOUR * step / 4);
        assert!(tracked.len() <= BUDGET, "{} tracked stations in the hour from step {step}", tracked.len());
        assert!(tracked.len() > BUDGET / 2, "only {} in the hour from step {step}: it shows nothing", tracked.len());
        everybody.extend(tracked);
    }
    let cardinality = block_on(
        influx.series("airtally", "SHOW SERIES EXACT CARDINALITY ON airtally FROM wifi_station WHERE sensor = 'churn'"),
    );
    let cardinality = cardinality[0].rows[0]["count"].as_u64().unwrap();
    println!("{eligible} stations came in question, {cardinality} series over three periods, {BUDGET} allowed in each");
    assert_eq!(cardinality, everybody.len() as u64 + 2, "tracked stations, randomised and other");
    assert!(cardinality <= 3 * BUDGET as u64 + 2);
}
