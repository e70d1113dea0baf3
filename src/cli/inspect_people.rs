//! `airtally inspect --people`: the estimates of people in captures, as a table, JSON lines or CSV.

use super::{
    format::{self, tell},
    inspect::{FormatArg, NoCapture, conclude, heed_interrupts},
    inspect_progress::Bar,
    inspect_text::second,
    table::{self, Column, Screen},
};
use crate::{
    config::Sensor,
    inspect::{Input, Options, Progress, files, people},
    wire::People,
};
use serde::Serialize;
use std::{
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
};

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    people: &'a People,
    /// Which capture it is of, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
}

/// Reads `paths` and writes what is estimated of each of them.
pub(super) fn run(paths: &[PathBuf], options: &Options, config: &Sensor, form: FormatArg) -> anyhow::Result<()> {
    let (inputs, mut failures) = files::expand(paths);
    let progress = Arc::new(Progress::default());
    heed_interrupts(&inputs, &progress)?;
    let bar = Bar::start(&progress, &inputs);
    let mut writer = Writer {
        out: BufWriter::new(io::stdout().lock()),
        form,
        is_of_several: inputs.len() > 1,
        rows: Vec::new(),
        begun: false,
    };
    let (mut written, mut warnings, mut nothing) = (Ok(()), Vec::new(), true);
    people::read(&inputs, options, config, &progress, |input, read| {
        nothing &= !read.is_capture;
        failures.extend(read.failure);
        warnings.extend(read.warnings);
        written = bar.suspend(|| writer.add(&input.name(), &read.people));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    bar.finish();
    written?;
    writer.finish(nothing)?;
    warnings.iter().for_each(tell);
    if nothing && failures.is_empty() && inputs.iter().all(|input| matches!(input, Input::Found(_))) {
        return Err(NoCapture::among(paths, inputs.len()).into());
    }
    conclude(&failures)
}

struct Writer<W: Write> {
    out: W,
    form: FormatArg,
    is_of_several: bool,
    /// Rows of the table, which is written at the end.
    rows: Vec<Vec<String>>,
    begun: bool,
}

impl<W: Write> Writer<W> {
    fn add(&mut self, file: &str, people: &[People]) -> io::Result<()> {
        match self.form {
            FormatArg::Json => {
                let file = self.is_of_several.then_some(file);
                for people in people {
                    serde_json::to_writer(&mut self.out, &Line { people, file })?;
                    writeln!(self.out)?;
                }
                Ok(())
            }
            FormatArg::Csv => {
                let rows: Vec<_> =
                    people.iter().map(|people| self.cells(file, people, |time| time.to_string())).collect();
                if self.begun {
                    return format::csv_rows(&mut self.out, &rows);
                }
                self.begun = true;
                let titles = self.titles();
                format::csv(&mut self.out, &titles, &rows)
            }
            FormatArg::Table | FormatArg::Influx => {
                let rows: Vec<_> = people.iter().map(|people| self.cells(file, people, second)).collect();
                self.rows.extend(rows);
                Ok(())
            }
        }
    }

    fn titles(&self) -> Vec<&'static str> {
        let titles = ["start", "end", "low", "estimate", "high", "reason"];
        titles.into_iter().chain(self.is_of_several.then_some("file")).collect()
    }

    fn cells(&self, file: &str, people: &People, time: impl Fn(crate::UnixNanos) -> String) -> Vec<String> {
        let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let mut cells = vec![time(people.start), time(people.end)];
        cells.extend([people.low, people.estimate, people.high].map(number));
        cells.push(people.reason.map(|reason| reason.word().to_owned()).unwrap_or_default());
        cells.extend(self.is_of_several.then(|| file.to_owned()));
        cells
    }

    fn finish(mut self, nothing: bool) -> io::Result<()> {
        if self.form == FormatArg::Csv && !self.begun {
            let titles = self.titles();
            format::csv(&mut self.out, &titles, &[])?;
        }
        if self.form == FormatArg::Table && !nothing {
            let mut columns = vec![
                Column::new("FROM UTC"),
                Column::new("TO UTC").leaves(1),
                Column::new("LOW").number(),
                Column::new("ESTIMATE").number(),
                Column::new("HIGH").number(),
                Column::new("WHY NONE"),
            ];
            columns.extend(self.is_of_several.then(|| Column::new("CAPTURE").cut().leaves(2)));
            let screen = Screen::stdout();
            table::write(&mut self.out, screen, &columns, &self.rows)?;
            screen.paragraph(
                &mut self.out,
                "note: an estimate of people, and no count: docs/people.md says for which rooms it was tried",
            )?;
        }
        self.out.flush()
    }
}
