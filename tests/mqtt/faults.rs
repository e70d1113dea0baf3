//! When something is wrong, the log says in one sentence what, and what to do; and it is not tried in a hot loop.

use super::{
    broker::{Broker, free_port},
    certs::Certs,
    rig::*,
};
use airtally::config::{Mqtt, SecretFile, Tls};
use std::{path::PathBuf, process::Command, sync::Arc};

fn tls_broker(certs: &Certs, more: &str) -> Broker {
    broker_as(certs, "server", more)
}

/// A broker that shows the certificate of this name.
fn broker_as(certs: &Certs, name: &str, more: &str) -> Broker {
    Broker::start(&format!(
        "cafile {}\ncertfile {}\nkeyfile {}\n{more}",
        certs.path("ca.pem").display(),
        certs.path(&format!("{name}.pem")).display(),
        certs.path(&format!("{name}.key")).display()
    ))
}

fn with_tls(port: u16, host: &str, tls: Tls) -> Mqtt {
    Mqtt { host: host.into(), tls: Some(tls), ..local(port) }
}

/// Starts a sensor that cannot connect, and waits for the sentence.
async fn sensor_says(mqtt: Mqtt, words: &[&str]) {
    let (log, _guard) = Log::capture();
    let sensor = Sensor::start(mqtt, &Memory::new());
    log.says(words).await;
    sensor.stop().await;
    assert_eq!(log.count("connected to the broker"), 0, "{}", log.text());
}

