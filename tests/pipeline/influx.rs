//! Capture to InfluxDB 1.x, through the real programs: sums and roll-ups are what tshark counts.

use crate::support::{
    block_on,
    databases::Influxd,
    expected_series::{Stored, adjust, compare},
    pipeline::{Rig, expectations, influx_v1},
    wait_until,
};
use std::{collections::BTreeMap, time::Duration};

/// Sums of all fields of a measurement, by sensor and one more tag (or nothing).
fn sums(
    influx: &Influxd,
    measurement: &str,
    tag: Option<&str>,
    field: &str,
) -> Vec<(String, String, BTreeMap<String, u64>)> {
    let by = tag.map_or_else(String::new, |tag| format!(", {tag}"));
    let query = format!("SELECT sum({field}) FROM {measurement} GROUP BY sensor{by}");
    let of = |series: &crate::support::databases::Series, tag: &str| series.tags.get(tag).cloned().unwrap_or_default();
    block_on(influx.series("airtally", &query))
        .iter()
        .map(|series| {
            let counts = series.rows[0]
                .iter()
                .filter_map(|(name, value)| Some((name.trim_start_matches("sum_").to_owned(), value.as_f64()? as u64)))
                .collect();
            (of(series, "sensor"), tag.map(|tag| of(series, tag)).unwrap_or_default(), counts)
        })
        .collect()
}

fn read(influx: &Influxd) -> BTreeMap<String, Stored> {
    let mut all: BTreeMap<String, Stored> = BTreeMap::new();
    for (sensor, station, counts) in sums(influx, "wifi_station", Some("station"), "frames_sent") {
        all.entry(sensor).or_default().stations.insert(station, counts["sum"]);
    }
    for (sensor, _, counts) in sums(influx, "wifi_vendor", None, "frames_sent") {
        all.entry(sensor).or_default().vendors = counts["sum"];
    }
    for (sensor, _, counts) in sums(influx, "wifi_channel", None, "frames") {
        all.entry(sensor).or_default().channels = counts["sum"];
    }
    for (sensor, _, counts) in sums(influx, "wifi_sensor", None, "*") {
        all.entry(sensor).or_default().sensor = counts;
    }
    all.retain(|sensor, _| !sensor.starts_with("mark"));
    all
}

fn await_mark(influx: &Influxd, mark: &str) {
    let query = format!("SELECT count(frames) FROM wifi_sensor WHERE sensor = '{mark}'");
    wait_until(&format!("{mark} is stored"), Duration::from_secs(120), || {
        !block_on(influx.series("airtally", &query)).is_empty()
    });
}

#[test]
fn every_wireless_capture_sums_up_as_tshark_counts_it() {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let rig = Rig::start(|_, config| config.influx.push(influx_v1(&influx.url, "airtally")));
    let captures = expectations(rig.path());
    rig.replay(&captures, adjust);
    rig.replay_mark("mark-1");
    await_mark(&influx, "mark-1");
    let first = read(&influx);
    compare(&first, &captures);

    rig.replay(&captures, adjust);
    rig.replay_mark("mark-2");
    await_mark(&influx, "mark-2");
    assert_eq!(read(&influx), first, "stored twice is stored once");
    let frames: u64 = captures.iter().map(|capture| capture.frames).sum();
    println!("{} captures, {frames} frames, twice", captures.len());
}
