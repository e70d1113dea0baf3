//! What the spool keeps of the clock from one start to the next, and what is due once the time is known: held windows
//! are released, and the losses of runs that were cut off are declared. Reads no clock.

use super::anchor::{Anchoring, Reading, Standing};
use crate::{
    UnixNanos,
    run::identity::is_of_file,
    spool::{RunInfo, Spool, SpoolError},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The spool's name for what is kept of the clock.
pub const CLOCK: &str = "clock";

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// The last boot in which the time was known.
    boot: Uuid,
    /// The anchor in it.
    anchor: Option<i64>,
    /// Time that has had its windows, as [`crate::tally::Windows::taken`].
    taken: Vec<(i64, i64)>,
}

/// What a run knows of the time.
#[derive(Clone, Debug)]
pub struct KnownTime {
    boot: Uuid,
    kept: Kept,
    /// When this run began, since boot.
    began: i64,
    /// Whether the time is not known yet, but may be one day.
    unknown: bool,
    /// Runs that were cut off, and are not declared yet.
    cut_off: Vec<RunInfo>,
}

impl KnownTime {
    /// At the start of a run of boot `boot`. `cut_off`: runs that ended without their mark.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn open(spool: &Spool, boot: Uuid, mut cut_off: Vec<RunInfo>) -> Result<Self, SpoolError> {
        cut_off.retain(|run| !is_of_file(run.run));
        let (kept, unreadable) = kept(spool.state(CLOCK)?.as_deref());
        if let Some(error) = unreadable {
            tracing::error!(
                %error,
                "what was known of the clock is unreadable and begins anew: windows of this run may be of time that had \
                 its windows, and windows that were held go out marked unsynced"
            );
        }
        Ok(Self { boot, kept, began: 0, unknown: false, cut_off })
    }

    /// The anchor to begin with, and what a run over an interface brings with it from earlier ones: releases what can
    /// be, and declares what was lost.
    ///
    /// # Errors
    /// When the spool cannot be read or written.
    pub fn start(
        &mut self,
        spool: &mut Spool,
        reading: Reading,
        settle: i64,
        never: bool,
    ) -> Result<Anchoring, SpoolError> {
        let last = spool.runs()?.last().map_or(0, |run| run.last_end.0);
        let anchor = self.kept.anchor.filter(|_| self.kept.boot == self.boot);
        let anchoring = Anchoring::start(reading, settle, never, last, anchor);
        self.began = reading.boot;
        say_released(spool.release_unsynced((!never).then_some(self.boot))?, "as they are, marked unsynced");
        match anchoring.standing() {
            Standing::Held => self.unknown = true,
            Standing::Unsynced => self.declare(spool, anchoring.anchor())?,
            Standing::Anchored => {
                self.synchronised(anchoring.anchor());
                self.release(spool, anchoring.anchor())?;
            }
        }
        Ok(anchoring)
    }

    /// Declares what runs lost that were cut off: a capture brings its own time, and nothing waits for this machine's.
    ///
    /// # Errors
    /// When the spool cannot be written.
    pub fn start_capture(&mut self, spool: &mut Spool, now: UnixNanos) -> Result<(), SpoolError> {
        self.declare(spool, now.0)
    }

    /// The boot that this is.
    #[must_use]
    pub const fn boot(&self) -> Uuid {
        self.boot
    }

    /// How `begin_run` is to note the run's times.
    #[must_use]
    pub fn guess(&self, anchor: i64) -> Option<(Uuid, i64)> {
        self.unknown.then_some((self.boot, anchor))
    }

    /// Time that had its windows in earlier runs.
    #[must_use]
    pub fn earlier(&self) -> &[(i64, i64)] {
        &self.kept.taken
    }

    /// Whether the windows of this run are held.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// Whether the windows of `run` are held.
    #[must_use]
    pub fn holds(&self, run: &RunInfo) -> bool {
        self.unknown && run.guess.is_some_and(|(boot, _)| boot == self.boot)
    }

    /// The time is known from now on.
    pub fn synchronised(&mut self, anchor: i64) {
        (self.unknown, self.kept.boot, self.kept.anchor) = (false, self.boot, Some(anchor));
    }

    /// What to keep under [`CLOCK`], with the windows up to which `taken` goes.
    pub fn taken(&mut self, taken: Vec<(i64, i64)>) -> Vec<u8> {
        self.kept.taken = taken;
        self.encode()
    }

    fn encode(&self) -> Vec<u8> {
        // Numbers and a list of them: nothing that can fail.
        serde_json::to_vec(&self.kept).unwrap_or_default()
    }

    /// Lets go what was held, and declares what was lost. Cut off, it is done again with the same anchor.
    ///
    /// # Errors
    /// When the spool cannot be read or written.
    pub fn release(&self, spool: &mut Spool, anchor: i64) -> Result<(), SpoolError> {
        let now = UnixNanos(self.began.saturating_add(anchor));
        spool.append(now, &[], &[(CLOCK, &self.encode())])?;
        say_released(spool.release(self.boot, anchor)?, "restamped");
        self.declare(spool, anchor)
    }

    /// Declares what runs lost that were cut off, up to when this one began.
    fn declare(&self, spool: &mut Spool, anchor: i64) -> Result<(), SpoolError> {
        let began = UnixNanos(self.began.saturating_add(anchor));
        for cut_off in &self.cut_off {
            tracing::warn!(
                run = %cut_off.run,
                last_seq = cut_off.last_seq,
                "an earlier run was cut off: what it had not spooled is declared lost"
            );
            // Its end may have been restamped meanwhile.
            let known = spool.runs()?.into_iter().find(|run| run.run == cut_off.run).unwrap_or_else(|| cut_off.clone());
            // From a guess of an earlier boot to now is no length of time: the loss has a beginning, and nobody knows
            // its end.
            let until = if known.guess.is_some() { known.last_end } else { began };
            spool.declare_crash(began, &known, until)?;
        }
        Ok(())
    }
}

fn say_released(records: u64, how: &str) {
    if records > 0 {
        tracing::info!(records, "what was held goes out, {how}");
    }
}

/// What was kept of the clock, and why it could not be read, if so.
fn kept(bytes: Option<&[u8]>) -> (Kept, Option<serde_json::Error>) {
    match bytes.map(serde_json::from_slice) {
        None => (Kept::default(), None),
        Some(Ok(kept)) => (kept, None),
        Some(Err(error)) => (Kept::default(), Some(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_state_of_the_clock_is_told() {
        assert!(kept(None).1.is_none());
        assert!(kept(serde_json::to_vec(&Kept::default()).ok().as_deref()).1.is_none());
        for bytes in [&b""[..], b"{", b"[1,2]", b"\xff"] {
            assert!(kept(Some(bytes)).1.is_some(), "{bytes:?}");
        }
    }
}
