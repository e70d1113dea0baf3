//! The hot path over an interface: as `counting`, with windows that follow each other by the clock, the kernel's drops,
//! and a system clock that may be wrong, be set, and become right.

use super::{
    anchor::{News, Standing},
    antenna::LiveSource,
    clock::{self, Clocks},
    condition::{Condition, Conditions, Part},
    counting::{self, Counted, CountingError, Signals},
    events::Events,
    live::{LiveCounter, Step},
};
use crate::{
    UnixNanos,
    capture::{Packet, Polled},
    dot11::{self, Reading, Verdict, evidence::Evidence},
    radio::airtime::{Airtime, Witness},
    spool::Held,
    tally::KeyError,
    wire::TimeSource,
};
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::mpsc;
use uuid::Uuid;

/// A frame can reach us this long after its time stamp, by the kernel's own batching: a window stays open as long.
const GRACE: i64 = 500_000_000;
/// Nanoseconds of a second.
const SECOND: f64 = 1e9;

/// What a thread that listens needs beside its source and counter.
pub struct Listener {
    /// The clocks.
    pub clocks: Clocks,
    /// Which boot this is.
    pub boot: Uuid,
    /// What it shares with its keepers.
    pub signals: Arc<Signals>,
    /// Where windows go.
    pub windows: mpsc::Sender<Counted>,
    /// How the clock is.
    pub conditions: Conditions,
    /// What happened to it.
    pub events: Events,
    /// Where the radio was, if it is ours to know.
    pub airtime: Option<Airtime>,
}

/// Counts one run over an interface: until the source fails, or `signals.stop` is set. The open window is closed and
/// handed over as the last in each case.
///
/// # Errors
/// When the source fails; what was counted before is handed over all the same.
pub fn listen(feed: &mut LiveSource, live: &mut LiveCounter, ears: &Listener) -> Result<(), CountingError> {
    live.begin()?;
    if live.anchoring().standing() == Standing::Held {
        tracing::warn!(
            "the system clock is not synchronised: windows are held until it is; where nobody ever synchronises it, set \
             clock.sync = \"never\""
        );
    }
    if let Some(airtime) = &ears.airtime {
        let anchor = live.anchoring().anchor();
        let start = live.counter().open_window().map_or(0, |open| open.start.0.saturating_sub(anchor));
        airtime.open_window(start, open_until(live));
    }
    ears.say_how_the_clock_is(live);
    let ended = take(feed, live, ears);
    let mut steps = Vec::new();
    live.finish(ears.clocks.read().boot, &mut |step| steps.push(step));
    for step in steps {
        ears.hand_over(step, live, true);
    }
    ended
}

fn take(feed: &mut LiveSource, live: &mut LiveCounter, ears: &Listener) -> Result<(), CountingError> {
    let mut steps = Vec::new();
    let ended = listen_on(feed, live, ears, &mut steps);
    // Windows that were closed before something failed.
    ears.hand_all_over(&mut steps, live);
    ended
}

fn listen_on(
    feed: &mut LiveSource,
    live: &mut LiveCounter,
    ears: &Listener,
    steps: &mut Vec<Step>,
) -> Result<(), CountingError> {
    // A card's frames are counted as they come: a verdict holds from when it is found.
    let (mut evidence, mut verdict) = (Evidence::default(), Verdict::default());
    loop {
        let mut failure = None;
        let polled = feed.poll(&mut |packet, witness| {
            if !evidence.is_enough() {
                evidence.add(packet.link, packet.data, packet.original_len, packet.told);
                verdict = ears.judged(&evidence, verdict);
            }
            if failure.is_none() && !ears.is_stopped() {
                failure = frame(&packet, witness, live, ears, verdict, steps).err();
            }
        })?;
        ears.signals.beat.mark();
        if let Some(failure) = failure {
            return Err(failure.into());
        }
        if let Some(registry) = ears.signals.registry.try_lock().ok().and_then(|mut new| new.take()) {
            live.counter().set_registry(registry);
        }
        if let Some(drops) = feed.drops() {
            live.counter().add_drops(drops.kernel, drops.interface);
        }
        let reading = ears.clocks.read();
        feed.counted(reading.boot);
        let news = live.look(reading);
        ears.tell(news);
        live.tick(reading.boot.saturating_sub(GRACE), &mut |step| steps.push(step))?;
        ears.hand_all_over(steps, live);
        ears.say_how_the_clock_is(live);
        if polled == Polled::End || ears.is_stopped() {
            return Ok(());
        }
    }
}

