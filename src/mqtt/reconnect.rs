//! What happens between two connections: what to say, and how long to wait. The same for sensor and ingest.

use crate::{
    pace::{Backoff, Quiet},
    stop::stopped,
};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A connection that lasted this long was a good one: the next attempt comes soon.
const GOOD: Duration = Duration::from_secs(30);
/// So many shorter ones in a row that the broker cut are no accident.
const SUSPICIOUS: u32 = 3;

/// Counts attempts, and keeps the log quiet.
pub(super) struct Reconnect {
    backoff: Backoff,
    logged: Quiet,
    began: Instant,
    connected: bool,
    cuts: u32,
}

impl Reconnect {
    /// Pauses of a second, doubled at each failure up to `max`.
    pub(super) fn new(max: Duration) -> Self {
        Self {
            backoff: Backoff::new(Duration::from_secs(1), max),
            logged: Quiet::default(),
            began: Instant::now(),
            connected: false,
            cuts: 0,
        }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
        self.connected = false;
    }

    /// The broker has accepted the connection.
    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.logged.reset();
    }

    /// Whether the connection has not lasted, or was none.
    pub(super) fn was_short(&self) -> bool {
        !(self.connected && self.began.elapsed() >= GOOD)
    }

    /// The attempt, or the connection, has ended; `cut` if the broker closed it without a word. The sentence why,
    /// with what the history adds to it.
    pub(super) fn ended(&mut self, why: String, cut: bool, client_id: &str) -> String {
        if !self.was_short() {
            self.backoff.reset();
            self.cuts = 0;
        } else if cut {
            self.cuts = self.cuts.saturating_add(1);
        }
        if cut && self.cuts >= SUSPICIOUS {
            // mosquitto 2.0.11 sends no DISCONNECT 0x8E to the client that it throws out.
            return format!(
                "{why}, soon after accepting it, again and again: most often another client uses our client id '{client_id}'; give each its own (mqtt.client_id, or another sensor or ingest name). Some brokers do the same to a client whose topics their access rules forbid: see the broker's log"
            );
        }
        why
    }

    /// Says why, unless it was said lately, and waits. Whether to go on: not if told to stop.
    pub(super) async fn pause(&mut self, why: &str, stop: &mut watch::Receiver<bool>) -> bool {
        let pause = self.backoff.jittered();
        if let Some(why) = self.logged.pass(why, Instant::now()) {
            tracing::warn!("{why}; next attempt in {:.1} s", pause.as_secs_f64());
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = stopped(stop) => false,
        }
    }
}
