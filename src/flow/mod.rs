//! Packets to flows: who spoke with whom, by which protocol, how much, and from when to when. Does no I/O and reads no
//! clock: the time comes in with the packets.
//!
//! [`Meter`] is the one way in. [`packet`] reads one IP packet, `link` finds it in what was captured, `fragments` knows to
//! which one a later fragment belongs, `table` has the flows that are going on, [`layer7`] looks at what they carry, and
//! [`Flow`] is what is said of one. A packet that is in no flow is counted in exactly one place of [`Totals`].
//!
//! ```
//! use airtally::{UnixNanos, dot11::{LinkType, Reading}, flow::{Meter, Settings}};
//! // UDP from 10.0.0.1, port 7, to 10.0.0.2, port 9, and the answer.
//! let there = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 9, 0, 8, 0, 0];
//! let back = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1, 0, 9, 0, 7, 0, 8, 0, 0];
//! let mut meter = Meter::new(Settings::OF_CAPTURES);
//! let mut flows = Vec::new();
//! for (second, packet) in [there, back].iter().enumerate() {
//!     let time = UnixNanos::new(second as i64, 0);
//!     meter.packet(time, LinkType::RAW, packet, 28, Reading::default(), &mut |flow| flows.push(flow));
//! }
//! meter.finish(&mut |flow| flows.push(flow));
//! assert_eq!((flows[0].tuple.sport, flows[0].sent.packets, flows[0].received.packets), (7, 1, 1));
//! assert!(meter.totals().add_up());
//! ```

mod fate;
mod fragments;
pub mod layer7;
mod link;
pub mod packet;
mod record;
mod settings;
mod table;
#[cfg(test)]
mod tests;

pub use fate::{Fate, Sum, Totals};
pub use layer7::Layer7;
pub use link::{Inner, each_inner};
pub use packet::{IpPacket, NotIp, Proto, Tuple};
pub use record::{End, Flow};
pub use settings::Settings;

use crate::{
    UnixNanos,
    dot11::{LinkType, Reading},
};
use fragments::Fragments;
use table::Table;

/// Makes flows of packets.
pub struct Meter {
    table: Table,
    fragments: Fragments,
    totals: Totals,
}

impl Meter {
    /// A meter that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { table: Table::new(settings), fragments: Fragments::default(), totals: Totals::default() }
    }

    /// One captured packet. `data` is what was kept of `original_len` octets. Records of flows that have ended by its time go to
    /// `emit`.
    #[inline]
    pub fn packet(
        &mut self,
        time: UnixNanos,
        link: LinkType,
        data: &[u8],
        original_len: u32,
        reading: Reading,
        emit: &mut impl FnMut(Flow),
    ) {
        self.totals.captured.add(original_len);
        let mut more = 0;
        let Self { table, fragments, totals } = self;
        each_inner(link, data, original_len, reading, &mut |inner, bytes| {
            more += 1;
            let lost = match inner {
                Inner::Ip(packet) => match packet::parse_ip(packet) {
                    Ok(packet) => {
                        let tuple = match packet.fragment {
                            None => Some(packet.tuple),
                            Some(fragment) => fragments.tuple(packet.tuple, fragment, time),
                        };
                        match tuple {
                            Some(tuple) => {
                                totals.flows.add(bytes);
                                return table.packet(time, &tuple, &packet, bytes, emit);
                            }
                            None => Fate::Fragment,
                        }
                    }
                    Err(NotIp::Malformed) => Fate::Malformed,
                    Err(NotIp::Cut) => Fate::Cut,
                },
                Inner::Other(fate) => fate,
            };
            totals.lost(lost, bytes);
        });
        totals.aggregated += more - 1;
    }

    /// Ends the flows that have been idle for too long at `now`, for when no packet comes to tell the time.
    pub fn sweep(&mut self, now: UnixNanos, emit: &mut impl FnMut(Flow)) {
        self.table.sweep(now, emit);
    }

    /// Ends all flows, in the order in which they began.
    pub fn finish(&mut self, emit: &mut impl FnMut(Flow)) {
        self.table.finish(emit);
    }

    /// What became of all packets.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Flows that are going on.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.table.len()
    }

    /// Flows that gave way to others before they had ended.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.table.evicted()
    }
}
