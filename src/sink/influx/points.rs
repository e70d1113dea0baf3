//! The InfluxDB schema: the points of a record. Pure: the same record makes the same points wherever it is
//! stored, so that storing it again overwrites. Described for users in `docs/influxdb.md`.

use super::line_protocol::{Point, Value};
use crate::{
    UnixNanos,
    sink::word,
    wire::{Address, Alerts, Batch, Flows, Gap, People, Record, STAMPING, Signal, Station},
};
use std::{cmp::Reverse, collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// The `station` tag of everything that has no series of its own and is not randomised.
pub const OTHER: &str = "other";
/// The `station` and `vendor` tag of randomised addresses.
pub const RANDOMISED: &str = "randomised";
/// The `vendor` tag of addresses that no registry names.
pub const UNKNOWN: &str = "unknown";
/// Vendors with a series of their own in one part, at most: those with the most frames sent. The rest is `other`.
pub const VENDORS_PER_PART: usize = 200;
/// Octets of a site's or sensor's name, at most. The configuration allows 64; what is longer is not ours.
const LONGEST_NAME: usize = 256;
/// Octets of a text that are stored, at most.
const LONGEST_TEXT: usize = 1_024;

/// A record that cannot become points.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of its {which} has {octets} octets, and {LONGEST_NAME} is the most that is stored")]
pub struct Unwritable {
    which: &'static str,
    octets: usize,
}

/// The points of a record.
///
/// # Errors
/// When the name of its site or sensor is too long to be a tag.
pub fn points(record: &Record) -> Result<Vec<Point>, Unwritable> {
    for (which, name) in [("site", record.site()), ("sensor", record.sensor())] {
        if name.len() > LONGEST_NAME {
            return Err(Unwritable { which, octets: name.len() });
        }
    }
    Ok(match record {
        Record::Batch(batch) => {
            let mut points = vec![sensor_point(batch)];
            points.extend(station_points(batch));
            points.extend(vendor_points(batch));
            points.extend(channel_points(batch));
            points.extend(people_points(batch));
            points
        }
        Record::Flows(flows) => flow_points(flows),
        Record::Alerts(alerts) => alert_points(alerts),
        Record::Gap(gap) => vec![gap_point(gap)],
    })
}

/// Nanoseconds in a millisecond, which is the least that some databases keep.
const MILLISECOND: u32 = 1_000_000;

/// Part n is stamped n milliseconds after the window's start: a part never overwrites another of its window, and
/// databases that keep milliseconds can tell them apart. Where there are more parts than milliseconds in the window, they
/// are nearer to each other, so that the last does not meet the next window's first.
///
/// From [`STAMPING`] on, the nanoseconds below the start's millisecond are the run's: two sensors of one name do not
/// overwrite each other, in databases that keep nanoseconds.
fn stamp(batch: &Batch) -> UnixNanos {
    let start = match batch.stamping {
        Some(STAMPING..) => below_millisecond(batch.start, batch.identity.run, 0),
        _ => batch.start,
    };
    part_stamp((batch.start, batch.end), start, (batch.part, batch.parts))
}

fn part_stamp(window: (UnixNanos, UnixNanos), start: UnixNanos, (part, parts): (u32, u32)) -> UnixNanos {
    let millisecond = Duration::from_nanos(MILLISECOND.into());
    let length = window.1.saturating_since(window.0);
    let room = length.checked_div(parts).filter(|room| !room.is_zero()).unwrap_or(millisecond);
    start.saturating_add(room.min(millisecond).saturating_mul(part))
}

/// A gap is stamped at its start. Those of one run may begin at one time, where nobody knows better: from [`STAMPING`] on
/// each is up to a second later, by its first window, and the nanoseconds are those of the run and that window.
fn gap_stamp(gap: &Gap) -> UnixNanos {
    match gap.stamping {
        Some(STAMPING..) => {
            let later = Duration::from_millis(gap.first_seq % 1_000);
            below_millisecond(gap.start.saturating_add(later), gap.run, gap.first_seq)
        }
        _ => gap.start,
    }
}

/// `time` to the millisecond, and below that a number of the run and `seq`: neighbours in `seq` differ.
fn below_millisecond(time: UnixNanos, run: Uuid, seq: u64) -> UnixNanos {
    let of_run = run.as_u128().wrapping_add(seq.into()) % u128::from(MILLISECOND);
    let whole = time.0.div_euclid(MILLISECOND.into()).saturating_mul(MILLISECOND.into());
    UnixNanos(whole.saturating_add(i64::try_from(of_run).unwrap_or_default()))
}

fn point(batch: &Batch, measurement: &'static str, tag: Option<(&'static str, String)>) -> Point {
    let mut tags = vec![("site", batch.identity.site.clone()), ("sensor", batch.identity.sensor.clone())];
    tags.extend(tag);
    Point { measurement, tags, fields: Vec::new(), time: stamp(batch) }
}

