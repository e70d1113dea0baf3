//! What figures mean: shares of the time listened, frames a second, the kind of a step, channels and roles by name.

use super::{
    chart::{Kind, Step},
    table::Cell,
    text,
};
use crate::{
    dot11::channels::channel_of,
    sink::history::{Counts, query::SeriesRow},
    wire::Role,
};

/// Frames a second of listening, or of windows where no sensor can know how long it listened.
#[must_use]
pub fn per_second(frames: u64, counts: &Counts) -> Option<f64> {
    let millis = counts.listened_ms.unwrap_or(counts.covered_ms);
    (millis > 0).then(|| text::real(frames) * 1_000.0 / text::real(millis))
}

/// How much was listened to of `expected_ms`, in words: `58.2 s of 60 s, 6 windows`.
#[must_use]
pub fn exposure(counts: &Counts, expected_ms: u64) -> String {
    let windows = text::counted(counts.windows, "window", "windows");
    let all = text::duration(expected_ms);
    match counts.listened_ms {
        Some(listened) => format!("{} of {all}, {windows}", text::duration(listened)),
        None if counts.windows == 0 && expected_ms == 0 => "no window".to_owned(),
        None if counts.windows == 0 => format!("no window in {all}"),
        None => format!(
            "{windows} of {} in all; how long the source listened is not known",
            text::duration(counts.covered_ms)
        ),
    }
}

/// The same as a cell: a share, or what is known in its place.
#[must_use]
pub fn listened(counts: &Counts, expected_ms: u64) -> Cell {
    let part = match counts.listened_ms {
        _ if counts.windows == 0 => Some(0.0),
        Some(listened) => Some(text::real(listened.min(expected_ms))),
        None => None,
    };
    Cell::percent(part, text::real(expected_ms)).noted(exposure(counts, expected_ms))
}

/// How the windows of a step were, by what they say of themselves.
#[must_use]
pub fn kind(counts: Option<&Counts>) -> Kind {
    let Some(counts) = counts.filter(|counts| counts.windows > 0) else { return Kind::Missing };
    let is_off = counts.off_ms.is_some_and(|off| off.saturating_mul(2) >= counts.covered_ms && off > 0);
    let is_silent = counts.frames == 0 && counts.listened_ms.is_some();
    if is_off || is_silent || counts.listened_ms == Some(0) { Kind::Deaf } else { Kind::Heard }
}

/// Frames that kernels and interfaces dropped; absent where nobody can know.
#[must_use]
pub fn dropped(counts: &Counts) -> Option<u64> {
    match (counts.kernel_drops, counts.interface_drops) {
        (None, None) => None,
        (kernel, interface) => Some(kernel.unwrap_or(0).saturating_add(interface.unwrap_or(0))),
    }
}

/// A step of a chart: its values from what was counted, its exposure over `sensors` sensors.
#[must_use]
pub fn step(row: &SeriesRow, sensors: u64, values: impl Fn(&SeriesRow, &Counts) -> Vec<f64>) -> Step {
    let length = millis(row).saturating_mul(sensors.max(1));
    let counts = row.counts.as_ref();
    let lost = row.lost_frames.unwrap_or(0) > 0 || counts.and_then(dropped).unwrap_or(0) > 0;
    Step {
        start: row.from,
        end: row.to,
        values: counts.map(|counts| values(row, counts)).unwrap_or_default(),
        listened: counts
            .and_then(|counts| counts.listened_ms)
            .filter(|_| length > 0)
            .map(|listened| text::real(listened) / text::real(length)),
        kind: kind(counts),
        has_lost: lost || row.gap_ms > 0,
    }
}

/// The length of a row's step.
#[must_use]
pub fn millis(row: &SeriesRow) -> u64 {
    u64::try_from(row.to.saturating_since(row.from).as_millis()).unwrap_or(u64::MAX)
}

/// A frequency by its channel: `6 (2437 MHz)`.
#[must_use]
pub fn channel(freq_mhz: u16) -> String {
    match channel_of(freq_mhz) {
        Some((_, number)) => format!("{number} ({freq_mhz}\u{a0}MHz)"),
        None => format!("{freq_mhz}\u{a0}MHz"),
    }
}

