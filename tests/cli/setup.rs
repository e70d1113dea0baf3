//! `airtally setup` into a root of its own: what it writes, what it leaves alone, and that a real broker, sensor and ingest
//! run from the written files and count what `inspect` counts.

use super::support::{
    broker::Broker,
    free_port, history,
    program::{Daemon, airtally, run, text},
    synth, synthesise, temp_dir, wait_until,
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A machine with the folders that packages have made, and answers for it.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = temp_dir();
        for folder in ["etc/airtally", "etc/mosquitto/conf.d", "etc/NetworkManager/conf.d"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn setup(&self, answers: &str) -> Output {
        let file = self.at("answers.toml");
        fs::write(&file, answers).unwrap();
        airtally().args(["setup", "--root"]).arg(self.root.path()).arg("--answers").arg(file).output().unwrap()
    }

    fn refused(&self, answers: &str, word: &str) {
        let before = self.files();
        let output = self.setup(answers);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(word), "{}", text(&output));
        assert_eq!(self.files(), before, "nothing was written");
    }

    /// Every file below etc with its content, mode and time.
    fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, SystemTime)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.at("etc")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::metadata(&path).unwrap();
                if metadata.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).unwrap();
                    found.insert(path, (content, metadata.permissions().mode() & 0o777, metadata.modified().unwrap()));
                }
            }
        }
        found
    }

    /// A text of this machine with the paths and the broker's port as this test has them.
    fn moved(&self, text: &str, port: u16) -> String {
        let root = self.root.path().display().to_string();
        ["/etc/airtally/", "/etc/mosquitto/", "/var/lib/airtally", "/run/airtally"]
            .iter()
            .fold(text.to_owned(), |text, path| text.replace(path, &format!("{root}{path}")))
            .replace("host = \"localhost\"\n", &format!("host = \"127.0.0.1\"\nport = {port}\n"))
    }
}

/// A capture of some minutes ago, and its frames.
fn capture(dir: &Path) -> (PathBuf, u64) {
    let start = UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64 - 600_000_000_000;
    let options = synth::Options { frames: 3_000, seconds: 60, start, ..synth::Options::default() };
    let (path, tally) = synthesise(dir, &options);
    (path, tally.frames)
}

