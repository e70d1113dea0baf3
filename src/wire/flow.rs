//! A flow as it travels and is printed: who spoke with whom, how much, from when to when.

use crate::UnixNanos;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

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
