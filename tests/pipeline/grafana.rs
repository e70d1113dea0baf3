//! An hour of a capture, through the real programs into InfluxDB: the dashboard draws it as lines, and they hold its frames.

use crate::support::{
    block_on,
    dashboard::{Asked, dashboard, graphs, interpolate, interval},
    databases::Influxd,
    pipeline::{Expected, Rig, influx_v1},
    synth::Options,
    synthesise, wait_until,
};
use std::time::Duration;

const HOUR: u64 = 3_600;

#[test]
fn an_hour_of_a_sensor_is_a_line_in_every_panel() {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let rig = Rig::start(|_, config| config.influx.push(influx_v1(&influx.url, "airtally")));
    // Frames enough for something in every window: an empty one is none, of a capture.
    let options = Options { frames: 20_000, seconds: HOUR, ..Options::default() };
    let (capture, tally) = synthesise(rig.path(), &options);
    rig.replay(&[Expected::synthetic("attic", capture, &tally)], |_| ());
    let stored = || {
        let all = block_on(influx.series("airtally", "SELECT sum(frames) AS frames FROM wifi_sensor"));
        all.first().is_some_and(|series| series.rows[0]["frames"] == tally.frames)
    };
    wait_until("all frames are stored", Duration::from_secs(60), stored);
    let from = u64::try_from(options.start / 1_000_000_000).unwrap();
    // The capture's last frames are a moment past the hour, and some are on no channel.
    let of_hour = |measurement: &str| {
        let query = format!("SELECT sum(frames) AS frames FROM {measurement} WHERE time < {}s", from + HOUR);
        block_on(influx.series("airtally", &query))[0].rows[0]["frames"].as_u64().unwrap()
    };
    assert!(of_hour("wifi_sensor") > tally.frames - 100 && of_hour("wifi_channel") > tally.frames - 200);
    let dashboard = dashboard();
    let mut drawn = 0;
    for panel in graphs(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        let interval = interval(panel, HOUR);
        let asked = Asked { site: "test", sensor: "attic", from, to: from + HOUR - 1, interval };
        let query = interpolate(panel["targets"][0]["query"].as_str().unwrap(), &asked);
        let all = block_on(influx.series("airtally", &query));
        // A capture knows neither drops nor how long was listened, and stations may be silent: all else has no holes.
        if ["Drops a second", "Signal of stations"].contains(&title) || title.contains("listened") {
            continue;
        }
        assert!(!all.is_empty(), "'{title}' finds nothing: {query}");
        let mut frames = 0.0;
        for series in &all {
            let points = |row: &std::collections::BTreeMap<String, serde_json::Value>| {
                row.iter().filter(|(column, _)| *column != "time").filter_map(|(_, value)| value.as_f64()).sum::<f64>()
            };
            frames += series.rows.iter().map(points).sum::<f64>() * interval as f64;
            // Vendors and channels may have nothing to say in a window; what a sensor counts is there in each.
            if !title.starts_with("Vendors") && !title.starts_with("Channels") {
                assert_eq!((interval, series.rows.len()), (10, 360), "{title}");
                let empty = series.rows.iter().filter(|row| row.values().any(serde_json::Value::is_null)).count();
                assert_eq!(empty, 0, "'{title}' has holes");
            }
        }
        let measurement = match title {
            "Channels: frames a second" => "wifi_channel",
            "Frames a second, by sensor" | "Where frames were counted, a second" => "wifi_sensor",
            _ => continue,
        };
        assert_eq!(frames.round() as u64, of_hour(measurement), "the area below '{title}'");
        drawn += 1;
    }
    assert_eq!(drawn, 3);
}
