//! How a report is written: a summary and tables for people, JSON, CSV. Counts nothing.

use super::{
    format,
    inspect_text::{channel_list, cut, group, join_hidden, names, percent, second},
    table::{self, Column, Screen},
};
use crate::{
    UnixNanos,
    inspect::{
        Report,
        document::{self, Document},
        rows::{self, Sort, StationRow},
    },
    oui::Registry,
    units::noun,
    wire::Role,
};
use clap::ValueEnum;
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, Write},
};

/// What the rows are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Transmitters.
    #[default]
    Station,
    /// Vendors.
    Vendor,
    /// Basic service sets, by the BSSID that stations last sent with.
    Bssid,
    /// Network names.
    Ssid,
    /// Frequencies.
    Channel,
    /// Frame types.
    Subtype,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns.
    Table,
    /// JSON.
    Json,
    /// Comma-separated values.
    Csv,
}

/// What to show of a report, and how.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Who the vendors are.
    pub registry: &'a Registry,
    /// The form.
    pub form: Form,
    /// What the rows are about.
    pub by: By,
    /// Order of stations.
    pub sort: Sort,
    /// Rows, at most.
    pub top: Option<usize>,
    /// The same, if somebody asked for it.
    pub top_asked: Option<usize>,
}

/// Rows of text under a header; CSV has the same, with other titles and plain values.
struct Cells {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Rows that there are besides.
    more: usize,
    /// What one row is about, and what several are.
    what: [&'static str; 2],
}

impl Cells {
    fn titles(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.title()).collect()
    }
}