fn milliseconds(from: UnixNanos, to: UnixNanos) -> Value {
    Value::Count(u64::try_from(to.saturating_since(from).as_millis()).unwrap_or(u64::MAX))
}

fn sensor_point(batch: &Batch) -> Point {
    let mut point = point(batch, "wifi_sensor", None);
    let rows = batch.stations.iter();
    let randomised = rows.clone().filter(|station| is_randomised(station)).count() as u64;
    let tracked = rows.clone().filter(|station| own_series(station).is_some()).count() as u64;
    let (mut stations, mut randomised) = (batch.stations.len() as u64, randomised);
    for row in &batch.vendors {
        stations = stations.saturating_add(row.stations);
        randomised = randomised.saturating_add(if row.randomised { row.stations } else { 0 });
    }
    let fields = &mut point.fields;
    fields.push(("run", Value::Text(batch.identity.run.to_string())));
    fields.push(("clock", Value::Text(word(&batch.clock))));
    fields.push(("seq", Value::Count(batch.identity.seq)));
    fields.push(("part", Value::Count(batch.part.into())));
    fields.push(("final", Value::Count(batch.last.into())));
    fields.push(("stations", Value::Count(stations)));
    fields.push(("randomised", Value::Count(randomised)));
    fields.push(("tracked", Value::Count(tracked)));
    if let Some(capture) = &batch.capture {
        // These belong to the window, not to a part: once each, so that sums over points are exact.
        // Of its parts those that are points of this measurement.
        let others = batch.flow_parts.unwrap_or(0).saturating_add(batch.alert_parts.unwrap_or(0));
        let parts = batch.parts.saturating_sub(others);
        fields.push(("parts", Value::Count(parts.into())));
        fields.push(("window_ms", milliseconds(batch.start, batch.end)));
        let counts = [
            ("frames", Some(capture.frames)),
            ("bytes", Some(capture.bytes)),
            ("station_frames", Some(capture.station_frames)),
            ("bad_fcs", Some(capture.bad_fcs)),
            ("malformed", Some(capture.malformed)),
            ("without_ta", Some(capture.without_ta)),
            ("group_ta", Some(capture.group_ta)),
            ("overflow_frames", Some(capture.overflow_frames)),
            ("late", Some(capture.late)),
            ("mended_times", capture.mended_times),
            ("kernel_drops", capture.kernel_drops),
            ("interface_drops", capture.interface_drops),
        ];
        fields.extend(counts.into_iter().filter_map(|(name, count)| Some((name, Value::Count(count?)))));
    }
    point
}

fn is_randomised(station: &Station) -> bool {
    station.randomised || matches!(station.mac, Address::Mac(mac) if mac.is_randomised())
}

/// The `station` tag of a station that may have a series of its own: tracked, and globally administered, so that
/// neither pseudonyms nor randomised addresses ever become series.
fn own_series(station: &Station) -> Option<String> {
    match station.mac {
        Address::Mac(mac) if station.tracked && !station.randomised && !mac.is_local() && !mac.is_group() => {
            Some(mac.to_string())
        }
        _ => None,
    }
}

