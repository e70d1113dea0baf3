//! A daemon that is started again when it ends, as systemd would.

use crate::support::program::{Daemon, airtally, tail};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

pub struct Kept {
    name: String,
    command: &'static str,
    config: PathBuf,
    log: PathBuf,
    running: Option<Daemon>,
    starts: u32,
    /// It has said all it had to say: a sensor whose capture has ended.
    pub done: bool,
}

impl Kept {
    pub fn new(dir: &Path, name: &str, command: &'static str, config: PathBuf) -> Self {
        let log = dir.join(format!("{name}.log"));
        Self { name: name.into(), command, config, log, running: None, starts: 0, done: false }
    }

    pub fn start(&mut self) {
        (self.done, self.starts) = (false, self.starts + 1);
        // Where no file may grow, a write is to fail, and not to end the process.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(airtally().get_program()).arg(self.command);
        shell.arg("--config").arg(&self.config).stdin(Stdio::null()).env_remove("RUST_LOG").env("NO_COLOR", "1");
        self.running = Some(Daemon::start(&self.name, &mut shell, &self.log));
    }

    /// Starts it if it is not there.
    pub fn resume(&mut self) {
        if self.running.is_none() {
            self.start();
        }
    }

    /// `kill -9`; it stays away until it is resumed.
    pub fn kill(&mut self) {
        (self.running, self.done) = (None, false);
    }

    /// SIGTERM ends it, whatever else is wrong.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.running.take()
            && daemon.ended().is_none()
        {
            // Whoever is frozen hears nothing.
            daemon.signal("CONT");
            daemon.stop();
        }
        self.done = false;
    }

    pub fn signal(&mut self, name: &str) {
        if let Some(daemon) = &mut self.running
            && daemon.ended().is_none()
        {
            daemon.signal(name);
        }
    }

    /// No file of it may grow beyond so many octets, or as far as it likes.
    pub fn limit(&mut self, octets: Option<u64>) {
        if let Some(daemon) = &mut self.running
            && daemon.ended().is_none()
        {
            let limit = octets.map_or("unlimited".into(), |octets| octets.to_string());
            let (pid, limit) = (daemon.pid().to_string(), format!("--fsize={limit}:unlimited"));
            let _ = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        }
    }

    /// Starts it again if it ended and should not have.
    pub fn tend(&mut self) {
        let Some(status) = self.running.as_mut().and_then(Daemon::ended) else { return };
        self.running = None;
        if status.success() && self.command == "sensor" {
            self.done = true;
        } else {
            self.start();
        }
    }

    pub fn await_log(&self, needle: &str, deadline: Duration) {
        self.running.as_ref().expect("a daemon").await_log(needle, deadline);
    }

    /// How it is, and the end of its log.
    pub fn tell(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let state = if self.done { "has ended" } else { "has not ended" };
        let log = String::from_utf8_lossy(&log);
        format!("--- {} {state}, {} starts ---\n{}\n", self.name, self.starts, tail(&log, 12_000))
    }
}
