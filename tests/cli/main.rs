//! The command line: its arguments, configurations, `airtally doctor`; that what is documented is there; a repository of packages.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod arguments;
mod config;
mod demo;
mod doctor;
mod keys;
mod links;
mod openapi;
#[path = "../support/records.rs"]
mod records;
mod repository;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
