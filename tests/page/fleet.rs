//! A fleet on the page: who is silent, deaf, behind, old or without a radio, and whether the series of all fit the database.

use crate::{browser::Browser, support::wait_until, world::World};
use airtally::{
    UnixNanos,
    wire::{INFO_SCHEMA, Info, STATUS_SCHEMA, State, Status, StatusMessage, encode},
};
use serde_json::json;
use std::time::Duration;

/// What a sensor is and how it was so many seconds ago.
fn publish(world: &World, name: &str, seconds_ago: i64, status: Status, source: &str, version: &str) {
    let message = StatusMessage {
        schema: STATUS_SCHEMA.into(),
        site: "home".into(),
        sensor: name.into(),
        time: UnixNanos(UnixNanos::now().0 - seconds_ago * 1_000_000_000),
        status,
    };
    world.publish(name, "status", &[encode(&message)]);
    let config = json!({
        "source": {"kind": source}, "privacy": {"mac": "plain"}, "tracking": {"budget": 40_000},
        "label": format!("Shelf of {name}"), "location": "Aisle 7"
    });
    let info = Info { schema: INFO_SCHEMA.into(), version: version.into(), ..Info::new("home", name, config) };
    world.publish(name, "info", &[encode(&info)]);
}

#[test]
fn a_fleet_shows_who_needs_a_look_and_whether_its_series_fit() {
    let world = World::start(|config| {
        let influx = json!({"name": "ix", "api": "v1", "url": "http://127.0.0.1:9", "db": "airtally"});
        config.influx = vec![serde_json::from_value(influx).unwrap()];
    });
    let now = env!("CARGO_PKG_VERSION");
    let of = |state, reason: Option<&str>, waiting| Status {
        state,
        reason: reason.map(str::to_owned),
        waiting: Some(waiting),
        ..Status::online(None)
    };
    publish(&world, "well", 1, of(State::Online, None, 0), "radio", now);
    publish(&world, "late", 1, of(State::Online, None, 500), "radio", "0.0.9");
    publish(&world, "deaf", 1, of(State::Degraded, Some("radio_deaf"), 0), "radio", now);
    publish(&world, "gone", 600, of(State::Online, None, 0), "radio", now);
    publish(&world, "none", 1, of(State::Online, Some("no_radio"), 0), "none", now);
    let mut browser = Browser::start(&world.base);
    let mut rows = Vec::new();
    wait_until("all are on the page", Duration::from_secs(20), || {
        rows = browser.table("/sensors", "sensors");
        rows.len() == 5 && rows.iter().all(|row| row[0].contains("Aisle 7"))
    });
    let row = |name: &str| rows.iter().find(|row| row[0].starts_with(&format!("home/{name}"))).unwrap();
    assert!(row("well")[0].contains("Shelf of well, Aisle 7"), "{rows:?}");
    assert!(row("gone")[1].starts_with("silent") && row("gone")[1].contains("it said online"), "{rows:?}");
    assert!(row("none")[1].contains("it has no radio") && row("none")[2].starts_with("no radio"), "{rows:?}");
    assert!(row("well")[2].starts_with("no window"), "{rows:?}");
    let seen = browser.run("look", json!({"path": "/sensors", "selectors": ["main"]}));
    let text = seen["main"]["text"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "not heard for three minutes, or the connection is lost: home/gone",
        "the card does not listen: home/deaf",
        "windows wait for the broker: home/late",
        "the program is older than ingest's: home/late",
        "without a radio, as configured: home/none",
        "the series budgets of 4 sensors together are 160000, and the database 'ix' is to hold 100000",
    ] {
        assert!(text.contains(said), "no '{said}' in: {text}");
    }
}
