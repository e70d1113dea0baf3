//! The form of an older service, so that its clients keep working: their paths, their words, their errors, octet for
//! octet. What that service announced and never did, POST and PUT, are changes of local entries here.

use super::oui::{self, OuiApi};
use crate::{
    Mac,
    oui::{Query, RegistryEntry, store::OuiError},
    web::{Method, Request, Response, StatusCode, http::of_type},
};
use serde::{Deserialize, Serialize};

/// What it says of a maker, and what POST and PUT take.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Maker {
    mac: String,
    manuf: String,
    manuf_desc: String,
}

impl Maker {
    fn new(entry: &RegistryEntry<'_>) -> Self {
        let octets = usize::from(entry.prefix.bits().div_ceil(8));
        let mut mac = Mac::from_u64(entry.prefix.first()).to_string().to_uppercase();
        mac.truncate(octets * 3 - 1);
        let name = entry.organisation.or(entry.short_name).unwrap_or_default();
        Self { mac, manuf: entry.short_name.unwrap_or(name).to_owned(), manuf_desc: name.to_owned() }
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
}

/// An answer as that service set it: indented by two, without a line's end.
fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    // Serialising plain values into memory does not fail.
    of_type(status, "application/json", serde_json::to_vec_pretty(value).unwrap_or_default())
}

/// A refusal about the address `text`.
fn wrong(status: StatusCode, text: &str, what: &str) -> Response {
    answer(status, &Problem { error: &format!("The MAC Address '{text}' {what}") })
}

/// Six pairs of digits parted by `:` or `-`, even mixed: the one form of an address that it takes.
fn address(text: &str) -> Option<Query> {
    let text = text.trim();
    let is_one = text.len() == 17
        && text.bytes().enumerate().all(|(place, byte)| match place % 3 {
            2 => matches!(byte, b':' | b'-'),
            _ => byte.is_ascii_hexdigit(),
        });
    text.replace('-', ":").parse().ok().filter(|_| is_one)
}

/// Who made the card of an address.
pub(super) fn manuf(api: &OuiApi, request: &Request) -> Response {
    let text = request.item();
    let Some(query) = address(text) else { return wrong(StatusCode::BAD_REQUEST, text, "is malformed") };
    api.read(|registry| match registry.lookup_query(query) {
        None => wrong(StatusCode::NOT_FOUND, text, "does not exist"),
        Some(entry) => answer(StatusCode::OK, &Maker::new(&entry)),
    })
}

/// Adds a maker with POST, corrects one with PUT: as a local entry, for the prefix or the address `mac`.
pub(super) fn change(api: &OuiApi, request: &Request) -> Response {
    let refused = |problem: &str| answer(StatusCode::BAD_REQUEST, &Problem { error: problem });
    let maker: Maker = match serde_json::from_slice(&request.body) {
        Ok(maker) => maker,
        Err(error) => return refused(&format!("the body is not a manufacturer: {error}")),
    };
    let Ok(query) = maker.mac.replace('-', ":").parse::<Query>() else {
        return wrong(StatusCode::BAD_REQUEST, &maker.mac, "is malformed");
    };
    let row = match oui::local_row(query, ("manuf_desc", maker.manuf_desc), ("manuf", Some(maker.manuf)), None) {
        Ok(row) => row,
        Err(problem) => return refused(&problem),
    };
    let is_put = request.method == Method::PUT;
    let is_there =
        api.read(|registry| registry.lookup_query(query).is_some_and(|entry| entry.prefix == query.prefix()));
    match (is_put, is_there) {
        (true, false) => return wrong(StatusCode::NOT_FOUND, &maker.mac, "does not exist"),
        (false, true) => return wrong(StatusCode::CONFLICT, &maker.mac, "exists already"),
        _ => {}
    }
    let written = Maker::new(&row.entry());
    match api.put(row, is_put) {
        Ok(_) => answer(if is_put { StatusCode::OK } else { StatusCode::CREATED }, &written),
        Err(OuiError::LocalExists { .. }) => wrong(StatusCode::CONFLICT, &maker.mac, "exists already"),
        Err(error) => answer(oui::status(&error), &Problem { error: &error.to_string() }),
    }
}
