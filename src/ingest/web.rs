//! Ingest's web server: who may see what, what is mounted where, on a thread of its own. Whatever becomes of it, ingest
//! goes on storing.

use crate::{
    UnixNanos,
    config::{SecretError, SecretFile, Web},
    oui::store::OuiError,
    roster::Roster,
    sink::{Arrival, News, Recent, Stage},
    web::{
        self, Limits,
        access::{Access, Rules},
        api::{self, Api},
        guard::{Guard, Settings, Token},
        live::{self, Live},
        login,
        page::{self, Kept, Page},
        password::Password,
        router::Tables,
        routes::{self, oui::OuiApi},
        tls,
        vitals::{self, Vitals},
    },
    wire::Record,
};
use axum::http::HeaderName;
use rustls::ServerConfig;
use std::{
    io,
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::sleep,
};

/// How often a server that cannot begin tries again.
const AGAIN: Duration = Duration::from_secs(10);

/// Connections of one client, where that stands for all readers. Others find place still.
const OF_ONE_FOR_ALL: usize = 192;

/// What its answers are made from.
pub struct Sources {
    /// The history's file, where there is a history.
    pub history: Option<PathBuf>,
    /// What came a moment ago.
    pub recent: Arc<Recent>,
    /// What sensors said last.
    pub roster: Arc<Roster>,
    /// Metrics, and whether ingest is ready.
    pub vitals: Arc<Vitals>,
    /// The stations that may have a series of their own, by the database that holds the fewest, and its name.
    pub max_series: Option<(u64, String)>,
}

/// Why there is no web server: a mistake in its configuration.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Certificate or key are of no use.
    #[error("cannot serve https: {0}")]
    Tls(String),
    /// A token or a password cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A password file holds something else.
    #[error("cannot use the password in {path}: {reason}")]
    Password {
        /// The file.
        path: PathBuf,
        /// What is wrong and what would do.
        reason: String,
    },
    /// A setting has no meaning.
    #[error("{key}: {message}")]
    Setting {
        /// The key.
        key: String,
        /// What is wrong and what would do.
        message: String,
    },
    /// The system refused a thread.
    #[error("cannot start the web server: {0}")]
    System(#[from] io::Error),
}

/// Why it cannot begin now, and may later.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error("cannot listen on {address} (web.listen): {source}")]
    Listen { address: std::net::SocketAddr, source: io::Error },
    #[error(transparent)]
    Oui(#[from] OuiError),
}