#[inline]
fn frame(
    packet: &Packet<'_>,
    witness: Option<&mut Witness>,
    live: &mut LiveCounter,
    ears: &Listener,
    verdict: Verdict,
    steps: &mut Vec<Step>,
) -> Result<(), KeyError> {
    let boot = live.boot_time(packet.time.0, clock::times);
    let reading = Reading { told: packet.told, checks: verdict.checks };
    let facts = dot11::parse_as(packet.link, packet.data, packet.original_len, reading);
    if let Some(witness) = witness {
        witness.frame(boot, facts.freq_mhz);
    }
    live.packet(boot, &facts, packet.original_len, &mut |step| steps.push(step))?;
    live.meter(boot, packet, &facts, reading);
    if !steps.is_empty() {
        ears.hand_all_over(steps, live);
    }
    Ok(())
}

impl Listener {
    fn is_stopped(&self) -> bool {
        self.signals.stop.load(Ordering::Relaxed)
    }

    /// What the frames have shown by now; says so when it is something new.
    fn judged(&self, evidence: &Evidence, before: Verdict) -> Verdict {
        let verdict = evidence.verdict();
        if verdict.checks != before.checks {
            for warning in verdict.warnings() {
                self.events.warn("frame_checks", warning, []);
            }
        }
        verdict
    }

    fn hand_all_over(&self, steps: &mut Vec<Step>, live: &mut LiveCounter) {
        if steps.is_empty() {
            return;
        }
        for step in steps.drain(..) {
            self.hand_over(step, live, false);
        }
        if let Some(airtime) = &self.airtime {
            airtime.extend_window(open_until(live));
        }
    }

    fn hand_over(&self, step: Step, live: &mut LiveCounter, last: bool) {
        let counted = match step {
            Step::Window { closed, beside, watched, standing, anchor } => {
                let (clock, held) = match standing {
                    Standing::Anchored => (TimeSource::System, None),
                    Standing::Unsynced => (TimeSource::Unsynced, None),
                    // Until it is restamped, it is what it would be if it never were.
                    Standing::Held => (
                        TimeSource::Unsynced,
                        Some(Held { boot: self.boot, start: closed.start.0.saturating_sub(anchor) }),
                    ),
                };
                let taken = live.counter().taken().collect();
                Counted::Window { closed, beside, watched, last, clock, held, taken }
            }
            Step::Moved { anchor, restamp: true, .. } => {
                let time = UnixNanos(clock::times().boot.saturating_add(anchor));
                let message = format!("The system clock is synchronised: it is {time}. Held windows go out.");
                self.events.notice("clock_synchronised", message, []);
                Counted::Synchronised(anchor)
            }
            Step::Moved { by, .. } => {
                let seconds = seconds(by);
                let message = format!("Windows follow the system clock, which was set by {seconds:+} s.");
                self.events.notice("clock_followed", message, [("seconds", seconds.into())]);
                return;
            }
        };
        counting::hand_over(counted, &self.windows, &self.signals);
    }

    fn tell(&self, news: Option<News>) {
        match news {
            Some(News::Stepped(by)) => {
                let seconds = seconds(by);
                let message = format!(
                    "The system clock was set by {seconds:+} s. Windows keep their time until it has stood long enough."
                );
                self.events.warn("clock_step", message, [("seconds", seconds.into())]);
            }
            Some(News::Returned) => {
                self.events.notice("clock_returned", "The system clock is back where windows are.".into(), []);
            }
            None => {}
        }
    }

    fn say_how_the_clock_is(&self, live: &LiveCounter) {
        let anchoring = live.anchoring();
        let condition = match anchoring.standing() {
            Standing::Held => Condition::Degraded("clock"),
            _ if anchoring.is_apart() => Condition::Degraded("clock"),
            Standing::Anchored if !anchoring.is_synced() => Condition::Noted("clock_unsynchronised"),
            Standing::Anchored | Standing::Unsynced => Condition::Good,
        };
        self.conditions.report(Part::Clock, condition);
    }
}

