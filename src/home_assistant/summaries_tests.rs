//! What is told of sensors whose windows, statuses and infos are made by hand.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::wire::{
    Address, BATCH_SCHEMA, Capture, Channel, Identity, Role, STATUS_SCHEMA, Station, Status, TimeSource, Vendor,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

const PHONE: Mac = Mac([0x02, 0, 0x5e, 0, 0x53, 1]);
const STATUS: &str = "airtally/home/attic/status";
const SUMMARY: &str = "airtally/home/attic/summary";
const CONFIG: &str = "homeassistant/device/airtally__home__attic/config";
const TRACKER: &str = "homeassistant/device/airtally__home__attic__phone/config";

fn at(seconds: i64) -> UnixNanos {
    UnixNanos::new(1_800_000_000 + seconds, 0)
}

fn summaries(kept: &[&str]) -> Summaries {
    let kept = kept.iter().map(|topic| (*topic).to_owned());
    Summaries::new("airtally", "ingest-1", "homeassistant", Duration::from_secs(600), kept, at(0))
}

fn station(mac: Mac, role: Role, last_seen: UnixNanos) -> Station {
    Station {
        mac: Address::Mac(mac),
        vendor: None,
        randomised: mac.is_randomised(),
        tracked: false,
        role,
        frames_sent: 10,
        bytes_sent: 1_000,
        frames_received: 0,
        management: 10,
        control: 0,
        data: 0,
        retries: 0,
        signal_dbm: None,
        freqs_mhz: Vec::new(),
        bssid: None,
        ssids: Vec::new(),
        ssids_left_out: None,
        security: None,
        channel: None,
        width_mhz: None,
        first_seen: last_seen,
        last_seen,
    }
}

/// The ten seconds before `end`, eight of them listened to.
fn window(seq: u64, end: UnixNanos, stations: Vec<Station>) -> Batch {
    Batch {
        schema: BATCH_SCHEMA.into(),
        identity: Identity { site: "home".into(), sensor: "attic".into(), run: Uuid::from_u128(7), seq },
        part: 0,
        parts: 1,
        flow_parts: None,
        alert_parts: None,
        people: Vec::new(),
        start: UnixNanos(end.0 - 10_000_000_000),
        end,
        clock: TimeSource::System,
        last: false,
        stamping: None,
        capture: Some(Capture { frames: 400, off_ms: Some(0), ..Capture::default() }),
        subtypes: BTreeMap::new(),
        channels: vec![Channel { freq_mhz: 2412, listened_ms: Some(8_000), frames: 400, bytes: 40_000 }],
        stations,
        vendors: Vec::new(),
        distinct: None,
    }
}

fn status(now: UnixNanos, state: State, reason: Option<&str>) -> StatusMessage {
    let status = Status { state, reason: reason.map(str::to_owned), ..Status::online(None) };
    let (site, sensor) = ("home".into(), "attic".into());
    StatusMessage { schema: STATUS_SCHEMA.into(), site, sensor, time: now, status }
}

fn info(mode: &str, presence: bool) -> Info {
    let devices = json!([{"name": "phone", "address": PHONE.to_string(), "track": false, "presence": presence}]);
    Info::new("home", "attic", json!({"label": "Attic", "privacy": {"mac": mode}, "devices": devices}))
}

/// What `due` publishes, by topic; `Null` where it takes something away.
fn told(summaries: &mut Summaries, now: UnixNanos) -> BTreeMap<String, Value> {
    let read = |one: Publication| (one.topic, serde_json::from_slice(&one.payload).unwrap_or_default());
    summaries.due(now).into_iter().map(read).collect()
}

fn at_home(summaries: &mut Summaries, now: UnixNanos) -> Value {
    told(summaries, now)[SUMMARY]["presence"]["phone"]["state"].clone()
}

