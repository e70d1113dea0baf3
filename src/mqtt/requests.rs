//! What a sensor answers when it is asked: requests from outside, bounded in rate and size.

use super::{Leaf, link::Delivery, outbox::Outbox, session::Session};
use crate::wire::{REPLAY_SCHEMA, ReplayAnswer, ReplayRequest, encode};
use std::time::Instant;

/// Ranges told in a replay answer: what is not told is still a hole to the asker, who will ask again.
const MAX_MISSING: usize = 256;
/// Characters of a request's id that come back.
const MAX_ID: usize = 64;

impl<O: Outbox> Session<'_, O> {
    /// Answers a request, or drops it when there are too many.
    pub(super) async fn request(&mut self, delivery: Delivery) {
        let Some((_, _, Leaf::Request(name))) = self.publisher.topics.parse(&delivery.topic) else { return };
        if delivery.retain {
            return; // A question left behind is nobody's any more.
        }
        if self.publisher.requests.take(1, Instant::now()).is_err() {
            let why = "more requests than one a second arrive: some are not answered";
            if let Some(why) = self.publisher.logged.requests.pass(why, Instant::now()) {
                tracing::warn!("{why}");
            }
            return;
        }
        let answer = if name == "replay" {
            self.replay(&delivery.payload).await
        } else {
            ReplayAnswer::failed(None, "there is no such request; this version knows request/replay")
        };
        let mut message = self.publisher.message(&Leaf::Response(name), REPLAY_SCHEMA, encode(&answer), false);
        message.correlation = delivery.correlation;
        self.answers.push_back(message);
    }

    async fn replay(&mut self, payload: &[u8]) -> ReplayAnswer {
        let mut request: ReplayRequest = match serde_json::from_slice(payload) {
            Ok(request) => request,
            Err(error) => return ReplayAnswer::failed(None, format!("not a replay request: {error}")),
        };
        request.id = request.id.map(|id| id.chars().take(MAX_ID).collect());
        if request.first_seq > request.last_seq {
            return ReplayAnswer::failed(Some(&request), "first_seq is greater than last_seq");
        }
        let (run, first, last) = (request.run, request.first_seq, request.last_seq);
        match self.publisher.outbox.replay(request.clone()).await {
            Ok(mut answer) => {
                tracing::info!(
                    "windows {first} to {last} of run {run} were asked for: {} are offered again",
                    answer.offered
                );
                answer.missing.truncate(MAX_MISSING);
                self.batches.changed();
                self.gaps.changed();
                answer
            }
            Err(error) => {
                tracing::error!("windows {first} to {last} of run {run} were asked for: cannot use the spool: {error}");
                ReplayAnswer::failed(Some(&request), "the sensor's spool cannot be used now: ask again later")
            }
        }
    }
}
