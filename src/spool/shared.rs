//! A spool that several tasks of one daemon use: one at a time, where blocking is allowed.

use super::{Spool, SpoolError, failure::Damage};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How often a daemon looks whether its spool was found damaged.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A [`Spool`] behind a lock, and a sign that something was appended.
pub struct SharedSpool {
    spool: Mutex<Spool>,
    appended: watch::Sender<u64>,
    damage: Damage,
}

impl SharedSpool {
    /// Shares `spool`.
    #[must_use]
    pub fn new(spool: Spool) -> Arc<Self> {
        let damage = spool.damage().clone();
        Arc::new(Self { spool: Mutex::new(spool), appended: watch::Sender::new(0), damage })
    }

    /// The spool, once nobody else uses it. Blocks: for threads and blocking tasks.
    pub fn lock(&self) -> MutexGuard<'_, Spool> {
        // A task that panicked left no half-done change: SQLite rolled it back.
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the spool where blocking is allowed.
    pub async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> Option<T> {
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || work(&mut shared.lock())).await.ok()
    }

    /// Waits until somebody meets damage in the spool, and says which. Nothing moves any more then: the daemon is to end,
    /// and its next start sets the file aside.
    pub async fn damaged(&self) -> SpoolError {
        loop {
            if let Some(error) = self.damage.error() {
                return error;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Wakes everybody who waits for something new.
    pub fn announce(&self) {
        self.appended.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A receiver that changes with each [`Self::announce`].
    #[must_use]
    pub fn announcements(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }
}
