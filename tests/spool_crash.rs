//! `kill -9` at any moment: what an append returned for is there once, or delivered, or declared. What has to be erased
//! is erased.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "spool/support.rs"]
mod support;

use airtally::{
    Mac,
    spool::{Settings, Spool, Want},
    wire::{Address, Addresses, Role},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use support::*;
use tempfile::tempdir;

const DIR: &str = "AIRTALLY_TEST_SPOOL_DIR";
const ERASE: &str = "AIRTALLY_TEST_SPOOL_ERASE";
const TIERS: &str = "AIRTALLY_TEST_SPOOL_TIERS";

fn settings(dir: &Path, tiers: &str) -> Settings {
    let one = Settings { readers: vec!["mqtt".into()], ..ingest(dir) };
    Settings { max_bytes: 1 << 20, ..if tiers == "2" { sensor(dir) } else { one } }
}

/// Not a test of its own: the process that gets killed. It says `append N` and `ack N` before it tries and `done N`
/// when an append has returned.
#[test]
fn child() {
    let (Some(dir), Ok(tiers)) = (env::var_os(DIR), env::var(TIERS)) else { return };
    let (mut spool, _) = Spool::open(at(0), settings(Path::new(&dir), &tiers)).unwrap();
    // Each line in one write, so that the kill cuts none.
    let say = |word: &str, seq: u64| std::io::stderr().write_all(format!("{word} {seq}\n").as_bytes()).unwrap();
    let first = spool.state("next").unwrap().map_or(0, |next| u64::from_le_bytes(next.try_into().unwrap()));
    for seq in first.. {
        let now = at(i64::try_from(seq).unwrap());
        say("append", seq);
        let entries = window_of("s", RUN, seq, 3, 1_500, seq + 1);
        spool.append(now, &entries, &[("next", &(seq + 1).to_le_bytes())]).unwrap();
        say("done", seq);
        if seq % 3 == 0 {
            for entry in spool.pending("mqtt", Want::Everything, 0, 4, usize::MAX).unwrap() {
                match gaps(std::slice::from_ref(&entry)).first() {
                    Some(gap) => (gap.first_seq..=gap.last_seq.unwrap()).for_each(|seq| say("ack", seq)),
                    None => say("ack", entry.key.seq),
                }
                spool.acknowledge("mqtt", &[entry.id]).unwrap();
            }
        }
        match seq % 50 {
            49 => drop(spool.settle(now).unwrap()),
            n if n % 7 == 0 => drop(spool.age_out(now).unwrap()),
            n if n % 11 == 0 => drop(spool.offer_again("mqtt", RUN, seq.saturating_sub(5), seq).unwrap()),
            _ => {}
        }
    }
}

fn killed_at_random_moments(tiers: &str) {
    let dir = tempdir().unwrap();
    let (mut tried, mut done, mut acked) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for round in 0..14u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture"])
            .envs([(DIR, dir.path().as_os_str()), (TIERS, tiers.as_ref())])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let reader = thread::spawn(move || lines.lines().map_while(Result::ok).collect::<Vec<_>>());
        thread::sleep(Duration::from_millis(120 + noise(round + 1, 2)[0] as u64 * 2));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = reader.join().unwrap();
        for (number, line) in said.iter().enumerate() {
            let known = line.split_once(' ').and_then(|(word, seq)| Some((word, seq.parse::<u64>().ok()?)));
            match known {
                Some(("append", seq)) => tried.insert(seq),
                Some(("done", seq)) => done.insert(seq),
                Some(("ack", seq)) => acked.insert(seq),
                _ => panic!("the child said: {}", said[number..].join("\n")),
            };
        }

        let (mut spool, opening) = open_saying(settings(dir.path(), tiers));
        assert!(opening.set_aside.is_empty(), "a killed process damages nothing");
        let entries = all_pending(&mut spool, "mqtt");
        let mut parts: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.parts == 3) {
            assert_eq!(entry.body, window_of("s", RUN, entry.key.seq, 3, 1_500, 1)[entry.key.part as usize].body);
            parts.entry(entry.key.seq).or_default().push(entry.key.part);
        }
        let declared: BTreeSet<u64> =
            gaps(&entries).iter().flat_map(|gap| gap.first_seq..=gap.last_seq.unwrap()).collect();
        for seq in &done {
            let there = parts.get(seq).map(Vec::as_slice);
            let whole = there.is_some_and(|parts| parts.iter().copied().collect::<BTreeSet<_>>().len() == 3);
            assert!(whole || acked.contains(seq) || declared.contains(seq), "window {seq} is lost: {there:?}");
        }
        for (seq, parts) in &parts {
            assert!(tried.contains(seq));
            let once: BTreeSet<_> = parts.iter().collect();
            assert_eq!(once.len(), parts.len(), "a part of window {seq} is there twice");
            assert!(parts.len() == 3 || acked.contains(seq), "window {seq} is there in part");
        }
        // What was declared is acknowledged here, and so need not be seen next time.
        let delivered: Vec<u64> = entries.iter().filter(|entry| entry.parts == 1).map(|entry| entry.id).collect();
        spool.acknowledge("mqtt", &delivered).unwrap();
        acked.extend(declared);
        let next = spool.state("next").unwrap().map_or(0, |next| u64::from_le_bytes(next.try_into().unwrap()));
        assert!(done.last().is_none_or(|last| next > *last), "the state goes with its window");
        assert!(next <= tried.last().map_or(0, |last| last + 1));
    }
    assert!(done.len() > 100, "{} windows were appended: too few to tell anything", done.len());
}

