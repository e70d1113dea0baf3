//! An address prefix, and reading what people type for an address or a prefix. Knows no registry.

use crate::Mac;
use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};

/// The first `bits` bits of a MAC address; the others are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: u64,
    bits: u8,
}

impl Prefix {
    /// The first `bits` (at most 48) bits of the address whose number is `address`.
    #[must_use]
    pub const fn new(address: u64, bits: u8) -> Self {
        let bits = if bits > 48 { 48 } else { bits };
        Self { address: address & Self::mask(bits), bits }
    }

    const fn mask(bits: u8) -> u64 {
        (u64::MAX << (48 - bits)) & 0xffff_ffff_ffff
    }

    /// The lowest address that begins with this.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.address
    }

    /// The highest address that begins with this.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.address | (0xffff_ffff_ffff ^ Self::mask(self.bits))
    }

    /// How many bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Whether `mac` begins with this.
    #[must_use]
    pub const fn covers(self, mac: Mac) -> bool {
        mac.to_u64() & Self::mask(self.bits) == self.address
    }
}

impl fmt::Display for Prefix {
    /// The digits it fixes, like `70:b3:d5:f2:f`; with `/bits` behind where that is no whole number of digits, and where
    /// eleven of them would look like an address that lacks a zero.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for digit in 0..self.bits.div_ceil(4) {
            if digit > 0 && digit % 2 == 0 {
                out.write_str(":")?;
            }
            write!(out, "{:x}", self.address >> (44 - 4 * digit) & 0xf)?;
        }
        if !self.bits.is_multiple_of(4) || self.bits == 44 {
            write!(out, "/{}", self.bits)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", Mac::from_u64(self.address), self.bits)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What somebody asks about: an address, or a prefix of 24 to 47 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query(Prefix);

impl Query {
    /// The prefix asked about: 48 bits for an address.
    #[must_use]
    pub const fn prefix(self) -> Prefix {
        self.0
    }

    /// The address asked about, if it is a whole one.
    #[must_use]
    pub const fn mac(self) -> Option<Mac> {
        if self.0.bits == 48 { Some(Mac::from_u64(self.0.address)) } else { None }
    }
}

impl From<Mac> for Query {
    fn from(mac: Mac) -> Self {
        Self(Prefix::new(mac.to_u64(), 48))
    }
}

/// A text that is neither an address nor a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is neither a MAC address nor a prefix of 24 to 48 bits: {problem}")]
pub struct QueryError {
    /// What was given, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl FromStr for Query {
    type Err = QueryError;

    /// Reads 6 to 12 hexadecimal digits, bare, in pairs parted by `:` or `-`, or in fours parted by `.`; the last
    /// group may be shorter. A length may follow, like `/36`; the bits beyond it must be zero. Six groups are an address as
    /// [`Mac`] reads it: zeros in front may be missing.
    fn from_str(text: &str) -> Result<Self, QueryError> {
        parse(text.trim()).map(Self).map_err(|problem| QueryError { text: text.chars().take(64).collect(), problem })
    }
}

fn parse(text: &str) -> Result<Prefix, &'static str> {
    let (digits, length) = match text.split_once('/') {
        Some((digits, length)) => (digits, Some(length)),
        None => (text, None),
    };
    // Eleven digits with a length that they reach are a prefix; else six groups are six octets.
    let reaches = |bits: u8| bits <= 44 && digits.len() == 16 && digits.rfind([':', '-']) == Some(14);
    let is_cut = length.is_some_and(|length| length.parse().is_ok_and(reaches));
    if !is_cut && let Ok(mac) = digits.parse::<Mac>() {
        return with_length(mac.to_u64(), 48, length);
    }
    let separator = digits.chars().find(|c| matches!(c, ':' | '-' | '.'));
    let group = if separator == Some('.') { 4 } else { 2 };
    let mut address = 0u64;
    let mut count = 0u8;
    let mut since = 0;
    for c in digits.chars() {
        if Some(c) == separator {
            if since != group {
                return Err("its groups are not of equal length");
            }
            since = 0;
            continue;
        }
        let digit = c.to_digit(16).ok_or("it has a character that is no hexadecimal digit")?;
        if count == 12 {
            return Err("it has more than twelve digits");
        }
        if separator.is_some() && since == group {
            return Err("its groups are not of equal length");
        }
        address = address << 4 | u64::from(digit);
        count += 1;
        since += 1;
    }
    if separator.is_some() && since == 0 {
        return Err("it ends with a separator");
    }
    if count < 6 {
        return Err("it has fewer than six digits");
    }
    address <<= 4 * (12 - u32::from(count));
    with_length(address, 4 * count, length)
}

