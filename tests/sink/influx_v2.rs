//! The InfluxDB sink against a small server that answers as InfluxDB 2's documentation says (and as proxies do).
//! The server keeps the lines of every write it accepts.
use crate::{
    feed::Following,
    records::{sample, simple, tracked},
};
use airtally::{
    config::{self, InfluxApi, SecretFile},
    sink::{
        Influx, OpenError, Sink, SinkError,
        influx::{line_protocol::Point, points::points},
    },
    wire::Record,
};
use flate2::read::GzDecoder;
use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A write as it arrived.
struct Request {
    head: String,
    lines: Vec<String>,
}

type Answer = &'static str;
const STORED: Answer = "204 No Content\r\n\r\n";

/// A server on a free port that answers each write by `decide`, and what it accepted and saw.
struct Server {
    url: String,
    accepted: Arc<Mutex<BTreeSet<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

async fn serve(decide: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (accepted, heads) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(Mutex::new(Vec::new())));
    let server = Server { url, accepted: Arc::clone(&accepted), heads: Arc::clone(&heads) };
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read(&mut stream).await;
            let count = {
                let mut heads = heads.lock().unwrap();
                heads.push(request.head.clone());
                heads.len()
            };
            let answer = decide(&request, count);
            if answer == STORED {
                accepted.lock().unwrap().extend(request.lines);
            }
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let answer =
                format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    server
}

async fn read(stream: &mut tokio::net::TcpStream) -> Request {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65_536]);
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the request ended early");
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let length: usize = header(&head, "content-length").parse().unwrap();
        if bytes.len() < end + 4 + length {
            continue;
        }
        assert_eq!(header(&head, "content-encoding"), "gzip");
        let mut text = String::new();
        GzDecoder::new(&bytes[end + 4..]).read_to_string(&mut text).unwrap();
        return Request { head, lines: text.lines().map(str::to_owned).collect() };
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let line = head.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {head}")).split_once(": ").unwrap().1
}

fn config(url: &str) -> config::Influx {
    config::Influx {
        name: "cloud".into(),
        api: InfluxApi::V2,
        url: url.into(),
        org: Some("my org".into()),
        bucket: Some("wifi&more".into()),
        token_file: None,
        db: None,
        user: None,
        password_file: None,
        ca_file: None,
        timeout: Duration::from_secs(2),
        refill: Duration::from_secs(60),
        max_series: None,
    }
}

fn sink(server: &Server) -> Influx {
    Influx::open(&config(&server.url)).unwrap()
}

fn line(point: &Point) -> String {
    let mut text = String::new();
    point.write(&mut text);
    text.trim_end().to_owned()
}

fn lines(records: &[Record]) -> BTreeSet<String> {
    records.iter().flat_map(|record| points(record).unwrap()).map(|point| line(&point)).collect()
}

fn some(count: u64) -> Vec<Record> {
    (0..count).map(|n| Record::Batch(Box::new(simple("home", "pi", n, tracked(0x10 + n, 1))))).collect()
}

fn temporary(result: Result<(), SinkError>) -> (String, Option<Duration>) {
    match result {
        Err(SinkError::Temporary { reason, retry_after }) => (reason, retry_after),
        other => panic!("{other:?}"),
    }
}

