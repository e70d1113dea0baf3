//! InfluxDB's line protocol: one point as one line of text. Pure; knows no measurement and no server.
//!
//! The text is what InfluxDB 1.x, 2 and 3 and VictoriaMetrics all read alike. They disagree on backslashes in
//! tag values (a second one, one before a comma, one at the end) and on line breaks in quoted strings, so neither
//! is ever written: see [`tag_text`] and [`field_text`].

use crate::UnixNanos;
use std::fmt::Write as _;

/// A field's value. Its type is part of the schema: a database refuses another type under the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A count; written as a signed integer (`7i`), and held at 2^63 - 1.
    Count(u64),
    /// A number below zero or above.
    Integer(i64),
    /// A fraction; not written unless finite.
    Float(f64),
    /// Text, in quotes.
    Text(String),
}

/// One point: what a line says.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The measurement.
    pub measurement: &'static str,
    /// Tags; one with an empty value is not written, which to InfluxDB is the same.
    pub tags: Vec<(&'static str, String)>,
    /// Fields; at least one must be writable, or there is no line.
    pub fields: Vec<(&'static str, Value)>,
    /// Nanoseconds since 1970.
    pub time: UnixNanos,
}

impl Point {
    /// Appends the point's line, its line break included. A point without a writable field appends nothing.
    ///
    /// Measurement, tag and field names are the program's own and need no escaping.
    pub fn write(&self, out: &mut String) {
        let begin = out.len();
        out.push_str(self.measurement);
        for (name, value) in self.tags.iter().filter(|(_, value)| !value.is_empty()) {
            out.push(',');
            out.push_str(name);
            out.push('=');
            for c in tag_text(value).chars() {
                if matches!(c, ',' | '=' | ' ') {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        let mut separator = ' ';
        for (name, value) in &self.fields {
            if matches!(value, Value::Float(number) if !number.is_finite()) {
                continue;
            }
            out.push(separator);
            separator = ',';
            out.push_str(name);
            out.push('=');
            // Writing to a String cannot fail.
            let _ = match value {
                Value::Count(count) => write!(out, "{}i", i64::try_from(*count).unwrap_or(i64::MAX)),
                Value::Integer(number) => write!(out, "{number}i"),
                Value::Float(number) => write!(out, "{number}"),
                Value::Text(text) => write!(out, "\"{}\"", field_text(text).replace('\\', "\\\\").replace('"', "\\\"")),
            };
        }
        if separator == ' ' {
            out.truncate(begin);
            return;
        }
        let _ = writeln!(out, " {}", self.time.0);
    }
}

/// A text as it stands in a tag's value, before the escaping of line protocol: a backslash is `\x5c`, and each
/// octet of a control character `\xNN`. Two texts never become one; [`from_tag_text`] leads back.
#[must_use]
pub fn tag_text(text: &str) -> String {
    spell_out(text, |c| c == '\\' || c.is_control())
}

/// A text as it stands in a string field: each octet of a control character is `\xNN`, as the batch writes the
/// octets of network names, and everything else is as it was.
#[must_use]
pub fn field_text(text: &str) -> String {
    spell_out(text, char::is_control)
}

fn spell_out(text: &str, which: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if which(c) {
            for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "\\x{octet:02x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The text that [`tag_text`] spelt out. What is not of its making comes back as it is.
#[must_use]
pub fn from_tag_text(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let spelt = rest
            .strip_prefix("\\x")
            .and_then(|digits| digits.get(..2))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match spelt {
            Some(octet) => {
                octets.push(octet);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                octets.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    String::from_utf8(octets).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
#[path = "line_protocol_tests.rs"]
mod tests;
