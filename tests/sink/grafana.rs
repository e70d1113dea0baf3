//! Every query of the dashboard, with its variables filled in as Grafana fills them, on a real InfluxDB 1.6
//! that the sink has filled: each must be understood and find something.
use crate::{
    dashboard::{Asked, dashboard, dashboards, graphs, interpolate, interval, packaging},
    databases::{Influxd, Series},
    filled::filled,
    records::{neighbourhood, neighbourhood_of},
};
use airtally::wire::Record;
use serde_json::Value;
use std::collections::BTreeSet;

/// When the records begin.
const BEGIN: u64 = 1_700_000_000;
const HOUR: u64 = 3_600;

/// A query over all that there is, at half a minute's interval.
fn of_all(query: &str, site: &str, sensor: &str) -> String {
    interpolate(query, &Asked { site, sensor, from: BEGIN - 1_000, to: BEGIN + 1_000, interval: 30 })
}

#[tokio::test]
async fn every_panel_finds_something() {
    let server = filled(&neighbourhood()).await;
    let dashboards = dashboards();
    let mut queries = 0;
    for panel in dashboards.iter().flat_map(|dashboard| dashboard["panels"].as_array().unwrap()) {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            for (site, sensor) in [(".*", ".*"), ("(home)", "(attic|cellar\\.2)"), ("home", "attic")] {
                let query = of_all(target["query"].as_str().unwrap(), site, sensor);
                let series = server.series("airtally", &query).await;
                assert!(!series.is_empty(), "'{title}' finds nothing: {query}");
                let values = series.iter().flat_map(|one| &one.rows).flat_map(|row| row.iter());
                let values = values.filter(|(column, value)| *column != "time" && !value.is_null());
                assert!(values.count() > 0, "'{title}' finds only nulls: {query}");
                queries += 1;
            }
        }
    }
    assert!(queries > 140, "{queries}");
}

#[tokio::test]
async fn what_panels_show_is_right() {
    let server = filled(&neighbourhood()).await;
    let dashboard = dashboard();
    let ask = async |title: &str| {
        let panels = dashboard["panels"].as_array().unwrap();
        let panel = panels.iter().find(|panel| panel["title"] == title).unwrap_or_else(|| panic!("no panel {title}"));
        let query = of_all(panel["targets"][0]["query"].as_str().unwrap(), "home", "attic");
        server.series("airtally", &query).await
    };
    assert_eq!(ask("Tracked stations").await[0].rows[0]["stations"], 7);
    assert_eq!(ask("Parts missing").await[0].rows[0]["missing"], 0);
    assert_eq!(ask("Declared gaps").await[0].rows[0]["gaps"], 1);
    let frames: u64 = (0..60).map(|seq| 10 + seq).sum();
    assert_eq!(ask("Frames").await[0].rows[0]["frames"], frames);
    let busiest = ask("Busiest stations").await;
    assert_eq!(busiest[0].rows.len(), 7);
    let sent: u64 = busiest[0].rows.iter().map(|row| row["frames sent"].as_u64().unwrap()).sum();
    assert_eq!(sent, frames);
    assert_eq!(busiest[0].rows[0]["vendor"], "Acme");
    assert_eq!(busiest[0].rows[0]["networks"], "my network");
    let vendors = ask("Vendors").await;
    let vendors: BTreeSet<&str> = vendors[0].rows.iter().map(|row| row["vendor"].as_str().unwrap()).collect();
    assert_eq!(vendors, ["Acme", "randomised"].into());
    let channels = ask("Channels over the whole time").await;
    assert_eq!(channels.len(), 2);
    assert_eq!(channels[1].tags["freq_mhz"], "5180");
    assert_eq!(channels[1].rows[0]["frames per second"], 2.25);
}

#[tokio::test]
async fn the_variables_list_what_is_there() {
    let server = filled(&neighbourhood()).await;
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    for (variable, wanted) in variables.iter().zip([&["home"][..], &["attic", "cellar.2"]]) {
        let query = of_all(variable["query"].as_str().unwrap(), "home", ".*");
        let series = server.series("airtally", &query).await;
        let values: Vec<&str> = series[0].rows.iter().map(|row| row["value"].as_str().unwrap()).collect();
        assert_eq!(values, wanted, "{query}");
    }
}

/// A query's series over the hour, at the interval that Grafana gives the panel.
async fn hour(server: &Influxd, panel: &Value) -> (u64, Vec<Series>) {
    let interval = interval(panel, HOUR);
    let query = panel["targets"][0]["query"].as_str().unwrap();
    let asked = Asked { site: ".*", sensor: ".*", from: BEGIN, to: BEGIN + HOUR - 1, interval };
    (interval, server.series("airtally", &interpolate(query, &asked)).await)
}

/// How far apart, in seconds, neighbouring points of each of a series' columns are at most.
fn widest(series: &Series, interval: u64) -> u64 {
    let columns: BTreeSet<&String> =
        series.rows.iter().flat_map(|row| row.keys()).filter(|key| *key != "time").collect();
    let of_column = |column: &&String| {
        let points = series.rows.iter().enumerate().filter(|(_, row)| !row[*column].is_null());
        let points: Vec<u64> = points.map(|(at, _)| at as u64).collect();
        assert!(points.len() > 1, "{column} has {} points", points.len());
        points.windows(2).map(|pair| (pair[1] - pair[0]) * interval).max().unwrap()
    };
    columns.iter().map(of_column).max().unwrap()
}

