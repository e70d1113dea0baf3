//! `airtally oui update` from servers: conditional requests, and servers that answer slowly, wrongly, too much or not at
//! all. The servers are a few lines each, on loopback.

use crate::support::{
    program::{Daemon, run, text},
    temp_dir, wait_until,
};
use airtally::oui::store::fetch::{Fetched, Fetcher, Timeouts, Version};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

const MANUF: &str = "00:00:0C\tCisco\tCisco Systems\n00:00:17\tOracle\n";

/// Serves every connection with `answer`, which gets the request's head; returns the address and the heads so far.
fn server(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut head).unwrap() > 2 {}
            seen.lock().unwrap().push(head.to_lowercase());
            answer(&head, &mut stream);
        }
    });
    (url, heads)
}

fn reply(stream: &mut TcpStream, head: &str, body: &str) {
    // A client that has had enough is what some of these tests are about.
    let _ = write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
}

fn get(url: &str, known: Option<&Version>) -> Result<Fetched, String> {
    let timeouts =
        Timeouts { connect: Duration::from_secs(2), idle: Duration::from_millis(700), total: Duration::from_secs(3) };
    let fetcher = Fetcher::new(None, timeouts).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(fetcher.get(url, known, |_, _| {})).map_err(|error| error.to_string())
}

#[test]
fn an_unchanged_file_is_not_sent_again() {
    let (url, heads) = server(|head, stream| {
        if head.to_lowercase().contains("if-none-match: \"v1\"") {
            let _ = stream.write_all(b"HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n");
        } else {
            reply(stream, "200 OK\r\netag: \"v1\"\r\nlast-modified: Sat, 21 Nov 2026 03:00:00 GMT", MANUF);
        }
    });
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    let update = || {
        let output = run(["oui", "--db", db.to_str().unwrap(), "update", "--from", &format!("{url}/manuf")]);
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    assert!(update().ends_with("changed\n"));
    for _ in 0..2 {
        assert!(update().ends_with("as before\n"));
    }
    let heads = heads.lock().unwrap();
    assert!(!heads[0].contains("if-none-match"));
    for head in &heads[1..] {
        assert!(
            head.contains("if-none-match: \"v1\"") && head.contains("if-modified-since: sat, 21 nov 2026 03:00:00 gmt")
        );
    }
    let output = run(["oui", "--db", db.to_str().unwrap(), "lookup", "00:00:0c:00:00:01"]);
    assert!(text(&output).contains("Cisco Systems"));
}

#[test]
fn servers_that_misbehave_are_described() {
    let far = "https://127.0.0.1:1/manuf";
    assert!(get(far, None).unwrap_err().contains("cannot be fetched"));
    assert!(get("http://example.org/manuf", None).unwrap_err().contains("not an https address"));
    assert!(get("ftp://example.org/manuf", None).unwrap_err().contains("not an https address"));

    let (missing, _) = server(|_, stream| reply(stream, "404 Not Found", "no"));
    assert!(get(&missing, None).unwrap_err().contains("404 Not Found"));

    let (unasked, _) = server(|_, stream| reply(stream, "304 Not Modified", ""));
    assert!(get(&unasked, None).unwrap_err().contains("304"));

    let (short, _) = server(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n00:00:0C\tCisco\n");
    });
    assert!(get(&short, None).unwrap_err().contains("cannot be fetched"));

    let (silent, _) = server(|_, _| thread::sleep(Duration::from_secs(2)));
    assert!(get(&silent, None).unwrap_err().contains("too long"));

    let (dripping, _) = server(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(b"#\n").is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    assert!(get(&dripping, None).unwrap_err().contains("too long"));

    let (endless, _) = server(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let block = vec![b'#'; 1 << 20];
        while stream.write_all(&block).is_ok() {}
    });
    let said = get(&endless, None).unwrap_err();
    assert!(said.contains("larger than 64 MiB") || said.contains("too long"), "{said}");

    let (astray, _) = server(|_, stream| reply(stream, "302 Found\r\nlocation: http://example.org/", ""));
    assert!(get(&astray, None).unwrap_err().contains("without TLS"));

    let (circle, heads) = server(|_, stream| reply(stream, "302 Found\r\nlocation: /again", ""));
    assert!(get(&circle, None).unwrap_err().contains("more than five times"));
    assert!(heads.lock().unwrap().len() <= 7);
}

#[test]
fn one_source_that_fails_leaves_the_cache_as_it_was() {
    let (good, _) = server(|_, stream| reply(stream, "200 OK", MANUF));
    let (page, _) = server(|_, stream| reply(stream, "200 OK", "<html>maintenance</html>\n"));
    let dir = temp_dir();
    let db = dir.path().join("oui.sqlite");
    let update = |urls: &[&str]| run(["oui", "--db", db.to_str().unwrap(), "update", "--from"].iter().chain(urls));
    assert!(update(&[&good]).status.success());
    let before = std::fs::read(&db).unwrap();
    let output = update(&[&good, &page]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("web page") && text(&output).contains(&page), "{}", text(&output));
    assert_eq!(std::fs::read(&db).unwrap(), before);

    let list = dir.path().join("list");
    std::fs::write(&list, format!("# our mirror\n{good}\n")).unwrap();
    let output = run(["oui", "--db", db.to_str().unwrap(), "update", "--from-list", list.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("manuf"), MANUF).unwrap();
    crate::certificates::certificates(dir.path());
    let port = crate::support::free_port();
    let mut command = Command::new("openssl");
    command.current_dir(dir.path()).args(["s_server", "-quiet", "-WWW", "-cert", "cert.pem", "-key", "key.pem"]);
    let log = dir.path().join("log");
    let _server = Daemon::start("openssl", command.args(["-accept", &port.to_string()]), &log);
    wait_until("openssl listens", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let url = format!("https://localhost:{port}/manuf");
    let update = |extra: &[&str]| run([&["oui", "--db", &at("oui.sqlite"), "update", "--from", &url], extra].concat());
    let refused = update(&[]);
    assert_eq!(refused.status.code(), Some(1));
    let words = ["the certificate of the server is not trusted", "no authority that is trusted here", "--ca-file"];
    assert!(words.iter().all(|word| text(&refused).contains(word)), "{}", text(&refused));
    let taken = update(&["--ca-file", &at("ca.pem")]);
    assert!(taken.status.success(), "{}", text(&taken));
}

#[test]
fn what_is_wrong_with_a_servers_certificate_is_named() {
    let certs = crate::certs::Certs::new("other.example");
    certs.self_signed("own", "localhost", "CA:TRUE");
    let ca = certs.path("ca.pem").display().to_string();
    for (name, words) in [("own", "at the same time an authority's"), ("server", "it carries other.example;")] {
        let port = crate::support::free_port();
        let mut command = Command::new("openssl");
        let files = [format!("{name}.pem"), format!("{name}.key")];
        command.current_dir(certs.path("")).args(["s_server", "-quiet", "-WWW", "-cert", &files[0], "-key", &files[1]]);
        let _server = Daemon::start("openssl", command.args(["-accept", &port.to_string()]), &certs.path("log"));
        wait_until("openssl listens", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let url = format!("https://localhost:{port}/manuf");
        let db = certs.path("oui.sqlite").display().to_string();
        let refused = run(["oui", "--db", &db, "update", "--from", &url, "--ca-file", &ca]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused).contains(words), "{}", text(&refused));
    }
}
