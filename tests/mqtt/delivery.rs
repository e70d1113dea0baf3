//! Nothing that was offered is lost, and nothing is called delivered that nobody received.

use super::{broker::Broker, rig::*};
use airtally::mqtt::Leaf;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Asks for what is missing until all of `0..count` is there, as ingest does with `last_seq`.
async fn ask_until_complete(ingest: &Ingest, memory: &Memory, count: u64) {
    let all: BTreeSet<u64> = (0..count).collect();
    for _ in 0..20 {
        let missing: Vec<u64> = all.difference(&ingest.inbox.seqs()).copied().collect();
        let (Some(first), Some(last)) = (missing.first(), missing.last()) else { return };
        ingest.ask(memory.run, *first, *last).await;
        pause(300).await;
    }
    assert_eq!(ingest.inbox.seqs(), all);
}

#[tokio::test]
async fn nothing_is_lost_when_the_broker_is_killed_twice() {
    let mut broker = Broker::start("persistence true\nautosave_interval 1");
    let memory = Memory::new();
    let ingest = Ingest::ready(local(broker.port), &Arc::default()).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    const COUNT: u64 = 3_000;
    for step in 0..3 {
        memory.append(step * 1_000..(step + 1) * 1_000, 2_000);
        until("some deliveries", || ingest.inbox.seqs().len() as u64 > step * 500 + 200).await;
        if step < 2 {
            broker.kill9();
            pause(200).await;
            broker.restart();
        }
    }
    until("an empty outbox", || memory.pending() == 0).await;
    // A PUBACK does not survive every broker's crash: what is missing is asked for again.
    ask_until_complete(&ingest, &memory, COUNT).await;
    let sum: u64 = ingest.inbox.seqs().iter().sum();
    assert_eq!(sum, COUNT * (COUNT - 1) / 2);
    assert!(ingest.inbox.batches.lock().unwrap().iter().all(|&size| size <= 100));
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn without_a_subscriber_everything_is_kept_until_there_is_one() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start("");
    let memory = Memory::new();
    memory.append(0..50, 100);
    memory.gap(50);
    let sensor = Sensor::start(local(broker.port), &memory);
    log.says(&["nobody subscribes to airtally/home/attic/batch", "check that airtally ingest runs"]).await;
    until_peek(broker.port, "airtally/home/attic/status", |status| {
        status["state"] == "degraded" && status["reason"] == "no_subscriber"
    })
    .await;
    assert_eq!(memory.pending(), 51);
    assert_eq!(log.count("nobody subscribes to airtally/home/attic/batch"), 1);
    let ingest = Ingest::ready(local(broker.port), &Arc::default()).await;
    until("everything delivered", || memory.pending() == 0).await;
    until("everything received", || ingest.inbox.seqs().len() == 50).await;
    assert_eq!(ingest.inbox.payloads(&Leaf::Event).len(), 1);
    until_peek(broker.port, "airtally/home/attic/status", |status| status["state"] == "online").await;
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn a_small_receive_maximum_is_kept_to() {
    // mosquitto ends the connection of a client that sends more than this without an acknowledgement.
    let broker = Broker::start("max_inflight_messages 2");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    memory.append(0..500, 100);
    until("everything received", || inbox.seqs().len() == 500).await;
    assert_eq!(inbox.payloads(&Leaf::Batch).len(), 500, "nothing was sent twice");
    let log = broker.log();
    assert_eq!(log.lines().filter(|line| line.contains("New client") && line.contains("attic")).count(), 1, "{log}");
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn a_message_too_large_for_the_broker_does_not_hold_up_the_others() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start("max_packet_size 2000");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    memory.append(0..30, 5_000);
    memory.append(30..60, 100);
    let sensor = Sensor::start(local(broker.port), &memory);
    until("the small ones", || inbox.seqs().len() == 30).await;
    log.says(&["ERROR", "lower mqtt.max_message"]).await;
    until("the large ones alone to be pending", || memory.pending() == 30).await;
    let says_so = |status: &serde_json::Value| status["state"] == "degraded" && status["reason"] == "too_large";
    until_peek(broker.port, "airtally/home/attic/status", says_so).await;
    sensor.stop().await;
    ingest.stop().await;
}

#[tokio::test]
async fn a_topic_that_the_broker_refuses_holds_up_no_other() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start_with(|dir| {
        let acl = dir.join("acl");
        let rules = "topic readwrite airtally/+/+/status\ntopic readwrite airtally/+/+/info\ntopic readwrite airtally/+/+/batch\ntopic read #\n";
        std::fs::write(&acl, rules).unwrap();
        format!("allow_anonymous true\nacl_file {}", acl.display())
    });
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    memory.gap(0);
    memory.append(1..20, 100);
    let sensor = Sensor::start(local(broker.port), &memory);
    until("the batches", || inbox.seqs().len() == 19).await;
    log.says(&["refuses what we publish to airtally/home/attic/event", "not authorised (0x87)", "ACL"]).await;
    until("the refused gap alone to be pending", || memory.pending() == 1).await;
    sensor.stop().await;
    ingest.stop().await;
}

/// Nanoseconds that this thread, and so this test's runtime, has spent on a processor.
fn busy() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_broker_that_hangs_costs_no_processor_and_no_long_stop() {
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    until("the sensor", || !inbox.payloads(&Leaf::Status).is_empty()).await;
    broker.freeze();
    // More than the window, and news that has no place in it.
    memory.append(0..100, 100);
    sensor.status.send_modify(|status| status.last_seq = Some(99));
    pause(1_500).await;
    let before = busy();
    pause(1_000).await;
    let spent = Duration::from_nanos(busy() - before);
    assert!(spent < Duration::from_millis(100), "{spent:?} of a second");
    assert_eq!(memory.pending(), 100);
    let took = sensor.stop().await;
    assert!(took < Duration::from_secs(6), "{took:?}");
    drop(broker);
    ingest.stop().await;
}

#[tokio::test]
async fn a_broken_spool_is_tried_again() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    memory.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    memory.append(0..5, 100);
    let sensor = Sensor::start(local(broker.port), &memory);
    log.says(&["cannot use the spool: the disk is on fire"]).await;
    memory.broken.store(false, std::sync::atomic::Ordering::Relaxed);
    until("everything received", || inbox.seqs().len() == 5).await;
    sensor.stop().await;
    ingest.stop().await;
}
