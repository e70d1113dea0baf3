//! Which channel for how long: a pure function of what is asked for and what was heard lately.

use crate::{
    config::{Order, Radio},
    dot11::channels::Tuning,
};
use std::{collections::BTreeMap, time::Duration};

/// One stay on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Where.
    pub tuning: Tuning,
    /// For how long.
    pub dwell: Duration,
}

/// Frames per second heard lately on each frequency (MHz). What is missing is taken for quiet.
pub type Activity = BTreeMap<u16, f64>;

/// One cycle: every channel of `tunings` once.
///
/// It lasts `radio.dwell` times their number, to the millisecond. With `radio.adaptive` each channel has
/// `radio.min_dwell` (or `radio.dwell`, if that is less) and the rest is divided as the frames heard are; before any
/// were, all are equal.
#[must_use]
pub fn plan(radio: &Radio, tunings: &[Tuning], activity: &Activity) -> Vec<Visit> {
    let dwells = dwells(radio, tunings, activity);
    let visits: Vec<Visit> =
        tunings.iter().zip(dwells).map(|(&tuning, ms)| Visit { tuning, dwell: Duration::from_millis(ms) }).collect();
    match radio.order {
        Order::Sequential => visits,
        Order::Spread => spread(visits),
    }
}

/// How long a cycle of this plan takes, without the time for switching: when each channel is visited again.
#[must_use]
pub fn cycle(visits: &[Visit]) -> Duration {
    visits.iter().map(|visit| visit.dwell).sum()
}

fn dwells(radio: &Radio, tunings: &[Tuning], activity: &Activity) -> Vec<u64> {
    let dwell = u64::try_from(radio.dwell.as_millis()).unwrap_or(u64::MAX);
    let equal = vec![dwell; tunings.len()];
    let heard: Vec<f64> = tunings.iter().map(|tuning| rate(activity, *tuning)).collect();
    let all: f64 = heard.iter().sum();
    if !radio.adaptive || all <= 0.0 {
        return equal;
    }
    let floor = u64::try_from(radio.min_dwell.as_millis()).unwrap_or(u64::MAX).min(dwell);
    let shared = dwell.saturating_sub(floor).saturating_mul(tunings.len() as u64);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a cycle are few")]
    let exact: Vec<f64> = heard.iter().map(|rate| rate / all * shared as f64).collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded down from what is positive")]
    let mut dwells: Vec<u64> = exact.iter().map(|ms| floor + *ms as u64).collect();
    // What rounding left over goes to those that it cost most.
    let mut by_loss: Vec<usize> = (0..exact.len()).collect();
    by_loss.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let left = (dwell * tunings.len() as u64).saturating_sub(dwells.iter().sum());
    for &index in by_loss.iter().cycle().take(usize::try_from(left).unwrap_or(0)) {
        dwells[index] += 1;
    }
    dwells
}

fn rate(activity: &Activity, tuning: Tuning) -> f64 {
    let rate = activity.get(&tuning.freq_mhz).copied().unwrap_or(0.0);
    if rate.is_finite() && rate > 0.0 { rate } else { 0.0 }
}

/// The first half and the second half in turn, by frequency: consecutive channels are half the list apart, so that
/// what spills over from one is not heard again on the next.
fn spread(mut visits: Vec<Visit>) -> Vec<Visit> {
    visits.sort_unstable_by_key(|visit| visit.tuning);
    let second = visits.split_off(visits.len().div_ceil(2));
    let mut second = second.into_iter();
    visits.into_iter().flat_map(|visit| std::iter::once(visit).chain(second.next()).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::dot11::channels::Selection;
    use proptest::prelude::*;

    fn tunings(text: &str) -> Vec<Tuning> {
        text.parse::<Selection>().unwrap().tunings(|freq_mhz| freq_mhz != 2484)
    }

    fn shown(visits: &[Visit]) -> String {
        visits.iter().map(|visit| visit.tuning.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_order_is_as_asked_for() {
        let mut radio = Radio { adaptive: false, ..Radio::default() };
        let visits = plan(&radio, &tunings("2.4"), &Activity::new());
        assert_eq!(shown(&visits), "1 8 2 9 3 10 4 11 5 12 6 13 7");
        assert_eq!(cycle(&visits), Duration::from_millis(13 * 250));
        radio.order = Order::Sequential;
        assert_eq!(shown(&plan(&radio, &tunings("11,1,6"), &Activity::new())), "11 1 6");
    }

    #[test]
    fn busy_channels_get_what_quiet_ones_can_spare() {
        let radio = Radio { order: Order::Sequential, ..Radio::default() };
        let activity = Activity::from([(2412, 30.0), (2437, 10.0)]);
        let visits = plan(&radio, &tunings("1,6,11,36"), &activity);
        let ms: Vec<u128> = visits.iter().map(|visit| visit.dwell.as_millis()).collect();
        assert_eq!(ms, [120 + 390, 120 + 130, 120, 120]);
        let silent = plan(&radio, &tunings("1,6,11,36"), &Activity::new());
        assert!(silent.iter().all(|visit| visit.dwell == radio.dwell));
    }

    proptest! {
        #[test]
        fn every_channel_is_visited_once_for_its_floor_in_the_time_promised(
            freqs in proptest::collection::btree_set(2412u16..7115, 0..80),
            rates in proptest::collection::btree_map(2412u16..7115, prop_oneof![0.0..1e5f64, Just(f64::NAN), Just(-1.0)], 0..40),
            dwell in 10u64..5000, floor in 1u64..6000, adaptive: bool, sequential: bool,
        ) {
            let radio = Radio {
                dwell: Duration::from_millis(dwell),
                min_dwell: Duration::from_millis(floor),
                adaptive,
                order: if sequential { Order::Sequential } else { Order::Spread },
                ..Radio::default()
            };
            let tunings: Vec<Tuning> = freqs.iter().map(|&freq_mhz| Tuning::narrow(freq_mhz)).collect();
            let visits = plan(&radio, &tunings, &rates);
            let mut visited: Vec<Tuning> = visits.iter().map(|visit| visit.tuning).collect();
            if !sequential && visited.len() >= 5 {
                let place = |tuning| tunings.iter().position(|known| *known == tuning).unwrap();
                for pair in visited.windows(2) {
                    prop_assert!(place(pair[0]).abs_diff(place(pair[1])) >= 2, "neighbours follow each other");
                }
            }
            visited.sort_unstable();
            prop_assert_eq!(visited, tunings);
            prop_assert_eq!(cycle(&visits), radio.dwell * u32::try_from(visits.len()).unwrap());
            prop_assert!(visits.iter().all(|visit| visit.dwell >= radio.dwell.min(radio.min_dwell)));
        }
    }
}
