//! Names from strangers: networks and files may be called anything, and no answer for people, no note and no error says
//! what it does not, moves a cursor, or becomes a formula. JSON carries the names as they are.

use crate::support::{
    program::{self, small_registry},
    temp_dir,
};
use proptest::prelude::*;
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Command, Output},
};

/// A classic capture of bare 802.11 frames (link type 105), a second apart.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 105].map(u32::to_le_bytes).concat();
    for (frame, second) in frames.iter().zip(1_700_000_000u32..) {
        let len = u32::try_from(frame.len()).unwrap();
        octets.extend([second, 0, len, len].map(u32::to_le_bytes).concat());
        octets.extend(frame);
    }
    octets
}

/// A beacon of an open network, of the access point with this number.
fn beacon(number: u8, name: &[u8]) -> Vec<u8> {
    let address = [0xb8, 0x27, 0xeb, 0, 0, number];
    let len = u8::try_from(name.len()).unwrap();
    let fixed = [0u8, 0, 0, 0, 0, 0, 0, 0, 0x64, 0, 0x01, 0];
    [&[0x80, 0, 0, 0][..], &[0xff; 6], &address, &address, &[0, 0], &fixed, &[0, len], name].concat()
}

fn inspect<S: AsRef<OsStr>>(arguments: &[&str], paths: &[S]) -> Output {
    let before = ["inspect".as_ref(), "--oui".as_ref(), small_registry().as_os_str()];
    let arguments = arguments.iter().map(OsStr::new);
    program::run(before.into_iter().chain(arguments).chain(paths.iter().map(AsRef::as_ref)))
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", program::text(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Whether a character has no look of its own: what Unicode calls Cc (but for the line end), Cf, Zl and Zp.
fn steers(c: char) -> bool {
    let formats = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\
        \u{202d}\u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{fff9}\u{e0001}\u{e0041}";
    c != '\n' && c.is_control() || formats.contains(c)
}

const HOSTILE: [&str; 8] = [
    "pic\u{202e}gpj.exe",
    "two\u{2028}lines\u{2029}",
    "\u{2066}isolate\u{2069}",
    "zero\u{200b}width\u{200d}",
    "\u{feff}mark\u{ad}soft",
    "=cmd|'/C calc'!A0",
    "@SUM(A1:A9)",
    "\u{1b}[2J\u{9b}31m\r\n\t",
];

#[test]
fn hostile_network_names_are_shown_by_their_numbers_and_stay_plain_in_json() {
    let dir = temp_dir();
    let path = dir.path().join("names.pcap");
    let frames: Vec<_> = HOSTILE.iter().zip(1..).map(|(name, number)| beacon(number, name.as_bytes())).collect();
    fs::write(&path, capture(&frames)).unwrap();
    for by in ["station", "ssid", "bssid", "vendor"] {
        for format in ["table", "csv"] {
            let text = out(&inspect(&["--by", by, "--format", format], &[&path]));
            assert!(!text.chars().any(steers), "{by} {format}: {text:?}");
        }
    }
    let table = out(&inspect(&["--by", "ssid"], &[&path]));
    for shown in ["pic\\u{202e}gpj.exe", "\\u{2066}isolate\\u{2069}", "two\\u{2028}lines\\u{2029}", "=cmd|"] {
        assert!(table.contains(shown), "{shown} is not in {table}");
    }
    let mut cells = csv::Reader::from_reader(out(&inspect(&["--by", "ssid", "--format", "csv"], &[&path])).as_bytes())
        .records()
        .map(|row| row.unwrap()[0].to_owned())
        .collect::<Vec<_>>();
    cells.sort();
    assert!(cells.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{cells:?}");
    assert!(
        cells.contains(&"'=cmd|'/C calc'!A0".to_owned()) && cells.contains(&"'@SUM(A1:A9)".to_owned()),
        "{cells:?}"
    );
    let json: Value = serde_json::from_str(&out(&inspect(&["--by", "ssid", "--format", "json"], &[&path]))).unwrap();
    let names: Vec<_> = json.as_array().unwrap().iter().map(|row| row["ssid"].as_str().unwrap()).collect();
    assert!(HOSTILE[..7].iter().all(|name| names.contains(name)), "{names:?}");
    // A signal is a number, though it begins with a minus.
    assert_eq!(names.len(), HOSTILE.len());
}

#[test]
fn hostile_file_names_do_not_steer_a_terminal() {
    let dir = temp_dir();
    for name in ["a\u{202e}pacp.exe", "\u{1b}[31mred", "\u{2028}line", "-\u{202e}x", "=1+1"] {
        let path = dir.path().join(name);
        fs::write(&path, "no capture").unwrap();
        let output = inspect(&[], &[&path, &dir.path().join("absent\u{200b}")]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(!said.chars().any(steers) && said.contains("absent\\u{200b}"), "{said:?}");
        fs::write(&path, capture(&[beacon(1, b"x")])).unwrap();
        assert!(!out(&inspect(&[], &[&path])).chars().any(steers), "{name:?}");
        let text = out(&inspect(&["--each", "--format", "csv"], &[&path, &path]));
        assert!(!text.chars().any(steers), "{text:?}");
        // Taken for an option: clap says so, and repeats it.
        let output =
            Command::new(env!("CARGO_BIN_EXE_airtally")).arg("inspect").arg(format!("--{name}")).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(!program::text(&output).chars().any(steers), "{:?}", program::text(&output));
    }
    // One line, whatever the name.
    let path = dir.path().join("a\nairtally: all is well");
    fs::write(&path, "no capture").unwrap();
    assert_eq!(String::from_utf8_lossy(&inspect(&[], &[&path]).stderr).lines().count(), 1);
}

#[test]
fn networks_that_hide_are_called_hidden() {
    let dir = temp_dir();
    let path = dir.path().join("hidden.pcap");
    // By an empty name, and by zeros in its place.
    fs::write(&path, capture(&[beacon(1, b""), beacon(2, &[0; 8]), beacon(3, b"open")])).unwrap();
    for (arguments, rows) in [(&["--by", "bssid"][..], 2), (&["--by", "ssid"], 1), (&[], 4)] {
        let text = out(&inspect(arguments, &[&path]));
        assert_eq!(text.matches("(hidden)").count(), rows, "{text}");
        assert!(!text.contains("\\x00"), "{text}");
    }
    let text = out(&inspect(&["--by", "ssid"], &[&path]));
    let row: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["(hidden)", "2", "0"], "{text}");
    let json: Value = serde_json::from_str(&out(&inspect(&["--format", "json"], &[&path]))).unwrap();
    assert_eq!(json["stations"][0]["ssids"], serde_json::json!([]));
}

#[test]
fn the_all_zero_address_has_no_vendor() {
    let dir = temp_dir();
    let (path, list, db) = (dir.path().join("zero.pcap"), dir.path().join("manuf"), dir.path().join("oui.sqlite"));
    // A data frame to an access point, from nobody.
    let frame = [&[0x08, 0x01, 0, 0, 0xb8, 0x27, 0xeb, 0, 0, 1][..], &[0; 6], &[0xff; 6], &[0, 0], &[0; 8]].concat();
    fs::write(&path, capture(&[frame.clone(), frame])).unwrap();
    fs::write(&list, "00:00:00\tXerox\tXEROX CORPORATION\nB8:27:EB\tRaspberr\n").unwrap();
    let update = ["oui", "update", "--from", list.to_str().unwrap(), "--db", db.to_str().unwrap()];
    assert!(program::run(update).status.success());
    for arguments in [
        &["--by", "vendor"][..],
        &["--by", "vendor", "--format", "json"],
        &["--window", "10s"],
        &["--format", "influx"],
        &[],
        &["--format", "csv"],
    ] {
        let before = ["inspect", "--oui", db.to_str().unwrap()];
        let output = program::run(before.iter().chain(arguments).chain([&path.to_str().unwrap()]));
        assert!(!out(&output).contains("XEROX"), "{arguments:?}: {}", program::text(&output));
    }
    let output = program::run([
        "inspect",
        "--oui",
        db.to_str().unwrap(),
        "--by",
        "vendor",
        "--format",
        "json",
        path.to_str().unwrap(),
    ]);
    let rows: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((&rows[0]["vendor"], &rows[0]["stations"]), (&Value::Null, &1.into()));
}

#[test]
fn one_is_not_many() {
    let dir = temp_dir();
    let path = dir.path().join("one.pcap");
    fs::write(&path, capture(&[beacon(1, b"x"), beacon(2, b"x")])).unwrap();
    let text = out(&inspect(&["--top", "1"], &[&path]));
    assert!(text.contains("1 more station: --top shows it") && text.contains("1 vendor\n"), "{text}");
    let text = out(&inspect(&["--max-stations", "1"], &[&path]));
    assert!(text.contains("1 frame is of stations past the first 1"), "{text}");
    let text = out(&inspect(&["--max-frames", "1"], &[&path]));
    assert!(text.contains("more than 1 packet:"), "{text}");
}

/// What a directory without captures is answered with.
fn nothing(arguments: &[&str], paths: &[&Path]) -> (String, String) {
    let output = inspect(arguments, paths);
    assert_eq!(output.status.code(), Some(1), "{}", program::text(&output));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    (String::from_utf8(output.stdout).unwrap(), said)
}

#[test]
fn directories_without_captures_are_named_and_the_answer_is_well_formed() {
    let (empty, notes) = (temp_dir(), temp_dir());
    fs::write(notes.path().join("note.txt"), "no capture").unwrap();
    fs::write(notes.path().join("empty.pcap"), "").unwrap();
    for (paths, files) in [
        (&[empty.path()][..], "there is no file"),
        (&[notes.path()], "none of the 2 files"),
        (&[empty.path(), notes.path()], "none of the 2 files"),
    ] {
        let (stdout, said) = nothing(&[], paths);
        assert!(stdout.is_empty() && said.contains(files), "{said}");
        assert!(paths.iter().all(|path| said.contains(path.to_str().unwrap())), "{said}");
        let (stdout, _) = nothing(&["--format", "json"], paths);
        let answer: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((&answer["frames"], &answer["files"]), (&0.into(), &serde_json::json!([])));
        let (stdout, _) = nothing(&["--format", "json", "--by", "vendor"], paths);
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), serde_json::json!([]));
        for arguments in
            [&["--format", "csv"][..], &["--format", "csv", "--each"], &["--format", "csv", "--by", "ssid"]]
        {
            let (stdout, _) = nothing(arguments, paths);
            let mut reader = csv::Reader::from_reader(stdout.as_bytes());
            assert!(reader.headers().unwrap().len() > 2 && reader.records().next().is_none(), "{stdout}");
        }
        for arguments in
            [&["--each", "--format", "json"][..], &["--window", "10s"], &["--format", "influx"], &["--each"]]
        {
            assert_eq!(nothing(arguments, paths).0, "", "{arguments:?}");
        }
    }
    // With a capture beside it, an empty directory is no failure.
    let path = notes.path().join("capture");
    fs::write(&path, capture(&[beacon(1, b"x")])).unwrap();
    out(&inspect(&[], &[empty.path(), notes.path()]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_network_name_steers_a_terminal_or_a_spreadsheet(
        names in prop::collection::vec("([\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]|[=+@\\-\t\"',;\\\\]|\\PC){0,7}", 1..6),
        raw in prop::collection::vec(any::<u8>(), 0..=32),
    ) {
        let dir = temp_dir();
        let path = dir.path().join("names.pcap");
        let mut frames: Vec<_> =
            names.iter().zip(1..).map(|(name, number)| beacon(number, name.as_bytes().get(..name.len().min(32)).unwrap())).collect();
        frames.push(beacon(99, &raw));
        fs::write(&path, capture(&frames)).unwrap();
        for by in ["station", "ssid", "bssid"] {
            let table = out(&inspect(&["--by", by], &[&path]));
            prop_assert!(!table.chars().any(steers), "{:?}", table);
            let text = out(&inspect(&["--by", by, "--format", "csv"], &[&path]));
            prop_assert!(!text.chars().any(steers), "{:?}", text);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            for row in reader.records() {
                for cell in &row.unwrap() {
                    prop_assert!(cell.parse::<f64>().is_ok() || !cell.starts_with(['=', '+', '-', '@']), "{:?}", cell);
                }
            }
        }
    }
}
