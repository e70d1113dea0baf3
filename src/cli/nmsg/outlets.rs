//! What becomes of messages: printed, written, sent. And what is said at the end of those that were not.

use super::{FormatArg, IPCONN, PACKET};
use crate::{
    cli::format::tell,
    nmsg::{
        MessageError, NoTuple, Payload, Type, Writer, WriterSettings, five_tuple,
        text::{self, Shown},
    },
    nmsg_io::{Output, Pace, TransferError},
    printable::printable_lines,
    units::noun,
};
use std::{
    fmt,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write},
    net::SocketAddr,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

/// Octets of text written at a time.
const TEXT: usize = 1 << 16;
/// How long a message of a live input waits for others to go out with it.
const WAIT: Duration = Duration::from_millis(500);

/// What every message is given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamp {
    pub(super) source: Option<u32>,
    pub(super) operator: Option<u32>,
    pub(super) group: Option<u32>,
}

/// Where messages go.
pub(super) struct Outlets {
    text: Option<(FormatArg, BufWriter<Stdout>)>,
    on_terminal: bool,
    file: Option<(Writer, Output)>,
    socket: Option<(Writer, Output)>,
    stamp: Stamp,
    pace: Option<Pace>,
    /// Since when something waits to go out.
    waiting: Option<Instant>,
    line: Vec<u8>,
    left_out: LeftOut,
    /// The only type that is wanted.
    pub(super) kind: Option<Type>,
    /// Messages that are still wanted.
    pub(super) left: Option<u64>,
    /// Nothing waits.
    pub(super) unbuffered: bool,
    /// Packets are turned into their 5-tuples before anything else.
    pub(super) as_tuples: bool,
}

/// Messages that were not printed, or not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    empty: u64,
    damaged: u64,
    not_read: u64,
    no_ports: u64,
    no_tuple: u64,
    too_large: u64,
}

impl LeftOut {
    fn no_tuple(&mut self, why: &NoTuple) {
        *match why {
            NoTuple::OtherType => &mut self.no_tuple,
            NoTuple::Empty => &mut self.empty,
            NoTuple::NoPorts => &mut self.no_ports,
            NoTuple::Damaged(MessageError::Other { .. } | MessageError::Damaged(_) | MessageError::Address { .. }) => {
                &mut self.damaged
            }
        } += 1;
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.empty, "that say nothing"),
            (self.damaged, "whose octets are not what their type prescribes"),
            (self.no_ports, "with packets that have no ports"),
            (self.no_tuple, "of types that have no 5-tuple"),
            (self.too_large, "larger than what readers take"),
        ];
        let parts: Vec<_> =
            parts.iter().filter(|&&(number, _)| number > 0).map(|(number, what)| format!("{number} {what}")).collect();
        out.write_str(&parts.join(", "))
    }
}

impl Outlets {
    pub(super) fn new(form: Option<FormatArg>, stamp: Stamp) -> Self {
        Self {
            text: form.map(|form| (form, BufWriter::with_capacity(TEXT, io::stdout()))),
            on_terminal: io::stdout().is_terminal(),
            file: None,
            socket: None,
            stamp,
            pace: None,
            waiting: None,
            line: Vec::new(),
            left_out: LeftOut::default(),
            kind: None,
            left: None,
            unbuffered: false,
            as_tuples: false,
        }
    }

    pub(super) fn write_to(&mut self, path: &Path, settings: WriterSettings) -> Result<(), TransferError> {
        let output = if path.as_os_str() == "-" { Output::stdout() } else { Output::file(path)? };
        self.file = Some((Writer::new(settings), output));
        Ok(())
    }

    pub(super) fn send_to(&mut self, to: SocketAddr, settings: WriterSettings) -> Result<(), TransferError> {
        self.socket = Some((Writer::new(settings), Output::socket(to)?));
        Ok(())
    }

    /// The socket that messages are sent to.
    pub(super) fn sends_to(&self) -> Option<SocketAddr> {
        self.socket.as_ref().and_then(|(_, output)| output.to())
    }

    pub(super) fn set_rate(&mut self, rate: Option<u32>) {
        self.pace = rate.map(Pace::new);
    }

