//! Now: the last minute. One sentence, how well was listened, how much there was, what it was, which ones it were.

use super::{channel_table, signal_cell, station_cell, vendor_cell};
use crate::{
    UnixNanos,
    roster::Sensor,
    sink::{
        Stage,
        history::{
            Counts, Crowd, History, Order, Paging, Range, Scope,
            query::{SensorRow, StationFilter, StationRow, StationSort, WindowRow},
        },
    },
    web::page::{
        asking::{Asking, Maker, Problem},
        figures,
        fresh::Fresh,
        place::{Place, link},
        states,
        table::{Cell, Column, Row, Table, of_sensor},
        text,
        view::{Fact, Level, Link, Section, Text, View},
    },
};
use std::time::Duration;

/// The view at `/`.
pub const NOW: Maker = Maker { parameters: &["sensor"], make };

/// How long the view looks back.
const MINUTE: Duration = Duration::from_secs(60);
/// What a window needs to get here after its end.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
/// Windows shown.
const NEWEST: usize = 10;
/// Stations shown, and stations that one of these may come from.
const BUSIEST: usize = 10;
const MET: usize = 2_000;
/// The grid of windows, unless a sensor was told otherwise.
const WINDOW: Duration = Duration::from_secs(10);

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let scope = asking.scope()?;
    let mut view = asking.view("Now");
    // Before the history: what is stored meanwhile must not be missed.
    let fresh = Fresh::new(&asking.page.recent, &scope);
    let newest = match &asking.history {
        Some(history) => fresh.add_to_windows(newest(history, &scope)?, NEWEST),
        None => Vec::new(),
    };
    let (Some(history), Some((last, _))) = (&asking.history, newest.first()) else {
        (view.headline, view.level) = (nothing(&asking.sensors), Level::Note);
        view.sections.push(asking.first_steps());
        return Ok(view);
    };
    let range = minute(asking.now, last);
    let is_now = range.to.0 > asking.now.0.saturating_sub(nanos(MINUTE));
    let fresh = fresh.unknown_to(history, range, &scope)?;
    let mut sensors = history.sensors(range, &scope)?.items;
    fresh.add_to_sensors(&mut sensors, range);
    let mut sum = Counts::default();
    let mut crowd = Crowd::default();
    for row in &sensors {
        sum.add(&row.counts);
        crowd.add(&row.stations);
    }
    (view.headline, view.level) = headline(&asking.within(&scope), &sensors, &sum, is_now, asking.now);
    view.headline_age = Some(last.end);
    view.facts = facts(&asking.place, &sensors, &sum, &crowd, range);
    view.sections.push(Section::Table(sensor_table(
        &asking.place,
        &asking.within(&scope),
        &sensors,
        range,
        asking.now,
    )));
    let mut channels = history.channels(range, None, &scope)?.items;
    fresh.add_to_channels(&mut channels);
    view.sections.push(Section::Table(channel_table(&asking.place, &channels)));
    let found = history.stations(
        range,
        &scope,
        &StationFilter::default(),
        (StationSort::Frames, Order::Descending),
        &Paging { limit: MET, cursor: None },
    )?;
    let busiest = fresh.add_to_stations(found.items, BUSIEST);
    view.sections.push(Section::Table(station_table(&asking.place, &busiest, &sum)));
    view.sections.push(Section::Table(window_table(&asking.place, &newest)));
    let mut lines = states::withheld(&asking.within(&scope));
    lines.push(format!(
        "The minute from {} to {} UTC: windows that began in it, {} of them not stored yet.",
        text::utc(range.from),
        text::utc(range.to).get(11..).unwrap_or_default(),
        fresh.len()
    ));
    let at = (text::iso(UnixNanos(range.to.0.saturating_sub(nanos(MINUTE) * 60))), text::iso(range.to));
    let links = vec![
        Link { label: "The newest stations".to_owned(), href: "/stations?sort=-first".to_owned(), is_here: false },
        Link {
            label: "The hour before, in steps".to_owned(),
            href: link("/history", &[("from", &at.0), ("to", &at.1)]),
            is_here: false,
        },
    ];
    view.sections.push(Section::Text(Text { lines, links, ..Text::default() }));
    Ok(view)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The newest windows, the last first.
fn newest(history: &History, scope: &Scope) -> Result<Vec<WindowRow>, Problem> {
    Ok(history.windows(Range::ALL, scope, Order::Descending, &Paging { limit: NEWEST, cursor: None })?.items)
}

/// The last minute whose windows should all be here; that before the newest window where that is older.
fn minute(now: UnixNanos, last: &WindowRow) -> Range {
    let now = UnixNanos(now.0.saturating_sub(nanos(ON_ITS_WAY))).align_down(WINDOW);
    let is_late = last.end.0 < now.0.saturating_sub(nanos(MINUTE) * 2);
    let to = if is_late { last.end } else { now };
    Range { from: UnixNanos(to.0.saturating_sub(nanos(MINUTE))), to }
}

