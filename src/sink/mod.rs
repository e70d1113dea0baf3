//! Where records end: the sinks, the task that keeps each of them supplied, and what none of them will take.
//!
//! Knows records and databases; knows nothing of MQTT, and of the spool only the [`Feed`] it is read through.
//!
//! * [`line_protocol`] and [`points`]: the InfluxDB schema, pure.
//! * [`Influx`]: InfluxDB 1.x, 2 and 3, VictoriaMetrics; [`Sqlite`]: the embedded history, which [`history`] reads.
//! * [`follow`]: one sink, one feed, in order, with retries; [`dead_letters`]: what was refused for good.

use crate::{batch::Record, config, own_file::Stranger};
use std::{future::Future, path::PathBuf, time::Duration};

mod answer;
pub mod dead_letters;
mod follow;
pub mod history;
mod influx;
pub mod line_protocol;
pub mod points;
mod redrive;
mod sqlite;
mod sqlite_file;

pub use dead_letters::{DeadLetterError, DeadLetters, Letter};
pub use follow::{Feed, FeedError, Health, follow};
pub use history::History;
pub use influx::Influx;
pub use redrive::{Redriven, redrive};
pub use sqlite::Sqlite;

/// A database that takes records.
pub trait Sink: Send {
    /// Its name: the configuration's, or `sqlite`. The cursor and the dead letters go by it.
    fn name(&self) -> &str;

    /// Stores `records`, all or none or some. Storing one again overwrites it: after any number of tries the
    /// database says what it would after one.
    fn store(&mut self, records: &[Record]) -> impl Future<Output = Result<(), SinkError>> + Send;
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
    /// An InfluxDB sink's settings do not work.
    #[error("sink '{name}': {reason}")]
    Influx {
        /// The sink's name.
        name: String,
        /// What is wrong and what would do.
        reason: String,
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

/// Any of the sinks that a configuration can name.
#[derive(Debug)]
pub enum AnySink {
    /// InfluxDB or VictoriaMetrics.
    Influx(Box<Influx>),
    /// The embedded history.
    Sqlite(Sqlite),
}

impl AnySink {
    /// Opens every sink of the configuration, in its order, the history last. No database is spoken to yet.
    ///
    /// # Errors
    /// When settings cannot work or the history's file cannot be used.
    pub fn open(config: &config::Ingest) -> Result<Vec<Self>, OpenError> {
        let mut sinks = Vec::new();
        for influx in &config.influx {
            sinks.push(Self::Influx(Box::new(Influx::open(influx)?)));
        }
        if let Some(sqlite) = &config.sqlite {
            sinks.push(Self::Sqlite(Sqlite::open(sqlite)?));
        }
        Ok(sinks)
    }
}

impl Sink for AnySink {
    fn name(&self) -> &str {
        match self {
            Self::Influx(sink) => sink.name(),
            Self::Sqlite(sink) => sink.name(),
        }
    }

    async fn store(&mut self, records: &[Record]) -> Result<(), SinkError> {
        match self {
            Self::Influx(sink) => sink.store(records).await,
            Self::Sqlite(sink) => sink.store(records).await,
        }
    }
}

/// The word that the batch's JSON has for a role, a reason, a clock: every database says it alike.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
