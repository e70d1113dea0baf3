//! `airtally completions`: what a shell needs to complete airtally's words.

use super::Arguments;
use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};
use std::io::{self, Write as _};

/// Prints completions for a shell; the Debian packages have them installed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(airtally completions bash)                                            for this shell
  airtally completions bash > ~/.local/share/bash-completion/completions/airtally
  airtally completions zsh > ~/.zfunc/_airtally                                  if fpath has ~/.zfunc
  airtally completions fish > ~/.config/fish/completions/airtally.fish")]
pub struct CompletionsArgs {
    /// The shell
    shell: ShellArg,
}

/// The shells that packages bring completions for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ShellArg {
    Bash,
    Zsh,
    Fish,
}

impl ShellArg {
    /// The name of the file that the shell looks for, and its completions.
    pub(super) fn script(self) -> (&'static str, Vec<u8>) {
        let (name, shell) = match self {
            Self::Bash => ("airtally.bash", Shell::Bash),
            Self::Zsh => ("_airtally", Shell::Zsh),
            Self::Fish => ("airtally.fish", Shell::Fish),
        };
        let mut script = Vec::new();
        generate(shell, &mut Arguments::command(), "airtally", &mut script);
        (name, script)
    }
}

/// Prints them.
pub fn run(arguments: &CompletionsArgs) -> anyhow::Result<()> {
    Ok(io::stdout().write_all(&arguments.shell.script().1)?)
}
