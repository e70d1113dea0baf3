//! Where a sensor's live frames come from: an interface as it is, or a card that comes and goes. [`Antenna`] opens the
//! interface that the radio's keeper names, again whenever it names one anew or the interface fails, and waits
//! while there is none. The run goes on all the while.

use crate::{
    capture::{CaptureError, Drops, LiveOptions, Packet, Polled, Source, Waker},
    pace::Backoff,
    radio::{
        airtime::{Airtime, Witness},
        keeper::{Condition, News, Observer},
    },
    sensor::{
        condition::{self, Conditions, Part},
        events::Events,
    },
    wire::{Channel, Contents},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Between two attempts to open an interface: the first pause, and the longest.
const SOON: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(2);
/// Pauses up to this are no trouble yet.
const MOMENT: Duration = Duration::from_millis(500);
/// What waiting for an interface sleeps at a time.
const NAP: Duration = Duration::from_millis(50);

/// What ends the wait of whichever source is open.
pub type Bell = Arc<Mutex<Option<Waker>>>;

/// Where live frames come from.
pub enum LiveSource {
    /// An interface as it is.
    Interface(Source),
    /// A card of ours.
    Card(Antenna),
}

impl LiveSource {
    /// As [`Source::poll`]; each packet of a card comes with the witness, who is to be told its channel.
    ///
    /// # Errors
    /// When an interface fails; a card never does.
    pub fn poll<F: FnMut(Packet<'_>, Option<&mut Witness>)>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        match self {
            Self::Interface(source) => source.poll(&mut |packet| each(packet, None)),
            Self::Card(antenna) => Ok(antenna.poll(&mut |packet, witness| each(packet, Some(witness)))),
        }
    }

    /// As [`Source::drops`].
    pub fn drops(&mut self) -> Option<Drops> {
        match self {
            Self::Interface(source) => source.drops(),
            Self::Card(antenna) => antenna.drops(),
        }
    }

    /// Everything until `boot` after boot is counted.
    pub fn counted(&mut self, boot: i64) {
        match self {
            Self::Card(antenna) if antenna.source.is_some() => antenna.witness.counted(boot),
            Self::Interface(_) | Self::Card(_) => {}
        }
    }

    /// Where the radio was, if it is ours to know.
    #[must_use]
    pub const fn airtime(&self) -> Option<&Airtime> {
        match self {
            Self::Interface(_) => None,
            Self::Card(antenna) => Some(&antenna.airtime),
        }
    }

    /// What ends its wait for frames, from another thread.
    pub fn bell(&mut self) -> Bell {
        match self {
            Self::Interface(source) => Arc::new(Mutex::new(source.waker())),
            Self::Card(antenna) => Arc::clone(&antenna.bell),
        }
    }
}

/// A source that outlives its interface.
pub struct Antenna {
    airtime: Airtime,
    witness: Witness,
    snaplen: u32,
    buffer_bytes: u32,
    source: Option<Source>,
    /// What an interface lost that is closed by now, and nobody has asked for.
    lost: Drops,
    /// Of the tap that `source` was opened for.
    generation: u64,
    /// Not before this.
    next_try: Instant,
    backoff: Backoff,
    bell: Bell,
}

impl Antenna {
    /// An antenna on no interface yet.
    #[must_use]
    pub fn new(airtime: &Airtime, snaplen: u32, buffer_bytes: u32) -> Self {
        Self {
            airtime: airtime.clone(),
            witness: Witness::new(airtime),
            snaplen,
            buffer_bytes,
            source: None,
            lost: Drops::default(),
            generation: 0,
            next_try: Instant::now(),
            backoff: Backoff::new(SOON, LATER),
            bell: Bell::default(),
        }
    }

    /// As [`Source::poll`], but an interface that fails is closed, and opened anew when it is there again.
    fn poll<F: FnMut(Packet<'_>, &mut Witness)>(&mut self, each: &mut F) -> Polled {
        if self.airtime.is_stale(self.generation) {
            self.close();
            self.next_try = Instant::now();
            self.backoff.reset();
        }
        let witness = &mut self.witness;
        match &mut self.source {
            Some(source) => match source.poll(&mut |packet| each(packet, witness)) {
                Ok(polled) => polled,
                Err(error) => {
                    tracing::debug!(%error, "the interface is opened anew");
                    self.close();
                    self.next_try = Instant::now() + SOON;
                    Polled::Idle
                }
            },
            None => {
                self.open();
                Polled::Idle
            }
        }
    }

    fn drops(&mut self) -> Option<Drops> {
        let now = self.source.as_mut().and_then(Source::drops);
        let lost = std::mem::take(&mut self.lost);
        if now.is_none() && lost == Drops::default() { None } else { Some(lost.and(now.unwrap_or_default())) }
    }

