//! `airtally inspect --alerts`: every attack is found by its kind, and well-behaved air is silent. In scenes made here, in captures
//! of attacks that others took, and over all other captures there are.

use super::alert_scenes::{CONFIG, LAPTOP, MINE, STRANGER, scenes};
use crate::support::{
    air::{ALL, Air, Ap, Header, text},
    corpus::Corpus,
    program::{self, airtally},
    temp_dir,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

/// The alerts in a capture, as JSON.
fn alerts(arguments: &[&str], paths: &[&Path]) -> Vec<Value> {
    let mut command = airtally();
    command.args(["inspect", "--alerts", "--format", "json"]).args(arguments).args(paths);
    let output = command.output().expect("the built program");
    // Captures that make no sense to their end are in the corpus too.
    let told = String::from_utf8(output.stdout).unwrap();
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(alerts: &[Value]) -> BTreeSet<&str> {
    alerts.iter().map(|alert| alert["kind"].as_str().unwrap()).collect()
}

/// Also as a card hears them that listens elsewhere for more than half of the time, cut, and without what a header says.
#[test]
fn every_scene_has_its_alerts_and_no_other() {
    let dir = temp_dir();
    let (config, path) = (dir.path().join("sensor.toml"), dir.path().join("scene.pcap"));
    fs::write(&config, CONFIG).unwrap();
    let all = scenes();
    let covered: BTreeSet<&str> = all.iter().flat_map(|scene| scene.kinds.iter().copied()).collect();
    let rules: BTreeSet<&str> = airtally::alert::Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(covered, rules, "a scene for each rule");
    for scene in all {
        for (header, listened_ms) in [
            (Header::Radiotap, 1_000),
            (Header::Radiotap, 400),
            (Header::Silent, 1_000),
            (Header::None, 1_000),
            (Header::BadFcs, 1_000),
        ] {
            fs::write(&path, scene.air.clone().heard(listened_ms).pcap(header, 65_535)).unwrap();
            let mut expected: BTreeSet<&str> = scene.kinds.iter().copied().collect();
            match header {
                Header::BadFcs => expected.clear(),
                // Nothing tells a signal there.
                Header::None => drop(expected.remove("deauth_spoofed")),
                _ => {}
            }
            let found = alerts(&["--config", config.to_str().unwrap()], &[&path]);
            assert_eq!(kinds(&found), expected, "{}: {header:?}, {listened_ms} ms: {found:?}", scene.name);
        }
    }
}

/// A flood in a stranger's network, and then a twin of mine.
fn two_attacks() -> Air {
    let mut air = Air::default();
    air.beacons(&mut Ap::new(MINE, "home"), 0, 200_000);
    for number in 0..20 {
        air.deauth(20_000_000 + number * 500_000, -60, false, (ALL, STRANGER, STRANGER), 1, 7, false);
    }
    air.beacons(&mut Ap { channel: 11, ..Ap::new(STRANGER, "home") }, 100_000, 110_000);
    air
}

#[test]
fn an_alert_says_what_was_seen_when_and_of_whom() {
    let dir = temp_dir();
    let (config, path) = (dir.path().join("sensor.toml"), dir.path().join("a.pcap"));
    fs::write(&config, CONFIG).unwrap();
    fs::write(&path, two_attacks().pcap(Header::Radiotap, 65_535)).unwrap();
    let found = alerts(&["--config", config.to_str().unwrap()], &[&path]);
    let [flood, twin] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(flood["class"], "air");
    assert_eq!(flood["subject"], text(STRANGER));
    assert_eq!(flood["frames"], 20);
    // The scene begins at second 1,790,000,000.
    assert_eq!(flood["start"], "2026-09-21T14:13:40.000000000Z");
    assert_eq!(flood["end"], "2026-09-21T14:13:49.500000000Z");
    assert_eq!(flood["evidence"]["reasons"], serde_json::json!([7]));
    assert_eq!(flood["evidence"]["to_all"], 20);
    assert_eq!(flood["evidence"]["freqs_mhz"], serde_json::json!([2437]));
    assert!(flood["listened_ms"].is_null());
    assert_eq!((&twin["kind"], &twin["class"]), (&"evil_twin".into(), &"mine".into()));
    assert_eq!((&twin["subject"], &twin["evidence"]["ssid"]), (&text(STRANGER).into(), &"home".into()));
    // Without the configuration nobody knows whose network it is.
    assert_eq!(kinds(&alerts(&[], &[&path])), BTreeSet::from(["deauth_flood"]));

    // One line silences one alert.
    let expected = format!("{CONFIG}\n[[alerts.expected]]\nkind = \"evil_twin\"\nsubject = \"{}\"\n", text(STRANGER));
    fs::write(&config, expected).unwrap();
    assert_eq!(kinds(&alerts(&["--config", config.to_str().unwrap()], &[&path])), BTreeSet::from(["deauth_flood"]));

    // What privacy withholds is in no alert.
    for (mode, subject) in [("pseudonym", "p-"), ("vendor", "withheld")] {
        fs::write(&config, format!("{CONFIG}\n[privacy]\nmac = \"{mode}\"\n")).unwrap();
        let found = alerts(&["--config", config.to_str().unwrap()], &[&path]);
        assert_eq!(found.len(), 2, "{found:?}");
        for alert in &found {
            assert!(alert["subject"].as_str().unwrap().starts_with(subject), "{alert}");
            let written = alert.to_string();
            assert!(!written.contains(&text(STRANGER)) && !written.contains(&text(LAPTOP)), "{written}");
            assert_eq!(written.contains("\"home\""), mode == "pseudonym" && alert["kind"] == "evil_twin", "{written}");
        }
    }
}

#[test]
fn alerts_are_json_csv_or_a_table_of_files_pipes_and_parts() {
    let dir = temp_dir();
    let path = dir.path().join("a.pcap");
    let pcap = two_attacks().pcap(Header::Radiotap, 65_535);
    fs::write(&path, &pcap).unwrap();
    let run = |arguments: &[&str]| program::run(["inspect", "--alerts"].iter().chain(arguments));
    let table = program::text(&run(&[path.to_str().unwrap()]));
    assert!(table.starts_with("kind") && table.contains("deauth_flood  10:07:5a:77:03:03      20"), "{table}");
    let csv = program::text(&run(&["--format", "csv", path.to_str().unwrap()]));
    assert!(
        csv.starts_with("capture,kind,class,severity,subject,start,end,frames,evidence,listened_ms,not_watched_ms\n"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 2, "{csv}");
    for refused in [&["--format", "influx"][..], &["--window", "10s"], &["--by", "vendor"], &["--each"]] {
        assert_eq!(run(&[refused, &[path.to_str().unwrap()]].concat()).status.code(), Some(2), "{refused:?}");
    }

    // A pipe, and gzip.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&pcap).unwrap();
    let packed = packed.finish().unwrap();
    let mut child = airtally();
    let mut child = child
        .args(["inspect", "--alerts", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&packed).unwrap();
    let told = child.wait_with_output().unwrap();
    let of_pipe: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&of_pipe["capture"], &of_pipe["frames"]), (&"standard input".into(), &20.into()));

    // A flood that goes on from one part into the next is one; the same capture twice is two.
    let record = |from: usize, to: usize| {
        let (mut part, mut at, mut number) = (pcap[..24].to_vec(), 24, 0);
        while at < pcap.len() {
            let len = 16 + u32::from_le_bytes(pcap[at + 8..at + 12].try_into().unwrap()) as usize;
            if (from..to).contains(&number) {
                part.extend(&pcap[at..at + len]);
            }
            (at, number) = (at + len, number + 1);
        }
        part
    };
    // 20 s are some 195 beacons; of the flood's frames, some are before record 250.
    let (one, two) = (dir.path().join("part-1.pcap"), dir.path().join("part-2.pcap"));
    fs::write(&one, record(0, 250)).unwrap();
    fs::write(&two, record(250, usize::MAX)).unwrap();
    let parts = alerts(&[], &[&one, &two]);
    assert_eq!(parts.iter().map(|alert| alert["frames"].clone()).collect::<Vec<_>>(), [20]);
    assert_eq!(alerts(&[], &[&path, &path]).len(), 2);

    // Nothing is said to be nothing.
    let quiet = dir.path().join("quiet.pcap");
    let mut air = Air::default();
    air.beacons(&mut Ap::new(MINE, "home"), 0, 20_000);
    fs::write(&quiet, air.pcap(Header::Radiotap, 65_535)).unwrap();
    let said = program::text(&run(&[quiet.to_str().unwrap()]));
    assert!(said.starts_with("Nothing that looks like an attack, by the rules that need no [[networks]]"), "{said}");
    assert_eq!(run(&["--format", "json", quiet.to_str().unwrap()]).stdout, b"");
}

/// A folder of captures of others: named by the environment, or beside the checkout. It does not travel with the project.
fn folder(variable: &str, usual: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(root) => {
            assert!(Path::new(&root).is_dir(), "{variable} names {root:?}, which is no folder");
            Some(root.into())
        }
        None => Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(usual)).filter(|root| root.is_dir()),
    }
}

