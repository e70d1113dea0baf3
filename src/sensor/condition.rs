//! How the parts of a sensor say how they are, and what its status makes of that: the worst. Knows no part's reasons,
//! and no transport.

use crate::wire::{State, Status};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// A part of the sensor that can be in trouble. Of two in equal trouble, the status names the one that is first here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Where windows wait for the broker.
    Spool,
    /// The card, and what it hears.
    Radio,
    /// The system clock.
    Clock,
    /// What the frames are worth.
    Frames,
}

/// How a part is. Of two conditions, the greater is the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Condition {
    /// All is well.
    #[default]
    Good,
    /// Nothing is wrong, yet a reader should know (`quiet`): the status stays `online`, with this reason.
    Noted(&'static str),
    /// It needs a person, for this reason: the status is `degraded`.
    Degraded(&'static str),
}

impl Condition {
    const fn severity(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Noted(_) => 1,
            Self::Degraded(_) => 2,
        }
    }

    fn tell(self, status: &mut Status) {
        let (state, reason) = match self {
            Self::Good => (State::Online, None),
            Self::Noted(reason) => (State::Online, Some(reason)),
            Self::Degraded(reason) => (State::Degraded, Some(reason)),
        };
        status.state = state;
        status.reason = reason.map(str::to_owned);
    }
}

/// Where every part of a sensor reports how it is. Clones report to the same status; a report never waits for anybody,
/// so that threads and tasks alike may make one.
#[derive(Clone)]
pub struct Conditions {
    /// What is not good.
    parts: Arc<Mutex<BTreeMap<Part, Condition>>>,
    status: watch::Sender<Status>,
}

impl Conditions {
    /// Everything is well. What is reported changes `status`.
    #[must_use]
    pub fn new(status: watch::Sender<Status>) -> Self {
        Self { parts: Arc::default(), status }
    }

    /// `part` is in this condition until its next report. A report that changes nothing costs nobody anything.
    pub fn report(&self, part: Part, condition: Condition) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        match condition {
            Condition::Good => parts.remove(&part),
            worse => parts.insert(part, worse),
        };
        // `max_by_key` gives the last of equals, and the first part comes before the others.
        let worst = parts.values().rev().copied().max_by_key(|condition| condition.severity()).unwrap_or_default();
        // Under the lock, so that two reports at once do not leave the status with the older one.
        self.status.send_if_modified(|status| {
            let before = (status.state, status.reason.clone());
            worst.tell(status);
            (status.state, &status.reason) != (before.0, &before.1)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> (Conditions, watch::Receiver<Status>) {
        let (status, statuses) = watch::channel(Status::online(None));
        (Conditions::new(status), statuses)
    }

    fn said(statuses: &mut watch::Receiver<Status>) -> (State, Option<String>) {
        let status = statuses.borrow_and_update();
        (status.state, status.reason.clone())
    }

    #[test]
    fn the_status_shows_the_worst_and_then_the_next() {
        let (conditions, mut statuses) = watched();
        conditions.report(Part::Radio, Condition::Noted("quiet"));
        assert_eq!(said(&mut statuses), (State::Online, Some("quiet".into())));
        conditions.report(Part::Clock, Condition::Degraded("clock"));
        assert_eq!(said(&mut statuses), (State::Degraded, Some("clock".into())));
        conditions.report(Part::Spool, Condition::Degraded("spool"));
        assert_eq!(said(&mut statuses), (State::Degraded, Some("spool".into())));
        conditions.report(Part::Spool, Condition::Good);
        assert_eq!(said(&mut statuses), (State::Degraded, Some("clock".into())));
        conditions.clone().report(Part::Clock, Condition::Good);
        assert_eq!(said(&mut statuses), (State::Online, Some("quiet".into())));
        conditions.report(Part::Radio, Condition::Good);
        assert_eq!(said(&mut statuses), (State::Online, None));
    }

    #[test]
    fn a_report_that_changes_nothing_wakes_nobody() {
        let (conditions, mut statuses) = watched();
        conditions.report(Part::Spool, Condition::Degraded("spool"));
        said(&mut statuses);
        conditions.report(Part::Spool, Condition::Degraded("spool"));
        conditions.report(Part::Clock, Condition::Degraded("clock"));
        conditions.report(Part::Radio, Condition::Good);
        assert_eq!(statuses.has_changed().ok(), Some(false));
    }

    #[test]
    fn threads_report_beside_tasks() {
        let (conditions, mut statuses) = watched();
        std::thread::scope(|scope| {
            for part in [Part::Spool, Part::Radio, Part::Clock, Part::Frames] {
                let conditions = conditions.clone();
                scope.spawn(move || {
                    for _ in 0..1000 {
                        conditions.report(part, Condition::Degraded("busy"));
                        conditions.report(part, Condition::Good);
                    }
                });
            }
        });
        assert_eq!(said(&mut statuses), (State::Online, None));
    }
}
