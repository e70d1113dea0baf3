//! Records whose time is not known yet: held, restamped once, or let go as they are.
use crate::support::{at, open, sensor};
use airtally::{
    UnixNanos,
    spool::{EntryKind, Held, NewEntry, Settings, Spool, Want},
    wire::{Batch, Capture, GapReason, Identity, Record, TimeSource},
};
use uuid::Uuid;

const READER: &str = "mqtt";
const BOOT: Uuid = Uuid::from_u128(0xb007);
const RUN: Uuid = Uuid::from_u128(7);
const SECOND: i64 = 1_000_000_000;
/// What the sensor took the boot for: 1970.
const GUESS: i64 = 5 * SECOND;
/// When it was.
const TRUTH: i64 = 1_795_000_000 * SECOND;

/// Window `seq`, ten seconds from `seq` × 10 s after boot.
fn window(run: Uuid, seq: u64, held: bool) -> NewEntry {
    let began = 10 * SECOND * seq as i64;
    let batch = Batch {
        schema: "airtally.batch/1".into(),
        identity: Identity { site: "home".into(), sensor: "s".into(), run, seq },
        part: 0,
        parts: 1,
        flow_parts: None,
        alert_parts: None,
        people: Vec::new(),
        start: UnixNanos(began + GUESS),
        end: UnixNanos(began + 10 * SECOND + GUESS),
        clock: TimeSource::Unsynced,
        last: false,
        capture: Some(Capture { frames: seq + 1, ..Capture::default() }),
        stamping: None,
        subtypes: Default::default(),
        channels: Vec::new(),
        stations: vec![station(began + GUESS + 3 * SECOND)],
        vendors: Vec::new(),
        distinct: None,
    };
    let entry = NewEntry::encode(&Record::Batch(Box::new(batch))).unwrap();
    NewEntry { held: held.then_some(Held { boot: BOOT, start: began }), ..entry }
}

fn station(seen: i64) -> airtally::wire::Station {
    serde_json::from_value(serde_json::json!({
        "mac": "00:16:3e:00:00:01", "randomised": false, "tracked": false, "role": "unknown", "frames_sent": 1,
        "bytes_sent": 1, "frames_received": 0, "management": 1, "control": 0, "data": 0, "retries": 0,
        "first_seen": UnixNanos(seen), "last_seen": UnixNanos(seen + SECOND),
    }))
    .unwrap()
}

fn settings(dir: &std::path::Path) -> Settings {
    Settings { readers: vec![READER.into()], ..sensor(dir) }
}

fn offered(spool: &mut Spool) -> Vec<Record> {
    let entries = spool.pending(READER, Want::Everything, 0, 1000, 1 << 30).unwrap();
    entries.iter().map(|entry| Record::decode(&entry.body).unwrap()).collect()
}

fn starts(spool: &mut Spool) -> Vec<(i64, TimeSource)> {
    let batch = |record| if let Record::Batch(batch) = record { Some((batch.start.0, batch.clock)) } else { None };
    offered(spool).into_iter().filter_map(batch).collect()
}

#[test]
fn what_is_held_waits_and_goes_out_restamped_before_what_came_after() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(settings(dir.path()));
    spool.begin_run(UnixNanos(GUESS), "home", "s", RUN, Some((BOOT, GUESS))).unwrap();
    for seq in 0..300 {
        spool.append(at(1), &[window(RUN, seq, true)], &[]).unwrap();
    }
    assert_eq!(offered(&mut spool), []);
    assert_eq!(spool.counts().unwrap().undelivered, [(READER.to_owned(), 300)], "it is kept for the reader");
    // Half of it has been moved to disk.
    spool.settle(at(2)).unwrap();
    for seq in 300..310 {
        spool.append(at(3), &[window(RUN, seq, true)], &[]).unwrap();
    }
    assert_eq!(spool.release(BOOT, TRUTH).unwrap(), 310);
    spool.append(at(4), &[window(RUN, 310, false)], &[]).unwrap();

    let records = offered(&mut spool);
    for (record, seq) in records.iter().zip(0i64..) {
        let Record::Batch(batch) = record else { panic!("{record:?}") };
        assert_eq!(batch.identity.seq, seq as u64);
        if seq < 310 {
            let start = TRUTH + 10 * SECOND * seq;
            assert_eq!((batch.start.0, batch.end.0, batch.clock), (start, start + 10 * SECOND, TimeSource::System));
            let station = &batch.stations[0];
            let seen = (station.first_seen.0, station.last_seen.0);
            assert_eq!(seen, (start + 3 * SECOND, start + 4 * SECOND));
        }
    }
    assert_eq!(records.len(), 311);
    assert_eq!(spool.release(BOOT, TRUTH + SECOND).unwrap(), 0, "once");
    let run = &spool.runs().unwrap()[0];
    assert_eq!(run.guess, None);
}

