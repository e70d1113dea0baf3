//! Connections: accept, TLS, HTTP/1.1, bounds in number, size and time. Turns bytes into [`Request`]s for a
//! [`Handler`] and its [`Response`]s into bytes. Knows no routes.

use super::{
    Method, Request, Response,
    http::HEADERS,
    patience::{Patience, Patient, Shared},
    seats::{Seat, Seats},
};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Bytes, Incoming},
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: &Request) -> Response;

    /// Whether answering it takes long or waits for a disk; then it runs where that stops nobody.
    fn may_wait(&self, request: &Request) -> bool;
}

/// What a client may take of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. Who comes then is let in, and a connection of the address that has most gives way.
    pub connections: usize,
    /// Connections of one address at a time (IPv6: of one /64). One more ends the one of them that was served least
    /// lately.
    pub connections_of_one: usize,
    /// The bytes of a request's head. What is longer gets 431; a target over 64 KiB gets 414.
    pub head: usize,
    /// The bytes of a request's body. What is longer gets 413.
    pub body: usize,
    /// For a TLS handshake, for a head and the silence before it, for a body, each from beginning to end; and for a
    /// client that does not take its answer.
    pub patience: Duration,
    /// The bytes a second of an answer that a client must take to be waited for.
    pub bytes_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_of_one: 64,
            head: 256 << 10,
            body: 64 << 10,
            patience: Duration::from_secs(10),
            bytes_per_second: 4 << 10,
        }
    }
}

/// What the kernel may keep of answers that a client has not taken; left alone it would be megabytes for each.
const SEND_BUFFER: usize = 64 << 10;

/// Serves until `stop` is done, then lets requests under way end, for as long as the limits' patience.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    handler: Arc<dyn Handler>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    // Connections inherit it. Without it there is only more memory in use.
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER);
    let seats = Seats::new(limits);
    let (stopping, stopped) = watch::channel(());
    let acceptor = tls.map(TlsAcceptor::from);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener) => accepted,
        };
        let Some((stream, peer)) = accepted else { continue };
        let (seat, leave) = seats.take(peer, std::time::Instant::now());
        let client = Client { peer, seat, patience: patience(limits), handler: Arc::clone(&handler), limits };
        let (acceptor, stopped) = (acceptor.clone(), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = client.serve(stream, acceptor, stopped) => {}
                // Dropping the connection closes it.
                _ = leave => tracing::debug!(%peer, "connection closed to make room for another"),
            }
        });
    }
    drop(listener);
    drop(stopped);
    // Every connection holds a receiver; when all are gone, all are done.
    let _ = stopping.send(());
    let _ = timeout(limits.patience, stopping.closed()).await;
}

fn patience(limits: Limits) -> Shared {
    Shared::new(Patience::new(limits.patience, limits.bytes_per_second, Instant::now()))
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, IpAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are written whole; waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, SocketAddr::ip(&peer).to_canonical()))
        }
        Err(error) => {
            // Out of descriptors, most likely: without a pause this would spin.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// One connection's side of the server.
struct Client {
    peer: IpAddr,
    seat: Seat,
    patience: Shared,
    handler: Arc<dyn Handler>,
    limits: Limits,
}

impl Client {
    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>, stopped: watch::Receiver<()>) {
        let stream = Patient::new(stream, self.patience.clone());
        let Some(tls) = tls else { return self.requests(stream, stopped).await };
        match timeout(self.limits.patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.patience.lock().answered(Instant::now());
                self.requests(stream, stopped).await;
            }
            Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer, "TLS handshake took too long"),
        }
    }

    async fn requests<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, mut stopped: watch::Receiver<()>) {
        let service = service_fn(async |request| {
            self.patience.lock().asked();
            let answer = self.answer(request).await;
            self.seat.served(std::time::Instant::now());
            self.patience.lock().answered(Instant::now());
            Ok::<_, Infallible>(answer)
        });
        // Time is kept by the stream: hyper's own bound of a head would cut off an answer that is still being taken.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(self.limits.head)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "connection ended");
        }
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
        let response = match read(request, self.peer, self.limits).await {
            Ok(request) => self.work(request).await,
            Err(response) => response,
        };
        let mut out = hyper::Response::new(Full::new(Bytes::from(response.body)));
        *out.status_mut() = hyper::StatusCode::from_u16(response.status).unwrap_or_default();
        for (name, value) in response.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                out.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        out
    }

    async fn work(&self, request: Request) -> Response {
        self.seat.works();
        if !self.handler.may_wait(&request) {
            return self.handler.handle(&request);
        }
        let turn = self.seat.turn().await;
        let handler = Arc::clone(&self.handler);
        let work = tokio::task::spawn_blocking(move || {
            // The work goes on if the client leaves, and keeps its turn as long.
            let _turn = turn;
            handler.handle(&request)
        });
        work.await.unwrap_or_else(|_| Response::error(500, "the server could not finish this"))
    }
}

async fn read(request: hyper::Request<Incoming>, peer: IpAddr, limits: Limits) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let method = match head.method {
        hyper::Method::GET | hyper::Method::HEAD => Method::Get,
        hyper::Method::POST => Method::Post,
        hyper::Method::PUT => Method::Put,
        hyper::Method::DELETE => Method::Delete,
        hyper::Method::OPTIONS => Method::Options,
        _ => Method::Other,
    };
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut out = Request::new(method, target).map_err(|problem| Response::error(400, problem))?;
    out.peer = peer;
    for name in HEADERS {
        if let Some(value) = head.headers.get(name) {
            let value = value.to_str().map_err(|_| Response::error(400, "a header is not plain ASCII"))?;
            out.headers.push((name, value.to_owned()));
        }
    }
    let too_large = || {
        let message = format!("the body is larger than {} bytes, which is the most that is taken", limits.body);
        Response::error(413, &message).with("connection", "close")
    };
    if body.size_hint().lower() > limits.body as u64 {
        return Err(too_large());
    }
    if !body.is_end_stream() {
        out.body = match timeout(limits.patience, Limited::new(body, limits.body).collect()).await {
            Ok(Ok(body)) => body.to_bytes().to_vec(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
            Ok(Err(_)) => return Err(Response::error(400, "the body could not be read")),
            Err(_) => return Err(Response::error(408, "the body took too long").with("connection", "close")),
        };
    }
    Ok(out)
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
