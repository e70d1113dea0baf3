//! What the tests of this folder share: an outbox in memory, an inbox that remembers, a log that can be read.

use airtally::{config::Mqtt, mqtt::*, watchdog::Beat, wire::*};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::Range,
    process::{Command, Stdio},
    sync::{Arc, Mutex, atomic::AtomicBool, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
};
use uuid::Uuid;

/// Waits until `done`, at most 20 s.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited 20 s in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// How to reach a broker on this machine, coming back quickly after a failure.
pub fn local(port: u16) -> Mqtt {
    Mqtt {
        host: "127.0.0.1".into(),
        port: Some(port),
        keep_alive: Duration::from_secs(5),
        max_backoff: Duration::from_secs(1),
        ..Mqtt::default()
    }
}

/// What this thread's tasks have logged since [`Log::capture`].
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits for a line with all of these words.
    pub async fn says(&self, words: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.text().lines().any(|line| words.iter().all(|word| line.contains(word))) {
            assert!(Instant::now() < deadline, "no line with {words:?} in the log:\n{}", self.text());
            pause(10).await;
        }
    }

    pub fn count(&self, word: &str) -> usize {
        self.text().lines().filter(|line| line.contains(word)).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Windows of one run, in memory.
pub struct Memory {
    pub run: Uuid,
    pub offers: Mutex<BTreeMap<u64, (Offer, bool)>>,
    pub broken: AtomicBool,
    changed: Notify,
}

impl Memory {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            run: Uuid::new_v4(),
            offers: Mutex::default(),
            broken: AtomicBool::new(false),
            changed: Notify::new(),
        })
    }

    /// Appends the windows of `seqs`, each with a body of at least `bytes`.
    pub fn append(&self, seqs: Range<u64>, bytes: usize) {
        for seq in seqs {
            let body = json!({"schema": BATCH_SCHEMA, "run": self.run, "seq": seq, "padding": "x".repeat(bytes)});
            self.push(OfferKind::Batch, seq, BATCH_SCHEMA, &body);
        }
    }

    pub fn gap(&self, seq: u64) {
        let body = json!({"schema": GAP_SCHEMA, "run": self.run, "first_seq": seq});
        self.push(OfferKind::Gap, seq, GAP_SCHEMA, &body);
    }

    fn push(&self, kind: OfferKind, seq: u64, schema: &'static str, body: &Value) {
        let mut offers = self.offers.lock().unwrap();
        let id = offers.len() as u64 + 1;
        let offer = Offer { id, kind, run: self.run, seq, part: 0, schema, body: body.to_string().into_bytes() };
        offers.insert(id, (offer, false));
        self.changed.notify_one();
    }

    pub fn pending(&self) -> usize {
        self.offers.lock().unwrap().values().filter(|(_, delivered)| !delivered).count()
    }
}

impl Outbox for Memory {
    async fn next(&self, kind: OfferKind, after: u64, max: usize) -> Result<Vec<Offer>, OutboxError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(OutboxError("the disk is on fire".into()));
        }
        let offers = self.offers.lock().unwrap();
        let pending = offers.range(after + 1..).filter(|(_, (offer, delivered))| !delivered && offer.kind == kind);
        Ok(pending.take(max).map(|(_, (offer, _))| offer.clone()).collect())
    }

    async fn delivered(&self, ids: Vec<u64>) -> Result<(), OutboxError> {
        let mut offers = self.offers.lock().unwrap();
        for id in ids {
            offers.get_mut(&id).unwrap().1 = true;
        }
        Ok(())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn replay(&self, request: ReplayRequest) -> Result<ReplayAnswer, OutboxError> {
        let mut offers = self.offers.lock().unwrap();
        let wanted = request.first_seq..=request.last_seq;
        let mut held = BTreeSet::new();
        for (offer, delivered) in offers.values_mut() {
            if offer.run == request.run && wanted.contains(&offer.seq) && offer.kind == OfferKind::Batch {
                *delivered = false;
                held.insert(offer.seq);
            }
        }
        let last = held.last().copied();
        let missing = match last {
            Some(last) if last < request.last_seq => vec![(last + 1, request.last_seq)],
            Some(_) => Vec::new(),
            None => vec![(request.first_seq, request.last_seq)],
        };
        self.changed.notify_one();
        Ok(ReplayAnswer::done(&request, held.len() as u64, missing))
    }
}

