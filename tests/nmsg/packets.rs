//! Packets of captures as messages: the reference tool's own of the same captures, and tshark's view of others.

use crate::{
    go::read,
    support::{
        corpus::Corpus,
        program::{run, text},
        temp_dir,
    },
};
use std::{fs, path::Path, process::Command};

/// A classic capture of Ethernet frames.
fn capture(path: &Path, link: u32, packets: &[Vec<u8>]) {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 0x40000, link] {
        file.extend(word.to_le_bytes());
    }
    for (number, packet) in (0..).zip(packets) {
        for word in [1_700_000_000 + number, 123_456_789, packet.len() as u32, packet.len() as u32] {
            file.extend(u32::to_le_bytes(word));
        }
        file.extend(packet);
    }
    fs::write(path, file).expect("a capture");
}

/// IPv4, UDP, from port `port` of 10.0.0.1 to port 53 of 10.0.0.2.
fn udp(port: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend(port.to_be_bytes());
    packet.extend([0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    packet
}

#[test]
fn every_link_gives_the_same_packet() {
    let dir = temp_dir();
    let path = dir.path().join("capture.pcap");
    let name = path.to_str().expect("a name");
    let ethernet = |tags: &[u8]| [&[2; 12][..], tags, &[8, 0], &udp(5353), &[0; 20]].concat();
    let sll = [&[0, 0, 0, 1, 0, 6][..], &[1; 8], &[8, 0], &udp(5353)].concat();
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6][..], &[1; 8], &udp(5353)].concat();
    let wlan = [&[0x08, 0x01, 0, 0][..], &[2; 18], &[0, 0, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &udp(5353)].concat();
    for (link, packet) in [
        (1, ethernet(&[])),
        (1, ethernet(&[0x81, 0, 0, 5])),
        (1, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6])),
        (101, udp(5353)),
        (12, udp(5353)),
        (228, udp(5353)),
        (113, sll),
        (276, sll2),
        (105, wlan),
        (0, [&[2, 0, 0, 0][..], &udp(5353)].concat()),
        (108, [&[0, 0, 0, 2][..], &udp(5353)].concat()),
        (9, [&[0xff, 3, 0, 0x21][..], &udp(5353)].concat()),
        (104, [&[0x0f, 0, 8, 0][..], &udp(5353)].concat()),
    ] {
        capture(&path, link, &[packet]);
        let output = run(["nmsg", "--from-capture", name, "--format", "tuple"]);
        assert_eq!(
            text(&output),
            "[2023-11-14 22:13:20.123456789] [1:12 base packet] [] [] []\n10.0.0.1.5353 --> 10.0.0.2.53 (17)\n",
            "link type {link}"
        );
        let output = run(["nmsg", "--from-capture", name, "--type", "base:ipconn", "--format", "json"]);
        assert!(text(&output).contains("\"mname\":\"ipconn\",\"message\":{\"proto\":17,\"srcip\":\"10.0.0.1\""));
        let output = run(["nmsg", "--from-capture", name]);
        // The padding of a frame stays, as the reference tool has it.
        let len = if link == 1 { 52 } else { 32 };
        assert!(text(&output).contains(&format!("LEN={len}>\n")), "link type {link}: {}", text(&output));
    }
}

#[test]
fn what_is_no_whole_packet_is_counted() {
    let dir = temp_dir();
    let path = dir.path().join("capture.pcap");
    let frame = |kind: [u8; 2], packet: &[u8]| [&[2; 12][..], &kind, packet].concat();
    let icmp =
        [&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..], &[8, 0, 0, 0, 0, 0, 0, 0]].concat();
    let packets = [
        frame([8, 0], &udp(1)),
        frame([8, 6], &[0; 28]),
        frame([8, 0], &udp(2)[..30]),
        frame([8, 0], &icmp),
        frame([8, 0], &[0x50; 30]),
    ];
    capture(&path, 1, &packets);
    let output = run(["nmsg", "--from-capture", path.to_str().expect("a name"), "--format", "tuple"]);
    assert!(output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("3 packets left out: 1 not IP, 1 cut, 1 damaged"), "{stderr}");
    assert!(stderr.contains("messages left out: 1 with packets that have no ports"), "{stderr}");
    assert_eq!(output.stdout.iter().filter(|&&octet| octet == b'\n').count(), 2);
}