#[test]
fn what_is_held_survives_a_restart_and_the_run_it_belongs_to_ends_when_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(settings(dir.path()));
    spool.begin_run(UnixNanos(GUESS), "home", "s", RUN, Some((BOOT, GUESS))).unwrap();
    spool.append(at(1), &[window(RUN, 0, true), window(RUN, 1, true)], &[]).unwrap();
    drop(spool);
    let (mut spool, opening) = Spool::open(at(2), settings(dir.path())).unwrap();
    assert_eq!(opening.unfinished[0].guess, Some((BOOT, GUESS)));
    assert_eq!(offered(&mut spool), []);
    assert_eq!(spool.release_unsynced(Some(BOOT)).unwrap(), 0, "this boot may still know its time");
    spool.release(BOOT, TRUTH).unwrap();
    assert_eq!(starts(&mut spool), [(TRUTH, TimeSource::System), (TRUTH + 10 * SECOND, TimeSource::System)]);
    assert_eq!(spool.runs().unwrap()[0].last_end, UnixNanos(TRUTH + 20 * SECOND));
}

#[test]
fn what_an_earlier_boot_held_goes_out_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(settings(dir.path()));
    spool.append(at(1), &[window(RUN, 0, true)], &[]).unwrap();
    spool.settle(at(2)).unwrap();
    drop(spool);
    let mut spool = open(settings(dir.path()));
    assert_eq!(spool.release_unsynced(Some(Uuid::from_u128(1))).unwrap(), 1);
    assert_eq!(starts(&mut spool), [(GUESS, TimeSource::Unsynced)]);
    assert_eq!(spool.runs().unwrap()[0].guess, Some((BOOT, GUESS)), "its times stay a guess for ever");
}

#[test]
fn what_gives_way_while_it_is_held_is_declared_at_the_time_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(Settings { max_bytes: 1 << 20, ..settings(dir.path()) });
    let bulky = |seq| {
        let entry = window(RUN, seq, true);
        let mut batch: serde_json::Value = serde_json::from_slice(&entry.body).unwrap();
        let noise: Vec<u64> = (0..4000u64).map(|n| (n + seq * 7919).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        batch["noise"] = noise.into();
        NewEntry { body: serde_json::to_vec(&batch).unwrap(), ..entry }
    };
    for seq in 0..60 {
        spool.append(at(1), &[bulky(seq)], &[]).unwrap();
    }
    assert_eq!(offered(&mut spool), []);
    spool.release(BOOT, TRUTH).unwrap();
    let entries = spool.pending(READER, Want::Gaps, 0, 10, 1 << 30).unwrap();
    let [entry] = &entries[..] else { panic!("{} gaps", entries.len()) };
    assert_eq!(entry.kind, EntryKind::Gap(GapReason::Evicted));
    let Record::Gap(gap) = Record::decode(&entry.body).unwrap() else { panic!("no gap") };
    let kept = starts(&mut spool);
    let first = gap.last_seq.unwrap() + 1;
    assert_eq!((gap.first_seq, gap.start), (0, UnixNanos(TRUTH)));
    assert_eq!(gap.end.0, TRUTH + 10 * SECOND * first as i64);
    assert_eq!(kept.first(), Some(&(gap.end.0, TimeSource::System)), "what is left begins where the gap ends");
    assert_eq!(gap.frames, Some((1..=first).sum()));
}