fn captures(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().contains(".pcap"));
    found.sort();
    found
}

/// The names of the captures say what was done there; a `template` is one frame.
#[test]
fn attacks_that_others_recorded_are_found() {
    let Some(root) = folder("AIRTALLY_ATTACKS", "../shared/attacks") else {
        return println!("no captures of attacks: set AIRTALLY_ATTACKS");
    };
    let mut found = 0;
    for path in captures(&root) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = match name.as_str() {
            name if name.starts_with("template") => None,
            name if name.contains("deauth") => Some("deauth_flood"),
            name if name.contains("fake-aps") => Some("beacon_flood"),
            _ => continue,
        };
        let alerts = alerts(&[], &[&path]);
        assert_eq!(kinds(&alerts), expected.into_iter().collect(), "{name}: {alerts:?}");
        found += usize::from(expected.is_some());
    }
    println!("{found} captures of attacks, all found");
}

/// Of all other captures, those have a flood of deauthentications in which tshark counts fifty of them, and nothing else is told.
#[test]
fn other_captures_are_silent() {
    let mut silent = 0;
    if let Some(corpus) = Corpus::find() {
        for entry in corpus.entries.iter().filter(|entry| entry.category != "notpcap") {
            let types = corpus.truth(entry).counts("type_subtype");
            let thrown_out: u64 = ["0x000a", "0x000c"].iter().filter_map(|kind| types.get(*kind)).sum();
            let expected = if thrown_out >= 50 { BTreeSet::from(["deauth_flood"]) } else { BTreeSet::new() };
            let found = alerts(&[], &[&corpus.path(entry)]);
            assert_eq!(kinds(&found), expected, "{}: {found:?}", entry.file);
            silent += usize::from(expected.is_empty());
        }
    }
    if let Some(people) = folder("AIRTALLY_PEOPLE", "../shared/people") {
        for path in captures(&people) {
            let found = alerts(&[], &[&path]);
            assert!(found.is_empty(), "{}: {found:?}", path.display());
            silent += 1;
        }
    }
    println!("{silent} captures without an alert");
}
