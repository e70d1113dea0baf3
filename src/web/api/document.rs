//! The OpenAPI description: of each endpoint from its entry, of what it answers with from the very types.

use super::{
    ENDPOINTS, Endpoint,
    exposure::Exposure,
    parameters::{Form, LONGEST_CURSOR, MOST_ROWS, Parameter},
};
use crate::{
    UnixNanos,
    web::routes::openapi,
    wire::{Address, Role, Signal, State},
};
use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// Schemas by name.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// A reference to the schema of `T`, which is added to `all` with all that it is made of.
pub(super) fn item<T: ToSchema>(all: &mut Schemas) -> Value {
    T::schemas(all);
    all.push((T::name().into_owned(), T::schema()));
    json!({"$ref": format!("#/components/schemas/{}", T::name())})
}

/// The description of everything: the vendor registry's, and the history's.
#[must_use]
pub fn document() -> Value {
    let mut all = Schemas::new();
    let exposure = item::<Exposure>(&mut all);
    let paths: Vec<(&str, Value)> =
        ENDPOINTS.into_iter().map(|endpoint| (endpoint.path, path(endpoint, &exposure, &mut all))).collect();
    let mut document = openapi::document();
    let mut insert = |at: &str, name: &str, value: Value| {
        if let Some(place) = document.pointer_mut(at).and_then(Value::as_object_mut) {
            place.insert(name.to_owned(), value);
        }
    };
    for (name, path) in paths {
        insert("/paths", name, path);
    }
    for (name, schema) in all {
        insert("/components/schemas", &name, serde_json::to_value(schema).unwrap_or_default());
    }
    let session = json!({"type": "apiKey", "in": "cookie", "name": "airtally-session"});
    insert("/components/securitySchemes", "session", session);
    insert("/info", "title", "airtally".into());
    let about =
        "What was on the air, and how well that was listened to; and which organisation a MAC address belongs to.";
    insert("/info", "description", about.into());
    document
}

fn path(endpoint: &Endpoint, exposure: &Value, all: &mut Schemas) -> Value {
    let parameters = Parameter::USUAL.iter().chain(endpoint.parameters);
    let parameters: Vec<Value> = parameters.map(parameter).collect();
    let items: Vec<Value> = endpoint.items.iter().map(|item| item(all)).collect();
    let item = match <[Value; 1]>::try_from(items) {
        Ok([only]) => only,
        Err(several) => json!({"anyOf": several}),
    };
    let body = if endpoint.is_one { item } else { list(endpoint, &item, exposure) };
    let headers = json!({"ETag": openapi::text_header(), "Cache-Control": openapi::text_header()});
    let mut responses = json!({
        "200": {
            "description": "What is known.",
            "headers": headers,
            "content": {
                "application/json": {"schema": body},
                "text/csv; charset=utf-8; header=present": {"schema": {"type": "string"}},
            },
        },
        "304": openapi::not_modified(),
        "400": openapi::error("A parameter that is none, or has no meaning."),
        "401": openapi::error("Nobody has logged in."),
        "403": openapi::error("This is not for who asks, or for the page that does."),
        "421": openapi::error("The header Host names another server."),
        "429": openapi::too_often(),
        "503": openapi::error("The history cannot be read now."),
    });
    if endpoint.is_one
        && let Some(responses) = responses.as_object_mut()
    {
        responses.insert("404".into(), openapi::error("It was not heard, or is not known any more."));
    }
    json!({"get": {
        "operationId": endpoint.id,
        "summary": endpoint.about,
        "security": [{}, {"session": []}],
        "parameters": parameters,
        "responses": responses,
    }})
}

