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
    guard::{Guard, Settings},
    http::json,
    router::{Action, Route, Work, mount},
};
use axum::Router;
use oui::OuiApi;
use std::{net::SocketAddr, sync::Arc};

/// The routes of the vendor registry. [`openapi`] describes each of them.
const REGISTRY: &[Route<OuiApi>] = &[
    Route { paths: &["/api/v1/openapi.json"], actions: &[Action::read(description)] },
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
    Route { paths: &["/chilcano/api/manuf/{mac}", "/chilcano/api/manuf/"], actions: &[Action::read(historic::manuf)] },
];

fn description(_: &OuiApi, _: &Request) -> Response {
    json(StatusCode::OK, &openapi::document())
}

/// The vendor registry's routes, under the rules that `settings` make for a server that listens on `listen`.
pub fn registry(api: Arc<OuiApi>, settings: Settings, listen: SocketAddr) -> Router {
    mount(REGISTRY, api, Guard::new(settings, listen))
}