    /// Whether no more messages are wanted.
    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    /// Takes a message; breaks if it was the last one that was wanted.
    pub(super) fn take(&mut self, mut payload: Payload) -> anyhow::Result<ControlFlow<()>> {
        if self.is_done() {
            return Ok(ControlFlow::Break(()));
        }
        if self.as_tuples && payload.kind == PACKET {
            match five_tuple(&payload) {
                Ok(conn) => payload = as_conn(&payload, conn.to_payload(payload.seconds, payload.nanos)),
                Err(why) => {
                    self.left_out.no_tuple(&why);
                    return Ok(ControlFlow::Continue(()));
                }
            }
        }
        if self.kind.is_some_and(|kind| kind != payload.kind) {
            return Ok(ControlFlow::Continue(()));
        }
        payload.source = self.stamp.source.or(payload.source);
        payload.operator = self.stamp.operator.or(payload.operator);
        payload.group = self.stamp.group.or(payload.group);
        if let Some(pace) = &mut self.pace {
            pace.wait();
        }
        let mut taken = self.print(&payload)?;
        taken |= self.send(&payload)?;
        taken |= self.write(payload)?;
        if taken && let Some(left) = &mut self.left {
            *left -= 1;
        }
        if self.unbuffered {
            self.flush()?;
        } else if self.waiting.get_or_insert_with(Instant::now).elapsed() > WAIT && self.pace.is_some() {
            // At a slow rate the next message may be long in coming.
            self.flush()?;
        }
        Ok(if self.is_done() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn print(&mut self, payload: &Payload) -> anyhow::Result<bool> {
        let Some((form, out)) = &mut self.text else { return Ok(false) };
        self.line.clear();
        let shown = match form {
            FormatArg::Presentation => text::presentation(payload, &mut self.line),
            FormatArg::Json => text::json(payload, &mut self.line),
            FormatArg::Tuple => match text::five_tuple(payload, &mut self.line) {
                Ok(()) => Shown::Whole,
                Err(why) => {
                    self.left_out.no_tuple(&why);
                    return Ok(false);
                }
            },
        };
        match shown {
            Shown::Whole => {}
            Shown::NotRead => self.left_out.not_read += 1,
            Shown::Empty => self.left_out.empty += 1,
            Shown::Damaged => self.left_out.damaged += 1,
        }
        if self.on_terminal {
            // What a stranger wrote into a message must not steer the terminal.
            out.write_all(printable_lines(&String::from_utf8_lossy(&self.line)).as_bytes())?;
        } else {
            out.write_all(&self.line)?;
        }
        Ok(matches!(shown, Shown::Whole | Shown::NotRead))
    }

    /// Sends the message's 5-tuple.
    fn send(&mut self, payload: &Payload) -> anyhow::Result<bool> {
        let Some((writer, output)) = &mut self.socket else { return Ok(false) };
        let conn = match five_tuple(payload) {
            Ok(conn) => as_conn(payload, conn.to_payload(payload.seconds, payload.nanos)),
            Err(why) => {
                // Said once, if it was to be printed too.
                if !matches!(self.text, Some((FormatArg::Tuple, _))) {
                    self.left_out.no_tuple(&why);
                }
                return Ok(false);
            }
        };
        let is_taken = writer.push(conn).is_ok();
        output.send(writer)?;
        Ok(is_taken)
    }

    /// Writes the message as it is.
    fn write(&mut self, payload: Payload) -> anyhow::Result<bool> {
        let Some((writer, output)) = &mut self.file else { return Ok(false) };
        // A connection that says nothing ends the reference tool's JSON output.
        if payload.kind == IPCONN && payload.octets.is_empty() {
            self.left_out.empty += u64::from(self.text.is_none() && self.socket.is_none());
            return Ok(false);
        }
        let is_taken = writer.push(payload).is_ok();
        self.left_out.too_large += u64::from(!is_taken);
        output.send(writer)?;
        Ok(is_taken)
    }

    /// For live inputs, between two reads: what has waited long enough goes out, and all of it where nothing comes.
    pub(super) fn rest(&mut self, nothing_comes: bool) -> anyhow::Result<()> {
        let waited = self.waiting.is_some_and(|since| nothing_comes || since.elapsed() > WAIT);
        if waited { self.flush() } else { Ok(()) }
    }

    /// Everything goes out.
    fn flush(&mut self) -> anyhow::Result<()> {
        self.waiting = None;
        if let Some((_, out)) = &mut self.text {
            out.flush()?;
        }
        for (writer, output) in [&mut self.file, &mut self.socket].into_iter().flatten() {
            writer.flush();
            output.send(writer)?;
        }
        Ok(())
    }

    /// The input has ended.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.flush()
    }

    /// Says what was left out, and what became of what was sent.
    pub(super) fn conclude(&self, name: &str) {
        let LeftOut { not_read, .. } = self.left_out;
        let left_out = self.left_out.to_string();
        if !left_out.is_empty() {
            tell(format!("{name}: messages left out: {left_out}"));
        }
        if not_read > 0 {
            tell(format!(
                "{name}: {not_read} {} of types that are named here and not read",
                noun(not_read, "message", "messages")
            ));
        }
        if let Some((_, output)) = &self.socket
            && output.refused() > 0
        {
            tell(format!(
                "{} of {} datagrams were taken by nobody: does anybody listen there?",
                output.refused(),
                output.sent()
            ));
        }
    }
}

/// A connection that comes from where the message comes from.
fn as_conn(from: &Payload, conn: Payload) -> Payload {
    Payload { source: from.source, operator: from.operator, group: from.group, ..conn }
}
