//! What a sensor answers.

use super::ReplayRequest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The schema of [`Refusal`].
pub const REFUSAL_SCHEMA: &str = "airtally.response/1";
/// Characters of a request's name that come back in a [`Refusal`].
const MAX_NAME: usize = 64;

/// Why a request has no answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalReason {
    /// This sensor knows no request of this name.
    Unknown,
    /// Too many requests of this name wait already.
    Busy,
    /// The answer was not ready in time.
    Late,
    /// The sensor has a bug.
    Failed,
}

/// What a request is answered with that was not carried out, whatever its name, on `response/<name>`. What is wrong
/// within a request, its own answer says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// [`REFUSAL_SCHEMA`].
    pub schema: String,
    /// The request's name, up to 64 characters of it.
    pub request: String,
    /// Why, in one word.
    pub reason: RefusalReason,
    /// Why, and what to do, in a sentence.
    pub error: String,
    /// The requests that this sensor knows, by name, sorted.
    pub known: Vec<String>,
}

impl Refusal {
    /// The refusal of a request called `name` by a sensor that knows those of the names `known`.
    #[must_use]
    pub fn new(name: &str, reason: RefusalReason, known: Vec<String>) -> Self {
        let error = match reason {
            RefusalReason::Unknown => {
                "this sensor knows no request of this name: ask for one of those in 'known'; the sensor's version may be older or newer than expected"
            }
            RefusalReason::Busy => "too many requests of this name wait for their answer: ask again later",
            RefusalReason::Late => {
                "the answer was not ready in time, and what was asked for may be done by halves: ask again, or for less"
            }
            RefusalReason::Failed => "the sensor failed to answer, by a bug: its log has the details",
        };
        Self {
            schema: REFUSAL_SCHEMA.to_owned(),
            request: name.chars().take(MAX_NAME).collect(),
            reason,
            error: error.to_owned(),
            known,
        }
    }
}

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
