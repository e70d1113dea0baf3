//! The programs in `examples/` that print 5-tuples: in Rust, by the library, and in Python, by `airtally nmsg`.

use crate::{
    go::payloads,
    support::{
        program::{run, text},
        temp_dir,
    },
};
use airtally::nmsg::{Writer, WriterSettings};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn file(dir: &Path) -> PathBuf {
    let path = dir.join("messages.nmsg");
    let mut writer = Writer::new(WriterSettings { zlib: true, ..WriterSettings::file() });
    for payload in payloads(200) {
        writer.push(payload).expect("no payload is too large");
    }
    writer.flush();
    let octets: Vec<u8> = std::iter::from_fn(|| writer.pop()).flatten().collect();
    fs::write(&path, octets).expect("a file");
    path
}

/// The example in Rust, all but its arguments: `cargo test --test nmsg` builds no example.
#[allow(dead_code)]
#[path = "../../examples/tuples.rs"]
mod tuples;

fn rust(from: &str, count: u64) -> Result<String, String> {
    let mut out = Vec::new();
    tuples::print(from, count, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn python(arguments: &[&str]) -> Output {
    Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tuples.py"))
        .args(arguments)
        .env("AIRTALLY", env!("CARGO_BIN_EXE_airtally"))
        .output()
        .expect("python3")
}

#[test]
fn both_print_the_tuples_that_the_program_prints() {
    let dir = temp_dir();
    let path = file(dir.path());
    let name = path.to_str().expect("a name");
    let of_files = [vec![path.clone()], crate::vectors::find().unwrap_or_default()].concat();
    for path in of_files {
        let name = path.to_str().expect("a name");
        let program = run(["nmsg", name, "--format", "tuple"]);
        let (rust, python) = (rust(name, u64::MAX).expect("tuples"), python(&[name]));
        assert_eq!(rust, String::from_utf8_lossy(&program.stdout), "Rust, {name}");
        assert_eq!(String::from_utf8_lossy(&python.stdout), String::from_utf8_lossy(&program.stdout), "Python, {name}");
    }
    let output = python(&["-c", "3", name]);
    assert!(output.status.success(), "{}", text(&output));
    for printed in [rust(name, 3).expect("tuples"), String::from_utf8_lossy(&output.stdout).into_owned()] {
        assert_eq!(printed.lines().count(), 6, "{printed}");
    }
    let output = python(&["/nowhere"]);
    assert!(!output.status.success() && text(&output).contains("/nowhere"), "{}", text(&output));
    assert!(rust("/nowhere", 1).is_err_and(|error| error.contains("/nowhere")));
}
