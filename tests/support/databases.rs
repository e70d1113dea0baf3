//! Real databases for tests: InfluxDB 1.x and VictoriaMetrics, each on loopback ports and in a directory of its
//! own, ended with the test. Knows how they are started and asked, and nothing of airtally's schema.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A program that ends when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(program: &str, package: &str, arguments: &[String], log: &Path) -> Running {
    let log = File::create(log).unwrap();
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}; install the package {package}"));
    Running(child)
}

/// Waits until the server answers; false if it ended first (its port may have been taken meanwhile).
async fn ready(running: &mut Running, url: &str, log: &Path) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    while running.0.try_wait().unwrap().is_none() {
        if http().get(url).send().await.is_ok() {
            return true;
        }
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(Instant::now() < deadline, "no answer from {url} in 30 s; it said:\n{}", said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// A client that trusts every certificate: the tests' own questions, never the sink's.
pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .tls_danger_accept_invalid_certs(true)
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

/// What to start InfluxDB with beside the defaults.
#[derive(Default)]
pub struct InfluxdOptions<'a> {
    /// Ask for user and password; the administrator is `admin`, password `secret`.
    pub auth: bool,
    /// `max-values-per-tag`.
    pub max_values_per_tag: Option<u32>,
    /// Speak TLS with this PEM file of certificate and key.
    pub certificate: Option<&'a Path>,
}

/// InfluxDB 1.x.
pub struct Influxd {
    pub url: String,
    directory: TempDir,
    running: Option<Running>,
    admin: Option<(&'static str, &'static str)>,
}

impl Influxd {
    pub async fn start() -> Self {
        Self::start_with(InfluxdOptions::default()).await
    }

    pub async fn start_with(options: InfluxdOptions<'_>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (port, rpc) = (free_port(), free_port());
        let at = directory.path().display();
        let tls = options.certificate.map_or(String::new(), |pem| {
            format!("https-enabled = true\nhttps-certificate = \"{0}\"\nhttps-private-key = \"{0}\"", pem.display())
        });
        let text = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc}\"\n\
             [meta]\ndir = \"{at}/meta\"\n\
             [data]\ndir = \"{at}/data\"\nwal-dir = \"{at}/wal\"\nmax-values-per-tag = {}\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nauth-enabled = {}\nlog-enabled = false\n{tls}\n\
             [continuous_queries]\nenabled = false\n",
            options.max_values_per_tag.unwrap_or(100_000),
            options.auth,
        );
        fs::write(directory.path().join("influxdb.conf"), text).unwrap();
        let scheme = if options.certificate.is_some() { "https" } else { "http" };
        let mut server = Self { url: format!("{scheme}://127.0.0.1:{port}"), directory, running: None, admin: None };
        if !server.start_again().await {
            return Box::pin(Self::start_with(options)).await;
        }
        if options.auth {
            server.query("", "CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES").await;
            server.admin = Some(("admin", "secret"));
        }
        server
    }

    /// Ends the server; its data stay.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Starts it on the same port and data; false if it ended at once.
    pub async fn start_again(&mut self) -> bool {
        let config = self.directory.path().join("influxdb.conf").display().to_string();
        let log = self.directory.path().join("log");
        let mut running = spawn("influxd", "influxdb", &["-config".into(), config], &log);
        let ready = ready(&mut running, &format!("{}/ping", self.url), &log).await;
        self.running = ready.then_some(running);
        ready
    }

    /// The answer to InfluxQL, which must not be an error.
    pub async fn query(&self, db: &str, query: &str) -> Value {
        let answer = self.try_query(db, query).await;
        let error = answer.get("error").or_else(|| answer["results"].as_array()?.iter().find_map(|r| r.get("error")));
        assert!(error.is_none(), "{query}: {answer}");
        answer
    }

    /// The answer to InfluxQL, whatever it is.
    pub async fn try_query(&self, db: &str, query: &str) -> Value {
        let mut url: reqwest::Url = format!("{}/query", self.url).parse().unwrap();
        url.query_pairs_mut().append_pair("db", db).append_pair("q", query).append_pair("epoch", "ns");
        let mut request = http().post(url);
        if let Some((user, password)) = self.admin {
            request = request.basic_auth(user, Some(password));
        }
        let text = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{query}: {error}: {text}"))
    }

    /// The series of the first statement: tags, and rows by column.
    pub async fn series(&self, db: &str, query: &str) -> Vec<Series> {
        let answer = self.query(db, query).await;
        let series = answer["results"][0]["series"].as_array().cloned().unwrap_or_default();
        series
            .iter()
            .map(|one| {
                let columns: Vec<String> = strings(&one["columns"]);
                let tags = one["tags"].as_object().cloned().unwrap_or_default();
                Series {
                    name: one["name"].as_str().unwrap_or_default().to_owned(),
                    tags: tags.into_iter().map(|(k, v)| (k, v.as_str().unwrap().to_owned())).collect(),
                    rows: one["values"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|row| columns.iter().cloned().zip(row.as_array().unwrap().iter().cloned()).collect())
                        .collect(),
                }
            })
            .collect()
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// One series of an InfluxQL answer.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    pub tags: BTreeMap<String, String>,
    pub rows: Vec<BTreeMap<String, Value>>,
}

/// VictoriaMetrics.
pub struct Victoria {
    pub url: String,
    directory: TempDir,
    arguments: Vec<String>,
    running: Option<Running>,
}

impl Victoria {
    /// `kill -9`.
    pub fn kill9(&mut self) {
        self.running = None;
    }

    /// Starts it again, after it was killed, with what it had on disk.
    pub async fn restart(&mut self) {
        let log = self.directory.path().join("log");
        let mut running = spawn("victoria-metrics", "victoria-metrics", &self.arguments, &log);
        assert!(ready(&mut running, &format!("{}/health", self.url), &log).await);
        self.running = Some(running);
    }

    pub async fn start() -> Self {
        loop {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("127.0.0.1:{}", free_port());
            let arguments = vec![
                format!("-httpListenAddr={url}"),
                format!("-storageDataPath={}/data", directory.path().display()),
                "-retentionPeriod=100y".into(),
                "-dedup.minScrapeInterval=1ms".into(),
            ];
            let log = directory.path().join("log");
            let mut running = spawn("victoria-metrics", "victoria-metrics", &arguments, &log);
            let url = format!("http://{url}");
            if ready(&mut running, &format!("{url}/health"), &log).await {
                return Self { url, directory, arguments, running: Some(running) };
            }
        }
    }

    /// Everything stored: one entry a series, its labels (`__name__` among them) and its values with their milliseconds.
    /// What was written must be made visible first, which the server is asked for.
    pub async fn export(&self) -> Vec<(BTreeMap<String, String>, Vec<(i64, f64)>)> {
        http().get(format!("{}/internal/force_flush", self.url)).send().await.unwrap();
        let url = format!("{}/api/v1/export?match[]=%7B__name__!=%22%22%7D", self.url);
        let text = http().get(url).send().await.unwrap().text().await.unwrap();
        text.lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).unwrap();
                let labels = line["metric"].as_object().unwrap();
                let labels = labels.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
                let times = line["timestamps"].as_array().unwrap().iter().map(|time| time.as_i64().unwrap());
                let values = line["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
                (labels, times.zip(values).collect())
            })
            .collect()
    }

    /// Lines that it could not read, which it tells only its log.
    pub fn skipped_lines(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
        log.lines().filter(|line| line.contains("skipping it")).map(str::to_owned).collect()
    }
}
