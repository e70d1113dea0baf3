//! Tables on a terminal: what does not fit, and that it is named; all of it where nobody looks.

use crate::support::{
    program::{airtally, run},
    synth, synthesise, temp_dir,
};
use std::process::Command;

/// What a terminal of so many columns shows of the command's answer, by util-linux's `script`; `told` is COLUMNS.
fn shown(columns: u32, told: &str, arguments: &[&str]) -> Vec<String> {
    let words = [env!("CARGO_BIN_EXE_airtally")].iter().chain(arguments).map(|word| format!("'{word}'"));
    let line = format!("stty cols {columns} rows 50; exec {} 2>/dev/null", words.collect::<Vec<_>>().join(" "));
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("NO_COLOR", "1")
        .env("COLUMNS", told)
        .output()
        .expect("script, of the package bsdutils");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn a_table_fits_its_terminal_and_says_what_it_left_out() {
    let dir = temp_dir();
    let (capture, _) = synthesise(dir.path(), &synth::Options { frames: 3_000, ..synth::Options::default() });
    let capture = capture.to_str().unwrap();
    for by in [&[][..], &["--by", "vendor"], &["--by", "bssid"], &["--by", "subtype"]] {
        let arguments = [&["inspect", capture], by].concat();
        let narrow = shown(80, "", &arguments);
        for line in narrow.iter().filter(|line| !line.starts_with("capture ")) {
            assert!(line.chars().count() <= 80, "{by:?} has a line that is too wide: {line}");
        }
        let piped = String::from_utf8(run(&arguments).stdout).unwrap();
        assert!(!piped.contains("not shown in"), "{piped}");
        if by.is_empty() {
            assert!(narrow.iter().any(|line| line.starts_with("not shown in 80 columns: ")), "{narrow:#?}");
            assert!(piped.contains("OCTETS") && !narrow.iter().any(|line| line.contains(" OCTETS ")), "{narrow:#?}");
            let wide = shown(400, "", &arguments);
            assert!(!wide.iter().any(|line| line.starts_with("not shown in")), "{wide:#?}");
        }
    }
}

#[test]
fn columns_of_the_environment_count_on_a_terminal_alone() {
    let arguments = ["oui", "lookup", "b8:27:eb:00:00:01", "01:80:c2:00:00:00"];
    let mut piped = airtally();
    let output = piped.args(arguments).env("COLUMNS", "20").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("organisation") && !text.contains("not shown in"), "{text}");
    let narrow = shown(200, "40", &arguments);
    assert!(narrow.iter().all(|line| line.chars().count() <= 40), "{narrow:#?}");
}
