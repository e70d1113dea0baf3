//! The 5-tuple of a message: what an `ipconn` says, or what is in a packet's headers.

use super::{IPCONN, IpConn, MessageError, PACKET, Packet, Payload};
use crate::flow::packet::parse_ip;

/// Why a payload has no 5-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTuple {
    /// The type has no addresses.
    #[error("a message of this type has no 5-tuple")]
    OtherType,
    /// A connection of which nothing is said.
    #[error("the message says nothing")]
    Empty,
    /// A packet without ports: not TCP, UDP, SCTP, or a later fragment of one, or cut.
    #[error("the packet has no ports")]
    NoPorts,
    /// The message is damaged.
    #[error(transparent)]
    Damaged(#[from] MessageError),
}

/// Protocol, addresses and ports: of `base:ipconn` as far as it says them, of `base:packet` if all five are there.
///
/// # Errors
///
/// Why there is none.
pub fn five_tuple(payload: &Payload) -> Result<IpConn, NoTuple> {
    match payload.kind {
        IPCONN => {
            let conn = IpConn::from_payload(payload)?;
            if conn.is_empty() { Err(NoTuple::Empty) } else { Ok(conn) }
        }
        PACKET => {
            let packet = Packet::from_payload(payload)?;
            let parsed = parse_ip(&packet.octets).map_err(|_| NoTuple::NoPorts)?;
            if !parsed.tuple.proto.has_ports() || parsed.is_later_fragment() {
                return Err(NoTuple::NoPorts);
            }
            Ok(IpConn {
                proto: Some(u32::from(parsed.tuple.proto.0)),
                srcip: Some(parsed.tuple.src),
                srcport: Some(u32::from(parsed.tuple.sport)),
                dstip: Some(parsed.tuple.dst),
                dstport: Some(u32::from(parsed.tuple.dport)),
            })
        }
        _ => Err(NoTuple::OtherType),
    }
}
