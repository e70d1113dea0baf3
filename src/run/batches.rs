//! Closed windows to the records that travel: their identity, and their parts. The sensor's recorder and
//! `airtally inspect --window` share it, so that both give the same octets for the same capture.

use super::identity;
use crate::{
    config::Sensor,
    tally::{Closed, CounterSettings},
    wire::{Alert, Alerts, FlowContents, Flows, Identity, Record, TimeSource, number_parts, split},
};
use std::sync::Arc;
use uuid::Uuid;

/// Room in a message for the topic and properties beside the batch.
const ENVELOPE: u64 = 1024;
/// Octets of `"flow_parts":…,` or `"alert_parts":…,` in a batch.
const OTHER_PARTS: usize = 32;

/// Which run each pass over the source is.
#[derive(Clone, Debug)]
pub enum Runs {
    /// The one run of an interface or standard input.
    Fresh(Uuid),
    /// A file's: one a pass.
    File(identity::ContentHash),
    /// A file's that cannot be replayed alike: one a pass, and none is ever again.
    Passing,
}

impl Runs {
    /// The one run, where there is but one.
    #[must_use]
    pub const fn fresh(&self) -> Option<Uuid> {
        match self {
            Self::Fresh(run) => Some(*run),
            Self::File(_) | Self::Passing => None,
        }
    }
}

/// How a configuration asks to count.
#[must_use]
pub fn counter_settings(config: &Sensor, live: bool) -> CounterSettings {
    CounterSettings { window: config.window.clone(), tracking: config.tracked(), privacy: config.privacy.clone(), live }
}

/// What a window has besides counts.
#[derive(Debug, Default)]
pub struct Beside {
    /// Where flows are told.
    pub flows: Option<FlowContents>,
    /// The alerts whose state changed.
    pub alerts: Vec<Alert>,
}

/// Gives windows their places in their run.
pub struct Batches {
    config: Arc<Sensor>,
    registry: String,
    runs: Runs,
    pass: u64,
    run: Uuid,
    seq: u64,
}

impl Batches {
    /// Before the first window of the first pass. `registry` is the vendor registry's hash.
    #[must_use]
    pub fn new(config: &Arc<Sensor>, registry: &str, runs: Runs) -> Self {
        let (config, registry) = (Arc::clone(config), registry.to_owned());
        let mut batches = Self { config, registry, runs, pass: 0, run: Uuid::nil(), seq: 0 };
        batches.run = batches.run_of_pass();
        batches
    }

    fn run_of_pass(&self) -> Uuid {
        match self.runs {
            Runs::Fresh(run) => run,
            Runs::Passing => identity::fresh(),
            Runs::File(content) => identity::of_file(content, &self.config, &self.registry, self.pass),
        }
    }

    /// The run of the next window.
    #[must_use]
    pub fn run(&self) -> Uuid {
        self.run
    }

    /// The records of the next window, whose times come from `clock`; `last` if it is the last of its pass. `beside` is what
    /// the window has besides counts.
    pub fn records(
        &mut self,
        window: Closed,
        beside: Beside,
        clock: TimeSource,
        last: bool,
    ) -> impl Iterator<Item = Record> + use<> {
        let (site, sensor) = (self.config.site.clone(), self.config.sensor.clone());
        let identity = Identity { site, sensor, run: self.run, seq: self.seq };
        let room = usize::try_from(self.config.mqtt.max_message.0.saturating_sub(ENVELOPE)).unwrap_or(usize::MAX);
        let (start, end) = (window.start, window.end);
        let Beside { flows, alerts } = beside;
        let others = usize::from(flows.is_some()) + usize::from(!alerts.is_empty());
        let room_of_batches = room.saturating_sub(OTHER_PARTS * others);
        let mut batches = split(&identity, start, end, clock, last, window.contents, room_of_batches);
        let mut flows =
            flows.map_or_else(Vec::new, |flows| Flows::split(&identity, (start, end), clock, last, flows, room));
        let mut alerts = Alerts::split(&identity, (start, end), clock, last, alerts, room);
        number_parts(&mut batches, &mut flows, &mut alerts);
        self.seq += 1;
        if last {
            self.pass += 1;
            self.seq = 0;
            self.run = self.run_of_pass();
        }
        let batches = batches.into_iter().map(|batch| Record::Batch(Box::new(batch)));
        let flows = flows.into_iter().map(|flows| Record::Flows(Box::new(flows)));
        batches.chain(flows).chain(alerts.into_iter().map(|alerts| Record::Alerts(Box::new(alerts))))
    }
}
