//! What happens, at once: windows as they come, whether they are stored, an ingest that goes away and comes back; the zone,
//! the form, the line through a chart.

use crate::{
    browser::Browser,
    support::{pipeline, wait_until},
    world::{World, station, window},
};
use airtally::{
    UnixNanos,
    wire::{Batch, State, encode},
};
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

const RUN: Uuid = Uuid::from_u128(7);

/// The window `seq` of a sensor that is ten seconds long, and began so long ago.
fn recent(seq: u64, seconds_ago: i64, frames: u64) -> Batch {
    let start = UnixNanos(UnixNanos::now().0 - seconds_ago * 1_000_000_000).align_down(Duration::from_secs(10));
    window("attic", RUN, seq, start, 10, vec![station(0, frames, start, "Vendor", "net")])
}

#[test]
fn windows_show_at_once_and_the_page_says_whether_it_is_live() {
    // What comes after the first window waits in memory for a while, as in use.
    let mut world = World::start(|config| config.spool.commit_within = Duration::from_secs(8));
    world.state("attic", (State::Online, None), RUN, 0, "plain");
    world.store("attic", &[recent(0, 40, 1_234)]);
    let mut browser = Browser::start(&world.base);
    browser.run("hold", json!({"path": "/"}));
    browser.until("#live", "^live$");
    browser.until("#windows td", "^1,239$");
    browser.until("#zone", "Europe/Berlin");

    world.publish("attic", "batch", &[encode(&recent(1, 30, 4_321))]);
    browser.until("#windows td", "^4,326$");
    browser.until("#windows tbody tr:first-child td:last-child", "received, not stored yet|in the spool");
    // It is in the figures too, before it is in the history: 1,239 and 4,326 frames of 18 s listened.
    browser.until(".facts dd", "^309\\s+5,565 frames in 18 s listened");
    browser.until("#windows tbody tr:first-child td:last-child", "^stored$");
    browser.until(".facts dd", "^309\\s+5,565 frames in 18 s listened");
    world.state("attic", (State::Degraded, Some("radio_deaf")), RUN, 1, "plain");
    browser.until(".headline", "attic: it hears nothing");

    // Ingest goes, and comes back.
    assert!(world.ingest.stop().success());
    browser.until("#live", "^reconnecting since \\d\\d:\\d\\d:\\d\\d$");
    world.ingest = pipeline::start_ingest(world.dir.path(), &world.config);
    world.await_page();
    browser.until("#live", "^live$");
    world.publish("attic", "batch", &[encode(&recent(2, 20, 100))]);
    browser.until("#windows td", "^105$");

    // The zone is the reader's choice, and kept; a form is read in it, and the address has UTC.
    let told = |browser: &mut Browser| browser.run("value", json!({"selector": "#windows tbody time"}));
    let local = told(&mut browser);
    browser.run("click", json!({"selector": "#zone button"}));
    browser.until("#zone", "Times are UTC");
    assert_ne!(told(&mut browser), local, "Berlin is not UTC");
    browser.run("click", json!({"selector": "nav a[href='/history']"}));
    browser.until("#zone", "Times are UTC");
    let from = browser.run("value", json!({"selector": "input[name=from]"}));
    browser.run("click", json!({"selector": "#zone button"}));
    assert_ne!(browser.run("value", json!({"selector": "input[name=from]"})), from);
    browser.run("click", json!({"selector": "form[data-times] button"}));
    browser.until("h1", "History");
    let sent = format!("from={}", from.as_str().unwrap().replace(':', "%3A"));
    wait_until("the address has UTC", Duration::from_secs(10), || {
        browser.run("address", json!({})).as_str().is_some_and(|address| address.contains(&sent))
    });
    // The minute that has begun is in it. The arrow keys read the chart.
    browser.until(".facts dd", "^5,670\\s+210 a second listened");
    browser.until("figure .reading", "");
    let read = browser.run("press", json!({"selector": "figure.chart", "key": "End"}));
    assert!(read.as_str().is_some_and(|read| read.contains("Listened: ")), "{read}");
}
