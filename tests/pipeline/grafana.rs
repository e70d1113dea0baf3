//! An hour of a capture, through the real programs into InfluxDB: the dashboard draws it as lines, and they hold its frames.

use crate::{
    records::neighbourhood,
    support::{
        block_on,
        dashboard::{Asked, dashboard, dashboards, graphs, interpolate, interval},
        databases::Influxd,
        history::{number, open},
        pipeline::{Expected, Rig, history, influx_v1},
        synth::Options,
        synthesise, wait_until,
    },
};
use airtally::wire::Record;
use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

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
            let points = |row: &BTreeMap<String, serde_json::Value>| {
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

/// Publishes records as their sensors would.
fn publish(port: u16, records: &[Record]) {
    let mut by_topic: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for record in records {
        let leaf = if matches!(record, Record::Gap(_)) { "event" } else { "batch" };
        let lines = by_topic.entry(format!("airtally/{}/{}/{leaf}", record.site(), record.sensor())).or_default();
        lines.extend(record.encode());
        lines.push(b'\n');
    }
    for (topic, lines) in by_topic {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-V", "5", "-q", "1", "-l", "-p", &port.to_string(), "-t", &topic]).stdin(Stdio::piped());
        let mut child = command.spawn().expect("mosquitto_pub");
        child.stdin.take().unwrap().write_all(&lines).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// What a panel's query shows of the sensor attic: its columns (none: the one that there is), and the sum of each over rows and
/// series in steps of one window of ten seconds, by the history.
fn figures(title: &str, query: &str) -> Vec<(&'static str, String)> {
    let windows = |what: &str| format!("SELECT {what} FROM windows w WHERE sensor = 'attic'");
    let stations = |what: &str| {
        format!("SELECT {what} FROM stations s JOIN windows w ON w.id = s.window WHERE w.sensor = 'attic'")
    };
    let tracked = |what: &str| stations(what) + " AND tracked AND NOT randomised";
    let channels = |what: &str| {
        format!("SELECT {what} FROM channels c JOIN windows w ON w.id = c.window WHERE w.sensor = 'attic'")
    };
    let rates_by = |column: &str| {
        let each = channels("sum(c.frames) * 1000.0 / sum(c.listened_ms) AS rate");
        format!("SELECT sum(rate) FROM ({each} GROUP BY {column})")
    };
    let gaps = |what: &str| format!("SELECT {what} FROM gaps WHERE sensor = 'attic'");
    let in_a_window = || format!("SELECT ({}) * 1.0 / ({})", stations("count(*)"), windows("count(*)"));
    match (title, query) {
        ("Frames", _) => vec![("frames", windows("sum(frames)"))],
        ("Sensors", _) => vec![("sensors", windows("count(DISTINCT sensor)"))],
        ("Tracked stations", _) => vec![("stations", tracked("count(DISTINCT address)"))],
        ("Dropped frames", "A") => vec![("kernel", windows("sum(kernel_drops)"))],
        ("Dropped frames", "B") => vec![("interface", windows("sum(interface_drops)"))],
        ("Parts missing", _) => vec![("missing", windows("sum(parts) - count(*)"))],
        ("Declared gaps", _) => vec![("gaps", gaps("count(*)"))],
        ("Frames a second, by sensor", _) => vec![("", windows("sum(frames) / 10.0"))],
        ("Stations per window", _) => vec![
            ("all", stations("count(*)")),
            ("randomised", stations("sum(randomised)")),
            ("tracked", stations("sum(tracked)")),
        ],
        ("Frames a second listened, by sensor", _) => vec![("", rates_by("c.window"))],
        ("Frames a second listened, by channel", _) => vec![("", rates_by("c.window, c.freq_mhz"))],
        ("Busiest stations", _) => vec![
            ("frames sent", tracked("sum(frames_sent)")),
            ("bytes", tracked("sum(bytes_sent)")),
            ("retries", tracked("sum(retries)")),
        ],
        ("Vendors", _) => vec![("frames sent", stations("sum(frames_sent)"))],
        ("Vendors: frames a second", _) => vec![("", stations("sum(frames_sent) / 10.0"))],
        ("Channels: frames a second", _) => vec![("", channels("sum(c.frames) / 10.0"))],
        ("Channels over the whole time", _) => vec![
            ("frames", channels("sum(c.frames)")),
            ("seconds listened", channels("sum(c.listened_ms) / 1000.0")),
            ("frames per second", rates_by("c.freq_mhz")),
        ],
        ("Signal of stations", _) => vec![("", tracked("sum(signal_mean)"))],
        ("Kinds of frames sent, a second", _) => vec![
            ("management", stations("sum(management) / 10.0")),
            ("control", stations("sum(control) / 10.0")),
            ("data", stations("sum(data) / 10.0")),
            ("retries", stations("sum(retries) / 10.0")),
        ],
        ("Where frames were counted, a second", _) => vec![
            ("stations", windows("sum(station_frames) / 10.0")),
            ("no transmitter address", windows("sum(without_ta) / 10.0")),
            ("bad checksum", windows("sum(bad_fcs) / 10.0")),
            ("malformed", windows("sum(malformed) / 10.0")),
            ("group transmitter", windows("sum(group_ta) / 10.0")),
            ("over max_stations", windows("sum(overflow_frames) / 10.0")),
        ],
        ("Drops a second", _) => {
            vec![("kernel", windows("sum(kernel_drops) / 10.0")), ("interface", windows("sum(interface_drops) / 10.0"))]
        }
        ("Drops a second, by sensor", _) => vec![("", windows("sum(kernel_drops + interface_drops) / 10.0"))],
        ("Gaps", _) => vec![("frames", gaps("sum(frames)")), ("first_seq", gaps("sum(first_seq)"))],
        ("Seconds listened", _) => vec![("listened", channels("sum(c.listened_ms) / 1000.0"))],
        ("Stations in a window", _) => vec![("stations", in_a_window())],
        ("Stations in a window, by sensor", _) => vec![("", stations("count(*)"))],
        ("Share of the time listened, by channel", _) => vec![("", channels("sum(c.listened_ms) / 10000.0"))],
        ("How long each sensor listened", _) => vec![
            ("listened", channels("sum(c.listened_ms) / 1000.0")),
            ("frames a second listened", rates_by("w.sensor")),
        ],
        ("The newest window of each sensor", _) => {
            vec![("frames in it", windows("frames") + " ORDER BY end_ns DESC LIMIT 1")]
        }
        ("What each sensor counted", _) => vec![
            ("frames", windows("sum(frames)")),
            ("frames a second", windows("sum(frames) / (count(*) * 10.0)")),
            ("stations in a window", in_a_window()),
            ("dropped", windows("sum(kernel_drops + interface_drops)")),
            ("windows together", windows("count(*) * 10")),
        ],
        ("Windows that came, by sensor", _) => vec![("", windows("count(*)"))],
        _ => panic!("which figure of the history is '{title}' {query}?"),
    }
}

/// What each panel of each dashboard says is what the history says: what it shows is added up over its steps and series.
#[test]
fn every_panel_says_what_the_history_says() {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let rig = Rig::start(|dir, config| {
        config.influx.push(influx_v1(&influx.url, "airtally"));
        config.sqlite = Some(history(dir));
    });
    publish(rig.broker.port, &neighbourhood());
    let path = history(rig.path()).path;
    wait_until("all is in both", Duration::from_secs(60), || {
        let count = |query: &str| {
            let all = block_on(influx.series("airtally", query));
            all.iter().map(|series| series.rows[0]["all"].as_u64().unwrap()).sum::<u64>()
        };
        let stored = |sql| open(&path).map_or(0, |database| number(&database, sql));
        (stored("SELECT count(*) FROM windows"), stored("SELECT count(*) FROM gaps")) == (120, 2)
            && count("SELECT count(part) AS \"all\" FROM wifi_sensor") == 120
            && count("SELECT count(first_seq) AS \"all\" FROM wifi_gap") == 2
    });
    let database = open(&path).unwrap();
    let dashboards = dashboards();
    let mut compared = 0;
    for panel in dashboards.iter().flat_map(|dashboard| dashboard["panels"].as_array().unwrap()) {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let asked = Asked { site: ".*", sensor: "attic", from: 1_699_999_000, to: 1_700_001_000, interval: 10 };
            let query = interpolate(target["query"].as_str().unwrap(), &asked);
            let all = block_on(influx.series("airtally", &query));
            for (column, sql) in figures(title, target["refId"].as_str().unwrap()) {
                let wanted: f64 = database.query_row(&sql, [], |row| row.get(0)).unwrap();
                let is_it = |name: &str| if column.is_empty() { name != "time" } else { name == column };
                let values = all.iter().flat_map(|series| &series.rows).flatten();
                let values: Vec<f64> =
                    values.filter(|(name, _)| is_it(name)).filter_map(|(_, value)| value.as_f64()).collect();
                assert!(!values.is_empty(), "'{title}' has no {column:?}: {query}");
                let shown: f64 = values.iter().sum();
                assert!(
                    (shown - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
                    "'{title}' {column}: {shown}, and the history {wanted}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 70, "{compared}");
}
