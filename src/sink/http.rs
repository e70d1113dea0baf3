//! What sinks that speak HTTP have in common: the words of an answer, when to come again, what went wrong below.

use crate::UnixNanos;
use std::{error::Error as _, time::Duration};

/// The beginning of a text from outside, on one line.
pub(super) fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 500;
    let text = String::from_utf8_lossy(text);
    let mut words = text.split(|c: char| c.is_control()).map(str::trim).filter(|part| !part.is_empty());
    let line = words.by_ref().take(20).collect::<Vec<_>>().join(" ");
    if line.chars().count() > LONGEST { line.chars().take(LONGEST).chain("…".chars()).collect() } else { line }
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(text: &str, now: UnixNanos) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    // An HTTP date is RFC 2822's with the zone written GMT.
    let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    let date = UnixNanos::new(date.as_second(), 0);
    Some(date.saturating_since(now))
}

/// What was at the bottom of an error.
pub(super) fn deepest(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = source.to_string();
        next = source.source();
    }
    text
}

/// The system clock.
pub(super) fn now() -> UnixNanos {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    UnixNanos::default().saturating_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120", NOW), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:13:50 GMT", NOW), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:13:00 GMT", NOW), Some(Duration::ZERO));
        for text in ["", "soon", "-1", "99999999999999999999999"] {
            assert_eq!(retry_after(text, NOW), None, "{text}");
        }
    }
}
