//! What ingest says of its sinks: gathered from each, for the status on MQTT.

use crate::{
    sink::Health,
    wire::{SinkStatus, State},
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

/// Tells `statuses` of every change, until all sinks have ended.
pub async fn tell(sinks: Vec<Named>, told: watch::Sender<Vec<SinkStatus>>) {
    let mut changes = JoinSet::new();
    for (_, health) in &sinks {
        let mut health = health.clone();
        changes.spawn(async move { health.changed().await.ok().map(|()| health) });
    }
    while let Some(changed) = changes.join_next().await {
        let Ok(Some(mut health)) = changed else { continue };
        told.send_replace(statuses(&sinks));
        changes.spawn(async move { health.changed().await.ok().map(|()| health) });
    }
    // Kept until the daemon ends: what is told last stays true.
    std::future::pending::<()>().await;
}
