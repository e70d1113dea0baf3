//! Where a chart's axes have their marks: round values, round times.

use super::text;
use crate::UnixNanos;

/// Distances between marks of the time, in seconds.
const DISTANCES: [i64; 20] = [
    10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600, 604_800,
    1_209_600, 2_592_000, 5_184_000,
];
const DAY: i64 = 86_400;

/// Round values from 0 to above `highest`, and the last of them.
pub(super) fn value_ticks(highest: f64) -> (Vec<f64>, f64) {
    let highest = if highest.is_finite() && highest > 0.0 { highest } else { 1.0 };
    let power = 10_f64.powf((highest / 3.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| step * 4.0 >= highest);
    let step = step.unwrap_or(power * 10.0);
    let mut ticks = vec![0.0];
    let mut value = 0.0;
    while value < highest {
        value += step;
        ticks.push(value);
    }
    (ticks, value)
}

/// A value as an axis has it: `0`, `2.5`, `40`, `1,500`, `2 M`.
pub(super) fn label(value: f64) -> String {
    match value {
        large if large >= 1e6 => format!("{} M", trimmed(large / 1e6)),
        large if large >= 1e4 => format!("{} k", trimmed(large / 1e3)),
        large if large >= 100.0 => text::count(text::whole(large.round())),
        small => trimmed(small),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// At most `most` points in time within the chart, each with its text in UTC and the form in which a script writes it anew:
/// `time`, `day`.
pub(super) fn time_ticks(from: UnixNanos, to: UnixNanos, most: usize) -> Vec<(UnixNanos, String, &'static str)> {
    let (start, end) = (from.0.div_euclid(1_000_000_000), to.0.div_euclid(1_000_000_000));
    let most = i64::try_from(most).unwrap_or(4);
    let distance = DISTANCES.into_iter().find(|distance| (end - start) / distance < most).unwrap_or(DAY * 120);
    let mut ticks = Vec::new();
    // Weeks begin on Mondays: 1970 began on a Thursday.
    let offset = if distance % (7 * DAY) == 0 { 4 * DAY } else { 0 };
    let mut at = (start - offset).div_euclid(distance) * distance + offset;
    while at <= end {
        if at >= start {
            let time = UnixNanos::new(at, 0);
            let shown = text::utc(time);
            let is_midnight = at.rem_euclid(DAY) == 0;
            let (range, form) = match distance {
                ..60 => (11..19, "second"),
                _ if distance >= DAY || is_midnight => (5..10, "day"),
                _ => (11..16, "time"),
            };
            ticks.push((time, shown.get(range).unwrap_or_default().to_owned(), form));
        }
        at += distance;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_round_and_few_and_reach_past_the_highest() {
        for highest in [0.0, 0.034, 1.0, 7.3, 99.0, 1_234.0, 5.6e7] {
            let (ticks, top) = value_ticks(highest);
            assert!(top >= highest && (3..=6).contains(&ticks.len()), "{highest}: {ticks:?}");
        }
        assert_eq!(value_ticks(7.3).0, [0.0, 2.0, 4.0, 6.0, 8.0]);
        for (value, text) in
            [(0.0, "0"), (2.5, "2.5"), (0.05, "0.05"), (1_500.0, "1,500"), (2e6, "2 M"), (25_000.0, "25 k")]
        {
            assert_eq!(label(value), text);
        }
    }

    #[test]
    fn times_are_round_and_as_few_as_fit() {
        let start = UnixNanos::new(1_700_000_000, 0); // 2023-11-14T22:13:20Z
        for (seconds, most) in [(60, 9), (3_600, 4), (86_400, 9), (7 * 86_400, 4), (400 * 86_400, 9)] {
            let ticks = time_ticks(start, UnixNanos::new(1_700_000_000 + seconds, 0), most);
            assert!((1..=most + 1).contains(&ticks.len()), "{seconds}: {ticks:?}");
        }
        let hours = time_ticks(start, UnixNanos::new(1_700_000_000 + 3 * 3_600, 0), 4);
        let labels: Vec<&str> = hours.iter().map(|(_, label, _)| label.as_str()).collect();
        assert_eq!(labels, ["23:00", "11-15", "01:00"]);
    }
}
