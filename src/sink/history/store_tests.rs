//! What needs a clock of the test's own, or a look at the file: age, size, damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{
    super::{History, Order, Paging, Range, Scope},
    *,
};
use crate::{
    Mac,
    units::Bytes,
    wire::{BATCH_SCHEMA, Capture, GAP_SCHEMA, GapReason, Identity, Role, Station, TimeSource},
};
use std::{fs, path::Path, time::Duration};
use uuid::Uuid;

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn writer(path: &Path, max_bytes: u64) -> Writer {
    let config = config::Sqlite {
        path: path.to_owned(),
        retention: Some(DAY),
        max_bytes: Bytes(max_bytes),
        ..config::Sqlite::default()
    };
    Writer::open(&config).unwrap()
}

fn window(seq: u64, stations: u64) -> Record {
    let station = |n: u64| Station {
        mac: Address::Mac(Mac::from_u64(seq * 1_000 + n)),
        vendor: Some("Vendor of some length".into()),
        randomised: false,
        tracked: false,
        role: Role::Client,
        frames_sent: 1,
        bytes_sent: 100,
        frames_received: 0,
        management: 1,
        control: 0,
        data: 0,
        retries: 0,
        signal_dbm: None,
        freqs_mhz: vec![2_412],
        bssid: None,
        ssids: vec!["a network".into()],
        ssids_left_out: None,
        security: None,
        channel: None,
        width_mhz: None,
        first_seen: NOW,
        last_seen: NOW,
    };
    Record::Batch(Box::new(Batch {
        schema: BATCH_SCHEMA.into(),
        identity: Identity { site: "home".into(), sensor: "pi".into(), run: Uuid::nil(), seq },
        part: 0,
        parts: 1,
        flow_parts: None,
        alert_parts: None,
        start: UnixNanos(0), // Windows of long ago are as new as any: they were stored today.
        end: UnixNanos(1),
        clock: TimeSource::Capture,
        last: false,
        capture: Some(Capture { frames: stations, station_frames: stations, ..Capture::default() }),
        stamping: None,
        subtypes: [].into(),
        channels: Vec::new(),
        stations: (0..stations).map(station).collect(),
        vendors: Vec::new(),
        people: Vec::new(),
        distinct: None,
    }))
}

fn gap(seq: u64) -> Record {
    Record::Gap(Gap {
        schema: GAP_SCHEMA.into(),
        site: "home".into(),
        sensor: "pi".into(),
        run: Uuid::nil(),
        reason: GapReason::Crash,
        first_seq: seq,
        last_seq: None,
        start: NOW,
        end: NOW,
        frames: None,
        detail: None,
        stamping: None,
        ingest: None,
        withdrawn: false,
    })
}

fn sizes(path: &Path) -> (u64, u64) {
    let length = |path: &Path| fs::metadata(path).map(|metadata| metadata.len()).unwrap_or(0);
    (length(path), length(&path.with_extension("sqlite-wal")))
}

fn seqs(path: &Path) -> Vec<u64> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT seq FROM windows ORDER BY seq").unwrap();
    let seqs = statement.query_map([], |row| row.get::<_, u32>(0)).unwrap();
    seqs.map(|seq| seq.unwrap().into()).collect()
}

#[test]
fn the_file_never_outgrows_its_bound_and_the_newest_windows_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let bound = 2 << 20;
    let mut writer = writer(&path, bound);
    let mut largest = 0;
    for seq in 0..150 {
        let slice = [window(seq * 2, 100), window(seq * 2 + 1, 300)];
        writer.store(&slice, NOW).unwrap();
        let (file, journal) = sizes(&path);
        assert!(file <= bound, "{file} after window {seq}");
        // The journal is folded in once it is long; one call's worth may be on top.
        assert!(journal <= bound / 8 + (1 << 20), "{journal}");
        largest = largest.max(file);
    }
    assert!(largest > bound / 2, "the bound was never near: {largest}");
    let seqs = seqs(&path);
    assert_eq!(seqs.last(), Some(&299));
    assert_eq!(seqs.len() as u64, 300 - seqs[0], "the oldest gave way, and no other");
    assert!(seqs.len() > 10, "{}", seqs.len());
    let totals = History::open(&path).unwrap().totals(Range::ALL, &Scope::default()).unwrap();
    assert_eq!(totals.station_frames, totals.stored_station_frames);
}

