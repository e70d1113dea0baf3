//! The sensor's side: keeps a connection to the broker, and a [`Session`] on it. Does not know where offers are kept.

use super::{
    MqttError, Topics,
    answerer::Answerer,
    connection::{Connection, Plan},
    outbox::Outbox,
    publishing::{Logged, PublisherSettings, Publishing},
    reconnect::Reconnect,
    replay::Replay,
    session::{End, Item, Session},
};
use crate::{
    pace::Bucket,
    wire::{Event, State, Status},
};
use std::{collections::VecDeque, sync::Arc, time::Instant};
use tokio::sync::{mpsc, watch};

/// Largest request that is read.
const MAX_REQUEST: u32 = 64 << 10;
/// Requests taken at once, and in the long run a second.
const REQUESTS: (u32, f64) = (10, 1.0);

/// Publishes until told to stop (`stop` becomes true, or its sender is dropped): offers from `outbox`, `status`
/// whenever it changes, and `events`. Requests are answered by `answerers`, those for a replay by the outbox. Ends within some 5 s of that, having said `offline` if it was connected; what is
/// still pending stays in the outbox.
///
/// # Errors
/// At the first attempt, when a secret or certificate that the configuration names is of no use. Everything else is
/// logged, and tried again for ever.
pub async fn publish<O: Outbox>(
    settings: PublisherSettings,
    outbox: Arc<O>,
    mut answerers: Vec<Arc<dyn Answerer>>,
    status: watch::Receiver<Status>,
    events: mpsc::Receiver<Event>,
    stop: watch::Receiver<bool>,
) -> Result<(), MqttError> {
    let (burst, per_second) = REQUESTS;
    answerers.insert(0, Arc::new(Replay(Arc::clone(&outbox))));
    let mut publisher = Publishing {
        topics: Topics::new(&settings.mqtt.base_topic),
        reconnect: Reconnect::new(settings.mqtt.max_backoff),
        settings,
        outbox,
        answerers,
        status,
        events,
        stop,
        unsent: VecDeque::new(),
        haste: Bucket::new(burst, per_second, Instant::now()),
        logged: Logged::default(),
    };
    let mut link = open(&publisher)?; // Only the first failure is the caller's: later ones may be a file being renewed.
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
            match open(&publisher) {
                Ok(link) => break link,
                Err(error) => why = error.to_string(),
            }
        };
    }
}

/// Begins a connection, whose last will says that it was lost.
fn open<O: Outbox>(publisher: &Publishing<O>) -> Result<Connection<Item>, MqttError> {
    let PublisherSettings { mqtt, site, sensor, .. } = &publisher.settings;
    let mut lost = publisher.status.borrow().clone();
    lost.state = State::Offline;
    lost.reason = Some("connection_lost".to_owned());
    Connection::open(
        mqtt,
        Plan {
            client_id: mqtt.client_id.clone().unwrap_or_else(|| format!("airtally-{site}-{sensor}")),
            session: None,
            receive_maximum: 16,
            max_packet: MAX_REQUEST,
            manual_acks: false,
            window: mqtt.inflight,
            will: Some(publisher.status_message(lost)),
        },
    )
}
