//! `airtally oui`: keep the vendor registry, ask it, write it out, serve it.

#[cfg(feature = "web")]
mod serve;
#[cfg(feature = "oui-update")]
mod update;

use super::{
    format::{self, Format, UsageError},
    table::{self, Column, Screen},
};
use crate::{
    UnixNanos,
    oui::{
        Answer, Query, Registry, RegistryEntry,
        store::{Detail, OuiError, age, cache, snapshot},
    },
};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use std::{
    io::{self, BufWriter, IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The vendor registry: which organisation a MAC address belongs to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally oui update --from /usr/share/wireshark/manuf     make the cache, from Wireshark's list
  airtally oui lookup b8:27:eb:01:02:03                     whose address is it
  airtally oui search raspberry                             which prefixes does it have")]
pub struct OuiArgs {
    /// The cache.
    #[arg(long, global = true, value_name = "FILE", default_value = cache::DEFAULT_PATH)]
    db: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the cache anew from registry files.
    ///
    /// All files are read in full before the old cache is replaced, in one step. If one cannot be fetched, is damaged,
    /// or has lost more than a tenth of its entries, the old cache stays. Local entries are kept.
    #[cfg(feature = "oui-update")]
    Update(update::UpdateArgs),
    /// Say whose these addresses are.
    #[command(after_help = "\
Examples:
  airtally oui lookup b8:27:eb:01:02:03 3c-5a-b4
  arp -a | grep -o '[0-9a-f:]*:[0-9a-f:]*' | airtally oui lookup --format csv")]
    Lookup {
        /// Addresses or prefixes of 24 to 48 bits; none: one a line from standard input. One that makes no sense is named
        /// on standard error, and the others are answered; the exit status is then 2.
        #[arg(value_name = "MAC")]
        queries: Vec<String>,
        /// How to write the answers.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List the prefixes of an organisation.
    #[command(after_help = "\
Examples:
  airtally oui search raspberry
  airtally oui search 'cisco meraki' --format csv")]
    Search {
        /// Part of its name, in any case.
        text: String,
        /// How to write the list.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Say what the cache is made of, and check it.
    #[command(after_help = "\
Example:
  airtally oui info --format json")]
    Info {
        /// How to write it.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Write the whole registry to standard output.
    #[command(after_help = "\
Examples:
  airtally oui export --format csv > vendors.csv
  airtally oui export --format manuf > manuf")]
    Export {
        /// In which form.
        #[arg(long, value_enum)]
        format: ExportFormat,
    },
    /// Answer over HTTP: look up, search, and local entries (see docs/api.md).
    #[cfg(feature = "web")]
    Serve(serve::ServeArgs),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExportFormat {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON array.
    Json,
    /// Wireshark's manuf: prefix, short name, long name, parted by tabs.
    Manuf,
}

/// Does what the arguments say; the output goes to standard output.
///
/// # Errors
/// [`UsageError`] where an argument makes no sense; otherwise what went wrong. A closed pipe is an [`io::Error`].
pub fn run(args: OuiArgs) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match args.command {
        #[cfg(feature = "oui-update")]
        Command::Update(update) => update::run(&mut out, &args.db, &update)?,
        Command::Lookup { queries, format } => lookup(&mut out, &load(&args.db)?, queries, format)?,
        Command::Search { text, format } => search(&mut out, &load(&args.db)?, &text, format)?,
        Command::Info { format } => info(&mut out, &args.db, format)?,
        Command::Export { format } => export(&mut out, &load(&args.db)?, format)?,
        #[cfg(feature = "web")]
        Command::Serve(serve) => serve::run(&mut out, &args.db, &serve)?,
    }
    out.flush()?;
    Ok(())
}

/// The cache, or the snapshot in its place; then the reason goes to standard error.
fn load(db: &Path) -> anyhow::Result<Registry> {
    let (registry, note) = cache::load_or_snapshot(db, Detail::All)?;
    if let Some(note) = note {
        format::tell(note);
    }
    Ok(registry)
}

/// The time, from the system's clock.
fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixNanos(0).saturating_add(since)
}

fn lookup(out: &mut impl Write, registry: &Registry, texts: Vec<String>, format: Format) -> anyhow::Result<()> {
    let texts: Vec<(usize, String)> =
        if texts.is_empty() { read_queries()? } else { texts.into_iter().map(|text| (0, text)).collect() };
    let (mut answers, mut problems) = (Vec::new(), Vec::new());
    for (place, text) in &texts {
        match text.parse::<Query>() {
            Ok(query) => answers.push(Answer::new(registry, text, query)),
            Err(error) if *place > 0 => problems.push(format!("standard input, line {place}: {error}")),
            Err(error) => problems.push(error.to_string()),
        }
    }
    match format {
        Format::Json => format::json(out, &answers)?,
        Format::Csv => {
            const HEADER: [&str; 13] = [
                "query",
                "mac",
                "prefix",
                "prefix_bits",
                "registry",
                "short_name",
                "organisation",
                "address",
                "multicast",
                "local",
                "slap",
                "private",
                "special",
            ];
            format::csv(out, &HEADER, &answers.iter().map(csv_answer).collect::<Vec<_>>())?;
        }
        Format::Table => {
            const COLUMNS: [Column; 6] = [
                Column::new("address"),
                Column::new("prefix").leaves(2),
                Column::new("registry").leaves(3),
                Column::new("short").leaves(4),
                Column::new("organisation").cut(),
                Column::new("notes").cut().leaves(1),
            ];
            table::write(out, Screen::stdout(), &COLUMNS, &answers.iter().map(table_answer).collect::<Vec<_>>())?;
        }
    }
    // One that makes no sense does not keep the others from their answers.
    out.flush()?;
    match problems.as_slice() {
        [] => Ok(()),
        [only] => Err(UsageError(only.clone()).into()),
        several => {
            several.iter().for_each(format::tell);
            Err(UsageError(format!("{} of {} queries make no sense; see above", several.len(), texts.len())).into())
        }
    }
}

/// The queries on standard input with the numbers of their lines; blank lines are passed over.
fn read_queries() -> anyhow::Result<Vec<(usize, String)>> {
    const MAX: u64 = 64 << 20;
    if io::stdin().is_terminal() {
        return Err(UsageError("name the addresses to look up, or send them to standard input".into()).into());
    }
    let mut octets = Vec::new();
    io::stdin().lock().take(MAX + 1).read_to_end(&mut octets).context("cannot read standard input")?;
    if octets.len() as u64 > MAX {
        return Err(UsageError("standard input is longer than 64 MiB: ask in pieces".into()).into());
    }
    // What is no text is no address, and is named with the others that are none.
    let text = String::from_utf8_lossy(&octets);
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim().to_owned()));
    Ok(lines.filter(|(_, line)| !line.is_empty()).collect())
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn csv_answer(answer: &Answer<'_>) -> Vec<String> {
    vec![
        answer.query.to_owned(),
        shown(answer.mac),
        shown(answer.prefix),
        shown(answer.prefix_bits),
        shown(answer.registry),
        shown(answer.short_name),
        shown(answer.organisation),
        shown(answer.address),
        answer.multicast.to_string(),
        answer.local.to_string(),
        shown(answer.slap),
        answer.private.to_string(),
        shown(answer.special),
    ]
}

fn table_answer(answer: &Answer<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(answer.special.map(str::to_owned));
    notes.extend(answer.multicast.then(|| "multicast".to_owned()));
    notes.extend(answer.slap.map(|quadrant| format!("local ({quadrant})")));
    vec![
        answer.query.to_owned(),
        answer.prefix.map(|prefix| format!("{prefix} /{}", prefix.bits())).unwrap_or_default(),
        shown(answer.registry),
        shown(answer.short_name),
        shown(answer.organisation),
        notes.join(", "),
    ]
}

fn search(out: &mut impl Write, registry: &Registry, text: &str, format: Format) -> anyhow::Result<()> {
    if text.trim().is_empty() {
        return Err(UsageError("say which name to search for".into()).into());
    }
    let entries: Vec<RegistryEntry> = registry.search(text.trim()).collect();
    match format {
        Format::Json => format::json(out, &entries)?,
        Format::Csv => format::csv(out, &ENTRY_HEADER, &entries.iter().map(entry_row).collect::<Vec<_>>())?,
        Format::Table => {
            let rows: Vec<_> = entries
                .iter()
                .map(|entry| {
                    vec![
                        format!("{} /{}", entry.prefix, entry.prefix.bits()),
                        shown(entry.registry),
                        shown(entry.short_name),
                        shown(entry.organisation),
                    ]
                })
                .collect();
            const COLUMNS: [Column; 4] = [
                Column::new("prefix"),
                Column::new("registry").leaves(1),
                Column::new("short").leaves(2),
                Column::new("organisation").cut(),
            ];
            table::write(out, Screen::stdout(), &COLUMNS, &rows)?;
        }
    }
    Ok(())
}

const ENTRY_HEADER: [&str; 6] = ["prefix", "prefix_bits", "registry", "short_name", "organisation", "address"];

fn entry_row(entry: &RegistryEntry<'_>) -> Vec<String> {
    vec![
        entry.prefix.to_string(),
        entry.prefix.bits().to_string(),
        shown(entry.registry),
        shown(entry.short_name),
        shown(entry.organisation),
        shown(entry.address),
    ]
}

fn info(out: &mut impl Write, db: &Path, format: Format) -> anyhow::Result<()> {
    let info = match cache::info(db) {
        Err(error @ OuiError::Missing { .. }) => anyhow::bail!("{error}; until then {}", snapshot::serves(now())),
        info => info?,
    };
    let of = info.of();
    // Beside the answer, which may go to a program.
    if let Some(old) = of.and_then(|of| age::warning(of, now())) {
        format::tell(format_args!("this registry {old}: airtally oui update"));
    }
    if format == Format::Json {
        serde_json::to_writer_pretty(&mut *out, &info)?;
        writeln!(out)?;
        return Ok(());
    }
    const HEADER: [&str; 8] = ["source", "entries", "read", "bytes", "sha256", "etag", "last_modified", "from"];
    let mut rows: Vec<Vec<String>> = info
        .sources
        .iter()
        .map(|source| {
            vec![
                source.label.clone(),
                source.rows.to_string(),
                source.fetched_at.clone(),
                source.bytes.to_string(),
                source.sha256.clone(),
                shown(source.etag.as_ref()),
                shown(source.last_modified.as_ref()),
                source.origin.clone(),
            ]
        })
        .collect();
    if format == Format::Csv {
        format::csv(out, &HEADER, &rows)?;
        return Ok(());
    }
    // People compare the beginning of a hash and the second of a time.
    for row in &mut rows {
        for (column, len, zone) in [(2, 19, "Z"), (4, 12, "")] {
            if let Some(cell) = row.get_mut(column)
                && cell.len() > len
            {
                cell.truncate(len);
                cell.push_str(zone);
            }
        }
    }
    const COLUMNS: [Column; 8] = [
        Column::new("source"),
        Column::new("entries").number(),
        Column::new("read").leaves(1),
        Column::new("bytes").number().leaves(4),
        Column::new("sha256").leaves(3),
        Column::new("etag").leaves(6),
        Column::new("last_modified").leaves(5),
        Column::new("from").cut().leaves(2),
    ];
    table::write(out, Screen::stdout(), &COLUMNS, &rows)?;
    writeln!(out)?;
    for (registry, count) in &info.registries {
        writeln!(out, "{registry:<10}{count:>7}")?;
    }
    writeln!(out, "{:<10}{:>7}", "well-known", info.special)?;
    if let Some(of) = of {
        writeln!(out, "of        {}", age::day(of))?;
    }
    writeln!(out, "updated   {}\nhash      {}\ncheck     ok", info.updated_at, info.hash)?;
    Ok(())
}

fn export(out: &mut impl Write, registry: &Registry, format: ExportFormat) -> anyhow::Result<()> {
    match format {
        ExportFormat::Csv => {
            format::csv(out, &ENTRY_HEADER, &registry.entries().map(|entry| entry_row(&entry)).collect::<Vec<_>>())?;
        }
        ExportFormat::Json => format::json(out, &registry.entries().collect::<Vec<_>>())?,
        ExportFormat::Manuf => {
            for entry in registry.entries() {
                let Some(short) = entry.short_name.or(entry.organisation) else { continue };
                let address = crate::Mac::from_u64(entry.prefix.first()).to_string().to_uppercase();
                match entry.prefix.bits() {
                    24 => write!(out, "{}", address.get(..8).unwrap_or(&address))?,
                    bits => write!(out, "{address}/{bits}")?,
                }
                writeln!(out, "\t{short}\t{}", entry.organisation.unwrap_or(short))?;
            }
        }
    }
    Ok(())
}
