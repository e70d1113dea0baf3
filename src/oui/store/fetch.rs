//! Registry files over HTTPS: conditional, bounded in time and size. The one file of this module that knows HTTP.

use super::{OuiError, origin::shown, source::MAX_BYTES};
use crate::tls::{self, Authorities, Peer, Settings};
use reqwest::{Client, StatusCode, Url, header, redirect};
use std::{path::Path, time::Duration};

/// The sources of an update that names none: the IEEE's lists and Wireshark's.
pub const DEFAULT_SOURCES: [&str; 7] = [
    "https://standards-oui.ieee.org/oui/oui.csv",
    "https://standards-oui.ieee.org/oui28/mam.csv",
    "https://standards-oui.ieee.org/oui36/oui36.csv",
    "https://standards-oui.ieee.org/iab/iab.csv",
    "https://standards-oui.ieee.org/cid/cid.csv",
    "https://www.wireshark.org/download/automated/data/manuf",
    "https://gitlab.com/wireshark/wireshark/-/raw/release-4.0/wka",
];

/// What can be set, for sentences on TLS.
const SETTINGS: Settings = Settings {
    authority: "--ca-file",
    name: "the address",
    identity: None,
    plain: "name a file that was fetched by other means",
};

/// How long a fetch may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Without a byte.
    pub idle: Duration,
    /// Altogether.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(30), total: Duration::from_secs(600) }
    }
}

/// What a server called the version that is here already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What a server answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The version that is here already is its newest.
    NotModified,
    /// A file.
    New {
        /// Its content.
        bytes: Vec<u8>,
        /// What the server calls it.
        version: Version,
    },
}

/// Fetches registry files.
#[derive(Debug)]
pub struct Fetcher {
    client: Client,
}

impl Fetcher {
    /// Makes a fetcher that trusts the system's certificate authorities, and those in the PEM file `ca`.
    ///
    /// # Errors
    /// When `ca` cannot be read or used.
    pub fn new(ca: Option<&Path>, timeouts: Timeouts) -> Result<Self, OuiError> {
        // A second installation finds the first one in place, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            // The IEEE's server turns away programs that do not look like a browser.
            .user_agent(concat!("Mozilla/5.0 (compatible; airtally/", env!("CARGO_PKG_VERSION"), ")"))
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.idle)
            .timeout(timeouts.total)
            .redirect(redirect::Policy::custom(|attempt| {
                if attempt.previous().len() > 5 {
                    attempt.error("it redirects more than five times")
                } else if is_safe(attempt.url()) {
                    attempt.follow()
                } else {
                    attempt.error("it redirects to a place without TLS")
                }
            }));
        let authorities = ca.map_or(Authorities::System, Authorities::SystemAnd);
        let tls = tls::client(authorities, None, None).map_err(|error| OuiError::Source {
            origin: "HTTPS".into(),
            message: format!("cannot be set up: {error}"),
        })?;
        builder = builder.tls_backend_preconfigured(tls);
        let client = builder.build().map_err(|error| OuiError::Source {
            origin: "HTTPS".into(),
            message: format!("cannot be set up: {}", innermost(error)),
        })?;
        Ok(Self { client })
    }

    /// Fetches `url`, unless the server still has the version `known`. `progress` hears the bytes so far and, where the
    /// server says it, how many there will be.
    ///
    /// # Errors
    /// When the address is no HTTPS address (plain HTTP is for this machine alone), the server cannot be reached or
    /// answers anything but a whole file in time.
    pub async fn get(
        &self,
        url: &str,
        known: Option<&Version>,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<Fetched, OuiError> {
        let failed = |message: String| OuiError::Source { origin: shown(url).into_owned(), message };
        let parsed = Url::parse(url).map_err(|error| failed(format!("is no address: {error}")))?;
        if !is_safe(&parsed) {
            return Err(failed("is not an https address".into()));
        }
        let mut request = self.client.get(parsed);
        if let Some(known) = known {
            let conditions = [(header::IF_NONE_MATCH, &known.etag), (header::IF_MODIFIED_SINCE, &known.last_modified)];
            for (name, value) in conditions {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
        }
        let not_fetched = |error: reqwest::Error| failed(format!("cannot be fetched: {}", innermost(error)));
        let mut response = request.send().await.map_err(not_fetched)?;
        match response.status() {
            StatusCode::NOT_MODIFIED if known.is_some_and(|known| *known != Version::default()) => {
                return Ok(Fetched::NotModified);
            }
            StatusCode::OK => {}
            status => return Err(failed(format!("cannot be fetched: the server answers {status}"))),
        }
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let version = Version { etag: header(header::ETAG), last_modified: header(header::LAST_MODIFIED) };
        let expected = response.content_length();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(not_fetched)? {
            bytes.extend_from_slice(&chunk);
            let so_far = bytes.len() as u64;
            if so_far > MAX_BYTES {
                return Err(failed(format!("is larger than {} MiB, which no registry file is", MAX_BYTES >> 20)));
            }
            progress(so_far, expected);
        }
        Ok(Fetched::New { bytes, version })
    }
}

fn is_safe(url: &Url) -> bool {
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "https" || url.scheme() == "http" && here
}

/// The cause at the bottom, which is the one that says something; never an address, which may have secrets.
fn innermost(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    if let Some(error) = tls::found(&error) {
        return tls::explain(error, &Peer { who: "the server", settings: &SETTINGS, has_identity: false });
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let said = cause.to_string();
    if said.contains("://") { "the request failed".into() } else { said }
}
