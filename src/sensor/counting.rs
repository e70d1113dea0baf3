//! The hot path: one thread that takes frames from the source, parses and counts them, and hands over closed windows.

use super::clock::SensorClock;
use crate::{
    UnixNanos,
    capture::{CaptureError, Polled, Source},
    config::Pace,
    dot11,
    oui::Registry,
    tally::{Closed, Counter, KeyError},
    watchdog::Beat,
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

/// A frame can reach us this long after its time stamp, by the kernel's own batching: a live window stays open as long.
const GRACE: Duration = Duration::from_millis(500);

/// How long to wait before the async side is asked again whether it has room for a window.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// A closed window, and whether it is the run's last.
#[derive(Debug)]
pub struct Counted {
    /// What was counted.
    pub window: Closed,
    /// Set on the last window of a run that ends cleanly.
    pub last: bool,
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

/// How a run's time passes.
#[derive(Clone, Copy, Debug)]
pub enum Timing {
    /// By the clock: frames carry the kernel's stamps, and windows close though nothing arrives.
    Live(SensorClock),
    /// By the frames' own stamps, at this pace.
    Recorded(Pace),
}

/// Counts one run: until the source ends or fails, or `signals.stop` is set. The open window is closed and handed over
/// as the last in each case.
///
/// # Errors
/// When the source fails; what was counted before is handed over all the same.
pub fn count(
    source: &mut Source,
    counter: &mut Counter,
    timing: Timing,
    signals: &Arc<Signals>,
    windows: &mpsc::Sender<Counted>,
) -> Result<(), CountingError> {
    let mut sheet = Sheet { counter, windows, signals, failure: None };
    if let Timing::Live(clock) = timing {
        sheet.counter.begin(clock.now())?;
    }
    let ended = take(source, &mut sheet, timing);
    let end = match timing {
        Timing::Live(clock) => Some(clock.now()),
        Timing::Recorded(_) => None,
    };
    if let Some(window) = sheet.counter.finish(end) {
        sheet.hand_over(window, true);
    }
    ended
}

fn take(source: &mut Source, sheet: &mut Sheet<'_>, timing: Timing) -> Result<(), CountingError> {
    let mut pacer = Pacer::default();
    loop {
        let polled = match timing {
            Timing::Live(clock) => {
                let step = clock.step();
                source.poll(&mut |packet| {
                    sheet.frame(SensorClock::of_kernel(packet.time, step), &packet);
                })?
            }
            Timing::Recorded(Pace::Fast) => source.poll(&mut |packet| sheet.frame(packet.time, &packet))?,
            Timing::Recorded(Pace::Recorded) => source.poll(&mut |packet| {
                pacer.wait_for(packet.time, sheet.signals);
                sheet.frame(packet.time, &packet);
            })?,
        };
        sheet.signals.beat.mark();
        if let Some(failure) = sheet.failure.take() {
            return Err(failure.into());
        }
        if let Timing::Live(clock) = timing {
            if let Some(registry) = sheet.signals.registry.try_lock().ok().and_then(|mut new| new.take()) {
                sheet.counter.set_registry(registry);
            }
            if let Some(drops) = source.drops() {
                sheet.counter.add_drops(drops.kernel, drops.interface);
            }
            let settled = UnixNanos(clock.now().0.saturating_sub(i64::try_from(GRACE.as_nanos()).unwrap_or(0)));
            while let Some(window) = sheet.counter.tick(settled)? {
                sheet.hand_over(window, false);
            }
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
}

impl Sheet<'_> {
    fn is_stopped(&self) -> bool {
        self.signals.stop.load(Ordering::Relaxed)
    }

    #[inline]
    fn frame(&mut self, time: UnixNanos, packet: &crate::capture::Packet<'_>) {
        if self.failure.is_some() || self.is_stopped() {
            return;
        }
        let facts = dot11::parse(packet.link, packet.data, packet.original_len);
        match self.counter.packet(time, &facts, packet.original_len) {
            Ok(None) => {}
            Ok(Some(window)) => self.hand_over(window, false),
            Err(error) => self.failure = Some(error),
        }
    }

    /// Waits while the async side is behind: then the kernel's buffer holds frames, and its drops are counted.
    fn hand_over(&self, window: Closed, last: bool) {
        let mut counted = Counted { window, last };
        // Closed means that the other side is gone, which it is only when the whole program ends.
        while let Err(TrySendError::Full(back)) = self.windows.try_send(counted) {
            counted = back;
            self.signals.beat.mark();
            thread::sleep(FULL_PAUSE);
        }
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
