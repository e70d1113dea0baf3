//! What a database's answer to a write means. Pure: status, headers and body in, a verdict out.
//!
//! The contract is InfluxDB's: `/write` of 1.x and `/api/v2/write` of 2 and 3 as their documentation describes
//! them, and as InfluxDB 1.6.7 and VictoriaMetrics were seen to answer.

use crate::{
    UnixNanos,
    config::InfluxApi,
    sink::http::{excerpt, retry_after},
};
use std::time::Duration;

/// The phrases of the statuses with which a database may refuse data (RFC 9110, 15.5 and 15.6; 422 had another before).
const PHRASES: [&str; 4] = ["Bad Request", "Unprocessable Content", "Unprocessable Entity", "Internal Server Error"];

/// The verdict on one write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything is stored.
    Stored,
    /// At least one line was refused for good, for this reason.
    Refused {
        /// The database's words.
        reason: String,
        /// How many lines it says it dropped, where it says so.
        dropped: Option<u64>,
    },
    /// The request was too large for it.
    TooLarge,
    /// Nothing is wrong with the lines.
    Temporary {
        /// What it answered, and what to do.
        reason: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What came back.
pub(super) struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The header `Location`.
    pub location: Option<&'a str>,
    /// The beginning of the body.
    pub body: &'a [u8],
}

/// Tells what `answer` means for the lines sent at `now` to the database (v1) or bucket (v2) called `target`.
pub(super) fn judge(answer: &Answer<'_>, api: InfluxApi, target: &str, now: UnixNanos) -> Verdict {
    let said = said(answer.body);
    let words = || said.clone().unwrap_or_else(|| excerpt(answer.body));
    let (what, hint) = match answer.status {
        204 => return Verdict::Stored,
        // 201 is how InfluxDB's cloud tells of a partial write. Whether an error is the database's own shows in
        // its shape: a proxy, or a server that expected TLS, answers 400 too, and that is no batch's fault.
        201 | 400 | 422 if is_its_own(answer) => {
            let reason = words();
            let dropped = dropped(&reason);
            return Verdict::Refused { reason, dropped };
        }
        // InfluxDB 2.0 calls it an internal error that points are older than the bucket keeps; it has stored the others,
        // and sent again they would fail for ever.
        500 if is_its_own(answer) && words().contains("partial write") && dropped(&words()).is_some() => {
            let reason = words();
            let dropped = dropped(&reason);
            return Verdict::Refused { reason, dropped };
        }
        413 => return Verdict::TooLarge,
        status @ (201 | 400 | 422) => (
            status,
            "that is not how InfluxDB refuses data: check that url names the database itself, and http or https".into(),
        ),
        status @ 300..=399 => (
            status,
            match answer.location {
                Some(place) => {
                    format!("it points to '{}': if that is right, put it into url", excerpt(place.as_bytes()))
                }
                None => "it points elsewhere: check url".into(),
            },
        ),
        status @ 401 => (
            status,
            match api {
                InfluxApi::V1 => "check user and the password in password_file",
                InfluxApi::V2 => "check the token in token_file",
            }
            .into(),
        ),
        status @ 403 => (status, format!("it needs permission to write to '{target}'")),
        status @ 404 => (
            status,
            match api {
                InfluxApi::V1 => format!("if the database does not exist, make it: CREATE DATABASE \"{target}\""),
                InfluxApi::V2 => format!("check url and org, and that the bucket '{target}' exists"),
            },
        ),
        status @ 200..=299 => {
            (status, "a database answers 204 to a write: check that url names one, without a path of its own".into())
        }
        status => (status, "it is tried again".into()),
    };
    let words = words();
    let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
    Verdict::Temporary {
        reason: format!("answered {what}{words}; {hint}"),
        retry_after: answer.retry_after.and_then(|text| retry_after(text, now)),
    }
}

