//! The hot path over a capture: one thread that takes frames from the source, parses and counts them, and hands over
//! closed windows. `listening` is the same over an interface.

use super::beside::Besides;
use crate::{
    UnixNanos,
    alert::Counts,
    capture::{CaptureError, Packet, Polled, Source, survey::Survey},
    config::{self, Pace, SourceKind},
    dot11::{self, Reading, Verdict},
    oui::Registry,
    run::{batches::Beside, identity::is_repeatable},
    spool::Held,
    tally::{Closed, Counter, KeyError},
    time::LEAP,
    watchdog::Beat,
    wire::TimeSource,
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
/// What is left of a pause that is too long to be one, in nanoseconds.
const CUT_PAUSE: i64 = 1_000_000_000;

/// What the counting thread hands over, in this order.
#[derive(Debug)]
pub enum Counted {
    /// A window has ended.
    Window {
        /// What was counted.
        closed: Box<Closed>,
        /// What it has besides.
        beside: Box<Beside>,
        /// What the watch for attacks has seen so far, where there is one.
        watched: Option<Box<Counts>>,
        /// Whether it is the last of a run that ends cleanly.
        last: bool,
        /// Where its times come from.
        clock: TimeSource,
        /// Set where it must wait for the time to be known.
        held: Option<Held>,
        /// Time that has had its windows, this one included.
        taken: Vec<(i64, i64)>,
    },
    /// The time is known now: this is the system clock less the time since boot, in nanoseconds. What was held goes out.
    Synchronised(i64),
}

/// How a capture is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// With the pauses of its time stamps.
    pub paced: bool,
    /// It is standard input: what was read of it cannot be read again.
    pub pipe: bool,
    /// The next replay is the same run, and tells the same windows.
    pub repeats: bool,
}

impl Replay {
    /// What the configuration asks for.
    #[must_use]
    pub fn new(config: &config::Sensor) -> Self {
        let source = &config.source;
        let pipe = source.kind == SourceKind::Stdin;
        let paced = match source.pace {
            Pace::Auto => !pipe,
            Pace::Recorded => true,
            Pace::Fast => false,
        };
        Self { paced, pipe, repeats: source.kind == SourceKind::File && is_repeatable(config) }
    }
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

/// Counts one run over a capture: until the source ends or fails, or `signals.stop` is set. At an end or a failure the open
/// window is closed and handed over as the last; at a stop too, unless the next replay [repeats](Replay::repeats) the run: that
/// counts the window whole, and a window that was told is never another. Of a [pipe](Replay::pipe) everything that was read
/// is counted, after a stop too.
///
/// # Errors
/// When the source fails, or not one packet has a time; what was counted before is handed over all the same.
pub fn count(
    source: &mut Source,
    (counter, besides): (&mut Counter, Besides),
    replay: Replay,
    signals: &Arc<Signals>,
    windows: &mpsc::Sender<Counted>,
) -> Result<(), CountingError> {
    let survey = Survey::begin(source);
    let verdict = survey.verdict();
    verdict.warnings().iter().for_each(|warning| tracing::warn!("the capture is not what it says: {warning}"));
    let mut sheet = CaptureCounting { counter, besides, windows, signals, failure: None, verdict };
    let ended = take(source, survey, &mut sheet, replay);
    let last = sheet.counter.finish(None);
    if let (true, Ok(Polled::More), Some(open)) = (replay.repeats, &ended, &last) {
        let frames = open.contents.capture.frames;
        tracing::info!(frames, start = %open.start, "stopped amid a window: it is counted whole when the replay begins again");
        return Ok(());
    }
    let in_no_window = last.is_none() && sheet.counter.without_time() > 0;
    if let Some(window) = last {
        sheet.hand_over(window, true);
    }
    ended?;
    if in_no_window {
        return Err(CaptureError::NoTimes { name: source.name().to_owned() }.into());
    }
    Ok(())
}

fn take(
    source: &mut Source,
    survey: Survey,
    sheet: &mut CaptureCounting<'_>,
    replay: Replay,
) -> Result<Polled, CountingError> {
    let mut pacer = Pacer::default();
    let mut survey = Some(survey);
    loop {
        let mut count = |packet: Packet<'_>| {
            if replay.paced {
                pacer.wait_for(packet.time, sheet.signals);
            }
            // Of a file, the next replay counts what is left; a pipe gives it once.
            if replay.pipe || !sheet.is_stopped() {
                sheet.frame(packet.time, &packet);
            }
        };
        let polled = match survey.take() {
            Some(survey) => survey.replay(&mut count),
            None => source.poll(&mut count),
        }?;
        sheet.signals.beat.mark();
        if let Some(failure) = sheet.failure.take() {
            return Err(failure.into());
        }
        // A pipe that is told to stop ends by itself, when what it holds is read.
        if polled == Polled::End || (sheet.is_stopped() && !replay.pipe) {
            return Ok(polled);
        }
    }
}

