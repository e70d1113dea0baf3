//! Alerts: what looks like an attack; those that go on first, and for each the lines that silence it.

use crate::{
    Mac, UnixNanos,
    roster::Sensor,
    sink::history::{
        Order, Page, Paging, Range,
        query::{AlertFilter, AlertRow, AlertSeen, AlertState},
    },
    web::page::{
        asking::{Asking, Maker, Problem, listed},
        place::below,
        states,
        table::{Cell, Column, Row, Table, of_sensor},
        text,
        view::{Choice, Field, Level, Section, SpanBar, Text, View},
    },
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The view at `/alerts`.
pub const ALERTS: Maker = Maker { parameters: &["last", "from", "to", "sensor", "kind", "after"], make };

/// What each kind is, for people. One that is not here is shown by its word.
const KINDS: [(&str, &str); 16] = [
    ("deauth_flood", "Stations are thrown out"),
    ("deauth_spoofed", "Somebody speaks for your access point"),
    ("evil_twin", "Your network's name, elsewhere"),
    ("open_twin", "Your network's name, without a key"),
    ("bss_changed", "Your access point has changed"),
    ("tsf_back", "Your access point's clock ran back"),
    ("csa_abuse", "Channel switches that lead nowhere"),
    ("beacon_flood", "Networks by the dozen, all alike"),
    ("karma", "One access point with every name"),
    ("auth_flood", "Stations by the dozen want in"),
    ("wps_bruteforce", "Somebody tries WPS PINs"),
    ("pmkid_harvest", "Somebody collects handshakes"),
    ("nav_abuse", "The channel is reserved for nobody"),
    ("new_device", "A device that was never here"),
    ("sensor_deaf", "The sensor hears nothing"),
    ("coverage_low", "The sensor listens little"),
];
/// Alerts for which the lines that silence them are written out, at most.
const MOST_LINES: usize = 10;
/// Characters of evidence in a cell, at most.
const LONGEST_EVIDENCE: usize = 160;

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let span = asking.span("24h")?;
    let scope = asking.scope()?;
    let mut view = asking.view("Alerts");
    view.is_live = span.to_now && asking.place.get("after").is_none();
    view.span = Some(SpanBar::new(&asking.place, &span));
    let Some(history) = &asking.history else {
        "No alert has been told yet.".clone_into(&mut view.headline);
        view.sections.push(asking.first_steps());
        return Ok(view);
    };
    let range = listed(&span);
    let sensors = history.sensors(range, &scope)?.items;
    view.fields = vec![kind_field(asking), asking.sensor_field(&sensors)];
    let kept = asking.place.others(&["kind", "sensor", "after"]);
    view.kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if asking.place.get("kind").is_some() || asking.place.get("sensor").is_some() {
        view.clear = Some(asking.place.with(&[("kind", None), ("sensor", None), ("after", None)]));
    }
    if asking.is_first_day(&sensors) {
        "No alert has been told yet.".clone_into(&mut view.headline);
        view.sections.push(asking.first_steps());
        return Ok(view);
    }
    let filter =
        |state| AlertFilter { kind: asking.place.get("kind").map(str::to_owned), state, ..AlertFilter::default() };
    // What goes on is shown whenever it began.
    let always = Paging { cursor: None, ..asking.paging() };
    let open = history.alerts(Range::ALL, &scope, &filter(Some(AlertState::Open)), Order::Descending, &always)?;
    let mut over = history.alerts(range, &scope, &filter(None), Order::Descending, &asking.paging())?;
    over.items.retain(|row| row.state != AlertState::Open);
    let meant = asking.within(&scope);
    let watching = meant.iter().filter(|sensor| watches(sensor)).count();
    (view.level, view.headline) = headline(&open.items, &over, &span.words(), watching);
    if !open.items.is_empty() {
        view.sections.push(Section::Table(table(asking, "open", "Open", &open.items)));
    }
    let mut ended = table(asking, "ended", "Over", &over.items);
    ended.empty = if watching == 0 && open.items.is_empty() {
        "Here would be what looked like an attack: what it is, about whom, when, the evidence, and which sensors saw it.".to_owned()
    } else {
        format!("None in {}.", span.words())
    };
    ended.more = asking.more(over.next.as_deref());
    view.sections.push(Section::Table(ended));
    if watching == 0 && open.items.is_empty() && over.items.is_empty() {
        view.sections.push(Section::Text(Text {
            heading: "Have a sensor watch".to_owned(),
            lines: vec!["In the sensor's configuration, /etc/airtally/sensor.toml, and then start it anew:".to_owned()],
            code: "[alerts]\nenabled = true".to_owned(),
            links: Vec::new(),
        }));
    }
    let expected = expected(open.items.iter().chain(&over.items));
    if !expected.is_empty() {
        view.sections.push(Section::Text(Text {
            heading: "What is expected".to_owned(),
            lines: vec![
                "An alert that is no news is not told any more with these lines in the sensor's configuration, one table for each:"
                    .to_owned(),
            ],
            code: expected,
            links: Vec::new(),
        }));
    }
    let mut lines = states::withheld(&meant);
    lines.push(
        "Frames are those that the sensor heard that heard most of them. Listened is how long its channel was listened to since the \
         alert began, not watched how long nobody was there: silence then says nothing. No alert does not mean no attack: \
         docs/alerts.md says what each rule misses."
            .to_owned(),
    );
    view.sections.push(Section::Text(Text { lines, ..Text::default() }));
    Ok(view)
}

