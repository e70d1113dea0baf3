//! `ingest.toml`: where batches come from and the databases they go to.

use super::{HomeAssistant, Log, Mqtt, SecretFile, Sites, Webhook, mqtt::topic_level};
use crate::{
    bounds::{DAY, Mistakes, SECOND},
    units,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// This ingest's name: its MQTT client identifier is derived from it, so that the broker keeps its queue.
    pub name: String,
    /// The sites to subscribe to: one, a list, or `+` for all.
    pub site: Sites,
    /// Ask sensors to send again what is missing.
    pub replay: bool,
    /// Windows that are missing for so long, and that nobody sent or declared lost, are declared lost by this ingest.
    #[serde(with = "units::duration")]
    pub declare_after: Duration,
    /// The broker.
    pub mqtt: Mqtt,
    /// The store-and-forward log in front of the databases.
    pub spool: IngestSpool,
    /// What no database will take.
    pub dead_letters: DeadLetters,
    /// InfluxDB databases.
    pub influx: Vec<Influx>,
    /// Receivers of alerts.
    pub webhook: Vec<Webhook>,
    /// The embedded history.
    pub sqlite: Option<Sqlite>,
    /// The web server.
    pub web: Web,
    /// What is published for Home Assistant.
    pub home_assistant: HomeAssistant,
    /// The log.
    pub log: Log,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            name: "ingest-1".into(),
            site: Sites::default(),
            replay: true,
            declare_after: Duration::from_secs(60),
            mqtt: Mqtt::default(),
            spool: IngestSpool::default(),
            dead_letters: DeadLetters::default(),
            influx: Vec::new(),
            webhook: Vec::new(),
            sqlite: None,
            web: Web::default(),
            home_assistant: HomeAssistant::default(),
            log: Log::default(),
        }
    }
}

impl Ingest {
    /// The stations that may have a series of their own, by the database that holds the fewest; its name too.
    #[must_use]
    pub fn max_series(&self) -> Option<(u64, &str)> {
        self.influx.iter().filter_map(|influx| Some((influx.series()?, influx.name.as_str()))).min()
    }

    /// The embedded history: as configured, or with its defaults where no other store is.
    #[must_use]
    pub fn history(&self) -> Option<Sqlite> {
        self.sqlite.clone().or_else(|| self.influx.is_empty().then(Sqlite::default))
    }

