//! What systemd is told of a daemon: that it runs, how it is, that each of its stages still goes round, that it stops.
//!
//! Every stage takes a [`Beat`] and marks it in its own loop, its waiting states included: waiting for a broker, a
//! database or a frame is work too. The watchdog is fed only while every beat moves, so that a stage which is stuck
//! gets the daemon killed and started anew, and nothing else does. Without systemd all of this is silent.
//!
//! For tests, the environment variable `AIRTALLY_TEST_HANG` names a stage that stops for good at its tenth mark.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How often a waiting task marks its beat.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// How often the beats are looked at until every stage has begun.
const BEGIN_EVERY: Duration = Duration::from_millis(20);
/// How often systemd is told how the daemon is.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// What systemd waits for, where it watches at all; in its absence only readiness and status are told.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);
/// How often systemd is asked for more time for a start.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How much it is asked for, from that moment on, in microseconds.
const MORE_TIME_USEC: u32 = 30_000_000;
/// The test switch: the name of a stage.
const HANG: &str = "AIRTALLY_TEST_HANG";
/// The mark at which a stage hangs that the switch names.
const HANG_AT: u64 = 10;
/// The marks of a stage that has ended.
const DONE: u64 = u64::MAX;

/// What a stage marks to say that its loop goes round. Clones mark the same beat.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    marks: Arc<AtomicU64>,
    hangs: bool,
}

impl Beat {
    /// Once round, in a thread.
    pub fn mark(&self) {
        while self.is_to_hang() {
            thread::park();
        }
        self.marks.fetch_add(1, Ordering::Relaxed);
    }

    /// Once round, in a task.
    pub async fn turn(&self) {
        if self.is_to_hang() {
            std::future::pending::<()>().await;
        }
        self.marks.fetch_add(1, Ordering::Relaxed);
    }

    /// Goes on marking, and never returns: a branch of the `select!` in which a task waits.
    pub async fn keep(&self) {
        loop {
            self.turn().await;
            tokio::time::sleep(MARK_EVERY).await;
        }
    }

    /// Waits for `future` as a part of the stage's loop, and goes on marking meanwhile.
    pub async fn while_waiting<F: Future>(&self, future: F) -> F::Output {
        tokio::pin!(future);
        loop {
            self.turn().await;
            if let Ok(output) = tokio::time::timeout(MARK_EVERY, &mut future).await {
                return output;
            }
        }
    }

    /// The stage has ended, as it should: nothing more is expected of it.
    pub fn done(&self) {
        self.marks.store(DONE, Ordering::Relaxed);
    }

    /// How often it was marked.
    #[must_use]
    pub fn marks(&self) -> u64 {
        self.marks.load(Ordering::Relaxed)
    }

    fn is_to_hang(&self) -> bool {
        self.hangs && self.marks() >= HANG_AT
    }
}

#[derive(Debug)]
struct Stage {
    name: &'static str,
    beat: Beat,
    seen: u64,
    moved: Instant,
}

/// The stages of a daemon, and when each was last seen to move.
#[derive(Debug, Default)]
pub struct Stages {
    stages: Vec<Stage>,
    hang: Option<String>,
}

impl Stages {
    /// None yet; the environment may name one that will hang (see above).
    #[must_use]
    pub fn from_environment() -> Self {
        Self { stages: Vec::new(), hang: std::env::var(HANG).ok() }
    }

    /// Adds a stage, called `name` in the log.
    pub fn add(&mut self, name: &'static str) -> Beat {
        let beat = Beat { marks: Arc::default(), hangs: self.hang.as_deref() == Some(name) };
        self.stages.push(Stage { name, beat: beat.clone(), seen: 0, moved: Instant::now() });
        beat
    }

    /// Whether every stage has marked its beat at least once.
    #[must_use]
    pub fn all_began(&self) -> bool {
        self.stages.iter().all(|stage| stage.beat.marks() > 0)
    }

    /// Looks at every beat: the stages that have not moved for `patience`, with how long.
    pub fn stuck(&mut self, now: Instant, patience: Duration) -> Vec<(&'static str, Duration)> {
        let mut stuck = Vec::new();
        for stage in &mut self.stages {
            let marks = stage.beat.marks();
            if marks != stage.seen {
                (stage.seen, stage.moved) = (marks, now);
            }
            let still = now.saturating_duration_since(stage.moved);
            if still >= patience && marks != DONE {
                stuck.push((stage.name, still));
            }
        }
        stuck
    }
}

