//! `kill -9` in the middle of a replay: of the sensor, of ingest, of the broker with and without its memory, of all
//! three. The history ends with exactly the truth.

use crate::support::{
    history::{await_sensor, compare, number, open},
    pipeline::{Expected, Rig, start_sensor},
    program::Daemon,
    synth, synthesise, wait_until,
};
use std::{
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

const SENSOR: &str = "faulty";

/// A replay of some twelve seconds, with a window each second, as far as its third stored window.
struct Replay {
    rig: Rig,
    history: PathBuf,
    capture: Expected,
    sensor: Daemon,
}

impl Replay {
    fn start() -> Self {
        let (rig, history) = Rig::with_history();
        let options = synth::Options { frames: 6_000, stations: 200, seconds: 12, ..synth::Options::default() };
        let (path, tally) = synthesise(rig.path(), &options);
        let capture = Expected::synthetic(SENSOR, path, &tally);
        let sensor = start_sensor(rig.path(), &config(&rig, &capture.path));
        let mut this = Self { rig, history, capture, sensor };
        this.await_windows(3);
        assert!(this.sensor.ended().is_none(), "the replay is over before the fault");
        this
    }

    fn windows(&self) -> u64 {
        let sql = format!("SELECT count(*) FROM windows WHERE sensor = '{SENSOR}'");
        open(&self.history).map_or(0, |database| number(&database, &sql))
    }

    fn await_windows(&self, windows: u64) {
        wait_until(&format!("{windows} windows are stored"), Duration::from_secs(60), || self.windows() >= windows);
    }

    fn restart_sensor(&mut self) {
        self.sensor = start_sensor(self.rig.path(), &config(&self.rig, &self.capture.path));
    }

    /// Lets the sensor end, and compares. What is on its way may take a moment: a replay is asked for, not pushed.
    fn ends_with_the_truth(mut self) {
        self.sensor.succeed(Duration::from_secs(90));
        let sql = format!("SELECT sum(frames) FROM windows WHERE sensor = '{SENSOR}'");
        let stored = || open(&self.history).map_or(0, |database| number(&database, &sql));
        for _ in 0..300 {
            if stored() >= self.capture.frames {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        self.rig.replay_mark("mark");
        await_sensor(&self.history, "mark");
        compare(&open(&self.history).unwrap(), std::slice::from_ref(&self.capture));
    }
}

fn config(rig: &Rig, capture: &Path) -> airtally::config::Sensor {
    let mut config = rig.sensor(SENSOR, capture);
    config.source.pace = airtally::config::Pace::Recorded;
    config.window.length = Duration::from_secs(1);
    config
}

#[test]
fn the_sensor_is_killed() {
    let mut replay = Replay::start();
    replay.sensor.kill9();
    replay.restart_sensor();
    replay.ends_with_the_truth();
}

#[test]
fn ingest_is_killed() {
    let mut replay = Replay::start();
    replay.rig.ingest.kill9();
    sleep(Duration::from_secs(3));
    replay.rig.restart_ingest();
    replay.ends_with_the_truth();
}

#[test]
fn the_broker_is_killed_and_remembers() {
    let mut replay = Replay::start();
    replay.rig.broker.kill9();
    sleep(Duration::from_secs(2));
    replay.rig.broker.restart();
    replay.ends_with_the_truth();
}

/// Windows that the broker had acknowledged, and that nobody had taken from it, are lost with its memory.
#[test]
fn the_broker_is_killed_and_forgets_what_it_had_acknowledged() {
    let mut replay = Replay::start();
    replay.rig.ingest.kill9();
    sleep(Duration::from_secs(3));
    let acknowledged = replay.rig.broker.log().matches("Sending PUBACK to airtally-test-faulty").count() as u64;
    assert!(acknowledged > replay.windows() + 2, "there is nothing that only the broker has: this shows nothing");
    replay.rig.broker.kill9();
    std::fs::remove_file(replay.rig.broker.dir.path().join("mosquitto.db")).expect("the broker's memory");
    replay.rig.broker.restart();
    replay.rig.restart_ingest();
    replay.ends_with_the_truth();
}

#[test]
fn all_three_are_killed() {
    let mut replay = Replay::start();
    replay.rig.broker.kill9();
    replay.sensor.kill9();
    replay.rig.ingest.kill9();
    replay.restart_sensor();
    replay.rig.restart_ingest();
    sleep(Duration::from_secs(1));
    replay.rig.broker.restart();
    replay.ends_with_the_truth();
}

/// Again and again, whoever it is.
#[test]
fn killed_in_turn_every_second() {
    let mut replay = Replay::start();
    for turn in 0..6 {
        match turn % 3 {
            0 => {
                replay.rig.ingest.kill9();
                replay.rig.restart_ingest();
            }
            1 => {
                replay.rig.broker.kill9();
                replay.rig.broker.restart();
            }
            _ => {
                replay.sensor.kill9();
                replay.restart_sensor();
            }
        }
        sleep(Duration::from_millis(900));
    }
    replay.ends_with_the_truth();
}

/// SIGTERM is no fault: the next start goes on, and nothing is declared lost.
#[test]
fn both_daemons_are_stopped_and_started() {
    let mut replay = Replay::start();
    assert!(replay.sensor.stop().success());
    assert!(replay.rig.ingest.stop().success());
    replay.rig.restart_ingest();
    replay.restart_sensor();
    replay.ends_with_the_truth();
}
