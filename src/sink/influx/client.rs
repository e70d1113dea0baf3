//! The InfluxDB sink: lines to `/write` (1.x) or `/api/v2/write` (2, 3, VictoriaMetrics), and the search for
//! exactly what a database refuses. Owns reqwest; knows the schema only as text.

use super::{
    answer::{Answer, Verdict, judge},
    points,
    server::{self, Server},
};
use crate::{
    config::{self, InfluxApi},
    sink::{
        OpenError, Rejected, Sink, SinkError, Storing,
        http::{deepest, excerpt, now},
    },
    tls::{self, Authorities, Peer, Settings},
    wire::Record,
};
use flate2::{Compression, write::GzEncoder};
use reqwest::{Client, RequestBuilder, Url, header, redirect};
use std::{collections::BTreeMap, io::Write as _, ops::Range};

/// Lines in one request, at most.
const LINES_AT_ONCE: usize = 5_000;
/// Octets of text in one request, at most, unless one line is longer.
const BYTES_AT_ONCE: usize = 1_000_000;
/// Octets of an answer that are read, at most.
const LONGEST_ANSWER: usize = 64 << 10;
/// Requests of one call that may be refused before the search for the bad lines is given up: what is left is
/// refused by whole records, which loses nothing, since a dead letter holds its record whole.
const MOST_REFUSALS: usize = 2_000;

/// What can be set, for sentences on TLS.
const SETTINGS: Settings =
    Settings { authority: "ca_file of this [[influx]]", name: "url", identity: None, plain: "begin url with http://" };

/// One InfluxDB or VictoriaMetrics.
#[derive(Debug)]
pub struct Influx {
    config: config::Influx,
    client: Client,
    url: Url,
    server: Server,
}

/// Lines of records, and what was refused of them.
#[derive(Default)]
struct Work {
    text: String,
    /// Where each line lies in `text`, and which record it is of.
    lines: Vec<(Range<usize>, usize)>,
    refused: BTreeMap<usize, Refusal>,
}

/// What was refused of one record.
struct Refusal {
    lines: usize,
    reason: String,
    first: String,
}

impl Work {
    fn new(records: &[Record]) -> Self {
        let mut work = Self::default();
        for (index, record) in records.iter().enumerate() {
            match points::points(record) {
                Ok(points) => {
                    for point in points {
                        let begin = work.text.len();
                        point.write(&mut work.text);
                        if work.text.len() > begin {
                            work.lines.push((begin..work.text.len(), index));
                        }
                    }
                }
                Err(error) => {
                    let refusal = Refusal { lines: 0, reason: error.to_string(), first: String::new() };
                    work.refused.insert(index, refusal);
                }
            }
        }
        work
    }

    fn text_of(&self, lines: &Range<usize>) -> &str {
        let lines = self.lines.get(lines.clone()).unwrap_or_default();
        match (lines.first(), lines.last()) {
            (Some((first, _)), Some((last, _))) => self.text.get(first.start..last.end).unwrap_or_default(),
            _ => "",
        }
    }

    /// The lines in groups that fit a request.
    fn groups(&self) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let (mut begin, mut bytes) = (0, 0);
        for (index, (place, _)) in self.lines.iter().enumerate() {
            if index > begin && (index - begin == LINES_AT_ONCE || bytes + place.len() > BYTES_AT_ONCE) {
                groups.push(begin..index);
                (begin, bytes) = (index, 0);
            }
            bytes += place.len();
        }
        if begin < self.lines.len() {
            groups.push(begin..self.lines.len());
        }
        groups
    }

    fn refuse(&mut self, lines: Range<usize>, reason: &str) {
        for (place, record) in self.lines.get(lines).unwrap_or_default() {
            let refusal = self.refused.entry(*record).or_insert_with(|| Refusal {
                lines: 0,
                reason: reason.to_owned(),
                first: excerpt(self.text.get(place.clone()).unwrap_or_default().as_bytes()),
            });
            refusal.lines += 1;
        }
    }

    fn finish(self, name: &str, records: &[Record]) -> Result<(), SinkError> {
        let rejected: Vec<Rejected> = self
            .refused
            .into_iter()
            .filter_map(|(index, refusal)| {
                let reason = match refusal.lines {
                    0 => format!("'{name}' cannot store the record: {}", refusal.reason),
                    1 => format!("'{name}' refused the line '{}': {}", refusal.first, refusal.reason),
                    lines => {
                        format!("'{name}' refused {lines} lines, the first '{}': {}", refusal.first, refusal.reason)
                    }
                };
                Some(Rejected { index, reason, what: records.get(index)?.encode() })
            })
            .collect();
        match rejected.first() {
            None => Ok(()),
            Some(first) => {
                let reason = format!("{} of {} records were refused: {}", rejected.len(), records.len(), first.reason);
                Err(SinkError::Refused { reason, rejected })
            }
        }
    }
}

