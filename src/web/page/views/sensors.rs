//! Sensors: how each is by its own word, and how well it listened.

use super::gap_table;
use crate::{
    UnixNanos,
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
    wire::{Remark, budget_warning},
};
use std::collections::BTreeMap;

/// Names shown of those of one kind, at most.
const NAMED: usize = 3;

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
    (view.headline, view.level) = headline(&known, asking.now);
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
    view.facts.extend(fleet(&asking.sensors, asking.now));
    let max_series = asking.page.max_series.as_ref();
    let budgets = asking.sensors.iter().filter_map(|sensor| Some(sensor.about.as_ref()?.budget));
    if let Some(warning) = budget_warning(budgets, max_series.map(|(series, name)| (*series, name.as_str()))) {
        view.level = view.level.max(Level::Note);
        view.sections.push(Section::Text(Text { lines: vec![text::foreign(&warning)], ..Text::default() }));
    }
    view.sections.push(Section::Table(table(&asking.place, &known, asking.now)));
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

/// The sensors to know something of, a figure for each kind that there is.
fn fleet(sensors: &[Sensor], now: UnixNanos) -> Vec<Fact> {
    let of_kind = |kind: Remark| {
        let names = sensors.iter().filter(|sensor| states::of_note(sensor, now).contains(&kind));
        let names: Vec<String> = names.map(|one| text::foreign(&format!("{}/{}", one.site, one.sensor))).collect();
        let named = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
        (!names.is_empty()).then(|| Fact {
            label: kind.word().to_owned(),
            value: format!("{} of {}", names.len(), sensors.len()),
            note: format!("{}: {named}{more}", kind.meaning()),
            age: None,
            href: None,
        })
    };
    Remark::ALL.into_iter().filter_map(of_kind).collect()
}

fn span_link(asking: &Asking<'_>) -> String {
    asking.place.at("/history", &[("after", None)])
}

/// How all of them are, or the worst one, in words.
fn headline(known: &Known<'_>, now: UnixNanos) -> (String, Level) {
    if known.is_empty() {
        return ("No sensor has been heard yet.".to_owned(), Level::Note);
    }
    let all = text::counted(u64::try_from(known.len()).unwrap_or(0), "sensor", "sensors");
    let said =
        known.values().filter_map(|(sensor, _)| sensor.and_then(|sensor| Some((sensor, sensor.status.as_ref()?))));
    let worst = said.map(|(sensor, status)| {
        let (level, _, words) = states::at(sensor, &status.status, now);
        ((level, words), sensor)
    });
    let worst = worst.max_by_key(|((level, _), _)| *level);
    match worst {
        Some(((Level::Good, _), _)) => (format!("{all}, all online."), Level::Good),
        Some(((level, words), sensor)) => (format!("{all}. {}: {words}.", text::foreign(&sensor.sensor)), level),
        None => (format!("{all}; none has said how it is."), Level::Note),
    }
}

fn table(place: &Place, known: &Known<'_>, now: UnixNanos) -> Table {
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
        let mut cells = vec![
            Cell::foreign(&format!("{site}/{name}")).linked(of_sensor("/history", site, name)).noted(place_of(*said)),
            state_cell(*said, now),
        ];
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
                let why = if said.is_some_and(states::has_no_radio) { "no radio" } else { "no window" };
                cells.push(Cell { value: "0".to_owned(), ..Cell::text(why) });
                cells.extend(std::iter::repeat_with(Cell::unknown).take(6));
            }
        }
        cells.push(held_cell(*said));
        cells.push(program_cell(*said));
        table.rows.push(Row { cells, ..Row::default() });
    }
    table
}

/// What people call a sensor, and where it is.
fn place_of(said: Option<&Sensor>) -> String {
    let about = said.and_then(|sensor| sensor.about.as_ref());
    let words = about.into_iter().flat_map(|about| [&about.label, &about.location]).flatten();
    words.map(|words| text::foreign(words)).collect::<Vec<_>>().join(", ")
}

fn state_cell(said: Option<&Sensor>, now: UnixNanos) -> Cell {
    let Some((sensor, status)) = said.and_then(|sensor| Some((sensor, sensor.status.as_ref()?))) else {
        return Cell::text("unknown").noted("it has said nothing");
    };
    let (_, name, words) = states::at(sensor, &status.status, now);
    Cell::text(name).noted(format!("{words}; said")).aged(sensor.heard)
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
