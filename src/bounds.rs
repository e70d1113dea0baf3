//! Bounds of settings: what the `check()` of a settings struct says about each value that does not fit.

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
    /// Which table it is, of those that may be there several times; counted from 0.
    pub index: Option<usize>,
    /// What is wrong and what would do.
    pub message: String,
}

/// All settings that do not fit, as the checks find them.
#[derive(Debug, Default)]
pub struct Mistakes {
    found: Vec<Wrong>,
    index: Option<usize>,
}

impl Mistakes {
    /// Checks several tables of one name: what is found from now on is about this one.
    pub fn at(&mut self, index: impl Into<Option<usize>>) {
        self.index = index.into();
    }

    /// Refuses the value of `key`.
    pub fn wrong(&mut self, key: &str, message: impl Into<String>) {
        self.found.push(Wrong { key: key.to_owned(), index: self.index, message: message.into() });
    }

    /// Refuses a duration outside `low` to `high`, both included.
    pub fn between(&mut self, key: &str, value: Duration, low: Duration, high: Duration) {
        if value < low || value > high {
            let show = humantime::format_duration;
            self.wrong(key, format!("{} is not between {} and {}", show(value), show(low), show(high)));
        }
    }

    /// All of them, in the order found.
    #[must_use]
    pub fn found(self) -> Vec<Wrong> {
        self.found
    }
}
