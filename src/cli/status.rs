//! `airtally status`: how the sensors and ingests of a broker are, on one screen.

use super::{
    format::{self, UsageError},
    table::{self, Column, Screen},
};
use crate::{
    UnixNanos,
    config::{ConfigKind, Ingest, Mqtt, Sites, load_ingest, load_sensor},
    mqtt::{self, Seen},
    units::noun,
    wire::{
        Info, IngestStatus, Level, Remark, SILENT_AFTER, State, StatusMessage, budget_warning, newest, remarks,
        series_budget,
    },
};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a configuration is, if nobody says.
const CONFIGS: [&str; 2] = ["/etc/airtally/ingest.toml", "/etc/airtally/sensor.toml"];

/// Shows how the sensors and ingests of a broker are
#[derive(Debug, Args)]
#[command(after_help = "\
What the broker keeps of them is read, and nothing is changed. Whoever was not heard for three minutes is 'silent',
whatever it said last. Below the tables stand those that are silent, deaf, behind (windows wait for the broker), old (an
older program than ingest's) and without a radio; and, with an ingest's configuration, a warning where the series
budgets of all sensors together pass what its database holds.

Exit status: 0 where all is well, 1 where a sensor or an ingest needs a person, or the broker cannot be reached, 2 for
usage and configuration mistakes. A sensor that was stopped counts as one that needs a person, but for one whose capture
file has ended.

Examples:
  airtally status
  airtally status --config /etc/airtally/ingest.toml --site shop-7
  airtally status --format json | jq '.sensors[] | select(.level == \"bad\")'")]
pub struct StatusArgs {
    /// A configuration that says where the broker is: of a sensor or an ingest [default: /etc/airtally/ingest.toml, else
    /// sensor.toml beside it]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The sensors of this site alone
    #[arg(long)]
    site: Option<String>,
    /// The sensors of this name alone
    #[arg(long)]
    sensor: Option<String>,
    /// How long to wait for the broker, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    wait: u64,
    /// Form of the output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// Aligned columns, and a sentence for each trouble.
    #[default]
    Table,
    /// One JSON object: 'sensors' and 'ingests', arrays. What nobody knows is null.
    Json,
    /// Comma-separated values with a header: the sensors.
    Csv,
}

/// Somebody needs a person; the answer has said who.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trouble(String);

/// A sensor, as it is shown.
#[derive(Debug, PartialEq, Serialize)]
struct SensorRow {
    site: String,
    sensor: String,
    /// `online`, `degraded`, `offline`, `silent`, `unknown`.
    state: &'static str,
    reason: Option<String>,
    /// `good`, `note`, `bad`.
    level: &'static str,
    meaning: String,
    said: Option<UnixNanos>,
    said_seconds_ago: Option<u64>,
    frames_last_window: Option<u64>,
    run: Option<uuid::Uuid>,
    last_seq: Option<u64>,
    version: Option<String>,
    source: Option<String>,
    /// Of `silent`, `deaf`, `behind`, `old`, `no radio`.
    remarks: Vec<&'static str>,
    label: Option<String>,
    location: Option<String>,
    waiting: Option<u64>,
}

/// An ingest, as it is shown.
#[derive(Debug, PartialEq, Serialize)]
struct IngestRow {
    name: String,
    state: &'static str,
    reason: Option<String>,
    level: &'static str,
    meaning: Vec<String>,
    said: UnixNanos,
    said_seconds_ago: u64,
    missing_windows: u64,
}

#[derive(Serialize)]
struct Document<'a> {
    broker: &'a str,
    sensors: &'a [SensorRow],
    ingests: &'a [IngestRow],
    /// What is to know of all of them together.
    warnings: &'a [String],
}

