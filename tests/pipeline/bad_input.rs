//! Whatever is wrong with a capture, an interface, a broker, a database or a message: one clear sentence, the exit
//! status that `airtally --help` promises, and nothing lost of what was good.

use crate::support::{
    block_on,
    broker::Broker,
    corpus::Corpus,
    databases::Influxd,
    history::{all_stations, await_sensor, number, open},
    pipeline::{Expected, Rig, influx_v1, ingest, sensor, start_ingest, start_sensor, write},
    program::{airtally, run, text},
    synth, synthesise, temp_dir, wait_until,
};
use airtally::{
    config::{SecretFile, SourceKind, Tls},
    dot11::LinkType,
};
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::sleep,
    time::Duration,
};

/// A capture that is no good one, and the numbers of packets that may be counted in it.
struct Bad {
    sensor: String,
    path: PathBuf,
    frames: Vec<u64>,
    /// Where it may be refused altogether.
    refusable: bool,
}

fn bad_captures(dir: &Path) -> Vec<Bad> {
    let mut all = Vec::new();
    if let Some(corpus) = Corpus::find() {
        let categories = ["malformed", "notpcap", "derived", "format", "other"];
        for (index, entry) in
            corpus.entries.iter().filter(|entry| categories.contains(&entry.category.as_str())).enumerate()
        {
            all.push(Bad {
                sensor: format!("bad-{index:03}"),
                path: corpus.path(entry),
                frames: vec![entry.frames, entry.tshark_frames],
                // A link type that is not read, or no packet at all.
                refusable: entry.frames == 0 || !entry.link_types.iter().all(|&number| LinkType(number).is_supported()),
            });
        }
        assert!(all.len() > 60, "the corpus has {} captures that are somehow bad", all.len());
    }
    // Ours: a capture cut at many places, and files that are none.
    let options = synth::Options { frames: 300, stations: 20, access_points: 3, ..synth::Options::default() };
    let (whole, _) = synthesise(dir, &options);
    let octets = fs::read(whole).unwrap();
    for cut in [1, 3, 4, 23, 24, 25, 39, 40, 41, 100, 1_000, octets.len() / 2, octets.len() - 1] {
        let path = dir.join(format!("cut-{cut}.pcap"));
        fs::write(&path, &octets[..cut]).unwrap();
        let frames = vec![whole_records(&octets[..cut])];
        all.push(Bad { sensor: format!("cut-{cut}"), path, frames, refusable: cut < 40 });
    }
    for (name, content) in
        [("empty", &b""[..]), ("text", b"Not a capture, whatever its name says.\n"), ("gz", b"\x1f\x8b\x08\0\0\0\0\0")]
    {
        let path = dir.join(format!("{name}.pcap"));
        fs::write(&path, content).unwrap();
        all.push(Bad { sensor: name.into(), path, frames: vec![0], refusable: true });
    }
    all
}

/// Packet records that a classic little-endian capture has in full.
fn whole_records(octets: &[u8]) -> u64 {
    let mut rest = octets.get(24..).unwrap_or_default();
    let mut records = 0;
    while let Some(length) = rest.get(8..12) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let Some(after) = rest.get(16 + length..) else { break };
        (rest, records) = (after, records + 1);
    }
    records
}

