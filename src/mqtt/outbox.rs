//! What a publisher delivers, and where it finds it: the contract with the spool's side. Knows no connection.

use super::Leaf;
use crate::wire::{IngestStatus, ReplayAnswer, ReplayRequest, Stored};
use std::future::Future;
use uuid::Uuid;

/// What an offer is, and so which topic it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OfferKind {
    /// A part of a window, on `batch`.
    Batch,
    /// A part of a window that is flows, on `flow`.
    Flows,
    /// A part of a window that is alerts, on `alert`.
    Alerts,
    /// A declared loss, on `event`.
    Gap,
}

impl OfferKind {
    /// The topic's last level.
    pub(super) const fn leaf(self) -> Leaf {
        match self {
            Self::Batch => Leaf::Batch,
            Self::Flows => Leaf::Flow,
            Self::Alerts => Leaf::Alert,
            Self::Gap => Leaf::Event,
        }
    }
}

/// One message that the outbox wants delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The outbox's own number for it: ascending within a kind in the order of offering, from 1.
    pub id: u64,
    /// What it is.
    pub kind: OfferKind,
    /// Its run.
    pub run: Uuid,
    /// Its window; a gap's first.
    pub seq: u64,
    /// Its part of the window; 0 for a gap.
    pub part: u32,
    /// Its schema.
    pub schema: &'static str,
    /// The JSON.
    pub body: Vec<u8>,
}

/// The outbox cannot be read or written now; the sentence says why. It is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutboxError(pub String);

/// Where the publisher finds what to deliver, and notes what is.
///
/// The publisher keeps nothing of its own: an offer not noted as delivered is offered again, at the latest by the
/// next connection. So an offer may be delivered twice, and carries its identity.
pub trait Outbox: Send + Sync + 'static {
    /// Pending offers of `kind` with an id above `after`, ascending, `max` at most.
    fn next(
        &self,
        kind: OfferKind,
        after: u64,
        max: usize,
    ) -> impl Future<Output = Result<Vec<Offer>, OutboxError>> + Send;

    /// These were taken by the broker for at least one subscriber: they are pending no longer.
    fn delivered(&self, ids: Vec<u64>) -> impl Future<Output = Result<(), OutboxError>> + Send;

    /// Returns when there may be pending offers that were not there at the last call (appended, restamped, or asked
    /// for again). A change between two calls is not missed; cancelling loses nothing.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// Makes what is still there of these windows pending again, which [`Self::changed`] then tells. What is begun is
    /// done and told, though nobody may wait for the answer any more.
    fn replay(&self, request: ReplayRequest) -> impl Future<Output = Result<ReplayAnswer, OutboxError>> + Send;

    /// A connection to a broker has begun.
    fn connected(&self) {}

    /// An ingest has all of a run.
    fn stored(&self, _: Stored) {}

    /// An ingest said how it is.
    fn ingest(&self, _: IngestStatus) {}
}
