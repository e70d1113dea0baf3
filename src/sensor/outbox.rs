//! What the publisher reads: the spool, through the cursor of the broker.

use crate::{
    UnixNanos,
    mqtt::{Offer, OfferKind, Outbox, OutboxError},
    spool::{Entry, Kind, NewEntry, SharedSpool, Spool, SpoolError, Want},
    wire::{BATCH_SCHEMA, GAP_SCHEMA, Gap, GapReason, Record, ReplayAnswer, ReplayRequest},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Mutex, watch};

/// The spool's name for the broker.
pub const BROKER: &str = "mqtt";
/// Octets of records read from the spool at once, at most.
const BYTES_AT_ONCE: usize = 4 << 20;

/// The spool as the publisher sees it.
pub struct SpoolOutbox {
    site: String,
    sensor: String,
    spool: Arc<SharedSpool>,
    /// Changes whenever something was delivered, asked for again, or a connection began.
    progress: watch::Sender<Instant>,
    connections: AtomicU64,
    appended: Mutex<watch::Receiver<u64>>,
}

impl SpoolOutbox {
    /// The outbox of one sensor.
    #[must_use]
    pub fn new(site: &str, sensor: &str, spool: &Arc<SharedSpool>) -> Arc<Self> {
        Arc::new(Self {
            site: site.to_owned(),
            sensor: sensor.to_owned(),
            spool: Arc::clone(spool),
            progress: watch::Sender::new(Instant::now()),
            connections: AtomicU64::new(0),
            appended: Mutex::new(spool.announcements()),
        })
    }

    /// When something last was delivered, asked for again, or a connection began.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Instant> {
        self.progress.subscribe()
    }

    /// How many connections to the broker there have been.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    fn moved(&self) {
        self.progress.send_replace(Instant::now());
    }
}

fn failed(error: SpoolError) -> OutboxError {
    OutboxError(error.to_string())
}

fn offer(entry: Entry) -> Offer {
    let (kind, schema) = match entry.kind {
        Kind::Batch => (OfferKind::Batch, BATCH_SCHEMA),
        Kind::Gap(_) => (OfferKind::Gap, GAP_SCHEMA),
    };
    Offer { id: entry.id, kind, run: entry.key.run, seq: entry.key.seq, part: entry.key.part, schema, body: entry.body }
}

/// Offers a stored range again, and declares what of it is gone.
fn replay(spool: &mut Spool, site: &str, sensor: &str, request: &ReplayRequest) -> Result<ReplayAnswer, SpoolError> {
    let now = UnixNanos::now();
    // What nobody has counted yet is not missing: a request past the run's end says nothing about it.
    let known = spool.runs()?.into_iter().find(|info| info.run == request.run);
    let last = match known.as_ref().and_then(|info| info.last_seq) {
        Some(last) => request.last_seq.min(last),
        None => request.last_seq,
    };
    if last < request.first_seq {
        return Ok(ReplayAnswer::done(request, 0, Vec::new()));
    }
    let offered = spool.offer_again(BROKER, request.run, request.first_seq, last)?;
    // Of a run that nobody remembers, this moment is all there is to say.
    let until = known.map_or(now, |info| info.last_end);
    let gaps = offered
        .missing
        .iter()
        .map(|&(first_seq, last_seq)| {
            NewEntry::encode(&Record::Gap(Gap {
                schema: GAP_SCHEMA.to_owned(),
                site: site.to_owned(),
                sensor: sensor.to_owned(),
                run: request.run,
                reason: GapReason::Unavailable,
                first_seq,
                last_seq: Some(last_seq),
                start: until,
                end: until,
                frames: None,
                detail: None,
            }))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if !gaps.is_empty() {
        spool.append(now, &gaps, &[])?;
    }
    Ok(ReplayAnswer::done(request, offered.windows, offered.missing))
}

impl Outbox for SpoolOutbox {
    async fn next(&self, kind: OfferKind, after: u64, max: usize) -> Result<Vec<Offer>, OutboxError> {
        let want = match kind {
            OfferKind::Batch => Want::Batches,
            OfferKind::Gap => Want::Gaps,
        };
        let entries = self
            .spool
            .with(move |spool| spool.pending(BROKER, want, after, max, BYTES_AT_ONCE))
            .await
            .ok_or_else(ended)?
            .map_err(failed)?;
        Ok(entries.into_iter().map(offer).collect())
    }

    async fn delivered(&self, ids: Vec<u64>) -> Result<(), OutboxError> {
        self.spool.with(move |spool| spool.acknowledge(BROKER, &ids)).await.ok_or_else(ended)?.map_err(failed)?;
        self.moved();
        Ok(())
    }

    async fn changed(&self) {
        let mut appended = self.appended.lock().await;
        // An error means that the spool's keeper is gone: the daemon is stopping.
        if appended.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn replay(&self, request: ReplayRequest) -> Result<ReplayAnswer, OutboxError> {
        let (site, sensor) = (self.site.clone(), self.sensor.clone());
        let (told, progress) = (Arc::clone(&self.spool), self.progress.clone());
        self.spool
            .with(move |spool| {
                let answer = replay(spool, &site, &sensor, &request);
                // Here, for whoever asked may have gone meanwhile.
                progress.send_replace(Instant::now());
                told.announce();
                answer
            })
            .await
            .ok_or_else(ended)?
            .map_err(failed)
    }

    fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.moved();
    }
}

fn ended() -> OutboxError {
    OutboxError("the spool's task ended".into())
}
