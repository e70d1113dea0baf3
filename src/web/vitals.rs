//! Metrics, and whether the daemon is alive and ready: for machines that watch it.

use super::{
    Request, Response, StatusCode,
    http::{With as _, of_type},
    router::{Action, Route, Who, Work},
};
use axum::http::header;

/// What they are made from.
pub struct Vitals {
    /// The media type of the metrics.
    pub media_type: &'static str,
    /// The page of metrics; may wait for a disk.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Why the daemon is not ready, if it is not: words that anybody may read.
    pub trouble: Box<dyn Fn() -> Option<String> + Send + Sync>,
}

/// Metrics are for those who collect them; the rest is for anybody.
pub const ROUTES: &[Route<Vitals>] = &[
    Route { paths: &["/metrics"], actions: &[Action::read(metrics).by(Who::Metrics).taking(Work::Long)] },
    Route { paths: &["/healthz"], actions: &[Action::read(alive)] },
    Route { paths: &["/readyz"], actions: &[Action::read(ready)] },
];

fn metrics(vitals: &Vitals, _: &Request) -> Response {
    of_type(StatusCode::OK, vitals.media_type, (vitals.metrics)()).with(header::CACHE_CONTROL, "no-store")
}

fn alive(_: &Vitals, _: &Request) -> Response {
    plain(StatusCode::OK, "alive\n".to_owned())
}

fn ready(vitals: &Vitals, _: &Request) -> Response {
    match (vitals.trouble)() {
        None => plain(StatusCode::OK, "ready\n".to_owned()),
        Some(trouble) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    of_type(status, "text/plain; charset=utf-8", text).with(header::CACHE_CONTROL, "no-store")
}
