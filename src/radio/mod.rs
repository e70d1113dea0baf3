//! The radio: find a card, take it, hop over its channels, notice when it is deaf, give it back. Knows nothing of what
//! frames mean.
//!
//! [`plan`], [`select`], [`exposure`], [`baseline`] and [`health`] are pure: what to listen to, for how
//! long, with which card, for how long it really was, and whether that can be right. [`control`] is what they need of the
//! kernel, [`nl80211`] the kernel itself. [`keeper`] is the task that does it all, with a [`card`] in its hands and a
//! [`before`] of how it was; [`airtime`] is what it shares with the thread that counts.

pub mod airtime;
pub mod baseline;
pub mod before;
pub mod card;
pub mod control;
pub mod exposure;
pub mod health;
mod hopper;
pub mod keeper;
pub mod nl80211;
pub mod plan;
pub mod select;

pub use crate::dot11::channels::{Selection, Tuning, Width};
