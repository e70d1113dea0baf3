//! `airtally doctor`: what could keep a sensor on this machine from working.

use super::{format::UsageError, table::Screen};
use crate::{
    UnixNanos,
    config::{Sensor, load_sensor},
    doctor::{self, Finding, Host, Level, Report},
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Where the configuration is, if nobody says.
const CONFIG: &str = "/etc/airtally/sensor.toml";

/// Checks card, driver, clock, spool, broker and vendor names, and says what to do
#[derive(Debug, Args)]
#[command(after_help = "\
Each line is ok, warn or FAIL. Nothing on the machine is changed; the broker is connected to and left.

Exit status: 0 where nothing fails, 1 where something does, 2 for usage and configuration mistakes.

Example:
  sudo -u airtally airtally doctor --config /etc/airtally/sensor.toml")]
pub struct DoctorArgs {
    /// The sensor's configuration [default: /etc/airtally/sensor.toml, and the defaults if that is not there]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print: lines for people, or one JSON object for programs
    #[arg(long, default_value = "text")]
    format: Format,
    /// Where this machine's files are: for tests
    #[arg(long, hide = true, default_value = "/")]
    root: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Something fails; the report has said what.
#[derive(Debug, thiserror::Error)]
#[error("{0} of the checks failed")]
struct Failed(usize);

/// Examines, prints, and fails if something does.
pub fn run(arguments: &DoctorArgs) -> anyhow::Result<()> {
    let config = match &arguments.config {
        Some(path) => load_sensor(path)?,
        None if Path::new(CONFIG).exists() => load_sensor(Path::new(CONFIG))?,
        None => Sensor::default(),
    };
    if !arguments.root.is_dir() {
        return Err(UsageError(format!("{} is not a directory", arguments.root.display())).into());
    }
    // What connecting logs is in the report too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(doctor::examine(&Host::new(&arguments.root), &config, UnixNanos::now()));
    let mut out = io::stdout().lock();
    match arguments.format {
        Format::Text => text(&mut out, &report)?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
    }
    match report.findings.iter().filter(|finding| finding.level == Level::Fail).count() {
        0 => Ok(()),
        failed => Err(Failed(failed).into()),
    }
}

fn text(out: &mut impl Write, report: &Report) -> io::Result<()> {
    const INDENT: usize = 18;
    let screen = Screen::stdout();
    for Finding { check, level, message, advice, source } in &report.findings {
        let level = match level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        screen.fact(out, &format!("{level}  {check:<10}  "), INDENT, message)?;
        if let Some(advice) = advice {
            screen.fact(out, "", INDENT, &format!("do: {advice}"))?;
        }
        if let Some(source) = source {
            screen.fact(out, "", INDENT, &format!("see: {source}"))?;
        }
    }
    Ok(())
}