/// The first bits of `address`: as many as `length` says, or else `given`.
fn with_length(address: u64, given: u8, length: Option<&str>) -> Result<Prefix, &'static str> {
    let bits = match length {
        None => given,
        Some(length) => match length.parse::<u8>() {
            Ok(bits @ 24..=48) if length.bytes().all(|b| b.is_ascii_digit()) => bits,
            _ => return Err("its length is not between 24 and 48"),
        },
    };
    let prefix = Prefix::new(address, bits);
    if prefix.address != address {
        return Err("it has bits beyond its length");
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_addresses_and_prefixes_in_every_form() {
        for (text, shown, bits) in [
            ("70B3D5F2F123", "70:b3:d5:f2:f1:23", 48),
            ("70-b3-d5-f2-f1-23", "70:b3:d5:f2:f1:23", 48),
            ("70b3.d5f2.f123", "70:b3:d5:f2:f1:23", 48),
            (" 70:b3:d5 ", "70:b3:d5", 24),
            ("70:b3:d5:f", "70:b3:d5:f", 28),
            ("70b3.d5f2.f", "70:b3:d5:f2:f", 36),
            ("70b3.d5", "70:b3:d5", 24),
            ("70:b3:d5:f2:f0:00/36", "70:b3:d5:f2:f", 36),
            ("70b3d580/25", "70:b3:d5:8/25", 25),
            ("70b3d5/32", "70:b3:d5:00", 32),
            ("0:d:93:0:0:1", "00:0d:93:00:00:01", 48),
            ("0-D-93-0-0-1", "00:0d:93:00:00:01", 48),
            ("70:b3:d5:f2:f1:2", "70:b3:d5:f2:f1:02", 48),
            ("70:b3:d5:f2:f1:2/44", "70:b3:d5:f2:f1:2/44", 44),
            ("70b3d5f2f12", "70:b3:d5:f2:f1:2/44", 44),
            ("0:5:73:a0:0:0/36", "00:05:73:a0:0", 36),
        ] {
            let prefix = text.parse::<Query>().unwrap().prefix();
            assert_eq!((prefix.to_string().as_str(), prefix.bits()), (shown, bits), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        for (text, problem) in [
            ("", "fewer than six"),
            ("70:b3", "fewer than six"),
            ("70:b3:d5:", "ends with a separator"),
            ("70:b3-d5", "no hexadecimal digit"),
            ("7:0b:3d:5f", "groups"),
            ("70:b3:d5f", "groups"),
            ("70:b3:d5:f2:f1:23:45", "more than twelve"),
            ("70b3d5/23", "between 24 and 48"),
            ("70b3d5/+30", "between 24 and 48"),
            ("70b3d5f/24", "beyond its length"),
            ("70b3d5é", "no hexadecimal digit"),
        ] {
            let said = text.parse::<Query>().unwrap_err().to_string();
            assert!(said.contains(problem), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(address in 0u64..1 << 48, bits in 24u8..=48) {
            let prefix = Prefix::new(address, bits);
            prop_assert_eq!(prefix.to_string().parse::<Query>().unwrap().prefix(), prefix);
            prop_assert!(prefix.first() <= address && address <= prefix.last());
            prop_assert!(prefix.covers(Mac::from_u64(address)));
        }

        #[test]
        fn every_address_is_its_own_query(octets: [u8; 6]) {
            let mac = Mac(octets);
            prop_assert_eq!(mac.to_string().parse::<Query>().unwrap().mac(), Some(mac));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,24}") {
            let _ = text.parse::<Query>();
        }
    }
}