/// What is said where there is no window.
fn nothing(sensors: &[Sensor]) -> String {
    match sensors {
        [] => "No sensor has been heard yet.".to_owned(),
        [sensor] => format!("{} was heard, and no window of it yet.", text::foreign(&sensor.sensor)),
        more => format!("{} sensors were heard, and no window of them yet.", more.len()),
    }
}

fn headline(said: &[&Sensor], sensors: &[SensorRow], sum: &Counts, is_now: bool, now: UnixNanos) -> (String, Level) {
    if !is_now {
        return (
            "No window came in the last minute. These are the figures of the minute before the newest one, which ended"
                .to_owned(),
            Level::Bad,
        );
    }
    let listening = sensors.iter().filter(|row| row.counts.windows > 0).count();
    // Who has no radio has no window either, and that is as it should be.
    let without = said.iter().filter(|sensor| states::has_no_radio(sensor)).count();
    let known = sensors.len().max(said.len().saturating_sub(without));
    let many = |number: usize| text::counted(u64::try_from(number).unwrap_or(0), "sensor", "sensors");
    let expected = sensors.iter().map(|row| row.range_ms).fold(0, u64::saturating_add);
    let share = sum.listened_ms.map(|listened| {
        format!(", {} of it listened to", text::percent(text::real(listened.min(expected)), text::real(expected)))
    });
    let worst = said.iter().filter_map(|sensor| {
        let (level, _, words) = states::at(sensor, &sensor.status.as_ref()?.status, now);
        Some(((level, words), *sensor))
    });
    let worst = worst.max_by_key(|((level, _), _)| *level).filter(|((level, _), _)| *level > Level::Good);
    let (mut words, mut level) = if listening == known {
        (format!("{}, windows of {}", many(known), if known == 1 { "it" } else { "all" }), Level::Good)
    } else {
        (format!("{}, windows of {listening}", many(known)), Level::Note)
    };
    words += " in the last minute";
    words += &share.unwrap_or_default();
    if without > 0 {
        words += &format!(", and {} without a radio", many(without));
    }
    if let Some(((bad, meaning), sensor)) = worst {
        words += &format!(". {}: {meaning}", text::foreign(&sensor.sensor));
        level = level.max(bad);
    }
    (words + "; newest window", level)
}

fn facts(place: &Place, sensors: &[SensorRow], sum: &Counts, crowd: &Crowd, range: Range) -> Vec<Fact> {
    let expected = sensors.iter().map(|row| row.range_ms).fold(0, u64::saturating_add);
    let newest = sensors.iter().filter_map(|row| row.last_end).max();
    let listened = figures::listened(sum, expected);
    let stations = place.at("/stations", &[("from", Some(&text::iso(range.from))), ("to", Some(&text::iso(range.to)))]);
    let mean = |kind: u64| match sum.windows {
        0 => text::UNKNOWN.to_owned(),
        windows => text::rate(text::real(kind) / text::real(windows)),
    };
    let windows = text::counted(sum.windows, "window", "windows");
    let of = |label: &str, value: String, note: String, href: Option<String>| Fact {
        label: label.to_owned(),
        value,
        note,
        age: newest,
        href,
    };
    let kinds = &crowd.sum;
    vec![
        of(
            "Listened",
            listened.text,
            format!("{}; newest", listened.note),
            Some(place.at("/sensors", &[("sensor", None)])),
        ),
        of(
            "Frames a second",
            figures::per_second(sum.frames, sum).map_or_else(|| text::UNKNOWN.to_owned(), text::rate),
            format!(
                "{} in {}; newest",
                text::counted(sum.frames, "frame", "frames"),
                match sum.listened_ms {
                    Some(listened) => format!("{} listened", text::duration(listened)),
                    None => format!("{} of windows", text::duration(sum.covered_ms)),
                }
            ),
            Some(place.at("/history", &[])),
        ),
        of(
            "Stations in a window",
            mean(kinds.total()),
            format!("mean of {windows}, at most {}; newest", text::count(crowd.most.total())),
            Some(stations),
        ),
        of(
            "Access points in a window",
            mean(kinds.access_points),
            format!("mean of {windows}; newest"),
            Some(place.at("/networks", &[])),
        ),
        of(
            "Randomised addresses",
            text::percent(text::real(kinds.randomised), text::real(kinds.total())),
            format!("of all stations, over {windows}; newest"),
            Some(place.at("/stations", &[("address", Some("randomised"))])),
        ),
    ]
}