/// Starts a sensor and waits until it is connected.
async fn sensor_connects(mqtt: Mqtt) {
    let (log, _guard) = Log::capture();
    let sensor = Sensor::start(mqtt, &Memory::new());
    log.says(&["INFO", "connected to the broker"]).await;
    sensor.stop().await;
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_named_and_only_then() {
    let certs = Certs::new("localhost");
    let broker = tls_broker(&certs, "");
    let trust = |ca: &str| Tls { ca_file: Some(certs.path(ca)), ..Tls::default() };
    sensor_connects(with_tls(broker.port, "localhost", trust("ca.pem"))).await;
    let untrusted = ["WARN", "is not trusted", "mqtt.tls.ca_file"];
    sensor_says(with_tls(broker.port, "localhost", trust("stranger.pem")), &untrusted).await;
    sensor_says(with_tls(broker.port, "localhost", Tls::default()), &untrusted).await;
    sensor_says(
        with_tls(broker.port, "127.0.0.1", trust("ca.pem")),
        &["is not trusted", "for another name than '127.0.0.1': it carries localhost;", "mqtt.tls.server_name"],
    )
    .await;
    let named = Tls { server_name: Some("localhost".into()), ..trust("ca.pem") };
    sensor_connects(with_tls(broker.port, "127.0.0.1", named)).await;
    let misnamed = Tls { server_name: Some("example.org".into()), ..trust("ca.pem") };
    sensor_says(with_tls(broker.port, "localhost", misnamed), &["another name"]).await;
    sensor_says(local(broker.port), &["closed the connection before accepting it", "[mqtt.tls]"]).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_named() {
    let certs = Certs::new("localhost");
    certs.self_signed("own", "localhost", "CA:FALSE");
    certs.self_signed("own-authority", "localhost", "CA:TRUE");
    let name = "subjectAltName=DNS:localhost\n";
    certs.dated("expired", "20200101000000Z", "20200201000000Z", name);
    certs.dated("early", "20990101000000Z", "20990201000000Z", name);
    certs.dated("client-only", "20200101000000Z", "20990201000000Z", &format!("{name}extendedKeyUsage=clientAuth\n"));
    certs.dated("no-name", "20200101000000Z", "20990201000000Z", "basicConstraints=CA:FALSE\n");
    certs.nameless("version-1");
    let cases: &[(&str, &str, &[&str])] = &[
        ("own", "ca", &["it is self-signed, and not one of those trusted here", "mqtt.tls.ca_file"]),
        ("own-authority", "ca", &["it is self-signed, and at the same time an authority's", "CA:FALSE"]),
        ("own-authority", "own-authority", &["it is self-signed, and at the same time an authority's", "CA:FALSE"]),
        ("expired", "ca", &["it has expired: it was valid until 2020-02-01T00:00:00Z", "this system's clock"]),
        ("early", "ca", &["it is not valid yet: it is from 2099-01-01T00:00:00Z on", "clock"]),
        ("client-only", "ca", &["it is not made for a server", "serverAuth"]),
        ("no-name", "ca", &["it carries no name at all", "subjectAltName"]),
        ("version-1", "ca", &["X.509 version 1", "subjectAltName"]),
    ];
    let trust = |ca: &str| Tls { ca_file: Some(certs.path(&format!("{ca}.pem"))), ..Tls::default() };
    for (server, ca, words) in cases {
        let broker = broker_as(&certs, server, "");
        let who = format!("the certificate of the broker at localhost:{} is not trusted", broker.port);
        sensor_says(with_tls(broker.port, "localhost", trust(ca)), &[&[who.as_str()], *words].concat()).await;
    }
    // The simplest that works: docs/tls.md, "Without an authority".
    let broker = broker_as(&certs, "own", "");
    sensor_connects(with_tls(broker.port, "localhost", trust("own"))).await;
}

#[tokio::test]
async fn plain_and_encrypted_ports_are_told_apart_and_so_is_an_old_version() {
    let certs = Certs::new("localhost");
    let trust = Tls { ca_file: Some(certs.path("ca.pem")), ..Tls::default() };
    let plain = Broker::start("");
    sensor_says(
        with_tls(plain.port, "localhost", trust.clone()),
        &["closed the connection before accepting it", "else leave out [mqtt.tls]"],
    )
    .await;
    let encrypted = tls_broker(&certs, "");
    sensor_says(local(encrypted.port), &["closed the connection before accepting it", "else add [mqtt.tls]"]).await;
    // mosquitto does not go below TLS 1.2 any more.
    let port = free_port();
    let mut old = Command::new("openssl")
        .args(["s_server", "-quiet", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-accept", &port.to_string()])
        .args(["-cert", "server.pem", "-key", "server.key"])
        .current_dir(certs.path(""))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("openssl listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    sensor_says(with_tls(port, "localhost", trust), &["TLS versions that are no longer safe", "TLS 1.2 or 1.3"]).await;
    old.kill().unwrap();
    old.wait().unwrap();
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let certs = Certs::new("localhost");
    let broker = tls_broker(&certs, "require_certificate true");
    let identity = |name: &str| Tls {
        ca_file: Some(certs.path("ca.pem")),
        cert_file: Some(certs.path(&format!("{name}.pem"))),
        key_file: Some(SecretFile(certs.path(&format!("{name}.key")))),
        ..Tls::default()
    };
    sensor_connects(with_tls(broker.port, "localhost", identity("client"))).await;
    certs.dated("late", "20200101000000Z", "20200201000000Z", "extendedKeyUsage=clientAuth\n");
    let refused = ["does not accept our client certificate", "mqtt.tls.cert_file"];
    sensor_says(with_tls(broker.port, "localhost", identity("intruder")), &refused).await;
    let late = ["does not accept our client certificate", "it has expired", "mqtt.tls.cert_file"];
    sensor_says(with_tls(broker.port, "localhost", identity("late")), &late).await;
    let none = Tls { ca_file: Some(certs.path("ca.pem")), ..Tls::default() };
    let asked = ["asks for a client certificate", "mqtt.tls.cert_file"];
    sensor_says(with_tls(broker.port, "localhost", none.clone()), &asked).await;
    let older = tls_broker(&certs, "require_certificate true\ntls_version tlsv1.2");
    sensor_says(with_tls(older.port, "localhost", none), &asked).await;
}

#[tokio::test]
async fn user_and_password_open_the_door() {
    let broker = Broker::start_with(|dir| {
        let passwords = dir.join("passwords");
        let made =
            Command::new("mosquitto_passwd").args(["-c", "-b"]).arg(&passwords).args(["attic", "right"]).status();
        assert!(made.unwrap().success());
        format!("allow_anonymous false\npassword_file {}", passwords.display())
    });
    let secret = |text: &str| {
        let path = broker.dir.path().join(text);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        Mqtt { username: Some("attic".into()), password_file: Some(SecretFile(path)), ..local(broker.port) }
    };
    sensor_connects(secret("right")).await;
    sensor_says(secret("wrong"), &["refuses user 'attic'", "mqtt.password_file"]).await;
    sensor_says(local(broker.port), &["refuses connections without a user name", "mqtt.username"]).await;
}

#[tokio::test]
async fn a_file_of_no_use_ends_the_start() {
    let certs = Certs::new("localhost");
    let fails = async |mqtt: Mqtt| {
        let sensor = Sensor::start(mqtt.clone(), &Memory::new());
        let error = sensor.task.await.unwrap().unwrap_err().to_string();
        let ingest = Ingest::start(mqtt, &Arc::default());
        assert_eq!(ingest.task.await.unwrap().unwrap_err().to_string(), error);
        error
    };
    let nowhere = PathBuf::from("/nonexistent/file");
    let password = Mqtt { username: Some("a".into()), password_file: Some(SecretFile(nowhere.clone())), ..local(1) };
    let error = fails(password).await;
    assert!(error.contains("cannot read the secret in /nonexistent/file"), "{error}");
    let error = fails(with_tls(1, "localhost", Tls { ca_file: Some(nowhere), ..Tls::default() })).await;
    assert!(error.contains("cannot use /nonexistent/file as the certificate authorities to trust"), "{error}");
    let key = Some(certs.path("ca.key"));
    let error = fails(with_tls(1, "localhost", Tls { ca_file: key, ..Tls::default() })).await;
    assert!(error.contains("it holds a private key, and no certificate (-----BEGIN CERTIFICATE-----)"), "{error}");
    let words: [(&str, &[u8], &str); 4] = [
        ("empty.pem", b"", "it is empty"),
        ("text.pem", b"hello\n", "it is no PEM file"),
        ("der.pem", &[0x30, 0x82, 1, 2, 0x30], "it is DER, not PEM"),
        ("request.pem", b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n", "a request"),
    ];
    for (name, content, word) in words {
        std::fs::write(certs.path(name), content).unwrap();
        let error = fails(with_tls(1, "localhost", Tls { ca_file: Some(certs.path(name)), ..Tls::default() })).await;
        assert!(error.contains(name) && error.contains(word), "{error}");
    }
    let encrypted = Command::new("openssl")
        .args(["pkey", "-aes256", "-passout", "pass:x", "-in", "client.key", "-out", "locked.key"])
        .current_dir(certs.path(""))
        .status();
    assert!(encrypted.unwrap().success());
    let locked = Tls {
        ca_file: Some(certs.path("ca.pem")),
        cert_file: Some(certs.path("client.pem")),
        key_file: Some(SecretFile(certs.path("locked.key"))),
        ..Tls::default()
    };
    let error = fails(with_tls(1, "localhost", locked)).await;
    assert!(error.contains("locked.key") && error.contains("encrypted with a password"), "{error}");
    let mismatch = Tls {
        ca_file: Some(certs.path("ca.pem")),
        cert_file: Some(certs.path("client.pem")),
        key_file: Some(SecretFile(certs.path("server.key"))),
        ..Tls::default()
    };
    let error = fails(with_tls(1, "localhost", mismatch)).await;
    assert!(error.contains("do not work together"), "{error}");
}

#[tokio::test]
async fn no_broker_and_no_such_host_are_told_apart_and_not_tried_hot() {
    let (log, _guard) = Log::capture();
    let sensor = Sensor::start(local(free_port()), &Memory::new());
    log.says(&["nothing listens at 127.0.0.1:", "check that the broker runs"]).await;
    pause(1500).await;
    sensor.stop().await;
    assert!(log.count("nothing listens") == 1, "once a minute:\n{}", log.text());
    let nowhere = Mqtt { host: "broker.invalid".into(), ..local(1883) };
    sensor_says(nowhere, &["the name 'broker.invalid' cannot be resolved", "mqtt.host"]).await;
}

#[tokio::test]
async fn a_client_id_used_twice_is_told() {
    let (log, _guard) = Log::capture();
    let broker = Broker::start("");
    let first = Sensor::start(local(broker.port), &Memory::new());
    log.says(&["connected to the broker"]).await;
    let second = Sensor::start(local(broker.port), &Memory::new());
    log.says(&["again and again", "another client uses our client id 'airtally-home-attic'", "mqtt.client_id"]).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn what_is_not_a_broker_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.writable().await.unwrap();
            socket.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    sensor_says(local(port), &["does not speak MQTT 5"]).await;
    sensor_says(with_tls(port, "127.0.0.1", Tls::default()), &["does not speak TLS"]).await;
    server.abort();
}
