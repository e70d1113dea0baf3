//! `[mqtt]` of both files: the broker, and what is asked of it.

use super::SecretFile;
use crate::{
    bounds::{Mistakes, SECOND},
    units,
};
use serde::{Deserialize, Serialize};
use std::{net::IpAddr, path::PathBuf, time::Duration};

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

impl Mqtt {
    /// Refuses what no broker could be reached with.
    pub fn check(&self, found: &mut Mistakes) {
        if let Some(message) = host_alone(&self.host) {
            found.wrong("mqtt.host", message);
        }
        if self.port == Some(0) {
            found.wrong("mqtt.port", "must be between 1 and 65535");
        }
        for level in self.base_topic.split('/') {
            topic_level(found, "mqtt.base_topic", level);
        }
        found.between("mqtt.keep_alive", self.keep_alive, SECOND * 5, SECOND * 3600);
        found.between("mqtt.max_backoff", self.max_backoff, SECOND, SECOND * 3600);
        if !(1..=1000).contains(&self.inflight) {
            found.wrong("mqtt.inflight", format!("{} is not between 1 and 1000", self.inflight));
        }
        if !(16 << 10..=16 << 20).contains(&self.max_message.0) {
            found.wrong("mqtt.max_message", format!("{} is not between 16KiB and 16MiB", self.max_message));
        }
        if self.username.is_none() && self.password_file.is_some() {
            found.wrong("mqtt.password_file", "goes with mqtt.username");
        }
        if let Some(tls) = &self.tls
            && tls.cert_file.is_some() != tls.key_file.is_some()
        {
            found.wrong("mqtt.tls", "cert_file and key_file go together");
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

/// What a host's name has that belongs elsewhere.
fn host_alone(host: &str) -> Option<String> {
    let alone = |host: &str| host.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    if host.is_empty() {
        return Some("name the broker's host".to_owned());
    }
    // An IPv6 address may stand in brackets, and name its zone.
    let address = host.trim_matches(['[', ']']).split('%').next().unwrap_or_default();
    if address.parse::<IpAddr>().is_ok() {
        return None;
    }
    if let Some((scheme, rest)) = host.split_once("://") {
        let tls = if matches!(scheme, "mqtts" | "ssl" | "tls" | "wss") { ", and a table [mqtt.tls]" } else { "" };
        let rest = alone(rest);
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, format!(", mqtt.port = {port}")),
            _ => (rest.as_str(), String::new()),
        };
        return Some(format!(
            "'{host}' is an address with a scheme: give the host alone, host = \"{name}\"{port}{tls}"
        ));
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => {
            let name = name.trim_start_matches('[').trim_end_matches(']');
            return Some(format!(
                "'{host}' has a port: give the host alone, host = \"{name}\", and mqtt.port = {port}"
            ));
        }
        _ => {}
    }
    let foreign = host.chars().find(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | '%'));
    foreign.map(|c| format!("'{host}' has a {c:?}, which no host's name has: give the name or address alone"))
}

/// One level of a topic: a name that a broker, a file system and a person can all take.
pub fn topic_level(found: &mut Mistakes, key: &str, value: &str) {
    if value.is_empty() || value.len() > 64 {
        return found.wrong(key, format!("'{value}' must have 1 to 64 characters"));
    }
    if matches!(value, "." | "..") {
        return found.wrong(key, format!("'{value}' is no name: use letters or digits too"));
    }
    if value.starts_with("$share") {
        return found.wrong(
            key,
            format!(
                "'{value}' is not shared among subscribers: the broker would give each of them a part of every sensor's \
                 windows, and each would ask the sensors for the others'; divide the sites among ingests instead, \
                 site = [\"shop-1\", \"shop-2\"]"
            ),
        );
    }
    if let Some(c) = value.chars().find(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.')) {
        found.wrong(
            key,
            format!(
                "'{value}' has a {c:?}: it becomes a level of the MQTT topic, so use letters, digits, '-', '_' and '.'"
            ),
        );
    }
}