impl Influx {
    /// Makes ready to write as `config` says. Speaks to no one yet.
    ///
    /// # Errors
    /// When the URL cannot be used or `ca_file` cannot be read.
    pub fn open(config: &config::Influx) -> Result<Self, OpenError> {
        let fail = |reason: String| OpenError::Settings { name: config.name.clone(), reason };
        let mut url: Url = config.url.parse().map_err(|error| fail(format!("url cannot be read: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fail("url must not hold user or password: use user and password_file, or token_file".into()));
        }
        let end = match config.api {
            InfluxApi::V1 => "write",
            InfluxApi::V2 => "api/v2/write",
        };
        let root = url.path().trim_end_matches('/').to_owned();
        let mut server = url.clone();
        server.set_query(None);
        server.set_path(&format!("{root}/"));
        url.set_path(&format!("{root}/{end}"));
        let parameters: &[(&str, &Option<String>)] = match config.api {
            InfluxApi::V1 => &[("db", &config.db)],
            InfluxApi::V2 => &[("org", &config.org), ("bucket", &config.bucket)],
        };
        for (key, value) in parameters {
            url.query_pairs_mut().append_pair(key, value.as_deref().unwrap_or_default());
        }
        url.query_pairs_mut().append_pair("precision", "ns");
        let client = client(config, &url).map_err(fail)?;
        Ok(Self { config: config.clone(), client, url, server: Server::new(server) })
    }

    fn temporary(&self, what: &str) -> SinkError {
        let Self { config: config::Influx { name, url, .. }, .. } = self;
        SinkError::Temporary { reason: format!("cannot write to '{name}' at {url}: {what}"), retry_after: None }
    }

    /// The request with what the configuration has to show.
    fn authorised(&self, request: RequestBuilder) -> Result<RequestBuilder, SinkError> {
        // Read anew each time: a rotated secret is picked up, and none stays in memory for long.
        let secret = match self.config.api {
            InfluxApi::V1 => &self.config.password_file,
            InfluxApi::V2 => &self.config.token_file,
        };
        let secret = secret.as_ref().map(|file| file.read_line()).transpose();
        let secret = secret.map_err(|error| self.temporary(&error.to_string()))?;
        Ok(match (self.config.api, &self.config.user, secret) {
            (InfluxApi::V1, Some(user), password) => request.basic_auth(user, password),
            (InfluxApi::V2, _, Some(token)) => {
                let mut value = header::HeaderValue::try_from(format!("Token {token}")).map_err(|_| {
                    self.temporary("the token in token_file has characters that no token has: write it as one line")
                })?;
                value.set_sensitive(true);
                request.header(header::AUTHORIZATION, value)
            }
            _ => request,
        })
    }

    /// One request.
    async fn write(&mut self, text: &str) -> Result<Verdict, SinkError> {
        let broken = |error: std::io::Error| self.temporary(&error.to_string());
        let mut body = GzEncoder::new(Vec::new(), Compression::fast());
        body.write_all(text.as_bytes()).map_err(broken)?;
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .header(header::CONTENT_ENCODING, "gzip")
            .body(body.finish().map_err(broken)?);
        let request = self.authorised(request)?;
        let mut response = request.send().await.map_err(|error| self.temporary(&cause(error, &self.config)))?;
        let connection = server::Connection::of(&response);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while status != 204 && body.len() < LONGEST_ANSWER {
            // An answer cut short still has its status.
            let Ok(Some(chunk)) = response.chunk().await else { break };
            body.extend_from_slice(chunk.get(..LONGEST_ANSWER - body.len()).unwrap_or(&chunk));
        }
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let answer =
            Answer { status, retry_after: text(header::RETRY_AFTER), location: text(header::LOCATION), body: &body };
        let target = self.config.db.as_deref().or(self.config.bucket.as_deref()).unwrap_or_default();
        let verdict = judge(&answer, self.config.api, target, now());
        // A server that refuses or is busy is not asked anything more.
        if matches!(verdict, Verdict::Stored) {
            self.answered(connection).await;
        }
        Ok(verdict)
    }

    /// Something came over this connection: if it is another than the last, so may the server be.
    async fn answered(&mut self, connection: server::Connection) {
        if self.server.may_be_another(connection) {
            let started = match self.authorised(self.client.get(self.server.metrics())) {
                Ok(request) => server::started(request).await,
                Err(_) => None,
            };
            self.server.told(started);
        }
        self.server.used(connection);
    }
}

impl Sink for Influx {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn refill(&self) -> std::time::Duration {
        self.config.refill
    }

    fn look<'a>(&'a mut self) -> Storing<'a> {
        Box::pin(async move {
            let response = self.client.get(self.server.ping()).send().await;
            let mut response = response.map_err(|error| self.temporary(&cause(error, &self.config)))?;
            let connection = server::Connection::of(&response);
            // A connection whose answer was not read is not used again.
            while let Ok(Some(_)) = response.chunk().await {}
            self.answered(connection).await;
            Ok(())
        })
    }

