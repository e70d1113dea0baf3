//! Channels: how long each was listened to, and what came.

use super::Steps;
use crate::{
    UnixNanos,
    sink::history::{
        History,
        range::{HistoryError, Page, Range, Scope},
        station::ChannelSum,
    },
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// One frequency over a range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelRow {
    /// Centre frequency in MHz.
    pub freq_mhz: u16,
    /// Milliseconds listened there; absent where nobody can know.
    pub listened_ms: Option<u64>,
    /// Frames captured there.
    pub frames: u64,
    /// Their octets.
    pub bytes: u64,
    /// The same in steps, where steps were asked for: those in which there is something.
    pub steps: Vec<ChannelStep>,
}

/// One step of a frequency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelStep {
    /// Its start.
    pub from: UnixNanos,
    /// Milliseconds listened; absent where nobody can know.
    pub listened_ms: Option<u64>,
    /// Frames captured.
    pub frames: u64,
    /// Their octets.
    pub bytes: u64,
}

impl History {
    /// The frequencies heard or listened to, ascending.
    ///
    /// # Errors
    /// When the file cannot be read, or there would be more than [`super::MOST_STEPS`] steps.
    pub fn channels(
        &self,
        range: Range,
        step: Option<Duration>,
        scope: &Scope,
    ) -> Result<Page<ChannelRow>, HistoryError> {
        let steps = step.map(|step| Steps::new(range, step)).transpose()?;
        let transaction = self.moment()?;
        let mut moment = Self::at(&transaction, range, scope);
        if let Some(step) = step {
            moment = moment.in_steps(step);
        }
        let mut sums: BTreeMap<u16, (ChannelSum, BTreeMap<usize, ChannelSum>)> = BTreeMap::new();
        moment.channels(|start, freq_mhz, sum| {
            let (all, of_step) = sums.entry(freq_mhz).or_default();
            all.add(&sum);
            if let Some(steps) = steps {
                of_step.entry(steps.of(start)).or_default().add(&sum);
            }
        })?;
        let starts: Vec<UnixNanos> =
            steps.map(|steps| steps.ranges().map(|step| step.from).collect()).unwrap_or_default();
        let items = sums.into_iter().map(|(freq_mhz, (all, of_step))| ChannelRow {
            freq_mhz,
            listened_ms: all.listened_ms,
            frames: all.frames,
            bytes: all.bytes,
            steps: of_step
                .into_iter()
                .filter_map(|(index, sum)| {
                    let ChannelSum { listened_ms, frames, bytes } = sum;
                    Some(ChannelStep { from: *starts.get(index)?, listened_ms, frames, bytes })
                })
                .collect(),
        });
        Ok(Page { tier: moment.tier(), items: items.collect(), next: None, truncated: false })
    }
}
