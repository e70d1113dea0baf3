//! The sensor's side: keeps a connection to the broker, and a [`Session`] on it. Owns what outlives a connection:
//! backoff, events not yet taken, what the log has said. Does not know where offers are kept.

use super::{
    EVENT_SCHEMA, Event, EventMessage, Leaf, MqttError, ReplayAnswer, ReplayRequest, STATUS_SCHEMA, State, Status,
    StatusMessage, Topics,
    link::{Link, Message, Plan},
    messages::encode,
    reconnect::Reconnect,
    session::{End, Item, Session},
};
use crate::{
    config::Mqtt,
    pace::{Bucket, Quiet},
    watchdog::Beat,
};
use std::{collections::VecDeque, future::Future, sync::Arc, time::Instant};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// Largest request that is read.
const MAX_REQUEST: u32 = 64 << 10;
/// Runs told in a status.
const MAX_RUNS: usize = 16;
/// Requests answered at once, and in the long run a second.
const REQUESTS: (u32, f64) = (10, 1.0);

/// What an offer is, and so which topic it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferKind {
    /// A part of a window, on `batch`.
    Batch,
    /// A declared loss, on `event`.
    Gap,
}

impl OfferKind {
    pub(super) const fn leaf(self) -> Leaf {
        match self {
            Self::Batch => Leaf::Batch,
            Self::Gap => Leaf::Event,
        }
    }
}

/// One message that the outbox wants delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The outbox's own number for it: ascending within a kind in the order of offering, from 1.
    pub id: u64,
    /// What it is.
    pub kind: OfferKind,
    /// Its run.
    pub run: Uuid,
    /// Its window; a gap's first.
    pub seq: u64,
    /// Its part of the window; 0 for a gap.
    pub part: u32,
    /// Its schema.
    pub schema: &'static str,
    /// The JSON.
    pub body: Vec<u8>,
}

/// The outbox cannot be read or written now; the sentence says why. It is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutboxError(pub String);

/// Where the publisher finds what to deliver, and notes what is.
///
/// The publisher keeps nothing of its own: an offer not noted as delivered is offered again, at the latest by the
/// next connection. So an offer may be delivered twice, and carries its identity.
pub trait Outbox: Send + Sync + 'static {
    /// Pending offers of `kind` with an id above `after`, ascending, `max` at most.
    fn next(
        &self,
        kind: OfferKind,
        after: u64,
        max: usize,
    ) -> impl Future<Output = Result<Vec<Offer>, OutboxError>> + Send;

    /// These were taken by the broker for at least one subscriber: they are pending no longer.
    fn delivered(&self, ids: Vec<u64>) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// Returns when there may be pending offers that were not there at the last call (appended, restamped, or asked
    /// for again). A change between two calls is not missed; cancelling loses nothing.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// Makes what is still there of these windows pending again.
    fn replay(&self, request: ReplayRequest) -> impl Future<Output = Result<ReplayAnswer, OutboxError>> + Send;

    /// A connection to a broker has begun.
    fn connected(&self) {}
}

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
pub(super) struct Publisher<O> {
    pub(super) settings: PublisherSettings,
    pub(super) topics: Topics,
    pub(super) outbox: Arc<O>,
    pub(super) status: watch::Receiver<Status>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) stop: watch::Receiver<bool>,
    /// Events read and not yet acknowledged by a broker.
    pub(super) unsent: VecDeque<Event>,
    pub(super) requests: Bucket,
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

/// Publishes until told to stop (`stop` becomes true, or its sender is dropped): offers from `outbox`, `status`
/// whenever it changes, and `events`. Ends within some 5 s of that, having said `offline` if it was connected; what is
/// still pending stays in the outbox.
///
/// # Errors
/// At the first attempt, when a secret or certificate that the configuration names is of no use. Everything else is
/// logged, and tried again for ever.
pub async fn publish<O: Outbox>(
    settings: PublisherSettings,
    outbox: Arc<O>,
    status: watch::Receiver<Status>,
    events: mpsc::Receiver<Event>,
    stop: watch::Receiver<bool>,
) -> Result<(), MqttError> {
    let (burst, per_second) = REQUESTS;
    let mut publisher = Publisher {
        topics: Topics::new(&settings.mqtt.base_topic),
        reconnect: Reconnect::new(settings.mqtt.max_backoff),
        settings,
        outbox,
        status,
        events,
        stop,
        unsent: VecDeque::new(),
        requests: Bucket::new(burst, per_second, Instant::now()),
        logged: Logged::default(),
    };
    let mut link = publisher.open()?; // Only the first failure is the caller's: later ones may be a file being renewed.
    loop {
        publisher.reconnect.begin();
        let end = Session::new(&mut publisher, &mut link).run().await;
        publisher.unsent.extend(link.forget().filter_map(Item::into_event));
        let End::Lost(why) = end else { return Ok(()) };
        let mut why = publisher.reconnect.ended(why, link.was_cut(), &link.broker().client_id);
        drop(link);
        link = loop {
            let beat = publisher.settings.beat.clone();
            if !beat.while_waiting(publisher.reconnect.pause(&why, &mut publisher.stop)).await {
                return Ok(());
            }
            match publisher.open() {
                Ok(link) => break link,
                Err(error) => why = error.to_string(),
            }
        };
    }
}

impl<O: Outbox> Publisher<O> {
    fn open(&self) -> Result<Link<Item>, MqttError> {
        let PublisherSettings { mqtt, site, sensor, .. } = &self.settings;
        let mut lost = self.status.borrow().clone();
        lost.state = State::Offline;
        lost.reason = Some("connection_lost".to_owned());
        Link::open(
            mqtt,
            Plan {
                client_id: mqtt.client_id.clone().unwrap_or_else(|| format!("airtally-{site}-{sensor}")),
                session: None,
                receive_maximum: 16,
                max_packet: MAX_REQUEST,
                manual_acks: false,
                window: mqtt.inflight,
                will: Some(self.status_message(lost)),
            },
        )
    }

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

    pub(super) fn event_message(&self, event: Event) -> Message {
        let (site, sensor) = (self.settings.site.clone(), self.settings.sensor.clone());
        let event = EventMessage { schema: EVENT_SCHEMA.to_owned(), site, sensor, event };
        self.message(&Leaf::Event, EVENT_SCHEMA, encode(&event), false)
    }

    pub(super) fn status_message(&self, mut status: Status) -> Message {
        status.runs.drain(..status.runs.len().saturating_sub(MAX_RUNS));
        let (site, sensor) = (self.settings.site.clone(), self.settings.sensor.clone());
        let status = StatusMessage { schema: STATUS_SCHEMA.to_owned(), site, sensor, time: super::now(), status };
        self.message(&Leaf::Status, STATUS_SCHEMA, encode(&status), true)
    }
}
