//! Keeps one sink supplied: takes records from its feed in order, stores them, retries, and sorts out what is
//! refused for good. Knows neither the database nor where the feed comes from.

use super::{Sink, SinkError, refill::Refill};
use crate::{pace::Backoff, stop::stopped, wire::Record};
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
/// So long after the last store the sink is asked once whether the database still has it: VictoriaMetrics has written to disk
/// by then what it took.
const LOOK_AFTER: Duration = Duration::from_secs(10);

/// Why a feed cannot be read or moved on: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FeedError(pub String);

/// What is to be offered once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// All that there is.
    All,
    /// What came within so long before the newest record.
    Last(Duration),
    /// The records with these numbers, both included.
    Numbers(u64, u64),
}

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

    /// Offers again what is still there of that. Says how many records that is.
    ///
    /// # Errors
    /// When the store behind it fails.
    fn again(&mut self, what: Again) -> Result<u64, FeedError>;

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
    let mut refill = Refill::new(sink.refill());
    // Both may have ended together: then nobody knows what the database has kept.
    offer_last(&sink, &mut feed);
    // Whether the database has still to be asked if it has what it took last.
    let mut looks = false;
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
        let well = refill.stored_last();
        let step = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            step = step(&mut sink, &mut feed, &mut refill) => step,
        };
        let look_in = well.map_or(Duration::ZERO, |well| LOOK_AFTER.saturating_sub(well.elapsed()));
        let step = match step {
            Ok(false) if looks && look_in.is_zero() => tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                looked = sink.look() => looked.map_err(told).map(|()| looks = false).map(|()| false),
            },
            other => other,
        };
        if sink.has_restarted() {
            tracing::info!(sink = sink.name(), "the database was started anew");
            refill.failed(well.unwrap_or_else(Instant::now));
        }
        let wait = match step {
            Ok(stored) => {
                if failures > 0 {
                    tracing::info!(sink = sink.name(), failures, "storing again");
                    failures = 0;
                    backoff.reset();
                }
                let offered = offer_again(&sink, &mut feed, refill.due(Instant::now()));
                health.send_if_modified(|now| std::mem::take(now) != Health::Ok);
                if stored || offered {
                    // The rest of a backlog does not wait.
                    stored_last = None;
                    behind = true;
                    looks = !sink.refill().is_zero();
                    continue;
                }
                if std::mem::take(&mut behind) {
                    stored_last = Some(Instant::now());
                }
                let look_in = looks.then(|| look_in.max(FIRST_WAIT));
                [look_in, refill.wait(Instant::now())].into_iter().flatten().min().map(Wait::ForNews)
            }
            Err((reason, retry_after)) => {
                let wait = backoff.spread().max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER));
                // Said once for each new reason: the status carries it as long as it lasts.
                if *health.borrow() != (Health::Degraded { reason: reason.clone() }) {
                    tracing::warn!(sink = sink.name(), %reason, "cannot store; everything is kept and tried again");
                    health.send_replace(Health::Degraded { reason });
                }
                if failures == 0 {
                    refill.failed(well.unwrap_or_else(Instant::now));
                }
                failures = failures.saturating_add(1);
                Some(Wait::ForCalm(wait))
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return leave(&mut sink, &mut feed).await,
            () = async {
                match wait {
                    Some(Wait::ForCalm(wait)) => tokio::time::sleep(wait).await,
                    Some(Wait::ForNews(wait)) => drop(tokio::time::timeout(wait, feed.wait()).await),
                    None => feed.wait().await,
                }
            } => {}
        }
    }
}

/// What is waited for before the next try.
enum Wait {
    /// So long, whatever comes.
    ForCalm(Duration),
    /// So long, or until there is something new.
    ForNews(Duration),
}

/// What has gathered is stored first.
async fn leave<S: Sink, F: Feed>(sink: &mut S, feed: &mut F) {
    if !sink.gather().is_zero() {
        let mut refill = Refill::new(Duration::ZERO);
        while let Ok(true) = step(sink, feed, &mut refill).await {}
    }
}

/// Has what came last offered once more.
fn offer_last<S: Sink, F: Feed>(sink: &S, feed: &mut F) {
    if !sink.refill().is_zero() {
        said(sink, feed.again(Again::Last(sink.refill())));
    }
}

/// Has these offered once more, and says whether there is anything of them.
fn offer_again<S: Sink, F: Feed>(sink: &S, feed: &mut F, ranges: Vec<(u64, u64)>) -> bool {
    let mut sum = Ok(0_u64);
    for (first, last) in ranges {
        sum = sum.and_then(|sum| Ok(sum.saturating_add(feed.again(Again::Numbers(first, last))?)));
    }
    said(sink, sum)
}

fn said<S: Sink>(sink: &S, offered: Result<u64, FeedError>) -> bool {
    match offered {
        Ok(0) => false,
        Ok(records) => {
            tracing::info!(sink = sink.name(), records, "storing once more what the database may have lost");
            true
        }
        Err(error) => {
            tracing::warn!(sink = sink.name(), %error, "cannot store once more what the database may have lost");
            false
        }
    }
}

/// The reason for the status, and the wait asked for.
fn told(error: SinkError) -> (String, Option<Duration>) {
    match error {
        SinkError::Temporary { reason, retry_after } => (reason, retry_after),
        SinkError::Refused { reason, .. } => (reason, None),
    }
}

/// Offers one slice; true if there was one. The error is what the status says, and the wait asked for.
async fn step<S: Sink, F: Feed>(
    sink: &mut S,
    feed: &mut F,
    refill: &mut Refill,
) -> Result<bool, (String, Option<Duration>)> {
    let broken = |error: FeedError| (error.to_string(), None);
    if sink.has_forgotten() {
        let records = feed.again(Again::All).map_err(broken)?;
        if records > 0 {
            tracing::warn!(sink = sink.name(), records, "it begins anew: what the spool still has is stored again");
        }
    }
    let (ids, records): (Vec<u64>, Vec<Record>) = feed.next(RECORDS_AT_ONCE).map_err(broken)?.into_iter().unzip();
    if ids.is_empty() {
        return Ok(false);
    }
    match sink.store(&records).await {
        Ok(()) => {
            feed.done(&ids).map_err(broken)?;
            refill.stored(&ids, Instant::now());
        }
        Err(error @ SinkError::Temporary { .. }) => return Err(told(error)),
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
            refill.stored(&stored, Instant::now());
        }
    }
    Ok(true)
}
