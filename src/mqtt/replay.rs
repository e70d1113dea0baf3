//! Answers `request/replay`: windows are offered again, out of the outbox.

use super::{
    answerer::{Answerer, Answering, Reply},
    outbox::Outbox,
};
use crate::wire::{REPLAY_SCHEMA, ReplayAnswer, ReplayRequest, encode};
use std::sync::Arc;

/// Ranges told in an answer: what is not told is still a hole to the asker, who will ask again.
const MAX_MISSING: usize = 256;
/// Characters of a request's id that come back.
const MAX_ID: usize = 64;

/// Offers windows of its outbox again.
pub(super) struct Replay<O>(pub(super) Arc<O>);

impl<O: Outbox> Answerer for Replay<O> {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn answer(self: Arc<Self>, payload: Vec<u8>) -> Answering {
        Box::pin(async move { Reply { schema: REPLAY_SCHEMA, body: encode(&replay(&*self.0, &payload).await) } })
    }
}

async fn replay(outbox: &impl Outbox, payload: &[u8]) -> ReplayAnswer {
    let mut request: ReplayRequest = match serde_json::from_slice(payload) {
        Ok(request) => request,
        Err(error) => return ReplayAnswer::failed(None, format!("not a replay request: {error}")),
    };
    request.id = request.id.map(|id| id.chars().take(MAX_ID).collect());
    if request.first_seq > request.last_seq {
        return ReplayAnswer::failed(Some(&request), "first_seq is greater than last_seq");
    }
    let (run, first, last) = (request.run, request.first_seq, request.last_seq);
    match outbox.replay(request.clone()).await {
        Ok(mut answer) => {
            tracing::info!(
                "windows {first} to {last} of run {run} were asked for: {} are offered again",
                answer.offered
            );
            answer.missing.truncate(MAX_MISSING);
            answer
        }
        Err(error) => {
            tracing::error!("windows {first} to {last} of run {run} were asked for: cannot use the spool: {error}");
            ReplayAnswer::failed(Some(&request), "the sensor's spool cannot be used now: ask again later")
        }
    }
}
