//! What ingest tells of itself and of its sensors to whoever collects metrics: one scrape covers a fleet. Bounded; made when
//! it is asked for.

use super::{health::Named, holes::SensorName};
use crate::{
    UnixNanos,
    metrics::{
        Kind::{Counter, Gauge},
        MEDIA_TYPE, Page, number,
    },
    roster::Roster,
    sink::{DeadLetters, Health},
    spool::SharedSpool,
    web::vitals::Vitals,
    wire::{Batch, Record, State},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::watch;
use uuid::Uuid;

/// Sensors told of, at most.
const MOST_SENSORS: usize = 2_000;
/// Kinds of alerts told apart, by state, at most: more than there are.
const MOST_KINDS: usize = 64;

/// What came, counted since the start.
#[derive(Default)]
pub struct Figures {
    batches: AtomicU64,
    flows: AtomicU64,
    /// States of alerts, by kind and whether it was open.
    alerts: Mutex<BTreeMap<(String, &'static str), u64>>,
    refused: AtomicU64,
    connected: AtomicBool,
    connections: AtomicU64,
    left_out: AtomicU64,
    gaps: Mutex<BTreeMap<String, u64>>,
    seen: Mutex<HashMap<SensorName, Seen>>,
}

/// What came of one sensor.
#[derive(Clone, Debug, Default)]
struct Seen {
    run: Option<Uuid>,
    last_seq: Option<u64>,
    last_end: Option<UnixNanos>,
    windows: u64,
    frames: u64,
    seconds: f64,
    listened_seconds: f64,
    listens: bool,
    kernel_drops: u64,
    interface_drops: u64,
    lost_windows: u64,
}

impl Figures {
    /// A record came.
    pub fn record(&self, record: &Record) {
        match record {
            Record::Batch(batch) => {
                self.batches.fetch_add(1, Relaxed);
                self.of(record, |seen| seen.batch(batch));
            }
            Record::Flows(flows) => {
                self.batches.fetch_add(1, Relaxed);
                self.flows.fetch_add(flows.flows.len() as u64, Relaxed);
            }
            Record::Alerts(alerts) => {
                self.batches.fetch_add(1, Relaxed);
                let mut counts = lock(&self.alerts);
                for alert in &alerts.alerts {
                    let state = if alert.end.is_none() { "open" } else { "ended" };
                    let known = counts.keys().any(|(kind, _)| *kind == alert.kind);
                    let kind = if known || counts.len() < MOST_KINDS { alert.kind.as_str() } else { "other" };
                    *counts.entry((kind.to_owned(), state)).or_default() += 1;
                }
            }
            Record::Gap(gap) => {
                let reason = serde_json::to_value(gap.reason).ok();
                let reason = reason.as_ref().and_then(serde_json::Value::as_str).unwrap_or("other").to_owned();
                *lock(&self.gaps).entry(reason).or_default() += 1;
                let windows = gap.last_seq.map_or(0, |last| last.saturating_sub(gap.first_seq).saturating_add(1));
                self.of(record, |seen| seen.lost_windows = seen.lost_windows.saturating_add(windows));
            }
        }
    }

    fn of(&self, record: &Record, note: impl FnOnce(&mut Seen)) {
        let mut sensors = lock(&self.seen);
        let key = (record.site().to_owned(), record.sensor().to_owned());
        if sensors.len() >= MOST_SENSORS && !sensors.contains_key(&key) {
            self.left_out.fetch_add(1, Relaxed);
            return;
        }
        note(sensors.entry(key).or_default());
    }

    /// A payload came that is no record.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A connection to the broker began.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.connected.store(true, Relaxed);
    }

    /// There is none any more.
    pub fn disconnected(&self) {
        self.connected.store(false, Relaxed);
    }
}

impl Seen {
    /// A part of a window. What comes a second time, or late because it was asked for, is counted no second time.
    fn batch(&mut self, batch: &Batch) {
        let (run, seq) = (batch.identity.run, batch.identity.seq);
        let is_next = self.run != Some(run) || self.last_seq.is_none_or(|last| seq > last);
        let Some(capture) = batch.capture.as_ref().filter(|_| is_next) else { return };
        (self.run, self.last_seq) = (Some(run), Some(seq));
        self.last_end = Some(self.last_end.map_or(batch.end, |end| end.max(batch.end)));
        self.windows += 1;
        self.frames = self.frames.saturating_add(capture.frames);
        self.seconds += batch.end.saturating_since(batch.start).as_secs_f64();
        for listened in batch.channels.iter().filter_map(|channel| channel.listened_ms) {
            self.listens = true;
            self.listened_seconds += number(listened) / 1_000.0;
        }
        self.kernel_drops = self.kernel_drops.saturating_add(capture.kernel_drops.unwrap_or(0));
        self.interface_drops = self.interface_drops.saturating_add(capture.interface_drops.unwrap_or(0));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the figures are.
pub struct Parts {
    /// What came.
    pub figures: Arc<Figures>,
    /// What sensors said last.
    pub roster: Arc<Roster>,
    /// What waits.
    pub spool: Arc<SharedSpool>,
    /// What no database takes.
    pub dead: Arc<Mutex<DeadLetters>>,
    /// How the databases are.
    pub healths: Vec<Named>,
    /// How many windows are declared missing here.
    pub missing: watch::Receiver<u64>,
}

impl Parts {
    /// For the web server.
    #[must_use]
    pub fn vitals(self) -> Vitals {
        let parts = Arc::new(self);
        let same = Arc::clone(&parts);
        Vitals {
            media_type: MEDIA_TYPE,
            metrics: Box::new(move || parts.page()),
            trouble: Box::new(move || same.trouble()),
        }
    }

    /// Why ingest does not do its work: there is no broker, or no database that takes anything.
    fn trouble(&self) -> Option<String> {
        if !self.figures.connected.load(Relaxed) {
            return Some("there is no connection to the broker: see the log".to_owned());
        }
        let is_bad = |(_, health): &&Named| *health.borrow() != Health::Ok;
        let bad: Vec<&str> = self.healths.iter().filter(is_bad).map(|(name, _)| name.as_str()).collect();
        let all = !self.healths.is_empty() && bad.len() == self.healths.len();
        all.then(|| format!("no database takes anything now ({}): see the log", bad.join(", ")))
    }

    fn page(&self) -> String {
        let mut page = Page::of_this_process();
        self.own(&mut page);
        self.sinks(&mut page);
        self.sensors(&mut page);
        page.text()
    }

    fn own(&self, page: &mut Page) {
        let figures = &self.figures;
        let name = "airtally_ingest_batches_total";
        page.family(
            name,
            Counter,
            "Messages on batch, flow, alert and event: parts of windows that were taken, and what was none.",
        );
        page.sample(name, &[("result", "taken")], number(figures.batches.load(Relaxed)));
        page.sample(name, &[("result", "refused")], number(figures.refused.load(Relaxed)));
        let flows = number(figures.flows.load(Relaxed));
        page.one("airtally_ingest_flow_records_total", Counter, "Records of flows that came.", &[], flows);
        let name = "airtally_ingest_alerts_total";
        page.family(name, Counter, "Alerts that sensors told of, by kind and whether each was open or had ended.");
        for ((kind, state), count) in lock(&figures.alerts).iter() {
            page.sample(name, &[("kind", kind), ("state", state)], number(*count));
        }
        let name = "airtally_ingest_gaps_total";
        page.family(name, Counter, "Declared losses that came.");
        let gaps = lock(&figures.gaps).clone();
        for reason in ["evicted", "crash", "unavailable", "other"] {
            page.sample(name, &[("reason", reason)], number(gaps.get(reason).copied().unwrap_or(0)));
        }
        let missing = number(*self.missing.borrow());
        page.one(
            "airtally_ingest_missing_windows",
            Gauge,
            "Windows that nobody sent or declared, declared missing here.",
            &[],
            missing,
        );
        let connected = f64::from(u8::from(figures.connected.load(Relaxed)));
        page.one("airtally_mqtt_connected", Gauge, "Whether there is a connection to the broker.", &[], connected);
        let connections = number(figures.connections.load(Relaxed));
        page.one("airtally_mqtt_connections_total", Counter, "Connections to the broker that began.", &[], connections);
        if let Ok(letters) = lock(&self.dead).count() {
            page.one("airtally_dead_letters", Gauge, "Messages kept that no database takes.", &[], number(letters));
        }
    }

    fn sinks(&self, page: &mut Page) {
        let name = "airtally_sink_up";
        page.family(name, Gauge, "Whether a database takes what it is offered.");
        for (sink, health) in &self.healths {
            page.sample(name, &[("sink", sink)], f64::from(u8::from(*health.borrow() == Health::Ok)));
        }
        let (counts, oldest) = {
            let mut spool = self.spool.lock();
            let oldest: Vec<_> =
                self.healths.iter().filter_map(|(sink, _)| Some((sink, spool.oldest_waiting(sink).ok()?))).collect();
            (spool.counts(), oldest)
        };
        if let Ok(counts) = counts {
            let name = "airtally_sink_backlog_records";
            page.family(name, Gauge, "Records that wait for a database.");
            for (sink, records) in &counts.undelivered {
                page.sample(name, &[("sink", sink)], number(*records));
            }
            page.one("airtally_spool_bytes", Gauge, "Size of the spool's files.", &[], number(counts.bytes));
            page.one(
                "airtally_spool_records",
                Gauge,
                "Records in the spool, stored ones too.",
                &[],
                number(counts.entries),
            );
            let evicted = number(counts.evicted_windows);
            page.one(
                "airtally_spool_evicted_windows_total",
                Counter,
                "Windows given up before every database had them.",
                &[],
                evicted,
            );
        }
        let name = "airtally_sink_oldest_seconds";
        page.family(name, Gauge, "How long the oldest record waits for a database; 0 where none does.");
        for (sink, added) in oldest {
            let waits = added.map_or(0.0, |added| UnixNanos::now().saturating_since(added).as_secs_f64());
            page.sample(name, &[("sink", sink)], waits);
        }
    }

    fn sensors(&self, page: &mut Page) {
        let left_out = number(self.figures.left_out.load(Relaxed));
        page.one(
            "airtally_seen_left_out_total",
            Counter,
            "Records of sensors that are one too many to be told of.",
            &[],
            left_out,
        );
        let name = "airtally_seen_sensor_state";
        page.family(name, Gauge, "1 for the state that a sensor said last.");
        let mut said = Vec::new();
        for sensor in self.roster.all().into_iter().take(MOST_SENSORS) {
            let Some(message) = sensor.status else { continue };
            for (state, word) in [(State::Online, "online"), (State::Degraded, "degraded"), (State::Offline, "offline")]
            {
                let labels = [("site", sensor.site.as_str()), ("sensor", sensor.sensor.as_str()), ("state", word)];
                page.sample(name, &labels, f64::from(u8::from(message.status.state == state)));
            }
            said.push((sensor.site, sensor.sensor, message.time));
        }
        let name = "airtally_seen_sensor_status_timestamp_seconds";
        page.family(name, Gauge, "The time in a sensor's last status.");
        for (site, sensor, time) in said {
            page.sample(name, &[("site", &site), ("sensor", &sensor)], time.0 as f64 / 1e9);
        }
        let mut seen: Vec<(SensorName, Seen)> =
            lock(&self.figures.seen).iter().map(|(name, seen)| (name.clone(), seen.clone())).collect();
        seen.sort_by(|a, b| a.0.cmp(&b.0));
        let mut family = |name: &str, kind, help: &str, value: fn(&Seen) -> Option<f64>| {
            page.family(name, kind, help);
            for ((site, sensor), seen) in &seen {
                if let Some(value) = value(seen) {
                    page.sample(name, &[("site", site), ("sensor", sensor)], value);
                }
            }
        };
        family(
            "airtally_seen_sensor_last_window_timestamp_seconds",
            Gauge,
            "When a sensor's newest window ended.",
            |seen| seen.last_end.map(|end| end.0 as f64 / 1e9),
        );
        family("airtally_seen_sensor_windows_total", Counter, "Windows of a sensor that came in order.", |seen| {
            Some(number(seen.windows))
        });
        family("airtally_seen_sensor_frames_total", Counter, "Frames captured in these windows.", |seen| {
            Some(number(seen.frames))
        });
        family("airtally_seen_sensor_window_seconds_total", Counter, "The time that these windows cover.", |seen| {
            Some(seen.seconds)
        });
        family(
            "airtally_seen_sensor_listened_seconds_total",
            Counter,
            "Of that, how long the radio listened; absent where nobody knows.",
            |seen| seen.listens.then_some(seen.listened_seconds),
        );
        family("airtally_seen_sensor_kernel_drops_total", Counter, "Frames that the kernel dropped.", |seen| {
            Some(number(seen.kernel_drops))
        });
        family("airtally_seen_sensor_interface_drops_total", Counter, "Frames that the interface dropped.", |seen| {
            Some(number(seen.interface_drops))
        });
        family("airtally_seen_sensor_lost_windows_total", Counter, "Windows that a sensor declared lost.", |seen| {
            Some(number(seen.lost_windows))
        });
    }
}
