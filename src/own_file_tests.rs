//! What is told of a file, and that telling it changes nothing.
#![allow(clippy::unwrap_used)]

use super::*;
use rusqlite::Connection;
use std::{os::unix::fs::symlink, process::Command};

/// Names, sizes and octets of what a folder has.
fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let octets = |path: &Path| if path.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    files.into_iter().map(|path| (path.clone(), octets(&path))).collect()
}

fn sqlite(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

#[test]
fn what_is_there_is_told_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("text"), "site = \"home\"\n").unwrap();
    fs::write(at("nothing"), "").unwrap();
    fs::write(at("cut"), MAGIC).unwrap();
    fs::create_dir(at("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    symlink(at("text"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    drop(sqlite(&at("theirs"), "PRAGMA application_id = 7; CREATE TABLE t (x)"));
    drop(sqlite(&at("blank"), "PRAGMA page_size = 1024; VACUUM"));
    let before = listing(&at(""));
    for (name, expected) in [
        ("absent", Content::Absent),
        ("dangling", Content::Absent),
        ("nothing", Content::Empty),
        ("blank", Content::Empty),
        ("text", Content::File),
        ("link", Content::File),
        ("cut", Content::File),
        ("folder", Content::Special("a directory")),
        ("pipe", Content::Special("a pipe, a socket or a device")),
    ] {
        assert_eq!(look(&at(name)).unwrap(), expected, "{name}");
    }
    let Content::Sqlite(header) = look(&at("theirs")).unwrap() else { unreachable!() };
    assert_eq!((header.application_id, header.user_version), (7, 0));
    assert!(header.mentions("CREATE TABLE t (x)") && !header.mentions("CREATE TABLE u"));
    assert!(listing(&at("")) == before);
    assert!(look(&at("text/below")).is_err());
}

/// A program that was killed leaves its mark in the log beside the file alone.
#[test]
fn a_mark_that_is_only_in_the_log_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, killed) = (folder.path().join("live"), folder.path().join("killed"));
    let live =
        sqlite(&path, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
    live.execute_batch("BEGIN; CREATE TABLE t (x); PRAGMA application_id = 9; PRAGMA user_version = 3; COMMIT")
        .unwrap();
    fs::copy(&path, &killed).unwrap();
    assert_eq!(look(&killed).unwrap(), Content::Empty);
    fs::copy(beside(&path, "-wal"), beside(&killed, "-wal")).unwrap();
    let before = listing(folder.path());
    let Content::Sqlite(header) = look(&killed).unwrap() else { unreachable!() };
    assert_eq!((header.application_id, header.user_version), (9, 3));
    assert!(header.mentions("CREATE TABLE t"));
    assert!(listing(folder.path()) == before);
}

#[test]
fn a_damaged_file_takes_no_name_of_somebody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let damaged = |text: &str| fs::write(&path, text).unwrap();
    let ours = |content: &Content| *content == Content::Empty;
    fs::write(beside(&path, ".corrupt"), "theirs").unwrap();
    damaged("one");
    fs::write(beside(&path, "-wal"), "log").unwrap();
    assert_eq!(set_aside(&path, ours).unwrap(), beside(&path, ".corrupt-2"));
    assert_eq!(fs::read(beside(&path, ".corrupt-2-wal")).unwrap(), b"log");
    damaged("two");
    assert_eq!(set_aside(&path, ours).unwrap(), beside(&path, ".corrupt-3"));
    damaged("three");
    assert!(set_aside(&path, ours).unwrap_err().to_string().contains("move them away"));
    assert_eq!(fs::read(&path).unwrap(), b"three");
    fs::write(beside(&path, ".corrupt-3"), "").unwrap();
    assert_eq!(set_aside(&path, ours).unwrap(), beside(&path, ".corrupt-3"));
    assert_eq!(fs::read(beside(&path, ".corrupt")).unwrap(), b"theirs");
}

#[test]
fn a_small_file_is_replaced_only_where_it_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small");
    let put = |text: &str| replace(&path, text.as_bytes(), b"{\"ours\":", "a small file");
    put("{\"ours\":1}").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    // A crash left a beginning.
    fs::write(beside(&path, ".new"), "{\"ou").unwrap();
    put("{\"ours\":2}").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"{\"ours\":2}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(beside(&path, ".new"), "notes").unwrap();
    assert!(put("{\"ours\":3}").unwrap_err().to_string().contains("small.new is a file of another kind"));
    assert_eq!(fs::read(beside(&path, ".new")).unwrap(), b"notes");
    fs::remove_file(beside(&path, ".new")).unwrap();
    fs::write(&path, "site = \"home\"").unwrap();
    assert!(put("{\"ours\":3}").is_err() && remove(&path, b"{\"ours\":", "a small file").is_err());
    assert_eq!(listing(folder.path()), [(path, b"site = \"home\"".to_vec())]);
}

proptest::proptest! {
    /// Whatever a file and the log beside it hold, they are told, or refused.
    #[test]
    fn any_octets_are_told(
        begin in proptest::sample::select(vec![&b""[..], MAGIC]),
        file in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        log in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any");
        let mut octets = [begin, &file].concat();
        if let Some(same) = octets.get_mut(21..24) {
            same.copy_from_slice(&[64, 32, 32]);
        }
        if let Some(id) = octets.get_mut(68..72) {
            id.fill(0);
        }
        fs::write(&path, &octets).unwrap();
        fs::write(beside(&path, "-wal"), &log).unwrap();
        let before = listing(folder.path());
        let _ = look(&path);
        proptest::prop_assert!(listing(folder.path()) == before);
    }
}
