//! `airtally nmsg` and the codec: against files of the reference tool and what it printed of them, against Debian's reader
//! in Go in both directions, over sockets, with input that lies; and the programs in `examples/`.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod arguments;
mod examples;
mod go;
mod live;
mod packets;
mod sockets;
#[path = "../support/mod.rs"]
mod support;
mod vectors;
