//! Durations and sizes as people write them in a configuration file: `"10s"`, `"64MiB"`; one and many of a thing.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// (De)serialises a [`std::time::Duration`] as text like `"10s"`, `"2m 30s"` or `"7d"`.
pub mod duration {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error as _;
    use std::time::Duration;

    /// Writes it the way [`deserialize`] reads it.
    pub fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|error| D::Error::custom(format!("'{text}' is not a duration like \"10s\" or \"7d\": {error}")))
    }
}

/// The same for what may be left out.
pub mod maybe_duration {
    use super::{Deserializer, Serializer};
    use std::time::Duration;

    /// Writes it the way [`deserialize`] reads it.
    pub fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::duration::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::duration::deserialize(deserializer).map(Some)
    }
}

/// The word for `count` things: `one` or `many`.
#[must_use]
pub const fn noun<'a>(count: u64, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// A number of bytes, written `"512KiB"`, `"64MiB"`, `"2GiB"`, or with decimal units, or bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("'{text}' is not a size: write a whole number and a unit, like \"64MiB\"");
        let trimmed = text.trim();
        let (digits, unit) =
            UNITS.iter().find_map(|&(name, unit)| Some((trimmed.strip_suffix(name)?, unit))).unwrap_or((trimmed, 1));
        let number: u64 = digits.trim().parse().map_err(|_| fail())?;
        number.checked_mul(unit).map(Self).ok_or_else(fail)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = UNITS[..3]
            .iter()
            .find(|&&(_, unit)| self.0 != 0 && self.0.is_multiple_of(unit))
            .copied()
            .unwrap_or(("B", 1));
        write!(out, "{}{name}", self.0 / unit)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_refuses_sizes() {
        assert_eq!("64MiB".parse(), Ok(Bytes(64 << 20)));
        assert_eq!("2 kB".parse(), Ok(Bytes(2_000)));
        assert_eq!("7".parse(), Ok(Bytes(7)));
        for text in ["", "MiB", "-1B", "1.5GiB", "99999999999GiB", "ten"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn sizes_round_trip(bytes: u64) {
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
    }
}
