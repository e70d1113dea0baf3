//! What one packet's payload shows of the protocol it speaks, and the name that it asks for. Knows no flow.
//!
//! A port alone says nothing: each answer rests on the octets. Where few octets are all that a protocol has (NTP, SNMP,
//! RADIUS), its port must agree as well. Nothing is decrypted, and nothing is put together from several packets.

use super::packet::Proto;

/// Octets of a name, at most: a domain name has 255 (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 255;

/// A protocol above the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the protocols'")]
pub enum Layer7 {
    Bgp,
    Bittorrent,
    Dhcp,
    Dhcp6,
    Dns,
    Dtls,
    Ftp,
    Http,
    Http2,
    Imap,
    Llmnr,
    Mdns,
    Mqtt,
    Nbns,
    Ntp,
    Pop3,
    Quic,
    Radius,
    Rdp,
    Rtsp,
    Sip,
    Smb,
    Smtp,
    Snmp,
    Ssdp,
    Ssh,
    Stun,
    Syslog,
    Telnet,
    Tftp,
    Tls,
    Wireguard,
}

impl Layer7 {
    /// Its name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bgp => "bgp",
            Self::Bittorrent => "bittorrent",
            Self::Dhcp => "dhcp",
            Self::Dhcp6 => "dhcp6",
            Self::Dns => "dns",
            Self::Dtls => "dtls",
            Self::Ftp => "ftp",
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::Imap => "imap",
            Self::Llmnr => "llmnr",
            Self::Mdns => "mdns",
            Self::Mqtt => "mqtt",
            Self::Nbns => "nbns",
            Self::Ntp => "ntp",
            Self::Pop3 => "pop3",
            Self::Quic => "quic",
            Self::Radius => "radius",
            Self::Rdp => "rdp",
            Self::Rtsp => "rtsp",
            Self::Sip => "sip",
            Self::Smb => "smb",
            Self::Smtp => "smtp",
            Self::Snmp => "snmp",
            Self::Ssdp => "ssdp",
            Self::Ssh => "ssh",
            Self::Stun => "stun",
            Self::Syslog => "syslog",
            Self::Telnet => "telnet",
            Self::Tftp => "tftp",
            Self::Tls => "tls",
            Self::Wireguard => "wireguard",
        }
    }
}

/// What a packet of this protocol and these ports shows by its payload.
#[must_use]
pub fn of_payload(proto: Proto, sport: u16, dport: u16, payload: &[u8]) -> Option<Layer7> {
    if payload.is_empty() {
        return None;
    }
    let port = |number: u16| sport == number || dport == number;
    match proto {
        Proto::TCP => tcp(&port, payload),
        Proto::UDP => udp(&port, payload),
        _ => None,
    }
}

/// The name that a packet asks for: the question of DNS, the server name of TLS, the host of HTTP. `None` where the packet
/// has none, or not all of it.
#[must_use]
pub fn name(layer7: Layer7, proto: Proto, payload: &[u8]) -> Option<Box<str>> {
    match layer7 {
        Layer7::Dns | Layer7::Mdns | Layer7::Llmnr => {
            let message = if proto == Proto::TCP { payload.get(2..)? } else { payload };
            dns_question(message).filter(|name| !name.is_empty())
        }
        Layer7::Tls => server_name(payload),
        Layer7::Http => host(payload),
        _ => None,
    }
    .map(String::into_boxed_str)
}

/// The methods of HTTP that are met (RFC 9110, 9; WebDAV, RFC 4918).
const METHODS: [&[u8]; 13] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
    b"TRACE ",
    b"PATCH ",
    b"PROPFIND ",
    b"REPORT ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
];