#[test]
fn bad_captures_are_counted_or_refused_in_one_sentence() {
    let (rig, history) = Rig::with_history();
    let captures = bad_captures(rig.path());
    let (next, wrong, counted) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(bad) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut sensor = start_sensor(rig.path(), &rig.sensor(&bad.sensor, &bad.path));
                    let status = sensor.wait(Duration::from_secs(60));
                    let log = sensor.log();
                    let name = bad.path.file_name().unwrap().to_string_lossy().into_owned();
                    let last = log.lines().last().unwrap_or_default();
                    let problem = match status.code() {
                        _ if log.contains("panicked") => Some("panicked"),
                        Some(0) => {
                            counted.lock().unwrap().push((bad, says_what_is_left_out(&log)));
                            None
                        }
                        Some(1) if last.contains("has no times of capture") && last.contains(&name) => None,
                        Some(1) if !bad.refusable => Some("refused though there is something in it"),
                        Some(1) if !last.starts_with("airtally: ") => Some("no last sentence"),
                        Some(1) if !last.contains(&name) => Some("the sentence does not name the file"),
                        Some(1) => None,
                        _ => Some("an undocumented end"),
                    };
                    if let Some(problem) = problem {
                        wrong.lock().unwrap().push(format!("{name}: {problem}: {status}\n{log}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rig.replay_mark("mark");
    await_sensor(&history, "mark");
    let database = open(&history).unwrap();
    let counted = counted.into_inner().unwrap();
    for (bad, skipped) in &counted {
        let frames = number(&database, &format!("SELECT sum(frames) FROM windows WHERE sensor = '{}'", bad.sensor));
        // Packets of interfaces whose link type is not read are left out, and the log says so.
        let in_part = *skipped && bad.frames.iter().any(|&all| frames < all);
        assert!(
            in_part || bad.frames.contains(&frames),
            "{:?}: {frames} frames stored, not one of {:?}",
            bad.path,
            bad.frames
        );
    }
    println!("{} bad captures, {} of them counted as far as they go", captures.len(), counted.len());
}

/// Whether the log says that packets were left out: those whose link type is not read, and those without a time that come
/// before the first that has one.
fn says_what_is_left_out(log: &str) -> bool {
    log.contains(" of interfaces with link type") || log.contains("no window has a place for that")
}

/// Runs the sensor to its end, which must be a failure; what it said.
fn fails(dir: &Path, config: &airtally::config::Sensor, code: i32) -> String {
    let mut sensor = start_sensor(dir, config);
    let status = sensor.wait(Duration::from_secs(30));
    assert_eq!(status.code(), Some(code), "{}", sensor.log());
    let log = sensor.log();
    assert!(!log.contains("panicked"), "{log}");
    log.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn sources_that_are_not_there_are_named() {
    let dir = temp_dir();
    let mut config = sensor(dir.path(), "absent", 1, &dir.path().join("absent.pcap"));
    let said = fails(dir.path(), &config, 1);
    assert!(said.contains("absent.pcap") && said.contains("No such file"), "{said}");

    config.source.file = dir.path().to_owned();
    let said = fails(dir.path(), &config, 1);
    assert!(said.contains("directory"), "{said}");

    config.source.kind = SourceKind::Interface;
    config.source.interface = "no-such-card".into();
    let said = fails(dir.path(), &config, 1);
    assert!(said.contains("no interface 'no-such-card'"), "{said}");
}

#[test]
fn without_permission_it_says_which_capability() {
    // The program and its configuration where anybody may read them.
    let dir = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o777)).tempdir().unwrap();
    let program = dir.path().join("airtally");
    fs::copy(env!("CARGO_BIN_EXE_airtally"), &program).unwrap();
    let mut config = sensor(dir.path(), "nobody", 1, Path::new(""));
    config.source.kind = SourceKind::Interface;
    config.source.interface = "lo".into();
    for path in [&config.spool.runtime_dir, &config.spool.state_dir] {
        fs::create_dir_all(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let file = write(dir.path(), "nobody", &config);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]).arg(&program);
    let output = command.arg("sensor").arg("--config").arg(file).output().expect("setpriv (package util-linux)");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("CAP_NET_RAW") && said.contains("'lo'"), "{said}");
}

#[test]
fn secrets_that_cannot_be_read_end_the_start() {
    let dir = temp_dir();
    let (capture, _) = synthesise(dir.path(), &synth::Options { frames: 10, ..synth::Options::default() });
    let mut config = sensor(dir.path(), "secret", 1, &capture);
    config.mqtt.username = Some("pi".into());
    config.mqtt.password_file = Some(SecretFile(dir.path().join("absent-secret")));
    let said = fails(dir.path(), &config, 1);
    assert!(said.contains("absent-secret"), "{said}");
    fs::write(dir.path().join("absent-secret"), "\n").unwrap();
    let said = fails(dir.path(), &config, 1);
    assert!(said.contains("empty"), "{said}");
}

/// Seconds of processor time that a process has used.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit(')').next().unwrap();
    let fields: Vec<u64> = after.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // Of those that are numbers, after the state: utime and stime are the 11th and 12th; 100 ticks a second.
    (fields[10] + fields[11]) as f64 / 100.0
}

