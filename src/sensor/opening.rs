//! Everything that can refuse a start, in the order in which a person meets it: the source, the vendor cache, the
//! spool and what earlier runs left in it. Nothing runs yet.

use super::{
    SensorError,
    anchor::{Anchoring, Reading},
    antenna::{Antenna, RadioReporter},
    clock::Clocks,
    condition::{Condition, Conditions, Part},
    counting::Signals,
    events::Events,
    keys,
    known_time::KnownTime,
    metrics::{self, Figures},
    outbox::BROKER,
    recorder::{Recorder, TRACKED},
};
use crate::{
    UnixNanos,
    boot::boot_id,
    capture::{CaptureError, LiveOptions, Source, Stdin},
    config::{Sensor, SourceKind, Sync},
    dot11::LinkType,
    oui::{
        Registry,
        store::{Detail, OuiError, Watch, cache},
    },
    radio::{
        airtime::Airtime,
        keeper::{BootClock, Files, Keeper, RadioError},
        nl80211::Kernel,
    },
    run::{
        batches::{Batches, Runs},
        identity,
    },
    spool::{Erased, Privacy, Settings, SharedSpool, Spool},
    tally::{Tracker, settings::PrivacyMac},
    watchdog::{self, Stages},
    wire::{Addresses, Event, Exposure, Status},
};
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// A sensor that can start.
pub(super) struct Opened {
    pub config: Arc<Sensor>,
    /// What the watchdog looks at; the counting thread is there already.
    pub stages: Stages,
    pub signals: Arc<Signals>,
    pub counting: Counting,
    /// The vendor registry in use.
    pub registry: Arc<Registry>,
    /// Sees when its cache is replaced.
    pub vendors: Watch,
    pub tracker: Tracker,
    pub spool: Arc<SharedSpool>,
    pub recorder: Recorder,
    /// Where parts say how they are.
    pub conditions: Conditions,
    /// What is counted for whoever collects metrics.
    pub figures: Arc<Figures>,
    /// What such a collector shows.
    pub token: Option<String>,
    /// Where parts tell what happened.
    pub tell: Events,
    /// What the publisher says of the sensor.
    pub statuses: watch::Receiver<Status>,
    /// What it publishes of what happened.
    pub events: mpsc::Receiver<Event>,
}

/// What is counted, with where the time of its windows comes from.
pub(super) enum Counting {
    /// A capture, whose frames bring their time.
    Capture(Source),
    /// An interface as it is, by this machine's clocks.
    Interface(Source, Box<LiveTime>),
    /// A card of ours, by this machine's clocks.
    Card(Box<OwnCard>, Antenna, Box<LiveTime>),
    /// Nothing, for ever.
    Nothing,
}

/// Where frames come from, before it is known by which time.
enum Frames {
    /// A capture, or an interface as it is.
    Source(Source),
    /// A card of ours.
    Card(Box<OwnCard>, Antenna),
    /// No radio is here.
    Nothing,
}

/// The keeper of this machine's card.
pub(super) type OwnCard = Keeper<Kernel, BootClock, RadioReporter>;

/// This machine's clocks, and how a run begins by them.
pub(super) struct LiveTime {
    pub clocks: Clocks,
    pub boot: Uuid,
    pub reading: Reading,
    pub anchoring: Anchoring,
    /// Time that had its windows in earlier runs.
    pub earlier: Vec<(i64, i64)>,
}

/// Opens all that a sensor needs.
///
/// # Errors
/// What keeps it from starting.
pub(super) async fn open(config: Sensor) -> Result<Opened, SensorError> {
    let config = Arc::new(config);
    let mut stages = Stages::from_environment();
    let signals = Arc::new(Signals { beat: stages.add("counting"), ..Signals::default() });
    let (status, statuses) = watch::channel(Status::online(None));
    let conditions = Conditions::new(status.clone());
    let token = config.metrics.as_ref().map(metrics::token).transpose()?.flatten();
    // Before anything else: most mistakes are here, and a person is waiting for the answer.
    let source = match config.source.kind {
        SourceKind::Radio | SourceKind::None => None,
        _ => Some(open_source(&config, &signals)?),
    };
    if config.source.kind == SourceKind::Interface && config.flows.enabled && !config.flows.radio {
        let hears_air = |source: &Source| source.link_types().into_iter().any(LinkType::is_wireless);
        if source.as_ref().is_some_and(hears_air) {
            return Err(SensorError::FlowsOfAir(config.source.interface.clone()));
        }
    }
    // From here on the kernel keeps frames for us: this is when the run begins.
    let clocks = Clocks::new(&config.clock);
    let reading = clocks.read();
    let runs = runs(&config)?;
    let (tell, events) = Events::new(runs.fresh());
    let vendors = Watch::new(&config.oui.cache, Detail::Names);
    let registry = Arc::new(registry(&config)?);

    let (mut spool, opening) = watchdog::while_starting(|| Spool::open(UnixNanos::now(), spool_settings(&config)))?;
    for path in &opening.set_aside {
        if path.exists() {
            tracing::error!(path = %path.display(), "the spool was damaged: it is set aside, and a fresh one begins");
        } else {
            tracing::error!(
                path = %path.display(),
                "the spool was damaged: it is erased, since it may hold more than privacy.mac allows, and a fresh one begins"
            );
        }
    }
    if let Some(Erased { from, to, windows, undelivered }) = opening.erased {
        tracing::warn!(
            %from, %to, windows, undelivered,
            "privacy is stricter than before: the windows in the spool are erased; what was undelivered is declared lost"
        );
    }
    keys::erase(&config);
    // The spool is ours alone now, and so is what an earlier run left of the card.
    let frames = match source {
        Some(source) => Frames::Source(source),
        None if config.source.kind == SourceKind::None => {
            conditions.report(Part::Radio, Condition::Noted("no_radio"));
            Frames::Nothing
        }
        None => open_card(&config, &conditions, &tell).await?,
    };
    let tracker = tracker(&spool, &runs);
    let mut known = KnownTime::open(&spool, boot_id(), opening.unfinished)?;
    let batches = Batches::new(&config, registry.hash(), runs);
    let live = || -> Result<Box<LiveTime>, SensorError> {
        let settle = i64::try_from(config.clock.settle.as_nanos()).unwrap_or(i64::MAX);
        let anchoring = known.start(&mut spool, reading, settle, config.clock.sync == Sync::Never)?;
        let begin = UnixNanos(reading.boot.saturating_add(anchoring.anchor()));
        let guess = known.guess(anchoring.anchor());
        spool.begin_run(begin, &config.site, &config.sensor, batches.run(), guess)?;
        let earlier = known.earlier().to_vec();
        Ok(Box::new(LiveTime { clocks, boot: known.boot(), reading, anchoring, earlier }))
    };
    let counting = match frames {
        Frames::Card(keeper, antenna) => Counting::Card(keeper, antenna, live()?),
        // Whatever an earlier run owes is declared; a run without windows begins none.
        Frames::Nothing => {
            known.start_capture(&mut spool, UnixNanos::now())?;
            Counting::Nothing
        }
        Frames::Source(source) if config.source.kind == SourceKind::Interface => Counting::Interface(source, live()?),
        Frames::Source(source) => {
            let now = UnixNanos::now();
            known.start_capture(&mut spool, now)?;
            spool.begin_run(now, &config.site, &config.sensor, batches.run(), None)?;
            Counting::Capture(source)
        }
    };
    let spool = SharedSpool::new(spool);
    let figures = Arc::new(Figures::default());
    let recorder =
        Recorder::new(batches, &spool, known, status, conditions.clone(), tell.clone(), Arc::clone(&figures));
    Ok(Opened {
        config,
        stages,
        signals,
        counting,
        registry,
        vendors,
        tracker,
        spool,
        recorder,
        figures,
        token,
        conditions,
        tell,
        statuses,
        events,
    })
}

