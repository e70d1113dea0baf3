//! Whether the server is the one that was written to before. A database that was killed and is back between two writes fails
//! nothing, and may have lost what it took last. A restart ends its connections; a new connection may have other reasons, so
//! the server is asked when it was started, where it tells that.

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{RequestBuilder, Response, Url};
use std::net::SocketAddr;

/// What tells when the process was started, in the text that Prometheus reads: of VictoriaMetrics and of InfluxDB 2.
const STARTED: &str = "process_start_time_seconds ";
/// Octets of that text that are read, at most.
const LONGEST_METRICS: usize = 4 << 20;

/// One server, as far as it is known.
#[derive(Debug)]
pub(super) struct Server {
    /// What it serves, with a slash at the end.
    root: Url,
    /// Our end of the connection that was used last.
    connection: Option<SocketAddr>,
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

    /// Whether this connection is another than the last.
    pub fn is_new(&self, connection: Option<SocketAddr>) -> bool {
        connection.is_some() && connection != self.connection
    }

    /// The connection is this one now, and the server was `started` then, if it says so.
    pub fn now(&mut self, connection: Option<SocketAddr>, started: Option<String>) {
        let same = started.is_some() && started == self.started;
        self.restarted |= self.connection.is_some() && !same;
        (self.connection, self.started) = (connection, started);
    }

    /// Whether it was, or may have been, started anew since this was last asked.
    pub fn has_restarted(&mut self) -> bool {
        std::mem::take(&mut self.restarted)
    }
}

/// Our end of the connection that an answer came over.
pub(super) fn connection(response: &Response) -> Option<SocketAddr> {
    response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr)
}

/// When the server was started, in its own words.
pub(super) async fn started(request: RequestBuilder) -> Option<String> {
    let mut response = request.send().await.ok().filter(|response| response.status().is_success())?;
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
    use super::*;

    #[test]
    fn a_new_connection_is_a_new_server_unless_that_says_otherwise() {
        let mut server = Server::new("http://db.example/base/".parse().unwrap());
        assert_eq!(server.metrics().as_str(), "http://db.example/base/metrics");
        let connection = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let mut next = |port, started: Option<&str>| {
            assert!(server.is_new(connection(port)));
            server.now(connection(port), started.map(str::to_owned));
            assert!(!server.is_new(connection(port)) && !server.is_new(None));
            server.has_restarted()
        };
        assert!(!next(1, Some("1700000000")), "the first");
        assert!(!next(2, Some("1700000000")), "it closed a connection");
        assert!(next(3, Some("1700000100")));
        assert!(next(4, None), "nobody knows");
        assert!(next(5, None));
    }
}
