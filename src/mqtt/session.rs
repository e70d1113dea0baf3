//! What a sensor does on one connection, from the attempt to its end: info and status, offers within the window,
//! events, answers to requests. Forgets everything at the end, because the outbox is the truth.

use super::{
    Leaf,
    connection::{Connection, Delivery, Signal, Verdict},
    lane::{Lane, Trouble},
    outbox::{Offer, OfferKind, Outbox, OutboxError},
    publishing::Publishing,
    requests::{Answer, Requests},
};
use crate::{
    stop::stopped,
    wire::{Event, INFO_SCHEMA, Info, IngestStatus, State, Status, Stored, encode},
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Status at least this often.
const STATUS_PERIOD: Duration = Duration::from_secs(60);
/// Status at most this often, unless state or reason change.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of offers on the way, or one offer.
const MAX_FLYING: usize = 16 << 20;
/// Events waiting for their turn; then the channel fills, and its sender decides.
const MAX_UNSENT: usize = 16;
/// Answers waiting for their turn; then those that are ready wait in their tasks, and what is asked meanwhile is dropped.
const MAX_ANSWERS: usize = 16;
/// How long a stop waits for acknowledgements, and then again for that of `offline`.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// Pause after the outbox failed.
const OUTBOX_PAUSE: Duration = Duration::from_secs(1);
/// Pages read in one go, before looking at what else has happened.
const PAGES: usize = 64;

/// A message on the way.
pub(super) enum Item {
    Offer {
        id: u64,
        kind: OfferKind,
        bytes: usize,
    },
    Event(Event),
    Status,
    /// Nothing depends on whether it arrives; where it goes.
    Other(Leaf),
}

impl Item {
    pub(super) fn into_event(self) -> Option<Event> {
        if let Self::Event(event) = self { Some(event) } else { None }
    }
}

/// How a connection ended.
pub(super) enum End {
    Stopped,
    Lost(String),
}

pub(super) struct Session<'a, O> {
    publisher: &'a mut Publishing<O>,
    link: &'a mut Connection<Item>,
    batches: Lane,
    flows: Lane,
    alerts: Lane,
    gaps: Lane,
    flying_bytes: usize,
    /// Something waits that this broker does not take because of its size.
    too_large: bool,
    requests: Requests,
    answers: VecDeque<Answer>,
    /// Told to stop: nothing is answered any more.
    stopping: bool,
    outbox_rests_until: Option<Instant>,
    status_due: bool,
    status_flying: bool,
    status_sent: Option<(Instant, State, Option<String>)>,
    status_open: bool,
    events_open: bool,
}

impl<'a, O: Outbox> Session<'a, O> {
    pub(super) fn new(publisher: &'a mut Publishing<O>, link: &'a mut Connection<Item>) -> Self {
        let requests = Requests::new(&publisher.answerers);
        Self {
            publisher,
            link,
            batches: Lane::new(),
            flows: Lane::new(),
            alerts: Lane::new(),
            gaps: Lane::new(),
            flying_bytes: 0,
            too_large: false,
            requests,
            answers: VecDeque::new(),
            stopping: false,
            outbox_rests_until: None,
            status_due: true,
            status_flying: false,
            status_sent: None,
            status_open: true,
            events_open: true,
        }
    }

    /// Runs until told to stop, or the connection is lost.
    pub(super) async fn run(mut self) -> End {
        if let Err(end) = self.begin().await {
            return end;
        }
        match self.work().await {
            Ok(()) => {
                self.finish().await;
                End::Stopped
            }
            Err(why) => End::Lost(why),
        }
    }

    /// Waits for the connection and subscribes to requests. Offers wait for the answer, because a SUBSCRIBE and a
    /// PUBLISH must not share a packet id, and rumqttc does not look.
    async fn begin(&mut self) -> Result<(), End> {
        let beat = self.publisher.settings.beat.clone();
        loop {
            beat.turn().await;
            let signal = tokio::select! {
                signal = self.link.next() => signal,
                () = beat.keep() => continue,
                () = stopped(&mut self.publisher.stop) => return Err(End::Stopped),
            };
            match signal {
                Signal::Connected { .. } => {
                    let broker = self.link.broker();
                    tracing::info!("connected to the broker at {} as '{}'", broker.address(), broker.client_id);
                    self.publisher.reconnect.connected();
                    self.publisher.outbox.connected();
                    let settings = &self.publisher.settings;
                    let topics = &self.publisher.topics;
                    self.link.subscribe(vec![
                        (topics.requests(&settings.site, &settings.sensor), false),
                        (self.publisher.topic(&Leaf::Stored), false),
                        (topics.ingests(), true),
                    ]);
                }
                Signal::Subscribed { refused } => {
                    // Without the word of an ingest, nobody is waited for at the end.
                    let settings = &self.publisher.settings;
                    let requests = self.publisher.topics.requests(&settings.site, &settings.sensor);
                    if let Some(filter) = refused.iter().find(|filter| **filter == requests) {
                        tracing::warn!(
                            "the broker refuses our subscription to {filter}: lost windows cannot be asked for again until its ACL allows this client to read that"
                        );
                    }
                    self.announce();
                    return Ok(());
                }
                Signal::Lost(why) => return Err(End::Lost(why)),
                Signal::Acked(..) | Signal::Arrived(_) => {}
            }
        }
    }

