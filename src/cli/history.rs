//! `airtally history`: what the embedded history holds.

use super::{
    format::{self, UsageError},
    table::{self, Column, Screen},
};
use crate::{
    UnixNanos,
    sink::{
        History,
        history::{
            Order, Paging, Range, Scope,
            query::{
                AlertFilter, AlertRow, AlertState, FlowFilter, FlowRow, GapRow, PeopleRow, SensorRow, StationFilter,
                StationRow, StationSort,
            },
        },
    },
    units::noun,
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
};

/// Shows what the embedded SQLite history holds: totals, gaps and the busiest stations
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally history --db /var/lib/airtally-ingest/history.sqlite
  airtally history --since 2026-11-20T00:00:00Z --until 2026-11-27T00:00:00Z --sensor pi-1
  airtally history --gaps --format csv > gaps.csv
  airtally history --flows --top 100
  airtally history --alerts --since 2026-11-27T00:00:00Z
  airtally history --people --sensor pi-1 --format csv

Over a long time, minutes and hours are told by their sums: only tracked stations and access points have names there.

Exit status 1 also if what is stored does not add up to what the sensors sent.")]
pub struct HistoryArgs {
    /// The history that ingest writes
    #[arg(long, value_name = "FILE", default_value = "/var/lib/airtally-ingest/history.sqlite")]
    db: PathBuf,
    /// Only windows that began at this time or later, like 2026-11-21T03:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<UnixNanos>,
    /// Only windows that began before this time
    #[arg(long, value_name = "TIME")]
    until: Option<UnixNanos>,
    /// Only this site
    #[arg(long)]
    site: Option<String>,
    /// Only sensors of this name
    #[arg(long)]
    sensor: Option<String>,
    /// The declared losses, in place of the stations
    #[arg(long, conflicts_with = "sensors")]
    gaps: bool,
    /// The sensors and how well they listened, in place of the stations
    #[arg(long)]
    sensors: bool,
    /// Who spoke with whom, in place of the stations: where sensors tell flows (docs/flows.md)
    #[arg(long, conflicts_with_all = ["sensors", "gaps"])]
    flows: bool,
    /// What looked like an attack, in place of the stations: where sensors tell alerts (docs/alerts.md)
    #[arg(long, conflicts_with_all = ["sensors", "gaps", "flows"])]
    alerts: bool,
    /// How many people were near, by an estimate, in place of the stations: where sensors make one (docs/people.md)
    #[arg(long, conflicts_with_all = ["sensors", "gaps", "flows", "alerts"])]
    people: bool,
    /// How many stations, gaps, flows, alerts or estimates
    #[arg(long, default_value_t = 20)]
    top: usize,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// Aligned columns, and the totals in sentences.
    #[default]
    Table,
    /// One JSON object: 'totals', and 'stations', 'sensors', 'gaps', 'flows', 'alerts' or 'people', an array. What nobody knows is null.
    Json,
    /// Comma-separated values with a header: the stations, sensors, gaps, flows, alerts or estimates.
    Csv,
}

/// What is listed: a header and rows, for people and for programs.
struct List {
    name: &'static str,
    columns: &'static [Column],
    cells: Vec<Vec<String>>,
    csv_header: &'static [&'static str],
    csv: Vec<Vec<String>>,
    json: serde_json::Value,
}

/// Prints the totals, and what is asked for.
pub fn run(arguments: &HistoryArgs) -> anyhow::Result<()> {
    if !arguments.db.exists() {
        return Err(UsageError(format!("there is no history at {}", arguments.db.display())).into());
    }
    let range =
        Range { from: arguments.since.unwrap_or(Range::ALL.from), to: arguments.until.unwrap_or(Range::ALL.to) };
    if range.from >= range.to {
        return Err(UsageError("--since must be before --until".to_owned()).into());
    }
    let scope = Scope { site: arguments.site.clone(), sensor: arguments.sensor.clone() };
    let history = History::open(&arguments.db)?;
    let paging = Paging { limit: arguments.top, cursor: None };
    let list = if arguments.gaps {
        gaps(&history.gaps(range, &scope, Order::Descending, &paging)?.items)?
    } else if arguments.flows {
        flows(&history.flows(range, &scope, &FlowFilter::default(), &paging)?.items)?
    } else if arguments.alerts {
        let filter = AlertFilter::default();
        alerts(&history.alerts(range, &scope, &filter, Order::Descending, &paging)?.items)?
    } else if arguments.people {
        people(&history.people(range, &scope, Order::Descending, &paging)?.items)?
    } else if arguments.sensors {
        sensors(&history.sensors(range, &scope)?.items)?
    } else {
        let sort = (StationSort::Frames, Order::Descending);
        stations(&history.stations(range, &scope, &StationFilter::default(), sort, &paging)?.items)?
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.format {
        Format::Json => {
            let mut document = serde_json::Map::new();
            document.insert("totals".into(), serde_json::to_value(history.totals(range, &scope)?)?);
            document.insert(list.name.into(), list.json);
            serde_json::to_writer(&mut out, &document)?;
            writeln!(out)?;
        }
        Format::Csv => format::csv(&mut out, list.csv_header, &list.csv)?,
        Format::Table => {
            table::write(&mut out, Screen::stdout(), list.columns, &list.cells)?;
            totals(&mut out, &history, range, &scope)?;
        }
    }
    out.flush()?;
    Ok(())
}

#[derive(Serialize)]
struct HistoryRow<'a> {
    mac: String,
    vendor: Option<&'a str>,
    randomised: bool,
    role: Option<String>,
    frames_sent: u64,
    bytes_sent: u64,
    frames_received: u64,
    signal_max_dbm: Option<i8>,
    windows: u64,
    first_seen: String,
    last_seen: String,
}

