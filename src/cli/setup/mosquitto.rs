//! A broker on this machine, for this machine: mosquitto with a listener on loopback, two users, and what each may do.

use super::{
    plan::{Plan, Readers},
    system,
};
use crate::cli::format::UsageError;
use anyhow::{Context as _, bail};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};
use uuid::Uuid;

/// The sensor's user at the broker, and ingest's.
pub const USERS: [(&str, &str); 2] = [("sensor", "airtally-sensor"), ("ingest", "airtally-ingest")];
const MARK: &str = "# Written by airtally setup:";
const SAMPLE: &str = include_str!("../../../packaging/mosquitto/airtally.conf");
const RIGHTS: &str = include_str!("../../../packaging/mosquitto/airtally.acl");
const CONF: &str = "/etc/mosquitto/conf.d/airtally.conf";
const ACL: &str = "/etc/mosquitto/airtally.acl";
const PASSWORDS: &str = "/etc/mosquitto/airtally.passwd";
/// Settings of a broker that somebody has set up: ours beside them would change what they mean.
const SOMEBODYS: [&str; 6] =
    ["listener", "port", "allow_anonymous", "password_file", "acl_file", "per_listener_settings"];

/// Where a broker's program is, if it is installed.
pub fn program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(Into::into));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Installs mosquitto with apt.
///
/// # Errors
/// When that fails; apt has said why.
pub fn install() -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .args(["install", "-y", "mosquitto"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("there is no apt-get: install mosquitto by what this system has, and run setup again")?;
    if !status.success() {
        bail!("apt could not install mosquitto, so nothing was written: `sudo apt install mosquitto` says why");
    }
    Ok(())
}

/// Refuses a broker that somebody has set up already, before anything is written.
///
/// # Errors
/// Which file says so.
pub fn is_free(plan: &Plan) -> anyhow::Result<()> {
    let folder = plan.at("/etc/mosquitto/conf.d");
    let mut files = vec![plan.at("/etc/mosquitto/mosquitto.conf")];
    if let Ok(entries) = fs::read_dir(&folder) {
        files.extend(
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|end| end == "conf")),
        );
    }
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if text.starts_with(MARK) {
            continue;
        }
        let mut words =
            text.lines().enumerate().map(|(at, line)| (at, line.split_whitespace().next().unwrap_or_default()));
        if let Some((at, word)) = words.find(|(_, word)| SOMEBODYS.contains(word)) {
            let message = format!(
                "mosquitto is set up by somebody already: {}, line {}: '{word}'. It is left as it is, and nothing was written: \
                 make users for airtally there (docs/mqtt.md), and pass --broker localhost --user NAME --password-file FILE",
                file.display(),
                at + 1
            );
            return Err(UsageError(message).into());
        }
    }
    Ok(())
}

/// Has its files written, and the passwords of the two daemons where these are absent.
///
/// # Errors
/// When one cannot be read, or mosquitto_passwd fails.
pub fn set_up(plan: &mut Plan, base: &str, site: &str, sensor: &str) -> anyhow::Result<()> {
    let conf = SAMPLE.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |text, line| {
        let line = if line == "listener 1883" { "listener 1883 127.0.0.1" } else { line };
        if line.is_empty() { text } else { text + line + "\n" }
    });
    let first = format!("{MARK} the broker of this machine's own sensor and ingest.\n");
    plan.marked(CONF, format!("{first}{conf}"), 0o644, Readers::Root, &[MARK])?;
    let rights = RIGHTS.lines().filter(|line| !line.starts_with('#')).fold(String::new(), |text, line| {
        let line = match line {
            "user ingest-1" => "user airtally-ingest".to_owned(),
            "user sensor-1" => "user airtally-sensor".to_owned(),
            line => line
                .replace(" airtally/home/sensor-1/", &format!(" {base}/{site}/{sensor}/"))
                .replace(" airtally/", &format!(" {base}/")),
        };
        text + &line + "\n"
    });
    plan.marked(
        ACL,
        format!("{MARK} who may do what.\n{}\n", rights.trim()),
        0o640,
        Readers::Group("mosquitto"),
        &[MARK],
    )?;
    passwords(plan)
}

/// The file of passwords: lines of others stay. A daemon whose secret and line are there keeps both.
fn passwords(plan: &mut Plan) -> anyhow::Result<()> {
    let path = plan.at(PASSWORDS);
    let old = plan.read(&path).with_context(|| format!("cannot read {}", path.display()))?.unwrap_or_default();
    let old = String::from_utf8(old).with_context(|| format!("{} is no text", path.display()))?;
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    let has = |lines: &[String], user: &str| lines.iter().any(|line| line.split(':').next() == Some(user));
    let mut fresh = Vec::new();
    for (role, user) in USERS {
        let secret = plan.at(&system::secret_path(role, "mqtt-password"));
        if plan.read(&secret)?.is_some() && has(&lines, user) {
            continue;
        }
        // 122 random bits.
        let password = Uuid::new_v4().simple().to_string();
        plan.secret(secret, &password, system::readers(plan, role))?;
        lines.retain(|line| line.split(':').next() != Some(user));
        fresh.push(format!("{user}:{password}\n"));
    }
    if fresh.is_empty() {
        return Ok(());
    }
    lines.extend(hashed(&fresh.concat())?.lines().map(str::to_owned));
    let mut text = lines.join("\n");
    text.push('\n');
    plan.write(path, text.into_bytes(), 0o640, Readers::Group("mosquitto"), old.as_bytes())
}

/// Lines `USER:PASSWORD` as mosquitto keeps them. Passwords go by a file for us alone: a command line is for all to see.
fn hashed(plain: &str) -> anyhow::Result<String> {
    let told = "cannot have mosquitto_passwd hash the passwords";
    let path = std::env::temp_dir().join(format!("airtally-setup-{}", Uuid::new_v4().simple()));
    let remove = Removed(&path);
    let mut file = {
        use std::os::unix::fs::OpenOptionsExt as _;
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).context(told)?
    };
    file.write_all(plain.as_bytes()).context(told)?;
    let program = program("mosquitto_passwd").context("there is no mosquitto_passwd: install mosquitto anew")?;
    let status = Command::new(program).arg("-U").arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).status();
    if !status.context(told)?.success() {
        bail!("{told}: `mosquitto_passwd -U FILE` fails; is mosquitto whole?");
    }
    let text = fs::read_to_string(&path).context(told)?;
    drop(remove);
    let mut users = plain.lines().filter_map(|line| line.split(':').next());
    if users.any(|user| !text.lines().any(|line| line.starts_with(&format!("{user}:$")))) {
        bail!("{told}: it left them as they are");
    }
    Ok(text)
}

/// A file that is not to outlive this.
struct Removed<'a>(&'a Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}
