//! The page in Debian's Chromium, over the running pipeline: figures against other programs, live, for everybody.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod browser;
mod everybody;
mod figures;
mod fleet;
mod live;
#[path = "../support/mod.rs"]
mod support;
mod world;
