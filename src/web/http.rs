//! A request and a response as plain values, and reading paths and queries. Knows no sockets and no routes.

use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr};

/// The methods that routes tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET, and HEAD, whose body the server leaves out.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// Any other.
    Other,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// The path's segments, decoded: `/a/b%20c` is `["a", "b c"]`.
    pub path: Vec<String>,
    /// The query's pairs, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers that routes look at, by lower-case name.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: IpAddr,
}

/// The headers that a [`Request`] keeps.
pub const HEADERS: [&str; 5] =
    ["authorization", "if-none-match", "origin", "access-control-request-method", "content-type"];

impl Request {
    /// A request for `target`, a path with an optional query.
    ///
    /// # Errors
    /// What is malformed about `target`.
    pub fn new(method: Method, target: &str) -> Result<Self, &'static str> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix('/').ok_or("the path does not begin with '/'")?;
        let path = path.split('/').map(|part| decode(part, false)).collect::<Result<_, _>>()?;
        let pair = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            Ok((decode(name, true)?, decode(value, true)?))
        };
        let query = query.split('&').filter(|text| !text.is_empty()).map(pair).collect::<Result<_, &'static str>>()?;
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Ok(Self { method, path, query, headers: Vec::new(), body: Vec::new(), peer })
    }

    /// The header `name`, in lower case, one of [`HEADERS`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| *each == name).map(|(_, value)| value.as_str())
    }
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

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers, `content-type` among them; `content-length` is the server's.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

impl Response {
    /// A response without a body.
    #[must_use]
    pub const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// A JSON response.
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Serialising plain values into memory fails for no value that a route has.
        let body = serde_json::to_vec(value).unwrap_or_default();
        Self::empty(status).with("content-type", "application/json").body(body)
    }

    /// `{"error": message}`.
    #[must_use]
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &Problem { error: message })
    }

    /// With one header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// The header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| *each == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_and_queries_are_decoded() {
        let request = Request::new(Method::Get, "/api/v1/oui/aa%3Abb?q=caf%C3%A9+x%2B&mac=&flag").unwrap();
        assert_eq!(request.path, ["api", "v1", "oui", "aa:bb"]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(request.query, [pair("q", "café x+"), pair("mac", ""), pair("flag", "")]);
        for bad in ["", "x", "/%", "/%4", "/%zz", "/%ff", "/?a=%f"] {
            assert!(Request::new(Method::Get, bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_target_is_read_or_refused(target in "\\PC{0,60}") {
            let _ = Request::new(Method::Get, &target);
        }
    }
}
