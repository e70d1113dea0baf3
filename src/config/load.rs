//! Reading a configuration file: parse, name the nearest valid key, check what serde cannot.

use super::{Influx, InfluxApi, Ingest, Mqtt, Pace, PrivacyMac, Radio, Sensor, SourceKind, Sync};
use serde::de::DeserializeOwned;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// What is wrong with a configuration, in words for the person who wrote it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not TOML, or a key or type is wrong. The message has line, column and a caret.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        message: String,
    },
    /// A value is out of bounds, or two values do not fit together.
    #[error("{path}: {key}: {message}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, with its table.
        key: String,
        /// What is wrong and what would do.
        message: String,
    },
    /// Neither a sensor's nor an ingest's file.
    #[error("{path}: cannot tell whether this is for the sensor or for ingest: {message}")]
    Kind {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
}

/// Which daemon a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `airtally sensor`.
    Sensor,
    /// `airtally ingest`.
    Ingest,
}

impl Kind {
    /// Tells which daemon the file at `path` is for, by the top-level keys that only one of them has.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has keys of neither or both.
    pub fn of(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| parse_error(path, &text, &error))?;
        let has = |keys: &[&str]| keys.iter().any(|key| table.contains_key(*key));
        let kind_error = |message: &str| ConfigError::Kind { path: path.to_owned(), message: message.into() };
        match (
            has(&["sensor", "source", "radio", "window", "tracking", "privacy", "oui", "clock"]),
            has(&["name", "replay", "dead_letters", "influx", "sqlite", "web"]),
        ) {
            (true, false) => Ok(Self::Sensor),
            (false, true) => Ok(Self::Ingest),
            (false, false) => Err(kind_error(
                "it has none of the keys that only one of them knows, like 'sensor' or 'name'; pass --kind",
            )),
            (true, true) => {
                Err(kind_error("it has keys of both, like 'sensor' and 'name'; pass --kind to see which are wrong"))
            }
        }
    }
}

/// Reads and checks a sensor's configuration.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn load_sensor(path: &Path) -> Result<Sensor, ConfigError> {
    parse_sensor(path, &read(path)?)
}

/// Reads and checks an ingest's configuration.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn load_ingest(path: &Path) -> Result<Ingest, ConfigError> {
    parse_ingest(path, &read(path)?)
}

/// As [`load_sensor`], from text; `path` is for messages.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn parse_sensor(path: &Path, text: &str) -> Result<Sensor, ConfigError> {
    let config: Sensor = parse(path, text)?;
    check_sensor(&config).map_err(|(key, message)| ConfigError::Value { path: path.to_owned(), key, message })?;
    Ok(config)
}

/// As [`load_ingest`], from text; `path` is for messages.
///
/// # Errors
/// Says what is wrong, where, and what would do.
pub fn parse_ingest(path: &Path, text: &str) -> Result<Ingest, ConfigError> {
    let config: Ingest = parse(path, text)?;
    check_ingest(&config).map_err(|(key, message)| ConfigError::Value { path: path.to_owned(), key, message })?;
    Ok(config)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| parse_error(path, text, &error))
}

fn parse_error(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let mut message = error.to_string().trim_end().to_owned();
    if let Some(nearest) = nearest_key(error.message()) {
        message.push_str(&format!("\ndid you mean '{nearest}'?"));
    }
    if error.span().is_none() && text.trim().is_empty() {
        message.push_str(" (the file is empty)");
    }
    ConfigError::Parse { path: path.to_owned(), message }
}

/// From "unknown field `a`, expected one of `b`, `c`": the expected key that looks most like the unknown one.
fn nearest_key(message: &str) -> Option<&str> {
    let mut quoted = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|key| (strsim::normalized_damerau_levenshtein(unknown, key), key))
        .filter(|(likeness, _)| *likeness >= 0.4)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

type Wrong = (String, String);

fn wrong(key: &str, message: impl Into<String>) -> Result<(), Wrong> {
    Err((key.to_owned(), message.into()))
}

fn between(key: &str, value: Duration, low: Duration, high: Duration) -> Result<(), Wrong> {
    if value < low || value > high {
        let show = humantime::format_duration;
        return wrong(key, format!("{} is not between {} and {}", show(value), show(low), show(high)));
    }
    Ok(())
}

