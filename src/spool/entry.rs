//! What goes into a spool and what comes out: records with their identity. Knows no file.

use super::SpoolError;
use crate::{
    UnixNanos,
    bounds::MAX_PARTS,
    wire::{GapReason, Record},
};
use std::time::Duration;
use uuid::Uuid;

/// Longest site or sensor name, in octets.
const MAX_NAME: usize = 256;
/// Largest record, in octets.
const MAX_BODY: usize = 64 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Part of a window.
    Batch,
    /// Part of a window: flows. It has a place among the window's parts, and goes another way out.
    Flows,
    /// Part of a window: alerts. It has a place among the window's parts, and goes another way out.
    Alerts,
    /// A declared loss.
    Gap(GapReason),
}

impl EntryKind {
    /// Whether it is a part of a window.
    #[must_use]
    pub const fn is_window(self) -> bool {
        matches!(self, Self::Batch | Self::Flows | Self::Alerts)
    }
}

/// Whose an entry is. Together with its [`EntryKind`] it is unique: the same again replaces what is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The place.
    pub site: String,
    /// The sensor's name.
    pub sensor: String,
    /// The run.
    pub run: Uuid,
    /// The window; of a gap, the first that is missing.
    pub seq: u64,
    /// The part of the window; 0 for a gap.
    pub part: u32,
}

/// How a record waits for the time to be known: its own times are a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// The boot in which it was counted.
    pub boot: Uuid,
    /// When it began, in nanoseconds since that boot.
    pub start: i64,
}

impl Held {
    /// Of a record that begins at `there`, where this is of one that begins at `here` by the same guess.
    pub(super) const fn of(self, here: UnixNanos, there: UnixNanos) -> Self {
        Self { boot: self.boot, start: self.start.saturating_add(there.0.saturating_sub(here.0)) }
    }
}

/// A record to append.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// What it is.
    pub kind: EntryKind,
    /// Whose it is.
    pub key: Key,
    /// Parts of its window; 1 for a gap.
    pub parts: u32,
    /// Of a gap, the last window that is missing, where that is known.
    pub last_seq: Option<u64>,
    /// When its window began.
    pub start: UnixNanos,
    /// When its window ended.
    pub end: UnixNanos,
    /// Frames counted in its window: on part 0, and 0 on the others, so that sums over parts are exact.
    pub frames: u64,
    /// The `final` mark.
    pub last: bool,
    /// Set where it must not be offered yet.
    pub held: Option<Held>,
    /// The JSON that travels.
    pub body: Vec<u8>,
}

impl NewEntry {
    /// The entry for `record`, which travels as `body`: the bytes it was decoded from, or its own encoding.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] for what no honest sensor sends: names, parts or bodies beyond all use, a sequence
    /// number past 2^63 - 1.
    pub fn new(record: &Record, body: Vec<u8>) -> Result<Self, SpoolError> {
        let (site, sensor, run) = (record.site().to_owned(), record.sensor().to_owned(), record.run());
        let entry = match record {
            Record::Batch(batch) => Self {
                kind: EntryKind::Batch,
                key: Key { site, sensor, run, seq: batch.identity.seq, part: batch.part },
                parts: batch.parts,
                last_seq: None,
                start: batch.start,
                end: batch.end,
                frames: batch.capture.as_ref().map_or(0, |capture| capture.frames),
                last: batch.last,
                held: None,
                body,
            },
            Record::Flows(flows) => Self {
                kind: EntryKind::Flows,
                key: Key { site, sensor, run, seq: flows.identity.seq, part: flows.part },
                parts: flows.parts,
                last_seq: None,
                start: flows.start,
                end: flows.end,
                frames: 0,
                last: flows.last,
                held: None,
                body,
            },
            Record::Alerts(alerts) => Self {
                kind: EntryKind::Alerts,
                key: Key { site, sensor, run, seq: alerts.identity.seq, part: alerts.part },
                parts: alerts.parts,
                last_seq: None,
                start: alerts.start,
                end: alerts.end,
                frames: 0,
                last: alerts.last,
                held: None,
                body,
            },
            Record::Gap(gap) => Self {
                kind: EntryKind::Gap(gap.reason),
                key: Key { site, sensor, run, seq: gap.first_seq, part: 0 },
                parts: 1,
                last_seq: gap.last_seq,
                start: gap.start,
                end: gap.end,
                frames: gap.frames.unwrap_or(0),
                last: false,
                held: None,
                body,
            },
        };
        entry.check().map(|()| entry)
    }