fn first_line(payload: &[u8]) -> &[u8] {
    payload.split(|&octet| octet == b'\r' || octet == b'\n').next().unwrap_or_default()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn starts_with_any(text: &[u8], starts: &[&[u8]]) -> bool {
    starts.iter().any(|start| text.starts_with(start))
}

fn tcp(port: &dyn Fn(u16) -> bool, payload: &[u8]) -> Option<Layer7> {
    // TLS record (RFC 8446, 5.1): a type, a version 3.x, a length that may be.
    if let &[kind @ 0x14..=0x17, 3, 0..=4, high, low, next, ..] = payload {
        let len = u16::from_be_bytes([high, low]);
        let handshake = kind != 0x16 || matches!(next, 0..=24);
        if (1..=0x4800).contains(&len) && handshake {
            return Some(Layer7::Tls);
        }
    }
    if payload.starts_with(b"SSH-") {
        return Some(Layer7::Ssh);
    }
    if payload.starts_with(b"PRI * HTTP/2.0\r\n") {
        return Some(Layer7::Http2);
    }
    if payload.starts_with(b"RTSP/1.") || payload.starts_with(b"SIP/2.0") {
        return Some(if payload.first() == Some(&b'R') { Layer7::Rtsp } else { Layer7::Sip });
    }
    if payload.starts_with(b"HTTP/1.") {
        return Some(Layer7::Http);
    }
    if payload.first().is_some_and(u8::is_ascii_uppercase) {
        let line = first_line(payload);
        if contains(line, b" SIP/2.0") {
            return Some(Layer7::Sip);
        }
        if contains(line, b" RTSP/1.") {
            return Some(Layer7::Rtsp);
        }
        // The first line may be longer than the packet.
        if starts_with_any(payload, &METHODS) && (contains(line, b" HTTP/1.") || line.len() == payload.len()) {
            return Some(Layer7::Http);
        }
        if starts_with_any(line, &[b"EHLO ", b"HELO ", b"MAIL FROM:", b"RCPT TO:"]) {
            return Some(Layer7::Smtp);
        }
        if starts_with_any(line, &[b"USER ", b"PASS "]) && (port(21) || port(110)) {
            return Some(if port(21) { Layer7::Ftp } else { Layer7::Pop3 });
        }
    }
    if payload.starts_with(b"220") && matches!(payload.get(3), Some(b' ' | b'-')) {
        let line = first_line(payload);
        if contains(line, b"SMTP") || port(25) || port(587) {
            return Some(Layer7::Smtp);
        }
        if contains(line, b"FTP") || port(21) {
            return Some(Layer7::Ftp);
        }
    }
    if payload.starts_with(b"+OK") {
        return Some(Layer7::Pop3);
    }
    if starts_with_any(payload, &[b"* OK", b"* PREAUTH", b"* BYE"]) {
        return Some(Layer7::Imap);
    }
    if payload.starts_with(&[0xff; 16]) {
        return Some(Layer7::Bgp);
    }
    if payload.starts_with(b"\x13BitTorrent protocol") {
        return Some(Layer7::Bittorrent);
    }
    // CONNECT: its remaining length is one octet or two (MQTT 5.0, 1.5.5 and 3.1).
    if payload.first() == Some(&0x10) {
        let rest = payload.get(2..).unwrap_or_default();
        let names: [&[u8]; 2] = [b"\x00\x04MQTT", b"\x00\x06MQIsdp"];
        if starts_with_any(rest, &names) || starts_with_any(rest.get(1..).unwrap_or_default(), &names) {
            return Some(Layer7::Mqtt);
        }
    }
    // Behind the length of a session message (RFC 1002, 4.3.1).
    if let Some([0xfe | 0xff, b'S', b'M', b'B']) = payload.get(4..8) {
        return Some(Layer7::Smb);
    }
    // TPKT and an X.224 connection request or confirm.
    if let &[3, 0, _, _, _, 0xe0 | 0xd0, ..] = payload {
        return Some(Layer7::Rdp);
    }
    if let &[0xff, 0xfb..=0xfe, _, ..] = payload {
        return Some(Layer7::Telnet);
    }
    // A message behind its length (RFC 1035, 4.2.2).
    if let Some((&[high, low], message)) = payload.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let fits = len == message.len() || port(53) && len >= 17;
        if fits && is_dns(message) {
            return Some(Layer7::Dns);
        }
    }
    None
}

