//! A real mosquitto of a test's own: a free loopback port, its own directory, ended by its process id.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running broker; dropped, it is gone.
pub struct Broker {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Its configuration, log and persistence.
    pub dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Broker {
    /// A broker that anybody may use, with these further lines in its configuration.
    pub fn start(lines: &str) -> Self {
        Self::start_with(|_| format!("allow_anonymous true\n{lines}"))
    }

    /// A broker whose configuration, but for the listener's port, is made for its directory.
    pub fn start_with(config: impl Fn(&Path) -> String) -> Self {
        Self::start_as(|dir, port| format!("listener {port} 127.0.0.1\n{}", config(dir)))
    }

    /// A broker whose configuration is made for its directory and port, the listener too.
    pub fn start_as(config: impl Fn(&Path, u16) -> String) -> Self {
        let mut dir = tempfile::tempdir().unwrap();
        // Another process may take a free port before mosquitto does: then the next one.
        for _ in 0..10 {
            let port = free_port();
            let text = format!(
                "user root\nlog_dest file {}\nlog_type all\npersistence_location {}/\n{}\n",
                dir.path().join("log").display(),
                dir.path().display(),
                config(dir.path(), port)
            );
            fs::write(dir.path().join("mosquitto.conf"), text).unwrap();
            let mut broker = Self { port, dir, child: None };
            if broker.launch() {
                return broker;
            }
            let log = broker.log();
            assert!(log.contains("Address already in use"), "mosquitto did not start:\n{log}");
            dir = std::mem::replace(&mut broker.dir, tempfile::tempdir().unwrap());
        }
        panic!("no port was free for mosquitto");
    }

    fn launch(&mut self) -> bool {
        let mut child = Command::new(program())
            .arg("-c")
            .arg(self.dir.path().join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need mosquitto: apt-get install mosquitto mosquitto-clients");
        let deadline = Instant::now() + Duration::from_secs(10);
        while child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                self.child = Some(child);
                return true;
            }
            assert!(Instant::now() < deadline, "mosquitto does not listen after 10 s:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it in its tracks: sockets stay open, and nothing is answered. Ended all the same when dropped.
    pub fn freeze(&self) {
        let pid = self.child.as_ref().expect("a running broker").id().to_string();
        assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
        // The signal is sent, not taken: a broker on another processor goes on for a moment. State T is stopped (proc(5)).
        let is_stopped = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|after| after.trim_start().starts_with('T'))
        };
        while !is_stopped() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Starts it again, with the same port and directory.
    pub fn restart(&mut self) {
        self.kill9();
        assert!(self.launch(), "mosquitto did not start again:\n{}", self.log());
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// A port of 127.0.0.1 on which nothing listens just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn program() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/mosquitto");
    if usual.exists() { usual } else { "mosquitto".into() }
}