#[test]
fn a_broker_that_refuses_is_tried_again_calmly_and_nothing_is_lost() {
    let broker = Broker::start_with(|dir| {
        let users = dir.join("users");
        let status = Command::new("mosquitto_passwd").args(["-c", "-b"]).arg(&users).args(["pi", "right"]).status();
        assert!(status.expect("mosquitto_passwd (package mosquitto)").success());
        fs::set_permissions(&users, fs::Permissions::from_mode(0o644)).unwrap();
        format!("allow_anonymous false\npassword_file {}\n", users.display())
    });
    let dir = temp_dir();
    let options = synth::Options { frames: 2_000, stations: 50, ..synth::Options::default() };
    let (capture, tally) = synthesise(dir.path(), &options);
    let secret = dir.path().join("password");
    fs::write(&secret, "wrong\n").unwrap();
    let mut config = sensor(dir.path(), "refused", broker.port, &capture);
    config.mqtt.username = Some("pi".into());
    config.mqtt.password_file = Some(SecretFile(secret.clone()));
    let mut sensor = start_sensor(dir.path(), &config);
    sensor.await_log("refuses user 'pi'", Duration::from_secs(20));
    let before = cpu_seconds(sensor.pid());
    sleep(Duration::from_secs(3));
    assert!(cpu_seconds(sensor.pid()) - before < 0.5, "it loops hot:\n{}", sensor.log());
    assert!(sensor.ended().is_none(), "{}", sensor.log());
    assert!(!sensor.log().contains("wrong"), "the password is in the log");
    assert!(sensor.log().lines().count() < 20, "{}", sensor.log());
    assert!(sensor.stop().success());

    // With the right password, everything arrives.
    fs::write(&secret, "right\n").unwrap();
    let mut config_in = ingest(dir.path(), broker.port);
    config_in.mqtt.username = Some("pi".into());
    config_in.mqtt.password_file = Some(SecretFile(secret));
    let history = crate::support::pipeline::history(dir.path());
    config_in.sqlite = Some(history.clone());
    let _ingest = start_ingest(dir.path(), &config_in);
    start_sensor(dir.path(), &config).succeed(Duration::from_secs(60));
    let all = "SELECT sum(frames) FROM windows WHERE sensor = 'refused'";
    wait_until("everything is stored", Duration::from_secs(30), || {
        open(&history.path).is_some_and(|database| number(&database, all) == tally.frames)
    });
}

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", text(&output));
}

#[test]
fn a_private_authority_is_trusted_by_name_only() {
    let broker = Broker::start_with(|dir| {
        for authority in ["ca", "other"] {
            openssl(
                dir,
                &format!(
                    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {authority}.key -out {authority}.pem -days 2 -subj /CN={authority}"
                ),
            );
        }
        openssl(
            dir,
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=127.0.0.1",
        );
        fs::write(dir.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        openssl(
            dir,
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem",
        );
        let path = dir.display();
        format!("allow_anonymous true\ncertfile {path}/server.pem\nkeyfile {path}/server.key\n")
    });
    let dir = temp_dir();
    let (capture, tally) = synthesise(dir.path(), &synth::Options { frames: 500, ..synth::Options::default() });
    let trust = |ca: &str| Some(Tls { ca_file: Some(broker.dir.path().join(ca)), ..Tls::default() });

    let mut config = sensor(dir.path(), "tls", broker.port, &capture);
    config.mqtt.tls = trust("other.pem");
    let mut wary = start_sensor(dir.path(), &config);
    wary.await_log("is not trusted", Duration::from_secs(20));
    assert!(wary.stop().success());
    let published = broker.log().contains("Received PUBLISH");
    assert!(!published, "something was sent to a broker that is not trusted");

    let mut config_in = ingest(dir.path(), broker.port);
    config_in.mqtt.tls = trust("ca.pem");
    let history = crate::support::pipeline::history(dir.path());
    config_in.sqlite = Some(history.clone());
    let _ingest = start_ingest(dir.path(), &config_in);
    config.mqtt.tls = trust("ca.pem");
    start_sensor(dir.path(), &config).succeed(Duration::from_secs(60));
    wait_until("everything is stored", Duration::from_secs(30), || {
        open(&history.path).is_some_and(|database| number(&database, "SELECT sum(frames) FROM windows") == tally.frames)
    });
}

#[test]
fn a_missing_database_is_waited_for_and_then_filled() {
    let influx = block_on(Influxd::start());
    let rig = Rig::start(|_, config| config.influx.push(influx_v1(&influx.url, "later")));
    let (capture, tally) = synthesise(rig.path(), &synth::Options { frames: 3_000, ..synth::Options::default() });
    rig.replay(&[Expected::synthetic("early", capture, &tally)], |_| ());
    rig.ingest.await_log("later", Duration::from_secs(20));
    assert!(rig.ingest.log().contains("database"), "{}", rig.ingest.log());
    let before = cpu_seconds(rig.ingest.pid());
    sleep(Duration::from_secs(3));
    assert!(cpu_seconds(rig.ingest.pid()) - before < 0.5, "it loops hot:\n{}", rig.ingest.log());
    block_on(influx.query("", "CREATE DATABASE later"));
    wait_until("everything is stored", Duration::from_secs(90), || {
        let sum = block_on(influx.series("later", "SELECT sum(frames) FROM wifi_sensor"));
        sum.first().and_then(|series| series.rows[0]["sum"].as_u64()) == Some(tally.frames)
    });
}

fn publish(port: u16, topic: &str, payload: &[u8]) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-V", "5", "-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", topic]);
    command.arg(if payload.is_empty() { "-n" } else { "-s" });
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("mosquitto_pub");
    child.stdin.take().unwrap().write_all(payload).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_no_batch_becomes_a_dead_letter() {
    let (mut rig, history) = Rig::with_history();
    rig.ingest.await_log("connected", Duration::from_secs(20));
    let batch = |sensor: &str, frames: &str| {
        format!(
            r#"{{"schema":"airtally.batch/1","site":"test","sensor":"{sensor}","run":"6b1f0c52-6f0b-4c3e-9d9c-1f0d1f0d1f0d",
            "seq":0,"part":0,"parts":1,"start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:10Z","clock":"capture",
            "capture":{{"frames":{frames},"bytes":0,"station_frames":0,"bad_fcs":0,"malformed":0,"without_ta":0,
            "group_ta":0,"overflow_frames":0,"late":0}},"stations":[]}}"#
        )
    };
    let deep = "[".repeat(100_000);
    let other = batch("odd", "0").replace("batch/1", "batch/2");
    let letters: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"hello".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe\0\0".to_vec(),
        deep.into_bytes(),
        batch("odd", "-1").into_bytes(),
        batch("odd", "1e99").into_bytes(),
        batch("somebody-else", "0").into_bytes(),
        other.into_bytes(),
        vec![b'x'; 200_000],
    ];
    for letter in &letters {
        publish(rig.broker.port, "airtally/test/odd/batch", letter);
    }
    // Fields of tomorrow are ignored, and this is stored.
    let good = batch("odd", "0").replace("\"seq\"", "\"tomorrow\":[1],\"seq\"");
    publish(rig.broker.port, "airtally/test/odd/batch", good.as_bytes());
    let (capture, tally) = synthesise(rig.path(), &synth::Options { frames: 2_000, ..synth::Options::default() });
    let expected = Expected::synthetic("even", capture, &tally);
    rig.replay(std::slice::from_ref(&expected), |_| ());
    rig.replay_mark("mark");
    await_sensor(&history, "mark");
    let database = open(&history).unwrap();
    assert_eq!(all_stations(&database).get("even"), Some(&expected.stations), "what was good is not lost");
    assert_eq!(number(&database, "SELECT count(*) FROM windows WHERE sensor = 'odd'"), 1);

    assert_eq!(rig.ingest.log().matches("dead letter").count(), 1, "logged once a minute:\n{}", rig.ingest.log());
    assert!(!rig.ingest.log().contains("panicked"));
    // They are acknowledged: after a restart the broker sends none of them again.
    rig.ingest.kill9();
    rig.restart_ingest();
    rig.replay_mark("again");
    await_sensor(&history, "again");
    rig.ingest.stop();
    let path = rig.path().join("ingest/dead-letters.sqlite");
    let dead = Connection::open(&path).unwrap();
    assert_eq!(number(&dead, "SELECT count(*) FROM letters"), letters.len() as u64);
    let mut reasons = dead.prepare("SELECT reason, count(*) FROM letters GROUP BY 1").unwrap();
    let reasons: BTreeMap<String, i64> =
        reasons.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    assert!(reasons.keys().any(|reason| reason.contains("airtally.batch/2")), "{reasons:?}");
    assert!(reasons.keys().any(|reason| reason.contains("somebody-else")), "{reasons:?}");

    // Offered again they are no better, and stay.
    let output = run([
        "ingest".into(),
        "redrive".into(),
        "--config".into(),
        rig.path().join("test-ingest.toml").into_os_string(),
    ]);
    assert!(text(&output).contains("0 stored"), "{}", text(&output));
    assert!(!text(&output).contains("panicked"), "{}", text(&output));
    assert_eq!(number(&dead, "SELECT count(*) FROM letters"), letters.len() as u64);
}

