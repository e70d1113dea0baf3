//! Who may see what sensors heard: this machine's own user, who has logged in, or whom a trusted proxy names. Also which
//! web pages may ask for it: the server's own. Decides; knows no routes.

use super::{
    Method, Response, StatusCode,
    guard::Token,
    hosts,
    http::{With as _, encoded, refusal, text},
    password::Password,
    sessions::Sessions,
};
use axum::http::{HeaderMap, HeaderName, Version, header, request::Parts, uri::Authority};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// The cookie that a session is known by.
const COOKIE: &str = "airtally-session";

/// What the operator decides about it.
#[derive(Default)]
pub struct Rules {
    /// Whoever knows it may log in.
    pub password: Option<Password>,
    /// Where proxies ask from that say who their client is.
    pub proxies: Vec<IpNet>,
    /// The header in which they say so.
    pub proxy_header: Option<HeaderName>,
    /// What a collector of metrics shows.
    pub metrics: Option<Token>,
    /// The server speaks TLS itself.
    pub tls: bool,
}

/// Keeps these rules.
pub struct Access {
    rules: Rules,
    /// Only this machine can ask, and nobody has to log in.
    is_open: bool,
    sessions: Mutex<Sessions>,
}

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// As this machine's user, or by a proxy's word.
    Known,
    /// By logging in here.
    LoggedIn,
}

impl Access {
    /// For a server that listens on `listen`. Where that is this machine's own address, and neither a password nor a proxy
    /// is set up, nobody has to log in.
    #[must_use]
    pub fn new(rules: Rules, listen: SocketAddr) -> Self {
        let is_open = listen.ip().to_canonical().is_loopback() && rules.password.is_none() && rules.proxies.is_empty();
        Self { rules, is_open, sessions: Mutex::default() }
    }

    /// Whether there is anybody at all who may see what sensors heard: elsewhere routes for it need not be mounted.
    #[must_use]
    pub fn has_viewers(&self) -> bool {
        self.is_open || self.rules.password.is_some() || !self.rules.proxies.is_empty()
    }

    /// Whether metrics can be had: by viewers, or with their own token.
    #[must_use]
    pub fn has_metrics(&self) -> bool {
        self.has_viewers() || self.rules.metrics.is_some()
    }

    /// The password, where there is one.
    pub(super) fn password(&self) -> Option<&Password> {
        self.rules.password.as_ref()
    }

    /// Lets a viewer in, or says why not. A web page of another server is no viewer, whoever looks at it.
    pub(super) fn viewer(&self, head: &Parts, peer: IpAddr) -> Result<Entry, Box<Response>> {
        self.own_page(head)?;
        if self.is_open {
            return if is_own_machine(head, peer) {
                Ok(Entry::Known)
            } else {
                let why = "without a login this is for this machine alone, asked by a name of its own like localhost: for \
                           other names, and behind a proxy, set password_file or trusted_proxies under [web]";
                Err(refusal(StatusCode::FORBIDDEN, why).into())
            };
        }
        if self.is_named_by_proxy(&head.headers, peer) {
            return Ok(Entry::Known);
        }
        if self.session(&head.headers).is_some_and(|secret| self.sessions().is_open(&secret, Instant::now())) {
            return Ok(Entry::LoggedIn);
        }
        if self.rules.password.is_none() {
            let why = "this is for clients of the proxy that is set up here: it did not say who asks";
            return Err(refusal(StatusCode::FORBIDDEN, why).into());
        }
        Err(log_in(head).into())
    }

    /// Lets in who collects metrics: with the token, or as a viewer.
    pub(super) fn collector(&self, head: &Parts, peer: IpAddr) -> Result<(), Box<Response>> {
        match &self.rules.metrics {
            Some(token) if token.is_shown(&head.headers) => Ok(()),
            Some(_) if !self.has_viewers() || head.headers.contains_key(header::AUTHORIZATION) => {
                let why = "metrics need the header 'Authorization: Bearer' with their token";
                Err(refusal(StatusCode::UNAUTHORIZED, why).with(header::WWW_AUTHENTICATE, "Bearer").into())
            }
            _ => self.viewer(head, peer).map(|_| ()),
        }
    }

