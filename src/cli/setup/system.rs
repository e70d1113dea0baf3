//! What setup asks of the system: units started, NetworkManager kept away from the card.

use super::{
    plan::{Plan, Readers},
    say,
};
use anyhow::{Context as _, bail};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
};

/// Where NetworkManager reads its configuration.
const NETWORK_MANAGER: &str = "/etc/NetworkManager/conf.d";
/// How a file of ours there begins: by setup, and by the sample that people copy.
const WRITTEN_BY_US: &str = "# Written by airtally setup:";
const SAMPLE: &str = "# Keeps NetworkManager away from the card that airtally listens with.";

/// Where a secret of a daemon is kept.
pub fn secret_path(role: &str, name: &str) -> String {
    format!("/etc/airtally/{role}.secrets/{name}")
}

/// The path by which a daemon sees one of its secrets: of the copy that systemd makes for it, where there is systemd.
pub fn seen_path(plan: &Plan, role: &str, name: &str) -> String {
    if has_systemd(plan) {
        format!("/run/credentials/airtally-{role}.service/secret_{name}")
    } else {
        secret_path(role, name)
    }
}

/// Who reads a secret's file.
pub fn readers(plan: &Plan, role: &str) -> Readers {
    match role {
        _ if has_systemd(plan) => Readers::Root,
        "sensor" => Readers::User("airtally"),
        _ => Readers::User("airtally-ingest"),
    }
}

/// Whether this system is one of systemd's, running or not.
fn has_systemd(plan: &Plan) -> bool {
    ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"].iter().any(|path| plan.at(path).exists())
}

/// Whether units can be started here.
pub fn runs_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// This machine's name as a topic level; `sensor-1` where it has none that would do.
pub fn host_name() -> String {
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if name.is_empty() { "sensor-1".into() } else { name }
}

/// Has NetworkManager told, where there is one, to leave the card alone.
///
/// # Errors
/// When a file that is not ours is at that place.
pub fn leave_to_us(plan: &mut Plan, interface: &str) -> anyhow::Result<()> {
    if !plan.at(NETWORK_MANAGER).is_dir() {
        return Ok(());
    }
    let text = format!(
        "{WRITTEN_BY_US} this card listens.\n[device-airtally]\nmatch-device=interface-name:{interface}\nmanaged=0\n"
    );
    let path = format!("{NETWORK_MANAGER}/airtally.conf");
    plan.marked(&path, text, 0o644, Readers::Root, &[WRITTEN_BY_US, SAMPLE])
}

/// Has NetworkManager read what was written. It may not be running.
pub fn reload_network_manager() {
    let _ = systemctl(&["reload", "NetworkManager"]);
}

/// Starts a unit now and at every boot; anew where it runs and its files have `changed`. systemd calls it started once it
/// says that it is ready.
///
/// # Errors
/// When it does not start.
pub fn start(unit: &str, changed: bool) -> anyhow::Result<()> {
    systemctl(&["enable", "--quiet", unit])?;
    let verb = if changed { "restart" } else { "start" };
    if systemctl(&[verb, unit]).is_err() {
        let last = asked("journalctl", &["-u", unit, "-n", "1", "-o", "cat", "--no-pager", "-q"]);
        let result = asked("systemctl", &["show", "--value", "-p", "Result", unit]);
        bail!("{unit} does not start ({result}); the last of its log: {last}; `journalctl -u {unit} -n 20` says more");
    }
    say(&format!("{unit} runs, now and after every boot"));
    Ok(())
}

/// Starts a unit soon and at every boot, and waits for nothing: for one who runs while the machine is starting.
///
/// # Errors
/// When systemd refuses.
pub fn start_soon(unit: &str) -> anyhow::Result<()> {
    systemctl(&["enable", "--quiet", unit])?;
    systemctl(&["restart", "--no-block", unit])?;
    say(&format!("{unit} will run, now and after every boot"));
    Ok(())
}

/// What a unit says of itself; nothing where it says nothing.
pub fn says(unit: &str) -> String {
    asked("systemctl", &["show", "--value", "-p", "StatusText", unit])
}

/// What a program answers; nothing where it does not.
fn asked(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// This machine's own address in the local network, if it has one: the one that packets to elsewhere would leave from.
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address for documentation (RFC 5737); nothing is sent.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Has the vendor registry updated every week; without a network the one that travels with the program serves.
pub fn keep_registry_fresh() {
    if systemctl(&["enable", "--quiet", "--now", "--no-block", "airtally-oui-update.timer"]).is_ok() {
        say("vendor names are updated every week (airtally-oui-update.timer)");
    }
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
