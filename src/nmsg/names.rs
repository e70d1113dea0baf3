//! Message types: their numbers, and the names that libnmsg gives them.

use std::{fmt, str::FromStr};

/// The vendor of the types that libnmsg brings.
pub const BASE: u32 = 1;
/// `base:ipconn`: a connection's protocol, addresses and ports.
pub const IPCONN: Type = Type { vendor: BASE, number: 5 };
/// `base:packet`: a packet from its IP header on.
pub const PACKET: Type = Type { vendor: BASE, number: 12 };

/// The types of vendor `base`, by number.
const NAMES: [(u32, &str); 14] = [
    (1, "ncap"),
    (2, "email"),
    (3, "linkpair"),
    (4, "http"),
    (5, "ipconn"),
    (6, "logline"),
    (7, "dns"),
    (8, "pkt"),
    (9, "dnsqr"),
    (10, "xml"),
    (11, "encode"),
    (12, "packet"),
    (13, "dnstap"),
    (14, "dnsobs"),
];

/// What a message is: a vendor's number, and the vendor's number of the type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Type {
    /// `vid`.
    pub vendor: u32,
    /// `msgtype`.
    pub number: u32,
}

impl Type {
    /// Names of vendor and type, where both are known.
    #[must_use]
    pub fn names(self) -> Option<(&'static str, &'static str)> {
        let named = NAMES.iter().find(|&&(number, _)| self.vendor == BASE && number == self.number)?;
        Some(("base", named.1))
    }
}

impl fmt::Display for Type {
    /// Names like `base:ipconn`, or numbers like `2:5`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names() {
            Some((vendor, name)) => write!(out, "{vendor}:{name}"),
            None => write!(out, "{}:{}", self.vendor, self.number),
        }
    }
}

/// A text that names no message type.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no message type: write a name like base:ipconn or base:packet, or the numbers of vendor and type, like 1:5"
)]
pub struct UnknownType(String);

impl FromStr for Type {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let unknown = || UnknownType(text.to_owned());
        let (vendor, name) = text.split_once(':').ok_or_else(unknown)?;
        let vendor = if vendor == "base" { BASE } else { vendor.parse().map_err(|_| unknown())? };
        let named = NAMES.iter().find(|&&(_, known)| vendor == BASE && known == name).map(|&(number, _)| number);
        let number = named.or_else(|| name.parse().ok()).ok_or_else(unknown)?;
        Ok(Self { vendor, number })
    }
}
