//! What a meter says of frames, windows and quiet.
#![allow(clippy::unwrap_used)]

use super::{Heard, INTERVAL, Key, Meter, Settings};
use crate::{
    Mac, UnixNanos,
    dot11::{self, Facts, LinkType},
    wire::{NoEstimate, People},
};
use proptest::prelude::*;
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

const SECOND: i64 = 1_000_000_000;
/// A multiple of five minutes.
const BEGIN: i64 = 1_700_000_100;

fn at(second: i64) -> UnixNanos {
    UnixNanos::new(BEGIN + second, 0)
}

fn global(last: u8) -> Mac {
    Mac([0x3c, 0x22, 0xfb, 0, 0, last])
}

fn randomised(last: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, last])
}

/// A probe request of `from`, whose device is of a model of its own.
fn probe(from: Mac, model: u8) -> Vec<u8> {
    let mut frame = vec![0x40, 0, 0, 0];
    frame.extend([0xff; 6]);
    frame.extend(from.0);
    frame.extend([0xff; 6]);
    frame.extend([0x10, 0, 0, 0, 1, 2, 0x82, model]);
    frame
}

fn facts(frame: &[u8], signal_dbm: Option<i8>) -> Facts<'_> {
    Facts { signal_dbm, ..dot11::parse(LinkType::IEEE802_11, frame, u32::try_from(frame.len()).unwrap()) }
}

fn keys() -> Box<dyn FnMut() -> Key + Send> {
    let mut next = 0;
    Box::new(move || {
        next += 1;
        [next; 32]
    })
}

fn meter() -> Meter {
    Meter::new(Settings::default(), keys())
}

fn request(meter: &mut Meter, second: i64, from: Mac, model: u8, signal: i8) {
    meter.frame(at(second), &facts(&probe(from, model), Some(signal)));
}

/// A frame that says no more than that something was heard.
fn beacon(meter: &mut Meter, second: i64) {
    meter.frame(at(second), &facts(&[0x80], None));
}

fn finish(meter: &mut Meter) -> Vec<People> {
    meter.window(at(0), at(0), Heard::Captured, true)
}

fn estimates(people: &[People]) -> Vec<Result<u32, NoEstimate>> {
    people.iter().map(|one| one.estimate.ok_or_else(|| one.reason.unwrap())).collect()
}

#[test]
fn global_addresses_and_models_of_randomised_ones_are_told_apart() {
    let mut meter = Meter::new(Settings { ignored: vec![global(9)], ..Settings::default() }, keys());
    for second in [0, 100, 290] {
        request(&mut meter, second, global(1), 1, -50);
        request(&mut meter, second, global(2), 1, -72);
        request(&mut meter, second, global(3), 1, -73); // too far
        request(&mut meter, second, global(9), 1, -40); // the room's own
        request(&mut meter, second, randomised(1), 1, -60);
        request(&mut meter, second, randomised(2), 1, -60); // the same model, or the same device
        request(&mut meter, second, randomised(3), 2, -60);
        request(&mut meter, second, randomised(3), 3, -60); // a variant of what was met
    }
    let people = finish(&mut meter);
    assert_eq!(estimates(&people), [Ok(4)]);
    assert_eq!((people[0].start, people[0].end), (at(0), at(300)));
    assert_eq!((people[0].low, people[0].high, people[0].listened_ms), (Some(2), Some(8), None));
}

#[test]
fn a_quiet_room_is_zero_and_what_a_capture_does_not_cover_is_unknown() {
    let mut meter = meter();
    beacon(&mut meter, 151); // less than half of the first
    beacon(&mut meter, 1_700); // quiet for an hour, nearly
    beacon(&mut meter, 1_700 + 86_400 + 300); // no capture is that quiet
    let times = |people: &[People]| people.iter().map(|one| (one.start.0 / SECOND - BEGIN) / 300).collect::<Vec<_>>();
    let people = finish(&mut meter);
    let unknown = Err(NoEstimate::Coverage);
    assert_eq!(estimates(&people), [unknown, Ok(0), Ok(0), Ok(0), Ok(0), Ok(0), unknown]);
    assert_eq!(times(&people), [0, 1, 2, 3, 4, 5, 294]);
    assert!(people.iter().all(|one| one.high.is_none_or(|high| high == 1)));
}

#[test]
fn a_clock_that_was_set_back_begins_anew_and_a_late_frame_does_not() {
    let mut meter = meter();
    [100, 700, 590, 899, -7_190, -6_900].into_iter().for_each(|second| beacon(&mut meter, second));
    let people = finish(&mut meter);
    let times: Vec<i64> = people.iter().map(|one| one.start.0 / SECOND - BEGIN).collect();
    assert_eq!(times, [0, 300, 600, -7_200, -6_900]);
    let unknown = Err(NoEstimate::Coverage);
    assert_eq!(estimates(&people), [Ok(0), Ok(0), Ok(0), Ok(0), unknown]);
}

