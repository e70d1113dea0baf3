//! What could keep a sensor on this machine from working: one check a subject, each with a verdict and what to do.
//! Looks at the machine below a root directory, so that tests have machines of their own; changes nothing.
//!
//! * `host`: reads `/sys`, `/proc` and `/run`.
//! * `card`: the interface, its driver, rfkill, the regulatory domain; `radio`: the same of a card that the sensor is to
//!   take; `trouble`: what is known of drivers.
//! * `rivals`: who else wants the card. * `rights`: capabilities. * `clock`. * `disk`: the spool and its disks.
//! * `broker`: a real connection. * `vendors`: the age of the vendor cache.

mod broker;
mod card;
mod clock;
mod disk;
mod host;
mod monitor_mode;
mod rights;
mod rivals;
mod trouble;
mod vendors;

pub use host::Host;

use crate::{
    UnixNanos,
    config::{Sensor, SourceKind},
};
use serde::Serialize;

/// The schema of a [`Report`]; its keys only grow.
pub const SCHEMA: &str = "airtally.doctor/1";

/// How bad it is; the greater, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// It may work, or may not do what is expected.
    Warn,
    /// It will not work.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check, in one word.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What is so.
    pub message: String,
    /// What to do, where there is something.
    pub advice: Option<String>,
    /// Where this is known from, if from others.
    pub source: Option<&'static str>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, message: message.into(), advice: None, source: None }
    }

    fn warn(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warn, advice: Some(advice.into()), ..Self::ok(check, message) }
    }

    fn fail(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Fail, ..Self::warn(check, message, advice) }
    }
}

/// All findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The worst of them.
    pub level: Level,
    /// In the order of the checks.
    pub findings: Vec<Finding>,
}

/// Examines this machine for a sensor with this configuration.
pub async fn examine(host: &Host, config: &Sensor, now: UnixNanos) -> Report {
    let mut findings = Vec::new();
    match config.source.kind {
        SourceKind::Radio => findings.extend(monitor_mode::check(host, &config.radio).await),
        SourceKind::Interface => {
            let name = config.source.interface.as_str();
            findings.extend(card::check(host, name));
            findings.extend(rivals::check(host, name));
        }
        SourceKind::File | SourceKind::Stdin | SourceKind::None => {}
    }
    if config.source.kind.is_live() {
        findings.push(rights::check(host));
        findings.push(clock::check(host, &config.clock));
    }
    findings.extend(disk::check(host, &config.spool));
    findings.push(vendors::check(&config.oui.cache, now));
    findings.push(broker::check(&config.mqtt, &config.site, &config.sensor).await);
    let level = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    Report { schema: SCHEMA, level, findings }
}

#[cfg(test)]
mod tests;
