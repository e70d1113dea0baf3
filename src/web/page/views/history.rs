//! History: any time, in steps. How well was listened, how many stations there were of which kind, what was lost.

use super::gap_table;
use crate::{
    UnixNanos,
    sink::history::{
        Counts, Crowd, Order, Paging, Range,
        query::{DistinctRow, SensorRow, SeriesRow, Untold},
    },
    web::page::{
        asking::{Asking, Maker, Problem, aligned},
        chart::{Chart, Kind, Step},
        figures,
        place::Place,
        span::{Span, step_words},
        states,
        table::{Cell, Column, Row, Table, of_sensor},
        text,
        view::{Drawing, Fact, Legend, Level, Link, Section, SpanBar, Text, View},
    },
};

/// The view at `/history`.
pub const HISTORY: Maker = Maker { parameters: &["last", "from", "to", "sensor", "with"], make };

/// Sums that are added up without being asked for, at most: some 0.1 s.
const QUICK: u64 = 1_500;

/// The kinds of stations, as a chart stacks them.
const KINDS: [(&str, &str); 4] =
    [("s1", "access points"), ("s2", "known vendors"), ("s3", "randomised addresses"), ("s4", "others")];

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let span = asking.span("24h")?;
    let scope = asking.scope()?;
    let mut view = asking.view("History");
    view.is_live = span.to_now;
    view.span = Some(SpanBar::new(&asking.place, &span));
    let Some(history) = &asking.history else {
        "There is no history yet.".clone_into(&mut view.headline);
        view.sections.push(asking.first_steps());
        return Ok(view);
    };
    let (range, step) = aligned(&span);
    let sensors = history.sensors(range, &scope)?.items;
    let series = history.series(range, step, &scope)?.items;
    let listening = u64::try_from(sensors.iter().filter(|row| row.counts.windows > 0).count()).unwrap_or(0);
    let mut sum = Counts::default();
    sensors.iter().for_each(|row| sum.add(&row.counts));

    let expected = sensors.iter().map(|row| row.range_ms).fold(0, u64::saturating_add);
    let steps: Vec<Step> = series.iter().map(|row| figures::step(row, listening, stations_of)).collect();
    let deaf = total(&series, &steps, Kind::Deaf);
    let missing = total(&series, &steps, Kind::Missing);
    let gaps: u64 = sensors.iter().map(|row| row.gaps).sum();
    (view.headline, view.level) = headline(&sum, expected, &span, (gaps, deaf, missing));
    view.fields = vec![asking.sensor_field(&sensors)];
    view.kept = span.parameters().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    view.button = "Show";
    if asking.is_first_day(&sensors) {
        view.sections.push(asking.first_steps());
        return Ok(view);
    }
    view.facts = facts(&sum, &sensors, expected, &span, deaf);
    view.facts.extend(distinct(&history.distinct(last_day(range), None, &scope)?.items, range));
    if sum.windows > 0 {
        view.sections.push(Section::Chart(drawing(
            ("stations", "Stations in a window, by kind", "stations, mean of a window"),
            &span,
            &steps,
            &KINDS,
            step_words(step),
        )));
        let rates: Vec<Step> = series
            .iter()
            .map(|row| {
                figures::step(row, listening, |_, counts| {
                    vec![figures::per_second(counts.frames, counts).unwrap_or_default()]
                })
            })
            .collect();
        view.sections.push(Section::Chart(drawing(
            ("frames", "Frames a second listened", "frames a second listened"),
            &span,
            &rates,
            &[("s1", "frames of all kinds")],
            step_words(step),
        )));
    }
    view.sections.push(Section::Table(step_table(&asking.place, &series, &steps, listening, &step_words(step))));
    view.sections.extend(super::people::sections(asking, (range, step), &span)?);
    view.sections.push(Section::Table(sensor_table(&asking.place, &sensors)));
    view.sections.push(Section::Table(gap_table(
        &asking.place,
        &history.gaps(range, &scope, Order::Descending, &asking.paging())?,
    )));
    let is_quick = is_quick(&span, listening);
    let wants = |table: &str| {
        is_quick
            || [Some("all"), Some(table)].contains(&asking.place.get("with"))
            || asking.place.get("table") == Some(table)
    };
    if wants("vendors") {
        let vendors = history.vendors(range, &scope, &Paging { limit: 20, cursor: None })?.items;
        view.sections.push(Section::Table(super::vendor_table(&asking.place, &vendors, sum.station_frames)));
    }
    if wants("channels") {
        let channels = history.channels(range, None, &scope)?.items;
        view.sections.push(Section::Table(super::channel_table(&asking.place, &channels)));
    }
    if !wants("vendors") && !wants("channels") {
        view.sections.push(Section::Text(more(&asking.place)));
    }
    let lines = states::withheld(&asking.within(&scope));
    if !lines.is_empty() {
        view.sections.push(Section::Text(Text { lines, ..Text::default() }));
    }
    Ok(view)
}

