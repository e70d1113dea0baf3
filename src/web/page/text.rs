//! Numbers, shares, times and strangers' texts as the page shows them.

use crate::{UnixNanos, printable::printable};
use std::fmt::Write as _;

/// What stands where nobody knows.
pub const UNKNOWN: &str = "–";
/// Keeps a number and its unit in one line.
const BLANK: char = '\u{a0}';

/// A count with its thousands parted: `12,345`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and the word for it: `1 window`, `12,345 windows`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{}{BLANK}{}", count(number), crate::units::noun(number, one, many))
}

/// How much a second, to three figures: `0.034`, `4.2`, `1,234`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.0 {
        return UNKNOWN.to_owned();
    }
    match per_second {
        0.0 => "0".to_owned(),
        small if small < 0.001 => "< 0.001".replace(' ', "\u{a0}"),
        small if small < 0.1 => format!("{small:.3}"),
        small if small < 1.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        large => count(whole(large)),
    }
}

/// A part of a whole in per cent, rounded so that only all is 100 and only nothing is 0: `97 %`, `> 99 %`, `< 1 %`.
#[must_use]
pub fn percent(part: f64, all: f64) -> String {
    if !(all > 0.0 && part.is_finite() && part >= 0.0) {
        return UNKNOWN.to_owned();
    }
    let share = part / all * 100.0;
    let text = match share {
        0.0 => "0".to_owned(),
        small if small < 1.0 => format!("<{BLANK}1"),
        almost if almost > 99.0 && almost < 100.0 => format!(">{BLANK}99"),
        all if all >= 100.0 => "100".to_owned(),
        share => count(whole(share.round())),
    };
    format!("{text}{BLANK}%")
}

/// A number that is not negative, without its fraction.
#[must_use]
pub fn whole(number: f64) -> u64 {
    // Saturates: what is too large is the largest.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = number.max(0.0) as u64;
    whole
}

/// A count as a number to draw and divide; past 2^53 it is rounded.
#[must_use]
pub fn real(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let real = count as f64;
    real
}

/// A length of time in its two largest units: `3 h 20 min`, `58.2 s`.
#[must_use]
pub fn duration(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    if millis < 60_000 {
        let text = if millis.is_multiple_of(1_000) {
            (millis / 1_000).to_string()
        } else {
            format!("{:.1}", real(millis) / 1_000.0)
        };
        return format!("{text}{BLANK}s");
    }
    let seconds = millis / 1_000;
    let first = UNITS.iter().position(|(length, _)| seconds >= *length).unwrap_or(3);
    let mut text = String::new();
    let mut rest = seconds;
    for (length, name) in UNITS.iter().skip(first).take(2) {
        let number = rest / length;
        rest %= length;
        if number > 0 {
            let blank = if text.is_empty() { String::new() } else { BLANK.to_string() };
            let _ = write!(text, "{blank}{number}{BLANK}{name}"); // Writing to a String cannot fail.
        }
    }
    text
}

/// How long `time` was before `now`, as nanoseconds make it: `12 s ago`; what is to come is `now`.
#[must_use]
pub fn age(time: UnixNanos, now: UnixNanos) -> String {
    let seconds = now.saturating_since(time).as_secs();
    if seconds == 0 { "now".to_owned() } else { format!("{}{BLANK}ago", duration(seconds * 1_000)) }
}

/// A size in octets, in decimal units: `4.2 MB`.
#[must_use]
pub fn size(octets: u64) -> String {
    let (unit, name) = match octets {
        0..1_000 => return format!("{octets}{BLANK}B"),
        1_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{}{BLANK}{name}", rate(real(octets) / unit))
}

/// A signal in dBm, with a true minus.
#[must_use]
pub fn dbm(signal: i64) -> String {
    let sign = if signal < 0 { "\u{2212}" } else { "" };
    format!("{sign}{}{BLANK}dBm", signal.unsigned_abs())
}

/// A stranger's text: characters that move, hide or turn text round are shown by their numbers, and a blank name is told.
#[must_use]
pub fn foreign(text: &str) -> String {
    let shown = printable(text);
    if shown.trim().is_empty() { "(blank)".to_owned() } else { shown.into_owned() }
}

/// The time to the second, as `<time datetime>` has it: `2026-11-27T13:30:05Z`.
#[must_use]
pub fn iso(time: UnixNanos) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..19).unwrap_or_default())
}

/// The time in UTC for people: `2026-11-27 13:30:05`.
#[must_use]
pub fn utc(time: UnixNanos) -> String {
    let text = time.to_string();
    text.get(..19).unwrap_or_default().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace(BLANK, " ")
    }

    #[test]
    fn counts_are_parted_and_rates_have_three_figures() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (number, text) in
            [(0.0, "0"), (0.0004, "< 0.001"), (0.0347, "0.035"), (0.5, "0.50"), (4.25, "4.2"), (1_234.5, "1,234")]
        {
            assert_eq!(plain(&rate(number)), text, "{number}");
        }
        assert_eq!(rate(f64::NAN), UNKNOWN);
        assert_eq!(plain(&counted(1, "window", "windows")), "1 window");
    }

    #[test]
    fn only_all_is_a_hundred_per_cent_and_only_nothing_is_none() {
        for (part, text) in
            [(0.0, "0 %"), (0.4, "< 1 %"), (50.4, "50 %"), (99.4, "> 99 %"), (99.996, "> 99 %"), (100.0, "100 %")]
        {
            assert_eq!(plain(&percent(part, 100.0)), text);
        }
        assert_eq!(percent(0.0, 0.0), UNKNOWN);
    }

    #[test]
    fn lengths_of_time_have_two_units() {
        for (millis, text) in [
            (0, "0 s"),
            (58_200, "58.2 s"),
            (60_000, "1 min"),
            (12_000_000, "3 h 20 min"),
            (86_400_000 * 3 + 5_000, "3 d"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(plain(&duration(millis)), text);
        }
        assert_eq!(plain(&age(UnixNanos::new(0, 0), UnixNanos::new(75, 5))), "1 min 15 s ago");
        assert_eq!(age(UnixNanos::new(9, 0), UnixNanos::new(3, 0)), "now");
    }

    #[test]
    fn texts_of_strangers_are_one_line_that_hides_nothing() {
        assert_eq!(foreign("pic\u{202e}gpj\u{0}"), "pic\\u{202e}gpj\\u{0}");
        assert_eq!(foreign("  "), "(blank)");
        assert_eq!(foreign("<script>"), "<script>", "escaped where it is put into the page");
    }

    #[test]
    fn times_and_sizes_and_signals_read_well() {
        let time = UnixNanos::new(1_700_000_000, 5);
        assert_eq!((iso(time).as_str(), utc(time).as_str()), ("2023-11-14T22:13:20Z", "2023-11-14 22:13:20"));
        assert_eq!(plain(&size(4_200_000)), "4.2 MB");
        assert_eq!(plain(&dbm(-71)), "\u{2212}71 dBm");
    }
}
