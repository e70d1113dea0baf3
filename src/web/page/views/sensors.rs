//! Sensors: how each is by its own word, and how well it listened.

use super::gap_table;
use crate::{
    roster::Sensor,
    sink::history::{Counts, Order, query::SensorRow},
    web::page::{
        asking::{Asking, Maker, Problem, listed},
        figures,
        place::Place,
        states,
        table::{Cell, Column, Row, Table, of_sensor},
        text,
        view::{Fact, Level, Section, SpanBar, Text, View},
    },
};
use std::collections::BTreeMap;

/// The view at `/sensors`.
pub const SENSORS: Maker = Maker { parameters: &["last", "from", "to", "after"], make };

/// What is known of a sensor, by its site and name: what it says, and what is stored of it.
type Known<'a> = BTreeMap<(&'a str, &'a str), (Option<&'a Sensor>, Option<&'a SensorRow>)>;

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let span = asking.span("1h")?;
    let scope = asking.scope()?;
    let mut view = asking.view("Sensors");
    view.is_live = span.to_now;
    view.span = Some(SpanBar::new(&asking.place, &span));
    let range = listed(&span);
    let (rows, gaps) = match &asking.history {
        Some(history) => {
            let gaps = history.gaps(range, &scope, Order::Descending, &asking.paging())?;
            (history.sensors(range, &scope)?.items, Some(gaps))
        }
        None => (Vec::new(), None),
    };
    let mut known = Known::new();
    for sensor in &asking.sensors {
        known.entry((&sensor.site, &sensor.sensor)).or_default().0 = Some(sensor);
    }
    for row in &rows {
        known.entry((&row.site, &row.sensor)).or_default().1 = Some(row);
    }
    (view.headline, view.level) = headline(&known);
    if known.is_empty() {
        view.sections.push(asking.first_steps());
        return Ok(view);
    }
    let mut sum = Counts::default();
    rows.iter().for_each(|row| sum.add(&row.counts));
    let expected = rows.iter().map(|row| row.range_ms).fold(0, u64::saturating_add);
    let listened = figures::listened(&sum, expected);
    view.facts = vec![Fact {
        label: "Listened, all sensors".to_owned(),
        value: listened.text,
        note: format!("{} in {}", listened.note, span.words()),
        age: rows.iter().filter_map(|row| row.last_end).max(),
        href: Some(span_link(asking)),
    }];
    view.sections.push(Section::Table(table(&asking.place, &known)));
    if let Some(gaps) = gaps {
        let mut table = gap_table(&asking.place, &gaps);
        table.more = asking.more(gaps.next.as_deref());
        view.sections.push(Section::Table(table));
    }
    let mut lines = states::withheld(&asking.sensors.iter().collect::<Vec<_>>());
    lines.push(
        "A state is the sensor's own word, kept by the broker; its age says when it came here. A sensor without one was \
         heard of from the history alone."
            .to_owned(),
    );
    view.sections.push(Section::Text(Text { lines, ..Text::default() }));
    Ok(view)
}

fn span_link(asking: &Asking<'_>) -> String {
    asking.place.at("/history", &[("after", None)])
}

/// How all of them are, or the worst one, in words.
fn headline(known: &Known<'_>) -> (String, Level) {
    if known.is_empty() {
        return ("No sensor has been heard yet.".to_owned(), Level::Note);
    }
    let all = text::counted(u64::try_from(known.len()).unwrap_or(0), "sensor", "sensors");
    let said =
        known.values().filter_map(|(sensor, _)| sensor.and_then(|sensor| Some((sensor, sensor.status.as_ref()?))));
    let worst =
        said.map(|(sensor, status)| (states::words(&status.status), sensor)).max_by_key(|((level, _), _)| *level);
    match worst {
        Some(((Level::Good, _), _)) => (format!("{all}, all online."), Level::Good),
        Some(((level, words), sensor)) => (format!("{all}. {}: {words}.", text::foreign(&sensor.sensor)), level),
        None => (format!("{all}; none has said how it is."), Level::Note),
    }
}

fn table(place: &Place, known: &Known<'_>) -> Table {
    let columns = vec![
        Column::text("Sensor", "sensor"),
        Column::text("State", "state"),
        Column::number("Listened", "listened_percent"),
        Column::text("Newest window", "last_window_end"),
        Column::number("Frames a second", "frames_per_second"),
        Column::number("Dropped", "dropped_frames"),
        Column::number("Bad check", "bad_fcs"),
        Column::number("Gaps", "gaps"),
        Column::number("Runs", "runs"),
        Column::number("Held", "windows_held"),
        Column::text("Program", "version"),
    ];
    let mut table = Table::new("sensors", "Sensors", place, columns);
    for ((site, name), (said, row)) in known {
        let mut cells = vec![Cell::foreign(&format!("{site}/{name}")).linked(of_sensor("/history", site, name))];
        cells.push(state_cell(*said));
        match row {
            Some(row) => cells.extend([
                figures::listened(&row.counts, row.range_ms),
                row.last_end.map_or_else(Cell::unknown, |end| Cell::time(end).aged(end)),
                Cell::rate(figures::per_second(row.counts.frames, &row.counts)).noted(text::counted(
                    row.counts.frames,
                    "frame",
                    "frames",
                )),
                Cell::count_of(figures::dropped(&row.counts)),
                Cell::count(row.counts.bad_fcs),
                Cell::count(row.gaps).noted(if row.gap_ms > 0 { text::duration(row.gap_ms) } else { String::new() }),
                Cell::count(row.runs),
            ]),
            None => {
                cells.push(Cell { value: "0".to_owned(), ..Cell::text("no window") });
                cells.extend(std::iter::repeat_with(Cell::unknown).take(6));
            }
        }
        cells.push(held_cell(*said));
        cells.push(program_cell(*said));
        table.rows.push(Row { cells, ..Row::default() });
    }
    table
}

fn state_cell(said: Option<&Sensor>) -> Cell {
    let Some((sensor, status)) = said.and_then(|sensor| Some((sensor, sensor.status.as_ref()?))) else {
        return Cell::text("unknown").noted("it has said nothing");
    };
    let (_, words) = states::words(&status.status);
    Cell::text(states::name(&status.status)).noted(format!("{words}; said")).aged(sensor.heard)
}

/// How many windows a sensor keeps, to send them again.
fn held_cell(said: Option<&Sensor>) -> Cell {
    let Some(status) = said.and_then(|sensor| sensor.status.as_ref()) else { return Cell::unknown() };
    let held = status.status.runs.iter().map(|run| run.last_seq.saturating_sub(run.first_seq).saturating_add(1));
    Cell::count(held.fold(0, u64::saturating_add))
}

fn program_cell(said: Option<&Sensor>) -> Cell {
    let Some(about) = said.and_then(|sensor| sensor.about.as_ref()) else { return Cell::unknown() };
    let facts = [
        about.source.as_deref().map(|source| format!("source {source}")),
        about.window.as_deref().map(|window| format!("window {window}")),
        about.privacy.as_deref().map(|privacy| format!("privacy {privacy}")),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().map(|fact| text::foreign(&fact)).collect();
    Cell::foreign(&about.version).noted(facts.join(", "))
}
