//! The task that supplies a sink, with a sink and a feed in memory; and the dead letters.
use crate::{
    feed::Following,
    records::{simple, tracked},
};
use airtally::{
    UnixNanos, config,
    sink::{DeadLetters, Health, Rejected, Sink, SinkError, Storing, redrive},
    units::Bytes,
    wire::Record,
};
use std::{
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A sink that answers by a script, then stores.
#[derive(Clone, Default)]
struct Scripted {
    script: Arc<Mutex<Vec<SinkError>>>,
    stored: Arc<Mutex<Vec<u64>>>,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = SinkError>) -> Self {
        Self { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Self::default() }
    }
}

fn seq(record: &Record) -> u64 {
    match record {
        Record::Batch(batch) => batch.identity.seq,
        Record::Flows(flows) => flows.identity.seq,
        Record::Alerts(alerts) => alerts.identity.seq,
        Record::Gap(gap) => gap.first_seq,
    }
}

impl Sink for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn store<'a>(&'a mut self, records: &'a [Record]) -> Storing<'a> {
        Box::pin(async move {
            self.calls.lock().unwrap().push(Instant::now());
            let mut script = self.script.lock().unwrap();
            let answer = if script.is_empty() { Ok(()) } else { Err(script.remove(0)) };
            let refused: Vec<usize> = match &answer {
                Err(SinkError::Temporary { .. }) => return answer,
                Err(SinkError::Refused { rejected, .. }) => rejected.iter().map(|one| one.index).collect(),
                Ok(()) => Vec::new(),
            };
            let good = records.iter().enumerate().filter(|(index, _)| !refused.contains(index));
            self.stored.lock().unwrap().extend(good.map(|(_, record)| seq(record)));
            answer
        })
    }
}

fn some(count: u64) -> Vec<Record> {
    (0..count).map(|n| Record::Batch(Box::new(simple("home", "pi", n, tracked(1, 1))))).collect()
}

fn temporary(reason: &str, seconds: Option<u64>) -> SinkError {
    SinkError::Temporary { reason: reason.into(), retry_after: seconds.map(Duration::from_secs) }
}

#[tokio::test]
async fn everything_is_stored_in_order() {
    let sink = Scripted::default();
    let following = Following::start(sink.clone(), &some(1_000));
    let backlog = following.finish().await;
    assert_eq!(*sink.stored.lock().unwrap(), (0..1_000).collect::<Vec<_>>());
    assert_eq!(backlog.0.lock().unwrap().done, (1..=1_000).collect::<Vec<_>>());
    assert!(sink.calls.lock().unwrap().len() < 20, "many records are stored at once");
}

#[tokio::test]
async fn failures_are_retried_ever_more_slowly_and_said() {
    let sink = Scripted::new([temporary("first", None), temporary("second", None), temporary("third", None)]);
    let mut following = Following::start(sink.clone(), &some(3));
    assert_eq!(following.degraded().await, "first");
    let third = |health: &Health| *health == Health::Degraded { reason: "third".into() };
    tokio::time::timeout(Duration::from_secs(10), following.health.wait_for(third)).await.unwrap().unwrap();
    following.finish().await;
    assert_eq!(*sink.stored.lock().unwrap(), [0, 1, 2]);
    let calls = sink.calls.lock().unwrap();
    let waits: Vec<Duration> = calls.windows(2).map(|two| two[1] - two[0]).collect();
    for (wait, least) in waits.iter().zip([250, 500, 1_000]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
}

#[tokio::test]
async fn what_is_refused_dies_and_the_rest_goes_on() {
    let rejected = vec![
        Rejected { index: 1, reason: "one".into(), what: b"body 1".to_vec() },
        Rejected { index: 3, reason: "three".into(), what: b"body 3".to_vec() },
    ];
    let sink = Scripted::new([SinkError::Refused { reason: "two of five".into(), rejected }]);
    let following = Following::start(sink.clone(), &some(5));
    let backlog = following.finish().await;
    let backlog = backlog.0.lock().unwrap();
    assert_eq!(backlog.done, [1, 3, 5]);
    assert_eq!(backlog.dead, [(2, "one".into(), b"body 1".to_vec()), (4, "three".into(), b"body 3".to_vec())]);
    assert_eq!(sink.calls.lock().unwrap().len(), 1, "what was refused is not offered again");
}

#[tokio::test]
async fn a_stop_is_heeded_in_a_wait_and_in_a_store() {
    struct Endless;
    impl Sink for Endless {
        fn name(&self) -> &'static str {
            "endless"
        }
        fn store<'a>(&'a mut self, _: &'a [Record]) -> Storing<'a> {
            Box::pin(std::future::pending())
        }
    }
    for busy in [true, false] {
        let (health, _seen) = tokio::sync::watch::channel(Health::Ok);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let feed = crate::feed::MemoryFeed::new(&some(2));
        let task = if busy {
            tokio::spawn(airtally::sink::follow(Endless, feed.clone(), health, stopped))
        } else {
            let sink = Scripted::new([temporary("wait an hour", Some(3_600))]);
            tokio::spawn(airtally::sink::follow(sink, feed.clone(), health, stopped))
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
        assert_eq!(feed.0.lock().unwrap().open.len(), 2, "what was not stored is still there");
    }
}

fn letters(directory: &tempfile::TempDir, max_bytes: u64, retention: u64) -> DeadLetters {
    let config = config::DeadLetters { max_bytes: Bytes(max_bytes), retention: Duration::from_secs(retention) };
    DeadLetters::open(&directory.path().join("dead.sqlite"), &config).unwrap()
}

/// Octets that no compression makes fewer.
fn noise(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    next.take(count).collect()
}

#[test]
fn letters_are_kept_with_everything_said_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = letters(&directory, 1 << 20, 3_600);
    letters.refused("influx", "type conflict", b"{}", UnixNanos(5)).unwrap();
    letters.undecodable("home/pi", "not a batch", &noise(100_000, 1), UnixNanos(6)).unwrap();
    drop(letters);
    let mut letters = self::letters(&directory, 1 << 20, 3_600);
    let all = letters.list(None, 0, 10).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].sink.as_deref(), all[0].topic.as_deref(), all[0].at), (Some("influx"), None, UnixNanos(5)));
    assert_eq!((all[0].reason.as_str(), &all[0].body[..], all[0].whole), ("type conflict", &b"{}"[..], true));
    assert_eq!((all[1].sink.as_deref(), all[1].topic.as_deref()), (None, Some("home/pi")));
    assert_eq!((&all[1].body, all[1].whole), (&noise(65_536, 1), false));
    assert_eq!(letters.list(Some("influx"), 0, 10).unwrap().len(), 1);
    assert_eq!(letters.list(None, all[0].id, 10).unwrap().len(), 1);
    letters.remove(all[0].id).unwrap();
    assert_eq!(letters.count().unwrap(), 1);
}

