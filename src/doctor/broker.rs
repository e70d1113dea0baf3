//! The broker: a real connection, with name, TLS and password as the sensor would make it.

use super::Finding;
use crate::{config::Mqtt, mqtt};
use std::time::Duration;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks whether the broker accepts a client with these settings; under a name of the doctor's own, so that a running
/// sensor keeps its connection.
pub(super) async fn check(config: &Mqtt, site: &str, sensor: &str) -> Finding {
    let name = config.client_id.clone().unwrap_or_else(|| format!("airtally-{site}-{sensor}"));
    match mqtt::reach(config, &format!("{name}-doctor"), PATIENCE).await {
        Ok(address) => {
            let tls = if config.tls.is_some() { ", by TLS" } else { "" };
            Finding::ok("broker", format!("{address} accepts this sensor's login{tls}"))
        }
        Err(why) => Finding::fail("broker", why, "docs/mqtt.md, \"When it does not connect\""),
    }
}