impl View<'_> {
    /// Writes the one answer.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        match self.form {
            Form::Json => self.json_rows(out, report),
            Form::Csv => {
                let cells = self.cells(report);
                format::csv(out, &cells.titles(), &cells.rows)
            }
            Form::Table => self.table(out, report),
        }
    }

    /// Writes the answer for the capture `name`, one of several; the `first` brings the header.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write_one(&self, out: &mut impl Write, name: &str, report: &Report, first: bool) -> io::Result<()> {
        match self.form {
            Form::Json => self.json_rows(out, report),
            Form::Csv => {
                let mut cells = self.cells(report);
                cells.columns.insert(0, Column::new("file"));
                cells.rows.iter_mut().for_each(|row| row.insert(0, name.to_owned()));
                if first { format::csv(out, &cells.titles(), &cells.rows) } else { format::csv_rows(out, &cells.rows) }
            }
            Form::Table => {
                if !first {
                    writeln!(out)?;
                }
                self.table(out, report)
            }
        }
    }

    fn document<'a>(&'a self, report: &'a Report) -> Document<'a> {
        Document { report, registry: self.registry, sort: self.sort, top: self.top }
    }

    fn json_rows(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        fn write<T: Serialize>(out: &mut impl Write, rows: &[T], top: Option<usize>) -> io::Result<()> {
            format::json(out, rows.get(..top.unwrap_or(usize::MAX)).unwrap_or(rows))
        }
        match self.by {
            By::Station => write_line(out, &self.document(report)),
            By::Vendor => write(out, &rows::vendors(report, self.registry), self.top),
            By::Bssid => write(out, &rows::bsss(report, self.registry), self.top),
            By::Ssid => write(out, &rows::ssids(report), self.top),
            By::Channel => write(out, &rows::channels(report), self.top),
            By::Subtype => write(out, &rows::subtypes(report), self.top),
        }
    }

    fn table(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        if self.by == By::Station {
            self.overview(out, report)?;
        }
        let cells = self.cells(report);
        let screen = Screen::stdout();
        table::write(out, screen, &cells.columns, &cells.rows)?;
        if cells.more > 0 {
            writeln!(
                out,
                "{} more {}: --top shows {}, and --format json or csv all",
                group(cells.more as u64),
                noun(cells.more as u64, cells.what[0], cells.what[1]),
                noun(cells.more as u64, "it", "them"),
            )?;
        }
        for warning in document::warnings(report) {
            screen.paragraph(out, &format!("note: {warning}"))?;
        }
        Ok(())
    }

    /// A vendor's name, or what an address without one is.
    pub(super) fn whose<'a>(&'a self, mac: crate::Mac, vendor: Option<&'a str>, randomised: bool) -> &'a str {
        self.registry.special(mac).or(vendor).unwrap_or(if randomised { "(randomised)" } else { "(unknown)" })
    }

    fn cells(&self, report: &Report) -> Cells {
        let plain = self.form == Form::Csv;
        let number = |count: u64| if plain { count.to_string() } else { group(count) };
        let (columns, rows, what): (Vec<Column>, Vec<Vec<String>>, [&str; 2]) = match self.by {
            By::Station => return self.stations(report),
            By::Vendor => {
                let row = |row: rows::VendorRow<'_>| {
                    let other = if row.randomised { "(randomised)" } else { "(unknown)" };
                    vec![
                        row.vendor.map_or_else(|| if plain { String::new() } else { other.to_owned() }, str::to_owned),
                        row.randomised.to_string(),
                        number(row.stations),
                        number(row.frames_sent),
                        number(row.bytes_sent),
                    ]
                };
                let columns = vec![
                    Column::new("vendor").cut_to(24),
                    Column::new("randomised").leaves(2),
                    Column::new("stations").number(),
                    Column::new("frames_sent").number(),
                    Column::new("bytes_sent").number().leaves(1),
                ];
                (columns, rows::vendors(report, self.registry).into_iter().map(row).collect(), ["vendor", "vendors"])
            }
            By::Bssid => {
                let row = |row: rows::BssRow<'_>| {
                    vec![
                        row.bssid.map(|bssid| bssid.to_string()).unwrap_or_default(),
                        row.vendor.unwrap_or_default().to_owned(),
                        if plain { row.ssids.join(", ") } else { names(&row.ssids, row.announced) },
                        number(row.stations),
                        number(row.frames_sent),
                        number(row.bytes_sent),
                    ]
                };
                let columns = vec![
                    Column::new("bssid"),
                    Column::new("vendor").cut().leaves(2),
                    Column::new("ssids").cut(),
                    Column::new("stations").number(),
                    Column::new("frames_sent").number(),
                    Column::new("bytes_sent").number().leaves(1),
                ];
                (columns, rows::bsss(report, self.registry).into_iter().map(row).collect(), ["BSS", "BSSs"])
            }
            By::Ssid => {
                let mut names = rows::ssids(report);
                if !plain {
                    join_hidden(&mut names, rows::count_access_points(report).1 as u64);
                }
                let row = |row: rows::SsidRow| vec![row.ssid, number(row.announced_by), number(row.sought_by)];
                let columns =
                    vec![Column::new("ssid"), Column::new("announced_by").number(), Column::new("sought_by").number()];
                (columns, names.into_iter().map(row).collect(), ["network name", "network names"])
            }
            By::Channel => {
                let row = |row: rows::ChannelRow| {
                    vec![
                        row.freq_mhz.to_string(),
                        row.channel.map(|channel| channel.to_string()).unwrap_or_default(),
                        number(row.frames),
                        number(row.bytes),
                    ]
                };
                let columns = ["freq_mhz", "channel", "frames", "bytes"].map(|title| Column::new(title).number());
                (columns.to_vec(), rows::channels(report).into_iter().map(row).collect(), ["channel", "channels"])
            }
            By::Subtype => {
                let row = |row: rows::SubtypeRow| vec![row.subtype, row.name.to_owned(), number(row.frames)];
                (
                    vec![Column::new("subtype"), Column::new("name"), Column::new("frames").number()],
                    rows::subtypes(report).into_iter().map(row).collect(),
                    ["type", "types"],
                )
            }
        };
        self.topped(columns, rows, what)
    }

    fn topped(&self, columns: Vec<Column>, mut rows: Vec<Vec<String>>, what: [&'static str; 2]) -> Cells {
        let more = rows.len().saturating_sub(self.top.unwrap_or(usize::MAX));
        rows.truncate(rows.len() - more);
        Cells { columns, rows, more, what }
    }

    fn stations(&self, report: &Report) -> Cells {
        let stations = rows::sorted(report, self.registry, self.sort, self.top);
        let more = report.tally().transmitters() - stations.len();
        let bases = rows::bases(report, self.registry);
        let rows = stations.iter().map(|station| rows::station(station, self.registry, &bases));
        if self.form == Form::Csv {
            let columns = [
                "mac",
                "vendor",
                "randomised",
                "special",
                "role",
                "frames_sent",
                "bytes_sent",
                "frames_received",
                "management",
                "control",
                "data",
                "retries",
                "signal_min_dbm",
                "signal_mean_dbm",
                "signal_max_dbm",
                "freqs_mhz",
                "bssid",
                "ssids",
                "security",
                "first_seen",
                "last_seen",
                "channel",
                "width_mhz",
            ];
            let columns = columns.map(Column::new).to_vec();
            return Cells { columns, rows: rows.map(csv_station).collect(), more, what: ["station", "stations"] };
        }
        let columns = vec![
            Column::new("STATION"),
            Column::new("VENDOR").cut(),
            Column::new("ROLE").leaves(2),
            Column::new("SENT").number(),
            Column::new("RECEIVED").number().leaves(5),
            Column::new("OCTETS").number().leaves(8),
            Column::new("RETRY").number().leaves(7),
            Column::new("DBM MIN/MEAN/MAX").leaves(1),
            Column::new("CHANNELS").leaves(6),
            Column::new("FIRST UTC").leaves(9),
            Column::new("LAST UTC").leaves(4),
            Column::new("SSIDS").cut().leaves(3),
        ];
        let one_day = report.span().is_some_and(|(first, last)| second(first).get(..10) == second(last).get(..10));
        let time =
            |time: UnixNanos| second(time).get(if one_day { 11..19 } else { 0..19 }).unwrap_or_default().to_owned();
        let rows = rows.map(|row| {
            vec![
                row.mac.to_string(),
                cut(self.whose(row.mac, row.vendor, row.randomised)),
                role(&row).replace('_', " "),
                group(row.frames_sent),
                group(row.frames_received),
                group(row.bytes_sent),
                percent(row.retries, row.frames_sent),
                row.signal_dbm.map(|dbm| format!("{}/{:.1}/{}", dbm.min, dbm.mean, dbm.max)).unwrap_or_default(),
                channel_list(&row.freqs_mhz),
                row.first_seen.map(time).unwrap_or_default(),
                row.last_seen.map(time).unwrap_or_default(),
                cut(&names(&row.ssids, row.role == Role::AccessPoint && row.security.is_some())),
            ]
        });
        Cells { columns, rows: rows.collect(), more, what: ["station", "stations"] }
    }
}

