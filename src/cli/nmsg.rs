//! `airtally nmsg`: arguments in; NMSG as text, as a file, or to a socket out.

#[path = "nmsg/outlets.rs"]
mod outlets;
#[path = "nmsg/packets.rs"]
mod packets;

use super::{
    format::{UsageError, tell},
    halt::heed_signals,
};
use crate::{
    nmsg::{DEFAULT_MTU, FILE_CONTAINER, IPCONN, LEAST_MTU, PACKET, Reader, Type, WriterSettings},
    nmsg_io::{Came, Input, SocketRange},
    units::noun,
};
use clap::{Args, ValueEnum};
use outlets::{Outlets, Stamp};
use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The largest datagram that UDP over IPv4 carries.
const MOST_MTU: i64 = 65_507;

/// Reads and writes NMSG: typed network messages in files, pipes and UDP sockets
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally nmsg messages.nmsg                            every message as the reference tool prints it
  airtally nmsg messages.nmsg --format json | jq .message.srcip
  airtally nmsg --listen 127.0.0.1/8430 --format tuple -c 10
  airtally nmsg --from-capture capture.pcapng -w packets.nmsg --zlib
  sudo airtally nmsg --from-capture eth0 -s 192.0.2.7/8430 --mtu 1280
  airtally nmsg packets.nmsg -s 127.0.0.1/8430           the 5-tuples of packets, to a listener
Exit status 1 if an input cannot be read to its end; what was damaged in between is left out, counted and told on
standard error. docs/nmsg.md describes the formats.")]
pub struct NmsgArgs {
    /// NMSG to read: a file, or - for standard input
    #[arg(value_name = "FILE|-", required_unless_present_any = ["listen", "from_capture"])]
    input: Option<PathBuf>,
    /// Read datagrams that come to this socket, or to a range of ports, until SIGINT or SIGTERM
    #[arg(long, short = 'l', value_name = "ADDR/PORT[..PORT]", conflicts_with = "input")]
    listen: Option<SocketRange>,
    /// Make messages of the IP packets of a capture (pcap, pcapng), of standard input, or of an interface: base:packet, or
    /// their 5-tuples with --type base:ipconn
    #[arg(long, value_name = "FILE|-|INTERFACE", conflicts_with_all = ["input", "listen"])]
    from_capture: Option<PathBuf>,
    /// How to print messages [default: presentation, or nothing with -w or -s]
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// End after this many messages
    #[arg(long, short = 'c', value_name = "N")]
    count: Option<u64>,
    /// Only messages of this type, by name (base:ipconn) or by number (1:5)
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Type>,
    /// Write the messages to this file, or - for standard output
    #[arg(long, short = 'w', value_name = "FILE|-")]
    write: Option<PathBuf>,
    /// Send the 5-tuples of packets and connections to this socket, as base:ipconn
    #[arg(long, short = 's', value_name = "ADDR/PORT")]
    send: Option<SocketRange>,
    /// Octets of a container, at most: what UDP is to carry, without its own header [default: 8192 with -s; 1 MiB with -w]
    #[arg(long, short = 'm', value_name = "OCTETS", value_parser = clap::value_parser!(u32).range(512..=MOST_MTU))]
    mtu: Option<u32>,
    /// Compress the containers that are written or sent
    #[arg(long, short = 'z')]
    zlib: bool,
    /// Take this many messages a second, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Write and send each message at once, in a container of its own
    #[arg(long)]
    unbuffered: bool,
    /// Give every message this source: a number like 0xdeadbeef
    #[arg(long, value_name = "NUMBER", alias = "setsource", value_parser = number)]
    set_source: Option<u32>,
    /// Give every message this operator
    #[arg(long, value_name = "NUMBER", alias = "setoperator", value_parser = number)]
    set_operator: Option<u32>,
    /// Give every message this group
    #[arg(long, value_name = "NUMBER", alias = "setgroup", value_parser = number)]
    set_group: Option<u32>,
}

/// How messages are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// The reference tool's presentation form.
    #[default]
    Presentation,
    /// One JSON object a line, as the reference tool has it.
    Json,
    /// 5-tuples: a line of what the message is, and a line of addresses and ports.
    Tuple,
}

/// A number in decimal, or in hexadecimal after `0x`.
fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is no number of 32 bits: write it like 7 or 0xdeadbeef"))
}

impl NmsgArgs {
    fn check(&self) -> Result<(), UsageError> {
        let to_stdout = self.write.as_ref().is_some_and(|path| path.as_os_str() == "-");
        if to_stdout && self.format.is_some() {
            return Err(UsageError("-w - and --format both want standard output: write to a file".into()));
        }
        if self.mtu.is_some() && self.write.is_none() && self.send.is_none() {
            return Err(UsageError("--mtu is for -w and -s".into()));
        }
        if self.zlib && self.write.is_none() && self.send.is_none() {
            return Err(UsageError("--zlib is for -w and -s".into()));
        }
        if self.send.is_some_and(|range| range.only().is_none()) {
            return Err(UsageError("-s sends to one port, not to a range".into()));
        }
        if self.from_capture.is_some() && self.kind.is_some_and(|kind| !matches!(kind, PACKET | IPCONN)) {
            return Err(UsageError("--from-capture makes base:packet, or base:ipconn: no other --type".into()));
        }
        Ok(())
    }

