//! Distinct stations: sensors of a site with one secret send sketches, which the history merges; and what it holds can be read
//! by whoever reads Apache DataSketches.

use crate::support::{
    history::await_sensor,
    pipeline::{Rig, start_sensor},
    synth, synthesise, wait_until,
};
use airtally::{
    UnixNanos,
    sink::history::{History, Range, Scope, query::Untold},
    sketch::{SiteSecret, day_of},
};
use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn sketches_of_three_sensors_are_merged_where_they_have_one_secret() {
    let (rig, path) = Rig::with_history();
    let start: UnixNanos = "2026-01-02T10:00:00Z".parse().unwrap();
    // All three hear the same neighbourhood.
    let options =
        synth::Options { frames: 20_000, stations: 800, start: start.0, seconds: 600, ..synth::Options::default() };
    let (capture, tally) = synthesise(rig.path(), &options);
    let secret = |octet| SiteSecret::new(day_of(start) - 1, [octet; 32]);
    let replay = |site: &str, name: &str, secret: Option<&SiteSecret>, enabled: bool| {
        let mut config = rig.sensor(name, &capture);
        config.site = site.into();
        config.sketch.enabled = enabled;
        fs::create_dir_all(&config.spool.state_dir).unwrap();
        if let Some(secret) = secret {
            let file = config.spool.state_dir.join("site.secret");
            fs::write(&file, format!("{secret}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        start_sensor(rig.path(), &config).succeed(PATIENCE);
    };
    for name in ["one", "two", "three"] {
        replay("home", name, Some(&secret(1)), true);
    }
    replay("shop", "four", Some(&secret(2)), true);
    replay("shop", "five", Some(&secret(3)), true);
    replay("barn", "six", None, true);
    replay("barn", "seven", Some(&secret(4)), false);
    rig.replay_mark("mark");
    await_sensor(&path, "mark");
    let minutes = |count: i64| UnixNanos(start.0 + count * 60_000_000_000);
    let rows = || {
        let range = Range { from: start, to: minutes(10) };
        History::open(&path).unwrap().distinct(range, None, &Scope::default()).unwrap().items
    };
    wait_until("the sketches of five sensors", PATIENCE, || {
        rows().iter().map(|row| row.sensors).collect::<Vec<_>>() == [3, 2]
    });
    let [home, shop] = rows().try_into().unwrap();
    let truth = tally.stations.len() as f64;
    let error = home.stations.unwrap() as f64 / truth - 1.0;
    assert!(home.site == "home" && home.untold.is_none() && error.abs() < 0.06, "{home:?}, and there were {truth}");
    assert!(shop.site == "shop" && shop.stations.is_none() && shop.untold == Some(Untold::SeveralKeys), "{shop:?}");
}
