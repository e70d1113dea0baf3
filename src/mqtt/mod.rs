//! Topics, sessions and TLS towards the broker: the sensor's publisher and ingest's subscriber. Owns MQTT 5 as a
//! whole; knows neither the spool (it reads an [`Outbox`]) nor a database (it fills an [`Inbox`]).
//!
//! [`publish`] keeps one connection for a sensor: it offers what the outbox holds, and calls an offer delivered
//! only after a PUBACK that says somebody took it. Its connections carry no state: whatever goes wrong, a new one
//! starts from the oldest pending offer. Requests are answered beside that, each by the [`Answerer`] of its name, in a
//! task that the publisher does not wait for. [`subscribe`] keeps one persistent session for ingest: it acknowledges a
//! message only after the inbox has made it durable, and only on the connection that brought it.
//!
//! `docs/mqtt.md` describes topics, payloads and promises for people who read them with other programs.

mod answerer;
mod connection;
mod fault;
mod hear;
mod lane;
mod look;
mod outbox;
mod publisher;
mod publishing;
mod reach;
mod reconnect;
mod replay;
mod requests;
mod session;
mod subscriber;
mod topics;
mod twin;

pub use answerer::{Answerer, Answering, Reply};
pub use connection::check;
pub use hear::{Heard, hear};
pub use look::{Seen, look};
pub use outbox::{Offer, OfferKind, Outbox, OutboxError};
pub use publisher::publish;
pub use publishing::PublisherSettings;
pub use reach::reach;
pub use subscriber::{Inbox, InboxError, Incoming, Outgoing, Receipt, SubscriberSettings, subscribe};
pub use topics::{Leaf, Topics};

use crate::{config::SecretError, tls::TlsError};

/// Why a connection to the broker cannot even be tried. All of these are found before the first attempt; what
/// goes wrong later is logged and tried again.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// The password cannot be read.
    #[error("cannot log in to the broker: {0}")]
    Secret(#[from] SecretError),
    /// TLS cannot be set up.
    #[error("cannot encrypt the connection to the broker: {0}")]
    Tls(#[from] TlsError),
    /// Another ingest has our name.
    #[error(
        "another ingest (instance {instance}) is called '{name}' too and has taken over our connection to the broker at {address} twice: \
         give each its own name, or stop one of them"
    )]
    Twin {
        /// Our name.
        name: String,
        /// The broker.
        address: String,
        /// What the other one's status says that it is.
        instance: uuid::Uuid,
    },
}
