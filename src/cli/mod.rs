//! The command line: one file a subcommand, arguments in, text out. Nothing else imports this module.

#[cfg(feature = "config")]
mod check;
#[cfg(feature = "config")]
mod check_files;
mod completions;
#[cfg(feature = "sensor")]
mod doctor;
#[cfg(feature = "inspect")]
mod flows;
#[cfg(feature = "inspect")]
mod flows_text;
mod format;
#[cfg(any(feature = "inspect", all(feature = "nmsg", feature = "capture")))]
mod halt;
#[cfg(any(feature = "ingest", feature = "sensor"))]
mod hidden;
#[cfg(feature = "sink-sqlite")]
mod history;
#[cfg(feature = "ingest")]
mod ingest;
#[cfg(feature = "inspect")]
mod inspect;
#[cfg(feature = "inspect")]
mod inspect_alerts;
#[cfg(feature = "inspect")]
mod inspect_overview;
#[cfg(feature = "inspect")]
mod inspect_people;
#[cfg(feature = "inspect")]
mod inspect_progress;
#[cfg(feature = "inspect")]
mod inspect_table;
#[cfg(feature = "inspect")]
mod inspect_text;
mod journal;
#[cfg(any(feature = "ingest", feature = "sensor", feature = "web"))]
mod log;
#[cfg(feature = "manual")]
mod manual;
#[cfg(all(feature = "nmsg", feature = "capture"))]
mod nmsg;
#[cfg(feature = "registry")]
mod oui;
#[cfg(feature = "ingest")]
mod password;
#[cfg(feature = "provision")]
mod provision;
#[cfg(feature = "sensor")]
mod radio;
#[cfg(feature = "sensor")]
mod sensor;
#[cfg(feature = "sensor")]
mod setup;
#[cfg(feature = "mqtt")]
mod status;
#[cfg(any(feature = "inspect", feature = "mqtt", feature = "registry", feature = "sink-sqlite"))]
mod table;

use crate::{
    config::ConfigError,
    own_file::Stranger,
    printable::{printable, printable_lines},
};
use clap::{Parser, Subcommand};
use format::UsageError;
use std::{ffi::OsString, io, process::ExitCode};

/// Counts 802.11 frames per MAC address, carries the counts over MQTT, and stores them.
#[derive(Debug, Parser)]
#[command(name = "airtally", version, max_term_width = 100, after_help = examples())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What stands below the help: examples of the commands that this program has.
fn examples() -> String {
    let lines = [
        "Examples:",
        #[cfg(feature = "inspect")]
        "  airtally inspect capture.pcap                        who is in a capture",
        #[cfg(feature = "inspect")]
        "  airtally flows capture.pcap                          who spoke with whom in it",
        #[cfg(feature = "sensor")]
        "  airtally sensor --config /etc/airtally/sensor.toml   count, and publish each window",
        #[cfg(feature = "ingest")]
        "  airtally ingest --config /etc/airtally/ingest.toml   store what sensors publish",
        #[cfg(all(feature = "sensor", feature = "ingest"))]
        "  sudo airtally setup                                  make this machine a sensor, or ingest",
        #[cfg(all(feature = "sensor", not(feature = "ingest")))]
        "  sudo airtally setup                                  make this machine a sensor",
        #[cfg(feature = "provision")]
        "  airtally provision --sensors list.csv --out fleet --broker broker.lan",
        #[cfg(feature = "config")]
        "  airtally check sensor.toml ingest.toml               what is wrong with a configuration",
        #[cfg(feature = "mqtt")]
        "  airtally status                                      how the sensors of the broker are",
        #[cfg(all(feature = "nmsg", feature = "capture"))]
        "  airtally nmsg messages.nmsg --format json             typed network messages as JSON",
        #[cfg(feature = "sensor")]
        "  airtally radio list                                  the wireless cards there are",
        #[cfg(feature = "sensor")]
        "  airtally doctor                                      what could keep a sensor here from working",
        "  airtally completions bash                            words that a shell completes",
        #[cfg(feature = "oui-update")]
        "  airtally oui update --from /usr/share/wireshark/manuf --db oui.sqlite",
        #[cfg(feature = "sink-sqlite")]
        "  airtally history --db history.sqlite                 the busiest stations stored",
        "",
        "Exit status: 0 on success, 1 on failure, 2 for usage and configuration mistakes.",
    ];
    lines.join("\n")
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "sensor")]
    Sensor(sensor::SensorArgs),
    #[cfg(feature = "ingest")]
    Ingest(ingest::IngestArgs),
    #[cfg(feature = "inspect")]
    Inspect(inspect::InspectArgs),
    #[cfg(feature = "inspect")]
    Flows(flows::FlowsArgs),
    #[cfg(feature = "sink-sqlite")]
    History(history::HistoryArgs),
    #[cfg(feature = "registry")]
    Oui(oui::OuiArgs),
    #[cfg(all(feature = "nmsg", feature = "capture"))]
    Nmsg(nmsg::NmsgArgs),
    #[cfg(feature = "sensor")]
    Radio(radio::RadioArgs),
    #[cfg(feature = "mqtt")]
    Status(status::StatusArgs),
    #[cfg(feature = "config")]
    Check(check::CheckArgs),
    #[cfg(feature = "sensor")]
    Setup(setup::SetupArgs),
    Completions(completions::CompletionsArgs),
    #[cfg(feature = "provision")]
    Provision(provision::ProvisionArgs),
    #[cfg(feature = "manual")]
    Manual(manual::ManualArgs),
    #[cfg(feature = "sensor")]
    Doctor(doctor::DoctorArgs),
}