/// Tells systemd, for ever: that the daemon is ready once every stage has begun, how it is (`status`, one line), and
/// that it lives as long as every stage moves.
pub async fn tell<F, S>(mut stages: Stages, status: F)
where
    F: Fn() -> S,
    S: Future<Output = String>,
{
    while !stages.all_began() {
        tokio::time::sleep(BEGIN_EVERY).await;
    }
    notify(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status(&status().await)]);
    // A stage may be away for half of what systemd allows; the other half is ours, for one look too late.
    let allowed = sd_notify::watchdog_enabled();
    let patience = allowed.unwrap_or(DEFAULT_PATIENCE) / 2;
    let mut look = tokio::time::interval((patience / 4).min(STATUS_EVERY));
    let mut told = Instant::now();
    let mut complained = false;
    loop {
        look.tick().await;
        let stuck = stages.stuck(Instant::now(), patience);
        if stuck.is_empty() {
            complained = false;
            if allowed.is_some() {
                notify(&[sd_notify::NotifyState::Watchdog]);
            }
        } else if !complained {
            complained = true;
            for (stage, still) in stuck {
                tracing::error!(stage, still_s = still.as_secs(), "a stage is stuck: the watchdog is not fed any more");
            }
        }
        if told.elapsed() >= STATUS_EVERY {
            told = Instant::now();
            notify(&[sd_notify::NotifyState::Status(&status().await)]);
        }
    }
}

/// The start goes on and takes longer than usual: systemd waits a minute more from now (sd_notify(3),
/// `EXTEND_TIMEOUT_USEC`).
pub fn still_starting() {
    notify(&[sd_notify::NotifyState::ExtendTimeoutUsec(60_000_000)]);
}

/// Tells systemd that the daemon is on its way down.
pub fn stopping() {
    notify(&[sd_notify::NotifyState::Stopping, sd_notify::NotifyState::Status("stopping")]);
}

/// Does `work` of a start that may take long, like the check of a large store on a slow disk, and asks systemd for more
/// time meanwhile, every few seconds.
pub fn while_starting<T>(work: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                notify(&[sd_notify::NotifyState::ExtendTimeoutUsec(MORE_TIME_USEC)]);
                if waiting.recv_timeout(ASK_EVERY) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Without systemd there is nobody to tell, and a daemon has better things to do than to insist.
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn the_stage_that_does_not_move_is_named_and_no_other() {
        let mut stages = Stages::default();
        let (counting, publisher) = (stages.add("counting"), stages.add("publisher"));
        let start = Instant::now();
        counting.mark();
        publisher.mark();
        assert!(stages.stuck(start, PATIENCE).is_empty());
        for second in 1..=60 {
            counting.mark();
            let stuck = stages.stuck(start + Duration::from_secs(second), PATIENCE);
            if second < 30 {
                assert_eq!(stuck, []);
            } else {
                assert_eq!(stuck, [("publisher", Duration::from_secs(second))]);
            }
        }
        publisher.mark();
        assert!(stages.stuck(start + Duration::from_secs(61), PATIENCE).is_empty(), "it moves again");
        counting.done();
        publisher.done();
        assert!(stages.stuck(start + Duration::from_secs(600), PATIENCE).is_empty(), "they have ended");
    }

    #[test]
    fn ready_means_that_every_stage_has_begun() {
        let mut stages = Stages::default();
        let (first, second) = (stages.add("first"), stages.add("second"));
        assert!(!stages.all_began());
        first.mark();
        assert!(!stages.all_began());
        second.clone().mark();
        assert!(stages.all_began());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_waits_goes_on_marking() {
        let beat = Stages::default().add("waiting");
        let begun = tokio::time::Instant::now();
        let output = beat
            .while_waiting(async {
                tokio::time::sleep(Duration::from_secs(600)).await;
                7
            })
            .await;
        assert_eq!((output, begun.elapsed().as_secs()), (7, 600));
        assert!(beat.marks() >= 600, "{}", beat.marks());
    }

    #[tokio::test(start_paused = true)]
    async fn the_test_switch_stops_the_stage_it_names() {
        let mut stages = Stages { stages: Vec::new(), hang: Some("sink".into()) };
        let (sink, other) = (stages.add("sink"), stages.add("other"));
        let forever = |beat: Beat| async move {
            tokio::time::timeout(Duration::from_secs(100), beat.while_waiting(std::future::pending::<()>())).await
        };
        let _ = tokio::join!(forever(sink.clone()), forever(other.clone()));
        assert_eq!(sink.marks(), HANG_AT);
        assert!(other.marks() >= 100, "{}", other.marks());
    }
}
