//! How a station is named on the wire: by its address, or by a pseudonym.

use crate::{Mac, mac::MacError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// A station's address as privacy lets it leave the sensor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// The MAC address itself.
    Mac(Mac),
    /// A keyed hash of it, good for one rotation of the key; written `p-` and sixteen hexadecimal digits.
    Pseudonym(u64),
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(out),
            Self::Pseudonym(bits) => write!(out, "p-{bits:016x}"),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("p-") {
            Some(digits) if digits.len() == 16 => u64::from_str_radix(digits, 16)
                .map(Self::Pseudonym)
                .map_err(|_| format!("'{text}' is not a pseudonym: it is p- and sixteen hexadecimal digits")),
            _ => text.parse().map(Self::Mac).map_err(|error: MacError| error.to_string()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