/// Whether vendors and channels of `span` are summed in no time: they are kept by the minute and by the hour for each sensor.
fn is_quick(span: &Span, sensors: u64) -> bool {
    let hours = span.length().as_secs() / 3_600;
    let sums = if span.step().as_secs() < 3_600 { hours.saturating_mul(60) } else { hours };
    sums.saturating_mul(sensors) <= QUICK
}

/// Where the rest of a long time is.
fn more(place: &Place) -> Text {
    Text {
        heading: "Vendors and channels".to_owned(),
        lines: vec!["Of so long a time they take a moment to sum up.".to_owned()],
        links: vec![Link { label: "Show them".to_owned(), href: place.with(&[("with", Some("all"))]), is_here: false }],
        ..Text::default()
    }
}

/// Mean numbers of stations in a window, by kind.
fn stations_of(row: &SeriesRow, counts: &Counts) -> Vec<f64> {
    kinds(row.stations.as_ref(), counts.windows).to_vec()
}

fn kinds(crowd: Option<&Crowd>, windows: u64) -> [f64; 4] {
    let Some(crowd) = crowd.filter(|_| windows > 0) else { return [0.0; 4] };
    let sum = &crowd.sum;
    [sum.access_points, sum.known_vendor, sum.randomised, sum.other].map(|kind| text::real(kind) / text::real(windows))
}

/// The time of the steps of a kind, in milliseconds.
fn total(series: &[SeriesRow], steps: &[Step], kind: Kind) -> u64 {
    let of_kind = series.iter().zip(steps).filter(|(_, step)| step.kind == kind);
    of_kind.map(|(row, _)| figures::millis(row)).fold(0, u64::saturating_add)
}

fn headline(sum: &Counts, expected: u64, span: &Span, (gaps, deaf, missing): (u64, u64, u64)) -> (String, Level) {
    let when = span.words();
    if sum.windows == 0 {
        return (format!("No window came in {when}: nobody knows what was on the air."), Level::Bad);
    }
    let (mut words, mut level) = match sum.listened_ms {
        Some(listened) => {
            let share = text::real(listened.min(expected)) / text::real(expected.max(1));
            let level = if share < 0.5 {
                Level::Bad
            } else if share < 0.9 {
                Level::Note
            } else {
                Level::Good
            };
            let share = text::percent(text::real(listened.min(expected)), text::real(expected));
            (format!("Listened to {share} of {when}"), level)
        }
        None => (format!("Windows cover {} of {when}", text::duration(sum.covered_ms)), Level::Note),
    };
    for (number, more) in [
        (gaps, text::counted(gaps, "declared gap", "declared gaps")),
        (deaf, format!("{} deaf", text::duration(deaf))),
        (missing, format!("no window for {}", text::duration(missing))),
    ] {
        if number > 0 {
            words += ", ";
            words += &more;
            level = level.max(Level::Note);
        }
    }
    (words + ".", level)
}

/// What of a range is in its last UTC day: of more than one, no number of distinct stations can be told.
fn last_day(range: Range) -> Range {
    const DAY: i64 = 86_400_000_000_000;
    let midnight = range.to.0.saturating_sub(1).div_euclid(DAY).saturating_mul(DAY);
    Range { from: range.from.max(UnixNanos(midnight)), to: range.to }
}

/// About how many distinct stations each site had, where sensors send sketches.
fn distinct(rows: &[DistinctRow], asked: Range) -> Option<Fact> {
    let first = rows.first()?;
    let since = if first.from > asked.from { "since midnight (UTC); " } else { "" };
    let (value, note) = match (rows, first.stations, first.low.zip(first.high)) {
        ([_], Some(stations), Some((low, high))) => (
            text::count(stations),
            format!(
                "{since}{} to {}, from {}",
                text::count(low),
                text::count(high),
                text::counted(first.sensors, "sensor", "sensors")
            ),
        ),
        ([_], ..) => {
            let why = match first.untold {
                Some(Untold::WholeHoursOnly) => "of this time whole hours alone are kept",
                _ => "the sensors of the site have not one secret",
            };
            (text::UNKNOWN.to_owned(), why.to_owned())
        }
        _ => {
            let of_site = |row: &DistinctRow| {
                format!("{}: {}", row.site, row.stations.map_or_else(|| text::UNKNOWN.to_owned(), text::count))
            };
            let some: Vec<String> = rows.iter().take(5).map(of_site).collect();
            let more = if rows.len() > 5 { ", and more" } else { "" };
            (text::counted(rows.len() as u64, "site", "sites"), format!("{since}{}{more}", some.join(", ")))
        }
    };
    Some(Fact { label: "Distinct stations, about".to_owned(), value, note, ..Fact::default() })
}