#[test]
fn a_window_larger_than_the_bound_does_not_break_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 1 << 20);
    writer.store(&[window(0, 10), window(1, 20_000), window(2, 10)], NOW).unwrap();
    assert_eq!(seqs(&path), [2]);
    for seq in 3..20 {
        writer.store(&[window(seq, 10)], NOW).unwrap();
    }
    assert!(sizes(&path).0 <= 1 << 20, "{:?}: the space was given back", sizes(&path));
}

/// A sensor on a file that was stopped amid a window sends that window again, whole.
#[test]
fn a_window_that_comes_again_with_more_in_it_replaces_what_was_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 64 << 20);
    writer.store(&[window(0, 5), window(1, 3)], NOW).unwrap();
    writer.store(&[window(1, 7)], NOW).unwrap();
    writer.store(&[window(1, 7), window(0, 5)], NOW).unwrap();
    let totals = History::open(&path).unwrap().totals(Range::ALL, &Scope::default()).unwrap();
    assert_eq!((totals.windows, totals.frames, totals.stored_station_frames), (2, 12, 12));
}

#[test]
fn windows_and_gaps_are_kept_as_long_as_they_should_and_no_longer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 64 << 20);
    writer.config.hours = DAY;
    let at = |hours: u64| NOW.saturating_add(Duration::from_secs(3_600 * hours));
    writer.store(&[window(0, 5), gap(0)], at(0)).unwrap();
    writer.store(&[window(1, 5), gap(1)], at(12)).unwrap();
    assert_eq!(seqs(&path), [0, 1]);
    writer.store(&[window(2, 5)], at(25)).unwrap();
    assert_eq!(seqs(&path), [1, 2]);
    let history = History::open(&path).unwrap();
    assert_eq!(
        history
            .gaps(Range::ALL, &Scope::default(), Order::Descending, &Paging::default())
            .unwrap()
            .items
            .iter()
            .map(|gap| gap.first_seq)
            .collect::<Vec<_>>(),
        [1]
    );
    // What is stored again is what it was, as old as it was, and counted once: here or in the sums.
    writer.store(&[window(1, 5), window(0, 5)], at(25)).unwrap();
    writer.store(&[window(3, 5)], at(48)).unwrap();
    assert_eq!(seqs(&path), [2, 3]);
    let totals = history.totals(Range::ALL, &Scope::default()).unwrap();
    assert_eq!((totals.windows, totals.station_frames, totals.stored_station_frames), (4, 20, 20));
    assert_eq!(totals.stations, 5, "of an hour whose first windows are gone, only what is in no sum yet has names");
}

#[test]
fn gap_records_alone_are_bounded_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 1 << 20);
    for block in 0..12 {
        let gaps: Vec<Record> = (0..1_000).map(|n| gap(block * 1_000 + n)).collect();
        writer.store(&gaps, NOW).unwrap();
    }
    let history = History::open(&path).unwrap();
    let kept = history.totals(Range::ALL, &Scope::default()).unwrap().gaps;
    assert!((1_000..=10_000).contains(&kept) && sizes(&path).0 <= 1 << 20, "{kept} {:?}", sizes(&path));
}

#[test]
fn damage_found_while_writing_costs_the_old_file_and_not_the_new_windows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 8 << 20);
    for seq in 0..50 {
        writer.store(&[window(seq, 200)], NOW).unwrap();
    }
    writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    // All but the first pages, which opening reads, are overwritten.
    let mut bytes = fs::read(&path).unwrap();
    bytes[40_960..].fill(0xa5);
    drop(writer);
    fs::write(&path, bytes).unwrap();
    let mut writer = self::writer(&path, 8 << 20);
    for seq in 100..150 {
        writer.store(&[window(seq, 200)], NOW).unwrap();
    }
    let seqs = seqs(&path);
    assert_eq!(seqs.last(), Some(&149));
    assert!(path.with_extension("sqlite.corrupt").exists());
}

