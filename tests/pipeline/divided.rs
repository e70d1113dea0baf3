//! Ingests that divide the sites among themselves: each stores its own, and of what they share all store the same.

use crate::support::{
    history::{await_sensor, number, open},
    pipeline::{self, Expected, Rig, history, start_ingest, start_sensor},
    program::Daemon,
    synth, synthesise, wait_until,
};
use airtally::config::{Ingest, Sites};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn several(sites: &[&str]) -> Sites {
    Sites::new(sites.iter().map(|&site| site.to_owned()))
}

/// Another ingest at the broker of `rig`, with a history of its own.
fn another(rig: &Rig, name: &str, sites: &[&str]) -> (Ingest, PathBuf, PathBuf) {
    let dir = rig.path().join(name);
    fs::create_dir_all(&dir).unwrap();
    let mut config = pipeline::ingest(&dir, rig.broker.port);
    config.name = name.into();
    config.site = several(sites);
    let store = history(&dir);
    let path = store.path.clone();
    config.sqlite = Some(store);
    (config, dir, path)
}

/// Windows and frames, by site and sensor.
type Sums = BTreeMap<(String, String), (u64, u64)>;

/// Windows and frames by site and sensor, and how many gaps.
fn sums(history: &Path) -> (Sums, u64) {
    let Some(database) = open(history) else { return (BTreeMap::new(), 0) };
    let Ok(mut statement) =
        database.prepare("SELECT site, sensor, count(*), sum(frames) FROM windows GROUP BY 1, 2 ORDER BY 1, 2")
    else {
        return (BTreeMap::new(), 0);
    };
    let rows = statement
        .query_map([], |row| {
            Ok(((row.get(0)?, row.get(1)?), (row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64)))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    (rows, number(&database, "SELECT count(*) FROM gaps"))
}

fn status_of(port: u16, ingest: &str) -> Value {
    let topic = format!("airtally/ingest/{ingest}");
    let output = Command::new("mosquitto_sub")
        .args(["-V", "5", "-p", &port.to_string(), "-t", &topic, "-C", "1", "-W", "5"])
        .output()
        .expect("mosquitto_sub");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

#[test]
fn two_ingests_that_share_sites_store_the_same_of_them() {
    let rig = Rig::start(|dir, config| {
        config.name = "first".into();
        config.site = several(&["test", "shop"]);
        config.sqlite = Some(history(dir));
    });
    let first = history(rig.path()).path;
    let (config, dir, second) = another(&rig, "second", &["shop", "yard"]);
    let mut other = start_ingest(&dir, &config);
    rig.ingest.await_log("connected to the broker", PATIENCE);
    other.await_log("connected to the broker", PATIENCE);
    let mut expected = BTreeMap::new();
    let mut start = |site: &str, seed: u64| -> Daemon {
        let options = synth::Options { seed, frames: 40_000, seconds: 900, ..synth::Options::default() };
        let (capture, tally) = synthesise(rig.path(), &options);
        let mut sensor = rig.sensor(&format!("{site}-{seed}"), &capture);
        sensor.site = site.into();
        expected.insert((sensor.site.clone(), sensor.sensor.clone()), tally.frames);
        start_sensor(rig.path(), &sensor)
    };
    let mut sensors = vec![start("test", 1), start("shop", 2), start("shop", 3), start("yard", 4)];
    wait_until("the first windows of a shared site", PATIENCE, || {
        sums(&second).0.keys().any(|(site, _)| site == "shop")
    });
    other.kill9();
    sensors.push(start("shop", 5));
    sensors.iter_mut().for_each(|sensor| sensor.succeed(Duration::from_secs(120)));
    let _other = start_ingest(&dir, &config);
    let of = |sites: [&str; 2]| -> BTreeMap<(String, String), u64> {
        expected.clone().into_iter().filter(|((site, _), _)| sites.contains(&site.as_str())).collect()
    };
    let frames = |history: &Path| -> BTreeMap<(String, String), u64> {
        sums(history).0.into_iter().map(|(name, (_, frames))| (name, frames)).collect()
    };
    wait_until("all of the first one's sites", PATIENCE, || frames(&first) == of(["test", "shop"]));
    wait_until("all of the second one's sites", PATIENCE, || frames(&second) == of(["shop", "yard"]));
    let shared =
        |history: &Path| -> Vec<_> { sums(history).0.into_iter().filter(|((site, _), _)| site == "shop").collect() };
    assert_eq!(shared(&first), shared(&second));
    assert_eq!((sums(&first).1, sums(&second).1), (0, 0), "gaps");
    let status = status_of(rig.broker.port, "second");
    assert_eq!((&status["sites"], status.get("site")), (&json!(["shop", "yard"]), None), "{status}");
}

/// The broker's session for an ingest has the subscriptions of its former sites, and a queue of what came for them.
#[test]
fn an_ingest_that_gives_sites_away_stores_no_more_of_them() {
    let (mut rig, path) = Rig::with_history();
    let replay = |rig: &Rig, site: &str, name: &str| {
        let options = synth::Options { frames: 500, ..synth::Options::default() };
        let (capture, tally) = synthesise(rig.path(), &options);
        rig.replay(&[Expected::synthetic(name, capture, &tally)], |config| config.site = site.into());
    };
    rig.ingest.await_log("connected to the broker", PATIENCE);
    replay(&rig, "yard", "before");
    await_sensor(&path, "before");
    rig.ingest.stop();
    // For the next configuration this is in the broker's queue.
    replay(&rig, "hall", "queued");
    rig.config.site = several(&["test", "shop"]);
    rig.restart_ingest();
    rig.ingest.await_log("our subscription to it ends", PATIENCE);
    let (capture, _) = synthesise(rig.path(), &synth::Options { frames: 500, ..synth::Options::default() });
    let mut later = rig.sensor("later", &capture);
    later.site = "hall".into();
    let later = start_sensor(rig.path(), &later);
    later.await_log("nobody subscribes", PATIENCE);
    replay(&rig, "test", "after");
    await_sensor(&path, "after");
    assert!(sums(&path).0.keys().all(|(site, _)| site != "hall"), "{:?}", sums(&path));
}
