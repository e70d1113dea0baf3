//! The newest window of a sensor, put together from its parts.

use crate::{
    Mac, UnixNanos,
    bounds::MAX_PARTS,
    wire::{Address, Batch, Channel, Role},
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What a summary says of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    pub end: UnixNanos,
    pub stations: u64,
    /// Nothing where the privacy mode sends sums of vendors.
    pub access_points: Option<u64>,
    pub randomised: u64,
    pub frames: u64,
    /// Milliseconds listened, and the window's length; nothing where the radio is not the sensor's own.
    pub listened: Option<(u64, u64)>,
}

/// A window some of whose parts have come.
#[derive(Debug)]
struct Open {
    run: Uuid,
    seq: u64,
    seen: BTreeSet<u32>,
    so_far: Window,
}

/// The newest window that is whole, and one that is coming. A window that is older than the newest changes nothing:
/// sensors send late what they had to keep.
#[derive(Debug, Default)]
pub struct Newest {
    whole: Option<Window>,
    open: Option<Open>,
}

impl Newest {
    /// The newest whole window.
    pub const fn window(&self) -> Option<&Window> {
        self.whole.as_ref()
    }

    /// Adds a part. What comes twice counts once.
    pub fn add(&mut self, batch: &Batch) {
        let (run, seq) = (batch.identity.run, batch.identity.seq);
        if self.whole.as_ref().is_some_and(|whole| batch.end <= whole.end) {
            return;
        }
        if self.open.as_ref().is_none_or(|open| (open.run, open.seq) != (run, seq)) {
            if self.open.as_ref().is_some_and(|open| batch.end < open.so_far.end) {
                return;
            }
            let so_far = Window {
                end: batch.end,
                stations: 0,
                access_points: Some(0),
                randomised: 0,
                frames: 0,
                listened: None,
            };
            self.open = Some(Open { run, seq, seen: BTreeSet::new(), so_far });
        }
        let Some(open) = &mut self.open else { return };
        if open.seen.len() >= MAX_PARTS as usize || !open.seen.insert(batch.part) {
            return;
        }
        open.so_far.take(batch);
        // Those of other kinds follow on topics of their own.
        let parts =
            batch.parts.saturating_sub(batch.flow_parts.unwrap_or(0)).saturating_sub(batch.alert_parts.unwrap_or(0));
        if open.seen.len() >= parts as usize {
            self.whole = self.open.take().map(|open| open.so_far);
        }
    }
}

impl Window {
    fn take(&mut self, batch: &Batch) {
        if let Some(capture) = &batch.capture {
            self.frames = capture.frames;
            let listened: Option<u64> = batch.channels.iter().map(|channel: &Channel| channel.listened_ms).sum();
            let length = u64::try_from(batch.end.saturating_since(batch.start).as_millis()).unwrap_or(u64::MAX);
            // A radio that was away has no channel, and says for how long it was.
            let is_its_own = !batch.channels.is_empty() || capture.off_ms.is_some();
            self.listened = listened.filter(|_| is_its_own).map(|listened| (listened.min(length), length));
        }
        self.stations += batch.stations.len() as u64;
        self.randomised += batch.stations.iter().filter(|station| station.randomised).count() as u64;
        let access_points = batch.stations.iter().filter(|station| station.role == Role::AccessPoint).count() as u64;
        self.access_points = self.access_points.map(|so_far| so_far + access_points);
        for vendor in &batch.vendors {
            self.access_points = None;
            self.stations += vendor.stations;
            if vendor.randomised {
                self.randomised += vendor.stations;
            }
        }
    }
}

/// When each of these addresses was last heard in a part of a window.
pub fn heard<'part>(
    batch: &'part Batch,
    wanted: &'part BTreeSet<Mac>,
) -> impl Iterator<Item = (Mac, UnixNanos)> + 'part {
    batch.stations.iter().filter_map(|station| match station.mac {
        Address::Mac(mac) if wanted.contains(&mac) => Some((mac, station.last_seen)),
        _ => None,
    })
}
