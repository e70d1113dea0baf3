//! The points of random records: nothing lost, nothing doubled, no pseudonym or randomised address among the
//! series.
use crate::records::{records, simple, tracked};
use airtally::{
    sink::influx::{
        line_protocol::{Point, Value},
        points::{VENDORS_PER_PART, points},
    },
    wire::{Address, Channel, Record, Vendor},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

fn sum(points: &[Point], measurement: &str, field: &str) -> u64 {
    let points = points.iter().filter(|point| point.measurement == measurement);
    points.flat_map(|point| &point.fields).filter(|(name, _)| *name == field).map(|(_, value)| count(value)).sum()
}

fn count(value: &Value) -> u64 {
    match value {
        Value::Count(count) => *count,
        other => panic!("{other:?}"),
    }
}

fn tags<'a>(points: &'a [Point], tag: &'a str) -> impl Iterator<Item = &'a str> {
    points.iter().flat_map(|point| &point.tags).filter(move |(name, _)| *name == tag).map(|(_, value)| value.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_are_conserved(records in records(4)) {
        let all: Vec<Point> = records.iter().flat_map(|record| points(record).unwrap()).collect();
        let batches = || records.iter().filter_map(|record| match record {
            Record::Batch(batch) => Some(batch),
            Record::Flows(_) | Record::Alerts(_) | Record::Gap(_) => None,
        });
        let captured: u64 = batches().filter_map(|batch| batch.capture.as_ref()).map(|c| c.station_frames).sum();
        for measurement in ["wifi_station", "wifi_vendor"] {
            prop_assert_eq!(sum(&all, measurement, "frames_sent"), captured, "{}", measurement);
            for field in ["stations", "retries", "bytes_sent", "management", "control", "data"] {
                prop_assert_eq!(sum(&all, measurement, field), sum(&all, "wifi_station", field));
            }
        }
        prop_assert_eq!(sum(&all, "wifi_sensor", "station_frames"), captured);
        prop_assert_eq!(sum(&all, "wifi_sensor", "stations"), sum(&all, "wifi_station", "stations"));
        // Every part is a point, and the parts say how many there are: what is missing shows.
        let parts = all.iter().filter(|point| point.measurement == "wifi_sensor").count() as u64;
        prop_assert_eq!(sum(&all, "wifi_sensor", "parts"), parts);
        prop_assert_eq!(sum(&all, "wifi_channel", "frames"),
            batches().flat_map(|batch| &batch.channels).map(|channel| channel.frames).sum::<u64>());
    }

    #[test]
    fn no_point_overwrites_another(records in records(4)) {
        let mut seen = HashSet::new();
        for point in records.iter().flat_map(|record| points(record).unwrap()) {
            let series: BTreeMap<_, _> = point.tags.iter().cloned().collect();
            prop_assert!(seen.insert((point.measurement, series.clone(), point.time)), "{} {:?}", point.measurement, series);
        }
    }

    #[test]
    fn only_tracked_and_globally_administered_addresses_are_series(records in records(4)) {
        for record in &records {
            let Record::Batch(batch) = record else { continue };
            let mut allowed: HashSet<String> = ["other".to_owned(), "randomised".to_owned()].into();
            for station in &batch.stations {
                if let Address::Mac(mac) = station.mac && station.tracked && mac.0[0] & 0x03 == 0 {
                    allowed.insert(mac.to_string());
                }
            }
            let points = points(record).unwrap();
            for station in tags(&points, "station") {
                prop_assert!(allowed.contains(station), "{}", station);
            }
        }
    }

    #[test]
    fn points_come_from_nothing_but_the_record(records in records(2)) {
        for record in &records {
            let again = Record::decode(&record.encode()).unwrap();
            prop_assert_eq!(points(record).unwrap(), points(&again).unwrap());
        }
    }
}

#[test]
fn the_same_address_twice_in_a_part_is_summed() {
    let mut batch = simple("home", "pi", 0, tracked(0x1234, 3));
    batch.stations.push(tracked(0x1234, 4));
    let points = points(&Record::Batch(Box::new(batch))).unwrap();
    assert_eq!(tags(&points, "station").collect::<Vec<_>>(), ["00:00:00:00:12:34"]);
    assert_eq!(sum(&points, "wifi_station", "frames_sent"), 7);
    assert_eq!(sum(&points, "wifi_station", "stations"), 2);
}

#[test]
fn names_of_vendors_and_frequencies_are_bounded() {
    let mut batch = simple("home", "pi", 0, tracked(1, 1));
    batch.stations.clear();
    batch.vendors = (0..2_000)
        .map(|n| Vendor {
            vendor: Some(format!("Vendor {n:04}")),
            randomised: false,
            stations: 1,
            frames_sent: 1 + n / 2,
            bytes_sent: 0,
            management: 0,
            control: 0,
            data: 0,
            retries: 0,
        })
        .collect();
    batch.channels =
        (0..=u16::MAX).map(|freq_mhz| Channel { freq_mhz, listened_ms: None, frames: 1, bytes: 1 }).collect();
    let vendors = batch.vendors.clone();
    let points = points(&Record::Batch(Box::new(batch))).unwrap();
    let named: Vec<&str> = tags(&points, "vendor").collect();
    assert_eq!(named.len(), VENDORS_PER_PART + 1);
    assert!(named.contains(&"other") && named.contains(&"Vendor 1999") && !named.contains(&"Vendor 0000"));
    let sent: u64 = vendors.iter().map(|vendor| vendor.frames_sent).sum();
    assert_eq!(sum(&points, "wifi_vendor", "frames_sent"), sent);
    assert!(tags(&points, "freq_mhz").count() < 500);
    assert_eq!(sum(&points, "wifi_channel", "frames"), 65_536);
}

#[test]
fn a_name_no_configuration_allows_is_no_tag() {
    let long = "x".repeat(300);
    let error = points(&Record::Batch(Box::new(simple("home", &long, 0, tracked(1, 1))))).unwrap_err();
    assert_eq!(error.to_string(), "the name of its sensor has 300 octets, and 256 is the most that is stored");
}

#[test]
fn counts_no_database_can_hold_are_held_at_its_limit() {
    let mut batch = simple("home", "pi", 0, tracked(1, u64::MAX));
    batch.stations.push(tracked(2, u64::MAX));
    for station in &mut batch.stations {
        station.tracked = false;
    }
    let mut text = String::new();
    points(&Record::Batch(Box::new(batch))).unwrap().iter().for_each(|point| point.write(&mut text));
    assert!(text.contains("frames_sent=9223372036854775807i"), "{text}");
}
