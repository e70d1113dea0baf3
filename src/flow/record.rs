//! What is said of a flow once it has ended, or for as long as it has gone on.

use super::{fate::Sum, layer7::Layer7, packet::Tuple};
use crate::{UnixNanos, wire};

/// Why a record was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No packet came for as long as the idle timeout says.
    Idle,
    /// The flow goes on, longer than the active timeout says: its next packets are in another record.
    Active,
    /// There were too many flows, and this one's latest packet was the oldest.
    Evicted,
    /// The packets ended.
    Capture,
}

impl End {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Evicted => "evicted",
            Self::Capture => "capture",
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its source is who sent the first packet.
    pub tuple: Tuple,
    /// Packets from source to destination. Octets are those of captured packets: see [`Sum`].
    pub sent: Sum,
    /// Packets from destination to source.
    pub received: Sum,
    /// The time of the earliest packet; `None` if none has a time.
    pub first: Option<UnixNanos>,
    /// The time of the latest packet.
    pub last: Option<UnixNanos>,
    /// All flags of TCP that the source set, FIN in bit 0 to CWR in bit 7.
    pub flags_out: u8,
    /// … and the destination.
    pub flags_in: u8,
    /// What the first packets show of the protocol above the transport.
    pub layer7: Option<Layer7>,
    /// The first name asked for, where names are kept. It comes from a stranger.
    pub name: Option<Box<str>>,
    /// How many records of the same flow came before, by the active timeout.
    pub part: u32,
    /// Why this record was made.
    pub end: End,
}

impl Flow {
    /// Packets of both directions, and their octets.
    #[must_use]
    pub fn total(&self) -> Sum {
        let mut total = self.sent;
        total += self.received;
        total
    }

    /// As it travels and is printed.
    #[must_use]
    pub fn row(&self) -> wire::FlowRow {
        wire::FlowRow {
            proto: self.tuple.proto.to_string(),
            src: self.tuple.src,
            src_port: self.tuple.sport,
            dst: self.tuple.dst,
            dst_port: self.tuple.dport,
            packets_out: self.sent.packets,
            bytes_out: self.sent.bytes,
            packets_in: self.received.packets,
            bytes_in: self.received.bytes,
            first_time: self.first,
            last_time: self.last,
            tcp_flags_out: tcp_flags(self.flags_out),
            tcp_flags_in: tcp_flags(self.flags_in),
            layer7: self.layer7.map(|layer7| layer7.name().to_owned()),
            layer7_info: self.name.as_deref().map(str::to_owned),
            part: self.part,
            end: self.end.name().to_owned(),
        }
    }
}

/// Flags by their letters, like `SA`: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.
fn tcp_flags(flags: u8) -> String {
    "FSRPAUEC".chars().enumerate().filter(|(bit, _)| flags >> bit & 1 != 0).map(|(_, letter)| letter).collect()
}
