//! A request as routes see it, answers, and reading paths and queries. Knows no sockets and no routes.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr};

pub use axum::{
    http::{Method, StatusCode},
    response::Response,
};

/// One request, read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method; HEAD is GET, for the server leaves the body out.
    pub method: Method,
    /// The path's segments, decoded: `/a/b%20c` is `["a", "b c"]`.
    pub path: Vec<String>,
    /// The query's pairs, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Who asks.
    pub peer: IpAddr,
    /// Whether the asker has logged in here, and so can log out.
    pub logged_in: bool,
}

impl Request {
    /// A request for `target`, a path with an optional query.
    ///
    /// # Errors
    /// What is malformed about `target`.
    pub fn new(method: Method, target: &str) -> Result<Self, &'static str> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').ok_or("the path does not begin with '/'")?;
        let path = path.split('/').map(|part| decode(part, false)).collect::<Result<_, _>>()?;
        let (query, peer) = (pairs(query)?, IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(Self { method, path, query, headers: HeaderMap::new(), body: Bytes::new(), peer, logged_in: false })
    }

    /// The pairs of a form that is sent as its body.
    ///
    /// # Errors
    /// What is malformed about it.
    pub fn form(&self) -> Result<Vec<(String, String)>, &'static str> {
        pairs(str::from_utf8(&self.body).map_err(|_| "the form is not UTF-8")?)
    }

    /// The header `name`, if it is there and plain ASCII.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        text(&self.headers, name)
    }

    /// The path's last segment: what a route is asked about.
    #[must_use]
    pub fn item(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// The header `name` among `headers`, if it is there and plain ASCII.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The pairs of a query or a form.
fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        Ok((decode(name, true)?, decode(value, true)?))
    };
    text.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

/// Undoes percent-encoding, and `+` for a space in a query.
fn decode(text: &str, plus: bool) -> Result<String, &'static str> {
    if !text.contains(['%', '+']) {
        return Ok(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err("a '%' is not followed by two hexadecimal digits");
                };
                out.push(u8::try_from(high << 4 | low).unwrap_or_default());
            }
            b'+' if plus => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| "percent-encoded bytes are not UTF-8")
}

/// A refusal as RFC 9457 has it, and as this server had it before.
#[derive(Serialize)]
struct Problem<'a> {
    /// No page says more than the status does (RFC 9457, section 4.2.1).
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    error: &'a str,
}

/// Percent-encodes all but what is plain in every part of an address (RFC 3986, section 2.3).
#[must_use]
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer of a media type; `body` may be octets or a stream.
#[must_use]
pub fn of_type(status: StatusCode, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// `value` as JSON text.
#[must_use]
pub fn json_text(value: &impl Serialize) -> Vec<u8> {
    // Serialising plain values into memory fails for no value that a route has.
    serde_json::to_vec(value).unwrap_or_default()
}

/// An answer of JSON.
#[must_use]
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    of_type(status, "application/json", json_text(value))
}

/// A refusal, with a sentence that says what is wrong: problem details of RFC 9457, and the sentence as `error` too.
#[must_use]
pub fn refusal(status: StatusCode, message: &str) -> Response {
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: message,
        error: message,
    };
    of_type(status, "application/problem+json", json_text(&problem))
}

/// `text` as the text of an HTML element, or a quoted attribute's.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// An answer that may be kept and asked for again: with a mark of what is in it, or, where the client has that already,
/// nothing but the mark (RFC 9110, section 13.1.2). It is made of `mark_of`, what matters of the body, and is weak: packed and
/// unpacked it is the same.
#[must_use]
pub fn marked(request: &Request, media_type: &'static str, body: Vec<u8>, mark_of: &[u8]) -> Response {
    let hash = Sha256::digest(mark_of);
    let mark: String = hash.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    let known = request.header(&header::IF_NONE_MATCH).is_some_and(|tags| {
        let plain = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        tags.split(',').any(|tag| tag.trim() == "*" || plain(tag) == mark)
    });
    let answer = if known { empty(StatusCode::NOT_MODIFIED) } else { of_type(StatusCode::OK, media_type, body) };
    answer.with(header::ETAG, format!("W/\"{mark}\"")).with(header::CACHE_CONTROL, "private, no-cache")
}

/// Answers with one header more.
pub trait With {
    /// The same with the header `name`; a value that no header may have is left out.
    #[must_use]
    fn with(self, name: HeaderName, value: impl AsRef<str>) -> Self;
}

impl With for Response {
    fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers_mut().append(name, value);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_and_queries_are_decoded() {
        let request = Request::new(Method::GET, "/api/v1/oui/aa%3Abb?q=caf%C3%A9+x%2B&mac=&flag").unwrap();
        assert_eq!(request.path, ["api", "v1", "oui", "aa:bb"]);
        assert_eq!(request.item(), "aa:bb");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(request.query, [pair("q", "café x+"), pair("mac", ""), pair("flag", "")]);
        for bad in ["", "x", "/%", "/%4", "/%zz", "/%ff", "/?a=%f"] {
            assert!(Request::new(Method::GET, bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_target_is_read_or_refused(target in "\\PC{0,60}") {
            let _ = Request::new(Method::GET, &target);
        }
    }
}