/// One after the other: a process that is born in another thread holds the lock of a spool until it becomes the child.
#[test]
fn kill_9_loses_nothing_in_one_tier_and_in_two() {
    killed_at_random_moments("2");
    killed_at_random_moments("1");
    killed_amid_an_erasure();
}

/// Not a test of its own: the process that erases, and gets killed.
#[test]
fn erasing_child() {
    let (Some(dir), Ok(_)) = (env::var_os(DIR), env::var(ERASE)) else { return };
    std::io::stderr().write_all(b"erasing\n").unwrap();
    let _spool = Spool::open(at(0), private(Path::new(&dir), Addresses::Pseudonym, false)).unwrap();
    std::io::stderr().write_all(b"erased\n").unwrap();
}

fn copy(from: &Path, to: &Path) {
    for tier in ["run", "state"] {
        fs::create_dir_all(to.join(tier)).unwrap();
        for file in fs::read_dir(from.join(tier)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), to.join(tier).join(file.file_name())).unwrap();
        }
    }
}

/// Whether the erasing child got to its end before it was killed, `delay` after it began.
fn erase_and_kill(dir: &Path, delay: Duration) -> bool {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["erasing_child", "--exact", "--nocapture"])
        .envs([(DIR, dir.as_os_str()), (ERASE, "1".as_ref())])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("erasing"));
    thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.any(|line| line == "erased")
}

/// However often it is cut off: nothing is left, and everything is declared, once.
fn killed_amid_an_erasure() {
    let filled = tempdir().unwrap();
    let plain = private(filled.path(), Addresses::Plain, true);
    let mut all = Vec::new();
    for round in 0..8 {
        let mut spool = open(plain.clone());
        for seq in round * 40..round * 40 + 40 {
            let entry = heard(seq, Address::Mac(Mac([0, 14, 142, 1, 2, 3])), Role::Client, 20);
            spool.append(at(seq as i64), &[entry], &[("tracked", b"00:0e:8e:01:02:03")]).unwrap();
        }
        if round % 2 == 0 {
            spool.settle(at(round as i64 * 40 + 40)).unwrap();
        }
        drop(spool);
        all.extend(traces(filled.path()));
    }
    let dir = tempdir().unwrap();
    copy(filled.path(), dir.path());
    let began = Instant::now();
    drop(open(private(dir.path(), Addresses::Pseudonym, false)));
    let whole = began.elapsed();

    let mut cut_off = 0;
    for round in 0..24u32 {
        let dir = tempdir().unwrap();
        copy(filled.path(), dir.path());
        for kill in 0..=round % 3 {
            cut_off += u32::from(!erase_and_kill(dir.path(), whole * (round * 5 + kill * 7) / 120));
        }
        let mut spool = open(private(dir.path(), Addresses::Pseudonym, false));
        assert_eq!(traces_left(dir.path(), &all), 0, "round {round}");
        let entries = all_pending(&mut spool, "mqtt");
        assert!(seqs(&entries).is_empty(), "round {round}");
        let declared: Vec<u64> = gaps(&entries).iter().flat_map(|gap| gap.first_seq..=gap.last_seq.unwrap()).collect();
        assert_eq!(declared.iter().copied().collect::<BTreeSet<_>>(), (0..320).collect(), "round {round}");
        assert_eq!(declared.len(), 320, "round {round}: declared twice");
        assert_eq!(spool.state("tracked").unwrap(), None, "round {round}");
    }
    assert!(cut_off >= 8, "{cut_off} erasures were cut off: too few to tell anything");
}
