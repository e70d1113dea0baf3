//! What a sensor makes of its packets besides counts, a window at a time.

use super::{flows::FlowWindows, hearing::Hearing};
use crate::{
    UnixNanos,
    alert::{Counts, News},
    capture::Packet,
    config,
    dot11::{Facts, Reading},
    people::{Heard, Meter},
    run::{batches::Beside, people, watch::AlertWindows},
    tally::{Closed, Naming},
};

/// Alerts of one window that the log names, at most.
const MOST_LOGGED: usize = 8;

/// Makes it, as far as the configuration asks for it.
#[derive(Default)]
pub struct Besides {
    flows: Option<FlowWindows>,
    alerts: Option<AlertWindows>,
    hearing: Option<Hearing>,
    people: Option<Meter>,
    /// Frames are of the air, and not of a capture.
    is_live: bool,
}

impl Besides {
    /// Before the first packet.
    #[must_use]
    pub fn new(config: &config::Sensor) -> Self {
        Self {
            flows: FlowWindows::new(&config.flows),
            alerts: AlertWindows::new(config),
            hearing: config.alerts.enabled.then(|| Hearing::new(&config.sensor)),
            people: config.people.enabled.then(|| people::meter(config)),
            is_live: config.source.kind.is_live(),
        }
    }

    /// A packet of the open window, at `time`.
    #[inline]
    pub fn packet(&mut self, time: UnixNanos, packet: &Packet<'_>, facts: &Facts<'_>, reading: Reading) {
        if let Some(flows) = &mut self.flows {
            flows.packet(time, packet, reading);
        }
        if let Some(alerts) = &mut self.alerts {
            alerts.frame(time, facts);
        }
        if let Some(people) = &mut self.people {
            people.frame(time, facts);
        }
    }

    /// A window is over; `last` where no packet comes any more.
    pub fn window(&mut self, closed: &mut Closed, last: bool) -> Box<Beside> {
        let naming = closed.naming.take().unwrap_or(Naming::Withheld);
        let flows = self.flows.as_mut().map(|flows| flows.window(closed.end, last));
        if let Some(people) = &mut self.people {
            let listened = closed.contents.channels.iter().filter_map(|channel| channel.listened_ms);
            let is_known = closed.contents.capture.off_ms.is_some();
            let listened = is_known.then(|| listened.fold(0, u64::saturating_add));
            let heard = if self.is_live { Heard::Live(listened) } else { Heard::Captured };
            closed.contents.people = people.window(closed.start, closed.end, heard, last);
        }
        let mut told = self.alerts.as_mut().map_or_else(Vec::new, |alerts| alerts.window(closed, &naming, last));
        if let Some(hearing) = &mut self.hearing {
            told.extend(hearing.window(closed));
            if last || closed.is_cut {
                told.extend(hearing.finish());
            }
        }
        let news = told.iter().filter(|(news, _)| *news != News::GoesOn);
        for (news, alert) in news.clone().take(MOST_LOGGED) {
            let (kind, subject, frames, start) = (&alert.kind, &alert.subject, alert.frames, alert.start);
            match news {
                News::Opened => {
                    tracing::warn!(kind, subject, frames, %start, "an alert: docs/alerts.md says what it means")
                }
                News::GoesOn | News::Ended => tracing::info!(kind, subject, frames, %start, "an alert has ended"),
            }
        }
        let more = news.count().saturating_sub(MOST_LOGGED);
        if more > 0 {
            tracing::warn!(more, "more alerts in the same window");
        }
        Box::new(Beside { flows, alerts: told.into_iter().map(|(_, alert)| alert).collect() })
    }

    /// The clock was set: what comes belongs to other times.
    pub fn clock_moved(&mut self) {
        if let Some(people) = &mut self.people {
            people.restart();
        }
    }

    /// What the watch has seen so far, where there is one.
    #[must_use]
    pub fn watched(&self) -> Option<Box<Counts>> {
        self.alerts.as_ref().map(|alerts| Box::new(alerts.counts()))
    }
}
