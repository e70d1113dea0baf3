//! The history's API: its answers equal what was stored, in pages, in steps, as CSV, and what makes no sense is refused.

use crate::rig::{SECOND, SECRET, Web, body, header, status};
use serde_json::Value;
use std::process::Command;

fn items(answer: &Value) -> &Vec<Value> {
    answer["items"].as_array().unwrap()
}

fn sum(items: &[Value], pointer: &str) -> u64 {
    items.iter().filter_map(|item| item.pointer(pointer).and_then(Value::as_u64)).sum()
}

/// What another program says of the history.
fn sqlite3(web: &Web, sql: &str) -> u64 {
    let output = Command::new("sqlite3").arg(web.dir.path().join("history.sqlite")).arg(sql).output().expect("sqlite3");
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("{sql}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn figures_are_those_that_were_stored_and_say_how_well_was_listened() {
    let web = Web::start("");
    // Attic: 30 windows of 7 + 12 (seq + 1) frames; cellar: 6 of 7 + 2 (seq + 1).
    let (attic, cellar) = (30 * 7 + 12 * 465, 6 * 7 + 2 * 21);
    let sensors = web.json("/api/v1/sensors");
    let all = items(&sensors);
    assert_eq!(all.iter().map(|row| row["sensor"].as_str().unwrap()).collect::<Vec<_>>(), ["attic", "cellar"]);
    assert_eq!((all[0]["frames"].as_u64(), all[1]["frames"].as_u64()), (Some(attic), Some(cellar)));
    assert_eq!((all[0]["windows"].as_u64(), all[0]["listened_ms"].as_u64()), (Some(30), Some(270_000)));
    assert_eq!((all[0]["gaps"].as_u64(), all[0]["lost_frames"].as_u64()), (Some(1), Some(99)));
    assert_eq!(all[0]["said"], Value::Null);
    assert_eq!(sqlite3(&web, "SELECT sum(frames) FROM windows"), attic + cellar);
    let exposure = &sensors["exposure"];
    assert_eq!((exposure["windows"].as_u64(), exposure["listened_ms"].as_u64()), (Some(36), Some(324_000)));

    let series = web.json("/api/v1/windows?step=1m");
    assert_eq!(sum(items(&series), "/counts/frames"), attic + cellar);
    assert_eq!(sum(items(&series), "/exposure/listened_ms"), 324_000);
    assert_eq!(sum(items(&series), "/exposure/windows"), 36);
    assert_eq!(sum(items(&series), "/gap_ms"), 10_000);
    let steps = items(&series);
    let begins = steps.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]);
    assert!(begins && steps.len() >= 60, "no step is left out: {}", steps.len());
    let silent: Vec<&Value> = steps.iter().filter(|step| step["counts"].is_null()).collect();
    assert!(silent.iter().all(|step| step["exposure"]["windows"] == 0 && step["exposure"]["listened_ms"].is_null()));
    assert!(silent.iter().any(|step| step["exposure"]["expected_windows"] == 12), "two sensors, six windows a minute");

    let channels = web.json("/api/v1/channels?step=1m");
    let channel = &items(&channels)[0];
    assert_eq!((channel["freq_mhz"].as_u64(), channel["frames"].as_u64()), (Some(2_437), Some(attic + cellar)));
    assert_eq!(sum(channel["steps"].as_array().unwrap(), "/frames"), attic + cellar);
    assert_eq!(sum(channel["steps"].as_array().unwrap(), "/exposure/windows"), 36);

    let networks = web.json("/api/v1/networks?q=kestrel");
    let network = &items(&networks)[0];
    assert_eq!((network["ssids"][0].as_str(), network["clients"].as_u64()), (Some(SECRET), Some(12)));
    assert!(items(&web.json("/api/v1/networks?q=nobody")).is_empty());

    let gaps = web.json("/api/v1/gaps?sensor=attic");
    assert_eq!((items(&gaps).len(), items(&gaps)[0]["frames"].as_u64()), (1, Some(99)));
    assert!(items(&web.json("/api/v1/gaps?sensor=cellar")).is_empty());
    assert_eq!(sum(items(&web.json("/api/v1/vendors")), "/frames_sent"), attic + cellar);

    let one = web.json("/api/v1/stations/b8:27:eb:00:00:02?step=1m");
    assert_eq!(one["frames_sent"].as_u64(), Some(465 + 21));
    assert_eq!(sum(one["steps"].as_array().unwrap(), "/frames_sent"), 465 + 21);
    assert_eq!(one["sensors"].as_array().unwrap().len(), 2);
    let access_point = web.json("/api/v1/stations/b8:27:eb:00:00:01");
    assert_eq!(access_point["clients"].as_array().unwrap().len(), 12);
    assert_eq!(web.status("/api/v1/stations/b8:27:eb:ff:ff:ff", &[]), 404);
}

