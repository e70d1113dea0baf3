//! The command line: one file a subcommand, arguments in, text out. Nothing else imports this room.

mod check;
mod doctor;
mod format;
mod history;
mod ingest;
mod inspect;
mod inspect_progress;
mod inspect_table;
mod log;
mod manual;
mod oui;
mod radio;
mod sensor;
mod setup;

use crate::{config::ConfigError, own_file::Stranger};
use clap::{Parser, Subcommand};
use format::UsageError;
use std::{ffi::OsString, io, process::ExitCode};

/// Counts 802.11 frames per MAC address, carries the counts over MQTT, and stores them.
#[derive(Debug, Parser)]
#[command(name = "airtally", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  airtally inspect capture.pcap                        who is in a capture
  airtally sensor --config /etc/airtally/sensor.toml   count, and publish each window
  airtally ingest --config /etc/airtally/ingest.toml   store what sensors publish
  sudo airtally setup                                  make this machine a sensor, or ingest
  airtally check sensor.toml ingest.toml               what is wrong with a configuration
  airtally radio list                                  the wireless cards there are
  airtally doctor                                      what could keep a sensor here from working
  airtally oui update --from /usr/share/wireshark/manuf --db oui.sqlite
  airtally history --db history.sqlite                 the busiest stations stored

Exit status: 0 on success, 1 on failure, 2 for usage and configuration mistakes.";

#[derive(Debug, Subcommand)]
enum Command {
    Sensor(sensor::SensorArgs),
    Ingest(ingest::IngestArgs),
    Inspect(inspect::InspectArgs),
    History(history::HistoryArgs),
    Oui(oui::OuiArgs),
    Radio(radio::RadioArgs),
    Check(check::CheckArgs),
    Setup(setup::SetupArgs),
    Manual(manual::ManualArgs),
    Doctor(doctor::DoctorArgs),
}

/// Runs the command that the arguments name, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        Err(error) => {
            // Help and version are answers too: clap prints them on standard output, and a closed pipe is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match command {
        Command::Sensor(arguments) => sensor::run(&arguments),
        Command::Ingest(arguments) => ingest::run(&arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Oui(arguments) => oui::run(arguments),
        Command::Radio(arguments) => radio::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Manual(arguments) => manual::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let priority = if log::is_journal() { "<3>" } else { "" };
            eprintln!("{priority}airtally: {}", sentence(&error));
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

/// The error with those of its causes that it does not mention itself.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |said, cause| {
        let cause = cause.to_string();
        if said.contains(&cause) { said } else { format!("{said}: {cause}") }
    })
}

/// Whether the reader of our output went away, as `head` does: nothing to complain about.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        // What was named as a file of ours and is not.
        let within = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<UsageError>()
            || cause.is::<ConfigError>()
            || cause.is::<Stranger>()
            || within.is_some_and(|within| within.is::<Stranger>())
    })
}
