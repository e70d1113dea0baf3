//! The views, a file each, and the tables that several of them have.

mod alerts;
mod history;
mod lookup;
mod networks;
mod now;
mod people;
mod sensors;
mod station;
mod stations;

pub use alerts::ALERTS;
pub use history::HISTORY;
pub use lookup::LOOKUP;
pub use networks::NETWORKS;
pub use now::NOW;
pub use sensors::SENSORS;
pub use station::STATION;
pub use stations::STATIONS;

use super::{
    figures,
    place::{Place, below},
    table::{Cell, Column, Row, Table, of_sensor},
    text,
};
use crate::{
    sink::history::{
        Counts, Page,
        query::{ChannelRow, GapRow, StationRow, VendorRow},
    },
    wire::Address,
};

/// Declared losses.
fn gap_table(place: &Place, gaps: &Page<GapRow>) -> Table {
    let columns = vec![
        Column::text("From", "start"),
        Column::number("Length", "seconds"),
        Column::text("Sensor", "sensor"),
        Column::text("Why", "reason"),
        Column::number("Windows", "windows"),
        Column::number("Frames", "frames"),
    ];
    let mut table = Table::new("gaps", "Declared losses", place, columns);
    "None was declared.".clone_into(&mut table.empty);
    for gap in &gaps.items {
        let length = u64::try_from(gap.end.saturating_since(gap.start).as_millis()).unwrap_or(u64::MAX);
        let windows = gap.last_seq.map(|last| last.saturating_sub(gap.first_seq).saturating_add(1));
        table.rows.push(Row {
            cells: vec![
                Cell::time(gap.start),
                Cell { text: text::duration(length), value: (length / 1_000).to_string(), ..Cell::default() },
                Cell::foreign(&format!("{}/{}", gap.site, gap.sensor)).linked(of_sensor(
                    "/history",
                    &gap.site,
                    &gap.sensor,
                )),
                Cell { value: gap.reason.clone(), ..Cell::text(figures::reason(&gap.reason)) },
                Cell::count_of(windows),
                Cell::count_of(gap.frames),
            ],
            ..Row::default()
        });
    }
    table
}

/// Whose stations sent how much, of `all` frames of stations.
fn vendor_table(place: &Place, vendors: &[VendorRow], all: u64) -> Table {
    let columns = vec![
        Column::text("Vendor", "vendor"),
        Column::number("Frames", "frames_sent"),
        Column::number("of all", "percent"),
        Column::number("Octets", "bytes_sent"),
    ];
    let mut table = Table::new("vendors", "Vendors, by frames sent", place, columns);
    for row in vendors {
        let name = match (&row.vendor, row.randomised) {
            (_, true) => Cell::text("randomised addresses"),
            (Some(vendor), _) => Cell::foreign(vendor),
            (None, _) => Cell::text("unknown"),
        };
        let frames = text::real(row.frames_sent);
        table.rows.push(Row {
            cells: vec![
                name,
                Cell::count(row.frames_sent),
                Cell::percent(Some(frames), text::real(all)).barred(frames, text::real(all)),
                Cell { value: row.bytes_sent.to_string(), ..Cell::text(text::size(row.bytes_sent)) },
            ],
            ..Row::default()
        });
    }
    table
}

/// How long each channel was listened to, and what came.
fn channel_table(place: &Place, channels: &[ChannelRow]) -> Table {
    let columns = vec![
        Column::text("Channel", "freq_mhz"),
        Column::number("Listened", "listened_ms"),
        Column::number("Frames a second", "frames_per_second"),
        Column::number("Frames", "frames"),
    ];
    let mut table = Table::new("channels", "Channels: time listened, and what came in it", place, columns);
    let rate = |row: &ChannelRow| {
        let listened_ms = row.listened_ms?;
        figures::per_second(row.frames, &Counts { listened_ms: Some(listened_ms), ..Counts::default() })
    };
    let longest = channels.iter().filter_map(|row| row.listened_ms).max().map_or(0.0, text::real);
    let fastest = channels.iter().filter_map(rate).fold(0.0, f64::max);
    for row in channels {
        let listened = match row.listened_ms {
            Some(listened) => Cell { value: listened.to_string(), ..Cell::text(text::duration(listened)) }
                .barred(text::real(listened), longest),
            None => Cell::unknown(),
        };
        table.rows.push(Row {
            cells: vec![
                Cell { value: row.freq_mhz.to_string(), ..Cell::text(figures::channel(row.freq_mhz)) },
                listened,
                Cell::rate(rate(row)).barred(rate(row).unwrap_or(0.0), fastest),
                Cell::count(row.frames),
            ],
            ..Row::default()
        });
    }
    table
}

/// A station's address as a link to its page, with its names in small print.
fn station_cell(station: Address, ssids: &[String]) -> Cell {
    let address = station.to_string();
    let href = below("/stations", &address);
    Cell::text(address).linked(href).noted(names(ssids))
}

/// Names of networks, as a text.
fn names(ssids: &[String]) -> String {
    let shown: Vec<String> = ssids.iter().take(3).map(|ssid| text::foreign(ssid)).collect();
    let more = ssids.len().saturating_sub(shown.len());
    let shown = shown.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// The vendor of a station, or why there is none.
fn vendor_cell(row: &StationRow) -> Cell {
    match (&row.vendor, row.randomised) {
        (Some(vendor), _) => Cell::foreign(vendor),
        (None, true) => Cell { value: String::new(), ..Cell::text("randomised address") },
        (None, false) => Cell { value: String::new(), ..Cell::text("unknown") },
    }
}

/// The strongest signal, with the mean in small print.
fn signal_cell(signal: Option<&crate::wire::Signal>) -> Cell {
    match signal {
        Some(signal) => {
            Cell::dbm(Some(signal.max.into())).noted(format!("mean {:.0}", signal.mean).replace('-', "\u{2212}"))
        }
        None => Cell::unknown(),
    }
}
