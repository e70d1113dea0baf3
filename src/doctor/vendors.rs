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
