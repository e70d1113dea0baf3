//! What a sensor answers, and that answering holds up nothing.

use super::{broker::Broker, documented::errors, rig::*};
use airtally::mqtt::*;
use serde_json::json;
use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Takes a minute for each answer, if its deadline lets it.
struct Sleeper {
    deadline: Duration,
    asleep: Arc<AtomicUsize>,
}

/// Counts down when a task ends, however it ends.
struct Asleep(Arc<AtomicUsize>);

impl Drop for Asleep {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Answerer for Sleeper {
    fn name(&self) -> &'static str {
        "sleep"
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn answer(self: Arc<Self>, payload: Vec<u8>) -> Answering {
        self.asleep.fetch_add(1, Ordering::Relaxed);
        let asleep = Asleep(Arc::clone(&self.asleep));
        Box::pin(async move {
            let _asleep = asleep;
            tokio::time::sleep(Duration::from_secs(60)).await;
            Reply { schema: "test.sleep/1", body: payload }
        })
    }
}

fn sleeper(deadline: Duration) -> (Vec<Arc<dyn Answerer>>, Arc<AtomicUsize>) {
    let asleep = Arc::default();
    (vec![Arc::new(Sleeper { deadline, asleep: Arc::clone(&asleep) })], asleep)
}

const SLEEP: &str = "airtally/home/attic/request/sleep";

#[tokio::test]
async fn windows_and_other_answers_do_not_wait_for_a_slow_request() {
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let (answerers, asleep) = sleeper(Duration::from_secs(120));
    let sensor = Sensor::start_with(local(broker.port), &memory, answerers);
    until("the sensor", || !inbox.payloads(&Leaf::Status).is_empty()).await;
    for _ in 0..3 {
        put(broker.port, SLEEP, "{}");
    }
    until("two that sleep", || asleep.load(Ordering::Relaxed) == 2).await;
    let began = Instant::now();
    for step in 0..20 {
        memory.append(step * 100..(step + 1) * 100, 500);
        pause(50).await;
    }
    until("every window", || memory.pending() == 0 && inbox.seqs().len() == 2_000).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "2,000 windows at 2,000 a second took {took:?}");
    ingest.ask(memory.run, 0, 9).await;
    until("another answer", || inbox.payloads(&Leaf::Response("replay".into())).len() == 1).await;
    assert_eq!(asleep.load(Ordering::Relaxed), 2, "a few at once, and the third waits");
    assert_eq!(inbox.payloads(&Leaf::Response("sleep".into())).len(), 0);
    let took = sensor.stop().await;
    assert!(took < Duration::from_secs(2), "a stop does not wait for answers: {took:?}");
    until("an end of every task", || asleep.load(Ordering::Relaxed) == 0).await;
    ingest.stop().await;
}

#[tokio::test]
async fn a_request_ends_at_its_deadline_and_with_its_connection() {
    let mut broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let (answerers, asleep) = sleeper(Duration::from_millis(1_500));
    let sensor = Sensor::start_with(local(broker.port), &memory, answerers);
    until("the sensor", || !inbox.payloads(&Leaf::Status).is_empty()).await;
    put(broker.port, SLEEP, "{}");
    let response = Leaf::Response("sleep".into());
    until("an answer", || inbox.payloads(&response).len() == 1).await;
    let late = inbox.payloads(&response)[0].clone();
    assert_eq!((&late["schema"], &late["reason"]), (&json!("airtally.response/1"), &json!("late")), "{late}");
    assert_eq!(errors("response", &late), [""; 0]);
    put(broker.port, SLEEP, "{}");
    until("one that sleeps", || asleep.load(Ordering::Relaxed) == 1).await;
    broker.kill9();
    let killed = Instant::now();
    until("its end", || asleep.load(Ordering::Relaxed) == 0).await;
    assert!(killed.elapsed() < Duration::from_secs(1), "with the connection, and not at its deadline");
    broker.restart();
    until("the sensor again", || inbox.payloads(&Leaf::Info).len() == 2).await;
    assert_eq!(inbox.payloads(&response).len(), 1, "nobody waits for the second any more");
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn an_unknown_request_is_answered_as_unknown() {
    let broker = Broker::start("");
    let memory = Memory::new();
    let sensor = Sensor::start_with(local(broker.port), &memory, sleeper(Duration::from_secs(1)).0);
    until_peek(broker.port, "airtally/home/attic/status", |_| true).await;
    let port = broker.port.to_string();
    let (request, response) = ("airtally/home/attic/request/reboot", "airtally/home/attic/response/reboot");
    let mut rr = Command::new("mosquitto_rr");
    rr.args(["-V", "5", "-h", "127.0.0.1", "-p", &port, "-q", "1", "-W", "10", "-t", request, "-e", response]).args([
        "-D",
        "publish",
        "correlation-data",
        "mine",
        "-m",
        "now",
        "-F",
        "%p|%D|%P",
    ]);
    let asked = tokio::task::spawn_blocking(move || rr.output().unwrap());
    let output = String::from_utf8(asked.await.unwrap().stdout).unwrap();
    let [payload, correlation, properties] = output.trim().split('|').collect::<Vec<_>>().try_into().unwrap();
    let answer: serde_json::Value = serde_json::from_str(payload).unwrap();
    assert_eq!(
        (&answer["schema"], &answer["request"], &answer["reason"], &answer["known"]),
        (&json!("airtally.response/1"), &json!("reboot"), &json!("unknown"), &json!(["replay", "sleep"]))
    );
    assert_eq!(errors("response", &answer), [""; 0]);
    assert_eq!((correlation, properties), ("mine", "schema:airtally.response/1"));
    sensor.stop().await;
}

#[tokio::test]
async fn windows_asked_for_come_again_and_the_rest_is_declared() {
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    memory.append(0..100, 100);
    let sensor = Sensor::start(local(broker.port), &memory);
    until("everything delivered", || memory.pending() == 0 && inbox.seqs().len() == 100).await;
    inbox.messages.lock().unwrap().clear();
    ingest.ask(memory.run, 90, 120).await;
    until("the ten that are left", || inbox.seqs().len() == 10).await;
    let response = Leaf::Response("replay".into());
    until("the answer", || !inbox.payloads(&response).is_empty()).await;
    let answer = inbox.payloads(&response)[0].clone();
    assert_eq!(
        answer,
        json!({"schema": "airtally.replay/1", "run": memory.run, "id": "test", "offered": 10, "missing": [[100, 120]]})
    );
    assert_eq!(inbox.seqs().first(), Some(&90));
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_answered_and_too_many_are_not() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    until("the sensor", || !inbox.payloads(&Leaf::Status).is_empty()).await;
    let request = "airtally/home/attic/request/replay";
    let backwards = json!({"run": memory.run, "first_seq": 5, "last_seq": 4}).to_string();
    for payload in ["", "{}", "[[[[", &backwards] {
        put(broker.port, request, payload);
    }
    let replay = Leaf::Response("replay".into());
    until("four answers", || inbox.payloads(&replay).len() == 4).await;
    let errors = inbox.payloads(&replay);
    assert!(errors.iter().all(|answer| answer["error"].is_string() && answer["offered"] == 0), "{errors:?}");
    assert_eq!(errors[3]["error"], "first_seq is greater than last_seq");
    for _ in 0..12 {
        put(broker.port, request, "{}");
    }
    log.says(&["more requests than one a second"]).await;
    pause(200).await;
    let answers = inbox.payloads(&replay).len();
    assert!((9..14).contains(&answers), "{answers} answers: ten at once, and one a second");
    sensor.stop().await;
    ingest.stop().await;
}
