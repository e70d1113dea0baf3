//! What an ingest declares lost by itself, and withdraws when it comes after all.
use crate::support::*;
use airtally::{
    spool::{Missing, Settings, Spool},
    wire::{Gap, MISSING},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tempfile::tempdir;

fn lost(first_seq: u64, last_seq: u64) -> Missing {
    Missing { site: "home".into(), sensor: "s".into(), run: RUN, first_seq, last_seq, heard: at(99) }
}

fn holes(spool: &Spool, last_seq: u64) -> Vec<(u64, u64)> {
    spool.holes("home", "s", RUN, last_seq, 100).unwrap()
}

fn withdraw(spool: &mut Spool, first: u64, last: u64) -> Vec<(u64, u64)> {
    let gaps = spool.withdraw(at(200), ("home", "s", RUN), first, last).unwrap();
    gaps.iter().map(|gap| (gap.first_seq, gap.last_seq.unwrap())).collect()
}

#[test]
fn a_declared_hole_is_settled_and_says_when_it_was_and_who_says_so() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    for seq in [0, 1, 5] {
        append(&mut spool, seq);
    }
    let gaps = spool.declare_missing(at(100), "ingest-1", &[lost(2, 4), lost(6, 9)]).unwrap();
    let times: Vec<_> = gaps.iter().map(|gap| (gap.first_seq, gap.last_seq, gap.start, gap.end)).collect();
    assert_eq!(times, [(2, Some(4), at(2), at(5)), (6, Some(9), at(6), at(10))]);
    assert!(gaps.iter().all(|gap| gap.ingest.as_deref() == Some("ingest-1") && gap.detail.as_deref() == Some(MISSING)));
    assert_eq!((holes(&spool, 9), spool.declared_missing().unwrap()), (vec![], 7));
    for reader in ["influx", "sqlite"] {
        assert_eq!(self::gaps(&all_pending(&mut spool, reader)), gaps);
    }
    // Of a run that is not here at all.
    let other = Missing { sensor: "t".into(), ..lost(0, 3) };
    let gap = spool.declare_missing(at(100), "ingest-1", &[other]).unwrap().remove(0);
    assert_eq!((gap.start, gap.end), (at(99), at(99)));
}

#[test]
fn what_came_after_all_is_withdrawn_once_also_after_a_restart() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    append(&mut spool, 0);
    spool.declare_missing(at(100), "ingest-1", &[lost(1, 4), lost(6, 9)]).unwrap();
    deliver_all(&mut spool, "influx");
    drop(spool);
    let mut spool = open(ingest(dir.path()));
    assert_eq!(withdraw(&mut spool, 5, 5), []);
    assert_eq!(withdraw(&mut spool, 3, 3), [(1, 4)]);
    assert_eq!(withdraw(&mut spool, 3, 3), []);
    assert_eq!((holes(&spool, 9), spool.declared_missing().unwrap()), (vec![(1, 5)], 4));
    // The one that stored it hears that it is void; so does the other, in place of the gap.
    for reader in ["influx", "sqlite"] {
        let gaps = gaps(&all_pending(&mut spool, reader));
        let void: Vec<_> = gaps.iter().filter(|gap| gap.first_seq == 1).map(|gap| gap.withdrawn).collect();
        assert_eq!(void, [true], "{reader}");
    }
}

#[test]
fn many_declared_losses_are_bounded_and_none_is_joined_with_another() {
    let dir = tempdir().unwrap();
    let mut spool = open(Settings { max_bytes: 2 << 20, ..ingest(dir.path()) });
    let all: Vec<Missing> = (0..400).map(|n| lost(2 * n, 2 * n)).collect();
    let declared = spool.declare_missing(at(100), "ingest-1", &all).unwrap().len() as u64;
    assert!((1..400).contains(&declared), "{declared}");
    assert_eq!(spool.declared_missing().unwrap(), declared);
    // Losses that sensors declare push out none of them.
    for n in 0..200 {
        spool
            .append(at(100), &[gap(RUN, airtally::wire::GapReason::Evicted, 10_000 + 2 * n, Some(10_000 + 2 * n))], &[])
            .unwrap();
    }
    let here = gaps(&all_pending(&mut spool, "influx")).iter().filter(|gap| gap.ingest.is_some()).count() as u64;
    assert_eq!(here, declared);
    // What there was no room for stays missing, and is declared once there is.
    deliver_all(&mut spool, "influx");
    deliver_all(&mut spool, "sqlite");
    assert!(!spool.declare_missing(at(101), "ingest-1", &all[declared as usize..]).unwrap().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Comes(u64),
    Declares,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes and is declared in whatever order: at the end each window is here or in a gap that stands, none in both,
    /// and the ledger says the same.
    #[test]
    fn each_window_is_here_or_declared_and_never_both(
        steps in prop::collection::vec(prop_oneof![3 => (0u64..30).prop_map(Step::Comes), 1 => Just(Step::Declares)], 1..40)
    ) {
        let dir = tempdir().unwrap();
        let mut spool = open(ingest(dir.path()));
        let mut came = BTreeSet::new();
        for step in steps.into_iter().chain([Step::Declares]) {
            match step {
                Step::Comes(seq) => {
                    withdraw(&mut spool, seq, seq);
                    append(&mut spool, seq);
                    came.insert(seq);
                }
                Step::Declares => {
                    let missing: Vec<Missing> = holes(&spool, 29).into_iter().map(|(first, last)| lost(first, last)).collect();
                    spool.declare_missing(at(100), "ingest-1", &missing).unwrap();
                }
            }
        }
        // As a database has it: the last word on each first window.
        let mut told: BTreeMap<u64, Gap> = BTreeMap::new();
        for gap in gaps(&all_pending(&mut spool, "influx")) {
            told.insert(gap.first_seq, gap);
        }
        let mut declared = Vec::new();
        for gap in told.into_values().filter(|gap| !gap.withdrawn) {
            declared.extend(gap.first_seq..=gap.last_seq.unwrap());
        }
        declared.sort_unstable();
        let missing: Vec<u64> = (0..30).filter(|seq| !came.contains(seq)).collect();
        prop_assert_eq!(&declared, &missing);
        prop_assert_eq!(spool.declared_missing().unwrap(), missing.len() as u64);
        prop_assert_eq!(holes(&spool, 29), vec![]);
    }
}
