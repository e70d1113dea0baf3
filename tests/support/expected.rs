//! What a time-series database must say of records, counted from the records in the plainest way and sharing
//! nothing with the code under test.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use airtally::wire::{Address, Record};
use std::collections::BTreeMap;

/// Site, sensor, and the station, vendor, frequency or reason.
pub type Key = (String, String, String);
/// Field to sum.
pub type Sums = BTreeMap<String, f64>;
/// Measurement and tags to sums.
pub type Tables = BTreeMap<(&'static str, Key), Sums>;

/// Sums of every counting field over all records, by series.
pub fn tables(records: &[Record]) -> Tables {
    let mut tables = Tables::new();
    for record in records {
        let mut add = |measurement, tag: &str, counts: &[(&str, u64)]| {
            let key = (record.site().to_owned(), record.sensor().to_owned(), tag.to_owned());
            let sums = tables.entry((measurement, key)).or_default();
            for (field, count) in counts {
                *sums.entry((*field).to_owned()).or_default() += *count as f64;
            }
        };
        let batch = match record {
            Record::Gap(gap) => {
                add(
                    "wifi_gap",
                    serde_json::to_value(gap.reason).unwrap().as_str().unwrap(),
                    &[("frames", gap.frames.unwrap()), ("first_seq", gap.first_seq)],
                );
                continue;
            }
            Record::Flows(flows) => {
                for sum in &flows.sums {
                    // One class of ports for each protocol is all that random records have.
                    add(
                        "net_flow",
                        &sum.proto,
                        &[
                            ("records", sum.records),
                            ("packets_out", sum.packets_out),
                            ("bytes_out", sum.bytes_out),
                            ("packets_in", sum.packets_in),
                            ("bytes_in", sum.bytes_in),
                        ],
                    );
                }
                continue;
            }
            Record::Alerts(alerts) => {
                for alert in &alerts.alerts {
                    add(
                        "wifi_alert",
                        &alert.kind,
                        &[
                            ("open", alert.end.is_none().into()),
                            ("ended", alert.end.is_some().into()),
                            ("frames", alert.frames),
                            ("not_watched_ms", alert.not_watched_ms),
                        ],
                    );
                    if let Some(listened) = alert.listened_ms {
                        add("wifi_alert", &alert.kind, &[("listened_ms", listened)]);
                    }
                }
                continue;
            }
            Record::Batch(batch) => batch,
        };
        if let Some(capture) = &batch.capture {
            add(
                "wifi_sensor",
                "",
                &[
                    ("frames", capture.frames),
                    ("bytes", capture.bytes),
                    ("station_frames", capture.station_frames),
                    ("bad_fcs", capture.bad_fcs),
                    ("malformed", capture.malformed),
                    ("without_ta", capture.without_ta),
                    ("group_ta", capture.group_ta),
                    ("overflow_frames", capture.overflow_frames),
                    ("late", capture.late),
                    ("parts", (batch.parts - batch.flow_parts.unwrap_or(0) - batch.alert_parts.unwrap_or(0)).into()),
                ],
            );
            if let Some(mended) = capture.mended_times {
                add("wifi_sensor", "", &[("mended_times", mended)]);
            }
            if let (Some(kernel), Some(interface)) = (capture.kernel_drops, capture.interface_drops) {
                add("wifi_sensor", "", &[("kernel_drops", kernel), ("interface_drops", interface)]);
            }
        }
        for station in &batch.stations {
            let tag = match station.mac {
                Address::Mac(mac) if mac.0[0] & 0x02 != 0 => "randomised".to_owned(),
                Address::Mac(mac) if station.tracked => mac.to_string(),
                _ if station.randomised => "randomised".to_owned(),
                _ => "other".to_owned(),
            };
            let counts = [
                ("stations", 1),
                ("frames_sent", station.frames_sent),
                ("bytes_sent", station.bytes_sent),
                ("management", station.management),
                ("control", station.control),
                ("data", station.data),
                ("retries", station.retries),
            ];
            add("wifi_station", &tag, &counts);
            add("wifi_station", &tag, &[("frames_received", station.frames_received)]);
            if let Some(signal) = &station.signal_dbm {
                add("wifi_station", &tag, &[("signal_frames", signal.frames)]);
            }
            let vendor = station.vendor.clone().unwrap_or("unknown".into());
            add("wifi_vendor", if station.randomised { "randomised" } else { &vendor }, &counts);
            add("wifi_sensor", "", &[("stations", 1), ("randomised", station.randomised.into())]);
        }
        for row in &batch.vendors {
            let counts = [
                ("stations", row.stations),
                ("frames_sent", row.frames_sent),
                ("bytes_sent", row.bytes_sent),
                ("management", row.management),
                ("control", row.control),
                ("data", row.data),
                ("retries", row.retries),
            ];
            add("wifi_station", if row.randomised { "randomised" } else { "other" }, &counts);
            let vendor = row.vendor.clone().unwrap_or("unknown".into());
            add("wifi_vendor", if row.randomised { "randomised" } else { &vendor }, &counts);
            let randomised = if row.randomised { row.stations } else { 0 };
            add("wifi_sensor", "", &[("stations", row.stations), ("randomised", randomised)]);
        }
        for people in &batch.people {
            if let (Some(low), Some(estimate), Some(high)) = (people.low, people.estimate, people.high) {
                let counts = [("low", low.into()), ("estimate", estimate.into()), ("high", high.into())];
                add("wifi_people", "", &counts);
                if let Some(listened) = people.listened_ms {
                    add("wifi_people", "", &[("listened_ms", listened)]);
                }
            }
        }
        for channel in &batch.channels {
            let freq = channel.freq_mhz.to_string();
            add("wifi_channel", &freq, &[("frames", channel.frames), ("bytes", channel.bytes)]);
            if let Some(listened) = channel.listened_ms {
                add("wifi_channel", &freq, &[("listened_ms", listened)]);
            }
        }
    }
    tables
}

/// The tag that tells the series of a measurement apart, beside site and sensor.
pub fn own_tag(measurement: &str) -> &'static str {
    match measurement {
        "wifi_station" => "station",
        "wifi_vendor" => "vendor",
        "wifi_channel" => "freq_mhz",
        "wifi_gap" => "reason",
        "net_flow" => "proto",
        "wifi_alert" => "kind",
        _ => "",
    }
}

/// Measurements of the schema.
pub const MEASUREMENTS: [&str; 8] =
    ["wifi_sensor", "wifi_station", "wifi_vendor", "wifi_channel", "wifi_people", "wifi_gap", "net_flow", "wifi_alert"];
