//! One station in time: a tracked one, or an access point with its clients.

use super::{signal_cell, station_cell, vendor_cell};
use crate::{
    sink::history::{
        Counts,
        query::{StationDetail, StationRow, StationStep},
    },
    web::page::{
        asking::{Asking, Maker, Problem, USUAL, aligned},
        chart::{Chart, Kind, Step},
        figures,
        place::{Place, below},
        span::{Span, step_words},
        states,
        table::{Cell, Column, Row, Table},
        text,
        view::{Drawing, Fact, Legend, Level, Link, Section, SpanBar, Text, View},
    },
    wire::{Address, Role},
};
use std::time::Duration;

/// The view at `/stations/{address}`.
pub const STATION: Maker = Maker { parameters: &USUAL, make };

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let address: Address = asking.item.parse().map_err(Problem::Wrong)?;
    let span = asking.span("24h")?;
    let scope = asking.scope()?;
    let mut view = asking.view(&address.to_string());
    view.is_live = span.to_now;
    view.span = Some(SpanBar::new(&asking.place, &span));
    let history = asking.history.as_ref().ok_or_else(|| Problem::Absent("There is no history yet.".to_owned()))?;
    let (range, step) = aligned(&span);
    let Some(found) = history.station(address, range, step, &scope)? else {
        view.level = Level::Note;
        view.headline = format!("Not heard in {}, or forgotten since.", span.words());
        view.sections.push(Section::Text(Text {
            lines: vec![
                "Only tracked stations and access points are kept for long; of all others there are sums.".to_owned(),
                "A pseudonym stands for a station only until its sensor's key changes.".to_owned(),
            ],
            links: vec![Link {
                label: "All stations of this time".to_owned(),
                href: asking.place.at("/stations", &[]),
                is_here: false,
            }],
            ..Text::default()
        }));
        return Ok(view);
    };
    let steps: Vec<Step> = found.steps.iter().map(|step| drawn(step, found.sensors.len())).collect();
    (view.headline, view.headline_age) = (headline(&found.row), Some(found.row.last_seen));
    view.facts = facts(&found, &span);
    if steps.iter().any(|step| step.kind == Kind::Heard) {
        view.sections.push(Section::Chart(drawing(&span, &steps, step)));
    }
    view.sections.push(Section::Table(step_table(&asking.place, &found, &steps, step)));
    if found.row.role == Role::AccessPoint {
        view.sections.push(Section::Table(client_table(&asking.place, &found.clients)));
    }
    let mut lines = states::withheld(&asking.within(&scope));
    if !found.row.tracked && found.row.role != Role::AccessPoint {
        lines.push(
            "This station is not tracked: its windows are forgotten first, and it is in sums alone after that."
                .to_owned(),
        );
    }
    view.sections.push(Section::Text(Text { lines, ..Text::default() }));
    Ok(view)
}

fn headline(row: &StationRow) -> String {
    let what = match row.role {
        Role::Unknown => "A station".to_owned(),
        role => {
            let role = figures::role(role);
            format!("{} {role}", if role.starts_with(['a', 'u']) { "An" } else { "A" })
        }
    };
    let who = match (&row.vendor, row.randomised) {
        (Some(vendor), _) => format!(" by {}", text::foreign(vendor)),
        (None, true) => " with a randomised address".to_owned(),
        (None, false) => " of an unknown vendor".to_owned(),
    };
    let names = match (row.role, row.ssids.is_empty()) {
        (_, true) => String::new(),
        (Role::AccessPoint | Role::AdHoc, false) => format!(" that announces {}", super::names(&row.ssids)),
        (_, false) => format!(" that looked for {}", super::names(&row.ssids)),
    };
    format!("{what}{who}{names}; last heard")
}

