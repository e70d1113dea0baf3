//! A counter under a live clock: stamps frames by time since boot and the anchor, closes windows, and moves the anchor
//! where one ends. Pure: looks at the clocks come in, windows go out through a callback.

use super::{
    anchor::{Anchoring, News, Reading, Stamps, Standing},
    antenna::expose,
    beside::Besides,
};
use crate::{
    UnixNanos,
    alert::Counts,
    capture::Packet,
    dot11::{self, Facts},
    radio::airtime::Airtime,
    run::batches::Beside,
    tally::{Closed, Counter, KeyError},
};

/// What comes out, in this order.
#[derive(Debug)]
pub enum Step {
    /// A window has ended.
    Window {
        /// What was counted.
        closed: Box<Closed>,
        /// What it has besides.
        beside: Box<Beside>,
        /// What the watch for attacks has seen so far, where there is one.
        watched: Option<Box<Counts>>,
        /// What its times are worth.
        standing: Standing,
        /// The anchor they were made with.
        anchor: i64,
    },
    /// The anchor has moved.
    Moved {
        /// By how much, in nanoseconds.
        by: i64,
        /// Where it is now.
        anchor: i64,
        /// Whether windows that were held are to be restamped by it.
        restamp: bool,
    },
}

/// A live counter.
pub struct LiveCounter {
    counter: Counter,
    besides: Besides,
    anchoring: Anchoring,
    stamps: Stamps,
    /// When the run began, since boot.
    began: i64,
    /// Where the radio is ours: how long it listened.
    airtime: Option<Airtime>,
}

impl LiveCounter {
    /// A live counter before its first window. `reading` is the look at the clocks that `anchoring` began with.
    #[must_use]
    pub fn new(counter: Counter, besides: Besides, anchoring: Anchoring, reading: Reading) -> Self {
        Self { counter, besides, anchoring, stamps: Stamps::new(reading), began: reading.boot, airtime: None }
    }

    /// The same, of a radio that is ours.
    #[must_use]
    pub fn with(self, airtime: Option<Airtime>) -> Self {
        Self { airtime, ..self }
    }

    /// Opens the first window, when the run began.
    ///
    /// # Errors
    /// [`KeyError`], as for all of these.
    pub fn begin(&mut self) -> Result<(), KeyError> {
        self.counter.begin(self.time(self.began))
    }

    /// The counter.
    pub fn counter(&mut self) -> &mut Counter {
        &mut self.counter
    }

    /// The anchor.
    #[must_use]
    pub const fn anchoring(&self) -> &Anchoring {
        &self.anchoring
    }

    /// Looks at the clocks.
    pub fn look(&mut self, reading: Reading) -> Option<News> {
        self.stamps.look(reading);
        self.anchoring.look(reading)
    }

    /// As [`Stamps::boot_time`].
    pub fn boot_time(&mut self, stamp: i64, look: impl FnOnce() -> Reading) -> i64 {
        self.stamps.boot_time(stamp, look)
    }

    /// Counts a frame captured `boot` after boot. Windows that end before it are closed first.
    ///
    /// # Errors
    /// [`KeyError`]; the frame is then not counted.
    pub fn packet(
        &mut self,
        boot: i64,
        facts: &Facts<'_>,
        original_len: u32,
        out: &mut impl FnMut(Step),
    ) -> Result<(), KeyError> {
        if self.is_over(boot) {
            self.tick(boot, out)?;
        }
        let closed = self.counter.packet(self.time(boot), facts, original_len)?;
        closed.into_iter().for_each(|closed| out(self.window(closed, false)));
        Ok(())
    }

    /// A packet that was counted just now is looked at for what there is besides.
    #[inline]
    pub fn meter(&mut self, boot: i64, packet: &Packet<'_>, facts: &Facts<'_>, reading: dot11::Reading) {
        let time = self.time(boot);
        self.besides.packet(time, packet, facts, reading);
    }

    /// Closes every window that is over `boot` after boot. The anchor moves where the first of them ends, if it is to.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn tick(&mut self, boot: i64, out: &mut impl FnMut(Step)) -> Result<(), KeyError> {
        while self.is_over(boot) {
            let by = self.anchoring.due();
            let closed = match by {
                Some(by) => self.counter.clock_moves(by, self.anchoring.standing() == Standing::Held)?,
                None => self.counter.tick(self.time(boot))?,
            };
            let Some(closed) = closed else { return Ok(()) };
            out(self.window(closed, false));
            if let Some(by) = by {
                let restamp = self.anchoring.moved();
                self.besides.clock_moved();
                out(Step::Moved { by, anchor: self.anchoring.anchor(), restamp });
            }
        }
        Ok(())
    }

    /// Ends the run, `boot` after boot.
    pub fn finish(&mut self, boot: i64, out: &mut impl FnMut(Step)) {
        let Some(closed) = self.counter.finish(Some(self.time(boot))) else { return };
        out(self.window(closed, true));
        // What is held need not wait for the next start if the time is known.
        if let Some(by) = self.anchoring.due()
            && self.anchoring.standing() == Standing::Held
        {
            let restamp = self.anchoring.moved();
            out(Step::Moved { by, anchor: self.anchoring.anchor(), restamp });
        }
    }

    const fn time(&self, boot: i64) -> UnixNanos {
        UnixNanos(boot.saturating_add(self.anchoring.anchor()))
    }

    fn is_over(&self, boot: i64) -> bool {
        self.counter.open_window().is_some_and(|open| self.time(boot) >= open.end)
    }

    fn window(&mut self, mut closed: Closed, last: bool) -> Step {
        let anchor = self.anchoring.anchor();
        if let Some(airtime) = &self.airtime {
            expose(airtime, &mut closed.contents, closed.end.0.saturating_sub(anchor));
        }
        let beside = self.besides.window(&mut closed, last);
        let watched = self.besides.watched();
        let closed = Box::new(closed);
        Step::Window { closed, beside, watched, standing: self.anchoring.standing(), anchor }
    }
}