/// The message in a JSON error: `error` of 1.x and 3, `message` of 2.
fn said(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = json.get("message").or_else(|| json.get("error"))?.as_str()?;
    Some(excerpt(text.as_bytes()))
}

/// Whether the answer has the shape of an error of InfluxDB's own: `code` and `message` of 2, `error` of 1.x and 3. Gateways
/// answer with a `message` alone, or put the status's phrase into `error`.
fn is_its_own(answer: &Answer<'_>) -> bool {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(answer.body) else { return false };
    let text = |key: &str| json.get(key).and_then(serde_json::Value::as_str);
    if text("message").is_some() {
        return text("code").is_some();
    }
    text("error").is_some_and(|error| !PHRASES.iter().any(|phrase| error.trim().eq_ignore_ascii_case(phrase)))
}

/// `N` of "partial write: … dropped=N".
fn dropped(reason: &str) -> Option<u64> {
    let (_, number) = reason.rsplit_once("dropped=")?;
    number.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

    fn answer(status: u16, body: &str) -> Verdict {
        judge(&Answer { status, retry_after: None, location: None, body: body.as_bytes() }, InfluxApi::V1, "wifi", NOW)
    }

    fn temporary(verdict: Verdict) -> String {
        match verdict {
            Verdict::Temporary { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_documented_refusals_are_for_good() {
        for (status, body, dropped) in [
            (400, r#"{"error":"partial write: field type conflict: … dropped=1"}"#, Some(1)),
            (400, r#"{"error":"unable to parse 'm f=zz': invalid number"}"#, None),
            (400, r#"{"code":"invalid","message":"partial write: x dropped=12"}"#, Some(12)),
            (
                422,
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=3"}"#,
                Some(3),
            ),
            (201, r#"{"code":"invalid","message":"partial write has occurred"}"#, None),
            (
                500,
                r#"{"code":"internal error","message":"unexpected error writing points to database: partial write: points beyond retention policy dropped=4"}"#,
                Some(4),
            ),
            (
                400,
                r#"{"error":"partial write of line protocol occurred","data":[{"error_message":"x","line_number":2}]}"#,
                None,
            ),
        ] {
            match answer(status, body) {
                Verdict::Refused { dropped: found, .. } => assert_eq!(found, dropped, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_the_lines_fault_is_kept() {
        for (status, body, word) in [
            (200, "<html>It works!</html>", "url"),
            (301, "", "url"),
            (400, "Client sent an HTTP request to an HTTPS server.\n", "https"),
            (400, "", "url"),
            // Gateways.
            (400, r#"{"message":"Bad Request"}"#, "url"),
            (400, r#"{"message":"no Route matched with those values"}"#, "url"),
            (400, r#"{"timestamp":1,"status":400,"error":"Bad Request","path":"/api/v2/write"}"#, "url"),
            (422, r#"{"error":"unprocessable entity"}"#, "url"),
            (500, r#"{"message":"partial write: something dropped=4"}"#, "tried again"),
            (500, r#"{"code":"internal error","message":"partial write: timeout"}"#, "tried again"),
            (401, r#"{"error":"authorization failed"}"#, "password_file"),
            (403, r#"{"error":"no"}"#, "permission"),
            (404, r#"{"error":"database not found: \"wifi\""}"#, "CREATE DATABASE \"wifi\""),
            (408, "", "408"),
            (429, "", "429"),
            (500, r#"{"error":"timeout"}"#, "timeout"),
            (503, "", "503"),
        ] {
            let reason = temporary(answer(status, body));
            assert!(reason.contains(word), "{status}: {reason}");
        }
        assert_eq!(answer(413, "<html>"), Verdict::TooLarge);
        assert_eq!(answer(204, ""), Verdict::Stored);
    }

    #[test]
    fn a_long_answer_is_told_short_and_on_one_line() {
        let reason = temporary(answer(500, &"line\r\n\u{7}".repeat(10_000)));
        assert!(reason.chars().count() < 700 && !reason.chars().any(char::is_control), "{reason}");
    }
}