fn udp(port: &dyn Fn(u16) -> bool, payload: &[u8]) -> Option<Layer7> {
    // RFC 8489, 5.
    if payload.len() >= 20 && payload.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42]) && payload[0] & 0xc0 == 0 {
        return Some(Layer7::Stun);
    }
    // BOOTP with the cookie of DHCP (RFC 2131, 3).
    if payload.get(236..240) == Some(&[99, 130, 83, 99]) && matches!(payload[0], 1 | 2) {
        return Some(Layer7::Dhcp);
    }
    if (port(546) || port(547)) && is_dhcp6(payload) {
        return Some(Layer7::Dhcp6);
    }
    if is_quic(payload) {
        return Some(Layer7::Quic);
    }
    if let &[0x14..=0x17, 0xfe, 0xfd | 0xff, ..] = payload
        && payload.len() >= 13
    {
        return Some(Layer7::Dtls);
    }
    if starts_with_any(payload, &[b"M-SEARCH * HTTP/1.1", b"NOTIFY * HTTP/1.1"])
        || (port(1900) && payload.starts_with(b"HTTP/1.1 200 OK"))
    {
        return Some(Layer7::Ssdp);
    }
    if payload.starts_with(b"SIP/2.0 ") || contains(first_line(payload.get(..512).unwrap_or(payload)), b" SIP/2.0") {
        return Some(Layer7::Sip);
    }
    // NetBIOS names have 32 letters A to P (RFC 1001, 14.1).
    if port(137) && payload.get(12) == Some(&0x20) {
        return Some(Layer7::Nbns);
    }
    if is_dns(payload) {
        return Some(if port(5353) {
            Layer7::Mdns
        } else if port(5355) {
            Layer7::Llmnr
        } else {
            Layer7::Dns
        });
    }
    // RFC 5905, 7.3: leap, version, mode.
    if port(123) && payload.len() >= 12 && (1..=4).contains(&(payload[0] >> 3 & 7)) && payload[0] & 7 != 0 {
        return Some(Layer7::Ntp);
    }
    // A sequence that begins with an integer of one octet, the version (RFC 3416).
    if port(161) || port(162) {
        let at = match payload.get(1) {
            Some(&long @ 0x81..=0x84) => usize::from(long & 0x7f) + 2,
            _ => 2,
        };
        if payload[0] == 0x30 && matches!(payload.get(at..at + 3), Some([2, 1, 0..=3])) {
            return Some(Layer7::Snmp);
        }
    }
    if let &[1..=5 | 11..=13 | 40..=45, _, high, low, ..] = payload {
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len >= 20 && len == payload.len() && [1812, 1813, 1645, 1646, 3799].into_iter().any(port) {
            return Some(Layer7::Radius);
        }
    }
    // The four kinds of message have lengths of their own ("WireGuard", 5.4).
    if matches!((payload.get(..4), payload.len()), (Some([1, 0, 0, 0]), 148) | (Some([2, 0, 0, 0]), 92)) {
        return Some(Layer7::Wireguard);
    }
    if payload[0] == b'<' && (port(514) || port(5514)) {
        let digits = payload.iter().skip(1).take_while(|octet| octet.is_ascii_digit()).count();
        if (1..=3).contains(&digits) && payload.get(1 + digits) == Some(&b'>') {
            return Some(Layer7::Syslog);
        }
    }
    // A request names its mode behind the file (RFC 1350, 5).
    if let &[0, 1 | 2, ..] = payload {
        let mut parts = payload.get(2..).unwrap_or_default().split(|&octet| octet == 0);
        let (file, mode) = (parts.next(), parts.next().unwrap_or_default());
        if file.is_some_and(|file| !file.is_empty())
            && (mode.eq_ignore_ascii_case(b"octet") || mode.eq_ignore_ascii_case(b"netascii"))
        {
            return Some(Layer7::Tftp);
        }
    }
    if payload.starts_with(b"d1:ad2:id20:") || payload.starts_with(b"d1:rd2:id20:") {
        return Some(Layer7::Bittorrent);
    }
    None
}

