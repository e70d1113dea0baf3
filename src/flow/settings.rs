//! How flows are told apart in time, and how many of them there may be.

use std::time::Duration;

/// How to make flows of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Flows that go on at the same time, at most; the one whose latest packet is the oldest gives way, with a record. Some
    /// 300 octets each.
    pub max_flows: usize,
    /// A flow without a packet for longer than this has ended; never, where there is none.
    pub idle: Option<Duration>,
    /// A flow that goes on for longer than this makes a record, and goes on in another; never, where there is none.
    pub active: Option<Duration>,
    /// Keep the name that a flow asks for.
    pub names: bool,
}

impl Settings {
    /// For captures: one record a conversation, however long it is.
    pub const OF_CAPTURES: Self = Self { max_flows: 1 << 20, idle: None, active: None, names: false };
    /// For what is heard as it happens: a record comes six minutes after what it is about, at the latest.
    pub const LIVE: Self = Self {
        max_flows: 1 << 16,
        idle: Some(Duration::from_secs(60)),
        active: Some(Duration::from_secs(300)),
        names: false,
    };
}
