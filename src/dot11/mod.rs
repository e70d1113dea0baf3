//! Bytes to frame facts: the capture header, the 802.11 (or Ethernet) header, information elements.
//!
//! Everything here borrows from the captured bytes, allocates nothing, does no I/O and never panics: each
//! byte comes from strangers.

use crate::Mac;

/// What a capture says its packets begin with: a `LINKTYPE_` number of the tcpdump.org registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// Where a captured frame is counted. Exactly one holds for every frame, decided in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver says that the frame check sequence is wrong, so no address bit can be trusted.
    BadFcs,
    /// Protocol version other than 0, or cut before the addresses that its type needs.
    Malformed,
    /// A frame without a transmitter address: ACK, CTS and the like (IEEE 802.11-2020, 9.3.1); raw IP.
    WithoutTa,
    /// A group address as the transmitter.
    GroupTa,
    /// Transmitted by this individual address.
    Sent(Mac),
}

/// Frame type and subtype (IEEE 802.11-2020, 9.2.4.1.3) as one number: type × 16 + subtype, like `0x08` for a
/// beacon; a control frame extension is `0x160` + its extension (9.2.4.1.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameKind(pub u16);

/// The frame's type (IEEE 802.11-2020, table 9-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Type 0.
    Management,
    /// Type 1.
    Control,
    /// Type 2; Ethernet-like frames count here too.
    Data,
    /// Type 3.
    Extension,
}

/// What one captured frame says, without copying it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Where the frame is counted.
    pub outcome: Outcome,
    /// Type and subtype; `None` where there is no 802.11 frame control field.
    pub kind: Option<FrameKind>,
    /// Receiver address; `None` for frames cut before it.
    pub ra: Option<Mac>,
    /// Source address (by ToDS/FromDS; IEEE 802.11-2020, table 9-30).
    pub sa: Option<Mac>,
    /// Destination address.
    pub da: Option<Mac>,
    /// Basic service set identifier, where the frame carries one.
    pub bssid: Option<Mac>,
    /// The ToDS bit.
    pub to_ds: bool,
    /// The FromDS bit.
    pub from_ds: bool,
    /// The Retry bit.
    pub retry: bool,
    /// The QoS control field says that the body is an A-MSDU.
    pub amsdu: bool,
    /// Signal at the first antenna that reports one, in dBm; absent is absent, never 0.
    pub signal_dbm: Option<i8>,
    /// Centre frequency of the (primary) channel, in MHz.
    pub freq_mhz: Option<u16>,
    /// The information elements of a management frame whose body has them; empty otherwise.
    pub elements: &'a [u8],
    /// The capability information of beacons, probe and association frames (9.4.1.4), where captured.
    pub capability: Option<u16>,
}
