//! What a webhook is sent, and how it is signed. Pure: the time and the secret come in.

use crate::{
    UnixNanos,
    wire::{Alert, Alerts},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;
use uuid::Uuid;

/// The schema of [`Message`].
pub const WEBHOOK_SCHEMA: &str = "airtally.webhook/1";
/// Header: the same at each try, and after a restart.
pub const DELIVERY: &str = "airtally-delivery";
/// Header: when it was signed, in seconds since 1970.
pub const TIMESTAMP: &str = "airtally-timestamp";
/// Header: `sha256=`, and [`signature`] in hexadecimal digits.
pub const SIGNATURE: &str = "airtally-signature";

/// Namespace of the version 5 UUIDs (RFC 9562, 5.5) of deliveries. It must never change.
const NAMESPACE: Uuid = Uuid::from_u128(0x1d0c_65f2_7b3e_5c48_9a51_60f4_83be_27d9);

/// What is told of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It has begun.
    Opened,
    /// It is over.
    Ended,
}

/// The body of a request.
#[derive(Debug, Serialize)]
pub struct Message<'a> {
    schema: &'static str,
    delivery: Uuid,
    event: Event,
    site: &'a str,
    /// The sensor whose alert this is.
    sensor: &'a str,
    /// All sensors of the site that saw the same, as far as is known now.
    sensors: Vec<String>,
    alert: &'a Alert,
}

impl<'a> Message<'a> {
    /// What to say of `alert`, which came with `alerts`.
    #[must_use]
    pub fn new(event: Event, alerts: &'a Alerts, alert: &'a Alert, sensors: Vec<String>) -> Self {
        let (site, sensor) = (alerts.identity.site.as_str(), alerts.identity.sensor.as_str());
        let name =
            serde_json::to_vec(&(site, sensor, &alert.kind, &alert.subject, alert.start, event)).unwrap_or_default(); // Texts: nothing that can fail.
        Self { schema: WEBHOOK_SCHEMA, delivery: Uuid::new_v5(&NAMESPACE, &name), event, site, sensor, sensors, alert }
    }

    /// What is the same however often it is sent.
    #[must_use]
    pub const fn delivery(&self) -> Uuid {
        self.delivery
    }
}

/// HMAC-SHA256 (RFC 2104) by `secret` of the seconds in digits, a full stop, and the body: whoever has the secret knows who sent it,
/// and whoever looks at the time, that it is not an old one sent again.
#[must_use]
pub fn signature(secret: &str, at: UnixNanos, body: &[u8]) -> String {
    use std::fmt::Write as _;
    let Ok(mut keyed) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() }; // Keys have any length.
    keyed.update(seconds(at).to_string().as_bytes());
    keyed.update(b".");
    keyed.update(body);
    let mut text = String::from("sha256=");
    for octet in keyed.finalize().into_bytes() {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// Seconds since 1970, as the header has them.
#[must_use]
pub const fn seconds(at: UnixNanos) -> i64 {
    at.0.div_euclid(1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`
    #[test]
    fn a_signature_is_what_openssl_computes() {
        let at = UnixNanos(1_700_000_000_999_999_999);
        let expected = "sha256=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(signature("secret", at, br#"{"a":1}"#), expected);
    }
}
