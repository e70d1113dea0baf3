//! The vendor registry: its files, the command line, updates from servers, its own server.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod bounds;
mod certificates;
#[path = "../mqtt/certs.rs"]
mod certs;
mod cli;
mod fetch;
mod registry;
mod serve;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