fn stations(rows: &[StationRow]) -> anyhow::Result<List> {
    let word = |row: &StationRow| serde_json::to_value(row.role).ok()?.as_str().map(str::to_owned);
    let rows: Vec<HistoryRow<'_>> = rows
        .iter()
        .map(|row| HistoryRow {
            mac: row.station.to_string(),
            vendor: row.vendor.as_deref(),
            randomised: row.randomised,
            role: word(row),
            frames_sent: row.frames_sent,
            bytes_sent: row.bytes_sent,
            frames_received: row.frames_received,
            signal_max_dbm: row.signal_dbm.map(|signal| signal.max),
            windows: row.windows,
            first_seen: row.first_seen.to_string(),
            last_seen: row.last_seen.to_string(),
        })
        .collect();
    let cells = rows.iter().map(|row| {
        let vendor = if row.randomised { "(randomised)" } else { row.vendor.unwrap_or("(unknown)") };
        vec![
            row.mac.clone(),
            vendor.to_owned(),
            row.role.clone().unwrap_or_default(),
            row.frames_sent.to_string(),
            row.bytes_sent.to_string(),
            row.frames_received.to_string(),
            row.signal_max_dbm.map_or_else(|| "-".to_owned(), |dbm| format!("{dbm} dBm")),
            row.windows.to_string(),
        ]
    });
    let csv = rows.iter().map(|row| {
        vec![
            row.mac.clone(),
            row.vendor.unwrap_or_default().to_owned(),
            row.randomised.to_string(),
            row.role.clone().unwrap_or_default(),
            row.frames_sent.to_string(),
            row.bytes_sent.to_string(),
            row.frames_received.to_string(),
            maybe(row.signal_max_dbm),
            row.windows.to_string(),
            row.first_seen.clone(),
            row.last_seen.clone(),
        ]
    });
    Ok(List {
        name: "stations",
        columns: const {
            &[
                Column::new("station"),
                Column::new("vendor").cut().leaves(1),
                Column::new("role").leaves(4),
                Column::new("frames sent").number(),
                Column::new("bytes sent").number().leaves(6),
                Column::new("received").number().leaves(5),
                Column::new("strongest").number().leaves(3),
                Column::new("windows").number().leaves(2),
            ]
        },
        cells: cells.collect(),
        csv_header: &[
            "mac",
            "vendor",
            "randomised",
            "role",
            "frames_sent",
            "bytes_sent",
            "frames_received",
            "signal_max_dbm",
            "windows",
            "first_seen",
            "last_seen",
        ],
        csv: csv.collect(),
        json: serde_json::to_value(&rows)?,
    })
}

