//! The hot path over a capture: one thread that takes frames from the source, parses and counts them, and hands over
//! closed windows. `listening` is the same over an interface.

use crate::{
    UnixNanos,
    capture::{CaptureError, Packet, Polled, Source, survey::Survey},
    config::Pace,
    dot11::{self, Reading, Verdict},
    oui::Registry,
    spool::Held,
    tally::{Closed, Counter, KeyError},
    watchdog::Beat,
    wire::Clock,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{self, error::TrySendError};

/// How long to wait before the async side is asked again whether it has room for a window.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// What the counting thread hands over, in this order.
#[derive(Debug)]
pub enum Counted {
    /// A window has ended.
    Window {
        /// What was counted.
        closed: Box<Closed>,
        /// Whether it is the last of a run that ends cleanly.
        last: bool,
        /// Where its times come from.
        clock: Clock,
        /// Set where it must wait for the time to be known.
        held: Option<Held>,
        /// Time that has had its windows, this one included.
        taken: Vec<(i64, i64)>,
    },
    /// The time is known now: this is the system clock less the time since boot, in nanoseconds. What was held goes out.
    Synchronised(i64),
}

/// Why counting ended early.
#[derive(Debug, thiserror::Error)]
pub enum CountingError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] CaptureError),
    /// The count could not be kept private.
    #[error(transparent)]
    Count(#[from] KeyError),
}

/// What the thread and its keepers share.
#[derive(Default)]
pub struct Signals {
    /// Set once: end the run, close the open window.
    pub stop: AtomicBool,
    /// Goes up each time that the thread has looked at its source: while it stands still the thread is blocked.
    pub beat: Beat,
    /// A vendor registry that replaces the one in use, from the next window on.
    pub registry: Mutex<Option<Arc<Registry>>>,
}

/// Counts one run over a capture: until the source ends or fails, or `signals.stop` is set. The open window is closed
/// and handed over as the last in each case.
///
/// # Errors
/// When the source fails; what was counted before is handed over all the same.
pub fn count(
    source: &mut Source,
    counter: &mut Counter,
    pace: Pace,
    signals: &Arc<Signals>,
    windows: &mpsc::Sender<Counted>,
) -> Result<(), CountingError> {
    let survey = Survey::begin(source);
    let verdict = survey.verdict();
    verdict.warnings().iter().for_each(|warning| tracing::warn!("the capture is not what it says: {warning}"));
    let mut sheet = Sheet { counter, windows, signals, failure: None, verdict };
    let ended = take(source, survey, &mut sheet, pace);
    if let Some(window) = sheet.counter.finish(None) {
        sheet.hand_over(window, true);
    }
    ended
}

fn take(source: &mut Source, survey: Survey, sheet: &mut Sheet<'_>, pace: Pace) -> Result<(), CountingError> {
    let mut pacer = Pacer::default();
    let mut survey = Some(survey);
    loop {
        let mut count = |packet: Packet<'_>| {
            if pace == Pace::Recorded {
                pacer.wait_for(packet.time, sheet.signals);
            }
            sheet.frame(packet.time, &packet);
        };
        let polled = match survey.take() {
            Some(survey) => survey.replay(&mut count),
            None => source.poll(&mut count),
        }?;
        sheet.signals.beat.mark();
        if let Some(failure) = sheet.failure.take() {
            return Err(failure.into());
        }
        if polled == Polled::End || sheet.is_stopped() {
            return Ok(());
        }
    }
}

/// The counter and where its windows go.
struct Sheet<'a> {
    counter: &'a mut Counter,
    windows: &'a mpsc::Sender<Counted>,
    signals: &'a Signals,
    failure: Option<KeyError>,
    verdict: Verdict,
}

impl Sheet<'_> {
    fn is_stopped(&self) -> bool {
        self.signals.stop.load(Ordering::Relaxed)
    }

    #[inline]
    fn frame(&mut self, time: UnixNanos, packet: &Packet<'_>) {
        if self.failure.is_some() || self.is_stopped() {
            return;
        }
        let reading = Reading { told: packet.told, verdict: self.verdict };
        let facts = dot11::parse_as(packet.link, packet.data, packet.original_len, reading);
        match self.counter.packet(time, &facts, packet.original_len) {
            Ok(None) => {}
            Ok(Some(window)) => self.hand_over(window, false),
            Err(error) => self.failure = Some(error),
        }
    }

    fn hand_over(&self, closed: Closed, last: bool) {
        let (closed, clock) = (Box::new(closed), Clock::Capture);
        let counted = Counted::Window { closed, last, clock, held: None, taken: Vec::new() };
        hand_over(counted, self.windows, self.signals);
    }
}

/// Waits while the async side is behind: then the kernel's buffer holds frames, and its drops are counted.
pub fn hand_over(mut counted: Counted, windows: &mpsc::Sender<Counted>, signals: &Signals) {
    // Closed means that the other side is gone, which it is only when the whole program ends.
    while let Err(TrySendError::Full(back)) = windows.try_send(counted) {
        counted = back;
        signals.beat.mark();
        thread::sleep(FULL_PAUSE);
    }
}

/// Replays a file with the pauses of its own time stamps.
#[derive(Default)]
struct Pacer {
    /// The first frame's stamp, and when it was replayed.
    origin: Option<(UnixNanos, Instant)>,
}

impl Pacer {
    /// Sleeps until a frame stamped `time` is due, in short steps so that a stop is noticed.
    fn wait_for(&mut self, time: UnixNanos, signals: &Signals) {
        let (first, began) = *self.origin.get_or_insert_with(|| (time, Instant::now()));
        let due = time.saturating_since(first);
        while let Some(rest) = due.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) {
            if signals.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(rest.min(Duration::from_millis(100)));
            signals.beat.mark();
        }
    }
}
