//! What looks like an attack, through the real programs: what `airtally inspect --alerts` says of a capture is what is stored of it
//! and what a webhook is told, once, whatever is killed in between.

use crate::support::{
    block_on,
    databases::Influxd,
    pipeline::{Rig, history, influx_v1, start_sensor, write},
    program::{airtally, text},
    wait_until,
};
use airtally::{
    config::{self, Sensor},
    tally::settings::PrivacyMac,
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

const AP: [u8; 6] = [0x3c, 0x22, 0xfb, 0, 0, 1];
const OTHER: [u8; 6] = [0x3c, 0x22, 0xfb, 0, 0, 2];

/// A management frame as it is on the air.
fn frame(subtype: u8, sequence: u32, ta: [u8; 6], body: &[u8]) -> Vec<u8> {
    let mut frame = vec![subtype << 4, 0, 0x3a, 1];
    frame.extend([0xff; 6]);
    frame.extend(ta);
    frame.extend(ta);
    frame.extend(u16::try_from((sequence % 4096) << 4).unwrap().to_le_bytes());
    frame.extend(body);
    frame
}

/// Five minutes of two access points: deauthentications in the name of one in the second minute, of the other in the third, of the
/// first again in the last, which ends amid them.
fn capture(dir: &Path) -> PathBuf {
    let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 105].map(u32::to_le_bytes).concat();
    let mut n = 0;
    let mut put = |time: u32, tenth: u32, frame: Vec<u8>| {
        let len = u32::try_from(frame.len()).unwrap();
        file.extend([1_700_000_000 + time, tenth * 100_000 + n % 1000, len, len].map(u32::to_le_bytes).concat());
        file.extend(frame);
        n += 1;
    };
    let mut beacon = vec![0; 8];
    beacon.extend([100, 0, 0x11, 0, 0, 4, b'c', b'a', b'f', b'e', 3, 1, 6]);
    for second in 0..300_u32 {
        for tenth in 0..10 {
            for ap in [AP, OTHER] {
                put(second, tenth, frame(8, second * 20 + tenth, ap, &beacon));
            }
            let attacked = match second {
                70..80 | 285.. => Some(AP),
                130..140 => Some(OTHER),
                _ => None,
            };
            if let Some(ap) = attacked {
                put(second, tenth, frame(12, second * 20 + 10 + tenth, ap, &[7, 0]));
            }
        }
    }
    let path = dir.join("flood.pcap");
    fs::write(&path, file).unwrap();
    path
}

/// An alert: kind, subject, start, end, frames, evidence.
type Alert = [String; 6];

fn alert(row: &Value) -> Alert {
    ["kind", "subject", "start", "end", "frames", "evidence"].map(|key| row[key].to_string().replace('"', ""))
}

