//! `airtally flows`: arguments in, the flows of captures or of an interface out.

use super::{
    flows_text::{Printer, Totalled},
    format::{UsageError, tell},
    inspect::{NoCapture, conclude, heed_interrupts},
    inspect_progress::Bar,
};
use crate::{
    UnixNanos,
    capture::Filter,
    flow::{Flow, Meter, Settings},
    inspect::{Input, Options, Progress, files, flows},
    units::Bytes,
};
use clap::{Args, ValueEnum};
use std::{
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// Octets of output written at a time.
const OUTPUT: usize = 1 << 16;

/// Says who spoke with whom: the flows of IP packets, with packets, octets and times of each direction
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally flows capture.pcapng                        the 50 largest conversations
  airtally flows captures/ --format json               a directory and all below it, an object a line
  tcpdump -w - -i eth0 | airtally flows - --idle 1m --format json
  sudo airtally flows --interface eth0 --format json   records as flows end
  airtally flows capture.pcap --names --format csv     with the names that were asked for
  airtally flows capture.pcap --format nmsg > x.nmsg   the 5-tuples, for NMSG's tools
Of 802.11, open data frames are read; protected ones are counted. A record is both directions of a conversation;
'out' is what the sender of its first packet sent. Octets are those of captured packets, link header included.
docs/flows.md describes every column and key.")]
pub struct FlowsArgs {
    /// Captures: files, directories (with all below them), or - for standard input
    #[arg(value_name = "FILE|DIR|-", required_unless_present = "interface")]
    paths: Vec<PathBuf>,
    /// Listen to this interface until SIGINT or SIGTERM
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    interface: Option<String>,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t)]
    format: FormatArg,
    /// Rows of the table, at most: those with most octets [default: 50]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Keep the name that a flow asks for: the question of DNS, the server name of TLS, the host of HTTP
    #[arg(long)]
    names: bool,
    /// End a flow that has no packet for longer than this; 0 for never [default: 0, or 1m with --interface]
    #[arg(long, value_name = "LENGTH", value_parser = humantime::parse_duration)]
    idle: Option<Duration>,
    /// Write a record of a flow that goes on for longer than this, and begin another; 0 for never [default: 0, or 5m with
    /// --interface]
    #[arg(long, value_name = "LENGTH", value_parser = humantime::parse_duration)]
    active: Option<Duration>,
    /// Flows that go on at the same time, at most; the one quiet for longest gives way, with a record [default: 1048576, or
    /// 65536 with --interface]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    max_flows: Option<u32>,
    /// Take only packets that match, as tcpdump has it: pcap-filter(7)
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Take only packets captured at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME", conflicts_with = "interface")]
    since: Option<UnixNanos>,
    /// Take only packets captured before this time (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "interface")]
    until: Option<UnixNanos>,
    /// Take this many packets of each capture, and read no further
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Read this many packets of each capture, at most, and warn if there are more
    #[arg(long, value_name = "N", conflicts_with = "interface")]
    max_frames: Option<u64>,
    /// Read this many octets of each capture after decompression, at most, like 2GiB, and warn if there are more
    #[arg(long, value_name = "SIZE", conflicts_with = "interface")]
    max_bytes: Option<Bytes>,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Aligned columns, the largest flows first.
    #[default]
    Table,
    /// A JSON object a line, as flows end.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// NMSG containers of base:ipconn messages: the 5-tuples, with the time of the first packet.
    Nmsg,
}

impl FlowsArgs {
    fn settings(&self) -> Settings {
        let usual = if self.interface.is_some() { Settings::LIVE } else { Settings::OF_CAPTURES };
        let bound = |given: Option<Duration>, usual| given.map_or(usual, |given| (!given.is_zero()).then_some(given));
        Settings {
            max_flows: self.max_flows.and_then(|max| usize::try_from(max).ok()).unwrap_or(usual.max_flows),
            idle: bound(self.idle, usual.idle),
            active: bound(self.active, usual.active),
            names: self.names,
        }
    }

    fn options(&self) -> anyhow::Result<Options> {
        if let Some(expression) = &self.filter {
            Filter::new(expression).map_err(|error| UsageError(error.to_string()))?;
        }
        if self.top.is_some() && self.format != FormatArg::Table {
            return Err(UsageError("--top is for the table: other formats write flows as they end".into()).into());
        }
        Ok(Options {
            filter: self.filter.clone(),
            since: self.since,
            until: self.until,
            count: self.count,
            max_frames: self.max_frames,
            max_bytes: self.max_bytes.map(|bytes| bytes.0),
            ..Options::default()
        })
    }
}

