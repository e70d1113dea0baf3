//! What was written in a weaker privacy mode than the one in force is erased at the start, and declared.

use super::support::*;
use airtally::{
    Mac,
    spool::{Erased, NewEntry, Settings, Spool},
    wire::{Address, Addresses, GapReason, Record, Role},
};
use std::{collections::BTreeSet, fs, path::Path};
use tempfile::tempdir;

const MAC: Address = Address::Mac(Mac([0x00, 0x0e, 0x8e, 0x12, 0x34, 0x56]));
const PSEUDONYM: Address = Address::Pseudonym(0x0123_4567_89ab_cdef);

fn put(spool: &mut Spool, entries: &[NewEntry]) {
    let end = entries.last().unwrap().end;
    spool.append(end, entries, &[("tracked", b"00:0e:8e:12:34:56"), ("clock", b"times")]).unwrap();
}

/// Which windows the declared losses cover; none twice.
fn declared(spool: &mut Spool) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for gap in gaps(&all_pending(spool, "mqtt")) {
        if gap.reason == GapReason::Unavailable {
            assert_eq!(gap.detail.as_deref(), Some("privacy"));
            assert_eq!(gap.frames, Some(gap.last_seq.unwrap() - gap.first_seq + 1));
        }
        for seq in gap.first_seq..=gap.last_seq.unwrap() {
            assert!(all.insert(seq), "window {seq} is declared twice");
        }
    }
    all
}

fn erased(spool: (Spool, airtally::spool::Opening)) -> (Spool, Option<Erased>) {
    (spool.0, spool.1.erased)
}

/// Fills both tiers until windows give way, some of them delivered; returns what is left of them on the medium.
fn fill(dir: &Path, settings: &Settings) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for round in 0..12 {
        let mut spool = open(settings.clone());
        for seq in round * 20..round * 20 + 20 {
            put(&mut spool, &[heard(seq, MAC, Role::Client, 40)]);
        }
        if round == 3 {
            let ids: Vec<u64> = all_pending(&mut spool, "mqtt").iter().map(|entry| entry.id).collect();
            spool.acknowledge("mqtt", &ids).unwrap();
        }
        if round % 2 == 0 {
            spool.settle(at(round as i64 * 20 + 30)).unwrap();
        }
        drop(spool);
        all.extend(traces(dir));
    }
    assert!(traces_left(dir, &all) > 0);
    all
}

#[test]
fn a_stricter_mode_leaves_nothing_of_the_weaker_ones_windows() {
    for (addresses, sought) in [(Addresses::Pseudonym, true), (Addresses::Vendor, false), (Addresses::Plain, false)] {
        let dir = tempdir().unwrap();
        let all = fill(dir.path(), &private(dir.path(), Addresses::Plain, true));
        for name in
            ["run/spool-hot.sqlite.damaged-0000000000000000001", "state/spool.sqlite.damaged-0000000000000000001-wal"]
        {
            fs::write(dir.path().join(name), all.concat()).unwrap();
        }
        fs::write(dir.path().join("state/spool.sqlite.damaged-mine"), "somebody else's").unwrap();
        let (waiting, kept) = {
            let mut spool = open(private(dir.path(), Addresses::Plain, true));
            let entries = all_pending(&mut spool, "mqtt");
            let declared =
                gaps(&entries).iter().flat_map(|gap| gap.first_seq..=gap.last_seq.unwrap()).collect::<Vec<_>>();
            (seqs(&entries), declared)
        };
        assert!(waiting.len() > 20, "{}", waiting.len());

        let strict = private(dir.path(), addresses, sought);
        let (mut spool, found) = erased(open_saying(strict.clone()));
        let found = found.unwrap();
        assert_eq!((found.from.to_string(), found.to.addresses), ("plain with ssids".into(), addresses));
        assert_eq!(found.undelivered, waiting.len() as u64);
        assert!(found.windows >= found.undelivered);
        assert_eq!(traces_left(dir.path(), &all), 0);
        assert!(dir.path().join("state/spool.sqlite.damaged-mine").exists());
        let names: Vec<_> =
            fs::read_dir(dir.path().join("state")).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert!(names.len() <= 4, "{names:?}");

        // Nothing is to be had, nobody is told otherwise, and who waited knows.
        assert!(seqs(&all_pending(&mut spool, "mqtt")).is_empty());
        assert_eq!(declared(&mut spool), waiting.iter().chain(&kept).copied().collect());
        assert!(spool.runs().unwrap().iter().all(|run| run.first_seq.is_none() && run.last_seq == Some(239)));
        let offered = spool.offer_again("mqtt", RUN, 0, 239).unwrap();
        assert_eq!((offered.windows, offered.missing), (0, vec![(0, 239)]));
        let tracked = spool.state("tracked").unwrap();
        assert_eq!(tracked.is_some(), addresses == Addresses::Plain);
        assert_eq!(spool.state("clock").unwrap().as_deref(), Some(&b"times"[..]), "times tell nothing of anybody");
        let before = declared(&mut spool);
        drop(spool);

        // Once.
        let (mut spool, again) = erased(open_saying(strict));
        assert_eq!(again, None);
        assert_eq!(declared(&mut spool), before);
        put(&mut spool, &[heard(240, PSEUDONYM, Role::AccessPoint, 0)]);
        assert_eq!(spool.runs().unwrap().iter().filter_map(|run| run.first_seq).collect::<Vec<_>>(), [240]);
    }
}

