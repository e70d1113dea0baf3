//! Capture to VictoriaMetrics by the v2 write API, through the real programs: sums and roll-ups are what tshark
//! counts.

use crate::support::{
    block_on,
    databases::Victoria,
    expected_series::{Stored, adjust, compare},
    pipeline::{Rig, expectations, influx_v2},
    wait_until,
};
use std::{collections::BTreeMap, time::Duration};

fn read(victoria: &Victoria) -> BTreeMap<String, Stored> {
    let mut all: BTreeMap<String, Stored> = BTreeMap::new();
    for (labels, values) in block_on(victoria.export()) {
        let Some(sensor) = labels.get("sensor").filter(|sensor| !sensor.starts_with("mark")) else { continue };
        let stored = all.entry(sensor.clone()).or_default();
        // Equal points written twice are one: what -dedup.minScrapeInterval=1ms makes of them in queries.
        let sum = values.into_iter().collect::<BTreeMap<_, _>>().values().sum::<f64>() as u64;
        match labels["__name__"].as_str() {
            "wifi_station_frames_sent" => *stored.stations.entry(labels["station"].clone()).or_default() += sum,
            "wifi_vendor_frames_sent" => stored.vendors += sum,
            "wifi_channel_frames" => stored.channels += sum,
            name => {
                if let Some(count) = name.strip_prefix("wifi_sensor_") {
                    *stored.sensor.entry(count.to_owned()).or_default() += sum;
                }
            }
        }
    }
    all
}

fn await_mark(victoria: &Victoria, mark: &str) {
    wait_until(&format!("{mark} is stored"), Duration::from_secs(120), || {
        std::thread::sleep(Duration::from_millis(300));
        block_on(victoria.export()).iter().any(|(labels, _)| labels.get("sensor").is_some_and(|sensor| sensor == mark))
    });
}

#[test]
fn every_wireless_capture_sums_up_as_tshark_counts_it() {
    let victoria = block_on(Victoria::start());
    let rig = Rig::start(|_, config| config.influx.push(influx_v2(&victoria.url)));
    let captures = expectations(rig.path());
    rig.replay(&captures, adjust);
    rig.replay_mark("mark-1");
    await_mark(&victoria, "mark-1");
    let first = read(&victoria);
    compare(&first, &captures);

    rig.replay(&captures, adjust);
    rig.replay_mark("mark-2");
    await_mark(&victoria, "mark-2");
    assert_eq!(read(&victoria), first, "stored twice is stored once");
    assert_eq!(victoria.skipped_lines(), Vec::<String>::new(), "lines that VictoriaMetrics could not read");
    let frames: u64 = captures.iter().map(|capture| capture.frames).sum();
    println!("{} captures, {frames} frames, twice", captures.len());
}
