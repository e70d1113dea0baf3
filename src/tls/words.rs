//! What rustls reports as an error, as one sentence for the person who has to do something about it.

use super::{Peer, Settings};
use crate::time::UnixNanos;
use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible, pki_types::UnixTime};
use std::{error, fmt};

/// Nobody vouches for a certificate but its own holder.
#[derive(Debug)]
pub(super) struct SelfSigned {
    /// It says of itself that it is an authority's (basicConstraints CA:TRUE), as `openssl req -x509` makes it.
    pub(super) is_authority: bool,
}

impl fmt::Display for SelfSigned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the certificate is self-signed")
    }
}

impl error::Error for SelfSigned {}

/// The sentence for `error`, which came up in a connection with `peer`.
#[must_use]
pub fn explain(error: &Error, peer: &Peer<'_>) -> String {
    let Peer { who, settings, has_identity } = peer;
    match error {
        Error::InvalidCertificate(problem) => {
            format!("the certificate of {who} is not trusted: {}", certificate(problem, settings))
        }
        Error::AlertReceived(alert) => alert_received(*alert, error, peer),
        Error::InvalidMessage(_) => {
            format!("{who} does not speak TLS ({error}): check the port, or {}", settings.plain)
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => old(who),
        Error::PeerIncompatible(_) if *has_identity => format!(
            "{who} and airtally have no way in common to encrypt, or to show a client certificate ({error}): let the server \
             offer TLS 1.2 or 1.3 with today's ciphers"
        ),
        Error::PeerIncompatible(_) => format!(
            "{who} and airtally have no way in common to encrypt ({error}): let the server offer TLS 1.2 or 1.3 with today's \
             ciphers"
        ),
        _ => format!("TLS with {who} failed: {error}"),
    }
}

fn old(who: &str) -> String {
    format!("{who} speaks only TLS versions that are no longer safe (before 1.2): let it offer TLS 1.2 or 1.3")
}

fn alert_received(alert: AlertDescription, error: &Error, peer: &Peer<'_>) -> String {
    use AlertDescription as Alert;
    let Peer { who, settings, has_identity } = peer;
    let is_of_identity = matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
    );
    match (settings.identity, alert) {
        (_, Alert::ProtocolVersion) => old(who),
        (_, Alert::InsufficientSecurity) => {
            format!(
                "{who} finds our encryption too weak ({error}): let it offer TLS 1.3, or ciphers of TLS 1.2 with ECDHE"
            )
        }
        (_, Alert::UnrecognisedName) => {
            format!("{who} does not know itself by the name it was asked for: set {} to a name it has", settings.name)
        }
        // Before TLS 1.3 the same alert means either.
        (Some(identity), Alert::HandshakeFailure) if !has_identity => format!(
            "{who} ended the handshake ({error}): it asks for a client certificate, which {identity} name, or has no cipher \
             in common with airtally"
        ),
        (None, _) if is_of_identity => {
            format!(
                "{who} asks for a client certificate, and airtally shows it none ({error}): let it take clients without one"
            )
        }
        (Some(identity), _) if is_of_identity && !has_identity => {
            format!(
                "{who} asks for a client certificate, and none is set up ({error}): name it and its key in {identity}"
            )
        }
        (Some(identity), Alert::CertificateExpired) => {
            format!(
                "{who} does not accept our client certificate: it has expired by the clock there; renew what {identity} name, or set that clock"
            )
        }
        (Some(identity), Alert::CertificateRevoked) => {
            format!("{who} does not accept our client certificate: it was revoked; get a new one for {identity}")
        }
        (Some(identity), Alert::UnknownCA) => format!(
            "{who} does not accept our client certificate: no authority that it trusts has issued it; name one that has in \
             {identity}, or give that authority to the server"
        ),
        (Some(identity), _) if is_of_identity || alert == Alert::HandshakeFailure => format!(
            "{who} does not accept our client certificate ({error}): check {identity}, and which authority the server trusts"
        ),
        _ => format!("{who} ended TLS ({error}): its log says why"),
    }
}

