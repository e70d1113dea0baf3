//! One capture, from its beginning to its end or a bound, into a report.

use super::{FileCount, Input, Options, Progress, Report};
use crate::{
    UnixNanos,
    capture::{CaptureError, Filter, Packet, Polled, Source, Stdin, survey::Survey},
    units::noun,
};
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
    sync::Arc,
};

/// Counts `input` into `report`. What goes wrong is in the report too.
pub(super) fn input(input: &Input, options: &Options, progress: &Arc<Progress>, report: &mut Report) {
    let before = report.frames();
    if progress.is_stopped() {
        report.warnings.push(stopped(input, "read"));
        return;
    }
    let mut source = match open(input, progress) {
        Ok(source) => source,
        // Whoever named a directory did not say that all files in it are captures.
        Err(error) if input.is_found() && error.is_no_capture() => return,
        Err(error) => {
            report.failures.push(error);
            return;
        }
    };
    let ended = surveyed(&mut source, options, report);
    finish(input, &source, ended, before, report);
    if progress.is_stopped() {
        report.warnings.push(stopped(input, "read to its end"));
    }
}

/// What is said of a capture when reading was stopped.
pub(super) fn stopped(input: &Input, what: &str) -> String {
    format!("{} was not {what}: reading was stopped", input.name())
}

/// Adds what is known of a capture once it was read.
pub(super) fn finish(
    input: &Input,
    source: &Source,
    ended: Result<Option<String>, CaptureError>,
    before: u64,
    report: &mut Report,
) {
    let frames = report.frames() - before;
    // Of a capture that fails before its first packet there is nothing to say but why.
    if ended.is_ok() || frames > 0 {
        report.add_links(&source.link_types());
        report.files.push(FileCount { name: input.name(), frames });
    }
    let named = |warning| format!("{}: {warning}", input.name());
    report.warnings.extend(report.verdict.warnings().into_iter().map(named));
    match ended {
        Ok(warning) => report.warnings.extend(warning),
        Err(error) => report.failures.push(error),
    }
    report.warnings.extend(source.warnings());
}

/// Opens a capture, so that reading it moves `progress`.
pub(super) fn open(input: &Input, progress: &Arc<Progress>) -> Result<Source, CaptureError> {
    let name = input.name();
    let reader: Box<dyn Read + Send> = match input {
        Input::Stdin => {
            let progress = Arc::clone(progress);
            Box::new(Stdin::new(move || progress.is_stopped()))
        }
        Input::Named(path) | Input::Found(path) => {
            Box::new(open_file(path).map_err(|source| CaptureError::Open { name: name.clone(), source })?)
        }
    };
    Source::from_reader(
        Box::new(Watched { reader, progress: Arc::clone(progress), ends_at_stop: *input != Input::Stdin }),
        &name,
    )
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Err(ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

/// Tells how much was read.
struct Watched {
    reader: Box<dyn Read + Send>,
    progress: Arc<Progress>,
    ends_at_stop: bool,
}

impl Read for Watched {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        // Standard input itself sees to it that what was written to it is read.
        if self.ends_at_stop && self.progress.is_stopped() {
            return Ok(0);
        }
        let len = self.reader.read(room)?;
        self.progress.add(len as u64);
        Ok(len)
    }
}

/// Counts all of `source`, after a look at its first packets.
fn surveyed(source: &mut Source, options: &Options, report: &mut Report) -> Result<Option<String>, CaptureError> {
    if let Some(octets) = options.max_bytes {
        source.limit(octets);
    }
    let mut gate = Gate::new(options)?;
    let survey = Survey::begin(source);
    report.verdict = survey.verdict();
    let polled = survey.replay(&mut |packet| {
        if gate.is_open || gate.admits(&packet) {
            report.add(&packet);
        }
    });
    if let Some(failure) = gate.failure.take() {
        return Err(failure);
    }
    if gate.is_done || polled? == Polled::End {
        return Ok(gate.warning.take());
    }
    rest(source, gate, report, &mut |_| true, false)
}

/// Counts a part of a capture, of whose first packets the report has the verdict. Says how far it was read.
pub(super) fn source_into(
    source: &mut Source,
    options: &Options,
    report: &mut Report,
    moved: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<String>, CaptureError> {
    rest(source, Gate::new(options)?, report, moved, true)
}

/// Counts what comes after the first part of a capture, which `report` has. `source` goes on where that ended.
pub(super) fn on(input: &Input, mut source: Source, options: &Options, progress: &Progress, report: &mut Report) {
    let ended = Gate::new(options)
        .and_then(|gate| rest(&mut source, gate, report, &mut |octets| progress.moved(octets), false));
    finish(input, &source, ended, 0, report);
    if progress.is_stopped() {
        report.warnings.push(stopped(input, "read to its end"));
    }
}

/// Counts what `source` still has; of a part only as long as it can be merged. `moved` takes the octets read, and says
/// whether to go on. Gives a warning if it was not read to its end.
fn rest(
    source: &mut Source,
    mut gate: Gate<'_>,
    report: &mut Report,
    moved: &mut dyn FnMut(u64) -> bool,
    is_part: bool,
) -> Result<Option<String>, CaptureError> {
    let mut offset = source.offset();
    loop {
        let polled = if gate.is_open {
            source.poll_blocks(&mut |packets| report.add_all(packets))
        } else {
            source.poll(&mut |packet| {
                if gate.admits(&packet) {
                    report.add(&packet);
                }
            })
        }?;
        let goes_on = moved(source.offset() - offset);
        offset = source.offset();
        if let Some(failure) = gate.failure.take() {
            return Err(failure);
        }
        if polled == Polled::End || gate.is_done || !goes_on || is_part && report.is_beyond_merging() {
            return Ok(gate.warning.take());
        }
    }
}

/// Which packets are counted.
pub(super) struct Gate<'a> {
    options: &'a Options,
    filter: Option<Filter>,
    /// Every packet is.
    pub(super) is_open: bool,
    read: u64,
    admitted: u64,
    pub(super) is_done: bool,
    pub(super) warning: Option<String>,
    pub(super) failure: Option<CaptureError>,
}

impl<'a> Gate<'a> {
    pub(super) fn new(options: &'a Options) -> Result<Self, CaptureError> {
        let filter = options.filter.as_deref().map(Filter::new).transpose()?;
        let is_open = !options.chooses() && options.count.is_none() && options.max_frames.is_none();
        let is_done = options.count == Some(0);
        Ok(Self { options, filter, is_open, read: 0, admitted: 0, is_done, warning: None, failure: None })
    }

    pub(super) fn admits(&mut self, packet: &Packet<'_>) -> bool {
        if self.is_done {
            return false;
        }
        if self.options.max_frames.is_some_and(|max| self.read >= max) {
            self.is_done = true;
            self.warning = Some(format!(
                "a capture has more than {} {}: the others were not read",
                self.read,
                noun(self.read, "packet", "packets")
            ));
            return false;
        }
        self.read += 1;
        let after = self.options.since.is_none_or(|since| packet.time >= since);
        let before = self.options.until.is_none_or(|until| packet.time < until && packet.time != UnixNanos::NONE);
        if !(after && before) {
            return false;
        }
        let matches = self.filter.as_mut().map_or(Ok(true), |filter| filter.matches(packet.link, packet.data));
        match matches {
            Ok(true) => {
                self.admitted += 1;
                self.is_done = self.options.count.is_some_and(|count| self.admitted >= count);
                true
            }
            Ok(false) => false,
            Err(error) => {
                self.failure = Some(error);
                self.is_done = true;
                false
            }
        }
    }
}