fn facts(sum: &Counts, sensors: &[SensorRow], expected: u64, span: &Span, deaf: u64) -> Vec<Fact> {
    let newest = sensors.iter().filter_map(|row| row.last_end).max();
    let fact =
        |label: &str, value: String, note: String| Fact { label: label.to_owned(), value, note, ..Fact::default() };
    let of_sensors = text::counted(u64::try_from(sensors.len()).unwrap_or(0), "sensor", "sensors");
    let share = sum.listened_ms.map_or_else(
        || text::UNKNOWN.to_owned(),
        |listened| text::percent(text::real(listened.min(expected)), text::real(expected)),
    );
    let listened = Fact {
        age: newest,
        ..fact(
            "Listened",
            share,
            format!(
                "{}, {of_sensors}{}",
                figures::exposure(sum, expected),
                if newest.is_some() { "; newest window" } else { "" }
            ),
        )
    };
    let lost: Option<u64> = sensors.iter().filter_map(|row| row.lost_frames).reduce(u64::saturating_add);
    let gap_ms = sensors.iter().map(|row| row.gap_ms).fold(0, u64::saturating_add);
    let gaps: u64 = sensors.iter().map(|row| row.gaps).sum();
    let dropped = figures::dropped(sum);
    let most = sensors.iter().map(|row| row.stations.most.total()).max().unwrap_or(0);
    let mut crowd = Crowd::default();
    sensors.iter().for_each(|row| crowd.add(&row.stations));
    vec![
        listened,
        fact(
            "Gaps",
            text::count(gaps),
            format!(
                "{} declared lost, with {}; deaf or off for {}",
                text::duration(gap_ms),
                lost.map_or_else(
                    || "frames that nobody counted".to_owned(),
                    |lost| text::counted(lost, "frame", "frames")
                ),
                text::duration(deaf)
            ),
        ),
        fact(
            "Dropped",
            dropped.map_or_else(|| text::UNKNOWN.to_owned(), text::count),
            if dropped.is_some() {
                format!(
                    "frames, by kernel and interface: {} of what was captured",
                    text::percent(text::real(dropped.unwrap_or(0)), text::real(sum.frames.max(1)))
                )
            } else {
                "no sensor here can know, as with capture files".to_owned()
            },
        ),
        fact(
            "Frames",
            text::count(sum.frames),
            format!(
                "{} a second {}; {}",
                figures::per_second(sum.frames, sum).map_or_else(|| text::UNKNOWN.to_owned(), text::rate),
                if sum.listened_ms.is_some() { "listened" } else { "of windows" },
                text::size(sum.bytes)
            ),
        ),
        fact(
            "Stations in a window",
            if sum.windows == 0 { text::UNKNOWN.to_owned() } else { text::rate(crowd.mean(sum.windows)) },
            format!("mean of {} in {}; at most {most}", text::counted(sum.windows, "window", "windows"), span.words()),
        ),
    ]
}

