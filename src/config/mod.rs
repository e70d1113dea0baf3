//! The two configuration files: their keys, defaults and bounds, and a clear sentence for each mistake.
//!
//! Unknown keys are refused. Secrets are never values here, only paths of files that hold them.

mod flows;
mod home_assistant;
mod ingest;
mod load;
mod metrics;
mod mqtt;
mod people;
mod radio;
mod secret;
mod sensor;
mod sites;
mod sketch;
mod webhook;

pub use flows::Flows;
pub use home_assistant::HomeAssistant;
pub use ingest::{DeadLetters, Influx, InfluxApi, Ingest, IngestSpool, Sqlite, Web};
pub use load::{ConfigError, ConfigKind, line_of, load_ingest, load_sensor, parse_ingest, parse_sensor};
pub use metrics::Metrics;
pub use mqtt::{Mqtt, Tls, topic_level};
pub use people::People;
pub use radio::{Order, Radio, RadioMode};
pub use secret::{SecretError, SecretFile};
pub use sensor::{Clock, Oui, Pace, Sensor, Source, SourceKind, Spool, Sync};
pub use sites::Sites;
pub use sketch::Sketch;
pub use webhook::Webhook;

use serde::{Deserialize, Serialize};

/// What the log says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

/// How much the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the usual ones")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}
