//! Starts the parts of an opened sensor: the counting thread, and the tasks around it.

use super::{
    SensorError,
    antenna::LiveSource,
    beside::Besides,
    condition::Conditions,
    counting::{self, Counted, Replay, Signals},
    events::Events,
    keeping, keys,
    listening::{self, Listener},
    live::LiveCounter,
    metrics::Parts,
    opening::{self, Counting, LiveTime, Opened},
    outbox::SpoolOutbox,
};
use crate::{
    capture::Source,
    config::{Sensor, SourceKind},
    mqtt::{self, MqttError, PublisherSettings},
    oui::Registry,
    run::{batches::counter_settings, key_file::PassingKeys, site_secret::SiteSecretFile},
    spool::{SharedSpool, SpoolError},
    tally::{Counter, Keys, Tracker, settings::PrivacyMac},
    watchdog,
    wire::Status,
};
use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

/// Closed windows between the counting thread and the spool, at most.
const WINDOWS_BETWEEN: usize = 8;

/// A sensor at work.
pub(super) struct Running {
    pub config: Arc<Sensor>,
    pub signals: Arc<Signals>,
    pub spool: Arc<SharedSpool>,
    pub outbox: Arc<SpoolOutbox>,
    pub counting: thread::JoinHandle<Result<(), SensorError>>,
    pub recording: JoinHandle<Result<(), SpoolError>>,
    pub stop_recording: watch::Sender<bool>,
    pub publishing: JoinHandle<Result<(), MqttError>>,
    pub stop_publishing: watch::Sender<bool>,
    /// What the sensor says of itself.
    pub statuses: watch::Receiver<Status>,
    /// What keeps the card, and is told to give it back.
    pub radio: Option<(watch::Sender<bool>, JoinHandle<()>)>,
    /// What looks after the others, and may be dropped at any moment.
    pub keepers: JoinSet<()>,
}

/// Starts everything.
///
/// # Errors
/// When the system refuses a thread.
pub(super) fn start(opened: Opened) -> Result<Running, SensorError> {
    let Opened { config, mut stages, signals, counting, registry, vendors, tracker, spool, recorder, .. } = opened;
    let Opened { conditions, tell, statuses, events, figures, token, .. } = opened;
    let outbox = SpoolOutbox::new(&config.site, &config.sensor, &spool);
    let (stop_recording, recording_stopped) = watch::channel(false);
    let (stop_publishing, publishing_stopped) = watch::channel(false);
    let publishing = tokio::spawn(mqtt::publish(
        PublisherSettings {
            mqtt: config.mqtt.clone(),
            site: config.site.clone(),
            sensor: config.sensor.clone(),
            config: public(&config),
            beat: stages.add("publisher"),
        },
        Arc::clone(&outbox),
        Vec::new(),
        statuses.clone(),
        events,
        publishing_stopped,
    ));

    let (windows, closed) = mpsc::channel(WINDOWS_BETWEEN);
    let work = Work { config: Arc::clone(&config), registry, tracker, signals: Arc::clone(&signals), windows };
    let mut keepers = JoinSet::new();
    let mut radio = None;
    let thread = thread::Builder::new().name("counting".into());
    let counting = match counting {
        Counting::Card(keeper, antenna, time) => {
            let (stop, stopped) = watch::channel(false);
            let feed = listened_to(LiveSource::Card(antenna), &mut keepers, &signals);
            let counting = thread.spawn(move || work.listen(feed, *time, conditions, tell))?;
            let keeper = keeper.with_beat(stages.add("radio"));
            radio = Some((stop, tokio::spawn(keeper.run(stopped))));
            counting
        }
        Counting::Interface(source, time) => {
            let feed = listened_to(LiveSource::Interface(source), &mut keepers, &signals);
            thread.spawn(move || work.listen(feed, *time, conditions, tell))?
        }
        Counting::Nothing => thread.spawn(move || {
            work.wait();
            Ok(())
        })?,
        Counting::Capture(source) => {
            let signals = Arc::clone(&signals);
            thread.spawn(move || {
                let counted = work.count(source);
                signals.beat.done();
                counted
            })?
        }
    };
    let recording = tokio::spawn(recorder.record(closed, recording_stopped, stages.add("recorder")));
    keepers.spawn(keeping::tidy(Arc::clone(&spool), vendors, Arc::clone(&signals), stages.add("keeper")));
    if let Some(metrics) = config.metrics.clone() {
        let (spool, outbox, statuses) = (Arc::clone(&spool), Arc::clone(&outbox), statuses.clone());
        keepers.spawn(Parts { figures, spool, outbox, statuses, token }.answer(metrics));
    }
    let told = Arc::clone(&spool);
    let line = statuses.clone();
    keepers.spawn(async move { watchdog::tell(stages, || keeping::line(&told, &line)).await });
    let doing =
        if config.source.kind == SourceKind::None { "here without a radio: nothing is counted" } else { "counting" };
    tracing::info!(site = config.site, sensor = config.sensor, version = env!("CARGO_PKG_VERSION"), "{doing}");
    Ok(Running {
        config,
        signals,
        spool,
        outbox,
        counting,
        recording,
        stop_recording,
        publishing,
        stop_publishing,
        statuses,
        radio,
        keepers,
    })
}

