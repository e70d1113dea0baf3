//! Questions to a person at a terminal, each with a default; where nobody is to be asked, the default is the answer.

use crate::cli::{format::UsageError, hidden::Hidden};
use std::io::{self, BufRead, Write};

/// Asks on `out`, reads answers from `input`.
pub struct Asker<R, W> {
    input: R,
    out: W,
    /// Whether somebody is there to answer.
    interactive: bool,
}

impl<R: BufRead, W: Write> Asker<R, W> {
    /// Asks only if `interactive`.
    pub const fn new(input: R, out: W, interactive: bool) -> Self {
        Self { input, out, interactive }
    }

    /// Whether somebody is asked.
    pub const fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Tells whoever is asked something.
    ///
    /// # Errors
    /// When output fails.
    pub fn tell(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// The answer to a question, for which an option may have been given. An empty line is the default.
    ///
    /// # Errors
    /// When input or output fail, or the input ends.
    pub fn text(&mut self, question: &str, given: Option<&str>, default: &str) -> io::Result<String> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        if !self.interactive {
            return Ok(default.to_owned());
        }
        if default.is_empty() {
            write!(self.out, "{question}: ")?;
        } else {
            write!(self.out, "{question} [{default}]: ")?;
        }
        let line = self.line()?;
        Ok(if line.is_empty() { default.to_owned() } else { line })
    }

    /// One of some answers, each with what it means.
    ///
    /// # Errors
    /// When input or output fail, or the input ends.
    pub fn choice(
        &mut self,
        question: &str,
        options: &[(&str, &str)],
        given: Option<&str>,
        default: &str,
    ) -> io::Result<String> {
        if given.is_none() && self.interactive {
            writeln!(self.out, "{question}")?;
            let width = options.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, meaning) in options {
                writeln!(self.out, "  {name:<width$}  {meaning}")?;
            }
        }
        loop {
            let answer = self.text("Which", given, default)?;
            let found = options.iter().find(|(name, _)| *name == answer);
            if let Some((name, _)) = found {
                return Ok((*name).to_owned());
            }
            if given.is_some() || !self.interactive {
                let names: Vec<_> = options.iter().map(|(name, _)| *name).collect();
                let message = format!("'{answer}' is none of {}: {question}", names.join(", "));
                return Err(io::Error::new(io::ErrorKind::InvalidInput, UsageError(message)));
            }
            writeln!(self.out, "There is no '{answer}'.")?;
        }
    }

    /// Yes or no.
    ///
    /// # Errors
    /// When input or output fail, or the input ends.
    pub fn yes(&mut self, question: &str, given: Option<bool>, default: bool) -> io::Result<bool> {
        let given = given.map(|yes| if yes { "y" } else { "n" });
        let answer = self.text(question, given, if default { "y" } else { "n" })?;
        Ok(answer.to_lowercase().starts_with('y'))
    }

    /// A secret, which is not shown while it is typed; nothing where nobody is there.
    ///
    /// # Errors
    /// When input or output fail, or the input ends.
    pub fn secret(&mut self, question: &str) -> io::Result<Option<String>> {
        if !self.interactive {
            return Ok(None);
        }
        write!(self.out, "{question}: ")?;
        let hidden = Hidden::new();
        let line = self.line()?;
        drop(hidden);
        writeln!(self.out)?;
        Ok(Some(line).filter(|line| !line.is_empty()))
    }

    fn line(&mut self) -> io::Result<String> {
        self.out.flush()?;
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "there were no more answers: nothing was changed",
            ));
        }
        Ok(line.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asker(input: &str) -> Asker<&[u8], Vec<u8>> {
        Asker::new(input.as_bytes(), Vec::new(), true)
    }

    #[test]
    fn an_empty_line_is_the_default_and_an_option_is_not_asked_about() {
        let mut asker = asker("\nattic\n");
        assert_eq!(asker.text("Site", None, "home").unwrap(), "home");
        assert_eq!(asker.text("Name", None, "pi").unwrap(), "attic");
        assert_eq!(asker.text("Broker", Some("b"), "localhost").unwrap(), "b");
        assert_eq!(String::from_utf8(asker.out.clone()).unwrap(), "Site [home]: Name [pi]: ");
        assert_eq!(asker.text("More", None, "").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_choice_is_asked_again_until_it_is_one() {
        let options = [("plain", "as they are"), ("vendor", "sums only")];
        let mut asker = asker("pain\nvendor\n");
        assert_eq!(asker.choice("Addresses?", &options, None, "plain").unwrap(), "vendor");
        assert!(String::from_utf8(asker.out.clone()).unwrap().contains("There is no 'pain'."));
    }

    #[test]
    fn nobody_is_asked_where_nobody_is() {
        let mut asker = Asker::new(&b""[..], Vec::new(), false);
        assert_eq!(asker.text("Site", None, "home").unwrap(), "home");
        assert!(asker.yes("TLS", None, true).unwrap());
        assert_eq!(asker.secret("Password").unwrap(), None);
        assert!(asker.out.is_empty());
    }
}
