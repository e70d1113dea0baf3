//! Adds up what sensors publish over MQTT, exactly: each frame once, and what is missing is named.
//!
//! ```text
//! cargo run --example subscribe -- --host broker.example.org
//! cargo run --example subscribe -- --sensor attic --until-ended     # a sensor that replays a capture file: ends with it
//! ```
//!
//! It tells of each window on standard error; at its end (Ctrl-C, SIGTERM) it prints the sums of each run as one line of
//! JSON. What a subscriber has to look at is in docs/mqtt.md, "What a subscriber does"; [`Run`] is all of it.
//! examples/subscribe.py does the same without this library, and with TLS.

use airtally::wire::{Batch, Capture, DecodeError, EVENT_SCHEMA, Gap, GapReason, Record};
use rumqttc::v5::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{Filter, Packet, Publish, SubscribeReasonCode},
    },
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::Write,
    ops::RangeInclusive,
    process::ExitCode,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

/// No run has a window of a higher number, whatever a message says.
const LAST_SEQ: u64 = 1 << 40;
/// Parts of a window, at most.
const MOST_PARTS: u32 = 10_000;
/// How long the broker keeps what comes while the connection is broken, in seconds.
const SESSION: u32 = 3600;
/// Largest message: more than any sensor sends.
const LARGEST: u32 = 17 << 20;

/// A set of whole numbers, as ranges: small however many there are, for they come in order, mostly.
#[derive(Clone, Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    fn contains(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, last)| number <= *last)
    }

    fn add(&mut self, mut first: u64, mut last: u64) {
        // What touches the new range becomes a part of it.
        while let Some((&from, &to)) = self.0.range(..=last.saturating_add(1)).next_back() {
            if to.saturating_add(1) < first {
                break;
            }
            self.0.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        self.0.insert(first, last);
    }

    /// What is missing of 0..=`end`.
    fn holes(&self, end: u64) -> Vec<RangeInclusive<u64>> {
        let (mut holes, mut expected) = (Vec::new(), 0);
        for (&first, &last) in self.0.iter().chain([(&(end + 1), &(end + 1))]) {
            let first = first.min(end + 1);
            if expected < first {
                holes.push(expected..=first - 1);
            }
            expected = expected.max(last + 1);
        }
        holes
    }
}

/// What came of one run of one sensor.
#[derive(Default)]
struct Run {
    /// Windows of which all parts came.
    whole: Ranges,
    /// Of other windows the parts that came.
    open: BTreeMap<u64, BTreeSet<u32>>,
    /// First, last and reason, as declared.
    gaps: BTreeSet<(u64, u64, String)>,
    /// The newest window heard of.
    last: Option<u64>,
    /// The last window of a run that ended in order was heard.
    ended: bool,
    /// Parts that had come before.
    again: u64,
    sums: Capture,
    stations: BTreeMap<String, u64>,
}

