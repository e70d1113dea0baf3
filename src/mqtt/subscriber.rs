//! Ingest's side: one persistent session at the broker, whose messages are acknowledged once the inbox has them.
//! Does not know what becomes of them.

use super::{
    Leaf, MqttError, Topics,
    connection::{Connection, Delivery, Message, Plan, Signal, Verdict},
    reconnect::Reconnect,
    twin::Twin,
};
use crate::{
    UnixNanos,
    config::{Mqtt, Sites},
    pace::{Quiet, Seldom},
    stop::stopped,
    watchdog::Beat,
    wire::{INGEST_SCHEMA, IngestHealth, IngestStatus, REPLAY_SCHEMA, ReplayRequest, STORED_SCHEMA, Stored, encode},
};
use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// How long the broker keeps the queue of an ingest that is away.
const SESSION: Duration = Duration::from_secs(7 * 86_400);
/// Messages the broker sends ahead of acknowledgements, and so the most that one commit acknowledges.
const RECEIVE_MAXIMUM: u16 = 100;
/// Messages that are committed at once, however short the last commit is ago: half of what mosquitto sends ahead unless told
/// otherwise (`max_inflight_messages`), so that it always has something to send.
const COMMIT_AT: usize = 10;
/// What comes so soon after an acknowledgement had been waiting for it.
const SOON: Duration = Duration::from_millis(100);
/// A pause in what comes, in which the broker had nothing to send, or waited for an acknowledgement.
const SILENCE: Duration = Duration::from_secs(1);
/// Octets of payloads that are committed at once.
const COMMIT_BYTES: usize = 16 << 20;
/// Largest packet taken: the largest `mqtt.max_message` a sensor can be given, and room for its header.
const MAX_PACKET: u32 = (16 << 20) + (64 << 10);
/// Requests on the way.
const WINDOW: u16 = 8;
/// The status is said at least this often.
const STATUS_PERIOD: Duration = Duration::from_secs(60);
/// Sites of former times whose subscriptions are ended on one connection, at most.
const MOST_FOREIGN: usize = 1_000;
/// How long a stop waits for acknowledgements to leave.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A message from a sensor, as it came: nothing of its payload has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The place, from the topic.
    pub site: String,
    /// The sensor, from the topic.
    pub sensor: String,
    /// What it is, from the topic: `Batch`, `Event`, `Status`, `Info` or `Response`.
    pub leaf: Leaf,
    /// The payload.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it: then it says how things were, not that they are so now.
    pub retained: bool,
}

/// The inbox cannot take messages now; the sentence says why. They come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InboxError(pub String);

/// Whether what an inbox has received is to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// There is nothing to commit.
    Done,
    /// In time.
    Waits,
    /// At once: a sensor waits for it.
    Urgent,
}

/// Where messages go.
pub trait Inbox: Send + Sync + 'static {
    /// Takes messages in the order they came, 100 at most, into memory.
    fn receive(&self, messages: Vec<Incoming>) -> Receipt;

    /// Makes durable what was received since the last commit. `Ok` means that the broker may forget it. After an error the
    /// connection is ended, nothing of it is kept here, and the broker sends it again on a later one; so a message may come
    /// more than once.
    fn commit(&self) -> impl Future<Output = Result<(), InboxError>> + Send;

    /// The broker has accepted a connection and the subscriptions. Without `session_present` it has no queue for us,
    /// and what was sent since the last connection has to be asked for again.
    fn connected(&self, session_present: bool);

    /// There is no connection, and why.
    fn disconnected(&self, reason: &str);
}

/// Who subscribes, and to what.
#[derive(Clone, Debug)]
pub struct SubscriberSettings {
    /// The broker.
    pub mqtt: Mqtt,
    /// This ingest's name: the broker keeps its queue under it.
    pub name: String,
    /// The sites to listen to.
    pub sites: Sites,
    /// One commit takes what came within so long. The first one after a pause of that length comes at once, and so does one
    /// for many messages.
    pub commit_within: Duration,
    /// Marked by the subscriber's loop.
    pub beat: Beat,
}

/// What ingest has to say to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Windows are wanted.
    Replay {
        /// The place.
        site: String,
        /// The sensor.
        sensor: String,
        /// The windows.
        body: ReplayRequest,
    },
    /// All of a run is here.
    Stored(Stored),
    /// What the broker is to keep; an empty payload takes away what it keeps.
    Kept {
        /// The topic.
        topic: String,
        /// The schema, if it is one of ours.
        schema: Option<&'static str>,
        /// The JSON.
        payload: Vec<u8>,
    },
}

