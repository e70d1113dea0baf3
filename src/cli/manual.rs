//! `airtally manual`: the manual pages and shell completions of this very program, for who packages it.

use super::Arguments;
use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use std::{fs, path::PathBuf};

/// Writes manual pages (section 1) and completions for bash, zsh and fish into a directory
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct ManualArgs {
    /// The directory; made where it is absent
    directory: PathBuf,
}

/// Writes them.
pub fn run(arguments: &ManualArgs) -> anyhow::Result<()> {
    let directory = &arguments.directory;
    let written = || -> anyhow::Result<()> {
        fs::create_dir_all(directory)?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut Arguments::command(), "airtally", directory)?;
        }
        clap_mangen::generate_to(without_help(Arguments::command()), directory)?;
        Ok(())
    };
    written().with_context(|| format!("cannot write the manual to {}", directory.display()))
}

/// Without the `help` commands: what they print is on the pages.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}