/// Why a server's certificate is not taken, and what to do.
fn certificate(problem: &CertificateError, settings: &Settings) -> String {
    let Settings { authority, name, .. } = settings;
    match problem {
        CertificateError::UnknownIssuer => {
            format!("no authority that is trusted here has issued it; name the one that has in {authority} (PEM)")
        }
        CertificateError::BadSignature => format!(
            "its signature is not that of the authority of this name: {authority} has another authority's certificate, or an \
             older one; take the one that issued it"
        ),
        CertificateError::Expired => "it has expired, or was never valid: renew it, or set this system's clock".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "it has expired: it was valid until {}, and it is {} by this system's clock; renew it, or set the clock",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYet => "it is not valid yet by this system's clock: set the clock".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "it is not valid yet: it is from {} on, and it is {} by this system's clock, which is wrong, or that of the \
             machine which made it; after a start without a network a Pi's clock is behind until a time server has been \
             reached",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidForName => format!("it is for another name: set {name} to a name it carries"),
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => format!(
            "it carries no name at all, so it is not for '{}' either: names stand in subjectAltName, a common name (CN) alone \
             no longer counts; make it again with one",
            expected.to_str()
        ),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "it is for another name than '{}': it carries {}; set {name} to one of these, or make it again with the name",
            expected.to_str(),
            presented.iter().take(8).map(|name| bare(name)).collect::<Vec<_>>().join(", ")
        ),
        CertificateError::Revoked => "its authority has revoked it: the server needs a new one".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not made for a server (extendedKeyUsage lacks serverAuth): it may be a client's; give the server one of its \
             own"
                .to_owned()
        }
        CertificateError::UnhandledCriticalExtension => {
            "it demands something that airtally does not know (a critical extension): make it without that".to_owned()
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it is signed in a way that is not taken, like SHA-1 or with a key of an unusual kind: make it again with SHA-256 \
             and a key of ECDSA P-256 or RSA 2048"
                .to_owned()
        }
        CertificateError::BadEncoding => "it cannot be read: it is damaged, or made by a program with a mistake".to_owned(),
        CertificateError::Other(other) => unusual(other, settings),
        _ => problem.to_string(),
    }
}

/// What rustls has no word of its own for.
fn unusual(other: &OtherError, settings: &Settings) -> String {
    let authority = settings.authority;
    if let Some(SelfSigned { is_authority }) = other.0.downcast_ref() {
        return if *is_authority {
            format!(
                "it is self-signed, and at the same time an authority's (CA:TRUE, as 'openssl req -x509' makes it), which no \
                 server may show as its own: make it again with basicConstraints=CA:FALSE and name that one in {authority}, or \
                 have the authority issue one to the server (docs/tls.md)"
            )
        } else {
            format!(
                "it is self-signed, and not one of those trusted here: if it is the right one, name a copy of it in {authority}"
            )
        };
    }
    match other.0.downcast_ref::<webpki::Error>() {
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "it is an authority's own (CA:TRUE), which no server may show as its own: have the authority issue one to the \
             server (docs/tls.md)"
                .to_owned()
        }
        Some(webpki::Error::EndEntityUsedAsCa) => {
            format!("what issued it is no authority (CA:FALSE): issue it by the authority itself, and name that in {authority}")
        }
        Some(webpki::Error::UnsupportedCertVersion) => {
            "it is of X.509 version 1, which has no names: 'openssl x509 -req' makes such without -extfile; make it again with \
             subjectAltName (docs/tls.md)"
                .to_owned()
        }
        Some(webpki::Error::PathLenConstraintViolated | webpki::Error::NameConstraintViolation) => {
            format!("an authority above it was not allowed to issue it ({other}): take another authority for it")
        }
        _ => format!("{other}"),
    }
}

/// A name without the kind that is told with it, like `DnsName("broker.lan")` and `IpAddress(192.168.1.5)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// To the second, in UTC.
fn date(time: UnixTime) -> String {
    let text = UnixNanos::new(i64::try_from(time.as_secs()).unwrap_or(i64::MAX), 0).to_string();
    text.get(..19).map_or(text.clone(), |to_second| format!("{}Z", to_second))
}
