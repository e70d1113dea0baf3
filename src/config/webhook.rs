//! `[[webhook]]` of `ingest.toml`: who is told of alerts.

use super::{SecretFile, mqtt::topic_level};
use crate::{
    bounds::{Mistakes, SECOND},
    units,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// One receiver of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Its name in the log, the status and its cursor: keep it, or what was sent is offered again.
    pub name: String,
    /// Where alerts are posted to.
    pub url: String,
    /// File whose first line is the secret that requests are signed with.
    pub secret_file: SecretFile,
    /// Addresses, networks and hosts that are not of the internet, and may be reached all the same.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// PEM file of certificate authorities to trust beside the system's, for `https`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one request may take.
    #[serde(with = "units::duration", default = "ten_seconds")]
    pub timeout: Duration,
}

fn ten_seconds() -> Duration {
    SECOND * 10
}

impl Webhook {
    /// Refuses addresses that are none.
    pub fn check(&self, found: &mut Mistakes) {
        topic_level(found, "webhook.name", &self.name);
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            found.wrong("webhook.url", format!("'{}' must begin with http:// or https://", self.url));
        }
        found.between("webhook.timeout", self.timeout, SECOND, SECOND * 600);
    }
}
