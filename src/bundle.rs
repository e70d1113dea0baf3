//! A sensor's bundle: one file of TOML with all that makes a fresh machine one sensor of a fleet. `airtally provision`
//! writes it, `airtally setup --bundle` reads it. It comes from outside: its size is bounded, what it does not know it
//! refuses, and it names no path, so that it cannot say where anything is written.

use crate::{
    config::{ConfigError, Sensor, parse_sensor},
    sketch::SiteSecret,
};
use serde::{Deserialize, Serialize};
use std::{fs::File, io, io::Read as _, path::Path};

/// The schema of [`Bundle`].
pub const BUNDLE_SCHEMA: &str = "airtally.bundle/1";
/// Octets of a bundle, at most: ten times what one has.
pub const MAX_BUNDLE: u64 = 256 << 10;
/// How a bundle begins.
pub const BUNDLE_START: &str = "# A sensor's bundle, by airtally provision.";
/// Octets of a password, at most.
const MAX_PASSWORD: usize = 1_024;
/// How the DER of an Ed25519 public key begins, in base64 (RFC 8410, clause 4); 32 octets of key follow.
const ED25519: &str = "MCowBQYDK2VwAyEA";
/// How long that is in base64.
const ED25519_LENGTH: usize = 60;

/// All that makes a machine one sensor. It holds secrets, so nothing prints it whole.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`BUNDLE_SCHEMA`].
    pub schema: String,
    /// The text of `sensor.toml`, without the paths of what is below: those are for the machine to choose.
    pub configuration: String,
    /// The password at the broker, for `mqtt.username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Certificates of the authorities that the broker's is verified with (PEM); the system's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The client certificate (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The client certificate's private key (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The operator's public key (Ed25519, PEM), for later operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_key: Option<String>,
    /// The secret of the site's sketches, as a line; each sensor of a site has the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site_secret: Option<String>,
}

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// More octets than a bundle has.
    #[error("it has more than {} KiB, and no bundle has", MAX_BUNDLE >> 10)]
    TooLarge,
    /// Not text, not TOML, or without a schema: some other file, or half of one.
    #[error("it is no bundle, or not whole: {0}; make it with 'airtally provision', and copy it again")]
    Strange(String),
    /// A bundle of another version.
    #[error("it is a bundle of '{0}', and this program reads {BUNDLE_SCHEMA}: install another version of airtally")]
    Version(String),
    /// A part of it is not what it should be.
    #[error("its '{part}' {what}; make it again with 'airtally provision'")]
    Part {
        /// Which part.
        part: &'static str,
        /// What is wrong.
        what: String,
    },
    /// Its configuration has a mistake.
    #[error("its configuration has a mistake: {0}")]
    Configuration(#[from] ConfigError),
}

