//! What a sensor answers.

use super::ReplayRequest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The schema of [`ReplayRequest`] and [`ReplayAnswer`].
pub const REPLAY_SCHEMA: &str = "airtally.replay/1";

/// What became of a [`ReplayRequest`], on `response/replay`. What is missing is declared as gaps as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayAnswer {
    /// [`REPLAY_SCHEMA`].
    pub schema: String,
    /// The request's run; absent if the request could not be read.
    #[serde(default)]
    pub run: Option<Uuid>,
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How many windows are offered again.
    pub offered: u64,
    /// Windows that the sensor no longer has, as ranges with both ends included; at most 256 of them.
    #[serde(default)]
    pub missing: Vec<(u64, u64)>,
    /// What was wrong with the request, where something was; what made sense of it was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl ReplayAnswer {
    /// The answer to a request that was carried out.
    #[must_use]
    pub fn done(request: &ReplayRequest, offered: u64, missing: Vec<(u64, u64)>) -> Self {
        let schema = REPLAY_SCHEMA.to_owned();
        Self { schema, run: Some(request.run), id: request.id.clone(), offered, missing, error: None }
    }

    /// The answer to a request that was not.
    #[must_use]
    pub fn failed(request: Option<&ReplayRequest>, error: impl Into<String>) -> Self {
        Self {
            schema: REPLAY_SCHEMA.to_owned(),
            run: request.map(|request| request.run),
            id: request.and_then(|request| request.id.clone()),
            offered: 0,
            missing: Vec::new(),
            error: Some(error.into()),
        }
    }
}
