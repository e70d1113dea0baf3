//! Stations: which ones were heard, filtered and sorted; the state of both is in the address.

use super::{signal_cell, station_cell, vendor_cell};
use crate::{
    sink::history::{
        Counts, Order, Tier,
        query::{SensorRow, StationFilter, StationRow, StationSort},
    },
    web::page::{
        asking::{Asking, Maker, Problem, listed},
        figures::{self, ROLES},
        span::Span,
        states,
        table::{Cell, Column, Row, Table},
        text,
        view::{Choice, Fact, Field, Level, Section, SpanBar, Text, View},
    },
};
use std::time::Duration;

/// The view at `/stations`.
pub const STATIONS: Maker = Maker {
    parameters: &["last", "from", "to", "sensor", "q", "vendor", "role", "address", "since", "sort", "after"],
    make,
};

/// What the list is sorted by.
const SORTS: [(&str, StationSort); 7] = [
    ("frames", StationSort::Frames),
    ("received", StationSort::Received),
    ("signal", StationSort::Signal),
    ("first", StationSort::FirstSeen),
    ("last", StationSort::LastSeen),
    ("address", StationSort::Address),
    ("vendor", StationSort::Vendor),
];
const USUAL: &str = "-frames";
/// How long ago a station was last heard at most: as the address has it, for people, in seconds.
const SINCE: [(&str, &str, u64); 5] = [
    ("1m", "in the last minute", 60),
    ("5m", "in the last 5 minutes", 300),
    ("15m", "in the last 15 minutes", 900),
    ("1h", "in the last hour", 3_600),
    ("24h", "in the last 24 hours", 86_400),
];

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let span = asking.span("1h")?;
    let scope = asking.scope()?;
    let filter = filter(asking, &span)?;
    let (sort, order) = asking.sort(&SORTS, (USUAL, StationSort::Frames))?;
    let mut view = asking.view("Stations");
    view.is_live = span.to_now && asking.place.get("after").is_none();
    view.span = Some(SpanBar::new(&asking.place, &span));
    let Some(history) = &asking.history else {
        "No station has been heard yet.".clone_into(&mut view.headline);
        view.sections.push(asking.first_steps());
        return Ok(view);
    };
    let range = listed(&span);
    let sensors = history.sensors(range, &scope)?.items;
    let found = history.stations(range, &scope, &filter, (sort, order), &asking.paging())?;
    let mut sum = Counts::default();
    sensors.iter().for_each(|row| sum.add(&row.counts));

    view.fields = fields(asking, &sensors);
    view.kept =
        asking.place.others(&["q", "vendor", "role", "address", "since", "sensor", "after"]).map(owned).collect();
    let is_filtered =
        ["q", "vendor", "role", "address", "since", "sensor"].iter().any(|name| asking.place.get(name).is_some());
    view.clear = is_filtered.then(|| {
        asking.place.with(&["q", "vendor", "role", "address", "since", "sensor", "after"].map(|name| (name, None)))
    });
    let shown = u64::try_from(found.items.len()).unwrap_or(0);
    let more = if found.next.is_some() { " and more" } else { "" };
    let of = if is_filtered { " that the filter lets through" } else { "" };
    view.headline = format!("{}{more}{of} in {}.", text::counted(shown, "station", "stations"), span.words());
    let tracked_only = found.tier != Tier::Windows;
    if tracked_only {
        view.headline += " Of this long a time only tracked stations and access points are kept.";
        view.level = Level::Note;
    }
    if found.truncated {
        view.headline += " There were more stations than are counted at once: some are missing.";
        view.level = Level::Note;
    }
    if asking.is_first_day(&sensors) {
        view.sections.push(asking.first_steps());
        return Ok(view);
    }
    if sum.windows == 0 {
        view.headline = format!("No window came in {}: nobody knows who was there.", span.words());
        view.level = Level::Note;
    }
    view.facts = facts(&sensors, &sum);
    let mut table = table(asking, &found.items, &sum, order);
    table.more = asking.more(found.next.as_deref());
    view.sections.push(Section::Table(table));
    let mut lines = states::withheld(&asking.within(&scope));
    lines.push(
        "The number of frames a second is that of the time that sensors listened to any channel; a station is only heard \
         while its channel is listened to."
            .to_owned(),
    );
    view.sections.push(Section::Text(Text { lines, ..Text::default() }));
    Ok(view)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn filter(asking: &Asking<'_>, span: &Span) -> Result<StationFilter, Problem> {
    let place = &asking.place;
    let role = place.get("role").map(|word| {
        let role = ROLES.iter().find(|(_, name, _)| *name == word).map(|(role, ..)| *role);
        let names = || ROLES.map(|(_, name, _)| name).join(", ");
        role.ok_or_else(|| Problem::Wrong(format!("'role' is one of {}", names())))
    });
    let randomised = place.get("address").map(|word| match word {
        "randomised" => Ok(true),
        "global" => Ok(false),
        _ => Err(Problem::Wrong("'address' is 'randomised' or 'global'".to_owned())),
    });
    let since = place.get("since").map(|word| {
        let since = SINCE.iter().find(|(name, ..)| *name == word);
        let names = || SINCE.map(|(name, ..)| name).join(", ");
        since.ok_or_else(|| Problem::Wrong(format!("'since' is one of {}", names())))
    });
    let before = |seconds: u64| {
        let nanos = i64::try_from(Duration::from_secs(seconds).as_nanos()).unwrap_or(i64::MAX);
        crate::UnixNanos(span.to.0.saturating_sub(nanos))
    };
    Ok(StationFilter {
        text: place.get("q").map(str::to_owned),
        vendor: place.get("vendor").map(str::to_owned),
        role: role.transpose()?,
        randomised: randomised.transpose()?,
        heard_since: since.transpose()?.map(|(.., seconds)| before(*seconds)),
        ..StationFilter::default()
    })
}

