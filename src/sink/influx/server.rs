//! Whether the server is the one that was written to before. A database that was killed and is back between two writes fails
//! nothing, and may have lost what it took last. A restart ends its connections; a new connection may have other reasons, so
//! the server is asked when it was started, where it tells that.

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{RequestBuilder, Response, Url, header};
use std::{net::SocketAddr, time::Duration};

/// What tells when the process was started, in the text that Prometheus reads: of VictoriaMetrics and of InfluxDB 2.
const STARTED: &str = "process_start_time_seconds ";
/// Octets of that text that are read, at most.
const LONGEST_METRICS: usize = 4 << 20;

/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an answer came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// Our end.
    address: Option<SocketAddr>,
    /// The server has said that it ends it.
    ends: bool,
}

impl Connection {
    pub fn of(response: &Response) -> Self {
        let address = response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr);
        let said = response.headers().get(header::CONNECTION).and_then(|value| value.to_str().ok());
        Self { address, ends: said.is_some_and(|said| said.eq_ignore_ascii_case("close")) }
    }
}

/// One server, as far as it is known.
#[derive(Debug)]
pub(super) struct Server {
    /// What it serves, with a slash at the end.
    root: Url,
    /// The connection that was used last.
    connection: Option<Connection>,
    /// When it says that it was started.
    started: Option<String>,
    restarted: bool,
}

impl Server {
    pub fn new(root: Url) -> Self {
        Self { root, connection: None, started: None, restarted: false }
    }

    /// A page that every server has and that costs it nothing.
    pub fn ping(&self) -> Url {
        self.page("ping")
    }

    /// The page that may say when it was started.
    pub fn metrics(&self) -> Url {
        self.page("metrics")
    }

    fn page(&self, name: &str) -> Url {
        self.root.join(name).unwrap_or_else(|_| self.root.clone())
    }

    /// Whether the last connection has ended and nobody said why.
    pub fn may_be_another(&self, connection: Connection) -> bool {
        self.connection
            .is_some_and(|last| !last.ends && connection.address.is_some() && connection.address != last.address)
    }

    /// It says that it was `started` then, if it says so at all.
    pub fn told(&mut self, started: Option<String>) {
        self.restarted |= started.is_none() || started != self.started;
        self.started = started;
    }

    /// It was reached over this connection.
    pub fn used(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// Whether it was, or may have been, started anew since this was last asked.
    pub fn has_restarted(&mut self) -> bool {
        std::mem::take(&mut self.restarted)
    }
}

/// When the server was started, in its own words.
pub(super) async fn started(request: RequestBuilder) -> Option<String> {
    let mut response = request.timeout(PATIENCE).send().await.ok().filter(|response| response.status().is_success())?;
    let mut text = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        text.extend_from_slice(&chunk);
        if text.len() > LONGEST_METRICS {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&text);
    text.lines().find_map(|line| Some(line.strip_prefix(STARTED)?.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_new_connection_is_a_new_server_unless_that_says_otherwise() {
        let mut server = Server::new("http://db.example/base/".parse().unwrap());
        assert_eq!(server.metrics().as_str(), "http://db.example/base/metrics");
        let mut next = |port, ends, started: Option<&str>| {
            let connection = Connection { address: Some(SocketAddr::from(([127, 0, 0, 1], port))), ends };
            let asked = server.may_be_another(connection);
            if asked {
                server.told(started.map(str::to_owned));
            }
            server.used(connection);
            assert!(ends || !server.may_be_another(connection));
            (asked, server.has_restarted())
        };
        assert_eq!(next(1, false, Some("1700000000")), (false, false), "the first");
        assert_eq!(next(1, false, None), (false, false), "the same");
        assert_eq!(next(2, false, Some("1700000000")), (true, true), "nobody knew when it was started");
        assert_eq!(next(3, false, Some("1700000000")), (true, false), "it closed a connection");
        assert_eq!(next(4, true, Some("1700000100")), (true, true));
        assert_eq!(next(5, false, None), (false, false), "it had said that it ends that one");
        assert_eq!(next(6, false, None), (true, true), "it says nothing");
    }
}
