//! The OpenAPI description of the registry's routes. A schema tester runs it against the running server.

use super::oui::{MAX_BATCH, MAX_FOUND, MAX_TEXT};
use serde_json::{Value, json};

/// An address or prefix as [`crate::oui::Query`] reads it.
const QUERY: &str = "^(([0-9A-Fa-f]{2}:){2,4}[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{1,2})?\
                     |([0-9A-Fa-f]{2}-){2,4}[0-9A-Fa-f]{2}(-[0-9A-Fa-f]{1,2})?\
                     |[0-9A-Fa-f]{4}\\.[0-9A-Fa-f]{2,4}|([0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{1,4}|[0-9A-Fa-f]{6,12})$";
/// A name: no control characters, something but blanks.
const NAME: &str =
    "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// The document that `GET /api/v1/openapi.json` gives.
#[must_use]
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "airtally vendor registry",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Which organisation a MAC address belongs to, right to 36 bits, and local entries.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/api/v1/oui": {
                "get": {
                    "operationId": "describeOrBatch",
                    "summary": "Without 'mac' what the registry is made of; with it an answer for each, in order.",
                    "parameters": [{
                        "name": "mac", "in": "query", "style": "form", "explode": true,
                        "schema": {"type": "array", "maxItems": MAX_BATCH, "items": query()},
                    }],
                    "responses": responses(&[
                        ("200", versioned("A description, or an array of answers.", json!({"oneOf": [
                            reference("Description"), {"type": "array", "items": reference("Answer")}]}))),
                        ("304", not_modified()), ("400", error("A malformed address or an unknown parameter.")),
                        ("413", error("Too many addresses.")), ("429", too_often()),
                    ]),
                },
                "post": change("addLocal", "Add a local entry.", &[
                    ("201", created()), ("409", error("There is one for this prefix, or no room for more."))]),
                "put": change("putLocal", "Add or correct a local entry.", &[
                    ("200", json_of("Corrected.", reference("Entry"))), ("201", created()),
                    ("409", error("No room for more."))]),
            },
            "/api/v1/oui/search": {
                "get": {
                    "operationId": "search",
                    "summary": "The entries with a text in the organisation's or the short name.",
                    "parameters": [
                        {"name": "q", "in": "query", "required": true,
                         "schema": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": "\\S"}},
                        {"name": "limit", "in": "query",
                         "schema": {"type": "integer", "minimum": 1, "maximum": MAX_FOUND, "default": 100}},
                    ],
                    "responses": responses(&[
                        ("200", versioned("The entries, by prefix.",
                            json!({"type": "array", "maxItems": MAX_FOUND, "items": reference("Entry")}))),
                        ("304", not_modified()), ("400", error("No text, or a parameter out of range.")),
                        ("429", too_often()),
                    ]),
                },
            },
            "/api/v1/oui/{mac}": {
                "get": {
                    "operationId": "lookup",
                    "parameters": [in_path(query())],
                    "summary": "Whose an address or a prefix is.",
                    "responses": responses(&[
                        ("200", versioned("What is known.", reference("Answer"))), ("304", not_modified()),
                        ("400", error("Neither an address nor a prefix.")),
                        ("404", error("Nothing is known about it.")), ("429", too_often()),
                    ]),
                },
                "delete": {
                    "operationId": "takeBack",
                    "parameters": [in_path(query())],
                    "summary": "Take a local entry back.",
                    "security": [{"token": []}],
                    "responses": responses(&[
                        ("204", json!({"description": "It is gone."})), ("400", error("Not a prefix.")),
                        ("401", unauthorised()), ("403", error("This server takes no changes.")),
                        ("404", error("There is no local entry for this prefix.")), ("413", error("A large body.")),
                        ("429", too_often()), ("503", error("The cache cannot be written.")),
                    ]),
                },
            },
            "/chilcano/api/manuf": {
                "post": historic_change("historicAdd", "Add a maker in the form of an older service.", "201", "409",
                    "There is an entry for this prefix."),
                "put": historic_change("historicCorrect", "Correct a maker in the form of an older service.", "200", "404",
                    "There is no entry for this prefix."),
            },
            "/chilcano/api/manuf/{mac}": {
                "get": {
                    "operationId": "historic",
                    "summary": "The form of an older service, for its clients.",
                    "parameters": [in_path(json!({"type": "string", "pattern": "^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$"}))],
                    "responses": responses(&[
                        ("200", json_of("Its maker.", reference("Historic"))),
                        ("400", json!({"description": "Not an address of six octets, or no server named.", "content": {
                            "application/json": {"schema": reference("HistoricError")},
                            "application/problem+json": {"schema": reference("Problem")}}})),
                        ("404", json_of("It has no known maker.", reference("HistoricError"))),
                        ("429", too_often()),
                    ]),
                },
            },
            "/api/v1/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document.",
                    "responses": responses(&[
                        ("200", json_of("OpenAPI 3.1.", json!({"type": "object"}))), ("429", too_often()),
                        ("400", error("No server named.")),
                    ]),
                },
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Value {
    let nullable = |kind: &str| json!({"type": [kind, "null"]});
    let registry = json!({"enum": ["MA-L", "MA-M", "MA-S", "IAB", "CID", "local", null]});
    let bits = json!({"type": ["integer", "null"], "minimum": 24, "maximum": 48});
    json!({
        "Answer": object(&[
            ("query", json!({"type": "string"})), ("mac", nullable("string")), ("prefix", nullable("string")),
            ("prefix_bits", bits.clone()), ("registry", registry.clone()), ("short_name", nullable("string")),
            ("organisation", nullable("string")), ("address", nullable("string")),
            ("multicast", json!({"type": "boolean"})), ("local", json!({"type": "boolean"})),
            ("slap", json!({"enum": ["AAI", "ELI", "SAI", "reserved", null]})), ("private", json!({"type": "boolean"})),
            ("special", nullable("string")),
        ]),
        "Entry": object(&[
            ("prefix", json!({"type": "string"})), ("prefix_bits", bits), ("registry", registry),
            ("short_name", nullable("string")), ("organisation", nullable("string")), ("address", nullable("string")),
        ]),
        "Description": object(&[
            ("entries", json!({"type": "integer"})), ("hash", json!({"type": "string"})),
            ("snapshot", nullable("string")), ("cache", nullable("object")),
        ]),
        "Change": {
            "type": "object",
            "required": ["prefix", "organisation"],
            "additionalProperties": false,
            "properties": {
                "prefix": query(),
                "organisation": {"type": "string", "maxLength": 200, "pattern": NAME},
                "short_name": {"type": ["string", "null"], "maxLength": 64, "pattern": NAME},
                "address": {"type": ["string", "null"], "maxLength": 500, "pattern": NAME},
            },
        },
        "Historic": object(&[
            ("mac", json!({"type": "string"})), ("manuf", json!({"type": "string"})),
            ("manuf_desc", json!({"type": "string"})),
        ]),
        "HistoricError": object(&[("error", json!({"type": "string"}))]),
        "HistoricChange": {
            "type": "object",
            "required": ["mac", "manuf", "manuf_desc"],
            "additionalProperties": false,
            "properties": {
                "mac": query(),
                "manuf": {"type": "string", "maxLength": 64, "pattern": NAME},
                "manuf_desc": {"type": "string", "maxLength": 200, "pattern": NAME},
            },
        },
        "Problem": object(&[
            ("type", json!({"const": "about:blank"})), ("title", json!({"type": "string"})),
            ("status", json!({"type": "integer"})), ("detail", json!({"type": "string"})),
            ("error", json!({"type": "string"})),
        ]),
    })
}

