//! The vendor registry in memory: longest-prefix look-up, special addresses. Pure; knows nothing of frames and batches.
//!
//! * [`table`]: the registry and its look-up; `prefix`: address prefixes, and what people type for them.
//! * [`special`]: addresses that mean something by themselves.
//! * [`answer`]: all that is known about one address or prefix, for people and programs.
//! * [`store`]: where a registry comes from: files, cache, network.

pub mod answer;
mod prefix;
pub mod special;
#[cfg(feature = "registry")]
pub mod store;
pub mod table;

pub use answer::Answer;
pub use prefix::{Prefix, Query, QueryError};
pub use table::{Registry, RegistryEntry};

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
    #[must_use]
    pub fn from_ieee(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|registry| *registry != Self::Local && registry.name() == name)
    }

    /// How many bits its prefixes have; none for local entries, which choose.
    #[must_use]
    pub const fn bits(self) -> Option<u8> {
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