fn watches(sensor: &Sensor) -> bool {
    sensor.about.as_ref().is_some_and(|about| about.alerts == Some(true))
}

fn headline(open: &[AlertRow], over: &Page<AlertRow>, time: &str, watching: usize) -> (Level, String) {
    let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
    let ended = text::counted(count(over.items.len()), "other", "others");
    let more = if over.next.is_some() { " and more" } else { "" };
    let watched = text::counted(count(watching), "sensor watches", "sensors watch");
    match (open.len(), over.items.len()) {
        (0, 0) if watching == 0 => (Level::Note, "No sensor says that it watches for attacks.".to_owned()),
        (0, 0) => (Level::Good, format!("No alert in {time}: {watched}.")),
        (0, ended) => {
            let ended = text::counted(count(ended), "alert", "alerts");
            (Level::Note, format!("No alert is open. {ended}{more} in {time}."))
        }
        (open, 0) => (Level::Bad, format!("{}.", text::counted(count(open), "alert is open", "alerts are open"))),
        (open, _) => {
            let open = text::counted(count(open), "alert is open", "alerts are open");
            (Level::Bad, format!("{open}, {ended}{more} in {time}."))
        }
    }
}

fn kind_field(asking: &Asking<'_>) -> Field {
    let value = asking.place.get("kind").unwrap_or_default().to_owned();
    let mut options = vec![Choice { value: String::new(), label: "all".to_owned() }];
    options.extend(KINDS.iter().map(|(kind, words)| Choice { value: (*kind).to_owned(), label: (*words).to_owned() }));
    if !options.iter().any(|option| option.value == value) {
        options.push(Choice { label: text::foreign(&value), value: value.clone() });
    }
    Field { label: "Kind", name: "kind", kind: "text", value, options }
}

fn table(asking: &Asking<'_>, id: &'static str, caption: &str, rows: &[AlertRow]) -> Table {
    let columns = vec![
        Column::text("What", "kind"),
        Column::text("About", "subject"),
        Column::time("From", "start"),
        Column::time("Until", "end"),
        Column::number("Frames", "frames"),
        Column::text("Sensors", "sensors"),
        Column::number("Listened", "listened_ms"),
        Column::number("Not watched", "not_watched_ms"),
        Column::text("Evidence", "evidence"),
    ];
    let mut table = Table::new(id, caption, &asking.place, columns);
    table.rows = rows.iter().map(row).collect();
    table
}

