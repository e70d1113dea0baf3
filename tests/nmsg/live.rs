//! `airtally nmsg` in a network of its own: packets of an interface, multicast groups, addresses of one link.

use crate::support::{
    behind::{ip, listens_to_packets, with_a_network_of_its_own},
    program::{Daemon, airtally, run, text},
    temp_dir, wait_until,
};
use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
    path::Path,
    thread::sleep,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);

fn nmsg(arguments: &[&str], log: &Path) -> Daemon {
    Daemon::start("nmsg", airtally().arg("nmsg").args(arguments), log)
}

/// Sockets of UDP that somebody listens on at this port.
fn listeners(port: u16) -> usize {
    let ends = format!(":{port:04X}");
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let local = |line: &&str| line.split_ascii_whitespace().nth(1).is_some_and(|local| local.ends_with(&ends));
    tables.iter().flat_map(|table| table.lines()).filter(local).count()
}

#[test]
fn packets_of_an_interface_become_messages() {
    with_a_network_of_its_own("live::packets_of_an_interface_become_messages", packets_of_loopback);
}

fn packets_of_loopback() {
    ip("link set lo up");
    let dir = temp_dir();
    let (v4, v6) =
        (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap());
    let (port4, port6) = (v4.local_addr().unwrap().port(), v6.local_addr().unwrap().port());
    for interface in ["lo", "any"] {
        let log = dir.path().join(interface);
        let mut daemon = nmsg(&["--from-capture", interface, "--format", "tuple", "-c", "4"], &log);
        wait_until("somebody listens", LONG, listens_to_packets);
        for port in [9, 10] {
            v4.send_to(&[7; 50], (Ipv4Addr::LOCALHOST, port)).unwrap();
            v6.send_to(&[7; 50], (Ipv6Addr::LOCALHOST, port)).unwrap();
        }
        daemon.succeed(LONG);
        // What nobody takes is answered by ICMP, which quotes it and has no ports.
        for port in [9, 10] {
            assert!(
                daemon.log().contains(&format!("127.0.0.1.{port4} --> 127.0.0.1.{port} (17)\n")),
                "{}",
                daemon.log()
            );
            assert!(daemon.log().contains(&format!("::1.{port6} --> ::1.{port} (17)\n")), "{}", daemon.log());
        }
    }

    // What is sent to the listener is not told to the listener: each message would make another.
    let (heard, log) = (dir.path().join("heard"), dir.path().join("log"));
    let mut listener = nmsg(&["--listen", "127.0.0.1/8430", "--format", "tuple"], &heard);
    wait_until("the listener", LONG, || listeners(8430) == 1);
    let mut daemon = nmsg(&["--from-capture", "lo", "-s", "127.0.0.1/8430", "--unbuffered"], &log);
    wait_until("somebody listens", LONG, listens_to_packets);
    let taker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = taker.local_addr().unwrap().port();
    for _ in 0..5 {
        v4.send_to(&[7; 50], (Ipv4Addr::LOCALHOST, to)).unwrap();
    }
    let came = format!("127.0.0.1.{port4} --> 127.0.0.1.{to} (17)\n");
    wait_until("all came", LONG, || listener.log().matches(&came).count() == 5);
    sleep(Duration::from_millis(300));
    assert!(daemon.stop().success() && listener.stop().success());
    assert_eq!(listener.log().matches(" --> ").count(), 5, "{}", listener.log());
    assert!(daemon.log().contains("5 packets left out: 5 sent to where the messages go"), "{}", daemon.log());
}

#[test]
fn everybody_who_listens_to_a_group_hears_it() {
    with_a_network_of_its_own("live::everybody_who_listens_to_a_group_hears_it", groups);
}

fn groups() {
    ip("link set lo up");
    ip("link add here0 type veth peer name there0");
    ip("link set here0 up");
    ip("link set there0 up");
    ip("addr add 10.9.0.1/24 dev here0");
    ip("route add 224.0.0.0/4 dev here0");
    let dir = temp_dir();
    let file = dir.path().join("file.nmsg");
    crate::sockets::connections(7, &file);
    let send = |to: &str| {
        let output = run(["nmsg", file.to_str().expect("a name"), "-s", to]);
        assert!(output.status.success(), "{}", text(&output));
    };
    wait_until("addresses of the link", LONG, || {
        let addresses = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
        // Of both interfaces, and not tentative any more.
        addresses.lines().filter(|line| line.starts_with("fe80") && line.contains(" 20 80 ")).count() == 2
    });
    for (number, group) in ["239.1.2.3", "ff15::1:3", "ff02::1:3%here0"].iter().enumerate() {
        let port = 8_431 + number as u16;
        let to = format!("{group}/{port}");
        let logs = [0, 1].map(|which| dir.path().join(format!("{number}-{which}")));
        let mut both = logs.each_ref().map(|log| nmsg(&["--listen", &to, "--format", "tuple"], log));
        wait_until("both listen", LONG, || listeners(port) == 2);
        send(&to);
        for listener in &mut both {
            wait_until("all came", LONG, || listener.log().matches(" --> 192.0.2.1.443 (6)\n").count() == 7);
            assert!(listener.stop().success(), "{}", listener.log());
        }
    }
}
