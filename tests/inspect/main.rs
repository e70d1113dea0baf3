//! `airtally inspect`: against tshark over the corpus, against captures of our own, with what is no capture.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod alert_scenes;
mod alerts;
mod bad;
mod compressed;
mod corpus;
mod differential;
mod flows;
mod flows_live;
mod people;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod synth;
mod times;
mod tshark;
mod window;
