//! One connection to the broker, from the attempt to its end. Beside `fault`, the only file that sees rumqttc's
//! types. Decides nothing about delivery: it says what happened, in order, and forgets all when dropped.
//!
//! rumqttc connects inside `poll()` and gives publishes no packet id when they are queued. So a task of its own owns
//! the event loop and is never raced against a timer that would start a slow connect again; and packet ids are
//! matched in order: the n-th message queued is the n-th the event loop reports as sent.

use super::{
    MqttError,
    fault::{self, Broker},
};
use crate::{
    config::{Mqtt, SecretFile, Tls},
    tls::{self, Authorities, TlsError},
};
use rumqttc::{
    Outgoing, Transport,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{
                ConnectProperties, Filter, LastWill, LastWillProperties, Packet, PubAckReason, Publish,
                PublishProperties, RetainForwardRule, SubscribeReasonCode,
            },
        },
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};

/// How long an attempt to connect may take: name, TCP, TLS and CONNACK together.
const CONNECT_TIMEOUT_SECONDS: u64 = 20;
/// Events between the event loop's task and its owner; the rest waits in the socket.
const SIGNALS: usize = 256;
/// Payload bytes between them, so that large messages cannot fill the memory either.
const SIGNAL_BYTES: usize = 64 << 20;
/// How long the broker may leave something of ours without any acknowledgement before we start afresh.
const STALL: Duration = Duration::from_secs(60);

/// Filters of one SUBSCRIBE, at most: AWS IoT Core takes no more (its documentation of quotas).
const FILTERS_AT_ONCE: usize = 8;

/// What is particular to a connection.
pub(super) struct Plan {
    pub(super) client_id: String,
    /// How long the broker keeps the session after the connection; nothing means a clean start each time.
    pub(super) session: Option<Duration>,
    /// QoS 1 messages the broker may send ahead of our acknowledgements.
    pub(super) receive_maximum: u16,
    /// Largest packet we take.
    pub(super) max_packet: u32,
    /// Acknowledge only when told.
    pub(super) manual_acks: bool,
    /// QoS 1 messages we send ahead of the broker's acknowledgements, at most.
    pub(super) window: u16,
    pub(super) will: Option<Message>,
}

/// A message to publish, with QoS 1.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) properties: Vec<(String, String)>,
    pub(super) correlation: Option<Vec<u8>>,
}

/// What a PUBACK says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 0x00: at least one subscriber, or kept as retained.
    Taken,
    /// 0x10: accepted, and nobody received it.
    NoSubscriber,
    /// 0x80 and above: refused, with the reason in words.
    Refused(&'static str),
}

/// A message that arrived. It counts against the memory bound until it is dropped.
pub(super) struct Delivery {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) correlation: Option<Vec<u8>>,
    /// What to acknowledge; nothing for QoS 0.
    pub(super) ack: Option<u16>,
    _budget: Option<OwnedSemaphorePermit>,
}

/// What happened, in order.
pub(super) enum Signal<T> {
    /// The broker accepted the connection.
    Connected { session_present: bool },
    /// The answer to `subscribe`: which filters were refused.
    Subscribed { refused: Vec<String> },
    /// The broker's answer to a message.
    Acked(T, Verdict),
    /// A message arrived.
    Arrived(Delivery),
    /// The connection is over (or never came to be), with a sentence why.
    Lost(String),
}

enum Raw {
    Connected { session_present: bool, window: u16, max_packet: Option<u32> },
    Subscribed(Vec<bool>),
    Sent(u16),
    Acked(u16, Verdict),
    Arrived(Delivery),
    Lost { why: String, cut: bool, taken_over: bool },
}