fn row(row: &AlertRow) -> Row {
    let most = row.sensors.first();
    let kind = match KINDS.iter().find(|(kind, _)| *kind == row.kind) {
        Some((kind, words)) => {
            Cell { value: (*kind).to_owned(), ..Cell::text(*words) }.noted(format!("{kind}, {}", row.severity))
        }
        None => Cell::foreign(&row.kind).noted(row.severity.clone()),
    };
    let about = match row.subject.as_str() {
        "air" => Cell { value: row.subject.clone(), ..Cell::text("the air") },
        "withheld" => Cell { value: row.subject.clone(), ..Cell::text("withheld") },
        subject => {
            let cell = Cell::foreign(subject);
            if subject.parse::<Mac>().is_ok() { cell.linked(below("/stations", subject)) } else { cell }
        }
    };
    let told = row.sensors.iter().map(|seen| seen.told).max();
    let until = match (row.end, row.state) {
        (Some(end), _) => Cell::time(end).noted(lasted(row.start, end)),
        (None, AlertState::Lost) => {
            Cell { value: String::new(), ..Cell::text("unknown") }.noted("its sensor began anew")
        }
        (None, _) => {
            let cell = Cell { value: String::new(), ..Cell::text("goes on") };
            told.map_or(cell.clone(), |told| cell.noted("told").aged(told))
        }
    };
    let sum = |of: fn(&AlertSeen) -> Option<u64>| row.sensors.iter().filter_map(of).reduce(u64::saturating_add);
    let length = |millis: Option<u64>| match millis {
        Some(millis) => Cell { value: millis.to_string(), ..Cell::text(text::duration(millis)) },
        None => Cell::unknown(),
    };
    Row {
        cells: vec![
            kind,
            about,
            Cell::time(row.start),
            until,
            Cell::count(row.frames),
            sensors(row),
            length(sum(|seen| seen.listened_ms)),
            length(row.sensors.iter().map(|seen| seen.not_watched_ms).min()),
            most.map_or_else(Cell::unknown, |seen| Cell {
                value: seen.evidence.to_string(),
                ..Cell::foreign(&evidence(&seen.evidence))
            }),
        ],
        ..Row::default()
    }
}

fn lasted(start: UnixNanos, end: UnixNanos) -> String {
    text::duration(u64::try_from(end.saturating_since(start).as_millis()).unwrap_or(u64::MAX))
}

fn sensors(row: &AlertRow) -> Cell {
    let names: BTreeSet<&str> = row.sensors.iter().map(|seen| seen.sensor.as_str()).collect();
    let names: Vec<String> = names.into_iter().map(|sensor| format!("{}/{sensor}", row.site)).collect();
    match names.as_slice() {
        [one] => {
            let sensor = one.strip_prefix(&format!("{}/", row.site)).unwrap_or_default();
            Cell::foreign(one).linked(of_sensor("/history", &row.site, sensor))
        }
        _ => Cell { value: names.join(" "), ..Cell::foreign(&names.join(", ")) },
    }
}

/// What was seen, in a line.
fn evidence(evidence: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let all = all.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned));
            all.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    let pieces = evidence.as_object().into_iter().flatten();
    let line = pieces
        .map(|(name, value)| format!("{}: {}", name.replace('_', " "), text(value)))
        .collect::<Vec<_>>()
        .join("; ");
    if line.chars().count() > LONGEST_EVIDENCE {
        line.chars().take(LONGEST_EVIDENCE).chain("…".chars()).collect()
    } else {
        line
    }
}

/// The lines that silence these alerts, as far as their subjects are told here.
fn expected<'a>(rows: impl Iterator<Item = &'a AlertRow>) -> String {
    let mut known = BTreeSet::new();
    let is_told = |row: &&AlertRow| row.subject == "air" || row.subject.parse::<Mac>().is_ok();
    let is_known = |row: &&AlertRow| KINDS.iter().any(|(kind, _)| *kind == row.kind);
    let new = rows.filter(is_told).filter(is_known).filter(|row| known.insert((row.kind.clone(), row.subject.clone())));
    let lines = new
        .take(MOST_LINES)
        .map(|row| format!("[[alerts.expected]]\nkind = \"{}\"\nsubject = \"{}\"\n", row.kind, row.subject));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_a_line_of_words() {
        let said = serde_json::json!({"freqs_mhz": [2412, 2437], "ssid": "café", "to_all": 7, "senders": ["a", "b"]});
        assert_eq!(evidence(&said), "freqs mhz: 2412 2437; senders: a b; ssid: café; to all: 7");
        assert!(evidence(&serde_json::json!({"x": "y".repeat(500)})).chars().count() < 200);
    }
}