#[test]
fn a_window_is_told_when_all_of_it_is_there() {
    let mut summaries = summaries(&[]);
    summaries.status(status(at(10), State::Online, None));
    summaries.info(&info("plain", false));
    let stranger = Mac([0xda, 0xa1, 0x19, 0, 0, 1]);
    let (ap, client) = (Mac([0x00, 0x16, 0x3e, 0, 0, 1]), Mac([0x00, 0x16, 0x3e, 0, 0, 2]));
    let mut first =
        window(0, at(10), vec![station(ap, Role::AccessPoint, at(9)), station(client, Role::Client, at(9))]);
    first.parts = 3; // one of them flows, on a topic of their own
    first.flow_parts = Some(1);
    let mut second = Batch { part: 1, capture: None, channels: Vec::new(), ..first.clone() };
    second.stations = vec![station(stranger, Role::Client, at(9))];
    summaries.batch(&first);
    summaries.batch(&first);
    assert_eq!(told(&mut summaries, at(10))[SUMMARY]["stations"], Value::Null, "a part of it says nothing");
    summaries.batch(&second);
    let now = told(&mut summaries, at(10));
    let said = &now[SUMMARY];
    assert_eq!(
        (&said["stations"], &said["access_points"], &said["randomised_percent"]),
        (&json!(3), &json!(1), &json!(33.3))
    );
    assert_eq!((&said["frames_per_second"], &said["coverage_percent"]), (&json!(50.0), &json!(80.0)));
    assert_eq!((&said["state"], &said["listens"], &said["problem"]), (&json!("online"), &json!(true), &json!(false)));
    assert!(!now.contains_key(CONFIG), "the device was told already, and has not changed");
    assert_eq!(summaries.due(at(11)), [], "nothing is told twice");
    // What a sensor had to keep comes late, and is no news.
    summaries.batch(&window(5, at(5), vec![]));
    assert_eq!(summaries.due(at(12)), []);
}

#[test]
fn sums_of_vendors_are_all_there_is_in_their_mode() {
    let mut summaries = summaries(&[]);
    let vendor = |randomised, stations| Vendor {
        vendor: None,
        randomised,
        stations,
        frames_sent: 1,
        bytes_sent: 1,
        management: 1,
        control: 0,
        data: 0,
        retries: 0,
    };
    summaries.info(&info("vendor", true));
    summaries.batch(&Batch { vendors: vec![vendor(true, 3), vendor(false, 1)], ..window(0, at(10), vec![]) });
    let now = told(&mut summaries, at(10));
    let said = &now[SUMMARY];
    assert_eq!(
        (&said["stations"], &said["access_points"], &said["randomised_percent"]),
        (&json!(4), &Value::Null, &json!(75.0))
    );
    assert_eq!((&said["presence"], now.len()), (&json!({}), 2), "presence is told in mode plain alone");
}

#[test]
fn a_device_is_at_home_away_or_nobody_can_tell() {
    let mut summaries = summaries(&[]);
    summaries.info(&info("plain", true));
    summaries.status(status(at(0), State::Online, None));
    summaries.batch(&window(0, at(10), vec![station(PHONE, Role::Client, at(7))]));
    assert_eq!(at_home(&mut summaries, at(10)), "home", "a listed address counts though it is randomised");
    for minute in 1..=11 {
        summaries.status(status(at(minute * 60), State::Online, None));
        summaries.batch(&window(minute.unsigned_abs(), at(minute * 60), vec![]));
        assert_eq!(
            at_home(&mut summaries, at(minute * 60)),
            if minute <= 10 { "home" } else { "not_home" },
            "{minute}"
        );
    }
    // Deaf: its windows go on, and say nothing.
    summaries.status(status(at(700), State::Degraded, Some("radio_deaf")));
    assert_eq!(at_home(&mut summaries, at(700)), Value::Null);
    summaries.status(status(at(710), State::Online, None));
    assert_eq!(at_home(&mut summaries, at(710)), "not_home");
    let mut deaf = window(20, at(720), vec![]);
    deaf.channels[0].listened_ms = Some(0);
    summaries.batch(&deaf);
    assert_eq!(at_home(&mut summaries, at(720)), Value::Null, "nothing was listened to");
    // It says that it is there, and no window comes.
    summaries.batch(&window(21, at(730), vec![]));
    assert_eq!(at_home(&mut summaries, at(730)), "not_home");
    summaries.status(status(at(1_000), State::Online, None));
    assert_eq!(at_home(&mut summaries, at(1_000)), Value::Null, "no window for three minutes");
    // It says nothing at all any more: time alone changes what is told.
    summaries.batch(&window(22, at(1_010), vec![]));
    assert_eq!(at_home(&mut summaries, at(1_010)), "not_home");
    assert_eq!(at_home(&mut summaries, at(1_400)), Value::Null);
}

