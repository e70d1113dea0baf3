//! One octet of a spool's file is changed, and the real daemon is started on it: it moves at the latest after some more starts,
//! as systemd makes them.

use crate::{
    daemon::Kept,
    support::{
        history::{number, open},
        pipeline::{self, Rig, write},
        synth, synthesise, wait_until,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread::{scope, sleep},
    time::{Duration, Instant},
};

/// Of the octets, each so many is changed.
const STEP: usize = 97;
/// Daemons at work at a time, each with a broker of its own.
const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// The one file in a folder that is a spool.
fn spool(folder: &Path) -> PathBuf {
    folder.join("spool.sqlite")
}

/// What the spool holds, when nobody has it open: the log is in the file.
fn sound(folder: &Path) -> Vec<u8> {
    let connection = rusqlite::Connection::open(spool(folder)).expect("a spool");
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("a checkpoint");
    drop(connection);
    fs::read(spool(folder)).expect("a spool")
}

/// Calls `moves` for each octet, and gives what it complained of.
fn each(sound: &[u8], moves: impl Fn(&Rig, &Path, usize, &[u8]) -> Result<(), String> + Sync) -> Vec<String> {
    let (wrong, next) = (Mutex::new(Vec::new()), Mutex::new((0..sound.len()).step_by(STEP)));
    let work = || {
        let (rig, history) = Rig::with_history();
        while let Some(at) = { next.lock().expect("the next").next() } {
            let mut octets = sound.to_vec();
            octets[at] ^= 1 << (at % 8);
            if let Err(why) = moves(&rig, &history, at, &octets) {
                wrong.lock().expect("the list").push(format!("octet {at}: {why}"));
            }
        }
    };
    scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    println!("{} octets of {} changed, {AT_ONCE} at a time", sound.len().div_ceil(STEP), sound.len());
    wrong.into_inner().expect("the list")
}

/// Waits for `done`, starting the daemon again as often as it ends with an error.
fn until(kept: &mut Kept, mut done: impl FnMut(&Kept) -> bool) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while !done(kept) {
        if Instant::now() > end {
            return Err(format!("it does not move within {PATIENCE:?}\n{}", kept.tell()));
        }
        kept.tend();
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
#[ignore = "starts a daemon for each of many octets: scripts/soak octets"]
fn a_sensor_moves_whatever_octet_of_its_spool_is_changed() {
    let dir = crate::support::temp_dir();
    let options = synth::Options { frames: 300, stations: 5, seconds: 5, ..synth::Options::default() };
    let (capture, tally) = synthesise(dir.path(), &options);
    // Nobody takes its windows: they stay in the spool. Its broker is not there.
    let mut config = pipeline::sensor(dir.path(), "octet", 1, &capture);
    config.spool.durable = true;
    fs::create_dir_all(&config.spool.state_dir).expect("a folder");
    fs::create_dir_all(&config.spool.runtime_dir).expect("a folder");
    let mut first = Kept::new(dir.path(), "octet", "sensor", write(dir.path(), "octet", &config));
    first.start();
    wait_until("the windows in the spool", PATIENCE, || spool(&config.spool.state_dir).is_file());
    sleep(Duration::from_secs(2));
    first.stop();
    let sound = sound(&config.spool.state_dir);
    let wrong = each(&sound, |rig, history, _, octets| {
        let dir = crate::support::temp_dir();
        let mut config = pipeline::sensor(dir.path(), "octet", rig.broker.port, &capture);
        config.spool.durable = true;
        fs::create_dir_all(&config.spool.runtime_dir).expect("a folder");
        fs::create_dir_all(&config.spool.state_dir).expect("a folder");
        fs::write(config.spool.state_dir.join("spool.lock"), "").expect("a lock");
        fs::write(spool(&config.spool.state_dir), octets).expect("a file");
        let mut kept = Kept::new(dir.path(), "octet", "sensor", write(dir.path(), "octet", &config));
        kept.start();
        until(&mut kept, |kept| kept.done)?;
        let frames =
            || number(&open(history).expect("a history"), "SELECT CAST(total(frames) AS INTEGER) FROM windows");
        let end = Instant::now() + PATIENCE;
        while frames() < tally.frames && Instant::now() < end {
            sleep(Duration::from_millis(50));
        }
        let frames = frames();
        (frames == tally.frames).then_some(()).ok_or(format!("{frames} of {} frames are stored", tally.frames))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "starts a daemon for each of many octets: scripts/soak octets"]
fn an_ingest_moves_whatever_octet_of_its_spool_is_changed() {
    let (mut rig, _history) = Rig::with_history();
    rig.replay_mark("before");
    sleep(Duration::from_secs(2));
    let state = rig.config.spool.state_dir.clone();
    rig.ingest.stop();
    let sound = sound(&state);
    let wrong = each(&sound, |rig, _, at, octets| {
        let dir = crate::support::temp_dir();
        let mut config = pipeline::ingest(dir.path(), rig.broker.port);
        config.name = format!("octet-{at}");
        config.sqlite = Some(pipeline::history(dir.path()));
        fs::create_dir_all(&config.spool.state_dir).expect("a folder");
        fs::write(config.spool.state_dir.join("spool.lock"), "").expect("a lock");
        fs::write(spool(&config.spool.state_dir), octets).expect("a file");
        let mut kept = Kept::new(dir.path(), "octet", "ingest", write(dir.path(), "octet", &config));
        kept.start();
        let options = synth::Options { frames: 200, stations: 5, seconds: 2, ..synth::Options::default() };
        let (capture, tally) = synthesise(dir.path(), &options);
        until(&mut kept, |kept| kept.tell().contains("connected to the broker"))?;
        let name = format!("mark{at}");
        let sensor = pipeline::sensor(dir.path(), &name, rig.broker.port, &capture);
        fs::create_dir_all(&sensor.spool.runtime_dir).expect("a folder");
        fs::create_dir_all(&sensor.spool.state_dir).expect("a folder");
        let mut mark = Kept::new(dir.path(), &name, "sensor", write(dir.path(), &name, &sensor));
        mark.start();
        let history = config.sqlite.as_ref().expect("a history").path.clone();
        let sql = format!("SELECT CAST(total(frames) AS INTEGER) FROM windows WHERE sensor = '{name}'");
        let stored = || open(&history).map_or(0, |database| number(&database, &sql));
        until(&mut kept, |_| {
            mark.tend();
            stored() == tally.frames
        })?;
        kept.stop();
        Ok(())
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