fn facts(found: &StationDetail, span: &Span) -> Vec<Fact> {
    let row = &found.row;
    let mut sum = Counts::default();
    found.steps.iter().filter_map(|step| step.exposure.as_ref()).for_each(|counts| sum.add(counts));
    let sensors = u64::try_from(found.sensors.len()).unwrap_or(0);
    let expected = u64::try_from(span.length().as_millis()).unwrap_or(u64::MAX).saturating_mul(sensors);
    let listened = figures::listened(&sum, expected);
    let names: Vec<String> =
        found.sensors.iter().map(|(site, sensor)| text::foreign(&format!("{site}/{sensor}"))).collect();
    let fact =
        |label: &str, value: String, note: String| Fact { label: label.to_owned(), value, note, ..Fact::default() };
    let mut facts = vec![
        fact("Listened", listened.text, format!("{}, by what heard it: {}", listened.note, states::named(&names))),
        Fact {
            age: Some(row.last_seen),
            ..fact(
                "Frames sent",
                text::count(row.frames_sent),
                format!(
                    "{} a second listened, in {}; {} management, {} control, {} data, {} retries; last",
                    figures::per_second(row.frames_sent, &sum).map_or_else(|| text::UNKNOWN.to_owned(), text::rate),
                    text::counted(row.windows, "window", "windows"),
                    text::count(row.management),
                    text::count(row.control),
                    text::count(row.data),
                    text::count(row.retries),
                ),
            )
        },
        fact("Received", text::count(row.frames_received), "frames addressed to it".to_owned()),
    ];
    if let Some(signal) = &row.signal_dbm {
        let range = format!("strongest; weakest {}, mean {:.1}", text::dbm(signal.min.into()), signal.mean);
        facts.push(fact(
            "Signal",
            text::dbm(signal.max.into()),
            format!("{range}, of {}", text::counted(signal.frames, "frame", "frames")).replace('-', "\u{2212}"),
        ));
    }
    facts.push(fact("Channels", figures::channels(&row.freqs_mhz), "heard on".to_owned()));
    if row.role == Role::AccessPoint {
        let width = row.width_mhz.map(|width| format!(", {width}\u{a0}MHz wide")).unwrap_or_default();
        let channel = row.channel.map_or_else(|| text::UNKNOWN.to_owned(), |channel| channel.to_string());
        facts.push(fact("Announces", format!("channel {channel}"), format!("as its own{width}")));
        let security = row.security.as_deref().map_or_else(|| text::UNKNOWN.to_owned(), text::foreign);
        facts.push(fact("Security", security, "as announced".to_owned()));
    } else if let Some(bssid) = row.bssid {
        facts.push(Fact {
            href: Some(below("/stations", &bssid.to_string())),
            ..fact("In the network of", bssid.to_string(), "the BSS that it last sent in".to_owned())
        });
    }
    facts
}

/// A step of the chart: frames a second listened, and how well the sensors that heard the station listened.
fn drawn(step: &StationStep, sensors: usize) -> Step {
    let counts = step.exposure.as_ref();
    let length =
        step.to.saturating_since(step.from).as_secs_f64() * text::real(u64::try_from(sensors.max(1)).unwrap_or(1));
    let rate = counts.and_then(|counts| figures::per_second(step.frames_sent, counts));
    Step {
        start: step.from,
        end: step.to,
        values: rate.into_iter().collect(),
        listened: counts
            .and_then(|counts| counts.listened_ms)
            .filter(|_| length > 0.0)
            .map(|listened| text::real(listened) / 1_000.0 / length),
        kind: figures::kind(counts),
        has_lost: counts.and_then(figures::dropped).unwrap_or(0) > 0,
    }
}

