//! How a sensor is, in words: those of docs/mqtt.md.

use super::view::Level;
use crate::{
    UnixNanos,
    roster::Sensor,
    wire::{self, Remark, State, Status, remarks},
};

/// What a state and its reason mean, and how bad that is.
#[must_use]
pub fn words(status: &Status) -> (Level, String) {
    let level = match status.level() {
        wire::Level::Good => Level::Good,
        wire::Level::Note => Level::Note,
        wire::Level::Bad => Level::Bad,
    };
    (level, status.meaning().to_owned())
}

/// The state's own word, with its reason: `degraded: radio_deaf`.
#[must_use]
pub fn name(status: &Status) -> String {
    let state = match status.state {
        State::Online => "online",
        State::Degraded => "degraded",
        State::Offline => "offline",
    };
    match &status.reason {
        Some(reason) => format!("{state}: {}", super::text::foreign(reason)),
        None => state.to_owned(),
    }
}

/// What an operator of many is to know of a sensor at `now`: what it said last is as old as its own time says, or as its
/// arrival here does, whichever is older.
#[must_use]
pub fn of_note(sensor: &Sensor, now: UnixNanos) -> Vec<Remark> {
    let status = sensor.status.as_ref().map(|message| {
        let age = now.saturating_since(sensor.heard).max(now.saturating_since(message.time));
        (&message.status, age)
    });
    remarks(status, sensor.about.as_ref().map(|about| about.version.as_str()), env!("CARGO_PKG_VERSION"))
}

/// The state in one word and what it means, where a sensor that is silent is not what it said last.
#[must_use]
pub fn at(sensor: &Sensor, status: &Status, now: UnixNanos) -> (Level, String, String) {
    if status.state != State::Offline && of_note(sensor, now).contains(&Remark::Silent) {
        let meaning = format!("it said {} and nothing since", name(status));
        return (Level::Bad, Remark::Silent.word().to_owned(), meaning);
    }
    let (level, words) = words(status);
    (level, name(status), words)
}

/// Whether a sensor is to hear nothing, for it has no radio.
#[must_use]
pub fn has_no_radio(sensor: &Sensor) -> bool {
    sensor.about.as_ref().and_then(|about| about.source.as_deref()) == Some("none")
}

/// What the privacy modes of these sensors withhold, a sentence each.
#[must_use]
pub fn withheld(sensors: &[&Sensor]) -> Vec<String> {
    let of_mode = |mode: &str| {
        let has = |sensor: &&&Sensor| sensor.about.as_ref().and_then(|about| about.privacy.as_deref()) == Some(mode);
        sensors.iter().filter(has).map(|sensor| super::text::foreign(&sensor.sensor)).collect::<Vec<_>>()
    };
    let mut lines = Vec::new();
    let pseudonyms = of_mode("pseudonym");
    if !pseudonyms.is_empty() {
        lines.push(format!(
            "Withheld by the privacy mode 'pseudonym' of {}: addresses. What stands here are pseudonyms (p-…), which \
             change when the sensor's key does; a station is another one then.",
            named(&pseudonyms)
        ));
    }
    let vendors = of_mode("vendor");
    if !vendors.is_empty() {
        lines.push(format!(
            "Withheld by the privacy mode 'vendor' of {}: stations are not kept, only sums by vendor. They are in the \
             counts and in no list of stations or networks.",
            named(&vendors)
        ));
    }
    lines
}

/// The first few names of many.
#[must_use]
pub fn named(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, rest @ ..] if rest.len() > 1 => format!("{one}, {two} and {} more", rest.len()),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{UnixNanos, roster::About};

    fn status(state: State, reason: Option<&str>) -> Status {
        Status { state, reason: reason.map(str::to_owned), ..Status::online(None) }
    }

    #[test]
    fn a_foreign_reason_is_shown_and_does_nothing() {
        assert_eq!(name(&status(State::Degraded, Some("a\u{202e}b"))), "degraded: a\\u{202e}b");
    }

    #[test]
    fn what_a_mode_withholds_is_said_of_whom() {
        let sensor = |name: &str, mode: &str| Sensor {
            site: "home".into(),
            sensor: name.into(),
            heard: UnixNanos(0),
            status: None,
            about: Some(About { privacy: Some(mode.into()), ..About::default() }),
        };
        let (one, two, three) = (sensor("attic", "vendor"), sensor("hall", "plain"), sensor("yard", "pseudonym"));
        let lines = withheld(&[&one, &two, &three]);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().any(|line| line.contains("'vendor' of attic")));
        assert!(withheld(&[&two]).is_empty());
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!((named(&names[..3]), named(&names)), ("a, b and c".to_owned(), "a, b and 2 more".to_owned()));
    }
}
