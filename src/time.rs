//! Points in time as the program carries them: nanoseconds of UTC since 1970.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Nanoseconds that neighbours in a capture are apart at most, as a rule: beyond it a clock was set, a stamp is wrong, or
/// it was quiet for long.
pub(crate) const LEAP: i64 = 600 * 1_000_000_000;

/// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted; from 1677 to 2262.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// The time of what has none, before all others: of a packet whose capture tells none. Never stored or sent.
    pub const NONE: Self = Self(i64::MIN);

    /// This time, if it is one.
    #[must_use]
    pub fn known(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    /// The system clock's time, for what is not counted: messages about the program itself, and the age of what is
    /// stored. The core never calls this: its time comes in with the frames.
    #[must_use]
    pub fn now() -> Self {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Self(nanos_of(since)),
            Err(before) => Self(-nanos_of(before.duration())),
        }
    }

    /// From whole seconds and nanoseconds; what lies beyond the range is held at its edge.
    #[must_use]
    pub const fn new(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as i64))
    }

    /// The latest multiple of `step` since 1970 that is not after this. A zero step leaves the time as it is.
    #[must_use]
    pub fn align_down(self, step: Duration) -> Self {
        match nanos_of(step) {
            0 => self,
            step => Self(self.0.saturating_sub(self.0.rem_euclid(step))),
        }
    }

    /// This time and `duration` more, held at the range's edge.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(duration)))
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn nanos_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl fmt::Display for UnixNanos {
    /// RFC 3339 in UTC with nine digits, like `2026-11-21T03:00:10.000000000Z`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A batch and a report write thousands of these: a general formatter is several times slower.
        let (seconds, nanos) = (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000));
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        for (at, number) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, second / 3_600),
            (14..16, second / 60 % 60),
            (17..19, second % 60),
            (20..29, nanos),
        ] {
            let mut rest = number.unsigned_abs();
            for digit in text.get_mut(at).unwrap_or_default().iter_mut().rev() {
                *digit += u8::try_from(rest % 10).unwrap_or_default();
                rest /= 10;
            }
        }
        out.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    // Years that begin in March have their leap day at the end; eras of 400 years all have 146,097 days.
    let since_march = days + 719_468;
    let (era, day_of_era) = (since_march.div_euclid(146_097), since_march.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

impl fmt::Debug for UnixNanos {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for UnixNanos {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let timestamp: jiff::Timestamp = text
            .parse()
            .map_err(|error| format!("'{text}' is not a time: {error}; write RFC 3339 like 2026-11-21T03:00:10Z"))?;
        i64::try_from(timestamp.as_nanosecond())
            .map(Self)
            .map_err(|_| format!("'{text}' is outside the years 1678 to 2261"))
    }
}

impl Serialize for UnixNanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnixNanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_nine_digits_of_utc() {
        assert_eq!(UnixNanos::new(1_700_000_000, 5).to_string(), "2023-11-14T22:13:20.000000005Z");
        assert_eq!(UnixNanos(0).to_string(), "1970-01-01T00:00:00.000000000Z");
    }

    proptest! {
        #[test]
        fn prints_as_a_calendar_library_does(nanos: i64) {
            let library = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            prop_assert_eq!(UnixNanos(nanos).to_string(), format!("{library:.9}"));
        }

        #[test]
        fn text_round_trips(nanos: i64) {
            let time = UnixNanos(nanos);
            prop_assert_eq!(time.to_string().parse::<UnixNanos>(), Ok(time));
        }

        #[test]
        fn alignment_is_at_or_before_and_on_the_grid(nanos in -4_000_000_000_000_000_000i64..4_000_000_000_000_000_000, seconds in 1u64..86_400) {
            let step = Duration::from_secs(seconds);
            let aligned = UnixNanos(nanos).align_down(step);
            prop_assert!(aligned.0 <= nanos && nanos - aligned.0 < nanos_of(step));
            prop_assert_eq!(aligned.0.rem_euclid(nanos_of(step)), 0);
        }
    }
}
