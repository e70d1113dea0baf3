//! The word of an ingest that it has all of a run: what a sensor that ends waits for.

use super::encode;
use crate::UnixNanos;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The schema of [`Stored`].
pub const STORED_SCHEMA: &str = "airtally.stored/1";

/// Every window of a finished run is in an ingest's spool, on disk, or was declared lost there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// [`STORED_SCHEMA`].
    pub schema: String,
    /// The place.
    pub site: String,
    /// The sensor.
    pub sensor: String,
    /// The run.
    pub run: Uuid,
    /// Its last window.
    pub last_seq: u64,
    /// The ingest's name.
    pub ingest: String,
    /// When this was written.
    pub time: UnixNanos,
}

impl Stored {
    /// The word of the ingest called `ingest`, at `time`.
    #[must_use]
    pub fn new(ingest: &str, (site, sensor): (&str, &str), run: Uuid, last_seq: u64, time: UnixNanos) -> Self {
        let (site, sensor, ingest) = (site.to_owned(), sensor.to_owned(), ingest.to_owned());
        Self { schema: STORED_SCHEMA.to_owned(), site, sensor, run, last_seq, ingest, time }
    }

    /// The JSON that travels.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a payload of the `stored` topic; what is none is nothing.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok().filter(|stored: &Self| stored.schema == STORED_SCHEMA)
    }
}
