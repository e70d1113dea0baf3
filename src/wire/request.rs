//! What a sensor can be asked.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Asks a sensor to offer windows again, on `request/replay`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// The run.
    pub run: Uuid,
    /// First window asked for.
    pub first_seq: u64,
    /// Last window asked for.
    pub last_seq: u64,
    /// Whatever the asker likes, up to 64 characters; comes back in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}