/// Whether octets are a message of DNS (RFC 1035, 4.1.1): few records, an opcode that is assigned, no reserved bit, and a first
/// question or record whose name, type and class can be read.
fn is_dns(message: &[u8]) -> bool {
    let Some(&[_, _, flags, more, q1, q2, a1, a2, n1, n2, r1, r2]) = message.first_chunk::<12>() else { return false };
    let counts = [[q1, q2], [a1, a2], [n1, n2], [r1, r2]].map(|count| usize::from(u16::from_be_bytes(count)));
    let opcode = flags >> 3 & 0x0f;
    let records: usize = counts.iter().sum();
    // Each record has eleven octets at least, each question five.
    let fits = counts[0] * 5 + (records - counts[0]) * 11 <= message.len().saturating_sub(12);
    if !matches!(opcode, 0..=2 | 4..=6) || more & 0x40 != 0 || records == 0 || !fits || counts[0] > 64 {
        return false;
    }
    let mut at = 12;
    loop {
        match message.get(at) {
            Some(0) => break at += 1,
            Some(&len @ 1..=63) => at += 1 + usize::from(len),
            Some(0xc0..) => break at += 2,
            _ => return false,
        }
        if at > 12 + LONGEST_NAME {
            return false;
        }
    }
    match message.get(at..at + 4) {
        // A class is one of four, any, or none; its first bit belongs to mDNS (RFC 6762, 5.4 and 10.2), and an OPT record has
        // a size in its place.
        Some(&[t1, t2, c1, c2]) => {
            let (kind, class) = (u16::from_be_bytes([t1, t2]), u16::from_be_bytes([c1 & 0x7f, c2]));
            kind != 0 && (kind == 41 || matches!(class, 1 | 3 | 4 | 254 | 255))
        }
        _ => false,
    }
}

/// The name of the first question, with dots, in the letters it came in.
fn dns_question(message: &[u8]) -> Option<String> {
    if u16::from_be_bytes([*message.get(4)?, *message.get(5)?]) == 0 {
        return None;
    }
    let mut name = String::new();
    let mut at = 12;
    loop {
        let len = usize::from(*message.get(at)?);
        match len {
            0 => return Some(name),
            1..=63 => {
                if !name.is_empty() {
                    name.push('.');
                }
                let label = message.get(at + 1..at + 1 + len)?;
                name.push_str(&String::from_utf8_lossy(label));
                at += 1 + len;
            }
            // A question before which there is no name has nothing to point at.
            _ => return None,
        }
        if at > 12 + LONGEST_NAME {
            return None;
        }
    }
}

/// RFC 8415, 8 and 9: a type, and options that end with the message.
fn is_dhcp6(payload: &[u8]) -> bool {
    let mut at = match payload.first() {
        Some(1..=11 | 14..=36) => 4,
        Some(12 | 13) => 34,
        _ => return false,
    };
    while at < payload.len() {
        let Some(&[h, l]) = payload.get(at + 2..).and_then(<[u8]>::first_chunk) else { return false };
        at += 4 + usize::from(u16::from_be_bytes([h, l]));
    }
    at == payload.len()
}

