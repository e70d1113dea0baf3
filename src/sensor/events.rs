//! How the parts of a sensor tell what happened: in the log, and as an event to the broker. Never waits: an event is
//! news, and what there is no room for is counted and left out.

use crate::{UnixNanos, wire::Event};
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Events that wait for the publisher, at most; it keeps some of its own while it is not connected.
const WAITING: usize = 32;

/// Where every part of a sensor tells what happened. Clones tell the same publisher.
#[derive(Clone)]
pub struct Events {
    run: Option<Uuid>,
    sender: mpsc::Sender<Event>,
    left_out: Arc<AtomicU64>,
}

impl Events {
    /// The place to tell of what happens in `run`, and where the publisher hears of it.
    #[must_use]
    pub fn new(run: Option<Uuid>) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { run, sender, left_out: Arc::default() }, receiver)
    }

    /// Something worth knowing, and nothing to be done: `kind` in one word, `message` as a sentence, and the numbers
    /// that belong to it. No address that the privacy settings withhold may be in any of them.
    pub fn notice<'a>(&self, kind: &str, message: String, data: impl IntoIterator<Item = (&'a str, Value)>) {
        tracing::info!(event = kind, "{message}");
        self.send(kind, message, data);
    }

    /// Something that a person may have to look at; as [`Self::notice`] in all else.
    pub fn warn<'a>(&self, kind: &str, message: String, data: impl IntoIterator<Item = (&'a str, Value)>) {
        tracing::warn!(event = kind, "{message}");
        self.send(kind, message, data);
    }

    /// How many events were left out, because the broker had not taken those before them.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    fn send<'a>(&self, kind: &str, message: String, data: impl IntoIterator<Item = (&'a str, Value)>) {
        let event = Event {
            kind: kind.to_owned(),
            time: UnixNanos::now(),
            run: self.run,
            message,
            data: data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        // Closed: the publisher is gone, because the daemon stops. The log has said it all the same.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(event) {
            let left_out = self.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::debug!(left_out, "the broker has not taken the events before this one: it is left out");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_event_says_what_when_and_in_which_run() {
        let run = Uuid::from_u128(7);
        let (events, mut heard) = Events::new(Some(run));
        std::thread::spawn(move || events.warn("clock_step", "It was set.".into(), [("seconds", 3.2.into())]))
            .join()
            .unwrap();
        let event = heard.try_recv().unwrap();
        assert_eq!((event.kind.as_str(), event.run, event.message.as_str()), ("clock_step", Some(run), "It was set."));
        assert_eq!(event.data.get("seconds"), Some(&Value::from(3.2)));
        assert!(UnixNanos::now().saturating_since(event.time).as_secs() < 60);
    }

    #[test]
    fn a_flood_is_bounded_counted_and_waits_for_nobody() {
        let (events, mut heard) = Events::new(None);
        for number in 0..100 {
            events.clone().notice("flood", String::new(), [("number", number.into())]);
        }
        assert_eq!(events.left_out(), 100 - WAITING as u64);
        let mut numbers = Vec::new();
        while let Ok(event) = heard.try_recv() {
            numbers.push(event.data.get("number").and_then(Value::as_u64).unwrap());
        }
        assert_eq!(numbers, (0..WAITING as u64).collect::<Vec<_>>(), "the oldest are kept: they say how it began");
        drop(heard);
        events.warn("late", "Nobody listens any more.".into(), []);
    }
}
