//! Server-sent events through the whole pipeline: a window that a sensor publishes is told, and told again to who comes back.

use crate::{
    rig::{SOON, Web, start, status, window},
    support::broker::Broker,
};
use airtally::wire::Record;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

/// One event: its fields.
#[derive(Debug, Default)]
struct Event {
    id: String,
    name: String,
    data: String,
}

/// A listener.
struct Listener(BufReader<TcpStream>);

impl Listener {
    fn new(web: &Web, headers: &str) -> Self {
        let mut stream = web.connect();
        write!(stream, "GET /events HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event; what is none is passed over.
    fn next(&mut self) -> Event {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).expect("a line in time"), 0, "the stream ended");
            let line = line.trim_end();
            match line.split_once(": ") {
                Some(("id", id)) => event.id = id.into(),
                Some(("event", name)) => event.name = name.into(),
                Some(("data", data)) => event.data = data.into(),
                _ if line.is_empty() && !event.name.is_empty() => return event,
                _ => {}
            }
        }
    }

    /// Waits until the server says hello.
    fn hello(mut self) -> Self {
        let mut line = String::new();
        while !line.starts_with("retry: 3000") {
            line.clear();
            assert_ne!(self.0.read_line(&mut line).expect("a line in time"), 0, "the stream ended");
        }
        self
    }
}

fn publish(broker: &Broker, record: &Record) {
    let port = broker.port.to_string();
    let topic = format!("airtally/{}/{}/batch", record.site(), record.sensor());
    let arguments = ["-h", "127.0.0.1", "-p", &port, "-V", "5", "-q", "1", "-t", &topic, "-s"];
    let mut child = Command::new("mosquitto_pub").args(arguments).stdin(Stdio::piped()).spawn().expect("mosquitto_pub");
    child.stdin.take().unwrap().write_all(&record.encode()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn windows_are_told_as_they_come_and_again_to_who_comes_back() {
    let broker = Broker::start("");
    let web = Web::with(&[], broker.port, "");
    web.daemon.await_log("connected", SOON);
    let mut listener = Listener::new(&web, "").hello();
    let record = |seq| Record::Batch(Box::new(window("attic", start(), seq, 3)));
    publish(&broker, &record(0));
    let first = listener.next();
    let data: serde_json::Value = serde_json::from_str(&first.data).unwrap();
    assert_eq!(
        (first.name.as_str(), data["sensor"].as_str(), data["seq"].as_u64()),
        ("window", Some("attic"), Some(0))
    );
    assert_eq!(data["frames"].as_u64(), Some(10));
    let stored = listener.next();
    assert_eq!(
        (stored.name.as_str(), stored.data.contains(&data["arrival"].to_string())),
        ("stored", true),
        "{stored:?}"
    );
    assert_eq!(web.json("/api/v1/windows")["items"][0]["seq"].as_u64(), Some(0), "what is stored is there");
    drop(listener);
    // Somebody else hears it while the first is away.
    let mut other = Listener::new(&web, "").hello();
    publish(&broker, &record(1));
    assert!(other.next().data.contains("\"seq\":1"));
    let mut back = Listener::new(&web, &format!("last-event-id: {}\r\n", stored.id));
    let second = back.next();
    assert!(second.name == "window" && second.data.contains("\"seq\":1"), "{second:?}");
    assert_eq!(Listener::new(&web, "last-event-id: 00000000-5\r\n").next().name, "missed");
    assert_eq!(web.status("/events?x=1", &[]), 400);
}

#[test]
fn listeners_are_bounded_the_oldest_gives_way_and_nobody_else_waits() {
    let broker = Broker::start("");
    let mut web = Web::with(&[], broker.port, "");
    web.daemon.await_log("connected", SOON);
    // More than one address may have connections, and all the same one address: streams have a bound of their own.
    let mut listeners: Vec<Listener> = (0..140).map(|_| Listener::new(&web, "").hello()).collect();
    for listener in listeners.iter_mut().take(12) {
        listener.0.read_to_end(&mut Vec::new()).expect("the oldest have ended");
    }
    // Most of them never read: nobody waits for them.
    publish(&broker, &Record::Batch(Box::new(window("attic", start(), 0, 3))));
    assert_eq!(listeners.last_mut().unwrap().next().name, "window");
    assert_eq!(status(&web.get("/api/v1/sensors", &[])), 200);
    let log = web.daemon.log();
    assert_eq!(log.matches("too many connections").count(), 1, "{log}");
    // Open streams hold up no end.
    assert!(web.daemon.stop().success());
}
