//! Answers that travel small: packed with gzip where the client takes it, the text is long enough, and all of it is there.

use super::{Response, http::With as _};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
};
use flate2::{Compression, write::GzEncoder};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use std::io::Write as _;

/// What is shorter fits into a packet as it is.
const SHORT: u64 = 1_024;
/// A page is packed in a millisecond, and is a sixth of its size.
const LEVEL: Compression = Compression::new(5);

/// Whether a client with these headers takes gzip (RFC 9110, section 12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0));
        matches!(name.trim(), "gzip" | "x-gzip" | "*") && !is_refused
    })
}

/// `answer`, packed if that is worth it.
pub(super) fn packed(answer: Response, takes_gzip: bool) -> Response {
    let media_type = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_text = media_type.starts_with("text/") || ["json", "xml"].iter().any(|kind| media_type.contains(kind));
    let is_long = axum::body::HttpBody::size_hint(answer.body()).exact().is_some_and(|length| length >= SHORT);
    if !is_text || !is_long || answer.headers().contains_key(header::CONTENT_ENCODING) {
        return answer;
    }
    let answer = answer.with(header::VARY, "accept-encoding");
    if !takes_gzip {
        return answer;
    }
    let (mut head, body) = answer.into_parts();
    // A body whose length is known is in memory: it is there at once.
    let Some(Ok(body)) = body.collect().now_or_never() else {
        return super::http::refusal(super::StatusCode::INTERNAL_SERVER_ERROR, "the answer was not all there");
    };
    let body = body.to_bytes();
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), LEVEL);
    let Some(small) = encoder.write_all(&body).and_then(|()| encoder.finish()).ok() else {
        return Response::from_parts(head, Body::from(body));
    };
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // Other octets: what marked the plain ones marks these weakly (RFC 9110, section 8.8.1).
    let tag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if let Some(tag) = tag.filter(|tag| !tag.starts_with("W/"))
        && let Ok(tag) = HeaderValue::from_str(&format!("W/{tag}"))
    {
        head.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(head, Body::from(small))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::web::{StatusCode, http::of_type};
    use std::io::Read as _;

    fn takes(value: &str) -> bool {
        takes_gzip(&[(header::ACCEPT_ENCODING, value.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        assert!(takes("gzip") && takes("deflate, gzip;q=0.5, br") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("gzip; q=0.0") && !takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn long_texts_travel_small_and_arrive_whole() {
        let text = "A window of ten seconds. ".repeat(200);
        let answer = || of_type(StatusCode::OK, "text/html", text.clone()).with(header::ETAG, "\"a\"");
        let small = packed(answer(), true);
        assert_eq!(small.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(small.headers()[header::ETAG], "W/\"a\"");
        let octets = small.into_body().collect().await.unwrap().to_bytes();
        assert!(octets.len() < text.len() / 10);
        let mut whole = String::new();
        flate2::read::GzDecoder::new(&octets[..]).read_to_string(&mut whole).unwrap();
        assert_eq!(whole, text);
        let plain = packed(answer(), false);
        assert_eq!(plain.headers()[header::VARY], "accept-encoding");
        assert!(!packed(of_type(StatusCode::OK, "text/html", "short"), true).headers().contains_key(header::VARY));
        let image = packed(of_type(StatusCode::OK, "image/png", vec![0; 5_000]), true);
        assert!(!image.headers().contains_key(header::CONTENT_ENCODING));
    }
}
