//! `airtally check`: what is wrong with a configuration.

use super::{
    check_files::Looked,
    format::{UsageError, tell_line},
};
use crate::{
    config::{self, ConfigError, ConfigKind, load_ingest, load_sensor},
    printable::{printable, printable_lines},
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Reads configuration files and the files they name, and says all that is wrong, with its line
#[derive(Debug, Args)]
#[command(after_help = "\
What the daemon would refuse at its start is refused here, in the same words. Nothing is written, and nobody is asked over
the network: 'airtally doctor' tries the broker.

Examples:
  airtally check /etc/airtally/sensor.toml /etc/airtally/ingest.toml
  sudo -u airtally airtally check /etc/airtally/sensor.toml       also the secrets that only the daemon may read")]
pub struct CheckArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Which daemon they are for; told from their keys and names where absent
    #[arg(long)]
    kind: Option<KindArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArg {
    Sensor,
    Ingest,
}

/// Says which files were not looked at, and fails with what else is wrong.
fn refuse(path: &Path, looked: Looked) -> Result<(), ConfigError> {
    for file in looked.unread {
        let (path, file) = (path.display().to_string(), file.display().to_string());
        let said = format!("{path}: note: {file} was not looked at: it is for the daemon alone");
        tell_line(&printable(&said));
    }
    let place = |key: &str, index| config::line_of(path, key, index).map(|line| format!("line {line}: "));
    let mistakes = looked.refused.into_iter().map(|refusal| {
        let place = place(refusal.key, refusal.index).unwrap_or_default();
        format!("{place}{}: {}", refusal.key, refusal.message)
    });
    match mistakes.collect::<Vec<_>>() {
        mistakes if mistakes.is_empty() => Ok(()),
        mistakes => Err(ConfigError::Mistakes { path: path.to_owned(), mistakes }),
    }
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
            ConfigKind::Sensor => load_sensor(path).map(|config| ("sensor", Looked::sensor(&config))),
            ConfigKind::Ingest => load_ingest(path).map(|config| ("ingest", Looked::ingest(&config))),
        });
        let checked = checked.and_then(|(kind, looked)| refuse(path, looked).map(|()| kind));
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
