//! Every view, for everybody: light, dark, wide, narrow, with JavaScript and without, whatever strangers call their networks,
//! vendors and sensors; and a fresh install.

use crate::{
    browser::Browser,
    world::{World, deaf, gap, station, vendors_only, window},
};
use airtally::{
    UnixNanos,
    wire::{Alert, AlertClass, Alerts, Batch, Evidence, Identity, Severity, State, TimeSource, encode},
};
use serde_json::json;
use std::{process::Command, time::Duration};
use uuid::Uuid;

const SCRIPT: &str = "<script>window.wasHit=1</script><img src=x onerror=window.wasHit=2>";
const TURNED: &str = "\u{202e}gnp.\u{2066}evil\u{0}\u{7}\u{200b}";

/// Three sensors with names of strangers, the last minutes of them: one of plain addresses, one that is deaf, one that keeps no
/// addresses.
fn hostile(world: &World) {
    let long = "x".repeat(200);
    let now = UnixNanos::now().align_down(Duration::from_secs(10));
    let at = |back: u64| UnixNanos(now.0 - i64::try_from(back).unwrap() * 10_000_000_000);
    let names = [SCRIPT.replace(['/', '+'], "\\"), TURNED.replace(['\u{0}', '\u{7}'], ""), long.clone()];
    for (number, name) in (0_u128..).zip(&names) {
        let run = Uuid::from_u128(100 + number);
        let windows = (0..40_u64).filter(|seq| !(10..14).contains(seq)).map(|seq| {
            let start = at(40 - seq);
            let texts = [SCRIPT, TURNED, &long];
            let stations = (0..9).map(|n| station(n, 5 + n, start, texts[n as usize % 3], texts[(n as usize + 1) % 3]));
            let heard = window(name, run, seq, start, 10, stations.collect());
            match number {
                0 if seq == 39 => Batch { parts: 2, alert_parts: Some(1), ..heard },
                0 => heard,
                1 if seq > 30 => deaf(heard),
                1 => heard,
                _ => vendors_only(heard, SCRIPT),
            }
        });
        if number == 0 {
            world.publish(name, "alert", &[encode(&alerts(name, run, at(1)))]);
        }
        world.publish(name, "event", &[encode(&gap(name, run, (10, 13), at(30), at(26), 9))]);
        world.store(name, &windows.collect::<Vec<_>>());
        let (state, privacy) = [
            ((State::Degraded, Some(SCRIPT)), "pseudonym"),
            ((State::Degraded, Some("radio_deaf")), "plain"),
            ((State::Online, None), "vendor"),
        ][usize::try_from(number).unwrap()];
        world.state(name, state, run, 39, privacy);
    }
}

/// An attack that goes on, one that is over, and kinds, subjects and evidence that a stranger wrote.
fn alerts(sensor: &str, run: Uuid, start: UnixNanos) -> Alerts {
    let identity = Identity { site: "home".into(), sensor: sensor.into(), run, seq: 39 };
    let alert = |kind: &str, subject: &str, back: i64, lasted: Option<i64>| Alert {
        kind: kind.into(),
        class: AlertClass::Air,
        severity: Severity::High,
        subject: subject.into(),
        start: UnixNanos(start.0 - back * 1_000_000_000),
        end: lasted.map(|seconds| UnixNanos(start.0 - (back - seconds) * 1_000_000_000)),
        frames: 1_234,
        evidence: [
            ("reasons".to_owned(), Evidence::Numbers(vec![1, 7])),
            ("to_all".to_owned(), Evidence::Number(1_200)),
            (SCRIPT.to_owned(), Evidence::Text(TURNED.into())),
            ("senders".to_owned(), Evidence::Texts(vec!["x".repeat(80); 3])),
        ]
        .into(),
        listened_ms: Some(41_000),
        not_watched_ms: 9_000,
    };
    let told = vec![
        alert("deauth_flood", "3c:22:fb:00:00:01", 95, None),
        alert("beacon_flood", "air", 300, Some(40)),
        alert("evil_twin", "withheld", 400, Some(4)),
        alert(&SCRIPT[..60], TURNED, 200, Some(100)),
    ];
    let end = start.saturating_add(Duration::from_secs(10));
    let alerts = Alerts::split(&identity, (start, end), TimeSource::System, false, told, 1 << 20).remove(0);
    Alerts { part: 1, parts: 2, ..alerts }
}

