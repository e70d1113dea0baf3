//! `airtally inspect --window` gives the batches that the sensor spools for the same capture, octet for octet.

use crate::support::{
    broker::Broker,
    pipeline,
    program::{self, Daemon},
    synth::Options,
    synthesise, temp_dir,
};
use airtally::{
    UnixNanos,
    config::Sensor,
    spool::{Settings, Spool, Want},
    tally::settings::PrivacyMac,
};
use std::{fs::File, process::Command, time::Duration};

/// Runs both on one capture; gives the batches, a line each.
fn compare(name: &str, adjust: impl Fn(&mut Sensor)) -> String {
    let (dir, broker) = (temp_dir(), Broker::start(""));
    let options = Options { frames: 12_000, stations: 900, plant: true, ..Options::default() };
    let (capture, _) = synthesise(dir.path(), &options);
    let mut config = pipeline::sensor(dir.path(), name, broker.port, &capture);
    adjust(&mut config);

    // A batch counts as delivered only if somebody subscribes.
    let mut reader = Command::new("mosquitto_sub");
    reader.args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-t", "airtally/#", "-q", "1"]);
    let _reader = Daemon::start("mosquitto_sub", &mut reader, &dir.path().join("mosquitto_sub.log"));
    pipeline::start_sensor(dir.path(), &config).succeed(Duration::from_secs(120));
    let settings = Settings {
        runtime_dir: Some(config.spool.runtime_dir.clone()),
        state_dir: config.spool.state_dir.clone(),
        max_bytes: config.spool.max_bytes.0,
        age_out: config.spool.age_out,
        durable: false,
        ledger: false,
        privacy: None,
        readers: vec!["test".into()],
    };
    let (mut spool, _) = Spool::open(UnixNanos::now(), settings).expect("the sensor's spool");
    let spooled = spool.pending("test", Want::Everything, 0, 1_000_000, usize::MAX).expect("its batches");
    let spooled: String = spooled.iter().map(|entry| String::from_utf8(entry.body.clone()).unwrap() + "\n").collect();

    let file = pipeline::write(dir.path(), "inspect", &config);
    let output = program::airtally()
        .args(["inspect", "--window", &humantime::format_duration(config.window.length).to_string(), "--config"])
        .args([&file, &capture])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", program::text(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.lines().count() > 2, "{printed}");
    for (number, (printed, spooled)) in printed.lines().zip(spooled.lines()).enumerate() {
        assert_eq!(printed, spooled, "batch {number}");
    }
    assert_eq!(printed.lines().count(), spooled.lines().count());
    assert_eq!(printed, spooled);
    printed
}

#[test]
fn with_the_usual_configuration() {
    let printed = compare("usual", |_| ());
    assert!(printed.lines().last().unwrap().contains("\"final\":true"));
}

#[test]
fn with_windows_in_parts_bounds_and_names() {
    let printed = compare("parts", |config| {
        config.window.length = Duration::from_secs(7);
        config.window.max_stations = 300;
        config.mqtt.max_message.0 = 20 << 10;
        config.privacy.ssids = true;
        config.tracking.budget = 20;
        config.tracking.track_after = 2;
    });
    assert!(printed.contains("\"part\":1") && printed.contains("\"tracked\":true"));
}

#[test]
fn with_vendors_in_place_of_stations() {
    let printed = compare("vendors", |config| config.privacy.mac = PrivacyMac::Vendor);
    assert!(printed.contains("\"vendors\":[") && !printed.contains("\"mac\""));
}

/// The sensor's key must neither be read nor replaced by looking at a file.
#[test]
fn pseudonyms_are_never_the_sensors() {
    let dir = temp_dir();
    let (capture, _) = synthesise(dir.path(), &Options { frames: 2_000, ..Options::default() });
    let mut config = pipeline::sensor(dir.path(), "pseudonyms", 1, &capture);
    config.privacy.mac = PrivacyMac::Pseudonym;
    std::fs::create_dir_all(&config.spool.state_dir).unwrap();
    let key = config.spool.state_dir.join("pseudonym.key");
    std::fs::write(&key, "the sensor's").unwrap();
    let file = pipeline::write(dir.path(), "inspect", &config);
    let run = || {
        let mut command = program::airtally();
        command.args(["inspect", "--window", "10s", "--config"]).args([&file, &capture]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let (one, other) = (run(), run());
    assert!(one.contains("\"mac\":\"p-") && one != other);
    assert_eq!(std::fs::read(&key).unwrap(), b"the sensor's");
}

#[test]
fn line_protocol_is_that_of_the_batches() {
    let dir = temp_dir();
    let (capture, tally) = synthesise(dir.path(), &Options { frames: 3_000, ..Options::default() });
    let output = program::airtally()
        .args(["inspect", "-", "--format", "influx"])
        .stdin(File::open(&capture).unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let frames = text.lines().filter(|line| line.starts_with("wifi_sensor,")).map(|line| {
        let field = line.split([',', ' ']).find_map(|field| field.strip_prefix("frames=")).expect("a count of frames");
        field.trim_end_matches('i').parse::<u64>().unwrap()
    });
    assert_eq!(frames.sum::<u64>(), tally.frames);
}

/// What sensor.toml refuses as `window.length` is no `--window` either.
#[test]
fn a_window_that_no_sensor_could_have_is_refused() {
    let dir = temp_dir();
    let (capture, _) = synthesise(dir.path(), &Options { frames: 10, ..Options::default() });
    for length in ["1500ms", "999ms", "0s", "2days"] {
        let output = program::airtally().args(["inspect", "--window", length]).arg(&capture).output().unwrap();
        let said = program::text(&output);
        assert!(output.status.code() == Some(2) && said.contains("--window"), "{length}: {said}");
        let mut config = pipeline::sensor(dir.path(), "refused", 1, &capture);
        config.window.length = humantime::parse_duration(length).unwrap();
        let file = pipeline::write(dir.path(), "refused", &config);
        let output = program::airtally().arg("check").arg(file).output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{length}: {}", program::text(&output));
    }
}
