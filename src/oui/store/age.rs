//! How old a vendor registry is, and from when on that is said. Knows no clock.

use super::cache::{Info, SourceInfo};
use crate::{UnixNanos, oui::store::snapshot};
use std::time::Duration;

/// Older than this a registry lacks so many vendors that it is said: it grows by some three hundred entries a month.
pub const OLD: Duration = Duration::from_secs(365 * 86_400);

impl Info {
    /// Of when its names are: the newest of its sources.
    #[must_use]
    pub fn of(&self) -> Option<UnixNanos> {
        self.sources.iter().filter_map(SourceInfo::of).max()
    }
}

impl SourceInfo {
    /// Of when it is: the snapshot's own day, whenever the cache was made of it; a file's date. What a server gave is of
    /// the day it was asked, for it had nothing newer.
    fn of(&self) -> Option<UnixNanos> {
        if self.origin.starts_with(snapshot::PREFIX) {
            return snapshot::date();
        }
        let of_the_file = self.last_modified.as_ref().and_then(|date| date.parse().ok());
        of_the_file.or_else(|| self.fetched_at.parse().ok())
    }
}

/// What to say at `now` of a registry, or of a file, of the time `of`, if it is old.
#[must_use]
pub fn warning(of: UnixNanos, now: UnixNanos) -> Option<String> {
    let age = now.saturating_since(of);
    (age > OLD).then(|| {
        let years = age.as_secs() / OLD.as_secs();
        let years = if years == 1 { "a year".to_owned() } else { format!("{years} years") };
        format!("is of {}, more than {years} old: newer vendors have no name", day(of))
    })
}

/// The day of `time`, in UTC.
#[must_use]
pub fn day(time: UnixNanos) -> String {
    let mut text = time.to_string();
    text.truncate(10);
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> UnixNanos {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_older_than_a_year_is_said() {
        let of = at("2022-08-27T20:00:00Z");
        assert_eq!(warning(of, at("2023-08-27T20:00:00Z")), None);
        let said = warning(of, at("2023-08-27T20:00:01Z")).unwrap();
        assert!(said.starts_with("is of 2022-08-27, more than a year old"), "{said}");
        assert!(warning(of, at("2026-11-27T00:00:00Z")).unwrap().contains("more than 4 years old"));
        assert_eq!(warning(of, at("2020-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_source_is_of_its_snapshot_its_file_or_its_answer() {
        let source = |origin: &str, last_modified: Option<&str>| SourceInfo {
            label: "MA-L".into(),
            origin: origin.into(),
            sha256: String::new(),
            fetched_at: "2030-01-01T00:00:00Z".into(),
            etag: None,
            last_modified: last_modified.map(str::to_owned),
            rows: 1,
            bytes: 1,
        };
        assert_eq!(source("snapshot: 2026", None).of(), snapshot::date());
        assert_eq!(source("/a/oui.csv", Some("2022-08-27T20:16:50Z")).of(), Some(at("2022-08-27T20:16:50Z")));
        let server = source("https://registry.example/oui.csv", Some("Sat, 27 Aug 2022 20:16:50 GMT"));
        assert_eq!(server.of(), Some(at("2030-01-01T00:00:00Z")));
    }
}
