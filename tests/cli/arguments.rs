//! The command line: help, version, check, and the exit status that each end promises.

use crate::{
    records,
    support::{
        program::{airtally, run, text},
        temp_dir,
    },
};
use airtally::{
    sink::Sink as _,
    wire::{Record, Station},
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn help_lists_every_command_with_examples() {
    let output = run(["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = out(&output);
    for command in ["sensor", "ingest", "inspect", "flows", "history", "oui", "radio", "check", "setup", "doctor"] {
        assert!(help.contains(&format!("  {command} ")), "{command} is not in:\n{help}");
    }
    let mut waiting = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let output = run(arguments.as_slice());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let help = out(&output);
        assert!(help.contains("Usage:"), "{arguments:?}");
        assert!(help.contains("\nExample"), "{arguments:?} shows no example:\n{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{arguments:?} has a long line: {line}");
        }
        seen += 1;
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        for line in commands.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().expect("a name");
            if name != "help" {
                waiting.push(command.iter().cloned().chain([name.to_owned()]).collect());
            }
        }
    }
    assert!(seen > 15, "only {seen} commands were found");
    assert!(help.contains("Examples:") && help.contains("Exit status"), "{help}");
}

#[test]
fn the_version_is_the_packages() {
    let output = run(["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(out(&output), format!("airtally {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn usage_mistakes_are_status_2_and_name_what_is_near() {
    for arguments in [&["sensr"][..], &[], &["sensor", "--confg", "x"], &["check"], &["history", "--top", "many"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(!output.stderr.is_empty(), "{arguments:?} says nothing");
    }
    assert!(text(&run(["sensr"])).contains("'sensor'"));
}

#[test]
fn check_takes_the_samples_and_finds_mistakes() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let output = run(["check".into(), samples.join("sensor.toml"), samples.join("ingest.toml")]);
    // The samples' defaults are complete but for what only the user knows.
    assert!([Some(0), Some(2)].contains(&output.status.code()), "{}", text(&output));

    let dir = temp_dir();
    let path = dir.path().join("sensor.toml");
    for (wrong, line, expected) in [
        ("[source]\nkind = \"file\"\nfil = \"x.pcap\"\n", "line 3", "did you mean 'file'?"),
        ("[window]\nlength = 10\n", "line 2", "length"),
        ("sensor = \"pi\"\n[window\n", "line 2", "]"),
        ("sensor = \"a/b\"\n", "sensor", "'/'"),
        ("[window]\nlength = \"10 parsecs\"\n", "line 2", "10 parsecs"),
        ("[privacy]\nmac = \"secret\"\n", "line 2", "pseudonym"),
    ] {
        fs::write(&path, wrong).unwrap();
        let output = run(["check".as_ref(), path.as_os_str()]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {said}");
        assert!(said.contains("sensor.toml") && said.contains(line) && said.contains(expected), "{wrong}: {said}");
        if line.starts_with("line") {
            assert!(said.contains("column"), "{said}");
        }
    }
    let output = run(["check".as_ref(), dir.path().join("absent.toml").as_os_str()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("absent.toml"), "{}", text(&output));
}

#[test]
fn daemons_refuse_a_bad_configuration_before_they_do_anything() {
    let dir = temp_dir();
    let path = dir.path().join("bad.toml");
    fs::write(&path, "[mqtt]\nprot = 1883\n").unwrap();
    for command in ["sensor", "ingest"] {
        let output = run([command.as_ref(), "--config".as_ref(), path.as_os_str()]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("did you mean 'port'?"), "{}", text(&output));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = airtally().arg("--help").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

/// Runs the program with standard error closed, or on a device that is always full.
fn without_stderr(how: &str, arguments: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", &format!("exec \"$@\" {how}"), "sh", env!("CARGO_BIN_EXE_airtally")])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_standard_error_that_takes_nothing_changes_no_outcome() {
    let dir = temp_dir();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (capture, bad, absent, empty) = (at("good.pcap"), at("bad.toml"), at("absent"), at("empty"));
    fs::create_dir(&empty).unwrap();
    // Cut within a record: it is counted as far as it goes.
    let header = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 0x0004_0000, 105].map(u32::to_le_bytes).concat();
    fs::write(&capture, [header, vec![1, 2, 3]].concat()).unwrap();
    fs::write(&bad, "[mqtt]\nprot = 1883\n").unwrap();
    let file = at("sensor.toml");
    let state = at("state");
    let config = format!(
        "site = \"home\"\nsensor = \"attic\"\n[source]\nkind = \"file\"\nfile = \"{absent}\"\n[spool]\n\
         runtime_dir = \"{state}/run\"\nstate_dir = \"{state}/disk\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = 1\n"
    );
    fs::write(&file, config).unwrap();
    for arguments in [
        &["inspect", &capture][..],
        &["inspect", &absent],
        &["inspect", &absent, &bad, &empty],
        &["inspect", &empty],
        &["inspect", &capture, "--window", "10s"],
        &["oui", "lookup", "--db", &absent, "b8:27:eb:00:00:01", "x", "y"],
        &["oui", "update", "--db", &absent, "--from", &bad],
        &["check", &bad, &absent],
        &["sensor", "--config", &bad],
        &["sensor", "--config", &file],
        &["ingest", "--config", &absent],
        &["history", "--db", &absent],
        &["doctor", "--config", &bad],
        &["radio", "plan", "--config", &bad],
        &["nonsense"],
        &[],
        &["setup"],
        &["--help"],
    ] {
        let usual = run(arguments);
        assert!(usual.status.code().is_some_and(|status| status <= 2), "{arguments:?}: {}", text(&usual));
        for how in ["2>/dev/full", "2>&-"] {
            let output = without_stderr(how, arguments);
            assert_eq!(output.status.code(), usual.status.code(), "{arguments:?} {how}");
            assert_eq!(output.stdout, usual.stdout, "{arguments:?} {how}");
        }
    }
}

#[test]
fn the_history_is_one_json_object_with_null_where_nobody_knows() {
    let dir = temp_dir();
    let path = dir.path().join("history.sqlite");
    let settings = airtally::config::Sqlite { path: path.clone(), ..Default::default() };
    let mut station = Station { vendor: None, signal_dbm: None, ..records::tracked(0x0200_0000_0001, 1) };
    let mut sink = airtally::sink::Sqlite::open(&settings).unwrap();
    let mut store = |seq, drops, station: &Station| {
        let mut batch = records::simple("home", "attic", seq, station.clone());
        batch.capture.as_mut().unwrap().kernel_drops = drops;
        crate::support::block_on(sink.store(&[Record::Batch(Box::new(batch))])).unwrap();
    };
    store(0, None, &station);
    let history = |format: &str| {
        let output = run(["history", "--db", path.to_str().unwrap(), "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        out(&output)
    };
    assert!(out(&run(["history", "--help"])).contains("One JSON object: 'totals', and 'stations'"));
    let answer: Value = serde_json::from_str(&history("json")).unwrap();
    assert_eq!((&answer["totals"]["windows"], &answer["totals"]["kernel_drops"]), (&1.into(), &Value::Null));
    let row = &answer["stations"][0];
    assert_eq!((&row["vendor"], &row["signal_max_dbm"], &row["frames_sent"]), (&Value::Null, &Value::Null, &1.into()));
    let table = history("table");
    assert!(table.contains("1 sensor, 1 window, 1 station (") && table.contains("\n1 frame: 1 of stations"), "{table}");
    assert!(table.contains("0 declared gaps") && table.contains("stored: 1 frame of stations"), "{table}");
    // What one sensor knows is told; and a vendor's name is no formula.
    station.vendor = Some("=1+1\u{202e}".into());
    store(1, Some(3), &station);
    let answer: Value = serde_json::from_str(&history("json")).unwrap();
    assert_eq!(answer["totals"]["kernel_drops"], 3);
    assert_eq!(answer["stations"][0]["vendor"], "=1+1\u{202e}");
    assert!(history("csv").contains(",'=1+1\\u{202e},"), "{}", history("csv"));
    assert!(history("table").contains("=1+1\\u{202e}"), "{}", history("table"));
}

#[test]
fn a_history_that_is_not_there_is_not_made() {
    let dir = temp_dir();
    let path = dir.path().join("history.sqlite");
    let output = run(["history".as_ref(), "--db".as_ref(), path.as_os_str()]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(!path.exists());
}

#[cfg(feature = "manual")]
#[test]
fn every_command_has_a_manual_page_and_every_shell_its_completions() {
    let home = temp_dir();
    let output = airtally().arg("manual").arg(home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for name in ["airtally", "airtally-sensor", "airtally-ingest", "airtally-setup", "airtally-oui-update"] {
        let page = fs::read_to_string(home.path().join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
        // Examples keep their lines.
        let words: Vec<&str> = name.split('-').skip(1).chain(["--help"]).collect();
        let help = out(&run(words.as_slice()));
        let examples = help.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
        for example in examples.take_while(|line| line.starts_with("  ")) {
            let command = example.trim_start().split("   ").next().unwrap();
            let escaped = command.replace('\\', "\\\\").replace('-', "\\-").replace('\'', "\\*(Aq");
            let line = format!("\\fB{escaped}\\fR");
            assert!(page.lines().any(|shown| shown == line), "{name} lacks {line} as a line:\n{page}");
        }
        assert!(page.contains(".SH EXAMPLES") && !page.contains(".SH EXTRA"), "{name}: {page}");
    }
    for completion in ["airtally.bash", "_airtally", "airtally.fish"] {
        assert!(fs::read_to_string(home.path().join(completion)).unwrap().contains("inspect"), "{completion}");
    }
    let hidden = fs::read_dir(home.path()).unwrap().any(|entry| {
        let name = entry.unwrap().file_name();
        name == "airtally-manual.1" || name.to_string_lossy().contains("help")
    });
    assert!(!hidden, "pages of what is no command of its own");
    // Again over its own pages, but never over a file of somebody else's.
    assert!(run(["manual".as_ref(), home.path().as_os_str()]).status.success());
    fs::write(home.path().join("airtally.fish"), "notes").unwrap();
    let output = run(["manual".as_ref(), home.path().as_os_str()]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert_eq!(fs::read(home.path().join("airtally.fish")).unwrap(), b"notes");
}

#[test]
fn completions_are_for_every_shell() {
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef airtally"), ("fish", "complete -c airtally")] {
        let output = run(["completions", shell]);
        assert!(output.status.success() && out(&output).contains(word) && out(&output).contains("inspect"), "{shell}");
    }
    assert_eq!(run(["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn setup_asks_nobody_who_is_not_there() {
    let output = airtally().arg("setup").stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("--yes"), "{}", text(&output));
}

#[test]
fn setup_writes_what_it_was_told_and_keeps_the_rest() {
    let root = temp_dir();
    let home = root.path().join("etc/airtally");
    fs::create_dir_all(&home).unwrap();
    let secrets = home.join("ingest.secrets");
    fs::write(root.path().join("pw"), "sesame\n").unwrap();
    let setup = |more: &[&str]| {
        let output = airtally()
            .args(["setup", "--role", "ingest", "--yes", "--no-start", "--root"])
            .arg(root.path())
            .args(more)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        fs::read_to_string(home.join("ingest.toml")).unwrap()
    };
    let password = root.path().join("pw");
    let password = ["--user", "me", "--password-file", password.to_str().unwrap()];
    let written = setup(&[&["--ingest", "cellar", "--broker", "broker.lan:1884"][..], &password].concat());
    for line in ["name = \"cellar\"", "host = \"broker.lan\"", "port = 1884", "#[sqlite]", "# Largest message."] {
        assert!(written.contains(line), "{line} is not in:\n{written}");
    }
    assert!(!written.contains("sesame"), "the secret is not in the configuration");
    assert_eq!(fs::read_to_string(secrets.join("mqtt-password")).unwrap(), "sesame\n");
    let again = setup(&["--store", "influx-v1", "--influx-url", "http://db:8086"]);
    for line in ["name = \"cellar\"", "host = \"broker.lan\"", "url = \"http://db:8086\"", "username = \"me\""] {
        assert!(again.contains(line), "{line} is not in:\n{again}");
    }
    // The configuration names files as they will be once this root is one: checked here, they are below it.
    let staged = again.replace("/etc/airtally/", &format!("{}/", home.display()));
    fs::write(home.join("ingest.toml"), staged).unwrap();
    let output = airtally().arg("check").arg(home.join("ingest.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
