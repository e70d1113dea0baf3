//! What ingest may rely on: its queue waits, and nothing is acknowledged that it has not taken.

use super::{broker::Broker, rig::*};
use airtally::{
    mqtt::Leaf,
    wire::{IngestHealth, Overlap, SinkStatus, State},
};
use serde_json::Value;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use uuid::Uuid;

#[tokio::test]
async fn what_is_sent_while_ingest_is_away_waits() {
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    Ingest::ready(local(broker.port), &inbox).await.stop().await;
    let sensor = Sensor::start(local(broker.port), &memory);
    memory.append(0..300, 100);
    until("everything delivered", || memory.pending() == 0).await;
    assert!(inbox.seqs().is_empty());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    until("everything received", || inbox.seqs().len() == 300).await;
    assert_eq!(*inbox.sessions.lock().unwrap(), [false, true]);
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn what_the_inbox_cannot_take_comes_again() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::<Collector>::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    until("a status", || !inbox.payloads(&Leaf::Status).is_empty()).await;
    inbox.fail.store(true, Ordering::Relaxed);
    memory.append(0..50, 100);
    until("a failure", || inbox.failed.load(Ordering::Relaxed)).await;
    log.says(&["cannot take messages from the broker: the disk is full", "next attempt in"]).await;
    assert!(inbox.seqs().is_empty());
    assert!(inbox.reasons.lock().unwrap()[0].contains("the disk is full"));
    inbox.fail.store(false, Ordering::Relaxed);
    until("everything received", || inbox.seqs().len() == 50).await;
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn one_commit_takes_many_messages() {
    // mosquitto drops what a client that is slow leaves beyond 1,000 messages, unless told otherwise.
    let broker = Broker::start("max_inflight_messages 200\nmax_queued_messages 0");
    let (memory, inbox) = (Memory::new(), Arc::<Collector>::default());
    inbox.slow.store(true, Ordering::Relaxed);
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let sensor = Sensor::start(airtally::config::Mqtt { inflight: 100, ..local(broker.port) }, &memory);
    memory.append(0..2_000, 100);
    until("everything received", || inbox.seqs().len() == 2_000).await;
    let commits = inbox.batches.lock().unwrap().clone();
    assert!(commits.len() < 100 && commits.iter().all(|&size| size <= 100), "{commits:?}");
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn what_comes_soon_after_a_commit_waits_for_the_next_one() {
    let broker = Broker::start("");
    let topic = "airtally/home/attic/batch";
    let publish =
        |seqs: std::ops::Range<u64>| seqs.for_each(|seq| put(broker.port, topic, &format!("{{\"seq\":{seq}}}")));
    let inbox = Arc::<Collector>::default();
    let ingest = Ingest::patient(local(broker.port), &inbox, Duration::from_secs(600));
    until("subscriptions", || inbox.connections() > 0).await;
    publish(0..1);
    until("the first commit", || inbox.seqs().len() == 1).await;
    publish(1..6);
    until("five more, in memory", || inbox.waiting() == 5).await;
    ingest.task.abort();
    assert_eq!(inbox.seqs().len(), 1);

    // As after kill -9, for the broker: it sends them again. The first commit of a start does not wait.
    let inbox = Arc::<Collector>::default();
    let ingest = Ingest::patient(local(broker.port), &inbox, Duration::from_secs(600));
    until("all five", || inbox.seqs().len() + inbox.waiting() == 5).await;
    publish(6..20);
    until("ten messages are a commit", || inbox.seqs().len() >= 11).await;
    publish(20..22);
    until("all", || inbox.seqs().len() + inbox.waiting() == 21).await;
    assert!(inbox.waiting() > 0);
    ingest.stop().await;
    assert_eq!((inbox.seqs().len(), inbox.waiting()), (21, 0), "a stop commits first");
    let none = Arc::<Collector>::default();
    let ingest = Ingest::ready(local(broker.port), &none).await;
    put(broker.port, topic, "{\"seq\":99}");
    until("a new one", || none.seqs().contains(&99)).await;
    // What was committed was acknowledged. The word for the very last message may be lost with the connection: it comes again.
    assert!(none.seqs().iter().all(|seq| [21, 99].contains(seq)), "{:?}", none.seqs());
    ingest.stop().await;
}

#[tokio::test]
async fn a_forgotten_session_is_told() {
    let (log, _guard) = Log::capture();
    let mut broker = Broker::start("");
    let inbox = Arc::default();
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    broker.restart();
    log.says(&["the broker has forgotten our queue", "persistence true"]).await;
    assert_eq!(*inbox.sessions.lock().unwrap(), [false, false]);
    ingest.stop().await;
}

/// What is retained of ingest's own status.
fn status(port: u16) -> Value {
    let output = std::process::Command::new("mosquitto_sub")
        .args([
            "-V",
            "5",
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-C",
            "1",
            "-W",
            "10",
            "-t",
            "airtally/ingest/one",
        ])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[tokio::test]
async fn ingest_says_how_its_sinks_are_and_that_it_is_gone() {
    let broker = Broker::start("");
    let inbox = Arc::<Collector>::default();
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    until("online", || status(broker.port)["state"] == "online").await;
    let sick = SinkStatus { name: "influx".into(), state: State::Degraded, reason: Some("It is away.".into()) };
    ingest.health.send(IngestHealth { sinks: vec![sick], ..IngestHealth::default() }).unwrap();
    until("degraded", || status(broker.port)["reason"] == "sink").await;
    let said = status(broker.port);
    assert_eq!(said["sinks"][0]["reason"], "It is away.");
    assert_eq!(super::documented::errors("ingest", &said), [""; 0]);
    assert_eq!(inbox.payloads(&Leaf::Status), [Value::Null; 0], "no sensor's status");
    let overlapping = vec![Overlap {
        site: "home".into(),
        sensor: "attic".into(),
        runs: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
    }];
    ingest.health.send(IngestHealth { overlapping, ..IngestHealth::default() }).unwrap();
    until("two of one name", || status(broker.port)["reason"] == "overlap").await;
    let said = status(broker.port);
    assert_eq!(said["overlapping"][0]["sensor"], "attic");
    assert_eq!(super::documented::errors("ingest", &said), [""; 0]);
    ingest.stop().await;
    until("stopped", || status(broker.port)["reason"] == "stopped").await;

    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    until("online again", || status(broker.port)["state"] == "online").await;
    ingest.task.abort();
    until("the last will", || status(broker.port)["reason"] == "connection_lost").await;
}
