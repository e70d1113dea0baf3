//! The HTTP side: a small server and the routes that others mount on it.
//!
//! * [`http`]: a request and a response as routes see them: plain values.
//! * [`server`]: connections, TLS, bounds; turns bytes into those values and back.
//! * `seats`: how many connections there are, and which one gives way; `patience`: how long a client is waited for.
//! * [`guard`]: who may write, who asks too often, which web pages may read.
//! * [`oui`]: the vendor registry's routes; [`openapi`]: their description; `registry`: a server of them alone.
//!
//! Routes are functions from a request to a response; nothing but [`server`] knows sockets.

pub mod guard;
pub mod http;
pub mod openapi;
pub mod oui;
mod patience;
mod registry;
mod seats;
pub mod server;
pub mod tls;

pub use http::{Method, Request, Response};
pub use registry::serve_oui;
pub use server::{Handler, Limits, serve};