#[test]
fn one_machine_that_does_it_all_counts_what_inspect_counts() {
    let machine = Machine::new();
    let (capture, frames) = capture(machine.root.path());
    fs::write(machine.at("page-password"), "correct horse\n").unwrap();
    let answers = format!(
        "role = \"all\"\nsite = \"home\"\nsensor = \"attic\"\ncapture = \"{}\"\npage = \"network\"\npage_password_file = \"{}\"\n",
        capture.display(),
        machine.at("page-password").display()
    );
    let output = machine.setup(&answers);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let files = machine.files();
    for (path, (content, mode, _)) in &files {
        assert!(text(&output).contains(&format!("writes {}\n", path.display())), "{} was not told", path.display());
        let is_secret = path.to_string_lossy().contains(".secrets/");
        let expected = if is_secret {
            0o600
        } else if path.ends_with("conf.d/airtally.conf") {
            0o644
        } else {
            0o640
        };
        assert_eq!(*mode, expected, "{}", path.display());
        assert!(!String::from_utf8_lossy(content).contains("correct horse"), "{}", path.display());
    }
    assert_eq!(files.len(), 8, "{:?}", files.keys());
    // A second time, with the same answers and with none: nothing is written. The page's password is not given again: its hash
    // has another salt each time.
    for again in
        [answers.lines().filter(|line| !line.contains("password")).collect::<Vec<_>>().join("\n"), String::new()]
    {
        let output = machine.setup(&again);
        assert!(output.status.success() && text(&output).contains("nothing to write"), "{}", text(&output));
        assert_eq!(machine.files(), files);
    }

    // A real broker from the written files.
    let broker = Broker::start_with(|_| {
        let conf = machine.read("etc/mosquitto/conf.d/airtally.conf");
        assert!(conf.contains("listener 1883 127.0.0.1\n"), "{conf}");
        machine.moved(&conf, 0).replace("listener 1883 127.0.0.1\n", "")
    });
    let page = free_port();
    let daemon = |name: &str, text: String| {
        let file = machine.at(&format!("{name}.toml"));
        fs::write(&file, machine.moved(&text, broker.port)).unwrap();
        let checked = run(["check".as_ref(), file.as_os_str()]);
        assert!(checked.status.success(), "{}", self::text(&checked));
        Daemon::start(name, airtally().arg(name).arg("--config").arg(file), &machine.at(&format!("{name}.log")))
    };
    for folder in ["var/lib/airtally", "var/lib/airtally-ingest", "run/airtally"] {
        fs::create_dir_all(machine.at(folder)).unwrap();
    }
    let ingest = machine.read("etc/airtally/ingest.toml");
    assert!(ingest.contains("listen = \"0.0.0.0:8780\"") && !ingest.contains("\n[sqlite]"), "{ingest}");
    // Stored at once, for a test does not wait two minutes.
    let history = machine.at("var/lib/airtally-ingest/history.sqlite");
    let soon = "\n[sqlite]\npath = \"/var/lib/airtally-ingest/history.sqlite\"\ncommit_within = \"300ms\"\n";
    let ingest = ingest
        .replace("0.0.0.0:8780", &format!("127.0.0.1:{page}"))
        .replace("commit_within = \"30s\"", "commit_within = \"1s\"");
    let mut ingest = daemon("ingest", ingest + soon);
    ingest.await_log("connected to the broker", Duration::from_secs(30));
    let sensor = machine.read("etc/airtally/sensor.toml").replace("pace = \"auto\"", "pace = \"fast\"");
    daemon("sensor", sensor).succeed(Duration::from_secs(90));
    let sum =
        || history::open(&history).map_or(0, |database| history::number(&database, "SELECT sum(frames) FROM windows"));
    wait_until("all frames are stored", Duration::from_secs(60), || sum() == frames);
    let inspected = run(["inspect".as_ref(), capture.as_os_str(), "--format".as_ref(), "json".as_ref()]);
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(inspected["frames"].as_u64(), Some(sum()));

    // The page is for those who know its password.
    let curl = |arguments: &[&str]| {
        let output =
            Command::new("curl").args(["-s", "-o", "/dev/null", "-w", "%{http_code}"]).args(arguments).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let url = format!("http://127.0.0.1:{page}");
    assert_eq!(curl(&[&format!("{url}/api/v1/stations")]), "401");
    let login = |password: &str| curl(&["--data-urlencode", &format!("password={password}"), &format!("{url}/login")]);
    assert_eq!((login("wrong horse"), login("correct horse")), ("403".to_owned(), "303".to_owned()));
    ingest.stop();
}

#[test]
fn setup_keeps_what_it_replaces_and_changes_only_what_was_answered() {
    let machine = Machine::new();
    let before = "# mine\nsite = \"shop\"\nsensor = \"till\"\n[source]\nkind = \"interface\"\ninterface = \"mon0\"\n\
                  [mqtt]\nhost = \"broker.lan\"\n[mqtt.tls]\nca_file = \"/etc/ca.pem\"\n";
    fs::write(machine.at("etc/airtally/sensor.toml"), before).unwrap();
    // As it was configured, it is the answer to every question: a sensor, its card by hand, its broker, TLS.
    let output = machine.setup("");
    assert!(output.status.success() && text(&output).contains("nothing to write"), "{}", text(&output));
    assert_eq!(machine.read("etc/airtally/sensor.toml"), before);
    // TLS can be answered away; the file of before is beside the new one.
    let output = machine.setup("tls = false\nprivacy = \"vendor\"\n");
    let copy = machine.at("etc/airtally/sensor.toml.before-setup");
    assert!(text(&output).contains(&format!("keeps the old one as {}", copy.display())), "{}", text(&output));
    assert_eq!(fs::read_to_string(copy).unwrap(), before);
    let now = machine.read("etc/airtally/sensor.toml");
    assert!(!now.contains("tls") && now.contains("mac = \"vendor\"") && now.contains("# mine"), "{now}");
    assert!(!machine.at("etc/airtally/ingest.toml").exists() && !machine.at("etc/mosquitto/airtally.acl").exists());
}

#[test]
fn what_setup_may_not_do_it_says_and_writes_nothing() {
    let machine = Machine::new();
    let (capture, _) = capture(machine.root.path());
    let all = format!("role = \"all\"\ncapture = \"{}\"\n", capture.display());
    machine.refused("sit = \"home\"\n", "unknown field `sit`");
    machine.refused(&format!("{all}privacy = \"secret\"\n"), "'secret' is none of plain, pseudonym, vendor");
    machine.refused(&format!("{all}sensor = \"a b\"\n"), "sensor");
    machine.refused(&format!("{all}page = \"network\"\n"), "--page-password-file");
    fs::write(machine.at("short"), "short\n").unwrap();
    let short = machine.at("short").display().to_string();
    machine.refused(&format!("{all}page = \"network\"\npage_password_file = \"{short}\"\n"), "shorter than");
    machine
        .refused(&format!("{all}capture = \"/nowhere.pcap\"\n").replacen(&all, "role = \"all\"\n", 1), "/nowhere.pcap");
    // A broker that somebody has set up, and a file that only looks like ours by its name.
    fs::write(machine.at("etc/mosquitto/conf.d/own.conf"), "# ours\nlistener 1884\n").unwrap();
    machine.refused(&all, "own.conf, line 2: 'listener'");
    fs::remove_file(machine.at("etc/mosquitto/conf.d/own.conf")).unwrap();
    fs::write(machine.at("etc/mosquitto/airtally.acl"), "user me\n").unwrap();
    machine.refused(&all, "airtally.acl is not airtally's");
}
