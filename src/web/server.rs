//! Connections: accept, TLS, HTTP/1.1, bounds in number, size and time. Turns bytes into [`Request`]s for a
//! [`Handler`] and its [`Response`]s into bytes. Knows no routes.

use super::{Method, Request, Response, http::HEADERS};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Bytes, Incoming},
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
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
    sync::{Semaphore, watch},
    time::timeout,
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
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// The bytes of a request's head. What is longer gets 431; a target over 64 KiB gets 414.
    pub head: usize,
    /// The bytes of a request's body. What is longer gets 413.
    pub body: usize,
    /// For a TLS handshake, for a head, for a body, each: a slow client goes.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 256, head: 256 << 10, body: 64 << 10, patience: Duration::from_secs(10) }
    }
}

/// Serves until `stop` is done, then lets requests under way end, for as long as the limits' patience.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    handler: Arc<dyn Handler>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(());
    let acceptor = tls.map(TlsAcceptor::from);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let (acceptor, handler, stopped) = (acceptor.clone(), Arc::clone(&handler), stopped.clone());
        tokio::spawn(async move {
            let _slot = slot;
            match acceptor {
                None => connection(stream, peer, handler, limits, stopped).await,
                Some(acceptor) => match timeout(limits.patience, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, peer, handler, limits, stopped).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                },
            }
        });
    }
    drop(listener);
    drop(stopped);
    // Every connection holds a receiver; when all are gone, all are done.
    let _ = stopping.send(());
    let _ = timeout(limits.patience, stopping.closed()).await;
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are written whole; waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, SocketAddr::ip(&peer).to_canonical(), slot))
        }
        Err(error) => {
            // Out of descriptors, most likely: without a pause this would spin.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: IpAddr,
    handler: Arc<dyn Handler>,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(answer(request, peer, handler, limits).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience)
        .max_buf_size(limits.head)
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
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    peer: IpAddr,
    handler: Arc<dyn Handler>,
    limits: Limits,
) -> hyper::Response<Full<Bytes>> {
    let response = match read(request, peer, limits).await {
        Ok(request) if handler.may_wait(&request) => {
            let waiting = tokio::task::spawn_blocking(move || handler.handle(&request));
            waiting.await.unwrap_or_else(|_| Response::error(500, "the server could not finish this"))
        }
        Ok(request) => handler.handle(&request),
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
