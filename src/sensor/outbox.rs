//! What the publisher reads: the spool, through the cursor of the broker.

use crate::{
    UnixNanos,
    mqtt::{Offer, OfferKind, Outbox, OutboxError},
    spool::{Entry, EntryKind, NewEntry, SharedSpool, Spool, SpoolError, Want},
    wire::{
        ALERT_SCHEMA, BATCH_SCHEMA, FLOW_SCHEMA, GAP_SCHEMA, Gap, GapReason, IngestStatus, Record, ReplayAnswer,
        ReplayRequest, STAMPING, Stored,
    },
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

/// The spool's name for the broker.
pub const BROKER: &str = "mqtt";
/// Ingests kept in mind, at most.
const MOST_INGESTS: usize = 64;
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
    /// The ingests that are there and say when they have all of a run.
    ingests: std::sync::Mutex<BTreeSet<String>>,
    /// The last run of which an ingest said so, and its last window.
    stored: std::sync::Mutex<Option<(Uuid, u64)>>,
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
            ingests: std::sync::Mutex::default(),
            stored: std::sync::Mutex::default(),
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

    /// Whether an ingest is there that will say when it has all of a run.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        !self.ingests.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether an ingest has said that it has all of `run`, up to `last_seq`.
    #[must_use]
    pub fn is_stored(&self, run: Uuid, last_seq: u64) -> bool {
        let stored = *self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.is_some_and(|(of, last)| of == run && last >= last_seq)
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
        EntryKind::Gap(_) => (OfferKind::Gap, GAP_SCHEMA),
        EntryKind::Batch => (OfferKind::Batch, BATCH_SCHEMA),
        EntryKind::Flows => (OfferKind::Flows, FLOW_SCHEMA),
        EntryKind::Alerts => (OfferKind::Alerts, ALERT_SCHEMA),
    };
    Offer { id: entry.id, kind, run: entry.key.run, seq: entry.key.seq, part: entry.key.part, schema, body: entry.body }
}

/// Offers a stored range again, and declares what of it is gone. Only windows that were counted can be gone: what a
/// request says of other runs, or of windows past a run's newest one, is answered and declares nothing.
fn replay(spool: &mut Spool, site: &str, sensor: &str, request: &ReplayRequest) -> Result<ReplayAnswer, SpoolError> {
    let now = UnixNanos::now();
    let Some(known) = spool.runs()?.into_iter().find(|info| info.run == request.run) else {
        return Ok(ReplayAnswer::failed(Some(request), "this sensor remembers no such run"));
    };
    let Some(newest) = known.last_seq else {
        return Ok(ReplayAnswer::failed(Some(request), "no window of that run is complete yet"));
    };
    if request.first_seq > newest {
        let error = format!("the newest window of that run is {newest}");
        return Ok(ReplayAnswer::failed(Some(request), error));
    }
    let offered = spool.offer_again(BROKER, request.run, request.first_seq, request.last_seq)?;
    let until = known.last_end;
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
                stamping: Some(STAMPING),
                ingest: None,
                withdrawn: false,
            }))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if !gaps.is_empty() {
        spool.append(now, &gaps, &[])?;
    }
    let beyond = request.last_seq > newest;
    let error = beyond.then(|| format!("the newest window of that run is {newest}: it was answered up to there"));
    Ok(ReplayAnswer { error, ..ReplayAnswer::done(request, offered.windows, offered.missing) })
}

