//! `airtally sensor`: connects source, tally, spool and publisher, and takes them down in order.

pub mod batches;
pub mod clock;
mod counting;
mod outbox;
mod recorder;
pub mod run;
mod stdin;

use crate::{
    capture::{CaptureError, LiveOptions, Source, Waker},
    config::{PrivacyMac, Sensor, SourceKind},
    keyfile::KeyFile,
    mqtt::{self, MqttError, PublisherSettings, Status},
    oui::{self, OuiError, Registry, Watch},
    spool::{Opening, Settings, SharedSpool, Spool, SpoolError},
    stop,
    tally::{Counter, Tracker},
};
use batches::{Runs, counter_settings};
use clock::SensorClock;
use counting::{Counted, CountingError, Signals, Timing};
use outbox::{BROKER, SpoolOutbox};
use recorder::{Recorder, TRACKED};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};
use stdin::Stdin;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// Closed windows between the counting thread and the spool, at most.
const WINDOWS_BETWEEN: usize = 8;
/// How often the spool moves what has waited too long to disk, and the vendor cache is looked at.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// A capture that has not looked at its interface for this long is woken, so that windows close though nothing arrives.
const WAKE_EVERY: Duration = Duration::from_millis(500);
/// How long a sensor whose source has ended waits to be asked again, where a connection broke meanwhile: a broker that
/// was killed may have lost what it acknowledged.
const LINGER: Duration = Duration::from_secs(20);