    fn announce(&mut self) {
        let settings = &self.publisher.settings;
        let info = Info::new(&settings.site, &settings.sensor, settings.config.clone());
        let message = self.publisher.message(&Leaf::Info, INFO_SCHEMA, encode(&info), true);
        self.link.send(message, Item::Other(Leaf::Info));
    }

    async fn work(&mut self) -> Result<(), String> {
        let outbox = std::sync::Arc::clone(&self.publisher.outbox);
        let beat = self.publisher.settings.beat.clone();
        loop {
            beat.turn().await;
            let more = self.fill().await;
            let wake = tokio::time::Instant::from_std(self.wake());
            let publisher = &mut *self.publisher;
            tokio::select! {
                signal = self.link.next() => self.handle(signal).await?,
                answer = self.requests.next(), if self.answers.len() < MAX_ANSWERS => self.answers.push_back(answer),
                () = outbox.changed() => {
                    self.batches.changed();
                    self.flows.changed();
                    self.alerts.changed();
                    self.gaps.changed();
                }
                changed = publisher.status.changed(), if self.status_open => {
                    self.status_open = changed.is_ok();
                    self.status_due = true;
                }
                event = publisher.events.recv(), if self.events_open && publisher.unsent.len() < MAX_UNSENT => {
                    self.events_open = event.is_some();
                    publisher.unsent.extend(event);
                }
                () = tokio::time::sleep_until(wake) => {}
                () = std::future::ready(()), if more => {}
                () = beat.keep() => {}
                () = stopped(&mut publisher.stop) => return Ok(()),
            }
        }
    }

    /// When to look at everything again although nothing happens.
    fn wake(&self) -> Instant {
        let status = self
            .status_sent
            .as_ref()
            .map_or_else(Instant::now, |(at, ..)| *at + if self.status_due { STATUS_PAUSE } else { STATUS_PERIOD });
        // Without a place in the window, an acknowledgement is what to wait for.
        let status = (!self.status_flying && self.link.room() > 0).then_some(status);
        [status, self.batches.wake(), self.flows.wake(), self.alerts.wake(), self.gaps.wake(), self.outbox_rests_until]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or_else(|| Instant::now() + STATUS_PERIOD)
    }

    /// Sends what there is room for. Whether there is more to look at.
    async fn fill(&mut self) -> bool {
        self.fill_status();
        while self.link.room() > 0
            && let Some(answer) = self.answers.pop_front()
        {
            let leaf = Leaf::Response(answer.name.clone());
            let message = self.publisher.answer_message(answer);
            self.link.send(message, Item::Other(leaf));
        }
        while self.link.room() > 0
            && let Some(event) = self.publisher.unsent.pop_front()
        {
            let message = self.publisher.event_message(event.clone());
            self.link.send(message, Item::Event(event));
        }
        if self.outbox_rests_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        self.outbox_rests_until = None;
        let gaps = self.fill_offers(OfferKind::Gap).await;
        // They are few, and urgent.
        let alerts = self.fill_offers(OfferKind::Alerts).await;
        let batches = self.fill_offers(OfferKind::Batch).await;
        // After them: who only wants windows never waits for flows.
        let flows = self.fill_offers(OfferKind::Flows).await;
        gaps || alerts || batches || flows
    }

    fn fill_status(&mut self) {
        let status = self.overlaid();
        let now = Instant::now();
        let due = self.status_sent.as_ref().is_none_or(|(at, state, reason)| {
            (*state, reason) != (status.state, &status.reason)
                || now >= *at + if self.status_due { STATUS_PAUSE } else { STATUS_PERIOD }
        });
        if due && !self.status_flying && self.link.room() > 0 {
            self.status_sent = Some((now, status.state, status.reason.clone()));
            self.status_due = false;
            self.status_flying = true;
            let message = self.publisher.status_message(status);
            self.link.send(message, Item::Status);
        }
    }

