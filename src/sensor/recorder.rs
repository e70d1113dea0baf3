//! From a closed window to the spool: appends its parts in one piece with the set of tracked stations.

use super::{
    condition::{Condition, Conditions, Part},
    counting::Counted,
    events::Events,
    known_time::{CLOCK, KnownTime},
    metrics::Figures,
};
use crate::{
    UnixNanos,
    pace::Backoff,
    run::batches::Batches,
    spool::{NewEntry, RunInfo, SharedSpool, Spool, SpoolError},
    watchdog::Beat,
    wire::{Capture, Gap, RunRange, Status},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};

/// The spool's name for the set of tracked stations.
pub const TRACKED: &str = "tracked";
/// Windows appended in one transaction, at most.
const WINDOWS_AT_ONCE: usize = 64;
/// Status says more at most this often: a fast replay closes thousands of windows a second.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Between two tries to append: the first wait, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Tries to append before the daemon gives up at a stop.
const LAST_TRIES: u32 = 3;

/// Appends what the counting thread hands over.
pub struct Recorder {
    batches: Batches,
    spool: Arc<SharedSpool>,
    known: KnownTime,
    status: watch::Sender<Status>,
    conditions: Conditions,
    events: Events,
    figures: Arc<Figures>,
    said: Option<Instant>,
}

/// Windows on their way into the spool.
#[derive(Default)]
struct Page {
    entries: Vec<NewEntry>,
    tracked: Option<Vec<u8>>,
    taken: Option<Vec<(i64, i64)>>,
    frames: u64,
}

/// Frames of a window below which nothing is said of all being bad.
const FEW: u64 = 20;

/// What the frames of a window are worth; `None` if there are too few to tell.
fn worth(capture: &Capture) -> Option<Condition> {
    if capture.bad_fcs + capture.malformed < capture.frames {
        return Some(Condition::Good);
    }
    let reason = if capture.bad_fcs >= capture.malformed { "bad_fcs" } else { "malformed" };
    (capture.frames >= FEW).then_some(Condition::Degraded(reason))
}

impl Recorder {
    /// A recorder of windows to which `batches` gives their places.
    #[must_use]
    pub fn new(
        batches: Batches,
        spool: &Arc<SharedSpool>,
        known: KnownTime,
        status: watch::Sender<Status>,
        conditions: Conditions,
        events: Events,
        figures: Arc<Figures>,
    ) -> Self {
        Self { batches, spool: Arc::clone(spool), known, status, conditions, events, figures, said: None }
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
            let mut page = Page::default();
            for counted in ready.drain(..) {
                match counted {
                    Counted::Window { closed, beside, watched, last, clock, held, taken } => {
                        self.figures.window(closed.start, closed.end, &closed.contents);
                        self.figures.flows(beside.flows.as_ref());
                        self.figures.alerts(watched.as_deref());
                        page.frames = closed.contents.capture.frames;
                        if let Some(condition) = worth(&closed.contents.capture) {
                            self.conditions.report(Part::Frames, condition);
                        }
                        page.tracked = closed.tracker.clone().or(page.tracked);
                        page.taken = (!taken.is_empty()).then_some(taken).or(page.taken);
                        for record in self.batches.records(*closed, *beside, clock, last) {
                            page.entries.push(NewEntry { held, ..NewEntry::encode(&record)? });
                        }
                    }
                    Counted::Synchronised(anchor) => {
                        self.append(std::mem::take(&mut page), &stop, &beat).await?;
                        self.known.synchronised(anchor);
                        self.release(anchor, &stop, &beat).await?;
                    }
                }
            }
            let frames = page.frames;
            self.append(page, &stop, &beat).await?;
            self.say(frames, windows.is_closed() && windows.is_empty()).await;
        }
        beat.done();
        Ok(())
    }

    async fn append(&mut self, page: Page, stop: &watch::Receiver<bool>, beat: &Beat) -> Result<(), SpoolError> {
        let taken = page.taken.map(|taken| self.known.taken(taken));
        let page = Arc::new((page.entries, page.tracked, taken));
        self.persist(stop, beat, move |spool| {
            let (entries, tracked, taken) = &*page;
            let state: Vec<(&str, &[u8])> = [(TRACKED, tracked), (CLOCK, taken)]
                .into_iter()
                .filter_map(|(key, value)| Some((key, value.as_deref()?)))
                .collect();
            spool.append(UnixNanos::now(), entries, &state).map(|appended| say_evicted(&appended.evicted))
        })
        .await
    }

    /// Lets go what was held, now that the time is known.
    async fn release(&mut self, anchor: i64, stop: &watch::Receiver<bool>, beat: &Beat) -> Result<(), SpoolError> {
        let known = self.known.clone();
        self.persist(stop, beat, move |spool| known.release(spool, anchor)).await
    }

    /// Does `work` on the spool until it succeeds.
    async fn persist(
        &self,
        stop: &watch::Receiver<bool>,
        beat: &Beat,
        work: impl Fn(&mut Spool) -> Result<(), SpoolError> + Clone + Send + 'static,
    ) -> Result<(), SpoolError> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut tries = 0;
        loop {
            let work = work.clone();
            let done = self
                .spool
                .with(move |spool| work(spool))
                .await
                .unwrap_or(Err(SpoolError::Refused("the task that writes ended early")));
            match done {
                Ok(()) => {
                    if tries > 0 {
                        self.conditions.report(Part::Spool, Condition::Good);
                        self.events.notice("spool_works", "The spool takes windows again.".into(), []);
                    }
                    self.spool.announce();
                    return Ok(());
                }
                // Trying again mends no damaged file: the next start begins a fresh one.
                Err(error) if !error.is_temporary() => return Err(error),
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
                    beat.while_waiting(tokio::time::sleep(backoff.pause())).await;
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
        let counts = self.spool.with(|spool| spool.counts()).await.and_then(Result::ok);
        let waiting = counts.map(|counts| counts.undelivered.iter().map(|(_, entries)| *entries).sum());
        let runs = runs.and_then(Result::ok).unwrap_or_default();
        // What is held cannot be asked for yet, so nobody is told of it.
        let offered: Vec<RunInfo> = runs.into_iter().filter(|run| !self.known.holds(run)).collect();
        let runs = ranges(&offered);
        let now = self.batches.run();
        let current = runs.iter().rev().find(|range| range.run == now).or(runs.last()).cloned();
        let held = self.known.is_unknown();
        self.status.send_modify(|status| {
            if held {
                (status.run, status.last_seq) = (Some(now), None);
            } else {
                status.run = current.as_ref().map(|range| range.run).or(status.run);
                status.last_seq = current.map(|range| range.last_seq).or(status.last_seq);
            }
            status.runs = runs;
            status.frames_last_window = Some(frames);
            status.waiting = waiting;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_nothing_but_bad_frames_are_no_good() {
        let of = |frames, bad_fcs, malformed| worth(&Capture { frames, bad_fcs, malformed, ..Capture::default() });
        assert_eq!(of(100, 100, 0), Some(Condition::Degraded("bad_fcs")));
        assert_eq!(of(100, 1, 99), Some(Condition::Degraded("malformed")));
        assert_eq!(of(100, 50, 49), Some(Condition::Good));
        assert_eq!((of(3, 3, 0), of(0, 0, 0)), (None, None));
    }
}