const VIEWS: [&str; 11] = [
    "/",
    "/history?last=1h",
    "/history?last=15m&sensor=home/%E2%80%AEx",
    "/stations?last=15m",
    "/stations?last=15m&q=%3Cscript%3E&role=client&sort=vendor",
    "/stations/3c:22:fb:00:00:00?last=15m",
    "/networks?last=15m",
    "/alerts?last=15m",
    "/sensors?last=15m",
    "/lookup?q=%3Cscript%3E",
    "/lookup?q=b8:27:eb:00:00:01",
];

#[test]
fn every_view_is_for_everybody_whatever_strangers_are_called() {
    let world = World::start(|_| ());
    hostile(&world);
    let mut browser = Browser::start(&world.base);
    let shots = std::env::var("AIRTALLY_SHOTS").ok();
    // Each pair of scheme, width and script meets.
    for (scheme, width, script) in [
        ("light", 1280, "on"),
        ("dark", 360, "on"),
        ("dark", 1280, "stripped"),
        ("light", 360, "stripped"),
        ("light", 360, "off"),
    ] {
        let what = json!({"paths": VIEWS, "scheme": scheme, "width": width, "script": script, "shots": shots});
        let found = browser.run("check", what);
        for view in found.as_array().unwrap() {
            let whole = format!("{scheme}, {width} px, script {script}: {view:#}");
            assert_eq!(view["violations"], json!([]), "axe: {whole}");
            assert!(view["wide"].as_i64().unwrap() <= 0, "it can be scrolled sideways: {whole}");
            assert_eq!((&view["hit"], &view["noise"]), (&json!(null), &json!([])), "a stranger's script ran: {whole}");
        }
    }
    // What a mode withholds is said, names are told and cannot turn the text round; without script the zone is UTC.
    let selectors = ["main", "#zone", "bdi", "script:not([src])", "[style]"];
    let seen = browser.run("look", json!({"path": "/sensors?last=15m", "selectors": selectors, "script": "off"}));
    let main = seen["main"]["text"].as_str().unwrap();
    for words in ["'vendor' of", "stations are not kept", "'pseudonym' of", "\\u{202e}gnp.", "<script>", "radio_deaf"] {
        assert!(main.contains(words), "{words}: {main}");
    }
    assert!(!main.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{7}']));
    assert_eq!(seen["#zone"]["text"], "Times are UTC.");
    assert_eq!((&seen["script:not([src])"]["count"], &seen["[style]"]["count"]), (&json!(0), &json!(0)));
    let seen = browser.run("look", json!({"path": "/alerts?last=15m", "selectors": ["main"], "script": "off"}));
    let main = seen["main"]["text"].as_str().unwrap();
    for words in [
        "1 alert is open, 3 others",
        "Stations are thrown out",
        "the air",
        "withheld",
        "goes on",
        "[[alerts.expected]]",
        "subject = \"3c:22:fb:00:00:01\"",
        "\\u{202e}gnp.",
        "<script>",
    ] {
        assert!(main.contains(words), "{words}: {main}");
    }
    assert!(!main.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{7}']));
    assert!(!main.contains("subject = \"withheld"), "nobody can silence what is withheld");
    // CSV has all of it on one line each, and no formula.
    let address = format!("{}/networks?last=15m&format=csv&table=networks", world.base);
    let csv = Command::new("curl").args(["-sf", &address]).output().expect("curl").stdout;
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(
        (csv.lines().count(), csv.lines().next()),
        (4, Some("ssids,bssid,vendor,channel,width_mhz,security,signal_max_dbm,clients,frames_sent,last_seen"))
    );
    assert!(csv.contains("\\u{202e}gnp.") && csv.contains("<script>"), "{csv}");
}

#[test]
fn a_fresh_install_says_what_to_do_next() {
    let world = World::start(|_| ());
    let mut browser = Browser::start(&world.base);
    for path in ["/", "/history", "/stations", "/networks", "/alerts", "/sensors"] {
        let seen = browser.run("look", json!({"path": path, "selectors": ["main"], "script": "off"}));
        let main = seen["main"]["text"].as_str().unwrap();
        assert!(main.contains("airtally setup") || main.contains("No window came"), "{path}: {main}");
    }
    let found =
        browser.run("check", json!({"paths": ["/", "/history?last=2h", "/nothing?x"], "width": 360, "scheme": "dark"}));
    assert_eq!(found[0]["violations"], json!([]), "{found}");
    let seen = browser.run("look", json!({"path": "/history?last=2h", "selectors": ["main"]}));
    assert!(seen["main"]["text"].as_str().unwrap().contains("'last' is one of 15m"), "{seen}");
}
