//! The room as a whole: whatever the frames are, and what a watch does with time.
#![allow(clippy::panic, clippy::unwrap_used)]

use super::{
    Closed, Expected, Kind, Network, News, Rules, Settings, Subject, Watch,
    ledger::{Ledger, MAX_OPEN},
    table::Table,
};
use crate::{
    Mac, UnixNanos,
    dot11::{self, LinkType},
    wire::Address,
};
use proptest::prelude::*;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const MINE: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn rules() -> Rules {
    Rules {
        settings: Settings { learn: Duration::ZERO, ..Settings::default() },
        networks: vec![Network { ssid: "home".into(), bssids: vec![MINE], open: false }],
        devices: Vec::new(),
    }
}

fn deauth(ta: Mac) -> Vec<u8> {
    [&[0xc0, 0, 0, 0][..], &Mac::BROADCAST.0, &ta.0, &ta.0, &[0, 0, 7, 0]].concat()
}

fn heard(watch: &mut Watch, time: UnixNanos, frame: &[u8]) {
    watch.frame(time, &dot11::parse(LinkType::IEEE802_11, frame, u32::try_from(frame.len()).unwrap()));
}

fn window(from: i64) -> Closed<'static> {
    let (start, end) = (UnixNanos(from * SECOND), UnixNanos((from + 10) * SECOND));
    Closed { start, end, listened: None, missed: false }
}

/// A flood of five at second 1.
fn flood() -> Watch {
    let mut watch = Watch::new(&rules());
    (0..5).for_each(|number| heard(&mut watch, UnixNanos(SECOND + number), &deauth(MINE)));
    watch
}

fn news(changes: &[super::Change]) -> Vec<News> {
    changes.iter().map(|change| change.news).collect()
}

#[test]
fn an_alert_opens_goes_on_once_a_minute_and_ends_after_a_minute_of_silence() {
    let mut watch = flood();
    assert_eq!(news(&watch.window_closed(&window(0))), [News::Opened]);
    let mut told = Vec::new();
    for start in (10..100).step_by(10) {
        heard(&mut watch, UnixNanos((start + 5) * SECOND), &deauth(MINE));
        told.push(watch.window_closed(&window(start)));
    }
    assert_eq!(told.iter().flatten().map(|change| change.news).collect::<Vec<_>>(), [News::GoesOn]);
    let mut ended = None;
    for start in (100..200).step_by(10) {
        for change in watch.window_closed(&window(start)) {
            // What came after it was last told is told before.
            if change.news == News::Ended {
                ended = Some((start, change));
            }
        }
    }
    // The latest was at 95 s: a minute later is in the window that ends at 160 s.
    let (start, change) = ended.unwrap();
    assert_eq!((start, change.news, change.alert.frames), (150, News::Ended, 14));
    assert_eq!(change.alert.last, UnixNanos(95 * SECOND));
    assert_eq!(watch.finish(), []);
}

#[test]
fn silence_counts_only_while_its_channel_is_listened_to() {
    let ledger = &mut Ledger::new(Vec::new());
    let subject = Subject::Address(MINE);
    let at = (UnixNanos(SECOND), UnixNanos(SECOND));
    ledger.evidence(Kind::DeauthFlood, subject, at, 5).unwrap().among(super::ledger::FREQS, 2412_u16);
    let elsewhere = [(2437, Duration::from_secs(10))];
    let here = [(2412, Duration::from_millis(2_500)), (2437, Duration::from_secs(5))];
    let closed = |start, listened| Closed { listened: Some(listened), ..window(start) };
    assert_eq!(news(&ledger.closed(&closed(0, &here))), [News::Opened]);
    for start in (10..300).step_by(10) {
        assert_eq!(ledger.closed(&closed(start, &elsewhere)), []);
    }
    assert_eq!(ledger.closed(&Closed { missed: true, ..closed(300, &here) }), []);
    let mut ended = Vec::new();
    for start in (310..400).step_by(10) {
        ended.extend(ledger.closed(&closed(start, &here)));
    }
    let [change] = ended.as_slice() else { panic!("{ended:?}") };
    let told = change.alert.told(&mut |mac| Some(Address::Mac(mac)), true);
    assert_eq!(told.end, Some(UnixNanos(SECOND)));
    assert_eq!(told.not_watched_ms, 300_000);
    // 2.5 s of the first window, of the missed one, and of those until it ended.
    assert_eq!(told.listened_ms, Some(2_500 * 8));
}

#[test]
fn no_more_alerts_are_open_than_there_is_room_for_and_the_others_are_counted() {
    let mut watch = Watch::new(&rules());
    for number in 0..200_u64 {
        let ta = Mac::from_u64(0x0200_0000_1000 + number);
        (0..5).for_each(|step| heard(&mut watch, UnixNanos(SECOND + step), &deauth(ta)));
    }
    assert_eq!(watch.counts().opened[0], MAX_OPEN as u64);
    assert_eq!(watch.counts().left_out, (200 - MAX_OPEN as u64) * 5);
    assert_eq!(watch.finish().len(), 2 * MAX_OPEN);
}

