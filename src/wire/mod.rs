//! What travels: the messages, their JSON and the versions of their schemas. Knows no transport.
//!
//! * `batch`: a window of a sensor; `split`: its parts; `address`: how a station is named; `exposure`: what records tell; `ssid`: how a network is.
//! * `alert`: one attack, from its first sign to its last; `alerts`: what changed of them in a window.
//! * `distinct`: a window's stations as a sketch.
//! * `flow`: who spoke with whom, and what a window has of that; `people`: an estimate of how many were near.
//! * `gap`: a declared loss of windows; `record`: a part of a window or a gap, as spool and sinks carry them.
//! * `status`: how a sensor or an ingest is; `meaning`: the same in words; `remarks`: what an operator of many looks for; `info`: what a sensor is; `event`: what happened to it.
//! * `stored`: the word of an ingest that it has all of a run.
//! * `summary`: what is to know of a sensor now, for those who count nothing themselves.
//! * `request`, `response`: what a sensor is asked, and what it answers.
//!
//! `docs/mqtt.md` shows real messages; `docs/schema/` holds the JSON Schemas that they are validated against.

mod address;
mod alert;
mod alerts;
mod batch;
mod distinct;
mod event;
mod exposure;
mod flow;
mod gap;
mod info;
mod meaning;
mod people;
mod record;
mod remarks;
mod request;
mod response;
mod split;
mod ssid;
mod status;
mod stored;
mod summary;

pub use address::Address;
pub use alert::{ALERT_SCHEMA, Alert, AlertClass, Evidence, Severity};
pub use alerts::Alerts;
pub use batch::{
    BATCH_SCHEMA, Batch, Capture, Channel, Contents, Identity, Role, STAMPING, Signal, Station, TimeSource, Vendor,
};
pub use distinct::Distinct;
pub use event::{EVENT_SCHEMA, Event, EventMessage};
pub use exposure::{Addresses, Exposure};
pub use flow::{FLOW_SCHEMA, FlowContents, FlowRow, FlowSum, Flows, Metered, PacketSum, PortClass};
pub use gap::{ERASED, GAP_SCHEMA, Gap, GapReason, MISSING};
pub use info::{INFO_SCHEMA, Info};
pub use meaning::Level;
pub use people::{NoEstimate, People};
pub use record::{DecodeError, Record};
pub use remarks::{Remark, SILENT_AFTER, budget_warning, newest, remarks, series_budget};
pub use request::ReplayRequest;
pub use response::{REFUSAL_SCHEMA, REPLAY_SCHEMA, Refusal, RefusalReason, ReplayAnswer};
pub use split::{number_parts, split};
pub use ssid::{ssid_octets, ssid_text};
pub use status::{
    INGEST_SCHEMA, IngestHealth, IngestStatus, Overlap, RunRange, STATUS_SCHEMA, SinkStatus, State, Status,
    StatusMessage,
};
pub use stored::{STORED_SCHEMA, Stored};
pub use summary::{Presence, SUMMARY_SCHEMA, Summary, Whereabouts};

use serde::Serialize;

/// The JSON of a message. The messages have string keys and finite numbers: nothing in them can fail.
#[must_use]
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}
