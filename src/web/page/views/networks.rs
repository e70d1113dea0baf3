//! Networks: the access points, by what they announce.

use super::stations::facts;
use crate::{
    sink::history::{
        Counts, Tier,
        query::{NetworkRow, NetworkSort},
    },
    web::page::{
        asking::{Asking, Maker, Problem, listed},
        figures,
        place::below,
        states,
        table::{Cell, Column, Row, Table},
        text,
        view::{Field, Level, Section, SpanBar, Text, View},
    },
};

/// The view at `/networks`.
pub const NETWORKS: Maker = Maker { parameters: &["last", "from", "to", "sensor", "q", "sort", "after"], make };

/// What the list is sorted by.
const SORTS: [(&str, NetworkSort); 7] = [
    ("ssid", NetworkSort::Ssid),
    ("bssid", NetworkSort::Bssid),
    ("channel", NetworkSort::Channel),
    ("signal", NetworkSort::Signal),
    ("clients", NetworkSort::Clients),
    ("frames", NetworkSort::Frames),
    ("last", NetworkSort::LastSeen),
];
const USUAL: &str = "-signal";

fn make(asking: &Asking<'_>) -> Result<View, Problem> {
    let span = asking.span("1h")?;
    let scope = asking.scope()?;
    let sort = asking.sort(&SORTS, (USUAL, NetworkSort::Signal))?;
    let mut view = asking.view("Networks");
    view.is_live = span.to_now && asking.place.get("after").is_none();
    view.span = Some(SpanBar::new(&asking.place, &span));
    let Some(history) = &asking.history else {
        "No network has been heard yet.".clone_into(&mut view.headline);
        view.sections.push(asking.first_steps());
        return Ok(view);
    };
    let range = listed(&span);
    let sensors = history.sensors(range, &scope)?.items;
    let mut sum = Counts::default();
    sensors.iter().for_each(|row| sum.add(&row.counts));
    let found = history.networks(range, &scope, asking.place.get("q"), sort, &asking.paging())?;
    let open = found.items.iter().filter(|row| row.security.as_deref() == Some("open")).count();
    let shown = u64::try_from(found.items.len()).unwrap_or(0);
    view.headline = format!(
        "{}{} in {}, {} of them open.",
        text::counted(shown, "access point", "access points"),
        if found.next.is_some() { " and more" } else { "" },
        span.words(),
        open
    );
    if found.truncated {
        view.headline += " There were more stations than are counted at once: some are missing.";
        view.level = Level::Note;
    }
    let value = asking.place.get("q").unwrap_or_default().to_owned();
    view.fields = vec![
        Field { label: "Name, address or vendor", name: "q", kind: "search", value, options: Vec::new() },
        asking.sensor_field(&sensors),
    ];
    let kept = asking.place.others(&["q", "sensor", "after"]);
    view.kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if asking.place.get("q").is_some() || asking.place.get("sensor").is_some() {
        view.clear = Some(asking.place.with(&[("q", None), ("sensor", None), ("after", None)]));
    }
    if asking.is_first_day(&sensors) {
        view.sections.push(asking.first_steps());
        return Ok(view);
    }
    if sum.windows == 0 {
        view.headline = format!("No window came in {}: nobody knows what was there.", span.words());
        view.level = Level::Note;
    }
    view.facts = facts(&sensors, &sum);
    let mut table = table(asking, &found.items, &sum);
    table.more = asking.more(found.next.as_deref());
    view.sections.push(Section::Table(table));
    let mut lines = states::withheld(&asking.within(&scope));
    lines.push(
        "Channel, width and security are what an access point announces itself. The signal is that of its own frames, \
         the strongest and the mean of all sensors asked about."
            .to_owned(),
    );
    if found.tier != Tier::Windows {
        lines.push("Of this long a time, clients are only those that are tracked.".to_owned());
    }
    view.sections.push(Section::Text(Text { lines, ..Text::default() }));
    Ok(view)
}

fn table(asking: &Asking<'_>, rows: &[NetworkRow], sum: &Counts) -> Table {
    let place = &asking.place;
    let by = |column: Column, key| column.sorted_by(place, USUAL, key);
    let columns = vec![
        by(Column::text("Name", "ssids"), "ssid"),
        by(Column::text("BSSID", "bssid"), "bssid"),
        Column::text("Vendor", "vendor"),
        by(Column::number("Channel", "channel"), "channel"),
        Column::number("Width", "width_mhz"),
        Column::text("Security", "security"),
        by(Column::number("Signal", "signal_max_dbm"), "signal"),
        by(Column::number("Clients", "clients"), "clients"),
        by(Column::number("Frames", "frames_sent"), "frames"),
        by(Column::time("Last heard", "last_seen"), "last"),
    ];
    let mut table = Table::new("networks", "Access points", place, columns);
    "No access point was heard, or the filter lets none through.".clone_into(&mut table.empty);
    table.rows = rows
        .iter()
        .map(|row| {
            let bssid = row.bssid.to_string();
            let href = below("/stations", &bssid);
            let name = if row.ssids.is_empty() {
                Cell { value: String::new(), ..Cell::text("(hidden)") }
            } else {
                Cell { value: row.ssids.join(" "), ..Cell::foreign(&super::names(&row.ssids)) }
            };
            let width = match row.width_mhz {
                Some(width) => Cell { value: width.to_string(), ..Cell::text(format!("{width}\u{a0}MHz")) },
                None => Cell::unknown(),
            };
            let heard = figures::channels(&row.freqs_mhz);
            Row {
                cells: vec![
                    name,
                    Cell::text(bssid).linked(href),
                    row.vendor.as_deref().map_or_else(Cell::unknown, Cell::foreign),
                    Cell::count_of(row.channel.map(u64::from)).noted(format!("heard on {heard}")),
                    width,
                    row.security.as_deref().map_or_else(Cell::unknown, Cell::foreign),
                    super::signal_cell(row.signal_dbm.as_ref()),
                    Cell::count(row.clients),
                    Cell::count(row.frames_sent).noted(
                        figures::per_second(row.frames_sent, sum)
                            .map_or_else(String::new, |rate| format!("{} a second", text::rate(rate))),
                    ),
                    Cell::time(row.last_seen).aged(row.last_seen),
                ],
                ..Row::default()
            }
        })
        .collect();
    table
}
