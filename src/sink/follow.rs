//! Keeps one sink supplied: takes records from its feed in order, stores them, retries, and sorts out what is
//! refused for good. Knows neither the database nor where the feed comes from.

use super::{Sink, SinkError};
use crate::{UnixNanos, pace::Backoff, stop::stopped, wire::Record};
use std::{
    future::Future,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Records offered to a sink at once, at most.
const RECORDS_AT_ONCE: usize = 64;
/// The first wait after a failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait a database may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Why a feed cannot be read or moved on: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FeedError(pub String);

/// A sink's backlog, read in order. What is neither done nor dead is offered again, after a restart too.
pub trait Feed: Send {
    /// The oldest records that are neither done nor dead, `max` at most; the same ones until they are.
    ///
    /// # Errors
    /// When the store behind it fails.
    fn next(&mut self, max: usize) -> Result<Vec<(u64, Record)>, FeedError>;

    /// These are stored: never offer them again.
    ///
    /// # Errors
    /// When the store behind it fails.
    fn done(&mut self, ids: &[u64]) -> Result<(), FeedError>;

    /// This one is refused for good: keep `body` as a dead letter, durably, and then never offer it again.
    ///
    /// # Errors
    /// When the store behind it fails.
    fn dead(&mut self, id: u64, reason: &str, body: &[u8]) -> Result<(), FeedError>;

    /// Offers again what came at `since` or later and is still there. Says how many records that is.
    ///
    /// # Errors
    /// When the store behind it fails.
    fn again(&mut self, since: UnixNanos) -> Result<u64, FeedError>;

    /// Returns when somebody is about to read what the sink has: nothing is to gather then.
    fn asked(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Returns when [`Feed::next`] may have something new. Dropping it loses nothing.
    fn wait(&mut self) -> impl Future<Output = ()> + Send;
}

/// How a sink is doing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Health {
    /// It takes what it is offered, or nothing was offered yet.
    #[default]
    Ok,
    /// It is being retried, for this reason.
    Degraded {
        /// What was tried, why it failed, and what to do.
        reason: String,
    },
}

/// Stores what `feed` offers in `sink`, in order, until `stop` turns true (or its sender is gone).
///
/// A temporary failure keeps everything and tries again, later each time, and no sooner than the database asked;
/// `health` says why meanwhile. What is refused for good goes to the dead letters, and the rest goes on. A stop
/// interrupts a store: what was not acknowledged to the feed is offered again at the next start.
pub async fn follow<S: Sink, F: Feed>(
    mut sink: S,
    mut feed: F,
    health: watch::Sender<Health>,
    mut stop: watch::Receiver<bool>,
) {
    let mut failures: u32 = 0;
    // When the first failure was, that of a refill which is still to come, and when the last refill was: a database that fails
    // again and again gets no more than one for as long as one covers.
    let (mut failed_first, mut owed, mut refilled) = (None, None, None);
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    // When the last backlog was stored, and whether one is being stored.
    let (mut stored_last, mut behind) = (None::<Instant>, false);
    loop {
        if let Some(rest) = stored_last.and_then(|at| sink.gather().checked_sub(at.elapsed()))
            && !rest.is_zero()
        {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return leave(&mut sink, &mut feed).await,
                () = tokio::time::sleep(rest) => {}
                () = feed.asked() => {}
            }
        }
        let step = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            step = step(&mut sink, &mut feed) => step,
        };
        let wait = match step {
            Ok(stored) => {
                if failures > 0 {
                    tracing::info!(sink = sink.name(), failures, "storing again");
                    failures = 0;
                    backoff.reset();
                    owed = owed.or(failed_first);
                    failed_first = None;
                }
                if let Some(failed) = owed
                    && refilled.is_none_or(|at: Instant| at.elapsed() >= sink.refill())
                {
                    (owed, refilled) = (None, Some(Instant::now()));
                    refill(&sink, &mut feed, failed);
                }
                health.send_if_modified(|now| std::mem::take(now) != Health::Ok);
                if stored {
                    // The rest of a backlog does not wait.
                    stored_last = None;
                    behind = true;
                    continue;
                }
                if std::mem::take(&mut behind) {
                    stored_last = Some(Instant::now());
                }
                None
            }
            Err((reason, retry_after)) => {
                let wait = backoff.spread().max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER));
                // Said once for each new reason: the status carries it as long as it lasts.
                if *health.borrow() != (Health::Degraded { reason: reason.clone() }) {
                    tracing::warn!(sink = sink.name(), %reason, "cannot store; everything is kept and tried again");
                    health.send_replace(Health::Degraded { reason });
                }
                failed_first = failed_first.or_else(|| Some(UnixNanos::now()));
                failures = failures.saturating_add(1);
                Some(wait)
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return leave(&mut sink, &mut feed).await,
            () = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => feed.wait().await,
                }
            } => {}
        }
    }
}

/// What has gathered is stored first.
async fn leave<S: Sink, F: Feed>(sink: &mut S, feed: &mut F) {
    if !sink.gather().is_zero() {
        while let Ok(true) = step(sink, feed).await {}
    }
}

/// Has what came just before a failure at `failed` offered once more.
fn refill<S: Sink, F: Feed>(sink: &S, feed: &mut F, failed: UnixNanos) {
    let before = i64::try_from(sink.refill().as_nanos()).unwrap_or(i64::MAX);
    if before == 0 {
        return;
    }
    match feed.again(UnixNanos(failed.0.saturating_sub(before))) {
        Ok(0) => {}
        Ok(records) => tracing::info!(sink = sink.name(), records, "storing once more what came just before"),
        Err(error) => tracing::warn!(sink = sink.name(), %error, "cannot store once more what came just before"),
    }
}

/// Offers one slice; true if there was one. The error is what the status says, and the wait asked for.
async fn step<S: Sink, F: Feed>(sink: &mut S, feed: &mut F) -> Result<bool, (String, Option<Duration>)> {
    let broken = |error: FeedError| (error.to_string(), None);
    if sink.has_forgotten() {
        let records = feed.again(UnixNanos(i64::MIN)).map_err(broken)?;
        if records > 0 {
            tracing::warn!(sink = sink.name(), records, "it begins anew: what the spool still has is stored again");
        }
    }
    let (ids, records): (Vec<u64>, Vec<Record>) = feed.next(RECORDS_AT_ONCE).map_err(broken)?.into_iter().unzip();
    if ids.is_empty() {
        return Ok(false);
    }
    match sink.store(&records).await {
        Ok(()) => feed.done(&ids).map_err(broken)?,
        Err(SinkError::Temporary { reason, retry_after }) => return Err((reason, retry_after)),
        Err(SinkError::Refused { reason, rejected }) => {
            tracing::warn!(sink = sink.name(), records = rejected.len(), %reason, "refused; kept as dead letters");
            let mut stored = ids.clone();
            for one in &rejected {
                if let Some(&id) = ids.get(one.index) {
                    feed.dead(id, &one.reason, &one.what).map_err(broken)?;
                    stored.retain(|other| *other != id);
                }
            }
            feed.done(&stored).map_err(broken)?;
        }
    }
    Ok(true)
}
