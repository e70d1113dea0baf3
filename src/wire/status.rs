//! How a sensor is, and how an ingest is: what both keep retained at the broker.

use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The schema of [`StatusMessage`].
pub const STATUS_SCHEMA: &str = "airtally.status/1";
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
    /// Why, in one word: `spool`, `clock`, `no_subscriber`, `refused`, `too_large`, `connection_lost`, `stopped`.
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
    /// Messages that wait in its spool for the broker; absent from older sensors, and where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
}

impl Status {
    /// A sensor that has just started `run`.
    #[must_use]
    pub const fn online(run: Option<Uuid>) -> Self {
        Self {
            state: State::Online,
            reason: None,
            run,
            last_seq: None,
            runs: Vec::new(),
            frames_last_window: None,
            waiting: None,
        }
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

/// Runs of one sensor's name whose windows cover the same time: two sensors have one name, or a capture was replayed twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// The place.
    pub site: String,
    /// The sensor's name.
    pub sensor: String,
    /// Two of the runs, ascending.
    pub runs: Vec<Uuid>,
}

/// How an ingest is; the subscriber adds who and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestHealth {
    /// Its sinks, in the configuration's order.
    pub sinks: Vec<SinkStatus>,
    /// Sensors whose runs overlap, 16 at most.
    pub overlapping: Vec<Overlap>,
    /// Windows that it declared missing by itself, because nobody sent them or declared them lost, and that did not come since.
    pub missing_windows: u64,
}

/// What an ingest knows of itself, retained, on `ingest/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestStatus {
    /// [`INGEST_SCHEMA`].
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Which process it is: another at each start. Absent from older ingests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Uuid>,
    /// The program's version. Absent from older ingests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The site that it listens to, `+` for all: those sensors hear from it when it has all of a run. Absent where it listens
    /// to several, and from ingests that say nothing of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The sites that it listens to, where they are several: the same for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// When this was written. A last will was written when its connection began.
    pub time: UnixNanos,
    /// Whether it does its work.
    pub state: State,
    /// Why, in one word: `sink` (one of them is degraded), `overlap` (two sensors have one name), `connection_lost`,
    /// `stopped`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its sinks, in the configuration's order.
    #[serde(default)]
    pub sinks: Vec<SinkStatus>,
    /// Sensors whose runs overlap, 16 at most; absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlapping: Vec<Overlap>,
    /// Windows that it declared missing by itself; absent where there are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub missing_windows: u64,
}

/// Whether a number need not be said.
const fn is_none(number: &u64) -> bool {
    *number == 0
}

impl IngestStatus {
    /// The status of an ingest that is so, and listens to `sites`; one that is `+` is all.
    #[must_use]
    pub fn new(name: &str, sites: &[String], time: UnixNanos, health: IngestHealth) -> Self {
        let IngestHealth { sinks, overlapping, missing_windows } = health;
        let (state, reason) = if sinks.iter().any(|sink| sink.state != State::Online) {
            (State::Degraded, Some("sink".to_owned()))
        } else if overlapping.is_empty() {
            (State::Online, None)
        } else {
            (State::Degraded, Some("overlap".to_owned()))
        };
        let (site, sites) = match sites {
            [site] => (Some(site.clone()), Vec::new()),
            several => (None, several.to_vec()),
        };
        let (schema, name) = (INGEST_SCHEMA.to_owned(), name.to_owned());
        let version = Some(env!("CARGO_PKG_VERSION").to_owned());
        Self {
            schema,
            name,
            instance: None,
            version,
            site,
            sites,
            time,
            state,
            reason,
            sinks,
            overlapping,
            missing_windows,
        }
    }

    /// Reads a payload of the `ingest/<name>` topic; what is none is nothing.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok().filter(|status: &Self| status.schema == INGEST_SCHEMA)
    }

    /// Whether it is there and tells the sensors of `site` when it has all of a run.
    #[must_use]
    pub fn confirms(&self, site: &str) -> bool {
        let is_its = self.site.iter().chain(&self.sites).any(|own| own == "+" || own == site);
        self.state != State::Offline && is_its
    }

    /// The same ingest, which is not there any more.
    #[must_use]
    pub fn offline(mut self, reason: &str) -> Self {
        (self.state, self.reason) = (State::Offline, Some(reason.to_owned()));
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::encode;

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
