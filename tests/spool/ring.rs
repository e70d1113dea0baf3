//! The spool as its users see it: what goes in comes out, in order, once for each reader, until it is acknowledged;
//! and what cannot be kept is declared.
use crate::support::*;
use airtally::{
    spool::{EntryKind, NewEntry, Offered, SpoolError, Want},
    wire::GapReason,
};
use std::fs;
use tempfile::tempdir;
use uuid::Uuid;

#[test]
fn what_goes_in_comes_out_in_order_until_it_is_acknowledged() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    for seq in 0..5 {
        append(&mut spool, seq);
    }
    let entries = all_pending(&mut spool, "mqtt");
    assert_eq!(seqs(&entries), [0, 1, 2, 3, 4]);
    assert!(
        entries.iter().all(|entry| entry.body == window(entry.key.seq)[0].body && entry.frames == entry.key.seq + 1)
    );

    spool.acknowledge("mqtt", &[entries[3].id, entries[0].id]).unwrap();
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [1, 2, 4]);
    assert_eq!(seqs(&spool.pending("mqtt", Want::Everything, entries[1].id, 10, usize::MAX).unwrap()), [2, 4]);
    drop(spool);
    assert_eq!(seqs(&all_pending(&mut open(sensor(dir.path())), "mqtt")), [1, 2, 4]);
}

#[test]
fn a_reader_bounds_what_it_is_given() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    for seq in 0..5 {
        append(&mut spool, seq);
    }
    assert_eq!(seqs(&spool.pending("mqtt", Want::Everything, 0, 2, usize::MAX).unwrap()), [0, 1]);
    assert_eq!(seqs(&spool.pending("mqtt", Want::Everything, 0, 10, 1_500).unwrap()), [0, 1, 2]);
    assert_eq!(seqs(&spool.pending("mqtt", Want::Everything, 0, 10, 1).unwrap()), [0], "the first always comes");
    assert!(spool.pending("mqtt", Want::Everything, 0, 0, 1).unwrap().is_empty());
    assert_eq!(
        seqs(&spool.pending("mqtt", Want::Everything, 0, 10, usize::MAX).unwrap()).len(),
        5,
        "asking for none skips none"
    );
}

#[test]
fn the_same_record_again_replaces_the_first_and_is_offered_anew() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    let first = append(&mut spool, 0);
    append(&mut spool, 1);
    deliver_all(&mut spool, "mqtt");
    let mut again = window(0);
    again[0].body = b"other".to_vec();
    spool.append(at(9), &again, &[]).unwrap();
    spool.acknowledge("mqtt", &[first]).unwrap();
    let entries = all_pending(&mut spool, "mqtt");
    assert_eq!(seqs(&entries), [0], "an acknowledgement of the old one is not one of the new");
    assert_eq!(entries[0].body, b"other");
    assert_eq!(spool.counts().unwrap().entries, 2);
}

#[test]
fn a_replaced_record_is_gone_from_the_cold_tier_too() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    append(&mut spool, 0);
    spool.settle(at(2)).unwrap();
    append(&mut spool, 0);
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [0]);
    drop(spool);
    assert_eq!(seqs(&all_pending(&mut open(sensor(dir.path())), "mqtt")), [0]);
}

#[test]
fn a_window_cut_into_fewer_parts_leaves_none_of_the_old_ones() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    spool.append(at(1), &window_of("s", RUN, 0, 3, 100, 1), &[]).unwrap();
    spool.append(at(2), &window_of("s", RUN, 0, 2, 100, 1), &[]).unwrap();
    let parts: Vec<u32> = all_pending(&mut spool, "mqtt").iter().map(|entry| entry.key.part).collect();
    assert_eq!(parts, [0, 1]);
}

#[test]
fn state_is_kept_with_the_window_it_belongs_to() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    assert_eq!(spool.state("tracker").unwrap(), None);
    spool.append(at(1), &window(0), &[("tracker", b"one")]).unwrap();
    spool.append(at(2), &window(1), &[("tracker", b"two"), ("other", b"x")]).unwrap();
    let refused = vec![NewEntry { parts: 0, ..window(2)[0].clone() }];
    assert!(matches!(spool.append(at(3), &refused, &[("tracker", b"three")]), Err(SpoolError::Refused(_))));
    drop(spool);
    assert_eq!(open(sensor(dir.path())).state("tracker").unwrap().unwrap(), b"two");
}