/// Counts that add up, of one station or of many.
#[derive(Default)]
struct Sums {
    stations: u64,
    frames_sent: u64,
    bytes_sent: u64,
    frames_received: Option<u64>,
    management: u64,
    control: u64,
    data: u64,
    retries: u64,
    signal: Option<Signal>,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.frames_received = match (self.frames_received, other.frames_received) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        for (sum, more) in [
            (&mut self.stations, other.stations),
            (&mut self.frames_sent, other.frames_sent),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.management, other.management),
            (&mut self.control, other.control),
            (&mut self.data, other.data),
            (&mut self.retries, other.retries),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.signal = match (self.signal.take(), other.signal) {
            (Some(a), Some(b)) => {
                let frames = a.frames.saturating_add(b.frames);
                let mean = (a.mean * a.frames as f64 + b.mean * b.frames as f64) / (frames.max(1) as f64);
                Some(Signal { min: a.min.min(b.min), mean, max: a.max.max(b.max), frames })
            }
            (a, b) => a.or(b),
        };
    }

    fn fields(&self, signal: bool) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("stations", Value::Count(self.stations)),
            ("frames_sent", Value::Count(self.frames_sent)),
            ("bytes_sent", Value::Count(self.bytes_sent)),
            ("management", Value::Count(self.management)),
            ("control", Value::Count(self.control)),
            ("data", Value::Count(self.data)),
            ("retries", Value::Count(self.retries)),
        ];
        fields.extend(self.frames_received.map(|count| ("frames_received", Value::Count(count))));
        if let Some(heard) = self.signal.as_ref().filter(|heard| signal && heard.frames > 0) {
            fields.push(("signal_min_dbm", Value::Integer(heard.min.into())));
            // A tenth of a decibel, as in the batch; the sum over many stations would say more digits than it has.
            fields.push(("signal_mean_dbm", Value::Float((heard.mean * 10.0).round() / 10.0)));
            fields.push(("signal_max_dbm", Value::Integer(heard.max.into())));
            fields.push(("signal_frames", Value::Count(heard.frames)));
        }
        fields
    }
}

impl From<&Station> for Sums {
    fn from(station: &Station) -> Self {
        Self {
            stations: 1,
            frames_sent: station.frames_sent,
            bytes_sent: station.bytes_sent,
            frames_received: Some(station.frames_received),
            management: station.management,
            control: station.control,
            data: station.data,
            retries: station.retries,
            signal: station.signal_dbm,
        }
    }
}

impl From<&crate::wire::Vendor> for Sums {
    fn from(row: &crate::wire::Vendor) -> Self {
        Self {
            stations: row.stations,
            frames_sent: row.frames_sent,
            bytes_sent: row.bytes_sent,
            frames_received: None,
            management: row.management,
            control: row.control,
            data: row.data,
            retries: row.retries,
            signal: None,
        }
    }
}

/// Sums by the value of a tag, so that no two points of a part are one series at one time: the second would
/// overwrite the first.
type ByTag = BTreeMap<String, Sums>;

fn station_points(batch: &Batch) -> Vec<Point> {
    let mut sums = ByTag::new();
    let mut texts: BTreeMap<String, Vec<(&'static str, Value)>> = BTreeMap::new();
    for station in &batch.stations {
        let roll_up = if is_randomised(station) { RANDOMISED } else { OTHER };
        let tag = match own_series(station) {
            Some(tag) => {
                texts.insert(tag.clone(), station_texts(station));
                tag
            }
            None => roll_up.to_owned(),
        };
        sums.entry(tag).or_default().add(&station.into());
    }
    for row in &batch.vendors {
        let tag = if row.randomised { RANDOMISED } else { OTHER };
        sums.entry(tag.to_owned()).or_default().add(&row.into());
    }
    sums.into_iter()
        .map(|(tag, sums)| {
            let mut point = point(batch, "wifi_station", Some(("station", tag.clone())));
            point.fields = sums.fields(true);
            point.fields.extend(texts.remove(&tag).unwrap_or_default());
            point
        })
        .collect()
}

fn station_texts(station: &Station) -> Vec<(&'static str, Value)> {
    let ssids = (!station.ssids.is_empty()).then(|| cut(&station.ssids.join(", ")));
    [
        ("vendor", station.vendor.as_deref().map(cut)),
        ("role", Some(word(&station.role))),
        ("bssid", station.bssid.map(|bssid| bssid.to_string())),
        ("ssids", ssids),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, Value::Text(text?))))
    .collect()
}

