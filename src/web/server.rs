//! Connections: accept, TLS, HTTP/1.1, bounds in number, size and time. Hands requests to
//! axum's router and its answers to the client. Knows no routes.

use super::{
    Response, StatusCode,
    patience::{Patience, Patient, Shared},
    seats::{Seat, Seats, Turn},
};
use crate::pace::Seldom;
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::header,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

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
    app: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) {
    // Connections inherit it. Without it there is only more memory in use.
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER);
    let seats = Seats::new(limits.connections, limits.connections_of_one);
    let (stopping, stopped) = watch::channel(());
    let acceptor = tls.map(TlsAcceptor::from);
    let mut stop = std::pin::pin!(stop);
    let mut refused = Seldom::default();
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &mut refused) => accepted,
        };
        let Some((stream, peer)) = accepted else { continue };
        let (seat, leave) = seats.take(peer, std::time::Instant::now());
        let client = Client { peer, seat: Arc::new(seat), patience: patience(limits), limits };
        let (app, acceptor, stopped) = (app.clone(), acceptor.clone(), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = client.serve(stream, acceptor, app, stopped) => {}
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

async fn accept(listener: &TcpListener, refused: &mut Seldom) -> Option<(TcpStream, IpAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are written whole; waiting to fill a packet would only delay them.
            let _ = stream.set_nodelay(true);
            Some((stream, SocketAddr::ip(&peer).to_canonical()))
        }
        Err(error) => {
            // Out of descriptors, most likely: without a pause this would spin.
            if let Some(times) = refused.due(std::time::Instant::now()) {
                tracing::warn!(%error, times, "cannot accept a connection");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Who asks. Each request carries it among its extensions.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The client's address.
    pub(super) peer: IpAddr,
    seat: Arc<Seat>,
    patience: Shared,
    limits: Limits,
}

impl Client {
    /// How long it may take to send a body.
    pub(super) fn patience(&self) -> Duration {
        self.limits.patience
    }

    /// Its request is here in full and is being worked on.
    pub(super) fn works(&self) {
        self.seat.works();
    }

    /// Its answer is a stream that does not end by itself.
    pub(super) fn streams(&self) {
        self.seat.streams();
    }

    /// Waits until it is its turn to have long work done.
    pub(super) async fn turn(&self) -> Turn {
        self.seat.turn().await
    }

    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>, app: Router, stopped: watch::Receiver<()>) {
        let stream = Patient::new(stream, self.patience.clone());
        let Some(tls) = tls else { return self.requests(stream, app, stopped).await };
        match timeout(self.limits.patience, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.patience.lock().answered(Instant::now());
                self.requests(stream, app, stopped).await;
            }
            Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer, "TLS handshake took too long"),
        }
    }

    async fn requests<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        app: Router,
        mut stopped: watch::Receiver<()>,
    ) {
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            let open = Open::new(self.clone());
            request.extensions_mut().insert(self.clone());
            let mut app = app.clone();
            async move { Ok::<_, Infallible>(sent(app.call(request).await, open)) }
        });
        // Time is kept by the stream: hyper's own bound of a head would cut off an answer that is still being taken.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(self.limits.head)
            .max_header_size(self.limits.head)
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
}

/// An answer as it goes out.
fn sent(answer: Result<Response, Infallible>, open: Open) -> hyper::Response<Sent> {
    let Ok(mut response) = answer;
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // axum gives every answer a length; these have none (RFC 9110, section 8.6).
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response.map(|body| Sent { body, _open: open })
}

/// A request until its answer is handed over to its end.
#[derive(Debug)]
struct Open(Client);

impl Open {
    fn new(client: Client) -> Self {
        client.patience.lock().asked();
        Self(client)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.seat.served(std::time::Instant::now());
        self.0.patience.lock().answered(Instant::now());
    }
}

/// An answer's body, which may be a stream.
#[derive(Debug)]
struct Sent {
    body: Body,
    _open: Open,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
