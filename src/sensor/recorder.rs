//! From a closed window to the spool: appends its parts in one piece with the set of tracked stations.

use super::{
    batches::{Batches, Runs},
    clock::system_now,
    condition::{Condition, Conditions, Part},
    counting::Counted,
    events::Events,
};
use crate::{
    batch::{Clock, Gap},
    config::{Sensor, SourceKind},
    mqtt::{RunRange, Status},
    spool::{NewEntry, RunInfo, SharedSpool, SpoolError},
    watchdog::Beat,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// The spool's name for the set of tracked stations.
pub const TRACKED: &str = "tracked";
/// Windows appended in one transaction, at most.
const WINDOWS_AT_ONCE: usize = 64;
/// Status says more at most this often: a fast replay closes thousands of windows a second.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Tries to append before the daemon gives up at a stop.
const LAST_TRIES: u32 = 3;

/// Appends what the counting thread hands over.
pub struct Recorder {
    batches: Batches,
    spool: Arc<SharedSpool>,
    status: watch::Sender<Status>,
    conditions: Conditions,
    events: Events,
    said: Option<Instant>,
}

impl Recorder {
    /// A recorder at the first window of the first pass. `registry` is the vendor registry's hash.
    #[must_use]
    pub fn new(
        config: &Arc<Sensor>,
        registry: &str,
        runs: Runs,
        spool: &Arc<SharedSpool>,
        status: watch::Sender<Status>,
        conditions: Conditions,
        events: Events,
    ) -> Self {
        let clock = match runs {
            Runs::Fresh(_) if config.source.kind == SourceKind::Interface => Clock::System,
            _ => Clock::Capture,
        };
        let batches = Batches::new(config, registry, runs, clock);
        Self { batches, spool: Arc::clone(spool), status, conditions, events, said: None }
    }

    /// The run of the next window.
    #[must_use]
    pub fn run(&self) -> Uuid {
        self.batches.run()
    }

    /// Records every window until the counting thread is done.
    ///
    /// # Errors
    /// When the spool takes nothing any more and the daemon has been told to stop.
    pub async fn record(
        mut self,
        mut windows: mpsc::Receiver<Counted>,
        stop: watch::Receiver<bool>,
        beat: Beat,
    ) -> Result<(), SpoolError> {
        let mut ready = Vec::with_capacity(WINDOWS_AT_ONCE);
        while beat.while_waiting(windows.recv_many(&mut ready, WINDOWS_AT_ONCE)).await > 0 {
            let mut entries = Vec::new();
            let mut tracked = None;
            let mut frames = 0;
            for counted in ready.drain(..) {
                frames = counted.window.contents.capture.frames;
                tracked = counted.window.tracker.clone().or(tracked);
                self.parts(counted, &mut entries)?;
            }
            self.append(entries, tracked, &stop, &beat).await?;
            self.say(frames, windows.is_closed() && windows.is_empty()).await;
        }
        beat.done();
        Ok(())
    }

    /// Adds the parts of one window, and moves on to the next window or pass.
    fn parts(&mut self, counted: Counted, entries: &mut Vec<NewEntry>) -> Result<(), SpoolError> {
        let Counted { window, last } = counted;
        for record in self.batches.records(window, last) {
            entries.push(NewEntry::encode(&record)?);
        }
        Ok(())
    }

    async fn append(
        &self,
        entries: Vec<NewEntry>,
        tracked: Option<Vec<u8>>,
        stop: &watch::Receiver<bool>,
        beat: &Beat,
    ) -> Result<(), SpoolError> {
        let entries = Arc::new(entries);
        let mut wait = Duration::from_secs(1);
        let mut tries = 0;
        loop {
            let (these, tracked) = (Arc::clone(&entries), tracked.clone());
            let appended = self
                .spool
                .with(move |spool| {
                    let state: Vec<(&str, &[u8])> = tracked.iter().map(|bytes| (TRACKED, bytes.as_slice())).collect();
                    spool.append(system_now(), &these, &state)
                })
                .await
                .unwrap_or(Err(SpoolError::Refused("the task that writes ended early")));
            match appended {
                Ok(appended) => {
                    say_evicted(&appended.evicted);
                    if tries > 0 {
                        self.conditions.report(Part::Spool, Condition::Good);
                        self.events.notice("spool_works", "The spool takes windows again.".into(), []);
                    }
                    self.spool.announce();
                    return Ok(());
                }
                Err(error) => {
                    tries += 1;
                    tracing::error!(%error, "cannot spool a window; counting goes on, and this is tried again");
                    if *stop.borrow() && tries >= LAST_TRIES {
                        return Err(error);
                    }
                    if tries == 1 {
                        let message = "Windows cannot be spooled now and wait in memory: the sensor's log says why.";
                        self.events.warn("spool_fails", message.into(), []);
                    }
                    self.conditions.report(Part::Spool, Condition::Degraded("spool"));
                    beat.while_waiting(tokio::time::sleep(wait)).await;
                    wait = (wait * 2).min(Duration::from_secs(30));
                }
            }
        }
    }

    /// Tells the status what is in the spool now.
    async fn say(&mut self, frames: u64, at_once: bool) {
        if !at_once && self.said.is_some_and(|said| said.elapsed() < STATUS_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        let runs = self.spool.with(|spool| spool.runs()).await;
        let runs = runs.and_then(Result::ok).map(|runs| ranges(&runs)).unwrap_or_default();
        let current = runs.iter().rev().find(|range| range.run == self.batches.run()).or(runs.last()).cloned();
        self.status.send_modify(|status| {
            status.run = current.as_ref().map(|range| range.run).or(status.run);
            status.last_seq = current.map(|range| range.last_seq).or(status.last_seq);
            status.runs = runs;
            status.frames_last_window = Some(frames);
        });
    }
}

/// Says in the log what the spool had to give up.
pub fn say_evicted(gaps: &[Gap]) {
    for gap in gaps {
        tracing::error!(
            first_seq = gap.first_seq,
            last_seq = gap.last_seq,
            "the spool is full: undelivered windows were given up, and a gap recorded; \
             bring the broker back, or raise spool.max_bytes"
        );
    }
}

/// What the status says of the runs in the spool.
#[must_use]
pub fn ranges(runs: &[RunInfo]) -> Vec<RunRange> {
    runs.iter()
        .filter_map(|info| {
            Some(RunRange {
                run: info.run,
                first_seq: info.first_seq?,
                last_seq: info.last_seq?,
                finished: info.finished,
            })
        })
        .collect()
}
