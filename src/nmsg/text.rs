//! Payloads as text: the reference tool's presentation form and its JSON, octet for octet, and lines of 5-tuples. Strings in
//! messages are strangers' octets: the presentation form has them as they are, JSON has them as strings.

use super::{
    Payload,
    schema::{self, Field, Value},
    tuple::{self, NoTuple},
};
use crate::time::civil;
use core::net::{IpAddr, Ipv4Addr};
use std::fmt::Write as _;

/// What became of a payload that was to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It was written.
    Whole,
    /// Its type is not read: what names the type and its octets was written.
    NotRead,
    /// It says nothing, and nothing was written.
    Empty,
    /// Its octets are not what its type prescribes, and nothing was written.
    Damaged,
}

/// Appends a payload in the reference tool's presentation form.
pub fn presentation(payload: &Payload, out: &mut Vec<u8>) -> Shown {
    let fields = match fields(payload) {
        Ok(fields) => fields,
        Err(shown) => return shown,
    };
    let mut head = format!("[{}] ", payload.octets.len());
    line(payload, Some("00000000"), &mut head);
    // There is a space before the end of this line.
    head.push_str(" \n");
    out.extend(head.into_bytes());
    let Some(fields) = fields else {
        let text = match payload.kind.names() {
            Some(_) => format!("<NOT READ {}: {} octets>\n\n", payload.kind, payload.octets.len()),
            None => format!("<UNKNOWN NMSG {}>\n\n", payload.kind),
        };
        out.extend(text.into_bytes());
        return Shown::NotRead;
    };
    for (field, value) in fields {
        out.extend(field.name.bytes());
        out.extend(b": ".iter().take(if matches!(value, Value::Lines(_)) { 1 } else { 2 }));
        match value {
            Value::Unsigned(number) => out.extend(number.to_string().into_bytes()),
            Value::Signed(number) => out.extend(number.to_string().into_bytes()),
            Value::Ip(address) => out.extend(address_text(address).into_bytes()),
            Value::Text(octets) => out.extend(before_nul(octets)),
            Value::Lines(octets) => {
                out.push(b'\n');
                out.extend(before_nul(octets));
                out.push(b'.');
            }
            Value::Octets(octets) => out.extend(format!("<BYTE ARRAY LEN={}>", octets.len()).into_bytes()),
            Value::Named(name) => out.extend(name.bytes()),
            Value::Unnamed(number) => out.extend(format!("<UNKNOWN ENUM {number}>").into_bytes()),
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    Shown::Whole
}

/// Appends a payload as a line of JSON, as the reference tool has it. A message of a type that is not read has its octets
/// in base64 as `payload` where others have `message`.
pub fn json(payload: &Payload, out: &mut Vec<u8>) -> Shown {
    let fields = match fields(payload) {
        Ok(fields) => fields,
        Err(shown) => return shown,
    };
    let mut text = String::from("{\"time\":\"");
    time(payload, &mut text);
    text.push('"');
    // Writing to a string cannot fail.
    let _ = match payload.kind.names() {
        Some((vendor, name)) => write!(text, ",\"vname\":\"{vendor}\",\"mname\":\"{name}\""),
        None => write!(text, ",\"vid\":{},\"msgtype\":{}", payload.kind.vendor, payload.kind.number),
    };
    if let Some(source) = payload.source {
        let _ = write!(text, ",\"source\":\"{source:08x}\"");
    }
    for (name, number) in [("operator", payload.operator), ("group", payload.group)] {
        if let Some(number) = number {
            let _ = write!(text, ",\"{name}\":{number}");
        }
    }
    let shown = match fields {
        Some(fields) => {
            text.push_str(",\"message\":{");
            members(&fields, &mut text);
            text.push_str("}}\n");
            Shown::Whole
        }
        None => {
            text.push_str(",\"payload\":\"");
            base64(&payload.octets, &mut text);
            text.push_str("\"}\n");
            Shown::NotRead
        }
    };
    out.extend(text.into_bytes());
    shown
}

/// Appends the 5-tuple of a payload as the tutorial of the reference tool's Python library prints it, in two lines:
///
/// ```text
/// [2015-02-22 06:58:30.032007000] [1:12 base packet] [] [] []
/// 172.16.82.195.80 --> 10.0.1.51.59451 (6)
/// ```
///
/// # Errors
///
/// The payload has none: nothing was written.
pub fn five_tuple(payload: &Payload, out: &mut Vec<u8>) -> Result<(), NoTuple> {
    let conn = tuple::five_tuple(payload)?;
    let mut text = String::new();
    line(payload, None, &mut text);
    text.push('\n');
    let mut end = |address: Option<IpAddr>, port: Option<u32>, after: &str| {
        text.push_str(&address.map_or_else(|| "?".to_owned(), address_text));
        if let Some(port) = port {
            let _ = write!(text, ".{port}");
        }
        text.push_str(after);
    };
    end(conn.srcip, conn.srcport, " --> ");
    end(conn.dstip, conn.dstport, " ");
    let _ = match conn.proto {
        Some(proto) => writeln!(text, "({proto})"),
        None => writeln!(text, "(?)"),
    };
    out.extend(text.into_bytes());
    Ok(())
}

type Fields<'a> = Vec<(&'static Field, Value<'a>)>;

/// A message's fields; none if its type is not read.
fn fields(payload: &Payload) -> Result<Option<Fields<'_>>, Shown> {
    let Some(fields) = schema::fields(payload.kind) else { return Ok(None) };
    match schema::read(fields, &payload.octets) {
        None => Err(Shown::Damaged),
        Some(fields) if fields.is_empty() => Err(Shown::Empty),
        Some(fields) => Ok(Some(fields)),
    }
}

/// Time, type and where from, in brackets.
fn line(payload: &Payload, no_source: Option<&str>, out: &mut String) {
    out.push('[');
    time(payload, out);
    let (vendor, name) = payload.kind.names().unwrap_or(("(unknown)", "(unknown)"));
    let _ = write!(out, "] [{}:{} {vendor} {name}]", payload.kind.vendor, payload.kind.number);
    let _ = match payload.source {
        Some(source) => write!(out, " [{source:08x}]"),
        None => write!(out, " [{}]", no_source.unwrap_or_default()),
    };
    for number in [payload.operator, payload.group] {
        let _ = match number {
            Some(number) => write!(out, " [{number}]"),
            None => write!(out, " []"),
        };
    }
}

/// Like `2015-02-22 20:54:07.143420934`, in UTC.
fn time(payload: &Payload, out: &mut String) {
    let (days, second) = (payload.seconds.div_euclid(86_400), payload.seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:09}", payload.nanos);
}

/// As `inet_ntop` has it: IPv4-compatible addresses like `::192.0.2.1` too end in the dotted form.
fn address_text(address: IpAddr) -> String {
    if let IpAddr::V6(six) = address
        && let [0, 0, 0, 0, 0, 0, high, low] = six.segments()
        && high != 0
    {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return format!("::{}", Ipv4Addr::new(a, b, c, d));
    }
    address.to_string()
}

fn before_nul(octets: &[u8]) -> &[u8] {
    octets.split(|&octet| octet == 0).next().unwrap_or_default()
}

fn members(fields: &Fields<'_>, out: &mut String) {
    for (index, group) in fields.chunk_by(|(one, _), (other, _)| one.number == other.number).enumerate() {
        let Some((field, _)) = group.first() else { continue };
        let _ = write!(out, "{}\"{}\":", if index > 0 { "," } else { "" }, field.name);
        if field.repeated {
            out.push('[');
        }
        for (index, (_, value)) in group.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json_value(*value, out);
        }
        if field.repeated {
            out.push(']');
        }
    }
}

