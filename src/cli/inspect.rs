//! `airtally inspect`: arguments in, one of several kinds of answer out.

use super::{
    format::{UsageError, tell},
    inspect_alerts, inspect_people,
    inspect_progress::Bar,
    inspect_table::{self, By, Form, View},
};
use crate::{
    UnixNanos,
    bounds::Mistakes,
    capture::{CaptureError, Filter},
    config::{Sensor, load_sensor},
    inspect::{
        self, Input, Options, Progress, Report,
        document::Document,
        files,
        rows::Sort,
        watch::{STATE_FILE, Watch},
        windows,
    },
    oui::{
        Registry,
        store::{Detail, cache},
    },
    sink::influx::points,
    stop,
    units::{Bytes, noun},
    wire::Record,
};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use std::{
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

/// Stations in a table, where nobody says otherwise.
const TABLE_ROWS: usize = 50;
/// Octets of output written at a time.
const OUTPUT: usize = 1 << 16;
/// How often a watched directory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Says who is in capture files: the networks with clients, channel and security, then every transmitter
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally inspect capture.pcapng                     who is in it
  airtally inspect captures/ --by vendor --top 20     a directory and all below it, as one answer
  zstdcat big.pcap.zst | airtally inspect - --format json
  airtally inspect capture.pcap --filter 'wlan type mgt subtype beacon' --by ssid
  airtally inspect capture.pcap --window 10s          the batches that a sensor would publish
  airtally inspect capture.pcap --people --format json
                                                      how many people were near, by an estimate: docs/people.md
  airtally inspect --alerts capture.pcapng            what looks like an attack
  airtally inspect --alerts --config sensor.toml captures/ --format json
  airtally inspect --watch /srv/captures | jq .frames
Captures are pcap and pcapng, also in gzip, zstd, lz4 or xz. Names do not matter: airtally looks at the content.
docs/inspect.md describes every column and key.")]
pub struct InspectArgs {
    /// Captures: files, directories (with all below them), or - for standard input
    #[arg(value_name = "FILE|DIR|-", required_unless_present = "watch")]
    paths: Vec<PathBuf>,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t)]
    format: FormatArg,
    /// What the rows are about
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Rows of each list in the answer, at most [default: 50 in a table, else all]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Order of the stations [default: frames in a table or with --top, else mac]
    #[arg(long, value_enum)]
    sort: Option<SortArg>,
    /// Answer for each capture by itself, not for all together
    #[arg(long)]
    each: bool,
    /// Print the batches that a sensor would publish, one JSON object a line, with windows of this length
    #[arg(long, value_name = "LENGTH", value_parser = humantime::parse_duration)]
    window: Option<Duration>,
    /// Estimate how many people were near, every five minutes, in each capture by itself: an interval, and never a count
    #[arg(long, conflicts_with_all = ["by", "top", "sort", "each", "window", "max_stations", "oui", "watch"])]
    people: bool,
    /// Say what looks like an attack, by the rules that a sensor watches with: one JSON object a line with --format json. A
    /// capture that begins within a minute after the end of the one before goes on from it
    #[arg(long, conflicts_with_all = ["window", "by", "each", "top", "sort", "watch", "people"])]
    alerts: bool,
    /// The sensor's configuration, for --window, --format influx, --people and --alerts: of that [alerts], [[networks]],
    /// [[devices]] and [privacy]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Count only packets that match, as tcpdump has it: pcap-filter(7)
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Count only packets captured at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    since: Option<UnixNanos>,
    /// Count only packets captured before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<UnixNanos>,
    /// Count this many packets of each capture, and read no further
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Read this many packets of each capture, at most, and warn if there are more
    #[arg(long, value_name = "N")]
    max_frames: Option<u64>,
    /// Read this many octets of each capture after decompression, at most, like 2GiB, and warn if there are more
    #[arg(long, value_name = "SIZE")]
    max_bytes: Option<Bytes>,
    /// Stations with counts of their own, at most; frames of others are 'overflow'
    #[arg(long, value_name = "N", default_value_t = inspect::MAX_STATIONS)]
    max_stations: usize,
    /// Threads, at most [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The vendor registry that 'airtally oui update' wrote [default: /var/lib/airtally/oui.sqlite, if it is there]
    #[arg(long, value_name = "FILE")]
    oui: Option<PathBuf>,
    /// Wait for captures to appear in this directory, and print a line of JSON for each once it is fully written
    #[arg(long, value_name = "DIR", conflicts_with_all = ["paths", "window", "format", "by", "each"])]
    watch: Option<PathBuf>,
    /// Where --watch remembers which files it has printed [default: .airtally-watch in the directory]
    #[arg(long, value_name = "FILE", requires = "watch")]
    state: Option<PathBuf>,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArg {
    /// A summary, and aligned columns.
    #[default]
    Table,
    /// One JSON object; with --by, an array of rows; with --each, a line for each capture; with --people, for each five minutes.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// InfluxDB line protocol, of the batches that a sensor would publish.
    Influx,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SortArg {
    Frames,
    Bytes,
    Received,
    Retries,
    Signal,
    Mac,
    Vendor,
    First,
    Last,
}

impl From<SortArg> for Sort {
    fn from(sort: SortArg) -> Self {
        match sort {
            SortArg::Frames => Self::Frames,
            SortArg::Bytes => Self::Bytes,
            SortArg::Received => Self::Received,
            SortArg::Retries => Self::Retries,
            SortArg::Signal => Self::Signal,
            SortArg::Mac => Self::Mac,
            SortArg::Vendor => Self::Vendor,
            SortArg::First => Self::First,
            SortArg::Last => Self::Last,
        }
    }
}

/// Captures could not be read; each was named on standard error.
#[derive(Debug, thiserror::Error)]
#[error("{0} of the captures could not be read to the end; see above")]
struct Unread(usize);

/// Directories that hold no capture.
#[derive(Debug, thiserror::Error)]
#[error("{directories} {verb} no capture: {found}")]
pub(super) struct NoCapture {
    directories: String,
    verb: &'static str,
    found: String,
}

impl NoCapture {
    /// `directories` in which `files` were found, none of them a capture.
    pub(super) fn among(directories: &[PathBuf], files: usize) -> Self {
        let names: Vec<_> = directories.iter().map(|path| path.display().to_string()).collect();
        let found = match files {
            0 => "there is no file".to_owned(),
            1 => "the one file there is neither pcap nor pcapng".to_owned(),
            files => format!("none of the {files} files there is pcap or pcapng"),
        };
        Self { directories: names.join(", "), verb: noun(names.len() as u64, "holds", "hold"), found }
    }
}

/// Does what the arguments say.
pub fn run(arguments: InspectArgs) -> anyhow::Result<()> {
    let options = arguments.options()?;
    if let Some(directory) = &arguments.watch {
        return watch(directory, &arguments, &options);
    }
    if arguments.people {
        let config = arguments.config.as_deref().map(load_sensor).transpose()?.unwrap_or_default();
        return inspect_people::run(&arguments.paths, &options, &config, arguments.format);
    }
    if arguments.alerts {
        let config = arguments.config.as_deref().map(load_sensor).transpose()?.unwrap_or_default();
        return inspect_alerts::run(&arguments.paths, arguments.format, &options, &config);
    }
    if arguments.window.is_some() || arguments.format == FormatArg::Influx {
        return print_windows(&arguments, &options);
    }
    let named = arguments.named_registry()?;
    let (inputs, mut failures) = files::expand(&arguments.paths);
    let progress = Arc::new(Progress::default());
    heed_interrupts(&inputs, &progress)?;
    let bar = Bar::start(&progress, &inputs);
    let mut out = BufWriter::with_capacity(OUTPUT, io::stdout().lock());
    // Of directories nobody said that all files in them are captures; but one at least should be.
    let swept = inputs.iter().all(|input| matches!(input, Input::Found(_)));
    let mut nothing_found = false;
    if arguments.each {
        let registry = named.map_or_else(|| usual_registry(Path::new(cache::DEFAULT_PATH)), Ok)?;
        let view = arguments.view(&registry);
        let mut written = Ok(());
        let mut first = true;
        inspect::each(&inputs, &options, &progress, |input, mut report| {
            failures.append(&mut report.failures);
            if report.files.is_empty() {
                return ControlFlow::Continue(());
            }
            written = bar.suspend(|| view.write_one(&mut out, &input.name(), &report, first));
            first = false;
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        bar.finish();
        written?;
        // Every capture that was counted was written.
        if first && swept && failures.is_empty() {
            if arguments.format == FormatArg::Csv {
                let registry = Registry::empty();
                let nothing = Report::new(options.max_stations);
                arguments.view(&registry).write_one(&mut out, "", &nothing, true)?;
            }
            nothing_found = true;
        }
    } else {
        let report = inspect::merged(&inputs, &options, &progress);
        bar.finish();
        let nothing = report.files.is_empty();
        nothing_found = nothing && swept && failures.is_empty() && report.failures.is_empty();
        if !nothing || nothing_found && arguments.format != FormatArg::Table {
            // Not before: unpacking the snapshot takes as much memory as many stations, which counting has freed.
            let registry = named.map_or_else(|| usual_registry(Path::new(cache::DEFAULT_PATH)), Ok)?;
            arguments.view(&registry).write(&mut out, &report)?;
        }
        failures.extend(report.failures);
    }
    out.flush()?;
    if nothing_found {
        return Err(NoCapture::among(&arguments.paths, inputs.len()).into());
    }
    conclude(&failures)
}

/// Where standard input is read, SIGINT and SIGTERM end reading, and the answer is what was read; a second one ends the
/// program. Of files there is no answer but the whole one: there the first ends the program, as usual.
pub(super) fn heed_interrupts(inputs: &[Input], progress: &Arc<Progress>) -> io::Result<()> {
    if !inputs.contains(&Input::Stdin) {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let progress = Arc::clone(progress);
    thread::spawn(move || {
        runtime.block_on(async {
            if stop::requested().await.is_ok() {
                progress.stop();
                let _ = stop::requested().await;
                std::process::exit(130);
            }
        });
    });
    Ok(())
}

/// Names every capture that failed; the error makes the exit status.
pub(super) fn conclude(failures: &[CaptureError]) -> anyhow::Result<()> {
    match failures {
        [] => Ok(()),
        [only] => Err(anyhow::anyhow!("{only}")),
        several => {
            several.iter().for_each(tell);
            Err(Unread(several.len()).into())
        }
    }
}

impl InspectArgs {
    fn options(&self) -> anyhow::Result<Options> {
        if let Some(expression) = &self.filter {
            Filter::new(expression).map_err(|error| UsageError(error.to_string()))?;
        }
        if self.by != By::Station && self.sort.is_some() {
            return Err(UsageError("--sort orders stations: it cannot be used with --by".into()).into());
        }
        if self.window.is_some() && self.format == FormatArg::Csv {
            return Err(UsageError("batches have no CSV form: use --format json or influx with --window".into()).into());
        }
        if self.people && self.format == FormatArg::Influx {
            let message =
                "--people has no form for InfluxDB by itself: with [people] in --config, --format influx has it";
            return Err(UsageError(message.into()).into());
        }
        let takes_config = self.window.is_some() || self.alerts || self.people || self.format == FormatArg::Influx;
        if self.config.is_some() && !takes_config {
            return Err(UsageError("--config is for --window, --alerts, --people and --format influx".into()).into());
        }
        let defaults = Options::default();
        Ok(Options {
            max_stations: self.max_stations,
            threads: self.threads.map_or(defaults.threads, usize::from),
            filter: self.filter.clone(),
            since: self.since,
            until: self.until,
            count: self.count,
            max_frames: self.max_frames,
            max_bytes: self.max_bytes.map(|bytes| bytes.0),
        })
    }

    fn view<'a>(&self, registry: &'a Registry) -> View<'a> {
        let form = match self.format {
            FormatArg::Json => Form::Json,
            FormatArg::Csv => Form::Csv,
            FormatArg::Table | FormatArg::Influx => Form::Table,
        };
        let by_frames = form == Form::Table || self.top.is_some();
        View {
            registry,
            form,
            by: self.by,
            sort: self.sort.map_or(if by_frames { Sort::Frames } else { Sort::Mac }, Sort::from),
            top_asked: self.top,
            top: self.top.or((form == Form::Table).then_some(TABLE_ROWS)),
        }
    }

    /// The vendor registry: the one that was named, or else the usual one.
    fn registry(&self, config: Option<&Sensor>) -> anyhow::Result<Registry> {
        let usual = config.map_or(Path::new(cache::DEFAULT_PATH), |config| &config.oui.cache);
        self.named_registry()?.map_or_else(|| usual_registry(usual), Ok)
    }

    /// The vendor registry that was named.
    fn named_registry(&self) -> anyhow::Result<Option<Registry>> {
        Ok(self.oui.as_deref().map(|path| Registry::load(path, Detail::Names)).transpose()?)
    }
}

/// The vendor registry at the usual place, or else the snapshot, with a note.
fn usual_registry(path: &Path) -> anyhow::Result<Registry> {
    let (registry, note) = cache::load_or_snapshot(path, Detail::Names)?;
    if let Some(note) = note {
        tell(note);
    }
    Ok(registry)
}

/// `--window` and `--format influx`.
fn print_windows(arguments: &InspectArgs, options: &Options) -> anyhow::Result<()> {
    let mut config = arguments.config.as_deref().map(load_sensor).transpose()?.unwrap_or_default();
    if let Some(length) = arguments.window {
        config.window.length = length;
        // What a configuration would refuse makes no windows either.
        let mut mistakes = Mistakes::default();
        config.window.check(&mut mistakes);
        if let Some(wrong) = mistakes.found().first() {
            return Err(UsageError(format!("--window {length:?}: {}", wrong.message)).into());
        }
    }
    let registry = Arc::new(arguments.registry(Some(&config))?);
    let config = Arc::new(config);
    let (inputs, mut failures) = files::expand(&arguments.paths);
    let progress = Arc::new(Progress::default());
    heed_interrupts(&inputs, &progress)?;
    let bar = Bar::start(&progress, &inputs);
    let mut out = BufWriter::with_capacity(OUTPUT, io::stdout().lock());
    let influx = arguments.format == FormatArg::Influx;
    let mut nothing = true;
    for input in &inputs {
        let counted = windows::batches(input, options, &config, &registry, &progress, &mut |record| {
            if influx { write_points(&mut out, &record) } else { write_record(&mut out, &record) }
        });
        match counted {
            Ok(warnings) => {
                nothing = false;
                bar.suspend(|| warnings.iter().for_each(tell));
            }
            Err(windows::WindowsError::Capture(error)) if matches!(input, Input::Found(_)) && error.is_no_capture() => {
            }
            Err(windows::WindowsError::Capture(error)) => failures.push(error),
            Err(error) => return Err(error.into()),
        }
    }
    bar.finish();
    out.flush()?;
    if nothing && failures.is_empty() {
        return Err(NoCapture::among(&arguments.paths, inputs.len()).into());
    }
    conclude(&failures)
}

fn write_record(out: &mut impl Write, record: &Record) -> io::Result<()> {
    out.write_all(&record.encode())?;
    out.write_all(b"\n")
}

fn write_points(out: &mut impl Write, record: &Record) -> io::Result<()> {
    let points = points::points(record).map_err(io::Error::other)?;
    let mut text = String::new();
    points.iter().for_each(|point| point.write(&mut text));
    out.write_all(text.as_bytes())
}

/// `--watch`.
fn watch(directory: &Path, arguments: &InspectArgs, options: &Options) -> anyhow::Result<()> {
    let registry = arguments.registry(None)?;
    let state = arguments.state.clone().unwrap_or_else(|| directory.join(STATE_FILE));
    let failed = || format!("cannot watch {} with the state file {}", directory.display(), state.display());
    let mut watch = Watch::open(directory, &state).with_context(failed)?;
    let sort = arguments.sort.map_or(if arguments.top.is_some() { Sort::Frames } else { Sort::Mac }, Sort::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stopped = std::pin::pin!(stop::requested());
        loop {
            for path in watch.ready().with_context(failed)? {
                let report = inspect::merged(&[Input::Found(path.clone())], options, &Arc::default());
                report.failures.iter().for_each(tell);
                if !report.files.is_empty() {
                    print_line(&report, &registry, sort, arguments.top)?;
                }
                watch.done(&path).with_context(failed)?;
            }
            tokio::select! {
                signal = &mut stopped => {
                    signal?;
                    return Ok(());
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    })
}

fn print_line(report: &Report, registry: &Registry, sort: Sort, top: Option<usize>) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(OUTPUT, io::stdout().lock());
    inspect_table::write_line(&mut out, &Document { report, registry, sort, top })?;
    out.flush()?;
    Ok(())
}