/// A publisher at work.
pub struct Sensor {
    pub status: watch::Sender<Status>,
    pub events: mpsc::Sender<Event>,
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<Result<(), MqttError>>,
}

impl Sensor {
    pub fn start(mqtt: Mqtt, outbox: &Arc<Memory>) -> Self {
        Self::start_with(mqtt, outbox, Vec::new())
    }

    /// As [`Self::start`]; `answerers` answer requests.
    pub fn start_with(mqtt: Mqtt, outbox: &Arc<Memory>, answerers: Vec<Arc<dyn Answerer>>) -> Self {
        Self::start_as(mqtt, "attic", outbox, answerers)
    }

    /// As [`Self::start`], by another name than `attic`.
    pub fn start_named(mqtt: Mqtt, name: &str, outbox: &Arc<Memory>) -> Self {
        Self::start_as(mqtt, name, outbox, Vec::new())
    }

    fn start_as(mqtt: Mqtt, name: &str, outbox: &Arc<Memory>, answerers: Vec<Arc<dyn Answerer>>) -> Self {
        let (status, status_receiver) = watch::channel(Status::online(Some(outbox.run)));
        let (events, events_receiver) = mpsc::channel(8);
        let (stop, stop_receiver) = watch::channel(false);
        let settings = PublisherSettings {
            mqtt,
            site: "home".into(),
            sensor: name.into(),
            config: json!({"window": {"length": "10s"}}),
            beat: Beat::default(),
        };
        let outbox = Arc::clone(outbox);
        let publisher = publish(settings, outbox, answerers, status_receiver, events_receiver, stop_receiver);
        Self { status, events, stop, task: tokio::spawn(publisher) }
    }

    /// Stops it as SIGTERM would; how long that took.
    pub async fn stop(self) -> Duration {
        let began = Instant::now();
        self.stop.send(true).unwrap();
        self.task.await.unwrap().unwrap();
        began.elapsed()
    }

    /// Ends it as kill -9 would: the socket closes, and nothing is said.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// An inbox that remembers everything, and can be told to fail.
#[derive(Default)]
pub struct Collector {
    pub messages: Mutex<Vec<Incoming>>,
    pub batches: Mutex<Vec<usize>>,
    pub sessions: Mutex<Vec<bool>>,
    pub reasons: Mutex<Vec<String>>,
    pub fail: AtomicBool,
    pub failed: AtomicBool,
    pub slow: AtomicBool,
    pub received: Mutex<Vec<Incoming>>,
}

impl Inbox for Collector {
    fn receive(&self, messages: Vec<Incoming>) -> Receipt {
        self.received.lock().unwrap().extend(messages);
        Receipt::Waits
    }

    async fn commit(&self) -> Result<(), InboxError> {
        let messages = std::mem::take(&mut *self.received.lock().unwrap());
        if self.slow.load(Ordering::Relaxed) {
            pause(50).await;
        }
        if self.fail.load(Ordering::Relaxed) {
            self.failed.store(true, Ordering::Relaxed);
            return Err(InboxError("the disk is full".into()));
        }
        if !messages.is_empty() {
            self.batches.lock().unwrap().push(messages.len());
        }
        self.messages.lock().unwrap().extend(messages);
        Ok(())
    }

    fn connected(&self, session_present: bool) {
        self.sessions.lock().unwrap().push(session_present);
    }