/// What the subcommand says of the capture.
fn told(path: &Path, config: &Path) -> BTreeSet<Alert> {
    let output =
        airtally().args(["inspect", "--alerts", "--format", "json", "--config"]).args([config, path]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    output.stdout.lines().map(|line| alert(&serde_json::from_str(&line.unwrap()).unwrap())).collect()
}

/// What the history says, of one sensor.
fn stored(history: &Path, sensor: &str) -> BTreeSet<Alert> {
    let shown = airtally()
        .args(["history", "--alerts", "--format", "json", "--top", "1000", "--sensor", sensor, "--db"])
        .arg(history)
        .output()
        .unwrap();
    let Ok(shown) = serde_json::from_slice::<Value>(&shown.stdout) else { return BTreeSet::new() };
    let rows = shown["alerts"].as_array().unwrap().iter();
    rows.map(|row| {
        assert_eq!(row["sensors"].as_array().unwrap().len(), 1);
        let seen = &row["sensors"][0];
        let mut all = row.clone();
        all["evidence"] = seen["evidence"].clone();
        all["end"] = seen["end"].clone();
        alert(&all)
    })
    .collect()
}

/// The receiver of the sinks' tests.
struct Receiver {
    child: Child,
    port: u16,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sink/receiver.py");
        // Away twice, so that a delivery is made again.
        let arguments = ["a secret of ours", "503", "503"];
        let mut child =
            Command::new("python3").arg(script).args(arguments).stdout(Stdio::piped()).spawn().expect("python3");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        out.read_line(&mut port).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port: port.trim().parse().unwrap(), lines }
    }

    /// What was taken of one event: each alert by its delivery, so that what came twice is once here.
    fn taken(&self, event: &str) -> BTreeSet<(String, Alert)> {
        let lines = self.lines.lock().unwrap();
        assert!(lines.iter().all(|line| line["signed"] == true), "{lines:?}");
        let taken = lines.iter().filter(|line| line["answered"] == 204 && line["body"]["event"] == event);
        taken.map(|line| (line["delivery"].to_string(), alert(&line["body"]["alert"]))).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watching(rig: &Rig, name: &str, capture: &Path) -> Sensor {
    let mut config = rig.sensor(name, capture);
    config.alerts.enabled = true;
    config
}

fn run(rig: &Rig, config: &Sensor) {
    start_sensor(rig.path(), config).succeed(Duration::from_secs(60));
}

#[test]
fn an_attack_is_told_once_everywhere_though_ingest_is_killed() {
    let influx = block_on(Influxd::start());
    block_on(influx.query("", "CREATE DATABASE airtally"));
    let receiver = Receiver::start();
    let web = crate::support::free_port();
    let mut rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.influx.push(influx_v1(&influx.url, "airtally"));
        let secret = dir.join("secret");
        fs::write(&secret, "a secret of ours\n").unwrap();
        config.webhook.push(config::Webhook {
            name: "phone".into(),
            url: format!("http://127.0.0.1:{}/", receiver.port),
            secret_file: config::SecretFile(secret),
            allow_private: vec!["127.0.0.1".into()],
            ca_file: None,
            timeout: Duration::from_secs(10),
        });
        config.web.enabled = true;
        config.web.listen = ([127, 0, 0, 1], web).into();
    });
    let path = capture(rig.path());
    let attic = watching(&rig, "attic", &path);
    let expected = told(&path, &write(rig.path(), "expected", &attic));
    assert_eq!(expected.iter().filter(|alert| alert[0] == "deauth_flood").count(), 3, "{expected:?}");

    // Killed while it has what it has not committed, and again while it stores.
    let mut sensor = start_sensor(rig.path(), &attic);
    std::thread::sleep(Duration::from_millis(300));
    rig.ingest.kill9();
    rig.restart_ingest();
    sensor.succeed(Duration::from_secs(60));
    rig.ingest.kill9();
    rig.restart_ingest();
    let history = rig.path().join("history.sqlite");
    wait_until("all alerts are stored", Duration::from_secs(60), || stored(&history, "attic") == expected);
    let points = || {
        let series = block_on(influx.series("airtally", "SELECT sum(ended), sum(frames) FROM wifi_alert GROUP BY *"));
        let of = |row: &BTreeMap<String, Value>, key: &str| row[key].as_i64().unwrap();
        let all = series.iter().map(|series| {
            assert_eq!(series.tags.keys().map(String::as_str).collect::<Vec<_>>(), ["class", "kind", "sensor", "site"]);
            (series.tags["kind"].clone(), of(&series.rows[0], "sum"), of(&series.rows[0], "sum_1"))
        });
        all.collect::<Vec<_>>()
    };
    wait_until("InfluxDB has their ends", Duration::from_secs(60), || {
        points().iter().map(|(_, ended, _)| ended).sum::<i64>() == i64::try_from(expected.len()).unwrap()
    });
    wait_until("the webhook was told", Duration::from_secs(60), || receiver.taken("ended").len() == expected.len());
    assert_eq!(receiver.taken("ended").into_iter().map(|(_, alert)| alert).collect::<BTreeSet<_>>(), expected);
    let whole = |sql: &str| Connection::open(&history).unwrap().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(whole("SELECT count(*) FROM gaps"), 0);

    // The API says the same.
    let ask = |query: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", web)).unwrap();
        let head = format!("GET /api/v1/alerts?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let range = "from=2023-11-14T22:00:00Z&to=2023-11-15T22:00:00Z";
    assert_eq!(ask(range)["items"].as_array().unwrap().len(), expected.len());
    assert_eq!(ask(&format!("{range}&state=open"))["items"].as_array().unwrap().len(), 0);
    let first = ask(&format!("{range}&kind=deauth_flood&sort=start&limit=1"));
    assert_eq!(first["items"][0]["subject"], "3c:22:fb:00:00:01");
    assert!(first["next"].is_string());

    // The same capture again is the same run: nothing is doubled, wherever it is kept.
    let before = points();
    fs::remove_dir_all(&attic.spool.runtime_dir).unwrap();
    fs::remove_dir_all(&attic.spool.state_dir).unwrap();
    run(&rig, &attic);
    // What a second sensor of the site sees of the same is one alert.
    run(&rig, &watching(&rig, "cellar", &path));
    wait_until("the cellar's are stored", Duration::from_secs(60), || stored(&history, "cellar") == expected);
    assert_eq!(stored(&history, "attic"), expected);
    let of_attic = |points: Vec<(String, i64, i64)>| points.into_iter().take(before.len()).collect::<Vec<_>>();
    assert_eq!(of_attic(points()), before);
    let joined = ask(range);
    let rows = joined["items"].as_array().unwrap();
    assert_eq!(rows.len(), expected.len());
    for row in rows {
        let sensors: BTreeSet<&str> =
            row["sensors"].as_array().unwrap().iter().map(|seen| seen["sensor"].as_str().unwrap()).collect();
        assert_eq!(sensors, ["attic", "cellar"].into());
    }
    assert_eq!(whole("SELECT count(*) FROM (SELECT 1 FROM windows GROUP BY sensor, run)"), 2, "one run of each");
}