#[test]
fn what_is_expected_is_silent_and_counted() {
    let mut rules = rules();
    rules.settings.expected = vec![Expected { kind: Kind::DeauthFlood, subject: MINE.to_string() }];
    let mut watch = Watch::new(&rules);
    (0..9).for_each(|number| heard(&mut watch, UnixNanos(SECOND + number), &deauth(MINE)));
    assert_eq!((watch.finish(), watch.counts().silenced), (Vec::new(), 25));
}

#[test]
fn a_table_keeps_its_size_and_forgets_the_one_quiet_for_longest() {
    let mut table: Table<u64, u64> = Table::new(64);
    for key in 0..10_000 {
        let now = UnixNanos(i64::try_from(key).unwrap());
        // One that is always there stays.
        *table.entry(7_777_777, now).unwrap().0 += 1;
        assert!(table.entry(key, now).unwrap().1);
    }
    assert_eq!(*table.get(7_777_777).unwrap(), 10_000);
    assert_eq!(table.iter().count(), 64);
    assert_eq!(table.evicted(), 10_000 + 1 - 64);
}

#[test]
fn what_was_learnt_is_remembered() {
    let data = |sta: Mac| [&[0x08, 0x41, 0, 0][..], &MINE.0, &sta.0, &MINE.0, &[0; 30]].concat();
    let comes = |watch: &mut Watch, sta: Mac, from: i64| {
        (0..5).for_each(|step| heard(watch, UnixNanos((from + step) * SECOND), &data(sta)));
    };
    let (old, new) = (Mac([0, 0, 0, 0, 0, 8]), Mac([0, 0, 0, 0, 0, 9]));
    let mut rules = rules();
    rules.settings.learn = Duration::from_secs(100);
    let mut watch = Watch::new(&rules);
    comes(&mut watch, old, 1);
    assert_eq!(watch.finish(), []);
    let (began, known) = watch.learnt();
    let known: Vec<Mac> = known.collect();
    assert_eq!((began, known.as_slice()), (UnixNanos(SECOND), &[old][..]));
    let mut later = Watch::new(&rules);
    later.remember(began, known);
    comes(&mut later, old, 500);
    comes(&mut later, new, 500);
    let told = later.finish();
    assert_eq!(news(&told), [News::Opened, News::Ended]);
    assert_eq!((told[0].alert.kind, told[0].alert.subject), (Kind::NewDevice, Subject::Address(new)));
}

fn frames() -> impl Strategy<Value = Vec<(i64, Vec<u8>)>> {
    // Few addresses, so that they meet; kinds that rules look at more often than others.
    let address = prop::sample::select(vec![MINE, Mac([2, 0, 0, 0, 0, 2]), Mac([0, 0, 0, 0, 0, 3]), Mac::BROADCAST]);
    let kind =
        prop::sample::select(vec![0x80_u8, 0x50, 0xc0, 0xa0, 0xb0, 0x00, 0xd0, 0x08, 0x88, 0xb4, 0xc4, 0x40, 0x17]);
    let frame = (
        kind,
        any::<u8>(),
        any::<u16>(),
        [address.clone(), address.clone(), address],
        any::<u16>(),
        prop::collection::vec(any::<u8>(), 0..80),
    )
        .prop_map(|(kind, flags, duration, [a, b, c], sequence, body)| {
            [&[kind, flags & 0x4b][..], &duration.to_le_bytes(), &a.0, &b.0, &c.0, &sequence.to_le_bytes(), &body]
                .concat()
        });
    prop::collection::vec((-20_i64..20, frame), 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever comes, and whenever: what is told has a beginning before its end, opens before it ends, and is never too much.
    #[test]
    fn any_frames_make_alerts_that_hold_together(frames in frames(), quiet in 0_u8..3) {
        let mut watch = Watch::new(&rules());
        let (mut time, mut open) = (0_i64, 0_i64);
        let mut told = Vec::new();
        for (step, frame) in &frames {
            time += step * SECOND / 10;
            heard(&mut watch, UnixNanos(time), frame);
            if *step == 19 {
                let missed = quiet == 1;
                told.extend(watch.window_closed(&Closed { missed, ..window(time / SECOND) }));
            }
        }
        heard(&mut watch, UnixNanos::NONE, &deauth(MINE));
        told.extend(watch.finish());
        for change in told {
            open += match change.news {
                News::Opened => 1,
                News::GoesOn => 0,
                News::Ended => -1,
            };
            prop_assert!((0..=i64::try_from(MAX_OPEN).unwrap()).contains(&open));
            prop_assert!(change.alert.start <= change.alert.last && change.alert.frames > 0);
            let alert = change.alert.told(&mut |_| None, false);
            prop_assert!(!serde_json::to_string(&alert).unwrap().contains("02:00:00"));
        }
        prop_assert_eq!(open, 0);
    }
}
