//! Figures on the page equal those of other programs: sqlite3 on the history, tshark on the capture.

use crate::{
    browser::Browser,
    support::{
        pipeline::{sensor, start_sensor},
        synth, synthesise,
        tshark::fields,
        wait_until,
    },
    world::{World, deaf, gap, station, window},
};
use airtally::{Mac, UnixNanos, wire::encode};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

fn number(text: &str) -> u64 {
    let digits: String = text.split_whitespace().next().unwrap_or_default().replace(',', "");
    digits.parse().unwrap_or_else(|_| panic!("'{text}' is no number"))
}

fn iso(time: UnixNanos) -> String {
    format!("{}Z", &time.to_string()[..19])
}

/// An hour of windows of a minute: two runs, five minutes lost and declared so, five minutes of a deaf radio.
fn hour(world: &World, start: UnixNanos) {
    let at = |minute: u64| start.saturating_add(Duration::from_secs(60 * minute));
    let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut windows = Vec::new();
    for minute in (0..60).filter(|minute| !(20..25).contains(minute)) {
        let (run, seq) = if minute < 30 { (first, minute) } else { (second, minute - 30) };
        let stations = (0..6).map(|n| station(n, 10 + minute + n, at(minute), "Vendor", "net")).collect();
        let heard = window("attic", run, seq, at(minute), 60, stations);
        windows.push(if (40..45).contains(&minute) { deaf(heard) } else { heard });
    }
    world.publish("attic", "event", &[encode(&gap("attic", first, (20, 24), at(20), at(25), 777))]);
    world.store("attic", &windows);
    wait_until("the gap is stored", Duration::from_secs(20), || {
        world.sqlite3("SELECT count(*) FROM gaps WHERE sensor = 'attic'")[0][0] == "1"
    });
}

#[test]
fn figures_equal_those_of_sqlite3_and_tshark() {
    let world = World::start(|_| ());
    let start = UnixNanos(UnixNanos::now().0 - 3 * 3_600_000_000_000).align_down(Duration::from_secs(3_600));
    let end = start.saturating_add(Duration::from_secs(3_600));
    hour(&world, start);
    let (capture, _) =
        synthesise(world.dir.path(), &synth::Options { frames: 2_000, stations: 40, ..synth::Options::default() });
    let config = sensor(world.dir.path(), "cap", world.broker.port, &capture);
    start_sensor(world.dir.path(), &config).succeed(Duration::from_secs(60));
    wait_until("the capture is stored", Duration::from_secs(30), || {
        world.sqlite3("SELECT sum(frames) FROM windows WHERE sensor = 'cap'")[0][0] == "2000"
    });

    let mut browser = Browser::start(&world.base);
    let range = format!("from={}&to={}", iso(start), iso(end));
    let path = format!("/history?{range}&sensor=home/attic");
    // A minute a row, the newest first: what was heard, and what was not.
    let rows = browser.table(&path, "steps");
    assert_eq!(rows.len(), 60);
    let sql = "SELECT start_ns / 60000000000, sum(frames) FROM windows WHERE sensor = 'attic' GROUP BY 1";
    let frames: BTreeMap<u64, u64> =
        world.sqlite3(sql).iter().map(|row| (row[0].parse().unwrap(), row[1].parse().unwrap())).collect();
    let first_minute = u64::try_from(start.0 / 60_000_000_000).unwrap();
    for (minute, row) in (first_minute..).zip(rows.iter().rev()) {
        let (listened, count, note) = (&row[1], &row[6], &row[9]);
        match frames.get(&minute) {
            None => {
                assert_eq!((count.as_str(), listened.starts_with("0 %")), ("–", true), "{row:?}");
                assert!(note.contains("no window came") && note.contains("declared lost"), "{row:?}");
            }
            Some(0) => assert!(note.contains("radio off") && listened.starts_with("33 %"), "{row:?}"),
            Some(frames) => {
                assert_eq!((number(count), note.as_str()), (*frames, ""), "{row:?}");
                assert!(listened.starts_with("98 %") && listened.contains("59 s of 1 min, 1 window"), "{row:?}");
            }
        }
    }
    assert!(rows.iter().any(|row| row[9].contains("777 frames")));
    // They are drawn as such: one region each, in both charts, in the drawing for wide screens and in that for narrow ones.
    let selectors = [".chart .gap", ".chart .deaf", ".chart .lost", ".headline", "svg.wide desc"];
    let seen = browser.run("look", json!({"path": path, "selectors": selectors}));
    for region in [".chart .gap", ".chart .deaf"] {
        assert_eq!(seen[region]["count"], 4 + 1 + 1, "{region}, those of the legends too: {seen}");
    }
    let headline = seen[".headline"]["text"].as_str().unwrap();
    assert!(headline.contains("1 declared gap") && headline.contains("5 min deaf"), "{headline}");
    // 50 minutes of 59 s and 5 of 20 s, of an hour.
    assert!(headline.starts_with("Listened to 85 %"), "{headline}");

    let totals = &world.sqlite3("SELECT windows, frames, runs FROM sensor_totals WHERE sensor = 'attic'")[0];
    let row = &browser.table(&path, "sensors")[0];
    let shown = [&row[2], &row[3], &row[7]].map(|cell| number(cell));
    assert_eq!(shown.map(|number| number.to_string()).as_slice(), totals.as_slice(), "two runs: {row:?}");
    assert_eq!((number(&row[6]), row[6].contains("5 min")), (1, true), "{row:?}");
    let sql = "SELECT freq_mhz, frames FROM channel_totals WHERE sensor = 'attic' ORDER BY freq_mhz";
    let channels: Vec<u64> = world.sqlite3(sql).iter().map(|row| row[1].parse().unwrap()).collect();
    let shown: Vec<u64> = browser.table(&path, "channels").iter().map(|row| number(&row[3])).collect();
    assert_eq!(shown, channels);
    let sql = "SELECT frames_sent FROM vendor_totals WHERE sensor = 'attic'";
    assert_eq!(number(&browser.table(&path, "vendors")[0][1]).to_string(), world.sqlite3(sql)[0][0]);

    // The capture: who sent how much, by tshark.
    let mut truth: BTreeMap<String, u64> = BTreeMap::new();
    for frame in fields(&capture, &["wlan.ta", "radiotap.flags.badfcs", "wlan.fc.version", "wlan.fc.type"]) {
        let [ta, bad, version, class] = &frame[..] else { panic!("a row of {} columns", frame.len()) };
        let Ok(ta) = ta.parse::<Mac>() else { continue };
        // The group bit of a control frame's transmitter is not its own (802.11-2020, 9.2.4.3.7).
        let ta = if class == "1" { ta.individual() } else { ta };
        if bad != "1" && version == "0" && !ta.is_group() {
            *truth.entry(ta.to_string()).or_default() += 1;
        }
    }
    let times = &world
        .sqlite3("SELECT min(start_ns) / 1000000000, max(end_ns) / 1000000000 + 1 FROM windows WHERE sensor = 'cap'")
        [0];
    let times: Vec<String> = times.iter().map(|time| iso(UnixNanos::new(time.parse().unwrap(), 0))).collect();
    let rows = browser.table(&format!("/stations?from={}&to={}&sensor=test/cap", times[0], times[1]), "stations");
    let shown: BTreeMap<String, u64> = rows.iter().map(|row| (row[0][..17].to_owned(), number(&row[3]))).collect();
    assert_eq!(shown, truth);
}
