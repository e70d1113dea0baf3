//! What the fields of message types are, and a message's fields by it: for those types whose messages are shown.

use super::names::{BASE, Type};
use core::net::IpAddr;
use prost::{
    bytes::Buf as _,
    encoding::{self, DecodeContext, WireType},
};

/// What a field's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned,
    Signed,
    Ip,
    /// Text in one line. The reference tool writes it with a NUL at its end.
    Text,
    /// Text in lines.
    Lines,
    Octets,
    /// One of these names, by number.
    Named(&'static [(u64, &'static str)]),
}

/// A field of a message type, as libnmsg's `.proto` files and modules have it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) repeated: bool,
    required: bool,
}

const fn optional(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false, required: false }
}

const fn required(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false, required: true }
}

const fn repeated(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: true, required: false }
}

static IPCONN: [Field; 5] = [
    optional(1, "proto", Kind::Unsigned),
    optional(2, "srcip", Kind::Ip),
    optional(3, "srcport", Kind::Unsigned),
    optional(4, "dstip", Kind::Ip),
    optional(5, "dstport", Kind::Unsigned),
];
static LOGLINE: [Field; 2] = [optional(1, "category", Kind::Text), optional(2, "message", Kind::Text)];
static PACKET: [Field; 2] =
    [required(1, "payload_type", Kind::Named(&[(1, "IP")])), required(2, "payload", Kind::Octets)];
static XML: [Field; 2] = [required(1, "xmltype", Kind::Text), required(2, "xmlpayload", Kind::Octets)];
static ENCODE: [Field; 2] = [
    required(1, "type", Kind::Named(&[(0, "TEXT"), (1, "JSON"), (2, "YAML"), (3, "MSGPACK"), (4, "XML")])),
    required(2, "payload", Kind::Octets),
];
static LINKPAIR: [Field; 4] = [
    required(1, "type", Kind::Named(&[(0, "anchor"), (1, "redirect")])),
    required(2, "src", Kind::Text),
    required(3, "dst", Kind::Text),
    optional(5, "headers", Kind::Lines),
];
static EMAIL: [Field; 9] = [
    optional(
        8,
        "type",
        Kind::Named(&[(0, "unknown"), (1, "spamtrap"), (2, "rej_network"), (3, "rej_content"), (4, "rej_user")]),
    ),
    optional(2, "headers", Kind::Lines),
    optional(3, "srcip", Kind::Ip),
    optional(4, "srchost", Kind::Text),
    optional(5, "helo", Kind::Text),
    optional(6, "from", Kind::Text),
    repeated(7, "rcpt", Kind::Text),
    repeated(9, "bodyurl", Kind::Text),
    optional(10, "body", Kind::Lines),
];
static HTTP: [Field; 18] = [
    required(1, "type", Kind::Named(&[(0, "unknown"), (1, "sinkhole")])),
    optional(2, "srcip", Kind::Ip),
    optional(3, "srchost", Kind::Text),
    optional(4, "srcport", Kind::Unsigned),
    optional(5, "dstip", Kind::Ip),
    optional(6, "dstport", Kind::Unsigned),
    optional(7, "request", Kind::Lines),
    optional(65, "p0f_genre", Kind::Text),
    optional(66, "p0f_detail", Kind::Text),
    optional(67, "p0f_dist", Kind::Signed),
    optional(68, "p0f_link", Kind::Text),
    optional(69, "p0f_tos", Kind::Text),
    optional(70, "p0f_fw", Kind::Unsigned),
    optional(71, "p0f_nat", Kind::Unsigned),
    optional(72, "p0f_real", Kind::Unsigned),
    optional(73, "p0f_score", Kind::Signed),
    optional(74, "p0f_mflags", Kind::Unsigned),
    optional(75, "p0f_uptime", Kind::Signed),
];

