//! The spool's files: how large they get, who may read them, and what happens when they are damaged, foreign, in use,
//! or nowhere to be made.
use crate::support::*;
use airtally::spool::{EntryKind, Settings, Spool, SpoolError, Want};
use proptest::prelude::*;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::tempdir;

/// What the directories may hold beyond the bound: lock files, and pages begun by the append under way.
const CONSTANT: u64 = 192 << 10;

fn cold(dir: &Path) -> PathBuf {
    dir.join("state/spool.sqlite")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_directories_never_hold_more_than_the_bound(
        tiers in any::<bool>(),
        steps in prop::collection::vec((1usize..60_000, 1u32..4, 0u8..8), 40..110),
    ) {
        let dir = tempdir().unwrap();
        let settings = Settings { max_bytes: 2 << 20, ..if tiers { sensor(dir.path()) } else { ingest(dir.path()) } };
        let (bound, reader) = (settings.max_bytes + CONSTANT, settings.readers[0].clone());
        let mut spool = open(settings);
        for (seq, (len, parts, what)) in (0..).zip(steps) {
            let now = at(i64::try_from(seq).unwrap());
            spool.append(now, &window_of("s", RUN, seq, parts, len, 1), &[("tracker", &noise(seq, 2_000))]).unwrap();
            match what {
                0 => deliver_all(&mut spool, &reader),
                1 => drop(spool.settle(now).unwrap()),
                2 => drop(spool.offer_again(&reader, RUN, seq / 2, seq).unwrap()),
                _ => drop(spool.age_out(now).unwrap()),
            }
            let counted = spool.counts().unwrap().bytes;
            let bytes = bytes_below(dir.path());
            prop_assert!(bytes <= bound, "{bytes} octets after window {seq}");
            prop_assert_eq!(counted, bytes);
        }
    }
}

#[test]
fn an_outage_and_its_end_keep_to_the_bound_in_both_tiers() {
    let dir = tempdir().unwrap();
    let settings = Settings { max_bytes: 2 << 20, ..sensor(dir.path()) };
    let bound = settings.max_bytes + CONSTANT;
    let mut spool = open(settings);
    for seq in 0..900 {
        let now = at(i64::try_from(seq).unwrap());
        spool.append(now, &window_of("s", RUN, seq, 1, 9_000, 1), &[]).unwrap();
        spool.age_out(now).unwrap();
        if !(300..600).contains(&seq) {
            deliver_all(&mut spool, "mqtt");
        }
        let bytes = bytes_below(dir.path());
        assert!(bytes <= bound, "{bytes} octets after window {seq}");
    }
    let hot = bytes_below(&dir.path().join("run"));
    assert!(hot > 1 << 20, "memory is used again once the outage is over: {hot} octets");
}

#[test]
fn while_all_is_delivered_in_time_hardly_a_byte_goes_to_disk() {
    let dir = tempdir().unwrap();
    // Large enough that the write-ahead log is not begun again within the test: its growth is what was written.
    let mut spool = open(Settings { max_bytes: 64 << 20, ..sensor(dir.path()) });
    spool.begin_run(at(0), "home", "s", RUN, None).unwrap();
    let before = bytes_below(&dir.path().join("state"));
    for seq in 0..60 {
        let now = at(i64::try_from(seq).unwrap() + 1);
        spool.append(now, &window_of("s", RUN, seq, 1, 5_000, 1), &[("tracker", &noise(seq, 20_000))]).unwrap();
        deliver_all(&mut spool, "mqtt");
        spool.age_out(now).unwrap();
    }
    // Ten minutes: one copy of the state, and a page a minute of how far the run is safe.
    let written = bytes_below(&dir.path().join("state")) - before;
    assert!((24 << 10..50 << 10).contains(&written), "{written} octets");
}

#[test]
fn only_its_user_may_read_a_spool() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    append(&mut spool, 0);
    for tier in ["run", "state"] {
        for entry in fs::read_dir(dir.path().join(tier)).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
    }
}

fn damaged_file_is_set_aside(damage: impl Fn(&Path)) {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    for seq in 0..400 {
        append(&mut spool, seq);
    }
    spool.settle(at(500)).unwrap();
    append(&mut spool, 400);
    drop(spool);
    damage(&cold(dir.path()));

    let (mut spool, opening) = open_saying(sensor(dir.path()));
    assert_eq!(opening.set_aside.len(), 1);
    assert!(opening.set_aside[0].exists());
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [400], "what the other tier holds is still there");
    append(&mut spool, 401);
    drop(spool);
    assert!(open_saying(sensor(dir.path())).1.set_aside.is_empty());
}

#[test]
fn a_file_that_is_not_sqlite_is_set_aside() {
    damaged_file_is_set_aside(|path| fs::write(path, noise(1, 50_000)).unwrap());
}

