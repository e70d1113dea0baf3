//! The publisher and the subscriber against a real mosquitto: delivery, retained messages and last will, requests,
//! persistent sessions, TLS, and what the log says when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/broker.rs"]
mod broker;
mod certs;
mod delivery;
mod documented;
mod faults;
mod ingest;
mod provision;
mod requests;
mod rig;
mod sensor;
mod status;
