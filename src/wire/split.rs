//! A window's contents as parts that fit a message. Knows sizes, not transports.

use super::{Alerts, BATCH_SCHEMA, Batch, Contents, Flows, Identity, People, STAMPING, Station, TimeSource, Vendor};
use crate::UnixNanos;
use serde::Serialize;
use std::{collections::BTreeMap, io, mem};

/// Divides one window into parts of at most `max_bytes` of JSON each.
///
/// Part 0 alone carries the window-wide counts; estimates of people, stations, then vendors, are divided over the parts in their
/// order, so sums over the parts are those of the window. A sketch is in the last of these parts. There is always a part 0. Only what cannot be divided (the
/// window-wide counts, or a single station) may exceed the bound, and with `max_bytes` of 16 KiB or more neither
/// does: channels, subtypes and network names are bounded where they are counted.
#[must_use]
pub fn split(
    identity: &Identity,
    start: UnixNanos,
    end: UnixNanos,
    clock: TimeSource,
    last: bool,
    contents: Contents,
    max_bytes: usize,
) -> Vec<Batch> {
    let Contents { capture, subtypes, channels, stations, vendors, people, distinct } = contents;
    let empty = || Batch {
        schema: BATCH_SCHEMA.into(),
        identity: identity.clone(),
        // The widest numbers while measuring; the true ones are set at the end.
        part: u32::MAX,
        parts: u32::MAX,
        flow_parts: None,
        alert_parts: None,
        start,
        end,
        clock,
        last,
        stamping: Some(STAMPING),
        capture: None,
        subtypes: BTreeMap::new(),
        channels: Vec::new(),
        stations: Vec::new(),
        vendors: Vec::new(),
        people: Vec::new(),
        distinct: None,
    };
    let of_people = if people.is_empty() { 0 } else { r#","people":[]"#.len() };
    let lists = r#","vendors":[]"#.len() + of_people;
    let empty_len = encoded_len(&empty()) + lists;
    let mut part = Batch { capture: Some(capture), subtypes, channels, ..empty() };
    let mut len = encoded_len(&part) + lists;
    let mut parts = Vec::new();
    let people = people.into_iter().map(PartRow::People);
    let rows = people.chain(stations.into_iter().map(PartRow::Station)).chain(vendors.into_iter().map(PartRow::Vendor));
    for row in rows {
        let row_len = row.encoded_len() + 1; // and its comma
        let has_no_row = part.people.is_empty() && part.stations.is_empty() && part.vendors.is_empty();
        let bare = has_no_row && part.capture.is_none();
        if len + row_len > max_bytes && !bare {
            parts.push(mem::replace(&mut part, empty()));
            len = empty_len;
        }
        len += row_len;
        match row {
            PartRow::Station(station) => part.stations.push(station),
            PartRow::Vendor(vendor) => part.vendors.push(vendor),
            PartRow::People(people) => part.people.push(people),
        }
    }
    if let Some(distinct) = distinct {
        let sketch_len = encoded_len(&distinct) + r#","distinct":"#.len();
        let has_no_row = part.people.is_empty() && part.stations.is_empty() && part.vendors.is_empty();
        if len + sketch_len > max_bytes && !(has_no_row && part.capture.is_none()) {
            parts.push(mem::replace(&mut part, empty()));
        }
        part.distinct = Some(distinct);
    }
    parts.push(part);
    number_parts(&mut parts, &mut [], &mut []);
    parts
}

/// Numbers the parts of one window: its batches, then what it has of flows and of alerts.
pub fn number_parts(batches: &mut [Batch], flows: &mut [Flows], alerts: &mut [Alerts]) {
    let [of_batches, of_flows, of_alerts] =
        [batches.len(), flows.len(), alerts.len()].map(|len| u32::try_from(len).unwrap_or(u32::MAX));
    let first_of_alerts = of_batches.saturating_add(of_flows);
    let count = first_of_alerts.saturating_add(of_alerts);
    for (part, number) in batches.iter_mut().zip(0..) {
        (part.part, part.parts) = (number, count);
        (part.flow_parts, part.alert_parts) = (Some(of_flows).filter(|n| *n > 0), Some(of_alerts).filter(|n| *n > 0));
    }
    for (part, number) in flows.iter_mut().zip(of_batches..) {
        (part.part, part.parts) = (number, count);
    }
    for (part, number) in alerts.iter_mut().zip(first_of_alerts..) {
        (part.part, part.parts) = (number, count);
    }
}

enum PartRow {
    Station(Station),
    Vendor(Vendor),
    People(People),
}

impl PartRow {
    fn encoded_len(&self) -> usize {
        match self {
            Self::Station(station) => encoded_len(station),
            Self::Vendor(vendor) => encoded_len(vendor),
            Self::People(people) => encoded_len(people),
        }
    }
}

/// How many octets of JSON a value makes, without making them.
pub(super) fn encoded_len(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    let _ = serde_json::to_writer(&mut count, value); // Nothing in these types can fail to encode.
    count.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::{Address, Capture, Channel, Record, Role, Signal, ssid_text};
    use super::*;
    use crate::Mac;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn identity() -> Identity {
        Identity { site: "home".into(), sensor: "attic".into(), run: Uuid::nil(), seq: 7 }
    }

    fn parts(contents: Contents, max_bytes: usize) -> Vec<Batch> {
        split(&identity(), UnixNanos(5), UnixNanos(10_000_000_000), TimeSource::System, true, contents, max_bytes)
    }

    fn station(mac: u64, ssids: Vec<String>, freqs_mhz: Vec<u16>, vendor: Option<String>) -> Station {
        Station {
            mac: Address::Mac(Mac::from_u64(mac)),
            vendor,
            randomised: false,
            tracked: mac.is_multiple_of(2),
            role: Role::AccessPoint,
            frames_sent: mac,
            bytes_sent: mac * 100,
            frames_received: 1,
            management: mac,
            control: 0,
            data: 0,
            retries: 0,
            signal_dbm: Some(Signal { min: -90, mean: -61.3, max: -40, frames: mac }),
            freqs_mhz,
            bssid: Some(Address::Pseudonym(mac)),
            ssids,
            ssids_left_out: None,
            security: Some("WPA2/WPA3".into()),
            channel: Some(36),
            width_mhz: Some(80),
            first_seen: UnixNanos(1),
            last_seen: UnixNanos(2),
        }
    }

    fn vendor(frames: u64) -> Vendor {
        Vendor {
            vendor: Some(format!("Vendor {frames}")),
            randomised: false,
            stations: 1,
            frames_sent: frames,
            bytes_sent: frames,
            management: 0,
            control: 0,
            data: frames,
            retries: 0,
        }
    }

    fn people_of(estimate: u32) -> People {
        People {
            start: UnixNanos::new(300 * i64::from(estimate), 0),
            end: UnixNanos::new(300 * i64::from(estimate) + 300, 0),
            low: Some(estimate / 2),
            estimate: Some(estimate),
            high: None,
            reason: None,
            listened_ms: Some(u64::from(u32::MAX)),
        }
    }

    /// The most that a window can say of itself: every subtype, 128 channels, a terabyte on each.
    fn widest() -> Contents {
        let many = 1 << 40;
        Contents {
            capture: Capture { frames: many, bytes: many, kernel_drops: Some(many), ..Capture::default() },
            subtypes: (0..64).chain(0x160..0x170).map(|kind| (format!("{kind:#06x}"), many)).collect(),
            channels: (0..128)
                .map(|n| Channel { freq_mhz: 60_000 + n, listened_ms: Some(86_400_000), frames: many, bytes: many })
                .collect(),
            ..Contents::default()
        }
    }

    #[test]
    fn an_empty_window_is_one_part() {
        let parts = parts(Contents::default(), 16 << 10);
        assert_eq!(parts.len(), 1);
        assert_eq!((parts[0].part, parts[0].parts, parts[0].last), (0, 1, true));
        assert!(parts[0].capture.is_some());
    }

    #[test]
    fn the_widest_window_and_the_widest_station_fit_the_smallest_message() {
        let name = ssid_text(&[0xff; 32]);
        let mut contents = widest();
        let wide =
            station((1 << 48) - 1, vec![name; 32], (0..128).map(|n| 60_000 + n).collect(), Some("é".repeat(200)));
        contents.stations = vec![wide; 3];
        for part in parts(contents, 16 << 10) {
            assert!(Record::Batch(Box::new(part)).encode().len() <= 16 << 10);
        }
    }

    fn contents() -> impl Strategy<Value = Contents> {
        let station = (1u64..1 << 40, 0usize..32, 0u16..128, proptest::option::of("[a-zé\"\\\\]{0,40}")).prop_map(
            |(mac, names, freqs, vendor)| station(mac, vec!["\u{1}\\\"é".into(); names], (0..freqs).collect(), vendor),
        );
        (
            proptest::collection::vec(station, 0..60),
            proptest::collection::vec((0u64..1 << 50).prop_map(vendor), 0..200),
            0u32..300,
            any::<bool>(),
        )
            .prop_map(|(stations, vendors, people, wide)| Contents {
                stations,
                vendors,
                people: (0..people).map(people_of).collect(),
                ..if wide { widest() } else { Contents::default() }
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn parts_fit_and_lose_nothing(contents in contents(), max_bytes in 16usize << 10..64 << 10) {
            let parts = parts(contents.clone(), max_bytes);
            let mut rebuilt = Contents::default();
            for (number, part) in parts.iter().enumerate() {
                let encoded = Record::Batch(Box::new(part.clone())).encode();
                prop_assert!(encoded.len() <= max_bytes, "{} > {max_bytes}", encoded.len());
                let Record::Batch(decoded) = Record::decode(&encoded).unwrap() else { panic!("not a batch") };
                prop_assert_eq!(&*decoded, part);
                prop_assert_eq!((part.part as usize, part.parts as usize), (number, parts.len()));
                prop_assert_eq!(part.capture.is_some(), number == 0);
                prop_assert!(number == 0 || part.channels.is_empty() && part.subtypes.is_empty());
                let has_row = !part.stations.is_empty() || !part.vendors.is_empty() || !part.people.is_empty();
                prop_assert!(number == 0 || has_row);
                if let Some(capture) = &part.capture {
                    rebuilt.capture = capture.clone();
                }
                rebuilt.subtypes.extend(part.subtypes.clone());
                rebuilt.channels.extend(part.channels.clone());
                rebuilt.stations.extend(part.stations.clone());
                rebuilt.vendors.extend(part.vendors.clone());
                rebuilt.people.extend(part.people.clone());
            }
            prop_assert_eq!(rebuilt, contents);
        }
    }
}