fn sensors(rows: &[SensorRow]) -> anyhow::Result<List> {
    let cells = rows.iter().map(|row| {
        vec![
            row.site.clone(),
            row.sensor.clone(),
            row.counts.windows.to_string(),
            seconds(row.counts.covered_ms),
            row.counts.listened_ms.map_or_else(|| "-".to_owned(), seconds),
            row.counts.frames.to_string(),
            row.counts.kernel_drops.map_or_else(|| "-".to_owned(), |drops| drops.to_string()),
            row.gaps.to_string(),
            seconds(row.gap_ms),
            row.last_end.map(|end| end.to_string()).unwrap_or_default(),
        ]
    });
    let csv = rows.iter().map(|row| {
        vec![
            row.site.clone(),
            row.sensor.clone(),
            row.counts.windows.to_string(),
            row.counts.covered_ms.to_string(),
            maybe(row.counts.listened_ms),
            row.counts.frames.to_string(),
            row.counts.bytes.to_string(),
            row.counts.station_frames.to_string(),
            maybe(row.counts.kernel_drops),
            maybe(row.counts.interface_drops),
            row.gaps.to_string(),
            row.gap_ms.to_string(),
            maybe(row.lost_frames),
            maybe(row.first_start),
            maybe(row.last_end),
        ]
    });
    Ok(List {
        name: "sensors",
        columns: const {
            &[
                Column::new("site").cut(),
                Column::new("sensor").cut(),
                Column::new("windows").number().leaves(7),
                Column::new("covered").number().leaves(6),
                Column::new("listened").number().leaves(5),
                Column::new("frames").number().leaves(1),
                Column::new("dropped").number().leaves(4),
                Column::new("gaps").number().leaves(2),
                Column::new("missing").number().leaves(3),
                Column::new("last window's end").leaves(8),
            ]
        },
        cells: cells.collect(),
        csv_header: &[
            "site",
            "sensor",
            "windows",
            "covered_ms",
            "listened_ms",
            "frames",
            "bytes",
            "station_frames",
            "kernel_drops",
            "interface_drops",
            "gaps",
            "gap_ms",
            "lost_frames",
            "first_start",
            "last_end",
        ],
        csv: csv.collect(),
        json: serde_json::to_value(rows)?,
    })
}

fn gaps(rows: &[GapRow]) -> anyhow::Result<List> {
    let cells = |row: &GapRow| {
        vec![
            row.site.clone(),
            row.sensor.clone(),
            row.run.clone(),
            row.reason.clone(),
            row.first_seq.to_string(),
            maybe(row.last_seq),
            row.start.to_string(),
            row.end.to_string(),
            maybe(row.frames),
        ]
    };
    Ok(List {
        name: "gaps",
        columns: const {
            &[
                Column::new("site").cut(),
                Column::new("sensor").cut(),
                Column::new("run").leaves(6),
                Column::new("reason").leaves(2),
                Column::new("first").number().leaves(5),
                Column::new("last").number().leaves(5),
                Column::new("start").leaves(1),
                Column::new("end").leaves(4),
                Column::new("frames").number().leaves(3),
            ]
        },
        cells: rows.iter().map(cells).collect(),
        csv_header: &["site", "sensor", "run", "reason", "first_seq", "last_seq", "start", "end", "frames"],
        csv: rows.iter().map(cells).collect(),
        json: serde_json::to_value(rows)?,
    })
}

fn flows(rows: &[FlowRow]) -> anyhow::Result<List> {
    let end = |host: &str, port: u16| match port {
        0 => host.to_owned(),
        port if host.contains(':') => format!("[{host}]:{port}"),
        port => format!("{host}:{port}"),
    };
    let cells = rows.iter().map(|row| {
        vec![
            row.proto.clone(),
            end(&row.src, row.src_port),
            end(&row.dst, row.dst_port),
            row.packets_out.to_string(),
            row.bytes_out.to_string(),
            row.packets_in.to_string(),
            row.bytes_in.to_string(),
            row.layer7.clone().unwrap_or_default(),
            row.layer7_info.clone().unwrap_or_default(),
            format!("{}/{}", row.site, row.sensor),
        ]
    });
    let csv = rows.iter().map(|row| {
        vec![
            row.site.clone(),
            row.sensor.clone(),
            row.proto.clone(),
            row.src.clone(),
            row.src_port.to_string(),
            row.dst.clone(),
            row.dst_port.to_string(),
            row.records.to_string(),
            row.packets_out.to_string(),
            row.bytes_out.to_string(),
            row.packets_in.to_string(),
            row.bytes_in.to_string(),
            maybe(row.first_time),
            maybe(row.last_time),
            row.layer7.clone().unwrap_or_default(),
            row.layer7_info.clone().unwrap_or_default(),
        ]
    });
    Ok(List {
        name: "flows",
        columns: const {
            &[
                Column::new("proto"),
                Column::new("from").cut(),
                Column::new("to").cut(),
                Column::new("sent").number().leaves(5),
                Column::new("octets").number().leaves(1),
                Column::new("received").number().leaves(4),
                Column::new("octets").number().leaves(1),
                Column::new("layer7").leaves(2),
                Column::new("name").cut().leaves(3),
                Column::new("sensor").leaves(6),
            ]
        },
        cells: cells.collect(),
        csv_header: &[
            "site",
            "sensor",
            "proto",
            "src",
            "src_port",
            "dst",
            "dst_port",
            "records",
            "packets_out",
            "bytes_out",
            "packets_in",
            "bytes_in",
            "first_time",
            "last_time",
            "layer7",
            "layer7_info",
        ],
        csv: csv.collect(),
        json: serde_json::to_value(rows)?,
    })
}