#[test]
fn a_weaker_mode_and_the_same_one_lose_nothing() {
    let dir = tempdir().unwrap();
    let modes = [
        (Addresses::Vendor, true),
        (Addresses::Vendor, false),
        (Addresses::Pseudonym, false),
        (Addresses::Plain, false),
        (Addresses::Plain, true),
        (Addresses::Plain, true),
    ];
    for (seq, (addresses, sought)) in (0..).zip(modes) {
        let (mut spool, found) = erased(open_saying(private(dir.path(), addresses, sought)));
        assert_eq!(found, None);
        put(&mut spool, &[heard(seq, PSEUDONYM, Role::Client, 1)]);
        assert_eq!(seqs(&all_pending(&mut spool, "mqtt")), (0..=seq).collect::<Vec<_>>());
    }
}

/// A spool that says nothing of its mode is an earlier version's: what is in it tells.
#[test]
fn what_an_earlier_version_wrote_is_judged_by_its_content() {
    let cases = [
        (MAC, Role::AccessPoint, 1, Addresses::Plain, false, false),
        (MAC, Role::Client, 1, Addresses::Plain, false, true),
        (MAC, Role::Client, 1, Addresses::Plain, true, false),
        (MAC, Role::Client, 0, Addresses::Pseudonym, false, true),
        (PSEUDONYM, Role::AccessPoint, 1, Addresses::Pseudonym, false, false),
        (PSEUDONYM, Role::Client, 1, Addresses::Pseudonym, false, true),
        (PSEUDONYM, Role::Client, 0, Addresses::Vendor, false, true),
    ];
    for (mac, role, names, addresses, sought, goes) in cases {
        let dir = tempdir().unwrap();
        let mut spool = open(Settings { privacy: None, ..private(dir.path(), addresses, sought) });
        let entries: Vec<NewEntry> = (0..5).map(|seq| heard(seq, mac, role, names)).collect();
        spool.append(at(9), &entries, &[]).unwrap();
        drop(spool);
        let (mut spool, found) = erased(open_saying(private(dir.path(), addresses, sought)));
        assert_eq!(found.is_some(), goes, "{mac} {role:?} {names} {addresses:?} {sought}");
        assert_eq!(seqs(&all_pending(&mut spool, "mqtt")).len(), if goes { 0 } else { 5 });
        assert_eq!(declared(&mut spool).len(), if goes { 5 } else { 0 });
    }
    // The set of tracked stations is of mode plain, whatever the windows are of.
    let dir = tempdir().unwrap();
    let mut spool = open(Settings { privacy: None, ..private(dir.path(), Addresses::Pseudonym, false) });
    put(&mut spool, &[heard(0, PSEUDONYM, Role::AccessPoint, 0)]);
    drop(spool);
    let (spool, found) = erased(open_saying(private(dir.path(), Addresses::Pseudonym, false)));
    assert!(found.is_some() && spool.state("tracked").unwrap().is_none());
}

#[test]
fn a_damaged_file_that_cannot_say_its_mode_is_kept_in_mode_plain_alone() {
    for (addresses, kept) in [(Addresses::Plain, true), (Addresses::Pseudonym, false), (Addresses::Vendor, false)] {
        let dir = tempdir().unwrap();
        let mut spool = open(private(dir.path(), Addresses::Plain, false));
        put(&mut spool, &[heard(0, MAC, Role::Client, 0)]);
        drop(spool);
        for file in ["run/spool-hot.sqlite", "state/spool.sqlite"] {
            fs::write(dir.path().join(file), [b'x'; 9000]).unwrap();
        }
        let (_, opening) = open_saying(private(dir.path(), addresses, false));
        assert_eq!(opening.set_aside.len(), 2);
        assert!(opening.set_aside.iter().all(|path| path.exists() == kept));
    }
}

/// A held window's loss is held like it, and gets its time with the others.
#[test]
fn the_loss_of_held_windows_is_restamped_with_them() {
    let dir = tempdir().unwrap();
    let boot = uuid::Uuid::from_u128(9);
    let mut spool = open(private(dir.path(), Addresses::Plain, false));
    let entry = heard(3, MAC, Role::Client, 0);
    let held = airtally::spool::Held { boot, start: 5_000_000_000 };
    spool.append(at(4), &[NewEntry { held: Some(held), ..entry }], &[]).unwrap();
    drop(spool);
    let mut spool = open(private(dir.path(), Addresses::Vendor, false));
    assert!(all_pending(&mut spool, "mqtt").is_empty(), "nobody knows when that was");
    spool.release(boot, at(100).0).unwrap();
    let entries = all_pending(&mut spool, "mqtt");
    let Ok(Record::Gap(gap)) = Record::decode(&entries[0].body) else { panic!("a gap") };
    assert_eq!((gap.start.0, gap.detail.as_deref()), (at(100).0 + 5_000_000_000, Some("privacy")));
}