    /// The sensor's own status, degraded by what only the publisher sees.
    fn overlaid(&self) -> Status {
        let mut status = self.publisher.status.borrow().clone();
        let lanes = [&self.batches, &self.gaps, &self.alerts, &self.flows];
        let trouble = match lanes.into_iter().find_map(Lane::trouble) {
            Some(Trouble::NoSubscriber) => Some("no_subscriber"),
            Some(Trouble::Refused) => Some("refused"),
            None => self.too_large.then_some("too_large"),
        };
        if let (State::Online, Some(reason)) = (status.state, trouble) {
            status.state = State::Degraded;
            status.reason = Some(reason.to_owned());
        }
        status
    }

    fn lane(&mut self, kind: OfferKind) -> &mut Lane {
        match kind {
            OfferKind::Batch => &mut self.batches,
            OfferKind::Flows => &mut self.flows,
            OfferKind::Alerts => &mut self.alerts,
            OfferKind::Gap => &mut self.gaps,
        }
    }

    async fn fill_offers(&mut self, kind: OfferKind) -> bool {
        let largest = usize::try_from(self.publisher.settings.mqtt.max_message.0).unwrap_or(usize::MAX).max(1);
        for _ in 0..PAGES {
            let free = if self.flying_bytes < MAX_FLYING { self.link.room() } else { 0 };
            let lane = self.lane(kind);
            let room = lane.room(free, Instant::now());
            if room == 0 {
                return false;
            }
            let page = (room + lane.flying()).min((MAX_FLYING / largest).max(1));
            let after = lane.cursor();
            let offers = match self.publisher.outbox.next(kind, after, page).await {
                Ok(offers) => offers,
                Err(error) => {
                    self.rest(&error);
                    return false;
                }
            };
            if offers.is_empty() && !self.lane(kind).end() {
                return false;
            }
            let mut left = room;
            for offer in offers {
                if left == 0 {
                    break;
                }
                left -= usize::from(self.offer(offer));
            }
        }
        true
    }

    /// Sends an offer, unless it is on the way already or too large for the broker. Whether it was sent.
    fn offer(&mut self, offer: Offer) -> bool {
        if !self.lane(offer.kind).pass(offer.id) {
            return false;
        }
        let item = Item::Offer { id: offer.id, kind: offer.kind, bytes: offer.body.len() };
        let (id, kind, bytes) = (offer.id, offer.kind, offer.body.len());
        let (run, seq) = (offer.run, offer.seq);
        let message = self.publisher.offer_message(offer);
        if let Some(excess) = self.link.excess(&message) {
            // It stays in the spool: another limit at the broker may let it through, or the ring declares its loss.
            let why = format!(
                "the broker takes no message as large as some of ours ({bytes} bytes are {excess} too many): lower mqtt.max_message, so that windows are split smaller, or raise the broker's limit (mosquitto: max_packet_size)"
            );
            if let Some(why) = self.publisher.logged.oversize.pass(&why, Instant::now()) {
                tracing::error!("{why}; kept and not sent: run {run}, window {seq}");
            }
            self.status_due |= !self.too_large;
            self.too_large = true;
            return false;
        }
        self.link.send(message, item);
        self.lane(kind).sent(id);
        self.flying_bytes += bytes;
        true
    }

    fn rest(&mut self, error: &OutboxError) {
        self.outbox_rests_until = Some(Instant::now() + OUTBOX_PAUSE);
        if let Some(why) = self.publisher.logged.outbox.pass(&error.to_string(), Instant::now()) {
            tracing::error!("cannot use the spool: {why}; trying again");
        }
    }

    /// Handles a signal, and all that have come with it, so that one write to the outbox notes many deliveries.
    async fn handle(&mut self, signal: Signal<Item>) -> Result<(), String> {
        let mut delivered = Vec::new();
        let mut lost = None;
        let mut next = Some(signal);
        while let Some(signal) = next {
            match signal {
                Signal::Acked(item, verdict) => delivered.extend(self.acked(item, verdict)),
                Signal::Arrived(delivery) => self.arrived(delivery),
                Signal::Lost(why) => {
                    lost = Some(why);
                    break;
                }
                Signal::Connected { .. } | Signal::Subscribed { .. } => {}
            }
            next = self.link.try_next();
        }
        if !delivered.is_empty() {
            let ids = delivered.iter().map(|&(id, _)| id).collect();
            if let Err(error) = self.publisher.outbox.delivered(ids).await {
                self.rest(&error);
            }
            // Only now: until the outbox knows, an offer counts as on the way, and is not sent again.
            for (id, kind) in delivered {
                if self.lane(kind).taken(id) {
                    tracing::info!("the broker takes our {kind:?} messages again");
                }
            }
        }
        lost.map_or(Ok(()), Err)
    }

