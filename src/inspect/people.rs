//! The estimates of people in captures, by the sensor's own meter. Prints nothing.

use super::{
    Input, Options, Progress, parallel,
    read::{Gate, open, stopped},
};
use crate::{
    UnixNanos,
    capture::{CaptureError, Packet, Polled, Source, survey::Survey},
    config::Sensor,
    dot11::{self, Reading, Verdict},
    people::{Heard, Meter},
    run::people,
    wire::People,
};
use std::{ops::ControlFlow, sync::Arc};

/// What is estimated of one capture.
#[derive(Debug, Default)]
pub struct Read {
    /// Whether it is a capture that could be opened.
    pub is_capture: bool,
    /// Every interval of it, in their order.
    pub people: Vec<People>,
    /// What is not right with it.
    pub warnings: Vec<String>,
    /// Why it could not be read to its end; what came before is estimated.
    pub failure: Option<CaptureError>,
}

/// Estimates each of `inputs` by itself, several at a time, and hands over what is known in order, until `take` breaks.
/// How is as `config` has it, whether it is enabled there or not.
pub fn read(
    inputs: &[Input],
    options: &Options,
    config: &Sensor,
    progress: &Arc<Progress>,
    mut take: impl FnMut(&Input, Read) -> ControlFlow<()>,
) {
    let work = |index: usize| inputs.get(index).map(|input| (input, one(input, options, config, progress)));
    parallel::in_order(inputs.len(), options.threads, work, |read| match read {
        Some((input, read)) => take(input, read),
        None => ControlFlow::Continue(()),
    });
}

fn one(input: &Input, options: &Options, config: &Sensor, progress: &Arc<Progress>) -> Read {
    let mut read = Read::default();
    if progress.is_stopped() {
        read.warnings.push(stopped(input, "read"));
        return read;
    }
    let mut source = match open(input, progress) {
        Ok(source) => source,
        // Whoever named a directory did not say that all files in it are captures.
        Err(error) if input.is_found() && error.is_no_capture() => return read,
        Err(error) => {
            read.failure = Some(error);
            return read;
        }
    };
    read.is_capture = true;
    let mut meter = people::meter(config);
    let (ended, verdict) = metered(&mut source, options, progress, &mut meter);
    read.people = meter.window(UnixNanos::NONE, UnixNanos::NONE, Heard::Captured, true);
    read.warnings.extend(verdict.warnings().into_iter().map(|warning| format!("{}: {warning}", input.name())));
    match ended {
        Ok(warning) => read.warnings.extend(warning),
        Err(error) => read.failure = Some(error),
    }
    read.warnings.extend(source.warnings());
    if progress.is_stopped() {
        read.warnings.push(stopped(input, "read to its end"));
    }
    read
}

/// Meters one capture, after a look at its first packets.
fn metered(
    source: &mut Source,
    options: &Options,
    progress: &Progress,
    meter: &mut Meter,
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
            let facts = dot11::parse_as(packet.link, packet.data, packet.original_len, reading);
            meter.frame(packet.time, &facts);
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
