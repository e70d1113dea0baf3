//! The vendor registry's routes: look up, search, describe; add, correct and take back local entries. Knows no
//! sockets, and not where it is mounted.

use crate::{
    UnixNanos,
    oui::{
        Answer, Assignment, Query, Registry, RegistryEntry,
        store::{Detail, OuiError, RegistryRow, Watch, cache, snapshot},
    },
    web::{
        Method, Request, Response, StatusCode,
        http::{With as _, empty, json, json_text, of_type, refusal},
    },
};
use axum::http::header;
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
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

/// What the routes answer from.
pub struct OuiApi {
    db: PathBuf,
    clock: fn() -> UnixNanos,
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

impl State {
    fn new(registry: Registry, db: &Path) -> Self {
        let cache = cache::info(db).ok();
        let description = Description {
            entries: registry.len(),
            hash: registry.hash(),
            snapshot: cache.is_none().then(snapshot::origin),
            cache,
        };
        let info = json_text(&description);
        let etag = format!("\"{}\"", registry.hash().get(..16).unwrap_or_default());
        Self { registry, etag, info }
    }
}

impl OuiApi {
    /// Loads the cache `db`, or the snapshot in its place; the text, if any, says why.
    ///
    /// # Errors
    /// When the file is not ours, from a newer program or cannot be read.
    pub fn new(db: &Path, clock: fn() -> UnixNanos) -> Result<(Self, Option<String>), OuiError> {
        let watch = Mutex::new(Watch::new(db, Detail::All));
        let (registry, note) = cache::load_or_snapshot(db, Detail::All)?;
        let state = RwLock::new(Arc::new(State::new(registry, db)));
        Ok((Self { db: db.to_owned(), clock, watch, state }, note))
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

    /// The registry in use.
    pub(in crate::web) fn read<T>(&self, read: impl FnOnce(&Registry) -> T) -> T {
        read(&self.state().registry)
    }

    /// Whether `request` asks about so many addresses that others would wait.
    pub(super) fn is_large(request: &Request) -> bool {
        request.query.len() > FEW
    }

    /// What the registry is made of, or an answer for each address asked about.
    pub(super) fn describe_or_batch(&self, request: &Request) -> Response {
        if let Some(response) = unknown_parameter(request, &["mac"]) {
            return response;
        }
        let state = self.state();
        if request.query.is_empty() {
            return state.versioned(request, of_type(StatusCode::OK, "application/json", state.info.clone()));
        }
        if request.query.len() > MAX_BATCH {
            let count = request.query.len();
            return refusal(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("{count} addresses in one request are too many: {MAX_BATCH} at most"),
            );
        }
        let mut answers = Vec::with_capacity(request.query.len());
        for (_, text) in &request.query {
            match text.parse::<Query>() {
                Ok(query) => answers.push(Answer::new(&state.registry, text, query)),
                Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
            }
        }
        state.versioned(request, json(StatusCode::OK, &answers))
    }

    /// Whose an address or a prefix is.
    pub(super) fn lookup(&self, request: &Request) -> Response {
        if let Some(response) = unknown_parameter(request, &[]) {
            return response;
        }
        let state = self.state();
        let text = request.item();
        match text.parse::<Query>() {
            Err(error) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
            Ok(query) => {
                let answer = Answer::new(&state.registry, text, query);
                if answer.is_known() {
                    state.versioned(request, json(StatusCode::OK, &answer))
                } else {
                    refusal(StatusCode::NOT_FOUND, &format!("nothing is known about {}", query.prefix()))
                }
            }
        }
    }

    /// The entries with a text in a name.
    pub(super) fn search(&self, request: &Request) -> Response {
        let mut text = None;
        let mut limit = DEFAULT_FOUND;
        for (name, value) in &request.query {
            match name.as_str() {
                "q" if text.is_none() => text = Some(value.trim()),
                "limit" => match value.parse() {
                    Ok(number @ 1..=MAX_FOUND) => limit = number,
                    _ => {
                        return refusal(
                            StatusCode::BAD_REQUEST,
                            &format!("'limit' is not a number from 1 to {MAX_FOUND}"),
                        );
                    }
                },
                "q" => return refusal(StatusCode::BAD_REQUEST, "'q' is given twice"),
                _ => {
                    return unknown_parameter(request, &["q", "limit"])
                        .unwrap_or_else(|| empty(StatusCode::BAD_REQUEST));
                }
            }
        }
        let Some(text) = text.filter(|text| !text.is_empty() && text.chars().count() <= MAX_TEXT) else {
            return refusal(
                StatusCode::BAD_REQUEST,
                &format!("'q' is missing, blank, or longer than {MAX_TEXT} characters"),
            );
        };
        let state = self.state();
        let found: Vec<RegistryEntry> = state.registry.search(text).take(limit).collect();
        state.versioned(request, json(StatusCode::OK, &found))
    }

    /// Adds a local entry, or with PUT corrects one.
    pub(super) fn change(&self, request: &Request) -> Response {
        let row = match read_change(&request.body) {
            Ok(row) => row,
            Err(problem) => return refusal(StatusCode::BAD_REQUEST, &problem),
        };
        match self.put(row.clone(), request.method == Method::PUT) {
            Err(error) => refusal(status(&error), &error.to_string()),
            Ok(new) => {
                // What this request wrote: another may have changed or taken it back by now.
                let response = json(if new { StatusCode::CREATED } else { StatusCode::OK }, &row.entry());
                if new { response.with(header::LOCATION, format!("/api/v1/oui/{}", row.prefix)) } else { response }
            }
        }
    }

    /// Adds a local entry, or with `replace` corrects one; says whether it is new.
    pub(super) fn put(&self, row: RegistryRow, replace: bool) -> Result<bool, OuiError> {
        let new = cache::put_local(&self.db, row, replace, (self.clock)())?;
        self.refresh();
        Ok(new)
    }

    /// Takes a local entry back.
    pub(super) fn take_back(&self, request: &Request) -> Response {
        let query: Query = match request.item().parse() {
            Ok(query) => query,
            Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        match cache::remove_local(&self.db, query.prefix(), (self.clock)()) {
            Err(error) => refusal(status(&error), &error.to_string()),
            Ok(()) => {
                self.refresh();
                empty(StatusCode::NO_CONTENT)
            }
        }
    }
}

impl State {
    /// With this registry's version; or only that it has not changed.
    fn versioned(&self, request: &Request, response: Response) -> Response {
        let known = request.header(&header::IF_NONE_MATCH).is_some_and(|tags| {
            tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag)
        });
        let response = if known { empty(StatusCode::NOT_MODIFIED) } else { response };
        response.with(header::ETAG, &self.etag).with(header::CACHE_CONTROL, "public, max-age=300")
    }
}

/// Refuses a query with a parameter that is not one of `known`: a misspelt one should not be ignored.
fn unknown_parameter(request: &Request, known: &[&str]) -> Option<Response> {
    let (name, _) = request.query.iter().find(|(name, _)| !known.contains(&name.as_str()))?;
    let name: String = name.chars().take(64).collect();
    Some(refusal(StatusCode::BAD_REQUEST, &format!("there is no parameter '{name}' here")))
}

fn read_change(body: &[u8]) -> Result<RegistryRow, String> {
    let change: Change = serde_json::from_slice(body).map_err(|error| format!("the body is not an entry: {error}"))?;
    let query: Query = change.prefix.parse().map_err(|error: crate::oui::QueryError| error.to_string())?;
    local_row(query, ("organisation", change.organisation), ("short_name", change.short_name), change.address)
}

/// A local entry for `query`; the names come with what their fields are called.
pub(super) fn local_row(
    query: Query,
    (organisation_field, organisation): (&str, String),
    (short_field, short): (&str, Option<String>),
    address: Option<String>,
) -> Result<RegistryRow, String> {
    let name = |field: &str, text: Option<String>, max: usize| match text {
        None => Ok(None),
        Some(text) if text.chars().any(char::is_control) => Err(format!("'{field}' has control characters")),
        Some(text) if text.trim().is_empty() => Err(format!("'{field}' is blank")),
        Some(text) if text.chars().count() > max => Err(format!("'{field}' is longer than {max} characters")),
        Some(text) => Ok(Some(text.trim().to_owned())),
    };
    Ok(RegistryRow {
        prefix: query.prefix(),
        registry: Some(Assignment::Local),
        short: name(short_field, short, 64)?,
        organisation: name(organisation_field, Some(organisation), 200)?,
        address: name("address", address, 500)?,
    })
}

/// With what status a change that fails is refused.
pub(super) fn status(error: &OuiError) -> StatusCode {
    match error {
        OuiError::LocalExists { .. } | OuiError::LocalFull { .. } => StatusCode::CONFLICT,
        OuiError::LocalUnknown { .. } => StatusCode::NOT_FOUND,
        _ => {
            tracing::warn!("cannot change local entries: {error}");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
