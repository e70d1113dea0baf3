//! `airtally oui update`: files and addresses in, a new cache out.

use super::now;
use crate::{
    UnixNanos,
    cli::{
        format::{self, UsageError},
        table::{self, Column, Screen},
    },
    oui::store::{
        OuiError, age, cache,
        fetch::{DEFAULT_SOURCES, Fetched, Fetcher, Timeouts, Version},
        origin::{is_address, is_secret, shown},
        source::{MAX_BYTES, Source},
    },
    printable::printable,
    units::noun,
};
use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    fs::{self, File},
    io::{Read as _, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// What `update` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally oui update                                       the lists of the IEEE and Wireshark
  airtally oui update --from /usr/share/wireshark/manuf --db oui.sqlite")]
pub(super) struct UpdateArgs {
    /// Registry files or https addresses: the IEEE's lists (CSV or text), Wireshark's manuf (of any year) and wka,
    /// arp-scan's ieee-oui.txt, nmap's nmap-mac-prefixes. Names do not matter: the content is looked at. Without any: all five lists of the IEEE and both of Wireshark, from their own servers.
    #[arg(long, value_name = "FILE|URL", num_args = 1..)]
    from: Vec<String>,
    /// A text file with one such file or address a line; '#' begins a comment.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    from_list: Option<PathBuf>,
    /// Take a source that has lost more than a tenth of its entries.
    #[arg(long)]
    accept_shrink: bool,
    /// PEM file of certificate authorities to trust beside the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) fn run(out: &mut impl Write, db: &Path, args: &UpdateArgs) -> anyhow::Result<()> {
    // Before anything is fetched: a file that is not ours will not be replaced.
    cache::may_replace(db)?;
    let sources = read_all(db, args)?;
    let report = cache::update(db, &sources, now(), args.accept_shrink)?;
    if let Some(place) = &report.set_aside {
        format::tell(format_args!("the old cache was damaged; it is now {}", place.display()));
    }
    let rows: Vec<_> = sources
        .iter()
        .map(|source| vec![source.kind.label().to_owned(), source.rows().to_string(), source.origin.clone()])
        .collect();
    const COLUMNS: [Column; 3] =
        [Column::new("source"), Column::new("entries").number(), Column::new("from").cut().leaves(1)];
    table::write(out, Screen::stdout(), &COLUMNS, &rows)?;
    for source in &sources {
        let of = source.last_modified.as_ref().and_then(|date| date.parse().ok());
        if let Some(old) = of.and_then(|of| age::warning(of, now())) {
            format::tell(format_args!("{} {old}", printable(&source.origin)));
        }
    }
    for label in &report.left_out {
        writeln!(out, "{label}: was in the old cache and is in no file given now")?;
    }
    writeln!(
        out,
        "{}: {} {} ({} with several holders), {} well-known {}; {}",
        printable(&db.display().to_string()),
        report.entries,
        noun(report.entries, "prefix", "prefixes"),
        report.shared,
        report.special,
        noun(report.special, "address", "addresses"),
        if report.changed { "changed" } else { "as before" },
    )?;
    Ok(())
}

fn read_all(db: &Path, args: &UpdateArgs) -> anyhow::Result<Vec<Source>> {
    let mut places = args.from.clone();
    if let Some(list) = &args.from_list {
        let text = fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        places = lines.map(str::to_owned).collect();
        if places.is_empty() {
            return Err(UsageError(format!("{} names no source", list.display())).into());
        }
    } else if places.is_empty() {
        places = DEFAULT_SOURCES.map(str::to_owned).to_vec();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut fetcher = None;
    let mut sources = Vec::new();
    for place in &places {
        if is_address(place) {
            let fetcher = match &mut fetcher {
                Some(fetcher) => fetcher,
                none => none.insert(Fetcher::new(args.ca_file.as_deref(), Timeouts::default())?),
            };
            sources.push(runtime.block_on(fetch(fetcher, db, place))?);
        } else if place.contains(['@', '?']) && !Path::new(place).exists() {
            // An address whose scheme was forgotten: what may be its password is not repeated.
            return Err(UsageError(
                "one of the sources is no file that exists, and looks like an address without https:// in front: name \
                 the file, or write the whole address"
                    .to_owned(),
            )
            .into());
        } else {
            sources.push(read(Path::new(place))?);
        }
    }
    Ok(sources)
}

fn read(path: &Path) -> Result<Source, OuiError> {
    let failed = |source| OuiError::Io { action: "read", path: path.into(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let modified = file.metadata().ok().filter(fs::Metadata::is_file).and_then(|data| data.modified().ok());
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let origin = path.display().to_string();
    if bytes.len() as u64 > MAX_BYTES {
        let message = format!("is larger than {} MiB, which no registry file is", MAX_BYTES >> 20);
        return Err(OuiError::Source { origin, message });
    }
    let mut source = Source::parse(&origin, bytes).map_err(|message| OuiError::Source { origin, message })?;
    source.last_modified = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|since| {
        let whole = Duration::from_secs(since.as_secs());
        UnixNanos(0).saturating_add(whole).to_string()
    });
    Ok(source)
}

/// Fetches `url`; if its server says that nothing has changed, takes what the cache has kept of it.
async fn fetch(fetcher: &Fetcher, db: &Path, url: &str) -> Result<Source, OuiError> {
    let origin = shown(url).into_owned();
    // A cache that cannot be read has kept nothing; what is wrong with it, the update says. Of an address with secrets it
    // knows not enough to tell whether the same was fetched.
    let stored = if is_secret(url) { None } else { cache::stored(db, url).ok().flatten() };
    let known =
        stored.as_ref().map(|(info, _)| Version { etag: info.etag.clone(), last_modified: info.last_modified.clone() });
    let bar = progress_bar(&origin);
    let fetched = fetcher
        .get(url, known.as_ref(), |so_far, expected| {
            if let Some(expected) = expected {
                bar.set_length(expected);
            }
            bar.set_position(so_far);
        })
        .await;
    bar.finish_and_clear();
    let (bytes, version) = match (fetched?, stored) {
        (Fetched::New { bytes, version }, _) => (bytes, version),
        (Fetched::NotModified, Some((info, bytes))) => {
            (bytes, Version { etag: info.etag, last_modified: info.last_modified })
        }
        (Fetched::NotModified, None) => {
            let message = "is said to be unchanged and there is no copy of it".into();
            return Err(OuiError::Source { origin, message });
        }
    };
    let mut source = Source::parse(&origin, bytes).map_err(|message| OuiError::Source { origin, message })?;
    if !is_secret(url) {
        source.etag = version.etag;
        source.last_modified = version.last_modified;
    }
    Ok(source)
}

/// A bar on standard error; it hides itself where that is no terminal.
fn progress_bar(origin: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{wide_msg} {bytes:>10} {bar:20} {bytes_per_sec:>12}") {
        bar.set_style(style);
    }
    bar.set_message(origin.to_owned());
    bar
}