impl Run {
    /// Counts a part of a window, once. Says whether the window is whole now. That `capture` belongs to part 0 alone was
    /// looked at by `Record::decode`.
    fn add(&mut self, batch: &Batch) -> Result<bool, &'static str> {
        let (seq, part) = (batch.identity.seq, batch.part);
        if seq > LAST_SEQ || batch.parts > MOST_PARTS {
            return Err("its numbers are impossible");
        }
        if self.whole.contains(seq) || self.open.get(&seq).is_some_and(|came| came.contains(&part)) {
            self.again += 1;
            return Ok(false);
        }
        for station in &batch.stations {
            *self.stations.entry(station.mac.to_string()).or_default() += station.frames_sent;
        }
        // With privacy.mac = "vendor" there are sums of vendors in place of stations.
        for vendor in &batch.vendors {
            *self.stations.entry(vendor.vendor.clone().unwrap_or("?".into())).or_default() += vendor.frames_sent;
        }
        if let Some(capture) = &batch.capture {
            self.sums.frames += capture.frames;
            self.sums.bytes += capture.bytes;
            self.sums.station_frames += capture.station_frames;
            self.sums.bad_fcs += capture.bad_fcs;
            self.sums.malformed += capture.malformed;
            self.sums.without_ta += capture.without_ta;
            self.sums.group_ta += capture.group_ta;
            self.sums.overflow_frames += capture.overflow_frames;
        }
        self.last = self.last.max(Some(seq));
        self.ended |= batch.last;
        let came = self.open.entry(seq).or_default();
        came.insert(part);
        // The window's flows and alerts, if its sensor tells them, are on other topics.
        let elsewhere = batch.flow_parts.unwrap_or(0).saturating_add(batch.alert_parts.unwrap_or(0));
        if came.len() < batch.parts.saturating_sub(elsewhere) as usize {
            return Ok(false);
        }
        self.open.remove(&seq);
        self.whole.add(seq, seq);
        Ok(true)
    }

    /// A declared loss. Windows of it that come after all are counted, and are not missing.
    fn lose(&mut self, gap: &Gap) -> Result<(), &'static str> {
        let last = gap.last_seq.unwrap_or(gap.first_seq);
        if gap.first_seq > last || last > LAST_SEQ {
            return Err("its numbers are impossible");
        }
        self.gaps.insert((gap.first_seq, last, reason(gap.reason)));
        self.last = self.last.max(Some(last));
        Ok(())
    }

    /// Windows that neither came whole nor were declared lost.
    fn missing(&self) -> Vec<RangeInclusive<u64>> {
        let mut known = self.whole.clone();
        self.gaps.iter().for_each(|(first, last, _)| known.add(*first, *last));
        self.last.map_or_else(Vec::new, |last| known.holes(last))
    }

    /// The sums, and whether they add up: all frames by class, those of stations by station.
    fn report(&self, (site, sensor, run): &Name) -> String {
        let Capture {
            frames, bytes, station_frames, bad_fcs, malformed, without_ta, group_ta, overflow_frames, ..
        } = &self.sums;
        let by_class = station_frames + bad_fcs + malformed + without_ta + group_ta + overflow_frames;
        // A window whose first part is missing has stations and no classes.
        let by_station = !self.open.is_empty() || *station_frames == self.stations.values().sum::<u64>();
        json!({
            "site": site, "sensor": sensor, "run": run,
            "windows": self.whole.0.iter().map(|(first, last)| last - first + 1).sum::<u64>(),
            "ended": self.ended,
            "missing": self.missing().iter().map(|hole| [*hole.start(), *hole.end()]).collect::<Vec<_>>(),
            "declared": self.gaps,
            "again": self.again,
            "conserved": *frames == by_class && by_station,
            "frames": frames, "bytes": bytes, "station_frames": station_frames, "bad_fcs": bad_fcs, "malformed": malformed,
            "without_ta": without_ta, "group_ta": group_ta, "overflow_frames": overflow_frames,
            "stations": self.stations,
        })
        .to_string()
    }
}

/// The word of the message.
fn reason(reason: GapReason) -> String {
    serde_json::to_value(reason).ok().and_then(|word| word.as_str().map(Into::into)).unwrap_or_default()
}

/// Site, sensor and run.
type Name = (String, String, Uuid);

/// The runs heard of.
#[derive(Default)]
struct Subscriber(BTreeMap<Name, Run>);