fn vendor_points(batch: &Batch) -> Vec<Point> {
    let mut sums = ByTag::new();
    let tag = |vendor: Option<&str>, randomised| match vendor {
        _ if randomised => RANDOMISED.to_owned(),
        Some(name) if !name.is_empty() => cut(name),
        _ => UNKNOWN.to_owned(),
    };
    for station in &batch.stations {
        let tag = tag(station.vendor.as_deref(), is_randomised(station));
        sums.entry(tag).or_default().add(&station.into());
    }
    for row in &batch.vendors {
        sums.entry(tag(row.vendor.as_deref(), row.randomised)).or_default().add(&row.into());
    }
    keep_largest(&mut sums);
    sums.into_iter()
        .map(|(tag, sums)| {
            let mut point = point(batch, "wifi_vendor", Some(("vendor", tag)));
            point.fields = sums.fields(false);
            point.fields.retain(|(name, _)| *name != "frames_received");
            point
        })
        .collect()
}

/// Adds all named vendors but those with the most frames to [`OTHER`].
fn keep_largest(sums: &mut ByTag) {
    let mut order: Vec<(Reverse<u64>, String)> = sums
        .iter()
        .filter(|(tag, _)| !matches!(tag.as_str(), RANDOMISED | UNKNOWN | OTHER))
        .map(|(tag, sums)| (Reverse(sums.frames_sent), tag.clone()))
        .collect();
    order.sort_unstable();
    let small: Vec<String> = order.into_iter().skip(VENDORS_PER_PART).map(|(_, tag)| tag).collect();
    let mut rest = Sums::default();
    for tag in &small {
        if let Some(one) = sums.remove(tag) {
            rest.add(&one);
        }
    }
    if !small.is_empty() {
        sums.entry(OTHER.to_owned()).or_default().add(&rest);
    }
}

fn channel_points(batch: &Batch) -> Vec<Point> {
    let mut sums: BTreeMap<String, (u64, u64, Option<u64>)> = BTreeMap::new();
    for channel in &batch.channels {
        let (frames, bytes, listened) = sums.entry(freq_tag(channel.freq_mhz)).or_default();
        *frames = frames.saturating_add(channel.frames);
        *bytes = bytes.saturating_add(channel.bytes);
        if let Some(more) = channel.listened_ms {
            *listened = Some(listened.unwrap_or(0).saturating_add(more));
        }
    }
    sums.into_iter()
        .map(|(tag, (frames, bytes, listened))| {
            let mut point = point(batch, "wifi_channel", Some(("freq_mhz", tag)));
            point.fields = vec![("frames", Value::Count(frames)), ("bytes", Value::Count(bytes))];
            point.fields.extend(listened.map(|count| ("listened_ms", Value::Count(count))));
            point
        })
        .collect()
}

/// Estimates of people, each at its interval's start. Where there is none, there is no point.
fn people_points(batch: &Batch) -> Vec<Point> {
    let of = |people: &People| {
        let fields = [("low", people.low?), ("estimate", people.estimate?), ("high", people.high?)];
        let fields = fields.map(|(name, number)| (name, Value::Count(number.into()))).into_iter();
        let fields = fields.chain([("interval_ms", milliseconds(people.start, people.end))]);
        let listened = people.listened_ms.map(|listened| ("listened_ms", Value::Count(listened)));
        let time = match batch.stamping {
            Some(STAMPING..) => below_millisecond(people.start, batch.identity.run, 0),
            _ => people.start,
        };
        Some(Point { fields: fields.chain(listened).collect(), time, ..point(batch, "wifi_people", None) })
    };
    batch.people.iter().filter_map(of).collect()
}

