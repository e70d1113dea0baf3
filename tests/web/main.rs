//! Ingest's web server as a program: who gets what, the history's API, live events, and who tries to get more.
#![allow(clippy::expect_used, clippy::field_reassign_with_default, clippy::panic, clippy::unwrap_used)]

mod access;
mod api;
mod floods;
mod live;
mod login;
#[path = "../support/records.rs"]
mod records;
mod rig;
#[path = "../support/mod.rs"]
mod support;
