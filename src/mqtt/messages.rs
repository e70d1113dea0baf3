//! The JSON of every message that is not a batch or a gap: status, info, events, replay. Knows no transport.

use crate::{
    UnixNanos,
    batch::{BATCH_SCHEMA, GAP_SCHEMA},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The schema of [`StatusMessage`].
pub const STATUS_SCHEMA: &str = "airtally.status/1";
/// The schema of [`Info`].
pub const INFO_SCHEMA: &str = "airtally.info/1";
/// The schema of [`EventMessage`].
pub const EVENT_SCHEMA: &str = "airtally.event/1";
/// The schema of [`ReplayRequest`] and [`ReplayAnswer`].
pub const REPLAY_SCHEMA: &str = "airtally.replay/1";

/// The schema of [`IngestStatus`].
pub const INGEST_SCHEMA: &str = "airtally.ingest/1";

/// Whether a sensor does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All is well.
    Online,
    /// It counts, but something needs a person: see the reason.
    Degraded,
    /// It is not there.
    Offline,
}

/// The windows of one run that a sensor still holds for replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRange {
    /// The run.
    pub run: Uuid,
    /// Its oldest window held.
    pub first_seq: u64,
    /// Its newest window.
    pub last_seq: u64,
    /// Whether `last_seq` is the run's last window for ever.
    pub finished: bool,
}

/// What a sensor knows of itself; the publisher adds who and when, and what only it knows (nobody subscribes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether it does its work.
    pub state: State,
    /// Why, in one word: `spool`, `clock`, `no_subscriber`, `refused`, `connection_lost`, `stopped`.
    #[serde(default)]
    pub reason: Option<String>,
    /// The run in progress.
    #[serde(default)]
    pub run: Option<Uuid>,
    /// Its newest window; absent before the first.
    #[serde(default)]
    pub last_seq: Option<u64>,
    /// Runs still held for replay, oldest first; the newest 16 are sent.
    #[serde(default)]
    pub runs: Vec<RunRange>,
    /// Frames captured in the newest window.
    #[serde(default)]
    pub frames_last_window: Option<u64>,
}

impl Status {
    /// A sensor that has just started `run`.
    #[must_use]
    pub const fn online(run: Option<Uuid>) -> Self {
        Self { state: State::Online, reason: None, run, last_seq: None, runs: Vec::new(), frames_last_window: None }
    }
}

/// A [`Status`] as it travels, retained, on `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusMessage {
    /// [`STATUS_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// When this was written. A last will was written when its connection began.
    pub time: UnixNanos,
    /// What it says.
    #[serde(flatten)]
    pub status: Status,
}

impl StatusMessage {
    /// Reads a payload of the `status` topic, ignoring fields this version does not know.
    ///
    /// # Errors
    /// When it is not a status of a schema this version reads.
    pub fn decode(payload: &[u8]) -> Result<Self, String> {
        let message: Self = serde_json::from_slice(payload).map_err(|error| format!("not a status: {error}"))?;
        if message.schema == STATUS_SCHEMA {
            Ok(message)
        } else {
            Err(format!("schema '{}' is not {STATUS_SCHEMA}", message.schema.chars().take(64).collect::<String>()))
        }
    }
}

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
        let schemas = [BATCH_SCHEMA, GAP_SCHEMA, STATUS_SCHEMA, EVENT_SCHEMA, REPLAY_SCHEMA];
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

/// Something worth knowing that happened: sent once, best effort. Declared losses are not events but gaps, and
/// travel with the batches' care.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What, in one word: `clock_step`.
    pub kind: String,
    /// When.
    pub time: UnixNanos,
    /// In which run.
    #[serde(default)]
    pub run: Option<Uuid>,
    /// One sentence for a person.
    pub message: String,
    /// Numbers that belong to it. No address that the privacy settings withhold.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub data: serde_json::Map<String, serde_json::Value>,
}

/// An [`Event`] as it travels, on `event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventMessage {
    /// [`EVENT_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// How one of an ingest's sinks is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `Online` or `Degraded`.
    pub state: State,
    /// What was tried, why it failed, what to do: one sentence, where it is degraded.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What an ingest knows of itself, retained, on `ingest/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestStatus {
    /// [`INGEST_SCHEMA`].
    pub schema: String,
    /// Its name.
    pub name: String,
    /// When this was written. A last will was written when its connection began.
    pub time: UnixNanos,
    /// Whether it does its work.
    pub state: State,
    /// Why, in one word: `sink` (one of them is degraded), `connection_lost`, `stopped`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its sinks, in the configuration's order.
    #[serde(default)]
    pub sinks: Vec<SinkStatus>,
}

impl IngestStatus {
    /// The status of an ingest with these sinks.
    #[must_use]
    pub fn new(name: &str, time: UnixNanos, sinks: Vec<SinkStatus>) -> Self {
        let degraded = sinks.iter().any(|sink| sink.state != State::Online);
        let (state, reason) = if degraded { (State::Degraded, Some("sink".to_owned())) } else { (State::Online, None) };
        Self { schema: INGEST_SCHEMA.to_owned(), name: name.to_owned(), time, state, reason, sinks }
    }

    /// The same ingest, which is not there any more.
    #[must_use]
    pub(super) fn offline(mut self, reason: &str) -> Self {
        (self.state, self.reason) = (State::Offline, Some(reason.to_owned()));
        self
    }
}

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
    /// What was wrong with the request, where something was.
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

/// JSON of a message of this file. These types have string keys and finite numbers: nothing in them can fail.
pub(super) fn encode(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_status_is_flat_and_reads_back() {
        let run = Uuid::from_u128(7);
        let message = StatusMessage {
            schema: STATUS_SCHEMA.into(),
            site: "home".into(),
            sensor: "attic".into(),
            time: UnixNanos(0),
            status: Status::online(Some(run)),
        };
        let json = encode(&message);
        assert_eq!(
            String::from_utf8(json.clone()).unwrap(),
            r#"{"schema":"airtally.status/1","site":"home","sensor":"attic","time":"1970-01-01T00:00:00.000000000Z","state":"online","reason":null,"run":"00000000-0000-0000-0000-000000000007","last_seq":null,"runs":[],"frames_last_window":null}"#
        );
        assert_eq!(StatusMessage::decode(&json), Ok(message));
    }

    #[test]
    fn a_status_of_another_major_version_is_set_aside() {
        let text =
            r#"{"schema":"airtally.status/2","site":"a","sensor":"b","time":"1970-01-01T00:00:00Z","state":"online"}"#;
        assert_eq!(
            StatusMessage::decode(text.as_bytes()),
            Err("schema 'airtally.status/2' is not airtally.status/1".to_owned())
        );
    }
}
