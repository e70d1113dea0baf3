//! The vendor registry's routes: look up, search, describe; add, correct and take back local entries; and the form of
//! an older service, so that its clients keep working. Knows no sockets.

use super::{
    Handler, Method, Request, Response,
    guard::{self, RateLimit, Token},
    openapi,
};
use crate::{
    UnixNanos,
    oui::{Answer, Assignment, Detail, Entry, OuiError, Query, Registry, Watch, cache, snapshot, source},
};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Instant,
};

/// How many addresses one request may ask about.
pub const MAX_BATCH: usize = 1_000;
/// How many of them are answered at once.
const FEW: usize = 16;
/// How many entries a search gives at most, and how many unless it asks for another number.
pub const MAX_FOUND: usize = 1_000;
const DEFAULT_FOUND: usize = 100;
/// The longest text to search for, in characters.
pub const MAX_TEXT: usize = 100;

/// What the operator decides.
#[derive(Clone, Default)]
pub struct Settings {
    /// The token for changes; without one there are none.
    pub token: Option<Token>,
    /// The origins whose pages may read; `*` is all.
    pub cors: Vec<String>,
    /// Requests a second for each client; none is no bound.
    pub rate_limit: Option<u32>,
}

/// The routes and what they answer from.
pub struct OuiApi {
    db: PathBuf,
    clock: fn() -> UnixNanos,
    settings: Settings,
    limit: Option<RateLimit>,
    watch: Mutex<Watch>,
    state: RwLock<Arc<State>>,
}

struct State {
    registry: Registry,
    etag: String,
    info: Vec<u8>,
}

/// What `GET /api/v1/oui` says.
#[derive(Serialize)]
struct Description<'a> {
    entries: usize,
    hash: &'a str,
    /// What answers in place of a cache.
    snapshot: Option<&'static str>,
    cache: Option<cache::Info>,
}

/// What `POST` and `PUT` take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    prefix: String,
    organisation: String,
    short_name: Option<String>,
    address: Option<String>,
}

#[derive(Serialize)]
struct Historic<'a> {
    mac: String,
    manuf: &'a str,
    manuf_desc: &'a str,
}

#[derive(Serialize)]
struct HistoricProblem<'a> {
    error: &'a str,
    message: &'a str,
}

impl State {
    fn new(registry: Registry, db: &Path) -> Self {
        let cache = cache::info(db).ok();
        let description = Description {
            entries: registry.len(),
            hash: registry.hash(),
            snapshot: cache.is_none().then(snapshot::origin),
            cache,
        };
        let info = Response::json(200, &description).body;
        let etag = format!("\"{}\"", registry.hash().get(..16).unwrap_or_default());
        Self { registry, etag, info }
    }
}

impl OuiApi {
    /// Loads the cache `db`, or the snapshot in its place; the text, if any, says why.
    ///
    /// # Errors
    /// When the cache is from a newer program or cannot be read.
    pub fn new(db: &Path, clock: fn() -> UnixNanos, settings: Settings) -> Result<(Self, Option<String>), OuiError> {
        let watch = Mutex::new(Watch::new(db, Detail::All));
        let (registry, note) = cache::load_or_rebuild(db, Detail::All, clock())?;
        let state = RwLock::new(Arc::new(State::new(registry, db)));
        let limit = settings.rate_limit.map(RateLimit::new);
        Ok((Self { db: db.to_owned(), clock, settings, limit, watch, state }, note))
    }

