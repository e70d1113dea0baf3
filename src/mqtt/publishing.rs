//! What a publisher keeps over its connections: where it speaks, what it has to say, and the messages it makes of that.

use super::{
    Leaf, Topics,
    answerer::Answerer,
    connection::Message,
    outbox::{Offer, Outbox},
    reconnect::Reconnect,
    requests::Answer,
};
use crate::{
    UnixNanos,
    config::Mqtt,
    pace::{Bucket, Quiet},
    watchdog::Beat,
    wire::{EVENT_SCHEMA, Event, EventMessage, STATUS_SCHEMA, Status, StatusMessage, encode},
};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::{mpsc, watch};

/// Runs told in a status.
const MAX_RUNS: usize = 16;

/// Who publishes, and where.
#[derive(Clone, Debug)]
pub struct PublisherSettings {
    /// The broker.
    pub mqtt: Mqtt,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// The configuration as `info` may show it: every secret left out.
    pub config: serde_json::Value,
    /// Marked by the publisher's loop.
    pub beat: Beat,
}

/// What outlives a connection.
pub(super) struct Publishing<O> {
    pub(super) settings: PublisherSettings,
    pub(super) topics: Topics,
    pub(super) outbox: Arc<O>,
    /// Who answers requests, each those of its name.
    pub(super) answerers: Vec<Arc<dyn Answerer>>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) stop: watch::Receiver<bool>,
    /// Events read and not yet acknowledged by a broker.
    pub(super) unsent: VecDeque<Event>,
    /// How many requests are taken.
    pub(super) haste: Bucket,
    pub(super) reconnect: Reconnect,
    pub(super) logged: Logged,
}

/// What the log has said lately.
#[derive(Default)]
pub(super) struct Logged {
    pub(super) outbox: Quiet,
    pub(super) refused: Quiet,
    pub(super) oversize: Quiet,
    pub(super) requests: Quiet,
}

impl<O: Outbox> Publishing<O> {
    pub(super) fn topic(&self, leaf: &Leaf) -> String {
        self.topics.of(&self.settings.site, &self.settings.sensor, leaf)
    }

    pub(super) fn message(&self, leaf: &Leaf, schema: &str, payload: Vec<u8>, retain: bool) -> Message {
        Message {
            topic: self.topic(leaf),
            payload,
            retain,
            properties: vec![("schema".to_owned(), schema.to_owned())],
            correlation: None,
        }
    }

    pub(super) fn offer_message(&self, offer: Offer) -> Message {
        let mut message = self.message(&offer.kind.leaf(), offer.schema, offer.body, false);
        message.properties.extend([
            ("run".to_owned(), offer.run.to_string()),
            ("seq".to_owned(), offer.seq.to_string()),
            ("part".to_owned(), offer.part.to_string()),
        ]);
        message
    }

    pub(super) fn answer_message(&self, answer: Answer) -> Message {
        let Answer { name, correlation, reply } = answer;
        let message = self.message(&Leaf::Response(name), reply.schema, reply.body, false);
        Message { correlation, ..message }
    }

    pub(super) fn event_message(&self, event: Event) -> Message {
        let (site, sensor) = (self.settings.site.clone(), self.settings.sensor.clone());
        let event = EventMessage { schema: EVENT_SCHEMA.to_owned(), site, sensor, event };
        self.message(&Leaf::Event, EVENT_SCHEMA, encode(&event), false)
    }

    pub(super) fn status_message(&self, mut status: Status) -> Message {
        status.runs.drain(..status.runs.len().saturating_sub(MAX_RUNS));
        let (site, sensor) = (self.settings.site.clone(), self.settings.sensor.clone());
        let status = StatusMessage { schema: STATUS_SCHEMA.to_owned(), site, sensor, time: UnixNanos::now(), status };
        self.message(&Leaf::Status, STATUS_SCHEMA, encode(&status), true)
    }
}
