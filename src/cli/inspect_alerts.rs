//! `airtally inspect --alerts`: what in captures looks like an attack; an alert a line.

use super::{
    format::{self, UsageError, tell},
    inspect::{FormatArg, NoCapture, conclude, heed_interrupts},
    inspect_progress::Bar,
    inspect_text::{group, second},
    table::{self, Column, Screen},
};
use crate::{
    config::Sensor,
    inspect::{Input, Options, Progress, alerts, files},
    wire::{self, Evidence},
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
    /// The capture in which it ended.
    capture: &'a str,
    #[serde(flatten)]
    alert: &'a wire::Alert,
}

const CSV: [&str; 11] = [
    "capture",
    "kind",
    "class",
    "severity",
    "subject",
    "start",
    "end",
    "frames",
    "evidence",
    "listened_ms",
    "not_watched_ms",
];
const COLUMNS: [Column; 7] = [
    Column::new("kind"),
    Column::new("subject"),
    Column::new("frames").number(),
    Column::new("start"),
    Column::new("seconds").number(),
    Column::new("evidence").cut().leaves(1),
    Column::new("capture").cut().leaves(2),
];

/// Watches, and writes.
pub fn run(paths: &[PathBuf], format: FormatArg, options: &Options, config: &Sensor) -> anyhow::Result<()> {
    if format == FormatArg::Influx {
        return Err(UsageError(
            "alerts have no line protocol here: use --format json, csv or table with --alerts".into(),
        )
        .into());
    }
    let (inputs, mut failures) = files::expand(paths);
    let progress = Arc::new(Progress::default());
    heed_interrupts(&inputs, &progress)?;
    let bar = Bar::start(&progress, &inputs);
    let mut out = BufWriter::new(io::stdout().lock());
    if format == FormatArg::Csv {
        format::csv(&mut out, &CSV, &[])?;
    }
    let (mut rows, mut written) = (Vec::new(), Ok(()));
    let mut take = |capture: &str, told: Result<wire::Alert, _>| {
        written = told.map_err(anyhow::Error::from).and_then(|alert| {
            match format {
                FormatArg::Json => {
                    serde_json::to_writer(&mut out, &Line { capture, alert: &alert }).map_err(io::Error::from)?;
                    writeln!(out)?;
                    // Whoever reads a pipe is to know at once.
                    out.flush()?;
                }
                FormatArg::Csv => format::csv_rows(&mut out, &[csv_row(capture, &alert)])?,
                FormatArg::Table | FormatArg::Influx => rows.push(table_row(capture, &alert)),
            }
            Ok(())
        });
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let watched = alerts::watch(&inputs, options, config, &progress, &mut take);
    bar.finish();
    written?;
    failures.extend(watched.failures);
    if format == FormatArg::Table && watched.files > 0 {
        let screen = Screen::stdout();
        if rows.is_empty() {
            let mine = if config.networks.0.is_empty() {
                ", by the rules that need no [[networks]] (docs/alerts.md says what they miss)"
            } else {
                " (docs/alerts.md says what the rules miss)"
            };
            screen.paragraph(&mut out, &format!("Nothing that looks like an attack{mine}."))?;
        } else {
            table::write(&mut out, screen, &COLUMNS, &rows)?;
        }
    }
    out.flush()?;
    watched.warnings.iter().for_each(tell);
    if watched.files == 0 && failures.is_empty() && inputs.iter().all(|input| matches!(input, Input::Found(_))) {
        return Err(NoCapture::among(paths, inputs.len()).into());
    }
    conclude(&failures)
}

/// The word that a value has on the wire.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn csv_row(capture: &str, alert: &wire::Alert) -> Vec<String> {
    vec![
        capture.to_owned(),
        alert.kind.clone(),
        word(alert.class),
        word(alert.severity),
        alert.subject.clone(),
        alert.start.to_string(),
        alert.end.map(|end| end.to_string()).unwrap_or_default(),
        alert.frames.to_string(),
        serde_json::to_string(&alert.evidence).unwrap_or_default(),
        alert.listened_ms.map(|listened| listened.to_string()).unwrap_or_default(),
        alert.not_watched_ms.to_string(),
    ]
}

fn table_row(capture: &str, alert: &wire::Alert) -> Vec<String> {
    let lasted = alert.end.map(|end| format!("{:.1}", end.saturating_since(alert.start).as_secs_f64()));
    let evidence: Vec<String> = alert
        .evidence
        .iter()
        .map(|(name, evidence)| format!("{} {}", name.replace('_', " "), shown(evidence)))
        .collect();
    vec![
        alert.kind.clone(),
        alert.subject.clone(),
        group(alert.frames),
        second(alert.start),
        lasted.unwrap_or_default(),
        evidence.join("; "),
        capture.to_owned(),
    ]
}

fn shown(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Number(number) => number.to_string(),
        Evidence::Numbers(numbers) => numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
        Evidence::Text(text) => text.clone(),
        Evidence::Texts(texts) => texts.join(", "),
    }
}
