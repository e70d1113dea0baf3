//! `airtally history`: what the embedded history holds.

use super::format::{self, UsageError};
use crate::{
    sink::{
        History,
        history::{StationTotal, Totals},
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
  airtally history --db history.sqlite --top 100 --format csv > busiest.csv

Exit status 1 also if what is stored does not add up to what the sensors sent.")]
pub struct HistoryArgs {
    /// The history that ingest writes
    #[arg(long, value_name = "FILE", default_value = "/var/lib/airtally-ingest/history.sqlite")]
    db: PathBuf,
    /// How many stations
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
    /// One JSON object: 'totals', and 'stations', an array. What nobody knows is null.
    Json,
    /// Comma-separated values with a header: the stations.
    Csv,
}

#[derive(Serialize)]
struct HistoryRow<'a> {
    mac: &'a str,
    vendor: Option<&'a str>,
    randomised: bool,
    role: Option<&'a str>,
    frames_sent: u64,
    bytes_sent: u64,
    frames_received: u64,
    signal_max_dbm: Option<i8>,
    windows: u64,
    first_seen: String,
    last_seen: String,
}

#[derive(Serialize)]
struct Document<'a> {
    totals: &'a Totals,
    stations: &'a [HistoryRow<'a>],
}

impl<'a> From<&'a StationTotal> for HistoryRow<'a> {
    fn from(station: &'a StationTotal) -> Self {
        Self {
            mac: &station.station,
            vendor: station.vendor.as_deref(),
            randomised: station.randomised,
            role: Some(&*station.role).filter(|role| !role.is_empty()),
            frames_sent: station.frames_sent,
            bytes_sent: station.bytes_sent,
            frames_received: station.frames_received,
            signal_max_dbm: station.signal_max_dbm,
            windows: station.windows,
            first_seen: station.first_seen.to_string(),
            last_seen: station.last_seen.to_string(),
        }
    }
}

/// Prints the totals and the busiest stations.
pub fn run(arguments: &HistoryArgs) -> anyhow::Result<()> {
    if !arguments.db.exists() {
        return Err(UsageError(format!("there is no history at {}", arguments.db.display())).into());
    }
    let history = History::open(&arguments.db)?;
    let stations = history.busiest(arguments.top)?;
    let rows: Vec<HistoryRow<'_>> = stations.iter().map(HistoryRow::from).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.format {
        Format::Json => {
            serde_json::to_writer(&mut out, &Document { totals: &history.totals()?, stations: &rows })?;
            writeln!(out)?;
        }
        Format::Csv => {
            format::csv(&mut out, &CSV_HEADER, &rows.iter().map(csv_row).collect::<Vec<_>>())?;
        }
        Format::Table => table(&mut out, &history, &rows)?,
    }
    out.flush()?;
    Ok(())
}

/// The keys of a station, in their order.
const CSV_HEADER: [&str; 11] = [
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
];

fn csv_row(row: &HistoryRow<'_>) -> Vec<String> {
    vec![
        row.mac.to_owned(),
        row.vendor.unwrap_or_default().to_owned(),
        row.randomised.to_string(),
        row.role.unwrap_or_default().to_owned(),
        row.frames_sent.to_string(),
        row.bytes_sent.to_string(),
        row.frames_received.to_string(),
        row.signal_max_dbm.map(|dbm| dbm.to_string()).unwrap_or_default(),
        row.windows.to_string(),
        row.first_seen.clone(),
        row.last_seen.clone(),
    ]
}

fn table(out: &mut impl Write, history: &History, rows: &[HistoryRow<'_>]) -> anyhow::Result<()> {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let vendor = if row.randomised { "(randomised)" } else { row.vendor.unwrap_or("(unknown)") };
            vec![
                row.mac.to_owned(),
                vendor.to_owned(),
                row.role.unwrap_or_default().to_owned(),
                row.frames_sent.to_string(),
                row.bytes_sent.to_string(),
                row.frames_received.to_string(),
                row.signal_max_dbm.map_or_else(|| "-".to_owned(), |dbm| format!("{dbm} dBm")),
                row.windows.to_string(),
            ]
        })
        .collect();
    let header = ["station", "vendor", "role", "frames sent", "bytes sent", "received", "strongest", "windows"];
    format::table(out, &header, &cells)?;
    let totals = history.totals()?;
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