#[test]
fn packets_are_the_reference_tools() {
    let (Some(files), Some(corpus)) = (crate::vectors::find(), Corpus::find()) else { return };
    let dir = temp_dir();
    let out = dir.path().join("out.nmsg");
    // Which capture a file was made of is not said: the one that gives the same packets is it.
    let mut wanted: Vec<(String, String)> = files
        .iter()
        .filter_map(|path| {
            let name = path.file_stem()?.to_string_lossy().into_owned();
            (name.starts_with("packet-") && !name.contains("zlib")).then(|| (name, read(path).0))
        })
        .collect();
    for entry in corpus.entries.iter().filter(|entry| entry.frames > 0 && entry.category != "notpcap") {
        let output = run([
            "nmsg".as_ref(),
            "--from-capture".as_ref(),
            corpus.path(entry).as_os_str(),
            "-w".as_ref(),
            out.as_os_str(),
        ]);
        assert!(!text(&output).contains("panicked"), "{}: {}", entry.file, text(&output));
        if out.exists() {
            let (lines, _) = read(&out);
            wanted.retain(|(_, theirs)| *theirs != lines);
            fs::remove_file(&out).expect("the file goes");
        }
    }
    let missing: Vec<_> = wanted.iter().map(|(name, _)| name).collect();
    println!("not found again: {missing:?}");
    assert!(wanted.len() <= 1, "{missing:?}");
}

/// Addresses and ports of TCP and UDP as tshark has them, over captures of wired links without tunnels.
#[test]
fn tuples_are_tsharks_over_the_corpus() {
    let Some(corpus) = Corpus::find() else { return };
    let mut captures = 0;
    let mut wrong = Vec::new();
    for entry in corpus.of_link_types(&[1, 101, 228, 113]) {
        if entry.category != "ether" && entry.category != "rawip" || entry.frames > 2_000 {
            continue;
        }
        let path = corpus.path(entry);
        let tshark = Command::new("tshark")
            .args(["-n", "-r"])
            .arg(&path)
            .args(["-o", "ip.defragment:false", "-o", "tcp.desegment_tcp_streams:false", "-Y"])
            // One IP header, and no VXLAN, GTP or the like around another; whole as captured.
            .arg("ip and not ipv6 and (tcp or udp) and not icmp and frame.cap_len == frame.len and ip.frag_offset == 0")
            .args(["-T", "fields", "-E", "occurrence=a", "-E", "separator=|"])
            .args(["-e", "ip.src", "-e", "ip.dst", "-e", "ip.proto", "-e", "tcp.srcport", "-e", "udp.srcport"])
            .output()
            .expect("tshark, which scripts/test installs");
        let theirs: Vec<String> = String::from_utf8_lossy(&tshark.stdout).lines().map(str::to_owned).collect();
        // Several addresses in a packet are a tunnel's.
        if theirs.is_empty() || theirs.iter().any(|line| line.contains(',')) {
            continue;
        }
        let ours =
            run(["nmsg".as_ref(), "--from-capture".as_ref(), path.as_os_str(), "--format".as_ref(), "tuple".as_ref()]);
        let ours = String::from_utf8_lossy(&ours.stdout).into_owned();
        let of_v4 = |line: &&str| line.contains(" --> ") && !line.contains(':') && !line.contains("(132)");
        let ours: Vec<String> = ours
            .lines()
            .filter(of_v4)
            .map(|line| {
                let (from, rest) = line.split_once(" --> ").expect("an arrow");
                let (to, proto) = rest.split_once(" (").expect("a protocol");
                let ((src, sport), (dst, _)) =
                    (from.rsplit_once('.').expect("a port"), to.rsplit_once('.').expect("a port"));
                let proto = proto.trim_end_matches(')');
                let ports = if proto == "6" { format!("{sport}|") } else { format!("|{sport}") };
                format!("{src}|{dst}|{proto}|{ports}")
            })
            .collect();
        captures += 1;
        if ours != theirs {
            wrong.push(format!("{}: {} tuples, tshark has {}", entry.file, ours.len(), theirs.len()));
        }
    }
    println!("{captures} captures compared, {} differ: {wrong:#?}", wrong.len());
    assert!(captures > 20);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
