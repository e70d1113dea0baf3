//! TLS: the files it needs, whom a client trusts, and what went wrong in words. Knows no protocol above it.
//!
//! Every client of this program ([`client()`]) verifies its server. What rustls reports ([`explain`]) becomes one sentence:
//! what is wrong, where, why, and what to do.

mod client;
mod pem;
mod trouble;
mod words;

pub use client::{Authorities, client};
pub use pem::{certificates, private_key};
pub use trouble::{Peer, Settings, TlsError, found};
pub use words::explain;
