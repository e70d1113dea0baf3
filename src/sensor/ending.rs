//! Takes a running sensor down, in order: the source first, then what its windows pass through, so that everything
//! counted is kept, and delivered if it can be.

use super::{SensorError, counting::Replay, keys, outbox::SpoolOutbox, recorder, running::Running};
use crate::{UnixNanos, config::SourceKind, spool::SharedSpool, stop, watchdog, wire::Status};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::watch;

/// How long a sensor whose source has ended waits for the word of an ingest that all is stored; and without any ingest, to be
/// asked again, where a connection broke meanwhile: a broker that was killed may have lost what it acknowledged.
const LINGER: Duration = Duration::from_secs(20);

/// What giving the card back takes at most.
const GIVING_BACK: Duration = Duration::from_secs(15);

/// Waits for SIGTERM or SIGINT, or for the source to end and everything to be delivered; then takes the sensor down.
///
/// # Errors
/// What failed while it ran. What was counted is spooled all the same.
pub(super) async fn wait_and_end(running: Running) -> Result<(), SensorError> {
    let Running { config, signals, spool, outbox, counting, mut recording, stop_recording, publishing, radio, .. } =
        running;
    let (stop_publishing, mut keepers) = (running.stop_publishing, running.keepers);

    let (mut recorded, mut damage) = (None, None);
    let signal = tokio::select! {
        result = &mut recording => {
            let ended_well = matches!(result, Ok(Ok(())));
            recorded = Some(result);
            (!ended_well).then_some("the recorder")
        }
        signal = stop::requested() => Some(signal?),
        () = failed(&publishing) => Some("the publisher"),
        error = spool.damaged() => {
            damage = Some(error);
            Some("the spool")
        }
    };
    if let Some(signal) = signal {
        let has_none = Replay::new(&config).repeats || config.source.kind == SourceKind::None;
        let kept = if has_none { "" } else { ": the open window is closed and kept" };
        tracing::info!(signal, "stopping{kept}");
        watchdog::stopping();
        signals.stop.store(true, Ordering::Relaxed);
        let _ = stop_recording.send(true);
    }
    let recorded = match recorded {
        Some(recorded) => recorded,
        None => recording.await,
    };
    if let Some((stop_radio, keeping)) = radio {
        let _ = stop_radio.send(true);
        if tokio::time::timeout(GIVING_BACK, keeping).await.is_err() {
            tracing::error!("the card could not be given back in time: the next start does it");
        }
    }
    if signal.is_none() {
        tokio::select! {
            said = delivered(&spool, &outbox, &running.statuses) => said.log(),
            signal = stop::requested() => tracing::info!(signal = signal?, "stopping before everything is delivered"),
            () = failed(&publishing) => {}
        }
    }
    let _ = stop_publishing.send(true);
    let published = publishing.await;
    keepers.shutdown().await;
    let settled = spool.with(|spool| spool.settle(UnixNanos::now())).await;
    let counted = counting.join();
    keys::erase(&config);
    if let Some(error) = damage {
        return Err(error.into());
    }
    if let Ok(Err(error)) = recorded {
        return Err(error.into());
    }
    if let Some(settled) = settled {
        recorder::say_evicted(&settled?.evicted);
    }
    if let Ok(Err(error)) = published {
        return Err(error.into());
    }
    match counted {
        Ok(result) => result,
        Err(_) => Err(io::Error::other("the counting thread ended early").into()),
    }
}

/// Returns when the publisher has ended although nobody told it to.
async fn failed<T>(publisher: &tokio::task::JoinHandle<T>) {
    while !publisher.is_finished() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Who has what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivered {
    /// An ingest, on disk.
    Stored,
    /// The broker; no ingest is there that would say more.
    Taken,
    /// The broker; an ingest is there, and did not say in time that it has everything.
    Unsaid,
}

impl Delivered {
    fn log(self) {
        match self {
            Self::Stored => tracing::info!("everything is delivered, and an ingest has stored it"),
            Self::Taken => {
                tracing::info!("everything is delivered to the broker; no ingest is there to say that it is stored");
            }
            Self::Unsaid => tracing::warn!(
                "everything is delivered to the broker, but no ingest said within {} s that it is stored: what the broker may \
                 lose now can be had only while the sensor runs again on this spool",
                LINGER.as_secs()
            ),
        }
    }
}

/// Returns when an ingest has everything; or when the broker has, and nobody is there to say more, or says so in time.
async fn delivered(
    spool: &Arc<SharedSpool>,
    outbox: &Arc<SpoolOutbox>,
    statuses: &watch::Receiver<Status>,
) -> Delivered {
    let mut progress = outbox.progress();
    loop {
        let last = *progress.borrow_and_update();
        let counts = spool.with(|spool| spool.counts()).await.and_then(Result::ok);
        let waiting = counts.is_none_or(|counts| counts.undelivered.iter().any(|(_, entries)| *entries > 0));
        let newest = {
            let status = statuses.borrow();
            status.run.zip(status.last_seq)
        };
        let heard = outbox.is_heard() && newest.is_some();
        if !waiting && newest.is_some_and(|(run, last_seq)| outbox.is_stored(run, last_seq)) {
            return Delivered::Stored;
        }
        let linger = if heard || outbox.connections() > 1 { LINGER } else { Duration::ZERO };
        if !waiting && last.elapsed() >= linger {
            return if heard { Delivered::Unsaid } else { Delivered::Taken };
        }
        let patience = if waiting { Duration::from_secs(5) } else { linger.saturating_sub(last.elapsed()) };
        let _ = tokio::time::timeout(patience, progress.changed()).await;
    }
}
