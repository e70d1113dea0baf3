//! What clients may take of the registry's server: those that stall keep nobody waiting, and each number in docs/api.md
//! is true.

use crate::{
    serve::{AUTH, HEADER, Server, exchange, status, update},
    support::{temp_dir, wait_until},
};
use std::{fs, io::Write as _, net::TcpStream, time::Duration};

/// Clients that each send `bytes` and then neither send nor read.
fn stalled(server: &Server, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let address = server.url.split_once("://").unwrap().1;
    let one = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        // The server may stop reading, and it may have closed this one already.
        let _ = stream.write_all(bytes);
        stream
    };
    (0..count).map(one).collect()
}

fn open_sockets(server: &Server) -> usize {
    let all = fs::read_dir(format!("/proc/{}/fd", server.daemon.pid())).unwrap().flatten();
    all.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))).count()
}

#[test]
fn nobody_waits_for_300_clients_that_stall() {
    let files = temp_dir();
    crate::certificates::certificates(files.path());
    let at = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let plain = Server::start(&[]);
    let tls = Server::start(&["--tls-cert", &at("cert.pem"), "--tls-key", &at("key.pem")]);
    let macs = ["mac=b827eb000001"; 800].join("&");
    let batch = format!("GET /api/v1/oui?{macs} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let body = "POST /api/v1/oui HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{";
    for (what, server, bytes) in [
        ("silence", &plain, Vec::new()),
        ("half a head", &plain, b"GET /api/v1/oui HTTP/1.1\r\nhost: local".to_vec()),
        ("half a body", &plain, body.into()),
        ("answers that nobody reads", &plain, batch.repeat(60).into_bytes()),
        ("half a TLS handshake", &tls, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
    ] {
        let _held = stalled(server, 300, &bytes);
        std::thread::sleep(Duration::from_millis(500));
        // One from the same address, and one from another.
        for from in ["127.0.0.1", "127.0.0.2"] {
            let begin = std::time::Instant::now();
            let status = server.status(&["-k", "--interface", from, "{}/api/v1/oui/b827eb010203"]);
            assert_eq!(status, 200, "{what}, from {from}");
            assert!(begin.elapsed() < Duration::from_secs(1), "{what}, from {from}: {:?}", begin.elapsed());
        }
        assert!(open_sockets(server) < 80, "{what}: {} sockets", open_sockets(server));
    }
}

#[test]
fn documented_sizes_are_true() {
    let server = Server::start(&["--token-file", "token"]);
    let post = |octets: usize| {
        let head = format!("POST /api/v1/oui HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{AUTH}\r\n");
        status(&exchange(&server, format!("{head}content-length: {octets}\r\n\r\n{}", " ".repeat(octets)).as_bytes()))
    };
    assert_eq!([post(65_536), post(65_537)], [400, 413]);
    let get = |target: &str, headers: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
        (head.len(), status(&exchange(&server, head.as_bytes())))
    };
    let head = |octets: usize| {
        let (short, _) = get("/api/v1/oui/b827eb", "x: \r\n");
        let (long, status) = get("/api/v1/oui/b827eb", &format!("x: {}\r\n", "a".repeat(octets - short)));
        assert_eq!(long, octets);
        status
    };
    assert_eq!([head(256 << 10), head((256 << 10) + 1)], [200, 431]);
    let headers = |count: usize| get("/api/v1/oui/b827eb", &"x: a\r\n".repeat(count - 2)).1;
    assert_eq!([headers(100), headers(101)], [200, 431]);
    let target = |octets: usize| {
        let asked = "/api/v1/oui?mac=b827eb";
        get(&format!("{asked}{}", "&".repeat(octets - asked.len())), "").1
    };
    assert_eq!([target(65_534), target(65_535)], [200, 414]);
    let batch = |count: usize| get(&format!("/api/v1/oui?{}", ["mac=b827eb"; 1_001][..count].join("&")), "").1;
    assert_eq!([batch(1_000), batch(1_001)], [200, 413]);

    let mut many = HEADER.to_owned();
    for number in 0..1_200 {
        many += &format!("MA-L,{number:06X},Many {number},x\r\n");
    }
    many += "MA-L,B827EB,Raspberry Pi Foundation,x\r\nMA-L,70B3D5,y,x\r\nMA-S,70B3D5F2F,z,x\r\n";
    fs::write(server.dir.path().join("ieee.csv"), many).unwrap();
    update(server.dir.path(), &["ieee.csv", "manuf"]);
    let found = |query: &str| {
        let answer = server.curl(&[&format!("{{}}/api/v1/oui/search?q=many{query}")]);
        answer.matches("\"prefix\"").count()
    };
    wait_until("the new cache is in use", Duration::from_secs(10), || found("") > 0);
    assert_eq!([found(""), found("&limit=1000")], [100, 1_000]);
    assert!(server.curl(&["{}/api/v1/oui/b827eb"]).contains("\ncache-control: public, max-age=300\n"), "five minutes");

    // 10,000 local entries, and no more.
    let db = rusqlite::Connection::open(server.dir.path().join("oui.sqlite")).unwrap();
    db.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9998)
         INSERT INTO local_entry SELECT 2 << 40 | i, 48, NULL, 'x', NULL FROM n",
    )
    .unwrap();
    drop(db);
    let add = |prefix: &str| {
        let body = format!(r#"{{"prefix":"{prefix}","organisation":"x"}}"#);
        server.status(&["-H", AUTH, "-d", &body, "{}/api/v1/oui"])
    };
    assert_eq!([add("06:00:00:00:00:01"), add("06:00:00:00:00:02")], [201, 409]);
}

#[test]
fn documented_times_and_numbers_of_connections_are_true() {
    let server = Server::start(&[]);
    let timed = |bytes: &'static [u8]| {
        let begin = std::time::Instant::now();
        (exchange(&server, bytes), begin.elapsed())
    };
    std::thread::scope(|scope| {
        let body = b"POST /api/v1/oui HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
        for bytes in [&b""[..], b"GET / HTTP", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", body] {
            scope.spawn(move || {
                let (answer, time) = timed(bytes);
                let whole = Duration::from_secs(10);
                // Who may not change anything is told at once, whatever body comes; its connection ends.
                let expected = if bytes == body { Duration::ZERO } else { whole };
                assert!(time >= expected && time < expected + Duration::from_secs(3), "{time:?}: {answer}");
            });
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let to = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let connect = |from: u8| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, from], 0).into()).unwrap();
        runtime.block_on(socket.connect(to)).unwrap()
    };
    // Sockets of the requests before may still be closing: the least that is seen in a second is what stays.
    let look = |_| {
        std::thread::sleep(Duration::from_millis(50));
        open_sockets(&server)
    };
    let idle = (0..20).map(look).min().unwrap();
    let mut held: Vec<_> = (0..70).map(|_| connect(1)).collect();
    wait_until("64 are open", Duration::from_secs(8), || open_sockets(&server) - idle == 64);
    held.extend((0..300).map(|count| connect(2 + count as u8 % 5)));
    wait_until("256 are open", Duration::from_secs(8), || open_sockets(&server) - idle == 256);
}
