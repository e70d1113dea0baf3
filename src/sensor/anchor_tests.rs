//! The anchor, and with a counter behind it the windows that come of any sequence of clock readings.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    UnixNanos,
    dot11::{self, LinkType},
    oui::Registry,
    sensor::{
        beside::Besides,
        live::{LiveCounter, Step},
    },
    tally::{
        Counter, CounterSettings, NoKeys, Tracker,
        settings::{Privacy, PrivacyMac, Tracking, Window},
    },
};
use proptest::prelude::*;
use std::{sync::Arc, time::Duration};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 2026-11-21, roughly.
const TODAY: i64 = 1_795_000_000 * SECOND;

fn read(boot: i64, offset: i64, synced: bool) -> Reading {
    Reading { boot, system: boot + offset, synced }
}

#[test]
fn a_first_synchronisation_is_taken_once_it_has_stood_for_a_second() {
    let mut anchoring = Anchoring::start(read(0, 0, false), 600 * SECOND, false, 0, None);
    assert_eq!((anchoring.standing(), anchoring.anchor()), (Standing::Held, 0));
    assert_eq!(anchoring.look(read(SECOND, TODAY, false)), None, "a guess is nothing to step away from");
    assert_eq!(anchoring.due(), None);
    anchoring.look(read(2 * SECOND, TODAY, true));
    assert_eq!(anchoring.due(), None);
    anchoring.look(read(3 * SECOND, TODAY, true));
    assert_eq!(anchoring.due(), Some(TODAY));
    assert!(anchoring.moved(), "held windows are to be restamped");
    assert_eq!((anchoring.standing(), anchoring.anchor(), anchoring.due()), (Standing::Anchored, TODAY, None));
}

#[test]
fn a_step_is_news_once_and_followed_after_settling_and_no_sooner() {
    let mut anchoring = Anchoring::start(read(0, TODAY, true), 600 * SECOND, false, 0, None);
    let there = TODAY + DAY;
    assert_eq!(anchoring.look(read(10 * SECOND, there, true)), Some(News::Stepped(DAY)));
    assert_eq!(anchoring.look(read(20 * SECOND, there, true)), None);
    anchoring.look(read(609 * SECOND, there, true));
    assert_eq!(anchoring.due(), None);
    anchoring.look(read(610 * SECOND, there, true));
    assert_eq!(anchoring.due(), Some(DAY));
    assert!(!anchoring.moved(), "windows that went out stay as they are");
    assert_eq!((anchoring.anchor(), anchoring.is_apart()), (there, false));
}

#[test]
fn a_step_that_is_taken_back_or_loses_its_synchronisation_begins_anew() {
    let mut anchoring = Anchoring::start(read(0, TODAY, true), 600 * SECOND, false, 0, None);
    anchoring.look(read(10 * SECOND, TODAY - DAY, true));
    anchoring.look(read(500 * SECOND, TODAY - DAY, false));
    anchoring.look(read(700 * SECOND, TODAY - DAY, true));
    assert_eq!(anchoring.due(), None);
    assert_eq!(anchoring.look(read(710 * SECOND, TODAY, true)), Some(News::Returned));
    assert_eq!((anchoring.due(), anchoring.anchor(), anchoring.is_apart()), (None, TODAY, false));
    anchoring.look(read(800 * SECOND, TODAY, false));
    assert_eq!(anchoring.standing(), Standing::Anchored, "a lost synchronisation leaves the anchor");
}

#[test]
fn a_guess_begins_after_the_last_window_and_a_restart_keeps_the_anchor() {
    let held = Anchoring::start(read(5 * SECOND, 0, false), SECOND, false, TODAY, None);
    assert_eq!(held.anchor() + 5 * SECOND, TODAY);
    let never = Anchoring::start(read(5 * SECOND, 0, false), SECOND, true, TODAY, None);
    assert_eq!((never.standing(), never.anchor() + 5 * SECOND), (Standing::Unsynced, TODAY));
    let again = Anchoring::start(read(0, TODAY + 3_000_000, true), SECOND, false, 0, Some(TODAY));
    assert_eq!(again.anchor(), TODAY);
    let set = Anchoring::start(read(0, TODAY + DAY, true), SECOND, false, 0, Some(TODAY));
    assert_eq!(set.anchor(), TODAY + DAY);
}

