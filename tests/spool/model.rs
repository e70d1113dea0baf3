//! A model of the spool, run beside the real one over random histories: for each reader, every window appended is
//! waiting, or was delivered, or is declared in a gap; and the frames add up.
use crate::support::*;
use airtally::{
    spool::{Entry, EntryKind, Settings, Spool},
    wire::Gap,
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use tempfile::tempdir;
use uuid::Uuid;

#[derive(Clone, Debug)]
enum Step {
    Append { run: u8, parts: u32, len: usize },
    Again { run: u8, seq: u8 },
    Acknowledge { reader: u8, picks: Vec<u8> },
    OfferAgain { run: u8, first: u8, count: u8 },
    AgeOut { minutes: u8 },
    Settle,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..3, 1u32..4, 1usize..40_000).prop_map(|(run, parts, len)| Step::Append { run, parts, len }),
        1 => (0u8..3, any::<u8>()).prop_map(|(run, seq)| Step::Again { run, seq }),
        5 => (0u8..2, prop::collection::vec(any::<u8>(), 0..8)).prop_map(|(reader, picks)| Step::Acknowledge { reader, picks }),
        1 => (0u8..3, any::<u8>(), 0u8..20).prop_map(|(run, first, count)| Step::OfferAgain { run, first, count }),
        2 => (0u8..3).prop_map(|minutes| Step::AgeOut { minutes }),
        1 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

fn run_id(run: u8) -> Uuid {
    Uuid::from_u128(u128::from(run) + 1)
}

type Window = (Uuid, u64);

/// What one reader must come to know.
#[derive(Default)]
struct Reader {
    /// Frames of parts neither delivered nor declared yet.
    owed: BTreeMap<(Uuid, u64, u32), u64>,
    /// Frames it was told are lost, in gaps it acknowledged.
    told: u64,
    told_of: BTreeSet<Window>,
    /// Frames it acknowledged.
    got: u64,
}

struct Model {
    readers: Vec<(String, Reader)>,
    /// Parts and body length of every window, and when it was appended.
    windows: BTreeMap<Window, (u32, usize)>,
    next: [u64; 3],
    minutes: i64,
}

fn frames(seq: u64) -> u64 {
    seq * 3 + 1
}

fn covered(gap: &Gap) -> impl Iterator<Item = Window> + use<> {
    let run = gap.run;
    (gap.first_seq..=gap.last_seq.unwrap()).map(move |seq| (run, seq))
}

impl Model {
    fn append(&mut self, spool: &mut Spool, window: Window, parts: u32, len: usize) {
        let entries = window_of("s", window.0, window.1, parts, len, frames(window.1));
        spool.append(at(self.minutes * 6), &entries, &[]).unwrap();
        self.windows.insert(window, (parts, len));
        for (_, reader) in &mut self.readers {
            reader.owed.retain(|&(run, seq, _), _| (run, seq) != window);
            reader
                .owed
                .extend(entries.iter().map(|entry| ((entry.key.run, entry.key.seq, entry.key.part), entry.frames)));
        }
    }

    fn acknowledge(&mut self, spool: &mut Spool, which: usize, picks: &[u8]) {
        let (name, reader) = &mut self.readers[which];
        let waiting = all_pending(spool, name);
        let picked: BTreeSet<usize> =
            picks.iter().filter(|_| !waiting.is_empty()).map(|&pick| usize::from(pick) % waiting.len()).collect();
        let entries: Vec<&Entry> = picked.into_iter().map(|index| &waiting[index]).collect();
        spool.acknowledge(name, &entries.iter().map(|entry| entry.id).collect::<Vec<_>>()).unwrap();
        for entry in entries {
            if entry.kind == EntryKind::Batch {
                reader.got += reader.owed.remove(&(entry.key.run, entry.key.seq, entry.key.part)).unwrap_or(0);
            } else {
                let gap = &gaps(std::slice::from_ref(entry))[0];
                reader.told += gap.frames.unwrap();
                for window in covered(gap) {
                    reader.owed.retain(|&(run, seq, _), _| (run, seq) != window);
                    reader.told_of.insert(window);
                }
            }
        }
    }

    /// Every body is the one that was appended.
    fn check_bodies(&self, spool: &mut Spool) {
        for (name, _) in &self.readers {
            let waiting = all_pending(spool, name);
            for entry in waiting.iter().filter(|entry| entry.kind == EntryKind::Batch) {
                let (parts, len) = self.windows[&(entry.key.run, entry.key.seq)];
                let whole = window_of("s", entry.key.run, entry.key.seq, parts, len, frames(entry.key.seq));
                assert_eq!(entry.body, whole[entry.key.part as usize].body);
            }
        }
    }

    /// Nothing that is owed is missing, and nothing is there twice.
    fn check(&mut self, spool: &mut Spool) {
        for (name, reader) in &self.readers {
            let waiting = all_pending(spool, name);
            let declared = gaps(&waiting);
            let lost: BTreeSet<Window> = declared.iter().flat_map(covered).collect();
            let there: Vec<_> = waiting
                .iter()
                .filter(|entry| entry.kind == EntryKind::Batch)
                .map(|entry| (entry.key.run, entry.key.seq, entry.key.part))
                .collect();
            let once: BTreeSet<_> = there.iter().copied().collect();
            assert_eq!(once.len(), there.len(), "something waits twice for {name}");
            for part @ (run, seq, _) in reader.owed.keys() {
                assert!(once.contains(part) || lost.contains(&(*run, *seq)), "{name} never hears of {part:?}");
            }
            assert!(waiting.is_sorted_by_key(|entry| entry.id));
            let frames_lost: u64 = declared.iter().filter_map(|gap| gap.frames).sum();
            let owed_elsewhere: u64 =
                reader.owed.iter().filter(|(part, _)| !once.contains(part)).map(|(_, frames)| frames).sum();
            assert!(frames_lost >= owed_elsewhere, "{name}: gaps tell of {frames_lost} of {owed_elsewhere} frames");
        }
    }
}

fn settings(dir: &Path, two_tiers: bool) -> Settings {
    Settings { max_bytes: 1 << 20, ..if two_tiers { sensor(dir) } else { ingest(dir) } }
}

fn play(two_tiers: bool, exact: bool, steps: Vec<Step>) {
    let dir = tempdir().unwrap();
    let mut spool = open(settings(dir.path(), two_tiers));
    let names = settings(dir.path(), two_tiers).readers;
    let mut model = Model {
        readers: names.into_iter().map(|name| (name, Reader::default())).collect(),
        windows: BTreeMap::new(),
        next: [0; 3],
        minutes: 0,
    };
    let mut appended = 0;
    for step in steps {
        match step {
            Step::Append { run, parts, len } => {
                let seq = model.next[usize::from(run)];
                model.next[usize::from(run)] += 1;
                appended += frames(seq);
                model.append(&mut spool, (run_id(run), seq), if exact { 1 } else { parts }, len);
            }
            Step::Again { run, seq } if !exact && model.next[usize::from(run)] > 0 => {
                let seq = u64::from(seq) % model.next[usize::from(run)];
                let (parts, len) = model.windows[&(run_id(run), seq)];
                model.append(&mut spool, (run_id(run), seq), parts, len);
            }
            Step::Acknowledge { reader, picks } => {
                let which = usize::from(reader) % model.readers.len();
                model.acknowledge(&mut spool, which, &picks);
            }
            Step::OfferAgain { run, first, count } if !exact => {
                let first = u64::from(first) % (model.next[usize::from(run)] + 1);
                let reader = model.readers[0].0.clone();
                let last = first + u64::from(count);
                let offered = spool.offer_again(&reader, run_id(run), first, last).unwrap();
                let end = model.next[usize::from(run)];
                let asked = (last + 1).min(end.max(first)).saturating_sub(first);
                let missing: u64 = offered.missing.iter().map(|(first, last)| last - first + 1).sum();
                assert_eq!(offered.windows + missing, asked);
            }
            Step::Again { .. } | Step::OfferAgain { .. } => {}
            Step::AgeOut { minutes } => {
                model.minutes += i64::from(minutes);
                spool.age_out(at(model.minutes * 6)).unwrap();
            }
            Step::Settle => drop(spool.settle(at(model.minutes * 6)).unwrap()),
            Step::Reopen => {
                drop(spool);
                spool = open(settings(dir.path(), two_tiers));
            }
        }
        model.check(&mut spool);
    }
    model.check_bodies(&mut spool);
    if exact {
        // With windows in one part, never appended twice nor offered again, frames add up to the last one.
        for (name, reader) in &model.readers {
            let waiting = all_pending(&mut spool, name);
            let still: u64 = waiting.iter().map(|entry| entry.frames).sum();
            assert_eq!(reader.got + reader.told + still, appended, "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_disappears_undeclared(two_tiers: bool, steps in prop::collection::vec(step(), 1..90)) {
        play(two_tiers, false, steps);
    }

    #[test]
    fn frames_add_up(two_tiers: bool, steps in prop::collection::vec(step(), 1..120)) {
        play(two_tiers, true, steps);
    }
}
