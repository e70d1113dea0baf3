//! The daemons' log: lines on standard error, which systemd hands to the journal with time and unit.

use crate::config::LogLevel;
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging at `level`; the environment variable `AIRTALLY_LOG` (like `debug` or `airtally::mqtt=trace`) wins.
pub fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // Libraries speak only of what went wrong: their info lines are not for an operator.
    let filter = EnvFilter::try_from_env("AIRTALLY_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,rumqttc=error,airtally={level}")));
    let terminal = std::io::stderr().is_terminal();
    let layer = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    // The journal stamps each line itself.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !terminal;
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process (a test) keeps the first.
    let _ = if journal { registry.with(layer.without_time()).try_init() } else { registry.with(layer).try_init() };
}
