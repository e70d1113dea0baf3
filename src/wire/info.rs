//! What a sensor is: its version, its schemas, its configuration without secrets.

use super::{
    ALERT_SCHEMA, BATCH_SCHEMA, EVENT_SCHEMA, FLOW_SCHEMA, GAP_SCHEMA, REFUSAL_SCHEMA, REPLAY_SCHEMA, STATUS_SCHEMA,
};
use serde::{Deserialize, Serialize};

/// The schema of [`Info`].
pub const INFO_SCHEMA: &str = "airtally.info/1";

/// What a sensor is, retained, on `info`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// [`INFO_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// The program's version.
    pub version: String,
    /// The schemas of the messages it sends.
    pub schemas: Vec<String>,
    /// Its configuration, secrets left out.
    pub config: serde_json::Value,
}

impl Info {
    /// The info of this program with this configuration, from which the caller has left out every secret.
    #[must_use]
    pub fn new(site: &str, sensor: &str, config: serde_json::Value) -> Self {
        let schemas = [
            BATCH_SCHEMA,
            FLOW_SCHEMA,
            ALERT_SCHEMA,
            GAP_SCHEMA,
            STATUS_SCHEMA,
            EVENT_SCHEMA,
            REPLAY_SCHEMA,
            REFUSAL_SCHEMA,
        ];
        Self {
            schema: INFO_SCHEMA.to_owned(),
            site: site.to_owned(),
            sensor: sensor.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schemas: schemas.map(str::to_owned).to_vec(),
            config,
        }
    }
}
