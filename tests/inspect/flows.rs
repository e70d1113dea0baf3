//! `airtally flows` against tshark's conversations: over every capture of the corpus, and over captures made here.
//!
//! Where tshark does something else on purpose, a rule below says what and why; docs/flows.md has the same list. No rule knows
//! a file. Of every capture, equal or not, all packets and octets are in flows or in a class.

use crate::support::{corpus::Corpus, program, temp_dir};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Protocol, one end, the other end; then packets and octets (as tshark writes them) of each direction.
type Row = (String, String, String, u64, String, u64, String);

/// What tshark says of a capture.
struct Tshark {
    rows: Vec<Row>,
    /// Why its conversations may be others.
    reasons: BTreeSet<&'static str>,
}

/// What the rules look at.
const FIELDS: [&str; 9] = [
    "frame.protocols",
    "ip.flags.mf",
    "ip.frag_offset",
    "ipv6.fraghdr.nxt",
    "ipv6.routing.type",
    "ipv6.opt.mipv6.home_address",
    "_ws.malformed",
    "tcp.hdr_len",
    "wlan.fcs.status",
];

fn tshark(arguments: &[&str], capture: &Path) -> Output {
    let mut command = Command::new("tshark");
    command.arg("-n").args(arguments).arg("-r").arg(capture);
    command
        .output()
        .unwrap_or_else(|error| panic!("cannot start tshark: {error}; scripts/test installs what tests need"))
}

impl Tshark {
    fn ask(capture: &Path) -> Self {
        let mut arguments = vec!["-T", "fields"];
        FIELDS.iter().for_each(|field| arguments.extend(["-e", *field]));
        arguments.extend(["-z", "conv,tcp", "-z", "conv,udp", "-z", "conv,sctp"]);
        let output = tshark(&arguments, capture);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("aren't valid"), "{errors}");
        let (mut rows, mut proto) = (Vec::new(), String::new());
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [name, "Conversations"] => proto = name.to_lowercase(),
                // Of the second end, then of the first.
                [a, "<->", b, packets_in, bytes_in, unit_in, packets_out, bytes_out, unit_out, ..] => rows.push((
                    proto.clone(),
                    (*a).to_owned(),
                    (*b).to_owned(),
                    packets_out.parse().expect("packets"),
                    format!("{bytes_out} {unit_out}"),
                    packets_in.parse().expect("packets"),
                    format!("{bytes_in} {unit_in}"),
                )),
                _ => {}
            }
        }
        rows.sort();
        let mut told = Self { rows, reasons: BTreeSet::new() };
        if !output.status.success() {
            told.reasons.insert("tshark gave up in the middle of the file");
        }
        told.look_at_frames(&String::from_utf8_lossy(&output.stdout));
        let ends: Vec<_> = told
            .rows
            .iter()
            .map(|(proto, a, b, ..)| {
                let mut ends = [a, b];
                ends.sort();
                (proto, ends)
            })
            .collect();
        if ends.iter().collect::<BTreeSet<_>>().len() < ends.len() {
            told.reasons.insert("ports were used again: tshark has two conversations");
        }
        told
    }

    /// The rules, for the lines before the tables.
    fn look_at_frames(&mut self, text: &str) {
        for line in text.lines().take_while(|line| !line.starts_with("====")) {
            let values: Vec<&str> = line.split('\t').collect();
            let value = |at: usize| values.get(at).copied().unwrap_or_default();
            let layers: Vec<&str> = value(0).split(':').collect();
            let times = |names: &[&str]| layers.iter().filter(|layer| names.contains(layer)).count();
            let mut reason = |holds: bool, why| {
                if holds {
                    self.reasons.insert(why);
                }
            };
            reason(
                times(&["ip", "ipv6"]) > 1,
                "a tunnel, or a packet quoted by ICMP: tshark counts what is inside as well",
            );
            reason(times(&["tcp", "udp", "sctp"]) > 1, "a tunnel: tshark counts what is inside as well");
            let fragment =
                value(1).contains(['1', 'T']) || value(2).split(',').any(|offset| !matches!(offset, "" | "0"));
            reason(fragment || !value(3).is_empty(), "fragments: tshark counts the frame that completes a packet");
            reason(
                !value(4).is_empty() || !value(5).is_empty(),
                "a routing header or home address: tshark puts its address in place of the header's",
            );
            let short = value(7).split(',').filter_map(|len| len.parse::<u32>().ok()).any(|len| len < 20);
            reason(
                !value(6).is_empty() || short,
                "a transport header that is cut or contradicts itself: tshark leaves it out",
            );
            reason(value(8).contains('0'), "a wrong check sequence: tshark dissects it");
        }
    }
}

