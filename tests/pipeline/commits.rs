//! Ingest commits what comes within a time together. What it has not committed the broker has, whatever ends ingest.

use super::survivors::{batches, publish};
use crate::support::{
    history::{number, open},
    pipeline::{Rig, history, start_ingest},
    wait_until,
};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn windows(rig: &Rig) -> u64 {
    let database = open(&history(rig.path()).path);
    database.map_or(0, |database| number(&database, "SELECT count(*) FROM windows WHERE sensor = 'patient'"))
}

/// A pipeline whose commits wait for longer than any of these tests lasts, after the first one; and windows to publish.
fn patient() -> (Rig, Vec<String>) {
    let rig = Rig::start(|dir, config| {
        config.sqlite = Some(history(dir));
        config.spool.commit_within = Duration::from_secs(60);
    });
    let lines = batches(rig.path(), "patient", 1);
    rig.ingest.await_log("connected to the broker", PATIENCE);
    (rig, lines)
}

fn publish_all(rig: &Rig, lines: &[String]) {
    for line in lines {
        publish(rig.broker.port, "airtally/test/patient/batch", line, false);
    }
}

#[test]
fn a_kill_amid_uncommitted_windows_loses_none() {
    let (mut rig, lines) = patient();
    publish_all(&rig, &lines[..1]);
    // After a pause the first one does not wait.
    wait_until("the first window is stored", PATIENCE, || windows(&rig) == 1);
    publish_all(&rig, &lines[1..6]);
    rig.ingest.kill9();
    assert_eq!(windows(&rig), 1, "windows came too late for a commit");
    rig.ingest = start_ingest(rig.path(), &rig.config);
    wait_until("ten messages are a commit, however soon", PATIENCE, || {
        // The first of this start is a commit of its own.
        publish_all(&rig, &lines[6..10]);
        windows(&rig) == 10
    });
}
