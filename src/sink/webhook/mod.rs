//! Alerts, to a receiver of one's own over HTTP: signed, tried again, and never to an address that nobody named.
//!
//! `address`: whom it may reach; `join`: what of several sensors is one alert; `message`: what is sent, and its signature;
//! `client`: sends it.

pub mod address;
mod client;
mod join;
pub mod message;

pub use client::Webhook;