    /// Refuses what a page of another server asks for, unless a person goes there (Fetch metadata; where a browser is too
    /// old for that, Origin).
    pub(super) fn own_page(&self, head: &Parts) -> Result<(), Box<Response>> {
        let header = |name: &'static str| text(&head.headers, &HeaderName::from_static(name));
        let is_visit = head.method == Method::GET
            && header("sec-fetch-mode") == Some("navigate")
            && header("sec-fetch-dest").is_none_or(|dest| dest == "document");
        let is_own = match header("sec-fetch-site") {
            Some("same-origin" | "none") => true,
            Some(_) => is_visit,
            None => text(&head.headers, &header::ORIGIN).is_none_or(|origin| is_origin_of(origin, head)),
        };
        let why = "a web page of another server asked for this: only this server's own pages may";
        if is_own { Ok(()) } else { Err(refusal(StatusCode::FORBIDDEN, why).into()) }
    }

    /// Begins a session: the cookie that its owner gets.
    pub(super) fn begin(&self) -> String {
        let secret = self.sessions().begin(Instant::now());
        self.cookie(&secret, super::sessions::UNUSED.as_secs())
    }

    /// Ends the session that a request shows: the cookie that takes its own away.
    pub(super) fn end(&self, headers: &HeaderMap) -> String {
        if let Some(secret) = self.session(headers) {
            self.sessions().end(&secret);
        }
        self.cookie("", 0)
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = if self.rules.tls { "; Secure" } else { "" };
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }

    fn session(&self, headers: &HeaderMap) -> Option<String> {
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
    }

    fn is_named_by_proxy(&self, headers: &HeaderMap, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let name = self.rules.proxy_header.as_ref().and_then(|name| headers.get(name));
        name.is_some_and(|name| !name.is_empty()) && self.rules.proxies.iter().any(|proxy| proxy.contains(&peer))
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this machine's own user asks. A proxy on this machine asks from here too: by another name, or with a header
/// that says for whom, or in HTTP/1.0 as nginx did for long.
fn is_own_machine(head: &Parts, peer: IpAddr) -> bool {
    const FORWARDED: [&str; 8] = [
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "remote-user",
    ];
    let is_forwarded =
        |name: &HeaderName| FORWARDED.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded");
    let host = authority(head);
    peer.to_canonical().is_loopback()
        && head.version >= Version::HTTP_11
        && host.is_some_and(|host| hosts::is_loopback(host.host()))
        && !head.headers.keys().any(is_forwarded)
}

/// Whom a request asks.
fn authority(head: &Parts) -> Option<Authority> {
    let given = || text(&head.headers, &header::HOST).and_then(|host| host.parse().ok());
    head.uri.authority().cloned().or_else(given)
}

/// Whether `origin` is the server that the request asks. Which scheme a proxy was asked by, nobody knows here.
fn is_origin_of(origin: &str, head: &Parts) -> bool {
    let Some((scheme, origin)) = origin.split_once("://") else { return false };
    let usual = if scheme == "https" { 443 } else { 80 };
    let (Ok(origin), Some(host)) = (origin.parse::<Authority>(), authority(head)) else { return false };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    origin.host().eq_ignore_ascii_case(host.host()) && port(&origin) == port(&host)
}

/// The answer to who has not logged in: the way to the form for a browser that goes to a page, else a refusal.
fn log_in(head: &Parts) -> Response {
    let accepts = text(&head.headers, &header::ACCEPT).unwrap_or_default();
    let mode = text(&head.headers, &HeaderName::from_static("sec-fetch-mode"));
    if head.method == Method::GET && accepts.contains("text/html") && mode.is_none_or(|mode| mode == "navigate") {
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let way = format!("/login?next={}", encoded(target));
        return super::http::empty(StatusCode::SEE_OTHER).with(header::LOCATION, way);
    }
    refusal(StatusCode::UNAUTHORIZED, "log in first: see docs/api.md, or go to /login")
        .with(header::WWW_AUTHENTICATE, "FormBased")
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
