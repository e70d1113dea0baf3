//! Who may write (a bearer token), who asks too often (a bucket for each client), which web pages may read (CORS).
//! Decides; knows no routes.

use super::{Request, Response, seats::network};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A bearer token, kept as its hash: comparing hashes takes no time that depends on the token.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    fn is(&self, text: &str) -> bool {
        let other: [u8; 32] = Sha256::digest(text).into();
        self.0.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// Answers a request that may not write; none if it may.
#[must_use]
pub fn refuse_writer(request: &Request, token: Option<&Token>) -> Option<Response> {
    let Some(token) = token else {
        return Some(Response::error(403, "this server takes no changes: it was started without --token-file"));
    };
    let challenge = |problem| Some(Response::error(401, problem).with("www-authenticate", "Bearer"));
    match request.header("authorization").and_then(|value| value.split_once(' ')) {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case("bearer") => {
            if token.is(given.trim()) {
                None
            } else {
                challenge("this token is not the server's")
            }
        }
        _ => challenge("changes need the header 'Authorization: Bearer' with the server's token"),
    }
}

/// How often each client may ask: a bucket of twice the rate, filled at the rate. IPv6 clients are told apart by their
/// first 64 bits.
#[derive(Debug)]
pub struct RateLimit {
    per_second: f64,
    clients: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// How many clients are remembered; when all of them are busy, a new one waits.
const MAX_CLIENTS: usize = 10_000;

impl RateLimit {
    /// At most `per_second` requests a second for each client.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), clients: Mutex::default() }
    }

    /// Counts a request of `peer` at `now`; the time to wait if it is one too many.
    pub fn take(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let full = self.per_second * 2.0;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(peer);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(&key) {
            let rate = self.per_second;
            clients.retain(|_, bucket| bucket.tokens + (now - bucket.filled).as_secs_f64() * rate < full);
            if clients.len() >= MAX_CLIENTS {
                return Some(Duration::from_secs(1));
            }
        }
        let bucket = clients.entry(key).or_insert(Bucket { tokens: full, filled: now });
        let gained = now.saturating_duration_since(bucket.filled).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + gained).min(full);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return Some(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_second));
        }
        bucket.tokens -= 1.0;
        None
    }
}

/// The headers that let a web page of an allowed origin read the answer; `*` allows all.
#[must_use]
pub fn cors(request: &Request, allowed: &[String], response: Response) -> Response {
    let Some(origin) = request.header("origin") else { return response };
    let response = if allowed.is_empty() { response } else { response.with("vary", "origin") };
    if !allowed.iter().any(|each| each == "*" || each == origin) {
        return response;
    }
    let response = response.with("access-control-allow-origin", origin);
    if request.header("access-control-request-method").is_none() {
        return response.with("access-control-expose-headers", "ETag, Retry-After");
    }
    response
        .with("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE")
        .with("access-control-allow-headers", "authorization, content-type, if-none-match")
        .with("access-control-max-age", "3600")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::Method;

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(Method::Get, "/").unwrap();
        request.headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        request
    }

    #[test]
    fn only_the_right_token_writes() {
        let token = Token::new("secret");
        let status = |value: &str| refuse_writer(&request(&[("authorization", value)]), Some(&token)).map(|r| r.status);
        assert_eq!(status("Bearer secret"), None);
        assert_eq!(status("bearer secret"), None);
        for wrong in ["Bearer secre", "Bearer", "secret", "Basic secret", "Bearer secrets"] {
            assert_eq!(status(wrong), Some(401), "{wrong}");
        }
        assert_eq!(refuse_writer(&request(&[]), Some(&token)).unwrap().header("www-authenticate"), Some("Bearer"));
        assert_eq!(refuse_writer(&request(&[("authorization", "Bearer x")]), None).unwrap().status, 403);
    }

    #[test]
    fn a_client_that_asks_too_often_waits_and_others_do_not() {
        let limit = RateLimit::new(5);
        let start = Instant::now();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert!((0..10).all(|_| limit.take(one, start).is_none()));
        let wait = limit.take(one, start).unwrap();
        assert!(wait <= Duration::from_millis(200));
        assert!(limit.take(other, start).is_none());
        assert!(limit.take(one, start + wait).is_none());
    }

    #[test]
    fn the_table_of_clients_is_bounded() {
        let limit = RateLimit::new(1);
        let start = Instant::now();
        let peer = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!((0..10_000).all(|n| limit.take(peer(n), start).is_none()));
        assert!(limit.take(peer(10_000), start).is_some());
        assert!(limit.take(peer(10_000), start + Duration::from_secs(3)).is_none());
        assert!(limit.clients.lock().unwrap().len() <= MAX_CLIENTS);
    }

    #[test]
    fn a_page_reads_only_where_it_is_allowed() {
        let asked = request(&[("origin", "https://a.example")]);
        let of = |allowed: &[&str]| {
            let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
            cors(&asked, &allowed, Response::empty(200)).header("access-control-allow-origin").map(str::to_owned)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["https://b.example"]), None);
        assert_eq!(of(&["https://a.example"]).as_deref(), Some("https://a.example"));
        assert_eq!(of(&["*"]).as_deref(), Some("https://a.example"));
    }
}
