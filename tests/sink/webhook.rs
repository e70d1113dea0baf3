//! Webhooks: a receiver that shares nothing with us verifies each signature; answers, joins, and whom it may reach.
use crate::{certs::Certs, records::alerts};
use airtally::{
    UnixNanos,
    config::{self, SecretFile},
    sink::{Sink, SinkError, Webhook},
    wire::{Alert, Alerts, Identity, Record, TimeSource},
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};
use uuid::Uuid;

/// `python3 receiver.py`.
struct Receiver {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

impl Receiver {
    fn start(statuses: &[&str]) -> Self {
        Self::start_with(statuses, &[])
    }

    fn start_with(statuses: &[&str], environment: &[(&str, std::path::PathBuf)]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sink/receiver.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg("a secret of ours")
            .args(statuses)
            .envs(environment.iter().map(|(name, path)| (*name, path)))
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        Self { child, lines, port: port.trim().parse().unwrap() }
    }

    /// The next request.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        let request: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&request["signed"], &request["type"]), (&true.into(), &"application/json".into()), "{request}");
        assert_eq!(request["delivery"], request["body"]["delivery"]);
        request
    }

    /// All requests that came and were not looked at.
    fn rest(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (&mut self.lines).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(directory: &Path, url: String, allow_private: &[&str]) -> config::Webhook {
    let secret = directory.join("secret");
    std::fs::write(&secret, "a secret of ours\n").unwrap();
    config::Webhook {
        name: "phone".into(),
        url,
        secret_file: SecretFile(secret),
        allow_private: allow_private.iter().map(|item| (*item).to_owned()).collect(),
        ca_file: None,
        timeout: Duration::from_secs(10),
    }
}

/// A message of `sensor`, of a window that ends `seconds` after the first.
fn message(sensor: &str, seconds: i64, changed: Vec<Alert>) -> Record {
    let identity = Identity { site: "home".into(), sensor: sensor.into(), run: Uuid::nil(), seq: 0 };
    let (start, end) = (UnixNanos::new(1_795_000_000 + seconds - 10, 0), UnixNanos::new(1_795_000_000 + seconds, 0));
    let alerts = Alerts::split(&identity, (start, end), TimeSource::System, false, changed, 1 << 20).remove(0);
    Record::Alerts(Box::new(Alerts { part: 1, parts: 2, ..alerts }))
}

fn alert(subject: &str, start: i64, end: Option<i64>) -> Alert {
    let time = |seconds| UnixNanos::new(1_795_000_000 + seconds, 0);
    Alert { subject: subject.into(), start: time(start), end: end.map(time), ..alerts(2, 1, time(start)).remove(0) }
}

#[tokio::test]
async fn each_alert_is_told_twice_and_signed_whichever_sensors_see_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&[]);
    let url = format!("http://127.0.0.1:{}/airtally?to=me", receiver.port);
    let mut sink = Webhook::open(&config(directory.path(), url, &["127.0.0.0/8"])).unwrap();
    let records = [
        message("attic", 10, vec![alert("a", 1, None), alert("b", 2, Some(3))]),
        message("cellar", 12, vec![alert("a", 2, None)]),
        message("attic", 70, vec![alert("a", 1, None)]),
        message("attic", 130, vec![alert("a", 1, Some(60))]),
        message("cellar", 131, vec![alert("a", 2, Some(65))]),
    ];
    sink.store(&records).await.unwrap();
    // What comes again changes nothing, though other records are between.
    sink.store(&records[..1]).await.unwrap();
    let told = |request: &Value| {
        let body = &request["body"];
        assert_eq!((&request["path"], &body["schema"]), (&"/airtally?to=me".into(), &"airtally.webhook/1".into()));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&body["event"]), text(&body["alert"]["subject"]), body["sensors"].to_string())
    };
    let requests: Vec<Value> = (0..3).map(|_| receiver.next()).collect();
    assert_eq!(
        requests.iter().map(told).collect::<Vec<_>>(),
        [
            ("opened".into(), "a".into(), r#"["attic"]"#.into()),
            ("ended".into(), "b".into(), r#"["attic"]"#.into()),
            ("ended".into(), "a".into(), r#"["attic","cellar"]"#.into()),
        ]
    );
    assert_eq!(receiver.rest(), [Value::Null; 0]);
}

#[tokio::test]
async fn answers_are_told_apart_and_a_delivery_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&["503", "429", "302", "401", "204", "422"]);
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    let mut sink = Webhook::open(&config(directory.path(), url, &["127.0.0.1"])).unwrap();
    let records = [message("attic", 10, vec![alert("a", 1, None)]), message("attic", 20, vec![alert("b", 1, None)])];
    for (words, wait) in [
        ("503; it is tried again", None),
        ("429; it is tried again", Some(Duration::from_secs(7))),
        ("'/elsewhere', which is not followed", None),
        ("check secret_file", None),
    ] {
        match sink.store(&records).await {
            Err(SinkError::Temporary { reason, retry_after }) => {
                assert!(reason.contains(words) && reason.contains("'phone'"), "{reason}");
                assert_eq!(retry_after, wait, "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    let Err(SinkError::Refused { reason, rejected }) = sink.store(&records).await else { panic!("not refused") };
    assert!(reason.contains("answered 422"), "{reason}");
    assert_eq!(rejected.iter().map(|letter| letter.index).collect::<Vec<_>>(), [1]);
    assert_eq!(rejected[0].what, records[1].encode());
    let requests: Vec<Value> = (0..6).map(|_| receiver.next()).collect();
    let first = &requests[0];
    assert!(requests[..5].iter().all(|request| request["delivery"] == first["delivery"] && request["path"] == "/"));
    assert_ne!(requests[5]["delivery"], first["delivery"]);
    assert_eq!(receiver.rest(), [Value::Null; 0], "what is done is not sent again, nor what is refused, nor elsewhere");
}

#[tokio::test]
async fn nobody_is_reached_who_was_not_named() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]);
    let port = receiver.port;
    let open = |host: &str, allowed: &[&str]| {
        Webhook::open(&config(directory.path(), format!("http://{host}:{port}/"), allowed))
    };
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0"] {
        let error = open(host, &["10.0.0.0/8", "other.example"]).unwrap_err().to_string();
        assert!(error.contains("allow_private"), "{host}: {error}");
    }
    // A name is looked up, and what it leads to is not reached.
    let record = [message("attic", 10, vec![alert("a", 1, None)])];
    for allowed in [&[][..], &["10.0.0.0/8"], &["other.example"]] {
        match open("localhost", allowed).unwrap().store(&record).await {
            Err(SinkError::Temporary { reason, .. }) => assert!(reason.contains("allow_private"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(open("localhost", &["all of them"]).unwrap_err().to_string().contains("allow_private: 'all of them'"));
    assert_eq!(receiver.rest(), [Value::Null; 0]);
    // By its name, and by its address.
    for allowed in ["localhost", "127.0.0.1"] {
        let mut receiver = Receiver::start(&[]);
        let url = format!("http://localhost:{}/", receiver.port);
        Webhook::open(&config(directory.path(), url, &[allowed])).unwrap().store(&record).await.unwrap();
        receiver.next();
    }
}

#[tokio::test]
async fn a_certificate_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    let certs = Certs::new("localhost");
    let environment = [("CERT", certs.path("server.pem")), ("KEY", certs.path("server.key"))];
    let record = [message("attic", 10, vec![alert("a", 1, None)])];
    let mut receiver = Receiver::start_with(&[], &environment);
    let url = format!("https://localhost:{}/", receiver.port);
    let known = config(directory.path(), url, &["localhost"]);
    let trusting = config::Webhook { ca_file: Some(certs.path("ca.pem")), ..known.clone() };
    for config in [known, config::Webhook { ca_file: Some(certs.path("stranger.pem")), ..trusting.clone() }] {
        match Webhook::open(&config).unwrap().store(&record).await {
            Err(SinkError::Temporary { reason, .. }) => {
                assert!(reason.contains("ca_file of this [[webhook]]"), "{reason}")
            }
            other => panic!("{other:?}"),
        }
    }
    Webhook::open(&trusting).unwrap().store(&record).await.unwrap();
    assert_eq!(receiver.next()["body"]["event"], "opened");
}
