//! `airtally sensor`: connects source, tally, spool and publisher, and takes them down in order.
//!
//! `opening` meets every refusal, `running` starts the parts, `keeping` looks after them, `ending` takes them down.
//! Every part says how it is through `condition`, and what happened through `events`.

pub mod anchor;
mod antenna;
pub mod beside;
pub mod clock;
pub mod condition;
mod counting;
mod ending;
pub mod events;
pub mod flows;
mod hearing;
mod keeping;
mod keys;
mod known_time;
mod listening;
pub mod live;
mod metrics;
mod opening;
mod outbox;
mod recorder;
mod running;

use crate::{
    capture::CaptureError,
    config::{SecretError, Sensor},
    mqtt::MqttError,
    oui::store::OuiError,
    radio::keeper::RadioError,
    spool::SpoolError,
};
use counting::CountingError;
use std::{io, path::PathBuf};

/// Why the sensor ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum SensorError {
    /// The source cannot be opened, or failed.
    #[error(transparent)]
    Source(#[from] CaptureError),
    /// The card cannot be had, or not be made to listen.
    #[error(transparent)]
    Radio(#[from] RadioError),
    /// Counting failed.
    #[error(transparent)]
    Counting(#[from] CountingError),
    /// The file cannot be read to tell its content.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The vendor cache is a newer program's, or cannot be read.
    #[error(transparent)]
    Oui(#[from] OuiError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The token for metrics cannot be read.
    #[error("metrics cannot be protected: {0}")]
    Secret(#[from] SecretError),
    /// The connection to the broker cannot even be tried.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// What the interface hears is the air, and flows of the air were not asked for.
    #[error(
        "flows.radio: {0} is in monitor mode, and what it hears is mostly other people's traffic: if you may record it, set \
         flows.radio = true; or set flows.enabled = false"
    )]
    FlowsOfAir(String),
    /// The system refused a thread or a signal.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT, or until the source has ended and everything is delivered.
///
/// # Errors
/// What keeps it from starting, or a source that fails; what was counted is spooled all the same.
pub async fn run(config: Sensor) -> Result<(), SensorError> {
    let running = running::start(opening::open(config).await?)?;
    ending::wait_and_end(running).await
}
