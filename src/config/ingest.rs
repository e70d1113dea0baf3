//! `ingest.toml`: where batches come from and the databases they go to.

use super::{Log, Mqtt, SecretFile, units};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// This ingest's name: its MQTT client identifier is derived from it, so that the broker keeps its queue.
    pub name: String,
    /// The site to subscribe to; `+` is every site.
    pub site: String,
    /// Ask sensors to send again what is missing.
    pub replay: bool,
    /// The broker.
    pub mqtt: Mqtt,
    /// The store-and-forward log in front of the databases.
    pub spool: IngestSpool,
    /// What no database will take.
    pub dead_letters: DeadLetters,
    /// InfluxDB databases.
    pub influx: Vec<Influx>,
    /// The embedded history.
    pub sqlite: Option<Sqlite>,
    /// The web server; none where absent.
    pub web: Option<Web>,
    /// The log.
    pub log: Log,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            name: "ingest-1".into(),
            site: "+".into(),
            replay: true,
            mqtt: Mqtt::default(),
            spool: IngestSpool::default(),
            dead_letters: DeadLetters::default(),
            influx: Vec::new(),
            sqlite: None,
            web: None,
            log: Log::default(),
        }
    }
}

/// Ingest's store-and-forward log: always durable, because it acknowledges to the broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestSpool {
    /// Its directory.
    pub state_dir: PathBuf,
    /// Its size, at most; then batches stored everywhere give way, and after them the oldest.
    pub max_bytes: units::Bytes,
}

impl Default for IngestSpool {
    fn default() -> Self {
        Self { state_dir: "/var/lib/airtally-ingest".into(), max_bytes: units::Bytes(256 << 20) }
    }
}

/// What no database will take, kept with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetters {
    /// Their size, at most; then the oldest give way.
    pub max_bytes: units::Bytes,
    /// How long they are kept.
    #[serde(with = "units::duration")]
    pub retention: Duration,
}

impl Default for DeadLetters {
    fn default() -> Self {
        Self { max_bytes: units::Bytes(16 << 20), retention: Duration::from_secs(90 * 86_400) }
    }
}

/// Which of InfluxDB's write APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InfluxApi {
    /// `/write?db=` with user and password: InfluxDB 1.x.
    V1,
    /// `/api/v2/write` with a token: InfluxDB 2 and 3, VictoriaMetrics.
    V2,
}

/// One InfluxDB (or VictoriaMetrics) to write to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Influx {
    /// Its name in the log, the status and its cursor: keep it, or what is stored is offered again.
    pub name: String,
    /// Which API it speaks.
    pub api: InfluxApi,
    /// Where it listens, like `http://localhost:8086`.
    pub url: String,
    /// The organisation, for `v2`.
    pub org: Option<String>,
    /// The bucket, for `v2`.
    pub bucket: Option<String>,
    /// File whose first line is the API token, for `v2`.
    pub token_file: Option<SecretFile>,
    /// The database, for `v1`.
    pub db: Option<String>,
    /// The user, for `v1`.
    pub user: Option<String>,
    /// File whose first line is the password, for `v1`.
    pub password_file: Option<SecretFile>,
    /// PEM file of certificate authorities to trust beside the system's, for `https`.
    pub ca_file: Option<PathBuf>,
    /// How long one write may take.
    #[serde(with = "units::duration", default = "ten_seconds")]
    pub timeout: Duration,
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

/// The web server: the vendor registry's routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// PEM file with the certificate chain, for https.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    pub key_file: Option<SecretFile>,
    /// File whose first line is the token that changes need; without it there are none.
    pub token_file: Option<SecretFile>,
    /// Origins whose web pages may read, like `https://example.org`; `*` is all.
    pub cors_origins: Vec<String>,
    /// Requests a second that one client may make; no bound where absent.
    pub rate_limit: Option<u32>,
    /// Names by which clients ask for the server, beside its addresses and its own name; `*` is any.
    pub hosts: Vec<String>,
    /// The vendor cache that `airtally oui update` writes.
    pub oui_cache: PathBuf,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8780)),
            cert_file: None,
            key_file: None,
            token_file: None,
            cors_origins: Vec::new(),
            rate_limit: None,
            hosts: Vec::new(),
            oui_cache: "/var/lib/airtally/oui.sqlite".into(),
        }
    }
}

/// The embedded history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sqlite {
    /// Its file.
    pub path: PathBuf,
    /// How long windows are kept.
    #[serde(with = "units::duration")]
    pub retention: Duration,
    /// Its size, at most; then the oldest windows give way.
    pub max_bytes: units::Bytes,
}

impl Default for Sqlite {
    fn default() -> Self {
        Self {
            path: "/var/lib/airtally-ingest/history.sqlite".into(),
            retention: Duration::from_secs(30 * 86_400),
            max_bytes: units::Bytes(1 << 30),
        }
    }
}