impl Subscriber {
    /// Takes a message on `batch` or `event`.
    fn take(&mut self, payload: &[u8]) -> Result<(), Box<dyn Error>> {
        match Record::decode(payload) {
            Ok(Record::Batch(batch)) => {
                let identity = &batch.identity;
                let name = (identity.site.clone(), identity.sensor.clone(), identity.run);
                let run = self.0.entry(name).or_default();
                if run.add(&batch)? {
                    let (site, sensor, seq) = (&identity.site, &identity.sensor, identity.seq);
                    let sum = run.sums.frames;
                    eprintln!("{site}/{sensor}/{}: window {seq} of {}, {sum} frames so far", identity.run, batch.start);
                }
            }
            Ok(Record::Gap(gap)) => {
                let name = (gap.site.clone(), gap.sensor.clone(), gap.run);
                self.0.entry(name).or_default().lose(&gap)?;
                let (first, last) = (gap.first_seq, gap.last_seq.unwrap_or(gap.first_seq));
                eprintln!(
                    "{}/{}/{}: lost windows {first} to {last}: {}",
                    gap.site,
                    gap.sensor,
                    gap.run,
                    reason(gap.reason)
                );
            }
            // On a topic that is not subscribed to here.
            Ok(Record::Flows(_) | Record::Alerts(_)) => {}
            // News, and no count.
            Err(DecodeError::Schema(schema)) if schema == EVENT_SCHEMA => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether every run heard of has ended, and nothing of it is missing.
    fn has_all(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|run| run.ended && run.missing().is_empty())
    }
}

/// What was asked for.
struct Arguments {
    options: MqttOptions,
    filters: Vec<Filter>,
    until_ended: bool,
}

const USAGE: &str = "subscribe [--host HOST] [--port PORT] [--user USER --password-file FILE] [--client-id ID]
                 [--base-topic TOPIC] [--site SITE] [--sensor SENSOR] [--until-ended]";

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let [mut host, mut base, mut site, mut sensor] = ["localhost", "airtally", "+", "+"].map(String::from);
        let (mut port, mut client_id, mut until_ended) = (1883, format!("subscribe-{}", Uuid::new_v4()), false);
        let (mut user, mut password) = (None, String::new());
        while let Some(word) = words.next() {
            if word == "--until-ended" {
                until_ended = true;
                continue;
            }
            let value = words.next().ok_or(format!("{word}: unknown, or its value is missing"))?;
            match word.as_str() {
                "--host" => host = value,
                "--port" => port = value.parse().map_err(|_| format!("--port {value}: not a port"))?,
                "--user" => user = Some(value),
                "--password-file" => {
                    let file = std::fs::read_to_string(&value).map_err(|error| format!("{value}: {error}"))?;
                    password = file.lines().next().unwrap_or_default().into();
                }
                "--client-id" => client_id = value,
                "--base-topic" => base = value,
                "--site" => site = value,
                "--sensor" => sensor = value,
                _ => return Err(format!("{word}: unknown").into()),
            }
        }
        let mut options = MqttOptions::new(client_id, host, port);
        options.set_session_expiry_interval(Some(SESSION)).set_max_packet_size(Some(LARGEST));
        if let Some(user) = user {
            options.set_credentials(user, password);
        }
        let filters =
            ["batch", "event"].map(|leaf| Filter::new(format!("{base}/{site}/{sensor}/{leaf}"), QoS::AtLeastOnce));
        Ok(Self { options, filters: filters.to_vec(), until_ended })
    }
}

/// Listens until it is told to stop, or until all has come.
async fn listen(arguments: Arguments, subscriber: &mut Subscriber) -> Result<(), Box<dyn Error>> {
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (client, mut events) = AsyncClient::new(arguments.options, 16);
    let mut was_connected = false;
    loop {
        let event = tokio::select! {
            event = events.poll() => event,
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                // From here on a reconnect takes the session up; it may be gone, so it subscribes again.
                was_connected = true;
                events.options.set_clean_start(false);
                client.subscribe_many(arguments.filters.clone()).await?;
            }
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                if !ack.return_codes.iter().all(|code| matches!(code, SubscribeReasonCode::Success(_))) {
                    return Err("the broker refuses to let us read these topics: does its ACL allow it?".into());
                }
                eprintln!("listening");
            }
            // A window is told once; what a broker kept is no news.
            Ok(Event::Incoming(Packet::Publish(Publish { retain: false, topic, payload, .. }))) => {
                if let Err(error) = subscriber.take(&payload) {
                    eprintln!("set aside a message on {}: {error}", String::from_utf8_lossy(&topic));
                }
                if arguments.until_ended && subscriber.has_all() {
                    break;
                }
            }
            Ok(_) => {}
            // Refused, or not there at the first attempt: nobody waits for that.
            Err(error @ ConnectionError::ConnectionRefused(_)) => return Err(error.into()),
            Err(error) if !was_connected => return Err(error.into()),
            Err(error) => {
                eprintln!("connection lost: {error}; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    leave(&client, &mut events).await;
    Ok(())
}

/// Says goodbye, which acknowledges what was taken.
async fn leave(client: &AsyncClient, events: &mut EventLoop) {
    let goodbye = async {
        if client.disconnect().await.is_ok() {
            while events.poll().await.is_ok() {}
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("subscribe: {error}\nusage: {USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut subscriber = Subscriber::default();
    let ended = listen(arguments, &mut subscriber).await;
    let mut out = std::io::stdout().lock();
    for (name, run) in &subscriber.0 {
        let _ = writeln!(out, "{}", run.report(name)); // nobody may be there to read it
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("subscribe: {error}");
            ExitCode::FAILURE
        }
    }
}
