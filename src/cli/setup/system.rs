//! What setup asks of the system: units started, NetworkManager kept away from the card.

use super::{files, say};
use anyhow::{Context as _, bail};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Where NetworkManager reads its configuration.
const NETWORK_MANAGER: &str = "/etc/NetworkManager/conf.d";
/// How a file of ours there begins: by setup, and by the sample that people copy.
const WRITTEN_BY_US: &str = "# Written by airtally setup:";
const SAMPLE: &str = "# Keeps NetworkManager away from the card that airtally listens with.";
/// How long the first full window may take to be told: its own length twice, and the status that tells it.
const FIRST_WINDOW: Duration = Duration::from_secs(40);

/// The path by which a daemon sees one of its secrets: systemd makes it from the file in `/etc/airtally/ROLE.secrets`.
pub fn credential(role: &str, name: &str) -> String {
    format!("/run/credentials/airtally-{role}.service/secret_{name}")
}

/// This machine's name as a topic level; `sensor-1` where it has none that would do.
pub fn host_name() -> String {
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if name.is_empty() { "sensor-1".into() } else { name }
}

/// Tells NetworkManager, where there is one, to leave the card alone.
pub fn leave_to_us(interface: &str) -> anyhow::Result<()> {
    if !Path::new(NETWORK_MANAGER).is_dir() {
        return Ok(());
    }
    let path = Path::new(NETWORK_MANAGER).join("airtally.conf");
    match fs::read_to_string(&path) {
        Ok(text) if !text.starts_with(WRITTEN_BY_US) && !text.starts_with(SAMPLE) => {
            bail!("{} is not airtally's, and is left as it is: move it away, or add to it by hand", path.display());
        }
        _ => {}
    }
    let text = format!(
        "{WRITTEN_BY_US} this card listens.\n[device-airtally]\nmatch-device=interface-name:{interface}\nmanaged=0\n"
    );
    files::write(&path, text.as_bytes(), 0o644, false)?;
    say(&format!("wrote {}: NetworkManager leaves {interface} alone", path.display()));
    // It may not be running.
    let _ = systemctl(&["reload", "NetworkManager"]);
    Ok(())
}

/// Starts a unit now and at every boot, and says how it is. systemd calls it started once it says that it is ready.
pub fn start(unit: &str) -> anyhow::Result<()> {
    systemctl(&["enable", "--quiet", unit])?;
    if systemctl(&["restart", unit]).is_err() {
        bail!("{unit} does not start: `journalctl -u {unit} -n 20` says why");
    }
    say(&format!("{unit} runs, now and after every boot"));
    if unit == "airtally-sensor" {
        say("waiting for its first window");
        let end = Instant::now() + FIRST_WINDOW;
        let mut status = String::new();
        while Instant::now() < end && !status.contains(" in window ") {
            sleep(Duration::from_secs(1));
            status = property(unit, "StatusText");
        }
        say(&format!("{unit}: {status}"));
    }
    Ok(())
}

/// Has the vendor registry updated every week; without a network the one that travels with the program serves.
pub fn keep_registry_fresh() {
    if systemctl(&["enable", "--quiet", "--now", "airtally-oui-update.timer"]).is_ok() {
        say("vendor names are updated every week (airtally-oui-update.timer)");
    }
}

fn property(unit: &str, name: &str) -> String {
    let output = Command::new("systemctl").args(["show", "--value", "-p", name, unit]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn systemctl(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("systemctl")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("there is no systemctl: pass --no-start, and start the daemons by what this system has")?;
    if !status.success() {
        bail!("systemctl {} failed", arguments.join(" "));
    }
    Ok(())
}
