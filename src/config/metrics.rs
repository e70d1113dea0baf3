//! `[metrics]` of a sensor: where metrics are asked for, and who may.

use super::SecretFile;
use crate::bounds::Mistakes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Metrics for Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Address and port to answer at.
    pub listen: SocketAddr,
    /// File whose first line is the token that a collector shows; needed where others than this machine can ask.
    pub token_file: Option<SecretFile>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9780)), token_file: None }
    }
}

impl Metrics {
    /// Refuses an address that others can ask without a token.
    pub fn check(&self, found: &mut Mistakes) {
        if !self.listen.ip().to_canonical().is_loopback() && self.token_file.is_none() {
            found.wrong(
                "metrics.token_file",
                format!("is needed, for others than this machine can ask {}", self.listen),
            );
        }
    }
}
