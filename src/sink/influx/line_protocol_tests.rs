//! A second reader of line protocol, written as InfluxDB 1.x describes it and sharing nothing with the writer,
//! must read back what was written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, PartialEq)]
struct Read {
    measurement: String,
    tags: BTreeMap<String, String>,
    fields: BTreeMap<String, Value>,
    time: i64,
}

/// Cuts at each `at` that no backslash precedes and, where `quotes` count, that stands outside of quotes.
fn cut(text: &str, at: char, quotes: bool) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in text.chars() {
        if c == at && !escaped && !quoted {
            parts.push(String::new());
            continue;
        }
        quoted ^= quotes && c == '"' && !escaped;
        // Within quotes a backslash may itself be escaped; elsewhere it only ever escapes.
        escaped = c == '\\' && !(escaped && quoted);
        parts.last_mut().unwrap().push(c);
    }
    parts
}

fn read(line: &str) -> Read {
    // Quotes mean something in the fields alone.
    let key = cut(line, ' ', false).swap_remove(0);
    let [fields, time] = cut(&line[key.len() + 1..], ' ', true).try_into().expect("fields and a time");
    let mut key = cut(&key, ',', false).into_iter();
    let unescape = |text: &str| text.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ");
    Read {
        measurement: key.next().unwrap(),
        tags: key
            .map(|tag| {
                let [name, value] = cut(&tag, '=', false).try_into().expect("a name and a value");
                assert!(!value.is_empty(), "{line}");
                (name, unescape(&value))
            })
            .collect(),
        fields: cut(&fields, ',', true)
            .iter()
            .map(|field| {
                let (name, value) = field.split_once('=').expect("a name and a value");
                let value = if let Some(text) = value.strip_prefix('"') {
                    let text = text.strip_suffix('"').expect("a closing quote");
                    Value::Text(text.replace("\\\"", "\"").replace("\\\\", "\\"))
                } else if let Some(number) = value.strip_suffix('i') {
                    Value::Integer(number.parse().unwrap())
                } else {
                    Value::Float(value.parse().unwrap())
                };
                (name.to_owned(), value)
            })
            .collect(),
        time: time.parse().unwrap(),
    }
}

fn line(point: &Point) -> String {
    let mut text = String::new();
    point.write(&mut text);
    text
}

#[test]
fn one_line_as_documented() {
    let point = Point {
        measurement: "wifi_station",
        tags: vec![("site", "a b,c=d".into()), ("station", r"x\".into()), ("empty", String::new())],
        fields: vec![
            ("frames", Value::Count(u64::MAX)),
            ("signal", Value::Integer(-42)),
            ("mean", Value::Float(-42.5)),
            ("none", Value::Float(f64::NAN)),
            ("ssid", Value::Text("say \"hi\"\\\n".into())),
        ],
        time: UnixNanos(-1),
    };
    assert_eq!(
        line(&point),
        "wifi_station,site=a\\ b\\,c\\=d,station=x\\x5c \
         frames=9223372036854775807i,signal=-42i,mean=-42.5,ssid=\"say \\\"hi\\\"\\\\\\\\x0a\" -1\n"
    );
}

#[test]
fn a_point_without_a_field_is_no_line() {
    let fields = vec![("mean", Value::Float(f64::INFINITY))];
    assert_eq!(line(&Point { measurement: "m", tags: vec![], fields, time: UnixNanos(0) }), "");
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(
        site in any::<String>(), sensor in "[ ,=\"\\\\\n\r\tax5c]{0,12}", text in any::<String>(),
        tricky in "[ ,=\"\\\\\n\rx0a]{0,12}", count: u64, number: i64,
        float in any::<f64>().prop_filter("finite", |f| f.is_finite()), time: i64,
    ) {
        let point = Point {
            measurement: "m",
            tags: vec![("site", site.clone()), ("sensor", sensor.clone())],
            fields: vec![
                ("count", Value::Count(count)), ("number", Value::Integer(number)), ("float", Value::Float(float)),
                ("text", Value::Text(text.clone())), ("tricky", Value::Text(tricky.clone())),
            ],
            time: UnixNanos(time),
        };
        let line = line(&point);
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert!(line.ends_with('\n'));
        let read = read(line.trim_end_matches('\n'));
        for (name, value) in [("site", &site), ("sensor", &sensor)] {
            prop_assert_eq!(&read.tags.get(name).map(|text| from_tag_text(text)).unwrap_or_default(), value);
        }
        prop_assert_eq!(&read.fields["count"], &Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
        prop_assert_eq!(&read.fields["number"], &Value::Integer(number));
        prop_assert_eq!(&read.fields["float"], &Value::Float(float));
        prop_assert_eq!(&read.fields["text"], &Value::Text(field_text(&text)));
        prop_assert_eq!(&read.fields["tricky"], &Value::Text(field_text(&tricky)));
        prop_assert_eq!(read.time, time);
    }

    #[test]
    fn no_two_texts_become_one_tag(a in "[\\\\x5c\n,]{0,6}", b in "[\\\\x5c\n,]{0,6}") {
        prop_assert_eq!(a == b, tag_text(&a) == tag_text(&b));
        prop_assert_eq!(from_tag_text(&tag_text(&a)), a);
    }

    #[test]
    fn any_text_can_be_spelt_back(text in "[\\\\xé0-9a-f]{0,12}") {
        let _ = from_tag_text(&text);
    }
}
