//! What an operator of many sensors looks for: which are silent, deaf, behind, old, or without a radio; and how many series
//! they may ask a database for.

use super::{State, Status};
use serde_json::Value;
use std::time::Duration;

/// Who is there speaks every minute: whoever was silent for so long may not be there.
pub const SILENT_AFTER: Duration = Duration::from_secs(180);
/// Messages that wait in a spool for no more than this many are on their way.
const BEHIND: u64 = 30;
/// Reasons of a sensor that is there and hears nothing, or not what it should.
const DEAF: [&str; 8] = [
    "radio_absent",
    "rfkill",
    "radio_busy",
    "radio_unusable",
    "radio_failed",
    "capture",
    "radio_deaf",
    "wrong_channel",
];

/// One thing to know of a sensor; the first is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remark {
    /// It was not heard for [`SILENT_AFTER`], or its connection is lost.
    Silent,
    /// It is there, and its card does not listen.
    Deaf,
    /// Windows wait in its spool.
    Behind,
    /// Its program is older than ingest's.
    Old,
    /// It has no radio, and is to have none.
    NoRadio,
}

impl Remark {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Silent, Self::Deaf, Self::Behind, Self::Old, Self::NoRadio];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Deaf => "deaf",
            Self::Behind => "behind",
            Self::Old => "old",
            Self::NoRadio => "no radio",
        }
    }

    /// What it means: a sentence without its first capital and its end.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Silent => "not heard for three minutes, or the connection is lost",
            Self::Deaf => "there, and the card does not listen",
            Self::Behind => "windows wait for the broker",
            Self::Old => "the program is older than ingest's",
            Self::NoRadio => "without a radio, as configured",
        }
    }
}

/// What is to know of a sensor that said `status` so long ago, and whose program has this version where ingest's has that.
#[must_use]
pub fn remarks(status: Option<(&Status, Duration)>, version: Option<&str>, newest: &str) -> Vec<Remark> {
    let said = status.map(|(status, _)| (status.state, status.reason.as_deref()));
    let is_there = status.is_some_and(|(status, age)| status.state != State::Offline && age <= SILENT_AFTER);
    let is = |remark: &Remark| match remark {
        Remark::Silent => match said {
            None => true,
            Some((State::Offline, reason)) => reason != Some("stopped"),
            Some(_) => !is_there,
        },
        Remark::Deaf => is_there && matches!(said, Some((State::Degraded, Some(reason))) if DEAF.contains(&reason)),
        Remark::Behind => {
            is_there && status.is_some_and(|(status, _)| status.waiting.is_some_and(|many| many > BEHIND))
        }
        Remark::Old => version.is_some_and(|version| is_older(version, newest)),
        Remark::NoRadio => is_there && matches!(said, Some((_, Some("no_radio")))),
    };
    Remark::ALL.into_iter().filter(is).collect()
}

/// Whether a version comes before another: by its numbers, of which a word behind a `-` is none. What is no version is
/// never older.
fn is_older(version: &str, other: &str) -> bool {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        text.split(['-', '+']).next()?.split('.').map(|number| number.parse().ok()).collect()
    };
    numbers(version).zip(numbers(other)).is_some_and(|(version, other)| version < other)
}

/// The newest of some versions.
#[must_use]
pub fn newest<'a>(versions: impl Iterator<Item = &'a str>, otherwise: &'a str) -> &'a str {
    versions.reduce(|newest, other| if is_older(newest, other) { other } else { newest }).unwrap_or(otherwise)
}

/// Series of single stations that a sensor with this configuration (of its `info`) may ask a database for; none where its
/// privacy mode or the lack of a radio leaves nothing to track.
#[must_use]
pub fn series_budget(config: &Value) -> u64 {
    let text = |path: &str| config.pointer(path).and_then(Value::as_str);
    if text("/source/kind") == Some("none") || text("/privacy/mac").is_some_and(|mode| mode != "plain") {
        return 0;
    }
    config.pointer("/tracking/budget").and_then(Value::as_u64).unwrap_or(0)
}

/// The warning that is due where these budgets together pass what a database holds; `limit` is that, with its name.
#[must_use]
pub fn budget_warning(budgets: impl Iterator<Item = u64>, limit: Option<(u64, &str)>) -> Option<String> {
    let (limit, name) = limit?;
    let (sum, sensors) = budgets
        .filter(|budget| *budget > 0)
        .fold((0_u64, 0_u64), |(sum, sensors), budget| (sum.saturating_add(budget), sensors + 1));
    (sum > limit).then(|| {
        format!(
            "the series budgets of {sensors} sensors together are {sum}, and the database '{name}' is to hold {limit}: lower \
             tracking.budget on the sensors, or raise what the database holds, and influx.max_series with it"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(state: State, reason: Option<&str>, waiting: u64) -> Status {
        Status { state, reason: reason.map(str::to_owned), waiting: Some(waiting), ..Status::online(None) }
    }

    #[test]
    fn each_sensor_is_what_it_is() {
        use Remark::{Behind, Deaf, NoRadio, Old, Silent};
        let soon = Duration::from_secs(30);
        for (status, age, version, expected) in [
            (status(State::Online, None, 3), soon, "0.2.0", vec![]),
            (status(State::Online, None, 31), soon, "0.2.0", vec![Behind]),
            (status(State::Online, None, 31), Duration::from_secs(181), "0.2.0", vec![Silent]),
            (status(State::Offline, Some("stopped"), 0), Duration::MAX, "0.2.0", vec![]),
            (status(State::Offline, Some("connection_lost"), 0), soon, "0.1.9", vec![Silent, Old]),
            (status(State::Degraded, Some("radio_deaf"), 0), soon, "0.2.0", vec![Deaf]),
            (status(State::Degraded, Some("clock"), 0), soon, "0.2.0", vec![]),
            (status(State::Online, Some("no_radio"), 0), soon, "0.10.0", vec![NoRadio]),
            (status(State::Online, None, 0), soon, "today's", vec![]),
        ] {
            assert_eq!(remarks(Some((&status, age)), Some(version), "0.2.0"), expected, "{status:?} {version}");
        }
        assert_eq!(remarks(None, None, "0.2.0"), [Silent]);
        assert_eq!(newest(["0.2.0", "0.10.0", "0.9.9-dirty"].into_iter(), "1"), "0.10.0");
        assert_eq!(newest([].into_iter(), "1"), "1");
    }

    #[test]
    fn budgets_are_added_up_where_they_are_of_use() {
        let plain = json!({"tracking": {"budget": 600}, "privacy": {"mac": "plain"}, "source": {"kind": "radio"}});
        let vendor = json!({"tracking": {"budget": 600}, "privacy": {"mac": "vendor"}});
        let none = json!({"tracking": {"budget": 600}, "source": {"kind": "none"}});
        let budgets = || [&plain, &vendor, &none, &plain, &json!(3)].map(series_budget).into_iter();
        assert_eq!(budgets().collect::<Vec<_>>(), [600, 0, 0, 600, 0]);
        assert_eq!(budget_warning(budgets(), None), None);
        assert_eq!(budget_warning(budgets(), Some((1_200, "influx"))), None);
        let said = budget_warning(budgets(), Some((1_199, "influx"))).unwrap_or_default();
        assert!(said.contains("2 sensors together are 1200") && said.contains("'influx' is to hold 1199"), "{said}");
    }
}