/// A long header (RFC 8999, 5.1) of a version that is met: 1, 2, drafts, Google's, version negotiation.
fn is_quic(payload: &[u8]) -> bool {
    let Some(&[first, a, b, c, d, dcid_len]) = payload.first_chunk::<6>() else { return false };
    let version = u32::from_be_bytes([a, b, c, d]);
    let known = matches!(version, 1 | 0x6b33_43cf | 0xff00_0001..=0xff00_0022)
        || matches!([a, b, c], [b'Q' | b'T', b'0', b'4' | b'5']);
    let negotiation = version == 0 && payload.len().checked_sub(7).is_some_and(|len| len.is_multiple_of(4));
    let scid_at = 6 + usize::from(dcid_len);
    first & 0x80 != 0
        && ((known && first & 0x40 != 0) || (negotiation && dcid_len >= 8))
        && dcid_len <= 20
        && payload.get(scid_at).is_some_and(|&len| len <= 20 && payload.len() > scid_at + usize::from(len))
}

/// The server name of a ClientHello (RFC 6066, 3) as far as this packet has it.
fn server_name(payload: &[u8]) -> Option<String> {
    // Record header, handshake header, version and random (RFC 8446, 4.1.2).
    if payload.first() != Some(&0x16) || payload.get(5) != Some(&1) {
        return None;
    }
    let word = |at: usize| payload.get(at..)?.first_chunk().copied().map(u16::from_be_bytes).map(usize::from);
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(*payload.get(at)?);
    at += 2 + word(at)?;
    at += 1 + usize::from(*payload.get(at)?);
    let end = at + 2 + word(at)?;
    at += 2;
    while at + 4 <= end {
        let (kind, len) = (word(at)?, word(at + 2)?);
        at += 4;
        // A list of names, of which the first is the only one ever sent: type 0, length, name.
        if kind == 0 {
            if *payload.get(at + 2)? != 0 {
                return None;
            }
            let name = payload.get(at + 5..at + 5 + word(at + 3)?)?;
            return plain(name);
        }
        at += len;
    }
    None
}