/// Octets as tshark 4 writes them in this table.
fn human(octets: u64) -> String {
    match octets {
        0..10_000 => format!("{octets} bytes"),
        10_000..10_000_000 => format!("{} kB", octets / 1_000),
        10_000_000..10_000_000_000 => format!("{} MB", octets / 1_000_000),
        _ => format!("{} GB", octets / 1_000_000_000),
    }
}

fn flows(capture: &Path, more: &[&str]) -> Output {
    let arguments = ["flows", "--format", "json"].into_iter().chain(more.iter().copied()).map(OsStr::new);
    program::run(arguments.chain([capture.as_os_str()]))
}

fn number(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_else(|| panic!("no number '{key}' in {row}"))
}

fn objects(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect()
}

fn rows(objects: &[Value]) -> Vec<Row> {
    let end =
        |row: &Value, who: &str| format!("{}:{}", row[who].as_str().expect("an address"), row[format!("{who}_port")]);
    let mut rows: Vec<Row> = objects
        .iter()
        .filter(|row| matches!(row["proto"].as_str(), Some("tcp" | "udp" | "sctp")))
        .map(|row| {
            let octets = |key| human(number(row, key));
            let (out, back) = (number(row, "packets_out"), number(row, "packets_in"));
            (
                row["proto"].as_str().unwrap().to_owned(),
                end(row, "src"),
                end(row, "dst"),
                out,
                octets("bytes_out"),
                back,
                octets("bytes_in"),
            )
        })
        .collect();
    rows.sort();
    rows
}