/// Looks, prints, and fails if somebody needs a person.
pub fn run(arguments: &StatusArgs) -> anyhow::Result<()> {
    let (mqtt, ingest) = broker(arguments.config.as_deref())?;
    let sites = match (&arguments.site, &ingest) {
        (Some(site), _) if site != "+" && site.contains(['/', '+', '#']) => {
            return Err(UsageError(format!("--site {site}: no site's name contains '/', '+' or '#'")).into());
        }
        (Some(site), _) => Sites::from(site.as_str()),
        (None, Some(ingest)) => ingest.site.clone(),
        (None, None) => Sites::default(),
    };
    let client_id = format!("airtally-status-{}", uuid::Uuid::new_v4().simple());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(mqtt::look(&mqtt, &client_id, sites.names(), Duration::from_secs(arguments.wait)));
    let seen = seen.map_err(Trouble)?;
    let (sensors, ingests) = rows(&seen, arguments.sensor.as_deref(), UnixNanos::now());
    let budgets = seen.sensors.values().filter_map(|(_, info)| Some(series_budget(&info.as_ref()?.config)));
    let warnings: Vec<String> =
        budget_warning(budgets, ingest.as_ref().and_then(Ingest::max_series)).into_iter().collect();
    let mut out = BufWriter::new(io::stdout().lock());
    match arguments.format {
        Format::Table => text(&mut out, &sensors, &ingests, &warnings)?,
        Format::Json => {
            let document = Document { broker: &seen.broker, sensors: &sensors, ingests: &ingests, warnings: &warnings };
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
        }
        Format::Csv => csv(&mut out, &sensors)?,
    }
    out.flush()?;
    drop(out);
    if !seen.refused.is_empty() {
        let filters = seen.refused.join(", ");
        return Err(
            Trouble(format!("the broker at {} lets this user read no {filters}: see its ACL", seen.broker)).into()
        );
    }
    verdict(&seen, &sensors, &ingests)
}

/// Where the broker is, and what is stored where, if it is an ingest's configuration.
fn broker(config: Option<&Path>) -> anyhow::Result<(Mqtt, Option<Ingest>)> {
    let path = match config {
        Some(path) => path.to_owned(),
        None => CONFIGS.map(Path::new).into_iter().find(|path| path.exists()).map(Path::to_owned).ok_or_else(|| {
            UsageError(format!("there is no {} and no {}: name a configuration with --config", CONFIGS[0], CONFIGS[1]))
        })?,
    };
    Ok(match ConfigKind::of(&path)? {
        ConfigKind::Sensor => (load_sensor(&path)?.mqtt, None),
        ConfigKind::Ingest => {
            let config = load_ingest(&path)?;
            (config.mqtt.clone(), Some(config))
        }
    })
}

fn rows(seen: &Seen, name: Option<&str>, now: UnixNanos) -> (Vec<SensorRow>, Vec<IngestRow>) {
    let sensors = seen.sensors.iter().filter(|((_, sensor), _)| name.is_none_or(|name| name == sensor));
    let versions = seen.ingests.values().filter_map(|ingest| ingest.version.as_deref());
    let newest = newest(versions, env!("CARGO_PKG_VERSION"));
    let sensors =
        sensors.map(|((site, sensor), (status, info))| sensor_row(site, sensor, status, info, newest, now)).collect();
    (sensors, seen.ingests.values().map(|status| ingest_row(status, now)).collect())
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Good => "good",
        Level::Note => "note",
        Level::Bad => "bad",
    }
}

const fn state_word(state: State) -> &'static str {
    match state {
        State::Online => "online",
        State::Degraded => "degraded",
        State::Offline => "offline",
    }
}

fn sensor_row(
    site: &str,
    sensor: &str,
    message: &Option<StatusMessage>,
    info: &Option<Info>,
    newest: &str,
    now: UnixNanos,
) -> SensorRow {
    let said = |path: &str| info.as_ref().and_then(|info| info.config.pointer(path)?.as_str().map(str::to_owned));
    let version = info.as_ref().map(|info| info.version.clone());
    let heard = message.as_ref().map(|message| (&message.status, now.saturating_since(message.time)));
    let remarks = remarks(heard, version.as_deref(), newest);
    let mut row = SensorRow {
        site: site.to_owned(),
        sensor: sensor.to_owned(),
        state: "unknown",
        reason: None,
        level: word(Level::Bad),
        meaning: "it has said nothing of how it is".to_owned(),
        said: None,
        said_seconds_ago: None,
        frames_last_window: None,
        run: None,
        last_seq: None,
        version,
        source: said("/source/kind"),
        remarks: remarks.into_iter().map(Remark::word).collect(),
        label: said("/label"),
        location: said("/location"),
        waiting: None,
    };
    let Some(StatusMessage { time, status, .. }) = message else { return row };
    let age = now.saturating_since(*time);
    let (mut state, mut level, mut meaning) = (state_word(status.state), status.level(), status.meaning().to_owned());
    if status.state != State::Offline && age > SILENT_AFTER {
        (state, level) = ("silent", Level::Bad);
        meaning = format!(
            "it said {} and nothing since: the broker was down, or its clock is wrong",
            state_word(status.state)
        );
    } else if status.state == State::Offline && status.reason.as_deref() == Some("stopped") {
        let has_ended = matches!(row.source.as_deref(), Some("file" | "stdin"));
        level = if has_ended { Level::Note } else { Level::Bad };
        if has_ended {
            meaning = "its capture has ended, or it was stopped".to_owned();
        }
    }
    row.state = state;
    row.reason = status.reason.clone();
    row.level = word(level);
    row.meaning = meaning;
    (row.said, row.said_seconds_ago) = (Some(*time), Some(age.as_secs()));
    (row.frames_last_window, row.waiting) = (status.frames_last_window, status.waiting);
    (row.run, row.last_seq) = (status.run, status.last_seq);
    row
}

