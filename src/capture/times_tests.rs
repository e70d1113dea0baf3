#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const S: i64 = 1_000_000_000;
const NOW: i64 = 1_700_000_000 * S;
const WILD: i64 = 4_294_967_295 * S;

/// What packets of these times are handed over with, in blocks of `size`.
fn mend_by(size: usize, times: &[i64]) -> (Vec<i64>, Times) {
    let mut mender = Times::default();
    let mut out = Vec::new();
    let packets: Vec<_> = times
        .iter()
        .map(|&time| Packet {
            time: UnixNanos(time),
            link: LinkType::RADIOTAP,
            data: &[1, 2, 3],
            original_len: 3,
            told: Told::default(),
            mended: false,
        })
        .collect();
    let mut each = |block: &[Packet<'_>]| out.extend(block.iter().map(|packet| packet.time.0));
    packets.chunks(size).for_each(|block| mender.block(block, &mut each));
    mender.end(&mut each);
    (out, mender)
}

fn mend(times: &[i64]) -> (Vec<i64>, Times) {
    mend_by(32, times)
}

/// A packet a second.
fn seconds(count: i64) -> Vec<i64> {
    (0..count).map(|second| NOW + second * S).collect()
}

#[test]
fn one_or_two_wild_stamps_in_a_row_are_their_packets_own_fault() {
    for wild in [0, 1, NOW - 86_400 * S, NOW + 86_400 * S, WILD, i64::MAX] {
        for count in 1..=2 {
            for place in 1..20 - 2 * count {
                let mut times = seconds(20);
                times[place..place + count].fill(wild);
                let (out, mender) = mend(&times);
                let mut right = seconds(20);
                right[place..place + count].fill(NOW + (place as i64 - 1) * S);
                assert_eq!(out, right, "{wild} at {place}");
                assert_eq!(mender.counts.wild, count as u64);
            }
        }
    }
}

#[test]
fn a_wild_stamp_at_the_very_beginning_or_end_is_mended_too() {
    for wild in [0, WILD] {
        let mut times = seconds(10);
        times[0] = wild;
        assert_eq!(mend(&times).0[..2], [NOW + S, NOW + S]);
        let mut times = seconds(10);
        times[9] = wild;
        assert_eq!(mend(&times).0[9], NOW + 8 * S);
    }
}

#[test]
fn a_clock_that_is_set_and_stays_is_a_new_clock() {
    for to in [0, NOW - 7_200 * S, WILD] {
        let times = [seconds(10), (0..10).map(|second| to + second * S).collect()].concat();
        let (out, mender) = mend(&times);
        assert_eq!(out, times);
        assert_eq!((mender.counts.wild, mender.counts.clocks), (0, 1), "{to}");
        assert!(mender.notes("x").concat().contains("the clock was set once"));
    }
}

#[test]
fn quiet_hours_and_single_packets_after_them_are_left_as_they_are() {
    let times: Vec<i64> = (0..40).map(|hour| NOW + hour * 3_600 * S).collect();
    let (out, mender) = mend(&times);
    assert_eq!(out, times);
    assert!(mender.notes("x").is_empty());
    let times = [NOW, NOW + S, NOW + 2 * S, NOW + 86_400 * S];
    assert_eq!(mend(&times).0, times);
    // Nobody can tell which of two is wrong.
    assert_eq!(mend(&[0, NOW]).0, [0, NOW]);
}

#[test]
fn two_clocks_by_turns_are_two_clocks() {
    let times: Vec<i64> = (0..40).map(|at| if at % 2 == 0 { NOW + at * S } else { at * S }).collect();
    let (out, mender) = mend(&times);
    assert_eq!(out, times);
    assert_eq!(mender.counts.wild, 0);
}

#[test]
fn a_packet_without_a_time_has_that_of_the_one_before_it_or_none() {
    let none = UnixNanos::NONE.0;
    let (out, mender) = mend(&[none, none, NOW, none, NOW + S, NOW + 2 * S]);
    assert_eq!(out, [none, none, NOW, NOW, NOW + S, NOW + 2 * S]);
    assert_eq!((mender.counts.before, mender.counts.without), (2, 1));
    assert_eq!(mend(&[none; 3]).0, [none; 3]);
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => (0..100i64).prop_map(|second| NOW + second * S),
        2 => (0..100i64).prop_map(|second| second * S),
        1 => (0..100i64).prop_map(|second| WILD + second * S),
        1 => any::<i64>(),
        1 => Just(UnixNanos::NONE.0),
    ]
}

proptest! {
    /// No packet is lost, none is doubled, and how they come makes no difference.
    #[test]
    fn every_packet_comes_out_once_however_they_are_cut(
        times in proptest::collection::vec(time(), 0..200), size in 1usize..40,
    ) {
        let (whole, mender) = mend(&times);
        let (cut, other) = mend_by(size, &times);
        prop_assert_eq!(&whole, &cut);
        prop_assert_eq!(mender.counts, other.counts);
        prop_assert_eq!(whole.len(), times.len());
        let changed = whole.iter().zip(&times).filter(|(out, time)| out != time).count() as u64;
        prop_assert!(changed <= mender.counts.wild + mender.counts.without);
    }

    /// Two halves that say they continue each other give what the whole gives.
    #[test]
    fn halves_that_continue_each_other_are_the_whole(
        times in proptest::collection::vec(time(), 2..60), part in 0.0f64..1.0, calm: bool,
    ) {
        let times = if calm { seconds(times.len() as i64) } else { times };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let (one, other) = times.split_at((times.len() as f64 * part) as usize);
        let ((first, before), (second, after)) = (mend(one), mend(other));
        prop_assert!(!calm || one.is_empty() || other.is_empty() || before.continues(&after));
        if before.continues(&after) {
            prop_assert_eq!([first, second].concat(), mend(&times).0);
        }
    }
}