/// The host of a request: its Host line, if this packet has it.
fn host(payload: &[u8]) -> Option<String> {
    if !starts_with_any(payload, &METHODS) {
        return None;
    }
    let mut lines = payload.split(|&octet| octet == b'\n').skip(1);
    let line = lines.find(|line| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:")))?;
    // Without its end the name may be longer.
    let value = line.get(5..)?.strip_suffix(b"\r")?.trim_ascii();
    plain(value)
}

fn plain(name: &[u8]) -> Option<String> {
    (1..=LONGEST_NAME).contains(&name.len()).then(|| String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A question for example.org, type A.
    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";

    /// A ClientHello with a session id, two suites, and two extensions, the second of which is the server name.
    fn client_hello(name: &[u8]) -> Vec<u8> {
        let mut names = vec![0, (name.len() + 3) as u8, 0, 0, name.len() as u8];
        names.extend(name);
        let mut extensions = vec![0, 23, 0, 0, 0, 0, 0, names.len() as u8];
        extensions.extend(names);
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([2, 9, 9, 0, 4, 0x13, 1, 0x13, 2, 1, 0, 0, extensions.len() as u8]);
        body.extend(extensions);
        let mut hello = vec![0x16, 3, 1, 0, (body.len() + 4) as u8, 1, 0, 0, body.len() as u8];
        hello.extend(body);
        hello
    }

    #[test]
    fn protocols_are_known_by_what_a_packet_shows() {
        let quic = [&[0xc0, 0, 0, 0, 1, 8][..], &[5; 8], &[0, 0, 0x44]].concat();
        let dhcp = [&[1, 1, 6, 0][..], &[0; 232], &[99, 130, 83, 99, 53, 1, 1]].concat();
        let ntp = [&[0x23][..], &[0; 47]].concat();
        let over_tcp = [&[0, QUESTION.len() as u8][..], QUESTION].concat();
        let hello = client_hello(b"example.net");
        for (proto, sport, dport, payload, expected) in [
            (Proto::UDP, 40_000, 53, QUESTION, Some(Layer7::Dns)),
            (Proto::UDP, 40_000, 9_953, QUESTION, Some(Layer7::Dns)),
            (Proto::UDP, 5_353, 5_353, QUESTION, Some(Layer7::Mdns)),
            (Proto::UDP, 40_000, 5_355, QUESTION, Some(Layer7::Llmnr)),
            (Proto::TCP, 40_000, 53, &over_tcp, Some(Layer7::Dns)),
            (Proto::UDP, 40_000, 53, b"no question at all, only text", None),
            (Proto::UDP, 443, 40_000, &quic, Some(Layer7::Quic)),
            (Proto::UDP, 68, 67, &dhcp, Some(Layer7::Dhcp)),
            (Proto::UDP, 123, 123, &ntp, Some(Layer7::Ntp)),
            (Proto::UDP, 124, 124, &ntp, None),
            (Proto::TCP, 1, 2, b"SSH-2.0-x\r\n", Some(Layer7::Ssh)),
            (Proto::TCP, 1, 2, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Layer7::Http)),
            (Proto::TCP, 1, 80, b"GETTING / nothing\r\n", None),
            (Proto::TCP, 1, 2, &hello, Some(Layer7::Tls)),
            (Proto::TCP, 1, 443, b"\x01\x02\x03", None),
            (Proto::TCP, 1, 443, b"", None),
            (Proto::SCTP, 1, 53, QUESTION, None),
        ] {
            assert_eq!(of_payload(proto, sport, dport, payload), expected, "{sport} {dport} {payload:?}");
        }
    }

    #[test]
    fn names_are_those_asked_for() {
        let of = |layer7, payload: &[u8]| name(layer7, Proto::TCP, payload).map(String::from);
        assert_eq!(name(Layer7::Dns, Proto::UDP, QUESTION).as_deref(), Some("example.org"));
        assert_eq!(name(Layer7::Dns, Proto::UDP, &QUESTION[..20]), None);
        let hello = client_hello(b"example.net");
        assert_eq!(of(Layer7::Tls, &hello).unwrap(), "example.net");
        for cut in 0..hello.len() {
            assert_eq!(of(Layer7::Tls, &hello[..cut]), None);
        }
        assert_eq!(
            of(Layer7::Http, b"GET / HTTP/1.1\r\nA: b\r\nhOsT:  a.example:81 \r\n\r\n").unwrap(),
            "a.example:81"
        );
        assert_eq!(of(Layer7::Http, b"GET / HTTP/1.1\r\nHost: a.exam"), None);
        assert_eq!(of(Layer7::Http, b"HTTP/1.1 200 OK\r\nHost: x\r\n"), None);
    }

    #[test]
    fn a_version_negotiation_that_is_cut_is_none() {
        for len in 0..=7 {
            assert!(!is_quic(&[0xc0, 0, 0, 0, 0, 8, 1][..len]), "{len}");
        }
    }

    proptest! {
        #[test]
        fn any_payload_has_an_answer(payload in prop::collection::vec(any::<u8>(), 0..600), sport in any::<u16>(), dport in prop::sample::select(vec![53u16, 123, 137, 161, 443, 547, 1812, 514, 80]), at in 0..8usize) {
            let mut payload = payload;
            let starts: [&[u8]; 8] = [QUESTION, b"\x16\x03\x01\x00\xf0\x01\x00\x00\xec\x03\x03", b"GET / HTTP/1.1\r\nHost:", b"\xc0\x00\x00\x00\x01\x08", b"\x00\x01", b"\x0c", b"\x30\x84", b""];
            payload.splice(0..0, starts[at].iter().copied());
            for proto in [Proto::TCP, Proto::UDP] {
                if let Some(layer7) = of_payload(proto, sport, dport, &payload)
                    && let Some(name) = name(layer7, proto, &payload)
                {
                    prop_assert!(!name.is_empty() && name.len() <= 3 * LONGEST_NAME);
                }
            }
        }
    }
}
