//! `airtally manual`: the manual pages and shell completions of this very program, for who packages it.

use super::Arguments;
use crate::own_file::{self, Content, Stranger};
use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

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
    // Made aside first: it is not known before what there is to write.
    let fresh = directory.join(".airtally-manual");
    let written = || -> anyhow::Result<()> {
        fs::create_dir_all(directory)?;
        fs::create_dir(&fresh)?;
        let moved = generate(&fresh).and_then(|()| take_over(&fresh, directory));
        fs::remove_dir_all(&fresh)?;
        moved
    };
    written().with_context(|| format!("cannot write the manual to {}", directory.display()))
}

fn generate(directory: &Path) -> anyhow::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Arguments::command(), "airtally", directory)?;
    }
    Ok(clap_mangen::generate_to(without_help(Arguments::command()), directory)?)
}

/// Moves the files of `fresh` to `directory`, if none of those there is another's: all of ours name the program.
fn take_over(fresh: &Path, directory: &Path) -> anyhow::Result<()> {
    let names: Vec<_> = fs::read_dir(fresh)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    for path in names.iter().map(|name| directory.join(name)) {
        let content = own_file::look(&path)?;
        let is_ours = match content {
            Content::Absent | Content::Empty => true,
            Content::File => fs::read(&path)?.windows(8).any(|word| word == b"airtally"),
            Content::Sqlite(_) | Content::Special(_) => false,
        };
        if !is_ours {
            return Err(Stranger::new(&path, &content, "a page of airtally's manual").into());
        }
    }
    names.iter().try_for_each(|name| fs::rename(fresh.join(name), directory.join(name)))?;
    Ok(())
}

/// Without the `help` commands: what they print is on the pages.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}
