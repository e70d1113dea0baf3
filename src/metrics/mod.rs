//! Metrics in Prometheus' text format 0.0.4, made when they are asked for from what the daemon keeps anyway. Knows no daemon.
//!
//! * `process`: what every process says of itself; [`serve`]: a responder for a daemon that has no web server.
//!
//! Never a label: an address, a network's name, a vendor. `docs/metrics.md` lists what there is.

mod process;
#[cfg(feature = "sensor")]
pub mod serve;

use std::fmt::Write as _;

/// The media type of [`Page::text`].
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, from a start of the program to the next.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// A page of metrics in the making: families, each with its samples.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// A page with what this process says of itself.
    #[must_use]
    pub fn of_this_process() -> Self {
        let mut page = Self::default();
        page.one(
            "airtally_build_info",
            Kind::Gauge,
            "The program's version.",
            &[("version", env!("CARGO_PKG_VERSION"))],
            1.0,
        );
        process::add(&mut page);
        page
    }

    /// Begins a family: all its samples follow at once.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of the family begun last, called `name` like it.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A family of one sample.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, labels: &[(&str, &str)], value: f64) {
        self.family(name, kind, help);
        self.sample(name, labels, value);
    }

    /// The page.
    #[must_use]
    pub fn text(self) -> String {
        self.0
    }
}

/// A count as Prometheus keeps all values: exact up to 2^53.
#[must_use]
pub const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_holds_is_one_label() {
        let mut page = Page::default();
        page.one("x", Kind::Gauge, "A\\b\nc", &[("site", "a\"b\\c\nd"), ("sensor", "é")], 1.5);
        assert_eq!(page.text(), "# HELP x A\\\\b\\nc\n# TYPE x gauge\nx{site=\"a\\\"b\\\\c\\nd\",sensor=\"é\"} 1.5\n");
    }
}