/// A change of a local entry in the historic form: what it is called, what success and the other outcome are.
fn historic_change(id: &str, summary: &str, done: &str, other: &str, why: &str) -> Value {
    let either = |description: &str| {
        json!({"description": description, "content": {
            "application/json": {"schema": reference("HistoricError")},
            "application/problem+json": {"schema": reference("Problem")}}})
    };
    let mut all = vec![
        (done, json_of("What is written.", reference("Historic"))),
        ("400", either("Not an entry.")),
        ("401", unauthorised()),
        ("403", error("This server takes no changes.")),
        ("413", error("A large body.")),
        ("429", too_often()),
        ("503", json_of("The cache cannot be written.", reference("HistoricError"))),
        (other, json_of(why, reference("HistoricError"))),
    ];
    if other != "409" {
        all.push(("409", json_of("No room for more.", reference("HistoricError"))));
    }
    json!({
        "operationId": id,
        "summary": summary,
        "security": [{"token": []}],
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference("HistoricChange")}}},
        "responses": responses(&all),
    })
}

/// An object all of whose properties are there.
fn object(properties: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

fn query() -> Value {
    json!({"type": "string", "pattern": QUERY, "examples": ["b8:27:eb:01:02:03", "70b3d5f2f"]})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn responses(all: &[(&str, Value)]) -> Value {
    let stranger = ("421", error("The header Host names another server."));
    all.iter()
        .chain([&stranger])
        .map(|(status, response)| ((*status).to_owned(), response.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn json_of(description: &str, schema: Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

pub(in crate::web) fn error(description: &str) -> Value {
    json!({"description": description, "content": {"application/problem+json": {"schema": reference("Problem")}}})
}

fn with_headers(mut response: Value, headers: Value) -> Value {
    if let Some(response) = response.as_object_mut() {
        response.insert("headers".to_owned(), headers);
    }
    response
}

pub(in crate::web) fn text_header() -> Value {
    json!({"schema": {"type": "string"}})
}

fn versioned(description: &str, schema: Value) -> Value {
    with_headers(json_of(description, schema), json!({"ETag": text_header(), "Cache-Control": text_header()}))
}

pub(in crate::web) fn not_modified() -> Value {
    json!({"description": "If-None-Match names this registry's version.", "headers": {"ETag": text_header()}})
}

pub(in crate::web) fn too_often() -> Value {
    with_headers(error("Too many requests."), json!({"Retry-After": {"schema": {"type": "integer"}}}))
}

fn unauthorised() -> Value {
    with_headers(error("No token, or a wrong one."), json!({"WWW-Authenticate": text_header()}))
}

fn created() -> Value {
    with_headers(json_of("Added.", reference("Entry")), json!({"Location": text_header()}))
}

fn in_path(schema: Value) -> Value {
    json!({"name": "mac", "in": "path", "required": true, "schema": schema})
}

fn change(id: &str, summary: &str, special: &[(&str, Value)]) -> Value {
    let mut all = vec![
        ("400", error("Not an entry.")),
        ("401", unauthorised()),
        ("403", error("This server takes no changes.")),
        ("413", error("The body is too large.")),
        ("429", too_often()),
        ("503", error("The cache cannot be written.")),
    ];
    all.extend_from_slice(special);
    json!({
        "operationId": id,
        "summary": summary,
        "security": [{"token": []}],
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference("Change")}}},
        "responses": responses(&all),
    })
}