    fn arrived(&mut self, delivery: Delivery) {
        let publisher = &*self.publisher;
        if publisher.topics.is_ingest(&delivery.topic) {
            if let Some(status) = IngestStatus::decode(&delivery.payload) {
                publisher.outbox.ingest(status);
            }
            return;
        }
        match publisher.topics.parse(&delivery.topic) {
            Some((_, _, Leaf::Request(name))) => self.request(&name, delivery),
            Some((_, _, Leaf::Stored)) if !delivery.retain => {
                if let Some(stored) = Stored::decode(&delivery.payload) {
                    publisher.outbox.stored(stored);
                }
            }
            _ => {}
        }
    }

    /// Takes a request, or drops it when there are too many.
    fn request(&mut self, name: &str, delivery: Delivery) {
        let publisher = &mut *self.publisher;
        if delivery.retain || self.stopping {
            return; // A question left behind is nobody's any more.
        }
        let now = Instant::now();
        if self.answers.len() >= MAX_ANSWERS || publisher.haste.take(1, now).is_err() {
            let why = "more requests than one a second arrive, or the broker takes no answers: some requests are not answered";
            if let Some(why) = publisher.logged.requests.pass(why, now) {
                tracing::warn!("{why}");
            }
            return;
        }
        self.answers.extend(self.requests.ask(name, delivery.payload, delivery.correlation));
    }

    /// What a PUBACK means; the offer that it delivers, if it does.
    fn acked(&mut self, item: Item, verdict: Verdict) -> Option<(u64, OfferKind)> {
        let now = Instant::now();
        match (item, verdict) {
            (Item::Offer { id, kind, bytes }, verdict) => {
                self.flying_bytes = self.flying_bytes.saturating_sub(bytes);
                let topic = self.publisher.topic(&kind.leaf());
                match verdict {
                    Verdict::Taken => return Some((id, kind)),
                    Verdict::NoSubscriber => {
                        if self.lane(kind).refused(id, Trouble::NoSubscriber, now) {
                            tracing::warn!(
                                "nobody subscribes to {topic}: what is counted is kept and offered again; check that airtally ingest runs and that its site and base topic fit"
                            );
                        }
                    }
                    Verdict::Refused(reason) => {
                        self.lane(kind).refused(id, Trouble::Refused, now);
                        let why = format!("the broker refuses what we publish to {topic}: {reason}");
                        if let Some(why) = self.publisher.logged.refused.pass(&why, now) {
                            tracing::warn!("{why}; it is kept and offered again");
                        }
                    }
                }
            }
            (Item::Status, verdict) => {
                self.status_flying = false;
                self.grumble(verdict, &Leaf::Status);
            }
            (Item::Event(_), verdict) => self.grumble(verdict, &Leaf::Event),
            (Item::Other(leaf), verdict) => self.grumble(verdict, &leaf),
        }
        None
    }

    /// A refusal of something that is not offered again.
    fn grumble(&mut self, verdict: Verdict, leaf: &Leaf) {
        if let Verdict::Refused(reason) = verdict {
            let why = format!("the broker refuses what we publish to {}: {reason}", self.publisher.topic(leaf));
            if let Some(why) = self.publisher.logged.refused.pass(&why, Instant::now()) {
                tracing::warn!("{why}");
            }
        }
    }

    /// Waits a little for acknowledgements, says `offline`, and disconnects.
    async fn finish(&mut self) {
        self.stopping = true;
        self.requests = Requests::new(&[]);
        self.settle(|session| session.link.outstanding() == 0).await;
        let mut status = self.publisher.status.borrow().clone();
        status.state = State::Offline;
        status.reason = Some("stopped".to_owned());
        let message = self.publisher.status_message(status);
        self.status_flying = true;
        if self.link.room() == 0 {
            return; // The broker answers nothing: let the last will speak.
        }
        self.link.send(message, Item::Status);
        self.settle(|session| !session.status_flying).await;
        if self.status_flying {
            return;
        }
        self.link.leave(STOP_PATIENCE).await;
    }

    /// Handles signals until `done`, the connection is lost, or patience ends.
    async fn settle(&mut self, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + STOP_PATIENCE;
        while !done(self) {
            let Ok(signal) = tokio::time::timeout_at(deadline, self.link.next()).await else { return };
            if self.handle(signal).await.is_err() {
                return;
            }
        }
    }
}
