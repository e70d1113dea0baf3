//! What ingest says of its sinks and of sensors that share a name: gathered, for the status on MQTT.

use crate::{
    sink::Health,
    wire::{IngestHealth, Overlap, SinkStatus, State},
};
use tokio::{sync::watch, task::JoinSet};

/// A sink's name, and how it is.
pub type Named = (String, watch::Receiver<Health>);

/// How all of them are now.
#[must_use]
pub fn statuses(sinks: &[Named]) -> Vec<SinkStatus> {
    let status = |(name, health): &Named| {
        let (state, reason) = match &*health.borrow() {
            Health::Ok => (State::Online, None),
            Health::Degraded { reason } => (State::Degraded, Some(reason.clone())),
        };
        SinkStatus { name: name.clone(), state, reason }
    };
    sinks.iter().map(status).collect()
}

/// Tells of every change, until all sinks have ended.
pub async fn tell(
    sinks: Vec<Named>,
    mut overlaps: watch::Receiver<Vec<Overlap>>,
    mut missing: watch::Receiver<u64>,
    told: watch::Sender<IngestHealth>,
) {
    let mut changes = JoinSet::new();
    for (_, health) in &sinks {
        let mut health = health.clone();
        changes.spawn(async move { health.changed().await.ok().map(|()| health) });
    }
    loop {
        tokio::select! {
            changed = changes.join_next() => match changed {
                Some(Ok(Some(mut health))) => {
                    changes.spawn(async move { health.changed().await.ok().map(|()| health) });
                }
                Some(_) => continue,
                None => break,
            },
            Ok(()) = overlaps.changed() => {}
            Ok(()) = missing.changed() => {}
        }
        told.send_replace(IngestHealth {
            sinks: statuses(&sinks),
            overlapping: overlaps.borrow_and_update().clone(),
            missing_windows: *missing.borrow_and_update(),
        });
    }
    // Kept until the daemon ends: what is told last stays true.
    std::future::pending::<()>().await;
}
