//! What is documented is what happens: messages on the wire validate against `docs/schema/`, and the broker settings
//! of `docs/mqtt.md` let sensor and ingest work, and nobody else.

use super::{broker::Broker, rig::*};
use airtally::{UnixNanos, config::SecretFile, mqtt::*, wire::*};
use serde_json::Value;
use std::{path::Path, process::Command, sync::Arc};

pub fn errors(schema: &str, message: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{schema}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(message).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[tokio::test]
async fn messages_on_the_wire_validate() {
    let broker = Broker::start("");
    let (memory, inbox) = (Memory::new(), Arc::default());
    memory.append(0..5, 10);
    let ingest = Ingest::ready(local(broker.port), &inbox).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    let range = RunRange { run: memory.run, first_seq: 0, last_seq: 4, finished: true };
    sensor.status.send_modify(|status| {
        status.last_seq = Some(4);
        status.runs = vec![range; 20];
    });
    let event =
        Event { kind: "test".into(), time: UnixNanos(1), run: None, message: "Hm.".into(), data: Default::default() };
    sensor.events.send(event).await.unwrap();
    until("the sensor", || !inbox.payloads(&Leaf::Status).is_empty()).await;
    ingest.ask(memory.run, 3, 9).await;
    put(broker.port, "airtally/home/attic/request/replay", "nonsense");
    let response = Leaf::Response("replay".into());
    until("two answers", || inbox.payloads(&response).len() == 2).await;
    until("an event", || !inbox.payloads(&Leaf::Event).is_empty()).await;
    until("the status", || inbox.payloads(&Leaf::Status).iter().any(|status| status["last_seq"] == 4)).await;
    sensor.stop().await;
    until("offline", || inbox.payloads(&Leaf::Status).iter().any(|status| status["state"] == "offline")).await;
    let sensor = Sensor::start(local(broker.port), &memory);
    until("online", || inbox.payloads(&Leaf::Info).len() == 2).await;
    sensor.kill().await;
    until("the last will", || inbox.payloads(&Leaf::Status).iter().any(|status| status["reason"] == "connection_lost"))
        .await;
    ingest.stop().await;
    for (leaf, schema) in
        [(Leaf::Status, "status"), (Leaf::Info, "info"), (Leaf::Event, "event"), (response, "replay-answer")]
    {
        for message in inbox.payloads(&leaf) {
            assert_eq!(errors(schema, &message), [""; 0], "{message:#}");
        }
    }
    let request = ReplayRequest { run: memory.run, first_seq: 0, last_seq: u64::MAX, id: Some("x".into()) };
    assert_eq!(errors("replay-request", &serde_json::to_value(request).unwrap()), [""; 0]);
}

#[tokio::test]
async fn batches_say_what_they_are() {
    let broker = Broker::start("");
    let memory = Memory::new();
    let sub = Command::new("mosquitto_sub")
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &broker.port.to_string(), "-q", "1", "-C", "1", "-W", "10"])
        .args(["-t", "airtally/+/+/batch", "-F", "%C|%P|%r|%q"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let sensor = Sensor::start(local(broker.port), &memory);
    memory.append(7..8, 10);
    until("delivery", || memory.pending() == 0).await;
    let output = String::from_utf8(sub.wait_with_output().unwrap().stdout).unwrap();
    let run = memory.run;
    assert_eq!(output.trim(), format!("application/json|schema:airtally.batch/1 run:{run} seq:7 part:0|0|1"));
    sensor.stop().await;
}

/// The first block of `docs/mqtt.md` that begins with this line.
fn snippet(first_line: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mqtt.md")).unwrap();
    let block = page.split("```").find(|block| block.lines().nth(1) == Some(first_line));
    block
        .unwrap_or_else(|| panic!("docs/mqtt.md has no block '{first_line}'"))
        .lines()
        .skip(1)
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn the_documented_broker_settings_work() {
    let broker = Broker::start_with(|dir| {
        let (acl, passwords) = (dir.join("acl"), dir.join("passwords"));
        std::fs::write(&acl, snippet("# /etc/mosquitto/airtally.acl")).unwrap();
        std::fs::write(&passwords, "").unwrap();
        for user in ["attic", "ingest", "cellar"] {
            let made = Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args([user, "secret"]).status();
            assert!(made.unwrap().success());
        }
        std::fs::write(dir.join("secret"), "secret\n").unwrap();
        snippet("# /etc/mosquitto/conf.d/airtally.conf")
            .replace("/etc/mosquitto/airtally.acl", acl.to_str().unwrap())
            .replace("/etc/mosquitto/airtally.passwords", passwords.to_str().unwrap())
    });
    let login = |user: &str| {
        let mut mqtt = local(broker.port);
        mqtt.username = Some(user.into());
        mqtt.password_file = Some(SecretFile(broker.dir.path().join("secret")));
        mqtt
    };
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(login("ingest"), &inbox).await;
    let sensor = Sensor::start(login("attic"), &memory);
    memory.append(0..10, 10);
    memory.gap(10);
    until("everything delivered", || memory.pending() == 0 && inbox.seqs().len() == 10).await;
    until("status and info", || !inbox.payloads(&Leaf::Status).is_empty() && !inbox.payloads(&Leaf::Info).is_empty())
        .await;
    ingest.ask(memory.run, 0, 4).await;
    until("an answer", || !inbox.payloads(&Leaf::Response("replay".into())).is_empty()).await;
    sensor.stop().await;
    // Another sensor's password does not open this one's topics.
    let (log, _guard) = Log::capture();
    let intruder = Sensor::start(login("cellar"), &memory);
    memory.append(11..12, 10);
    log.says(&["refuses what we publish to airtally/home/attic/batch", "ACL"]).await;
    assert_eq!(inbox.seqs().len(), 10);
    intruder.stop().await;
    ingest.stop().await;
}
