//! Every query of the dashboard, with its variables filled in as Grafana fills them, on a real InfluxDB 1.6
//! that the sink has filled: each must be understood and find something.
use crate::{filled::filled, records::neighbourhood};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::PathBuf};

fn packaging(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dashboard() -> Value {
    serde_json::from_str(&packaging("dashboards/airtally.json")).unwrap()
}

/// As Grafana writes a query out: regular expressions of the chosen values, the range in milliseconds.
fn interpolate(query: &str, site: &str, sensor: &str) -> String {
    let filled = query
        .replace("$timeFilter", "time >= 1699999000000ms and time <= 1700001000000ms")
        .replace("$__interval", "30s")
        .replace("$site", site)
        .replace("$sensor", sensor);
    assert!(!filled.replace("$/", "").contains('$'), "a variable is left in {filled}");
    filled
}

#[tokio::test]
async fn every_panel_finds_something() {
    let server = filled(&neighbourhood()).await;
    let dashboard = dashboard();
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            for (site, sensor) in [(".*", ".*"), ("(home)", "(attic|cellar\\.2)"), ("home", "attic")] {
                let query = interpolate(target["query"].as_str().unwrap(), site, sensor);
                let series = server.series("airtally", &query).await;
                assert!(!series.is_empty(), "'{title}' finds nothing: {query}");
                let values = series.iter().flat_map(|one| &one.rows).flat_map(|row| row.iter());
                let values = values.filter(|(column, value)| *column != "time" && !value.is_null());
                assert!(values.count() > 0, "'{title}' finds only nulls: {query}");
                queries += 1;
            }
        }
    }
    assert!(queries > 45, "{queries}");
}

#[tokio::test]
async fn what_panels_show_is_right() {
    let server = filled(&neighbourhood()).await;
    let dashboard = dashboard();
    let ask = async |title: &str| {
        let panels = dashboard["panels"].as_array().unwrap();
        let panel = panels.iter().find(|panel| panel["title"] == title).unwrap_or_else(|| panic!("no panel {title}"));
        let query = interpolate(panel["targets"][0]["query"].as_str().unwrap(), "home", "attic");
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
    let channels = ask("Frames per second listened").await;
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
        let query = interpolate(variable["query"].as_str().unwrap(), "home", ".*");
        let series = server.series("airtally", &query).await;
        let values: Vec<&str> = series[0].rows.iter().map(|row| row["value"].as_str().unwrap()).collect();
        assert_eq!(values, wanted, "{query}");
    }
}

#[test]
fn dashboard_and_provisioning_name_one_data_source() {
    let source = packaging("provisioning/datasources/airtally.yaml");
    let uid = source.lines().find_map(|line| line.trim().strip_prefix("uid: ")).unwrap();
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        assert_eq!(panel["datasource"]["uid"], uid);
        assert!(!panel["description"].as_str().unwrap().is_empty());
    }
    assert!(packaging("provisioning/dashboards/airtally.yaml").contains("path: /var/lib/grafana/dashboards/airtally"));
}