/// The fields of a type, in the order in which they are shown; nothing for types whose messages are not read.
pub(super) fn fields(kind: Type) -> Option<&'static [Field]> {
    Some(match (kind.vendor, kind.number) {
        (BASE, 2) => &EMAIL,
        (BASE, 3) => &LINKPAIR,
        (BASE, 4) => &HTTP,
        (BASE, 5) => &IPCONN,
        (BASE, 6) => &LOGLINE,
        (BASE, 10) => &XML,
        (BASE, 11) => &ENCODE,
        (BASE, 12) => &PACKET,
        _ => return None,
    })
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Unsigned(u64),
    Signed(i64),
    Ip(IpAddr),
    Text(&'a [u8]),
    Lines(&'a [u8]),
    Octets(&'a [u8]),
    Named(&'static str),
    /// A number that no name is known for.
    Unnamed(u64),
}

/// Values of a message, at most: a value may take two octets, and a container of 64 KiB may say that there are millions.
const MOST_VALUES: usize = 4_096;

/// The fields that a message has, in the type's order; nothing if it is damaged, has more of them than anybody needs, or lacks
/// what the type requires.
pub(super) fn read<'a>(fields: &'static [Field], octets: &'a [u8]) -> Option<Vec<(&'static Field, Value<'a>)>> {
    let mut found: Vec<(usize, Value<'a>)> = Vec::new();
    // Where the latest value of each field is.
    let mut latest: Vec<Option<usize>> = vec![None; fields.len()];
    let mut rest = octets;
    while rest.has_remaining() {
        let (number, wire) = encoding::decode_key(&mut rest).ok()?;
        let Some((place, field)) = fields.iter().enumerate().find(|(_, field)| field.number == number) else {
            encoding::skip_field(wire, number, &mut rest, DecodeContext::default()).ok()?;
            continue;
        };
        let value = value(field.kind, wire, &mut rest)?;
        let latest = latest.get_mut(place)?;
        // Of a field that is not repeated, the last one counts.
        if let Some(other) = latest.filter(|_| !field.repeated).and_then(|at| found.get_mut(at)) {
            other.1 = value;
            continue;
        }
        if found.len() == MOST_VALUES {
            return None;
        }
        *latest = Some(found.len());
        found.push((place, value));
    }
    if fields.iter().zip(&latest).any(|(field, latest)| field.required && latest.is_none()) {
        return None;
    }
    found.sort_by_key(|&(place, _)| place);
    found.into_iter().map(|(place, value)| Some((fields.get(place)?, value))).collect()
}

fn value<'a>(kind: Kind, wire: WireType, rest: &mut &'a [u8]) -> Option<Value<'a>> {
    match (kind, wire) {
        (Kind::Unsigned | Kind::Signed | Kind::Named(_), WireType::Varint) => {
            let number = encoding::decode_varint(rest).ok()?;
            Some(match kind {
                Kind::Signed => Value::Signed(number.cast_signed()),
                Kind::Named(names) => match names.iter().find(|&&(known, _)| known == number) {
                    Some(&(_, name)) => Value::Named(name),
                    None => Value::Unnamed(number),
                },
                // Fields of 32 bits: what is longer is cut, as protobuf says.
                _ => Value::Unsigned(number & u64::from(u32::MAX)),
            })
        }
        (Kind::Ip | Kind::Text | Kind::Lines | Kind::Octets, WireType::LengthDelimited) => {
            let len = usize::try_from(encoding::decode_varint(rest).ok()?).ok()?;
            let (octets, after) = rest.split_at_checked(len)?;
            *rest = after;
            Some(match kind {
                Kind::Text => Value::Text(octets),
                Kind::Lines => Value::Lines(octets),
                Kind::Ip => match octets.len() {
                    4 => Value::Ip(<[u8; 4]>::try_from(octets).ok()?.into()),
                    16 => Value::Ip(<[u8; 16]>::try_from(octets).ok()?.into()),
                    _ => return None,
                },
                _ => Value::Octets(octets),
            })
        }
        _ => None,
    }
}
