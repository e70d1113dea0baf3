//! A feed in memory, for tests of the sinks' supply. Knows no spool.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use airtally::{
    sink::{Again, Feed, FeedError, Health, Sink, follow},
    wire::Record,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinHandle};

/// What a feed holds and what became of it.
#[derive(Default)]
pub struct Backlog {
    pub open: BTreeMap<u64, Record>,
    pub done: Vec<u64>,
    pub dead: Vec<(u64, String, Vec<u8>)>,
    /// What was done, for [`Feed::again`], and how often that was called.
    pub kept: BTreeMap<u64, Record>,
    pub again: usize,
}

#[derive(Clone, Default)]
pub struct MemoryFeed(pub Arc<Mutex<Backlog>>);

impl MemoryFeed {
    pub fn new(records: &[Record]) -> Self {
        let feed = Self::default();
        feed.0.lock().unwrap().open = (1..).zip(records.iter().cloned()).collect();
        feed
    }
}

impl Feed for MemoryFeed {
    fn next(&mut self, max: usize) -> Result<Vec<(u64, Record)>, FeedError> {
        let backlog = self.0.lock().unwrap();
        Ok(backlog.open.iter().take(max).map(|(id, record)| (*id, record.clone())).collect())
    }

    fn done(&mut self, ids: &[u64]) -> Result<(), FeedError> {
        let mut backlog = self.0.lock().unwrap();
        for id in ids {
            let record = backlog.open.remove(id);
            assert!(record.is_some(), "record {id} was done twice");
            backlog.kept.extend(record.map(|record| (*id, record)));
            backlog.done.push(*id);
        }
        Ok(())
    }

    fn dead(&mut self, id: u64, reason: &str, body: &[u8]) -> Result<(), FeedError> {
        let mut backlog = self.0.lock().unwrap();
        assert!(backlog.open.remove(&id).is_some(), "record {id} died twice");
        backlog.dead.push((id, reason.to_owned(), body.to_vec()));
        Ok(())
    }

    fn again(&mut self, what: Again) -> Result<u64, FeedError> {
        let mut backlog = self.0.lock().unwrap();
        let meant = |id: u64| match what {
            Again::All => true,
            // Nothing comes before the start.
            Again::Last(_) => false,
            Again::Numbers(first, last) => (first..=last).contains(&id),
        };
        let (stored, kept) = std::mem::take(&mut backlog.kept).into_iter().partition(|(id, _)| meant(*id));
        let stored: BTreeMap<u64, Record> = stored;
        backlog.kept = kept;
        let records = stored.len() as u64;
        backlog.again += usize::from(records > 0);
        backlog.done.retain(|id| !stored.contains_key(id));
        backlog.open.extend(stored);
        Ok(records)
    }

    async fn wait(&mut self) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A sink that is being supplied.
pub struct Following {
    pub feed: MemoryFeed,
    pub health: watch::Receiver<Health>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Following {
    pub fn start<S: Sink + 'static>(sink: S, records: &[Record]) -> Self {
        let feed = MemoryFeed::new(records);
        let (health_in, health) = watch::channel(Health::Ok);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(follow(sink, feed.clone(), health_in, stopped));
        Self { feed, health, stop, task }
    }

    /// The reason of the next degraded health.
    pub async fn degraded(&mut self) -> String {
        let wait = self.health.wait_for(|health| *health != Health::Ok);
        let health = tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap().unwrap().clone();
        match health {
            Health::Degraded { reason } => reason,
            Health::Ok => unreachable!(),
        }
    }

    /// Waits until nothing is left, then stops.
    pub async fn finish(mut self) -> MemoryFeed {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.feed.0.lock().unwrap().open.is_empty() {
            assert!(Instant::now() < deadline, "records are left; health: {:?}", *self.health.borrow());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let wait = self.health.wait_for(|health| *health == Health::Ok);
        tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap().unwrap();
        self.stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap();
        self.feed
    }
}