#[test]
fn open_alerts_are_told_by_kind_alone() {
    use crate::wire::{ALERT_SCHEMA, AlertClass, Severity};
    let alert = |kind: &str, subject: &str, end| Alert {
        kind: kind.into(),
        class: AlertClass::Air,
        severity: Severity::High,
        subject: subject.into(),
        start: at(1),
        end,
        frames: 50,
        evidence: BTreeMap::new(),
        listened_ms: None,
        not_watched_ms: 0,
    };
    let message = |run, alerts| Alerts {
        schema: ALERT_SCHEMA.into(),
        identity: Identity { site: "home".into(), sensor: "attic".into(), run: Uuid::from_u128(run), seq: 1 },
        part: 1,
        parts: 2,
        start: at(0),
        end: at(10),
        clock: TimeSource::System,
        last: false,
        stamping: None,
        alerts,
    };
    let mut summaries = summaries(&[]);
    summaries.alerts(&message(7, vec![alert("deauth_flood", "00:16:3e:00:00:01", None)]));
    summaries.info(&info("plain", false));
    assert_eq!(told(&mut summaries, at(1))[SUMMARY]["alerts"], Value::Null, "it watches for none");
    let mut watching = info("plain", false);
    watching.config["alerts"] = json!({"enabled": true});
    summaries.info(&watching);
    let now = told(&mut summaries, at(2));
    assert_eq!((&now[SUMMARY]["alerts"], &now[SUMMARY]["alert_kinds"]), (&json!(1), &json!(["deauth_flood"])));
    assert!(now[CONFIG]["components"]["alerts"].is_object() && !format!("{now:?}").contains("00:16:3e"));
    let second = alert("deauth_flood", "00:16:3e:00:00:02", None);
    summaries.alerts(&message(7, vec![second, alert("karma", "00:16:3e:00:00:03", None)]));
    summaries.alerts(&message(7, vec![alert("deauth_flood", "00:16:3e:00:00:01", Some(at(9)))]));
    let now = told(&mut summaries, at(3));
    assert_eq!((&now[SUMMARY]["alerts"], &now[SUMMARY]["alert_kinds"]), (&json!(2), &json!(["deauth_flood", "karma"])));
    // Another start knows nothing of what the one before left open.
    summaries.alerts(&message(8, vec![alert("karma", "00:16:3e:00:00:03", None)]));
    assert_eq!(told(&mut summaries, at(4))[SUMMARY]["alerts"], 1);
}

#[test]
fn an_estimate_of_people_is_told_for_two_intervals() {
    let mut summaries = summaries(&[]);
    let mut estimating = info("vendor", false);
    estimating.config["people"] = json!({"enabled": true});
    summaries.info(&estimating);
    let people = People {
        start: at(0),
        end: at(300),
        low: Some(1),
        estimate: Some(2),
        high: Some(4),
        reason: None,
        listened_ms: None,
    };
    summaries.batch(&Batch { people: vec![people], ..window(30, at(310), vec![]) });
    let now = told(&mut summaries, at(310));
    let said = &now[SUMMARY];
    assert_eq!((&said["people_low"], &said["people"], &said["people_high"]), (&json!(1), &json!(2), &json!(4)));
    assert!(now[CONFIG]["components"]["people"].is_object());
    summaries.batch(&window(31, at(320), vec![]));
    assert_eq!(told(&mut summaries, at(320))[SUMMARY]["people"], 2);
    assert_eq!(told(&mut summaries, at(901))[SUMMARY]["people"], Value::Null);
}

#[test]
fn what_is_no_more_is_taken_away() {
    let mut summaries = summaries(&[]);
    summaries.info(&info("plain", true));
    assert_eq!(told(&mut summaries, at(1)).into_keys().collect::<Vec<_>>(), [SUMMARY, CONFIG, TRACKER]);
    summaries.info(&info("plain", false));
    let now = told(&mut summaries, at(2));
    assert_eq!((now.len(), &now[TRACKER], &now[SUMMARY]["presence"]), (2, &Value::Null, &json!({})));
    summaries.connected();
    assert_eq!(told(&mut summaries, at(3)).into_keys().collect::<Vec<_>>(), [SUMMARY, CONFIG], "a broker may forget");
    summaries.gone("home", "attic");
    assert_eq!(
        told(&mut summaries, at(4)),
        BTreeMap::from([(SUMMARY.into(), Value::Null), (CONFIG.into(), Value::Null)])
    );
    assert_eq!((summaries.topics().count(), summaries.due(at(100))), (0, vec![]));
}

