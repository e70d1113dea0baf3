//! Debian's reader and writer in Go reads what we write, and we read what it writes. `scripts/test` installs it.

use crate::support::{
    program::{run, text},
    temp_dir,
};
use airtally::nmsg::{IpConn, Packet, Payload, Reader, Type, Writer, WriterSettings};
use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The Go program, built once.
pub fn oracle() -> &'static Path {
    static ORACLE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = ORACLE.get_or_init(|| {
        let dir = temp_dir();
        let path = dir.path().join("oracle");
        // Debian's own compiler: its packages are found without a network by it.
        let go = if Path::new("/usr/lib/go/bin/go").exists() { "/usr/lib/go/bin/go" } else { "go" };
        let output = Command::new(go)
            .args(["build", "-o"])
            .arg(&path)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nmsg/oracle/main.go"))
            .env("GO111MODULE", "off")
            .env("GOPATH", "/usr/share/gocode")
            .env("GOCACHE", dir.path().join("cache"))
            .output()
            .expect("Debian's golang-go, which scripts/test installs");
        assert!(output.status.success(), "golang-github-farsightsec-go-nmsg-dev is needed: {}", text(&output));
        (dir, path)
    });
    path
}

fn ask(arguments: &[&str]) -> Output {
    let output = Command::new(oracle()).args(arguments).output().expect("the Go program");
    assert!(output.status.success(), "{}", text(&output));
    output
}

/// A payload as the Go program prints it.
pub fn line(payload: &Payload) -> String {
    let hex = payload.octets.iter().fold(String::new(), |mut hex, octet| {
        write!(hex, "{octet:02x}").expect("a string");
        hex
    });
    format!(
        "{} {} {} {} {} {} {} {hex}\n",
        payload.kind.vendor,
        payload.kind.number,
        payload.seconds,
        payload.nanos,
        payload.source.unwrap_or(0),
        payload.operator.unwrap_or(0),
        payload.group.unwrap_or(0)
    )
}

/// Everything in a file, as the Go program prints it, and the reader afterwards.
pub fn read(path: &Path) -> (String, Reader) {
    let mut reader = Reader::default();
    let mut lines = String::new();
    for piece in fs::read(path).expect("the file").chunks(10_000) {
        reader.push(piece);
        while let Some(payload) = reader.next_payload() {
            lines.push_str(&line(&payload));
        }
    }
    reader.end();
    assert_eq!(reader.next_payload(), None);
    (lines, reader)
}

/// Payloads of all shapes: connections, small packets, packets that need fragments, other types, and all the numbers.
pub fn payloads(count: u32) -> Vec<Payload> {
    let one = |number: u32| {
        let mut payload = match number % 5 {
            0 => Packet { octets: (0..number * 37 % 3_000).map(|at| (at ^ number).to_le_bytes()[0]).collect() }
                .into_payload(i64::from(number), number),
            1 => Payload { kind: Type { vendor: 1, number: 6 }, octets: vec![7; 40], ..Payload::default() },
            2 => Payload {
                kind: Type { vendor: number, number },
                octets: number.to_be_bytes().to_vec(),
                ..Payload::default()
            },
            _ => IpConn {
                proto: Some(number % 256),
                srcip: Some(number.to_be_bytes().into()),
                srcport: Some(number % 65_536),
                dstip: Some(u128::from(number).to_be_bytes().into()),
                dstport: None,
            }
            .to_payload(-i64::from(number), 999_999_999),
        };
        if number.is_multiple_of(3) {
            (payload.source, payload.operator, payload.group) = (Some(number), Some(u32::MAX), Some(1));
        }
        payload
    };
    (0..count).map(one).collect()
}

fn write(payloads: &[Payload], settings: WriterSettings, path: &Path) {
    let mut writer = Writer::new(settings);
    let mut file = Vec::new();
    for payload in payloads {
        writer.push(payload.clone()).expect("no payload is too large");
    }
    writer.flush();
    while let Some(container) = writer.pop() {
        assert!(container.len() <= settings.most);
        file.extend(container);
    }
    fs::write(path, file).expect("a file");
}

