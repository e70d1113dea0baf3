//! The two configuration files: their keys, defaults and bounds, and a clear sentence for each mistake.
//!
//! Unknown keys are refused. Secrets are never values here, only paths of files that hold them.

mod ingest;
mod load;
mod radio;
mod secret;
mod sensor;
pub mod units;

pub use ingest::{DeadLetters, Influx, InfluxApi, Ingest, IngestSpool, Sqlite, Web};
pub use load::{ConfigError, Kind, load_ingest, load_sensor, parse_ingest, parse_sensor};
pub use radio::{Order, Radio, RadioMode};
pub use secret::{SecretError, SecretFile};
pub use sensor::{Clock, Oui, Pace, Privacy, PrivacyMac, Sensor, Source, SourceKind, Spool, Sync, Tracking, Window};

use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// How to reach the broker; the same for sensor and ingest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mqtt {
    /// Host name or address of the broker.
    pub host: String,
    /// TCP port; 1883 without TLS and 8883 with it where absent.
    pub port: Option<u16>,
    /// First level of every topic.
    pub base_topic: String,
    /// Client identifier; derived from site and sensor (or from `ingest.name`) where absent.
    pub client_id: Option<String>,
    /// User name, where the broker asks for one.
    pub username: Option<String>,
    /// File whose first line is the password.
    pub password_file: Option<SecretFile>,
    /// Silence after which either side checks the connection, and the broker declares the sensor offline.
    #[serde(with = "units::duration")]
    pub keep_alive: Duration,
    /// Messages on the way without acknowledgement, at most.
    pub inflight: u16,
    /// Largest message, its payload and properties together; larger windows are split into parts.
    pub max_message: units::Bytes,
    /// Longest wait between two attempts to connect.
    #[serde(with = "units::duration")]
    pub max_backoff: Duration,
    /// TLS; absent means none.
    pub tls: Option<Tls>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: None,
            base_topic: "airtally".into(),
            client_id: None,
            username: None,
            password_file: None,
            keep_alive: Duration::from_secs(30),
            inflight: 20,
            max_message: units::Bytes(256 << 10),
            max_backoff: Duration::from_secs(60),
            tls: None,
        }
    }
}

/// TLS towards the broker: the server's certificate is always verified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the certificate authorities to trust; the system's where absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate (and its chain), where the broker asks for one.
    pub cert_file: Option<PathBuf>,
    /// PEM file of the client certificate's private key.
    pub key_file: Option<SecretFile>,
    /// Name to expect in the server's certificate; `mqtt.host` where absent.
    pub server_name: Option<String>,
}

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
