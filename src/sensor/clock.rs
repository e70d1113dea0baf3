//! Reads the clocks: time since boot, the system clock, and whether that is synchronised. Decides nothing: that is
//! `anchor`'s.

use super::anchor::Reading;
use crate::{
    UnixNanos,
    config::{self, Sync},
};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;

/// Looks at two clocks that are not this far apart were not interrupted in between.
const AT_ONCE: i64 = 100_000;
/// Looks at most, before the best is taken.
const LOOKS: usize = 5;

/// Reads the clocks.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// The file that says that the system clock is synchronised, if one ever does.
    marker: Option<PathBuf>,
}

impl Clocks {
    /// The clocks of this machine.
    #[must_use]
    pub fn new(config: &config::Clock) -> Self {
        Self { marker: (config.sync == Sync::Marker).then(|| config.marker.clone()) }
    }

    /// Looks at all of them.
    #[must_use]
    pub fn read(&self) -> Reading {
        let synced = self.marker.as_ref().is_some_and(|marker| marker.exists());
        Reading { synced, ..times() }
    }
}

/// Looks at the clocks, and not at whether they are synchronised.
#[must_use]
pub fn times() -> Reading {
    let (boot, system) = both();
    Reading { boot, system, synced: false }
}

/// Time since boot and the system clock, at the same moment as far as can be told.
fn both() -> (i64, i64) {
    let look = || {
        let before = read(ClockId::Boottime);
        let system = read(ClockId::Realtime);
        let took = read(ClockId::Boottime).saturating_sub(before);
        (took, before.saturating_add(took / 2), system)
    };
    let mut best = look();
    for _ in 1..LOOKS {
        if best.0 <= AT_ONCE {
            break;
        }
        best = best.min(look());
    }
    (best.1, best.2)
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    UnixNanos::new(time.tv_sec, u32::try_from(time.tv_nsec).unwrap_or(0)).0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_marker_is_the_synchronisation() {
        let directory = tempfile::tempdir().unwrap();
        let marker = directory.path().join("synchronized");
        let clocks = Clocks::new(&config::Clock { marker: marker.clone(), ..config::Clock::default() });
        assert!(!clocks.read().synced);
        std::fs::write(&marker, "").unwrap();
        assert!(clocks.read().synced);
        let never = Clocks::new(&config::Clock { sync: Sync::Never, marker, ..config::Clock::default() });
        assert!(!never.read().synced);
    }

    #[test]
    fn the_clocks_are_read_together() {
        let clocks = Clocks::new(&config::Clock::default());
        let (first, second) = (clocks.read(), clocks.read());
        assert!(second.boot >= first.boot);
        assert!((first.offset() - second.offset()).abs() < 50_000_000, "{first:?} {second:?}");
    }
}
