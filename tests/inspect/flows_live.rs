//! `airtally flows --interface` on the loopback of a network of its own, with traffic of both IP versions.

use crate::support::{
    behind::{ip, listens_to_packets, with_a_network_of_its_own},
    program::{Daemon, airtally},
    temp_dir, wait_until,
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    thread,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);

/// `airtally flows`, which listens when this returns.
fn flows(arguments: &[&str], log: &Path) -> Daemon {
    let daemon = Daemon::start("flows", airtally().arg("flows").args(arguments), log);
    wait_until("somebody listens", LONG, listens_to_packets);
    daemon
}

fn objects(daemon: &Daemon) -> Vec<Value> {
    let whole = |line: &&str| line.starts_with('{') && line.ends_with('}');
    daemon.log().lines().filter(whole).map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

/// Three datagrams there, of 100 octets, and two back, of 10; says who asked.
fn ask_and_answer(address: IpAddr) -> u16 {
    let socket = || {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        socket.set_read_timeout(Some(LONG)).expect("a time limit");
        socket
    };
    let (one, other) = (socket(), socket());
    one.connect(other.local_addr().expect("an address")).expect("a way");
    other.connect(one.local_addr().expect("an address")).expect("a way");
    let mut buffer = [0; 200];
    for _ in 0..3 {
        one.send(&[1; 100]).expect("a datagram out");
        other.recv(&mut buffer).expect("a datagram in");
    }
    for _ in 0..2 {
        other.send(&[1; 10]).expect("a datagram out");
        one.recv(&mut buffer).expect("a datagram in");
    }
    one.local_addr().expect("an address").port()
}

/// A request over TCP, and an answer that is longer than a packet.
fn request() -> u16 {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a server");
    let mut client = TcpStream::connect(server.local_addr().expect("its address")).expect("a way");
    let port = client.local_addr().expect("an address").port();
    let (mut accepted, _) = server.accept().expect("a client");
    let answering = thread::spawn(move || {
        let mut buffer = [0; 200];
        assert!(accepted.read(&mut buffer).expect("a request") > 0);
        accepted.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("an answer");
        accepted.write_all(&vec![b'x'; 500_000]).expect("an answer");
    });
    client.write_all(b"GET / HTTP/1.1\r\nHost: example.net\r\n\r\n").expect("a request");
    client.read_to_end(&mut Vec::new()).expect("an answer");
    answering.join().expect("the server");
    port
}

#[test]
fn flows_of_an_interface_come_as_they_end() {
    with_a_network_of_its_own("flows_live::flows_of_an_interface_come_as_they_end", flows_of_loopback);
}

fn flows_of_loopback() {
    ip("link set lo up");
    let dir = temp_dir();
    let log = dir.path().join("log");
    let mut daemon = flows(&["--interface", "lo", "--format", "json", "--idle", "1s", "--names"], &log);
    let ports = [ask_and_answer(Ipv4Addr::LOCALHOST.into()), ask_and_answer(Ipv6Addr::LOCALHOST.into()), request()];
    wait_until("all three have ended", LONG, || {
        let objects = objects(&daemon);
        ports.iter().all(|port| objects.iter().any(|row| row["src_port"] == *port))
    });
    assert!(daemon.stop().success(), "{}", daemon.log());
    let objects = objects(&daemon);
    let of = |port| {
        let mut rows = objects.iter().filter(|row| row["src_port"] == port);
        let row = rows.next().unwrap_or_else(|| panic!("none of port {port}: {}", daemon.log()));
        assert!(
            rows.next().is_none() && row["end"] == "idle" && row["first_time"].as_str() <= row["last_time"].as_str()
        );
        row
    };
    // Of IP and UDP there are 28 or 48 octets, and of Ethernet 14.
    for (port, header) in [(ports[0], 42), (ports[1], 62)] {
        let row = of(port);
        assert_eq!((&row["proto"], &row["packets_out"], &row["packets_in"]), (&"udp".into(), &3.into(), &2.into()));
        assert_eq!((&row["bytes_out"], &row["bytes_in"]), (&(3 * (100 + header)).into(), &(2 * (10 + header)).into()));
    }
    let row = of(ports[2]);
    assert_eq!(
        (&row["proto"], &row["layer7"], &row["layer7_info"]),
        (&"tcp".into(), &"http".into(), &"example.net".into())
    );
    assert!(row["bytes_in"].as_u64() > Some(500_000) && row["tcp_flags_out"].as_str().unwrap().contains('S'), "{row}");

    // A number of packets, and a table of them.
    let log = dir.path().join("table");
    let mut daemon = flows(&["--interface", "lo", "--count", "5", "--filter", "udp"], &log);
    let port = ask_and_answer(Ipv4Addr::LOCALHOST.into());
    daemon.succeed(LONG);
    assert!(daemon.log().contains("PROTO") && daemon.log().contains(&format!("127.0.0.1:{port}")), "{}", daemon.log());
    assert_eq!(daemon.log().lines().filter(|line| line.starts_with("udp ")).count(), 1, "{}", daemon.log());

    // What a table is made of is still told when somebody stops it.
    let log = dir.path().join("stopped");
    let mut daemon = flows(&["--interface", "lo"], &log);
    let port = ask_and_answer(Ipv6Addr::LOCALHOST.into());
    // The kernel gathers packets for a while before it hands them over.
    thread::sleep(Duration::from_secs(1));
    daemon.signal("INT");
    daemon.succeed(LONG);
    assert!(daemon.log().contains(&format!("[::1]:{port}")), "{}", daemon.log());
}
