//! The store-and-forward log between producing a record and delivering it. Knows no MQTT, no thread, no clock.
//!
//! A sensor keeps two tiers: a hot one in its runtime directory (memory; survives `kill -9`, not a power cut) and a
//! cold one in its state directory (disk). Ingest keeps the cold tier alone, where an append is on disk when it
//! returns. Both tiers together are one ring under one byte bound: records stay after delivery, for replay, until
//! their space is needed; whatever gives way undelivered is declared by a gap record in the same log.
//!
//! * [`entry`]: what goes in and what comes out.
//! * `ring`: [`Spool`] itself: append, read, acknowledge, offer again.
//! * `tiers`: what moves from memory to disk, and when.
//! * `held`: records that wait for the time to be known, and their release.
//! * `evict`: the byte bound: what gives way, and how that is declared.
//! * `missing`: what an ingest declares lost by itself, and withdraws.
//! * `privacy`: what a stricter privacy mode forbids to keep is erased.
//! * `run_info`: what is known of a run; `runs`: what is declared of one that ended badly; `ledger`: which windows of it
//!   have arrived, for ingest.
//! * `store`: one tier: one SQLite file; `rows`: what is in it; `failure`: what SQLite said; `files`: directories, locks, files set aside.
//!
//! Calls block; wrap a [`Spool`] in a mutex and call it where blocking is allowed.

pub mod entry;
mod error;
mod evict;
mod failure;
mod files;
mod held;
mod ledger;
mod missing;
mod privacy;
mod ring;
mod rows;
mod run_info;
mod runs;
mod shared;
mod store;
mod tiers;

pub use entry::{Entry, EntryKind, Held, Key, NewEntry, Want, Which};
pub use error::SpoolError;
pub use missing::Missing;
pub use privacy::{Erased, Privacy};
pub use ring::Spool;
pub use run_info::RunInfo;
pub use shared::SharedSpool;

use crate::wire::Gap;
use std::{path::PathBuf, time::Duration};

/// How a spool is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The hot tier's directory, in memory; `None` keeps one durable tier, as ingest does.
    pub runtime_dir: Option<PathBuf>,
    /// The cold tier's directory, on disk.
    pub state_dir: PathBuf,
    /// The size of both tiers' files together, at most.
    pub max_bytes: u64,
    /// How long a record may wait undelivered in the hot tier.
    pub age_out: Duration,
    /// Write every append to the cold tier at once.
    pub durable: bool,
    /// Keep account of the windows that arrived, so that [`Spool::holes`] can tell what is missing.
    pub ledger: bool,
    /// What may be kept, whatever was allowed when it was written; `None` where others are answerable for that.
    pub privacy: Option<Privacy>,
    /// Who reads: at most 63 names, a cursor each. A new name is offered everything stored; a name no longer here
    /// loses its cursor.
    pub readers: Vec<String>,
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// Files that were damaged and set aside under these names; a fresh file took their place.
    pub set_aside: Vec<PathBuf>,
    /// What was erased, because it was written in a weaker privacy mode. It is neither offered nor counted any more;
    /// what somebody waited for is in the log as gap records.
    pub erased: Option<Erased>,
    /// Runs without a `final` mark, for [`Spool::declare_crash`]; one of them may be the run about to go on, if a
    /// file is replayed. Empty with a ledger, where runs are those of others.
    pub unfinished: Vec<RunInfo>,
}

/// What an append did.
#[derive(Clone, Debug, Default)]
pub struct Appended {
    /// The positions of the new entries, in the order they were given; 0 for one that had to be given up at once
    /// because it alone is larger than the spool.
    pub ids: Vec<u64>,
    /// What gave way undelivered; already in the log as gap records.
    pub evicted: Vec<Gap>,
}

/// What a move from memory to disk did.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// Entries now on disk.
    pub entries: u64,
    /// What gave way to them undelivered; already in the log as gap records.
    pub evicted: Vec<Gap>,
}

/// What [`Spool::offer_again`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Windows that the reader gets (again).
    pub windows: u64,
    /// Ranges of windows, both ends included, that are not stored, ascending.
    pub missing: Vec<(u64, u64)>,
}

/// How full the spool is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries stored, delivered ones included.
    pub entries: u64,
    /// Size of the files of both tiers, write-ahead logs included.
    pub bytes: u64,
    /// Entries waiting for each reader, in the order of [`Settings::readers`].
    pub undelivered: Vec<(String, u64)>,
    /// Windows given up undelivered since the spool was opened.
    pub evicted_windows: u64,
    /// Frames counted in them.
    pub evicted_frames: u64,
    /// Gap records given up undelivered since the spool was opened: more were waiting than are kept.
    pub dropped_gaps: u64,
}
