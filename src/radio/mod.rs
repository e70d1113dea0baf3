//! The radio: find a card, take it, hop over its channels, notice when it is deaf, give it back. Knows nothing of what
//! frames mean.

pub mod channels;
pub mod link;
pub mod nl80211;
pub mod plan;
pub mod select;

pub use channels::{Selection, Tuning, Width};