fn drawing(span: &Span, steps: &[Step], step: Duration) -> Drawing {
    let title = "Frames a second listened";
    let count = |kind: Kind| steps.iter().filter(|step| step.kind == kind).count();
    let description = format!(
        "{} steps of {}. In {} nobody listened, in {} the radio was off or heard nothing; these are not zero. The table \
         below has the same figures.",
        steps.len(),
        step_words(step),
        count(Kind::Missing),
        count(Kind::Deaf),
    );
    let chart = Chart {
        id: "frames",
        title,
        description: &description,
        unit: "frames a second listened",
        series: 1,
        is_interval: false,
        from: steps.first().map_or(span.from, |step| step.start),
        to: steps.last().map_or(span.to, |step| step.end),
        steps,
    };
    let legend = [
        ("s1", "frames of this station", true),
        ("heard", "part of the time listened", steps.iter().any(|step| step.listened.is_some())),
        (
            "unknown",
            "a capture: how long was listened is not known",
            steps.iter().any(|step| step.kind != Kind::Missing && step.listened.is_none()),
        ),
        ("gap", "no window came", count(Kind::Missing) > 0),
        ("deaf", "radio off, or nothing heard", count(Kind::Deaf) > 0),
        ("lost", "frames were dropped", steps.iter().any(|step| step.has_lost)),
    ];
    let legend = legend.into_iter().filter(|(.., has)| *has);
    let legend = legend.map(|(class, label, _)| Legend { class, label: label.to_owned() }).collect();
    Drawing { title: title.to_owned(), svg: chart.svg(), legend, table: "steps" }
}

fn step_table(place: &Place, found: &StationDetail, steps: &[Step], step: Duration) -> Table {
    let columns = vec![
        Column::text("From", "from"),
        Column::number("Listened", "listened_percent"),
        Column::number("Frames sent", "frames_sent"),
        Column::number("a second", "frames_per_second"),
        Column::number("Received", "frames_received"),
        Column::number("Signal", "signal_max_dbm"),
        Column::text("Note", "note"),
    ];
    let caption = format!("The same in figures, by {} (UTC borders)", step_words(step));
    let mut table = Table::new("steps", caption, place, columns);
    table.is_folded = true;
    let sensors = u64::try_from(found.sensors.len().max(1)).unwrap_or(1);
    let empty = Counts::default();
    for (number, (row, drawn)) in found.steps.iter().zip(steps).enumerate().rev() {
        let counts = row.exposure.as_ref().unwrap_or(&empty);
        let length = u64::try_from(row.to.saturating_since(row.from).as_millis()).unwrap_or(u64::MAX);
        let mut cells = vec![Cell::time(row.from), figures::listened(counts, length.saturating_mul(sensors))];
        if drawn.kind == Kind::Missing {
            cells.extend(std::iter::repeat_with(Cell::unknown).take(4));
        } else {
            cells.push(Cell::count(row.frames_sent));
            cells.push(Cell::rate(figures::per_second(row.frames_sent, counts)));
            cells.push(Cell::count(row.frames_received));
            cells.push(signal_cell(row.signal_dbm.as_ref()));
        }
        cells.push(Cell::text(match drawn.kind {
            Kind::Heard if row.windows == 0 => "not heard",
            Kind::Heard => "",
            Kind::Deaf => "radio off, or nothing heard",
            Kind::Missing => "nobody listened",
        }));
        table.rows.push(Row { cells, step: Some(number), is_faint: drawn.kind != Kind::Heard });
    }
    table
}

fn client_table(place: &Place, clients: &[StationRow]) -> Table {
    let columns = vec![
        Column::text("Address", "address"),
        Column::text("Vendor", "vendor"),
        Column::number("Frames sent", "frames_sent"),
        Column::number("Received", "frames_received"),
        Column::number("Signal", "signal_max_dbm"),
        Column::text("Last heard", "last_seen"),
    ];
    let mut table = Table::new("clients", "Its clients, the busiest first", place, columns);
    "No client of it was heard, or none is kept of this long a time.".clone_into(&mut table.empty);
    for row in clients {
        table.rows.push(Row {
            cells: vec![
                station_cell(row.station, &row.ssids),
                vendor_cell(row),
                Cell::count(row.frames_sent),
                Cell::count(row.frames_received),
                signal_cell(row.signal_dbm.as_ref()),
                Cell::time(row.last_seen).aged(row.last_seen),
            ],
            ..Row::default()
        });
    }
    table
}
