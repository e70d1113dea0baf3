//! The vendor registry: registry files → SQLite cache → longest-prefix lookup in memory; special addresses.
//!
//! * [`source`]: tells what a registry file is and parses it (`ethers`: Wireshark's `manuf` and `wka`;
//!   `ieee`: the IEEE's CSV files).
//! * [`merge`]: several parsed files to one sorted, deduplicated registry with its hash.
//! * [`cache`]: the SQLite file it is kept in; [`Watch`] notices when another process replaces it.
//! * [`snapshot`]: the registry that travels with the program, for a start without a cache.
//! * [`fetch`]: registry files over HTTPS; [`origin`]: an address without its secrets.
//! * [`table`]: the registry in memory and the lookup.
//! * [`special`]: addresses that mean something by themselves.
//! * [`answer`]: all that is known about one address or prefix, for people and programs.
//!
//! Knows nothing about frames and batches; the lookup is pure.

pub mod answer;
pub mod cache;
mod error;
mod ethers;
pub mod fetch;
mod ieee;
pub mod merge;
pub mod origin;
mod prefix;
pub mod snapshot;
pub mod source;
pub mod special;
pub mod table;
mod watch;

pub use answer::Answer;
pub use cache::Detail;
pub use error::OuiError;
pub use prefix::{Prefix, Query, QueryError};
pub use table::{Entry, Registry};
pub use watch::Watch;

use serde::Serialize;
use std::fmt;

/// The IEEE's registries, and airtally's own table of local entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Assignment {
    /// MAC address block large: a 24-bit prefix (an OUI).
    #[serde(rename = "MA-L")]
    MaL,
    /// MAC address block medium: 28 bits.
    #[serde(rename = "MA-M")]
    MaM,
    /// MAC address block small: 36 bits.
    #[serde(rename = "MA-S")]
    MaS,
    /// Individual address block: 36 bits, the forerunner of MA-S.
    #[serde(rename = "IAB")]
    Iab,
    /// Company identifier: 24 bits, locally administered; names a company and makes no global addresses.
    #[serde(rename = "CID")]
    Cid,
    /// An entry of this installation's own, which wins over the others.
    #[serde(rename = "local")]
    Local,
}

impl Assignment {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [Self::MaL, Self::MaM, Self::MaS, Self::Iab, Self::Cid, Self::Local];

    /// Its name as the IEEE writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaL => "MA-L",
            Self::MaM => "MA-M",
            Self::MaS => "MA-S",
            Self::Iab => "IAB",
            Self::Cid => "CID",
            Self::Local => "local",
        }
    }

    /// The registry named `name` in an IEEE file.
    pub(crate) fn from_ieee(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|registry| *registry != Self::Local && registry.name() == name)
    }

    /// How many bits its prefixes have; none for local entries, which choose.
    pub(crate) const fn bits(self) -> Option<u8> {
        match self {
            Self::MaL | Self::Cid => Some(24),
            Self::MaM => Some(28),
            Self::MaS | Self::Iab => Some(36),
            Self::Local => None,
        }
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}
