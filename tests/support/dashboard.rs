//! The dashboards in `packaging/grafana`, and their queries as Grafana writes them out.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, missing_docs)]

use serde_json::Value;
use std::{fs, path::PathBuf};

/// A file of `packaging/grafana`.
pub fn packaging(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn dashboard() -> Value {
    of_influx("airtally")
}

/// The dashboards that ask InfluxDB: all of it, the fleet, one sensor.
pub fn dashboards() -> Vec<Value> {
    ["airtally", "airtally-fleet", "airtally-sensor"].map(of_influx).into()
}

fn of_influx(name: &str) -> Value {
    serde_json::from_str(&packaging(&format!("dashboards/{name}.json"))).unwrap()
}

/// The panels that draw over time.
pub fn graphs(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] == "timeseries").collect()
}

/// What a query is asked for.
pub struct Asked<'a> {
    pub site: &'a str,
    pub sensor: &'a str,
    /// In seconds, as the whole range.
    pub from: u64,
    pub to: u64,
    /// In seconds.
    pub interval: u64,
}

/// As Grafana writes a query out: regular expressions of the chosen values, the range in milliseconds.
pub fn interpolate(query: &str, asked: &Asked<'_>) -> String {
    let Asked { site, sensor, from, to, interval } = asked;
    let filled = query
        .replace("$timeFilter", &format!("time >= {from}000ms and time <= {to}000ms"))
        .replace("$__interval_ms", &format!("{interval}000"))
        .replace("$__interval", &format!("{interval}s"))
        .replace("$site", site)
        .replace("$sensor", sensor);
    assert!(!filled.replace("$/", "").contains('$'), "a variable is left in {filled}");
    filled
}

/// The interval at which Grafana asks a panel for a range of so many seconds: a point for each of `maxDataPoints`, rounded
/// as its `roundInterval` does, and not less than the panel's own.
pub fn interval(panel: &Value, range: u64) -> u64 {
    const ROUND: [u64; 14] = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800];
    let least: u64 = panel["interval"].as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap();
    let points = panel["maxDataPoints"].as_u64().unwrap();
    // Up to halfway between two steps it is the lower one.
    let exact = 2 * range / points;
    let rounded = ROUND.windows(2).find(|pair| exact < pair[0] + pair[1]).map_or(1_800, |pair| pair[0]);
    rounded.max(least)
}
