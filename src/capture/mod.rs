//! Where frames come from: an interface, capture files, standard input. Counts nothing.

use crate::{UnixNanos, dot11::LinkType};

/// One captured packet, borrowed from its source for as long as it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it was captured.
    pub time: UnixNanos,
    /// What its bytes begin with.
    pub link: LinkType,
    /// The bytes that were kept.
    pub data: &'a [u8],
    /// How many there were on the air, the capture header included: what Wireshark calls `frame.len`.
    pub original_len: u32,
}
