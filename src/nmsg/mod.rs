//! NMSG: typed network messages in containers, as octets and back. It owns the format: header, zlib, fragments, check
//! sums, sequence numbers, and the messages `base:ipconn` and `base:packet`. It opens no file and no socket and reads no
//! clock: octets and times come in as arguments.
//!
//! The format is that of farsightsec's libnmsg, written down in docs/nmsg.md. [`Writer`] makes containers of payloads;
//! [`Reader`] makes payloads of containers, in bounded memory, and counts in [`Counts`] what it had to refuse.
//!
//! ```
//! use airtally::nmsg::{IpConn, Payload, Reader, Writer, WriterSettings};
//!
//! let conn = IpConn {
//!     proto: Some(6),
//!     srcip: Some([10, 0, 1, 51].into()),
//!     srcport: Some(61929),
//!     dstip: Some([10, 0, 1, 52].into()),
//!     dstport: Some(22),
//! };
//! let mut writer = Writer::new(WriterSettings::file());
//! writer.push(conn.to_payload(1_424_638_447, 143_420_934))?;
//! writer.flush();
//! let mut file = Vec::new();
//! while let Some(container) = writer.pop() {
//!     file.extend(container);
//! }
//!
//! let mut reader = Reader::default();
//! reader.push(&file);
//! reader.end();
//! let payload = reader.next_payload().ok_or("a payload")?;
//! assert_eq!(IpConn::from_payload(&payload)?, conn);
//! assert!(reader.counts().is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod counts;
mod fragments;
mod header;
mod message;
mod names;
mod payload;
mod reader;
mod schema;
mod sequence;
#[cfg(test)]
mod tests;
pub mod text;
mod tuple;
mod writer;

pub use counts::Counts;
pub use header::{DEFAULT_MTU, FILE_CONTAINER, LEAST_MTU};
pub use message::{IpConn, MessageError, Packet};
pub use names::{BASE, IPCONN, PACKET, Type, UnknownType};
pub use payload::Payload;
pub use reader::{Limits, Reader, Stop};
pub use tuple::{NoTuple, five_tuple};
pub use writer::{TooLarge, Writer, WriterSettings};