/// Why the sensor ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum SensorError {
    /// The source cannot be opened, or failed.
    #[error(transparent)]
    Source(#[from] CaptureError),
    /// Counting failed.
    #[error(transparent)]
    Counting(#[from] CountingError),
    /// The file cannot be read to tell its content.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The vendor cache is a newer program's, or cannot be read.
    #[error(transparent)]
    Oui(#[from] OuiError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The connection to the broker cannot even be tried.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// The system refused a thread or a signal.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT, or until the source has ended and everything is delivered.
///
/// # Errors
/// What keeps it from starting, or a source that fails; what was counted is spooled all the same.
pub async fn run(config: Sensor) -> Result<(), SensorError> {
    let config = Arc::new(config);
    let signals = Arc::new(Signals::default());
    let mut source = open(&config, &signals)?;
    let runs = runs(&config)?;
    let vendors = Watch::new(&config.oui.cache);
    let registry = Arc::new(registry(&config)?);
    let registry_hash = registry.hash().to_owned();

    let (spool, opening) = Spool::open(clock::system_now(), spool_settings(&config))?;
    let (status, statuses) = watch::channel(Status::online(None));
    let tracker = tracker(&spool, &runs);
    let spool = SharedSpool::new(spool);
    let recorder = Recorder::new(&config, &registry_hash, runs, &spool, status);
    declare(&spool, &opening, recorder.run())?;
    spool.lock().begin_run(clock::system_now(), &config.site, &config.sensor, recorder.run())?;

    let outbox = SpoolOutbox::new(&config.site, &config.sensor, &spool);
    let (stop_recording, recording_stopped) = watch::channel(false);
    let (stop_publishing, publishing_stopped) = watch::channel(false);
    let (_events, events) = mpsc::channel(16);
    let publisher = tokio::spawn(mqtt::publish(
        PublisherSettings {
            mqtt: config.mqtt.clone(),
            site: config.site.clone(),
            sensor: config.sensor.clone(),
            config: public(&config),
        },
        Arc::clone(&outbox),
        statuses,
        events,
        publishing_stopped,
    ));

    let waker = source.waker();
    let (windows, closed) = mpsc::channel(WINDOWS_BETWEEN);
    let counting = {
        let (config, signals) = (Arc::clone(&config), Arc::clone(&signals));
        thread::Builder::new()
            .name("counting".into())
            .spawn(move || count(&config, &mut source, &registry, tracker, &signals, &windows))?
    };
    let mut recording = tokio::spawn(recorder.record(closed, recording_stopped));
    let keepers = tokio::spawn(keep(Arc::clone(&spool), waker, vendors, Arc::clone(&signals)));
    tracing::info!(site = config.site, sensor = config.sensor, version = env!("CARGO_PKG_VERSION"), "counting");

    let mut recorded = None;
    let signal = tokio::select! {
        result = &mut recording => { recorded = Some(result); None }
        signal = stop::requested() => Some(signal?),
        () = failed(&publisher) => Some("the publisher"),
    };
    if let Some(signal) = signal {
        tracing::info!(signal, "stopping: the open window is closed and kept");
        signals.stop.store(true, Ordering::Relaxed);
        let _ = stop_recording.send(true);
    }
    let recorded = match recorded {
        Some(recorded) => recorded,
        None => recording.await,
    };
    if signal.is_none() {
        tokio::select! {
            () = delivered(&spool, &outbox) => tracing::info!("everything is delivered"),
            signal = stop::requested() => tracing::info!(signal = signal?, "stopping before everything is delivered"),
            () = failed(&publisher) => {}
        }
    }
    let _ = stop_publishing.send(true);
    let published = publisher.await;
    keepers.abort();
    if let Some(settled) = spool.with(|spool| spool.settle(clock::system_now())).await {
        recorder::say_evicted(&settled?.evicted);
    }

    let counted = counting.join();
    if let Ok(Err(error)) = recorded {
        return Err(error.into());
    }
    if let Ok(Err(error)) = published {
        return Err(error.into());
    }
    match counted {
        Ok(result) => result,
        Err(_) => Err(io::Error::other("the counting thread ended early").into()),
    }
}

/// Opens the source, before anything else: most mistakes are here, and a person is waiting for the answer.
fn open(config: &Sensor, signals: &Arc<Signals>) -> Result<Source, CaptureError> {
    match config.source.kind {
        SourceKind::Interface => Source::open_live(&LiveOptions {
            interface: config.source.interface.clone(),
            snaplen: config.source.snaplen,
            buffer_bytes: u32::try_from(config.source.buffer.0).unwrap_or(u32::MAX),
        }),
        SourceKind::File => Source::open_file(&config.source.file),
        SourceKind::Stdin => Source::from_reader(Box::new(Stdin::new(signals)), "standard input"),
    }
}

fn runs(config: &Sensor) -> Result<Runs, SensorError> {
    let path = &config.source.file;
    match config.source.kind {
        SourceKind::File => match run::ContentHash::of_file(path) {
            Ok(content) => Ok(Runs::File(content)),
            Err(source) => Err(SensorError::File { path: path.clone(), source }),
        },
        SourceKind::Interface | SourceKind::Stdin => Ok(Runs::Fresh(run::fresh())),
    }
}

/// The vendor registry: the cache, or the snapshot that travels with the program.
fn registry(config: &Sensor) -> Result<Registry, OuiError> {
    let (registry, note) = oui::cache::load_or_rebuild(&config.oui.cache, clock::system_now())?;
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    Ok(registry)
}

fn spool_settings(config: &Sensor) -> Settings {
    Settings {
        runtime_dir: Some(config.spool.runtime_dir.clone()),
        state_dir: config.spool.state_dir.clone(),
        max_bytes: config.spool.max_bytes.0,
        age_out: config.spool.age_out,
        durable: config.spool.durable,
        ledger: false,
        readers: vec![BROKER.to_owned()],
    }
}

/// The set of tracked stations: a file's starts empty, so that every replay gives the same batches.
fn tracker(spool: &Spool, runs: &Runs) -> Tracker {
    if matches!(runs, Runs::File(_)) {
        return Tracker::default();
    }
    match spool.state(TRACKED) {
        Ok(None) => Tracker::default(),
        Ok(Some(bytes)) => Tracker::decode(&bytes).unwrap_or_else(|error| {
            tracing::warn!(%error, "the set of tracked stations is unreadable and begins anew");
            Tracker::default()
        }),
        Err(error) => {
            tracing::warn!(%error, "the set of tracked stations is unreadable and begins anew");
            Tracker::default()
        }
    }
}

/// Says what opening the spool found, and declares what earlier runs lost when they were cut off. A file's run that
/// begins again (`run`) needs no declaration: the replay fills it.
fn declare(spool: &Arc<SharedSpool>, opening: &Opening, run: Uuid) -> Result<(), SpoolError> {
    for path in &opening.set_aside {
        tracing::error!(path = %path.display(), "the spool was damaged: it is set aside, and a fresh one begins");
    }
    for unfinished in opening.unfinished.iter().filter(|unfinished| unfinished.run != run) {
        tracing::warn!(
            run = %unfinished.run,
            last_seq = unfinished.last_seq,
            "an earlier run was cut off: what it had not spooled is declared lost"
        );
        let now = clock::system_now();
        spool.lock().declare_crash(now, unfinished, now)?;
    }
    Ok(())
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
        *source = open(config, signals)?;
        counter = Counter::new(settings(), Arc::clone(registry), Tracker::default(), keys());
    }
}

/// Moves what has waited too long to disk, takes up a new vendor cache, and wakes a capture on which nothing arrives.
async fn keep(spool: Arc<SharedSpool>, waker: Option<Waker>, mut vendors: Watch, signals: Arc<Signals>) {
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut wake = tokio::time::interval(WAKE_EVERY);
    let mut beat = 0;
    loop {
        tokio::select! {
            _ = tidy.tick() => {
                match spool.with(|spool| spool.age_out(clock::system_now())).await {
                    Some(Ok(moved)) => recorder::say_evicted(&moved.evicted),
                    Some(Err(error)) => tracing::warn!(%error, "cannot move undelivered windows to disk"),
                    None => {}
                }
                match vendors.poll() {
                    Some(Ok(registry)) => {
                        tracing::info!(entries = registry.len(), "took up a new vendor cache");
                        *signals.registry.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(registry));
                    }
                    Some(Err(error)) => tracing::warn!("the vendor cache was replaced and the old one stays: {error}"),
                    None => {}
                }
            }
            _ = wake.tick() => {
                let now = signals.beat.load(Ordering::Relaxed);
                if let Some(waker) = waker.as_ref().filter(|_| now == beat) {
                    waker.wake();
                }
                beat = now;
            }
        }
    }
}

/// Returns when the publisher has ended although nobody told it to.
async fn failed<T>(publisher: &tokio::task::JoinHandle<T>) {
    while !publisher.is_finished() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Returns when the broker has everything, and nobody is likely to ask for any of it again.
async fn delivered(spool: &Arc<SharedSpool>, outbox: &Arc<SpoolOutbox>) {
    let mut progress = outbox.progress();
    loop {
        let last = *progress.borrow_and_update();
        let counts = spool.with(|spool| spool.counts()).await.and_then(Result::ok);
        let waiting = counts.is_none_or(|counts| counts.undelivered.iter().any(|(_, entries)| *entries > 0));
        let linger = if outbox.connections() > 1 { LINGER } else { Duration::ZERO };
        if !waiting && last.elapsed() >= linger {
            return;
        }
        let patience = if waiting { Duration::from_secs(5) } else { linger.saturating_sub(last.elapsed()) };
        let _ = tokio::time::timeout(patience, progress.changed()).await;
    }
}