#[test]
fn what_we_write_the_reader_in_go_reads() {
    let dir = temp_dir();
    let path = dir.path().join("ours.nmsg");
    let all = payloads(2_000);
    for (most, zlib, sequence, unbuffered) in [
        (1 << 20, false, false, false),
        (1 << 20, true, false, false),
        (512, false, true, false),
        (1_280, false, true, true),
        (8_192, true, true, false),
        (8_192, false, true, false),
    ] {
        let settings =
            WriterSettings { most, zlib, sequence, unbuffered, ..WriterSettings::socket(0x1234_5678_9abc_def0) };
        // It does not inflate fragments: compressed, only what fits.
        let fits = |payload: &&Payload| !zlib || payload.octets.len() < most / 2;
        let some: Vec<Payload> = all.iter().filter(fits).cloned().collect();
        write(&some, settings, &path);
        let output = ask(&["read", &path.to_string_lossy()]);
        let expected: String = some.iter().map(line).collect();
        assert!(
            String::from_utf8_lossy(&output.stdout) == expected,
            "mtu {most}, zlib {zlib}: {}",
            text(&output).len()
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(" lost 0 ") && !said.contains("error"), "mtu {most}, zlib {zlib}: {said}");
    }
}

#[test]
fn what_the_writer_in_go_writes_we_read() {
    let dir = temp_dir();
    let path = dir.path().join("theirs.nmsg");
    let name = path.to_string_lossy().into_owned();
    // Fragment sizes of that writer are mtu - 38, and its last number is one too large for exact multiples, with an empty
    // fragment at the end: lengths of both kinds.
    for (count, least, most, mtu, zlib, sequence) in [
        ("300", "0", "200", "1048576", "0", "0"),
        ("300", "0", "200", "1048576", "1", "1"),
        ("400", "400", "3000", "512", "0", "1"),
        ("2000", "440", "1940", "512", "0", "0"),
        ("400", "400", "3000", "1280", "1", "1"),
    ] {
        let written = ask(&["write", &name, count, least, most, mtu, zlib, sequence]);
        let (lines, reader) = read(&path);
        assert!(reader.counts().is_clean(), "mtu {mtu}, zlib {zlib}: {}", reader.counts());
        assert!(lines == String::from_utf8_lossy(&written.stdout), "mtu {mtu}, zlib {zlib}");
    }
}

#[test]
fn what_passes_through_the_program_is_unchanged() {
    let dir = temp_dir();
    let (theirs, ours) = (dir.path().join("theirs.nmsg"), dir.path().join("ours.nmsg"));
    let written = ask(&["write", &theirs.to_string_lossy(), "500", "0", "2500", "1280", "0", "1"]);
    for more in [&[][..], &["--mtu", "512"], &["--unbuffered"]] {
        let mut arguments = vec!["nmsg", theirs.to_str().expect("a name"), "-w", ours.to_str().expect("a name")];
        arguments.extend(more);
        let output = run(arguments);
        assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output));
        let read = ask(&["read", &ours.to_string_lossy()]);
        assert!(read.stdout == written.stdout, "{more:?}");
    }
}

#[test]
fn the_reader_in_go_agrees_on_the_reference_tools_files() {
    let Some(files) = crate::vectors::find() else { return };
    // What it does not do: it has no version 1, checks no version and no length of zlib, and does not inflate fragments.
    let known = ["version-1", "version-3", "zlib-wrong-length", "udp-mtu512-zlib.datagrams"];
    for path in files {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if known.contains(&stem.as_str()) {
            continue;
        }
        let mut theirs = String::from_utf8(ask(&["read", &path.to_string_lossy()]).stdout).expect("text");
        let (ours, _) = read(&path);
        if stem == "bad-payload-crc" {
            // A payload with a wrong check sum comes with an error there, which the program passes over.
            theirs = theirs.lines().map(|line| format!("{line}\n")).collect();
        }
        assert!(ours == theirs, "{stem}");
    }
}
