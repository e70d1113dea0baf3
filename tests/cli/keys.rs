//! Every key of the configuration is in the sample file and on the page, and neither names a key that does not exist.
//! What keys there are is asked of the code itself: of the fields that serde looks for.

use airtally::config::{ConfigKind, Ingest, Sensor};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};
use std::{cell::RefCell, collections::BTreeSet, fs, path::Path};

/// Follows `path` into a type, one field a step, and notes which fields the type at its end has.
struct Probe<'a> {
    path: &'a [&'static str],
    fields: &'a RefCell<Vec<&'static str>>,
}

type Nothing = de::value::Error;

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Nothing;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Nothing> {
        if self.path.is_empty() {
            self.fields.borrow_mut().extend(fields);
            return Err(de::Error::custom("seen"));
        }
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Nothing> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Nothing> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Nothing> {
        visitor.visit_seq(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
        Err(de::Error::custom("a value, without fields"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map enum identifier ignored_any
    }
}

/// A table with one key: the path's next.
impl<'de> de::MapAccess<'de> for Probe<'_> {
    type Error = Nothing;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Nothing> {
        seed.deserialize(StrDeserializer::new(self.path[0])).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Nothing> {
        seed.deserialize(Probe { path: &self.path[1..], fields: self.fields })
    }
}

/// A list with one element.
impl<'de> de::SeqAccess<'de> for Probe<'_> {
    type Error = Nothing;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Nothing> {
        seed.deserialize(Probe { path: self.path, fields: self.fields }).map(Some)
    }
}

/// The keys of `T` with their tables' names before them, as in `mqtt.tls.ca_file`; of tables only their keys.
fn keys_of_code<'de, T: Deserialize<'de>>() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut open: Vec<Vec<&'static str>> = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let fields = RefCell::default();
        let _ = T::deserialize(Probe { path: &path, fields: &fields });
        let fields = fields.into_inner();
        if fields.is_empty() {
            keys.insert(path.join("."));
        }
        open.extend(fields.into_iter().map(|field| [path.as_slice(), &[field]].concat()));
    }
    keys
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The keys of a sample, those that are only shown among them.
fn keys_of_sample(path: &str) -> BTreeSet<String> {
    fn add(keys: &mut BTreeSet<String>, table: &toml::Table, before: &str) {
        for (key, value) in table {
            let path = format!("{before}{key}");
            match value {
                toml::Value::Table(table) => add(keys, table, &format!("{path}.")),
                toml::Value::Array(all) if all.iter().any(toml::Value::is_table) => {
                    all.iter().filter_map(toml::Value::as_table).for_each(|one| add(keys, one, &format!("{path}.")));
                }
                _ => {
                    keys.insert(path);
                }
            }
        }
    }
    let mut keys = BTreeSet::new();
    add(&mut keys, &toml::from_str(&super::config::uncommented(&read(path))).unwrap(), "");
    keys
}

/// The keys that `docs/configuration.md` explains below the heading `## FILE`: first cells of tables that begin with
/// `key`, below headings that name a table. `[mqtt]` and `[log]` of ingest are the sensor's, as the page says.
fn keys_of_page(file: &str) -> BTreeSet<String> {
    let page = read("docs/configuration.md");
    let (mut keys, mut section, mut table, mut in_keys) = (BTreeSet::new(), "", String::new(), false);
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            (section, table) = (heading, String::new());
        } else if line.starts_with("###") {
            let named = line.split('`').nth(1).map(|name| name.trim_matches(['[', ']']));
            table = named.map(|name| format!("{name}.")).unwrap_or_default();
        }
        let shared = section == "sensor.toml" && (table.starts_with("mqtt.") || table == "log.");
        in_keys = line.starts_with('|') && (in_keys || line.starts_with("| key |"));
        if in_keys && (section == file || shared) {
            let cell = line.split('|').nth(1).unwrap_or_default();
            keys.extend(cell.split('`').skip(1).step_by(2).map(|key| format!("{table}{key}")));
        }
    }
    keys
}

fn compare(file: &str, code: &BTreeSet<String>) {
    let places = [
        (format!("config/{file}"), keys_of_sample(&format!("config/{file}"))),
        ("docs/configuration.md".into(), keys_of_page(file)),
    ];
    for (place, keys) in places {
        let lacks: Vec<_> = code.difference(&keys).collect();
        let invents: Vec<_> = keys.difference(code).collect();
        assert!(lacks.is_empty() && invents.is_empty(), "{place} for {file}: lacks {lacks:?}, invents {invents:?}");
    }
}

#[test]
fn every_key_of_the_sensor_is_documented() {
    let keys = keys_of_code::<Sensor>();
    assert!(keys.contains("mqtt.tls.server_name") && keys.contains("devices.address"), "{keys:?}");
    compare("sensor.toml", &keys);
}

#[test]
fn every_key_of_ingest_is_documented() {
    let keys = keys_of_code::<Ingest>();
    assert!(keys.contains("mqtt.tls.server_name") && keys.contains("influx.refill"), "{keys:?}");
    compare("ingest.toml", &keys);
}

/// One key that only one of the daemons has says whose file it is.
#[test]
fn each_key_of_one_daemon_alone_tells_the_kind_of_a_file() {
    let table = |value: String| value.parse::<toml::Table>().unwrap();
    let sensor = table(toml::to_string(&Sensor::default()).unwrap());
    let ingest = table(toml::to_string(&Ingest::default()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.toml");
    for (own, other, kind) in [(&sensor, &ingest, ConfigKind::Sensor), (&ingest, &sensor, ConfigKind::Ingest)] {
        for (key, value) in own.iter().filter(|(key, _)| !other.contains_key(*key)) {
            // With a mistake in it, which is one for both.
            let text = format!("{}\n[misspelt]\n", toml::Table::from_iter([(key.clone(), value.clone())]));
            fs::write(&path, text).unwrap();
            assert_eq!(ConfigKind::of(&path).unwrap(), kind, "{key}");
        }
    }
}