#[test]
fn a_file_damaged_in_the_middle_is_set_aside() {
    damaged_file_is_set_aside(|path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 8192 * 4096;
        bytes[middle..middle + 8192].fill(0xa5);
        fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_file_cut_short_is_set_aside() {
    damaged_file_is_set_aside(|path| {
        let length = fs::metadata(path).unwrap().len();
        fs::File::options().write(true).open(path).unwrap().set_len(length / 3).unwrap();
    });
}

/// Names and octets of what a folder has.
fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_as_it_is() {
    let theirs = |path: &Path, journal: &str| {
        let _ = fs::remove_file(path);
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.execute_batch(&format!("PRAGMA journal_mode = {journal}; CREATE TABLE theirs (x)")).unwrap();
    };
    let refused = |dir: &Path, settings: Settings| {
        let before = listing(&dir.join("state"));
        let error = Spool::open(at(0), settings).err().unwrap();
        assert!(matches!(error, SpoolError::Stranger(_)), "{error}");
        assert!(error.to_string().contains("spool.sqlite") && error.to_string().contains("left as it is"), "{error}");
        assert!(listing(&dir.join("state")) == before);
    };
    for journal in ["delete", "wal"] {
        // Where there never was a spool, and in the place of one.
        let dir = tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        theirs(&cold(dir.path()), journal);
        refused(dir.path(), ingest(dir.path()));
        fs::remove_file(cold(dir.path())).unwrap();
        drop(open(ingest(dir.path())));
        theirs(&cold(dir.path()), journal);
        refused(dir.path(), ingest(dir.path()));
    }
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    fs::write(cold(dir.path()), "somebody's notes").unwrap();
    refused(dir.path(), ingest(dir.path()));
}

/// Versions before this one set no mark, and left files that others could read where the umask let them.
#[test]
fn a_spool_of_an_earlier_version_is_known_and_taken_from_other_users() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    append(&mut spool, 0);
    drop(spool);
    let conn = rusqlite::Connection::open(cold(dir.path())).unwrap();
    conn.pragma_update(None, "application_id", 0).unwrap();
    drop(conn);
    fs::set_permissions(cold(dir.path()), fs::Permissions::from_mode(0o644)).unwrap();
    let mut spool = open(ingest(dir.path()));
    assert_eq!(seqs(&all_pending(&mut spool, "sqlite")), [0]);
    assert_eq!(fs::metadata(cold(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Killed before its log was brought into the file: the mark is in the log alone.
#[test]
fn a_spool_that_was_killed_at_its_beginning_is_known() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    append(&mut spool, 0);
    let killed = tempdir().unwrap();
    fs::create_dir(killed.path().join("state")).unwrap();
    for name in ["spool.sqlite", "spool.sqlite-wal"] {
        fs::copy(dir.path().join("state").join(name), killed.path().join("state").join(name)).unwrap();
    }
    let mut spool = open(ingest(killed.path()));
    assert_eq!(seqs(&all_pending(&mut spool, "sqlite")), [0]);
}

#[test]
fn a_body_damaged_on_disk_is_declared_and_does_not_stall_the_rest() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    for seq in 0..3 {
        append(&mut spool, seq);
    }
    drop(spool);
    let conn = rusqlite::Connection::open(cold(dir.path())).unwrap();
    conn.execute("UPDATE bodies SET body = zeroblob(length(body)) WHERE id = 2", []).unwrap();
    drop(conn);
    let mut spool = open(ingest(dir.path()));
    assert_eq!(seqs(&all_pending(&mut spool, "sqlite")), [0, 2]);
    let declared = gaps(&all_pending(&mut spool, "sqlite"));
    assert_eq!(declared.len(), 1);
    assert_eq!((declared[0].first_seq, declared[0].last_seq, declared[0].frames), (1, Some(1), Some(2)));
}

#[test]
fn few_damaged_files_are_kept() {
    let dir = tempdir().unwrap();
    for n in 0..6 {
        drop(Spool::open(at(n), sensor(dir.path())).unwrap());
        fs::write(cold(dir.path()), b"not a spool, whatever else it may be").unwrap();
        fs::write(dir.path().join("run/spool-hot.sqlite"), b"nor this").unwrap();
    }
    drop(Spool::open(at(9), sensor(dir.path())).unwrap());
    let kept = |tier: &str| {
        let entries = fs::read_dir(dir.path().join(tier)).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged")).count()
    };
    assert_eq!((kept("state"), kept("run")), (2, 1));
}

#[test]
fn a_newer_spool_is_refused_and_left_as_it_is() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    append(&mut spool, 0);
    drop(spool);
    let newer = "ALTER TABLE runs ADD COLUMN invented INTEGER; PRAGMA user_version = 99;";
    rusqlite::Connection::open(cold(dir.path())).unwrap().execute_batch(newer).unwrap();
    let before = fs::read(cold(dir.path())).unwrap();
    let error = Spool::open(at(0), ingest(dir.path())).err().unwrap();
    assert!(matches!(error, SpoolError::Newer { found: 99, known: 4, .. }), "{error}");
    assert!(error.to_string().contains("install the newer airtally"), "{error}");
    assert!(fs::read(cold(dir.path())).unwrap() == before, "not an octet of it changed");
}

/// A spool of some windows that has been closed, with one octet of its file changed.
fn flipped(settings: &Settings, sound: &[u8], at: usize) {
    for tail in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{tail}", settings.state_dir.join("spool.sqlite").display()));
    }
    let mut octets = sound.to_vec();
    octets[at] ^= 1 << (at % 8);
    fs::write(settings.state_dir.join("spool.sqlite"), octets).unwrap();
}

/// What a daemon does with its spool: everything there is, in one order. Damage ends it.
fn moves(spool: &mut Spool, reader: &str, seq: u64) -> Result<Vec<u64>, SpoolError> {
    spool.append(at(900), &window(seq), &[("tracker", b"new")])?;
    spool.state("tracker")?;
    let mut seen = Vec::new();
    loop {
        let entries = spool.pending(reader, Want::Everything, 0, 64, 1 << 20)?;
        if entries.is_empty() {
            break;
        }
        seen.extend(entries.iter().filter(|entry| entry.kind == EntryKind::Batch).map(|entry| entry.key.seq));
        let ids: Vec<u64> = entries.iter().map(|entry| entry.id).collect();
        spool.acknowledge(reader, &ids)?;
    }
    spool.flush()?;
    spool.offer_again(reader, RUN, seq, seq)?;
    spool.runs()?;
    spool.counts()?;
    spool.age_out(at(901))?;
    spool.settle(at(902))?;
    Ok(seen)
}

/// Whatever octet of a spool is changed: the daemon starts, and moves at the latest after one more start.
#[test]
fn one_changed_octet_never_keeps_a_spool_from_moving() {
    let stride = std::env::var("AIRTALLY_FLIP_EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(131);
    for durable_sensor in [true, false] {
        let dir = tempdir().unwrap();
        let mut settings = if durable_sensor { sensor(dir.path()) } else { ingest(dir.path()) };
        (settings.durable, settings.max_bytes) = (true, 1 << 20);
        let reader = settings.readers[0].clone();
        let mut spool = open(settings.clone());
        spool.begin_run(at(0), "home", "s", RUN, None).unwrap();
        for seq in 0..6 {
            spool.append(at(seq as i64), &window(seq), &[("tracker", b"old")]).unwrap();
        }
        spool.settle(at(7)).unwrap();
        drop(spool);
        let sound = fs::read(cold(dir.path())).unwrap();
        for offset in (0..100).chain((100..sound.len()).step_by(stride)) {
            flipped(&settings, &sound, offset);
            let (mut spool, opening) =
                Spool::open(at(8), settings.clone()).unwrap_or_else(|error| panic!("octet {offset}: {error}"));
            let fresh = !opening.set_aside.is_empty();
            let seen = match moves(&mut spool, &reader, 50) {
                Ok(seen) => seen,
                Err(SpoolError::Corrupt { .. }) => {
                    assert!(!fresh, "octet {offset}: a fresh spool is damaged too");
                    drop(spool);
                    spool = Spool::open(at(9), settings.clone())
                        .unwrap_or_else(|error| panic!("octet {offset}: {error}"))
                        .0;
                    moves(&mut spool, &reader, 50).unwrap_or_else(|error| panic!("octet {offset}, again: {error}"))
                }
                Err(error) => panic!("octet {offset}: {error}"),
            };
            assert!(seen.contains(&50), "octet {offset}: the new window is not offered: {seen:?}");
            drop(spool);
            let again = Spool::open(at(10), settings.clone()).unwrap_or_else(|error| panic!("octet {offset}: {error}"));
            assert!(again.1.set_aside.is_empty(), "octet {offset}: damaged once more");
            drop(again);
            for file in fs::read_dir(&settings.state_dir).unwrap().map(Result::unwrap) {
                if file.file_name().to_string_lossy().contains(".damaged") {
                    fs::remove_file(file.path()).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_changed_format_number_costs_nothing() {
    for number in [0, 1, 3, 99, -1] {
        let dir = tempdir().unwrap();
        let mut spool = open(ingest(dir.path()));
        append(&mut spool, 0);
        drop(spool);
        rusqlite::Connection::open(cold(dir.path())).unwrap().pragma_update(None, "user_version", number).unwrap();
        let (mut spool, opening) = open_saying(ingest(dir.path()));
        assert!(opening.set_aside.is_empty(), "{number}");
        assert_eq!(seqs(&all_pending(&mut spool, "influx")), [0], "{number}");
    }
}

#[test]
fn a_spool_in_use_is_refused_and_free_again_after() {
    let dir = tempdir().unwrap();
    let spool = open(sensor(dir.path()));
    for settings in [sensor(dir.path()), Settings { state_dir: dir.path().join("other"), ..sensor(dir.path()) }] {
        let error = Spool::open(at(0), settings).err().unwrap();
        assert!(matches!(error, SpoolError::Locked { .. }), "{error}");
        assert!(error.to_string().contains("in use by another airtally"), "{error}");
    }
    drop(spool);
    open(sensor(dir.path()));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("state"), b"a file").unwrap();
    let error = Spool::open(at(0), ingest(dir.path())).err().unwrap();
    assert!(matches!(error, SpoolError::Directory { .. }), "{error}");
    assert!(error.to_string().contains(dir.path().join("state").to_str().unwrap()), "{error}");
}
