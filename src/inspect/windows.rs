//! The batches that the sensor would publish for a capture: the same counter, identity and parts, from an empty state.

use super::{
    Input, Options, Progress,
    read::{self, Gate},
};
use crate::{
    capture::{CaptureError, Packet, Polled, survey::Survey},
    config::Sensor,
    dot11::{self, Reading},
    oui::Registry,
    people::{Heard, Meter},
    run::{
        batches::{Batches, Beside, Runs, counter_settings},
        identity,
        key_file::PassingKeys,
        people,
        site_secret::SiteSecretFile,
        watch::AlertWindows,
    },
    tally::{Closed, Counter, KeyError, Naming, Tracker},
    wire::{Record, TimeSource},
};
use std::{io, path::Path, sync::Arc};

/// Why the batches of a capture end early.
#[derive(Debug, thiserror::Error)]
pub enum WindowsError {
    /// The capture.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Counting.
    #[error(transparent)]
    Count(#[from] KeyError),
    /// Whoever takes the batches.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Counts one capture as a sensor with this configuration would, and hands over each batch. Gives the warnings.
///
/// The run of a whole file is the sensor's own for it. Of a file that was not counted whole, of standard input, and
/// with pseudonyms it is a new one: those are other windows than the sensor's.
///
/// # Errors
/// When the capture cannot be read on (the open window is handed over before), or `take` fails.
pub fn batches(
    input: &Input,
    options: &Options,
    config: &Arc<Sensor>,
    registry: &Arc<Registry>,
    progress: &Arc<Progress>,
    take: &mut dyn FnMut(Record) -> io::Result<()>,
) -> Result<Vec<String>, WindowsError> {
    let mut source = read::open(input, progress)?;
    if let Some(octets) = options.max_bytes {
        source.limit(octets);
    }
    let runs = match input {
        Input::Named(path) | Input::Found(path)
            if !options.ends_early() && !options.chooses() && identity::is_repeatable(config) =>
        {
            Runs::File(content(path)?)
        }
        _ => Runs::Fresh(identity::fresh()),
    };
    let mut batches = Batches::new(config, registry.hash(), runs);
    let keys = Box::new(PassingKeys::default());
    let mut counter = Counter::new(counter_settings(config, false), Arc::clone(registry), Tracker::default(), keys);
    if config.sketch.enabled {
        counter = counter.with_sketches(Box::new(SiteSecretFile::passing(&config.spool.state_dir)));
    }
    let mut gate = Gate::new(options)?;
    let survey = Survey::begin(&mut source);
    let verdict = survey.verdict();
    let mut survey = Some(survey);
    let mut alerts = AlertWindows::new(config);
    let mut people = config.people.enabled.then(|| people::meter(config));
    let mut hand_over = |mut window: Closed, people: &mut Option<Meter>, alerts: &mut Option<AlertWindows>, last| {
        if let Some(people) = people {
            window.contents.people = people.window(window.start, window.end, Heard::Captured, last);
        }
        let naming = window.naming.take().unwrap_or(Naming::Withheld);
        let told = alerts.as_mut().map_or_else(Vec::new, |alerts| alerts.window(&window, &naming, last));
        let beside = Beside { alerts: told.into_iter().map(|(_, alert)| alert).collect(), ..Beside::default() };
        batches.records(window, beside, TimeSource::Capture, last).try_for_each(&mut *take)
    };
    let ended = loop {
        let mut failure = None::<WindowsError>;
        let mut count = |packet: Packet<'_>| {
            if failure.is_some() || !gate.admits(&packet) {
                return;
            }
            let reading = Reading { told: packet.told, checks: verdict.checks };
            let facts = dot11::parse_as(packet.link, packet.data, packet.original_len, reading);
            failure = match counter.packet(packet.time, &facts, packet.original_len) {
                Ok(None) => None,
                Ok(Some(window)) => hand_over(window, &mut people, &mut alerts, false).err().map(Into::into),
                Err(error) => Some(error.into()),
            };
            if packet.mended {
                counter.time_was_mended();
            }
            if let (Some(alerts), None) = (&mut alerts, &failure) {
                alerts.frame(packet.time, &facts);
            }
            if let (Some(people), None) = (&mut people, &failure) {
                people.frame(packet.time, &facts);
            }
        };
        let polled = match survey.take() {
            Some(survey) => survey.replay(&mut count),
            None => source.poll(&mut count),
        };
        match (polled, failure.or_else(|| gate.failure.take().map(Into::into))) {
            (_, Some(failure)) => return Err(failure),
            (_, None) if gate.is_done => break Ok(()),
            (Err(error), None) => break Err(error),
            (Ok(Polled::End), None) => break Ok(()),
            (Ok(_), None) => {}
        }
    };
    let last = counter.finish(None);
    let in_no_window = last.is_none() && counter.without_time() > 0;
    if let Some(window) = last {
        hand_over(window, &mut people, &mut alerts, true)?;
    }
    ended?;
    if in_no_window {
        return Err(CaptureError::NoTimes { name: input.name() }.into());
    }
    let named = |warning| format!("{}: {warning}", input.name());
    let shown = verdict.warnings().into_iter().map(named);
    let stopped = progress.is_stopped().then(|| read::stopped(input, "read to its end"));
    Ok(shown.chain(gate.warning.take()).chain(source.warnings()).chain(stopped).collect())
}

fn content(path: &Path) -> Result<identity::ContentHash, CaptureError> {
    identity::ContentHash::of_file(path)
        .map_err(|source| CaptureError::Read { name: path.display().to_string(), source })
}