    /// Refuses what serde cannot: values out of bounds, and values that do not fit together.
    pub fn check(&self, found: &mut Mistakes) {
        topic_level(found, "name", &self.name);
        self.site.check(found);
        found.between("declare_after", self.declare_after, SECOND, DAY * 30);
        for (index, influx) in self.influx.iter().enumerate() {
            found.at(index);
            influx.check(found);
            if influx.name == "sqlite" || self.influx.iter().take(index).any(|other| other.name == influx.name) {
                found
                    .wrong("influx.name", format!("'{}' is taken: each sink keeps its place by its name", influx.name));
            }
        }
        for (index, webhook) in self.webhook.iter().enumerate() {
            found.at(index);
            webhook.check(found);
            let taken = ["sqlite"].into_iter().chain(self.influx.iter().map(|influx| influx.name.as_str()));
            let mut taken = taken.chain(self.webhook.iter().take(index).map(|other| other.name.as_str()));
            if taken.any(|name| name == webhook.name) {
                found.wrong(
                    "webhook.name",
                    format!("'{}' is taken: each sink keeps its place by its name", webhook.name),
                );
            }
        }
        found.at(None);
        if let Some(history) = self.history() {
            history.check(found);
        }
        self.web.check(found);
        self.home_assistant.check(found);
        self.spool.check(found);
        self.dead_letters.check(found);
        self.mqtt.check(found);
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
    /// One commit takes what came within so long; so much may wait at the broker, and be sent again, after a power cut.
    #[serde(with = "units::duration")]
    pub commit_within: Duration,
}

impl Default for IngestSpool {
    fn default() -> Self {
        Self {
            state_dir: "/var/lib/airtally-ingest".into(),
            max_bytes: units::Bytes(256 << 20),
            commit_within: SECOND * 30,
        }
    }
}

impl IngestSpool {
    /// Refuses a log that holds nothing.
    pub fn check(&self, found: &mut Mistakes) {
        if self.max_bytes.0 < 1 << 20 {
            found.wrong("spool.max_bytes", format!("{} is less than 1MiB", self.max_bytes));
        }
        found.between("spool.commit_within", self.commit_within, Duration::ZERO, SECOND * 60);
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

impl DeadLetters {
    /// Refuses a file that holds nothing.
    pub fn check(&self, found: &mut Mistakes) {
        if self.max_bytes.0 < 64 << 10 {
            found.wrong("dead_letters.max_bytes", format!("{} is less than 64KiB", self.max_bytes));
        }
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
    /// Stations that may have a series of their own here: where the sensors' budgets together pass it, page and status warn.
    /// 100,000 with `v1` where absent, no bound with `v2`.
    #[serde(default)]
    pub max_series: Option<u64>,
    /// After a failure, what came within so long before it is stored once more: a database that was killed may have lost
    /// what it had taken.
    #[serde(with = "units::duration", default = "one_minute")]
    pub refill: Duration,
}

/// What InfluxDB 1.x takes of one tag's values unless it is told otherwise (`max-values-per-tag`).
const INFLUX_1_VALUES: u64 = 100_000;

impl Influx {
    fn series(&self) -> Option<u64> {
        self.max_series.or_else(|| (self.api == InfluxApi::V1).then_some(INFLUX_1_VALUES))
    }

    /// Refuses keys that do not go with the API, and addresses that are none.
    pub fn check(&self, found: &mut Mistakes) {
        topic_level(found, "influx.name", &self.name);
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            found.wrong("influx.url", format!("'{}' must begin with http:// or https://", self.url));
        }
        let needed = match self.api {
            InfluxApi::V1 => vec![("db", self.db.is_some())],
            InfluxApi::V2 => vec![("org", self.org.is_some()), ("bucket", self.bucket.is_some())],
        };
        let foreign = match self.api {
            InfluxApi::V1 => vec![
                ("org", self.org.is_some()),
                ("bucket", self.bucket.is_some()),
                ("token_file", self.token_file.is_some()),
            ],
            InfluxApi::V2 => vec![
                ("db", self.db.is_some()),
                ("user", self.user.is_some()),
                ("password_file", self.password_file.is_some()),
            ],
        };
        let api = if self.api == InfluxApi::V1 { "v1" } else { "v2" };
        if let Some((key, _)) = needed.iter().find(|(_, present)| !present) {
            found.wrong(&format!("influx.{key}"), format!("is needed with api = \"{api}\" (sink '{}')", self.name));
        }
        if let Some((key, _)) = foreign.iter().find(|(_, present)| *present) {
            found.wrong(&format!("influx.{key}"), format!("does not go with api = \"{api}\" (sink '{}')", self.name));
        }
        found.between("influx.timeout", self.timeout, SECOND, SECOND * 600);
        found.between("influx.refill", self.refill, Duration::ZERO, SECOND * 86_400);
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn one_minute() -> Duration {
    Duration::from_secs(60)
}

/// The web server: the page and its API for those who may see what sensors heard, the vendor registry for all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Whether there is one.
    pub enabled: bool,
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// PEM file with the certificate chain, for https.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    pub key_file: Option<SecretFile>,
    /// File with the password that those who log in give, as `airtally ingest password` writes it.
    pub password_file: Option<SecretFile>,
    /// Addresses and networks of proxies that have their clients log in, and say in `proxy_header` who asks.
    pub trusted_proxies: Vec<String>,
    /// The header in which such a proxy says so.
    pub proxy_header: String,
    /// File whose first line is the token that a collector of metrics shows.
    pub metrics_token_file: Option<SecretFile>,
    /// File whose first line is the token that changes to the vendor registry need; without it there are none.
    pub token_file: Option<SecretFile>,
    /// Origins whose web pages may read the vendor registry, like `https://example.org`; `*` is all.
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
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 8780)),
            cert_file: None,
            key_file: None,
            password_file: None,
            trusted_proxies: Vec::new(),
            proxy_header: "Remote-User".into(),
            metrics_token_file: None,
            token_file: None,
            cors_origins: Vec::new(),
            rate_limit: None,
            hosts: Vec::new(),
            oui_cache: "/var/lib/airtally/oui.sqlite".into(),
        }
    }
}

