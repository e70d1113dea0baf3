//! Everything that can refuse a start, in the order in which a person meets it: the source, the vendor cache, the
//! spool and what earlier runs left in it. Nothing runs yet.

use super::{
    SensorError,
    batches::Runs,
    clock,
    condition::Conditions,
    counting::Signals,
    events::Events,
    outbox::BROKER,
    recorder::{Recorder, TRACKED},
    run,
    stdin::Stdin,
};
use crate::{
    capture::{CaptureError, LiveOptions, Source},
    config::{Sensor, SourceKind},
    mqtt::{Event, Status},
    oui::{self, OuiError, Registry, Watch},
    spool::{Opening, Settings, SharedSpool, Spool, SpoolError},
    tally::Tracker,
    watchdog::Stages,
};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// A sensor that can start.
pub(super) struct Opened {
    pub config: Arc<Sensor>,
    /// What the watchdog looks at; the counting thread is there already.
    pub stages: Stages,
    pub signals: Arc<Signals>,
    pub source: Source,
    /// The vendor registry in use.
    pub registry: Arc<Registry>,
    /// Sees when its cache is replaced.
    pub vendors: Watch,
    pub tracker: Tracker,
    pub spool: Arc<SharedSpool>,
    pub recorder: Recorder,
    /// What the publisher says of the sensor.
    pub statuses: watch::Receiver<Status>,
    /// What it tells of what happened.
    pub events: mpsc::Receiver<Event>,
}

/// Opens all that a sensor needs.
///
/// # Errors
/// What keeps it from starting.
pub(super) fn open(config: Sensor) -> Result<Opened, SensorError> {
    let config = Arc::new(config);
    let mut stages = Stages::from_environment();
    let signals = Arc::new(Signals { beat: stages.add("counting"), ..Signals::default() });
    let (status, statuses) = watch::channel(Status::online(None));
    let conditions = Conditions::new(status.clone());
    // Before anything else: most mistakes are here, and a person is waiting for the answer.
    let source = open_source(&config, &signals)?;
    let runs = runs(&config)?;
    let (tell, events) = Events::new(runs.fresh());
    let vendors = Watch::new(&config.oui.cache);
    let registry = Arc::new(registry(&config)?);

    let (spool, opening) = Spool::open(clock::system_now(), spool_settings(&config))?;
    let tracker = tracker(&spool, &runs);
    let spool = SharedSpool::new(spool);
    let recorder = Recorder::new(&config, registry.hash(), runs, &spool, status, conditions, tell);
    declare(&spool, &opening, &recorder)?;
    spool.lock().begin_run(clock::system_now(), &config.site, &config.sensor, recorder.run())?;
    Ok(Opened { config, stages, signals, source, registry, vendors, tracker, spool, recorder, statuses, events })
}

/// Opens the source; a file again, at its beginning.
pub(super) fn open_source(config: &Sensor, signals: &Arc<Signals>) -> Result<Source, CaptureError> {
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
/// begins again needs no declaration: the replay fills it.
fn declare(spool: &Arc<SharedSpool>, opening: &Opening, recorder: &Recorder) -> Result<(), SpoolError> {
    for path in &opening.set_aside {
        tracing::error!(path = %path.display(), "the spool was damaged: it is set aside, and a fresh one begins");
    }
    for unfinished in opening.unfinished.iter().filter(|unfinished| unfinished.run != recorder.run()) {
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
