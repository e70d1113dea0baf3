//! The daemons around a broker and a database, by the real programs: what a capture holds is what is stored.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod alerts;
mod bad_input;
mod commits;
mod distinct;
mod divided;
mod faults;
mod flows;
mod grafana;
mod home_assistant;
mod influx;
mod live;
mod metrics;
mod missing;
mod people;
mod privacy;
#[path = "../support/records.rs"]
mod records;
mod scale;
mod sqlite;
mod subscribers;
#[path = "../support/mod.rs"]
mod support;
mod survivors;
mod victoria;