fn rejected(result: Result<(), SinkError>) -> Vec<(usize, String)> {
    match result {
        Err(SinkError::Refused { rejected, .. }) => rejected.into_iter().map(|one| (one.index, one.reason)).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_write_is_what_the_documentation_asks_for() {
    let server = serve(|_, _| STORED).await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    let mut config = config(&format!("{}/base/", server.url));
    config.token_file = Some(SecretFile(token.clone()));
    let mut sink = Influx::open(&config).unwrap();
    let records = sample(crate::records::records(10));
    for secret in ["first-token", "second-token"] {
        fs::write(&token, format!("{secret}\n")).unwrap();
        sink.store(&records).await.unwrap();
        let head = server.heads.lock().unwrap().last().unwrap().clone();
        let start = "post /base/api/v2/write?org=my+org&bucket=wifi%26more&precision=ns http/1.1";
        assert_eq!(head.lines().next(), Some(start));
        assert_eq!(header(&head, "authorization"), format!("token {secret}"));
        assert_eq!(header(&head, "content-type"), "text/plain; charset=utf-8");
        assert_eq!(header(&head, "user-agent"), format!("airtally/{}", env!("CARGO_PKG_VERSION")));
    }
    assert_eq!(*server.accepted.lock().unwrap(), lines(&records));
    // Neither what is printed for debugging nor an error tells the secret.
    assert!(!format!("{sink:?}").contains("second-token"));
    fs::write(&token, "no\u{7}token").unwrap();
    let (reason, _) = temporary(sink.store(&records).await);
    assert!(reason.contains("token_file") && !reason.contains("no\u{7}token"), "{reason}");
}

#[tokio::test]
async fn every_status_that_is_not_the_datas_fault_is_temporary() {
    for (answer, words, wait) in [
        ("401 Unauthorized\r\n\r\n{\"code\":\"unauthorized\",\"message\":\"unauthorized access\"}", "token_file", None),
        ("403 Forbidden\r\n\r\n{\"code\":\"forbidden\",\"message\":\"no\"}", "'wifi&more'", None),
        (
            "404 Not Found\r\n\r\n{\"code\":\"not found\",\"message\":\"bucket \\\"wifi&more\\\" not found\"}",
            "bucket",
            None,
        ),
        ("408 Request Timeout\r\n\r\n", "408", None),
        ("429 Too Many Requests\r\nRetry-After: 7\r\n\r\n", "429", Some(7)),
        ("503 Service Unavailable\r\nRetry-After: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\n", "503", Some(0)),
        (
            "500 Internal Server Error\r\n\r\n{\"code\":\"internal error\",\"message\":\"engine: oh\"}",
            "engine: oh",
            None,
        ),
        ("302 Found\r\nLocation: http://elsewhere/\r\n\r\n", "'http://elsewhere/'", None),
        ("400 Bad Request\r\n\r\n<html>Bad Request (proxy)</html>", "url", None),
        ("200 OK\r\n\r\nIt works!", "204", None),
    ] {
        let server = serve(move |_, _| answer).await;
        let (reason, retry_after) = temporary(sink(&server).store(&some(2)).await);
        assert!(reason.contains(words) && reason.contains(&server.url), "{answer}: {reason}");
        assert_eq!(retry_after, wait.map(Duration::from_secs), "{answer}");
        assert_eq!(server.heads.lock().unwrap().len(), 1, "one try, and no redirect followed: {answer}");
    }
}

#[tokio::test]
async fn whichever_way_a_bad_line_is_refused_it_alone_is_lost() {
    let bad = |request: &Request| request.lines.iter().any(|line| line.contains(":13 ") || line.contains(":1e "));
    let answers: [Answer; 4] = [
        // InfluxDB 2, malformed: nothing was written.
        "400 Bad Request\r\n\r\n{\"code\":\"invalid\",\"message\":\"unable to parse '…': bad timestamp\",\"line\":2}",
        // InfluxDB 2, conflict: the rest was written.
        "422 Unprocessable Entity\r\n\r\n{\"code\":\"unprocessable entity\",\"message\":\"failure writing points to database: partial write: field type conflict dropped=1\"}",
        // InfluxDB's cloud.
        "201 Created\r\n\r\n{\"code\":\"invalid\",\"message\":\"partial write has occurred, errors encountered on line(s): …\"}",
        // InfluxDB 3.
        "400 Bad Request\r\n\r\n{\"error\":\"partial write of line protocol occurred\",\"data\":[]}",
    ];
    for answer in answers {
        let server = serve(move |request, _| if bad(request) { answer } else { STORED }).await;
        let records = some(60);
        let refused = rejected(sink(&server).store(&records).await);
        assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [3, 14]);
        assert!(refused[0].1.contains("station=00:00:00:00:00:13 "), "{}", refused[0].1);
        let missing: Vec<String> = lines(&records).difference(&server.accepted.lock().unwrap()).cloned().collect();
        assert_eq!(missing.len(), 2, "{missing:?}");
    }
}

#[tokio::test]
async fn a_database_that_refuses_everything_is_not_asked_line_by_line_for_ever() {
    let server = serve(|_, _| "400 Bad Request\r\n\r\n{\"code\":\"invalid\",\"message\":\"no\"}").await;
    let records = some(1_500);
    let refused = rejected(sink(&server).store(&records).await);
    assert_eq!(refused.len(), 1_500);
    assert!(server.heads.lock().unwrap().len() < 2_100);
}

#[tokio::test]
async fn what_is_too_large_is_split_down_to_a_line() {
    let server = serve(|request, _| match request.lines.len() {
        ..=7 if request.lines.iter().all(|line| line.len() < 1_000) => STORED,
        _ => "413 Request Entity Too Large\r\n\r\n<html>nginx</html>",
    })
    .await;
    let mut records = some(40);
    let Record::Batch(batch) = &mut records[5] else { panic!() };
    batch.stations[0].ssids = vec!["x".repeat(1_000)];
    let refused = rejected(sink(&server).store(&records).await);
    assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [5]);
    assert!(refused[0].1.contains("413"), "{}", refused[0].1);
    let missing = lines(&records).len() - server.accepted.lock().unwrap().len();
    assert_eq!(missing, 1);
}

