//! `airtally check`: what is wrong with a configuration.

use super::format::{UsageError, tell_line};
use crate::{
    config::{ConfigKind, load_ingest, load_sensor},
    printable::{printable, printable_lines},
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

/// Reads configuration files and says what is wrong, with line, column and the nearest valid key
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  airtally check /etc/airtally/sensor.toml /etc/airtally/ingest.toml")]
pub struct CheckArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which daemon they are for; told from their keys where absent
    #[arg(long)]
    kind: Option<KindArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArg {
    Sensor,
    Ingest,
}

/// Checks every file, even after a bad one.
pub fn run(arguments: &CheckArgs) -> anyhow::Result<()> {
    let mut bad = 0;
    for path in &arguments.files {
        let kind = match arguments.kind {
            Some(KindArg::Sensor) => Ok(ConfigKind::Sensor),
            Some(KindArg::Ingest) => Ok(ConfigKind::Ingest),
            None => ConfigKind::of(path),
        };
        let checked = kind.and_then(|kind| match kind {
            ConfigKind::Sensor => load_sensor(path).map(|_| "sensor"),
            ConfigKind::Ingest => load_ingest(path).map(|_| "ingest"),
        });
        match checked {
            Ok(kind) => {
                let path = path.display().to_string();
                writeln!(io::stdout(), "{}: a good {kind} configuration", printable(&path))?;
            }
            Err(error) => {
                bad += 1;
                tell_line(&printable_lines(&error.to_string()));
            }
        }
    }
    match bad {
        0 => Ok(()),
        1 => Err(UsageError("1 file has a mistake".into()).into()),
        _ => Err(UsageError(format!("{bad} files have mistakes")).into()),
    }
}
