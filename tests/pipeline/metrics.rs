//! Metrics of both daemons, read by Debian's own Prometheus: its figures are those of the capture.

use crate::support::{
    block_on,
    broker::free_port,
    databases::http,
    history::await_sensor,
    pipeline::{Rig, history, start_sensor},
    synth, synthesise, wait_until,
};
use airtally::config::{Metrics, Pace, SecretFile};
use serde_json::Value;
use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a server answers: status and body.
fn get(url: &str, token: Option<&str>) -> (u16, String) {
    block_on(async {
        let mut request = http().get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(_) => (0, String::new()),
        }
    })
}

/// promtool's word on a page of metrics.
fn assert_good(page: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of the package prometheus, which scripts/test installs");
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{page}");
}

/// A Prometheus that scrapes these targets each second.
struct Prometheus {
    url: String,
    child: Child,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(dir: &Path, targets: &[SocketAddr]) -> Self {
        let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = format!(
            "global: {{scrape_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  - job_name: airtally\n    static_configs: [{{targets: [{}]}}]\n",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus/airtally.rules.yml").display(),
            targets.join(", ")
        );
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let log = fs::File::create(dir.join("prometheus.log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("prometheus, which scripts/test installs");
        Self { url: format!("http://{address}"), child }
    }

    /// The value of a query that has one.
    fn value(&self, query: &str) -> Option<f64> {
        let mut url: reqwest::Url = format!("{}/api/v1/query", self.url).parse().unwrap();
        url.query_pairs_mut().append_pair("query", query);
        let (_, body) = get(url.as_str(), None);
        let answer: Value = serde_json::from_str(&body).ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

#[test]
fn prometheus_has_the_figures_of_the_capture_from_both_daemons() {
    let page = loopback();
    let mut rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.web.enabled = true;
        config.web.listen = page;
    });
    let path = history(rig.path()).path;
    rig.ingest.await_log("connected to the broker", PATIENCE);
    let (capture, tally) =
        synthesise(rig.path(), &synth::Options { frames: 3_000, seconds: 6, ..synth::Options::default() });
    // One that ends, and one that goes on, whose own metrics can be had.
    let mut once = start_sensor(rig.path(), &rig.sensor("once", &capture));
    once.succeed(PATIENCE);
    await_sensor(&path, "once");
    let mut config = rig.sensor("again", &capture);
    let own = loopback();
    let token = rig.path().join("token");
    fs::write(&token, "sesame\n").unwrap();
    config.metrics = Some(Metrics { listen: own, token_file: Some(SecretFile(token)) });
    (config.source.repeat, config.source.pace) = (true, Pace::Recorded);
    let mut again = start_sensor(rig.path(), &config);
    again.await_log("answering who collects metrics", PATIENCE);

    let url = format!("http://{page}");
    let (status, ingest) = get(&format!("{url}/metrics"), None);
    assert_eq!(status, 200);
    assert_good(&ingest);
    for secret in ["b8:27:eb", "cafe", "Raspberry"] {
        assert!(!ingest.contains(secret), "{secret} in:\n{ingest}");
    }
    assert_eq!(get(&format!("{url}/healthz"), None), (200, "alive\n".to_owned()));
    assert_eq!(get(&format!("{url}/readyz"), None), (200, "ready\n".to_owned()));
    assert_eq!(get(&format!("http://{own}/metrics"), None).0, 401);
    assert_eq!(get(&format!("http://{own}/metrics"), Some("sesam")).0, 401);
    let (status, sensor) = get(&format!("http://{own}/metrics"), Some("sesame"));
    assert_eq!(status, 200);
    assert_good(&sensor);

    let prometheus = Prometheus::start(rig.path(), &[page]);
    let frames = "airtally_seen_sensor_frames_total{site=\"test\",sensor=\"once\"}";
    wait_until("Prometheus has what the capture holds", PATIENCE, || prometheus.value(frames) == Some(3_000.0));
    assert_eq!(tally.frames, 3_000);
    let ended = "airtally_seen_sensor_state{sensor=\"once\",state=\"offline\"}";
    wait_until("one sensor has ended", PATIENCE, || prometheus.value(ended) == Some(1.0));
    assert_eq!(prometheus.value("airtally_mqtt_connected"), Some(1.0));
    assert_eq!(prometheus.value("airtally_sink_up{sink=\"sqlite\"}"), Some(1.0));
    assert_eq!(prometheus.value("airtally_seen_sensor_kernel_drops_total{sensor=\"once\"}"), Some(0.0));

    // Each class of frames, as the capture's own tally has them, from the sensor itself: whole passes.
    wait_until("a pass is over", PATIENCE, || {
        let (_, text) = get(&format!("http://{own}/metrics"), Some("sesame"));
        let of = |class: &str| value(&text, &format!("airtally_capture_frames_total{{class=\"{class}\"}}"));
        let all: f64 = ["bad_fcs", "malformed", "without_ta", "group_ta", "overflow", "station"].map(of).iter().sum();
        all >= 3_000.0 && all % 3_000.0 == 0.0
    });

    // Without its broker, ingest is alive and not ready; the sensor goes on.
    rig.broker.kill9();
    wait_until("ingest is not ready", PATIENCE, || get(&format!("{url}/readyz"), None).0 == 503);
    assert_eq!(get(&format!("{url}/healthz"), None).0, 200);
    assert_eq!(get(&format!("http://{own}/healthz"), None).0, 200);
    assert!(again.stop().success());
}

fn value(page: &str, sample: &str) -> f64 {
    page.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok()).unwrap_or(-1.0)
}

#[test]
fn the_rules_do_what_their_tests_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus");
    for arguments in [["check", "rules", "airtally.rules.yml"], ["test", "rules", "airtally.test.yml"]] {
        let output = Command::new("promtool").args(arguments).current_dir(&directory).output();
        let output = output.expect("promtool, of the package prometheus, which scripts/test installs");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Every metric that a rule or a panel asks for is one that a daemon has, and docs/metrics.md names them all.
#[test]
fn rules_panels_and_documents_name_metrics_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let sources = read("src/ingest/metrics.rs") + &read("src/sensor/metrics.rs") + &read("src/metrics/mod.rs");
    let names = |text: &str| -> std::collections::BTreeSet<String> {
        let word = |c: char| c.is_ascii_lowercase() || c == '_';
        text.match_indices("airtally_").map(|(at, _)| text[at..].chars().take_while(|c| word(*c)).collect()).collect()
    };
    let there = names(&sources);
    let documented = names(&read("docs/metrics.md"));
    assert_eq!(documented, there);
    for path in ["packaging/prometheus/airtally.rules.yml", "packaging/grafana/dashboards/airtally-prometheus.json"] {
        let asked = names(&read(path));
        assert!(!asked.is_empty() && asked.is_subset(&there), "{path}: {:?}", asked.difference(&there));
    }
}
