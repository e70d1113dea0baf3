//! What a sink reads: its own cursor of ingest's spool.

use crate::{
    UnixNanos,
    sink::{Again, DeadLetters, Feed, FeedError, Recent},
    spool::{SharedSpool, Want, Which},
    wire::Record,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Octets of records handed to a sink at once, at most.
const BYTES_AT_ONCE: usize = 4 << 20;

/// The sink that the page reads.
const HISTORY: &str = "sqlite";

/// One sink's view of the spool.
pub struct SpoolFeed {
    sink: String,
    spool: Arc<SharedSpool>,
    dead: Arc<Mutex<DeadLetters>>,
    recent: Arc<Recent>,
    appended: watch::Receiver<u64>,
}

impl SpoolFeed {
    /// The backlog of the sink called `sink`, which is one of the spool's readers. If that is the history, `recent` hears of
    /// what it has.
    #[must_use]
    pub fn new(sink: &str, spool: &Arc<SharedSpool>, dead: &Arc<Mutex<DeadLetters>>, recent: &Arc<Recent>) -> Self {
        Self {
            sink: sink.to_owned(),
            spool: Arc::clone(spool),
            dead: Arc::clone(dead),
            recent: Arc::clone(recent),
            appended: spool.announcements(),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> FeedError {
    FeedError(error.to_string())
}

impl Feed for SpoolFeed {
    fn next(&mut self, max: usize) -> Result<Vec<(u64, Record)>, FeedError> {
        // Whatever is announced from here on may not be in this answer: it wakes the next wait.
        self.appended.mark_unchanged();
        let entries = self.spool.lock().pending(&self.sink, Want::Everything, 0, max, BYTES_AT_ONCE).map_err(failed)?;
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            match Record::decode(&entry.body) {
                Ok(record) => records.push((entry.id, record)),
                // The inbox decoded these very bytes: only a newer version's spool or a damaged disk comes here.
                Err(error) => self.dead(entry.id, &error.to_string(), &entry.body)?,
            }
        }
        Ok(records)
    }

    fn done(&mut self, ids: &[u64]) -> Result<(), FeedError> {
        self.spool.lock().acknowledge(&self.sink, ids).map_err(failed)?;
        if self.sink == HISTORY {
            self.recent.stored(ids);
        }
        Ok(())
    }

    fn dead(&mut self, id: u64, reason: &str, body: &[u8]) -> Result<(), FeedError> {
        self.dead
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .refused(&self.sink, reason, body, UnixNanos::now())
            .map_err(failed)?;
        self.done(&[id])
    }

    fn again(&mut self, what: Again) -> Result<u64, FeedError> {
        let which = match what {
            Again::All => Which::Since(UnixNanos(i64::MIN)),
            Again::Last(time) => Which::Last(time),
            Again::Numbers(first, last) => Which::Numbers(first, last),
        };
        self.spool.lock().refill(&self.sink, which).map_err(failed)
    }

    async fn asked(&mut self) {
        if self.sink == HISTORY {
            self.recent.asked().await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    async fn wait(&mut self) {
        // An error means that the spool's keeper is gone: the daemon is stopping.
        if self.appended.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
