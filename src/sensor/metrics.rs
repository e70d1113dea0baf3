//! What a sensor tells of itself to whoever collects metrics, where `[metrics]` has an address. Counted per closed window;
//! nothing per frame.

use super::outbox::SpoolOutbox;
use crate::{
    UnixNanos,
    alert::{self, Counts},
    config::{Metrics, SecretError},
    metrics::{
        Kind::{Counter, Gauge},
        Page, number,
        serve::{self, Answers},
    },
    spool::SharedSpool,
    wire::{Contents, FlowContents, Level, People, State, Status},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How often an address that is taken is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Frequencies told of, at most: a capture may claim any.
const MOST_CHANNELS: usize = 256;

/// What was counted since the start.
#[derive(Default)]
pub struct Figures(Mutex<Inner>);

#[derive(Clone, Default)]
struct Inner {
    windows: u64,
    last_end: Option<UnixNanos>,
    seconds: f64,
    frames: u64,
    bytes: u64,
    /// By class, as a frame is in exactly one.
    classes: [(&'static str, u64); 6],
    kernel_drops: Option<u64>,
    interface_drops: Option<u64>,
    stations: u64,
    /// By frequency: frames, and milliseconds listened where that is known.
    channels: BTreeMap<u16, (u64, Option<u64>)>,
    /// Where flows are told: records, and of these the ones beyond the bound of a window; packets in flows.
    flows: Option<(u64, u64, u64)>,
    /// Where there is a watch for attacks: what it has seen.
    alerts: Option<Counts>,
    /// The newest estimate of people, where there is to be one.
    people: Option<People>,
}

impl Figures {
    /// A window was closed.
    pub fn window(&self, start: UnixNanos, end: UnixNanos, contents: &Contents) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let capture = &contents.capture;
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        inner.windows += 1;
        inner.last_end = Some(inner.last_end.map_or(end, |last| last.max(end)));
        inner.seconds += end.saturating_since(start).as_secs_f64();
        add(&mut inner.frames, capture.frames);
        add(&mut inner.bytes, capture.bytes);
        let classes = [
            ("bad_fcs", capture.bad_fcs),
            ("malformed", capture.malformed),
            ("without_ta", capture.without_ta),
            ("group_ta", capture.group_ta),
            ("overflow", capture.overflow_frames),
            ("station", capture.station_frames),
        ];
        for (sum, (class, frames)) in inner.classes.iter_mut().zip(classes) {
            *sum = (class, sum.1.saturating_add(frames));
        }
        let known =
            |sum: Option<u64>, more: Option<u64>| more.map_or(sum, |more| Some(sum.unwrap_or(0).saturating_add(more)));
        inner.kernel_drops = known(inner.kernel_drops, capture.kernel_drops);
        inner.interface_drops = known(inner.interface_drops, capture.interface_drops);
        inner.stations =
            contents.stations.len() as u64 + contents.vendors.iter().map(|vendor| vendor.stations).sum::<u64>();
        if let Some(people) = contents.people.last() {
            inner.people = Some(people.clone());
        }
        for channel in &contents.channels {
            if inner.channels.len() >= MOST_CHANNELS && !inner.channels.contains_key(&channel.freq_mhz) {
                continue;
            }
            let (frames, listened) = inner.channels.entry(channel.freq_mhz).or_default();
            *frames = frames.saturating_add(channel.frames);
            *listened = known(*listened, channel.listened_ms);
        }
    }

    /// What the window has of flows, where they are told.
    pub fn flows(&self, flows: Option<&FlowContents>) {
        let Some(flows) = flows else { return };
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (records, left_out, packets) = inner.flows.get_or_insert_default();
        *records += flows.sums.iter().map(|sum| sum.records).sum::<u64>();
        *left_out += flows.metered.left_out;
        *packets += flows.metered.in_flows.packets;
    }

    /// What the watch for attacks has seen so far, where there is one.
    pub fn alerts(&self, watched: Option<&Counts>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.alerts = watched.copied().or(inner.alerts);
    }

    fn now(&self) -> Inner {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where the answers come from.
pub struct Parts {
    /// What was counted.
    pub figures: Arc<Figures>,
    /// What waits.
    pub spool: Arc<SharedSpool>,
    /// What went.
    pub outbox: Arc<SpoolOutbox>,
    /// What the sensor says of itself.
    pub statuses: watch::Receiver<Status>,
    /// What a collector shows.
    pub token: Option<String>,
}

impl Parts {
    /// Answers at the configuration's address, for ever. Where it is taken, the sensor counts without.
    pub async fn answer(self, config: Metrics) {
        let parts = Arc::new(self);
        let mut told = false;
        loop {
            match serve::listen(config.listen).await {
                Ok(listener) => {
                    tracing::info!(address = %config.listen, "answering who collects metrics");
                    serve::serve(listener, Arc::clone(&parts)).await;
                }
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(
                        "there are no metrics for now: cannot listen on {} (metrics.listen): {error}",
                        config.listen
                    );
                }
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// The token of the configuration.
///
/// # Errors
/// When it cannot be read.
pub fn token(config: &Metrics) -> Result<Option<String>, SecretError> {
    config.token_file.as_ref().map(|file| file.read_line()).transpose()
}

impl Answers for Parts {
    async fn metrics(&self) -> String {
        let counts = self.spool.with(|spool| spool.counts()).await.and_then(Result::ok);
        let mut page = Page::of_this_process();
        let figures = self.figures.now();
        frames(&mut page, &figures);
        let name = "airtally_sensor_state";
        page.family(name, Gauge, "1 for the state that the sensor says.");
        let status = self.statuses.borrow().clone();
        for (state, word) in [(State::Online, "online"), (State::Degraded, "degraded"), (State::Offline, "offline")] {
            page.sample(name, &[("state", word)], f64::from(u8::from(status.state == state)));
        }
        if let Some(reason) = status.reason.as_deref().filter(|_| status.state == State::Degraded) {
            page.one("airtally_sensor_degraded", Gauge, "Why it is degraded, in one word.", &[("reason", reason)], 1.0);
        }
        if let Some(counts) = counts {
            page.one("airtally_spool_bytes", Gauge, "Size of the spool's files.", &[], number(counts.bytes));
            page.one(
                "airtally_spool_records",
                Gauge,
                "Records in the spool, delivered ones too.",
                &[],
                number(counts.entries),
            );
            let waiting = counts.undelivered.iter().map(|(_, records)| *records).sum();
            page.one(
                "airtally_spool_waiting_records",
                Gauge,
                "Records that wait for the broker.",
                &[],
                number(waiting),
            );
            let evicted = number(counts.evicted_windows);
            page.one(
                "airtally_spool_evicted_windows_total",
                Counter,
                "Windows given up before the broker had them.",
                &[],
                evicted,
            );
        }
        let connections = number(self.outbox.connections());
        page.one("airtally_mqtt_connections_total", Counter, "Connections to the broker that began.", &[], connections);
        let idle = self.outbox.progress().borrow().elapsed().as_secs_f64();
        let help = "Time since the broker last took something, asked for something, or was connected to.";
        page.one("airtally_mqtt_idle_seconds", Gauge, help, &[], idle);
        page.text()
    }

    fn trouble(&self) -> Option<String> {
        let status = self.statuses.borrow();
        (status.level() == Level::Bad).then(|| status.meaning().to_owned())
    }

    fn opens(&self, token: Option<&str>) -> bool {
        use sha2::{Digest as _, Sha256};
        // Hashes: comparing them takes no time that depends on the token.
        self.token.as_deref().is_none_or(|own| token.is_some_and(|token| Sha256::digest(own) == Sha256::digest(token)))
    }
}

fn frames(page: &mut Page, figures: &Inner) {
    page.one("airtally_windows_total", Counter, "Windows closed.", &[], number(figures.windows));
    page.one("airtally_window_seconds_total", Counter, "The time that they cover.", &[], figures.seconds);
    if let Some(end) = figures.last_end {
        let help = "When the newest window ended.";
        page.one("airtally_last_window_timestamp_seconds", Gauge, help, &[], end.0 as f64 / 1e9);
    }
    let name = "airtally_capture_frames_total";
    page.family(name, Counter, "Frames captured, each in one class: their sum is all of them.");
    for (class, frames) in figures.classes.iter().filter(|(class, _)| !class.is_empty()) {
        page.sample(name, &[("class", class)], number(*frames));
    }
    page.one("airtally_capture_bytes_total", Counter, "Octets of these frames.", &[], number(figures.bytes));
    if let Some(drops) = figures.kernel_drops {
        page.one("airtally_capture_kernel_drops_total", Counter, "Frames that the kernel dropped.", &[], number(drops));
    }
    if let Some(drops) = figures.interface_drops {
        let help = "Frames that the interface dropped.";
        page.one("airtally_capture_interface_drops_total", Counter, help, &[], number(drops));
    }
    if let Some((records, left_out, packets)) = figures.flows {
        let help = "Packets that are in flows.";
        page.one("airtally_flow_packets_total", Counter, help, &[], number(packets));
        let help = "Records of flows that ended, or that an update of was due.";
        page.one("airtally_flow_records_total", Counter, help, &[], number(records));
        let help = "Of these, the ones beyond flows.max_records of a window: only their sums are told.";
        page.one("airtally_flow_records_left_out_total", Counter, help, &[], number(left_out));
    }
    if let Some(counts) = figures.alerts {
        let name = "airtally_alerts_total";
        page.family(name, Counter, "Alerts that opened, by kind.");
        for (kind, opened) in alert::Kind::ALL.iter().zip(counts.opened) {
            page.sample(name, &[("kind", kind.name())], number(opened));
        }
        let help = "Frames of evidence for what alerts.expected names, and is not told.";
        page.one("airtally_alert_frames_expected_total", Counter, help, &[], number(counts.silenced));
        let help = "Frames of evidence for alerts beyond those that may be open at the same time.";
        page.one("airtally_alert_frames_left_out_total", Counter, help, &[], number(counts.left_out));
        let help = "Addresses that rules forgot before their time, to make room for others.";
        page.one("airtally_alert_addresses_forgotten_total", Counter, help, &[], number(counts.forgotten));
    }
    if let Some(people) = &figures.people {
        let name = "airtally_people";
        page.family(name, Gauge, "The newest estimate of people, and its bounds; none where nobody can tell.");
        let bounds = [("low", people.low), ("estimate", people.estimate), ("high", people.high)];
        for (bound, number) in bounds.into_iter().filter_map(|(bound, number)| Some((bound, number?))) {
            page.sample(name, &[("bound", bound)], f64::from(number));
        }
        let help = "When the five minutes that it is of ended.";
        page.one("airtally_people_timestamp_seconds", Gauge, help, &[], people.end.0 as f64 / 1e9);
    }
    page.one("airtally_stations", Gauge, "Stations in the newest window.", &[], number(figures.stations));
    let name = "airtally_channel_frames_total";
    page.family(name, Counter, "Frames by the frequency they were heard on.");
    for (freq_mhz, (frames, _)) in &figures.channels {
        page.sample(name, &[("freq_mhz", &freq_mhz.to_string())], number(*frames));
    }
    let name = "airtally_channel_listened_seconds_total";
    page.family(name, Counter, "How long the radio listened there, where that is known.");
    for (freq_mhz, listened) in figures.channels.iter().filter_map(|(freq, (_, listened))| Some((freq, (*listened)?))) {
        page.sample(name, &[("freq_mhz", &freq_mhz.to_string())], number(listened) / 1_000.0);
    }
}
