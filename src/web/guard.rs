//! Who may write (a bearer token), who asks too often (a bucket for each client), which web pages may read (CORS).
//! Decides; knows no routes.

use super::{
    Response, StatusCode,
    access::Access,
    hosts::Hosts,
    http::{With as _, refusal, text},
    seats::network,
};
use crate::pace::Bucket;
use axum::{
    extract,
    http::{HeaderMap, header},
};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What the operator decides.
#[derive(Clone, Default)]
pub struct Settings {
    /// The token for changes; without one there are none.
    pub token: Option<Token>,
    /// The origins whose pages may read; `*` is all.
    pub cors: Vec<String>,
    /// Requests a second for each client; none is no bound.
    pub rate_limit: Option<u32>,
    /// Names that the server is known by, beside its own; `*` is any.
    pub hosts: Vec<String>,
}

/// A bearer token, kept as its hash: comparing hashes takes no time that depends on the token.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    pub(super) fn is(&self, text: &str) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        self.0.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    /// Whether a request with these headers shows it as a bearer.
    pub(super) fn is_shown(&self, headers: &HeaderMap) -> bool {
        bearer(headers).is_some_and(|given| self.is(given))
    }
}

/// The token that a request shows (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, given) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
}

/// Keeps what the operator decided.
pub struct Guard {
    settings: Settings,
    hosts: Hosts,
    limit: Option<RateLimit>,
    access: Option<Arc<Access>>,
}

impl Guard {
    /// A guard for `settings` of a server that listens on `listen`.
    #[must_use]
    pub fn new(settings: Settings, listen: SocketAddr) -> Self {
        let limit = settings.rate_limit.map(RateLimit::new);
        let hosts = Hosts::new(listen, &settings.hosts);
        Self { settings, hosts, limit, access: None }
    }

    /// The same, which lets in those that `access` does. Without it nobody is a viewer.
    #[must_use]
    pub fn with_access(mut self, access: Arc<Access>) -> Self {
        self.access = Some(access);
        self
    }

    /// Who lets viewers in.
    pub(super) fn access(&self) -> Result<&Access, Box<Response>> {
        let why = "nobody may see this here";
        self.access.as_deref().ok_or_else(|| refusal(StatusCode::FORBIDDEN, why).into())
    }

    /// Refuses a request that asks for another server, or does not say which.
    pub(super) fn refuse_stranger(&self, request: &extract::Request) -> Option<Response> {
        self.hosts.refuse(request.version(), request.uri(), request.headers())
    }

    /// Refuses a request that is one too many of `peer` at `now`; it counts as `cost` requests.
    pub(super) fn refuse_haste(&self, peer: IpAddr, cost: u32, now: Instant) -> Option<Response> {
        let wait = self.limit.as_ref()?.take(peer, cost, now).err()?;
        let answer = refusal(StatusCode::TOO_MANY_REQUESTS, "you ask too often: wait as long as Retry-After says");
        Some(answer.with(header::RETRY_AFTER, (wait.as_secs() + 1).to_string()))
    }

    /// Refuses a request with these `headers` that may not write.
    pub(super) fn refuse_writer(&self, headers: &HeaderMap) -> Option<Response> {
        let Some(token) = &self.settings.token else {
            let why = "this server takes no changes: it was started without --token-file";
            return Some(refusal(StatusCode::FORBIDDEN, why));
        };
        let problem = match bearer(headers) {
            Some(given) if token.is(given) => return None,
            Some(_) => "this token is not the server's",
            None => "changes need the header 'Authorization: Bearer' with the server's token",
        };
        Some(refusal(StatusCode::UNAUTHORIZED, problem).with(header::WWW_AUTHENTICATE, "Bearer"))
    }

    /// Lets a web page of an allowed origin read the answer to a request with the headers `asked`.
    pub(super) fn cors(&self, asked: &Asked, response: Response) -> Response {
        let allowed = &self.settings.cors;
        let Some(origin) = &asked.origin else { return response };
        let response = if allowed.is_empty() { response } else { response.with(header::VARY, "origin") };
        if !allowed.iter().any(|each| each == "*" || each == origin) {
            return response;
        }
        asked.allow(origin, response)
    }
}

/// What a request says of the page that it comes from.
#[derive(Debug)]
pub(super) struct Asked {
    origin: Option<String>,
    preflight: bool,
}

