//! A mosquitto of the test's own, on a free loopback port.

use super::{free_port, program::Daemon, temp_dir, wait_until};
use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    process::Command,
    time::Duration,
};

/// The running broker, with persistence on.
pub struct Broker {
    /// Its TCP port on the loopback interface.
    pub port: u16,
    dir: tempfile::TempDir,
    daemon: Daemon,
}

impl Broker {
    /// Starts one and waits until it listens.
    pub fn start() -> Self {
        let (dir, port) = (temp_dir(), free_port());
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\nautosave_interval 1\n\
             persistence_location {}/\nmax_queued_messages 0\nlog_type all\n",
            dir.path().display()
        );
        fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let daemon = launch(&dir, port);
        Self { port, dir, daemon }
    }

    /// `kill -9`.
    pub fn kill9(&mut self) {
        self.daemon.kill9();
    }

    /// Forgets sessions and queued messages, as a broker does whose disk is lost. Only while it is down.
    pub fn forget(&mut self) {
        let _ = fs::remove_file(self.dir.path().join("mosquitto.db"));
    }

    /// Starts it again on the same port, after [`Broker::kill9`].
    pub fn restart(&mut self) {
        self.daemon = launch(&self.dir, self.port);
    }
}

fn launch(dir: &tempfile::TempDir, port: u16) -> Daemon {
    let program =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|path| fs::exists(path).unwrap_or(false));
    let mut command = Command::new(program.unwrap_or("mosquitto"));
    command.arg("-c").arg(dir.path().join("mosquitto.conf"));
    let daemon = Daemon::start("mosquitto", &mut command, &dir.path().join("mosquitto.log"));
    wait_until("mosquitto listens", Duration::from_secs(10), || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    daemon
}
