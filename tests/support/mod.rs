//! What whole-program tests share. A program that a test needs and cannot start is a failure, never a skip.
//!
//! * [`air`]: frames that never were on the air;
//! * [`program`]: the built binary, as a command and as a daemon; * [`behind`]: a network of a test's own;
//! * [`corpus`]: foreign captures with tshark's answers; * [`synth`]: captures of our own with a known tally;
//! * [`tshark`]: the independent counter; * [`broker`], [`databases`]: the servers; [`dashboard`]: what Grafana asks them;
//! * [`pipeline`]: the daemons around a broker, and what must come out;
//! * [`history`], [`expected_series`]: reading back, and comparing with what was counted.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::field_reassign_with_default)]

pub mod air;
pub mod behind;
pub mod broker;
pub mod corpus;
pub mod dashboard;
pub mod databases;
pub mod expected_series;
pub mod history;
pub mod pipeline;
pub mod program;
pub mod tshark;

#[path = "../../examples/synth/mod.rs"]
pub mod synth;

use std::{
    fs::File,
    io::BufWriter,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

/// A directory of this test's own, removed at its end (unless `AIRTALLY_TEST_KEEP` is set).
pub fn temp_dir() -> tempfile::TempDir {
    let keep = std::env::var_os("AIRTALLY_TEST_KEEP").is_some();
    tempfile::Builder::new().prefix("airtally-test-").disable_cleanup(keep).tempdir().expect("a temporary directory")
}

/// A loopback TCP port that nobody listened on just now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
    listener.local_addr().expect("its address").port()
}

/// Asks `ready` every 20 ms until it gives a value; panics with `what` when `deadline` has passed.
pub fn wait_for<T>(what: &str, deadline: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "waited {deadline:?} in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// [`wait_for`] a condition.
pub fn wait_until(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, deadline, || holds().then_some(()));
}

/// Waits for what a server's driver promises.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Writes the capture that `options` describe into `dir` and returns its path and tally.
pub fn synthesise(dir: &Path, options: &synth::Options) -> (PathBuf, synth::tally::Tally) {
    let path = dir.join(format!("synth-{}-{}.pcap", options.seed, options.frames));
    let file = File::create(&path).expect("a capture file");
    let tally = synth::generate(options, BufWriter::new(file)).expect("a capture");
    (path, tally)
}
