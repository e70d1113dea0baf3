//! A payload: what a message says of itself, and its octets. And how it is written within a container.

use super::names::Type;
use prost::Message as _;

/// A message as it travels: its type, its time, where it comes from, and its octets, which [`IpConn`](super::IpConn) and
/// [`Packet`](super::Packet) can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Vendor and type of the message.
    pub kind: Type,
    /// Seconds since 1970, UTC.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanos: u32,
    /// Who made it, a number that users agree upon.
    pub source: Option<u32>,
    /// Who runs what made it.
    pub operator: Option<u32>,
    /// Which group it belongs to.
    pub group: Option<u32>,
    /// The message: protobuf, for every type that is known.
    pub octets: Vec<u8>,
}

/// `NmsgPayload`. What the format requires is optional here, so that its absence is seen.
#[derive(Clone, PartialEq, prost::Message)]
struct Wire {
    #[prost(uint32, optional, tag = "1")]
    vid: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    msgtype: Option<u32>,
    #[prost(int64, optional, tag = "3")]
    time_sec: Option<i64>,
    #[prost(fixed32, optional, tag = "4")]
    time_nsec: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "5")]
    payload: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "7")]
    source: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    operator: Option<u32>,
    #[prost(uint32, optional, tag = "9")]
    group: Option<u32>,
}

impl Payload {
    /// Reads `NmsgPayload`; nothing if it is damaged, or lacks what the format requires.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let wire = Wire::decode(octets).ok()?;
        Some(Self {
            kind: Type { vendor: wire.vid?, number: wire.msgtype? },
            seconds: wire.time_sec?,
            nanos: wire.time_nsec?,
            source: wire.source,
            operator: wire.operator,
            group: wire.group,
            octets: wire.payload.unwrap_or_default(),
        })
    }

    /// Writes `NmsgPayload`.
    pub(super) fn encode(self) -> Vec<u8> {
        let wire = Wire {
            vid: Some(self.kind.vendor),
            msgtype: Some(self.kind.number),
            time_sec: Some(self.seconds),
            time_nsec: Some(self.nanos),
            payload: Some(self.octets).filter(|octets| !octets.is_empty()),
            source: self.source,
            operator: self.operator,
            group: self.group,
        };
        wire.encode_to_vec()
    }
}