    fn disconnected(&self, reason: &str) {
        self.reasons.lock().unwrap().push(reason.to_owned());
    }
}

impl Collector {
    pub fn connections(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    /// Payloads of one kind, in the order they came.
    pub fn payloads(&self, leaf: &Leaf) -> Vec<Value> {
        let messages = self.messages.lock().unwrap();
        let of_leaf = messages.iter().filter(|message| message.leaf == *leaf);
        of_leaf.map(|message| serde_json::from_slice(&message.payload).unwrap()).collect()
    }

    /// How many messages wait for a commit.
    pub fn waiting(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// Windows received, each once.
    pub fn seqs(&self) -> BTreeSet<u64> {
        self.payloads(&Leaf::Batch).iter().map(|batch| batch["seq"].as_u64().unwrap()).collect()
    }
}

/// A subscriber at work.
pub struct Ingest {
    pub inbox: Arc<Collector>,
    pub requests: mpsc::Sender<Outgoing>,
    pub health: watch::Sender<IngestHealth>,
    stop: watch::Sender<bool>,
    pub task: JoinHandle<Result<(), MqttError>>,
}

impl Ingest {
    pub fn start(mqtt: Mqtt, inbox: &Arc<Collector>) -> Self {
        Self::patient(mqtt, inbox, Duration::ZERO)
    }

    /// One whose commits take what comes within so long.
    pub fn patient(mqtt: Mqtt, inbox: &Arc<Collector>, commit_within: Duration) -> Self {
        let (requests, requests_receiver) = mpsc::channel(8);
        let (stop, stop_receiver) = watch::channel(false);
        let settings =
            SubscriberSettings { mqtt, name: "one".into(), sites: "+".into(), commit_within, beat: Beat::default() };
        let (health, health_receiver) = watch::channel(IngestHealth::default());
        let subscriber = subscribe(settings, Arc::clone(inbox), requests_receiver, health_receiver, stop_receiver);
        Self { inbox: Arc::clone(inbox), requests, health, stop, task: tokio::spawn(subscriber) }
    }

    /// As [`Self::start`], and waits for the subscriptions.
    pub async fn ready(mqtt: Mqtt, inbox: &Arc<Collector>) -> Self {
        let before = inbox.connections();
        let ingest = Self::start(mqtt, inbox);
        until("ingest's subscriptions", || inbox.connections() > before).await;
        ingest
    }

    pub async fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap().unwrap();
    }

    pub async fn ask(&self, run: Uuid, first_seq: u64, last_seq: u64) {
        self.ask_of("attic", run, first_seq, last_seq).await;
    }

    pub async fn ask_of(&self, sensor: &str, run: Uuid, first_seq: u64, last_seq: u64) {
        let body = ReplayRequest { run, first_seq, last_seq, id: Some("test".into()) };
        let request = Outgoing::Replay { site: "home".into(), sensor: sensor.into(), body };
        self.requests.send(request).await.unwrap();
    }
}

/// What `mosquitto_sub` prints for `topic`: the next message, or the one retained.
pub async fn peek(port: u16, topic: &str) -> Option<Value> {
    let topic = topic.to_owned();
    let run = move || {
        Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-C", "1", "-W", "1", "-t", &topic])
            .stderr(Stdio::null())
            .output()
            .expect("these tests need mosquitto_sub: apt-get install mosquitto-clients")
    };
    serde_json::from_slice(&tokio::task::spawn_blocking(run).await.unwrap().stdout).ok()
}

/// Waits until `mosquitto_sub` prints a message like this for `topic`.
pub async fn until_peek(port: u16, topic: &str, mut like: impl FnMut(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = peek(port, topic).await;
        if let Some(value) = seen.as_ref().filter(|value| like(value)) {
            return value.clone();
        }
        assert!(Instant::now() < deadline, "waited 20 s in vain for another message on {topic} than {seen:?}");
        pause(10).await;
    }
}

/// Publishes with `mosquitto_pub`, QoS 1.
pub fn put(port: u16, topic: &str, payload: &str) {
    let status = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-t", topic, "-m", payload])
        .status()
        .expect("these tests need mosquitto_pub: apt-get install mosquitto-clients");
    assert!(status.success());
}
