//! The HTTP side: a small server and the routes that others mount on it.
//!
//! * [`server`]: connections, TLS, bounds; hands requests to axum's router.
//! * `seats`: how many connections there are, and which one gives way; `patience`: how long a client is waited for.
//! * [`router`]: what a route is, as data: path, methods, rights, limits; and how its rules are kept.
//! * [`http`]: a request and an answer as routes see them.
//! * [`guard`]: who may write, who asks too often, which web pages may read; `hosts`: the names the server is known by.
//! * [`routes`]: the vendor registry's routes and their description; `registry`: a server of them alone.
//!
//! Routes are functions from a request to an answer; nothing but [`server`] knows sockets.

pub mod guard;
mod hosts;
pub mod http;
mod patience;
mod registry;
pub mod router;
pub mod routes;
mod seats;
pub mod server;
pub mod tls;

pub use http::{Method, Request, Response, StatusCode};
pub use registry::serve_oui;
pub use server::{Limits, serve};