/// One connection. `T` marks a message until its acknowledgement comes back.
///
/// What is asked of a connection that has ended meanwhile does nothing: [`Connection::next`] will say that it has ended.
pub(super) struct Connection<T> {
    client: AsyncClient,
    signals: mpsc::Receiver<Raw>,
    task: JoinHandle<()>,
    queued: VecDeque<T>,
    sent: HashMap<u16, T>,
    /// Filters asked for in the SUBSCRIBE that waits for its answer, and those that come after it.
    filters: Vec<String>,
    more_filters: VecDeque<(String, bool)>,
    refused: Vec<String>,
    window: usize,
    max_packet: Option<u32>,
    waiting_since: Option<Instant>,
    broker: Broker,
    cut: bool,
    taken_over: bool,
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<T> Connection<T> {
    /// Reads the secrets and begins to connect.
    ///
    /// # Errors
    /// When a secret or a certificate cannot be read: trying would be in vain.
    pub(super) fn open(mqtt: &Mqtt, plan: Plan) -> Result<Self, MqttError> {
        let broker = Broker {
            host: mqtt.host.trim_matches(['[', ']']).to_owned(),
            port: mqtt.port.unwrap_or(if mqtt.tls.is_some() { 8883 } else { 1883 }),
            tls: mqtt.tls.is_some(),
            has_identity: mqtt.tls.as_ref().is_some_and(|tls| tls.cert_file.is_some()),
            client_id: plan.client_id.clone(),
            username: mqtt.username.clone(),
        };
        let window = plan.window.max(1);
        let options = options(mqtt, &broker, plan)?;
        // Room for all that may ever wait: messages are bounded by the window, acknowledgements by the packet ids
        // there are (not by the receive maximum: mosquitto 2.0.11 exceeds it when it resumes a session).
        let capacity = usize::from(window) + usize::from(u16::MAX) + 8;
        let (client, eventloop) = AsyncClient::new(options, capacity);
        let (sender, signals) = mpsc::channel(SIGNALS);
        let task = tokio::spawn(pump(eventloop, sender, broker.clone(), mqtt.keep_alive));
        Ok(Self {
            client,
            signals,
            task,
            queued: VecDeque::new(),
            sent: HashMap::new(),
            filters: Vec::new(),
            more_filters: VecDeque::new(),
            refused: Vec::new(),
            window: usize::from(window),
            max_packet: None,
            waiting_since: None,
            broker,
            cut: false,
            taken_over: false,
        })
    }

    /// Whom this is a connection to.
    pub(super) const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Whether the broker ended this connection without a word.
    pub(super) const fn was_cut(&self) -> bool {
        self.cut
    }

    /// Whether the broker ended it for another client with our id.
    pub(super) const fn was_taken_over(&self) -> bool {
        self.taken_over
    }

    /// What happens next. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Signal<T> {
        loop {
            let raw = match self.waiting_since {
                None => self.signals.recv().await,
                Some(since) => match timeout(STALL.saturating_sub(since.elapsed()), self.signals.recv()).await {
                    Ok(raw) => raw,
                    Err(_) => return Signal::Lost(self.stalled()),
                },
            };
            let raw = raw.unwrap_or_else(|| Raw::Lost {
                why: "the connection's task has ended".to_owned(),
                cut: false,
                taken_over: false,
            });
            if let Some(signal) = self.note(raw) {
                return signal;
            }
        }
    }

    /// What has happened already, if anything.
    pub(super) fn try_next(&mut self) -> Option<Signal<T>> {
        loop {
            let raw = self.signals.try_recv().ok()?;
            if let Some(signal) = self.note(raw) {
                return Some(signal);
            }
        }
    }

    fn stalled(&self) -> String {
        let at = self.broker.address();
        format!("the broker at {at} has acknowledged nothing for {} s: starting afresh", STALL.as_secs())
    }

    fn note(&mut self, raw: Raw) -> Option<Signal<T>> {
        Some(match raw {
            Raw::Connected { session_present, window, max_packet } => {
                self.window = self.window.min(usize::from(window));
                self.max_packet = max_packet;
                Signal::Connected { session_present }
            }
            Raw::Subscribed(granted) => {
                self.progress();
                let answered = std::mem::take(&mut self.filters).into_iter().zip(granted);
                self.refused.extend(answered.filter(|(_, ok)| !ok).map(|(filter, _)| filter));
                if !self.more_filters.is_empty() {
                    self.subscribe_more();
                    return None;
                }
                Signal::Subscribed { refused: std::mem::take(&mut self.refused) }
            }
            Raw::Sent(pkid) => {
                self.sent.extend(self.queued.pop_front().map(|token| (pkid, token)));
                return None;
            }
            Raw::Acked(pkid, verdict) => {
                let token = self.sent.remove(&pkid)?;
                self.progress();
                Signal::Acked(token, verdict)
            }
            Raw::Arrived(delivery) => Signal::Arrived(delivery),
            Raw::Lost { why, cut, taken_over } => {
                (self.cut, self.taken_over) = (cut, taken_over);
                Signal::Lost(why)
            }
        })
    }

    fn progress(&mut self) {
        self.waiting_since = (self.outstanding() > 0).then(Instant::now);
    }

    /// The marks of all messages that were not acknowledged.
    pub(super) fn forget(&mut self) -> impl Iterator<Item = T> {
        let sent = std::mem::take(&mut self.sent).into_values();
        sent.chain(std::mem::take(&mut self.queued))
    }

    /// Messages queued or sent, and not yet acknowledged.
    pub(super) fn outstanding(&self) -> usize {
        self.queued.len() + self.sent.len()
    }

