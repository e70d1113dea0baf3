//! `airtally sensor`: the daemon that listens, counts and publishes.

use super::{format::UsageError, log};
use crate::{
    config::load_sensor,
    radio::keeper::RadioError,
    sensor::{self, SensorError},
};
use clap::Args;
use std::path::PathBuf;

/// Counts frames from an interface, a capture file or standard input, and publishes each window over MQTT
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally sensor --config /etc/airtally/sensor.toml
  tcpdump -i wlan1 -U -w - | airtally sensor --config stdin.toml      with source.kind = \"stdin\"

On SIGTERM or SIGINT the open window is closed and kept, and the broker is told that the sensor is offline. The replay of
a file begins again at the next start: unless addresses are pseudonyms, the window that a stop cuts is left out, and counted
whole then.
A sensor whose source is a file (without loop) or standard input ends by itself once everything is delivered.")]
pub struct SensorArgs {
    /// The configuration; config/sensor.toml in the source is complete and commented
    #[arg(long, value_name = "FILE", default_value = "/etc/airtally/sensor.toml")]
    config: PathBuf,
}

/// Runs until it is told to stop, or its source ends.
pub fn run(arguments: &SensorArgs) -> anyhow::Result<()> {
    let config = load_sensor(&arguments.config)?;
    log::start(config.log.level);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(sensor::run(config)).map_err(|error| match error {
        // What only a person can mend: the configuration, or the card that it names.
        SensorError::Radio(error) if !matches!(error, RadioError::Control(_)) => UsageError(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })
}