/// Where the open window ends, after boot.
fn open_until(live: &mut LiveCounter) -> i64 {
    let anchor = live.anchoring().anchor();
    live.counter().open_window().map_or(i64::MAX, |open| open.end.0.saturating_sub(anchor))
}

/// Seconds to a thousandth.
#[allow(clippy::cast_precision_loss)] // Of a clock step, a millisecond is precise enough.
fn seconds(nanos: i64) -> f64 {
    (nanos as f64 / SECOND * 1e3).round() / 1e3
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        capture::Source,
        config::Sensor,
        oui::Registry,
        run::batches::counter_settings,
        sensor::{anchor::Anchoring, beside::Besides},
        tally::{Counter, Keys, Tracker, settings::PrivacyMac},
        wire::Status,
    };
    use std::{
        io::{self, Read},
        path::PathBuf,
        sync::atomic::AtomicUsize,
        thread,
        time::Duration,
    };
    use tokio::sync::watch;

    /// Keys for three windows; then the file fails.
    struct FailingKeys(Arc<AtomicUsize>);

    impl Keys for FailingKeys {
        fn key(&mut self, _: i64) -> Result<[u8; 32], KeyError> {
            if self.0.load(Ordering::Relaxed) == 3 {
                let (action, path) = ("write", PathBuf::from("key"));
                return Err(KeyError::File { action, path, source: io::Error::other("the disk is full") });
            }
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok([7; 32])
        }

        fn forget(&mut self) -> Result<(), KeyError> {
            Ok(())
        }
    }

    /// A capture without a packet that keeps whoever reads it waiting for several windows.
    struct Slow(usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let header = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x0004_0000, 127].map(u32::to_le_bytes).concat();
            let rest = header.get(self.0..).unwrap();
            let len = rest.len().min(buffer.len());
            buffer.get_mut(..len).unwrap().copy_from_slice(rest.get(..len).unwrap());
            self.0 += len;
            if len == 0 {
                thread::sleep(Duration::from_millis(5_200));
            }
            Ok(len)
        }
    }

    /// Windows that one look at the clock closes are handed over although the key of the next cannot be had.
    #[test]
    fn windows_closed_before_the_key_file_fails_are_handed_over() {
        let mut config = Sensor::default();
        config.privacy.mac = PrivacyMac::Pseudonym;
        config.privacy.rotation = Duration::from_secs(1);
        config.window.length = Duration::from_secs(1);
        let clocks = Clocks::new(&config.clock);
        let reading = clocks.read();
        let keys = Arc::new(AtomicUsize::new(0));
        let counter = Counter::new(
            counter_settings(&config, true),
            Arc::new(Registry::default()),
            Tracker::default(),
            Box::new(FailingKeys(Arc::clone(&keys))),
        );
        let mut live =
            LiveCounter::new(counter, Besides::default(), Anchoring::start(reading, 0, true, 0, None), reading);
        let (windows, mut heard) = mpsc::channel(32);
        let (events, _events) = Events::new(None);
        let ears = Listener {
            clocks,
            boot: Uuid::nil(),
            signals: Arc::default(),
            windows,
            conditions: Conditions::new(watch::channel(Status::online(None)).0),
            events,
            airtime: None,
        };
        let mut feed = LiveSource::Interface(Source::from_reader(Box::new(Slow(0)), "slow").unwrap());
        assert!(matches!(listen(&mut feed, &mut live, &ears), Err(CountingError::Count(_))));
        let mut spans = Vec::new();
        while let Ok(Counted::Window { closed, .. }) = heard.try_recv() {
            spans.push((closed.start, closed.end));
        }
        assert_eq!(spans.len(), keys.load(Ordering::Relaxed), "each window that was opened: {spans:?}");
        assert!(spans.windows(2).all(|pair| matches!(pair, [one, other] if one.1 == other.0)), "{spans:?}");
    }
}
