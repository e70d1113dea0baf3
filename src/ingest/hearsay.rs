//! What sensors said of themselves since the last look for missing windows. Whoever receives it waits for nobody: the look
//! asks the disk, and takes its time.

use super::holes::SensorName;
use crate::{UnixNanos, wire::Status};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Statuses that wait, at most. One too many is not missed for long: each sensor says it again within a minute.
const MOST: usize = 8_192;

/// One status.
pub struct Heard {
    /// When it came.
    pub at: Instant,
    /// Whose it is.
    pub sensor: SensorName,
    /// The time in it.
    pub time: UnixNanos,
    /// What it says.
    pub status: Status,
}

/// What was said.
#[derive(Default)]
pub struct Said {
    /// The statuses, in the order they came.
    pub statuses: Vec<Heard>,
    /// When the broker had lost our queue, if it had.
    pub queue_lost: Option<Instant>,
}

/// What waits for the next look.
#[derive(Default)]
pub struct Hearsay(Mutex<Said>);

impl Hearsay {
    /// A sensor's status came.
    pub fn status(&self, sensor: SensorName, time: UnixNanos, status: Status) {
        let mut said = self.lock();
        if said.statuses.len() < MOST {
            said.statuses.push(Heard { at: Instant::now(), sensor, time, status });
        }
    }

    /// The broker has lost our queue.
    pub fn queue_lost(&self) {
        self.lock().queue_lost = Some(Instant::now());
    }

    /// What was said since this was last asked.
    pub fn take(&self) -> Said {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
