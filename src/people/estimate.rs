//! From the number of devices to an interval of people. The constants were chosen on recorded days: `docs/people.md` says on
//! which, and what they are worth on others.

/// How much stronger (dB) than the weakest that is taken one request must be, for the room not to be empty. Devices of a
/// neighbouring room reach a threshold now and then; where people are in this one, somebody is nearer than that.
pub(super) const NEAR: i8 = 12;

/// From so many times the estimate to so many the truth was in nine of ten intervals.
const LOW: f64 = 0.6;
const HIGH: f64 = 2.0;

/// How many people, by these devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guess {
    /// At least.
    pub low: u32,
    /// The estimate.
    pub estimate: u32,
    /// At most.
    pub high: u32,
}

/// How many people there are where `devices` are told apart. Where none of them is near (12 dB above the threshold), they are likely next door:
/// one person at most is taken to be here, and that all of them are is not ruled out.
#[must_use]
pub fn guess(devices: usize, is_one_near: bool, people_per_device: f64) -> Guess {
    #[allow(clippy::cast_precision_loss)] // Devices are some thousands.
    let people = |devices: usize| devices as f64 * people_per_device;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A cast holds it at the edges of what fits.
    let whole = |people: f64| people.round() as u32;
    let here = if is_one_near { devices } else { devices.min(1) };
    // One device is as often nobody as somebody.
    let low = if here <= 1 { 0 } else { whole(LOW * people(here)) };
    let high = whole(HIGH * people(here)).max(whole(people(devices))).max(1);
    Guess { low, estimate: whole(people(here)), high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_interval_is_around_its_estimate() {
        let of = |devices, near| {
            let Guess { low, estimate, high } = guess(devices, near, 1.0);
            (low, estimate, high)
        };
        assert_eq!([of(0, false), of(1, true), of(1, false)], [(0, 0, 1), (0, 1, 2), (0, 1, 2)]);
        assert_eq!([of(2, true), of(10, true), of(7, false)], [(1, 2, 4), (6, 10, 20), (0, 1, 7)]);
    }

    proptest! {
        #[test]
        fn it_is_in_order_and_grows_with_what_is_heard(devices in 0usize..100_000, near: bool, factor in 0.1f64..10.0) {
            let one = guess(devices, near, factor);
            prop_assert!(one.low <= one.estimate && one.estimate <= one.high && one.high >= 1);
            let more = guess(devices + 1, near, factor);
            prop_assert!(one.low <= more.low && one.estimate <= more.estimate && one.high <= more.high);
            let nearer = guess(devices, true, factor);
            prop_assert!(one.low <= nearer.low && one.estimate <= nearer.estimate && one.high <= nearer.high);
        }
    }
}