fn fields(asking: &Asking<'_>, sensors: &[SensorRow]) -> Vec<Field> {
    let value = |name: &str| asking.place.get(name).unwrap_or_default().to_owned();
    let field = |label, name, kind, options| Field { label, name, kind, value: value(name), options };
    let choices = |first: &str, others: Vec<(&str, &str)>| {
        let first = Choice { value: String::new(), label: first.to_owned() };
        let others =
            others.into_iter().map(|(value, label)| Choice { value: value.to_owned(), label: label.to_owned() });
        std::iter::once(first).chain(others).collect::<Vec<_>>()
    };
    vec![
        field("Address, vendor or name", "q", "search", Vec::new()),
        field("Vendor", "vendor", "search", Vec::new()),
        field("Role", "role", "text", choices("any", ROLES.iter().map(|(_, word, label)| (*word, *label)).collect())),
        field(
            "Address",
            "address",
            "text",
            choices("any", vec![("global", "of a vendor"), ("randomised", "randomised")]),
        ),
        field(
            "Last heard",
            "since",
            "text",
            choices("at any time", SINCE.iter().map(|(word, label, _)| (*word, *label)).collect()),
        ),
        asking.sensor_field(sensors),
    ]
}

/// How well was listened, for a list.
pub(super) fn facts(sensors: &[SensorRow], sum: &Counts) -> Vec<Fact> {
    let expected = sensors.iter().map(|row| row.range_ms).fold(0, u64::saturating_add);
    let listened = figures::listened(sum, expected);
    let newest = sensors.iter().filter_map(|row| row.last_end).max();
    let count = text::counted(u64::try_from(sensors.len()).unwrap_or(0), "sensor", "sensors");
    vec![
        Fact {
            label: "Listened".to_owned(),
            value: listened.text,
            note: format!("{}, {count}{}", listened.note, if newest.is_some() { "; newest window" } else { "" }),
            age: newest,
            href: Some("/sensors".to_owned()),
        },
        Fact {
            label: "Frames".to_owned(),
            value: text::count(sum.frames),
            note: format!("{} of them of stations", text::count(sum.station_frames)),
            ..Fact::default()
        },
    ]
}

fn table(asking: &Asking<'_>, rows: &[StationRow], sum: &Counts, order: Order) -> Table {
    let place = &asking.place;
    let by = |column: Column, key| column.sorted_by(place, USUAL, key);
    let columns = vec![
        by(Column::text("Address", "address"), "address"),
        by(Column::text("Vendor", "vendor"), "vendor"),
        Column::text("Role", "role"),
        by(Column::number("Frames sent", "frames_sent"), "frames"),
        Column::number("a second", "frames_per_second"),
        by(Column::number("Received", "frames_received"), "received"),
        by(Column::number("Signal", "signal_max_dbm"), "signal"),
        by(Column::time("Last heard", "last_seen"), "last"),
        by(Column::time("First heard", "first_seen"), "first"),
    ];
    let caption = match order {
        Order::Descending => "Stations, the largest first",
        Order::Ascending => "Stations, the smallest first",
    };
    let mut table = Table::new("stations", caption, place, columns);
    "No station was heard, or the filter lets none through.".clone_into(&mut table.empty);
    table.rows = rows
        .iter()
        .map(|row| Row {
            cells: vec![
                station_cell(row.station, &row.ssids),
                vendor_cell(row),
                Cell::text(figures::role(row.role)).noted(if row.tracked { "tracked" } else { "" }),
                Cell::count(row.frames_sent).noted(format!("in {}", text::counted(row.windows, "window", "windows"))),
                Cell::rate(figures::per_second(row.frames_sent, sum)),
                Cell::count(row.frames_received),
                signal_cell(row.signal_dbm.as_ref()),
                Cell::time(row.last_seen).aged(row.last_seen),
                Cell::time(row.first_seen),
            ],
            ..Row::default()
        })
        .collect();
    table
}
