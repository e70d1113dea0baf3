//! `airtally inspect`: capture files to one tally, by the same code that the sensor counts with. Prints nothing.
//!
//! * [`files`]: which captures were meant; `read` counts one, `parallel` many, or one in segments.
//! * [`Report`]: what was counted; [`rows`] are the views of it, [`document`] is its JSON.
//! * [`alerts`]: what in captures looks like an attack, by `alert`'s rules.
//! * [`flows`]: the flows of captures, by `flow`'s meter; [`people`]: estimates of people, by the sensor's.
//! * [`windows`]: the batches that the sensor would publish; [`watch`]: captures that appear in a directory.

pub mod alerts;
pub mod document;
pub mod files;
pub mod flows;
mod groups;
mod parallel;
pub mod people;
mod read;
mod report;
pub mod rows;
pub mod watch;
pub mod windows;

pub use files::Input;
pub use report::{FileCount, Report};

use crate::{UnixNanos, tally::MergeError};
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Stations with counts of their own, at most, where nobody says otherwise: some 100 MiB if all of them are met.
pub const MAX_STATIONS: usize = 1 << 20;

/// What to count, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Stations with counts of their own, at most.
    pub max_stations: usize,
    /// Threads that count, at most.
    pub threads: usize,
    /// Counts only packets that this expression matches (pcap-filter(7)).
    pub filter: Option<String>,
    /// Counts only packets captured then or later.
    pub since: Option<UnixNanos>,
    /// Counts only packets captured before.
    pub until: Option<UnixNanos>,
    /// Counts that many packets of each capture, and reads no further.
    pub count: Option<u64>,
    /// Reads that many packets of each capture, at most.
    pub max_frames: Option<u64>,
    /// Reads that many octets of each capture, uncompressed, at most.
    pub max_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_stations: MAX_STATIONS,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            filter: None,
            since: None,
            until: None,
            count: None,
            max_frames: None,
            max_bytes: None,
        }
    }
}

impl Options {
    /// Whether what is counted depends on the place of a packet in its capture.
    fn ends_early(&self) -> bool {
        self.count.is_some() || self.max_frames.is_some() || self.max_bytes.is_some()
    }

    /// Whether packets are chosen by what they are.
    fn chooses(&self) -> bool {
        self.filter.is_some() || self.since.is_some() || self.until.is_some()
    }
}

/// How far reading has come: octets of the files as they are on disk. And whether it is to go on.
#[derive(Debug, Default)]
pub struct Progress {
    octets: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// Octets read so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// Ends reading: what was read is the answer.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn add(&self, octets: u64) {
        self.octets.fetch_add(octets, Ordering::Relaxed);
    }

    /// As [`Self::add`]; whether to go on.
    fn moved(&self, octets: u64) -> bool {
        self.add(octets);
        !self.is_stopped()
    }

    fn restart_from(&self, octets: u64) {
        self.octets.store(octets, Ordering::Relaxed);
    }
}

/// Counts all of `inputs` into one report, as if each followed the one before.
#[must_use]
pub fn merged(inputs: &[Input], options: &Options, progress: &Arc<Progress>) -> Report {
    if let [input] = inputs {
        return parallel::one(input, options, progress);
    }
    let alone = Options { threads: 1, ..options.clone() };
    // Standard input cannot be read again, should counting apart prove inexact.
    if options.threads > 1 && !inputs.contains(&Input::Stdin) {
        let mut total = Report::new(options.max_stations);
        let mut apart = Ok(());
        let work = |index: usize| inputs.get(index).map(|input| parallel::one(input, &alone, progress));
        parallel::in_order(inputs.len(), options.threads, work, |report: Option<Report>| {
            apart = report.map_or(Ok(()), |report| total.merge(report));
            if apart.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match apart {
            Ok(()) => return total,
            Err(MergeError) => progress.restart_from(0),
        }
    }
    let mut total = Report::new(options.max_stations);
    for input in inputs {
        read::input(input, options, progress, &mut total);
    }
    total
}

/// Counts each of `inputs` by itself, several at a time, and hands over the reports in order, until `take` breaks.
pub fn each(
    inputs: &[Input],
    options: &Options,
    progress: &Arc<Progress>,
    mut take: impl FnMut(&Input, Report) -> ControlFlow<()>,
) {
    // Many files keep all threads busy by themselves; a single one is divided.
    let threads_each = if inputs.len() == 1 { options.threads } else { 1 };
    let alone = Options { threads: threads_each, ..options.clone() };
    let work = |index: usize| inputs.get(index).map(|input| (input, parallel::one(input, &alone, progress)));
    parallel::in_order(inputs.len(), options.threads, work, |counted| match counted {
        Some((input, report)) => take(input, report),
        None => ControlFlow::Continue(()),
    });
}