impl Asked {
    pub(super) fn new(headers: &HeaderMap) -> Self {
        Self {
            origin: text(headers, &header::ORIGIN).map(str::to_owned),
            preflight: headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD),
        }
    }

    /// Lets the pages of every server read `response`, and says so to whoever asks.
    pub(super) fn all_origins(&self, response: Response) -> Response {
        self.allow("*", response)
    }

    /// Lets the pages of `origin` read `response`.
    fn allow(&self, origin: &str, response: Response) -> Response {
        let response = response.with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !self.preflight {
            return response.with(header::ACCESS_CONTROL_EXPOSE_HEADERS, "ETag, Retry-After");
        }
        response
            .with(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE")
            .with(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-none-match")
            .with(header::ACCESS_CONTROL_MAX_AGE, "3600")
    }
}

/// How often each client may ask: a bucket of twice the rate, filled at the rate. IPv6 clients are told apart by their
/// first 64 bits.
#[derive(Debug)]
struct RateLimit {
    per_second: u32,
    clients: Mutex<HashMap<IpAddr, Bucket>>,
}

/// How many clients are remembered; when all of them are busy, a new one waits.
const MAX_CLIENTS: usize = 10_000;

impl RateLimit {
    /// At most `per_second` requests a second for each client.
    fn new(per_second: u32) -> Self {
        Self { per_second, clients: Mutex::default() }
    }

    /// Counts a request of `peer` at `now` as `cost` requests; the error is the time to wait if that is too many.
    fn take(&self, peer: IpAddr, cost: u32, now: Instant) -> Result<(), Duration> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(peer);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(&key) {
            clients.retain(|_, bucket| !bucket.is_full(now));
            if clients.len() >= MAX_CLIENTS {
                return Err(Duration::from_secs(1));
            }
        }
        let bucket = clients.entry(key);
        let burst = self.per_second.saturating_mul(2);
        bucket.or_insert_with(|| Bucket::new(burst, f64::from(self.per_second), now)).take(cost, now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::http::HeaderName;

    fn listen() -> SocketAddr {
        ([127, 0, 0, 1], 80).into()
    }

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_right_token_writes() {
        let guard = Guard::new(Settings { token: Some(Token::new("secret")), ..Settings::default() }, listen());
        let refused = |value: &str| guard.refuse_writer(&headers(&[(header::AUTHORIZATION, value)]));
        assert!(refused("Bearer secret").is_none());
        assert!(refused("bearer secret").is_none());
        for wrong in ["Bearer secre", "Bearer", "secret", "Basic secret", "Bearer secrets"] {
            assert_eq!(refused(wrong).unwrap().status(), 401, "{wrong}");
        }
        let unnamed = guard.refuse_writer(&HeaderMap::new()).unwrap();
        assert_eq!(text(unnamed.headers(), &header::WWW_AUTHENTICATE), Some("Bearer"));
        let closed = Guard::new(Settings::default(), listen());
        assert_eq!(closed.refuse_writer(&headers(&[(header::AUTHORIZATION, "Bearer x")])).unwrap().status(), 403);
    }

    #[test]
    fn a_client_that_asks_too_often_waits_and_others_do_not() {
        let limit = RateLimit::new(5);
        let start = Instant::now();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert!((0..10).all(|_| limit.take(one, 1, start).is_ok()));
        let wait = limit.take(one, 1, start).unwrap_err();
        assert!(wait <= Duration::from_millis(200));
        assert!(limit.take(other, 1, start).is_ok());
        assert!(limit.take(one, 1, start + wait).is_ok());
    }

    #[test]
    fn the_table_of_clients_is_bounded() {
        let limit = RateLimit::new(1);
        let start = Instant::now();
        let peer = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..10_000).all(|n| limit.take(peer(n), 1, start).is_ok()));
        assert!(limit.take(peer(10_000), 1, start).is_err());
        assert!(limit.take(peer(10_000), 1, start + Duration::from_secs(3)).is_ok());
        assert!(limit.clients.lock().unwrap().len() <= MAX_CLIENTS);
    }

    #[test]
    fn a_page_reads_only_where_it_is_allowed() {
        let asked = Asked::new(&headers(&[(header::ORIGIN, "https://a.example")]));
        let of = |allowed: &[&str]| {
            let cors = allowed.iter().map(|origin| (*origin).to_owned()).collect();
            let guard = Guard::new(Settings { cors, ..Settings::default() }, listen());
            let answer = guard.cors(&asked, super::super::http::empty(StatusCode::OK));
            text(answer.headers(), &header::ACCESS_CONTROL_ALLOW_ORIGIN).map(str::to_owned)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["https://b.example"]), None);
        assert_eq!(of(&["https://a.example"]).as_deref(), Some("https://a.example"));
        assert_eq!(of(&["*"]).as_deref(), Some("https://a.example"));
    }
}
