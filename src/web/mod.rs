//! The HTTP side: a small server and the routes that others mount on it.
//!
//! * [`server`]: connections, TLS, bounds; hands requests to axum's router.
//! * `seats`: how many connections there are, and which one gives way; `patience`: how long a client is waited for.
//! * [`router`]: what a route is, as data: path, methods, rights, limits; and how its rules are kept.
//! * [`http`]: a request and an answer as routes see them; `pack`: answers that travel small.
//! * [`guard`]: who may write, who asks too often, which web pages may read; `hosts`: the names the server is known by.
//! * [`access`]: who may see what sensors heard; [`password`], `sessions`, [`login`]: how somebody becomes one who may.
//! * [`live`]: server-sent events; [`api`]: the history for programs.
//! * `page`: the history for people.
//! * [`vitals`]: metrics, and whether the daemon is alive and ready.
//! * [`routes`]: the vendor registry's routes and their description; `registry`: a server of them alone.
//!
//! Routes are functions from a request to an answer; nothing but [`server`] knows sockets.

pub mod access;
#[cfg(feature = "ingest")]
pub mod api;
pub mod guard;
mod hosts;
pub mod http;
pub mod live;
#[cfg(feature = "ingest")]
pub mod login;
mod pack;
#[cfg(feature = "ingest")]
pub mod page;
pub mod password;
mod patience;
mod registry;
pub mod router;
pub mod routes;
mod seats;
pub mod server;
mod sessions;
pub mod tls;
pub mod vitals;

pub use http::{Method, Request, Response, StatusCode};
pub use registry::{keep_fresh, serve_oui};
pub use server::{Limits, serve};
