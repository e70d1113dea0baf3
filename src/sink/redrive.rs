//! Offers dead letters again, after whatever made a database refuse them was put right.

use super::{DeadLetters, Sink, SinkError, dead_letters::DeadLetterError};
use crate::wire::Record;

/// How a redrive went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Letters that were stored, and are letters no more.
    pub stored: u64,
    /// Letters that are still refused, or are for a sink that there is not.
    pub kept: u64,
    /// Why the last of them was kept.
    pub last_reason: Option<String>,
}

/// Offers every letter of the sink named `only` (or of all of them) to its sink; a payload that no sink was asked
/// for, because it was no record, is offered to all of `sinks` if this version can read it.
///
/// # Errors
/// When the letters cannot be read or changed. A sink that cannot be reached keeps its letters: that is no error.
pub async fn redrive<S: Sink>(
    letters: &mut DeadLetters,
    sinks: &mut [S],
    only: Option<&str>,
) -> Result<Redriven, DeadLetterError> {
    let mut outcome = Redriven::default();
    let mut after = 0;
    while let Some(letter) = letters.list(only, after, 1)?.pop() {
        after = letter.id;
        let offered = match Record::decode(&letter.body) {
            // A payload that spoke for another sensor than its topic's is no better for being readable.
            Ok(record) if letter.topic.as_ref().is_some_and(|topic| *topic != origin(&record)) => Err(format!(
                "it came from {} and claims to be from {}",
                letter.topic.unwrap_or_default(),
                origin(&record)
            )),
            Ok(record) => offer(&record, sinks, letter.sink.as_deref()).await,
            Err(error) => Err(error.to_string()),
        };
        match offered {
            Ok(()) => {
                letters.remove(letter.id)?;
                outcome.stored += 1;
            }
            Err(reason) => {
                outcome.kept += 1;
                outcome.last_reason = Some(reason);
            }
        }
    }
    Ok(outcome)
}

/// Site and sensor of a record, as [`DeadLetters::undecodable`] is told them.
fn origin(record: &Record) -> String {
    format!("{}/{}", record.site(), record.sensor())
}

async fn offer<S: Sink>(record: &Record, sinks: &mut [S], to: Option<&str>) -> Result<(), String> {
    let mut asked = false;
    for sink in sinks.iter_mut().filter(|sink| to.is_none_or(|name| name == sink.name())) {
        asked = true;
        sink.store(std::slice::from_ref(record)).await.map_err(|error| match error {
            SinkError::Temporary { reason, .. } | SinkError::Refused { reason, .. } => reason,
        })?;
    }
    match (asked, to) {
        (true, _) => Ok(()),
        (false, Some(name)) => Err(format!("the configuration has no sink named '{name}' any more")),
        (false, None) => Err("the configuration has no sink".to_owned()),
    }
}