fn list(endpoint: &Endpoint, item: &Value, exposure: &Value) -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let mut properties = json!({
        "from": time,
        "to": time,
        "tier": {"enum": ["windows", "minutes", "hours"], "description": "The coarsest sums that went into it. Coarser ones \
                 than windows hold no address of a station that is neither tracked nor an access point."},
        "exposure": exposure,
        "items": {"type": "array", "items": item},
        "next": {"type": ["string", "null"], "description": "The cursor of the next page; null where this is the last one."},
        "truncated": {"type": "boolean", "description": "There were more stations than one answer counts: some are missing."},
    });
    if endpoint.parameters.iter().any(|parameter| matches!(parameter.form, Form::Step))
        && let Some(properties) = properties.as_object_mut()
    {
        properties.insert("step_ms".into(), json!({"type": "integer", "minimum": 1_000}));
    }
    let required = ["from", "to", "tier", "exposure", "items", "next", "truncated"];
    json!({"type": "object", "required": required, "additionalProperties": false, "properties": properties})
}

fn parameter(parameter: &Parameter) -> Value {
    let address = "^(([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}|p-[0-9a-f]{16})$";
    let is_in_path = matches!(parameter.form, Form::Address(true));
    let schema = match parameter.form {
        Form::Time => json!({"type": "string", "format": "date-time", "examples": ["2026-11-21T03:00:10Z"]}),
        Form::Step => json!({"type": "string", "pattern": "^(auto|[1-9][0-9]{0,4}(s|m|h|d))$", "examples": ["1m"]}),
        Form::Text(longest) => json!({"type": "string", "minLength": 1, "maxLength": longest}),
        Form::Word(words) => json!({"type": "string", "enum": words}),
        Form::Rows => json!({"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": 100}),
        Form::Address(_) => json!({"type": "string", "pattern": address}),
        Form::Cursor => {
            json!({"type": "string", "pattern": "^[0-9a-f]+$", "maxLength": LONGEST_CURSOR})
        }
    };
    json!({
        "name": parameter.name,
        "in": if is_in_path { "path" } else { "query" },
        "required": is_in_path,
        "description": parameter.about,
        "schema": schema,
    })
}

/// A schema as this JSON says.
fn plain(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema).map_or_else(|_| RefOr::T(Schema::default()), RefOr::T)
}

impl PartialSchema for UnixNanos {
    fn schema() -> RefOr<Schema> {
        plain(json!({"type": "string", "format": "date-time"}))
    }
}

impl ToSchema for UnixNanos {}

impl PartialSchema for Address {
    fn schema() -> RefOr<Schema> {
        plain(
            json!({"type": "string", "description": "An address, or its pseudonym: p- and sixteen hexadecimal digits."}),
        )
    }
}

impl ToSchema for Address {}

impl PartialSchema for Role {
    fn schema() -> RefOr<Schema> {
        plain(json!({"type": "string", "enum": ["access_point", "client", "wired", "ad_hoc", "unknown"]}))
    }
}

impl ToSchema for Role {}

impl PartialSchema for State {
    fn schema() -> RefOr<Schema> {
        plain(json!({"type": "string"}))
    }
}

impl ToSchema for State {}

impl PartialSchema for Signal {
    fn schema() -> RefOr<Schema> {
        plain(json!({
            "type": "object",
            "required": ["min", "mean", "max", "frames"],
            "properties": {
                "min": {"type": "integer"}, "mean": {"type": "number"}, "max": {"type": "integer"},
                "frames": {"type": "integer", "minimum": 0},
            },
        }))
    }
}

impl ToSchema for Signal {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(all) => all.iter().for_each(|(name, value)| match value.as_str() {
                Some(reference) if name == "$ref" => found.push(reference.to_owned()),
                _ => references(value, found),
            }),
            Value::Array(all) => all.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn everything_that_is_named_is_described() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let place = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(place).is_some(), "{reference}");
        }
        assert!(found.iter().any(|reference| reference.ends_with("/StationRow")));
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.contains_key("/api/v1/oui/{mac}") && paths.contains_key("/api/v1/stations/{address}"));
        let counts = &document["components"]["schemas"]["Counts"]["properties"]["frames"];
        assert!(counts["description"].as_str().unwrap().starts_with("Frames captured"), "{counts}");
    }
}
