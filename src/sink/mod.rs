//! Where records end: the sinks, the task that keeps each of them supplied, and what none of them will take.
//!
//! Knows records and databases; knows nothing of MQTT, and of the spool only the [`Feed`] it is read through.
//!
//! * [`influx`]: InfluxDB 1.x, 2 and 3, VictoriaMetrics, and the points that records become.
//! * `webhook`: alerts, to a receiver of one's own.
//! * [`history`]: the embedded history in SQLite, and how it is read.
//! * [`follow`]: one sink, one feed, in order, with retries; [`dead_letters`]: what was refused for good;
//!   [`redrive`]: offers that again.
//! * [`Recent`]: what came a moment ago, stored or not yet.

#[cfg(feature = "ingest")]
pub mod dead_letters;
#[cfg(feature = "ingest")]
mod follow;
#[cfg(feature = "sink-sqlite")]
pub mod history;
#[cfg(any(feature = "sink-influx", feature = "sink-webhook"))]
mod http;
pub mod influx;
#[cfg(feature = "ingest")]
mod recent;
#[cfg(feature = "ingest")]
mod redrive;
#[cfg(feature = "ingest")]
mod refill;
#[cfg(any(feature = "ingest", feature = "sink-sqlite"))]
mod sqlite_file;
#[cfg(feature = "sink-webhook")]
pub mod webhook;

#[cfg(feature = "ingest")]
pub use dead_letters::{DeadLetterError, DeadLetters, Letter};
#[cfg(feature = "ingest")]
pub use follow::{Again, Feed, FeedError, Health, follow};
#[cfg(feature = "sink-sqlite")]
pub use history::{History, Sqlite};
#[cfg(feature = "sink-influx")]
pub use influx::Influx;
#[cfg(feature = "ingest")]
pub use recent::{Arrival, News, Recent, Stage};
#[cfg(feature = "ingest")]
pub use redrive::{Redriven, redrive};
#[cfg(feature = "sink-webhook")]
pub use webhook::Webhook;

#[cfg(feature = "ingest")]
use crate::config;
use crate::{own_file::Stranger, wire::Record};
use std::{future::Future, path::PathBuf, pin::Pin, time::Duration};

/// A store under way.
pub type Storing<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// A database that takes records.
pub trait Sink: Send {
    /// Its name: the configuration's, or `sqlite`. The cursor and the dead letters go by it.
    fn name(&self) -> &str;

    /// Stores `records`, all or none or some. Storing one again overwrites it: after any number of tries the
    /// database says what it would after one.
    fn store<'a>(&'a mut self, records: &'a [Record]) -> Storing<'a>;

    /// Whether what was stored before has gone, since this was last asked: all that there still is should be offered again.
    fn has_forgotten(&mut self) -> bool {
        false
    }

    /// What comes within so long of the last store may wait for the next one, which takes it all.
    fn gather(&self) -> Duration {
        Duration::ZERO
    }

    /// What was stored within so long before the database ended is to be offered again: it may have lost that.
    fn refill(&self) -> Duration {
        Duration::ZERO
    }

    /// Asks the database for a sign of life, which also tells whether it was started anew.
    fn look<'a>(&'a mut self) -> Storing<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether the database was, or may have been, started anew since this was last asked.
    fn has_restarted(&mut self) -> bool {
        false
    }
}

impl Sink for Box<dyn Sink> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn store<'a>(&'a mut self, records: &'a [Record]) -> Storing<'a> {
        (**self).store(records)
    }

    fn has_forgotten(&mut self) -> bool {
        (**self).has_forgotten()
    }

    fn gather(&self) -> Duration {
        (**self).gather()
    }

    fn refill(&self) -> Duration {
        (**self).refill()
    }

    fn look<'a>(&'a mut self) -> Storing<'a> {
        (**self).look()
    }

    fn has_restarted(&mut self) -> bool {
        (**self).has_restarted()
    }
}

/// Opens every sink of the configuration, in its order, the history last. No database is spoken to yet.
///
/// # Errors
/// When settings cannot work, the history's file cannot be used, or this program was built without such a sink.
#[cfg(feature = "ingest")]
pub fn open(config: &config::Ingest) -> Result<Vec<Box<dyn Sink>>, OpenError> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    for influx in &config.influx {
        #[cfg(feature = "sink-influx")]
        sinks.push(Box::new(Influx::open(influx)?));
        #[cfg(not(feature = "sink-influx"))]
        return Err(OpenError::Absent { name: influx.name.clone(), feature: "sink-influx" });
    }
    for webhook in &config.webhook {
        #[cfg(feature = "sink-webhook")]
        sinks.push(Box::new(Webhook::open(webhook)?));
        #[cfg(not(feature = "sink-webhook"))]
        return Err(OpenError::Absent { name: webhook.name.clone(), feature: "sink-webhook" });
    }
    if let Some(sqlite) = &config.history() {
        #[cfg(feature = "sink-sqlite")]
        sinks.push(Box::new(Sqlite::open(sqlite)?));
        #[cfg(not(feature = "sink-sqlite"))]
        return Err(OpenError::Absent { name: sqlite.path.display().to_string(), feature: "sink-sqlite" });
    }
    Ok(sinks)
}

/// Why records were not stored.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Not the records' fault: keep all of them and offer them again. Some may have been stored.
    #[error("{reason}")]
    Temporary {
        /// What was tried, why it failed, and what to do.
        reason: String,
        /// How long the database asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// Some records were refused for good; everything else of the call was stored.
    #[error("{reason}")]
    Refused {
        /// What happened, in one sentence.
        reason: String,
        /// Each record that was not stored whole, ascending.
        rejected: Vec<Rejected>,
    },
}

/// One record that a database refused, in whole or in part. Its good parts were stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place among the records of the call.
    pub index: usize,
    /// What the database said.
    pub reason: String,
    /// The record as JSON: what [`redrive`] offers again.
    pub what: Vec<u8>,
}

/// Why a sink cannot be opened: a mistake in the configuration, or a file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings of a sink that speaks HTTP do not work.
    #[error("sink '{name}': {reason}")]
    Settings {
        /// The sink's name.
        name: String,
        /// What is wrong and what would do.
        reason: String,
    },
    /// This program was built without the sink.
    #[error("the sink '{name}' is not in this program: it was built without the feature {feature}")]
    Absent {
        /// The sink's name, or its file.
        name: String,
        /// The Cargo feature that has it.
        feature: &'static str,
    },
    /// What is at a SQLite file's path is not ours: it is neither read nor changed.
    #[error("{0}")]
    Stranger(#[from] Stranger),
    /// A SQLite file cannot be used.
    #[error("cannot use the database {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would do.
        reason: String,
    },
}

/// The word that the batch's JSON has for a role, a reason, a clock: every database says it alike.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