/// One level of a topic: a name that a broker, a file system and a person can all take.
fn topic_level(key: &str, value: &str) -> Result<(), Wrong> {
    if value.is_empty() || value.len() > 64 {
        return wrong(key, format!("'{value}' must have 1 to 64 characters"));
    }
    match value.chars().find(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.')) {
        Some(c) => wrong(
            key,
            format!(
                "'{value}' has a {c:?}: it becomes a level of the MQTT topic, so use letters, digits, '-', '_' and '.'"
            ),
        ),
        None => Ok(()),
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

fn check_sensor(config: &Sensor) -> Result<(), Wrong> {
    topic_level("site", &config.site)?;
    topic_level("sensor", &config.sensor)?;
    match config.source.kind {
        SourceKind::Interface if config.source.interface.is_empty() => {
            wrong("source.interface", "name the interface to listen on, like \"wlan1\"")?;
        }
        SourceKind::File if config.source.file.as_os_str().is_empty() => {
            wrong("source.file", "name the capture file to replay")?;
        }
        SourceKind::Stdin if config.source.repeat => {
            wrong("source.loop", "standard input cannot begin again; use kind = \"file\"")?;
        }
        _ => {}
    }
    if config.source.repeat && config.source.pace == Pace::Fast && config.source.kind == SourceKind::File {
        wrong("source.loop", "a loop at pace = \"fast\" would never rest; use pace = \"recorded\"")?;
    }
    if !(64..=262_144).contains(&config.source.snaplen) {
        wrong("source.snaplen", format!("{} is not between 64 and 262144", config.source.snaplen))?;
    }
    if !(64 << 10..=1 << 30).contains(&config.source.buffer.0) {
        wrong("source.buffer", format!("{} is not between 64KiB and 1GiB", config.source.buffer))?;
    }
    check_radio(&config.radio)?;
    between("window.length", config.window.length, SECOND, DAY)?;
    if config.window.length.subsec_nanos() != 0 {
        wrong("window.length", "must be whole seconds")?;
    }
    if !(1..=1_000_000).contains(&config.window.max_stations) {
        wrong("window.max_stations", format!("{} is not between 1 and 1000000", config.window.max_stations))?;
    }
    if config.tracking.budget > 100_000 {
        wrong("tracking.budget", "more than 100000 series would choke an InfluxDB 1.x database")?;
    }
    if config.tracking.always.len() > config.tracking.budget {
        wrong("tracking.always", format!("lists more than tracking.budget ({})", config.tracking.budget))?;
    }
    if config.tracking.track_after == 0 {
        wrong("tracking.track_after", "must be at least 1")?;
    }
    between("tracking.period", config.tracking.period, SECOND * 3600, DAY * 3650)?;
    if config.privacy.mac == PrivacyMac::Pseudonym {
        between("privacy.rotation", config.privacy.rotation, SECOND * 60, DAY * 31)?;
    }
    if config.spool.max_bytes.0 < 1 << 20 {
        wrong("spool.max_bytes", format!("{} is less than 1MiB", config.spool.max_bytes))?;
    }
    between("clock.settle", config.clock.settle, SECOND, DAY)?;
    if config.clock.sync == Sync::Marker && !config.clock.marker.is_absolute() {
        wrong("clock.marker", format!("'{}' must be the whole path, from /", config.clock.marker.display()))?;
    }
    between("spool.age_out", config.spool.age_out, SECOND, DAY)?;
    check_mqtt(&config.mqtt)
}

fn check_radio(radio: &Radio) -> Result<(), Wrong> {
    if radio.interface.as_ref().is_some_and(String::is_empty) {
        wrong(
            "radio.interface",
            "name an interface, a card, a MAC address or a place on the bus; leave the key out for \
                                  the only card that can listen",
        )?;
    }
    between("radio.dwell", radio.dwell, MILLISECOND * 10, SECOND * 3600)?;
    between("radio.min_dwell", radio.min_dwell, MILLISECOND * 10, SECOND * 3600)?;
    if radio.adaptive && radio.min_dwell > radio.dwell {
        wrong("radio.min_dwell", "the least that a channel gets is more than radio.dwell, its average")?;
    }
    for (key, time) in [("radio.dwell", radio.dwell), ("radio.min_dwell", radio.min_dwell)] {
        if time.subsec_nanos() % 1_000_000 != 0 {
            wrong(key, "must be whole milliseconds")?;
        }
    }
    between("radio.baseline", radio.baseline, SECOND * 10, DAY * 7)
}

fn check_ingest(config: &Ingest) -> Result<(), Wrong> {
    topic_level("name", &config.name)?;
    if config.site != "+" {
        topic_level("site", &config.site)?;
    }
    if config.influx.is_empty() && config.sqlite.is_none() {
        wrong("influx", "there is nowhere to store: add an [[influx]] or a [sqlite] table")?;
    }
    for (index, influx) in config.influx.iter().enumerate() {
        check_influx(influx)?;
        if influx.name == "sqlite" || config.influx[..index].iter().any(|other| other.name == influx.name) {
            wrong("influx.name", format!("'{}' is taken: each sink keeps its place by its name", influx.name))?;
        }
    }
    if let Some(sqlite) = &config.sqlite {
        between("sqlite.retention", sqlite.retention, SECOND * 60, DAY * 36_500)?;
        if sqlite.max_bytes.0 < 1 << 20 {
            wrong("sqlite.max_bytes", format!("{} is less than 1MiB", sqlite.max_bytes))?;
        }
    }
    if let Some(web) = &config.web {
        if web.cert_file.is_some() != web.key_file.is_some() {
            wrong("web", "cert_file and key_file go together")?;
        }
        if web.rate_limit == Some(0) {
            wrong("web.rate_limit", "must be at least 1; leave it out for no bound")?;
        }
    }
    if config.spool.max_bytes.0 < 1 << 20 {
        wrong("spool.max_bytes", format!("{} is less than 1MiB", config.spool.max_bytes))?;
    }
    if config.dead_letters.max_bytes.0 < 64 << 10 {
        wrong("dead_letters.max_bytes", format!("{} is less than 64KiB", config.dead_letters.max_bytes))?;
    }
    check_mqtt(&config.mqtt)
}

fn check_influx(influx: &Influx) -> Result<(), Wrong> {
    topic_level("influx.name", &influx.name)?;
    if !influx.url.starts_with("http://") && !influx.url.starts_with("https://") {
        wrong("influx.url", format!("'{}' must begin with http:// or https://", influx.url))?;
    }
    let needed = match influx.api {
        InfluxApi::V1 => vec![("db", influx.db.is_some())],
        InfluxApi::V2 => vec![("org", influx.org.is_some()), ("bucket", influx.bucket.is_some())],
    };
    let foreign = match influx.api {
        InfluxApi::V1 => vec![
            ("org", influx.org.is_some()),
            ("bucket", influx.bucket.is_some()),
            ("token_file", influx.token_file.is_some()),
        ],
        InfluxApi::V2 => vec![
            ("db", influx.db.is_some()),
            ("user", influx.user.is_some()),
            ("password_file", influx.password_file.is_some()),
        ],
    };
    let api = if influx.api == InfluxApi::V1 { "v1" } else { "v2" };
    if let Some((key, _)) = needed.iter().find(|(_, present)| !present) {
        wrong(&format!("influx.{key}"), format!("is needed with api = \"{api}\" (sink '{}')", influx.name))?;
    }
    if let Some((key, _)) = foreign.iter().find(|(_, present)| *present) {
        wrong(&format!("influx.{key}"), format!("does not go with api = \"{api}\" (sink '{}')", influx.name))?;
    }
    between("influx.timeout", influx.timeout, SECOND, SECOND * 600)
}

fn check_mqtt(mqtt: &Mqtt) -> Result<(), Wrong> {
    if mqtt.host.is_empty() {
        wrong("mqtt.host", "name the broker's host")?;
    }
    if mqtt.port == Some(0) {
        wrong("mqtt.port", "must be between 1 and 65535")?;
    }
    for level in mqtt.base_topic.split('/') {
        topic_level("mqtt.base_topic", level)?;
    }
    between("mqtt.keep_alive", mqtt.keep_alive, SECOND * 5, SECOND * 3600)?;
    between("mqtt.max_backoff", mqtt.max_backoff, SECOND, SECOND * 3600)?;
    if !(1..=1000).contains(&mqtt.inflight) {
        wrong("mqtt.inflight", format!("{} is not between 1 and 1000", mqtt.inflight))?;
    }
    if !(16 << 10..=16 << 20).contains(&mqtt.max_message.0) {
        wrong("mqtt.max_message", format!("{} is not between 16KiB and 16MiB", mqtt.max_message))?;
    }
    if mqtt.username.is_none() && mqtt.password_file.is_some() {
        wrong("mqtt.password_file", "goes with mqtt.username")?;
    }
    if let Some(tls) = &mqtt.tls
        && tls.cert_file.is_some() != tls.key_file.is_some()
    {
        wrong("mqtt.tls", "cert_file and key_file go together")?;
    }
    Ok(())
}
