//! The first windows that a sensor publishes, overheard by a connection of its own that leaves nothing behind.

use super::{
    Leaf, Topics,
    connection::{Connection, Plan, Signal},
};
use crate::{
    config::Mqtt,
    wire::{Batch, Record, StatusMessage},
};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Largest message that is read.
const LARGEST: u32 = 16 << 20;
/// Windows without a frame after which nothing more is waited for.
const EMPTY: usize = 3;

/// What was heard of a sensor.
#[derive(Debug, Default)]
pub struct Heard {
    /// The first part of the first window with frames; else of the newest.
    pub window: Option<Box<Batch>>,
    /// What it said of itself last.
    pub status: Option<StatusMessage>,
}

/// Listens, as `client_id`, until the sensor has published a window with frames, or some without; `patience` is for all of
/// it. `waiting` is called every second, with the seconds since the beginning.
///
/// # Errors
/// A sentence that says why the broker cannot be reached, or does not let this client read.
pub async fn hear(
    mqtt: &Mqtt,
    client_id: &str,
    (site, sensor): (&str, &str),
    patience: Duration,
    mut waiting: impl FnMut(u64),
) -> Result<Heard, String> {
    let plan = Plan {
        client_id: client_id.to_owned(),
        session: None,
        receive_maximum: 10,
        max_packet: LARGEST,
        manual_acks: false,
        window: 1,
        will: None,
    };
    let topics = Topics::new(&mqtt.base_topic);
    let mut link: Connection<()> = Connection::open(mqtt, plan).map_err(|error| error.to_string())?;
    let mut heard = Heard::default();
    let (begin, mut empty) = (Instant::now(), 0);
    let mut tick = begin;
    while empty < EMPTY && tick < begin + patience {
        match timeout_at(tick, link.next()).await {
            Err(_) => {
                waiting(begin.elapsed().as_secs());
                tick += Duration::from_secs(1);
            }
            Ok(Signal::Connected { .. }) => {
                let filter = |leaf| topics.of(site, sensor, &leaf);
                link.subscribe(vec![(filter(Leaf::Batch), false), (filter(Leaf::Status), true)]);
            }
            Ok(Signal::Subscribed { refused }) if !refused.is_empty() => {
                let at = link.broker().address();
                return Err(format!(
                    "the broker at {at} does not let this user read {}: see its ACL",
                    refused.join(", ")
                ));
            }
            Ok(Signal::Lost(why)) => return Err(why),
            Ok(Signal::Arrived(delivery)) => {
                if let Ok(status) = StatusMessage::decode(&delivery.payload) {
                    heard.status = Some(status);
                } else if let Ok(Record::Batch(batch)) = Record::decode(&delivery.payload)
                    && batch.part == 0
                {
                    let frames = batch.capture.as_ref().map_or(0, |capture| capture.frames);
                    heard.window = Some(batch);
                    if frames > 0 {
                        break;
                    }
                    empty += 1;
                }
            }
            Ok(_) => {}
        }
    }
    link.leave(Duration::from_secs(1)).await;
    Ok(heard)
}