fn drawing(
    (id, title, unit): (&'static str, &str, &str),
    span: &Span,
    steps: &[Step],
    series: &[(&'static str, &str)],
    step: String,
) -> Drawing {
    let highest = steps.iter().filter(|step| step.kind == Kind::Heard).map(|step| step.values.iter().sum::<f64>());
    let highest = highest.fold(0.0, f64::max);
    let count = |kind: Kind| steps.iter().filter(|step| step.kind == kind).count();
    let description = format!(
        "{} steps of {step}. The highest value is {}. {} steps have no window, in {} the radio was off or heard nothing; \
         these are not zero. The table below has the same figures.",
        steps.len(),
        text::rate(highest),
        count(Kind::Missing),
        count(Kind::Deaf),
    );
    let chart = Chart {
        id,
        title,
        description: &description,
        unit,
        series: series.len(),
        is_interval: false,
        from: steps.first().map_or(span.from, |step| step.start),
        to: steps.last().map_or(span.to, |step| step.end),
        steps,
    };
    let own = series.iter().map(|(class, label)| Legend { class, label: (*label).to_owned() });
    let shared = [
        ("heard", "part of the time listened", steps.iter().any(|step| step.listened.is_some())),
        (
            "unknown",
            "a capture: how long was listened is not known",
            steps.iter().any(|step| step.kind != Kind::Missing && step.listened.is_none()),
        ),
        ("gap", "no window came", count(Kind::Missing) > 0),
        ("deaf", "radio off, or nothing heard", count(Kind::Deaf) > 0),
        ("lost", "frames or windows were lost", steps.iter().any(|step| step.has_lost)),
    ];
    let shared = shared.into_iter().filter(|(.., has)| *has);
    let legend = own.chain(shared.map(|(class, label, _)| Legend { class, label: label.to_owned() })).collect();
    Drawing { title: title.to_owned(), svg: chart.svg(), legend, table: "steps" }
}

fn step_table(place: &Place, series: &[SeriesRow], steps: &[Step], sensors: u64, step: &str) -> Table {
    let columns = vec![
        Column::text("From", "from"),
        Column::number("Listened", "listened_percent"),
        Column::number("Access points", "access_points_mean"),
        Column::number("Known vendors", "known_vendors_mean"),
        Column::number("Randomised", "randomised_mean"),
        Column::number("Others", "others_mean"),
        Column::number("Frames", "frames"),
        Column::number("a second", "frames_per_second"),
        Column::number("Dropped", "dropped_frames"),
        Column::text("Note", "note"),
    ];
    let mut table = Table::new("steps", format!("The same in figures, by {step} (UTC borders)"), place, columns);
    table.is_folded = true;
    for (number, (row, drawn)) in series.iter().zip(steps).enumerate().rev() {
        let mut cells = vec![Cell::time(row.from)];
        let empty = Counts::default();
        let counts = row.counts.as_ref().unwrap_or(&empty);
        cells.push(figures::listened(counts, figures::millis(row).saturating_mul(sensors.max(1))));
        if drawn.kind == Kind::Missing {
            cells.extend(std::iter::repeat_with(Cell::unknown).take(7));
        } else {
            let kinds = kinds(row.stations.as_ref(), counts.windows);
            cells.extend(kinds.map(|mean| Cell::rate(Some(mean))));
            cells.push(Cell::count(counts.frames));
            cells.push(Cell::rate(figures::per_second(counts.frames, counts)));
            cells.push(Cell::count_of(figures::dropped(counts)));
        }
        let mut notes = Vec::new();
        match drawn.kind {
            Kind::Heard => {}
            Kind::Deaf => notes.push("radio off, or nothing heard".to_owned()),
            Kind::Missing => notes.push("no window came".to_owned()),
        }
        if row.gap_ms > 0 || row.lost_frames.is_some() {
            let frames = row.lost_frames.map(|lost| format!(", {}", text::counted(lost, "frame", "frames")));
            notes.push(format!("{} declared lost{}", text::duration(row.gap_ms), frames.unwrap_or_default()));
        }
        cells.push(Cell::text(notes.join("; ")));
        table.rows.push(Row { cells, step: Some(number), is_faint: drawn.kind != Kind::Heard });
    }
    table
}

fn sensor_table(place: &Place, sensors: &[SensorRow]) -> Table {
    let columns = vec![
        Column::text("Sensor", "sensor"),
        Column::number("Listened", "listened_percent"),
        Column::number("Windows", "windows"),
        Column::number("Frames", "frames"),
        Column::number("a second", "frames_per_second"),
        Column::number("Dropped", "dropped_frames"),
        Column::number("Gaps", "gaps"),
        Column::number("Runs", "runs"),
        Column::text("Newest window", "last_window_end"),
    ];
    let mut table = Table::new("sensors", "By sensor", place, columns);
    for row in sensors {
        let name = Cell::foreign(&format!("{}/{}", row.site, row.sensor));
        let name = name.linked(of_sensor("/history", &row.site, &row.sensor));
        table.rows.push(Row {
            cells: vec![
                name,
                figures::listened(&row.counts, row.range_ms),
                Cell::count(row.counts.windows),
                Cell::count(row.counts.frames),
                Cell::rate(figures::per_second(row.counts.frames, &row.counts)),
                Cell::count_of(figures::dropped(&row.counts)),
                Cell::count(row.gaps).noted(if row.gap_ms > 0 { text::duration(row.gap_ms) } else { String::new() }),
                Cell::count(row.runs),
                row.last_end.map_or_else(Cell::unknown, |end| Cell::time(end).aged(end)),
            ],
            ..Row::default()
        });
    }
    table
}