    /// The entry for a record made here: [`NewEntry::new`] with the record's own encoding.
    ///
    /// # Errors
    /// As [`NewEntry::new`].
    pub fn encode(record: &Record) -> Result<Self, SpoolError> {
        Self::new(record, record.encode())
    }

    pub(super) fn check(&self) -> Result<(), SpoolError> {
        let refuse = |why| Err(SpoolError::Refused(why));
        let numbers = [self.key.seq, self.last_seq.unwrap_or(0), self.frames];
        if self.key.site.len() > MAX_NAME || self.key.sensor.len() > MAX_NAME {
            return refuse("its site or sensor has a name of more than 256 octets");
        }
        if self.parts == 0 || self.parts > MAX_PARTS || self.key.part >= self.parts {
            return refuse("it is not one of 1 to 10,000 parts");
        }
        if numbers.iter().any(|&number| i64::try_from(number).is_err()) {
            return refuse("a number in it is larger than 2^63 - 1");
        }
        if self.body.len() > MAX_BODY {
            return refuse("it is larger than 64 MiB");
        }
        if self.last_seq.is_some_and(|last| last < self.key.seq) {
            return refuse("the gap ends before it starts");
        }
        Ok(())
    }
}

/// Which entries a reader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// All of them.
    Everything,
    /// Parts of windows that are batches.
    Batches,
    /// Parts of windows that are flows.
    Flows,
    /// Parts of windows that are alerts.
    Alerts,
    /// Declared losses.
    Gaps,
}

/// Which entries are to be read once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that were appended then or later.
    Since(UnixNanos),
    /// Those that were appended within so long before the newest.
    Last(Duration),
    /// Those at these positions, both included.
    Numbers(u64, u64),
}

/// A stored record.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its position in the log: ascending, and never used again while the spool is open.
    pub id: u64,
    /// What it is.
    pub kind: EntryKind,
    /// Whose it is.
    pub key: Key,
    /// Parts of its window; 1 for a gap.
    pub parts: u32,
    /// When its window began.
    pub start: UnixNanos,
    /// When its window ended.
    pub end: UnixNanos,
    /// Frames counted in its window, on part 0; of a gap, the frames known to be lost.
    pub frames: u64,
    /// The `final` mark.
    pub last: bool,
    /// The JSON that travels.
    pub body: Vec<u8>,
}

/// How kinds are written in the store. A loss declared by this spool is parted from one that was received, so that
/// neither replaces the other.
pub(super) mod code {
    pub(in crate::spool) const BATCH: i64 = 0;
    pub(in crate::spool) const EVICTED: i64 = 1;
    pub(in crate::spool) const CRASH: i64 = 2;
    pub(in crate::spool) const UNAVAILABLE: i64 = 3;
    pub(in crate::spool) const EVICTED_HERE: i64 = 4;
    pub(in crate::spool) const ERASED_HERE: i64 = 5;
    pub(in crate::spool) const OTHER: i64 = 6;
    pub(in crate::spool) const MISSING_HERE: i64 = 7;
}

/// How the ways out of parts of windows are written in the store.
pub(super) mod way {
    pub(in crate::spool) const BATCH: i64 = 0;
    pub(in crate::spool) const FLOWS: i64 = 1;
    pub(in crate::spool) const ALERTS: i64 = 2;
}

