//! Which broker a daemon speaks with, and as whom.

use super::{answers::Answers, ask::Asker, files::Document, mosquitto, plan::Plan, secret_file, system};
use crate::{
    cli::format::UsageError,
    config::{Mqtt, SecretFile},
};
use std::io::{BufRead, Write};

/// Whether the configuration names no broker but one of this machine's own that setup made, or would make.
pub fn is_own(document: &Document, role: &str) -> bool {
    let user = mosquitto::USERS.iter().find(|(of, _)| *of == role).map_or("", |(_, user)| user);
    ["localhost", "127.0.0.1"].contains(&document.text("mqtt", "host", "localhost").as_str())
        && !document.has("mqtt", "tls")
        && document.number("mqtt", "port").is_none_or(|port| port == 1883)
        && ["", user].contains(&document.text("mqtt", "username", "").as_str())
}

/// Names the broker of this machine's own.
pub fn own(document: &mut Document, plan: &Plan, role: &str) {
    let user = mosquitto::USERS.iter().find(|(of, _)| *of == role).map_or("", |(_, user)| user);
    document.set("mqtt", "host", document.text("mqtt", "host", "localhost"));
    document.set("mqtt", "username", user);
    document.set("mqtt", "password_file", system::seen_path(plan, role, "mqtt-password"));
}

/// Asks for the broker.
///
/// # Errors
/// When an answer makes no sense, or a file that was named cannot be read.
pub fn ask<R: BufRead, W: Write>(
    answers: &Answers,
    asker: &mut Asker<R, W>,
    document: &mut Document,
    plan: &mut Plan,
    role: &str,
) -> anyhow::Result<()> {
    let had_tls = document.has("mqtt", "tls");
    let scheme = if had_tls { "mqtts://" } else { "" };
    let (host, port) = (document.text("mqtt", "host", "localhost"), document.number("mqtt", "port"));
    let bracketed = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    let now = format!("{scheme}{bracketed}{}", port.map_or_else(String::new, |port| format!(":{port}")));
    let question = "Broker: HOST or HOST:PORT (in front mqtts:// for TLS, mqtt:// for none)";
    let answer = asker.text(question, answers.broker.as_deref(), &now)?;
    if answer != now {
        let (host, port) = place(&answer)?;
        document.set("mqtt", "host", host);
        match port {
            Some(port) => document.set("mqtt", "port", i64::from(port)),
            None => document.unset("mqtt", "port"),
        }
    }
    let by_scheme = if answer.starts_with("mqtts://") {
        Some(true)
    } else if answer.starts_with("mqtt://") {
        Some(false)
    } else {
        None
    };
    let tls = answers.tls.or(by_scheme).unwrap_or(had_tls || answers.ca_file.is_some());
    if tls {
        let now = document.text("mqtt.tls", "ca_file", "");
        let question = "Its authority's certificate (PEM file; empty: the system knows it)";
        let ca = asker.text(question, answers.ca_file.as_deref(), &now)?;
        if !ca.is_empty() {
            document.set("mqtt.tls", "ca_file", ca);
        } else if !had_tls {
            document.set("mqtt", "tls", toml_edit::InlineTable::new());
        }
    } else {
        document.unset("mqtt", "tls");
    }
    let now = document.text("mqtt", "username", "");
    let user = asker.text("User at the broker (empty: as it is)", answers.user.as_deref(), &now)?;
    if user.is_empty() {
        return Ok(());
    }
    document.set("mqtt", "username", user);
    let password = secret_file(answers.password_file.as_deref())?;
    let password =
        if password.is_none() { asker.secret("Password (not shown; empty keeps what there is)")? } else { password };
    let kept = plan.at(&system::secret_path(role, "mqtt-password"));
    if let Some(password) = &password {
        plan.secret(kept.clone(), password, system::readers(plan, role))?;
    }
    if plan.read(&kept)?.is_some() && (password.is_some() || !document.has("mqtt", "password_file")) {
        document.set("mqtt", "password_file", system::seen_path(plan, role, "mqtt-password"));
    }
    Ok(())
}

/// Host and port of an answer.
fn place(answer: &str) -> anyhow::Result<(&str, Option<u16>)> {
    let bare = answer.strip_prefix("mqtts://").or_else(|| answer.strip_prefix("mqtt://")).unwrap_or(answer);
    let bare = bare.trim_end_matches('/');
    if bare.contains("://") || bare.is_empty() {
        return Err(UsageError(format!(
            "'{answer}' is no broker: write HOST, HOST:PORT, or mqtts:// in front for TLS"
        ))
        .into());
    }
    let (host, port) = match bare.rsplit_once(':') {
        // An address of IPv6 has colons of its own: with a port it is in brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (bare, None),
    };
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(UsageError(format!("'{port}' is no port: 1 to 65535")).into()),
        },
    };
    Ok((host, port))
}

/// The daemon's own view of its secret exists only while it runs: root tries with the file it comes from.
pub fn reachable_by_root(mut mqtt: Mqtt, plan: &Plan, role: &str) -> Mqtt {
    let seen = system::seen_path(plan, role, "mqtt-password");
    if mqtt.password_file.as_ref().is_some_and(|file| file.path() == std::path::Path::new(&seen)) {
        mqtt.password_file = Some(SecretFile(plan.at(&system::secret_path(role, "mqtt-password"))));
    }
    mqtt
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_broker_is_a_host_with_or_without_port_and_scheme() {
        let good = [
            ("broker.lan", ("broker.lan", None)),
            ("broker.lan:1884", ("broker.lan", Some(1884))),
            ("mqtts://broker.lan/", ("broker.lan", None)),
            ("mqtt://10.0.0.5:1883", ("10.0.0.5", Some(1883))),
            ("::1", ("::1", None)),
            ("[::1]:1883", ("[::1]", Some(1883))),
        ];
        for (answer, expected) in good {
            assert_eq!(place(answer).unwrap(), expected);
        }
        for wrong in ["http://broker.lan", "broker.lan:0", "broker.lan:port", "mqtts://", "broker.lan:70000"] {
            assert!(place(wrong).unwrap_err().is::<UsageError>(), "{wrong}");
        }
    }

    #[test]
    fn tls_can_be_answered_away_and_is_kept_where_nobody_says() {
        let home = tempfile::tempdir().unwrap();
        let with = "[mqtt]\nhost = \"broker.lan\"\nport = 8884\n[mqtt.tls]\nca_file = \"/ca.pem\"\n";
        let answered = |answers: Answers| {
            let mut document = Document::open(&home.path().join("none"), with).unwrap();
            let mut asker = Asker::new(&b""[..], Vec::new(), false);
            ask(&answers, &mut asker, &mut document, &mut Plan::new(home.path()), "sensor").unwrap();
            document.whole()
        };
        assert_eq!(answered(Answers::default()), with);
        let plain = "[mqtt]\nhost = \"broker.lan\"\nport = 8884\n";
        assert_eq!(answered(Answers { tls: Some(false), ..Answers::default() }), plain);
        let broker = Some("mqtt://other.lan".to_owned());
        assert_eq!(answered(Answers { broker, ..Answers::default() }), "[mqtt]\nhost = \"other.lan\"\n");
        let broker = Some("other.lan".to_owned());
        assert!(answered(Answers { broker, ..Answers::default() }).contains("[mqtt.tls]\nca_file = \"/ca.pem\""));
    }
}