    /// Takes up a cache that was replaced. Cheap where it was not; call it every second or so.
    pub fn refresh(&self) {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        match watch.poll() {
            None => {}
            Some(Ok(registry)) => {
                tracing::info!(entries = registry.len(), hash = registry.hash(), "took up a new vendor cache");
                let state = Arc::new(State::new(registry, &self.db));
                *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
            }
            Some(Err(error)) => tracing::warn!("the vendor cache was replaced and the old one stays in use: {error}"),
        }
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers `request` if its path is one of the registry's.
    pub fn route(&self, request: &Request) -> Option<Response> {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let (methods, answer): (&str, Box<dyn Fn() -> Option<Response>>) = match *path.as_slice() {
            ["api", "v1", "openapi.json"] => (
                "GET, HEAD, OPTIONS",
                Box::new(|| (request.method == Method::Get).then(|| Response::json(200, &openapi::document()))),
            ),
            ["api", "v1", "oui"] => (
                "GET, HEAD, POST, PUT, OPTIONS",
                Box::new(|| match request.method {
                    Method::Get => Some(self.describe_or_batch(request)),
                    Method::Post | Method::Put => Some(self.change(request)),
                    _ => None,
                }),
            ),
            ["api", "v1", "oui", "search"] => {
                ("GET, HEAD, OPTIONS", Box::new(|| (request.method == Method::Get).then(|| self.search(request))))
            }
            ["api", "v1", "oui", text] => (
                "GET, HEAD, DELETE, OPTIONS",
                Box::new(move || match request.method {
                    Method::Get => Some(self.lookup(request, text)),
                    Method::Delete => Some(self.take_back(request, text)),
                    _ => None,
                }),
            ),
            ["chilcano", "api", "manuf", text] => {
                ("GET, HEAD, OPTIONS", Box::new(move || (request.method == Method::Get).then(|| self.historic(text))))
            }
            _ => return None,
        };
        let too_often = self.limit.as_ref().and_then(|limit| limit.take(request.peer, Instant::now()));
        let response = if let Some(wait) = too_often {
            Response::error(429, "you ask too often: wait as long as Retry-After says")
                .with("retry-after", (wait.as_secs() + 1).to_string())
        } else if request.method == Method::Options {
            Response::empty(204).with("allow", methods)
        } else {
            answer()
                .unwrap_or_else(|| Response::error(405, &format!("this path knows {methods}")).with("allow", methods))
        };
        Some(guard::cors(request, &self.settings.cors, response))
    }

    fn describe_or_batch(&self, request: &Request) -> Response {
        if let Some(response) = unknown_parameter(request, &["mac"]) {
            return response;
        }
        let state = self.state();
        if request.query.is_empty() {
            let response = Response { body: state.info.clone(), ..Response::empty(200) };
            return state.versioned(request, response.with("content-type", "application/json"));
        }
        if request.query.len() > MAX_BATCH {
            let count = request.query.len();
            return Response::error(
                413,
                &format!("{count} addresses in one request are too many: {MAX_BATCH} at most"),
            );
        }
        let mut answers = Vec::with_capacity(request.query.len());
        for (_, text) in &request.query {
            match text.parse::<Query>() {
                Ok(query) => answers.push(Answer::new(&state.registry, text, query)),
                Err(error) => return Response::error(400, &error.to_string()),
            }
        }
        state.versioned(request, Response::json(200, &answers))
    }

    fn lookup(&self, request: &Request, text: &str) -> Response {
        if let Some(response) = unknown_parameter(request, &[]) {
            return response;
        }
        let state = self.state();
        match text.parse::<Query>() {
            Err(error) => Response::error(400, &error.to_string()),
            Ok(query) => {
                let answer = Answer::new(&state.registry, text, query);
                if answer.is_known() {
                    state.versioned(request, Response::json(200, &answer))
                } else {
                    Response::error(404, &format!("nothing is known about {}", query.prefix()))
                }
            }
        }
    }

    fn search(&self, request: &Request) -> Response {
        let mut text = None;
        let mut limit = DEFAULT_FOUND;
        for (name, value) in &request.query {
            match name.as_str() {
                "q" if text.is_none() => text = Some(value.trim()),
                "limit" => match value.parse() {
                    Ok(number @ 1..=MAX_FOUND) => limit = number,
                    _ => return Response::error(400, &format!("'limit' is not a number from 1 to {MAX_FOUND}")),
                },
                "q" => return Response::error(400, "'q' is given twice"),
                _ => return unknown_parameter(request, &["q", "limit"]).unwrap_or_else(|| Response::empty(400)),
            }
        }
        let Some(text) = text.filter(|text| !text.is_empty() && text.chars().count() <= MAX_TEXT) else {
            return Response::error(400, &format!("'q' is missing, blank, or longer than {MAX_TEXT} characters"));
        };
        let state = self.state();
        let found: Vec<Entry> = state.registry.search(text).take(limit).collect();
        state.versioned(request, Response::json(200, &found))
    }

    fn change(&self, request: &Request) -> Response {
        if let Some(refusal) = guard::refuse_writer(request, self.settings.token.as_ref()) {
            return refusal;
        }
        let row = match read_change(&request.body) {
            Ok(row) => row,
            Err(problem) => return Response::error(400, &problem),
        };
        let prefix = row.prefix;
        match cache::put_local(&self.db, row, request.method == Method::Put, (self.clock)()) {
            Err(error) => problem(&error),
            Ok(new) => {
                self.refresh();
                let state = self.state();
                let Some(entry) = state.registry.entries().find(|entry| entry.prefix == prefix) else {
                    return Response::error(503, "the entry is stored and the registry could not be loaded again");
                };
                let response = Response::json(if new { 201 } else { 200 }, &entry);
                if new { response.with("location", format!("/api/v1/oui/{prefix}")) } else { response }
            }
        }
    }

    fn take_back(&self, request: &Request, text: &str) -> Response {
        if let Some(refusal) = guard::refuse_writer(request, self.settings.token.as_ref()) {
            return refusal;
        }
        let query: Query = match text.parse() {
            Ok(query) => query,
            Err(error) => return Response::error(400, &error.to_string()),
        };
        match cache::remove_local(&self.db, query.prefix(), (self.clock)()) {
            Err(error) => problem(&error),
            Ok(()) => {
                self.refresh();
                Response::empty(204)
            }
        }
    }

    /// The form of an older service: six octets parted by `:` or `-`, even mixed.
    fn historic(&self, text: &str) -> Response {
        let wrong = |status, what| {
            let message = format!("The MAC Address '{}' {what}", text.chars().take(64).collect::<String>());
            Response::json(status, &HistoricProblem { error: &message, message: &message })
        };
        let text_of_old = text.trim().replace('-', ":");
        let query = match text_of_old.parse::<Query>() {
            Ok(query) if text_of_old.len() == 17 => query,
            _ => return wrong(400, "is malformed"),
        };
        let state = self.state();
        match state.registry.lookup_query(query) {
            None => wrong(404, "was not found"),
            Some(entry) => {
                let octets = usize::from(entry.prefix.bits().div_ceil(8));
                let mut mac = crate::Mac::from_u64(entry.prefix.first()).to_string().to_uppercase();
                mac.truncate(octets * 3 - 1);
                let name = entry.organisation.or(entry.short_name).unwrap_or_default();
                Response::json(200, &Historic { mac, manuf: entry.short_name.unwrap_or(name), manuf_desc: name })
            }
        }
    }
}

impl State {
    /// With this registry's version; or only that it has not changed.
    fn versioned(&self, request: &Request, response: Response) -> Response {
        let known = request.header("if-none-match").is_some_and(|tags| {
            tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag)
        });
        let response = if known { Response::empty(304) } else { response };
        response.with("etag", self.etag.clone()).with("cache-control", "public, max-age=300")
    }
}

