//! Datagrams on loopback: what is sent arrives, what is lost is counted, floods are survived.

use crate::{
    go::{oracle, payloads, read},
    support::{
        program::{Daemon, airtally, run, text},
        temp_dir, wait_until,
    },
};
use airtally::nmsg::{IpConn, Writer, WriterSettings};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);

/// A loopback UDP port that nobody listens on just now.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
    socket.local_addr().expect("its address").port()
}

/// Whether somebody listens there: then nobody else can.
fn is_taken(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// `airtally nmsg --listen`, which is ready when this returns.
fn listener(port: u16, more: &[&str], log: &Path) -> Daemon {
    let mut command = airtally();
    command.args(["nmsg", "--listen", &format!("127.0.0.1/{port}")]).args(more);
    let daemon = Daemon::start("the listener", &mut command, log);
    wait_until("somebody listens", LONG, || is_taken(port));
    daemon
}

/// A file of connections, each of its own number.
pub fn connections(count: u32, path: &Path) {
    let mut writer = Writer::new(WriterSettings::file());
    let mut file = Vec::new();
    for number in 0..count {
        let conn = IpConn {
            proto: Some(6),
            srcip: Some(number.to_be_bytes().into()),
            srcport: Some(number % 65_536),
            dstip: Some([192, 0, 2, 1].into()),
            dstport: Some(443),
        };
        writer.push(conn.to_payload(1_700_000_000, number)).expect("a small payload");
    }
    writer.flush();
    while let Some(container) = writer.pop() {
        file.extend(container);
    }
    fs::write(path, file).expect("a file");
}

#[test]
fn what_is_sent_arrives_or_is_counted_as_lost() {
    let dir = temp_dir();
    let (sent, got, log) = (dir.path().join("sent.nmsg"), dir.path().join("got.nmsg"), dir.path().join("log"));
    connections(100_000, &sent);
    for more in [&[][..], &["--zlib"], &["--mtu", "512"]] {
        let port = free_port();
        let mut daemon = listener(port, &["-w", got.to_str().expect("a name")], &log);
        let mut arguments =
            vec!["nmsg".to_owned(), sent.display().to_string(), "-s".to_owned(), format!("127.0.0.1/{port}")];
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        let output = run(arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output));
        sleep(Duration::from_millis(500));
        assert!(daemon.stop().success());
        let said =
            daemon.log().lines().rfind(|line| line.contains("lost by their sequence")).expect("a line").to_owned();
        let (lines, _) = read(&got);
        let (all, _) = read(&sent);
        let (lines, all) = (lines.lines().collect::<Vec<_>>(), all.lines().collect::<Vec<_>>());
        println!("{more:?}: {} of {} came; {said}", lines.len(), all.len());
        if said.contains(" 0 lost ") {
            assert!(lines.len() <= all.len() && lines == all[..lines.len()], "{more:?}");
            // What is lost at the end no later number tells.
            assert!(lines.len() == all.len() || !said.contains(" 0 datagrams"), "{said}");
        } else {
            assert!(lines.len() < all.len(), "{said}");
        }
    }
}

