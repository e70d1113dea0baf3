//! How rows of values are written for programs: as JSON, as CSV. Knows nothing of what the values mean.

use crate::printable::printable;
use serde::Serialize;
use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, Write},
};

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

/// Writes `rows` as CSV under `header`; cells are as [`csv_cell`] has them.
///
/// # Errors
/// What `out` says.
pub fn csv(out: &mut impl Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(&mut *out);
    writer.write_record(header).map_err(from_csv)?;
    writer.flush()?;
    drop(writer);
    csv_rows(out, rows)
}

/// Writes `rows` as CSV that continues what [`csv`] wrote.
///
/// # Errors
/// What `out` says.
pub fn csv_rows(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let mut write = |row: &Vec<String>| writer.write_record(row.iter().map(|cell| csv_cell(cell).into_owned()));
    rows.iter().try_for_each(&mut write).map_err(from_csv)?;
    writer.flush()
}

/// A cell of a CSV file: [`printable`], and with `'` in front if a spreadsheet would take it for a formula, because it
/// begins with one of `=`, `+`, `-`, `@` (or their full-width forms) and is no plain number.
fn csv_cell(text: &str) -> Cow<'_, str> {
    let text = printable(text);
    let is_number = || {
        let only_digits = text.trim_start_matches('-').chars().all(|c| c.is_ascii_digit() || c == '.');
        only_digits && text.starts_with('-') && text.parse::<f64>().is_ok()
    };
    if text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && !is_number() {
        return Cow::Owned(format!("'{text}"));
    }
    text
}

/// What `out` said. The library's own conversion hides it, and with it that a pipe was closed.
fn from_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// A line on standard error. Where nobody can be told, because it is closed or full, the work goes on: a note is never
/// worth more than what it is about.
pub fn tell(text: impl Display) {
    tell_line(&format!("airtally: {}", printable(&text.to_string())));
}

/// As [`tell`], of a line that is [`printable`] and complete.
pub fn tell_line(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
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

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, shown) in [
            ("=1+1", "'=1+1"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+491234", "'+491234"),
            ("-2+3", "'-2+3"),
            ("-", "'-"),
            ("-inf", "'-inf"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("\t=1", "\\u{9}=1"),
            ("\r=1", "\\u{d}=1"),
            ("-50", "-50"),
            ("-61.5", "-61.5"),
            ("-6.1.5", "'-6.1.5"),
            ("+5", "'+5"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(csv_cell(cell), shown);
        }
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_writes_is_one_inert_cell(cells in prop::collection::vec("[=+@\\-\t\r\n\",;'\\p{Cf}\\p{Zl}a-c0-9.]{0,8}", 1..4)) {
            let text = written(|out| csv_rows(out, std::slice::from_ref(&cells)));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(rows.len(), 1);
            prop_assert_eq!(rows[0].len(), cells.len());
            for cell in &rows[0] {
                prop_assert!(cell.parse::<f64>().is_ok() || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{}", cell);
                prop_assert_eq!(printable(cell), cell);
            }
        }
    }
}