impl EntryKind {
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Batch | Self::Flows | Self::Alerts => code::BATCH,
            Self::Gap(GapReason::Evicted) => code::EVICTED,
            Self::Gap(GapReason::Crash) => code::CRASH,
            Self::Gap(GapReason::Unavailable) => code::UNAVAILABLE,
            Self::Gap(GapReason::Other) => code::OTHER,
        }
    }

    /// Which way a part of a window goes out.
    const fn way(self) -> i64 {
        match self {
            Self::Batch | Self::Gap(_) => way::BATCH,
            Self::Flows => way::FLOWS,
            Self::Alerts => way::ALERTS,
        }
    }

    const fn from_code(code: i64, way: i64) -> Self {
        match code {
            code::BATCH if way == way::FLOWS => Self::Flows,
            code::BATCH if way == way::ALERTS => Self::Alerts,
            code::BATCH => Self::Batch,
            code::CRASH => Self::Gap(GapReason::Crash),
            code::UNAVAILABLE | code::ERASED_HERE | code::MISSING_HERE => Self::Gap(GapReason::Unavailable),
            code::OTHER => Self::Gap(GapReason::Other),
            _ => Self::Gap(GapReason::Evicted),
        }
    }
}

/// An entry as it is stored: compressed, with its cursors.
#[derive(Clone, Debug)]
pub(super) struct PackedEntry {
    pub id: u64,
    pub code: i64,
    /// Of a part of a window, which way it goes out.
    pub way: i64,
    pub key: Key,
    pub parts: u32,
    pub last_seq: Option<u64>,
    pub start: UnixNanos,
    pub end: UnixNanos,
    pub frames: u64,
    pub last: bool,
    pub held: Option<Held>,
    /// When it was appended.
    pub added: UnixNanos,
    /// The readers still waiting for it, a bit each.
    pub pending: u64,
    /// Octets of the body before compression.
    pub size: u64,
    /// The body, compressed by zstd with a checksum.
    pub body: Vec<u8>,
}

impl PackedEntry {
    /// Compresses `entry`; the position comes later.
    pub fn pack(entry: &NewEntry, added: UnixNanos, pending: u64, packer: &mut Packer) -> Self {
        Self {
            id: 0,
            code: entry.kind.code(),
            way: entry.kind.way(),
            key: entry.key.clone(),
            parts: entry.parts,
            last_seq: entry.last_seq,
            start: entry.start,
            end: entry.end,
            frames: entry.frames,
            last: entry.last,
            held: entry.held,
            added,
            pending,
            size: entry.body.len() as u64,
            body: packer.compress(&entry.body),
        }
    }

    /// The entry, or nothing if its body is damaged.
    pub fn unpack(self) -> Option<Entry> {
        let body = zstd::bulk::decompress(&self.body, usize::try_from(self.size).ok()?.min(MAX_BODY)).ok()?;
        (body.len() as u64 == self.size).then_some(Entry {
            id: self.id,
            kind: EntryKind::from_code(self.code, self.way),
            key: self.key,
            parts: self.parts,
            start: self.start,
            end: self.end,
            frames: self.frames,
            last: self.last,
            body,
        })
    }
}

/// Compresses bodies one after the other: making its tables anew for each small one would take longer than the rest.
#[derive(Default)]
pub(super) struct Packer(Option<zstd::bulk::Compressor<'static>>);

impl Packer {
    /// This can fail for want of memory alone; the empty result then reads as damaged.
    fn compress(&mut self, body: &[u8]) -> Vec<u8> {
        let mut compress = || {
            let mut compressor = match self.0.take() {
                Some(compressor) => compressor,
                None => zstd::bulk::Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?,
            };
            compressor.include_checksum(true)?;
            let packed = compressor.compress(body)?;
            self.0 = Some(compressor);
            Ok::<_, std::io::Error>(packed)
        };
        compress().unwrap_or_default()
    }
}
