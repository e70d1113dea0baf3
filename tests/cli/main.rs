//! The command line: its arguments, configurations, `airtally doctor`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arguments;
mod config;
mod doctor;
#[path = "../support/records.rs"]
mod records;
#[path = "../support/mod.rs"]
mod support;
