//! `kill -9` in the middle of a replay: of the sensor, of ingest, of the broker with and without its memory, of all
//! three. The history ends with exactly the truth.

use crate::support::{
    history::{await_sensor, compare, number, open},
    pipeline::{self, Expected, Rig, start_sensor},
    program::Daemon,
    synth, synthesise, wait_until,
};
use airtally::{config::Pace, tally::settings::PrivacyMac};
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
    config.source.pace = Pace::Recorded;
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

/// A stop amid a window of a file: where the replay is the same run, that window is left to it; where it is another one, it is
/// told as far as it goes. Nothing is declared lost, whatever is replayed next.
#[test]
fn a_replay_that_is_stopped_amid_a_window_declares_nothing() {
    for mode in [PrivacyMac::Plain, PrivacyMac::Pseudonym] {
        let (rig, history) = Rig::with_history();
        let options = synth::Options { frames: 6_000, seconds: 60, ..synth::Options::default() };
        let (capture, _) = synthesise(rig.path(), &options);
        let mut config = pipeline::sensor(rig.path(), "stopped", rig.broker.port, &capture);
        (config.source.pace, config.privacy.mac) = (Pace::Recorded, mode);
        config.window.length = Duration::from_secs(2);
        let mut sensor = start_sensor(rig.path(), &config);
        let seqs = || open(&history).map_or(0, |database| number(&database, "SELECT count(*) FROM windows"));
        wait_until("two windows", Duration::from_secs(30), || seqs() >= 2);
        sleep(Duration::from_millis(700));
        assert!(sensor.stop().success());
        let is_told = sensor.log().contains("stopped amid a window");
        assert_eq!(is_told, mode == PrivacyMac::Plain, "{}", sensor.log());
        // Another capture, to its end.
        let (capture, tally) = synthesise(rig.path(), &synth::Options { seed: 9, frames: 500, ..options });
        (config.source.file, config.source.pace) = (capture, Pace::Fast);
        let mut sensor = start_sensor(rig.path(), &config);
        assert!(sensor.wait(Duration::from_secs(60)).success());
        let database = open(&history).unwrap();
        let last = "SELECT sum(frames) FROM windows WHERE run = (SELECT run FROM windows ORDER BY id DESC LIMIT 1)";
        wait_until("the other one", Duration::from_secs(30), || number(&database, last) == tally.frames);
        assert_eq!(number(&database, "SELECT count(*) FROM gaps"), 0, "{mode:?}: {}", sensor.log());
    }
}
