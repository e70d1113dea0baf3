//! What looks after a running sensor: windows that have waited too long, a new vendor cache, a capture on which nothing
//! arrives.

use super::{antenna::Bell, counting::Signals, recorder};
use crate::{UnixNanos, oui::store::Watch, spool::SharedSpool, units::noun, watchdog::Beat, wire::Status};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How often the spool moves what has waited too long to disk, and the vendor cache is looked at.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// A capture that has not looked at its interface for this long is woken, so that windows close though nothing arrives.
const WAKE_EVERY: Duration = Duration::from_millis(500);

/// Moves what has waited too long to disk, and takes up a new vendor cache, for ever.
pub(super) async fn tidy(spool: Arc<SharedSpool>, mut vendors: Watch, signals: Arc<Signals>, beat: Beat) {
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    loop {
        beat.while_waiting(tidy.tick()).await;
        match spool.with(|spool| spool.age_out(UnixNanos::now())).await {
            Some(Ok(moved)) => recorder::say_evicted(&moved.evicted),
            Some(Err(error)) => tracing::warn!(%error, "cannot move undelivered windows to disk"),
            None => {}
        }
        match vendors.poll() {
            Some(Ok(registry)) => {
                tracing::info!(entries = registry.len(), "took up a new vendor cache");
                *signals.registry.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(registry));
            }
            Some(Err(error)) => tracing::warn!("the vendor cache was replaced and the old one stays: {error}"),
            None => {}
        }
    }
}

/// Wakes a capture that waits for a frame, for ever.
pub(super) async fn wake(bell: Bell, signals: Arc<Signals>) {
    let mut wake = tokio::time::interval(WAKE_EVERY);
    let mut beat = 0;
    loop {
        wake.tick().await;
        let now = signals.beat.marks();
        if now == beat
            && let Some(waker) = &*bell.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waker.wake();
        }
        beat = now;
    }
}

/// How the sensor is, in a line for `systemctl status`.
pub(super) async fn line(spool: &Arc<SharedSpool>, status: &watch::Receiver<Status>) -> String {
    let counts = spool.with(|spool| spool.counts()).await.and_then(Result::ok);
    let waiting: u64 = counts.iter().flat_map(|counts| &counts.undelivered).map(|(_, entries)| entries).sum();
    let waiting = format!("{waiting} {} for the broker", noun(waiting, "message waits", "messages wait"));
    let status = status.borrow();
    let state = match &status.reason {
        Some(reason) => format!("{:?} ({reason})", status.state).to_lowercase(),
        None => format!("{:?}", status.state).to_lowercase(),
    };
    match (status.frames_last_window, status.last_seq) {
        (Some(frames), Some(seq)) => {
            format!("{state}: {frames} {} in window {seq}, {waiting}", noun(frames, "frame", "frames"))
        }
        _ if status.reason.as_deref() == Some("no_radio") => format!("{state}, {waiting}"),
        _ => format!("{state}: in the first window, {waiting}"),
    }
}