fn ingest_row(status: &IngestStatus, now: UnixNanos) -> IngestRow {
    let age = now.saturating_since(status.time);
    let mut meaning = Vec::new();
    for sink in status.sinks.iter().filter(|sink| sink.state != State::Online) {
        meaning.push(format!("{}: {}", sink.name, sink.reason.as_deref().unwrap_or("it takes nothing")));
    }
    for overlap in &status.overlapping {
        meaning.push(format!(
            "two runs of {}/{} cover the same time: give each sensor a name of its own",
            overlap.site, overlap.sensor
        ));
    }
    if status.missing_windows > 0 {
        let windows = noun(status.missing_windows, "window is", "windows are");
        meaning.push(format!("{} {windows} missing, and nobody sends them", status.missing_windows));
    }
    let (state, bad) = match status.state {
        State::Online if age > SILENT_AFTER => ("silent", Some("it said online and nothing since")),
        State::Degraded if age > SILENT_AFTER => ("silent", Some("it said degraded and nothing since")),
        State::Offline if status.reason.as_deref() == Some("stopped") => ("offline", Some("it was stopped in order")),
        State::Offline => ("offline", Some("it was killed, or has no power or no network")),
        other => (state_word(other), None),
    };
    if let Some(bad) = bad {
        meaning.insert(0, bad.to_owned());
    }
    let level = match (state, status.missing_windows) {
        ("online", 0) => Level::Good,
        ("online", _) => Level::Note,
        _ => Level::Bad,
    };
    IngestRow {
        name: status.name.clone(),
        state,
        reason: status.reason.clone(),
        level: word(level),
        meaning,
        said: status.time,
        said_seconds_ago: age.as_secs(),
        missing_windows: status.missing_windows,
    }
}

