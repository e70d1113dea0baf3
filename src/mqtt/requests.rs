//! The requests of one connection: each is a task with a deadline, a few of one name at once, and every one of them is
//! answered once. Knows neither what is asked nor how answers travel. Dropping it ends every task.

use super::answerer::{Answerer, Reply};
use crate::wire::{REFUSAL_SCHEMA, Refusal, RefusalReason, encode};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};
use tokio::{
    task::{Id, JoinSet},
    time::{Instant, timeout_at},
};

/// Requests of one name answered at once.
const AT_ONCE: usize = 2;
/// Requests of one name that wait behind them.
const WAITING: usize = 8;

/// The answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The request's name.
    pub(super) name: String,
    /// What the request carried to know its answer by.
    pub(super) correlation: Option<Vec<u8>>,
    pub(super) reply: Reply,
}

/// A request that waits for its turn.
struct Asked {
    payload: Vec<u8>,
    correlation: Option<Vec<u8>>,
    deadline: Instant,
}

/// The requests of one name.
struct Line {
    answerer: Arc<dyn Answerer>,
    running: usize,
    waiting: VecDeque<Asked>,
}

/// Who can be asked what, and what was asked.
pub(super) struct Requests {
    lines: BTreeMap<&'static str, Line>,
    tasks: JoinSet<Result<Reply, RefusalReason>>,
    running: HashMap<Id, (&'static str, Option<Vec<u8>>)>,
}

impl Requests {
    /// Nothing is asked yet. Of two answerers of one name the first is asked.
    pub(super) fn new(answerers: &[Arc<dyn Answerer>]) -> Self {
        let mut lines = BTreeMap::new();
        for answerer in answerers {
            let line = Line { answerer: Arc::clone(answerer), running: 0, waiting: VecDeque::new() };
            lines.entry(answerer.name()).or_insert(line);
        }
        Self { lines, tasks: JoinSet::new(), running: HashMap::new() }
    }

    /// Takes a request. The answer, if it is refused at once; else it comes out of [`Self::next`].
    pub(super) fn ask(&mut self, name: &str, payload: Vec<u8>, correlation: Option<Vec<u8>>) -> Option<Answer> {
        let Some(line) = self.lines.get_mut(name) else {
            return Some(self.refusal(name, correlation, RefusalReason::Unknown));
        };
        if line.waiting.len() >= WAITING {
            return Some(self.refusal(name, correlation, RefusalReason::Busy));
        }
        let deadline = Instant::now() + line.answerer.deadline();
        line.waiting.push_back(Asked { payload, correlation, deadline });
        let name = line.answerer.name();
        self.start(name);
        None
    }

    /// The next answer that is ready; waits for ever if nothing is asked. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Answer {
        loop {
            let (id, result) = match self.tasks.join_next_with_id().await {
                Some(Ok((id, result))) => (id, result),
                Some(Err(error)) => (error.id(), Err(RefusalReason::Failed)),
                None => std::future::pending().await,
            };
            let Some((name, correlation)) = self.running.remove(&id) else { continue };
            if let Some(line) = self.lines.get_mut(name) {
                line.running = line.running.saturating_sub(1);
            }
            self.start(name);
            return match result {
                Ok(reply) => Answer { name: name.to_owned(), correlation, reply },
                Err(reason) => self.refusal(name, correlation, reason),
            };
        }
    }

    /// Starts what waits under `name`, as far as there is room.
    fn start(&mut self, name: &'static str) {
        let Some(line) = self.lines.get_mut(name) else { return };
        while line.running < AT_ONCE
            && let Some(Asked { payload, correlation, deadline }) = line.waiting.pop_front()
        {
            let answerer = Arc::clone(&line.answerer);
            let task = self.tasks.spawn(async move {
                if Instant::now() >= deadline {
                    return Err(RefusalReason::Late);
                }
                timeout_at(deadline, answerer.answer(payload)).await.map_err(|_| RefusalReason::Late)
            });
            line.running += 1;
            self.running.insert(task.id(), (name, correlation));
        }
    }

    fn refusal(&self, name: &str, correlation: Option<Vec<u8>>, reason: RefusalReason) -> Answer {
        let refusal = Refusal::new(name, reason, self.lines.keys().map(|&name| name.to_owned()).collect());
        Answer { name: name.to_owned(), correlation, reply: Reply { schema: REFUSAL_SCHEMA, body: encode(&refusal) } }
    }
}

#[cfg(test)]
#[path = "requests_tests.rs"]
mod tests;
