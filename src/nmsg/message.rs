//! The messages that are understood: `base:ipconn` and `base:packet`.

use super::{
    Payload,
    names::{IPCONN, PACKET, Type},
};
use core::net::IpAddr;
use prost::Message as _;

/// `base:ipconn`: a connection, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct IpConn {
    /// The IP protocol's number: 6 is TCP, 17 is UDP.
    pub proto: Option<u32>,
    /// The sender's address.
    pub srcip: Option<IpAddr>,
    /// The sender's port.
    pub srcport: Option<u32>,
    /// The receiver's address.
    pub dstip: Option<IpAddr>,
    /// The receiver's port.
    pub dstport: Option<u32>,
}

/// `base:packet`: a packet from its IP header on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// The packet's octets. The first one tells IPv4 from IPv6.
    pub octets: Vec<u8>,
}

/// Why a payload is not read as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is of another type.
    #[error("the message is {found}, not {wanted}")]
    Other {
        /// What it is.
        found: Type,
        /// What was asked for.
        wanted: Type,
    },
    /// Its octets are no protobuf, or lack what the type requires.
    #[error("the message {0} is damaged: its octets are not what the type prescribes")]
    Damaged(Type),
    /// An address that has neither 4 nor 16 octets.
    #[error("the message {kind} is damaged: an address has {len} octets, not 4 or 16")]
    Address {
        /// The type.
        kind: Type,
        /// The address's octets.
        len: usize,
    },
}

/// `nmsg.base.IPConn`.
#[derive(Clone, PartialEq, prost::Message)]
struct IpConnWire {
    #[prost(uint32, optional, tag = "1")]
    proto: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    srcip: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "3")]
    srcport: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    dstip: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "5")]
    dstport: Option<u32>,
}

/// `nmsg.base.Packet`.
#[derive(Clone, PartialEq, prost::Message)]
struct PacketWire {
    #[prost(int32, optional, tag = "1")]
    payload_type: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    payload: Option<Vec<u8>>,
}

/// The one `payload_type` of packets: IP.
const IP: i32 = 1;

impl IpConn {
    /// Whether it says nothing. Such a message is never written: the reference tool's JSON output ends at one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The message with its time, in seconds and nanoseconds since 1970.
    #[must_use]
    pub fn to_payload(&self, seconds: i64, nanos: u32) -> Payload {
        let wire = IpConnWire {
            proto: self.proto,
            srcip: self.srcip.map(octets),
            srcport: self.srcport,
            dstip: self.dstip.map(octets),
            dstport: self.dstport,
        };
        Payload { kind: IPCONN, seconds, nanos, octets: wire.encode_to_vec(), ..Payload::default() }
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// It is of another type, or damaged.
    pub fn from_payload(payload: &Payload) -> Result<Self, MessageError> {
        expect(payload, IPCONN)?;
        let wire = IpConnWire::decode(payload.octets.as_slice()).map_err(|_| MessageError::Damaged(IPCONN))?;
        Ok(Self {
            proto: wire.proto,
            srcip: wire.srcip.map(|octets| address(&octets)).transpose()?,
            srcport: wire.srcport,
            dstip: wire.dstip.map(|octets| address(&octets)).transpose()?,
            dstport: wire.dstport,
        })
    }
}

impl Packet {
    /// The message with its time, in seconds and nanoseconds since 1970.
    #[must_use]
    pub fn into_payload(self, seconds: i64, nanos: u32) -> Payload {
        let wire = PacketWire { payload_type: Some(IP), payload: Some(self.octets) };
        Payload { kind: PACKET, seconds, nanos, octets: wire.encode_to_vec(), ..Payload::default() }
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// It is of another type, damaged, or carries something else than IP.
    pub fn from_payload(payload: &Payload) -> Result<Self, MessageError> {
        expect(payload, PACKET)?;
        let wire = PacketWire::decode(payload.octets.as_slice()).map_err(|_| MessageError::Damaged(PACKET))?;
        match (wire.payload_type, wire.payload) {
            (Some(IP), Some(octets)) => Ok(Self { octets }),
            _ => Err(MessageError::Damaged(PACKET)),
        }
    }
}

fn expect(payload: &Payload, wanted: Type) -> Result<(), MessageError> {
    if payload.kind == wanted { Ok(()) } else { Err(MessageError::Other { found: payload.kind, wanted }) }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn address(octets: &[u8]) -> Result<IpAddr, MessageError> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Ok(four.into());
    }
    <[u8; 16]>::try_from(octets)
        .map(IpAddr::from)
        .map_err(|_| MessageError::Address { kind: IPCONN, len: octets.len() })
}