/// Runs the command that the arguments name, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        Err(error) => {
            if error.use_stderr() {
                // A mistake repeats the argument, which may be the name of a stranger's file.
                format::tell_line(printable_lines(&error.render().to_string()).trim_end());
            } else {
                // Help and version are answers too: clap prints them on standard output, and a closed pipe is no failure.
                let _ = error.print();
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match command {
        #[cfg(feature = "sensor")]
        Command::Sensor(arguments) => sensor::run(&arguments),
        #[cfg(feature = "ingest")]
        Command::Ingest(arguments) => ingest::run(&arguments),
        #[cfg(feature = "inspect")]
        Command::Inspect(arguments) => inspect::run(arguments),
        #[cfg(feature = "inspect")]
        Command::Flows(arguments) => flows::run(&arguments),
        #[cfg(feature = "sink-sqlite")]
        Command::History(arguments) => history::run(&arguments),
        #[cfg(feature = "registry")]
        Command::Oui(arguments) => oui::run(arguments),
        #[cfg(all(feature = "nmsg", feature = "capture"))]
        Command::Nmsg(arguments) => nmsg::run(&arguments),
        #[cfg(feature = "sensor")]
        Command::Radio(arguments) => radio::run(&arguments),
        #[cfg(feature = "mqtt")]
        Command::Status(arguments) => status::run(&arguments),
        #[cfg(feature = "config")]
        Command::Check(arguments) => check::run(&arguments),
        #[cfg(feature = "sensor")]
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        #[cfg(feature = "provision")]
        Command::Provision(arguments) => provision::run(&arguments),
        #[cfg(feature = "manual")]
        Command::Manual(arguments) => manual::run(&arguments),
        #[cfg(feature = "sensor")]
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let priority = if journal::is_journal() { "<3>" } else { "" };
            let said = sentence(&error);
            // A mistake in a configuration is shown below its line.
            let is_long = error.chain().any(|cause| cause.is::<ConfigError>());
            let said = if is_long { printable_lines(&said) } else { printable(&said) };
            format::tell_line(&format!("{priority}airtally: {said}"));
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
            || within.is_some_and(|within| within.is::<Stranger>() || within.is::<UsageError>())
    })
}