/// Whatever octet of the header is changed, the history is written to; all but the format's number, which says "newer".
#[test]
fn one_changed_octet_of_the_header_never_keeps_a_history_from_being_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 8 << 20);
    writer.store(&[window(0, 10)], NOW).unwrap();
    writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(writer);
    let sound = fs::read(&path).unwrap();
    let mut wrong = Vec::new();
    for (at, bit) in (0..100).filter(|at| !(60..64).contains(at)).flat_map(|at| [(at, 1_u8), (at, 0x40)]) {
        for entry in fs::read_dir(directory.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let mut octets = sound.clone();
        octets[at] ^= bit;
        fs::write(&path, octets).unwrap();
        let config = config::Sqlite { path: path.clone(), ..config::Sqlite::default() };
        let stored = Writer::open(&config).map_err(|error| error.to_string());
        match stored.and_then(|mut writer| writer.store(&[window(1, 10)], NOW)) {
            Ok(()) => assert_eq!(seqs(&path).last(), Some(&1)),
            Err(error) => wrong.push(format!("octet {at} ^ {bit:#x}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Killed before its log was brought into the file: the mark is in the log alone, and the file's first octets are damaged.
#[test]
fn a_history_that_was_killed_at_its_beginning_and_damaged_is_known() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, copy) = (directory.path().join("history.sqlite"), other.path().join("history.sqlite"));
    let mut writer = writer(&path, 8 << 20);
    writer.store(&[window(0, 10)], NOW).unwrap();
    for end in ["", "-wal"] {
        let name = |path: &std::path::Path| format!("{}{end}", path.display());
        fs::copy(name(&path), name(&copy)).unwrap();
    }
    let mut octets = fs::read(&copy).unwrap();
    assert_eq!(octets[68..72], [0; 4], "the mark is in the log");
    octets[3] ^= 8;
    fs::write(&copy, octets).unwrap();
    let config = config::Sqlite { path: copy.clone(), ..config::Sqlite::default() };
    Writer::open(&config).unwrap().store(&[window(1, 10)], NOW).unwrap();
    assert_eq!(seqs(&copy), [1]);
    assert!(copy.with_extension("sqlite.corrupt").exists());
}

#[test]
fn a_reader_that_does_not_end_bounds_the_journal_and_costs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 8 << 20);
    writer.connection.busy_timeout(Duration::from_millis(10)).unwrap();
    writer.store(&[window(0, 10)], NOW).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM windows").unwrap();
    let mut refused = None;
    for seq in 1..100 {
        if let Err(reason) = writer.store(&[window(seq, 300)], NOW) {
            refused = Some((seq, reason));
            break;
        }
    }
    let (seq, reason) = refused.expect("a bound");
    assert!(reason.contains("reading the history") && reason.contains("spool"), "{reason}");
    let (file, journal) = sizes(&path);
    assert!(file <= 8 << 20 && journal <= 3 << 20, "{file} {journal}");
    reader.execute_batch("COMMIT").unwrap();
    writer.store(&[window(seq, 300)], NOW).unwrap();
    assert_eq!(seqs(&path).last(), Some(&seq));
}

#[test]
fn what_somebody_deleted_is_not_summed_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history.sqlite");
    let mut writer = writer(&path, 64 << 20);
    let at = |minutes: u64| NOW.saturating_add(Duration::from_secs(60 * minutes));
    writer.store(&[window(0, 5), window(1, 5)], at(0)).unwrap();
    writer.store(&[], at(11)).unwrap();
    writer.connection.execute("DELETE FROM windows WHERE seq = 1", []).unwrap();
    writer.store(&[window(0, 5), window(1, 5), window(2, 5)], at(12)).unwrap();
    writer.store(&[], at(30)).unwrap();
    let sum = |table: &str| {
        let sql = format!("SELECT sum(frames), sum(windows) FROM {table}");
        writer.connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let expected: (i64, i64) = (15, 3);
    assert_eq!((sum("minutes"), sum("hours")), (expected, expected));
}