/// What a message of ours is, until it is acknowledged.
enum Said {
    /// Nothing depends on it.
    Other,
    /// It was to be kept on this topic.
    Kept(String),
}

struct Subscriber<I> {
    settings: SubscriberSettings,
    topics: Topics,
    inbox: Arc<I>,
    requests: mpsc::Receiver<Outgoing>,
    requests_open: bool,
    health: watch::Receiver<IngestHealth>,
    reconnect: Reconnect,
    stop: watch::Receiver<bool>,
    /// Whether there was a connection before: then a missing session is a loss.
    known: bool,
    twin: Twin,
    /// When the inbox last committed.
    committed: Option<Instant>,
    logged: Quiet,
    ahead: Ahead,
    foreign: Foreign,
}

/// How many messages the broker sends ahead of acknowledgements, as far as that shows: ejabberd sends one, and would be held up
/// for as long as a commit may wait. It shows when nothing comes for a while, and the next message as soon as there is an
/// acknowledgement.
#[derive(Default)]
struct Ahead {
    /// When the last message came.
    came: Option<Instant>,
    /// Messages that were acknowledged after a silence, and when; until the next one comes.
    acknowledged: Option<(usize, Instant)>,
    /// The broker sends no more than so many.
    most: Option<usize>,
}

impl Ahead {
    fn acknowledged(&mut self, now: Instant, messages: usize) {
        let was_silent = self.came.is_some_and(|came| now.saturating_duration_since(came) >= SILENCE);
        self.acknowledged = was_silent.then_some((messages, now));
    }

    /// Messages came, after which so many wait for their acknowledgement. Whether the broker sends nothing more before that.
    fn came(&mut self, now: Instant, held: usize) -> bool {
        if let Some((messages, at)) = self.acknowledged.take()
            && now.saturating_duration_since(at) < SOON
        {
            self.most = Some(messages);
        }
        self.came = Some(now);
        if self.most.is_some_and(|most| held > most) {
            self.most = None;
        }
        self.most == Some(held)
    }
}

/// Sites that are not ours, and that the broker's session for us is still subscribed to: from before the configuration was
/// changed.
#[derive(Default)]
struct Foreign {
    /// Those that were unsubscribed from on this connection.
    ended: HashSet<String>,
    told: Seldom,
}

/// Messages of one connection that wait for a commit, and then for their acknowledgement.
#[derive(Default)]
struct Uncommitted {
    /// Their share of the memory bound is free after the commit.
    held: Vec<Delivery>,
    /// Those of them that the inbox has.
    messages: usize,
    bytes: usize,
}

enum End {
    Stopped,
    Lost(String),
}

/// Hands every message of the site's sensors to `inbox`, sends `requests`, and says how `sinks` are, until told to stop (`stop` becomes
/// true, or its sender is dropped). A request is sent once, best effort; while there is no connection, requests wait
/// in their channel.
///
/// # Errors
/// At the first attempt, when a secret or certificate that the configuration names is of no use; when another ingest of this
/// name has taken the connection over twice. Everything else is logged, and tried again for ever.
pub async fn subscribe<I: Inbox>(
    settings: SubscriberSettings,
    inbox: Arc<I>,
    requests: mpsc::Receiver<Outgoing>,
    health: watch::Receiver<IngestHealth>,
    stop: watch::Receiver<bool>,
) -> Result<(), MqttError> {
    let mut subscriber = Subscriber {
        topics: Topics::new(&settings.mqtt.base_topic),
        reconnect: Reconnect::new(settings.mqtt.max_backoff),
        settings,
        inbox,
        requests,
        requests_open: true,
        health,
        stop,
        known: false,
        twin: Twin::new(),
        committed: None,
        ahead: Ahead::default(),
        foreign: Foreign::default(),
        logged: Quiet::default(),
    };
    let mut link = subscriber.open()?; // Only the first failure is the caller's: later ones may be a file being renewed.
    loop {
        subscriber.reconnect.begin();
        let End::Lost(why) = subscriber.run(&mut link).await else { return Ok(()) };
        // What has come is here, whatever became of the connection. If the broker sends it once more, it is the same.
        if let Err(error) = subscriber.commit().await {
            tracing::warn!(%error, "what came last is not kept, and is left to the broker");
        }
        let taken_over = link.was_cut() || link.was_taken_over();
        if let Some(instance) = subscriber.twin.ended(taken_over, subscriber.reconnect.was_short()) {
            let (name, address) = (subscriber.settings.name.clone(), link.broker().address());
            return Err(MqttError::Twin { name, address, instance });
        }
        let mut why = subscriber.reconnect.ended(why, link.was_cut(), &link.broker().client_id);
        drop(link);
        link = loop {
            subscriber.inbox.disconnected(&why);
            let beat = subscriber.settings.beat.clone();
            if !beat.while_waiting(subscriber.reconnect.pause(&why, &mut subscriber.stop)).await {
                return Ok(());
            }
            match subscriber.open() {
                Ok(link) => break link,
                Err(error) => why = error.to_string(),
            }
        };
    }
}