/// What a mode withholds is nowhere: not on the wire, not in the history, not at the webhook.
#[test]
fn what_privacy_withholds_is_in_no_alert() {
    let (mut rig, history) = Rig::with_history();
    let path = capture(rig.path());
    let heard = rig.path().join("heard.json");
    let mut subscriber = Command::new("mosquitto_sub")
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &rig.broker.port.to_string(), "-q", "1", "-t", "airtally/#"])
        .stdout(fs::File::create(&heard).unwrap())
        .spawn()
        .unwrap();
    for (name, mode) in [("hidden", PrivacyMac::Vendor), ("named", PrivacyMac::Pseudonym)] {
        let mut config = watching(&rig, name, &path);
        config.privacy.mac = mode;
        config.alerts.expected.push(airtally::alert::Expected {
            kind: airtally::alert::Kind::AuthFlood,
            subject: "3c:22:fb:00:00:02".into(),
        });
        run(&rig, &config);
        let floods =
            || stored(&history, name).into_iter().filter(|alert| alert[0] == "deauth_flood").collect::<Vec<_>>();
        wait_until("the floods are stored", Duration::from_secs(60), || floods().len() == 3);
        for alert in floods() {
            match mode {
                PrivacyMac::Vendor => assert_eq!(alert[1], "withheld"),
                _ => assert!(alert[1].parse::<airtally::Mac>().is_err() && alert[1] != "withheld", "{alert:?}"),
            }
        }
    }
    rig.ingest.stop();
    subscriber.kill().unwrap();
    subscriber.wait().unwrap();
    let mut everything = fs::read(&heard).unwrap();
    assert!(String::from_utf8_lossy(&everything).contains("airtally.alert/1"));
    everything.extend(fs::read(&history).unwrap());
    let text = String::from_utf8_lossy(&everything);
    for address in ["3c:22:fb:00:00:01", "3c:22:fb:00:00:02"] {
        assert!(!text.contains(address), "{address}");
    }
}
