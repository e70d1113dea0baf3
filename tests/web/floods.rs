//! Who asks for too much: floods, huge bodies, readers that do not read. Others are served, windows are stored, the log
//! stays short.

use crate::{
    rig::{SOON, Web, house, start, status, window},
    support::{broker::Broker, wait_until},
};
use airtally::wire::Record;
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Requests that one connection has under way.
const TOGETHER: usize = 50;

/// Sends `request` again and again, many at a time, until `stop`; counts the answers.
fn flood(
    address: SocketAddr,
    request: String,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let all = request.repeat(TOGETHER);
        let mut buffer = vec![0; 1 << 16];
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut stream) = TcpStream::connect(address) else { continue };
            let _ = stream.set_read_timeout(Some(SOON));
            while !stop.load(Ordering::Relaxed) {
                if stream.write_all(all.as_bytes()).is_err() {
                    break;
                }
                let mut due = TOGETHER;
                while due > 0 {
                    let Ok(read @ 1..) = stream.read(&mut buffer) else { break };
                    // A count of heads: one in two buffers is missed, which is no matter.
                    let heads = buffer[..read].windows(9).filter(|octets| octets.starts_with(b"HTTP/1.1 ")).count();
                    answered.fetch_add(heads as u64, Ordering::Relaxed);
                    due = due.saturating_sub(heads.max(1));
                }
            }
        }
    })
}

#[test]
fn a_flood_of_requests_keeps_nobody_from_being_served_and_stored() {
    let broker = Broker::start("");
    let mut web = Web::with(&house(), broker.port, "hosts = [\"pi.example\"]");
    web.daemon.await_log("connected", SOON);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let kinds = [
        ("/api/v1/stations", "host: localhost"),
        ("/api/v1/stations", "host: localhost\r\nvia: x"),
        ("/events", "host: pi.example"),
        ("/nothing", "host: localhost"),
        ("/api/v1/oui/b827eb", "host: localhost"),
    ];
    let floods: Vec<_> = kinds
        .iter()
        .map(|(path, headers)| format!("GET {path} HTTP/1.1\r\n{headers}\r\n\r\n"))
        .map(|request| flood(web.address, request, Arc::clone(&stop), Arc::clone(&answered)))
        .collect();
    wait_until("the flood is on", SOON, || answered.load(Ordering::Relaxed) > 1_000);
    // Somebody else is served, and a window comes and is stored, all the while.
    for _ in 0..5 {
        let answer = web.curl(&["--interface", "127.0.0.2", "{}/api/v1/sensors"]);
        assert_eq!(status(&answer), 200, "{answer}");
    }
    let record = Record::Batch(Box::new(window("porch", start(), 0, 3)));
    let port = broker.port.to_string();
    let arguments = ["-h", "127.0.0.1", "-p", &port, "-V", "5", "-q", "1", "-t", "airtally/home/porch/batch", "-s"];
    let mut publisher = Command::new("mosquitto_pub").args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    publisher.stdin.take().unwrap().write_all(&record.encode()).unwrap();
    assert!(publisher.wait().unwrap().success());
    wait_until("the window is stored", SOON, || {
        let answer = web.curl(&["--interface", "127.0.0.2", "{}/api/v1/windows?sensor=porch"]);
        answer.contains("\"sensor\":\"porch\"")
    });
    wait_until("there were ten thousand", SOON * 2, || answered.load(Ordering::Relaxed) > 10_000);
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.join().unwrap();
    }
    let log = web.daemon.log();
    assert!(log.lines().count() < 25, "{log}");
    let peak = web.daemon.peak_kib().unwrap();
    assert!(peak < 128 << 10, "{peak} KiB");
    assert!(web.daemon.stop().success());
}

#[test]
fn a_rate_limit_holds_for_everything() {
    let web = Web::start("rate_limit = 5");
    let statuses: Vec<u16> = (0..30).map(|_| web.status("/api/v1/sensors", &["via: x"])).collect();
    assert!(statuses.contains(&429) && statuses.contains(&403), "{statuses:?}");
}

#[test]
fn bodies_and_heads_are_bounded_everywhere() {
    let web = Web::start("");
    for path in ["/login", "/logout", "/api/v1/stations", "/events", "/", "/nothing"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999999\r\n\r\n");
        let answer = web.raw(&(head + &"x".repeat(1_000)));
        assert!([400, 403, 404, 405, 413].contains(&status(&answer)), "{path}: {answer}");
    }
    let long = format!(
        "GET /api/v1/stations?q={} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "x".repeat(70_000)
    );
    assert!([414, 431].contains(&status(&web.raw(&long))));
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(300_000));
    let mut stream = web.connect();
    let _ = stream.write_all(head.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.is_empty() || status(&answer) == 431, "{answer}");
    assert_eq!(web.status("/api/v1/sensors", &[]), 200);
}