/// How long ago, in the largest unit that fits.
fn ago(seconds: Option<u64>) -> String {
    match seconds {
        None => "never".to_owned(),
        Some(seconds @ 0..120) => format!("{seconds} s ago"),
        Some(seconds @ 120..7_200) => format!("{} min ago", seconds / 60),
        Some(seconds @ 7_200..172_800) => format!("{} h ago", seconds / 3_600),
        Some(seconds) => format!("{} days ago", seconds / 86_400),
    }
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Names that a line has of many sensors, at most; JSON has all.
const NAMED: usize = 5;

/// The sensors to know something of, a line for each kind that there is.
fn fleet(sensors: &[SensorRow]) -> Vec<String> {
    let of_kind = |kind: Remark| {
        let rows: Vec<&SensorRow> = sensors.iter().filter(|row| row.remarks.contains(&kind.word())).collect();
        let names = rows.iter().take(NAMED).map(|row| format!("{}/{}", row.site, row.sensor));
        let names = names.collect::<Vec<_>>().join(", ");
        let more = if rows.len() > NAMED { format!(" and {} more", rows.len() - NAMED) } else { String::new() };
        let line =
            || format!("{}: {} of {}: {names}{more}: {}", kind.word(), rows.len(), sensors.len(), kind.meaning());
        (!rows.is_empty()).then(line)
    };
    Remark::ALL.into_iter().filter_map(of_kind).collect()
}

fn text(out: &mut impl Write, sensors: &[SensorRow], ingests: &[IngestRow], warnings: &[String]) -> io::Result<()> {
    let screen = Screen::stdout();
    let lines: Vec<Vec<String>> = sensors
        .iter()
        .map(|row| {
            let name = format!("{}/{}", row.site, row.sensor);
            let (said, frames) = (ago(row.said_seconds_ago), shown(row.frames_last_window));
            vec![name, row.state.to_owned(), said, frames, shown(row.version.as_ref()), shown(row.reason.as_ref())]
        })
        .collect();
    if !lines.is_empty() {
        const COLUMNS: [Column; 6] = [
            Column::new("sensor").cut_to(24),
            Column::new("state"),
            Column::new("heard").leaves(1),
            Column::new("frames").number().leaves(3),
            Column::new("version").leaves(4),
            Column::new("reason").cut().leaves(2),
        ];
        table::write(out, screen, &COLUMNS, &lines)?;
    }
    let lines: Vec<Vec<String>> = ingests
        .iter()
        .map(|row| {
            vec![row.name.clone(), row.state.to_owned(), ago(Some(row.said_seconds_ago)), shown(row.reason.as_ref())]
        })
        .collect();
    if !lines.is_empty() {
        if !sensors.is_empty() {
            writeln!(out)?;
        }
        const COLUMNS: [Column; 4] = [
            Column::new("ingest").cut_to(24),
            Column::new("state"),
            Column::new("heard").leaves(1),
            Column::new("reason").cut().leaves(2),
        ];
        table::write(out, screen, &COLUMNS, &lines)?;
    }
    let about = sensors
        .iter()
        .filter(|row| row.level != "good")
        .map(|row| format!("{}/{}: {}", row.site, row.sensor, row.meaning))
        .chain(ingests.iter().flat_map(|row| row.meaning.iter().map(|meaning| format!("{}: {meaning}", row.name))));
    for lines in [about.collect(), fleet(sensors), warnings.to_vec()] {
        if !lines.is_empty() {
            writeln!(out)?;
        }
        lines.iter().try_for_each(|line| screen.paragraph(out, line))?;
    }
    Ok(())
}

fn csv(out: &mut impl Write, sensors: &[SensorRow]) -> io::Result<()> {
    let header = [
        "site",
        "sensor",
        "state",
        "reason",
        "level",
        "said",
        "frames_last_window",
        "run",
        "last_seq",
        "version",
        "remarks",
        "waiting",
        "label",
        "location",
    ];
    let cell = |value: Option<String>| value.unwrap_or_default();
    let rows: Vec<Vec<String>> = sensors
        .iter()
        .map(|row| {
            vec![
                row.site.clone(),
                row.sensor.clone(),
                row.state.to_owned(),
                cell(row.reason.clone()),
                row.level.to_owned(),
                cell(row.said.map(|said| said.to_string())),
                cell(row.frames_last_window.map(|frames| frames.to_string())),
                cell(row.run.map(|run| run.to_string())),
                cell(row.last_seq.map(|seq| seq.to_string())),
                cell(row.version.clone()),
                row.remarks.join(", "),
                cell(row.waiting.map(|waiting| waiting.to_string())),
                cell(row.label.clone()),
                cell(row.location.clone()),
            ]
        })
        .collect();
    format::csv(out, &header, &rows)
}

fn verdict(seen: &Seen, sensors: &[SensorRow], ingests: &[IngestRow]) -> anyhow::Result<()> {
    if sensors.is_empty() && ingests.is_empty() {
        let why = "knows of no such sensor and of no ingest: is one running with the same mqtt.base_topic, and may this \
                   user read status and info?";
        return Err(Trouble(format!("the broker at {} {why}", seen.broker)).into());
    }
    let bad_sensors = sensors.iter().filter(|row| row.level == "bad").count();
    let bad_ingests = ingests.iter().filter(|row| row.level == "bad").count();
    if bad_sensors + bad_ingests == 0 {
        return Ok(());
    }
    let of = |bad: usize, all: usize, one, many| format!("{bad} of {all} {}", noun(all as u64, one, many));
    let parts = [
        (bad_sensors > 0).then(|| of(bad_sensors, sensors.len(), "sensor", "sensors")),
        (bad_ingests > 0).then(|| of(bad_ingests, ingests.len(), "ingest", "ingests")),
    ];
    let who: Vec<String> = parts.into_iter().flatten().collect();
    let verb = if bad_sensors + bad_ingests == 1 { "needs" } else { "need" };
    Err(Trouble(format!("{} {verb} a person", who.join(" and "))).into())
}
