//! `airtally provision`: its folder makes a real mosquitto work at the first try, each user can write its own topics and no
//! other's, and a second run changes nothing that is there.

use super::broker::*;
use airtally::bundle::Bundle;
use std::{
    cell::Cell,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

fn airtally(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_airtally")).args(arguments).output().unwrap()
}

fn provision(dir: &Path, port: u16, more: &[&str]) -> Output {
    let file = |name: &str| dir.join(name).display().to_string();
    let (list, out, files) = (file("list.csv"), file("fleet"), file("fleet/broker"));
    let broker = format!("localhost:{port}");
    let usual = ["provision", "--sensors", &list, "--out", &out, "--broker", &broker, "--broker-dir", &files];
    airtally(&[&usual, more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn list(count: usize) -> String {
    let lines: String = (0..count).map(|n| format!("pi-{n:03},{},Shelf {n},\"Aisle {n}, left\"\n", site(n))).collect();
    format!("name,site,label,location\n{lines}")
}

fn site(number: usize) -> &'static str {
    if number.is_multiple_of(2) { "shop" } else { "depot" }
}

/// A fleet and its broker.
struct Fleet {
    broker: Broker,
    port: u16,
    more: Vec<String>,
}

impl Fleet {
    fn new(more: &[&str], list: &str) -> Self {
        let port = Cell::new(0);
        let broker = Broker::start_with(|dir| {
            fs::write(dir.join("list.csv"), list).unwrap();
            port.set(free_port());
            let output = provision(dir, port.get(), more);
            assert!(output.status.success(), "{}", said(&output));
            // With its own listener, beside the first one, which is the test's.
            fs::read_to_string(dir.join("fleet/broker/airtally.conf")).unwrap()
        });
        Self { broker, port: port.get(), more: more.iter().map(|option| (*option).to_owned()).collect() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.broker.dir.path().join("fleet").join(name)
    }

    fn again(&self) -> Output {
        provision(self.broker.dir.path(), self.port, &self.more.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn bundle(&self, number: usize) -> PathBuf {
        self.path(&format!("bundles/{}/pi-{number:03}.bundle", site(number)))
    }

    /// What a client of sensor `number` says who it is with.
    fn credentials(&self, number: usize) -> Vec<String> {
        let (bundle, config) = Bundle::read(&self.bundle(number)).unwrap();
        let dir = self.broker.dir.path();
        let put = |name: &str, text: &str| {
            let path = dir.join(format!("{number}-{name}"));
            fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let mut arguments = Vec::new();
        if let Some(ca) = &bundle.ca {
            arguments.extend(["--cafile".to_owned(), put("ca", ca)]);
        }
        if let Some(password) = &bundle.password {
            arguments.extend(["-u".into(), config.mqtt.username.unwrap(), "-P".into(), password.clone()]);
        }
        if let (Some(certificate), Some(key)) = (&bundle.certificate, &bundle.key) {
            arguments.extend(["--cert".into(), put("cert", certificate), "--key".into(), put("key", key)]);
        }
        arguments
    }

    /// What the broker answers to a message: 0 where it takes it, 135 where the ACL forbids it (MQTT 5, 3.4.2.1).
    fn publishes(&self, credentials: &[String], topic: &str) -> bool {
        let output = Command::new("mosquitto_pub")
            .args(["-V", "5", "-q", "1", "-h", "localhost", "-p", &self.port.to_string(), "-t", topic, "-m", "x"])
            .args(credentials)
            .output()
            .unwrap();
        let text = said(&output);
        assert!(output.status.success() || text.contains("uthori"), "{topic}: {text}");
        output.status.success() && !text.contains("Not authorized")
    }
}

#[test]
fn two_hundred_sensors_by_password_over_tls() {
    let fleet = Fleet::new(&[], &list(200));
    each_publishes_its_own(&fleet);
    let password = ["-u".to_owned(), "shop/pi-000".into(), "-P".into(), "wrong".into(), "--cafile".into()];
    let wrong = [password.as_slice(), &[fleet.path("ca.pem").display().to_string()]].concat();
    assert!(!fleet.publishes(&wrong, "airtally/shop/pi-000/batch"), "a wrong password");

    // Nothing that is there is changed by a second run, and new sensors are added.
    let before = snapshot(&fleet.path(""));
    fs::write(fleet.broker.dir.path().join("list.csv"), list(203)).unwrap();
    let text = said(&fleet.again());
    assert!(text.contains("3 bundles made") && text.contains("200 bundles kept, passwords and all"), "{text}");
    let after = snapshot(&fleet.path(""));
    for (path, content) in &before {
        let now = &after.iter().find(|(other, _)| other == path).unwrap().1;
        assert!(now.starts_with(content), "{} was changed", path.display());
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    assert_eq!(after.len(), before.len() + 3);
    // A bundle that was given away and removed is not made again: its sensor's password is unknown.
    fs::remove_file(fleet.bundle(7)).unwrap();
    let text = said(&fleet.again());
    assert!(text.contains("0 bundles made") && text.contains("depot/pi-007"), "{text}");
    assert!(!fleet.bundle(7).exists());
    // Half of a pair is named.
    fs::remove_file(fleet.path("ca.key")).unwrap();
    let output = fleet.again();
    assert!(output.status.code() == Some(1) && said(&output).contains("without"), "{}", said(&output));
}

#[test]
fn certificates_in_place_of_passwords() {
    let long = "x".repeat(64);
    let text = format!("name,site\npi-000,shop\npi-001,depot\npi-002,shop\npi-003,depot\n{long},{long}\nä-ö,büro\n");
    let fleet = Fleet::new(&["--login", "certificate"], &text);
    each_publishes_its_own(&fleet);
    for (site, name) in [(long.as_str(), long.as_str()), ("büro", "ä-ö")] {
        let (bundle, _) = Bundle::read(&fleet.path(&format!("bundles/{site}/{name}.bundle"))).unwrap();
        let dir = fleet.broker.dir.path();
        fs::write(dir.join("cert"), bundle.certificate.unwrap()).unwrap();
        fs::write(dir.join("key"), bundle.key.unwrap()).unwrap();
        let file = |name: &str| dir.join(name).display().to_string();
        let who =
            ["--cafile", &file("fleet/ca.pem"), "--cert", &file("cert"), "--key", &file("key")].map(str::to_owned);
        assert!(fleet.publishes(&who, &format!("airtally/{site}/{name}/batch")), "{name}");
        assert!(!fleet.publishes(&who, "airtally/shop/pi-000/batch"));
    }
    let none = ["--cafile".to_owned(), fleet.path("ca.pem").display().to_string()];
    let output = Command::new("mosquitto_pub")
        .args(["-V", "5", "-q", "1", "-h", "localhost", "-p", &fleet.port.to_string(), "-t", "a", "-m", "x"])
        .args(none)
        .output()
        .unwrap();
    assert!(!output.status.success(), "without a certificate nobody is let in");
}

#[test]
fn a_folder_is_for_one_broker_and_a_bad_list_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| home.path().join(name).display().to_string();
    fs::write(file("list.csv"), "name,site\nattic,home\n").unwrap();
    let provision = |list: &str, more: &[&str]| {
        let (list, out) = (file(list), file("fleet"));
        airtally(&[&["provision", "--sensors", &list, "--out", &out, "--broker", "broker.lan"], more].concat())
    };
    fs::write(file("bad.csv"), "name,site\nattic,home\nno name,home\nattic,home\n").unwrap();
    let output = provision("bad.csv", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("line 3: name:") && said(&output).contains("line 4: 'attic'"), "{}", said(&output));
    assert!(!home.path().join("fleet").exists(), "of a bad list nothing is made");
    assert!(provision("list.csv", &["--tls", "none"]).status.success());
    let output = provision("list.csv", &[]);
    assert!(output.status.code() == Some(2) && said(&output).contains("other options"), "{}", said(&output));
    // A file of somebody else's is left as it is.
    let theirs = home.path().join("fleet/broker/airtally.acl");
    fs::write(&theirs, "user me\n").unwrap();
    let output = provision("list.csv", &["--tls", "none"]);
    assert!(!output.status.success() && said(&output).contains("left as it is"), "{}", said(&output));
    assert_eq!(fs::read(&theirs).unwrap(), b"user me\n");
}

#[test]
fn an_authority_alone_serves_a_broker_of_ones_own() {
    let broker = Broker::start("");
    let dir = broker.dir.path();
    let fleet = dir.join("fleet").display().to_string();
    let made = || {
        airtally(&[
            "provision",
            "ca",
            "--out",
            &fleet,
            "--server",
            "localhost",
            "--server",
            "127.0.0.1",
            "--client",
            "me",
        ])
    };
    let text = said(&made());
    assert_eq!(text.matches("made: ").count(), 3, "{text}");
    let before = snapshot(&dir.join("fleet"));
    let text = said(&made());
    assert_eq!(text.matches("kept: ").count(), 3, "{text}");
    assert_eq!(snapshot(&dir.join("fleet")), before);
    let pem = |name: &str| format!("{fleet}/{name}");
    for (purpose, certificate) in [("sslserver", "broker/airtally-server.pem"), ("sslclient", "clients/me.pem")] {
        let verify = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile", &pem("ca.pem"), &pem(certificate)])
            .output()
            .unwrap();
        assert!(verify.status.success(), "{}", said(&verify));
    }
    let bad = airtally(&["provision", "ca", "--out", &fleet, "--client", "../me"]);
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
}

fn each_publishes_its_own(fleet: &Fleet) {
    let count = if fleet.bundle(199).exists() { 199 } else { 3 };
    for number in [0, 1, count / 2, count] {
        let who = fleet.credentials(number);
        let other = (number + 1) % (count + 1);
        for (topic, may) in [
            (format!("airtally/{}/pi-{number:03}/batch", site(number)), true),
            (format!("airtally/{}/pi-{number:03}/status", site(number)), true),
            (format!("airtally/{}/pi-{number:03}/response/replay", site(number)), true),
            (format!("airtally/{}/pi-{number:03}/request/replay", site(number)), false),
            (format!("airtally/{}/pi-{other:03}/batch", site(other)), false),
            (format!("airtally/{}/pi-{number:03}/batch", site(number + 1)), false),
            ("airtally/ingest/ingest-1".to_owned(), false),
        ] {
            assert_eq!(fleet.publishes(&who, &topic), may, "pi-{number:03} on {topic}: {}", fleet.broker.log());
        }
    }
}

/// All files below a folder, with their content.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(snapshot(&path)) } else { all.push((path.clone(), fs::read(&path).unwrap())) }
    }
    all.sort();
    all
}

/// A machine's folder of configuration, as a package leaves it.
fn machine(home: &Path) -> PathBuf {
    let etc = home.join("etc/airtally");
    fs::create_dir_all(etc.join("sensor.secrets")).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sensor.toml");
    fs::copy(sample, etc.join("sensor.toml")).unwrap();
    etc
}

#[test]
fn a_bundle_makes_a_machine_its_sensor() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    fs::write(dir.join("list.csv"), list(2)).unwrap();
    let key = dir.join("operator.pub");
    let text = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    fs::write(&key, text).unwrap();
    let output = provision(dir, 8883, &["--login", "certificate", "--operator-key", &key.display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    let bundle = |name: &str| dir.join("fleet/bundles").join(name);
    let etc = machine(dir);
    let setup = |more: &[&str]| {
        airtally(&[&["setup", "--no-start", "--root", &home.path().display().to_string()], more].concat())
    };
    let first = bundle("shop/pi-000.bundle").display().to_string();
    assert!(setup(&["--bundle", &first]).status.success());
    let config = airtally::config::load_sensor(&etc.join("sensor.toml")).unwrap();
    assert_eq!((config.sensor.as_str(), config.label.as_str()), ("pi-000", "Shelf 0"));
    assert_eq!(fs::read_to_string(etc.join("operator.pub")).unwrap(), text);
    let (has, _) = Bundle::read(&bundle("shop/pi-000.bundle")).unwrap();
    assert_eq!(fs::read_to_string(etc.join("sensor.secrets/mqtt-key")).unwrap(), has.key.unwrap());
    assert_eq!(fs::read_to_string(etc.join("client.pem")).unwrap(), has.certificate.unwrap());
    // The same again is no question; another sensor is.
    assert!(setup(&["--bundle", &first]).status.success());
    let second = bundle("depot/pi-001.bundle").display().to_string();
    let output = setup(&["--bundle", &second]);
    assert!(!output.status.success() && said(&output).contains("pi-000 of site shop already"), "{}", said(&output));
    assert!(setup(&["--bundle", &second, "--yes"]).status.success());
    // What is no bundle changes nothing.
    let before = snapshot(&etc);
    fs::write(bundle("half"), &fs::read(&second).unwrap()[..3_000]).unwrap();
    let output = setup(&["--bundle", &bundle("half").display().to_string(), "--yes"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("not whole"), "{}", said(&output));
    assert_eq!(snapshot(&etc), before);
}

#[test]
fn the_first_boot_takes_the_bundle_once_and_only_where_nobody_configured_the_machine() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    fs::write(dir.join("list.csv"), list(1)).unwrap();
    assert!(provision(dir, 8883, &[]).status.success());
    let (etc, boot) = (machine(dir), dir.join("boot"));
    fs::create_dir(&boot).unwrap();
    let boots = || airtally(&["setup", "--first-boot", "--root", &dir.display().to_string()]);
    assert!(boots().status.success(), "no bundle is nothing to do");
    let (bundle, on_boot) = (dir.join("fleet/bundles/shop/pi-000.bundle"), boot.join("airtally.bundle"));
    fs::write(&on_boot, "half").unwrap();
    let before = snapshot(&etc);
    assert_eq!(boots().status.code(), Some(2));
    assert!(on_boot.exists() && snapshot(&etc) == before, "what is no bundle stays, and changes nothing");
    fs::copy(&bundle, &on_boot).unwrap();
    let other_name = dir.join("the same octets");
    fs::hard_link(&on_boot, &other_name).unwrap();
    let output = boots();
    assert!(output.status.success() && said(&output).contains("erased"), "{}", said(&output));
    assert!(
        !on_boot.exists() && fs::read(&other_name).unwrap().iter().all(|octet| *octet == 0),
        "overwritten, removed"
    );
    let after = snapshot(&etc);
    assert!(after.iter().any(|(path, _)| path.ends_with("sensor.secrets/mqtt-password")));
    fs::copy(&bundle, &on_boot).unwrap();
    let output = boots();
    assert!(output.status.success() && said(&output).contains("left alone"), "{}", said(&output));
    assert!(on_boot.exists() && snapshot(&etc) == after);
}

/// A sensor set up from its bundle publishes a capture's windows, and then is there without a radio.
fn a_real_sensor(login: &str) {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str| home.path().join(name).display().to_string();
    let synth = Command::new(env!("CARGO_BIN_EXE_synth")).arg(file("capture.pcap")).output().unwrap();
    assert!(synth.status.success(), "{}", said(&synth));
    let template = format!(
        "sensor = \"any\"\n[source]\nkind = \"file\"\nfile = \"{}\"\npace = \"fast\"\n[spool]\nruntime_dir = \"{}\"\nstate_dir = \
         \"{}\"\n[oui]\ncache = \"{}\"\n",
        file("capture.pcap"),
        file("run"),
        file("state"),
        file("oui.sqlite")
    );
    fs::write(file("template.toml"), template).unwrap();
    let fleet = Fleet::new(&["--login", login, "--config", &file("template.toml")], &list(2));
    let etc = machine(home.path());
    let bundle = fleet.bundle(0).display().to_string();
    let output = airtally(&["setup", "--bundle", &bundle, "--no-start", "--root", &home.path().display().to_string()]);
    assert!(output.status.success(), "{}", said(&output));
    // This machine's root is another.
    let config = etc.join("sensor.toml");
    let own = etc.display().to_string();
    fs::write(&config, fs::read_to_string(&config).unwrap().replace("/etc/airtally", &own)).unwrap();

    let path = |name: &str| fleet.path(name).display().to_string();
    let mut ingest = ["--cafile".to_owned(), path("ca.pem")].to_vec();
    if login == "password" {
        let password = fs::read_to_string(fleet.path("ingest/password")).unwrap();
        ingest.extend(["-u".into(), "ingest-1".into(), "-P".into(), password.trim().into()]);
    } else {
        ingest.extend(["--cert".into(), path("ingest/client.pem"), "--key".into(), path("ingest/client.key")]);
    }
    let subscribe = |topic: &str, more: &[&str]| {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-V", "5", "-q", "1", "-h", "localhost", "-p", &fleet.port.to_string(), "-t", topic]);
        command.args(&ingest).args(more).stdout(Stdio::piped());
        command
    };
    // It stays: what nobody subscribes to is not delivered, and a sensor at its end waits for that.
    let heard = fs::File::create(file("heard")).unwrap();
    let mut listening = subscribe("airtally/shop/pi-000/batch", &[]).stdout(heard).spawn().unwrap();
    let sensor = airtally(&["sensor", "--config", &config.display().to_string()]);
    listening.kill().unwrap();
    listening.wait().unwrap();
    assert!(sensor.status.success(), "{}\n{}", said(&sensor), fleet.broker.log());
    let heard = fs::read_to_string(file("heard")).unwrap();
    assert!(heard.contains("\"site\":\"shop\",\"sensor\":\"pi-000\""), "{heard}");

    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("kind = \"file\"", "kind = \"none\"")).unwrap();
    let mut sensor = Command::new(env!("CARGO_BIN_EXE_airtally"))
        .args(["sensor", "--config", &config.display().to_string()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = said(&subscribe("airtally/shop/pi-000/status", &["-C", "1", "-W", "5"]).output().unwrap());
        if status.contains("\"state\":\"online\",\"reason\":\"no_radio\"") {
            break;
        }
        assert!(Instant::now() < deadline && sensor.try_wait().unwrap().is_none(), "{status}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(Command::new("kill").arg(sensor.id().to_string()).status().unwrap().success());
    let ended = sensor.wait_with_output().unwrap();
    assert!(ended.status.success() && said(&ended).contains("without a radio"), "{}", said(&ended));
    let status = said(&subscribe("airtally/shop/pi-000/status", &["-C", "1", "-W", "5"]).output().unwrap());
    assert!(status.contains("\"reason\":\"stopped\""), "{status}");
}

#[test]
fn a_real_sensor_logs_in_by_password() {
    a_real_sensor("password");
}

#[test]
fn a_real_sensor_logs_in_by_certificate() {
    a_real_sensor("certificate");
}

#[test]
fn sensors_of_a_site_get_one_secret_of_sketches() {
    let dir = tempfile::tempdir().unwrap();
    let common = dir.path().join("common.toml");
    fs::write(&common, "[sketch]\nenabled = true\n").unwrap();
    fs::write(dir.path().join("list.csv"), list(3)).unwrap();
    let more = ["--config", common.to_str().unwrap()];
    let output = provision(dir.path(), 1883, &more);
    assert!(output.status.success(), "{}", said(&output));
    let secret = |number: usize| {
        let path = dir.path().join(format!("fleet/bundles/{}/pi-{number:03}.bundle", site(number)));
        Bundle::read(&path).unwrap().0.site_secret.unwrap()
    };
    assert_eq!(secret(0), secret(2));
    assert_ne!(secret(0), secret(1));
    // Days later, another sensor of the shop: the folder has that day's secret alone, and its sensors come to the same.
    let kept = dir.path().join("fleet/sites/shop.secret");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let parse = |text: &str| text.parse::<airtally::sketch::SiteSecret>().unwrap();
    let first = airtally::sketch::SiteSecret::new(parse(&secret(0)).day() - 3, [9; 32]);
    fs::write(&kept, format!("{first}\n")).unwrap();
    fs::write(dir.path().join("list.csv"), list(5)).unwrap();
    let output = provision(dir.path(), 1883, &more);
    assert!(output.status.success(), "{}", said(&output));
    let today = first.on(parse(&secret(0)).day()).unwrap();
    assert!(parse(&secret(4)) == today);
    assert!(parse(&fs::read_to_string(&kept).unwrap()) == today);
    assert!(!dir.path().join("fleet/sites/shop.old").exists());
    // A machine that becomes one of them.
    let root = dir.path().join("machine");
    for folder in ["etc/airtally", "var/lib/airtally"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let bundle = dir.path().join("fleet/bundles/shop/pi-000.bundle");
    let output =
        airtally(&["setup", "--bundle", bundle.to_str().unwrap(), "--root", root.to_str().unwrap(), "--no-start"]);
    assert!(output.status.success(), "{}", said(&output));
    let written = root.join("var/lib/airtally/site.secret");
    assert_eq!(fs::read_to_string(&written).unwrap().trim_end(), secret(0));
    assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
}