#[test]
fn weak_ones_alone_are_one_at_most() {
    let mut weak = meter();
    (0..5).for_each(|last| request(&mut weak, i64::from(last) * 70, global(last), 1, -63));
    let people = finish(&mut weak);
    assert_eq!((people[0].low, people[0].estimate, people[0].high), (Some(0), Some(1), Some(5)));
}

#[test]
fn without_signals_near_and_far_are_the_same() {
    let mut meter = meter();
    let frame = probe(global(1), 1);
    meter.frame(at(0), &facts(&frame, None));
    beacon(&mut meter, 299);
    assert_eq!(estimates(&finish(&mut meter)), [Err(NoEstimate::Signal)]);
}

#[test]
fn memory_is_bounded_and_says_so() {
    let mut meter = meter();
    for number in 0..(1 << 14) + 1u64 {
        let frame = probe(Mac::from_u64(0x0200_0000_0000 + number), 1);
        meter.frame(at(number.cast_signed() / 60), &facts(&frame, Some(-50)));
    }
    request(&mut meter, 400, global(1), 1, -50);
    request(&mut meter, 700, global(1), 1, -50);
    assert_eq!(estimates(&finish(&mut meter)), [Err(NoEstimate::Full), Ok(1), Err(NoEstimate::Coverage)]);
}

#[test]
fn a_card_that_did_not_listen_for_half_of_it_knows_nothing() {
    let live = |listened: &[Option<u64>], frames: bool| {
        let mut meter = meter();
        let mut told = Vec::new();
        for (second, &listened_ms) in (0..).step_by(10).zip(listened) {
            if frames {
                request(&mut meter, second, global(1), 1, -50);
            }
            told.extend(meter.window(at(second), at(second + 10), Heard::Live(listened_ms), false));
        }
        told.iter().map(|one| (one.estimate.ok_or_else(|| one.reason.unwrap()), one.listened_ms)).collect::<Vec<_>>()
    };
    assert_eq!(live(&[Some(9_000); 60], true), [(Ok(1), Some(270_000)); 2]);
    assert_eq!(live(&[Some(4_999); 30], true), [(Err(NoEstimate::Coverage), Some(149_970))]);
    assert_eq!(live(&[Some(10_000); 30], false), [(Err(NoEstimate::Deaf), Some(300_000))]);
    assert_eq!(live(&[None; 30], true), [(Ok(1), None)]);
    assert_eq!(live(&[None; 29], true), []);
}

#[test]
fn a_stop_and_a_clock_that_is_set_end_an_interval() {
    let mut meter = meter();
    request(&mut meter, 100, global(1), 1, -50);
    let told = meter.window(at(100), at(280), Heard::Live(Some(180_000)), true);
    assert_eq!(estimates(&told), [Ok(1)]);
    request(&mut meter, 100, global(1), 1, -50);
    meter.restart();
    request(&mut meter, -86_400, global(2), 1, -50);
    let told = meter.window(at(-86_400), at(-86_100), Heard::Live(None), false);
    assert_eq!((estimates(&told), told[0].start), (vec![Ok(1)], at(-86_400)));
}

#[test]
fn every_interval_has_a_key_of_its_own() {
    let asked = Arc::new(AtomicU8::new(0));
    let counter = Arc::clone(&asked);
    let mut meter = Meter::new(Settings::default(), Box::new(move || [counter.fetch_add(1, Ordering::Relaxed); 32]));
    (0..10).for_each(|interval| request(&mut meter, interval * 300, randomised(1), 1, -50));
    assert_eq!(asked.load(Ordering::Relaxed), 10);
    assert!(!estimates(&finish(&mut meter)).is_empty());
}

proptest! {
    /// Whatever comes: intervals are aligned, follow each other, and are the same however long windows are.
    #[test]
    fn windows_change_nothing(
        requests in prop::collection::vec((0i64..5_000, 0u8..6, any::<bool>(), -90i8..-40), 1..60),
        length in 1i64..2_000,
    ) {
        let mut requests = requests;
        requests.sort_unstable();
        let (mut whole, mut cut) = (meter(), meter());
        let mut told = Vec::new();
        let mut end = (requests[0].0 / length + 1) * length;
        for &(second, model, is_global, signal) in &requests {
            let from = if is_global { global(model) } else { randomised(model) };
            request(&mut whole, second, from, model, signal);
            if second >= end {
                told.extend(cut.window(at(end - length), at(end), Heard::Captured, false));
                end = (second / length + 1) * length;
            }
            request(&mut cut, second, from, model, signal);
        }
        told.extend(cut.window(at(end - length), at(end), Heard::Captured, true));
        let all = finish(&mut whole);
        prop_assert_eq!(&all, &told);
        let span = INTERVAL.as_nanos() as i64;
        prop_assert!(all.iter().all(|one| one.start.0 % span == 0 && one.end.0 - one.start.0 == span));
        prop_assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
        prop_assert!(all.iter().all(|one| one.estimate.is_some() != one.reason.is_some()));
    }
}