/// Packets in flows and packets in none, by what is said of them.
fn in_all(objects: &[Value], output: &Output) -> (u64, u64) {
    let in_flows: u64 = objects.iter().map(|row| number(row, "packets_out") + number(row, "packets_in")).sum();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let plain = |text: &str| text.replace(',', "").parse::<u64>().expect("a number");
    let Some(line) = errors.lines().find(|line| line.contains(" packets are in ") || line.contains(" packet are in "))
    else {
        return (in_flows, in_flows);
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    let all = plain(words[3]);
    assert_eq!(plain(words[1]), in_flows, "{line}");
    let others: u64 = line.split_once("; in none: ").map_or(0, |(_, rest)| {
        let rest = rest.split(';').next().unwrap();
        rest.split(", ").map(|part| plain(part.split(' ').next().unwrap())).sum()
    });
    (in_flows + others, all)
}

/// Compares one capture; the reasons for which it may differ, if it does, and the conversations that were equal.
fn compare(capture: &Path, wrong: &mut Vec<String>) -> (BTreeSet<&'static str>, usize) {
    let output = flows(capture, &[]);
    let objects = objects(&output);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let (sum, all) = in_all(&objects, &output);
    if sum != all {
        wrong.push(format!("{}: {sum} packets of {all}: {errors}", capture.display()));
    }
    let mut told = Tshark::ask(capture);
    if errors.contains("does not read") {
        told.reasons.insert("a link type that is not read");
    }
    if output.status.code() != Some(0) {
        told.reasons.insert("damaged: it is read as far as it goes");
    }
    let ours = rows(&objects);
    if ours == told.rows {
        return (BTreeSet::new(), ours.len());
    }
    if told.reasons.is_empty() {
        let (one, other): (BTreeSet<_>, BTreeSet<_>) = (ours.iter().collect(), told.rows.iter().collect());
        wrong.push(format!(
            "{}: {errors}\n  only ours: {:?}\n  only tshark's: {:?}",
            capture.display(),
            one.difference(&other).take(5).collect::<Vec<_>>(),
            other.difference(&one).take(5).collect::<Vec<_>>()
        ));
    }
    (told.reasons, 0)
}

#[test]
fn conversations_of_the_corpus_are_tsharks() {
    let Some(corpus) = Corpus::find() else {
        eprintln!("there is no corpus: nothing compared");
        return;
    };
    let (mut wrong, mut why, mut equal, mut conversations) = (Vec::new(), BTreeMap::new(), 0, 0);
    for entry in &corpus.entries {
        let (reasons, rows) = compare(&corpus.path(entry), &mut wrong);
        equal += usize::from(reasons.is_empty());
        conversations += rows;
        reasons.into_iter().for_each(|reason| *why.entry(reason).or_insert(0) += 1);
    }
    println!("{equal} captures with {conversations} conversations equal; others, by reason: {why:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(equal * 2 > corpus.entries.len() && conversations > 100, "{equal} captures, {conversations} conversations");
}

/// Packets with the sums of their headers left out: a classic capture of Ethernet.
fn written(dir: &Path, name: &str, link: u32, packets: &[Vec<u8>]) -> PathBuf {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, link] {
        file.extend(word.to_le_bytes());
    }
    for (second, packet) in packets.iter().enumerate() {
        for word in [1_700_000_000 + second as u32, 0, packet.len() as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    let path = dir.join(name);
    fs::write(&path, file).unwrap();
    path
}

/// A transport header and some payload, in IPv4 or IPv6.
fn packet(v6: bool, proto: u8, src: (u8, u16), dst: (u8, u16), payload: &[u8]) -> Vec<u8> {
    let mut body = [src.1.to_be_bytes(), dst.1.to_be_bytes()].concat();
    match proto {
        6 => body.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]),
        17 => body.extend([(payload.len() as u16 + 8).to_be_bytes(), [0; 2]].concat()),
        // COOKIE ACK (RFC 9260, 3.3.12): a chunk that is whole.
        _ => body.extend([0, 0, 0, 1, 0, 0, 0, 0, 11, 0, 0, 4]),
    }
    if proto != 132 {
        body.extend(payload);
    }
    let mut packet = Vec::new();
    if v6 {
        packet.extend([0x60, 0, 0, 0]);
        packet.extend((body.len() as u16).to_be_bytes());
        packet.extend([proto, 64]);
        for end in [src.0, dst.0] {
            packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
        }
    } else {
        packet.extend([0x45, 0]);
        packet.extend((body.len() as u16 + 20).to_be_bytes());
        packet.extend([0, 1, 0, 0, 64, proto, 0, 0, 10, 0, 0, src.0, 10, 0, 0, dst.0]);
    }
    packet.extend(body);
    packet
}

/// Packets of many conversations, by a small generator of numbers.
fn many(count: usize, mut seed: u32) -> Vec<Vec<u8>> {
    let mut draw = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    (0..count)
        .map(|_| {
            let proto = [6, 17, 132][draw(3) as usize];
            let (src, dst) =
                ((1 + draw(6) as u8, 40_000 + draw(4) as u16), (1 + draw(6) as u8, 40_000 + draw(4) as u16));
            packet(draw(2) == 1, proto, src, dst, &vec![b'x'; draw(700) as usize])
        })
        .collect()
}

#[test]
fn conversations_made_here_are_tsharks_behind_every_link() {
    let dir = temp_dir();
    let kind = |packet: &[u8]| if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    let behind = |before: fn([u8; 2]) -> Vec<u8>| -> Vec<Vec<u8>> {
        many(600, 7).iter().map(|packet| [before(kind(packet)), packet.clone()].concat()).collect()
    };
    let captures = [
        ("raw", 101, behind(|_| Vec::new())),
        ("ethernet", 1, behind(|[a, b]| [&[2; 12][..], &[a, b]].concat())),
        ("vlan", 1, behind(|[a, b]| [&[2; 12][..], &[0x81, 0, 0, 7, a, b]].concat())),
        ("qinq", 1, behind(|[a, b]| [&[2; 12][..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, a, b]].concat())),
        ("sll", 113, behind(|[a, b]| vec![0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, a, b])),
        ("sll2", 276, behind(|[a, b]| vec![a, b, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0])),
        ("null", 0, behind(|[a, _]| vec![if a == 8 { 2 } else { 30 }, 0, 0, 0])),
        ("null-big", 0, behind(|[a, _]| vec![0, 0, 0, if a == 8 { 2 } else { 24 }])),
        ("loop", 108, behind(|[a, _]| vec![0, 0, 0, if a == 8 { 2 } else { 28 }])),
        ("ppp", 9, behind(|[a, _]| vec![0xff, 3, 0, if a == 8 { 0x21 } else { 0x57 }])),
        ("ppp-short", 9, behind(|[a, _]| vec![if a == 8 { 0x21 } else { 0x57 }])),
        ("ppp-hdlc", 50, behind(|[a, _]| vec![0xff, 3, 0, if a == 8 { 0x21 } else { 0x57 }])),
        ("cisco", 104, behind(|[a, b]| vec![0x0f, 0, a, b])),
        ("cisco-as-ppp", 50, behind(|[a, b]| vec![0x8f, 0, a, b])),
        ("mpls", 1, behind(|_| [&[2; 12][..], &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]].concat())),
        (
            "pppoe",
            1,
            many(600, 7)
                .iter()
                .map(|packet| {
                    let len = (packet.len() as u16 + 2).to_be_bytes();
                    let protocol = if packet[0] >> 4 == 4 { 0x21 } else { 0x57 };
                    [&[2; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1], &len, &[0, protocol], packet].concat()
                })
                .collect(),
        ),
        (
            "wlan",
            105,
            behind(|[a, b]| [&[0x08, 0x01, 0, 0][..], &[2; 18], &[0, 0, 0xaa, 0xaa, 3, 0, 0, 0, a, b]].concat()),
        ),
        (
            "qos",
            105,
            behind(|[a, b]| {
                [&[0x88, 0x03, 0, 0][..], &[2; 18], &[0, 0], &[2; 6], &[0, 0, 0xaa, 0xaa, 3, 0, 0, 0, a, b]].concat()
            }),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, link, packets) in captures {
        let (reasons, rows) = compare(&written(dir.path(), name, link, &packets), &mut wrong);
        assert!(reasons.is_empty() && rows > 50, "{name}: {reasons:?}, {rows} rows");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_are_told_only_where_they_are_asked_for() {
    let dir = temp_dir();
    let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";
    let request = b"GET / HTTP/1.1\r\nHost: \xe2\x80\xaeexample.net\r\n\r\n";
    let packets =
        [packet(false, 17, (1, 40_000), (2, 53), question), packet(true, 6, (1, 40_000), (2, 8_080), request)];
    let capture = written(dir.path(), "names", 101, &packets);
    let plain = objects(&flows(&capture, &[]));
    assert!(plain.iter().all(|row| row.get("layer7_info").is_none()));
    assert_eq!((plain[0]["layer7"].as_str(), plain[1]["layer7"].as_str()), (Some("dns"), Some("http")));
    assert_eq!(plain[1]["tcp_flags_out"], "PA");
    let named = objects(&flows(&capture, &["--names"]));
    assert_eq!(named[0]["layer7_info"], "example.org");
    assert_eq!(named[0]["first_time"], "2023-11-14T22:13:20.000000000Z");
    for format in ["table", "csv"] {
        let output = program::run(
            ["flows", "--names", "--format", format].map(OsStr::new).into_iter().chain([capture.as_os_str()]),
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\\u{202e}example.net") && !text.contains('\u{202e}'), "{text}");
    }
}

#[test]
fn nmsg_has_the_same_tuples_and_bounds_are_told() {
    use airtally::nmsg::{IpConn, Reader};
    let dir = temp_dir();
    let capture = written(dir.path(), "many", 101, &many(500, 11));
    let rows = objects(&flows(&capture, &[]));
    let output = program::run(["flows", "--format", "nmsg"].map(OsStr::new).into_iter().chain([capture.as_os_str()]));
    let mut reader = Reader::default();
    reader.push(&output.stdout);
    reader.end();
    let mut tuples = Vec::new();
    while let Some(payload) = reader.next_payload() {
        let conn = IpConn::from_payload(&payload).unwrap();
        tuples.push((
            conn.srcip.unwrap().to_string(),
            u64::from(conn.srcport.unwrap()),
            conn.dstip.unwrap().to_string(),
        ));
    }
    let expected: Vec<_> = rows
        .iter()
        .map(|row| {
            (row["src"].as_str().unwrap().to_owned(), number(row, "src_port"), row["dst"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(tuples, expected);
    let bounded = flows(&capture, &["--max-flows", "4"]);
    let all: u64 = objects(&bounded).iter().map(|row| number(row, "packets_out") + number(row, "packets_in")).sum();
    assert_eq!(all, 500);
    assert!(String::from_utf8_lossy(&bounded.stderr).contains("gave way to others"), "{bounded:?}");
}

#[test]
fn mistakes_are_told_in_one_sentence() {
    let dir = temp_dir();
    let none = dir.path().join("none");
    fs::create_dir(&none).unwrap();
    for (arguments, status, says) in [
        (vec!["flows"], 2, "required"),
        (vec!["flows", "x", "--interface", "lo"], 2, "cannot be used with"),
        (vec!["flows", "x", "--top", "3", "--format", "json"], 2, "--top is for the table"),
        (vec!["flows", "x", "--max-flows", "0"], 2, "max-flows"),
        (vec!["flows", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (vec!["flows", none.to_str().unwrap()], 1, "holds no capture"),
        (vec!["flows", "--interface", "no-such-card"], 1, "no-such-card"),
    ] {
        let output = program::run(&arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", program::text(&output));
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{arguments:?}: {}", program::text(&output));
        assert!(!String::from_utf8_lossy(&output.stdout).contains('{'));
    }
}
