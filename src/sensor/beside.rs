//! What a sensor makes of its packets besides counts, a window at a time.

use super::flows::FlowWindows;
use crate::{UnixNanos, capture::Packet, config, dot11::Reading, run::batches::Beside, tally::Closed};

/// Makes it, as far as the configuration asks for it.
#[derive(Default)]
pub struct Besides {
    flows: Option<FlowWindows>,
}

impl Besides {
    /// Before the first packet.
    #[must_use]
    pub fn new(config: &config::Sensor) -> Self {
        Self { flows: FlowWindows::new(&config.flows) }
    }

    /// A packet of the open window, at `time`.
    #[inline]
    pub fn packet(&mut self, time: UnixNanos, packet: &Packet<'_>, reading: Reading) {
        if let Some(flows) = &mut self.flows {
            flows.packet(time, packet, reading);
        }
    }

    /// A window is over; `last` where no packet comes any more.
    pub fn window(&mut self, closed: &Closed, last: bool) -> Box<Beside> {
        Box::new(Beside { flows: self.flows.as_mut().map(|flows| flows.window(closed.end, last)), alerts: Vec::new() })
    }
}
