//! What of an ingest is asked: its name, where it stores, who sees its page.

use super::{
    answers::{Answers, Viewers},
    ask::Asker,
    files::Document,
    plan::Plan,
    secret_file, system,
};
use crate::cli::format::UsageError;
use anyhow::Context as _;
use std::{
    io::{BufRead, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};
use toml_edit::{Item, value};

const HISTORY: &str = "/var/lib/airtally-ingest/history.sqlite";
const STORES: [(&str, &str); 3] = [
    ("sqlite", "a history on this machine, which the page shows"),
    ("influx-v1", "InfluxDB 1.x"),
    ("influx-v2", "InfluxDB 2 or 3, VictoriaMetrics"),
];
/// Where the page is, if nobody has said.
const PAGE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8780);

/// Asks for name and store, and has the answers in the document. On a machine that does it all, neither is asked.
///
/// # Errors
/// When an answer makes no sense, or a file that was named cannot be read.
pub fn ask<R: BufRead, W: Write>(
    answers: &Answers,
    asker: &mut Asker<R, W>,
    document: &mut Document,
    plan: &mut Plan,
    is_all: bool,
) -> anyhow::Result<()> {
    let now = document.text("", "name", "ingest-1");
    let name = match &answers.ingest {
        None if is_all => now,
        given => asker.text("This ingest's name", given.as_deref(), &now)?,
    };
    document.set("", "name", name);

    let influx = document.tables("influx").first().map(|table| table.get("api").and_then(Item::as_str) == Some("v1"));
    let now = match influx {
        Some(is_v1) if !document.has("", "sqlite") => {
            if is_v1 {
                "influx-v1"
            } else {
                "influx-v2"
            }
        }
        _ => "sqlite",
    };
    let kind = match &answers.store {
        None if is_all => now.to_owned(),
        given => asker.choice("Where is it stored?", &STORES, given.as_deref(), now)?,
    };
    match kind.as_str() {
        // Without any store there is the history, at this place.
        "sqlite" if influx.is_none() || document.has("", "sqlite") => {}
        "sqlite" => document.set("sqlite", "path", HISTORY),
        kind => store_in_influx(answers, asker, document, plan, kind == "influx-v1")?,
    }
    Ok(())
}

fn store_in_influx<R: BufRead, W: Write>(
    answers: &Answers,
    asker: &mut Asker<R, W>,
    document: &mut Document,
    plan: &mut Plan,
    is_v1: bool,
) -> anyhow::Result<()> {
    let api = if is_v1 { "v1" } else { "v2" };
    let kept = document.tables("influx").into_iter().find(|table| table.get("api").and_then(Item::as_str) == Some(api));
    let mut table = kept.cloned().unwrap_or_default();
    let before = table.to_string();
    let now = |key: &str, default: &str| kept.and_then(|table| table.get(key)?.as_str()).unwrap_or(default).to_owned();
    let url = asker.text("Its address", answers.influx_url.as_deref(), &now("url", "http://localhost:8086"))?;
    let (what, key) = if is_v1 { ("Database", "db") } else { ("Bucket", "bucket") };
    let place = asker.text(what, answers.influx_db.as_deref(), &now(key, "airtally"))?;
    let mut keys = vec![("name", now("name", "influx")), ("api", api.to_owned()), ("url", url), (key, place)];
    let mut token = None;
    if !is_v1 {
        keys.push(("org", asker.text("Organisation", answers.influx_org.as_deref(), &now("org", "home"))?));
        token = secret_file(answers.influx_token_file.as_deref())?;
        if token.is_none() {
            token = asker.secret("Token (not shown; empty keeps what there is)")?;
        }
        let seen = system::seen_path(plan, "ingest", "influx-token");
        keys.push(("token_file", if token.is_some() { seen } else { now("token_file", &seen) }));
    }
    for (key, text) in keys {
        if table.get(key).and_then(Item::as_str) != Some(&text) {
            table.insert(key, value(text));
        }
    }
    if table.to_string() != before {
        document.put("influx", table);
    }
    if let Some(token) = token {
        let path = plan.at(&system::secret_path("ingest", "influx-token"));
        plan.secret(path, &token, system::readers(plan, "ingest"))?;
    }
    Ok(())
}

/// Asks who sees the page; where it is then.
///
/// # Errors
/// When the page is for the network and has no password, or the one given will not do.
pub fn page<R: BufRead, W: Write>(
    answers: &Answers,
    asker: &mut Asker<R, W>,
    document: &mut Document,
    plan: &mut Plan,
) -> anyhow::Result<SocketAddr> {
    let listen = document.text("web", "listen", "");
    let listen: SocketAddr =
        if listen.is_empty() { PAGE } else { listen.parse().with_context(|| format!("web.listen '{listen}'"))? };
    let is_wide = !listen.ip().to_canonical().is_loopback();
    let given = answers.page.map(|page| page == Viewers::Network);
    let wide = asker.yes("Shall the page be seen in the local network? (y, n)", given, is_wide)?;
    let path = plan.at(&system::secret_path("ingest", "web-password"));
    if wide {
        let has_one = document.has("web", "password_file");
        if let Some(hash) = password(answers, asker, has_one)? {
            plan.secret(path, &hash, system::readers(plan, "ingest"))?;
            document.set("web", "password_file", system::seen_path(plan, "ingest", "web-password"));
        }
    }
    let listen = match (wide, is_wide) {
        (true, false) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), listen.port()),
        (false, true) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port()),
        _ => listen,
    };
    if wide != is_wide {
        document.set("web", "listen", listen.to_string());
    }
    Ok(listen)
}

/// The hash of the page's password; nothing where the one there is stays.
fn password<R: BufRead, W: Write>(
    answers: &Answers,
    asker: &mut Asker<R, W>,
    has_one: bool,
) -> anyhow::Result<Option<String>> {
    if let Some(given) = secret_file(answers.page_password_file.as_deref())? {
        let hash = hash(&given).map_err(|problem| UsageError(format!("{problem}: nothing was written")))?;
        return Ok(Some(hash));
    }
    let kept = if has_one { "; empty keeps what there is" } else { "" };
    loop {
        let problem = match asker.secret(&format!("Password for the page (not shown{kept})"))? {
            None if has_one => return Ok(None),
            None if !asker.is_interactive() => {
                let message =
                    "a page for the network needs a password: --page-password-file FILE, whose first line it is";
                return Err(UsageError(message.into()).into());
            }
            None => "the page needs one".to_owned(),
            Some(given) => match hash(&given) {
                Err(problem) => problem,
                Ok(_) if asker.secret("Once more (not shown)")?.as_deref() != Some(&given) => {
                    "these were two different ones".to_owned()
                }
                Ok(hash) => return Ok(Some(hash)),
            },
        };
        asker.tell(&format!("{problem}: try again"))?;
    }
}

#[cfg(feature = "web")]
fn hash(password: &str) -> Result<String, String> {
    crate::web::password::hash(password)
}

#[cfg(not(feature = "web"))]
fn hash(_password: &str) -> Result<String, String> {
    Err("this program has no page".to_owned())
}