#[test]
fn where_nobody_synchronises_a_clock_that_is_set_is_followed_all_the_same() {
    let mut anchoring = Anchoring::start(read(0, 0, false), 60 * SECOND, true, 0, None);
    assert_eq!(anchoring.look(read(SECOND, TODAY, false)), Some(News::Stepped(TODAY)));
    anchoring.look(read(62 * SECOND, TODAY, false));
    assert_eq!(anchoring.due(), Some(TODAY));
    assert!(!anchoring.moved());
    assert_eq!(anchoring.standing(), Standing::Unsynced);
}

#[test]
fn a_stamp_from_before_or_after_a_step_is_the_moment_it_was() {
    for step in [DAY, -DAY] {
        let mut stamps = Stamps::new(read(100 * SECOND, TODAY, true));
        let unasked = || read(0, 0, false);
        assert_eq!(stamps.boot_time(TODAY + 99 * SECOND, unasked), 99 * SECOND);
        // Stamped after the step, which nobody has seen yet.
        let now = || read(102 * SECOND, TODAY + step, true);
        assert_eq!(stamps.boot_time(TODAY + step + 101 * SECOND, now), 101 * SECOND);
        // Stamped before the step, and read after it.
        assert_eq!(stamps.boot_time(TODAY + 99 * SECOND, now), 99 * SECOND);
        // From nowhere: not in the future at least.
        assert_eq!(stamps.boot_time(TODAY + 99 * DAY, now), 102 * SECOND);
    }
}

/// What happens between two looks at the clocks.
#[derive(Clone, Debug)]
enum Act {
    Wait(i64),
    Set(i64),
    Sync(bool),
    Frames(u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1..20 * SECOND).prop_map(Act::Wait),
        1 => (1..200 * SECOND).prop_map(Act::Wait),
        1 => prop_oneof![-200 * SECOND..200 * SECOND, Just(DAY), Just(-DAY), Just(TODAY)].prop_map(Act::Set),
        2 => any::<bool>().prop_map(Act::Sync),
        4 => (1..20u8).prop_map(Act::Frames),
    ];
    prop::collection::vec(act, 1..80)
}

/// A window as it ends up in a database: restamped, where it was held.
struct Stored {
    start: i64,
    end: i64,
    frames: u64,
    /// When it began after boot, while it is held.
    held: Option<i64>,
}

#[derive(Default)]
struct Database(Vec<Stored>);

impl Database {
    fn take(&mut self, step: Step, boot: i64) {
        match step {
            Step::Window { closed, standing, anchor, .. } => {
                let (start, end) = (closed.start.0, closed.end.0);
                assert!(start - anchor <= boot, "a window of the future");
                assert!(start <= end, "less than no length");
                let held = (standing == Standing::Held).then_some(start - anchor);
                self.0.push(Stored { start, end, frames: closed.contents.capture.frames, held });
            }
            Step::Moved { anchor, restamp: true, .. } => {
                for window in &mut self.0 {
                    let began = window.held.take().unwrap();
                    (window.start, window.end) = (began + anchor, window.end - window.start + began + anchor);
                }
            }
            Step::Moved { .. } => {}
        }
    }
}

