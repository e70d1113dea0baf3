//! Requests under a clock of their own: every one is answered once, in time, and no name holds up another.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::mqtt::Answering;
use proptest::prelude::*;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(5);

/// Sleeps for as many seconds as the payload has octets. None: panics.
#[derive(Default)]
struct Sleeper {
    name: &'static str,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

/// Counts down when a task ends, however it ends.
struct Here(Arc<AtomicUsize>);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Answerer for Sleeper {
    fn name(&self) -> &'static str {
        self.name
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn answer(self: Arc<Self>, payload: Vec<u8>) -> Answering {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        let here = Here(Arc::clone(&self.now));
        Box::pin(async move {
            let _here = here;
            assert!(!payload.is_empty(), "a bug of the answerer");
            tokio::time::sleep(SECOND * u32::try_from(payload.len()).unwrap()).await;
            Reply { schema: "test/1", body: payload }
        })
    }
}

fn sleeper(name: &'static str) -> Arc<Sleeper> {
    Arc::new(Sleeper { name, ..Sleeper::default() })
}

fn runs(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test);
}

/// Why a request was not answered; `None` if it was.
fn refused(answer: &Answer) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&answer.reply.body).ok()?;
    Some(body["reason"].as_str()?.to_owned())
}

#[test]
fn what_nobody_answers_is_unknown_and_says_what_is_known() {
    runs(async {
        let mut requests = Requests::new(&[sleeper("doze"), sleeper("nap")]);
        let answer = requests.ask("reboot", b"now".to_vec(), Some(vec![7])).unwrap();
        assert_eq!((answer.name.as_str(), &answer.correlation), ("reboot", &Some(vec![7])));
        assert_eq!(answer.reply.schema, "airtally.response/1");
        let refusal: Refusal = serde_json::from_slice(&answer.reply.body).unwrap();
        assert_eq!((refusal.request.as_str(), refusal.reason), ("reboot", RefusalReason::Unknown));
        assert_eq!(refusal.known, ["doze", "nap"]);
        let long = requests.ask(&"é".repeat(20_000), Vec::new(), None).unwrap();
        assert!(long.reply.body.len() < 1_000, "a long name does not come back whole");
    });
}

#[test]
fn too_slow_is_late_and_a_panic_has_failed_and_neither_holds_a_place() {
    runs(async {
        let mut requests = Requests::new(&[sleeper("nap")]);
        for _ in 0..AT_ONCE {
            assert_eq!(requests.ask("nap", vec![b' '; 60], None), None);
        }
        assert_eq!(requests.ask("nap", Vec::new(), Some(vec![1])), None);
        let asked = Instant::now();
        assert_eq!(refused(&requests.next().await).as_deref(), Some("late"));
        assert_eq!(asked.elapsed(), DEADLINE);
        assert_eq!(refused(&requests.next().await).as_deref(), Some("late"));
        // Its turn came when its own deadline was over too.
        assert_eq!(refused(&requests.next().await).as_deref(), Some("late"));
        assert_eq!(requests.ask("nap", Vec::new(), Some(vec![1])), None);
        let failed = requests.next().await;
        assert_eq!((refused(&failed).as_deref(), failed.correlation), (Some("failed"), Some(vec![1])));
        assert_eq!(requests.ask("nap", vec![b' '; 2], None), None);
        assert_eq!(requests.next().await.reply.body, b"  ");
    });
}

#[test]
fn a_slow_name_keeps_no_other_waiting() {
    runs(async {
        let mut requests = Requests::new(&[sleeper("slow"), sleeper("quick")]);
        for _ in 0..AT_ONCE + WAITING {
            assert_eq!(requests.ask("slow", vec![b' '; 4], None), None);
        }
        assert_eq!(refused(&requests.ask("slow", vec![b' '; 4], None).unwrap()).as_deref(), Some("busy"));
        let asked = Instant::now();
        assert_eq!(requests.ask("quick", vec![b' '], None), None);
        assert_eq!(requests.next().await.name, "quick");
        assert_eq!(asked.elapsed(), SECOND);
    });
}

#[test]
fn dropping_ends_every_task() {
    runs(async {
        let nap = sleeper("nap");
        let mut requests = Requests::new(&[Arc::clone(&nap) as Arc<dyn Answerer>]);
        for _ in 0..AT_ONCE + 1 {
            requests.ask("nap", vec![b' '; 4], None);
        }
        tokio::time::sleep(SECOND).await;
        assert_eq!(nap.now.load(Ordering::Relaxed), AT_ONCE);
        drop(requests);
        tokio::time::sleep(SECOND / 100).await;
        assert_eq!(nap.now.load(Ordering::Relaxed), 0);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked, and whenever: each request is answered once, not after its deadline, with its own
    /// correlation data; and no more than a few of one name run at once.
    #[test]
    fn every_request_is_answered_once_and_in_time(
        asked in prop::collection::vec((0usize..3, 1usize..9, 0u64..3_000), 1..60),
    ) {
        let names = ["doze", "nap", "nobody"];
        let known = [sleeper(names[0]), sleeper(names[1])];
        let answerers: Vec<Arc<dyn Answerer>> = known.iter().map(|one| Arc::clone(one) as Arc<dyn Answerer>).collect();
        let count = asked.len();
        let most: Vec<_> = known.iter().map(|one| Arc::clone(&one.most)).collect();
        runs(async move {
            let mut requests = Requests::new(&answerers);
            let mut open: HashMap<Vec<u8>, (&str, Instant)> = HashMap::new();
            let mut answered = 0;
            let mut settle = |open: &mut HashMap<Vec<u8>, (&str, Instant)>, answer: Answer| {
                let (name, at) = open.remove(&answer.correlation.unwrap()).unwrap();
                assert_eq!(name, answer.name);
                assert!(at.elapsed() <= DEADLINE, "{:?}", at.elapsed());
                answered += 1;
            };
            for (index, (name, seconds, pause)) in asked.into_iter().enumerate() {
                let pause = tokio::time::sleep(Duration::from_millis(pause));
                tokio::pin!(pause);
                loop {
                    tokio::select! {
                        () = &mut pause => break,
                        answer = requests.next() => settle(&mut open, answer),
                    }
                }
                let correlation = index.to_string().into_bytes();
                open.insert(correlation.clone(), (names[name], Instant::now()));
                if let Some(answer) = requests.ask(names[name], vec![b' '; seconds], Some(correlation)) {
                    settle(&mut open, answer);
                }
            }
            while !open.is_empty() {
                let answer = requests.next().await;
                settle(&mut open, answer);
            }
            assert_eq!(answered, count);
        });
        for most in most {
            prop_assert!(most.load(Ordering::Relaxed) <= AT_ONCE);
        }
    }
}
