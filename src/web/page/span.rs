//! The time that a view is about: the last so many hours, or from one point in time to another, and the steps it is
//! divided into.

use super::{place::Place, text};
use crate::{UnixNanos, units};
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// The quick choices: as the address has them, for people, in seconds.
pub const CHOICES: [(&str, &str, u64); 7] = [
    ("15m", "15 min", 15 * MINUTE),
    ("1h", "1 h", HOUR),
    ("6h", "6 h", 6 * HOUR),
    ("24h", "24 h", DAY),
    ("7d", "7 days", 7 * DAY),
    ("30d", "30 days", 30 * DAY),
    ("400d", "400 days", 400 * DAY),
];
/// The parameters that say which time it is.
pub const PARAMETERS: [&str; 3] = ["last", "from", "to"];
/// The longest time that one view shows.
const LONGEST: u64 = 800 * DAY;
/// Steps of a chart, in seconds; those that fit a day begin at midnight of UTC.
const STEPS: [u64; 10] = [10, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, DAY, 7 * DAY];
/// Steps that a chart has, at most: more would be narrower than a few pixels.
const MOST_STEPS: u64 = 170;

/// A stretch of time, the end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its start.
    pub from: UnixNanos,
    /// Its end.
    pub to: UnixNanos,
    /// The quick choice that it is, by its place in [`CHOICES`]: then it ends now.
    pub choice: Option<usize>,
    /// Whether it goes on: what arrives now belongs to it.
    pub to_now: bool,
}

impl Span {
    /// The time that `place` asks for at `now`; the quick choice `usual` where it does not say.
    ///
    /// # Errors
    /// What is wrong with the times, and what would do.
    pub fn read(place: &Place, now: UnixNanos, usual: &str) -> Result<Self, String> {
        let last = place.get("last");
        let (from, to) = (place.get("from"), place.get("to"));
        if last.is_some() && (from.is_some() || to.is_some()) {
            return Err("give either the last so many hours, or from and to".to_owned());
        }
        if from.is_none() && to.is_none() {
            return Self::last(last.unwrap_or(usual), now);
        }
        let end = to.map(point).transpose()?.unwrap_or(now);
        let start = match from {
            Some(from) => point(from)?,
            None => UnixNanos(end.0.saturating_sub(nanos(DAY))),
        };
        if start >= end {
            return Err("the time ends before it begins: 'to' has to be later than 'from'".to_owned());
        }
        if end.saturating_since(start) > Duration::from_secs(LONGEST) {
            return Err(format!("at most {} days can be looked at together", LONGEST / DAY));
        }
        Ok(Self { from: start, to: end, choice: None, to_now: end >= now })
    }

    fn last(last: &str, now: UnixNanos) -> Result<Self, String> {
        let choice = CHOICES.iter().position(|(name, ..)| *name == last).ok_or_else(|| {
            let names: Vec<&str> = CHOICES.iter().map(|(name, ..)| *name).collect();
            format!("'last' is one of {}; for another time give 'from' and 'to'", names.join(", "))
        })?;
        let seconds = CHOICES.get(choice).map_or(DAY, |(.., seconds)| *seconds);
        let from = UnixNanos(now.0.saturating_sub(nanos(seconds)));
        Ok(Self { from, to: now, choice: Some(choice), to_now: true })
    }

