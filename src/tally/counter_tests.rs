//! What a counter promises: every frame in one window, and nothing withheld in what it gives out.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{
    settings::PrivacyMac,
    testing::{Frame, frames, tally, told},
    *,
};
use crate::{
    Mac, UnixNanos,
    dot11::Outcome,
    oui::{Prefix, Registry, RegistryEntry, table::Builder},
    wire::{Address, Contents, Identity, Record, TimeSource, split},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

const AP: Mac = Mac([0x10, 0xc0, 0xff, 0xee, 0x00, 0x01]);
const PHONE: Mac = Mac([0x10, 0xca, 0xfe, 0xba, 0xbe, 0x02]);
const RANDOM: Mac = Mac([0xda, 0x5a, 0xa5, 0x5a, 0xa5, 0x03]);
const SECOND: i64 = 1_000_000_000;

/// A different key for each rotation; none while `missing`.
#[derive(Clone, Default)]
struct TestKeys {
    missing: Arc<AtomicBool>,
}

impl Keys for TestKeys {
    fn key(&mut self, rotation_index: i64) -> Result<[u8; 32], KeyError> {
        if self.missing.load(Ordering::Relaxed) {
            return Err(KeyError::Absent);
        }
        Ok([u8::try_from(rotation_index.rem_euclid(256)).unwrap(); 32])
    }
}

fn settings(mac: PrivacyMac, ssids: bool, live: bool) -> CounterSettings {
    CounterSettings {
        window: settings::Window { length: Duration::from_secs(10), max_stations: 100 },
        tracking: settings::Tracking { track_after: 1, ..settings::Tracking::default() },
        privacy: settings::Privacy { mac, ssids, rotation: Duration::from_secs(65), key_dir: None },
        live,
    }
}

fn counter(settings: CounterSettings) -> Counter {
    Counter::new(settings, Arc::new(Registry::empty()), Tracker::default(), Box::new(TestKeys::default()))
}

fn count(counter: &mut Counter, frames: &[Frame]) -> Vec<Closed> {
    let mut closed = Vec::new();
    for frame in frames {
        closed.extend(counter.packet(frame.time, &frame.facts(), frame.len).unwrap());
    }
    closed.extend(counter.finish(None));
    closed
}

fn at(seconds: i64, frame: Frame) -> Frame {
    Frame { time: UnixNanos(seconds * SECOND), ..frame }
}

/// An access point, a client of it, a randomised device that looks for a network; in two rotations.
fn neighbourhood() -> Vec<Frame> {
    let beacon = Frame { bssid: Some(AP), ..Frame::naming(0x08, AP, b"announced-net") };
    let data = Frame { bssid: Some(AP), to_ds: true, ..Frame::data(PHONE, AP) };
    let probe = Frame::naming(0x04, RANDOM, b"sought-net");
    let join = Frame { bssid: Some(AP), ..Frame::naming(0x00, PHONE, b"joined-net") };
    vec![at(61, beacon.clone()), at(62, data.clone()), at(62, probe), at(63, join), at(66, beacon), at(66, data)]
}

/// What would travel.
fn wire(closed: &[Closed]) -> String {
    let identity = Identity { site: "home".into(), sensor: "attic".into(), run: Uuid::nil(), seq: 0 };
    let parts = closed.iter().flat_map(|window| {
        split(&identity, window.start, window.end, TimeSource::Capture, false, window.contents.clone(), 16 << 10)
    });
    parts.map(|part| String::from_utf8(Record::Batch(Box::new(part)).encode()).unwrap() + "\n").collect()
}

fn names_an_address(text: &str) -> bool {
    [AP, PHONE, RANDOM].iter().any(|mac| {
        let spelled = mac.to_string();
        let tail = spelled.split_at(9).1;
        [spelled.as_str(), &spelled.replace(':', ""), &spelled.replace(':', "-"), tail, &tail.replace(':', "")]
            .iter()
            .any(|form| text.contains(form))
    })
}

#[test]
fn plain_mode_withholds_only_what_devices_look_for() {
    let mut frames = neighbourhood();
    frames.push(at(72, frames[0].clone()));
    let closed = count(&mut counter(settings(PrivacyMac::Plain, false, false)), &frames);
    let text = wire(&closed);
    assert!(names_an_address(&text) && text.contains("announced-net"));
    assert!(!text.contains("sought-net") && !text.contains("joined-net"));
    let text = wire(&count(&mut counter(settings(PrivacyMac::Plain, true, false)), &neighbourhood()));
    assert!(text.contains("sought-net") && text.contains("joined-net"));
    let tracked: Vec<_> = closed[0].contents.stations.iter().map(|row| (row.mac, row.tracked)).collect();
    assert_eq!(tracked, [(Address::Mac(AP), true), (Address::Mac(PHONE), true), (Address::Mac(RANDOM), false)]);
    assert!(closed[0].tracker.is_some() && closed[1].tracker.is_none(), "the state is given when it changes");
}

#[test]
fn pseudonym_mode_names_no_address_and_links_nothing_past_a_rotation() {
    for ssids in [false, true] {
        let closed = count(&mut counter(settings(PrivacyMac::Pseudonym, ssids, false)), &neighbourhood());
        let text = wire(&closed);
        assert!(!names_an_address(&text), "{text}");
        assert!(text.contains("announced-net"));
        assert_eq!((text.contains("sought-net"), text.contains("joined-net")), (ssids, ssids));
        assert!(closed.iter().all(|window| window.tracker.is_none()));
        assert!(closed.iter().flat_map(|window| &window.contents.stations).all(|row| !row.tracked));

        let spans: Vec<_> = closed.iter().map(|it| (it.start.0 / SECOND, it.end.0 / SECOND)).collect();
        assert_eq!(spans, [(61, 65), (65, 70)], "windows are cut where the key changes");
        let names = |window: &Closed| -> BTreeSet<Address> {
            window.contents.stations.iter().flat_map(|row| [Some(row.mac), row.bssid]).flatten().collect()
        };
        assert_eq!(names(&closed[0]).len(), 3, "a BSSID has the pseudonym of its access point");
        assert!(names(&closed[0]).is_disjoint(&names(&closed[1])));
        let macs: Vec<_> = closed[0].contents.stations.iter().map(|row| row.mac).collect();
        assert!(macs.is_sorted(), "in the order of pseudonyms, not of addresses");
        assert_eq!(closed[0].contents.stations.iter().filter(|row| row.randomised).count(), 1);
    }
}

#[test]
fn vendor_mode_has_sums_and_nothing_else() {
    let closed = count(&mut counter(settings(PrivacyMac::Vendor, true, false)), &neighbourhood());
    let text = wire(&closed);
    assert!(!names_an_address(&text) && !text.contains("-net"), "{text}");
    assert!(closed.iter().all(|window| window.tracker.is_none() && window.contents.stations.is_empty()));
    let rows: Vec<_> =
        closed[0].contents.vendors.iter().map(|row| (row.randomised, row.stations, row.frames_sent)).collect();
    assert_eq!(rows, [(false, 2, 5), (true, 1, 1)]);
}

#[test]
fn without_a_key_nothing_is_counted_and_nothing_is_lost() {
    let keys = TestKeys::default();
    let mut counter = Counter::new(
        settings(PrivacyMac::Pseudonym, false, false),
        Arc::new(Registry::empty()),
        Tracker::default(),
        Box::new(keys.clone()),
    );
    let [first, .., last] = &neighbourhood()[..] else { panic!("frames") };
    keys.missing.store(true, Ordering::Relaxed);
    assert!(counter.packet(first.time, &first.facts(), first.len).is_err());
    keys.missing.store(false, Ordering::Relaxed);
    assert!(counter.packet(first.time, &first.facts(), first.len).unwrap().is_none());
    keys.missing.store(true, Ordering::Relaxed);
    assert!(counter.packet(last.time, &last.facts(), last.len).is_err());
    keys.missing.store(false, Ordering::Relaxed);
    let closed = counter.packet(last.time, &last.facts(), last.len).unwrap().unwrap();
    assert_eq!(closed.contents.capture.frames, 1);
    assert_eq!(counter.finish(None).unwrap().contents.capture.frames, 1);
}

#[test]
fn live_windows_close_by_the_clock_and_carry_the_drops() {
    let mut counter = counter(settings(PrivacyMac::Plain, false, true));
    let seconds = |n: i64| UnixNanos(n * SECOND);
    counter.begin(seconds(3)).unwrap();
    counter.begin(seconds(8)).unwrap();
    counter.add_drops(5, 1);
    counter.add_drops(2, 0);
    assert_eq!(counter.tick(seconds(9)).unwrap(), None);
    let first = counter.tick(seconds(25)).unwrap().unwrap();
    assert_eq!((first.start, first.end), (seconds(3), seconds(10)));
    assert_eq!((first.contents.capture.kernel_drops, first.contents.capture.interface_drops), (Some(7), Some(1)));
    let second = counter.tick(seconds(25)).unwrap().unwrap();
    assert_eq!((second.start, second.end, second.contents.capture.kernel_drops), (seconds(10), seconds(20), Some(0)));
    assert_eq!(counter.tick(seconds(25)).unwrap(), None);
    let frame = Frame::data(AP, PHONE);
    counter.packet(seconds(15), &frame.facts(), 100).unwrap();
    let last = counter.finish(Some(seconds(26))).unwrap();
    assert_eq!((last.start, last.end), (seconds(20), seconds(26)));
    assert_eq!((last.contents.capture.frames, last.contents.capture.late), (1, 1));
    assert_eq!(counter.finish(Some(seconds(27))), None);
}

#[test]
fn vendors_are_named_by_the_registry_that_was_there_when_the_window_began() {
    let mut builder = Builder::default();
    for (address, name) in [(AP, "Coffee Works"), (Mac([0xda, 0x5a, 0xa5, 0, 0, 0]), "Nobody")] {
        let prefix = Prefix::new(address.to_u64(), 24);
        let (organisation, short_name) = (Some(name), None);
        builder.row(RegistryEntry { prefix, registry: None, short_name, organisation, address: None });
    }
    let registry = Arc::new(builder.build(String::new()));
    let name = registry.vendor(AP).unwrap().to_owned();
    for mac in [PrivacyMac::Plain, PrivacyMac::Pseudonym, PrivacyMac::Vendor] {
        let mut counter = counter(settings(mac, false, false));
        let mut closed = Vec::new();
        for frame in neighbourhood().iter().flat_map(|frame| [frame.clone(), at(80, frame.clone())]) {
            counter.set_registry(Arc::clone(&registry));
            closed.extend(counter.packet(frame.time, &frame.facts(), frame.len).unwrap());
        }
        closed.extend(counter.finish(None));
        let named = |window: &Closed| -> Vec<String> {
            let rows = &window.contents;
            let stations = rows.stations.iter().filter_map(|row| row.vendor.clone());
            stations.chain(rows.vendors.iter().filter_map(|row| row.vendor.clone())).collect()
        };
        assert_eq!(named(&closed[0]), Vec::<String>::new(), "still the one it began with");
        assert_eq!(named(closed.last().unwrap()), std::slice::from_ref(&name), "and no name for a randomised address");
    }
}

/// Sums of what the windows of a run say.
fn sums(windows: &[Closed]) -> (Contents, BTreeMap<Address, u64>) {
    let mut total = Contents::default();
    let mut stations = BTreeMap::new();
    for contents in windows.iter().map(|window| &window.contents) {
        total.capture.frames += contents.capture.frames;
        total.capture.bytes += contents.capture.bytes;
        total.capture.station_frames += contents.capture.station_frames;
        total.capture.late += contents.capture.late;
        for (kind, frames) in &contents.subtypes {
            *total.subtypes.entry(kind.clone()).or_default() += frames;
        }
        for row in &contents.stations {
            *stations.entry(row.mac).or_default() += row.frames_sent;
        }
    }
    (total, stations)
}

proptest! {
    #[test]
    fn windows_together_say_what_one_tally_says(
        mut frames in frames(150), scale in prop_oneof![Just(1i64), Just(SECOND / 50), Just(SECOND), Just(1 << 52)],
        sorted: bool, mac in prop_oneof![Just(PrivacyMac::Plain), Just(PrivacyMac::Pseudonym), Just(PrivacyMac::Vendor)],
    ) {
        for frame in &mut frames {
            // The very least is no time.
            frame.time = UnixNanos(frame.time.0.saturating_mul(scale).max(i64::MIN + 1));
        }
        if sorted {
            frames.sort_by_key(|frame| frame.time);
        }
        let closed = count(&mut counter(settings(mac, false, false)), &frames);
        prop_assert!(closed.iter().all(|window| window.start < window.end && window.contents.capture.frames > 0));
        // A clock that is set back has its windows before others, and no two ever overlap.
        prop_assert!(!sorted || closed.is_sorted_by(|earlier, later| earlier.end <= later.start));
        let mut spans: Vec<_> = closed.iter().map(|window| (window.start, window.end)).collect();
        spans.sort_unstable();
        prop_assert!(spans.is_sorted_by(|earlier, later| earlier.1 <= later.0));
        let whole = told(&tally(&frames, 100));
        let (total, stations) = sums(&closed);
        prop_assert_eq!(total.capture.frames, whole.capture.frames);
        prop_assert_eq!(total.capture.bytes, whole.capture.bytes);
        prop_assert_eq!(total.capture.station_frames, whole.capture.station_frames);
        prop_assert!(!sorted || total.capture.late == 0);
        let subtypes = whole.subtypes.iter().map(|(kind, frames)| (format!("0x{:04x}", kind.0), *frames)).collect();
        prop_assert_eq!(total.subtypes, subtypes);
        if mac == PrivacyMac::Plain {
            let expected = whole.stations.iter().map(|row| (Address::Mac(row.mac), row.counts.frames_sent)).collect();
            prop_assert_eq!(stations, expected);
        }
        let sent = frames.iter().filter(|frame| matches!(frame.outcome, Outcome::Sent(_))).count() as u64;
        let by_vendor: u64 =
            closed.iter().flat_map(|window| &window.contents.vendors).map(|row| row.frames_sent).sum();
        prop_assert_eq!(by_vendor, if mac == PrivacyMac::Vendor { sent } else { 0 });
    }
}