impl<I: Inbox> Subscriber<I> {
    fn open(&self) -> Result<Connection<Said>, MqttError> {
        let SubscriberSettings { mqtt, name, .. } = &self.settings;
        Connection::open(
            mqtt,
            Plan {
                client_id: mqtt.client_id.clone().unwrap_or_else(|| format!("airtally-ingest-{name}")),
                session: Some(SESSION),
                receive_maximum: RECEIVE_MAXIMUM,
                max_packet: MAX_PACKET,
                manual_acks: true,
                window: WINDOW,
                will: Some(self.status(Some("connection_lost"))),
            },
        )
    }

    async fn run(&mut self, link: &mut Connection<Said>) -> End {
        let mut session = false;
        let mut ready = false;
        let mut left = None;
        let mut uncommitted = Uncommitted::default();
        let beat = self.settings.beat.clone();
        let mut due = tokio::time::interval(STATUS_PERIOD);
        loop {
            beat.turn().await;
            let commit_due = self.commit_due();
            let signal = tokio::select! {
                signal = next(&mut left, link) => signal,
                request = self.requests.recv(), if ready && self.requests_open && link.room() > 0 => {
                    self.requests_open = request.is_some();
                    if let Some(request) = request {
                        let (message, said) = self.outgoing(request);
                        link.send(message, said);
                    }
                    continue;
                }
                () = beat.keep() => continue,
                () = sleep_until(commit_due), if !uncommitted.held.is_empty() => {
                    if let Err(why) = self.settle(link, &mut uncommitted).await {
                        return End::Lost(why);
                    }
                    continue;
                }
                _ = due.tick(), if ready => {
                    self.say(link);
                    continue;
                }
                changed = self.health.changed(), if ready && link.room() > 0 => {
                    if changed.is_ok() {
                        self.say(link);
                        continue;
                    }
                    // Whoever says how sinks are is gone: the daemon is stopping.
                    stopped(&mut self.stop).await;
                    if let Err(why) = self.settle(link, &mut uncommitted).await {
                        tracing::warn!(%why, "what came last is not kept, and is left to the broker");
                    }
                    link.leave(STOP_PATIENCE).await;
                    return End::Stopped;
                }
                () = stopped(&mut self.stop) => {
                    if let Err(why) = self.settle(link, &mut uncommitted).await {
                        tracing::warn!(%why, "what came last is not kept, and is left to the broker");
                    }
                    if link.room() > 0 {
                        link.send(self.status(Some("stopped")), Said::Other);
                    }
                    link.leave(STOP_PATIENCE).await;
                    return End::Stopped;
                }
            };
            match signal {
                Signal::Connected { session_present } => {
                    session = session_present;
                    self.foreign.ended.clear();
                    if session_present && !self.settings.sites.is_all() {
                        self.topics.from_sensors("+").into_iter().for_each(|filter| link.unsubscribe(filter));
                    }
                    let sites = self.settings.sites.names().iter();
                    let filters = sites.flat_map(|site| self.topics.from_sensors(site));
                    let own = self.topics.ingest(&self.settings.name);
                    link.subscribe(filters.chain([own]).map(|filter| (filter, true)).collect());
                }
                Signal::Subscribed { refused } => {
                    // Who may not read what ingests say of themselves sees no other of its name, and does its work. Flows and
                    // alerts are published where somebody wants them, and rules from before there were any do not name them.
                    let own = self.topics.ingest(&self.settings.name);
                    let wanted: Vec<(&str, String)> = [("flows", Leaf::Flow), ("alerts", Leaf::Alert)]
                        .iter()
                        .flat_map(|(what, leaf)| {
                            let sites = self.settings.sites.names().iter();
                            sites.map(|site| (*what, self.topics.of(site, "+", leaf)))
                        })
                        .collect();
                    for (what, filter) in wanted.iter().filter(|(_, filter)| refused.contains(filter)) {
                        tracing::warn!(
                            "the broker at {} refuses our subscription to {filter}: where sensors publish {what}, their windows stay \
                             incomplete here until this client may read it in the broker's ACL",
                            link.broker().address()
                        );
                    }
                    let may_be_refused = |filter: &String| *filter == own || wanted.iter().any(|(_, of)| of == filter);
                    if let Some(filter) = refused.iter().find(|filter| !may_be_refused(filter)) {
                        link.leave(STOP_PATIENCE).await;
                        return End::Lost(format!(
                            "the broker at {} refuses our subscription to {filter}: allow this client to read it in the broker's ACL",
                            link.broker().address()
                        ));
                    }
                    ready = true;
                    self.welcome(link, session);
                    due.reset_immediately();
                }
                Signal::Arrived(first) => {
                    left = match self.take(link, first, &mut uncommitted).await {
                        Ok(left) => left,
                        Err(why) => return End::Lost(why),
                    };
                }
                Signal::Acked(said, verdict) => self.refused(&said, verdict),
                Signal::Lost(why) => return End::Lost(why),
            }
        }
    }