fn json_value(value: Value<'_>, out: &mut String) {
    let _ = match value {
        Value::Unsigned(number) | Value::Unnamed(number) => write!(out, "{number}"),
        Value::Signed(number) => write!(out, "{number}"),
        Value::Ip(address) => write!(out, "\"{}\"", address_text(address)),
        Value::Named(name) => write!(out, "\"{name}\""),
        Value::Text(octets) | Value::Lines(octets) => {
            let octets = octets.strip_suffix(&[0]).unwrap_or(octets);
            out.push_str(&serde_json::Value::from(String::from_utf8_lossy(octets)).to_string());
            Ok(())
        }
        Value::Octets(octets) => {
            out.push('"');
            base64(octets, out);
            out.push('"');
            Ok(())
        }
    };
}

/// Base64 with padding (RFC 4648, 4).
fn base64(octets: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.reserve(octets.len().div_ceil(3) * 4);
    for three in octets.chunks(3) {
        let word = three.iter().chain([&0, &0]).take(3).fold(0_usize, |word, &octet| word << 8 | usize::from(octet));
        for digit in 0..4 {
            let known = DIGITS.get(word >> (18 - 6 * digit) & 63).copied().unwrap_or(b'=');
            out.push(char::from(if digit <= three.len() { known } else { b'=' }));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::{IPCONN, IpConn, Type},
        *,
    };

    fn payload(number: u32, octets: &[u8]) -> Payload {
        Payload { kind: Type { vendor: 1, number }, octets: octets.to_vec(), ..Payload::default() }
    }

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_tuple_has_nine_digits_of_its_time() {
        let conn = IpConn {
            proto: Some(6),
            srcip: Some([172, 16, 82, 195].into()),
            srcport: Some(80),
            dstip: Some([10, 0, 1, 51].into()),
            dstport: Some(59451),
        };
        let mut payload = conn.to_payload(1_424_588_310, 32_007_000);
        let shown = text(|out| five_tuple(&payload, out).unwrap());
        assert_eq!(
            shown,
            "[2015-02-22 06:58:30.032007000] [1:5 base ipconn] [] [] []\n172.16.82.195.80 --> 10.0.1.51.59451 (6)\n"
        );
        (payload.source, payload.operator, payload.group) = (Some(0xa), Some(1), Some(2));
        assert!(text(|out| five_tuple(&payload, out).unwrap()).contains(" [0000000a] [1] [2]\n"));
    }

    #[test]
    fn texts_of_strangers_are_strings_of_json() {
        let logline = payload(6, b"\x0a\x03a\"\0\x12\x04\xff\x1b\n\0");
        assert!(
            text(|out| assert_eq!(json(&logline, out), Shown::Whole))
                .contains("\"message\":{\"category\":\"a\\\"\",\"message\":\"\u{fffd}\\u001b\\n\"}")
        );
    }

    #[test]
    fn repeated_fields_are_an_array_and_in_the_types_order() {
        let email = payload(2, b"\x3a\x02b\0\x3a\x02c\0\x40\x01\x1a\x04\x01\x02\x03\x04\x40\x09");
        let shown = text(|out| assert_eq!(json(&email, out), Shown::Whole));
        assert!(shown.contains("{\"type\":9,\"srcip\":\"1.2.3.4\",\"rcpt\":[\"b\",\"c\"]}"), "{shown}");
        let shown = text(|out| assert_eq!(presentation(&email, out), Shown::Whole));
        assert!(shown.ends_with("type: <UNKNOWN ENUM 9>\nsrcip: 1.2.3.4\nrcpt: b\nrcpt: c\n\n"), "{shown}");
    }

    #[test]
    fn what_is_not_read_is_named_and_handed_on() {
        let dnsqr = payload(9, b"abcd");
        let shown = text(|out| assert_eq!(json(&dnsqr, out), Shown::NotRead));
        assert!(shown.ends_with("\"vname\":\"base\",\"mname\":\"dnsqr\",\"payload\":\"YWJjZA==\"}\n"), "{shown}");
        let shown = text(|out| assert_eq!(presentation(&dnsqr, out), Shown::NotRead));
        assert!(shown.ends_with("[1:9 base dnsqr] [00000000] [] [] \n<NOT READ base:dnsqr: 4 octets>\n\n"), "{shown}");
        let other = Payload { kind: Type { vendor: 2, number: 5 }, ..Payload::default() };
        assert!(text(|out| assert_eq!(json(&other, out), Shown::NotRead)).contains(",\"vid\":2,\"msgtype\":5,"));
    }

    #[test]
    fn damaged_and_empty_messages_are_told_apart_and_not_shown() {
        for (number, octets, as_what) in [
            (5, &b""[..], Shown::Empty),
            (5, b"\x08", Shown::Damaged),
            (5, b"\x12\x03abc", Shown::Damaged),
            (5, b"\x12\x7fabc", Shown::Damaged),
            (12, b"\x08\x01", Shown::Damaged),
            (4, b"", Shown::Damaged),
        ] {
            assert_eq!(text(|out| assert_eq!(json(&payload(number, octets), out), as_what)), "");
            assert_eq!(text(|out| assert_eq!(presentation(&payload(number, octets), out), as_what)), "");
        }
    }

    #[test]
    fn addresses_are_written_as_inet_ntop_does() {
        for (octets, written) in [
            ([0; 16], "::"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1], "::192.0.2.1"),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1], "::ffff:192.0.2.1"),
            ([0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1], "2001:db8:0:1::1"),
        ] {
            assert_eq!(address_text(octets.into()), written);
        }
    }

    #[test]
    fn times_far_away_are_written() {
        let far = |seconds| Payload { kind: IPCONN, seconds, octets: vec![8, 6], ..Payload::default() };
        assert!(
            text(|out| assert_eq!(json(&far(i64::MAX), out), Shown::Whole)).contains("{\"time\":\"292277026596-12-04 ")
        );
        assert!(text(|out| assert_eq!(json(&far(i64::MIN), out), Shown::Whole)).contains("{\"time\":\"-"));
        assert!(text(|out| assert_eq!(json(&far(-1), out), Shown::Whole)).contains("1969-12-31 23:59:59.000000000"));
    }
}
