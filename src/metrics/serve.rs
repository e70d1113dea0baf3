//! Answers `GET /metrics`, `/healthz` and `/readyz` for a daemon that has no web server: HTTP/1.1, one request a connection,
//! few connections, a short head, no body, little time. Knows not what it answers.

use super::MEDIA_TYPE;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

/// Connections at a time; a further one waits.
const MOST: usize = 8;
/// The longest head of a request.
const LONGEST_HEAD: usize = 8 << 10;
/// How long a client may take for all of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is answered.
pub trait Answers: Send + Sync + 'static {
    /// The page of metrics.
    fn metrics(&self) -> impl Future<Output = String> + Send;
    /// Why the daemon is not ready, if it is not.
    fn trouble(&self) -> Option<String>;
    /// Whether this token, or none, opens the metrics.
    fn opens(&self, token: Option<&str>) -> bool;
}

/// Listens at `address`.
///
/// # Errors
/// When that is taken, or not this machine's.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers for ever.
pub async fn serve(listener: TcpListener, answers: Arc<impl Answers>) {
    let seats = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, mostly: not to be tried without end.
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            let _seat = seat;
            let _ = timeout(PATIENCE, answer(stream, &*answers)).await;
        });
    }
}

async fn answer(mut stream: TcpStream, answers: &impl Answers) -> io::Result<()> {
    let mut head = Vec::new();
    let complete = loop {
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            break true;
        }
        if head.len() >= LONGEST_HEAD || stream.read_buf(&mut head).await? == 0 {
            break false;
        }
    };
    let text = String::from_utf8_lossy(&head);
    let asked = if complete { Asked::read(&text) } else { None };
    let (status, media_type, body) = match asked {
        None => ("400 Bad Request", MEDIA_TYPE, "this is no request\n".to_owned()),
        Some(Asked { method, .. }) if method != "GET" && method != "HEAD" => {
            ("405 Method Not Allowed", MEDIA_TYPE, "this knows GET and HEAD\n".to_owned())
        }
        Some(Asked { path: "/metrics", token, .. }) if answers.opens(token) => {
            ("200 OK", MEDIA_TYPE, answers.metrics().await)
        }
        Some(Asked { path: "/metrics", .. }) => (
            "401 Unauthorized",
            MEDIA_TYPE,
            "metrics need the header 'Authorization: Bearer' with their token\n".to_owned(),
        ),
        Some(Asked { path: "/healthz", .. }) => ("200 OK", MEDIA_TYPE, "alive\n".to_owned()),
        Some(Asked { path: "/readyz", .. }) => match answers.trouble() {
            None => ("200 OK", MEDIA_TYPE, "ready\n".to_owned()),
            Some(trouble) => ("503 Service Unavailable", MEDIA_TYPE, format!("{trouble}\n")),
        },
        Some(_) => ("404 Not Found", MEDIA_TYPE, "there are /metrics, /healthz and /readyz\n".to_owned()),
    };
    let challenge = if status.starts_with("401") { "WWW-Authenticate: Bearer\r\n" } else { "" };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let mut out = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{challenge}{allow}Connection: close\r\n\r\n",
        body.len()
    );
    if asked_for_body(&text) {
        out.push_str(&body);
    }
    stream.write_all(out.as_bytes()).await?;
    stream.shutdown().await
}

fn asked_for_body(head: &str) -> bool {
    !head.starts_with("HEAD ")
}

/// What of a request counts here.
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    token: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(head: &'a str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target, version) = (first.next()?, first.next()?, first.next()?);
        if !version.starts_with("HTTP/1.") || first.next().is_some() || !target.starts_with('/') {
            return None;
        }
        let path = target.split('?').next()?;
        let bearer = |line: &'a str| {
            let (name, value) = line.split_once(':')?;
            let (scheme, token) = value.trim().split_once(' ')?;
            (name.eq_ignore_ascii_case("authorization") && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
        };
        Some(Self { method, path, token: lines.find_map(bearer) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Fixed(Option<&'static str>, Option<&'static str>);

    impl Answers for Fixed {
        async fn metrics(&self) -> String {
            "airtally_x 1\n".to_owned()
        }

        fn trouble(&self) -> Option<String> {
            self.0.map(str::to_owned)
        }

        fn opens(&self, token: Option<&str>) -> bool {
            self.1.is_none() || token == self.1
        }
    }

    async fn ask(answers: Fixed, request: &[u8]) -> String {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Arc::new(answers)));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer
    }

    #[tokio::test]
    async fn each_question_has_its_answer() {
        let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n").into_bytes();
        let token = "Authorization: bearer sesame\r\n";
        for (trouble, secret, request, status, body) in [
            (None, None, get("/metrics", ""), "200", "airtally_x 1"),
            (None, None, get("/metrics?x=1", ""), "200", "airtally_x 1"),
            (None, Some("sesame"), get("/metrics", ""), "401", "token"),
            (None, Some("sesame"), get("/metrics", token), "200", "airtally_x 1"),
            (None, None, get("/healthz", ""), "200", "alive"),
            (None, None, get("/readyz", ""), "200", "ready"),
            (Some("no broker"), None, get("/readyz", ""), "503", "no broker"),
            (None, None, get("/../etc/passwd", ""), "404", "there are"),
            (None, None, b"POST /metrics HTTP/1.1\r\n\r\n".to_vec(), "405", "GET"),
            (None, None, b"nonsense\r\n\r\n".to_vec(), "400", "no request"),
            (None, None, b"GET /metrics".to_vec(), "400", "no request"),
            (None, None, vec![b'x'; 20_000], "400", "no request"),
            (None, None, Vec::new(), "400", "no request"),
        ] {
            let answer = ask(Fixed(trouble, secret), &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(body), "{answer}");
        }
        let head = ask(Fixed(None, None), b"HEAD /metrics HTTP/1.1\r\n\r\n").await;
        assert!(head.contains("Content-Length: 13") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_is_left_and_keeps_nobody_waiting() {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(Fixed(None, None))));
        let mut mute = Vec::new();
        for _ in 0..MOST {
            mute.push(TcpStream::connect(address).await.unwrap());
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("alive"), "{answer}");
    }
}