#[test]
fn letters_are_bounded_in_size_and_age() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = letters(&directory, 1 << 20, 3_600);
    let second = |n: u64| UnixNanos::new(i64::try_from(n).unwrap(), 0);
    for n in 0..200 {
        letters.refused("influx", &format!("letter {n}"), &noise(20_000, n), second(n)).unwrap();
    }
    let kept = letters.list(None, 0, 1_000).unwrap();
    assert_eq!(kept.last().unwrap().reason, "letter 199");
    assert!((40..=53).contains(&kept.len()), "{}", kept.len());
    let file = fs::metadata(directory.path().join("dead.sqlite")).unwrap().len();
    assert!(file < 2 << 20, "{file}");
    // An hour later only the new one is left.
    letters.refused("influx", "late", b"x", second(199 + 3_601)).unwrap();
    assert_eq!(letters.count().unwrap(), 1);
    // One that is larger than the bound does not stay: the log says so.
    letters.refused("influx", "huge", &noise(2 << 20, 7), second(4_000)).unwrap();
    assert_eq!(letters.count().unwrap(), 0);
}

#[tokio::test]
async fn a_redrive_stores_what_it_can_and_keeps_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let mut letters = letters(&directory, 1 << 20, 3_600);
    for record in some(3) {
        letters.refused("scripted", "was full", &record.encode(), UnixNanos(1)).unwrap();
    }
    letters.refused("gone", "was full", &some(1)[0].encode(), UnixNanos(1)).unwrap();
    letters.undecodable("t", "not a batch", b"not JSON", UnixNanos(1)).unwrap();
    let newer = &some(9)[8];
    let topic = format!("{}/{}", newer.site(), newer.sensor());
    letters.undecodable(&topic, "a newer version wrote it", &newer.encode(), UnixNanos(1)).unwrap();
    letters.undecodable("home/forger", "it claims to be from another", &newer.encode(), UnixNanos(1)).unwrap();

    let sink = Scripted::new([temporary("still down", None)]);
    let outcome = redrive(&mut letters, &mut [sink.clone()], Some("scripted")).await.unwrap();
    assert_eq!((outcome.stored, outcome.kept, outcome.last_reason.as_deref()), (2, 1, Some("still down")));
    let outcome = redrive(&mut letters, &mut [sink.clone()], None).await.unwrap();
    assert_eq!((outcome.stored, outcome.kept), (2, 3));
    assert_eq!(*sink.stored.lock().unwrap(), [1, 2, 0, 8]);
    let left: Vec<String> = letters.list(None, 0, 9).unwrap().into_iter().map(|letter| letter.reason).collect();
    assert_eq!(left, ["was full", "not a batch", "it claims to be from another"]);
}

/// After a failure what came before it is offered once more; a database that fails again and again is not given ever more.
#[tokio::test]
async fn what_came_before_a_failure_is_offered_again_but_not_again_and_again() {
    struct Failing(Scripted, u32);
    impl Sink for Failing {
        fn name(&self) -> &'static str {
            "failing"
        }
        fn store<'a>(&'a mut self, records: &'a [Record]) -> Storing<'a> {
            self.1 += 1;
            // Every other time.
            if self.1.is_multiple_of(2) {
                return Box::pin(async { Err(temporary("now and then", None)) });
            }
            self.0.store(records)
        }
        fn refill(&self) -> Duration {
            Duration::from_secs(60)
        }
    }
    let sink = Scripted::default();
    let following = Following::start(Failing(sink.clone(), 0), &some(300));
    let backlog = following.finish().await;
    let backlog = backlog.0.lock().unwrap();
    assert_eq!(backlog.again, 1, "several failures within a minute");
    let stored = sink.stored.lock().unwrap();
    assert!(stored.len() > 300 && stored.len() <= 600, "{}", stored.len());
    assert!((0..300).all(|seq| stored.contains(&seq)));
}
