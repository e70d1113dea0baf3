//! Filters where the program was built without libpcap, which compiles them: there are none, and one sentence says so.

use super::CaptureError;
use crate::dot11::LinkType;
use std::convert::Infallible;

/// A filter that nobody can make.
pub struct Filter(Infallible);

impl Filter {
    /// Refuses the expression.
    ///
    /// # Errors
    /// [`CaptureError::NoFilter`], always.
    pub fn new(_: &str) -> Result<Self, CaptureError> {
        Err(CaptureError::NoFilter)
    }

    /// Never called: there is no such filter.
    ///
    /// # Errors
    /// None.
    pub fn matches(&mut self, _: LinkType, _: &[u8]) -> Result<bool, CaptureError> {
        match self.0 {}
    }
}