    /// How many more may be sent before an acknowledgement comes.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.outstanding())
    }

    /// By how many bytes the broker finds this message too large, as a packet with all its properties.
    pub(super) fn excess(&self, message: &Message) -> Option<usize> {
        let mut publish = Publish::new(&message.topic, QoS::AtLeastOnce, Vec::new(), Some(properties(message)));
        publish.pkid = 1;
        // The remaining length field takes up to four bytes, of which the empty packet has at least one.
        let size = publish.size() + message.payload.len() + 3;
        size.checked_sub(self.max_packet? as usize).filter(|&excess| excess > 0)
    }

    /// Queues a message. The caller keeps to [`Self::room`].
    pub(super) fn send(&mut self, message: Message, token: T) {
        let properties = properties(&message);
        let Message { topic, payload, retain, .. } = message;
        let _ = self.client.try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties);
        self.queued.push_back(token);
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    /// Subscribes with QoS 1; beside a filter stands whether messages kept by the broker are wanted. The answer to all of them
    /// is one signal.
    pub(super) fn subscribe(&mut self, filters: Vec<(String, bool)>) {
        self.more_filters = filters.into();
        self.subscribe_more();
    }

    /// Sends the next SUBSCRIBE.
    fn subscribe_more(&mut self) {
        let filters: Vec<(String, bool)> =
            self.more_filters.drain(..self.more_filters.len().min(FILTERS_AT_ONCE)).collect();
        let wanted = filters.iter().map(|(path, retained)| {
            let mut filter = Filter::new(path, QoS::AtLeastOnce);
            filter.retain_forward_rule =
                if *retained { RetainForwardRule::OnEverySubscribe } else { RetainForwardRule::Never };
            filter
        });
        let _ = self.client.try_subscribe_many(wanted);
        self.filters = filters.into_iter().map(|(filter, _)| filter).collect();
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    /// Ends a subscription, if there is one. The broker's answer is of no interest.
    pub(super) fn unsubscribe(&self, filter: String) {
        let _ = self.client.try_unsubscribe(filter);
    }

    /// Acknowledges a message of this connection.
    pub(super) fn acknowledge(&mut self, ack: u16) {
        let publish = Publish { pkid: ack, qos: QoS::AtLeastOnce, ..Publish::default() };
        let _ = self.client.try_ack(&publish);
    }

    /// Ends the connection in order: no last will. What comes is read until the broker has closed, for `patience` at most: who
    /// closes with something unread resets the connection, and the broker may not read the DISCONNECT any more.
    pub(super) async fn leave(&mut self, patience: Duration) {
        let _ = self.client.try_disconnect();
        let gone = async { while !matches!(self.next().await, Signal::Lost(_)) {} };
        let _ = timeout(patience, gone).await;
    }
}

fn options(mqtt: &Mqtt, broker: &Broker, plan: Plan) -> Result<MqttOptions, MqttError> {
    let mut options = MqttOptions::new(plan.client_id, &broker.host, broker.port);
    let session = plan.session.map(|kept| u32::try_from(kept.as_secs()).unwrap_or(u32::MAX));
    let properties = ConnectProperties {
        session_expiry_interval: session,
        receive_maximum: Some(plan.receive_maximum),
        max_packet_size: Some(plan.max_packet),
        ..ConnectProperties::new()
    };
    options
        .set_clean_start(session.is_none())
        .set_connect_properties(properties)
        .set_keep_alive(mqtt.keep_alive.max(Duration::from_secs(5)))
        .set_connection_timeout(CONNECT_TIMEOUT_SECONDS)
        .set_manual_acks(plan.manual_acks)
        .set_outgoing_inflight_upper_limit(plan.window.max(1));
    if let Some(will) = plan.will {
        let properties = LastWillProperties {
            delay_interval: None,
            payload_format_indicator: Some(1),
            message_expiry_interval: None,
            content_type: Some(CONTENT_TYPE.to_owned()),
            response_topic: None,
            correlation_data: None,
            user_properties: will.properties,
        };
        options.set_last_will(LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, will.retain, Some(properties)));
    }
    if let Some(username) = &mqtt.username {
        let password = mqtt.password_file.as_ref().map(SecretFile::read_line).transpose()?;
        options.set_credentials(username, password.unwrap_or_default());
    }
    if let Some(tls) = &mqtt.tls {
        options.set_transport(Transport::tls_with_config(client_config(tls)?.into()));
    }
    Ok(options)
}

/// Reads what a connection needs, as a connection does when it opens, and says all that is wrong with it. Speaks to no one.
pub fn check(mqtt: &Mqtt) -> Vec<MqttError> {
    let secret = mqtt.username.as_ref().and(mqtt.password_file.as_ref()).map(SecretFile::read_line);
    let secret = secret.and_then(Result::err).map(MqttError::from);
    let tls = mqtt.tls.as_ref().map(client_config).and_then(Result::err).map(MqttError::from);
    secret.into_iter().chain(tls).collect()
}

