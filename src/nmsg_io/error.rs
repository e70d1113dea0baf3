//! What can go wrong between a reader or writer and the world.

use std::{io, net::SocketAddr};

/// An input or output that does not work.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The input cannot be opened.
    #[error("cannot read {name}")]
    Open {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Reading fails.
    #[error("reading {name} failed")]
    Read {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The output cannot be made.
    #[error("cannot write {name}")]
    Create {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Writing fails.
    #[error("writing {name} failed")]
    Write {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A socket cannot be opened.
    #[error("cannot listen on {socket}: is the address of this machine, and does nobody else listen there?")]
    Listen {
        /// The socket.
        socket: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Datagrams cannot be sent there.
    #[error("cannot send to {socket}")]
    Send {
        /// The socket.
        socket: SocketAddr,
        /// Why.
        source: io::Error,
    },
}