    fn close(&mut self) {
        if let Some(drops) = self.source.as_mut().and_then(Source::drops) {
            self.lost = self.lost.and(drops);
        }
        *self.bell.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.source = None;
    }

    fn open(&mut self) {
        let tap = self.airtime.tap();
        self.generation = tap.generation;
        let Some(interface) = tap.interface.filter(|_| Instant::now() >= self.next_try) else {
            thread::sleep(NAP);
            return;
        };
        let options = LiveOptions { interface, snaplen: self.snaplen, buffer_bytes: self.buffer_bytes };
        match Source::open_live(&options) {
            Ok(mut source) => {
                *self.bell.lock().unwrap_or_else(PoisonError::into_inner) = source.waker();
                self.source = Some(source);
                self.backoff.reset();
                self.airtime.report(self.generation, None);
            }
            Err(error) => {
                tracing::debug!(%error, "cannot listen yet");
                let pause = self.backoff.pause();
                self.next_try = Instant::now() + pause;
                // An interface takes a moment to come up: that is no trouble.
                if pause > MOMENT {
                    self.airtime.report(self.generation, Some(error.to_string()));
                }
            }
        }
    }
}

/// Fills in how long each frequency was listened to in the window that ended `end` after boot.
pub fn expose(airtime: &Airtime, contents: &mut Contents, end: i64) {
    let millis = airtime.close_window(end).millis();
    for channel in &mut contents.channels {
        // Heard, though the radio was elsewhere all the time.
        channel.listened_ms = Some(0);
    }
    for (freq_mhz, listened_ms) in millis.listened {
        match contents.channels.iter_mut().find(|channel| channel.freq_mhz == freq_mhz) {
            Some(channel) => channel.listened_ms = Some(listened_ms),
            None => {
                contents.channels.push(Channel { freq_mhz, listened_ms: Some(listened_ms), frames: 0, bytes: 0 });
            }
        }
    }
    contents.channels.sort_unstable_by_key(|channel| channel.freq_mhz);
    contents.capture.switching_ms = Some(millis.switching);
    contents.capture.off_ms = Some(millis.off);
}

/// Tells the sensor's status and events of the radio.
pub struct RadioReporter {
    /// How it is.
    pub conditions: Conditions,
    /// What happened.
    pub events: Events,
}

impl Observer for RadioReporter {
    fn condition(&mut self, condition: Condition) {
        self.conditions.report(
            Part::Radio,
            match condition {
                Condition::Good => condition::Condition::Good,
                Condition::Noted(reason) => condition::Condition::Noted(reason),
                Condition::Degraded(reason) => condition::Condition::Degraded(reason),
            },
        );
    }

    fn news(&mut self, news: News) {
        if news.warning {
            self.events.warn(news.kind, news.message, news.data);
        } else {
            self.events.notice(news.kind, news.message, news.data);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::{net::UdpSocket, process::Command};

    /// Set in the process that is in a network of its own.
    const INSIDE: &str = "AIRTALLY_TEST_INSIDE";

    /// What the kernel dropped since somebody asked is not forgotten when the interface is opened anew. Needs Linux with user
    /// namespaces (or root), `unshare` and `ip`.
    #[test]
    fn drops_before_a_reopening_are_told_after_it() {
        if std::env::var_os(INSIDE).is_some() {
            return drops_are_kept();
        }
        let test = "sensor::antenna::tests::drops_before_a_reopening_are_told_after_it";
        let output = Command::new("unshare")
            .args(["--map-root-user", "--net"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(INSIDE, "yes")
            .output()
            .expect("unshare");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }

    fn drops_are_kept() {
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        let airtime = Airtime::default();
        airtime.set_tap(Some("lo"));
        let mut antenna = Antenna::new(&airtime, 65_535, 64 << 10);
        let mut seen = 0_u64;
        let end = Instant::now() + Duration::from_secs(20);
        while antenna.source.is_none() {
            antenna.poll(&mut |_, _| ());
            assert!(Instant::now() < end, "the loopback interface cannot be opened");
        }
        antenna.drops();
        // More than there is room for, and nobody reads.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        for _ in 0..5_000 {
            let _ = socket.send_to(&[7; 1_000], to);
        }
        // The radio's keeper names the interface anew: it is closed unread.
        airtime.set_tap(Some("lo"));
        antenna.poll(&mut |_, _| seen += 1);
        assert!(antenna.source.is_none() || seen == 0);
        let lost = antenna.drops().unwrap();
        assert!(lost.kernel > 1_000, "{lost:?}");
        while antenna.source.is_none() {
            antenna.poll(&mut |_, _| ());
        }
        // Told once.
        assert!(antenna.drops().is_none_or(|drops| drops.kernel == 0));
    }
}
