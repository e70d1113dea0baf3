//! `airtally doctor` end to end: exit status, both formats, a real broker.

use crate::support::{broker::Broker, pipeline, program::airtally, temp_dir};
use serde_json::Value;
use std::{fs, path::Path, process::Output};

/// Runs the doctor over a capture's configuration: what the machine's radio is like is no matter then.
fn doctor(dir: &Path, port: u16, format: &str) -> Output {
    let config = pipeline::sensor(dir, "examined", port, Path::new("/nowhere.pcap"));
    fs::create_dir_all(&config.spool.runtime_dir).unwrap();
    fs::create_dir_all(&config.spool.state_dir).unwrap();
    let file = pipeline::write(dir, "examined", &config);
    airtally().args(["doctor", "--format", format, "--config"]).arg(file).output().unwrap()
}

fn broker_of(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "airtally.doctor/1");
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["check"] == "broker").unwrap().clone()
}

#[test]
fn a_broker_that_answers_is_well_and_one_that_does_not_fails_the_examination() {
    let dir = temp_dir();
    let broker = Broker::start("");
    let output = doctor(dir.path(), broker.port, "json");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(broker_of(&output)["level"], "ok");
    let port = broker.port;
    drop(broker);
    let output = doctor(dir.path(), port, "json");
    assert_eq!(output.status.code(), Some(1));
    let finding = broker_of(&output);
    assert_eq!(finding["level"], "fail");
    assert!(finding["message"].as_str().unwrap().contains("nothing listens"), "{finding}");
    let text = String::from_utf8(doctor(dir.path(), port, "text").stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with("FAIL  broker")), "{text}");
}

#[test]
fn a_login_that_is_refused_is_told() {
    let dir = temp_dir();
    let passwords = dir.path().join("passwords");
    fs::write(&passwords, "").unwrap();
    let broker = Broker::start_with(|_| format!("allow_anonymous false\npassword_file {}\n", passwords.display()));
    let finding = broker_of(&doctor(dir.path(), broker.port, "json"));
    assert_eq!(finding["level"], "fail");
    assert!(finding["message"].as_str().unwrap().contains("user name"), "{finding}");
}

#[test]
fn a_configuration_with_a_mistake_is_no_examination() {
    let dir = temp_dir();
    let file = dir.path().join("bad.toml");
    fs::write(&file, "[clock]\nsettle = \"0s\"\n").unwrap();
    let output = airtally().args(["doctor", "--config"]).arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("clock.settle: 0s is not between 1s and 1day"));
}
