//! tshark, the counter that is not ours.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// One row a frame, one text a field (its first value), frame check sequences verified.
#[allow(dead_code, reason = "not every test program asks for one value")]
pub fn fields(capture: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    rows(capture, "occurrence=f", fields)
}

/// As [`fields`], with all values of a field, parted by commas.
#[allow(dead_code, reason = "not every test program asks for several values")]
pub fn all_fields(capture: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    rows(capture, "occurrence=a", fields)
}

fn rows(capture: &Path, occurrence: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "wlan.check_checksum:TRUE", "-T", "fields", "-E", occurrence, "-r"]).arg(capture);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command
        .stderr(Stdio::piped())
        .output()
        .unwrap_or_else(|error| panic!("cannot start tshark: {error}; scripts/test installs what tests need"));
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}