#[test]
fn a_sink_that_cannot_be_opened_ends_the_start() {
    let dir = temp_dir();
    let mut config = ingest(dir.path(), 1);
    let mut history = crate::support::pipeline::history(dir.path());
    history.path = dir.path().join("a-file/history.sqlite");
    fs::write(dir.path().join("a-file"), "in the way").unwrap();
    config.sqlite = Some(history);
    let mut ingest = start_ingest(dir.path(), &config);
    let status = ingest.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(1), "{}", ingest.log());
    assert!(ingest.log().lines().last().unwrap_or_default().contains("history.sqlite"), "{}", ingest.log());
}

#[test]
fn a_second_sensor_in_the_same_place_is_refused() {
    let (rig, _) = Rig::with_history();
    let options = synth::Options { frames: 2_000, seconds: 10, ..synth::Options::default() };
    let (capture, _) = synthesise(rig.path(), &options);
    let mut config = rig.sensor("twin", &capture);
    config.source.pace = airtally::config::Pace::Recorded;
    let mut first = start_sensor(rig.path(), &config);
    first.await_log("connected", Duration::from_secs(20));
    let mut command = airtally();
    let output = command.arg("sensor").arg("--config").arg(rig.path().join("twin.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = text(&output);
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("airtally: ") && last.contains("spool"), "{last}");
    assert!(first.stop().success());
}
