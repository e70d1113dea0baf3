//! Two tiers: what a power cut (the runtime directory is gone) takes, what it must not take, and what is declared.
use crate::support::*;
use airtally::spool::Settings;
use std::{fs, path::Path};
use tempfile::tempdir;

fn power_cut(dir: &Path) {
    fs::remove_dir_all(dir.join("run")).unwrap();
}

#[test]
fn undelivered_windows_move_to_disk_when_the_oldest_has_waited_long_enough() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    for seq in 0..5 {
        append(&mut spool, seq);
    }
    assert_eq!(spool.age_out(at(6)).unwrap().entries, 0, "50 seconds are not 60");
    let ids: Vec<u64> = all_pending(&mut spool, "mqtt").iter().map(|entry| entry.id).collect();
    spool.acknowledge("mqtt", &ids[..1]).unwrap();
    assert_eq!(spool.age_out(at(8)).unwrap().entries, 4, "all that waits goes together");
    assert_eq!(spool.age_out(at(8)).unwrap().entries, 0);
    assert_eq!(all_pending(&mut spool, "mqtt").iter().map(|entry| entry.id).collect::<Vec<_>>(), ids[1..]);
    append(&mut spool, 5);
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [1, 2, 3, 4, 5], "both tiers read as one log");
    drop(spool);

    power_cut(dir.path());
    let (mut spool, opening) = open_saying(sensor(dir.path()));
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [1, 2, 3, 4]);
    assert_eq!(opening.unfinished[0].last_seq, Some(4), "the loss of window 5 can be declared");
    assert_eq!(opening.unfinished[0].last_end, at(5));
}

#[test]
fn a_clock_set_back_does_not_keep_windows_off_the_disk() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    append(&mut spool, 100);
    assert_eq!(spool.age_out(at(3)).unwrap().entries, 1);
}

#[test]
fn a_power_cut_while_all_is_well_costs_at_most_what_is_declared() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    spool.begin_run(at(0), "home", "s", RUN, None).unwrap();
    for seq in 0..20 {
        append(&mut spool, seq);
        if seq < 18 {
            deliver_all(&mut spool, "mqtt");
        }
        spool.age_out(at(seq as i64 + 1)).unwrap();
    }
    drop(spool);
    power_cut(dir.path());
    let (_, opening) = open_saying(sensor(dir.path()));
    let run = &opening.unfinished[0];
    let last = run.last_seq.unwrap();
    assert!((12..=17).contains(&last), "declared from {last}: within a minute, and nothing undelivered left out");
    assert_eq!(run.last_end, at(last as i64 + 1));
}

#[test]
fn what_a_power_cut_takes_undelivered_is_never_called_safe() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    append(&mut spool, 0);
    append(&mut spool, 1);
    spool.age_out(at(2)).unwrap();
    drop(spool);
    power_cut(dir.path());
    let (_, opening) = open_saying(sensor(dir.path()));
    assert_eq!((opening.unfinished[0].last_seq, opening.unfinished[0].last_end), (None, at(0)));
}

#[test]
fn after_a_clean_stop_the_hot_tier_may_vanish() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    spool.append(at(1), &window_of("s", RUN, 0, 3, 500, 9), &[("tracker", b"abc")]).unwrap();
    append(&mut spool, 1);
    let first = all_pending(&mut spool, "mqtt")[0].id;
    spool.acknowledge("mqtt", &[first]).unwrap();
    spool.append(at(3), &final_window(2), &[]).unwrap();
    spool.settle(at(3)).unwrap();
    drop(spool);
    power_cut(dir.path());
    let (mut spool, opening) = open_saying(sensor(dir.path()));
    assert!(opening.unfinished.is_empty());
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [0, 0, 1, 2]);
    assert_eq!(spool.state("tracker").unwrap().unwrap(), b"abc");
    assert_eq!(spool.offer_again("mqtt", RUN, 0, 0).unwrap().windows, 1);
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")).len(), 5, "windows move whole: the delivered part is there too");
}

#[test]
fn a_durable_spool_needs_no_hot_tier_and_takes_over_what_one_left() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    spool.append(at(1), &window(0), &[("tracker", b"abc")]).unwrap();
    drop(spool);
    let durable = || Settings { durable: true, ..sensor(dir.path()) };
    let mut spool = open(durable());
    append(&mut spool, 1);
    assert!(!dir.path().join("run/spool-hot.sqlite").exists());
    drop(spool);
    power_cut(dir.path());
    let mut spool = open(durable());
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [0, 1]);
    assert_eq!(spool.state("tracker").unwrap().unwrap(), b"abc");
}

#[test]
fn a_crash_in_the_middle_of_a_move_leaves_each_window_once() {
    let dir = tempdir().unwrap();
    let (hot, copy) = (dir.path().join("run/spool-hot.sqlite"), dir.path().join("copy"));
    let mut spool = open(sensor(dir.path()));
    for seq in 0..4 {
        append(&mut spool, seq);
    }
    drop(spool);
    fs::copy(&hot, &copy).unwrap();
    let mut spool = open(sensor(dir.path()));
    spool.settle(at(5)).unwrap();
    let first = all_pending(&mut spool, "mqtt")[0].id;
    spool.acknowledge("mqtt", &[first]).unwrap();
    drop(spool);
    // The hot tier as it was before the move's last step.
    fs::rename(&copy, &hot).unwrap();
    let mut spool = open(sensor(dir.path()));
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [1, 2, 3]);
    assert_eq!(spool.counts().unwrap().entries, 4);
}

#[test]
fn a_crash_in_the_middle_of_a_replacement_keeps_the_newer_window() {
    let dir = tempdir().unwrap();
    let (cold, copy) = (dir.path().join("state/spool.sqlite"), dir.path().join("copy"));
    let mut spool = open(sensor(dir.path()));
    append(&mut spool, 0);
    spool.settle(at(1)).unwrap();
    fs::copy(&cold, &copy).unwrap();
    let mut newer = window(0);
    newer[0].body = b"newer".to_vec();
    spool.append(at(2), &newer, &[]).unwrap();
    drop(spool);
    // The cold tier as it was before the replaced window was deleted from it.
    fs::rename(&copy, &cold).unwrap();
    let mut spool = open(sensor(dir.path()));
    let entries = all_pending(&mut spool, "mqtt");
    assert_eq!((seqs(&entries), entries[0].body.as_slice()), (vec![0], b"newer".as_slice()));
    assert_eq!(spool.counts().unwrap().entries, 1);
}

#[test]
fn tiers_that_never_met_are_read_as_one_log() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    append(&mut spool, 0);
    append(&mut spool, 1);
    drop(spool);
    fs::rename(dir.path().join("run"), dir.path().join("elsewhere")).unwrap();
    let mut spool = open(sensor(dir.path()));
    append(&mut spool, 2);
    append(&mut spool, 3);
    spool.settle(at(5)).unwrap();
    drop(spool);
    power_cut(dir.path());
    fs::rename(dir.path().join("elsewhere"), dir.path().join("run")).unwrap();
    let mut spool = open(sensor(dir.path()));
    let mut found = seqs(&all_pending(&mut spool, "mqtt"));
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 3]);
    deliver_all(&mut spool, "mqtt");
    assert_eq!(all_pending(&mut spool, "mqtt"), []);
}
