//! The vendor cache: whether it is there, and how old it is.

use super::Finding;
use crate::{UnixNanos, oui::store::cache};
use std::{path::Path, time::Duration};

/// A registry grows by some hundred entries a month.
const OLD: Duration = Duration::from_secs(180 * 86_400);

/// Checks the cache at `path`.
pub(super) fn check(path: &Path, now: UnixNanos) -> Finding {
    let advice = "airtally oui update";
    if !path.exists() {
        let message = format!("{} is not there: the vendor names that came with the program serve", path.display());
        return Finding::warn("vendors", message, advice);
    }
    match cache::info(path) {
        Err(error) => Finding::fail("vendors", error.to_string(), advice),
        Ok(info) => match info.updated_at.parse::<UnixNanos>() {
            Ok(updated) if now.saturating_since(updated) > OLD => {
                let days = now.saturating_since(updated).as_secs() / 86_400;
                Finding::warn("vendors", format!("the vendor cache is {days} days old"), advice)
            }
            _ => Finding::ok("vendors", format!("the vendor cache is of {}", info.updated_at)),
        },
    }
}