#[test]
fn one_dead_reader_does_not_stall_another() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    for seq in 0..4 {
        append(&mut spool, seq);
    }
    deliver_all(&mut spool, "influx");
    append(&mut spool, 4);
    assert_eq!(seqs(&all_pending(&mut spool, "influx")), [4]);
    assert_eq!(seqs(&all_pending(&mut spool, "sqlite")), [0, 1, 2, 3, 4]);
    let counts = spool.counts().unwrap();
    assert_eq!(counts.undelivered, [("influx".into(), 1), ("sqlite".into(), 5)]);
    assert!(
        matches!(spool.pending("grafana", Want::Everything, 0, 1, 1), Err(SpoolError::UnknownReader(name)) if name == "grafana")
    );
}

#[test]
fn cursors_follow_names_when_readers_come_and_go() {
    let dir = tempdir().unwrap();
    let mut spool = open(ingest(dir.path()));
    append(&mut spool, 0);
    deliver_all(&mut spool, "influx");
    append(&mut spool, 1);
    drop(spool);

    let readers = |names: &[&str]| {
        let mut settings = ingest(dir.path());
        settings.readers = names.iter().map(|name| (*name).to_owned()).collect();
        settings
    };
    let mut spool = open(readers(&["new", "sqlite", "influx"]));
    assert_eq!(seqs(&all_pending(&mut spool, "influx")), [1]);
    assert_eq!(seqs(&all_pending(&mut spool, "sqlite")), [0, 1]);
    assert_eq!(seqs(&all_pending(&mut spool, "new")), [0, 1], "a new sink is offered what is stored");
    drop(spool);

    let mut spool = open(readers(&["influx"]));
    deliver_all(&mut spool, "influx");
    assert_eq!(spool.counts().unwrap().undelivered, [("influx".into(), 0)], "nobody waits for readers that are gone");
}

#[test]
fn delivered_windows_give_way_first_and_silently() {
    let dir = tempdir().unwrap();
    let mut settings = sensor(dir.path());
    settings.max_bytes = 1 << 20;
    let mut spool = open(settings);
    let mut evicted = Vec::new();
    for seq in 0..300 {
        let appended = spool.append(at(seq as i64), &window_of("s", RUN, seq, 2, 8_000, 5), &[]).unwrap();
        evicted.extend(appended.evicted);
        if seq >= 20 {
            deliver_all(&mut spool, "mqtt");
        } else if seq >= 10 {
            let ids: Vec<u64> = all_pending(&mut spool, "mqtt").iter().skip(20).map(|entry| entry.id).collect();
            spool.acknowledge("mqtt", &ids).unwrap();
        }
    }
    assert_eq!(evicted, []);
    assert_eq!(spool.counts().unwrap().evicted_windows, 0);
    let kept = spool.counts().unwrap().entries;
    assert!((60..140).contains(&kept), "{kept} parts of 8 kB are kept for replay in 1 MiB");
    let again = spool.offer_again("mqtt", RUN, 0, 299).unwrap();
    assert_eq!(again.windows, kept / 2);
    assert_eq!(again.missing, [(0, 299 - kept / 2)], "the oldest went, and windows went whole");
}

#[test]
fn undelivered_windows_that_give_way_are_one_gap_with_exact_frames() {
    let dir = tempdir().unwrap();
    let mut settings = sensor(dir.path());
    settings.max_bytes = 1 << 20;
    let mut spool = open(settings);
    let mut told = 0;
    for seq in 0..300 {
        let appended = spool.append(at(seq as i64), &window_of("s", RUN, seq, 2, 8_000, seq + 1), &[]).unwrap();
        let moved = spool.age_out(at(seq as i64)).unwrap();
        told += appended.evicted.iter().chain(&moved.evicted).map(|gap| gap.frames.unwrap()).sum::<u64>();
    }
    let entries = all_pending(&mut spool, "mqtt");
    let (gaps, seqs) = (gaps(&entries), seqs(&entries));
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let (gap, oldest) = (&gaps[0], seqs[0]);
    assert_eq!((gap.first_seq, gap.last_seq, gap.reason), (0, Some(oldest - 1), GapReason::Evicted));
    assert_eq!((gap.start, gap.end), (at(0), at(oldest as i64)));
    assert_eq!(gap.frames, Some((1..=oldest).sum()));
    assert_eq!(seqs.len() as u64, 2 * (300 - oldest), "both parts of every other window are there");
    let counts = spool.counts().unwrap();
    assert_eq!((counts.evicted_windows, counts.evicted_frames), (oldest, gap.frames.unwrap()));
    assert_eq!(told, counts.evicted_frames);
}

