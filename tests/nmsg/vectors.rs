//! Files that the reference tool wrote, and what it printed of them.
//!
//! The folder is named by `AIRTALLY_NMSG`, or else is `../shared/nmsg` beside the checkout. It does not travel with the
//! project: where it is absent, the reader in Go judges alone.

use crate::support::program::{run, text};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The files, if they are there. A folder named by the environment that is absent is an error.
pub fn find() -> Option<Vec<PathBuf>> {
    let root = match std::env::var_os("AIRTALLY_NMSG") {
        Some(root) => {
            assert!(Path::new(&root).is_dir(), "AIRTALLY_NMSG names {root:?}, which is no folder");
            PathBuf::from(root)
        }
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/nmsg"),
    };
    let entries = fs::read_dir(&root).ok()?;
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "nmsg"));
    files.sort();
    assert!(!files.is_empty(), "{} holds no file *.nmsg", root.display());
    Some(files)
}

fn printed(path: &Path, format: &str) -> Vec<u8> {
    run(["nmsg".as_ref(), path.as_os_str(), "--format".as_ref(), format.as_ref()]).stdout
}

/// What the reference tool's JSON output ends at, and ours does not: an empty `ipconn`, and a type that is not known.
fn ends_the_reference(line: &str) -> bool {
    line.contains("(unknown)") || line.contains("<UNKNOWN")
}

#[test]
fn every_file_is_printed_as_the_reference_tool_prints_it() {
    let Some(files) = find() else {
        println!("no files of the reference tool here");
        return;
    };
    let mut wrong = BTreeSet::new();
    for path in &files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (theirs, ours) = (fs::read(path.with_extension("txt")).expect("its text"), printed(path, "presentation"));
        if theirs != ours {
            wrong.insert(format!("{name}: presentation"));
        }
        let theirs = fs::read_to_string(path.with_extension("json")).expect("its JSON");
        let ours = String::from_utf8(printed(path, "json")).expect("JSON is text");
        // Where the reference stopped amid the file, its lines are the first of ours.
        let of_known: Vec<&str> = ours.lines().filter(|line| !line.contains("\"vid\":")).collect();
        let stopped = String::from_utf8_lossy(&printed(path, "presentation")).lines().any(ends_the_reference)
            || text(&run(["nmsg".as_ref(), path.as_os_str()])).contains("that say nothing");
        let agrees = if stopped {
            of_known.iter().zip(theirs.lines()).all(|(ours, theirs)| *ours == theirs)
                && of_known.len() > theirs.lines().count()
        } else {
            ours == theirs
        };
        if !agrees {
            wrong.insert(format!("{name}: JSON"));
        }
    }
    println!("{} files", files.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_wrong_with_a_file_is_counted_and_said() {
    let Some(files) = find() else { return };
    for (name, code, said) in [
        ("bad-payload-crc", 0, "left out or missing: 1 payload with a wrong check sum"),
        ("fragments-exact-multiple", 0, "1 container with missing fragments"),
        ("fragments-missing", 0, "27 containers with missing fragments, 27 containers lost by their sequence"),
        ("garbage-after", 1, "what stands at octet 277 is no NMSG container; the 5 messages before it were read"),
        ("ipconn-empty-message", 0, "messages left out: 1 that say nothing"),
        ("truncated-second-container", 1, "the container at octet 277 is cut"),
        ("unknown-vendor", 0, "1 message of types that are named here and not read"),
        ("version-3", 1, "the container at octet 0 is of version 3"),
        ("zlib-wrong-length", 0, "1 container that does not decompress"),
    ] {
        let path = files.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name)).expect(name);
        let output = run(["nmsg".as_ref(), path.as_os_str()]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
    }
}

#[test]
fn what_is_well_is_not_commented() {
    let Some(files) = find() else { return };
    let well = ["ipconn", "packet", "udp-", "version-1", "mixed", "fragments-duplicated", "fragments-reordered"];
    for path in files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if well.iter().any(|well| name.starts_with(well)) && !name.contains("empty") {
            let output = run(["nmsg".as_ref(), path.as_os_str()]);
            assert!(output.status.success() && output.stderr.is_empty(), "{name}: {}", text(&output));
        }
    }
}

/// The tuples are those that tshark finds in the same captures.
#[test]
fn tuples_are_tsharks() {
    let Some(files) = find() else { return };
    let mut seen = 0;
    for path in files {
        let Ok(flows) = fs::read_to_string(path.with_extension("flows.tsv")) else { continue };
        let theirs: Vec<String> = flows
            .lines()
            .skip(1)
            .map(|line| {
                let column: Vec<&str> = line.split('\t').collect();
                format!("{} {}.{} --> {}.{} ({})", column[0], column[2], column[3], column[4], column[5], column[1])
            })
            .collect();
        let ours = run(["nmsg".as_ref(), path.as_os_str(), "--format".as_ref(), "tuple".as_ref()]);
        let ours = String::from_utf8(ours.stdout).expect("text");
        let lines: Vec<&str> = ours.lines().collect();
        let ours: Vec<String> = lines
            .chunks(2)
            .map(|two| {
                let time = two[0].split(['[', ']']).nth(1).expect("a time").replace(' ', "T") + "Z";
                let time: airtally::UnixNanos = time.parse().expect("a time");
                format!("{}.{:09} {}", time.0 / 1_000_000_000, time.0 % 1_000_000_000, two[1])
            })
            .collect();
        assert_eq!(ours, theirs, "{}", path.display());
        seen += ours.len();
    }
    println!("{seen} tuples");
    assert!(seen > 300);
}
