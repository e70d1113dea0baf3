//! What came a moment ago: records as they arrive, in memory, until well after the history has them. For the page, which shows
//! them at once and says what is not stored yet.

use crate::{UnixNanos, wire::Record};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{Notify, broadcast};

/// Arrivals kept, at most.
const MOST: usize = 4_096;
/// Octets of their payloads, at most.
const MOST_BYTES: usize = 16 << 20;
/// How long somebody who asks the history waits for what goes there.
const LONGEST_HURRY: Duration = Duration::from_millis(500);
/// How often it is looked whether it is there.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// News that a slow listener may be behind; then it misses some, and is told so ([`broadcast::error::RecvError::Lagged`]).
const NEWS: usize = 1_024;

/// How safe a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Here, in memory. The broker has it still.
    Received,
    /// On disk, in ingest's spool.
    Kept,
    /// In the history: whoever asks that has it. Where there is no history, nothing comes this far.
    Stored,
}

/// One record that came.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its number: 1, 2, 3… since the start of this program.
    pub id: u64,
    /// When it came.
    pub received: UnixNanos,
    /// What came.
    pub record: Arc<Record>,
    /// How far it has come.
    pub stage: Stage,
}

/// What is told to listeners.
#[derive(Clone, Debug)]
pub enum News {
    /// A record came: its stage is [`Stage::Received`].
    Came(Arrival),
    /// Records have come to this stage, those of these numbers.
    Reached(Stage, Arc<Vec<u64>>),
}

/// The records of the last minutes. Bounded: the oldest give way.
#[derive(Debug)]
pub struct Recent {
    kept: Mutex<Kept>,
    news: broadcast::Sender<News>,
    asked: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    newest: u64,
    bytes: usize,
    arrivals: BTreeMap<u64, (usize, Arrival)>,
    /// By position in the spool.
    spooled: HashMap<u64, u64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { kept: Mutex::default(), news: broadcast::Sender::new(NEWS), asked: Notify::new() }
    }
}

impl Recent {
    /// Everything from now on. First subscribe, then ask for [`Recent::since`]: nothing is missed then.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// What is still here of what came after the arrival `id`, in that order; everything after 0.
    #[must_use]
    pub fn since(&self, id: u64) -> Vec<Arrival> {
        self.lock().arrivals.range(id.saturating_add(1)..).map(|(_, (_, arrival))| arrival.clone()).collect()
    }

    /// What tells one moment from another: the newest arrival, and how many are not in the history yet.
    #[must_use]
    pub fn state(&self) -> (u64, usize) {
        let kept = self.lock();
        let unstored = kept.arrivals.values().filter(|(_, arrival)| arrival.stage < Stage::Stored).count();
        (kept.newest, unstored)
    }

    /// What is not in the history yet.
    #[must_use]
    pub fn unstored(&self) -> Vec<Arrival> {
        let all = self.since(0);
        all.into_iter().filter(|arrival| arrival.stage < Stage::Stored).collect()
    }