/// Starts it, where the configuration has one; it ends when `stop` turns true. A port that is taken is tried again and
/// again: one warning, and ingest does without.
///
/// # Errors
/// When the configuration cannot work.
pub fn start(config: &Web, sources: Sources, stop: watch::Receiver<bool>) -> Result<Option<JoinHandle<()>>, WebError> {
    if !config.enabled {
        return Ok(None);
    }
    let server = Server::new(config, sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A flood of requests is to keep nothing else waiting.
    let thread = thread::Builder::new().name("web".to_owned()).spawn(move || runtime.block_on(server.run(stop)))?;
    Ok(Some(thread))
}

struct Server {
    config: Web,
    sources: Sources,
    settings: Settings,
    access: Arc<Access>,
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    fn new(config: &Web, sources: Sources) -> Result<Self, WebError> {
        let token = |file: &Option<SecretFile>| -> Result<Option<Token>, SecretError> {
            Ok(file.as_ref().map(SecretFile::read_line).transpose()?.as_deref().map(Token::new))
        };
        let tls = match (&config.cert_file, &config.key_file) {
            (Some(cert), Some(key)) => Some(tls::server_config(cert, key.path()).map_err(WebError::Tls)?),
            _ => None,
        };
        let password = config.password_file.as_ref().map(password).transpose()?;
        let setting = |key: &str, message: String| WebError::Setting { key: key.to_owned(), message };
        let rules = Rules {
            password,
            proxies: config.proxies().map_err(|message| setting("web.trusted_proxies", message))?,
            proxy_header: Some(
                HeaderName::try_from(&config.proxy_header)
                    .map_err(|error| setting("web.proxy_header", error.to_string()))?,
            ),
            metrics: token(&config.metrics_token_file)?,
            tls: tls.is_some(),
        };
        let settings = Settings {
            token: token(&config.token_file)?,
            cors: config.cors_origins.clone(),
            rate_limit: config.rate_limit,
            hosts: config.hosts.clone(),
        };
        let access = Arc::new(Access::new(rules, config.listen));
        Ok(Self { config: config.clone(), sources, settings, access, tls })
    }

    /// Serves until `stop` turns true.
    async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut said = String::new();
        let (listener, oui) = loop {
            match self.begin() {
                Ok(begun) => break begun,
                Err(error) => {
                    let problem = error.to_string();
                    if problem != said {
                        tracing::warn!("there is no web page for now, and storing goes on: {problem}");
                        said = problem;
                    }
                }
            }
            tokio::select! {
                () = sleep(AGAIN) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        };
        self.tell(&listener);
        let live = Arc::new(Live::default());
        let helpers = [
            tokio::spawn(web::keep_fresh(Arc::clone(&oui))),
            tokio::spawn(changes(Arc::clone(&self.sources.roster), Arc::clone(&live))),
            tokio::spawn(arrivals(Arc::clone(&self.sources.recent), Arc::clone(&live))),
            tokio::spawn({
                let live = Arc::clone(&live);
                async move { live.run().await }
            }),
        ];
        let ended = async {
            let _ = stop.wait_for(|stop| *stop).await;
            live.end();
        };
        let tables = self.tables(oui, &live);
        web::serve(listener, self.tls.clone(), tables.router(), self.limits(), ended).await;
        for helper in helpers {
            helper.abort();
        }
    }

    fn begin(&self) -> Result<(tokio::net::TcpListener, Arc<OuiApi>), NotNow> {
        let refused = |source| NotNow::Listen { address: self.config.listen, source };
        let listener = TcpListener::bind(self.config.listen).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let (api, note) = OuiApi::new(&self.config.oui_cache, UnixNanos::now)?;
        if let Some(note) = note {
            tracing::info!("{note}");
        }
        Ok((tokio::net::TcpListener::from_std(listener).map_err(refused)?, Arc::new(api)))
    }

    /// On this machine's own address, and behind a proxy, all readers are one client.
    fn limits(&self) -> Limits {
        let usual = Limits::default();
        let are_one = self.config.listen.ip().to_canonical().is_loopback() || !self.config.trusted_proxies.is_empty();
        Limits { connections_of_one: if are_one { OF_ONE_FOR_ALL } else { usual.connections_of_one }, ..usual }
    }

    /// Everything that is served here.
    fn tables(&self, oui: Arc<OuiApi>, live: &Arc<Live>) -> Tables {
        let guard = Guard::new(self.settings.clone(), self.config.listen).with_access(Arc::clone(&self.access));
        let mut tables = Tables::new(guard);
        if self.access.has_metrics() {
            tables = tables.mount(vitals::ROUTES, Arc::clone(&self.sources.vitals));
        }
        if !self.access.has_viewers() {
            return routes::registry(tables, oui, routes::openapi::document());
        }
        let Sources { history, roster, recent, .. } = &self.sources;
        let page = Page {
            history: history.clone(),
            roster: Arc::clone(roster),
            recent: Arc::clone(recent),
            oui: Arc::clone(&oui),
            clock: UnixNanos::now,
            kept: Kept::default(),
            max_series: self.sources.max_series.clone(),
        };
        let (roster, recent) = (Arc::clone(roster), Arc::clone(recent));
        let api = Api { history: history.clone(), roster, recent, clock: UnixNanos::now };
        routes::registry(tables, oui, api::document())
            .mount(login::ROUTES, Arc::clone(&self.access))
            .mount(live::ROUTES, Arc::clone(live))
            .mount(api::ROUTES, Arc::new(api))
            .mount(page::ROUTES, Arc::new(page))
    }

    fn tell(&self, listener: &tokio::net::TcpListener) {
        let address = listener.local_addr().unwrap_or(self.config.listen);
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        if !self.access.has_viewers() {
            let what = "serving the vendor registry alone: the page is for those who log in, and nobody can; set \
                        password_file or trusted_proxies under [web]";
            tracing::info!(%address, "{what}");
            return;
        }
        tracing::info!(%address, "serving the page: {scheme}://{address}/");
        if self.config.password_file.is_some() && self.tls.is_none() && !address.ip().to_canonical().is_loopback() {
            tracing::warn!(
                "the password travels in the clear: set cert_file and key_file under [web], or listen on 127.0.0.1 \
                 behind a proxy that has https"
            );
        }
    }
}

fn password(file: &SecretFile) -> Result<Password, WebError> {
    let line = file.read_line()?;
    Password::new(&line).map_err(|reason| WebError::Password { path: file.path().to_owned(), reason })
}

/// Tells `live` of sensors whose state changed, for ever.
async fn changes(roster: Arc<Roster>, live: Arc<Live>) {
    let mut changes = roster.changes();
    while changes.changed().await.is_ok() {
        live.tell("status", &serde_json::json!({}));
    }
}

/// Tells `live` of windows and gaps that come and are stored, for ever.
async fn arrivals(recent: Arc<Recent>, live: Arc<Live>) {
    let mut news = recent.subscribe();
    loop {
        match news.recv().await {
            Ok(News::Came(arrival)) => {
                let (name, what) = told(&arrival);
                live.tell(name, &what);
            }
            Ok(News::Reached(Stage::Stored, ids)) => live.tell("stored", &serde_json::json!({"arrivals": *ids})),
            Ok(News::Reached(..)) => {}
            Err(RecvError::Lagged(_)) => live.tell("missed", &serde_json::json!({})),
            Err(RecvError::Closed) => return,
        }
    }
}

/// An arrival as an event: its name, and what it says.
fn told(arrival: &Arrival) -> (&'static str, serde_json::Value) {
    let id = arrival.id;
    match &*arrival.record {
        Record::Batch(batch) => {
            let frames = batch.capture.as_ref().map(|capture| capture.frames);
            let identity = &batch.identity;
            let what = serde_json::json!({
                "arrival": id, "site": identity.site, "sensor": identity.sensor, "seq": identity.seq, "part": batch.part,
                "parts": batch.parts, "start": batch.start, "end": batch.end, "frames": frames,
            });
            ("window", what)
        }
        Record::Flows(flows) => {
            let identity = &flows.identity;
            let what = serde_json::json!({
                "arrival": id, "site": identity.site, "sensor": identity.sensor, "seq": identity.seq, "part": flows.part,
                "parts": flows.parts, "start": flows.start, "end": flows.end, "flows": flows.flows.len(),
            });
            ("flows", what)
        }
        Record::Alerts(alerts) => {
            let identity = &alerts.identity;
            let what = serde_json::json!({
                "arrival": id, "site": identity.site, "sensor": identity.sensor, "seq": identity.seq, "part": alerts.part,
                "parts": alerts.parts, "start": alerts.start, "end": alerts.end, "alerts": alerts.alerts,
            });
            ("alerts", what)
        }
        Record::Gap(gap) => {
            let what = serde_json::json!({
                "arrival": id, "site": gap.site, "sensor": gap.sensor, "start": gap.start, "end": gap.end,
                "reason": gap.reason,
            });
            ("gap", what)
        }
    }
}
