//! Where NMSG comes from and goes to: files, pipes, UDP sockets. Knows no type of message and prints nothing.
//!
//! [`Input`] fills an [`nmsg::Reader`](crate::nmsg::Reader); [`Output`] empties an [`nmsg::Writer`](crate::nmsg::Writer);
//! [`SocketRange`] is how sockets are named.

mod address;
mod error;
mod input;
mod output;

pub use address::{BadSocket, SocketRange, interface_number};
pub use error::TransferError;
pub use input::{Came, Input};
pub use output::{Output, Pace};