/// The counter and where its windows go.
struct CaptureCounting<'a> {
    counter: &'a mut Counter,
    besides: Besides,
    windows: &'a mpsc::Sender<Counted>,
    signals: &'a Signals,
    failure: Option<KeyError>,
    verdict: Verdict,
}

impl CaptureCounting<'_> {
    fn is_stopped(&self) -> bool {
        self.signals.stop.load(Ordering::Relaxed)
    }

    #[inline]
    fn frame(&mut self, time: UnixNanos, packet: &Packet<'_>) {
        if self.failure.is_some() {
            return;
        }
        let reading = Reading { told: packet.told, checks: self.verdict.checks };
        let facts = dot11::parse_as(packet.link, packet.data, packet.original_len, reading);
        match self.counter.packet(time, &facts, packet.original_len) {
            Ok(None) => {}
            Ok(Some(window)) => self.hand_over(window, false),
            Err(error) => self.failure = Some(error),
        }
        if packet.mended {
            self.counter.time_was_mended();
        }
        if self.failure.is_none() {
            self.besides.packet(time, packet, &facts, reading);
        }
    }

    fn hand_over(&mut self, mut closed: Closed, last: bool) {
        let beside = self.besides.window(&mut closed, last);
        let watched = self.besides.watched();
        let (closed, clock) = (Box::new(closed), TimeSource::Capture);
        let counted = Counted::Window { closed, beside, watched, last, clock, held: None, taken: Vec::new() };
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

/// Replays a capture with the pauses of its own time stamps. A pause longer than [`LEAP`] is no pause but a clock that was
/// set, or a night without frames: it is cut to [`CUT_PAUSE`].
#[derive(Default)]
struct Pacer {
    replayed: Option<Replayed>,
}

/// How far a replay has come.
struct Replayed {
    began: Instant,
    /// The stamp of the frame replayed last.
    last: UnixNanos,
    /// When it was due, in nanoseconds after `began`.
    due: i64,
}

impl Pacer {
    /// Sleeps until a frame stamped `time` is due, in short steps so that a stop is noticed.
    fn wait_for(&mut self, time: UnixNanos, signals: &Signals) {
        if time == UnixNanos::NONE {
            return;
        }
        let replayed = self.replayed.get_or_insert_with(|| Replayed { began: Instant::now(), last: time, due: 0 });
        let mut pause = time.0.saturating_sub(replayed.last.0);
        if pause.unsigned_abs() > LEAP.unsigned_abs() {
            tracing::warn!(
                from = %replayed.last, to = %time,
                "the times of the capture leap: this pause of the replay is cut to one second"
            );
            pause = CUT_PAUSE;
        }
        replayed.last = time;
        replayed.due = replayed.due.saturating_add(pause);
        let (began, due) = (replayed.began, Duration::from_nanos(replayed.due.max(0).unsigned_abs()));
        while let Some(rest) = due.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) {
            if signals.stop.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(rest.min(Duration::from_millis(100)));
            signals.beat.mark();
        }
    }
}
