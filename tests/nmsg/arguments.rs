//! Arguments that go together and arguments that do not; counts, types, numbers; output that nobody reads.

use crate::{
    go::{payloads, read},
    support::{
        program::{airtally, run, text},
        temp_dir,
    },
};
use airtally::nmsg::{Writer, WriterSettings};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

fn file(dir: &Path) -> PathBuf {
    let path = dir.join("all.nmsg");
    let mut writer = Writer::new(WriterSettings { most: 4_000, ..WriterSettings::file() });
    for payload in payloads(500) {
        writer.push(payload).expect("no payload is too large");
    }
    writer.flush();
    let octets: Vec<u8> = std::iter::from_fn(|| writer.pop()).flatten().collect();
    fs::write(&path, octets).expect("a file");
    path
}

#[test]
fn what_makes_no_sense_is_refused_with_exit_2() {
    for (arguments, said) in [
        (&["nmsg"][..], "required"),
        (&["nmsg", "a", "--listen", "127.0.0.1/1"], "cannot be used with"),
        (&["nmsg", "--listen", "127.0.0.1"], "names no socket"),
        (&["nmsg", "a", "-s", "127.0.0.1/1..2"], "-s sends to one port"),
        (&["nmsg", "a", "-w", "-", "--format", "json"], "standard output"),
        (&["nmsg", "a", "--mtu", "512"], "--mtu is for -w and -s"),
        (&["nmsg", "a", "--zlib"], "--zlib is for -w and -s"),
        (&["nmsg", "a", "-w", "b", "--mtu", "511"], "511 is not in"),
        (&["nmsg", "a", "--type", "base:nothing"], "is no message type"),
        (&["nmsg", "a", "--set-source", "x"], "no number of 32 bits"),
        (&["nmsg", "--from-capture", "a", "--type", "base:http"], "no other --type"),
        (&["nmsg", "--from-capture", "a", "b"], "cannot be used with"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(said), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn what_cannot_be_opened_is_named_with_exit_1() {
    for arguments in [
        &["nmsg", "/nowhere/file.nmsg"][..],
        &["nmsg", "/"],
        &["nmsg", "--from-capture", "/nowhere/file.pcap"],
        &["nmsg", "--from-capture", "no-such-interface"],
        &["nmsg", "/dev/null", "-w", "/nowhere/out.nmsg"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        assert!(text(&output).lines().count() == 1 && text(&output).contains(" cannot "), "{}", text(&output));
    }
}

#[test]
fn count_and_type_choose_messages() {
    let dir = temp_dir();
    let all = file(dir.path());
    let all = all.to_str().expect("a name");
    let lines = |more: &[&str]| {
        let output = run([&["nmsg", all, "--format", "json"], more].concat());
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).expect("JSON is text").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    // One in five is a line of a log whose octets are none.
    assert_eq!(lines(&[]).len(), 400);
    let conns = lines(&["--type", "base:ipconn"]);
    assert!(conns.len() == 200 && conns.iter().all(|line| line.contains("\"mname\":\"ipconn\"")));
    assert_eq!(lines(&["--type", "1:5", "-c", "7"]), conns[..7]);
    assert_eq!(lines(&["-c", "0"]).len(), 0);
    let marked = lines(&["--set-source", "0xabc", "--set-operator", "5", "--set-group", "6", "-c", "20"]);
    assert!(marked.iter().all(|line| line.contains(",\"source\":\"00000abc\",\"operator\":5,\"group\":6,")));
}

#[test]
fn what_is_written_is_what_was_read() {
    let dir = temp_dir();
    let all = file(dir.path());
    let out = dir.path().join("out.nmsg");
    for more in [&[][..], &["--zlib"], &["--zlib", "--mtu", "600"], &["--unbuffered", "--zlib"]] {
        let output =
            run([&["nmsg", all.to_str().expect("a name"), "-w", out.to_str().expect("a name")], more].concat());
        assert!(output.status.success() && output.stdout.is_empty(), "{}", text(&output));
        assert!(read(&out).0 == read(&all).0, "{more:?}");
    }
    // Through pipes too.
    let first = run(["nmsg", all.to_str().expect("a name"), "-w", "-"]);
    fs::write(&out, first.stdout).expect("a file");
    assert!(read(&out).0 == read(&all).0);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = temp_dir();
    let all = file(dir.path());
    for more in [&["--format", "json"][..], &["-w", "-"]] {
        let mut child = airtally()
            .args(["nmsg", all.to_str().expect("a name"), "--rate", "2000"])
            .args(more)
            .arg("--unbuffered")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "{}", text(&output));
        assert!(!text(&output).contains("failed"), "{}", text(&output));
    }
}

#[test]
fn the_rate_is_kept() {
    let dir = temp_dir();
    let all = file(dir.path());
    let begun = std::time::Instant::now();
    let output = run(["nmsg", all.to_str().expect("a name"), "--format", "json", "-c", "100", "--rate", "200"]);
    // Never faster; how much slower is the machine's affair.
    assert!(
        output.status.success() && begun.elapsed() >= std::time::Duration::from_millis(400),
        "{:?}",
        begun.elapsed()
    );
}