#[tokio::test]
async fn requests_are_bounded_in_lines_and_octets() {
    let server = serve(|request, _| {
        assert!(
            request.lines.len() <= 5_000 && request.lines.iter().map(|line| line.len() + 1).sum::<usize>() <= 1_000_000
        );
        STORED
    })
    .await;
    let records = some(5_000);
    sink(&server).store(&records).await.unwrap();
    assert_eq!(*server.accepted.lock().unwrap(), lines(&records));
    assert!(server.heads.lock().unwrap().len() >= 3);
}

#[tokio::test]
async fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let server = serve(|_, count| match count {
        1 => "503 Service Unavailable\r\nRetry-After: 2\r\n\r\n",
        _ => STORED,
    })
    .await;
    let begin = Instant::now();
    let mut following = Following::start(sink(&server), &some(100));
    assert!(following.degraded().await.contains("503"));
    let backlog = following.finish().await;
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(backlog.0.lock().unwrap().done, (1..=100).collect::<Vec<_>>());
    assert_eq!(*server.accepted.lock().unwrap(), lines(&some(100)));
}

#[tokio::test]
async fn a_server_that_never_answers_and_one_that_answers_without_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sink = Influx::open(&config(&format!("http://{}", silent.local_addr().unwrap()))).unwrap();
    assert!(temporary(sink.store(&some(1)).await).0.contains("no answer within 2s"));

    let endless = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", endless.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = endless.accept().await.unwrap();
        read(&mut stream).await;
        stream.write_all(b"HTTP/1.1 500 Oh\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
    });
    let begin = Instant::now();
    let (reason, _) = temporary(Influx::open(&config(&url)).unwrap().store(&some(1)).await);
    assert!(reason.len() < 1_000 && begin.elapsed() < Duration::from_secs(2), "{:?} {reason}", begin.elapsed());
}

#[test]
fn settings_that_cannot_work_are_said_at_once() {
    let sentence = |change: fn(&mut config::Influx)| {
        let mut config = config("http://localhost:8086");
        change(&mut config);
        match Influx::open(&config) {
            Err(error @ OpenError::Settings { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let text = sentence(|config| config.url = "http://user:hush@localhost:8086".into());
    assert!(text.contains("token_file") && !text.contains("hush"), "{text}");
    assert!(sentence(|config| config.url = "http://".into()).contains("url cannot be read"));
    let text = sentence(|config| {
        config.url = "https://localhost:8086".into();
        config.ca_file = Some("/nowhere/ca.pem".into());
    });
    assert!(text.contains("ca_file: cannot use /nowhere/ca.pem as the certificate authorities to trust"), "{text}");
}
