//! From a closed window to the spool: gives it its identity, splits it into parts, and appends them in one piece with
//! the set of tracked stations.

use super::{clock::system_now, counting::Counted, run};
use crate::{
    batch::{Clock, Gap, Identity, Record, split},
    config::Sensor,
    mqtt::{RunRange, State, Status},
    spool::{NewEntry, RunInfo, SharedSpool, SpoolError},
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
/// Room in a message for the topic and properties beside the batch.
const ENVELOPE: u64 = 1024;
/// Tries to append before the daemon gives up at a stop.
const LAST_TRIES: u32 = 3;

/// Which run each pass over the source is.
#[derive(Clone, Debug)]
pub enum Runs {
    /// The one run of an interface or standard input.
    Fresh(Uuid),
    /// A file's: one a pass.
    File(run::ContentHash),
}

/// Appends what the counting thread hands over.
pub struct Recorder {
    config: Arc<Sensor>,
    registry: String,
    runs: Runs,
    clock: Clock,
    spool: Arc<SharedSpool>,
    status: watch::Sender<Status>,
    pass: u64,
    run: Uuid,
    seq: u64,
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
    ) -> Self {
        let clock = match runs {
            Runs::Fresh(_) if config.source.kind == crate::config::SourceKind::Interface => Clock::System,
            _ => Clock::Capture,
        };
        let mut recorder = Self {
            config: Arc::clone(config),
            registry: registry.to_owned(),
            runs,
            clock,
            spool: Arc::clone(spool),
            status,
            pass: 0,
            run: Uuid::nil(),
            seq: 0,
            said: None,
        };
        recorder.run = recorder.run_of_pass();
        recorder
    }

    fn run_of_pass(&self) -> Uuid {
        match self.runs {
            Runs::Fresh(run) => run,
            Runs::File(content) => run::of_file(content, &self.config, &self.registry, self.pass),
        }
    }

    /// The run of the next window.
    #[must_use]
    pub fn run(&self) -> Uuid {
        self.run
    }

    /// Records every window until the counting thread is done.
    ///
    /// # Errors
    /// When the spool takes nothing any more and the daemon has been told to stop.
    pub async fn record(
        mut self,
        mut windows: mpsc::Receiver<Counted>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), SpoolError> {
        let mut ready = Vec::with_capacity(WINDOWS_AT_ONCE);
        while windows.recv_many(&mut ready, WINDOWS_AT_ONCE).await > 0 {
            let mut entries = Vec::new();
            let mut tracked = None;
            let mut frames = 0;
            for counted in ready.drain(..) {
                frames = counted.window.contents.capture.frames;
                tracked = counted.window.tracker.clone().or(tracked);
                self.parts(counted, &mut entries)?;
            }
            self.append(entries, tracked, &stop).await?;
            self.say(frames, windows.is_closed() && windows.is_empty()).await;
        }
        Ok(())
    }

    /// Adds the parts of one window, and moves on to the next window or pass.
    fn parts(&mut self, counted: Counted, entries: &mut Vec<NewEntry>) -> Result<(), SpoolError> {
        let identity = Identity {
            site: self.config.site.clone(),
            sensor: self.config.sensor.clone(),
            run: self.run,
            seq: self.seq,
        };
        let room = usize::try_from(self.config.mqtt.max_message.0.saturating_sub(ENVELOPE)).unwrap_or(usize::MAX);
        let Counted { window, last } = counted;
        for batch in split(&identity, window.start, window.end, self.clock, last, window.contents, room) {
            entries.push(NewEntry::encode(&Record::Batch(Box::new(batch)))?);
        }
        self.seq += 1;
        if last {
            self.pass += 1;
            self.seq = 0;
            self.run = self.run_of_pass();
        }
        Ok(())
    }

    async fn append(
        &self,
        entries: Vec<NewEntry>,
        tracked: Option<Vec<u8>>,
        stop: &watch::Receiver<bool>,
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
                        self.degrade(None);
                        tracing::info!("the spool takes windows again");
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
                    self.degrade(Some("spool"));
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(30));
                }
            }
        }
    }

    fn degrade(&self, reason: Option<&str>) {
        self.status.send_modify(|status| {
            status.state = if reason.is_some() { State::Degraded } else { State::Online };
            status.reason = reason.map(str::to_owned);
        });
    }

    /// Tells the status what is in the spool now.
    async fn say(&mut self, frames: u64, at_once: bool) {
        if !at_once && self.said.is_some_and(|said| said.elapsed() < STATUS_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        let runs = self.spool.with(|spool| spool.runs()).await;
        let runs = runs.and_then(Result::ok).map(|runs| ranges(&runs)).unwrap_or_default();
        let current = runs.iter().rev().find(|range| range.run == self.run).or(runs.last()).cloned();
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
