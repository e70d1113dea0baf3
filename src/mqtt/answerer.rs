//! Who answers requests of one name: the contract with the parts of a sensor that can be asked something. Knows no
//! connection, and no request of its own.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The answer's schema.
    pub schema: &'static str,
    /// The JSON.
    pub body: Vec<u8>,
}

/// An answer in the making.
pub type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Answers the requests of one name: what arrives on `request/<name>` is answered on `response/<name>`.
///
/// Each request is a task of its own beside the publisher, which goes on meanwhile. A few of one name run at once,
/// and further ones wait for their turn. The task is dropped, wherever it waits, at its deadline, when the connection
/// ends, and at a stop: what it must not leave half done belongs into a task that it spawns. It must not block its
/// thread, which is the publisher's too: work that does is for [`tokio::task::spawn_blocking`].
pub trait Answerer: Send + Sync + 'static {
    /// The request's name: the last level of its topic.
    fn name(&self) -> &'static str;

    /// How long after it arrived a request may be answered. Then it is answered as late.
    fn deadline(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// The answer to `payload`, which comes from outside and may be anything, up to 64 KiB.
    fn answer(self: Arc<Self>, payload: Vec<u8>) -> Answering;
}
