//! Real messages validate against `docs/schema/`, what is wrong does not, and the documents that describe the messages
//! agree with the code. What travels through a broker is validated in `tests/mqtt/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/records.rs"]
mod records;

use airtally::{
    Mac,
    mqtt::{Leaf, Topics},
    sketch::{SiteSecret, Sketch},
    wire::{Address, Record},
};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf, sync::LazyLock};

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")
}

fn read(path: &str) -> String {
    fs::read_to_string(docs().join(path)).unwrap()
}

/// What `airtally inspect` prints: a document, and no message.
const DOCUMENT: &str = "inspect";

/// Every message's schema by its name, like `batch`.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let files = fs::read_dir(docs().join("schema")).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".schema.json").unwrap().to_owned();
            let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            assert!(jsonschema::meta::is_valid(&schema), "{name} is no JSON Schema");
            (name, jsonschema::validator_for(&schema).unwrap())
        })
        .filter(|(name, _)| name != DOCUMENT)
        .collect()
});

fn errors(schema: &str, message: &Value) -> Vec<String> {
    SCHEMAS[schema].iter_errors(message).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schema that a message names; a request names none.
fn schema_of(message: &Value) -> &str {
    match message["schema"].as_str() {
        None => "replay-request",
        Some("airtally.replay/1") => "replay-answer",
        Some(schema) => schema.strip_prefix("airtally.").unwrap().strip_suffix("/1").unwrap(),
    }
}

/// The record as it travels, from a sensor with names that a configuration may have.
fn encoded(mut record: Record) -> Value {
    match &mut record {
        Record::Batch(batch) => {
            batch.identity.site = "home".into();
            batch.identity.sensor = "Dachgeschoß-1".into();
        }
        Record::Flows(flows) => {
            flows.identity.site = "home".into();
            flows.identity.sensor = "attic".into();
        }
        Record::Alerts(alerts) => {
            alerts.identity.site = "home".into();
            alerts.identity.sensor = "attic".into();
        }
        Record::Gap(gap) => {
            gap.site = "home".into();
            gap.sensor = "attic".into();
        }
    }
    let bytes = record.encode();
    assert_eq!(Record::decode(&bytes).unwrap(), record);
    serde_json::from_slice(&bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Windows in parts, in every privacy mode, with names that try every kind of escaping; and gaps.
    #[test]
    fn every_record_validates(records in records::records(20)) {
        for record in records {
            let message = encoded(record);
            let errors = errors(schema_of(&message), &message);
            prop_assert!(errors.is_empty(), "{errors:#?}\n{message}");
        }
    }
}

/// A batch of part 0 with a station, from the documentation.
fn sample() -> Value {
    examples().into_iter().find(|example| example["schema"] == "airtally.batch/1").unwrap()
}

/// The JSON blocks of `docs/mqtt.md`.
fn examples() -> Vec<Value> {
    let page = read("mqtt.md");
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}:\n{block}"))).collect()
}

#[test]
fn the_documents_show_a_valid_message_of_every_kind() {
    let mut shown: Vec<&str> = Vec::new();
    let examples = examples();
    for example in &examples {
        let schema = schema_of(example);
        assert_eq!(errors(schema, example), [""; 0], "{example:#}");
        shown.push(schema);
    }
    for name in SCHEMAS.keys() {
        assert!(shown.contains(&name.as_str()), "docs/mqtt.md shows no {name}");
    }
}

#[test]
fn what_a_newer_version_adds_is_no_error() {
    let mut message = sample();
    message["weather"] = json!("fine");
    message["stations"][0]["mood"] = json!({"calm": true});
    message["capture"]["echoes"] = json!(1);
    assert_eq!(errors("batch", &message), [""; 0]);
    assert!(Record::decode(message.to_string().as_bytes()).is_ok());
}

#[test]
fn what_is_wrong_is_refused() {
    let wrong: [(&str, Value); 17] = [
        ("/schema", json!("airtally.batch/2")),
        ("/site", json!("")),
        ("/sensor", json!("a/b")),
        ("/run", json!("c2d5d565")),
        ("/seq", json!(-1)),
        ("/parts", json!(0)),
        ("/start", json!("2026-11-21T03:00:03Z")),
        ("/end", json!(1_795_230_010)),
        ("/clock", json!("gps")),
        ("/part", json!(1)), // and then no 'capture'
        ("/capture/frames", json!(1.5)),
        ("/capture/bad_fcs", Value::Null),
        ("/subtypes", json!({"beacon": 1})),
        ("/stations/0/mac", json!("AA:BB:CC:DD:EE:FF")),
        ("/stations/0/role", json!("router")),
        ("/stations/0/signal_dbm", json!({"min": -200, "mean": -60, "max": -50, "frames": 1})),
        ("/channels/0/freq_mhz", json!("2412")),
    ];
    assert_eq!(errors("batch", &sample()), [""; 0]);
    for (pointer, value) in wrong {
        let mut message = sample();
        *message.pointer_mut(pointer).unwrap_or_else(|| panic!("the sample has no {pointer}")) = value;
        assert_ne!(errors("batch", &message), [""; 0], "{pointer}");
    }
    let missing = ["schema", "site", "sensor", "run", "seq", "part", "parts", "start", "end", "clock", "capture"];
    for key in missing {
        let mut message = sample();
        message.as_object_mut().unwrap().remove(key);
        assert_ne!(errors("batch", &message), [""; 0], "without {key}");
    }
}

#[test]
fn a_pseudonym_is_an_address() {
    let mut message = sample();
    message["stations"][0]["mac"] = json!(Address::Pseudonym(0x0123_4567_89ab_cdef).to_string());
    assert_eq!(errors("batch", &message), [""; 0]);
}

#[test]
fn asyncapi_names_every_topic_and_every_schema() {
    let text = read("asyncapi.yaml");
    for name in SCHEMAS.keys() {
        assert!(text.contains(&format!("schema/{name}.schema.json")), "docs/asyncapi.yaml leaves out {name}");
    }
    let replay = || "replay".to_owned();
    let leaves = [
        Leaf::Batch,
        Leaf::Flow,
        Leaf::Alert,
        Leaf::Event,
        Leaf::Status,
        Leaf::Info,
        Leaf::Stored,
        Leaf::Summary,
        Leaf::Request(replay()),
        Leaf::Response(replay()),
    ];
    for leaf in leaves {
        let topic = Topics::new("{base}").of("{site}", "{sensor}", &leaf);
        assert!(text.contains(&format!("address: '{topic}'")), "docs/asyncapi.yaml leaves out {topic}");
    }
}

/// Sketches that programs in other languages read too (scripts/sketch-test): stations, the estimate, the octets.
#[test]
fn the_sketches_that_others_read_are_as_they_were() {
    let key = SiteSecret::new(20_785, [1; 32]).key();
    let of = |stations: std::ops::Range<u64>| {
        let mut sketch = Sketch::new();
        stations.for_each(|station| sketch.add(&key, Mac::from_u64(station)));
        sketch
    };
    let mut lines =
        String::from("# stations, estimate, octets; written by this test where AIRTALLY_WRITE_DOCUMENTS is set\n");
    let mut line = |stations: u64, sketch: &Sketch| {
        let octets: String = sketch.encode().iter().map(|octet| format!("{octet:02x}")).collect();
        lines += &format!("{stations}\t{}\t{octets}\n", sketch.about().stations);
    };
    for stations in [0, 1, 7, 8, 50, 384, 385, 5_000, 100_000] {
        line(stations, &of(0..stations));
    }
    let mut merged = of(0..70_000);
    merged.merge(&of(30_000..100_000));
    line(100_000, &merged);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sketches.tsv");
    if std::env::var_os("AIRTALLY_WRITE_DOCUMENTS").is_some() {
        fs::write(path, &lines).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == lines, "{path} is not what this version makes");
}
