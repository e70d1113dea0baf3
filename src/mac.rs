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
    "'{0}' is not a MAC address: write six octets like aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff, aabb.ccdd.eeff or aabbccddeeff; \
     zeros in front may be left out, as in 0:d:93:0:0:1"
)]
pub struct MacError(String);

impl FromStr for Mac {
    type Err = MacError;

    /// Reads twelve hexadecimal digits bare, in pairs parted by `:` or `-`, or in fours parted by `.`. Of six octets parted
    /// by `:` or `-` each may lack a zero in front, as `arp -a` writes them: six are a whole address, so nothing else can
    /// be meant.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let fail = || MacError(text.chars().take(64).collect());
        let bytes = text.as_bytes();
        if let Some(octets) = octets(text) {
            return Ok(Self(octets));
        }
        let (group, separator) = match bytes.len() {
            12 => (12, None),
            14 if bytes[4] == b'.' => (4, Some(b'.')),
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

/// Six octets of one or two digits each, parted by the same of `:` and `-`.
fn octets(text: &str) -> Option<[u8; 6]> {
    let separator = text.chars().find(|c| matches!(c, ':' | '-'))?;
    let mut octets = [0; 6];
    let mut parts = text.split(separator);
    for octet in &mut octets {
        let digits = parts.next().filter(|part| matches!(part.len(), 1 | 2))?;
        for digit in digits.chars() {
            *octet = *octet << 4 | u8::try_from(digit.to_digit(16)?).ok()?;
        }
    }
    parts.next().is_none().then_some(octets)
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
    fn zeros_in_front_may_be_left_out() {
        let mac = Mac([0, 0x0d, 0x93, 0, 0, 1]);
        for text in ["0:d:93:0:0:1", "00:D:93:0:00:1", "0-d-93-0-0-01", "00:0D:93:00:00:01"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_address() {
        for text in ["", "aa:bb", "aa:bb:cc:dd:ee:fg", "aa:bb-cc:dd:ee:ff", "aabbccddeeff00", "é:bb:cc:dd:ee:ff"]
            .into_iter()
            .chain([
                "0:d:93:0:0",
                "0:d:93:0:0:",
                "0:d:93:0:0:1:2",
                "0:d:93:0:0-1",
                "0:d:930:0:0:1",
                "0:d:93:0:0:g",
                ":::::",
            ])
        {
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
        fn zeros_in_front_say_nothing(octets: [u8; 6], short: [bool; 6], upper: bool) {
            let part = |(octet, short): (&u8, &bool)| if *short { format!("{octet:x}") } else { format!("{octet:02x}") };
            let text = octets.iter().zip(&short).map(part).collect::<Vec<_>>().join(":");
            let text = if upper { text.to_uppercase() } else { text };
            prop_assert_eq!(text.parse(), Ok(Mac(octets)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = text.parse::<Mac>();
        }
    }
}
