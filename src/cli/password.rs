//! `airtally ingest password`: makes the file that the web server's login is kept in.

use super::{format::UsageError, hidden::Hidden};
use crate::{own_file, printable::printable, web::password};
use anyhow::Context as _;
use clap::Args;
use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
};

/// What the file begins with.
const START: &[u8] = b"$argon2id$";

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo airtally ingest password /etc/airtally/ingest.secrets/web-password
  pass show airtally | airtally ingest password web-password

The packaged service finds the first one as
/run/credentials/airtally-ingest.service/secret_web-password: write that path as password_file
under [web], and restart it.")]
pub struct PasswordArgs {
    /// The file to write; only a file of this kind is replaced
    file: PathBuf,
}

/// Asks for the password, twice at a terminal, and writes its hash.
pub fn run(arguments: &PasswordArgs) -> anyhow::Result<()> {
    let is_typed = io::stdin().is_terminal();
    let given = ask("Password: ", is_typed)?;
    if is_typed && ask("Once more: ", is_typed)? != given {
        return Err(UsageError("these were two different passwords: nothing was written".into()).into());
    }
    let hash = password::hash(&given).map_err(|problem| UsageError(format!("{problem}: nothing was written")))?;
    let path = arguments.file.display().to_string();
    own_file::replace(&arguments.file, format!("{hash}\n").as_bytes(), START, "a password file")
        .with_context(|| format!("cannot write {}", printable(&path)))?;
    writeln!(io::stdout(), "{}: written; name it as password_file under [web]", printable(&path))?;
    Ok(())
}

/// One line of standard input; where somebody types, it is asked for and not shown.
fn ask(question: &str, is_typed: bool) -> io::Result<String> {
    let mut line = String::new();
    if is_typed {
        let mut terminal = io::stderr();
        terminal.write_all(question.as_bytes())?;
        terminal.flush()?;
        let hidden = Hidden::new();
        io::stdin().lock().read_line(&mut line)?;
        drop(hidden);
        terminal.write_all(b"\n")?;
    } else {
        io::stdin().lock().read_line(&mut line)?;
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