    fn welcome(&mut self, link: &Connection<Said>, session_present: bool) {
        let broker = link.broker();
        tracing::info!("connected to the broker at {} as '{}'", broker.address(), broker.client_id);
        if self.known && !session_present {
            tracing::warn!(
                "the broker has forgotten our queue: what was sent in between is lost here until it is asked for again; mosquitto keeps it over a restart with 'persistence true'"
            );
        }
        self.known = true;
        self.reconnect.connected();
        self.inbox.connected(session_present);
    }

    /// Takes a message and those that have come with it, and commits if it is time. What came then and is no message is
    /// handed back.
    async fn take(
        &mut self,
        link: &mut Connection<Said>,
        first: Delivery,
        uncommitted: &mut Uncommitted,
    ) -> Result<Option<Signal<Said>>, String> {
        let own = self.topics.ingest(&self.settings.name);
        let mut messages = Vec::new();
        let mut next = Some(Signal::Arrived(first));
        while uncommitted.held.len() < usize::from(RECEIVE_MAXIMUM)
            && let Some(Signal::Arrived(mut delivery)) = next
        {
            if let Some((site, sensor, leaf)) = self.topics.parse(&delivery.topic) {
                let (site, sensor) = (site.to_owned(), sensor.to_owned());
                let payload = std::mem::take(&mut delivery.payload);
                if self.settings.sites.contains(&site) {
                    uncommitted.bytes += payload.len();
                    uncommitted.messages += 1;
                    messages.push(Incoming { site, sensor, leaf, payload, retained: delivery.retain });
                } else {
                    self.end(link, site);
                    if uncommitted.held.is_empty() {
                        delivery.ack.into_iter().for_each(|ack| link.acknowledge(ack));
                        next = link.try_next();
                        continue;
                    }
                }
            } else if delivery.topic == own {
                self.twin.heard(&delivery.payload);
                // There is nothing to commit of it. Acknowledgements go in the order of messages (MQTT 5.0, 4.6).
                if uncommitted.held.is_empty() {
                    delivery.ack.into_iter().for_each(|ack| link.acknowledge(ack));
                    next = link.try_next();
                    continue;
                }
            }
            uncommitted.held.push(delivery);
            next = link.try_next();
        }
        let receipt = if messages.is_empty() { Receipt::Waits } else { self.inbox.receive(messages) };
        if receipt == Receipt::Done {
            uncommitted.acknowledge(link);
        }
        let waits = self.ahead.came(Instant::now(), uncommitted.held.len());
        let much = receipt == Receipt::Urgent
            || uncommitted.messages >= COMMIT_AT
            || uncommitted.bytes >= COMMIT_BYTES
            || waits;
        if much || self.commit_due() <= Instant::now() {
            self.settle(link, uncommitted).await?;
        }
        Ok(next)
    }

    /// A message came of a site that is not ours: another ingest's, since the configuration was changed. The broker's session
    /// for us still has the subscription.
    fn end(&mut self, link: &Connection<Said>, site: String) {
        if self.foreign.ended.len() >= MOST_FOREIGN || self.foreign.ended.contains(&site) {
            return;
        }
        if self.foreign.told.due(std::time::Instant::now()).is_some() {
            tracing::info!(
                site,
                "what the broker still had for us of a site that is not ours (any more) is left out; our subscription to it ends"
            );
        }
        self.topics.from_sensors(&site).into_iter().for_each(|filter| link.unsubscribe(filter));
        self.foreign.ended.insert(site);
    }

