//! The vendor cache: whether it is there, and how old it is.

use super::Finding;
use crate::{
    UnixNanos,
    oui::store::{age, cache, snapshot},
};
use std::path::Path;

/// Checks the cache at `path`.
pub(super) fn check(path: &Path, now: UnixNanos) -> Finding {
    let advice = "airtally oui update";
    if !path.exists() {
        let message = format!("{} is not there: {}", path.display(), snapshot::serves(now));
        return Finding::warn("vendors", message, advice);
    }
    match cache::info(path) {
        Err(error) => Finding::fail("vendors", error.to_string(), advice),
        Ok(info) => match info.of() {
            Some(of) => match age::warning(of, now) {
                Some(old) => Finding::warn("vendors", format!("the vendor cache {old}"), advice),
                None => Finding::ok("vendors", format!("the vendor cache is of {}", age::day(of))),
            },
            None => Finding::ok("vendors", format!("the vendor cache was made at {}", info.updated_at)),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{doctor::Level, oui::store::source::Source};

    #[test]
    fn names_of_years_ago_are_warned_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("oui.sqlite");
        let now: UnixNanos = "2026-11-27T00:00:00Z".parse().unwrap();
        // Without a cache the snapshot serves, and its day is told.
        let missing = check(&path, now);
        assert_eq!(missing.level, Level::Warn);
        assert!(missing.message.contains("names come from a snapshot: 20"), "{}", missing.message);
        assert!(!missing.message.contains("more than"), "{}", missing.message);
        let later = check(&path, "2036-01-01T00:00:00Z".parse().unwrap());
        assert!(later.message.contains("; it is of 20") && later.message.contains("more than"), "{}", later.message);

        let list = "Registry,Assignment,Organization Name,Organization Address\r\nMA-L,00000C,Cisco,x\r\n";
        let mut source = Source::parse("oui.csv", list.into()).unwrap();
        for (date, level, said) in [
            ("2026-11-26T00:00:00Z", Level::Ok, "is of 2026-11-26"),
            ("2022-08-27T20:16:50Z", Level::Warn, "is of 2022-08-27, more than 4 years old"),
        ] {
            source.last_modified = Some(date.to_owned());
            cache::update(&path, std::slice::from_ref(&source), now, false).unwrap();
            let finding = check(&path, now);
            assert_eq!(finding.level, level, "{}", finding.message);
            assert!(finding.message.contains(said), "{}", finding.message);
        }
    }
}
