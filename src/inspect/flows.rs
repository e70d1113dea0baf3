//! The flows of captures: packets through the same doors as a count, into a meter. Prints nothing.

use super::{
    FileCount, Input, Options, Progress,
    read::{Gate, open, stopped},
};
use crate::{
    capture::{CaptureError, Packet, Polled, Source, survey::Survey},
    dot11::{Reading, Verdict},
    flow::{Flow, Meter},
};
use std::{ops::ControlFlow, sync::Arc};

/// How reading went.
#[derive(Debug, Default)]
pub struct Read {
    /// The captures that could be opened.
    pub files: Vec<FileCount>,
    /// What is not right with captures that could be read.
    pub warnings: Vec<String>,
    /// Captures that could not be read, or not to their end; what came before is counted.
    pub failures: Vec<CaptureError>,
}

/// Meters all of `inputs`, as if each followed the one before: a flow may go on from one into the next. Flows that have ended
/// go to `take`, until it breaks; those that go on stay with the meter.
pub fn read(
    inputs: &[Input],
    options: &Options,
    progress: &Arc<Progress>,
    meter: &mut Meter,
    take: &mut dyn FnMut(Flow) -> ControlFlow<()>,
) -> Read {
    let mut read = Read::default();
    let mut taken = ControlFlow::Continue(());
    for input in inputs {
        if progress.is_stopped() {
            read.warnings.push(stopped(input, "read"));
            continue;
        }
        let mut source = match open(input, progress) {
            Ok(source) => source,
            // Whoever named a directory did not say that all files in it are captures.
            Err(error) if input.is_found() && error.is_no_capture() => continue,
            Err(error) => {
                read.failures.push(error);
                continue;
            }
        };
        let before = meter.totals().captured.packets;
        let mut emit = |flow: Flow| {
            if taken.is_continue() {
                taken = take(flow);
            }
        };
        let (ended, verdict) = one(&mut source, options, progress, meter, &mut emit);
        let frames = meter.totals().captured.packets - before;
        if ended.is_ok() || frames > 0 {
            read.files.push(FileCount { name: input.name(), frames });
        }
        read.warnings.extend(verdict.warnings().into_iter().map(|warning| format!("{}: {warning}", input.name())));
        match ended {
            Ok(warning) => read.warnings.extend(warning),
            Err(error) => read.failures.push(error),
        }
        read.warnings.extend(source.warnings());
        if progress.is_stopped() {
            read.warnings.push(stopped(input, "read to its end"));
        }
        if taken.is_break() {
            break;
        }
    }
    read
}

/// Meters one capture, after a look at its first packets.
fn one(
    source: &mut Source,
    options: &Options,
    progress: &Progress,
    meter: &mut Meter,
    emit: &mut impl FnMut(Flow),
) -> (Result<Option<String>, CaptureError>, Verdict) {
    if let Some(octets) = options.max_bytes {
        source.limit(octets);
    }
    let mut gate = match Gate::new(options) {
        Ok(gate) => gate,
        Err(error) => return (Err(error), Verdict::default()),
    };
    let survey = Survey::begin(source);
    let verdict = survey.verdict();
    let mut each = |gate: &mut Gate<'_>, packet: Packet<'_>| {
        if gate.is_open || gate.admits(&packet) {
            let reading = Reading { told: packet.told, checks: verdict.checks };
            meter.packet(packet.time, packet.link, packet.data, packet.original_len, reading, emit);
        }
    };
    let mut polled = survey.replay(&mut |packet| each(&mut gate, packet));
    loop {
        if let Some(failure) = gate.failure.take() {
            return (Err(failure), verdict);
        }
        match polled {
            Err(error) => return (Err(error), verdict),
            Ok(Polled::End) => break,
            Ok(_) if gate.is_done || progress.is_stopped() => break,
            Ok(_) => polled = source.poll(&mut |packet| each(&mut gate, packet)),
        }
    }
    (Ok(gate.warning.take()), verdict)
}
