//! The spool: what goes in comes out, in order and once; what cannot be kept is declared. `spool_crash.rs` kills it: the
//! processes that it starts must not inherit the locks of spools in these tests.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod disk;
mod held;
mod ledger;
mod missing;
mod model;
mod privacy;
mod ring;
mod support;
mod tiers;
