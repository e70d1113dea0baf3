//! What the stores have and what they say is lost, against what the sensors were handed.

use crate::support::{
    block_on,
    databases::{Influxd, Victoria, http},
    history::open,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Frames of each window of each sensor, by its number in the run.
pub type Windows = BTreeMap<String, BTreeMap<u64, u64>>;

/// What one store has.
#[derive(Default)]
pub struct Store {
    windows: Windows,
    runs: BTreeMap<String, BTreeSet<String>>,
    /// First and last window of each loss that stands.
    gaps: Vec<(String, u64, u64)>,
}

/// How a store stands against the truth.
#[derive(Default, Debug, PartialEq, Clone, Copy)]
pub struct Verdict {
    /// Frames that are there.
    pub stored: u64,
    /// Frames of windows that are not there, and declared lost.
    pub declared: u64,
    /// Frames that are neither there nor declared.
    pub undeclared: u64,
    /// Frames that are there and were never handed over: counted twice.
    pub doubled: u64,
    /// Frames of windows that are there, and declared lost all the same.
    pub wrongly: u64,
}

impl Verdict {
    pub fn holds(&self) -> bool {
        self.undeclared == 0 && self.doubled == 0
    }
}

impl Store {
    fn add(&mut self, sensor: &str, run: String, seq: u64, frames: u64) {
        *self.windows.entry(sensor.into()).or_default().entry(seq).or_default() += frames;
        self.runs.entry(sensor.into()).or_default().insert(run);
    }

    /// Against the truth: which window has how many frames. The replay of one capture is one run, however often.
    pub fn judge(&self, truth: &Windows) -> Verdict {
        let mut verdict = Verdict::default();
        let nothing = BTreeMap::new();
        for (sensor, windows) in truth {
            let stored = self.windows.get(sensor).unwrap_or(&nothing);
            let lost =
                |seq: u64| self.gaps.iter().any(|(of, first, last)| of == sensor && (*first..=*last).contains(&seq));
            for (&seq, &frames) in windows {
                let there = stored.get(&seq).copied().unwrap_or(0);
                verdict.stored += there.min(frames);
                verdict.doubled += there.saturating_sub(frames);
                let missing = frames.saturating_sub(there);
                if lost(seq) {
                    verdict.declared += missing;
                    verdict.wrongly += there.min(frames);
                } else {
                    verdict.undeclared += missing;
                }
            }
            let unknown = stored.iter().filter(|(seq, _)| !windows.contains_key(seq));
            verdict.doubled += unknown.map(|(_, frames)| frames).sum::<u64>();
            if self.runs.get(sensor).is_some_and(|runs| runs.len() > 1) {
                verdict.doubled += 1;
            }
        }
        verdict
    }

    /// Windows that are neither there nor declared, or more than they should be: for whoever looks into it.
    pub fn wrong(&self, truth: &Windows) -> Vec<String> {
        let mut wrong = Vec::new();
        for (sensor, windows) in truth {
            for (seq, frames) in windows {
                let there = self.windows.get(sensor).and_then(|all| all.get(seq)).copied().unwrap_or(0);
                let lost = self.gaps.iter().any(|(of, first, last)| of == sensor && (first..=last).contains(&seq));
                if there > *frames || (there < *frames && !lost) {
                    wrong.push(format!("{sensor} window {seq}: {there} of {frames} frames"));
                }
            }
        }
        wrong
    }
}

/// What the history has; nothing where it cannot be read just now.
pub fn history(path: &Path) -> Option<Store> {
    let database = open(path)?;
    let mut store = Store::default();
    let mut windows = database.prepare("SELECT sensor, run, seq, coalesce(frames, 0) FROM windows").ok()?;
    let mut rows = windows.query([]).ok()?;
    while let Some(row) = rows.next().ok()? {
        let (seq, frames): (i64, i64) = (row.get(2).ok()?, row.get(3).ok()?);
        store.add(&row.get::<_, String>(0).ok()?, row.get(1).ok()?, seq.cast_unsigned(), frames.cast_unsigned());
    }
    let mut gaps = database.prepare("SELECT sensor, first_seq, coalesce(last_seq, 1 << 60) FROM gaps").ok()?;
    let mut rows = gaps.query([]).ok()?;
    while let Some(row) = rows.next().ok()? {
        let (first, last): (i64, i64) = (row.get(1).ok()?, row.get(2).ok()?);
        store.gaps.push((row.get(0).ok()?, first.cast_unsigned(), last.cast_unsigned()));
    }
    Some(store)
}

/// What InfluxDB has.
pub fn influx(server: &Influxd) -> Store {
    let rows = |sql: &str| block_on(server.series("air", sql)).into_iter().flat_map(|series| series.rows);
    let mut store = Store::default();
    let text = |row: &BTreeMap<String, Value>, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let number = |row: &BTreeMap<String, Value>, key: &str| row[key].as_f64().unwrap_or(0.0) as u64;
    for row in rows("SELECT sensor, run, seq, frames FROM wifi_sensor") {
        store.add(&text(&row, "sensor"), text(&row, "run"), number(&row, "seq"), number(&row, "frames"));
    }
    let standing = "SELECT sensor, first_seq, last_seq FROM wifi_gap WHERE (\"ingest\" = '' OR \"withdrawn\" = 0)";
    for row in rows(standing) {
        // Without a last window: all from the first on.
        let last = row["last_seq"].as_f64().map_or(u64::MAX, |last| last as u64);
        store.gaps.push((text(&row, "sensor"), number(&row, "first_seq"), last));
    }
    store
}

/// What VictoriaMetrics has, points of one time taken once (`-dedup.minScrapeInterval=1ms`).
pub fn victoria(server: &Victoria) -> Store {
    /// Points of one series by time; of several at one time the greatest, as the deduplication has it.
    type Points = BTreeMap<i64, u64>;
    let mut all: BTreeMap<(String, BTreeMap<String, String>), Points> = BTreeMap::new();
    for (mut labels, values) in block_on(server.export()) {
        let name = labels.remove("__name__").unwrap_or_default();
        let points = all.entry((name, labels)).or_default();
        for (time, value) in values {
            let point = points.entry(time).or_default();
            *point = (*point).max(value as u64);
        }
    }
    let mut store = Store::default();
    for ((name, labels), points) in &all {
        let beside = |metric: &str, time: i64| -> Option<u64> {
            all.get(&(metric.to_owned(), labels.clone()))?.get(&time).copied()
        };
        let sensor = labels.get("sensor").map_or("", String::as_str);
        for (&time, &value) in points {
            match name.as_str() {
                "wifi_sensor_frames" => {
                    store.add(sensor, String::new(), beside("wifi_sensor_seq", time).unwrap_or(u64::MAX), value);
                }
                "wifi_gap_first_seq" if beside("wifi_gap_withdrawn", time).unwrap_or(0) == 0 => {
                    let last = beside("wifi_gap_last_seq", time).unwrap_or(u64::MAX);
                    store.gaps.push((sensor.into(), value, last));
                }
                _ => {}
            }
        }
    }
    store
}

/// True if the server answers.
pub fn answers(url: &str, path: &str) -> bool {
    block_on(async { http().get(format!("{url}/{path}")).send().await.is_ok() })
}