    fn form(&self) -> Option<FormatArg> {
        let default = (self.write.is_none() && self.send.is_none()).then(FormatArg::default);
        self.format.or(default)
    }

    fn settings(&self, default: usize) -> WriterSettings {
        let most = self.mtu.map_or(default, |mtu| usize::try_from(mtu).unwrap_or(LEAST_MTU));
        // A version 4 UUID has 122 random bits; these 64 have 62 at least.
        let id = uuid::Uuid::new_v4().as_u64_pair().1;
        WriterSettings { most, zlib: self.zlib, unbuffered: self.unbuffered, ..WriterSettings::socket(id) }
    }

    fn outlets(&self) -> anyhow::Result<Outlets> {
        let mut outlets = Outlets::new(
            self.form(),
            Stamp { source: self.set_source, operator: self.set_operator, group: self.set_group },
        );
        outlets.kind = self.kind;
        outlets.left = self.count;
        outlets.unbuffered = self.unbuffered;
        outlets.set_rate(self.rate);
        if let Some(path) = &self.write {
            outlets.write_to(path, WriterSettings { sequence: false, ..self.settings(FILE_CONTAINER) })?;
        }
        if let Some(to) = self.send.and_then(|range| range.only()) {
            outlets.send_to(to, self.settings(DEFAULT_MTU))?;
        }
        Ok(outlets)
    }
}

/// Does what the arguments say.
pub fn run(arguments: &NmsgArgs) -> anyhow::Result<()> {
    arguments.check()?;
    if let Some(from) = &arguments.from_capture {
        let mut outlets = arguments.outlets()?;
        outlets.as_tuples = arguments.kind == Some(IPCONN);
        return packets::read(from, outlets);
    }
    let input = match (&arguments.input, arguments.listen) {
        (_, Some(range)) => Input::listen(range)?,
        (Some(path), None) if path.as_os_str() == "-" => Input::stdin(),
        (Some(path), None) => Input::file(path)?,
        (None, None) => return Err(UsageError("name a file, or a socket with --listen".into()).into()),
    };
    let outlets = arguments.outlets()?;
    let stopped = Arc::new(AtomicBool::new(false));
    heed_signals(&stopped, || {})?;
    read(input, outlets, &stopped)
}

/// Reads NMSG to its end, or until it is told to stop.
fn read(mut input: Input, mut outlets: Outlets, stopped: &AtomicBool) -> anyhow::Result<()> {
    let mut reader = Reader::default();
    let result = loop {
        if outlets.is_done() || stopped.load(Ordering::Relaxed) {
            break Ok(());
        }
        let came = input.read(&mut reader, &mut |payload| {
            let done = outlets.take(payload)?;
            // A stop is heeded amid a large container too, which a slow rate can take hours for.
            Ok::<_, anyhow::Error>(if stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { done })
        });
        match came {
            Ok(Came::End) => break Ok(()),
            Ok(came) if input.is_live() => {
                if let Err(error) = outlets.rest(came == Came::Nothing) {
                    break Err(error);
                }
            }
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    let result = result.and(outlets.finish());
    let counts = reader.counts();
    if let Some(dropped) = input.dropped() {
        tell(format!(
            "{}: {} {} in {} {}, {} lost by their sequence, {} late, {} doubled, {dropped} {} thrown away by the kernel",
            input.name(),
            counts.payloads,
            noun(counts.payloads, "message", "messages"),
            counts.containers,
            noun(counts.containers, "container", "containers"),
            counts.lost,
            counts.late,
            counts.doubled,
            noun(dropped, "datagram", "datagrams"),
        ));
    }
    // Why a stream stopped is said by the error.
    if counts.trouble() > u64::from(reader.stopped().is_some()) {
        tell(format!("{}: left out or missing: {counts}", input.name()));
    }
    outlets.conclude(input.name());
    result?;
    match reader.stopped() {
        None => Ok(()),
        Some(stop) => Err(anyhow::anyhow!(
            "{}: {stop}; the {} {} before it {} read",
            input.name(),
            counts.payloads,
            noun(counts.payloads, "message", "messages"),
            noun(counts.payloads, "was", "were"),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(number("0xdeadbeef"), Ok(0xdead_beef));
        assert_eq!(number("7"), Ok(7));
        for wrong in ["", "0x", "deadbeef", "-1", "4294967296", "0x100000000"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }
}
