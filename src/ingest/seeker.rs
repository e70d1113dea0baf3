//! Looks for missing windows: asks their sensors for them, and declares what nobody sends within the bound. The loss goes to
//! this ingest's own databases and into its status, and to nobody else.

use super::{
    hearsay::{Heard, Hearsay, Said},
    holes::{Due, Holes, Look, Overdue, SensorName},
    inbox,
    received::Received,
};
use crate::{
    UnixNanos,
    config::Sites,
    mqtt::Outgoing,
    pace::Seldom,
    spool::{Missing, SharedSpool, Spool, SpoolError},
    watchdog::Beat,
    wire::{Gap, ReplayRequest},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// How often missing windows are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Runs with missing windows that are known from before the start, at most.
const RECALLED: usize = 10_000;

/// Who looks.
pub struct Seeker {
    /// Whether sensors are asked.
    pub asks: bool,
    /// What is missing for so long is declared lost.
    pub patience: Duration,
    /// This ingest's name.
    pub name: String,
    /// Whose windows are missed here, whatever the ledger remembers of others.
    pub sites: Sites,
    /// Where the ledger is, and what is declared goes.
    pub spool: Arc<SharedSpool>,
    /// What is not on disk yet.
    pub received: Arc<Received>,
    /// What sensors say that they have.
    pub hearsay: Arc<Hearsay>,
    /// What is missing of it.
    pub holes: Arc<Mutex<Holes>>,
    /// Where requests go.
    pub requests: mpsc::Sender<Outgoing>,
    /// How many windows are declared missing here.
    pub missing: watch::Sender<u64>,
}

/// What the log has said.
#[derive(Default)]
struct Told {
    requests: Seldom,
    untold_requests: usize,
    gaps: Seldom,
    untold_gaps: usize,
    failed: Seldom,
    unbelieved: Seldom,
}

impl Seeker {
    /// Looks for ever.
    pub async fn seek(self, beat: Beat) {
        self.recall().await;
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut told = Told::default();
        loop {
            beat.while_waiting(look.tick()).await;
            let (due, unbelieved) = beat.while_waiting(self.look()).await;
            told.unbelieved(unbelieved);
            if !due.overdue.is_empty() {
                beat.while_waiting(self.declare(due.overdue, &mut told)).await;
            }
            self.ask(due.requests, &mut told);
        }
    }

    /// Takes up what the ledger knows of runs whose sensors may never be heard of again.
    async fn recall(&self) {
        let runs = self.spool.with(|spool| spool.incomplete_runs(RECALLED)).await;
        let (now, time) = (Instant::now(), UnixNanos::now());
        let mut holes = self.holes.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = runs.and_then(Result::ok).unwrap_or_default().into_iter();
        for (site, sensor, run, last_seq) in runs.filter(|(site, ..)| self.sites.contains(site)) {
            holes.recall(now, &(site, sensor), run, last_seq, time);
        }
    }

    /// What is due; and a sensor with a run and a window of it that are not believed.
    async fn look(&self) -> (Due, Option<(SensorName, Uuid, u64)>) {
        let (spool, holes) = (Arc::clone(&self.spool), Arc::clone(&self.holes));
        let received = Arc::clone(&self.received);
        let Said { statuses, queue_lost } = self.hearsay.take();
        let look = Look { room: self.requests.capacity(), asks: self.asks, patience: self.patience };
        let due = tokio::task::spawn_blocking(move || {
            let mut holes = holes.lock().unwrap_or_else(PoisonError::into_inner);
            let mut unbelieved = None;
            for Heard { at, sensor, time, status } in statuses {
                if let Some((run, last_seq)) = holes.heard(at, &sensor, time, &status) {
                    unbelieved = Some((sensor, run, last_seq));
                }
            }
            if let Some(at) = queue_lost {
                holes.queue_lost(at);
            }
            let due = holes.due(Instant::now(), look, |sensor, run, last_seq| {
                inbox::missing(&spool, &received, sensor, run, last_seq)
            });
            (due, unbelieved)
        });
        due.await.unwrap_or_default()
    }

    async fn declare(&self, overdue: Vec<Overdue>, told: &mut Told) {
        let name = self.name.clone();
        let declared = self.spool.with(move |spool| declare(spool, &name, overdue)).await;
        match declared {
            Some(Ok((gaps, missing))) => {
                self.spool.announce();
                self.missing.send_replace(missing);
                told.gaps(&gaps);
            }
            Some(Err(error)) if told.failed.due(Instant::now()).is_some() => {
                tracing::error!(%error, "cannot declare windows that are missing; it is tried again");
            }
            _ => {}
        }
    }

    fn ask(&self, requests: Vec<(SensorName, ReplayRequest)>, told: &mut Told) {
        told.requests(&requests);
        for ((site, sensor), body) in requests {
            tracing::debug!(
                site, sensor, run = %body.run, first_seq = body.first_seq, last_seq = body.last_seq,
                "asking for missing windows"
            );
            // There was room for all of them.
            let _ = self.requests.try_send(Outgoing::Replay { site, sensor, body });
        }
    }
}

/// Declares what is still missing. Gives the gaps, and how many windows are declared missing now.
fn declare(spool: &mut Spool, name: &str, overdue: Vec<Overdue>) -> Result<(Vec<Gap>, u64), SpoolError> {
    let mut lost = Vec::with_capacity(overdue.len());
    for Overdue { sensor: (site, sensor), run, first_seq, last_seq, said: heard } in overdue {
        // Some of it may have come since the look.
        let missing = spool.holes(&site, &sensor, run, last_seq, usize::MAX)?;
        if missing.iter().any(|&(first, last)| first <= first_seq && last_seq <= last) {
            lost.push(Missing { site, sensor, run, first_seq, last_seq, heard });
        }
    }
    let gaps = spool.declare_missing(UnixNanos::now(), name, &lost)?;
    Ok((gaps, spool.declared_missing()?))
}

impl Told {
    fn unbelieved(&mut self, what: Option<(SensorName, Uuid, u64)>) {
        if let Some(((site, sensor), run, last_seq)) = what
            && self.unbelieved.due(Instant::now()).is_some()
        {
            tracing::warn!(site, sensor, %run, last_seq, "its status is not believed: a run has no such window");
        }
    }

    fn requests(&mut self, requests: &[(SensorName, ReplayRequest)]) {
        self.untold_requests += requests.len();
        if let Some(((site, sensor), request)) = requests.first()
            && self.requests.due(Instant::now()).is_some()
        {
            tracing::info!(
                requests = std::mem::take(&mut self.untold_requests), site, sensor, run = %request.run,
                first_seq = request.first_seq, last_seq = request.last_seq,
                "windows are missing: asking for them; the first of the requests is named"
            );
        }
    }

    fn gaps(&mut self, gaps: &[Gap]) {
        self.untold_gaps += gaps.len();
        if let Some(gap) = gaps.first()
            && self.gaps.due(Instant::now()).is_some()
        {
            tracing::error!(
                gaps = std::mem::take(&mut self.untold_gaps), site = gap.site, sensor = gap.sensor, run = %gap.run,
                first_seq = gap.first_seq, last_seq = gap.last_seq,
                "windows are missing, and nobody sends them or declares them lost: they are recorded as a gap; the first of \
                 the gaps is named"
            );
        }
    }
}