#[test]
fn what_an_earlier_start_told_stays_for_as_long_as_its_sensor() {
    let mut summaries = summaries(&[SUMMARY, CONFIG, TRACKER, "airtally/home/gone/summary"]);
    summaries.info(&info("plain", false));
    assert_eq!(told(&mut summaries, at(1)).len(), 2);
    assert_eq!(summaries.due(at(59)).len(), 0, "the others may be heard of yet");
    let now = told(&mut summaries, at(61));
    assert_eq!(
        now.into_iter().collect::<Vec<_>>(),
        [("airtally/home/gone/summary".to_owned(), Value::Null), (TRACKER.to_owned(), Value::Null)]
    );
}

#[test]
fn home_assistant_can_do_with_every_message() {
    let mut summaries = summaries(&[]);
    summaries.info(&info("plain", true));
    let all = told(&mut summaries, at(1));
    let summary = all[SUMMARY].as_object().unwrap();
    for (topic, message) in all.iter().filter(|(topic, _)| topic.starts_with("homeassistant/")) {
        assert!(message["origin"]["name"].is_string() && message["device"]["identifiers"].is_array(), "{topic}");
        assert_eq!(message["state_topic"], SUMMARY);
        let available: Vec<&Value> =
            message["availability"].as_array().unwrap().iter().map(|one| &one["topic"]).collect();
        assert!(available.starts_with(&[&json!(STATUS), &json!("airtally/ingest/ingest-1")]), "{topic}: {available:?}");
        let components = message["components"].as_object().unwrap();
        assert!((1..=15).contains(&components.len()));
        let mut ids = BTreeSet::new();
        for (name, component) in components {
            assert!(ids.insert(component["unique_id"].as_str().unwrap()), "{name}: one id is needed, and of its own");
            assert!(component["platform"].is_string() && component["name"].is_string(), "{name}");
            // Templates ask for what a summary has.
            let template = component["value_template"].as_str().unwrap();
            let field = template.split("value_json.").nth(1).unwrap();
            let field: String = field.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            assert!(summary.contains_key(&field), "{name}: a summary has no {field}");
        }
    }
    assert_eq!(all[CONFIG]["device"]["name"], "Attic");
    assert_eq!(all[TRACKER]["device"]["via_device"], "airtally__home__attic");
}

proptest! {
    /// Whoever is on the air, whatever the parts and their order: no address is told, and nothing grows.
    #[test]
    fn no_address_is_told(macs in prop::collection::vec(any::<[u8; 6]>(), 1..20), listed in any::<prop::sample::Index>(), cut in 1usize..5, order in any::<u64>()) {
        let macs: Vec<Mac> = macs.into_iter().map(Mac).collect();
        let listed = macs[listed.index(macs.len())];
        let mut summaries = summaries(&[]);
        let mut about = info("plain", true);
        about.config["devices"][0]["address"] = json!(listed.to_string());
        summaries.info(&about);
        summaries.status(status(at(10), State::Online, None));
        let stations: Vec<Station> = macs.iter().map(|mac| station(*mac, Role::Client, at(5))).collect();
        let whole = window(0, at(10), Vec::new());
        let chunks: Vec<&[Station]> = stations.chunks(cut).collect();
        let parts = chunks.len();
        for number in 0..parts {
            let part = (number + usize::try_from(order % 7).unwrap()) % parts;
            let rest = if part == 0 { whole.clone() } else { Batch { capture: None, channels: Vec::new(), ..whole.clone() } };
            let (part, parts) = (u32::try_from(part).unwrap(), u32::try_from(parts).unwrap());
            summaries.batch(&Batch { part, parts, stations: chunks[part as usize].to_vec(), ..rest });
        }
        let all = summaries.due(at(11));
        let text: String = all.iter().map(|one| one.topic.clone() + &String::from_utf8_lossy(&one.payload)).collect();
        let text = text.to_lowercase();
        for mac in &macs {
            let plain = mac.to_string().to_lowercase();
            for form in [plain.clone(), plain.replace(':', ""), plain.replace(':', "-")] {
                prop_assert!(!text.contains(&form), "{form} in {text}");
            }
        }
        let summary: Value = serde_json::from_slice(&all.iter().find(|one| one.topic == SUMMARY).unwrap().payload).unwrap();
        prop_assert_eq!(&summary["stations"], &json!(macs.len()));
        prop_assert_eq!(&summary["presence"]["phone"]["state"], &json!("home"));
    }
}