fn sensor_table(place: &Place, said: &[&Sensor], sensors: &[SensorRow], range: Range, now: UnixNanos) -> Table {
    let columns = vec![
        Column::text("Sensor", "sensor"),
        Column::text("State", "state"),
        Column::number("Listened", "listened_percent"),
        Column::number("Frames a second", "frames_per_second"),
        Column::number("Stations in a window", "stations_mean"),
    ];
    let mut table = Table::new("sensors", "Sensors in this minute", place, columns);
    let length = u64::try_from(range.length().as_millis()).unwrap_or(u64::MAX);
    let mut names: Vec<(&str, &str)> = sensors.iter().map(|row| (row.site.as_str(), row.sensor.as_str())).collect();
    names.extend(said.iter().map(|sensor| (sensor.site.as_str(), sensor.sensor.as_str())));
    names.sort_unstable();
    names.dedup();
    for (site, name) in names {
        let row = sensors.iter().find(|row| (row.site.as_str(), row.sensor.as_str()) == (site, name));
        let sensor = said.iter().find(|sensor| (sensor.site.as_str(), sensor.sensor.as_str()) == (site, name));
        let state = match sensor.and_then(|sensor| Some((sensor, sensor.status.as_ref()?))) {
            Some((sensor, status)) => {
                let (_, name, words) = states::at(sensor, &status.status, now);
                Cell::text(name).noted(format!("{words}; said")).aged(sensor.heard)
            }
            None => Cell::text("unknown").noted("it has said nothing"),
        };
        let empty = Counts::default();
        let counts = row.map_or(&empty, |row| &row.counts);
        let mut listened = figures::listened(counts, length);
        if counts.windows == 0 && sensor.is_some_and(|sensor| states::has_no_radio(sensor)) {
            listened = Cell { value: "0".to_owned(), ..Cell::text("no radio") };
        }
        listened.age = row.and_then(|row| row.last_end);
        table.rows.push(Row {
            cells: vec![
                Cell::foreign(&format!("{site}/{name}")).linked(of_sensor("/history", site, name)),
                state,
                listened,
                Cell::rate(figures::per_second(counts.frames, counts)).noted(text::counted(
                    counts.frames,
                    "frame",
                    "frames",
                )),
                Cell::rate(row.filter(|_| counts.windows > 0).map(|row| row.stations.mean(counts.windows))),
            ],
            ..Row::default()
        });
    }
    table
}

fn station_table(place: &Place, stations: &[StationRow], sum: &Counts) -> Table {
    let columns = vec![
        Column::text("Address", "address"),
        Column::text("Vendor", "vendor"),
        Column::text("Role", "role"),
        Column::number("Frames sent", "frames_sent"),
        Column::number("a second", "frames_per_second"),
        Column::number("Signal", "signal_max_dbm"),
        Column::text("Last heard", "last_seen"),
    ];
    let mut table = Table::new("busiest", "The busiest stations of this minute", place, columns);
    "No station was heard in it, or the privacy mode keeps none.".clone_into(&mut table.empty);
    for row in stations {
        table.rows.push(Row {
            cells: vec![
                station_cell(row.station, &row.ssids),
                vendor_cell(row),
                Cell::text(figures::role(row.role)),
                Cell::count(row.frames_sent).noted(format!("in {}", text::counted(row.windows, "window", "windows"))),
                Cell::rate(figures::per_second(row.frames_sent, sum)),
                signal_cell(row.signal_dbm.as_ref()),
                Cell::time(row.last_seen).aged(row.last_seen),
            ],
            ..Row::default()
        });
    }
    table
}

fn window_table(place: &Place, windows: &[(WindowRow, Stage)]) -> Table {
    let columns = vec![
        Column::text("Window from", "start"),
        Column::number("Length", "seconds"),
        Column::text("Sensor", "sensor"),
        Column::number("Frames", "frames"),
        Column::number("of stations", "station_frames"),
        Column::number("Bad check", "bad_fcs"),
        Column::text("Stored", "stored"),
    ];
    let mut table = Table::new("windows", "The newest windows", place, columns);
    for (row, stage) in windows {
        let length = u64::try_from(row.end.saturating_since(row.start).as_millis()).unwrap_or(u64::MAX);
        let stored = match stage {
            Stage::Received => "received, not stored yet".to_owned(),
            Stage::Kept => "in the spool, not in the history yet".to_owned(),
            Stage::Stored if row.parts_here < row.parts => format!("{} of {} parts", row.parts_here, row.parts),
            Stage::Stored => "stored".to_owned(),
        };
        let clock = if row.clock == "unsynced" { "the sensor's guess: its clock was not synchronised" } else { "" };
        table.rows.push(Row {
            cells: vec![
                Cell::time(row.start).noted(clock),
                Cell { value: format!("{:.3}", text::real(length) / 1_000.0), ..Cell::text(text::duration(length)) },
                Cell::foreign(&format!("{}/{}", row.site, row.sensor)),
                Cell::count(row.frames),
                Cell::count(row.station_frames),
                Cell::count(row.bad_fcs),
                Cell::text(stored),
            ],
            is_faint: *stage < Stage::Stored || row.parts_here < row.parts,
            ..Row::default()
        });
    }
    table
}