impl Bundle {
    /// Reads the file at `path`, and no more of it than a bundle may have.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> Result<(Self, Sensor), BundleError> {
        let mut octets = Vec::new();
        File::open(path)?.take(MAX_BUNDLE + 1).read_to_end(&mut octets)?;
        Self::parse(&octets)
    }

    /// Reads a bundle and the configuration in it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(octets: &[u8]) -> Result<(Self, Sensor), BundleError> {
        if octets.len() as u64 > MAX_BUNDLE {
            return Err(BundleError::TooLarge);
        }
        let text = std::str::from_utf8(octets).map_err(|_| BundleError::Strange("it is not text".into()))?;
        // A parser's own words would repeat a line of it, which may be a secret.
        let strange = |_| BundleError::Strange("it is not TOML".into());
        let table: toml::Table = toml::from_str(text).map_err(strange)?;
        match table.get("schema").and_then(toml::Value::as_str) {
            None => return Err(BundleError::Strange("it has no 'schema'".into())),
            Some(BUNDLE_SCHEMA) => {}
            Some(other) => return Err(BundleError::Version(other.chars().take(64).collect())),
        }
        let bundle: Self = table.try_into().map_err(|error: toml::de::Error| {
            BundleError::Strange(error.message().chars().take(200).collect::<String>())
        })?;
        let config = bundle.check()?;
        Ok((bundle, config))
    }

    /// As it is written.
    ///
    /// # Errors
    /// When a reader would refuse it.
    pub fn write(&self) -> Result<String, BundleError> {
        let config = self.check()?;
        let body = toml::to_string(self).map_err(|error| BundleError::Strange(error.to_string()))?;
        let text = format!(
            "{BUNDLE_START} It holds secrets: whoever has it can speak as this sensor.\n\
             # For {} of site {}: on its machine, sudo airtally setup --bundle FILE\n\n{body}",
            config.sensor, config.site
        );
        if text.len() as u64 > MAX_BUNDLE { Err(BundleError::TooLarge) } else { Ok(text) }
    }

    /// The configuration, where everything in here fits together.
    fn check(&self) -> Result<Sensor, BundleError> {
        let part = |part, what: &str| Err(BundleError::Part { part, what: what.to_owned() });
        let config = parse_sensor(Path::new("configuration"), &self.configuration)?;
        let tls = config.mqtt.tls.as_ref();
        let named = tls.is_some_and(|tls| tls.ca_file.is_some() || tls.cert_file.is_some() || tls.key_file.is_some());
        if config.mqtt.password_file.is_some() || named {
            return part("configuration", "names files of password or certificates, which the machine chooses itself");
        }
        if let Some(password) = &self.password {
            if password.is_empty() || password.len() > MAX_PASSWORD || password.contains(char::is_control) {
                return part("password", "is not one line of 1 to 1024 octets");
            }
            if config.mqtt.username.is_none() {
                return part("password", "is for nobody: the configuration has no mqtt.username");
            }
        }
        for (name, text, label) in [
            ("ca", &self.ca, "CERTIFICATE"),
            ("certificate", &self.certificate, "CERTIFICATE"),
            ("key", &self.key, "PRIVATE KEY"),
        ] {
            let Some(text) = text else { continue };
            if tls.is_none() {
                return part(name, "is of no use: the configuration has no [mqtt.tls]");
            }
            if !is_pem(text, label) {
                return part(name, &format!("is no {label} in PEM"));
            }
        }
        if self.certificate.is_some() != self.key.is_some() {
            return part("key", "and 'certificate' go together");
        }
        if self.operator_key.as_deref().is_some_and(|key| operator_key(key).is_err()) {
            return part("operator_key", "is no Ed25519 public key in PEM");
        }
        if let Some(secret) = &self.site_secret {
            if !config.sketch.enabled {
                return part("site_secret", "is of no use: the configuration has no sketches");
            }
            if secret.parse::<SiteSecret>().is_err() {
                return part("site_secret", "is no secret of a site");
            }
        }
        Ok(config)
    }
}

/// Whether `text` is PEM of this label alone (RFC 7468).
fn is_pem(text: &str, label: &str) -> bool {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut within = false;
    let mut blocks = 0;
    for line in text.lines() {
        if line == begin && !within {
            within = true;
        } else if line == end && within {
            within = false;
            blocks += 1;
        } else if line.contains("-----") || (within && !line.bytes().all(is_base64)) {
            return false;
        }
    }
    blocks > 0 && !within
}

fn is_base64(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"+/=".contains(&octet)
}

/// The Ed25519 public key in `text` (PEM, as `openssl pkey -pubout` writes it), and nothing else that stands around it.
///
/// # Errors
/// What it is instead, in words.
pub fn operator_key(text: &str) -> Result<String, String> {
    if text.contains("PRIVATE KEY") {
        return Err("it holds a private key, which is not to leave its machine: give the public one".into());
    }
    let line = text.lines().map(str::trim).find(|line| line.starts_with(ED25519) && line.len() == ED25519_LENGTH);
    let key = line.map(|line| format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n"));
    match key {
        Some(key) if is_pem(text, "PUBLIC KEY") && is_pem(&key, "PUBLIC KEY") => Ok(key),
        _ => {
            Err("it is no Ed25519 public key in PEM: make one with 'openssl genpkey -algorithm ed25519 -out KEY' and \
                  'openssl pkey -in KEY -pubout'"
                .into())
        }
    }
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
