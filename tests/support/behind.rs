//! Tests in a process of their own behind another program: in a network of their own, or without capabilities. Needs Linux
//! with user namespaces (or root), and the programs `unshare` and `ip`.

use std::process::Command;

/// Set in the process that a launcher has put where the test belongs.
const INSIDE: &str = "AIRTALLY_TEST_INSIDE";

/// Runs `body` in a process of its own behind `launcher`: this program again, with this `test` alone.
pub fn run_behind(launcher: &[&str], test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let output = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", launcher[0]));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Runs `body` as root of a network that has nothing but a loopback interface, which is down.
pub fn with_a_network_of_its_own(test: &str, body: fn()) {
    run_behind(&["unshare", "--map-root-user", "--net"], test, body);
}

/// Configures the network.
pub fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

/// Whether somebody in this network listens to packets of an interface, and no longer prepares to: of a socket the table
/// says in its sixth column whether it runs.
pub fn listens_to_packets() -> bool {
    let sockets = std::fs::read_to_string("/proc/net/packet").unwrap_or_default();
    sockets.lines().skip(1).any(|socket| socket.split_ascii_whitespace().nth(5) == Some("1"))
}
