//! `airtally oui serve`: the registry over HTTP.

use super::now;
use crate::{
    cli::{format::UsageError, log},
    config::{LogLevel, SecretFile},
    web::{
        self,
        guard::{Settings, Token},
        routes::oui::OuiApi,
        tls,
    },
};
use anyhow::Context as _;
use clap::Args;
use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// What `serve` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  airtally oui serve                                        read only, on 127.0.0.1:8780
  airtally oui serve --listen 0.0.0.0:8780 --token-file /etc/airtally/oui-token")]
pub(super) struct ServeArgs {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8780")]
    listen: SocketAddr,
    /// PEM file with the certificate chain, for https.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// File whose first line is the token that changes need; without it there are none.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// An origin whose web pages may read, like https://example.org, or '*'; may be given more than once.
    #[arg(long, value_name = "ORIGIN")]
    cors_origin: Vec<String>,
    /// Requests a second that one client may make; it may save up for two seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate_limit: Option<u32>,
    /// A name by which clients ask for this server, beside its addresses and its own name, or '*'; may be given more
    /// than once.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
}

pub(super) fn run(out: &mut impl Write, db: &Path, args: &ServeArgs) -> anyhow::Result<()> {
    log::start(LogLevel::Info);
    let token = match &args.token_file {
        Some(path) => Some(Token::new(&SecretFile(path.clone()).read_line()?)),
        None => None,
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(tls::server_config(cert, key).map_err(UsageError)?),
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let settings =
        Settings { token, cors: args.cors_origin.clone(), rate_limit: args.rate_limit, hosts: args.host.clone() };
    let (api, note) = OuiApi::new(db, now)?;
    if let Some(note) = note {
        tracing::warn!("{note}");
    }
    let api = Arc::new(api);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
        writeln!(out, "listening on {scheme}://{}", listener.local_addr()?)?;
        out.flush()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        web::serve_oui(listener, tls, api, settings, async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
        Ok(())
    })
}
