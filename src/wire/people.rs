//! An estimate of how many people were near in an interval. It names nobody, and nothing in it links two intervals.

use crate::UnixNanos;
use serde::{Deserialize, Serialize};

/// Why there is no estimate of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoEstimate {
    /// Less than half of it was listened to, or is in the capture.
    Coverage,
    /// The radio listened, and heard no frame of any kind.
    Deaf,
    /// There were more addresses than are told apart.
    Full,
    /// No probe request came with its signal strength, so that near and far are the same.
    Signal,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

impl NoEstimate {
    /// The word that messages and databases have for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Coverage => "coverage",
            Self::Deaf => "deaf",
            Self::Full => "full",
            Self::Signal => "signal",
            Self::Other => "other",
        }
    }
}

/// An estimate of people, for one interval: never a count. Either the three numbers are there, or a reason is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// When the interval began: a multiple of five minutes since 1970, by the clock that the sensor had then.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// At least so many people, in nine of ten intervals.
    #[serde(default)]
    pub low: Option<u32>,
    /// The estimate.
    #[serde(default)]
    pub estimate: Option<u32>,
    /// At most so many people, in nine of ten intervals.
    #[serde(default)]
    pub high: Option<u32>,
    /// Why there is no estimate.
    #[serde(default)]
    pub reason: Option<NoEstimate>,
    /// Milliseconds that the radio listened in the interval; absent for captures, of which that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listened_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reason_of_a_later_version_is_read() {
        let text = r#"{"start":"2023-01-01T00:00:00Z","end":"2023-01-01T00:05:00Z","reason":"stormy"}"#;
        let people: People = serde_json::from_str(text).unwrap();
        assert_eq!((people.reason, people.estimate), (Some(NoEstimate::Other), None));
        for reason in [NoEstimate::Coverage, NoEstimate::Deaf, NoEstimate::Full, NoEstimate::Signal] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
        }
    }
}