    fn has_restarted(&mut self) -> bool {
        self.server.has_restarted()
    }

    /// Writes all lines, in groups. A group that is refused, or too large, is halved until each bad line stands
    /// alone, so that every good one ends in a request that was accepted: a line twice is a line once.
    fn store<'a>(&'a mut self, records: &'a [Record]) -> Storing<'a> {
        Box::pin(async move {
            let mut work = Work::new(records);
            let mut open: Vec<Range<usize>> = work.groups();
            open.reverse();
            let mut refusals = 0;
            while let Some(group) = open.pop() {
                let (reason, all) = match self.write(work.text_of(&group)).await? {
                    Verdict::Stored => continue,
                    Verdict::Temporary { reason, retry_after } => {
                        let Self { config: config::Influx { name, url, .. }, .. } = self;
                        return Err(SinkError::Temporary {
                            reason: format!("'{name}' at {url} {reason}"),
                            retry_after,
                        });
                    }
                    Verdict::TooLarge => ("a single line is more than it accepts (413)".to_owned(), false),
                    Verdict::Refused { reason, dropped } => {
                        let all = dropped.and_then(|dropped| usize::try_from(dropped).ok()) == Some(group.len());
                        (reason, all)
                    }
                };
                refusals += 1;
                if group.len() == 1 || all || refusals > MOST_REFUSALS {
                    work.refuse(group, &reason);
                } else {
                    let middle = group.start + group.len() / 2;
                    open.push(middle..group.end);
                    open.push(group.start..middle);
                }
            }
            work.finish(&self.config.name, records)
        })
    }
}

fn client(config: &config::Influx, url: &Url) -> Result<Client, String> {
    // Whoever came first may have installed a provider: any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("airtally/", env!("CARGO_PKG_VERSION")))
        .timeout(config.timeout)
        .redirect(redirect::Policy::none())
        .no_proxy();
    if url.scheme() == "https" {
        let authorities = config.ca_file.as_deref().map_or(Authorities::System, Authorities::SystemAnd);
        let key = if config.ca_file.is_some() { "ca_file: " } else { "" };
        let tls = tls::client(authorities, None, None).map_err(|error| format!("{key}{error}"))?;
        builder = builder.tls_backend_preconfigured(tls);
    } else {
        // Without TLS the system's authorities are not needed, and a system without any is no obstacle.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| format!("cannot make an HTTP client: {}", deepest(&error)))
}

/// Why no answer came, in words for whoever runs this.
fn cause(error: reqwest::Error, config: &config::Influx) -> String {
    if error.is_timeout() {
        return format!("no answer within {}; is it overloaded?", humantime::format_duration(config.timeout));
    }
    if let Some(error) = tls::found(&error) {
        return tls::explain(error, &Peer { who: "the server", settings: &SETTINGS, has_identity: false });
    }
    let hint = match (error.is_connect(), config.url.starts_with("https")) {
        (true, true) => {
            "; does it run, does url name its host and port, and does it speak TLS (else begin url with http://)?"
        }
        (true, false) => "; does it run, and does url name its host and port?",
        (false, false) => "; does it speak HTTP, and not HTTPS (then begin url with https://)?",
        (false, true) => "",
    };
    format!("{}{hint}", deepest(&error.without_url()))
}
