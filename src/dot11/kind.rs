//! Frame types and subtypes: their numbers and the standard's names. Reads no frame.

use std::fmt;

/// Frame type and subtype (IEEE 802.11-2020, 9.2.4.1.3) as one number: type × 16 + subtype, like `0x08` for a
/// beacon; a control frame extension is `0x160` + its extension (table 9-2).
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

impl FrameKind {
    /// Association request.
    pub const ASSOCIATION_REQUEST: Self = Self(0x00);
    /// Reassociation request.
    pub const REASSOCIATION_REQUEST: Self = Self(0x02);
    /// Probe request.
    pub const PROBE_REQUEST: Self = Self(0x04);
    /// Probe response.
    pub const PROBE_RESPONSE: Self = Self(0x05);
    /// Beacon.
    pub const BEACON: Self = Self(0x08);
    /// Disassociation.
    pub const DISASSOCIATION: Self = Self(0x0a);
    /// Authentication.
    pub const AUTHENTICATION: Self = Self(0x0b);
    /// Deauthentication.
    pub const DEAUTHENTICATION: Self = Self(0x0c);
    /// Action.
    pub const ACTION: Self = Self(0x0d);
    /// PS-Poll.
    pub const PS_POLL: Self = Self(0x1a);
    /// Request to send.
    pub const RTS: Self = Self(0x1b);
    /// Clear to send.
    pub const CTS: Self = Self(0x1c);
    /// Acknowledgement.
    pub const ACK: Self = Self(0x1d);

    /// The first number of the control frame extensions.
    pub const CONTROL_EXTENSION: u16 = 0x160;
    /// One more than the largest number there is.
    pub const LIMIT: u16 = 0x170;

    /// The frame's type.
    #[must_use]
    #[inline]
    pub const fn class(self) -> Class {
        match self.0 {
            0x00..=0x0f => Class::Management,
            0x20..=0x2f => Class::Data,
            0x30..=0x3f => Class::Extension,
            _ => Class::Control,
        }
    }

    /// The standard's name (IEEE 802.11-2020, tables 9-1 and 9-2), in lower case but for abbreviations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x00 => "association request",
            0x01 => "association response",
            0x02 => "reassociation request",
            0x03 => "reassociation response",
            0x04 => "probe request",
            0x05 => "probe response",
            0x06 => "timing advertisement",
            0x08 => "beacon",
            0x09 => "ATIM",
            0x0a => "disassociation",
            0x0b => "authentication",
            0x0c => "deauthentication",
            0x0d => "action",
            0x0e => "action no ack",
            0x12 => "trigger",
            0x13 => "TACK",
            0x14 => "beamforming report poll",
            0x15 => "NDP announcement",
            0x16 => "control frame extension",
            0x17 => "control wrapper",
            0x18 => "block ack request",
            0x19 => "block ack",
            0x1a => "PS-Poll",
            0x1b => "RTS",
            0x1c => "CTS",
            0x1d => "ack",
            0x1e => "CF-End",
            0x1f => "CF-End + CF-Ack",
            0x20 => "data",
            0x21 => "data + CF-Ack",
            0x22 => "data + CF-Poll",
            0x23 => "data + CF-Ack + CF-Poll",
            0x24 => "null",
            0x25 => "CF-Ack",
            0x26 => "CF-Poll",
            0x27 => "CF-Ack + CF-Poll",
            0x28 => "QoS data",
            0x29 => "QoS data + CF-Ack",
            0x2a => "QoS data + CF-Poll",
            0x2b => "QoS data + CF-Ack + CF-Poll",
            0x2c => "QoS null",
            0x2e => "QoS CF-Poll",
            0x2f => "QoS CF-Ack + CF-Poll",
            0x30 => "DMG beacon",
            0x31 => "S1G beacon",
            0x162 => "poll",
            0x163 => "SPR",
            0x164 => "grant",
            0x165 => "DMG CTS",
            0x166 => "DMG DTS",
            0x167 => "grant ack",
            0x168 => "SSW",
            0x169 => "SSW-Feedback",
            0x16a => "SSW-Ack",
            _ => "reserved",
        }
    }
}

impl fmt::Display for FrameKind {
    /// Four hexadecimal digits, like `0x0008`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:#06x}", self.0)
    }
}
