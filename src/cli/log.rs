//! The daemons' log: lines on standard error, which systemd hands to the journal with time and unit.

use super::journal::is_journal;
use crate::{config::LogLevel, printable::Printable};
use std::{
    fmt::{self, Write as _},
    io::IsTerminal as _,
};
use tracing::{Event, Level, Subscriber, field::Field};
use tracing_subscriber::{
    field::MakeExt as _,
    filter::Targets,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Format, Writer},
        layer,
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// What to log in place of what the configuration says: like `debug` or `info,airtally::mqtt=trace`.
const VARIABLE: &str = "AIRTALLY_LOG";

/// Starts logging at `level`, or as [`VARIABLE`] has it.
pub fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    // Libraries speak only of what went wrong: their info lines are not for an operator.
    let usual =
        Targets::new().with_default(Level::WARN).with_target("rumqttc", Level::ERROR).with_target("airtally", level);
    let wanted = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()).map(|text| text.parse::<Targets>());
    let (filter, problem) = match wanted {
        None => (usual, None),
        Some(Ok(wanted)) => (wanted, None),
        Some(Err(problem)) => (usual, Some(problem)),
    };
    let terminal = std::io::stderr().is_terminal();
    let lines = layer()
        .with_writer(std::io::stderr)
        .fmt_fields(format::debug_fn(write_field).delimited(" "))
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in one process (a test) keeps the first.
    let _ = if is_journal() {
        let format = format::format().with_target(false).with_level(false).with_ansi(false).without_time();
        let lines = layer()
            .with_writer(std::io::stderr)
            .fmt_fields(format::debug_fn(write_field).delimited(" "))
            .log_internal_errors(false)
            .with_ansi(false)
            .event_format(ForJournal(format));
        registry.with(lines).try_init()
    } else {
        registry.with(lines).try_init()
    };
    if let Some(problem) = problem {
        tracing::warn!(
            "the environment variable {VARIABLE} counts for nothing: {problem}; it is like info,airtally::mqtt=trace"
        );
    }
}

/// Writes the message, or a value after its name, so that one event is one line and cannot steer a terminal. Internal
/// errors are not logged either: where standard error is full or closed, saying so there would end the program.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let mut out = Printable(writer);
    match field.name() {
        "message" => write!(out, "{value:?}"),
        name => write!(out, "{name}={value:?}"),
    }
}

/// A line for the journal: its priority in front, as sd-daemon(3) has it, and neither time nor level after it, because
/// the journal shows both.
struct ForJournal(Format<format::Full, ()>);

impl<S, N> FormatEvent<S, N> for ForJournal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_that_cannot_steer_a_terminal() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = layer()
            .with_writer(move || writer.clone())
            .fmt_fields(format::debug_fn(write_field).delimited(" "))
            .with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let name = "at\u{1b}[2Jtic\u{202e}\nERROR all is lost";
            tracing::warn!(sensor = %name, frames = 3, "what {name} said");
            tracing::warn!(sensor = name);
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
        let shown = "at\\u{1b}[2Jtic\\u{202e}\\u{a}ERROR all is lost";
        assert!(text.contains(&format!("what {shown} said sensor={shown} frames=3\n")), "{text}");
    }
}