    /// When what waits is to be committed.
    fn commit_due(&self) -> Instant {
        self.committed.map_or_else(Instant::now, |last| last + self.settings.commit_within)
    }

    /// Commits what was received, and acknowledges it. If the connection has ended meanwhile, that goes nowhere: never to a
    /// later one.
    async fn settle(&mut self, link: &mut Connection<Said>, uncommitted: &mut Uncommitted) -> Result<(), String> {
        if uncommitted.held.is_empty() {
            return Ok(());
        }
        let committed = self.commit().await;
        committed.map_err(|error| format!("cannot take messages from the broker: {error}"))?;
        let held = uncommitted.held.len();
        uncommitted.acknowledge(link);
        self.ahead.acknowledged(Instant::now(), held);
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), InboxError> {
        let committed = self.inbox.commit().await;
        self.committed = Some(Instant::now());
        committed
    }

    /// Says how this ingest is, if there is room; the next minute says it again.
    fn say(&mut self, link: &mut Connection<Said>) {
        self.health.mark_unchanged();
        if link.room() > 0 {
            link.send(self.status(None), Said::Other);
        }
    }

    /// The status now, or that this ingest is not there any more for this reason.
    fn status(&self, gone: Option<&str>) -> Message {
        let mut status = IngestStatus::new(
            &self.settings.name,
            self.settings.sites.names(),
            UnixNanos::now(),
            self.health.borrow().clone(),
        );
        status.instance = Some(self.twin.instance);
        let status = match gone {
            Some(reason) => status.offline(reason),
            None => status,
        };
        Message {
            topic: self.topics.ingest(&self.settings.name),
            payload: encode(&status),
            retain: true,
            properties: vec![("schema".to_owned(), INGEST_SCHEMA.to_owned())],
            correlation: None,
        }
    }

    fn outgoing(&self, outgoing: Outgoing) -> (Message, Said) {
        let message = |topic, payload, retain, schema: Option<&str>| Message {
            topic,
            payload,
            retain,
            properties: schema.iter().map(|schema| ("schema".to_owned(), (*schema).to_owned())).collect(),
            correlation: None,
        };
        match outgoing {
            Outgoing::Replay { site, sensor, body } => {
                let topic = self.topics.of(&site, &sensor, &Leaf::Request("replay".to_owned()));
                (message(topic, encode(&body), false, Some(REPLAY_SCHEMA)), Said::Other)
            }
            Outgoing::Stored(stored) => {
                let topic = self.topics.of(&stored.site, &stored.sensor, &Leaf::Stored);
                (message(topic, stored.encode(), false, Some(STORED_SCHEMA)), Said::Other)
            }
            Outgoing::Kept { topic, schema, payload } => {
                (message(topic.clone(), payload, true, schema), Said::Kept(topic))
            }
        }
    }

    /// Says why the broker does not keep what it was to keep.
    fn refused(&mut self, said: &Said, verdict: Verdict) {
        if let (Said::Kept(topic), Verdict::Refused(reason)) = (said, verdict)
            && let Some(why) = self.logged.pass(reason, std::time::Instant::now())
        {
            tracing::warn!("the broker refuses what Home Assistant is to read on {topic}: {why}");
        }
    }
}

impl Uncommitted {
    fn acknowledge(&mut self, link: &mut Connection<Said>) {
        (self.messages, self.bytes) = (0, 0);
        self.held.drain(..).filter_map(|delivery| delivery.ack).for_each(|ack| link.acknowledge(ack));
    }
}

async fn next(left: &mut Option<Signal<Said>>, link: &mut Connection<Said>) -> Signal<Said> {
    match left.take() {
        Some(signal) => signal,
        None => link.next().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_waits_for_each_acknowledgement_is_not_kept_waiting() {
        let (mut ahead, start) = (Ahead::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        // The first is committed at once, and the second comes then, as it may from any broker.
        assert!(!ahead.came(at(0), 1));
        ahead.acknowledged(at(5), 1);
        assert!(!ahead.came(at(10), 1));
        // Nothing more comes until a commit is due, and then the next does.
        ahead.acknowledged(at(30_000), 1);
        assert!(ahead.came(at(30_005), 1));
        ahead.acknowledged(at(30_010), 1);
        assert!(ahead.came(at(40_000), 1));
        // More than one at a time: it is not that kind of broker.
        assert!(!ahead.came(at(40_001), 2) && !ahead.came(at(40_002), 1));
        // A message that comes some time after an acknowledgement had not waited for it.
        ahead.acknowledged(at(70_000), 1);
        assert!(!ahead.came(at(70_500), 1));
    }
}