/// Sums alone: a 5-tuple is no tag, since a database does not forget a series. At most six protocols by four classes of ports.
fn flow_points(flows: &Flows) -> Vec<Point> {
    let start = below_millisecond(flows.start, flows.identity.run, 0);
    let time = part_stamp((flows.start, flows.end), start, (flows.part, flows.parts));
    let mut sums: BTreeMap<(String, String), [u64; 5]> = BTreeMap::new();
    for sum in &flows.sums {
        let known = matches!(sum.proto.as_str(), "tcp" | "udp" | "sctp" | "icmp" | "icmp6");
        let proto = if known { sum.proto.as_str() } else { OTHER };
        let all = sums.entry((proto.to_owned(), word(&sum.ports))).or_default();
        let more = [sum.records, sum.packets_out, sum.bytes_out, sum.packets_in, sum.bytes_in];
        all.iter_mut().zip(more).for_each(|(all, more)| *all = all.saturating_add(more));
    }
    let names = ["records", "packets_out", "bytes_out", "packets_in", "bytes_in"];
    sums.into_iter()
        .map(|((proto, ports), counts)| Point {
            measurement: "net_flow",
            tags: vec![
                ("site", flows.identity.site.clone()),
                ("sensor", flows.identity.sensor.clone()),
                ("proto", proto),
                ("ports", ports),
            ],
            fields: names.into_iter().zip(counts).map(|(name, count)| (name, Value::Count(count))).collect(),
            time,
        })
        .collect()
}

/// Sums of a message by kind and class: an address is no tag, since a database does not forget a series.
fn alert_points(alerts: &Alerts) -> Vec<Point> {
    let start = below_millisecond(alerts.start, alerts.identity.run, 0);
    let time = part_stamp((alerts.start, alerts.end), start, (alerts.part, alerts.parts));
    let mut sums: BTreeMap<(String, String), ([u64; 4], Option<u64>)> = BTreeMap::new();
    for alert in &alerts.alerts {
        let (counts, listened) = sums.entry((alert.kind.clone(), word(&alert.class))).or_default();
        let more = [alert.end.is_none().into(), alert.end.is_some().into(), alert.frames, alert.not_watched_ms];
        counts.iter_mut().zip(more).for_each(|(all, more)| *all = all.saturating_add(more));
        if let Some(more) = alert.listened_ms {
            *listened = Some(listened.unwrap_or(0).saturating_add(more));
        }
    }
    let names = ["open", "ended", "frames", "not_watched_ms"];
    sums.into_iter()
        .map(|((kind, class), (counts, listened))| {
            let counts = names.into_iter().zip(counts).map(|(name, count)| (name, Value::Count(count)));
            Point {
                measurement: "wifi_alert",
                tags: vec![
                    ("site", alerts.identity.site.clone()),
                    ("sensor", alerts.identity.sensor.clone()),
                    ("kind", kind),
                    ("class", class),
                ],
                fields: counts.chain(listened.map(|count| ("listened_ms", Value::Count(count)))).collect(),
                time,
            }
        })
        .collect()
}

/// The frequency, where an 802.11 channel of 2.4, 4.9, 5 or 6 GHz can have its centre (IEEE 802.11-2020, annex E);
/// a capture that claims others must not make series without end.
fn freq_tag(freq_mhz: u16) -> String {
    let real = match freq_mhz {
        2_484 => true,
        2_407..=2_472 => freq_mhz % 5 == 2,
        4_900..=7_125 => freq_mhz.is_multiple_of(5),
        _ => false,
    };
    if real { freq_mhz.to_string() } else { OTHER.to_owned() }
}