/// A relay that loses every seventh datagram and doubles every fifth: exactly that is said.
#[test]
fn losses_and_doubles_on_the_way_are_counted() {
    let dir = temp_dir();
    let (sent, log) = (dir.path().join("sent.nmsg"), dir.path().join("log"));
    connections(700, &sent);
    let (relay, port) = (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"), free_port());
    relay.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    let to = relay.local_addr().expect("an address").port();
    let mut daemon = listener(port, &["--format", "json"], &log);
    let mut sender = airtally()
        .args(["nmsg", &sent.display().to_string(), "-s", &format!("127.0.0.1/{to}"), "--unbuffered", "--rate", "2000"])
        .spawn()
        .expect("a sender");
    let mut buffer = [0; 2_000];
    for number in 0..700 {
        let len = relay.recv(&mut buffer).expect("a datagram");
        for _ in 0..match (number % 7, number % 5) {
            (3, _) => 0,
            (_, 0) => 2,
            _ => 1,
        } {
            relay.send_to(&buffer[..len], (Ipv4Addr::LOCALHOST, port)).expect("a datagram out");
        }
    }
    assert!(sender.wait().expect("its end").success());
    wait_until("all came", LONG, || daemon.log().matches("\"srcip\"").count() == 600);
    sleep(Duration::from_millis(300));
    assert!(daemon.stop().success());
    assert!(
        daemon.log().contains("600 messages in 600 containers, 100 lost by their sequence, 0 late, 120 doubled"),
        "{}",
        daemon.log().lines().last().unwrap_or_default()
    );
}

#[test]
fn floods_of_anything_are_survived_and_counted() {
    let dir = temp_dir();
    let log = dir.path().join("log");
    let port = free_port();
    let mut daemon = listener(port, &["--format", "json"], &log);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let send = |octets: &[u8]| {
        socket.send_to(octets, (Ipv4Addr::LOCALHOST, port)).expect("a datagram out");
    };
    let mut fragment = b"NMSG\x02\x02\0\0\0\x0e\x08\0\0\0\0\x10\0\x18\x05\x22\x03abc".to_vec();
    for number in 0..60_000_u32 {
        send(&number.to_be_bytes());
        // An id of five octets; the fragment is one of six that never come.
        let id =
            [number as u8 | 0x80, (number >> 7) as u8 | 0x80, (number >> 14) as u8 | 0x80, (number >> 21) as u8 & 0x7f];
        fragment[11..15].copy_from_slice(&id);
        send(&fragment);
        if number % 500 == 0 {
            sleep(Duration::from_millis(5));
        }
    }
    // What is well still comes through.
    let well = dir.path().join("well.nmsg");
    connections(3, &well);
    sleep(Duration::from_millis(500));
    run(["nmsg".to_owned(), well.display().to_string(), "-s".to_owned(), format!("127.0.0.1/{port}")]);
    wait_until("what is well came", LONG, || daemon.log().matches("\"srcip\"").count() == 3);
    let peak = daemon.peak_kib().expect("its memory");
    assert!(peak < 200 << 10, "{peak} KiB");
    assert!(daemon.stop().success());
    let said = daemon.log();
    assert!(said.contains("that are not NMSG"), "{said}");
    println!("{}", said.lines().skip(3).collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_listener_has_a_range_of_ports_and_ends_after_a_count() {
    let dir = temp_dir();
    let log = dir.path().join("log");
    let first = (0..100).map(|_| free_port()).find(|&port| port < 65_000 && !is_taken(port + 1)).expect("two ports");
    let mut command = airtally();
    command.args(["nmsg", "--listen", &format!("127.0.0.1/{first}..{}", first + 1), "-c", "4", "--format", "tuple"]);
    let mut daemon = Daemon::start("the listener", &mut command, &log);
    wait_until("somebody listens", LONG, || is_taken(first + 1));
    let two = dir.path().join("two.nmsg");
    connections(2, &two);
    for port in [first, first + 1] {
        run(["nmsg".to_owned(), two.display().to_string(), "-s".to_owned(), format!("127.0.0.1/{port}")]);
    }
    daemon.succeed(LONG);
    assert_eq!(daemon.log().matches(" --> 192.0.2.1.443 (6)\n").count(), 4, "{}", daemon.log());
}

#[test]
fn a_sender_says_that_nobody_listens_and_a_taken_port_is_an_error() {
    let dir = temp_dir();
    let file = dir.path().join("file.nmsg");
    connections(5_000, &file);
    let port = free_port();
    let output = run(["nmsg".to_owned(), file.display().to_string(), "-s".to_owned(), format!("127.0.0.1/{port}")]);
    assert!(output.status.success() && text(&output).contains("taken by nobody"), "{}", text(&output));
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = taken.local_addr().expect("an address").port();
    let output = run(["nmsg", "--listen", &format!("127.0.0.1/{port}")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("cannot listen on"), "{}", text(&output));
}

#[test]
fn the_reader_in_go_listens_to_us() {
    let dir = temp_dir();
    let (file, out) = (dir.path().join("file.nmsg"), dir.path().join("out"));
    connections(20_000, &file);
    let port = free_port();
    let mut go = Command::new(oracle())
        .args(["listen", &format!("127.0.0.1:{port}"), "3"])
        .stdout(File::create(&out).expect("a file"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the Go program");
    wait_until("somebody listens", LONG, || is_taken(port));
    let sent = run([
        "nmsg",
        file.to_str().expect("a name"),
        "-s",
        &format!("127.0.0.1/{port}"),
        "--rate",
        "40000",
        "--mtu",
        "1280",
    ]);
    assert!(sent.status.success(), "{}", text(&sent));
    let output = {
        assert!(go.wait().expect("its end").success());
        fs::read_to_string(&out).expect("its count")
    };
    assert_eq!(output.trim(), "20000");
}

#[test]
fn a_live_pipe_does_not_hold_messages_back() {
    let dir = temp_dir();
    let (file, log) = (dir.path().join("file.nmsg"), dir.path().join("log"));
    connections(2, &file);
    let mut command = airtally();
    command.args(["nmsg", "-", "--format", "json"]).stdin(Stdio::piped());
    let out = File::create(&log).expect("a file");
    let mut child = command.stdout(out).spawn().expect("the program");
    let mut pipe = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut pipe, &fs::read(&file).expect("the file")).expect("octets in");
    wait_until("both are printed while the pipe is open", LONG, || {
        fs::read_to_string(&log).is_ok_and(|text| text.lines().count() == 2)
    });
    drop(pipe);
    assert!(child.wait().expect("its end").success());
    assert_eq!(payloads(1).len(), 1);
}
