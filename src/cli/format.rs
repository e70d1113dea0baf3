//! How a table of values is written: for people, as JSON, as CSV. Knows nothing of what the values mean.

use serde::Serialize;
use std::io::{self, IsTerminal as _, Write};

/// The form of a command's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// One JSON array.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// The arguments are well-formed one by one and do not make sense together: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Whether answers go to somebody who likes them bold.
#[must_use]
pub fn bold() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes `rows` as aligned columns under `header`. The last column is not padded; control characters are replaced.
///
/// # Errors
/// What `out` says.
pub fn table(out: &mut impl Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|title| title.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut line = |cells: &[&str]| -> io::Result<()> {
        let mut text = String::new();
        for (index, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            if index > 0 {
                text.push_str("  ");
            }
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(header)?;
    rows.iter().try_for_each(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Writes `rows` as a JSON array, one element a line.
///
/// # Errors
/// What `out` says.
pub fn json<T: Serialize>(out: &mut impl Write, rows: &[T]) -> io::Result<()> {
    out.write_all(b"[")?;
    for (index, row) in rows.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, row)?;
    }
    out.write_all(if rows.is_empty() { b"]\n" } else { b"\n]\n" })
}

/// Writes `rows` as CSV under `header`.
///
/// # Errors
/// What `out` says.
pub fn csv(out: &mut impl Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let write = |writer: &mut csv::Writer<_>| -> csv::Result<()> {
        writer.write_record(header)?;
        rows.iter().try_for_each(|row| writer.write_record(row))
    };
    write(&mut writer).map_err(from_csv)?;
    writer.flush()
}

/// Writes `rows` as CSV that continues what [`csv`] wrote.
///
/// # Errors
/// What `out` says.
pub fn csv_rows(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    rows.iter().try_for_each(|row| writer.write_record(row)).map_err(from_csv)?;
    writer.flush()
}

/// What `out` said. The library's own conversion hides it, and with it that a pipe was closed.
fn from_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// `text` with control characters replaced, so that it cannot steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_line_up_and_cannot_steer_the_terminal() {
        let rows = vec![vec!["é".into(), "b\u{1b}[2J".into()], vec!["long".into(), String::new()]];
        assert_eq!(written(|out| table(out, &["a", "title"], &rows)), "a     title\né     b\u{fffd}[2J\nlong\n");
    }

    #[test]
    fn json_is_an_array_even_when_empty() {
        assert_eq!(written(|out| json::<u8>(out, &[])), "[]\n");
        assert_eq!(written(|out| json(out, &[1, 2])), "[\n1,\n2\n]\n");
    }

    #[test]
    fn csv_quotes_what_it_must() {
        assert_eq!(written(|out| csv(out, &["a"], &[vec!["x, \"y\"".into()]])), "a\n\"x, \"\"y\"\"\"\n");
    }
}
