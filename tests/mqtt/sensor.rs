//! What others see of a sensor: status, info, last will, events.

use super::{broker::Broker, rig::*};
use airtally::{UnixNanos, mqtt::*, wire::*};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const STATUS: &str = "airtally/home/attic/status";

#[tokio::test]
async fn status_and_info_are_retained_and_follow_the_sensor() {
    let broker = Broker::start("");
    let memory = Memory::new();
    let sensor = Sensor::start(local(broker.port), &memory);
    let status = until_peek(broker.port, STATUS, |_| true).await;
    assert_eq!(
        (&status["schema"], &status["state"], &status["run"], &status["last_seq"]),
        (&json!("airtally.status/1"), &json!("online"), &json!(memory.run), &json!(null))
    );
    let info = peek(broker.port, "airtally/home/attic/info").await.unwrap();
    assert_eq!(info["schema"], "airtally.info/1");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["config"], json!({"window": {"length": "10s"}}));

    let many = (0..40).map(|n| RunRange { run: uuid::Uuid::from_u128(n), first_seq: 0, last_seq: 1, finished: true });
    let (run, runs) = (Some(memory.run), many.collect());
    sensor.status.send_replace(Status { last_seq: Some(8), runs, ..Status::online(run) });
    sensor.status.send_modify(|status| status.last_seq = Some(9));
    let status = until_peek(broker.port, STATUS, |status| status["last_seq"] == 9).await;
    let runs = status["runs"].as_array().unwrap().clone();
    assert_eq!((runs.len(), &runs[15]["run"]), (16, &json!(uuid::Uuid::from_u128(39))));

    let took = sensor.stop().await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    let status = peek(broker.port, STATUS).await.unwrap();
    assert_eq!(
        (&status["state"], &status["reason"], &status["last_seq"]),
        (&json!("offline"), &json!("stopped"), &json!(9))
    );
}

#[tokio::test]
async fn a_killed_sensor_leaves_its_last_will() {
    let broker = Broker::start("");
    let memory = Memory::new();
    let sensor = Sensor::start(local(broker.port), &memory);
    until_peek(broker.port, STATUS, |_| true).await;
    sensor.kill().await;
    let died = Instant::now();
    until_peek(broker.port, STATUS, |status| status["state"] == "offline").await;
    assert!(died.elapsed() < Duration::from_secs(5), "within the keep-alive");
    let status = peek(broker.port, STATUS).await.unwrap();
    assert_eq!((&status["reason"], &status["run"]), (&json!("connection_lost"), &json!(memory.run)));
    // A new life overwrites it.
    let sensor = Sensor::start(local(broker.port), &memory);
    until_peek(broker.port, STATUS, |status| status["state"] == "online").await;
    sensor.stop().await;
}

/// A network that swallows everything, as when a cable is cut: both sides find out by keep-alive.
#[tokio::test]
async fn a_silent_network_is_noticed_on_both_sides() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start("");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (cut, is_cut) = tokio::sync::watch::channel(false);
    let target = broker.port;
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = tokio::net::TcpStream::connect(("127.0.0.1", target)).await.unwrap();
        let (near, far) = (Arc::new(near), Arc::new(far));
        tokio::join!(pipe(&near, &far, is_cut.clone()), pipe(&far, &near, is_cut.clone()));
    });
    let memory = Memory::new();
    let sensor = Sensor::start(local(port), &memory);
    until_peek(target, STATUS, |_| true).await;
    cut.send(true).unwrap();
    let cut_at = Instant::now();
    log.says(&["no longer answers"]).await;
    until_peek(target, STATUS, |status| status["state"] == "offline").await;
    assert!(cut_at.elapsed() < Duration::from_secs(15), "keep-alive is 5 s, and the broker waits one and a half");
    sensor.stop().await;
}

/// Forwards until cut, then reads nothing and keeps the sockets open.
async fn pipe(from: &tokio::net::TcpStream, to: &tokio::net::TcpStream, mut cut: tokio::sync::watch::Receiver<bool>) {
    let mut bytes = vec![0; 4096];
    loop {
        tokio::select! {
            () = async { drop(cut.wait_for(|cut| *cut).await) } => std::future::pending().await,
            ready = from.readable() => ready.unwrap(),
        }
        let Ok(read) = from.try_read(&mut bytes) else { continue };
        let mut rest = &bytes[..read];
        if read == 0 {
            std::future::pending::<()>().await;
        }
        while !rest.is_empty() {
            to.writable().await.unwrap();
            if let Ok(written) = to.try_write(rest) {
                rest = &rest[written..];
            }
        }
    }
}

#[tokio::test]
async fn an_event_reaches_ingest() {
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    let event = Event {
        kind: "clock_step".into(),
        time: UnixNanos(0),
        run: Some(memory.run),
        message: "The system clock was set back by 3.2 s.".into(),
        data: json!({"seconds": -3.2}).as_object().unwrap().clone(),
    };
    sensor.events.send(event).await.unwrap();
    until("the event", || inbox.payloads(&Leaf::Event).len() == 1).await;
    let event = inbox.payloads(&Leaf::Event)[0].clone();
    assert_eq!(
        (&event["schema"], &event["kind"], &event["site"], &event["data"]["seconds"]),
        (&json!("airtally.event/1"), &json!("clock_step"), &json!("home"), &json!(-3.2))
    );
    sensor.stop().await;
    ingest.stop().await;
}
