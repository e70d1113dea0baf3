//! What is documented is what happens: messages on the wire validate against `docs/schema/`, and the broker settings
//! of `packaging/` let sensor and ingest work, and nobody else.

use super::{broker::Broker, certs::Certs, rig::*};
use airtally::{
    UnixNanos,
    config::{Mqtt, SecretFile, Tls},
    mqtt::*,
    wire::*,
};
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

/// A file of `packaging/`.
fn shipped(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(path)).unwrap()
}

/// Lays the shipped access rules and users into `dir`, as `docs/mqtt.md` says.
fn access(dir: &Path) {
    std::fs::write(dir.join("airtally.acl"), shipped("mosquitto/airtally.acl")).unwrap();
    let passwords = dir.join("airtally.passwd");
    std::fs::write(&passwords, "").unwrap();
    for user in ["sensor-1", "ingest-1", "sensor-2"] {
        let made = Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args([user, "secret"]).status();
        assert!(made.unwrap().success());
    }
    std::fs::write(dir.join("secret"), "secret\n").unwrap();
}

/// What the shipped settings promise, of a broker that has them: sensor and ingest work, and nobody else.
async fn only_those_who_may(broker: &Broker, tls: Option<Tls>) {
    let login = |user: &str| {
        let mut mqtt = local(broker.port);
        mqtt.username = Some(user.into());
        mqtt.password_file = Some(SecretFile(broker.dir.path().join("secret")));
        mqtt.tls.clone_from(&tls);
        mqtt
    };
    let (memory, inbox) = (Memory::new(), Arc::default());
    let ingest = Ingest::ready(login("ingest-1"), &inbox).await;
    let sensor = Sensor::start_named(login("sensor-1"), "sensor-1", &memory);
    memory.append(0..10, 10);
    memory.gap(10);
    until("everything delivered", || memory.pending() == 0 && inbox.seqs().len() == 10).await;
    until("status and info", || !inbox.payloads(&Leaf::Status).is_empty() && !inbox.payloads(&Leaf::Info).is_empty())
        .await;
    ingest.ask_of("sensor-1", memory.run, 0, 4).await;
    until("an answer", || !inbox.payloads(&Leaf::Response("replay".into())).is_empty()).await;
    sensor.stop().await;
    // Another sensor's password does not open this one's topics; no password opens none.
    let (log, _guard) = Log::capture();
    let intruder = Sensor::start_named(login("sensor-2"), "sensor-1", &memory);
    memory.append(11..12, 10);
    log.says(&["refuses what we publish to airtally/home/sensor-1/batch", "ACL"]).await;
    assert_eq!(inbox.seqs().len(), 10);
    intruder.stop().await;
    let nobody = Sensor::start(Mqtt { username: None, password_file: None, ..login("") }, &memory);
    log.says(&["refuses connections without a user name"]).await;
    nobody.stop().await;
    ingest.stop().await;
}

/// `packaging/mosquitto/airtally.conf` as it is but for paths and port, in the folder that Debian's mosquitto.conf includes.
fn as_in_debian(dir: &Path, port: u16, change: impl Fn(String) -> String) -> String {
    access(dir);
    let conf = shipped("mosquitto/airtally.conf").replace("/etc/mosquitto", dir.to_str().unwrap());
    std::fs::create_dir_all(dir.join("conf.d")).unwrap();
    let conf = change(conf).replace("\nlistener 1883\n", &format!("\nlistener {port}\n"));
    assert!(conf.contains(&format!("\nlistener {port}\n")), "{conf}");
    std::fs::write(dir.join("conf.d/airtally.conf"), conf).unwrap();
    format!("persistence true\ninclude_dir {}", dir.join("conf.d").display())
}

#[tokio::test]
async fn the_shipped_broker_settings_work() {
    let broker = Broker::start_as(|dir, port| as_in_debian(dir, port, |conf| conf));
    // Not on 127.0.0.1 alone: sensors are elsewhere.
    std::net::TcpStream::connect(("127.0.0.2", broker.port)).unwrap();
    only_those_who_may(&broker, None).await;
}

#[tokio::test]
async fn the_shipped_broker_settings_work_with_the_tls_that_they_show() {
    let certs = Certs::new("localhost");
    let broker = Broker::start_as(|dir, port| {
        for name in ["server.pem", "server.key"] {
            std::fs::copy(certs.path(name), dir.join(name)).unwrap();
        }
        // As the file says: the plain listener out, the other one in.
        as_in_debian(dir, port, |conf| {
            let conf = conf
                .replace("\nlistener 1883\n", "\n#listener 1883\n")
                .replace("\n#listener 8883\n", "\nlistener 1883\n");
            ["certfile", "keyfile"]
                .iter()
                .fold(conf, |conf, key| conf.replace(&format!("\n#{key} "), &format!("\n{key} ")))
        })
    });
    let tls = Tls { ca_file: Some(certs.path("ca.pem")), server_name: Some("localhost".into()), ..Tls::default() };
    only_those_who_may(&broker, Some(tls)).await;
}

#[tokio::test]
async fn the_containers_broker_settings_work() {
    let certs = Certs::new("mosquitto");
    let broker = Broker::start_as(|dir, port| {
        access(dir);
        for name in ["ca.pem", "server.pem", "server.key"] {
            std::fs::copy(certs.path(name), dir.join(name)).unwrap();
        }
        let dir = dir.to_str().unwrap();
        let conf = shipped("server/mosquitto/mosquitto.conf").replace("listener 8883", &format!("listener {port}"));
        let conf = ["certs", "config"].iter().fold(conf, |conf, name| conf.replace(&format!("/mosquitto/{name}"), dir));
        conf.lines().filter(|line| !line.starts_with("persistence_location")).collect::<Vec<_>>().join("\n")
    });
    let tls = Tls { ca_file: Some(certs.path("ca.pem")), server_name: Some("mosquitto".into()), ..Tls::default() };
    only_those_who_may(&broker, Some(tls)).await;
}
