//! How an answer goes out: rows as JSON or CSV, a page at a time, with a mark of what is in it; and refusals.

use super::{exposure::Exposure, parameters::Asked};
use crate::{
    UnixNanos,
    pace::Seldom,
    sink::history::{HistoryError, Page, Tier},
    web::{
        Response, StatusCode,
        http::{With as _, json_text, marked, refusal},
    },
};
use axum::http::header;
use serde::Serialize;
use serde_json::Value;
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Problem {
    /// What is asked makes no sense.
    Wrong(String),
    /// There is no such thing.
    Absent(String),
    /// The history cannot be read now.
    Away(String),
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Question(what) => Self::Wrong(what),
            HistoryError::Unreadable(_) => Self::Away(error.to_string()),
        }
    }
}

/// The answer to what cannot be answered.
pub(super) fn refused(problem: &Problem) -> Response {
    static SAID: Mutex<Option<Seldom>> = Mutex::new(None);
    match problem {
        Problem::Wrong(what) => refusal(StatusCode::BAD_REQUEST, what),
        Problem::Absent(what) => refusal(StatusCode::NOT_FOUND, what),
        Problem::Away(what) => {
            let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(times) = said.get_or_insert_default().due(Instant::now()) {
                tracing::warn!(times, "questions to the history are not answered: {what}");
            }
            refusal(StatusCode::SERVICE_UNAVAILABLE, what)
        }
    }
}

/// A list, with what it is about.
#[derive(Serialize)]
struct List<'a, T> {
    from: UnixNanos,
    to: UnixNanos,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_ms: Option<u64>,
    #[serde(flatten)]
    content: Content<'a, T>,
}

/// What of it its mark is made of: an answer about "now" whose rows are the same is the same.
#[derive(Serialize)]
struct Content<'a, T> {
    tier: Tier,
    exposure: &'a Exposure,
    items: &'a [T],
    next: &'a Option<String>,
    truncated: bool,
}

impl Asked<'_> {
    /// Length of a step in milliseconds.
    fn step_ms(&self) -> Option<u64> {
        self.step.map(|step| u64::try_from(step.as_millis()).unwrap_or(u64::MAX))
    }

    /// The answer of a page of rows, which `columns` of CSV are made of: paths into a row, like `counts/frames`.
    pub(super) fn list<T: Serialize>(&self, page: &Page<T>, exposure: &Exposure, columns: &[&str]) -> Response {
        let Page { tier, items, next, truncated } = page;
        let content = Content { tier: *tier, exposure, items, next, truncated: *truncated };
        let answer = if self.is_csv {
            let text = csv(items, columns);
            marked(self.request, "text/csv; charset=utf-8; header=present", text.clone(), &text)
        } else {
            let mark = json_text(&content);
            let list = List { from: self.range.from, to: self.range.to, step_ms: self.step_ms(), content };
            marked(self.request, "application/json", json_text(&list), &mark)
        };
        let answer = answer.with(header::VARY, "accept");
        match next {
            Some(next) => answer.with(header::LINK, format!("<{}>; rel=\"next\"", self.following(next))),
            None => answer,
        }
    }

    /// The answer of one thing; as CSV its `rows`.
    pub(super) fn one<T: Serialize, R: Serialize>(&self, thing: &T, rows: &[R], columns: &[&str]) -> Response {
        let (media_type, text) = if self.is_csv {
            ("text/csv; charset=utf-8; header=present", csv(rows, columns))
        } else {
            ("application/json", json_text(thing))
        };
        marked(self.request, media_type, text.clone(), &text).with(header::VARY, "accept")
    }
}

/// Rows as CSV (RFC 4180), with a head. What is unknown is empty; several values in a cell stand apart by a space.
fn csv<T: Serialize>(rows: &[T], columns: &[&str]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory cannot fail, and all lines have as many cells.
    let _ = writer.write_record(columns.iter().map(|column| column.replace('/', "_")));
    for row in rows {
        let row = serde_json::to_value(row).unwrap_or_default();
        let cell = |column: &&str| row.pointer(&format!("/{column}")).map(cell).unwrap_or_default();
        let _ = writer.write_record(columns.iter().map(cell));
    }
    writer.into_inner().unwrap_or_default()
}

/// A value as a cell. A stranger's text that a spreadsheet would take for a formula gets `'` in front, and characters in it
/// that act are shown by their numbers.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => {
            let shown = crate::printable::printable(text).into_owned();
            if shown.starts_with(['=', '+', '-', '@', '\'']) { format!("'{shown}") } else { shown }
        }
        Value::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn csv_is_harmless_and_unknown_is_empty() {
        let rows = [
            json!({"ssid": "=1+\u{202e}\",\n", "signal": {"max": -40}, "freqs": [2412, 5180], "is": true}),
            json!({"ssid": null, "signal": null, "freqs": [], "is": false}),
        ];
        let text = String::from_utf8(csv(&rows, &["ssid", "signal/max", "freqs", "is"])).unwrap();
        assert_eq!(text, "ssid,signal_max,freqs,is\r\n\"'=1+\\u{202e}\"\",\\u{a}\",-40,2412 5180,true\r\n,,,false\r\n");
    }
}