impl Outbox for SpoolOutbox {
    async fn next(&self, kind: OfferKind, after: u64, max: usize) -> Result<Vec<Offer>, OutboxError> {
        let want = match kind {
            OfferKind::Batch => Want::Batches,
            OfferKind::Flows => Want::Flows,
            OfferKind::Alerts => Want::Alerts,
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

    fn stored(&self, stored: Stored) {
        if (&stored.site, &stored.sensor) == (&self.site, &self.sensor) {
            *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = Some((stored.run, stored.last_seq));
            self.moved();
        }
    }

    fn ingest(&self, status: IngestStatus) {
        let mut ingests = self.ingests.lock().unwrap_or_else(PoisonError::into_inner);
        if !status.confirms(&self.site) {
            ingests.remove(&status.name);
        } else if ingests.len() < MOST_INGESTS {
            ingests.insert(status.name);
        }
        drop(ingests);
        self.moved();
    }
}

fn ended() -> OutboxError {
    OutboxError("the spool's task ended".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]
    use super::*;
    use crate::spool::Settings;
    use proptest::prelude::*;
    use std::{path::Path, time::Duration};

    const RUN: Uuid = Uuid::from_u128(7);
    const BEGUN: Uuid = Uuid::from_u128(8);

    /// A spool with windows 0, 1 and 4 of one run, and the beginning of another.
    fn spool(dir: &Path) -> Spool {
        let settings = Settings {
            runtime_dir: None,
            state_dir: dir.to_owned(),
            max_bytes: 8 << 20,
            age_out: Duration::from_secs(60),
            durable: false,
            ledger: false,
            privacy: None,
            readers: vec![BROKER.to_owned()],
        };
        let (mut spool, _) = Spool::open(UnixNanos(0), settings).unwrap();
        spool.begin_run(UnixNanos(0), "home", "attic", BEGUN, None).unwrap();
        for seq in [0, 1, 4] {
            let window = NewEntry {
                kind: EntryKind::Batch,
                key: crate::spool::Key { site: "home".into(), sensor: "attic".into(), run: RUN, seq, part: 0 },
                parts: 1,
                last_seq: None,
                start: UnixNanos(0),
                end: UnixNanos(10),
                frames: 1,
                last: false,
                held: None,
                body: b"{}".to_vec(),
            };
            spool.append(UnixNanos(0), &[window], &[]).unwrap();
        }
        spool
    }

    fn ask(spool: &mut Spool, run: Uuid, first_seq: u64, last_seq: u64) -> ReplayAnswer {
        replay(spool, "home", "attic", &ReplayRequest { run, first_seq, last_seq, id: None }).unwrap()
    }

    /// The gaps stored, as ranges.
    fn gaps(spool: &mut Spool) -> Vec<(u64, u64)> {
        let gaps = spool.pending(BROKER, Want::Gaps, 0, 1_000, usize::MAX).unwrap();
        let range = |entry: Entry| match Record::decode(&entry.body).unwrap() {
            Record::Gap(gap) => (gap.first_seq, gap.last_seq.unwrap()),
            other => panic!("{other:?}"),
        };
        gaps.into_iter().map(range).collect()
    }

    #[test]
    fn what_is_gone_is_declared_and_what_never_was_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = spool(dir.path());
        let answer = ask(&mut spool, RUN, 0, u64::MAX);
        assert_eq!((answer.offered, answer.missing, gaps(&mut spool)), (3, vec![(2, 3)], vec![(2, 3)]));
        assert!(answer.error.is_some_and(|error| error.contains("newest window of that run is 4")));
        let answer = ask(&mut spool, RUN, 0, 4);
        assert_eq!((answer.offered, answer.error), (3, None));
        for (run, first, last, said) in [
            (RUN, 5, 5, "newest window of that run is 4"),
            (RUN, u64::MAX, u64::MAX, "newest window of that run is 4"),
            (BEGUN, 0, u64::MAX, "no window of that run"),
            (Uuid::from_u128(99), 0, 0, "no such run"),
            (Uuid::from_u128(99), 0, u64::MAX, "no such run"),
        ] {
            let answer = ask(&mut spool, run, first, last);
            assert_eq!((answer.offered, answer.missing), (0, Vec::new()));
            assert!(answer.error.is_some_and(|error| error.contains(said)), "{run} {first} {last}");
        }
        assert!(gaps(&mut spool).iter().all(|range| *range == (2, 3)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn no_request_makes_a_gap_of_windows_that_never_were(
            asked in prop::collection::vec((7u128..10, prop_oneof![0u64..8, any::<u64>()], prop_oneof![0u64..8, any::<u64>()]), 1..6),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut spool = spool(dir.path());
            for (run, first, last) in asked {
                ask(&mut spool, Uuid::from_u128(run), first, last);
            }
            for (first, last) in gaps(&mut spool) {
                prop_assert!(2 <= first && first <= last && last <= 3, "{} to {}", first, last);
            }
        }
    }
}
