//! A spool that several tasks of one daemon use: one at a time, where blocking is allowed.

use super::Spool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A [`Spool`] behind a lock, and a sign that something was appended.
pub struct SharedSpool {
    spool: Mutex<Spool>,
    appended: watch::Sender<u64>,
}

impl SharedSpool {
    /// Shares `spool`.
    #[must_use]
    pub fn new(spool: Spool) -> Arc<Self> {
        Arc::new(Self { spool: Mutex::new(spool), appended: watch::Sender::new(0) })
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
