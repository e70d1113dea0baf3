//! What a time series database must hold after captures were replayed: the roll-up into tracked stations,
//! `randomised` and `other`, whichever database it is.

use super::pipeline::Expected;
use airtally::{Mac, config::Sensor};
use std::collections::BTreeMap;

/// Admissions per sensor in these tests: less than the busiest captures have stations, so that there is an `other`.
pub const BUDGET: usize = 25;

/// A budget that is soon spent, and never again within a capture: so a station is either tracked from its first
/// frame to its last, or never.
pub fn adjust(config: &mut Sensor) {
    config.tracking.track_after = 1;
    config.tracking.budget = BUDGET;
    config.tracking.period = std::time::Duration::from_secs(86_400 * 3_650);
}

/// Sums read back for one sensor.
#[derive(Default, Debug, PartialEq)]
pub struct Stored {
    /// `wifi_station`: frames_sent by station tag.
    pub stations: BTreeMap<String, u64>,
    /// `wifi_vendor`: frames_sent of all.
    pub vendors: u64,
    /// `wifi_sensor`: each count.
    pub sensor: BTreeMap<String, u64>,
    /// `wifi_channel`: frames of all.
    pub channels: u64,
}

/// Says what differs from the independent count.
pub fn compare(stored: &BTreeMap<String, Stored>, captures: &[Expected]) {
    let mut wrong = Vec::new();
    let mut with_other = 0;
    for capture in captures {
        let nothing = Stored::default();
        let stored = stored.get(&capture.sensor).unwrap_or(&nothing);
        let mut expect = |what: &str, stored: u64, counted: u64| {
            if stored != counted {
                wrong.push(format!("{:?}: {what}: stored {stored}, counted {counted}", capture.path));
            }
        };
        let global: BTreeMap<String, u64> = capture
            .stations
            .iter()
            .filter(|(mac, _)| !mac.is_local())
            .map(|(mac, frames)| (mac.to_string(), *frames))
            .collect();
        let of = |tag: &str| stored.stations.get(tag).copied().unwrap_or(0);
        let tracked: BTreeMap<&String, u64> = stored
            .stations
            .iter()
            .filter(|(tag, _)| tag.parse::<Mac>().is_ok())
            .map(|(tag, frames)| (tag, *frames))
            .collect();
        for (tag, frames) in &tracked {
            expect(tag, *frames, global.get(*tag).copied().unwrap_or(0));
        }
        expect("number of tracked stations", tracked.len() as u64, global.len().min(BUDGET) as u64);
        expect("randomised", of("randomised"), capture.randomised());
        let rest = capture.station_frames() - capture.randomised() - tracked.values().sum::<u64>();
        expect("other", of("other"), rest);
        with_other += u64::from(rest > 0);
        expect("all stations", stored.stations.values().sum(), capture.station_frames());
        expect("all vendors", stored.vendors, capture.station_frames());
        let count = |name: &str| stored.sensor.get(name).copied().unwrap_or(0);
        expect("frames", count("frames"), capture.frames);
        expect("station_frames", count("station_frames"), capture.station_frames());
        expect("group_ta", count("group_ta"), capture.group_ta);
        let classes = ["station_frames", "bad_fcs", "malformed", "without_ta", "group_ta", "overflow_frames"];
        expect("conserved", classes.iter().map(|class| count(class)).sum(), capture.frames);
        expect("no more channel frames than frames", stored.channels.saturating_sub(capture.frames), 0);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(with_other >= 3, "some captures have more stations than the budget");
}
