//! How a sensor is, in words: those of docs/mqtt.md.

use super::view::Level;
use crate::{
    roster::Sensor,
    wire::{State, Status},
};

/// What a state and its reason mean, and how bad that is.
#[must_use]
pub fn words(status: &Status) -> (Level, String) {
    let reason = status.reason.as_deref();
    let level = match (status.state, reason) {
        (State::Online, None) => Level::Good,
        (State::Online, Some(_)) | (State::Offline, Some("stopped")) => Level::Note,
        (State::Degraded | State::Offline, _) => Level::Bad,
    };
    let meaning = match (status.state, reason) {
        (State::Online, None) => "all is well",
        (State::Online, Some("quiet")) => "nothing is heard, and nobody knows whether there is anything to hear",
        (State::Online, Some("clock_unsynchronised")) => "its clock is no longer synchronised, and goes on by itself",
        (State::Online, Some(_)) => "nothing is wrong, and yet there is something to know",
        (State::Degraded, Some("no_subscriber")) => "nobody receives its windows: it keeps them",
        (State::Degraded, Some("refused")) => "the broker refuses its windows: it keeps them, and its log says why",
        (State::Degraded, Some("spool")) => "windows cannot be written to its spool: a full disk, mostly",
        (State::Degraded, Some("clock")) => "its clock is not synchronised, and windows wait for that",
        (State::Degraded, Some("radio_absent")) => "its card is not there",
        (State::Degraded, Some("rfkill")) => "its card is turned off (rfkill)",
        (State::Degraded, Some("radio_busy")) => "its card is in use by something else",
        (State::Degraded, Some("radio_changed")) => "its card was changed by somebody, and is being changed back",
        (State::Degraded, Some("radio_unusable")) => "its card is not to be had",
        (State::Degraded, Some("radio_failed")) => "its card is refused by the driver",
        (State::Degraded, Some("capture")) => "its card cannot be read",
        (State::Degraded, Some("radio_deaf")) => {
            "it hears nothing where there usually is something: the card is being healed"
        }
        (State::Degraded, Some("wrong_channel")) => "it hears another channel than it should: the card is being healed",
        (State::Degraded, Some("bad_fcs")) => "most of its frames are damaged",
        (State::Degraded, Some("malformed")) => "most of its frames cannot be read",
        (State::Degraded, Some("channels")) => "channels asked for may not be listened to there",
        (State::Degraded, _) => "it counts, but something needs a person",
        (State::Offline, Some("stopped")) => "it was stopped in order",
        (State::Offline, Some("connection_lost")) => "it was killed, or has no power or no network",
        (State::Offline, _) => "it is not there",
    };
    (level, meaning.to_owned())
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
    fn every_state_has_words_and_a_level() {
        for (state, reason, level, word) in [
            (State::Online, None, Level::Good, "well"),
            (State::Online, Some("quiet"), Level::Note, "nothing is heard"),
            (State::Degraded, Some("radio_deaf"), Level::Bad, "hears nothing"),
            (State::Degraded, Some("novel"), Level::Bad, "needs a person"),
            (State::Offline, Some("stopped"), Level::Note, "stopped in order"),
            (State::Offline, Some("connection_lost"), Level::Bad, "killed"),
        ] {
            let (found, words) = words(&status(state, reason));
            assert_eq!(found, level, "{reason:?}");
            assert!(words.contains(word), "{words}");
        }
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