fn client_config(tls: &Tls) -> Result<rustls::ClientConfig, TlsError> {
    let authorities = tls.ca_file.as_deref().map_or(Authorities::System, Authorities::Only);
    let identity = tls.cert_file.as_deref().zip(tls.key_file.as_ref().map(SecretFile::path));
    tls::client(authorities, identity, tls.server_name.as_deref())
}

const CONTENT_TYPE: &str = "application/json";

fn properties(message: &Message) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some(CONTENT_TYPE.to_owned()),
        user_properties: message.properties.clone(),
        correlation_data: message.correlation.clone().map(Into::into),
        ..PublishProperties::default()
    }
}

/// Polls the event loop until its connection ends, and reports.
async fn pump(mut eventloop: EventLoop, signals: mpsc::Sender<Raw>, broker: Broker, keep_alive: Duration) {
    let budget = Arc::new(Semaphore::new(SIGNAL_BYTES));
    let mut connected = false;
    loop {
        // Once connected, the event loop has something to say at least at each ping. Silence past that means that
        // it is stuck writing to a peer that no longer reads: then, and only then, the future is given up for good.
        let silence = if connected { keep_alive * 3 } else { Duration::from_secs(CONNECT_TIMEOUT_SECONDS * 2) };
        let polled =
            timeout(silence, eventloop.poll()).await.unwrap_or_else(|elapsed| Err(ConnectionError::Timeout(elapsed)));
        let raw = match polled {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                connected = true;
                // A broker that asks for no keep-alive would make rumqttc ping without pause.
                if eventloop.options.keep_alive() < Duration::from_secs(5)
                    || eventloop.options.keep_alive() > keep_alive
                {
                    eventloop.options.set_keep_alive(keep_alive.max(Duration::from_secs(5)));
                }
                let properties = ack.properties.as_ref();
                Some(Raw::Connected {
                    session_present: ack.session_present,
                    window: properties.and_then(|p| p.receive_max).unwrap_or(u16::MAX),
                    max_packet: properties.and_then(|p| p.max_packet_size),
                })
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => Some(Raw::Subscribed(
                ack.return_codes.iter().map(|code| matches!(code, SubscribeReasonCode::Success(_))).collect(),
            )),
            Ok(Event::Incoming(Packet::PubAck(ack))) => Some(Raw::Acked(ack.pkid, verdict(ack.reason))),
            Ok(Event::Incoming(Packet::Publish(publish))) => Some(Raw::Arrived(arrived(publish, &budget).await)),
            Ok(Event::Outgoing(Outgoing::Publish(pkid))) => Some(Raw::Sent(pkid)),
            Ok(_) => None,
            Err(error) => {
                let why = broker.explain(&error, connected);
                let (cut, taken_over) = (connected && fault::is_cut(&error), fault::is_takeover(&error));
                let _ = signals.send(Raw::Lost { why, cut, taken_over }).await;
                return;
            }
        };
        if let Some(raw) = raw
            && signals.send(raw).await.is_err()
        {
            return;
        }
    }
}

async fn arrived(publish: Publish, budget: &Arc<Semaphore>) -> Delivery {
    let cost = publish.payload.len().min(SIGNAL_BYTES);
    let permit = Arc::clone(budget).acquire_many_owned(u32::try_from(cost).unwrap_or(u32::MAX)).await.ok();
    Delivery {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        retain: publish.retain,
        correlation: publish.properties.and_then(|p| p.correlation_data).map(|data| data.to_vec()),
        ack: (publish.qos == QoS::AtLeastOnce).then_some(publish.pkid),
        _budget: permit,
    }
}

const fn verdict(reason: PubAckReason) -> Verdict {
    match reason {
        PubAckReason::Success => Verdict::Taken,
        PubAckReason::NoMatchingSubscribers => Verdict::NoSubscriber,
        PubAckReason::NotAuthorized => {
            Verdict::Refused("not authorised (0x87): allow this client to write the topic in the broker's ACL")
        }
        PubAckReason::QuotaExceeded => {
            Verdict::Refused("quota exceeded (0x97): a limit of the broker is reached, see its queue settings")
        }
        PubAckReason::TopicNameInvalid => Verdict::Refused("topic name invalid (0x90): see mqtt.base_topic"),
        PubAckReason::PayloadFormatInvalid => Verdict::Refused("payload format invalid (0x99)"),
        PubAckReason::ImplementationSpecificError => Verdict::Refused("a rule of the broker's own (0x83)"),
        PubAckReason::PacketIdentifierInUse => Verdict::Refused("packet identifier in use (0x91)"),
        PubAckReason::UnspecifiedError => Verdict::Refused("no reason given (0x80)"),
    }
}
