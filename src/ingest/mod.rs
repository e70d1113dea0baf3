//! `airtally ingest`: connects subscriber, spool and sinks, and takes them down in order.

mod feed;
mod health;
mod hearsay;
mod holes;
mod inbox;
mod judge;
mod metrics;
mod neighbour;
mod overlaps;
mod received;
mod seeker;
mod web;

use crate::{
    UnixNanos,
    config::Ingest,
    mqtt::{self, MqttError, SubscriberSettings},
    roster::Roster,
    sink::{self, DeadLetterError, DeadLetters, Health, OpenError, Recent, Redriven, Sink},
    spool::{Opening, Settings, SharedSpool, Spool, SpoolError, Which},
    stop,
    watchdog::{self, Beat, Stages},
    wire::IngestHealth,
};
use feed::SpoolFeed;
use hearsay::Hearsay;
use inbox::SpoolInbox;
use metrics::{Figures, Parts};
use neighbour::Neighbour;
use received::Received;
use seeker::Seeker;
use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// The dead letters' file in the state directory.
const DEAD_LETTERS: &str = "dead-letters.sqlite";
/// Messages to sensors that wait for a connection, and so requests made by one look, at most.
const REQUESTS_WAITING: usize = 128;

/// Why ingest ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A sink, or the dead letters, cannot be opened.
    #[error(transparent)]
    Sink(#[from] OpenError),
    /// The web server cannot start.
    #[error(transparent)]
    Web(#[from] web::WebError),
    /// The dead letters cannot be read or changed.
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
    /// A sink was named that is not in the configuration.
    #[error("there is no sink '{wanted}' in the configuration: it has {names}")]
    NoSink {
        /// The name.
        wanted: String,
        /// Those that there are.
        names: String,
    },
    /// Nothing was ever taken here.
    #[error("there is no spool in {}: nothing that came to this ingest could be stored again", directory.display())]
    NoSpool {
        /// Where it would be.
        directory: PathBuf,
    },
    /// The connection to the broker cannot even be tried.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// The system refused a thread or a signal.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting. A database or a broker that is away does not.
pub async fn run(config: Ingest) -> Result<(), IngestError> {
    let sinks = sink::open(&config)?;
    let settings = spool_settings(&config, sinks.iter().map(|sink| sink.name().to_owned()).collect());
    let (spool, opening) = watchdog::while_starting(|| Spool::open(UnixNanos::now(), settings))?;
    let dead = Arc::new(Mutex::new(dead_letters(&config)?));
    tell_of_damage(&opening);
    let spool = SharedSpool::new(spool);
    let hearsay = Arc::new(Hearsay::default());
    let roster = Arc::new(Roster::default());
    let (received, recent) = (Arc::new(Received::default()), Arc::new(Recent::default()));
    let (stop, stopped) = watch::channel(false);
    // Sinks stop last: they may store what came last.
    let (stop_sinks, sinks_stopped) = watch::channel(false);

    let mut stages = Stages::from_environment();
    let mut healths = Vec::with_capacity(sinks.len());
    let mut followers = Vec::with_capacity(sinks.len());
    for sink in sinks {
        let (health, said) = watch::channel(Health::Ok);
        healths.push((sink.name().to_owned(), said));
        followers.push(follow(sink, &spool, &dead, &recent, health, sinks_stopped.clone(), stages.add("sink"))?);
    }
    let declared = spool.lock().declared_missing()?;
    let said = IngestHealth { sinks: health::statuses(&healths), missing_windows: declared, ..IngestHealth::default() };
    let (statuses, status) = watch::channel(said);
    let (overlaps, overlapping) = watch::channel(Vec::new());
    let missing = watch::Sender::new(declared);
    let (requests, outgoing) = mpsc::channel(REQUESTS_WAITING);
    let said = (config.name.clone(), requests.clone());
    let neighbour = Neighbour::new(&config)?;
    let figures = Arc::new(Figures::default());
    let parts = Parts {
        figures: Arc::clone(&figures),
        roster: Arc::clone(&roster),
        spool: Arc::clone(&spool),
        dead: Arc::clone(&dead),
        healths: healths.clone(),
        missing: missing.subscribe(),
    };
    let health_teller = tokio::spawn(health::tell(healths, overlapping, missing.subscribe(), statuses));
    let subscriber = tokio::spawn(mqtt::subscribe(
        SubscriberSettings {
            mqtt: config.mqtt.clone(),
            name: config.name.clone(),
            sites: config.site.clone(),
            commit_within: config.spool.commit_within,
            beat: stages.add("subscriber"),
        },
        Arc::new(SpoolInbox::new(
            &spool,
            &dead,
            &hearsay,
            (&roster, &figures, &neighbour),
            (&received, &recent),
            (overlaps, missing.clone()),
            said,
        )),
        outgoing,
        status,
        stopped.clone(),
    ));
    let sources = web::Sources {
        history: config.history().map(|sqlite| sqlite.path),
        roster: Arc::clone(&roster),
        recent: Arc::clone(&recent),
        vitals: Arc::new(parts.vitals()),
        max_series: config.max_series().map(|(series, name)| (series, name.to_owned())),
    };
    let web = web::start(&config.web, sources, stopped.clone())?;
    let neighbour = (!neighbour.is_idle()).then(|| tokio::spawn(neighbour.publish(requests.clone())));
    let seeker = Seeker {
        asks: config.replay,
        patience: config.declare_after,
        name: config.name.clone(),
        sites: config.site.clone(),
        spool: Arc::clone(&spool),
        received,
        hearsay,
        holes: Arc::default(),
        requests,
        missing,
    };
    let seeker = tokio::spawn(seeker.seek(stages.add("seeker")));
    let told = Arc::clone(&spool);
    let heart = tokio::spawn(async move { watchdog::tell(stages, || line(&told)).await });
    tracing::info!(name = config.name, site = %config.site, version = env!("CARGO_PKG_VERSION"), "storing");

    let (mut subscriber, mut damage) = (subscriber, None);
    let ended = tokio::select! {
        signal = stop::requested() => {
            tracing::info!(signal = signal?, "stopping: what was taken stays in the spool");
            watchdog::stopping();
            None
        }
        ended = &mut subscriber => Some(ended),
        error = spool.damaged() => {
            tracing::error!(%error, "stopping: nothing can be stored any more");
            watchdog::stopping();
            damage = Some(error);
            None
        }
    };
    let _ = stop.send(true);
    seeker.abort();
    neighbour.iter().for_each(tokio::task::JoinHandle::abort);
    heart.abort();
    let ended = match ended {
        Some(ended) => ended,
        None => subscriber.await,
    };
    health_teller.abort();
    let _ = stop_sinks.send(true);
    for follower in web.into_iter().chain(followers) {
        let _ = follower.join();
    }
    let flushed = spool.with(Spool::flush).await.unwrap_or(Ok(()));
    if let Some(error) = damage {
        return Err(error.into());
    }
    flushed?;
    match ended {
        Ok(result) => Ok(result?),
        Err(_) => Err(io::Error::other("the subscriber ended early").into()),
    }
}

/// How ingest keeps its spool, for sinks of these names.
fn spool_settings(config: &Ingest, readers: Vec<String>) -> Settings {
    Settings {
        runtime_dir: None,
        state_dir: config.spool.state_dir.clone(),
        max_bytes: config.spool.max_bytes.0,
        age_out: Duration::ZERO,
        durable: true,
        ledger: true,
        // What a sensor sent is governed where it was counted.
        privacy: None,
        readers,
    }
}

fn tell_of_damage(opening: &Opening) {
    for path in &opening.set_aside {
        tracing::error!(path = %path.display(), "the spool was damaged: it is set aside, and a fresh one begins");
    }
}

/// Follows the spool with one sink, on a thread of its own: a slow database delays nobody else.
fn follow(
    sink: Box<dyn Sink>,
    spool: &Arc<SharedSpool>,
    dead: &Arc<Mutex<DeadLetters>>,
    recent: &Arc<Recent>,
    health: watch::Sender<Health>,
    stopped: watch::Receiver<bool>,
    beat: Beat,
) -> io::Result<JoinHandle<()>> {
    let feed = SpoolFeed::new(sink.name(), spool, dead, recent);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name(sink.name().to_owned())
        // Its requests have time limits of their own, and all else in it blocks the thread.
        .spawn(move || runtime.block_on(beat.while_waiting(sink::follow(sink, feed, health, stopped))))
}

/// How ingest is, in a line for `systemctl status`.
async fn line(spool: &Arc<SharedSpool>) -> String {
    let counts = spool.with(|spool| spool.counts()).await.and_then(Result::ok);
    let waiting: Vec<String> = counts
        .iter()
        .flat_map(|counts| &counts.undelivered)
        .map(|(sink, entries)| format!("{sink} {entries}"))
        .collect();
    format!("messages that wait for a database: {}", waiting.join(", "))
}

/// Offers every dead letter again, once.
///
/// # Errors
/// When the databases of the configuration, or the dead letters, cannot be opened.
pub async fn redrive(config: &Ingest) -> Result<Redriven, IngestError> {
    let mut sinks = sink::open(config)?;
    let mut letters = dead_letters(config)?;
    Ok(sink::redrive(&mut letters, &mut sinks, None).await?)
}

/// Makes what came at `since` or later, and is still in the spool, wait for the sink called `sink` again. Says how many
/// messages that is.
///
/// # Errors
/// When there is no such sink, or the spool cannot be used: a daemon that runs has it.
pub fn refill(config: &Ingest, sink: &str, since: UnixNanos) -> Result<u64, IngestError> {
    let names = config.influx.iter().map(|influx| influx.name.clone());
    let names: Vec<String> = names.chain(config.history().map(|_| "sqlite".to_owned())).collect();
    if !names.iter().any(|name| name == sink) {
        return Err(IngestError::NoSink { wanted: sink.to_owned(), names: names.join(", ") });
    }
    let settings = spool_settings(config, names);
    if !Spool::is_in(&settings.state_dir) {
        return Err(IngestError::NoSpool { directory: settings.state_dir });
    }
    let (mut spool, opening) = Spool::open(UnixNanos::now(), settings)?;
    tell_of_damage(&opening);
    let entries = spool.refill(sink, Which::Since(since))?;
    spool.flush()?;
    Ok(entries)
}

fn dead_letters(config: &Ingest) -> Result<DeadLetters, OpenError> {
    DeadLetters::open(&config.spool.state_dir.join(DEAD_LETTERS), &config.dead_letters)
}
