//! Ingest's web server: the vendor registry's routes.

use crate::{
    UnixNanos,
    config::{SecretError, Web},
    oui::store::OuiError,
    web::{
        guard::{Settings, Token},
        routes::oui::OuiApi,
        serve_oui, tls,
    },
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};
use tokio::{sync::watch, task::JoinHandle};

/// Why there is no web server.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address} (web.listen): {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Certificate or key are of no use.
    #[error("cannot serve https: {0}")]
    Tls(String),
    /// The token cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The vendor cache is a newer program's, or cannot be read.
    #[error(transparent)]
    Oui(#[from] OuiError),
}

/// Starts it; it ends when `stop` turns true.
pub fn start(config: &Web, mut stop: watch::Receiver<bool>) -> Result<JoinHandle<()>, WebError> {
    let token = config.token_file.as_ref().map(|file| file.read_line()).transpose()?;
    let tls = match (&config.cert_file, &config.key_file) {
        (Some(cert), Some(key)) => Some(tls::server_config(cert, key.path()).map_err(WebError::Tls)?),
        _ => None,
    };
    let settings = Settings {
        token: token.as_deref().map(Token::new),
        cors: config.cors_origins.clone(),
        rate_limit: config.rate_limit,
        hosts: config.hosts.clone(),
    };
    let (api, note) = OuiApi::new(&config.oui_cache, UnixNanos::now)?;
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    let refused = |source| WebError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(refused)?;
    tracing::info!(%address, "serving the vendor registry");
    Ok(tokio::spawn(async move {
        serve_oui(listener, tls, Arc::new(api), settings, async {
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await;
    }))
}
