//! The built `airtally`, as a command that ends and as a daemon that is stopped or killed.

use super::wait_for;
use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

/// The program, ready for arguments.
pub fn airtally() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtally"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// Runs the program to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    airtally().args(arguments).output().expect("the built program")
}

/// Standard output and error together, as text.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A running process whose standard error goes to a file; killed when dropped.
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command`; its log is `log`, appended to if it exists.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("a log file");
        let out = file.try_clone().expect("a log file");
        let child = command.stdout(out).stderr(file).spawn().unwrap_or_else(|error| {
            panic!("cannot start {name} ({:?}): {error}; scripts/test installs what tests need", command.get_program())
        });
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a process to ask")
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let end = std::time::Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(std::time::Instant::now() < end, "waited {deadline:?} in vain: {what}; it logged:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// As [`Daemon::wait`], and the exit status must be 0.
    pub fn succeed(&mut self, deadline: Duration) {
        let status = self.wait(deadline);
        assert!(status.success(), "{} ended with {status}; it logged:\n{}", self.name, self.log());
    }

    /// Asks it to stop, as systemd does, and waits.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait(Duration::from_secs(30))
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send {name} to {}", self.name);
    }

    /// `kill -9`.
    pub fn kill9(&mut self) {
        self.child.kill().expect("a process to kill");
        let status = self.child.wait().expect("a process to wait for");
        assert_eq!(status.signal(), Some(9), "{} had ended before it was killed: {status}\n{}", self.name, self.log());
    }

    /// Waits until its log contains `needle`.
    pub fn await_log(&self, needle: &str, deadline: Duration) {
        wait_for(&format!("{} logs '{needle}'", self.name), deadline, || self.log().contains(needle).then_some(()));
    }

    /// The most memory it ever had, in KiB, while it still runs.
    pub fn peak_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, tail(&self.log(), 6000));
        }
    }
}

/// The last `len` octets of `text`, from a character's beginning.
pub fn tail(text: &str, len: usize) -> &str {
    let from = (text.len().saturating_sub(len)..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[from..]
}
