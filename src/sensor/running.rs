//! Starts the parts of an opened sensor: the counting thread, and the tasks around it.

use super::{
    SensorError,
    batches::counter_settings,
    clock::SensorClock,
    counting::{self, Counted, Signals, Timing},
    keeping,
    opening::{self, Opened},
    outbox::SpoolOutbox,
};
use crate::{
    capture::Source,
    config::{PrivacyMac, Sensor, SourceKind},
    keyfile::KeyFile,
    mqtt::{self, MqttError, PublisherSettings},
    oui::Registry,
    spool::{SharedSpool, SpoolError},
    tally::{Counter, Tracker},
    watchdog,
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
    pub signals: Arc<Signals>,
    pub spool: Arc<SharedSpool>,
    pub outbox: Arc<SpoolOutbox>,
    pub counting: thread::JoinHandle<Result<(), SensorError>>,
    pub recording: JoinHandle<Result<(), SpoolError>>,
    pub stop_recording: watch::Sender<bool>,
    pub publishing: JoinHandle<Result<(), MqttError>>,
    pub stop_publishing: watch::Sender<bool>,
    /// What looks after the others, and may be dropped at any moment.
    pub keepers: JoinSet<()>,
}

/// Starts everything.
///
/// # Errors
/// When the system refuses a thread.
pub(super) fn start(opened: Opened) -> Result<Running, SensorError> {
    let Opened {
        config,
        mut stages,
        signals,
        mut source,
        registry,
        vendors,
        tracker,
        spool,
        recorder,
        statuses,
        events,
    } = opened;
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
        statuses.clone(),
        events,
        publishing_stopped,
    ));

    let waker = source.waker();
    let (windows, closed) = mpsc::channel(WINDOWS_BETWEEN);
    let counting = {
        let (config, signals) = (Arc::clone(&config), Arc::clone(&signals));
        thread::Builder::new().name("counting".into()).spawn(move || {
            let counted = count(&config, &mut source, &registry, tracker, &signals, &windows);
            signals.beat.done();
            counted
        })?
    };
    let recording = tokio::spawn(recorder.record(closed, recording_stopped, stages.add("recorder")));
    let mut keepers = JoinSet::new();
    keepers.spawn(keeping::tidy(Arc::clone(&spool), vendors, Arc::clone(&signals), stages.add("keeper")));
    if let Some(waker) = waker {
        keepers.spawn(keeping::wake(waker, Arc::clone(&signals)));
    }
    let told = Arc::clone(&spool);
    keepers.spawn(async move { watchdog::tell(stages, || keeping::line(&told, &statuses)).await });
    tracing::info!(site = config.site, sensor = config.sensor, version = env!("CARGO_PKG_VERSION"), "counting");
    Ok(Running { signals, spool, outbox, counting, recording, stop_recording, publishing, stop_publishing, keepers })
}

/// The configuration as the `info` topic shows it: without who logs in how, and without local paths.
fn public(config: &Sensor) -> serde_json::Value {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    if let Some(table) = value.as_object_mut() {
        table.remove("mqtt");
        table.remove("spool");
        table.remove("oui");
        if let Some(privacy) = table.get_mut("privacy").and_then(serde_json::Value::as_object_mut) {
            privacy.remove("key_dir");
        }
        // Addresses that a mode withholds are withheld here too.
        if config.privacy.mac != PrivacyMac::Plain
            && let Some(tracking) = table.get_mut("tracking").and_then(serde_json::Value::as_object_mut)
        {
            tracking.remove("always");
        }
    }
    value
}

/// The counting thread: one run, or one a pass over a file that begins again.
fn count(
    config: &Sensor,
    source: &mut Source,
    registry: &Arc<Registry>,
    tracker: Tracker,
    signals: &Arc<Signals>,
    windows: &mpsc::Sender<Counted>,
) -> Result<(), SensorError> {
    let live = config.source.kind == SourceKind::Interface;
    let timing = if live { Timing::Live(SensorClock::start()) } else { Timing::Recorded(config.source.pace) };
    let settings = || counter_settings(config, live);
    let keys = || {
        let directory = config.privacy.key_dir.as_ref().unwrap_or(&config.spool.state_dir);
        Box::new(KeyFile::new(directory))
    };
    let mut counter = Counter::new(settings(), Arc::clone(registry), tracker, keys());
    loop {
        counting::count(source, &mut counter, timing, signals, windows)?;
        if let Some(warning) = source.warning()
            && !signals.stop.load(Ordering::Relaxed)
        {
            tracing::warn!("{warning}");
        }
        if !config.source.repeat || signals.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        // A file of no length must not spin.
        thread::sleep(Duration::from_secs(1));
        *source = opening::open_source(config, signals)?;
        counter = Counter::new(settings(), Arc::clone(registry), Tracker::default(), keys());
    }
}
