//! Bounds of settings: what every `check()` of a settings struct says about a value that does not fit.

use std::time::Duration;

/// The bounds that settings name most often.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// See [`MILLISECOND`].
pub const SECOND: Duration = Duration::from_secs(1);
/// See [`MILLISECOND`].
pub const DAY: Duration = Duration::from_secs(86_400);

/// Most parts of one window: a spool takes no more.
pub const MAX_PARTS: u32 = 10_000;

/// A setting that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key, with its table.
    pub key: String,
    /// What is wrong and what would do.
    pub message: String,
}

/// Refuses the value of `key`.
///
/// # Errors
/// Always.
pub fn wrong(key: &str, message: impl Into<String>) -> Result<(), Wrong> {
    Err(Wrong { key: key.to_owned(), message: message.into() })
}

/// Refuses a duration outside `low` to `high`, both included.
///
/// # Errors
/// When it is outside.
pub fn between(key: &str, value: Duration, low: Duration, high: Duration) -> Result<(), Wrong> {
    if value < low || value > high {
        let show = humantime::format_duration;
        return wrong(key, format!("{} is not between {} and {}", show(value), show(low), show(high)));
    }
    Ok(())
}