fn maybe(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn seconds(milliseconds: u64) -> String {
    format!("{} s", milliseconds / 1_000)
}

fn totals(out: &mut impl Write, history: &History, range: Range, scope: &Scope) -> anyhow::Result<()> {
    let totals = history.totals(range, scope)?;
    writeln!(out)?;
    writeln!(
        out,
        "{}, {}, {} ({} randomised), {}",
        number_of(totals.sensors, "sensor", "sensors"),
        number_of(totals.windows, "window", "windows"),
        number_of(totals.stations, "station", "stations"),
        totals.randomised,
        number_of(totals.gaps, "declared gap", "declared gaps"),
    )?;
    writeln!(
        out,
        "{}: {} of stations, {} bad FCS, {} malformed, {} without TA, {} with a group TA, {} overflow",
        number_of(totals.frames, "frame", "frames"),
        totals.station_frames,
        totals.bad_fcs,
        totals.malformed,
        totals.without_ta,
        totals.group_ta,
        totals.overflow_frames
    )?;
    let (sent, stored) = (totals.station_frames, totals.stored_station_frames);
    if sent != stored || totals.incomplete > 0 {
        out.flush()?;
        anyhow::bail!(
            "totals sent ({sent}) and totals stored ({stored}) differ, and {} a part: \
             parts may still be on their way",
            number_of(totals.incomplete, "window lacks", "windows lack")
        );
    }
    writeln!(out, "totals sent = totals stored: {} of stations", number_of(sent, "frame", "frames"))?;
    Ok(())
}

fn number_of(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", noun(count, one, many))
}

fn alerts(rows: &[AlertRow]) -> anyhow::Result<List> {
    let until = |row: &AlertRow| match (row.end, row.state) {
        (Some(end), _) => end.to_string(),
        (None, AlertState::Lost) => "unknown".to_owned(),
        (None, _) => "goes on".to_owned(),
    };
    let sensors = |row: &AlertRow| {
        let mut names: Vec<&str> = row.sensors.iter().map(|seen| seen.sensor.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(" ")
    };
    let evidence = |row: &AlertRow| row.sensors.first().map(|seen| seen.evidence.to_string()).unwrap_or_default();
    let cells = rows.iter().map(|row| {
        vec![
            row.kind.clone(),
            row.subject.clone(),
            row.start.to_string(),
            until(row),
            row.frames.to_string(),
            row.severity.clone(),
            format!("{}/{}", row.site, sensors(row)),
        ]
    });
    let csv = rows.iter().map(|row| {
        vec![
            row.site.clone(),
            row.kind.clone(),
            row.class.clone(),
            row.severity.clone(),
            row.subject.clone(),
            row.start.to_string(),
            maybe(row.end),
            row.frames.to_string(),
            evidence(row),
            sensors(row),
        ]
    });
    Ok(List {
        name: "alerts",
        columns: const {
            &[
                Column::new("kind"),
                Column::new("about").cut(),
                Column::new("from").leaves(2),
                Column::new("until").leaves(3),
                Column::new("frames").number().leaves(1),
                Column::new("severity").leaves(5),
                Column::new("sensors").leaves(4),
            ]
        },
        cells: cells.collect(),
        csv_header: &["site", "kind", "class", "severity", "subject", "start", "end", "frames", "evidence", "sensors"],
        csv: csv.collect(),
        json: serde_json::to_value(rows)?,
    })
}

fn people(rows: &[PeopleRow]) -> anyhow::Result<List> {
    let cells = |row: &PeopleRow| {
        vec![
            row.site.clone(),
            row.sensor.clone(),
            row.start.to_string(),
            row.end.to_string(),
            maybe(row.low),
            maybe(row.estimate),
            maybe(row.high),
            maybe(row.reason.as_deref()),
            maybe(row.listened_ms),
        ]
    };
    Ok(List {
        name: "people",
        columns: const {
            &[
                Column::new("site").cut(),
                Column::new("sensor").cut(),
                Column::new("start"),
                Column::new("end").leaves(3),
                Column::new("low").number(),
                Column::new("estimate").number(),
                Column::new("high").number(),
                Column::new("why none").leaves(1),
                Column::new("listened ms").number().leaves(2),
            ]
        },
        cells: rows.iter().map(cells).collect(),
        csv_header: &["site", "sensor", "start", "end", "low", "estimate", "high", "reason", "listened_ms"],
        csv: rows.iter().map(cells).collect(),
        json: serde_json::to_value(rows)?,
    })
}
