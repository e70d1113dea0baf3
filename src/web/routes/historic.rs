//! The form of an older service, so that its clients keep working: their paths, their words, their errors.

use super::oui::OuiApi;
use crate::{
    Mac,
    oui::Query,
    web::{Request, Response, StatusCode, http::json},
};
use serde::Serialize;

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

/// Who made the card of an address: six octets parted by `:` or `-`, even mixed.
pub(super) fn manuf(api: &OuiApi, request: &Request) -> Response {
    let text = request.item();
    let wrong = |status, what| {
        let message = format!("The MAC Address '{}' {what}", text.chars().take(64).collect::<String>());
        json(status, &HistoricProblem { error: &message, message: &message })
    };
    let text_of_old = text.trim().replace('-', ":");
    let query = match text_of_old.parse::<Query>() {
        Ok(query) if text_of_old.len() == 17 => query,
        _ => return wrong(StatusCode::BAD_REQUEST, "is malformed"),
    };
    api.read(|registry| match registry.lookup_query(query) {
        None => wrong(StatusCode::NOT_FOUND, "was not found"),
        Some(entry) => {
            let octets = usize::from(entry.prefix.bits().div_ceil(8));
            let mut mac = Mac::from_u64(entry.prefix.first()).to_string().to_uppercase();
            mac.truncate(octets * 3 - 1);
            let name = entry.organisation.or(entry.short_name).unwrap_or_default();
            json(StatusCode::OK, &Historic { mac, manuf: entry.short_name.unwrap_or(name), manuf_desc: name })
        }
    })
}