#[tokio::test]
async fn an_hour_of_windows_of_ten_seconds_is_a_line() {
    let server = filled(&neighbourhood_of(HOUR / 10)).await;
    let dashboard = dashboard();
    let mut lines = 0;
    for panel in graphs(&dashboard) {
        let title = &panel["title"];
        let (interval, all) = hour(&server, panel).await;
        assert_eq!(interval, 10, "{title}");
        let custom = &panel["fieldConfig"]["defaults"]["custom"];
        for series in &all {
            assert_eq!(series.rows.len(), 360, "{title}");
            // A line joins what is nearer than `spanNulls` milliseconds; a bar stands alone, and none may be missing.
            let joined = custom["spanNulls"].as_u64().map_or(interval, |span| span / 1_000);
            assert!(widest(series, interval) <= joined, "{title} {:?} has holes", series.tags);
            lines += 1;
        }
    }
    assert!(lines > 20, "{lines}");
}

#[tokio::test]
async fn rates_are_of_a_second_at_every_interval_and_a_missing_window_breaks_the_line() {
    let mut records = neighbourhood_of(HOUR / 10);
    records.retain(|record| !matches!(record, Record::Batch(batch) if (100..102).contains(&batch.identity.seq)));
    let server = filled(&records).await;
    let dashboard = dashboard();
    let panel = |title: &str| *graphs(&dashboard).iter().find(|panel| panel["title"] == title).unwrap();
    // Window n of a sensor has 10 + n frames of a tracked station, in 10 s.
    let frames = panel("Frames a second, by sensor");
    let (interval, all) = hour(&server, frames).await;
    assert_eq!(all.len(), 2);
    for series in &all {
        for (seq, row) in series.rows.iter().enumerate() {
            let rate = row.iter().find(|(column, _)| *column != "time").unwrap().1;
            if (100..102).contains(&seq) {
                assert!(rate.is_null());
            } else {
                assert!((rate.as_f64().unwrap() - (10 + seq) as f64 / 10.0).abs() < 1e-9, "{seq}: {rate}");
            }
        }
        assert!(
            widest(series, interval) * 1_000
                > frames["fieldConfig"]["defaults"]["custom"]["spanNulls"].as_u64().unwrap()
        );
    }
    // Of channels: 10 and 9 frames a window of each of two sensors; of them a second, and a second listened (6 s and 4 s).
    for (title, rates) in
        [("Channels: frames a second", [2.0, 1.8]), ("Frames a second listened, by channel", [10.0 / 6.0, 9.0 / 4.0])]
    {
        let query = panel(title)["targets"][0]["query"].as_str().unwrap();
        // From a whole five minutes on.
        for interval in [10, 30, 60, 300] {
            let asked = Asked { site: ".*", sensor: ".*", from: BEGIN + 1_900, to: BEGIN + 2_500 - 1, interval };
            let all = server.series("airtally", &interpolate(query, &asked)).await;
            assert_eq!(all.len(), 2);
            for (series, rate) in all.iter().zip(rates) {
                for row in &series.rows {
                    let is = row.iter().find(|(column, _)| *column != "time").unwrap().1.as_f64().unwrap();
                    assert!((is - rate).abs() < 1e-9, "{title} at {interval} s: {is} and not {rate}");
                }
            }
        }
    }
}

#[test]
fn usual_ranges_are_drawn_in_whole_windows() {
    let dashboards = dashboards();
    for panel in dashboards.iter().flat_map(graphs) {
        for minutes in [5, 15, 30, 60, 180, 360, 720, 1_440, 2 * 1_440, 7 * 1_440] {
            assert_eq!(interval(panel, minutes * 60) % 10, 0, "{} over {minutes} minutes", panel["title"]);
        }
    }
}

#[test]
fn dashboard_and_provisioning_name_one_data_source() {
    let source = packaging("provisioning/datasources/airtally.yaml");
    let uid = source.lines().find_map(|line| line.trim().strip_prefix("uid: ")).unwrap();
    // A panel of the reader's own has the interval from the data source.
    assert!(source.lines().any(|line| line.trim() == "timeInterval: 10s"));
    let dashboards = dashboards();
    let uids: BTreeSet<&str> = dashboards.iter().map(|dashboard| dashboard["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), dashboards.len());
    for dashboard in &dashboards {
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len());
        for panel in panels {
            assert_eq!(panel["datasource"]["uid"], uid);
            assert!(!panel["description"].as_str().unwrap().is_empty());
        }
        // Links lead to dashboards that there are.
        let text = dashboard.to_string();
        for link in text.split("\"/d/").skip(1) {
            let to: String = link.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            assert!(uids.contains(to.as_str()), "{} leads to {to}", dashboard["uid"]);
        }
    }
    assert!(packaging("provisioning/dashboards/airtally.yaml").contains("path: /var/lib/grafana/dashboards/airtally"));
}
