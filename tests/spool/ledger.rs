//! The ledger: what ingest asks sensors for again, and that strangers cannot make it grow.
use crate::support::*;
use airtally::{
    spool::{NewEntry, Settings, Spool},
    wire::GapReason,
};
use proptest::prelude::*;
use std::{collections::BTreeSet, path::Path};
use tempfile::tempdir;
use uuid::Uuid;

fn holes(spool: &Spool, last_seq: u64) -> Vec<(u64, u64)> {
    spool.holes("home", "s", RUN, last_seq, 100).unwrap()
}

#[test]
fn holes_are_what_did_not_arrive_the_tail_included() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    assert_eq!(holes(&spool, 7), [(0, 7)], "of a run nobody heard of, everything");
    for seq in [2, 3, 5, 3] {
        append(&mut spool, seq);
    }
    assert_eq!(holes(&spool, 7), [(0, 1), (4, 4), (6, 7)]);
    assert_eq!(spool.holes("home", "s", RUN, 7, 2).unwrap(), [(0, 1), (4, 4)]);
    assert_eq!(holes(&spool, 4), [(0, 1), (4, 4)]);
    assert_eq!(spool.holes("home", "another", RUN, 1, 9).unwrap(), [(0, 1)]);
    deliver_all(&mut spool, "influx");
    drop(spool);
    assert_eq!(holes(&open(ingest(dir.path())), 7), [(0, 1), (4, 4), (6, 7)]);
}

#[test]
fn a_window_has_arrived_when_all_its_parts_have() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    for part in [2, 0, 1] {
        assert_eq!(holes(&spool, 0), [(0, 0)]);
        spool.append(at(1), &window_of("s", RUN, 0, 3, 10, 1)[part..=part], &[]).unwrap();
    }
    assert_eq!(holes(&spool, 0), []);
}

#[test]
fn what_a_gap_declares_is_not_asked_for() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    append(&mut spool, 0);
    spool.append(at(1), &[gap(RUN, GapReason::Unavailable, 2, Some(4))], &[]).unwrap();
    assert_eq!(holes(&spool, 9), [(1, 1), (5, 9)]);
    spool.append(at(1), &[gap(RUN, GapReason::Crash, 8, None)], &[]).unwrap();
    assert_eq!(holes(&spool, 99), [(1, 1), (5, 7)]);
}

#[test]
fn what_ingest_itself_gave_up_is_not_asked_for() {
    let dir = tempdir().unwrap();
    let mut spool = open(Settings { max_bytes: 1 << 20, ..ingest(dir.path()) });
    for seq in 0..80 {
        spool.append(at(0), &window_of("s", RUN, seq, 2, 10_000, 1), &[]).unwrap();
    }
    assert!(spool.counts().unwrap().evicted_windows > 20);
    assert_eq!(holes(&spool, 79), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn holes_are_the_complement_of_what_arrived(
        groups in prop::collection::vec(prop::collection::vec((0u64..60, 0u64..4, any::<bool>()), 1..20), 1..6)
    ) {
        let dir = tempdir().unwrap();
        let mut spool = open(ingest(dir.path()));
        let mut settled = BTreeSet::new();
        for group in groups {
            let mut entries = Vec::new();
            for (seq, more, lost) in group {
                if lost {
                    entries.push(gap(RUN, GapReason::Unavailable, seq, Some(seq + more)));
                    settled.extend(seq..=seq + more);
                } else {
                    entries.extend(window_of("s", RUN, seq, 1, 10, 1));
                    settled.insert(seq);
                }
            }
            spool.append(at(1), &entries, &[]).unwrap();
            let asked: BTreeSet<u64> = holes(&spool, 70).into_iter().flat_map(|(first, last)| first..=last).collect();
            let missing: BTreeSet<u64> = (0..=70).filter(|seq| !settled.contains(seq)).collect();
            prop_assert_eq!(asked, missing);
        }
    }
}

fn rows(dir: &Path, table: &str) -> i64 {
    let conn = rusqlite::Connection::open(dir.join("state/spool.sqlite")).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn sequence_numbers_out_of_a_hat_fill_a_bounded_ledger() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    for group in 0..40 {
        let entries: Vec<NewEntry> =
            (0..50).flat_map(|n| window_of("s", RUN, (group * 50 + n) * 7 + 3, 1, 4, 1)).collect();
        spool.append(at(1), &entries, &[]).unwrap();
    }
    assert_eq!(spool.holes("home", "s", RUN, 20_000, 5_000).unwrap().len(), 1_001);
    assert_eq!(holes(&spool, 2), [(0, 2)], "what was noted stays right");
    append(&mut spool, 4);
    assert_eq!(spool.holes("home", "s", RUN, 9, 9).unwrap(), [(0, 2), (5, 9)], "and goes on where nothing is added");
    drop(spool);
    assert_eq!(rows(dir.path(), "settled"), 1_000);
}

#[test]
fn runs_without_end_are_forgotten() {
    let dir = tempdir().unwrap();
    let mut spool = open(Settings { max_bytes: 1 << 20, readers: vec![], ..ingest(dir.path()) });
    for group in 0..60u128 {
        let entries: Vec<NewEntry> =
            (0..50).flat_map(|n| window_of("s", Uuid::from_u128(group * 50 + n + 1), 0, 1, 900, 1)).collect();
        spool.append(at(i64::try_from(group).unwrap()), &entries, &[]).unwrap();
    }
    drop(spool);
    assert_eq!(rows(dir.path(), "runs"), 1_000 + rows(dir.path(), "entries").saturating_sub(1_000).max(0));
}

#[test]
fn a_run_without_news_for_thirty_days_is_forgotten_unless_its_windows_are_here() {
    let dir = tempdir().unwrap();
    let mut spool = open(Settings { max_bytes: 1 << 20, readers: vec![], ..ingest(dir.path()) });
    let day = 8_640;
    let old = Uuid::from_u128(1);
    spool.append(at(0), &window_of("s", old, 0, 1, 10, 1), &[]).unwrap();
    spool.append(at(31 * day), &window_of("s", Uuid::from_u128(2), 0, 1, 10, 1), &[]).unwrap();
    assert_eq!(spool.holes("home", "s", old, 0, 9).unwrap(), [], "its window is still stored");
    let big: Vec<NewEntry> = (0..100).flat_map(|seq| window_of("s", RUN, seq, 1, 20_000, 1)).collect();
    spool.append(at(31 * day), &big, &[]).unwrap();
    spool.append(at(31 * day), &window_of("s", Uuid::from_u128(3), 0, 1, 10, 1), &[]).unwrap();
    assert_eq!(spool.holes("home", "s", old, 0, 9).unwrap(), [(0, 0)]);
}