impl Handler for OuiApi {
    fn handle(&self, request: &Request) -> Response {
        self.route(request).unwrap_or_else(|| {
            let response = Response::error(404, "there is nothing at this path: see /api/v1/openapi.json");
            guard::cors(request, &self.settings.cors, response)
        })
    }

    fn may_wait(&self, request: &Request) -> bool {
        // A search goes through all names, and many addresses are many answers: milliseconds in which others would wait.
        let searches = request.path.last().is_some_and(|part| part == "search");
        searches || request.query.len() > FEW || matches!(request.method, Method::Post | Method::Put | Method::Delete)
    }
}

/// Refuses a query with a parameter that is not one of `known`: a misspelt one should not be ignored.
fn unknown_parameter(request: &Request, known: &[&str]) -> Option<Response> {
    let (name, _) = request.query.iter().find(|(name, _)| !known.contains(&name.as_str()))?;
    let name: String = name.chars().take(64).collect();
    Some(Response::error(400, &format!("there is no parameter '{name}' here")))
}

fn read_change(body: &[u8]) -> Result<source::Row, String> {
    let change: Change = serde_json::from_slice(body).map_err(|error| format!("the body is not an entry: {error}"))?;
    let query: Query = change.prefix.parse().map_err(|error: crate::oui::QueryError| error.to_string())?;
    let name = |field: &str, text: Option<String>, max: usize| match text {
        None => Ok(None),
        Some(text) if text.chars().any(char::is_control) => Err(format!("'{field}' has control characters")),
        Some(text) if text.trim().is_empty() => Err(format!("'{field}' is blank")),
        Some(text) if text.chars().count() > max => Err(format!("'{field}' is longer than {max} characters")),
        Some(text) => Ok(Some(text.trim().to_owned())),
    };
    Ok(source::Row {
        prefix: query.prefix(),
        registry: Some(Assignment::Local),
        short: name("short_name", change.short_name, 64)?,
        organisation: name("organisation", Some(change.organisation), 200)?,
        address: name("address", change.address, 500)?,
    })
}

fn problem(error: &OuiError) -> Response {
    let status = match error {
        OuiError::LocalExists { .. } | OuiError::LocalFull { .. } => 409,
        OuiError::LocalUnknown { .. } => 404,
        _ => {
            tracing::warn!("cannot change local entries: {error}");
            503
        }
    };
    Response::error(status, &error.to_string())
}