#[test]
fn pages_together_are_the_whole_list_in_every_order() {
    let web = Web::start("");
    for (path, sorts) in [
        ("/api/v1/stations", &["frames", "-frames", "address", "-signal", "vendor", "last_seen", "-windows"][..]),
        ("/api/v1/windows", &["start", "-start"]),
        ("/api/v1/networks", &["ssid", "-clients"]),
        ("/api/v1/gaps", &["-start"]),
        ("/api/v1/sensors", &[]),
        ("/api/v1/vendors", &[]),
    ] {
        let sorts = if sorts.is_empty() {
            vec![String::new()]
        } else {
            sorts.iter().map(|sort| format!("&sort={sort}")).collect()
        };
        for sort in sorts {
            let whole = web.json(&format!("{path}?limit=1000{sort}"));
            assert_eq!(whole["next"], Value::Null);
            let (mut pages, mut target) = (Vec::new(), format!("{path}?limit=5{sort}"));
            loop {
                let answer = web.get(&target, &[]);
                assert_eq!(status(&answer), 200, "{target}: {answer}");
                let page: Value = serde_json::from_str(body(&answer)).unwrap();
                pages.extend(items(&page).iter().cloned());
                assert!(items(&page).len() <= 5);
                match header(&answer, "link") {
                    Some(link) => {
                        target = link.strip_prefix('<').and_then(|link| link.split_once('>')).unwrap().0.to_owned();
                        let next = page["next"].as_str().unwrap();
                        assert!(target.contains(next), "{target}");
                    }
                    None => {
                        assert_eq!(page["next"], Value::Null);
                        break;
                    }
                }
            }
            let key = |row: &Value| {
                format!("{}{}{}{}{}", row["station"], row["id"], row["sensor"], row["vendor"], row["bssid"])
            };
            let keys = |rows: &[Value]| rows.iter().map(key).collect::<Vec<_>>();
            assert_eq!(keys(&pages), keys(items(&whole)), "{path} {sort}");
        }
    }
}

#[test]
fn time_is_half_open() {
    let web = Web::start("");
    let windows = web.json("/api/v1/windows?sensor=attic&limit=1000");
    let start = |n: usize| items(&windows)[n]["start"].as_str().unwrap().to_owned();
    let between = format!("/api/v1/windows?sensor=attic&from={}&to={}", start(3), start(7));
    let some = web.json(&between);
    assert_eq!(items(&some).iter().map(|row| row["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 4, 5, 6]);
    let offset = start(3).replace('Z', "+00:00").replace('+', "%2B");
    let some = web.json(&format!("/api/v1/windows?sensor=attic&from={offset}&to={}", start(4)));
    assert_eq!(items(&some).len(), 1);
    let old = web.json("/api/v1/windows?to=2020-01-01T00:00:00Z");
    assert!(items(&old).is_empty() && old["exposure"]["windows"] == 0);
    assert_eq!(10 * SECOND, 10_000_000_000);
}

#[test]
fn an_answer_that_is_the_same_is_not_sent_again() {
    let web = Web::start("");
    let windows = web.json("/api/v1/windows?limit=1");
    let from = windows["items"][0]["start"].as_str().unwrap();
    let path = format!("/api/v1/stations?from={from}");
    let first = web.get(&path, &[]);
    let tag = header(&first, "etag").unwrap().to_owned();
    for given in [tag.clone(), format!("\"x\", {tag}"), "*".to_owned()] {
        let again = web.get(&path, &[&format!("if-none-match: {given}")]);
        assert_eq!((status(&again), body(&again)), (304, ""), "{given}");
    }
    assert_eq!(web.status(&path, &["if-none-match: \"x\""]), 200);
    assert_ne!(header(&web.get(&format!("{path}&limit=2"), &[]), "etag"), Some(tag.as_str()));
    assert_eq!(header(&first, "cache-control"), Some("private, no-cache"));
}

#[test]
fn every_list_is_csv_too() {
    let web = Web::start("");
    for path in [
        "sensors",
        "stations",
        "networks",
        "vendors",
        "channels",
        "windows",
        "gaps",
        "windows?step=1m",
        "channels?step=1m",
    ] {
        let rows = web.json(&format!("/api/v1/{path}"));
        let steps = |row: &Value| if path == "channels?step=1m" { row["steps"].as_array().unwrap().len() } else { 1 };
        let count: usize = items(&rows).iter().map(steps).sum();
        let answer = web.get(&format!("/api/v1/{path}"), &["accept: text/csv"]);
        assert!(header(&answer, "content-type").unwrap().starts_with("text/csv"), "{answer}");
        let mut reader = csv::Reader::from_reader(body(&answer).as_bytes());
        let columns = reader.headers().unwrap().len();
        let cells: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(cells.len(), count, "{path}");
        assert!(columns >= 4 && cells.iter().all(|row| row.iter().any(|cell| !cell.is_empty())), "{path}");
    }
    let by_name = web.get("/api/v1/stations?format=csv", &[]);
    assert!(by_name.contains("station,vendor,randomised") && by_name.contains(SECRET), "{by_name}");
}

#[test]
fn what_makes_no_sense_is_a_problem_with_a_sentence() {
    let web = Web::start("");
    for path in [
        "/api/v1/sensors?form=1",
        "/api/v1/stations?sort=colour",
        "/api/v1/stations?limit=0",
        "/api/v1/stations?limit=1001",
        "/api/v1/stations?cursor=00",
        "/api/v1/stations?cursor=zz",
        "/api/v1/stations?q=",
        "/api/v1/stations?role=boss",
        "/api/v1/stations?bssid=x",
        "/api/v1/stations?site=a&site=b",
        "/api/v1/windows?step=1ns",
        "/api/v1/windows?step=1s&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z",
        "/api/v1/windows?step=1m&limit=5",
        "/api/v1/channels?step=1s",
        "/api/v1/gaps?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "/api/v1/gaps?from=2024-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "/api/v1/gaps?from=1%20OR%201=1",
        "/api/v1/stations/nobody",
        "/api/v1/stations/b8:27:eb:00:00:01?address=b8:27:eb:00:00:02",
    ] {
        let answer = web.get(path, &[]);
        assert_eq!(status(&answer), 400, "{path}: {answer}");
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"));
        let problem: Value = serde_json::from_str(body(&answer)).unwrap();
        assert!(problem["detail"] == problem["error"] && problem["detail"].as_str().unwrap().len() > 10, "{problem}");
    }
    assert_eq!(web.status("/api/v1/stations?q=%27;DROP%20TABLE%20windows--", &[]), 200);
    assert_eq!(status(&web.curl(&["-X", "DELETE", "{}/api/v1/stations"])), 405);
}
