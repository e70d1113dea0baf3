//! `airtally ingest`: the daemon that stores what sensors publish, and its dead letters.

use super::{
    format::UsageError,
    log,
    password::{self, PasswordArgs},
};
use crate::{
    UnixNanos,
    config::load_ingest,
    ingest::{self, IngestError},
    units::noun,
};
use clap::{Args, Subcommand};
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

/// Stores what sensors publish in InfluxDB or an embedded SQLite history
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  airtally ingest --config /etc/airtally/ingest.toml
  airtally ingest redrive --config /etc/airtally/ingest.toml     offer dead letters again
  airtally ingest refill sqlite                                  store again what its spool has
  airtally ingest password web-password                          for the page's login

On SIGTERM or SIGINT what was taken is stored, and what was not acknowledged stays with the broker."
)]
pub struct IngestArgs {
    #[command(subcommand)]
    command: Option<IngestCommand>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Args)]
struct ConfigArg {
    /// The configuration; config/ingest.toml in the source is complete and commented
    #[arg(long, value_name = "FILE", default_value = "/etc/airtally/ingest.toml")]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum IngestCommand {
    /// Makes the file with the password that those who log in to the page give
    Password(PasswordArgs),
    /// Offers the dead letters to their databases again, once the reason is mended; what is taken leaves the table
    #[command(after_help = "Example:\n  airtally ingest redrive --config /etc/airtally/ingest.toml")]
    Redrive(ConfigArg),
    /// Marks what ingest's spool still has to be stored again in one database; stop the daemon first, and start it after
    #[command(after_help = "Examples:
  airtally ingest refill sqlite
  airtally ingest refill influx1 --since 2026-11-27T04:00:00Z

Run it as the daemon's user, whose files these are (sudo -u airtally-ingest …). What is
stored already is overwritten by itself: nothing doubles. The spool keeps what was stored
until it needs the space (spool.max_bytes).")]
    Refill {
        /// The sink: the name of an [[influx]] or [[webhook]] table, or sqlite
        sink: String,
        /// Only what came to ingest at this time or later; without it, everything
        #[arg(long, value_name = "TIME")]
        since: Option<UnixNanos>,
        #[command(flatten)]
        config: ConfigArg,
    },
}

/// Runs the daemon until it is told to stop, or redrives once.
pub fn run(arguments: &IngestArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &arguments.command {
        Some(IngestCommand::Password(arguments)) => password::run(arguments)?,
        None => {
            let config = load_ingest(&arguments.config.config)?;
            log::start(config.log.level);
            runtime.block_on(ingest::run(config))?;
        }
        Some(IngestCommand::Refill { sink, since, config: ConfigArg { config } }) => {
            let config = load_ingest(config)?;
            log::start(config.log.level);
            let refilled = ingest::refill(&config, sink, since.unwrap_or(UnixNanos(i64::MIN)));
            let entries = refilled.map_err(|error| match error {
                IngestError::NoSink { .. } => UsageError(error.to_string()).into(),
                other => anyhow::Error::from(other),
            })?;
            let what = noun(entries, "more message waits", "more messages wait");
            writeln!(io::stdout(), "{entries} {what} for {sink}: the daemon stores them once it runs")?;
        }
        Some(IngestCommand::Redrive(ConfigArg { config })) => {
            let config = load_ingest(config)?;
            log::start(config.log.level);
            let outcome = runtime.block_on(ingest::redrive(&config))?;
            writeln!(io::stdout(), "{} stored, {} kept", outcome.stored, outcome.kept)?;
            if let Some(reason) = outcome.last_reason {
                anyhow::bail!("{} dead letters are still refused, the last one because: {reason}", outcome.kept);
            }
        }
    }
    Ok(())
}
