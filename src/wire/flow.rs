//! A flow as it travels and is printed: who spoke with whom, how much, from when to when; and the flows of one window.

use super::{Identity, STAMPING, TimeSource, split::encoded_len};
use crate::UnixNanos;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use std::mem;

/// The schema of [`Flows`].
pub const FLOW_SCHEMA: &str = "airtally.flow/1";

/// One record of a flow. `out` is what `src` sent, `in` what it received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    /// The protocol's name in lower case (`tcp`, `udp`, `sctp`, `icmp`, `icmp6`, …), or its number in digits.
    pub proto: String,
    /// Who sent the first packet.
    pub src: IpAddr,
    /// Its port; 0 where the protocol has none.
    pub src_port: u16,
    /// To whom.
    pub dst: IpAddr,
    /// Its port; 0 where the protocol has none.
    pub dst_port: u16,
    /// Packets from `src` to `dst`.
    pub packets_out: u64,
    /// Octets of these: the original length of each captured packet, link header included.
    pub bytes_out: u64,
    /// Packets from `dst` to `src`.
    pub packets_in: u64,
    /// Octets of these.
    pub bytes_in: u64,
    /// The time of the earliest packet; null where packets have no times.
    pub first_time: Option<UnixNanos>,
    /// The time of the latest packet.
    pub last_time: Option<UnixNanos>,
    /// TCP flags that `src` set, of `FSRPAUEC`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tcp_flags_out: String,
    /// TCP flags that `dst` set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tcp_flags_in: String,
    /// The protocol above the transport, where a packet shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer7: Option<String>,
    /// The first name asked for, where names are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer7_info: Option<String>,
    /// How many records of the same flow came before this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u32,
    /// Why the record was made: `idle`, `active`, `evicted`, `capture`.
    pub end: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Packets, and their octets: original lengths, link header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketSum {
    /// How many.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
}

/// What became of a window's packets. Packets of all classes together are `captured` and `aggregated`, and their octets those
/// of `captured`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered {
    /// Packets captured.
    pub captured: PacketSum,
    /// Packets found in A-MSDUs beside the first of each.
    #[serde(default)]
    pub aggregated: u64,
    /// Class: in flows. Those flows are told when they end, or when an update of them is due.
    pub in_flows: PacketSum,
    /// Class: no IP.
    pub not_ip: PacketSum,
    /// Class: encrypted by the link.
    pub protected: PacketSum,
    /// Class: with a wrong check sequence.
    pub bad_fcs: PacketSum,
    /// Class: lengths or versions contradict each other.
    pub malformed: PacketSum,
    /// Class: cut before the ports.
    pub cut: PacketSum,
    /// Class: later fragments without their first.
    pub fragments: PacketSum,
    /// Flows that gave way to others before they had ended; their records are among the others.
    pub evicted: u64,
    /// Flows that go on at the window's end.
    pub going_on: u64,
    /// Records beyond the bound of one window: their counts are in the sums, and they are told nowhere else.
    pub left_out: u64,
}

/// What ports say of a flow: the lower of its two (RFC 6335, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortClass {
    /// 0 to 1023: well-known services.
    System,
    /// 1024 to 49151.
    User,
    /// 49152 to 65535: neither end has a port of its own.
    Dynamic,
    /// The protocol has no ports.
    None,
}

/// Records of one protocol and class of ports, summed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowSum {
    /// `tcp`, `udp`, `sctp`, `icmp`, `icmp6`, or `other`.
    pub proto: String,
    /// The class of its ports.
    pub ports: PortClass,
    /// Records.
    pub records: u64,
    /// Packets from source to destination.
    pub packets_out: u64,
    /// Octets of these.
    pub bytes_out: u64,
    /// Packets from destination to source.
    pub packets_in: u64,
    /// Octets of these.
    pub bytes_in: u64,
}

/// What a window has of flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowContents {
    /// What became of its packets.
    pub metered: Metered,
    /// All records of the window, summed; by protocol and class of ports, ascending.
    pub sums: Vec<FlowSum>,
    /// The records.
    pub rows: Vec<FlowRow>,
}

/// Records of flows that ended in a window, or went on for long: a part of that window, as published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// [`FLOW_SCHEMA`].
    pub schema: String,
    /// Whose window.
    #[serde(flatten)]
    pub identity: Identity,
    /// Which part of the window, after those that are batches.
    pub part: u32,
    /// Of how many, batches included.
    pub parts: u32,
    /// When the window began.
    pub start: UnixNanos,
    /// When it ended (exclusive).
    pub end: UnixNanos,
    /// Where the times come from.
    pub clock: TimeSource,
    /// As in the window's batches.
    #[serde(rename = "final", default)]
    pub last: bool,
    /// [`STAMPING`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamping: Option<u8>,
    /// What became of the window's packets: in the first of its flow messages alone, so that sums are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metered: Option<Metered>,
    /// The window's sums: in the first of its flow messages alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sums: Vec<FlowSum>,
    /// The records, divided over the messages.
    #[serde(default)]
    pub flows: Vec<FlowRow>,
}

impl Flows {
    /// Divides what a window has of flows into messages of at most `max_bytes` of JSON each; at least one. Their numbers are
    /// set later, by [`super::number_parts`].
    #[must_use]
    pub fn split(
        identity: &Identity,
        (start, end): (UnixNanos, UnixNanos),
        clock: TimeSource,
        last: bool,
        contents: FlowContents,
        max_bytes: usize,
    ) -> Vec<Self> {
        let FlowContents { metered, sums, rows } = contents;
        let empty = || Self {
            schema: FLOW_SCHEMA.into(),
            identity: identity.clone(),
            // The widest numbers while measuring.
            part: u32::MAX,
            parts: u32::MAX,
            start,
            end,
            clock,
            last,
            stamping: Some(STAMPING),
            metered: None,
            sums: Vec::new(),
            flows: Vec::new(),
        };
        let empty_len = encoded_len(&empty());
        let mut part = Self { metered: Some(metered), sums, ..empty() };
        let mut len = encoded_len(&part);
        let mut parts = Vec::new();
        for row in rows {
            let row_len = encoded_len(&row) + 1; // and its comma
            if len + row_len > max_bytes && !(part.flows.is_empty() && part.metered.is_none()) {
                parts.push(mem::replace(&mut part, empty()));
                len = empty_len;
            }
            len += row_len;
            part.flows.push(row);
        }
        parts.push(part);
        parts
    }
}