/// Gets ready to take the card; takes nothing yet.
async fn open_card(config: &Sensor, conditions: &Conditions, events: &Events) -> Result<Frames, SensorError> {
    let airtime = Airtime::default();
    let link = Kernel::open().map_err(RadioError::from)?;
    let told = RadioReporter { conditions: conditions.clone(), events: events.clone() };
    let files = Files::new(&config.spool.runtime_dir, &config.spool.state_dir);
    let mut keeper = Keeper::new(link, BootClock, told, config.radio.clone(), &airtime, files);
    keeper.check().await?;
    let antenna = Antenna::new(&airtime, config.source.snaplen, buffer_bytes(config));
    Ok(Frames::Card(Box::new(keeper), antenna))
}

fn buffer_bytes(config: &Sensor) -> u32 {
    u32::try_from(config.source.buffer.0).unwrap_or(u32::MAX)
}

/// Opens the source, where that is one thing; a file again, at its beginning.
pub(super) fn open_source(config: &Sensor, signals: &Arc<Signals>) -> Result<Source, CaptureError> {
    match config.source.kind {
        SourceKind::Interface => Source::open_live(&LiveOptions {
            interface: config.source.interface.clone(),
            snaplen: config.source.snaplen,
            buffer_bytes: buffer_bytes(config),
        }),
        SourceKind::File | SourceKind::Radio | SourceKind::None => Source::open_file(&config.source.file),
        SourceKind::Stdin => {
            let signals = Arc::clone(signals);
            let is_stopped = move || {
                signals.beat.mark();
                signals.stop.load(Ordering::Relaxed)
            };
            Source::from_reader(Box::new(Stdin::new(is_stopped)), "standard input")
        }
    }
}

fn runs(config: &Sensor) -> Result<Runs, SensorError> {
    let path = &config.source.file;
    match config.source.kind {
        SourceKind::File if !identity::is_repeatable(config) => Ok(Runs::Passing),
        SourceKind::File => match identity::ContentHash::of_file(path) {
            Ok(content) => Ok(Runs::File(content)),
            Err(source) => Err(SensorError::File { path: path.clone(), source }),
        },
        SourceKind::Radio | SourceKind::Interface | SourceKind::Stdin | SourceKind::None => {
            Ok(Runs::Fresh(identity::fresh()))
        }
    }
}

/// The vendor registry: the cache, or the snapshot that travels with the program.
fn registry(config: &Sensor) -> Result<Registry, OuiError> {
    let (registry, note) = cache::load_or_snapshot(&config.oui.cache, Detail::Names)?;
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
        privacy: Some(Privacy {
            allowed: exposure(config),
            states: vec![TRACKED.to_owned()],
            progress: watchdog::still_starting,
        }),
        readers: vec![BROKER.to_owned()],
    }
}

/// What may be kept and sent.
fn exposure(config: &Sensor) -> Exposure {
    let addresses = match config.privacy.mac {
        PrivacyMac::Plain => Addresses::Plain,
        PrivacyMac::Pseudonym => Addresses::Pseudonym,
        PrivacyMac::Vendor => Addresses::Vendor,
    };
    Exposure::new(addresses, config.privacy.ssids)
}

/// The set of tracked stations: a file's starts empty, so that every replay gives the same batches.
fn tracker(spool: &Spool, runs: &Runs) -> Tracker {
    if matches!(runs, Runs::File(_) | Runs::Passing) {
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