    /// Somebody is about to ask the history: what waits in the spool for it goes there now. Waits for that, but not for long,
    /// nor for what is not in the spool yet. Blocks.
    pub fn hurry(&self) {
        let waits = || self.lock().arrivals.values().any(|(_, arrival)| arrival.stage == Stage::Kept);
        let end = Instant::now() + LONGEST_HURRY;
        if waits() {
            self.asked.notify_one();
        }
        while waits() && Instant::now() < end {
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Returns when somebody is about to ask the history.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// A record came, whose payload is so long. Gives its number.
    pub fn came(&self, record: Arc<Record>, bytes: usize) -> u64 {
        let mut kept = self.lock();
        kept.newest += 1;
        let arrival = Arrival { id: kept.newest, received: UnixNanos::now(), record, stage: Stage::Received };
        kept.bytes += bytes;
        kept.arrivals.insert(arrival.id, (bytes, arrival.clone()));
        while (kept.arrivals.len() > MOST || kept.bytes > MOST_BYTES)
            && let Some((_, (bytes, _))) = kept.arrivals.pop_first()
        {
            kept.bytes -= bytes;
        }
        let oldest = kept.arrivals.first_key_value().map_or(u64::MAX, |(id, _)| *id);
        if kept.spooled.len() > 2 * MOST {
            kept.spooled.retain(|_, id| *id >= oldest);
        }
        drop(kept);
        let id = arrival.id;
        // Nobody may be listening.
        let _ = self.news.send(News::Came(arrival));
        id
    }

    /// These could not be kept. They will come again, as other arrivals.
    pub fn forget(&self, ids: &[u64]) {
        let mut kept = self.lock();
        for id in ids {
            if let Some((bytes, _)) = kept.arrivals.remove(id) {
                kept.bytes -= bytes;
            }
        }
    }

    /// These are in the spool now: numbers of arrivals, each with its position there.
    pub fn kept(&self, ids: &[(u64, u64)]) {
        self.lock().spooled.extend(ids.iter().map(|(id, position)| (*position, *id)));
        self.reach(Stage::Kept, ids.iter().map(|(id, _)| *id).collect());
    }

    /// The history has what is at these positions of the spool.
    pub fn stored(&self, positions: &[u64]) {
        let ids = {
            let mut kept = self.lock();
            positions.iter().filter_map(|position| kept.spooled.remove(position)).collect()
        };
        self.reach(Stage::Stored, ids);
    }

    fn reach(&self, stage: Stage, ids: Vec<u64>) {
        if ids.is_empty() {
            return;
        }
        let mut kept = self.lock();
        for id in &ids {
            if let Some((_, arrival)) = kept.arrivals.get_mut(id) {
                arrival.stage = arrival.stage.max(stage);
            }
        }
        drop(kept);
        let _ = self.news.send(News::Reached(stage, Arc::new(ids)));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::{GAP_SCHEMA, Gap, GapReason};

    fn record(seq: u64) -> Arc<Record> {
        Arc::new(Record::Gap(Gap {
            schema: GAP_SCHEMA.into(),
            site: "home".into(),
            sensor: "pi".into(),
            run: uuid::Uuid::nil(),
            reason: GapReason::Crash,
            first_seq: seq,
            last_seq: None,
            start: UnixNanos(0),
            end: UnixNanos(0),
            frames: None,
            detail: None,
            stamping: None,
            ingest: None,
            withdrawn: false,
        }))
    }

    #[test]
    fn each_stage_is_told_and_remembered() {
        let recent = Recent::default();
        let mut news = recent.subscribe();
        let ids = [recent.came(record(0), 10), recent.came(record(1), 10)];
        assert!(matches!(news.try_recv(), Ok(News::Came(arrival)) if arrival.id == ids[0]));
        assert_eq!(recent.since(ids[0]).len(), 1);
        recent.kept(&[(ids[0], 70), (ids[1], 71)]);
        recent.stored(&[70, 99]);
        assert_eq!(
            recent.unstored().iter().map(|arrival| (arrival.id, arrival.stage)).collect::<Vec<_>>(),
            [(2, Stage::Kept)]
        );
        let _ = news.try_recv();
        assert!(matches!(news.try_recv(), Ok(News::Reached(Stage::Kept, ids)) if ids.len() == 2));
        assert!(matches!(news.try_recv(), Ok(News::Reached(Stage::Stored, ids)) if *ids == [1]));
    }

    #[test]
    fn neither_number_nor_size_grows_without_end() {
        let recent = Recent::default();
        for n in 0..3 * MOST as u64 {
            let id = recent.came(record(n), 10);
            recent.kept(&[(id, n)]);
        }
        assert_eq!(recent.since(0).len(), MOST);
        assert!(recent.lock().spooled.len() <= 2 * MOST + 1);
        for n in 0..10 {
            recent.came(record(n), MOST_BYTES / 4);
        }
        assert_eq!(recent.since(0).len(), 4);
    }
}
