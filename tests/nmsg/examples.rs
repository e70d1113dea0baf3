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

fn rust(arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_airtally")).with_file_name("examples").join("tuples");
    Command::new(program)
        .args(arguments)
        .output()
        .expect("the example, which `cargo test` builds, or `cargo build --example tuples` before a test alone")
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
        let (rust, python) = (rust(&[name]), python(&[name]));
        assert_eq!(String::from_utf8_lossy(&rust.stdout), String::from_utf8_lossy(&program.stdout), "Rust, {name}");
        assert_eq!(String::from_utf8_lossy(&python.stdout), String::from_utf8_lossy(&program.stdout), "Python, {name}");
    }
    for output in [rust(&["-c", "3", name]), python(&["-c", "3", name])] {
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 6);
    }
    for output in [rust(&["/nowhere"]), python(&["/nowhere"])] {
        assert!(!output.status.success() && text(&output).contains("/nowhere"), "{}", text(&output));
    }
}
