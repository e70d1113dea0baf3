//! The clock of an access point, by the timestamps in its beacons (IEEE 802.11-2020, 11.1.3): which line they are on, whether
//! it went back, whether there are two of them.

use super::table::{Run, Times};
use crate::UnixNanos;
use std::time::Duration;

/// A timestamp is on a line that it misses by no more than this, for it may be read late, and no more than one in a thousand of
/// the time since the line was last heard: clocks are 0.01 % wrong at most (11.1.3.9).
const TOLERANCE_US: u64 = 2_000_000;
const DRIFT: u64 = 1_000;
/// A clock that began anew since the line was last heard is no further than that, and this.
const SLACK: Duration = Duration::from_secs(2);
/// So often from one line to another and back within a minute.
const RETURNS: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// What a timestamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing new.
    Nothing,
    /// It began anew.
    Restarted,
    /// It went back to where it was long ago, and goes on from there: frames that show it, since when.
    Back(UnixNanos, u64),
    /// There are two clocks: since when.
    Two(UnixNanos, u64),
}

/// A line of timestamps, by its latest.
#[derive(Clone, Copy, Debug)]
struct Line {
    tsf: u64,
    heard: UnixNanos,
}

impl Line {
    fn has(&self, tsf: u64, time: UnixNanos) -> bool {
        let since = u64::try_from(time.saturating_since(self.heard).as_micros()).unwrap_or(u64::MAX);
        tsf.abs_diff(self.tsf.saturating_add(since)) <= TOLERANCE_US.saturating_add(since / DRIFT)
    }
}

#[derive(Clone, Copy, Debug)]
struct Other {
    line: Line,
    run: Run,
    /// It is behind the steady one, and could not be if the clock had begun anew.
    back: bool,
    restarted: bool,
}

/// One access point's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    steady: Option<Line>,
    other: Option<Other>,
    /// The latest timestamp was on the other line.
    away: bool,
    returns: Times<RETURNS>,
}

impl Clock {
    /// A timestamp, in microseconds.
    pub fn heard(&mut self, time: UnixNanos, tsf: u64) -> Told {
        let line = Line { tsf, heard: time };
        let Some(steady) = &mut self.steady else {
            self.steady = Some(line);
            return Told::Nothing;
        };
        if steady.has(tsf, time) {
            *steady = line;
            let returned = std::mem::take(&mut self.away);
            if let Some(other) = self.other.filter(|other| returned && other.run.is_sustained())
                && self.returns.add(time, WITHIN).is_some()
            {
                return Told::Two(other.run.first, other.run.frames);
            }
            return Told::Nothing;
        }
        self.away = true;
        match &mut self.other {
            Some(other) if other.line.has(tsf, time) => {
                other.line = line;
                let sustained = other.run.add(time);
                if !sustained || steady.heard >= other.run.first {
                    return Told::Nothing;
                }
                // The steady one is gone: from now on it is this.
                let told = match (other.back, other.restarted) {
                    (true, false) => Told::Back(other.run.first, other.run.frames),
                    (_, true) => Told::Restarted,
                    (false, false) => Told::Nothing,
                };
                (self.steady, self.other, self.away) = (Some(line), None, false);
                told
            }
            _ => {
                let mut run = Run::default();
                run.add(time);
                let since = time.saturating_since(steady.heard).saturating_add(SLACK);
                let restarted = tsf < steady.tsf && u128::from(tsf) <= since.as_micros();
                let back = tsf.saturating_add(TOLERANCE_US) < steady.tsf;
                self.other = Some(Other { line, run, back, restarted });
                Told::Nothing
            }
        }
    }
}