/// Does what the arguments say.
pub fn run(arguments: &FlowsArgs) -> anyhow::Result<()> {
    let options = arguments.options()?;
    let mut meter = Meter::new(arguments.settings());
    let out = BufWriter::with_capacity(OUTPUT, io::stdout().lock());
    let mut printer = Printer::new(out, arguments.format, arguments.top, arguments.names)?;
    if let Some(interface) = &arguments.interface {
        return listen(interface, arguments, &mut meter, printer);
    }
    let (inputs, mut failures) = files::expand(&arguments.paths);
    let progress = Arc::new(Progress::default());
    heed_interrupts(&inputs, &progress)?;
    let bar = Bar::start(&progress, &inputs);
    let mut written = Ok(());
    let mut take = |flow: Flow| {
        written = printer.flow(&flow);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let read = flows::read(&inputs, &options, &progress, &mut meter, &mut take);
    bar.finish();
    written?;
    let nothing = read.files.is_empty();
    failures.extend(read.failures);
    if nothing && failures.is_empty() && inputs.iter().all(|input| matches!(input, Input::Found(_))) {
        printer.finish()?;
        return Err(NoCapture::among(&arguments.paths, inputs.len()).into());
    }
    conclude_flows(&mut meter, printer, nothing)?;
    read.warnings.iter().for_each(tell);
    conclude(&failures)
}

/// Writes the flows that went on to the end, and says what is in none.
fn conclude_flows<W: Write>(meter: &mut Meter, mut printer: Printer<W>, nothing: bool) -> io::Result<()> {
    let mut written = Ok(());
    meter.finish(&mut |flow| {
        if written.is_ok() {
            written = printer.flow(&flow);
        }
    });
    written?;
    if nothing {
        return printer.flush();
    }
    let records = printer.finish()?;
    if let Some(said) = (Totalled { totals: meter.totals(), evicted: meter.evicted(), records }).sentence() {
        tell(said);
    }
    Ok(())
}

#[cfg(not(feature = "pcap"))]
fn listen<W: Write>(_: &str, _: &FlowsArgs, _: &mut Meter, _: Printer<W>) -> anyhow::Result<()> {
    Err(UsageError("this airtally was built without libpcap: it reads captures, and listens to no interface".into())
        .into())
}

/// `--interface`.
#[cfg(feature = "pcap")]
fn listen<W: Write>(
    interface: &str,
    arguments: &FlowsArgs,
    meter: &mut Meter,
    mut printer: Printer<W>,
) -> anyhow::Result<()> {
    use crate::{
        capture::{LiveOptions, Source, Waker},
        cli::halt::heed_signals,
        dot11::Reading,
    };
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Octets kept of each packet: the headers, and of the payload what shows a protocol and a name.
    const SNAPLEN: u32 = 2_048;
    const BUFFER: u32 = 8 << 20;
    let options = LiveOptions { interface: interface.to_owned(), snaplen: SNAPLEN, buffer_bytes: BUFFER };
    let mut source = Source::open_live(&options)?;
    let mut filter = arguments.filter.as_deref().map(Filter::new).transpose()?;
    let stop = Arc::new(AtomicBool::new(false));
    let waker = source.waker();
    heed_signals(&stop, move || waker.iter().for_each(Waker::wake))?;
    let (mut kernel, mut dropped) = (0, 0);
    let (mut left, mut failed, mut written) = (arguments.count.unwrap_or(u64::MAX), None, Ok(()));
    while left > 0 && !stop.load(Ordering::Relaxed) {
        let mut emit = |flow: Flow| {
            if written.is_ok() {
                written = printer.flow(&flow);
            }
        };
        source.poll(&mut |packet| {
            let matches = filter.as_mut().map_or(Ok(true), |filter| filter.matches(packet.link, packet.data));
            match matches {
                Ok(true) if left > 0 => {
                    left -= 1;
                    let reading = Reading { told: packet.told, ..Reading::default() };
                    meter.packet(packet.time, packet.link, packet.data, packet.original_len, reading, &mut emit);
                }
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        })?;
        // Packets are stamped by the same clock.
        meter.sweep(UnixNanos::now(), &mut emit);
        std::mem::replace(&mut written, Ok(()))?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if arguments.format != FormatArg::Table {
            printer.flush()?;
        }
        if let Some(drops) = source.drops() {
            kernel += drops.kernel;
            dropped += drops.interface;
        }
    }
    conclude_flows(meter, printer, false)?;
    if kernel + dropped > 0 {
        tell(format!(
            "{kernel} packets were lost in the kernel's buffer, {dropped} at the interface: they are in no flow"
        ));
    }
    Ok(())
}
