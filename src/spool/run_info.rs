//! What is known of a run, and how more becomes known.

use super::{NewEntry, entry::EntryKind};
use crate::{UnixNanos, wire::GapReason};
use uuid::Uuid;

/// What is known of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// The place.
    pub site: String,
    /// The sensor's name.
    pub sensor: String,
    /// The run.
    pub run: Uuid,
    /// The first window appended; `None` where only the run's start is known.
    pub first_seq: Option<u64>,
    /// The last window known to be safe; after a power cut, an earlier one than the last that was counted.
    pub last_seq: Option<u64>,
    /// When that window ended; the run's start where there is none.
    pub last_end: UnixNanos,
    /// Whether its `final` mark was appended, or its loss declared.
    pub finished: bool,
    /// While its times are a guess: in which boot it was, and the guess, as its time less the time since that boot.
    pub guess: Option<(Uuid, i64)>,
}

impl RunInfo {
    /// Takes in what else is known of the same run.
    pub(super) fn advance(&mut self, other: &Self) {
        if other.last_seq >= self.last_seq {
            (self.last_seq, self.last_end) = (other.last_seq, other.last_end);
        }
        self.first_seq = self.first_seq.into_iter().chain(other.first_seq).min();
        self.finished |= other.finished;
        // Both tiers learn of a guess, and of its end, at once; one that came later knows of none.
        self.guess = self.guess.or(other.guess);
    }
}

/// What an entry says of its run's progress.
pub(super) fn progress_of(entry: &NewEntry) -> RunInfo {
    let window = entry.kind.is_window().then_some(entry.key.seq);
    RunInfo {
        site: String::new(),
        sensor: String::new(),
        run: entry.key.run,
        first_seq: window,
        last_seq: window,
        last_end: if window.is_some() { entry.end } else { UnixNanos(i64::MIN) },
        finished: entry.last || entry.kind == EntryKind::Gap(GapReason::Crash),
        guess: None,
    }
}
