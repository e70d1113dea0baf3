//! InfluxDB 1.x and VictoriaMetrics of the test's own, on free loopback ports.

use super::{free_port, program::Daemon, temp_dir, wait_until};
use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

/// InfluxDB 1.x.
pub struct Influx {
    /// The port of its HTTP API.
    pub port: u16,
    _daemon: Daemon,
    _dir: tempfile::TempDir,
}

/// VictoriaMetrics, single node.
pub struct Victoria {
    /// The port of its HTTP API.
    pub port: u16,
    _daemon: Daemon,
    _dir: tempfile::TempDir,
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A GET (or POST with a form) by curl: the body, or a panic with what the server said.
pub fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-sS", "--fail-with-body", "--max-time", "60"]).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start curl: {error}"));
    let body = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "curl {arguments:?}: {body} {}", String::from_utf8_lossy(&output.stderr));
    body
}

impl Influx {
    /// Starts one with an empty data directory.
    pub fn start() -> Self {
        let (dir, port, rpc) = (temp_dir(), free_port(), free_port());
        let root = dir.path().display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n[meta]\ndir = \"{root}/meta\"\n\
             [data]\ndir = \"{root}/data\"\nwal-dir = \"{root}/wal\"\nquery-log-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n"
        );
        fs::write(dir.path().join("influxdb.conf"), config).unwrap();
        let mut command = Command::new("influxd");
        command.arg("-config").arg(dir.path().join("influxdb.conf"));
        let daemon = Daemon::start("influxd", &mut command, &dir.path().join("influxd.log"));
        wait_until("influxd listens", Duration::from_secs(30), || listens(port));
        Self { port, _daemon: daemon, _dir: dir }
    }

    /// Runs one InfluxQL statement in `db`; the rows of all series, each with its tags and columns by name.
    pub fn query(&self, db: &str, statement: &str) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let url = format!("http://127.0.0.1:{}/query", self.port);
        let (db, statement) = (format!("db={db}"), format!("q={statement}"));
        let body = curl(&[&url, "--data-urlencode", &db, "--data-urlencode", &statement]);
        let answer: serde_json::Value = serde_json::from_str(&body).expect("JSON from InfluxDB");
        let result = &answer["results"][0];
        assert!(result["error"].is_null(), "{statement}: {}", result["error"]);
        let mut rows = Vec::new();
        for series in result["series"].as_array().into_iter().flatten() {
            let columns: Vec<&str> =
                series["columns"].as_array().into_iter().flatten().filter_map(|c| c.as_str()).collect();
            for values in series["values"].as_array().into_iter().flatten() {
                let mut row = series["tags"].as_object().cloned().unwrap_or_default();
                row.insert("name".into(), series["name"].clone());
                for (column, value) in columns.iter().zip(values.as_array().into_iter().flatten()) {
                    row.insert((*column).to_owned(), value.clone());
                }
                rows.push(row);
            }
        }
        rows
    }

    /// Creates a database.
    pub fn create(&self, db: &str) {
        self.query("", &format!("CREATE DATABASE \"{db}\""));
    }

    /// All its files, for searching.
    pub fn dir(&self) -> &Path {
        self._dir.path()
    }
}

impl Victoria {
    /// Starts one that keeps one of equal points, and everything for a century.
    pub fn start() -> Self {
        let (dir, port) = (temp_dir(), free_port());
        let mut command = Command::new("victoria-metrics");
        command
            .arg(format!("-storageDataPath={}", dir.path().join("data").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .args(["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms", "-search.latencyOffset=0s"])
            .args(["-search.maxUniqueTimeseries=3000000", "-search.maxExportSeries=10000000"]);
        let daemon = Daemon::start("victoria-metrics", &mut command, &dir.path().join("victoria.log"));
        wait_until("victoria-metrics listens", Duration::from_secs(30), || listens(port));
        Self { port, _daemon: daemon, _dir: dir }
    }

    /// Every sample of the series that `selector` matches: labels and the sum of values, once flushed.
    pub fn export(&self, selector: &str) -> Vec<(serde_json::Map<String, serde_json::Value>, Vec<f64>)> {
        let base = format!("http://127.0.0.1:{}", self.port);
        curl(&[&format!("{base}/internal/force_flush")]);
        let matching = format!("match[]={selector}");
        let body = curl(&[&format!("{base}/api/v1/export"), "--data-urlencode", &matching, "-d", "reduce_mem_usage=0"]);
        body.lines()
            .map(|line| {
                let series: serde_json::Value = serde_json::from_str(line).expect("JSON from VictoriaMetrics");
                let values = series["values"].as_array().into_iter().flatten().filter_map(|v| v.as_f64()).collect();
                (series["metric"].as_object().cloned().unwrap_or_default(), values)
            })
            .collect()
    }
}
