//! What a sensor's state and its reason mean, in words: those of docs/mqtt.md.

use super::{State, Status};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All is well.
    Good,
    /// Nothing is wrong, and yet there is something to know.
    Note,
    /// It needs a person.
    Bad,
}

impl Status {
    /// How bad the state is.
    #[must_use]
    pub fn level(&self) -> Level {
        match (self.state, self.reason.as_deref()) {
            (State::Online, None) => Level::Good,
            (State::Online, Some(_)) | (State::Offline, Some("stopped")) => Level::Note,
            (State::Degraded | State::Offline, _) => Level::Bad,
        }
    }

    /// What the state means: a sentence without its first capital and its end.
    #[must_use]
    pub fn meaning(&self) -> &'static str {
        match (self.state, self.reason.as_deref()) {
            (State::Online, None) => "all is well",
            (State::Online, Some("quiet")) => "nothing is heard, and nobody knows whether there is anything to hear",
            (State::Online, Some("no_radio")) => "it has no radio, and counts nothing",
            (State::Online, Some("clock_unsynchronised")) => {
                "its clock is no longer synchronised, and goes on by itself"
            }
            (State::Online, Some(_)) => "nothing is wrong, and yet there is something to know",
            (State::Degraded, Some(reason)) => match reason {
                "no_subscriber" => "nobody receives its windows: it keeps them",
                "too_large" => "the broker takes no message as large as some of its windows: lower mqtt.max_message",
                "refused" => "the broker refuses its windows: it keeps them, and its log says why",
                "spool" => "windows cannot be written to its spool: a full disk, mostly",
                "clock" => "its clock is not synchronised, and windows wait for that",
                "radio_absent" => "its card is not there",
                "rfkill" => "its card is turned off (rfkill)",
                "radio_busy" => "its card is in use by something else",
                "radio_changed" => "its card was changed by somebody, and is being changed back",
                "radio_unusable" => "its card is not to be had",
                "radio_failed" => "its card is refused by the driver",
                "capture" => "its card cannot be read",
                "radio_deaf" => "it hears nothing where there usually is something: the card is being healed",
                "wrong_channel" => "it hears another channel than it should: the card is being healed",
                "bad_fcs" => "most of its frames are damaged",
                "malformed" => "most of its frames cannot be read",
                "channels" => "channels asked for may not be listened to there",
                _ => "it counts, but something needs a person",
            },
            (State::Degraded, None) => "it counts, but something needs a person",
            (State::Offline, Some("stopped")) => "it was stopped in order",
            (State::Offline, Some("connection_lost")) => "it was killed, or has no power or no network",
            (State::Offline, _) => "it is not there",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_words_and_a_level() {
        for (state, reason, level, word) in [
            (State::Online, None, Level::Good, "well"),
            (State::Online, Some("quiet"), Level::Note, "nothing is heard"),
            (State::Online, Some("no_radio"), Level::Note, "no radio"),
            (State::Degraded, Some("radio_deaf"), Level::Bad, "hears nothing"),
            (State::Degraded, Some("novel"), Level::Bad, "needs a person"),
            (State::Offline, Some("stopped"), Level::Note, "stopped in order"),
            (State::Offline, Some("connection_lost"), Level::Bad, "killed"),
        ] {
            let status = Status { state, reason: reason.map(str::to_owned), ..Status::online(None) };
            assert_eq!(status.level(), level, "{reason:?}");
            assert!(status.meaning().contains(word), "{}", status.meaning());
        }
    }
}
