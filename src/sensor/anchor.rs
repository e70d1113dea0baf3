//! What the sensor's time is: time since boot, and an anchor that says when boot was. Decides when there is an anchor at
//! all, and when it moves. Pure: looks at clocks come in as [`Reading`]s.
//!
//! Time since boot (CLOCK_BOOTTIME) never steps and counts suspends; the system clock (CLOCK_REALTIME) does as it is
//! told. The anchor is the one less the other at a moment when the system clock was synchronised. Before there has been
//! such a moment since boot, it is a guess, and windows are held.

/// Below this, two readings of the same offset may differ by chance: a thread can be put off between two clocks.
const TOLERANCE: i64 = 100_000_000;
/// A step of more than this is an event.
const STEP: i64 = 1_000_000_000;
/// How long a first synchronisation must stand. Restamping is for ever, so one look is not enough.
const CONFIRM: i64 = 1_000_000_000;

/// One look at the clocks, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Time since boot, suspends included.
    pub boot: i64,
    /// The system clock.
    pub system: i64,
    /// Whether the system clock is synchronised.
    pub synced: bool,
}

impl Reading {
    /// How far the system clock is ahead of the time since boot.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.system.saturating_sub(self.boot)
    }
}

/// What a window's times are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A guess: the system clock has not been synchronised since boot. Windows are held.
    Held,
    /// Anchored at a synchronised system clock.
    Anchored,
    /// The configuration says that nobody will ever synchronise it.
    Unsynced,
}

/// What a look at the clocks showed for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The system clock was set: it is now this far from the sensor's time.
    Stepped(i64),
    /// It is back at the sensor's time.
    Returned,
}

/// The anchor.
#[derive(Clone, Debug)]
pub struct Anchoring {
    anchor: i64,
    standing: Standing,
    settle: i64,
    /// What the offset is compared with: it differs from the anchor by what an unsynchronised start was put later.
    base: i64,
    /// Where the system clock stands apart from the anchor, and since which boot time it does, synchronised.
    candidate: Option<(i64, i64)>,
    /// The step that was told.
    told: Option<i64>,
    /// Whether the candidate has stood long enough.
    due: bool,
    synced: bool,
}

impl Anchoring {
    /// At the start of a run. `never`: nobody will ever synchronise the clock. `last`: when the last window before this
    /// run ended; a guess never begins before it. `known`: the anchor that an earlier run of this boot had.
    #[must_use]
    pub fn start(reading: Reading, settle: i64, never: bool, last: i64, known: Option<i64>) -> Self {
        let offset = reading.offset();
        let standing = match (never, reading.synced) {
            (true, _) => Standing::Unsynced,
            (false, true) => Standing::Anchored,
            (false, false) => Standing::Held,
        };
        let anchor = match standing {
            // The same to the nanosecond, so that runs of one boot meet without overlap.
            Standing::Anchored => known.filter(|known| apart(*known, offset) <= TOLERANCE).unwrap_or(offset),
            Standing::Held | Standing::Unsynced => offset.max(last.saturating_sub(reading.boot)),
        };
        let synced = reading.synced;
        Self { anchor, standing, settle, base: offset, candidate: None, told: None, due: false, synced }
    }

    /// Sensor time less time since boot.
    #[must_use]
    pub const fn anchor(&self) -> i64 {
        self.anchor
    }

    /// What windows that end before the next move are worth.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether the system clock has been set and not yet been followed.
    #[must_use]
    pub const fn is_apart(&self) -> bool {
        self.told.is_some()
    }

    /// Whether the system clock was synchronised at the last look.
    #[must_use]
    pub const fn is_synced(&self) -> bool {
        self.synced
    }

    /// Looks at the clocks. [`Self::due`] may be another after it.
    pub fn look(&mut self, reading: Reading) -> Option<News> {
        self.synced = reading.synced;
        let offset = reading.offset();
        let by = offset.saturating_sub(self.base);
        let held = self.standing == Standing::Held;
        if by.saturating_abs() <= TOLERANCE && !held {
            (self.candidate, self.due) = (None, false);
            return self.told.take().map(|_| News::Returned);
        }
        let counts = reading.synced || self.standing == Standing::Unsynced;
        self.candidate = match self.candidate {
            _ if !counts => None,
            Some((stood, since)) if apart(stood, offset) <= TOLERANCE => Some((stood, since)),
            _ => Some((offset, reading.boot)),
        };
        let patience = if held { CONFIRM } else { self.settle };
        self.due = self.candidate.is_some_and(|(_, since)| reading.boot.saturating_sub(since) >= patience);
        // A guess is nothing that a clock could step away from.
        let news = !held && by.saturating_abs() > STEP && self.told.is_none_or(|told| apart(told, by) > STEP);
        news.then(|| {
            self.told = Some(by);
            News::Stepped(by)
        })
    }

    /// By how much the anchor is to move at the end of the open window; `None` while it stays.
    #[must_use]
    pub fn due(&self) -> Option<i64> {
        let (offset, _) = self.candidate.filter(|_| self.due)?;
        Some(offset.saturating_sub(self.anchor))
    }

    /// Moves the anchor by what [`Self::due`] says: a window has ended. Whether windows that were held are to be
    /// restamped.
    pub fn moved(&mut self) -> bool {
        let Some((offset, _)) = self.candidate.filter(|_| self.due) else { return false };
        let held = self.standing == Standing::Held;
        (self.anchor, self.base, self.candidate, self.told, self.due) = (offset, offset, None, None, false);
        if held {
            self.standing = Standing::Anchored;
        }
        held
    }
}

const fn apart(a: i64, b: i64) -> i64 {
    a.saturating_sub(b).saturating_abs()
}

/// Kernel time stamps, which follow the system clock, as time since boot, which nobody can set.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    /// The last two offsets of the system clock, the newer first.
    offsets: [i64; 2],
    /// When the newer was read.
    boot: i64,
}

/// A stamp that seems older than this is one that the clock was set under.
const OLD: i64 = 10_000_000_000;

impl Stamps {
    /// From the first look at the clocks.
    #[must_use]
    pub const fn new(reading: Reading) -> Self {
        Self { offsets: [reading.offset(); 2], boot: reading.boot }
    }

    /// Takes note of another look.
    pub fn look(&mut self, reading: Reading) {
        self.boot = reading.boot;
        if apart(reading.offset(), self.offsets[0]) > 1_000_000 {
            self.offsets = [reading.offset(), self.offsets[0]];
        }
    }

    /// When a frame was captured that the kernel stamped `stamp` and that is here now, in time since boot. `look` reads
    /// the clocks; it is asked only where the last look does not explain the stamp.
    pub fn boot_time(&mut self, stamp: i64, look: impl FnOnce() -> Reading) -> i64 {
        let likely = stamp.saturating_sub(self.offsets[0]);
        if likely <= self.boot && likely >= self.boot.saturating_sub(OLD) {
            return likely;
        }
        self.look(look());
        // Of the clock before and after a step, the one that puts the frame last, yet not after this moment.
        let [newer, older] = self.offsets.map(|offset| stamp.saturating_sub(offset));
        [newer, older].into_iter().filter(|&time| time <= self.boot).max().unwrap_or(self.boot)
    }
}

#[cfg(test)]
#[path = "anchor_tests.rs"]
mod tests;
