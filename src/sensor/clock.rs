//! The live sensor's clock: it runs with CLOCK_BOOTTIME from one reading of the system clock, so that windows never
//! overlap or run backwards when somebody sets the system clock.

use crate::UnixNanos;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A clock that starts at the system's time and then only moves forward, suspend included.
#[derive(Clone, Copy, Debug)]
pub struct SensorClock {
    /// System time less boot time at the start, in nanoseconds.
    anchor: i64,
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    UnixNanos::new(time.tv_sec, u32::try_from(time.tv_nsec).unwrap_or(0)).0
}

/// How far the system clock is ahead of the time since boot, in nanoseconds.
fn system_ahead_of_boot() -> i64 {
    read(ClockId::Realtime).saturating_sub(read(ClockId::Boottime))
}

impl SensorClock {
    /// Starts it at the system's time.
    #[must_use]
    pub fn start() -> Self {
        Self { anchor: system_ahead_of_boot() }
    }

    /// The time by this clock.
    #[must_use]
    pub fn now(&self) -> UnixNanos {
        UnixNanos(read(ClockId::Boottime).saturating_add(self.anchor))
    }

    /// How far the system clock has been moved since the start: what to take from a kernel time stamp.
    #[must_use]
    pub fn step(&self) -> i64 {
        system_ahead_of_boot().saturating_sub(self.anchor)
    }

    /// A kernel time stamp of a moment ago, by this clock. `step` is a recent reading of [`Self::step`].
    #[must_use]
    pub fn of_kernel(stamp: UnixNanos, step: i64) -> UnixNanos {
        UnixNanos(stamp.0.saturating_sub(step))
    }

    /// Whether the system clock stands more than a second off, so that somebody has set it.
    #[must_use]
    pub fn is_stepped(step: i64) -> bool {
        step.unsigned_abs() > u64::try_from(Duration::from_secs(1).as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The system's time, for what is not counted: status messages and the age of spooled windows.
#[must_use]
pub fn system_now() -> UnixNanos {
    UnixNanos(read(ClockId::Realtime))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_system_clock_until_that_is_set() {
        let clock = SensorClock::start();
        assert!(!SensorClock::is_stepped(clock.step()));
        assert!(clock.now().saturating_since(system_now()) < Duration::from_secs(1));
    }

    #[test]
    fn a_kernel_stamp_loses_the_step() {
        let hour = 3_600_000_000_000;
        assert_eq!(SensorClock::of_kernel(UnixNanos(5 * hour), hour), UnixNanos(4 * hour));
        assert!(SensorClock::is_stepped(-hour));
    }
}