proptest! {
    /// Whatever is done to the clocks: windows never overlap, never have less than no length, never begin in the future
    /// of the clock they are stamped by, and each frame is in one.
    #[test]
    fn windows_stay_in_order_whatever_happens_to_the_clocks(
        acts in acts(), synced: bool, never: bool, first in prop_oneof![Just(0i64), Just(TODAY)], length in 1u64..30,
    ) {
        let settings = CounterSettings {
            window: Window { length: Duration::from_secs(length), max_stations: 100 },
            tracking: Tracking::default(),
            privacy: Privacy { mac: PrivacyMac::Vendor, ..Privacy::default() },
            live: true,
        };
        let counter = Counter::new(settings, Arc::new(Registry::default()), Tracker::default(), Box::new(NoKeys));
        let (mut boot, mut offset, mut synced) = (30 * SECOND, first, synced);
        let anchoring = Anchoring::start(read(boot, offset, synced), 60 * SECOND, never, 0, None);
        let mut live = LiveCounter::new(counter, Besides::default(), anchoring, read(boot, offset, synced));
        live.begin().unwrap();
        let mut database = Database::default();
        let mut sent = 0;
        for act in acts {
            match act {
                Act::Wait(time) => boot += time,
                Act::Set(by) => offset = (offset + by).clamp(0, 2 * TODAY),
                Act::Sync(now) => synced = now,
                Act::Frames(count) => for number in (0..i64::from(count)).rev() {
                    let reading = read(boot, offset, synced);
                    // Stamped a moment ago, by a clock that nobody may have looked at since it was set.
                    let time = live.boot_time(reading.system - number * SECOND / 100, || reading);
                    prop_assert!(time <= boot);
                    let frame = [0xd4, 0, 0, 0, 2, 0, 0, 0, 0, 1];
                    let facts = dot11::parse(LinkType::IEEE802_11, &frame, 10);
                    live.packet(time, &facts, 10, &mut |step| database.take(step, boot)).unwrap();
                    let open = live.counter().open_window().unwrap();
                    prop_assert!(time + live.anchoring().anchor() < open.end.0, "a frame after its window");
                    sent += 1;
                },
            }
            live.look(read(boot, offset, synced));
            live.tick(boot, &mut |step| database.take(step, boot)).unwrap();
        }
        live.finish(boot, &mut |step| database.take(step, boot));
        prop_assert_eq!(database.0.iter().map(|window| window.frames).sum::<u64>(), sent);
        let mut sorted: Vec<(i64, i64)> = database.0.iter().map(|window| (window.start, window.end)).collect();
        sorted.sort_unstable();
        for pair in sorted.windows(2) {
            prop_assert!(pair[0].0 < pair[1].0, "two windows begin at {}", pair[0].0);
        }
        sorted.retain(|(start, end)| start < end);
        for pair in sorted.windows(2) {
            prop_assert!(pair[0].1 <= pair[1].0, "{:?} and {:?} overlap", pair[0], pair[1]);
        }
    }
}

#[test]
fn a_window_that_waits_for_the_end_of_taken_time_begins_there() {
    let settings = CounterSettings {
        window: Window { length: Duration::from_secs(10), max_stations: 100 },
        tracking: Tracking::default(),
        privacy: Privacy::default(),
        live: true,
    };
    let mut counter = Counter::new(settings, Arc::new(Registry::default()), Tracker::default(), Box::new(NoKeys));
    counter.begin(UnixNanos(100 * SECOND)).unwrap();
    assert_eq!(counter.tick(UnixNanos(110 * SECOND)).unwrap().map(|closed| closed.end.0), Some(110 * SECOND));
    // At 120 the clock goes back to 105: up to 120 is taken.
    let closed = counter.clock_moves(-15 * SECOND, false).unwrap().unwrap();
    assert_eq!((closed.start.0, closed.end.0), (110 * SECOND, 120 * SECOND));
    assert_eq!(counter.open_window().map(|open| (open.start.0, open.end.0)), Some((120 * SECOND, 130 * SECOND)));
    assert_eq!(counter.tick(UnixNanos(119 * SECOND)).unwrap(), None);
    let last = counter.finish(Some(UnixNanos(112 * SECOND))).unwrap();
    assert_eq!((last.start.0, last.end.0), (112 * SECOND, 112 * SECOND), "stopped before that, it has no length");
}