impl Web {
    /// Refuses halves of a pair, a bound that lets nobody in, and what is no address or no name.
    pub fn check(&self, found: &mut Mistakes) {
        if self.cert_file.is_some() != self.key_file.is_some() {
            found.wrong("web", "cert_file and key_file go together");
        }
        if self.rate_limit == Some(0) {
            found.wrong("web.rate_limit", "must be at least 1; leave it out for no bound");
        }
        if let Err(message) = self.proxies() {
            found.wrong("web.trusted_proxies", message);
        }
        let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        if self.proxy_header.is_empty() || !self.proxy_header.bytes().all(is_token) {
            found.wrong("web.proxy_header", format!("'{}' is no header's name, like Remote-User", self.proxy_header));
        }
        for host in &self.hosts {
            if host.is_empty() || host.contains(['/', '@']) || host.contains(char::is_whitespace) {
                found
                    .wrong("web.hosts", format!("'{host}' is no name of a server: give it alone, like pi.example.org"));
            }
        }
    }

    /// The trusted proxies, as networks.
    ///
    /// # Errors
    /// The one that is none.
    pub fn proxies(&self) -> Result<Vec<IpNet>, String> {
        let network = |text: &String| {
            let network = text.parse::<IpAddr>().map(IpNet::from).ok().or_else(|| text.parse().ok());
            match network {
                Some(network) if network.prefix_len() > 0 => Ok(network.trunc()),
                Some(_) => Err(format!("'{text}' is everybody: name the proxy's address")),
                None => Err(format!("'{text}' is neither an address nor a network like 10.0.0.0/24")),
            }
        };
        self.trusted_proxies.iter().map(network).collect()
    }
}

/// The embedded history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sqlite {
    /// Its file.
    pub path: PathBuf,
    /// How long windows are kept as they came; 24 hours where absent (30 days in a history that is older than the tiers).
    #[serde(with = "units::maybe_duration", default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
    /// How long sums of minutes are kept.
    #[serde(with = "units::duration")]
    pub minutes: Duration,
    /// How long sums of hours, and declared losses, are kept.
    #[serde(with = "units::duration")]
    pub hours: Duration,
    /// Its size, at most; then the oldest rows give way.
    pub max_bytes: units::Bytes,
    /// One commit takes what came within so long: until then it is in ingest's spool.
    #[serde(with = "units::duration")]
    pub commit_within: Duration,
}

impl Default for Sqlite {
    fn default() -> Self {
        Self {
            path: "/var/lib/airtally-ingest/history.sqlite".into(),
            retention: None,
            minutes: DAY * 7,
            hours: DAY * 400,
            max_bytes: units::Bytes(1 << 30),
            commit_within: SECOND * 120,
        }
    }
}

impl Sqlite {
    /// Refuses a history that holds nothing.
    pub fn check(&self, found: &mut Mistakes) {
        for (key, age) in [
            ("sqlite.retention", self.retention.unwrap_or(DAY)),
            ("sqlite.minutes", self.minutes),
            ("sqlite.hours", self.hours),
        ] {
            found.between(key, age, SECOND * 60, DAY * 36_500);
        }
        found.between("sqlite.commit_within", self.commit_within, Duration::ZERO, SECOND * 3_600);
        if self.max_bytes.0 < 1 << 20 {
            found.wrong("sqlite.max_bytes", format!("{} is less than 1MiB", self.max_bytes));
        }
    }
}