#[test]
fn a_gap_that_grew_is_not_acknowledged_by_its_shorter_self() {
    let dir = tempdir().unwrap();
    let mut settings = ingest(dir.path());
    settings.max_bytes = 1 << 20;
    settings.readers = vec!["r".into()];
    let mut spool = open(settings);
    let mut seq = 0;
    let mut fill = |spool: &mut airtally::spool::Spool, until_gaps: usize| {
        let mut grew = 0;
        while grew < until_gaps {
            let entries = window_of("s", RUN, seq, 1, 20_000, 1);
            grew += spool.append(at(seq as i64), &entries, &[]).unwrap().evicted.len();
            seq += 1;
        }
    };
    fill(&mut spool, 1);
    let offered = all_pending(&mut spool, "r").into_iter().find(|entry| entry.kind != EntryKind::Batch).unwrap();
    fill(&mut spool, 1);
    spool.acknowledge("r", &[offered.id]).unwrap();
    let now = gaps(&all_pending(&mut spool, "r"));
    assert_eq!(now.len(), 1);
    assert!(now[0].frames.unwrap() > offered.frames, "the longer gap still waits");
}

#[test]
fn a_window_lost_to_one_reader_is_declared_to_that_one_alone() {
    let dir = tempdir().unwrap();
    let mut settings = ingest(dir.path());
    settings.max_bytes = 1 << 20;
    let mut spool = open(settings);
    for seq in 0..120 {
        spool.append(at(seq as i64), &window_of("s", RUN, seq, 1, 20_000, 1), &[]).unwrap();
        deliver_all(&mut spool, "influx");
    }
    assert_eq!(gaps(&all_pending(&mut spool, "influx")), []);
    assert_eq!(gaps(&all_pending(&mut spool, "sqlite")).len(), 1);
}

#[test]
fn a_window_larger_than_the_spool_is_declared_and_costs_no_other() {
    let dir = tempdir().unwrap();
    let mut settings = ingest(dir.path());
    settings.max_bytes = 1 << 20;
    let mut spool = open(settings);
    append(&mut spool, 0);
    let appended = spool.append(at(2), &window_of("s", RUN, 1, 3, 1 << 20, 77), &[("k", b"v")]).unwrap();
    assert_eq!(appended.ids, [0, 0, 0]);
    assert_eq!(appended.evicted.len(), 1);
    assert_eq!((appended.evicted[0].first_seq, appended.evicted[0].frames), (1, Some(77)));
    let entries = all_pending(&mut spool, "sqlite");
    assert_eq!((seqs(&entries), gaps(&entries)), (vec![0], appended.evicted));
    assert_eq!(spool.state("k").unwrap().unwrap(), b"v");
    assert_eq!(spool.holes("home", "s", RUN, 1, 10).unwrap(), [], "what is declared lost is not asked for again");
}

#[test]
fn many_windows_at_once_are_kept_though_they_fill_the_spool() {
    let dir = tempdir().unwrap();
    let mut settings = ingest(dir.path());
    settings.max_bytes = 1 << 20;
    let mut spool = open(settings);
    let windows: Vec<NewEntry> = (0..80).flat_map(|seq| window_of("s", RUN, seq, 2, 10_000, 1)).collect();
    let appended = spool.append(at(1), &windows, &[("k", b"v")]).unwrap();
    assert_eq!(appended.ids.len(), 160);
    let entries = all_pending(&mut spool, "sqlite");
    let kept = seqs(&entries);
    assert!(kept.len() > 40, "{} parts fit", kept.len());
    assert_eq!(kept.last(), Some(&79));
    let lost: u64 = gaps(&entries).iter().filter_map(|gap| gap.frames).sum();
    assert_eq!(lost + kept.len() as u64 / 2, 80);
}