/// Sees to it that the wait for frames of a quiet interface ends from time to time.
fn listened_to(mut feed: LiveSource, keepers: &mut JoinSet<()>, signals: &Arc<Signals>) -> LiveSource {
    keepers.spawn(keeping::wake(feed.bell(), Arc::clone(signals)));
    feed
}

/// The configuration as the `info` topic shows it: without who logs in how, and without local paths.
fn public(config: &Sensor) -> serde_json::Value {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    if let Some(table) = value.as_object_mut() {
        table.remove("mqtt");
        table.remove("spool");
        table.remove("metrics");
        table.remove("oui");
        if let Some(privacy) = table.get_mut("privacy").and_then(serde_json::Value::as_object_mut) {
            privacy.remove("key_dir");
        }
        // Addresses that a mode withholds are withheld here too, and so are the names that their owner gave them.
        if config.privacy.mac != PrivacyMac::Plain {
            table.remove("devices");
            table.remove("networks");
            if let Some(alerts) = table.get_mut("alerts").and_then(serde_json::Value::as_object_mut) {
                alerts.remove("expected");
            }
            if let Some(tracking) = table.get_mut("tracking").and_then(serde_json::Value::as_object_mut) {
                tracking.remove("always");
            }
        }
    }
    value
}

/// The counting thread's work: one run over an interface, or one a pass over a capture.
struct Work {
    config: Arc<Sensor>,
    registry: Arc<Registry>,
    tracker: Tracker,
    signals: Arc<Signals>,
    windows: mpsc::Sender<Counted>,
}

impl Work {
    fn counter(&self, live: bool, tracker: Tracker) -> Counter {
        let keys: Box<dyn Keys + Send> =
            if live { Box::new(keys::file(&self.config)) } else { Box::new(PassingKeys::default()) };
        let counter = Counter::new(counter_settings(&self.config, live), Arc::clone(&self.registry), tracker, keys);
        if !self.config.sketch.enabled {
            return counter;
        }
        let home = &self.config.spool.state_dir;
        let secret = if live { SiteSecretFile::kept(home) } else { SiteSecretFile::passing(home) };
        counter.with_sketches(Box::new(secret))
    }

    fn listen(
        mut self,
        mut feed: LiveSource,
        time: LiveTime,
        conditions: Conditions,
        events: Events,
    ) -> Result<(), SensorError> {
        let LiveTime { clocks, boot, reading, anchoring, earlier } = time;
        let tracker = std::mem::take(&mut self.tracker);
        let mut counter = self.counter(true, tracker);
        counter.take(&earlier);
        let besides = Besides::new(&self.config);
        let Self { signals, windows, .. } = self;
        let finished = Arc::clone(&signals);
        let airtime = feed.airtime().cloned();
        let mut live = LiveCounter::new(counter, besides, anchoring, reading).with(airtime.clone());
        let ears = Listener { clocks, boot, signals, windows, conditions, events, airtime };
        let listened = listening::listen(&mut feed, &mut live, &ears);
        finished.beat.done();
        Ok(listened?)
    }

    /// Keeps the place of a thread that counts until the stop: while it has it, more windows may come.
    fn wait(self) {
        while !self.signals.stop.load(Ordering::Relaxed) {
            self.signals.beat.mark();
            thread::sleep(Duration::from_millis(200));
        }
        self.signals.beat.done();
    }

    fn count(mut self, mut source: Source) -> Result<(), SensorError> {
        let tracker = std::mem::take(&mut self.tracker);
        let mut counter = self.counter(false, tracker);
        loop {
            let replay = Replay::new(&self.config);
            let besides = Besides::new(&self.config);
            counting::count(&mut source, (&mut counter, besides), replay, &self.signals, &self.windows)?;
            let stopped = self.signals.stop.load(Ordering::Relaxed);
            if !stopped {
                source.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
            }
            if !self.config.source.repeat || stopped {
                return Ok(());
            }
            // A file of no length must not spin.
            thread::sleep(Duration::from_secs(1));
            source = opening::open_source(&self.config, &self.signals)?;
            counter = self.counter(false, Tracker::default());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tally::devices::Device;

    #[test]
    fn info_names_devices_in_mode_plain_alone() {
        let address = "02:00:00:00:00:09".parse().unwrap();
        let mut config = Sensor::default();
        config.devices.0 =
            vec![Device { name: "Oma's phone".into(), address, track: true, ignore: false, presence: true }];
        config.tracking.always = vec!["02:00:00:00:00:08".parse().unwrap()];
        for mode in [PrivacyMac::Plain, PrivacyMac::Pseudonym, PrivacyMac::Vendor] {
            config.privacy.mac = mode;
            let info = public(&config).to_string();
            for word in ["Oma's phone", "02:00:00:00:00:09", "02:00:00:00:00:08"] {
                assert_eq!(info.contains(word), mode == PrivacyMac::Plain, "{mode:?} and {word}: {info}");
            }
            assert!(info.contains("track_after"), "{info}");
        }
    }
}
