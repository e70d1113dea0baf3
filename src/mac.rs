//! The 48-bit MAC address (EUI-48, IEEE 802-2014 clause 8) and what its bits say. Knows no registry.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// A 48-bit MAC address, octets in transmission order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// No address: `00:00:00:00:00:00`.
    pub const ZERO: Self = Self([0; 6]);

    /// The broadcast address, `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether the I/G bit is set: a group (multicast or broadcast) address (IEEE 802-2014, 8.2.2).
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 0x01 != 0
    }

    /// Whether the U/L bit is set: locally administered (IEEE 802-2014, 8.2.2).
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0[0] & 0x02 != 0
    }

    /// Whether this is a locally administered individual address, which airtally calls *randomised*.
    #[must_use]
    pub const fn is_randomised(self) -> bool {
        self.is_local() && !self.is_group()
    }

    /// The same address with the I/G bit cleared: how a bandwidth-signalling TA names its transmitter
    /// (IEEE 802.11-2020, 9.2.4.3.7).
    #[must_use]
    pub const fn individual(self) -> Self {
        let [a, b, c, d, e, f] = self.0;
        Self([a & !0x01, b, c, d, e, f])
    }

    /// The address as a number below 2^48, first octet most significant.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// The address whose number is the low 48 bits of `bits`.
    #[must_use]
    pub const fn from_u64(bits: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = bits.to_be_bytes();
        Self([a, b, c, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece: a report writes hundreds of thousands of these.
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
        let mut text = [b':'; 17];
        for (pair, octet) in text.chunks_mut(3).zip(self.0) {
            if let [high, low, ..] = pair {
                (*high, *low) = (digit(octet >> 4), digit(octet & 0x0f));
            }
        }
        out.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// A text that is not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a MAC address: write six octets like aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff or aabbccddeeff"
)]
pub struct MacError(String);

impl FromStr for Mac {
    type Err = MacError;

    /// Reads twelve hexadecimal digits bare, in pairs parted by `:` or `-`, or in fours parted by `.`.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let fail = || MacError(text.chars().take(64).collect());
        let bytes = text.as_bytes();
        let (group, separator) = match bytes.len() {
            12 => (12, None),
            14 if bytes[4] == b'.' => (4, Some(b'.')),
            17 if matches!(bytes[2], b':' | b'-') => (2, Some(bytes[2])),
            _ => return Err(fail()),
        };
        let mut value: u64 = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            if separator.is_some() && index % (group + 1) == group {
                if Some(byte) != separator {
                    return Err(fail());
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or_else(fail)?;
            value = value << 4 | u64::from(digit);
        }
        Ok(Self::from_u64(value))
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_common_form() {
        let mac = Mac([0xaa, 0xbb, 0xcc, 0x0d, 0xee, 0xff]);
        for text in ["aa:bb:cc:0d:ee:ff", "AA-BB-CC-0D-EE-FF", "aabb.cc0d.eeff", "aabbcc0deeff"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_address() {
        for text in ["", "aa:bb", "aa:bb:cc:dd:ee:fg", "aa:bb-cc:dd:ee:ff", "aabbccddeeff00", "é:bb:cc:dd:ee:ff"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_group_address_is_never_randomised() {
        assert!(!Mac::BROADCAST.is_randomised());
        assert!(Mac([0x02, 0, 0, 0, 0, 1]).is_randomised());
        assert!(!Mac([0x00, 0, 0, 0, 0, 1]).is_randomised());
    }

    proptest! {
        #[test]
        fn text_and_number_round_trip(octets: [u8; 6]) {
            let mac = Mac(octets);
            prop_assert_eq!(mac.to_string().parse::<Mac>(), Ok(mac));
            prop_assert_eq!(Mac::from_u64(mac.to_u64()), mac);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = text.parse::<Mac>();
        }
    }
}