/// A declared loss. That of an ingest names it, so that of two on one database neither speaks for the other; withdrawn, it
/// overwrites the point of before with one of no length.
fn gap_point(gap: &Gap) -> Point {
    let end = if gap.withdrawn { gap.start } else { gap.end };
    let mut fields = vec![
        ("run", Value::Text(gap.run.to_string())),
        ("first_seq", Value::Count(gap.first_seq)),
        ("length_ms", milliseconds(gap.start, end)),
    ];
    fields.extend(gap.last_seq.map(|seq| ("last_seq", Value::Count(seq))));
    let frames = if gap.withdrawn { Some(0) } else { gap.frames };
    fields.extend(frames.map(|frames| ("frames", Value::Count(frames))));
    let mut tags = vec![("site", gap.site.clone()), ("sensor", gap.sensor.clone()), ("reason", word(&gap.reason))];
    if let Some(ingest) = &gap.ingest {
        fields.push(("withdrawn", Value::Count(gap.withdrawn.into())));
        tags.push(("ingest", ingest.clone()));
    }
    Point { measurement: "wifi_gap", tags, fields, time: gap_stamp(gap) }
}

/// The text's beginning, if it is longer than is stored.
fn cut(text: &str) -> String {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Contents, GAP_SCHEMA, GapReason, Identity, TimeSource, split};
    use std::collections::BTreeSet;

    /// However many parts a window has, by either rule: their stamps differ, and none meets the next window's first.
    #[test]
    fn no_part_meets_the_next_window() {
        for (stamping, run) in [(None, Uuid::nil()), (Some(2), Uuid::from_u128(999_999)), (Some(3), Uuid::max())] {
            let identity = Identity { site: String::new(), sensor: String::new(), run, seq: 0 };
            let window = |start: i64, part, parts| {
                let (start, end) = (UnixNanos(start), UnixNanos(start + 1_000_000_000));
                let made = split(&identity, start, end, TimeSource::System, false, Contents::default(), 1 << 20).pop();
                made.map(|batch| stamp(&Batch { part, parts, stamping, ..batch }))
            };
            for parts in [1, 7, 1_000, 1_001, 5_000] {
                let stamps: Vec<_> = (0..parts).filter_map(|part| window(5_000_000_000, part, parts)).collect();
                assert_eq!(stamps.len(), parts as usize);
                assert!(stamps.is_sorted_by(|one, other| one < other), "{parts}");
                assert!(stamps.last() < window(6_000_000_000, 0, parts).as_ref(), "{parts}");
                let late = stamps.iter().filter(|stamp| stamp.0 >= 6_000_000_000 + 1_000_000).count();
                assert_eq!(late, 0, "{parts}");
            }
        }
    }

    #[test]
    fn runs_of_one_name_and_gaps_of_one_start_are_kept_apart() {
        let gap = |run, first_seq, stamping| Gap {
            schema: GAP_SCHEMA.into(),
            site: "home".into(),
            sensor: "attic".into(),
            run: Uuid::from_u128(run),
            reason: GapReason::Unavailable,
            first_seq,
            last_seq: Some(first_seq),
            start: UnixNanos(5_000_000_007),
            end: UnixNanos(5_000_000_007),
            frames: None,
            detail: None,
            stamping,
            ingest: None,
            withdrawn: false,
        };
        let stamps: BTreeSet<_> =
            (1..=3).flat_map(|run| (0..500).map(move |seq| gap_stamp(&gap(run * 77_777, 2 * seq, Some(2))))).collect();
        assert_eq!(stamps.len(), 1_500);
        // In whole milliseconds, those of one run.
        let stamps: BTreeSet<_> = (0..500).map(|seq| gap_stamp(&gap(1, 2 * seq, Some(2))).0 / 1_000_000).collect();
        assert_eq!(stamps.len(), 500);
        // What an older sensor sent is stamped as it was.
        assert_eq!(gap_stamp(&gap(1, 8, None)), UnixNanos(5_000_000_007));
    }
}