#[test]
fn waiting_gaps_are_bounded_by_joining_them() {
    let dir = tempdir().unwrap();
    let mut settings = ingest(dir.path());
    settings.max_bytes = 1 << 20;
    settings.readers = vec!["r".into()];
    let mut spool = open(settings);
    for n in 0..200 {
        spool.append(at(n), &[gap(RUN, GapReason::Unavailable, n as u64 * 10, Some(n as u64 * 10 + 3))], &[]).unwrap();
    }
    let gaps = gaps(&all_pending(&mut spool, "r"));
    assert_eq!(gaps.len(), 64);
    for n in 0..200u64 {
        assert!(
            gaps.iter().any(|gap| gap.first_seq <= n * 10 && gap.last_seq >= Some(n * 10 + 3)),
            "gap {n} is covered"
        );
    }
    assert_eq!(spool.counts().unwrap().dropped_gaps, 0);
    for run in 0..100 {
        spool.append(at(run), &[gap(Uuid::from_u128(1000 + run as u128), GapReason::Crash, 0, None)], &[]).unwrap();
    }
    let counts = spool.counts().unwrap();
    assert!(counts.dropped_gaps > 0, "what cannot be joined goes, and is counted");
    assert_eq!(counts.undelivered, [("r".into(), 64)]);
}

#[test]
fn stored_windows_are_offered_again_and_missing_ones_named() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    for seq in [0, 1, 2, 5, 6, 9] {
        append(&mut spool, seq);
        if seq == 2 {
            spool.settle(at(3)).unwrap();
        }
    }
    let last = all_pending(&mut spool, "mqtt").last().unwrap().id;
    let but_nine: Vec<u64> = all_pending(&mut spool, "mqtt").iter().map(|e| e.id).filter(|id| *id != last).collect();
    spool.acknowledge("mqtt", &but_nine).unwrap();
    let offered = spool.offer_again("mqtt", RUN, 1, u64::MAX).unwrap();
    assert_eq!(offered, Offered { windows: 5, missing: vec![(3, 4), (7, 8)] });
    assert_eq!(
        seqs(&spool.pending("mqtt", Want::Everything, last, 10, usize::MAX).unwrap()),
        [1, 2, 5, 6],
        "even to who has read on"
    );
    assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), [9, 1, 2, 5, 6]);
    let nobody = Uuid::from_u128(99);
    assert_eq!(spool.offer_again("mqtt", nobody, 2, 4).unwrap(), Offered::default(), "nobody counted those");
    assert_eq!(spool.offer_again("mqtt", RUN, 10, 20).unwrap(), Offered::default(), "those never were");
}

#[test]
fn an_unfinished_run_is_declared_exactly_once() {
    let dir = tempdir().unwrap();
    let mut spool = open(sensor(dir.path()));
    let (clean, killed) = (Uuid::from_u128(1), Uuid::from_u128(2));
    spool.begin_run(at(0), "home", "s", clean, None).unwrap();
    let mut end = window_of("s", clean, 0, 1, 10, 1);
    end[0].last = true;
    spool.append(at(1), &end, &[]).unwrap();
    spool.begin_run(at(1), "home", "s", killed, None).unwrap();
    for seq in 0..3 {
        spool.append(at(3), &window_of("s", killed, seq, 1, 10, 1), &[]).unwrap();
    }
    drop(spool);

    let (mut spool, opening) = open_saying(sensor(dir.path()));
    assert_eq!(opening.unfinished.len(), 1);
    let run = &opening.unfinished[0];
    assert_eq!((run.run, run.first_seq, run.last_seq, run.last_end), (killed, Some(0), Some(2), at(3)));
    let declared = spool.declare_crash(at(9), run, at(9)).unwrap().unwrap();
    assert_eq!((declared.first_seq, declared.last_seq, declared.reason), (3, None, GapReason::Crash));
    assert_eq!((declared.start, declared.end, declared.frames), (at(3), at(9), None));
    assert_eq!(spool.declare_crash(at(9), run, at(9)).unwrap(), None);
    drop(spool);

    fs::remove_dir_all(dir.path().join("run")).unwrap();
    let (mut spool, opening) = open_saying(sensor(dir.path()));
    assert_eq!(opening.unfinished.iter().filter(|run| run.run == killed).count(), 0, "not even after a power cut");
    assert_eq!(gaps(&all_pending(&mut spool, "mqtt")), [declared]);
}

#[test]
fn a_run_that_never_closed_a_window_is_declared_too() {
    let dir = tempdir().unwrap();
    open(sensor(dir.path())).begin_run(at(5), "home", "s", RUN, None).unwrap();
    let (mut spool, opening) = open_saying(sensor(dir.path()));
    let declared = spool.declare_crash(at(7), &opening.unfinished[0], at(7)).unwrap().unwrap();
    assert_eq!((declared.first_seq, declared.start, declared.end), (0, at(5), at(7)));
}

#[test]
fn a_spool_may_be_called_from_any_thread() {
    fn sendable<T: Send + 'static>() {}
    sendable::<airtally::spool::Spool>();
}
