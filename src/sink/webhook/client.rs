//! Sends what is new of alerts, one request each. Owns reqwest; whom it reaches is decided by `address`.

use super::{
    address::Allowed,
    join::{Joined, Key},
    message::{DELIVERY, Message, SIGNATURE, TIMESTAMP, seconds, signature},
};
use crate::{
    config,
    sink::{
        OpenError, Rejected, Sink, SinkError, Storing,
        http::{deepest, excerpt, now, retry_after},
    },
    tls::{self, Authorities, Peer, Settings},
    wire::{Alerts, Record, encode},
};
use reqwest::{
    Client, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use std::{collections::VecDeque, io, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// Octets of an answer that are read, at most.
const LONGEST_ANSWER: usize = 4 << 10;
/// Deliveries that are remembered, so that none is made twice.
const REMEMBERED: usize = 4_096;

/// What can be set, for sentences on TLS.
const SETTINGS: Settings =
    Settings { authority: "ca_file of this [[webhook]]", name: "url", identity: None, plain: "begin url with http://" };

/// One receiver of alerts.
#[derive(Debug)]
pub struct Webhook {
    config: config::Webhook,
    client: Client,
    url: Url,
    joined: Joined,
    /// What was taken by the receiver, the newest last.
    delivered: VecDeque<Uuid>,
}

/// Looks names up, and keeps of their addresses those that may be reached: what is connected to is what was checked.
struct Checked(Arc<Allowed>);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<_> = tokio::net::lookup_host((host, 0)).await?.collect();
            let good: Vec<_> = found.iter().copied().filter(|address| allowed.permits(host, address.ip())).collect();
            if good.is_empty() {
                let found: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
                return Err(io::Error::other(forbidden(host, &found.join(", "))).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

fn forbidden(host: &str, address: &str) -> String {
    format!(
        "{host} is at {address}, which is no address of the internet: if that is the receiver, name it in allow_private of this [[webhook]]"
    )
}

/// What an answer means for one delivery.
enum Verdict {
    Taken,
    /// For good, with the receiver's words.
    Refused(String),
}

impl Webhook {
    /// Makes ready to send as `config` says. Speaks to no one yet.
    ///
    /// # Errors
    /// When the URL cannot be used, names an address that may not be reached, or `ca_file` cannot be read.
    pub fn open(config: &config::Webhook) -> Result<Self, OpenError> {
        let fail = |reason: String| OpenError::Settings { name: config.name.clone(), reason };
        let url: Url = config.url.parse().map_err(|error| fail(format!("url cannot be read: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fail("url must not hold user or password: the receiver knows us by the signature".into()));
        }
        let allowed = Allowed::parse(&config.allow_private).map_err(|why| fail(format!("allow_private: {why}")))?;
        // An address is connected to without a look-up.
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        if let Some(address) = literal.filter(|address| !allowed.permits(host, *address)) {
            return Err(fail(forbidden("url", &address.to_string())));
        }
        let client = client(config, &url, allowed).map_err(fail)?;
        Ok(Self { config: config.clone(), client, url, joined: Joined::default(), delivered: VecDeque::new() })
    }

    fn temporary(&self, what: &str) -> SinkError {
        let config::Webhook { name, url, .. } = &self.config;
        SinkError::Temporary { reason: format!("cannot send alerts to '{name}' at {url}: {what}"), retry_after: None }
    }

    /// Sends what is new of one message's alerts.
    async fn send(&mut self, alerts: &Alerts) -> Result<Verdict, SinkError> {
        let mut refused = Verdict::Taken;
        for alert in &alerts.alerts {
            let key =
                Key { site: alerts.identity.site.clone(), kind: alert.kind.clone(), subject: alert.subject.clone() };
            // Only what was delivered changes what is known.
            let mut joined = self.joined.clone();
            let news = joined.take(key, &alerts.identity.sensor, alert.end.is_none(), alerts.end);
            if let Some((event, sensors)) = news {
                let message = Message::new(event, alerts, alert, sensors);
                let delivery = message.delivery();
                if !self.delivered.contains(&delivery) {
                    if let Verdict::Refused(reason) = self.post(delivery, encode(&message)).await? {
                        refused = Verdict::Refused(reason);
                    }
                    self.delivered.push_back(delivery);
                    if self.delivered.len() > REMEMBERED {
                        self.delivered.pop_front();
                    }
                }
            }
            self.joined = joined;
        }
        Ok(refused)
    }

    async fn post(&self, delivery: Uuid, body: Vec<u8>) -> Result<Verdict, SinkError> {
        // Read anew each time: a rotated secret is picked up, and none stays in memory for long.
        let secret = self.config.secret_file.read_line().map_err(|error| self.temporary(&error.to_string()))?;
        let at = now();
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(DELIVERY, delivery.to_string())
            .header(TIMESTAMP, seconds(at))
            .header(SIGNATURE, signature(&secret, at, &body))
            .body(body);
        let response = request.send().await.map_err(|error| self.temporary(&cause(error, &self.config)))?;
        self.judge(response).await
    }

    async fn judge(&self, mut response: Response) -> Result<Verdict, SinkError> {
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(Verdict::Taken);
        }
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let wait = text(header::RETRY_AFTER).and_then(|text| retry_after(text, now()));
        let location = text(header::LOCATION).map(|place| excerpt(place.as_bytes()));
        let mut body = Vec::new();
        while body.len() < LONGEST_ANSWER
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(chunk.get(..LONGEST_ANSWER - body.len()).unwrap_or(&chunk));
        }
        let words = excerpt(&body);
        let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let hint = match status {
            // The request is what it will be next time too.
            400 | 409 | 410 | 413 | 415 | 422 => return Ok(Verdict::Refused(format!("answered {status}{words}"))),
            300..=399 => match location {
                Some(place) => {
                    format!("it points to '{place}', which is not followed: if that is right, put it into url")
                }
                None => "it points elsewhere: check url".into(),
            },
            401 | 403 => "it does not take our signature: check secret_file here, and the secret there".into(),
            404 | 405 => "check the path in url".into(),
            _ => "it is tried again".into(),
        };
        let config::Webhook { name, url, .. } = &self.config;
        let reason = format!("'{name}' at {url} answered {status}{words}; {hint}");
        Err(SinkError::Temporary { reason, retry_after: wait })
    }
}

impl Sink for Webhook {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn store<'a>(&'a mut self, records: &'a [Record]) -> Storing<'a> {
        Box::pin(async move {
            let mut rejected = Vec::new();
            for (index, record) in records.iter().enumerate() {
                let Record::Alerts(alerts) = record else { continue };
                if let Verdict::Refused(reason) = self.send(alerts).await? {
                    let reason = format!("'{}' refused an alert: {reason}", self.config.name);
                    rejected.push(Rejected { index, reason, what: record.encode() });
                }
            }
            match rejected.first() {
                None => Ok(()),
                Some(first) => Err(SinkError::Refused { reason: first.reason.clone(), rejected }),
            }
        })
    }
}

fn client(config: &config::Webhook, url: &Url, allowed: Allowed) -> Result<Client, String> {
    // Whoever came first may have installed a provider: any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("airtally/", env!("CARGO_PKG_VERSION")))
        .timeout(config.timeout)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(Checked(Arc::new(allowed))));
    if url.scheme() == "https" {
        let authorities = config.ca_file.as_deref().map_or(Authorities::System, Authorities::SystemAnd);
        let key = if config.ca_file.is_some() { "ca_file: " } else { "" };
        let tls = tls::client(authorities, None, None).map_err(|error| format!("{key}{error}"))?;
        builder = builder.tls_backend_preconfigured(tls);
    } else {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| format!("cannot make an HTTP client: {}", deepest(&error)))
}

/// Why no answer came, in words for whoever runs this.
fn cause(error: reqwest::Error, config: &config::Webhook) -> String {
    if error.is_timeout() {
        return format!("no answer within {}", humantime::format_duration(config.timeout));
    }
    if let Some(error) = tls::found(&error) {
        return tls::explain(error, &Peer { who: "the receiver", settings: &SETTINGS, has_identity: false });
    }
    let words = deepest(&error.without_url());
    if words.contains("allow_private") {
        words
    } else {
        format!("{words}; does it run, and does url name its host and port?")
    }
}
