//! `scripts/demo`: what is stored is what was sent, every command that it prints works as printed, `--stay` serves the page
//! until Ctrl-C, and nothing is written outside its folder.

use super::support::{
    program::{Daemon, airtally, text},
    synth::Options,
    synthesise, temp_dir,
};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// A machine whose home and temporary directory are empty, and stay so.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: temp_dir() };
        ["home", "tmp", "elsewhere", "target"].iter().for_each(|name| fs::create_dir(place.path(name)).unwrap());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let programs = Path::new(env!("CARGO_BIN_EXE_airtally")).parent().unwrap();
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).env("AIRTALLY_PROGRAMS", programs);
        command.env("CARGO_TARGET_DIR", self.path("target")).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.current_dir(self.path("elsewhere"));
        command
    }

    fn demo(&self) -> Command {
        self.command(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/demo"))
    }

    fn assert_untouched(&self) {
        for name in ["home", "tmp", "elsewhere"] {
            let there: Vec<_> =
                fs::read_dir(self.path(name)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(there.is_empty(), "{name} has {there:?}");
        }
    }
}

/// The commands printed after `Next:`.
fn next(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, after) = said.split_once("Next:\n").unwrap_or_else(|| panic!("no next commands in {}", text(output)));
    after.lines().filter_map(|line| line.strip_prefix("  ")).map(ToOwned::to_owned).collect()
}

/// What the page at the address that `daemon` names says.
fn page(daemon: &Daemon) -> String {
    daemon.await_log("the page: ", PATIENCE);
    let log = daemon.log();
    let address = log.split("the page: http://").nth(1).unwrap().lines().next().unwrap();
    let (host, path) = address.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// `--stay` serves a page with these words; Ctrl-C ends it and what it started.
fn stays(place: &Place, command: &mut Command, words: &[&str]) {
    let mut daemon = Daemon::start("demo", command, &place.path("stay.log"));
    let page = page(&daemon);
    assert!(page.starts_with("HTTP/1.1 200 ") && words.iter().all(|word| page.contains(word)), "{page}");
    daemon.signal("INT");
    assert!(daemon.wait(PATIENCE).success(), "{}", daemon.log());
    // Nothing holds its files any more.
    let held = Command::new("fuser").arg("-s").arg(place.path("target/demo/history.sqlite")).status();
    assert!(held.is_ok_and(|status| !status.success()), "something still runs (or there is no fuser: package psmisc)");
}

#[test]
fn what_it_prints_next_works_as_printed() {
    let place = Place::new();
    let output = place.demo().output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("frames sent (60000) = frames stored (60000)"), "{}", text(&output));
    let commands = next(&output);
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in &commands {
        let mut shell = place.command("bash");
        shell.arg("-c").arg(command).current_dir(env!("CARGO_MANIFEST_DIR"));
        if command.contains("--stay") {
            continue; // it begins the folder anew: last
        }
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {}", text(&output));
        let words = if command.contains(" inspect ") { "60,000" } else { "" };
        assert!(!output.stdout.is_empty() && text(&output).contains(words), "{command}: {}", text(&output));
    }
    let mut shell = place.command("bash");
    shell.arg("-c").arg(format!("exec {}", commands[0])).current_dir(env!("CARGO_MANIFEST_DIR"));
    stays(&place, &mut shell, &["pi-1"]);
    place.assert_untouched();
}

#[test]
fn a_capture_of_ones_own_is_counted_and_shown_at_its_own_time() {
    let place = Place::new();
    let (made, _) = synthesise(place.dir.path(), &Options { frames: 3_000, ..Options::default() });
    let capture = place.path("my capture.pcap");
    fs::rename(made, &capture).unwrap();
    let output = place.demo().arg(&capture).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("frames sent (3000) = frames stored (3000)"), "{}", text(&output));
    let inspect = next(&output).into_iter().find(|command| command.contains(" inspect ")).unwrap();
    let inspected = place.command("bash").arg("-c").arg(&inspect).output().unwrap();
    let by_hand = airtally().arg("inspect").arg(&capture).output().unwrap();
    assert_eq!(inspected.stdout, by_hand.stdout, "{inspect}");
    stays(&place, place.demo().arg("--stay").arg(&capture), &["2026-01-01", "pi-1"]);
    place.assert_untouched();
}

#[test]
fn mistakes_are_named_before_anything_is_done() {
    let place = Place::new();
    for (arguments, status, words) in
        [(&["--sty"][..], 2, "--stay"), (&["a.pcap", "b.pcap"], 2, "--stay"), (&["no-such.pcap"], 1, "cannot read")]
    {
        let output = place.demo().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(words), "{arguments:?}: {}", text(&output));
    }
    assert!(place.demo().arg("--help").output().unwrap().status.success());
    assert_eq!(fs::read_dir(place.path("target")).unwrap().count(), 0);
}
