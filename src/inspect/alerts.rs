//! What in captures looks like an attack, by the rules that a sensor watches with. Prints nothing.

use super::{
    Input, Options, Progress,
    read::{Gate, open, stopped},
};
use crate::{
    UnixNanos,
    alert::{Change, Closed, News, Rules, Watch},
    capture::{CaptureError, Packet, Polled, Source, survey::Survey},
    config::Sensor,
    dot11::{self, Reading},
    run::{self, key_file::PassingKeys},
    tally::KeyError,
    wire,
};
use std::{ops::ControlFlow, sync::Arc, time::Duration};

/// The length of a window, at whose end it is seen what became of the alerts.
const WINDOW: Duration = Duration::from_secs(10);
/// A capture that begins within this after the end of the one before goes on from it. A capture whose time goes back by more
/// begins anew.
const GOES_ON: Duration = Duration::from_secs(60);

/// Takes the name of a capture and an alert in it; says whether it wants more.
pub type Take<'a> = dyn FnMut(&str, Result<wire::Alert, KeyError>) -> ControlFlow<()> + 'a;

/// How reading went.
#[derive(Debug, Default)]
pub struct Watched {
    /// Captures that could be opened.
    pub files: u64,
    /// What is not right with captures that could be read, and what the watch had no room for.
    pub warnings: Vec<String>,
    /// Captures that could not be read, or not to their end; what came before is told.
    pub failures: Vec<CaptureError>,
}

/// Watches each of `inputs` by itself, but for one that begins within a minute after the end of the one before: that is its
/// next part. Alerts go to `take` when they have ended, as the privacy of `config` lets them out, with the name of the capture
/// in which they did, until it breaks.
pub fn watch(
    inputs: &[Input],
    options: &Options,
    config: &Sensor,
    progress: &Arc<Progress>,
    take: &mut Take<'_>,
) -> Watched {
    let mut watched = Watched::default();
    let rules = &config.rules();
    let mut feeder = Feeder { watch: Watch::new(rules), rules, end: UnixNanos::NONE, latest: UnixNanos::NONE };
    let mut taken = ControlFlow::Continue(());
    let mut keys = PassingKeys::default();
    let mut take = |whose: &str, Change { news, alert }: Change| {
        if news == News::Ended && taken.is_continue() {
            taken = take(whose, run::alerts::told(&alert, &config.privacy, &mut keys, alert.start));
        }
        taken
    };
    // Alerts that are open at the end of a capture belong to it, unless another goes on from there.
    let mut name = String::new();
    for input in inputs {
        if progress.is_stopped() {
            watched.warnings.push(stopped(input, "read"));
            continue;
        }
        let mut source = match open(input, progress) {
            Ok(source) => source,
            // Whoever named a directory did not say that all files in it are captures.
            Err(error) if input.is_found() && error.is_no_capture() => continue,
            Err(error) => {
                watched.failures.push(error);
                continue;
            }
        };
        watched.files += 1;
        let (before, mut is_first, mut broken) = (std::mem::replace(&mut name, input.name()), true, false);
        let mut emit = |whose: &str, changes: Vec<Change>| {
            for change in changes {
                broken |= take(whose, change).is_break();
            }
        };
        let mut each = |packet: &Packet<'_>, facts: &dot11::Facts<'_>| {
            if packet.time == UnixNanos::NONE {
                return;
            }
            if std::mem::take(&mut is_first) && !feeder.goes_on_at(packet.time) {
                emit(&before, feeder.restart());
            }
            emit(&name, feeder.frame(packet.time, facts));
        };
        match one(&mut source, options, progress, &mut each) {
            Ok(warnings) => {
                watched.warnings.extend(warnings.into_iter().map(|warning| format!("{}: {warning}", input.name())))
            }
            Err(error) => watched.failures.push(error),
        }
        watched.warnings.extend(source.warnings());
        if progress.is_stopped() {
            watched.warnings.push(stopped(input, "read to its end"));
        }
        if broken {
            return watched;
        }
    }
    for change in feeder.watch.finish() {
        if take(&name, change).is_break() {
            break;
        }
    }
    watched
}

/// A watch, and the window that is open.
struct Feeder<'a> {
    watch: Watch,
    rules: &'a Rules,
    /// The open window's.
    end: UnixNanos,
    latest: UnixNanos,
}

impl Feeder<'_> {
    fn goes_on_at(&self, time: UnixNanos) -> bool {
        self.latest == UnixNanos::NONE || time >= self.latest && time.saturating_since(self.latest) <= GOES_ON
    }

    fn restart(&mut self) -> Vec<Change> {
        let changes = self.watch.finish();
        (self.watch, self.end, self.latest) = (Watch::new(self.rules), UnixNanos::NONE, UnixNanos::NONE);
        changes
    }

    fn frame(&mut self, time: UnixNanos, facts: &dot11::Facts<'_>) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.latest.saturating_since(time) > GOES_ON && self.latest != UnixNanos::NONE {
            changes = self.restart();
        }
        self.latest = self.latest.max(time);
        if self.end == UnixNanos::NONE {
            self.end = time.align_down(WINDOW).saturating_add(WINDOW);
        }
        if time >= self.end {
            let start = UnixNanos(self.end.0.saturating_sub(i64::try_from(WINDOW.as_nanos()).unwrap_or_default()));
            let end = time.align_down(WINDOW);
            changes.extend(self.watch.window_closed(&Closed { start, end, listened: None, missed: false }));
            self.end = end.saturating_add(WINDOW);
        }
        self.watch.frame(time, facts);
        changes
    }
}

/// Hands over the frames of one capture, after a look at its first packets. Gives the warnings.
fn one(
    source: &mut Source,
    options: &Options,
    progress: &Progress,
    each: &mut dyn FnMut(&Packet<'_>, &dot11::Facts<'_>),
) -> Result<Vec<String>, CaptureError> {
    if let Some(octets) = options.max_bytes {
        source.limit(octets);
    }
    let mut gate = Gate::new(options)?;
    let survey = Survey::begin(source);
    let verdict = survey.verdict();
    let mut look = |gate: &mut Gate<'_>, packet: Packet<'_>| {
        if gate.is_open || gate.admits(&packet) {
            let reading = Reading { told: packet.told, checks: verdict.checks };
            each(&packet, &dot11::parse_as(packet.link, packet.data, packet.original_len, reading));
        }
    };
    let mut polled = survey.replay(&mut |packet| look(&mut gate, packet));
    loop {
        if let Some(failure) = gate.failure.take() {
            return Err(failure);
        }
        match polled? {
            Polled::End => break,
            _ if gate.is_done || progress.is_stopped() => break,
            _ => polled = source.poll(&mut |packet| look(&mut gate, packet)),
        }
    }
    Ok(verdict.warnings().into_iter().chain(gate.warning.take()).collect())
}
