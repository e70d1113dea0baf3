//! `airtally manual`: the manual pages and shell completions of this very program, for who packages it.

use super::{Arguments, completions::ShellArg};
use crate::own_file::{self, Content, Stranger};
use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _, ValueEnum as _};
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
    clap_mangen::generate_to(without_help(Arguments::command()), directory)?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        fs::write(&path, with_examples(&fs::read_to_string(&path)?))?;
    }
    for shell in ShellArg::value_variants() {
        let (name, script) = shell.script();
        fs::write(directory.join(name), script)?;
    }
    Ok(())
}

/// The page with what stands below the help as it is meant: examples each on a line of its own, in bold, with what they do
/// below them; the rest as paragraphs.
fn with_examples(page: &str) -> String {
    const EXTRA: &str = ".SH EXTRA\n";
    let Some((before, extra)) = page.split_once(EXTRA) else { return page.to_owned() };
    let (extra, after) = extra.find("\n.SH ").map_or((extra, ""), |end| extra.split_at(end + 1));
    let mut out = before.to_owned();
    let mut section = "";
    let mut enter = |out: &mut String, wanted: &'static str| {
        let is_new = section != wanted;
        section = wanted;
        out.push_str(&if is_new { format!(".SH {wanted}\n") } else { String::new() });
    };
    let mut was_text = false;
    for line in extra.lines() {
        let is_text = !line.is_empty() && !line.starts_with("  ");
        if line.starts_with("Example") && line.ends_with(':') {
            enter(&mut out, "EXAMPLES");
            was_text = false;
            continue;
        }
        if let Some(example) = line.strip_prefix("  ") {
            enter(&mut out, "EXAMPLES");
            // What an example does stands behind three spaces or more.
            match example.trim_start().split_once("   ") {
                Some((command, what)) => {
                    out.push_str(&format!(".TP\n\\fB{command}\\fR\n\\&{}\n", what.trim_start()));
                }
                None => out.push_str(&format!(".PP\n.nf\n\\fB{}\\fR\n.fi\n", example.trim_start())),
            }
        } else if is_text {
            enter(&mut out, "NOTES");
            out.push_str(if was_text { "" } else { ".PP\n" });
            out.push_str(line);
            out.push('\n');
        }
        was_text = is_text;
    }
    out + after
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