/// A few frequencies by their channels: `1, 6, 36`.
#[must_use]
pub fn channels(freqs_mhz: &[u16]) -> String {
    let name =
        |freq: &u16| channel_of(*freq).map_or_else(|| format!("{freq}\u{a0}MHz"), |(_, number)| number.to_string());
    if freqs_mhz.is_empty() {
        text::UNKNOWN.to_owned()
    } else {
        freqs_mhz.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// The roles, as an address has them and for people.
pub const ROLES: [(Role, &str, &str); 5] = [
    (Role::AccessPoint, "access_point", "access point"),
    (Role::Client, "client", "client"),
    (Role::AdHoc, "ad_hoc", "ad hoc"),
    (Role::Wired, "wired", "wired"),
    (Role::Unknown, "unknown", "unknown"),
];

/// A role for people.
#[must_use]
pub fn role(role: Role) -> &'static str {
    ROLES.iter().find(|(other, ..)| *other == role).map_or("unknown", |(.., words)| words)
}

/// Why windows are missing, in words.
#[must_use]
pub fn reason(word: &str) -> String {
    match word {
        "evicted" => "the sensor's spool was full".to_owned(),
        "crash" => "it ended without closing its last window".to_owned(),
        "unavailable" => "no longer at the sensor when it was asked for".to_owned(),
        "other" => "for a reason that this version does not know".to_owned(),
        other => text::foreign(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixNanos;

    fn counts(listened_ms: Option<u64>, off_ms: Option<u64>, frames: u64) -> Counts {
        Counts { windows: 6, covered_ms: 60_000, listened_ms, off_ms, frames, ..Counts::default() }
    }

    #[test]
    fn a_step_is_deaf_where_the_radio_was_off_or_nothing_was_heard() {
        assert_eq!(kind(None), Kind::Missing);
        assert_eq!(kind(Some(&Counts::default())), Kind::Missing, "a gap's row alone is no window");
        assert_eq!(kind(Some(&counts(Some(58_000), Some(0), 100))), Kind::Heard);
        assert_eq!(kind(Some(&counts(Some(58_000), Some(0), 0))), Kind::Deaf);
        assert_eq!(kind(Some(&counts(Some(20_000), Some(40_000), 50))), Kind::Deaf);
        assert_eq!(kind(Some(&counts(None, None, 0))), Kind::Heard, "a capture without frames says nothing of a radio");
    }

    #[test]
    fn exposure_is_said_and_what_nobody_knows_is_not_zero() {
        let plain = |text: String| text.replace('\u{a0}', " ");
        assert_eq!(plain(exposure(&counts(Some(58_200), None, 1), 60_000)), "58.2 s of 1 min, 6 windows");
        assert!(exposure(&counts(None, None, 1), 60_000).contains("not known"));
        assert_eq!(plain(exposure(&Counts::default(), 60_000)), "no window in 1 min");
        assert_eq!(listened(&counts(None, None, 1), 60_000).text, text::UNKNOWN);
        assert_eq!(plain(listened(&Counts::default(), 60_000).text), "0 %");
        assert_eq!(per_second(600, &counts(Some(30_000), None, 600)), Some(20.0));
        assert_eq!(per_second(600, &counts(None, None, 600)), Some(10.0));
        assert_eq!(per_second(600, &Counts::default()), None);
    }

    #[test]
    fn a_steps_share_is_of_all_sensors() {
        let row = SeriesRow {
            from: UnixNanos(0),
            to: UnixNanos::new(60, 0),
            counts: Some(counts(Some(60_000), None, 10)),
            stations: None,
            gap_ms: 0,
            lost_frames: None,
        };
        let drawn = step(&row, 2, |_, counts| vec![text::real(counts.frames)]);
        assert_eq!((drawn.listened, drawn.values.as_slice(), drawn.has_lost), (Some(0.5), &[10.0][..], false));
        assert!(step(&SeriesRow { gap_ms: 5, ..row }, 1, |_, _| Vec::new()).has_lost);
    }

    #[test]
    fn channels_have_numbers() {
        assert_eq!(channel(2_437), "6 (2437\u{a0}MHz)");
        assert_eq!((channels(&[2_412, 5_180]).as_str(), channels(&[]).as_str()), ("1, 36", text::UNKNOWN));
    }
}
