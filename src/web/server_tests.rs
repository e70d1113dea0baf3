//! Bounds of a connection in time and number, on real sockets with little patience.
#![allow(clippy::panic, clippy::unwrap_used)]

use super::*;
use crate::web::{
    Method, Request,
    guard::{Guard, Settings},
    http::of_type,
    router::{Action, Route, Tables, Who, Work},
};
use std::net::SocketAddrV4;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    task::JoinHandle,
    time::sleep,
};

/// Answers a path of a number with as many octets; `/long` takes a fifth of a second of long work; `/stream` gives a
/// piece of its answer every 300 ms, eight times.
const ROUTES: &[Route<()>] = &[
    Route {
        paths: &["/{octets}"],
        actions: &[Action::read(octets), Action::change(Method::POST, octets).by(Who::Anyone)],
    },
    Route { paths: &["/long"], actions: &[Action::read(long).taking(Work::Long)] },
    Route { paths: &["/stream"], actions: &[Action::read(stream)] },
];

fn octets((): &(), request: &Request) -> Response {
    of_type(StatusCode::OK, "text/plain", vec![b'x'; request.item().parse().unwrap_or(2)])
}

fn long((): &(), request: &Request) -> Response {
    std::thread::sleep(Duration::from_millis(200));
    octets(&(), request)
}

fn stream((): &(), _: &Request) -> Response {
    let pieces = futures_util::stream::unfold(0, async |count| {
        sleep(Duration::from_millis(300)).await;
        (count < 8).then_some((Ok::<_, Infallible>("piece"), count + 1))
    });
    of_type(StatusCode::OK, "text/plain", Body::from_stream(pieces))
}

const PATIENCE: Duration = Duration::from_millis(1_000);

async fn start() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Tables::new(Guard::new(Settings::default(), address)).mount(ROUTES, Arc::new(())).router();
    let limits = Limits { patience: PATIENCE, bytes_per_second: 100_000, ..Limits::default() };
    (address, tokio::spawn(serve(listener, None, app, limits, std::future::pending())))
}

/// A connection from 127.0.0.`from`.
async fn connect(address: SocketAddr, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind(SocketAddrV4::new([127, 0, 0, from].into(), 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET /{path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

async fn ask(stream: &mut TcpStream, path: &str) -> std::io::Result<String> {
    stream.write_all(&get(path)).await?;
    let mut answer = [0; 1024];
    let octets = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..octets]).into_owned())
}

/// How long it takes until the server closes `stream`, while `step` is done to it.
async fn until_closed(
    mut stream: TcpStream,
    mut step: impl AsyncFnMut(&mut TcpStream) -> std::io::Result<bool>,
) -> Duration {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE * 10 {
        if !step(&mut stream).await.unwrap_or(false) {
            return begin.elapsed();
        }
    }
    panic!("still open after {:?}", begin.elapsed());
}

/// Sends `head`, and then an octet now and then; how long until the server has enough.
async fn trickled(address: SocketAddr, head: &[u8]) -> Duration {
    let mut stream = connect(address, 1).await;
    stream.write_all(head).await.unwrap();
    until_closed(stream, async |stream| {
        let mut answer = [0; 1024];
        match timeout(Duration::from_millis(100), stream.read(&mut answer)).await {
            Ok(Ok(octets)) => Ok(octets > 0),
            Ok(Err(error)) => Err(error),
            Err(_) => stream.write_all(b"a").await.map(|()| true),
        }
    })
    .await
}

#[tokio::test]
async fn a_head_and_a_body_have_a_total_time() {
    let (address, _server) = start().await;
    let (half, body) = (
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ",
        b"POST /1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n",
    );
    let (head, body) = tokio::join!(trickled(address, half), trickled(address, body));
    for time in [head, body] {
        assert!(time > PATIENCE / 2 && time < PATIENCE * 2, "{time:?}");
    }
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let (address, _server) = start().await;
    let mut stream = connect(address, 1).await;
    assert!(ask(&mut stream, "3").await.unwrap().ends_with("xxx"));
    let time = until_closed(stream, async |stream| Ok(stream.read_u8().await.is_ok())).await;
    assert!(time > PATIENCE / 2 && time < PATIENCE * 2, "{time:?}");
}

#[tokio::test]
async fn who_asks_and_does_not_read_is_closed() {
    let (address, _server) = start().await;
    for octets_at_once in [0, 1, 700] {
        let mut stream = connect(address, 1).await;
        stream.write_all(&get("500000").repeat(40)).await.unwrap();
        // Reading resets nothing: what counts is how much is taken. That the server has closed shows in an error.
        let time = until_closed(stream, async |stream| {
            sleep(Duration::from_millis(50)).await;
            let mut some = [0; 700];
            if octets_at_once > 0 {
                stream.read_exact(&mut some[..octets_at_once]).await?;
            }
            stream.write_all(b"G").await.map(|()| true)
        })
        .await;
        assert!(time > PATIENCE / 2 && time < PATIENCE * 3, "{octets_at_once} at once: {time:?}");
    }
}

#[tokio::test]
async fn who_reads_slowly_but_steadily_gets_everything() {
    let (address, _server) = start().await;
    let mut stream = connect(address, 1).await;
    stream.write_all(&get("1000000")).await.unwrap();
    let (begin, mut all) = (Instant::now(), 0);
    let mut some = vec![0; 20_000];
    while all < 1_000_000 {
        sleep(Duration::from_millis(60)).await;
        let octets = stream.read(&mut some).await.unwrap();
        assert!(octets > 0, "closed after {all} octets and {:?}", begin.elapsed());
        all += octets;
    }
    assert!(begin.elapsed() > PATIENCE * 2, "the test is too fast to show anything: {:?}", begin.elapsed());
}

#[tokio::test]
async fn a_crowd_of_one_address_ends_nobody_elses_connection() {
    let (address, _server) = start().await;
    let mut quiet = connect(address, 2).await;
    assert!(ask(&mut quiet, "3").await.unwrap().ends_with("xxx"));
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(connect(address, 1).await);
    }
    let mut newcomer = connect(address, 1).await;
    assert!(ask(&mut newcomer, "3").await.unwrap().ends_with("xxx"));
    assert!(ask(&mut quiet, "3").await.unwrap().ends_with("xxx"));
    let mut open = 0;
    for stream in &mut crowd {
        open += usize::from(timeout(Duration::from_millis(1), stream.read_u8()).await.is_err());
    }
    assert!(open < Limits::default().connections_of_one, "{open}");
}

#[tokio::test]
async fn long_work_of_one_address_waits_for_its_own() {
    let (address, _server) = start().await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(address, 1).await;
        stream.write_all(&get("long")).await.unwrap();
        crowd.push(stream);
    }
    sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    let mut other = connect(address, 2).await;
    assert!(ask(&mut other, "long").await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_stream_may_take_longer_than_silence_may() {
    let (address, _server) = start().await;
    let mut stream = connect(address, 1).await;
    stream.write_all(&get("stream")).await.unwrap();
    let mut all = Vec::new();
    let _ = timeout(PATIENCE * 5, stream.read_to_end(&mut all)).await;
    let all = String::from_utf8(all).unwrap();
    assert_eq!(all.matches("piece").count(), 8, "{all}");
    assert!(all.ends_with("0\r\n\r\n"), "{all}");
}
