//! The watch of a run: what each of its windows has of alerts, after privacy. Sensor and inspect share it.

use crate::{
    UnixNanos,
    alert::{self, Counts, News, Watch},
    config::Sensor,
    dot11::Facts,
    tally::{Closed, Naming},
    wire::Alert,
};
use std::time::Duration;

/// Watches frames, and tells of them window by window.
pub struct AlertWindows(Watch);

impl AlertWindows {
    /// Before the first frame; nothing where alerts are not enabled.
    #[must_use]
    pub fn new(config: &Sensor) -> Option<Self> {
        config.alerts.enabled.then(|| Self(Watch::new(&config.rules())))
    }

    /// A frame of the open window, at `time`.
    #[inline]
    pub fn frame(&mut self, time: UnixNanos, facts: &Facts<'_>) {
        self.0.frame(time, facts);
    }

    /// A window is over; `last` where no frame comes any more. Gives each alert whose state changed as it is now, once, with what
    /// became of it last. What stands for addresses ends with `naming`, and so do the alerts that it names.
    pub fn window(&mut self, closed: &Closed, naming: &Naming, last: bool) -> Vec<(News, Alert)> {
        let capture = &closed.contents.capture;
        // Only of a radio that is ours it is known how long it listened.
        let listened = capture.off_ms.map(|_| {
            let channels = closed.contents.channels.iter();
            let time = |millis: Option<u64>| Duration::from_millis(millis.unwrap_or(0));
            channels.map(|channel| (channel.freq_mhz, time(channel.listened_ms))).collect::<Vec<_>>()
        });
        let lost = capture.kernel_drops.unwrap_or(0).saturating_add(capture.interface_drops.unwrap_or(0));
        let useless = capture.bad_fcs.saturating_add(capture.malformed);
        // More was lost than heard, or nothing of it can be trusted.
        let missed = lost > capture.frames || (capture.frames > 0 && useless >= capture.frames);
        let stretch = alert::Closed { start: closed.start, end: closed.end, listened: listened.as_deref(), missed };
        let mut changes = self.0.window_closed(&stretch);
        if last || closed.is_cut {
            changes.extend(self.0.finish());
        }
        let mut told: Vec<(News, Alert)> = Vec::new();
        for change in changes {
            let alert = change.alert.told(&mut |mac| naming.address(mac), naming.tells_names());
            let is_same = |(_, other): &&mut (News, Alert)| {
                (&other.kind, &other.subject, other.start) == (&alert.kind, &alert.subject, alert.start)
            };
            match told.iter_mut().find(is_same) {
                Some(same) => *same = (change.news, alert),
                None => told.push((change.news, alert)),
            }
        }
        told
    }

    /// What there was so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.0.counts()
    }
}