/// Writes the document as one line.
///
/// # Errors
/// What `out` says.
pub fn write_line(out: &mut impl Write, document: &Document<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, document)?;
    writeln!(out)
}

fn csv_station(row: StationRow<'_>) -> Vec<String> {
    fn shown<T: Display>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let freqs: Vec<_> = row.freqs_mhz.iter().map(u16::to_string).collect();
    vec![
        row.mac.to_string(),
        shown(row.vendor),
        row.randomised.to_string(),
        shown(row.special),
        role(&row),
        row.frames_sent.to_string(),
        row.bytes_sent.to_string(),
        row.frames_received.to_string(),
        row.management.to_string(),
        row.control.to_string(),
        row.data.to_string(),
        row.retries.to_string(),
        shown(row.signal_dbm.map(|dbm| dbm.min)),
        shown(row.signal_dbm.map(|dbm| dbm.mean)),
        shown(row.signal_dbm.map(|dbm| dbm.max)),
        freqs.join(" "),
        shown(row.bssid),
        row.ssids.join(", "),
        shown(row.security),
        shown(row.first_seen),
        shown(row.last_seen),
        shown(row.channel),
        shown(row.width_mhz),
    ]
}

/// The role as JSON has it.
fn role(row: &StationRow<'_>) -> String {
    serde_json::to_value(row.role).ok().and_then(|role| role.as_str().map(str::to_owned)).unwrap_or_default()
}
