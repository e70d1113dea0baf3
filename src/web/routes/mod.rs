//! What the server answers: the table of its routes.
//!
//! * [`oui`]: the vendor registry: look up, search, describe, local entries.
//! * `historic`: the form of an older service.
//! * [`openapi`]: the description of them all.

mod historic;
pub mod openapi;
pub mod oui;

use super::{
    Method, Request, Response, StatusCode,
    http::json,
    router::{Action, Route, Tables, Work},
};
use oui::OuiApi;
use serde_json::Value;
use std::sync::Arc;

/// The routes of the vendor registry. [`openapi`] describes each of them.
const REGISTRY: &[Route<OuiApi>] = &[
    Route {
        paths: &["/api/v1/oui"],
        actions: &[
            Action::read(OuiApi::describe_or_batch).taking(Work::LongIf(OuiApi::is_large)),
            Action::change(Method::POST, OuiApi::change),
            Action::change(Method::PUT, OuiApi::change),
        ],
    },
    Route { paths: &["/api/v1/oui/search"], actions: &[Action::read(OuiApi::search).taking(Work::Long)] },
    Route {
        // An address that is left out is malformed, like any other that is none.
        paths: &["/api/v1/oui/{mac}", "/api/v1/oui/"],
        actions: &[Action::read(OuiApi::lookup), Action::change(Method::DELETE, OuiApi::take_back)],
    },
];

/// The form of an older service, which let the pages of every server read.
const HISTORIC: &[Route<OuiApi>] = &[
    Route {
        paths: &["/chilcano/api/manuf"],
        actions: &[Action::change(Method::POST, historic::change), Action::change(Method::PUT, historic::change)],
    },
    Route { paths: &["/chilcano/api/manuf/{mac}", "/chilcano/api/manuf/"], actions: &[Action::read(historic::manuf)] },
];

/// Where the description of all routes is.
const DESCRIPTION: &[Route<Value>] =
    &[Route { paths: &["/api/v1/openapi.json"], actions: &[Action::read(description)] }];

fn description(document: &Value, _: &Request) -> Response {
    json(StatusCode::OK, document)
}

/// The vendor registry's routes and the OpenAPI `document` of all there are, which are public.
#[must_use]
pub fn registry(tables: Tables, api: Arc<OuiApi>, document: Value) -> Tables {
    tables.mount(REGISTRY, Arc::clone(&api)).mount_for_all_origins(HISTORIC, api).mount(DESCRIPTION, Arc::new(document))
}
