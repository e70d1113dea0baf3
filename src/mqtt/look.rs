//! What a broker keeps of sensors and ingests: one look, by a connection of its own that leaves nothing behind.

use super::{
    Leaf, Topics,
    connection::{Connection, Plan, Signal},
};
use crate::{
    config::Mqtt,
    wire::{Info, IngestStatus, StatusMessage},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Sensors and ingests taken, at most.
const MOST: usize = 10_000;
/// Largest message that is read.
const LARGEST: u32 = 1 << 20;
/// A broker sends what it keeps right after the subscription: after so much silence, that was all.
const SILENCE: Duration = Duration::from_millis(500);

/// What there was to see.
#[derive(Debug, Default)]
pub struct Seen {
    /// Where the broker is.
    pub broker: String,
    /// Sensors, by site and name.
    pub sensors: BTreeMap<(String, String), (Option<StatusMessage>, Option<Info>)>,
    /// Ingests, by name.
    pub ingests: BTreeMap<String, IngestStatus>,
    /// Filters that the broker refused.
    pub refused: Vec<String>,
}

/// Looks at the sensors of `sites` (`+`: of all) and at all ingests, as `client_id`; `patience` is for all of it.
///
/// # Errors
/// A sentence that says why the broker cannot be reached, or does not accept this client.
pub async fn look(mqtt: &Mqtt, client_id: &str, sites: &[String], patience: Duration) -> Result<Seen, String> {
    let plan = Plan {
        client_id: client_id.to_owned(),
        session: None,
        receive_maximum: 100,
        max_packet: LARGEST,
        manual_acks: false,
        window: 1,
        will: None,
    };
    let topics = Topics::new(&mqtt.base_topic);
    let mut link: Connection<()> = Connection::open(mqtt, plan).map_err(|error| error.to_string())?;
    let mut seen = Seen { broker: link.broker().address(), ..Seen::default() };
    let late = format!("the broker at {} did not answer within {} s", seen.broker, patience.as_secs_f64());
    let end = Instant::now() + patience;
    let mut subscribed = false;
    loop {
        let until = if subscribed { end.min(Instant::now() + SILENCE) } else { end };
        match timeout_at(until, link.next()).await {
            Err(_) if subscribed => break,
            Err(_) => return Err(late),
            Ok(Signal::Connected { .. }) => {
                let leaves =
                    sites.iter().flat_map(|site| [Leaf::Status, Leaf::Info].map(|leaf| topics.of(site, "+", &leaf)));
                link.subscribe(leaves.chain([topics.ingests()]).map(|filter| (filter, true)).collect());
            }
            Ok(Signal::Subscribed { refused }) => (seen.refused, subscribed) = (refused, true),
            Ok(Signal::Arrived(delivery)) => seen.take(&topics, &delivery.topic, &delivery.payload),
            Ok(Signal::Lost(why)) => return Err(why),
            Ok(_) => {}
        }
    }
    link.leave(Duration::from_secs(1)).await;
    Ok(seen)
}

impl Seen {
    fn take(&mut self, topics: &Topics, topic: &str, payload: &[u8]) {
        if topics.is_ingest(topic) {
            if let Some(status) = IngestStatus::decode(payload).filter(|_| self.ingests.len() < MOST) {
                self.ingests.insert(status.name.clone(), status);
            }
            return;
        }
        let Some((site, sensor, leaf)) = topics.parse(topic) else { return };
        let key = (site.to_owned(), sensor.to_owned());
        if self.sensors.len() >= MOST && !self.sensors.contains_key(&key) {
            return;
        }
        // What somebody says below another's topic is not believed.
        match leaf {
            Leaf::Status => {
                if let Ok(status) = StatusMessage::decode(payload)
                    && (&status.site, &status.sensor) == (&key.0, &key.1)
                {
                    self.sensors.entry(key).or_default().0 = Some(status);
                }
            }
            Leaf::Info => {
                if let Ok(info) = serde_json::from_slice::<Info>(payload)
                    && (&info.site, &info.sensor) == (&key.0, &key.1)
                {
                    self.sensors.entry(key).or_default().1 = Some(info);
                }
            }
            _ => {}
        }
    }
}
