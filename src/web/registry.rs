//! The registry's routes on a server of their own: keeps what they answer from fresh. Knows no route and no byte.

use super::{
    Limits,
    guard::{Guard, Settings},
    router::Tables,
    routes::{self, oui::OuiApi},
    serve,
};
use rustls::ServerConfig;
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// How often a replaced cache is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Serves the registry's routes alone until `stop` is done, and takes up a cache that is replaced meanwhile.
pub async fn serve_oui(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    api: Arc<OuiApi>,
    settings: Settings,
    stop: impl Future<Output = ()>,
) {
    // A socket that cannot say where it listens is taken for one that only this machine reaches: the stricter rule.
    let listen = listener.local_addr().unwrap_or_else(|_| ([127, 0, 0, 1], 0).into());
    let refresh = tokio::spawn(keep_fresh(Arc::clone(&api)));
    let routes = routes::registry(Tables::new(Guard::new(settings, listen)), api, routes::openapi::document()).router();
    serve(listener, tls, routes, Limits::default(), stop).await;
    refresh.abort();
}

/// Takes up a cache that is replaced, for ever.
pub async fn keep_fresh(api: Arc<OuiApi>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        tick.tick().await;
        let api = Arc::clone(&api);
        // Loading a new cache takes a while; lookups go on.
        let _ = tokio::task::spawn_blocking(move || api.refresh()).await;
    }
}