    /// Its length.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.to.saturating_since(self.from)
    }

    /// How long one step of a chart of it is.
    #[must_use]
    pub fn step(&self) -> Duration {
        let length = self.length().as_secs();
        let step = STEPS.into_iter().find(|step| length.div_ceil(*step) <= MOST_STEPS);
        Duration::from_secs(step.unwrap_or(7 * DAY))
    }

    /// For people: `the last 24 h`, or the two points in time in UTC.
    #[must_use]
    pub fn words(&self) -> String {
        match self.choice.and_then(|choice| CHOICES.get(choice)) {
            Some((_, name, _)) => format!("the last {}", name.replace(' ', "\u{a0}")),
            None => format!("{} to {} UTC", text::utc(self.from), text::utc(self.to)),
        }
    }

    /// The time just as long before it, or after it where that is not yet to come.
    #[must_use]
    pub fn neighbour(&self, place: &Place, is_later: bool) -> Option<String> {
        if is_later && self.to_now {
            return None;
        }
        let length = self.to.0.saturating_sub(self.from.0);
        let shift = if is_later { length } else { length.saturating_neg() };
        let moved = |time: UnixNanos| text::iso(UnixNanos(time.0.saturating_add(shift)));
        let (from, to) = (moved(self.from), moved(self.to));
        Some(place.with(&[("last", None), ("from", Some(&from)), ("to", Some(&to)), ("after", None)]))
    }

    /// The parameters of the address that mean this time.
    #[must_use]
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        match self.choice.and_then(|choice| CHOICES.get(choice)) {
            Some((name, ..)) => vec![("last", (*name).to_owned())],
            None => vec![("from", text::iso(self.from)), ("to", text::iso(self.to))],
        }
    }
}

/// A step's length in words: `10 s`, `1 h`, `1 day`.
#[must_use]
pub fn step_words(step: Duration) -> String {
    match step.as_secs() {
        days if days >= DAY => {
            let days = days / DAY;
            format!("{days}\u{a0}{}", units::noun(days, "day", "days"))
        }
        seconds => text::duration(seconds * 1_000),
    }
}

fn nanos(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX)
}

/// A point in time as an address has it: RFC 3339, or without seconds or zone, as forms send it; then it is UTC.
fn point(text: &str) -> Result<UnixNanos, String> {
    let shown: String = text.chars().take(40).collect();
    let wrong = || format!("'{shown}' is not a time: write it like 2026-11-21T03:00:10Z");
    // A day alone, or a day and a time without seconds.
    let long = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    };
    long.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::{Method, Request};

    const NOW: UnixNanos = UnixNanos::new(1_700_000_000, 0); // 2023-11-14T22:13:20Z

    fn read(query: &str) -> Result<Span, String> {
        let request = Request::new(Method::GET, &format!("/history?{query}")).unwrap();
        Span::read(&Place::new(&request, &PARAMETERS).unwrap(), NOW, "24h")
    }

    #[test]
    fn a_time_is_a_choice_or_two_points() {
        let day = read("").unwrap();
        assert_eq!((day.length().as_secs(), day.to_now, day.words().as_str()), (DAY, true, "the last 24\u{a0}h"));
        assert_eq!(read("last=7d").unwrap().step().as_secs(), HOUR);
        let free = read("from=2023-11-14T10:00&to=2023-11-14T12:30:00Z").unwrap();
        assert_eq!((free.length().as_secs(), free.to_now, free.step().as_secs()), (9_000, false, MINUTE));
        assert_eq!(read("from=2023-11-14").unwrap().to, NOW);
        for wrong in
            ["last=2h", "last=1h&from=2023-11-14", "from=yesterday", "from=2023-11-14&to=2023-11-13", "from=1700-01-01"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_few_enough_to_see_for_every_choice() {
        for (name, _, seconds) in CHOICES {
            let step = read(&format!("last={name}")).unwrap().step().as_secs();
            assert!((20..=170).contains(&seconds.div_ceil(step)), "{name}: {step}");
        }
        assert_eq!(step_words(Duration::from_secs(DAY)), "1\u{a0}day");
        assert_eq!(step_words(Duration::from_secs(HOUR)), "1\u{a0}h");
    }

    #[test]
    fn neighbours_are_as_long_and_none_is_to_come() {
        let request = Request::new(Method::GET, "/history?last=1h&sensor=a").unwrap();
        let place = Place::new(&request, &["last", "sensor"]).unwrap();
        let span = Span::read(&place, NOW, "24h").unwrap();
        assert_eq!(span.neighbour(&place, true), None);
        assert_eq!(
            span.neighbour(&place, false).unwrap(),
            "/history?sensor=a&from=2023-11-14T20:13:20Z&to=2023-11-14T21:13:20Z"
        );
    }
}
