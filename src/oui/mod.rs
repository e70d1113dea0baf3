//! Registry files, the SQLite cache, the longest-prefix lookup that names vendors.

use crate::Mac;

/// The vendor registry in memory.
pub struct Registry;

impl Registry {
    /// A registry that knows no vendor.
    #[must_use]
    pub fn empty() -> Self {
        Self
    }

    /// The vendor of `mac` by longest prefix.
    #[must_use]
    pub fn vendor(&self, _: Mac) -> Option<&str> {
        None
    }
}
