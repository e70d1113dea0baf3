//! `airtally inspect` beside tshark on thousands of generated frames: every capture header, carrier and container that
//! both read, roles, security, names, channels, widths, signals, cut and damaged frames, times. The frames come from a
//! seed; what they mean is tshark's word, never the generator's.

use crate::support::{
    program::{self, small_registry},
    synth::rng::Rng,
    temp_dir,
};
use airtally::{Mac, UnixNanos, wire::ssid_text};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// 2023-11-14T22:13:20Z.
const NOW: u64 = 1_700_000_000_000_000_000;
const FRAMES: usize = 500;
const SEEDS: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Header {
    Bare,
    Radiotap,
    Prism,
    Avs,
    Ppi,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Carrier {
    Nothing,
    /// A cooked capture of a monitor interface.
    Cooked,
    /// TZSP in UDP over Ethernet: the header is its own.
    Tzsp,
}

#[derive(Clone, Copy, Debug)]
enum Container {
    Pcap { nanos: bool, big: bool },
    Ng { digits: u8, big: bool },
}

/// What one seed makes.
#[derive(Clone, Copy, Debug)]
struct Form {
    header: Header,
    carrier: Carrier,
    container: Container,
    gzip: bool,
    fcs: bool,
}

impl Form {
    /// Every header, carrier and container comes within a dozen seeds; what goes with what is by chance.
    fn of(seed: u64, rng: &mut Rng) -> Self {
        let (header, carrier) = match seed % 8 {
            0 => (Header::Bare, Carrier::Nothing),
            1 => (Header::Prism, Carrier::Nothing),
            2 => (Header::Avs, Carrier::Nothing),
            3 => (Header::Ppi, Carrier::Nothing),
            4 => (Header::Radiotap, Carrier::Cooked),
            5 => (Header::Bare, Carrier::Tzsp),
            _ => (Header::Radiotap, Carrier::Nothing),
        };
        let big = rng.chance(500);
        let container = match seed / 8 % 3 {
            0 => Container::Pcap { nanos: false, big },
            1 => Container::Pcap { nanos: true, big },
            _ => Container::Ng { digits: [6, 7, 9][rng.index(3)], big },
        };
        let fcs = header == Header::Radiotap && rng.chance(600);
        Self { header, carrier, container, gzip: rng.chance(250), fcs }
    }

    fn link(self) -> u16 {
        match (self.carrier, self.header) {
            (Carrier::Cooked, _) => 113,
            (Carrier::Tzsp, _) => 1,
            (Carrier::Nothing, Header::Bare) => 105,
            (Carrier::Nothing, Header::Radiotap) => 127,
            (Carrier::Nothing, Header::Prism) => 119,
            (Carrier::Nothing, Header::Avs) => 163,
            (Carrier::Nothing, Header::Ppi) => 192,
        }
    }
}

fn element(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id, body.len() as u8], body].concat()
}

/// An RSN or WPA body: version, group cipher, pairwise ciphers, key management, and of RSN the capabilities.
fn suites(organisation: [u8; 3], keys: &[u8], protected: Option<bool>) -> Vec<u8> {
    let suite = |kind: u8| [&organisation[..], &[kind]].concat();
    let mut body = [&[1, 0][..], &suite(4), &[1, 0], &suite(4), &[keys.len() as u8, 0]].concat();
    keys.iter().for_each(|&kind| body.extend(suite(kind)));
    match protected {
        Some(true) => body.extend([0xc0, 0]),
        Some(false) => body.extend([0, 0]),
        None => {}
    }
    body
}

/// A network, or a device that announces something.
struct Network {
    mac: [u8; 6],
    capability: u16,
    elements: Vec<u8>,
}

fn network(rng: &mut Rng, mac: [u8; 6]) -> Network {
    let kind = [1u16, 1, 1, 1, 1, 2, 0][rng.index(7)];
    let mut elements = match rng.below(8) {
        0 => element(0, &[]),
        1 => element(0, &[0; 7]),
        2 => element(0, "\u{202e}Gäste <b>\u{1}".as_bytes()),
        3 => element(0, &[0xff, 0xfe, b'\\', b'x']),
        _ => element(0, format!("net-{}", rng.below(1000)).as_bytes()),
    };
    elements.extend(element(1, &[0x82, 0x84, 0x8b, 0x96]));
    let channel = [1u8, 6, 11, 36, 100, 149][rng.index(6)];
    if channel < 14 || rng.chance(300) {
        elements.extend(element(3, &[channel]));
    }
    let mut private = true;
    match rng.below(10) {
        0 | 1 => private = false,
        2 => {}
        3 => elements.extend(element(48, &suites([0, 0x0f, 0xac], &[2], Some(false)))),
        4 => elements.extend(element(48, &suites([0, 0x0f, 0xac], &[8, 2], Some(false)))),
        5 => elements.extend(element(48, &suites([0, 0x0f, 0xac], &[8], Some(true)))),
        6 => {
            let keys = [1u8, 3, 5, 11, 12, 18, 6, 4, 9, 24][rng.index(10)];
            elements.extend(element(48, &suites([0, 0x0f, 0xac], &[keys], Some(rng.chance(500)))));
        }
        7 => elements.extend(element(221, &[&[0, 0x50, 0xf2, 1][..], &suites([0, 0x50, 0xf2], &[2], None)].concat())),
        8 => {
            elements.extend(element(48, &suites([0, 0x0f, 0xac], &[2], Some(false))));
            elements.extend(element(221, &[&[0, 0x50, 0xf2, 1][..], &suites([0, 0x50, 0xf2], &[2, 1], None)].concat()));
        }
        // Another organisation's key management.
        _ => elements.extend(element(48, &suites([0, 0x40, 0x96], &[1], Some(false)))),
    }
    if rng.chance(600) {
        let information = [0u8, 5, 7, 4, 1][rng.index(5)];
        let mut body = vec![channel, information];
        body.resize(22, 0);
        elements.extend(element(61, &body));
        if channel > 14 && rng.chance(600) {
            let (width, first, second) =
                [(0u8, 0u8, 0u8), (1, 42, 0), (1, 42, 50), (2, 50, 0), (3, 42, 155)][rng.index(5)];
            elements.extend(element(192, &[width, first, second, 0xfc, 0xff]));
        }
    }
    let mut vendor = vec![0, 0x17, 0xf2, 10];
    let more = rng.index(12);
    rng.fill(&mut vendor, more);
    elements.extend(element(221, &vendor));
    Network { mac, capability: kind | if private { 0x10 } else { 0 } | 0x0400, elements }
}

/// Who and what there is on the air.
struct Air {
    rng: Rng,
    networks: Vec<Network>,
    devices: Vec<[u8; 6]>,
}

impl Air {
    fn new(mut rng: Rng) -> Self {
        let mut mac = |at: u8| {
            let mut octets = Vec::new();
            rng.fill(&mut octets, 4);
            [octets[0] & 0xfe, octets[1], octets[2], octets[3], 7, at]
        };
        let addresses: Vec<_> = (0..12).map(&mut mac).collect();
        let devices = (20..40).map(mac).collect();
        let networks = addresses.into_iter().map(|mac| network(&mut rng, mac)).collect();
        Self { rng, networks, devices }
    }

    fn device(&mut self) -> [u8; 6] {
        self.devices[self.rng.index(self.devices.len())]
    }

    /// A frame without its check sequence.
    fn frame(&mut self) -> Vec<u8> {
        let network = self.rng.index(self.networks.len());
        let (bssid, device) = (self.networks[network].mac, self.device());
        let retry = if self.rng.chance(150) { 0x08 } else { 0 };
        let sequence = [(self.rng.below(255) as u8) << 4, self.rng.below(256) as u8];
        let header = |kind: u8, flags: u8, first: [u8; 6], second: [u8; 6], third: [u8; 6]| {
            [&[kind, flags | retry, 0, 0][..], &first, &second, &third, &sequence].concat()
        };
        let announced = |air: &Self, kind: u8, to: [u8; 6]| {
            let Network { mac, capability, elements } = &air.networks[network];
            [&header(kind, 0, to, *mac, *mac)[..], &[7; 8], &[100, 0], &capability.to_le_bytes(), elements].concat()
        };
        match self.rng.below(20) {
            0..=5 => announced(self, 0x80, [0xff; 6]),
            6 => announced(self, 0x50, device),
            7 | 8 => {
                let name = if self.rng.chance(400) { String::new() } else { format!("home-{}", self.rng.below(30)) };
                let probe = header(0x40, 0, [0xff; 6], device, [0xff; 6]);
                [probe, element(0, name.as_bytes()), element(1, &[2, 4, 11, 22])].concat()
            }
            9 => {
                let name = element(0, format!("net-{}", self.rng.below(9)).as_bytes());
                match self.rng.chance(500) {
                    true => [&header(0x00, 0, bssid, device, bssid)[..], &[0x11, 4, 10, 0], &name].concat(),
                    false => [&header(0x20, 0, bssid, device, bssid)[..], &[0x11, 4, 10, 0], &bssid, &name].concat(),
                }
            }
            10 => {
                let (to, from) = if self.rng.chance(500) { (bssid, device) } else { (device, bssid) };
                [&header(0xb0, 0, to, from, bssid)[..], &[0, 0, 1, 0, 0, 0]].concat()
            }
            11 => [&header(0xc0, 0, device, bssid, bssid)[..], &[7, 0]].concat(),
            12..=16 => {
                let other = self.device();
                let kind = [0x08u8, 0x88, 0x48, 0xc8][self.rng.index(4)];
                let (flags, addresses) = match self.rng.below(7) {
                    0..=2 => (0x01, [bssid, device, other]),
                    3 | 4 => (0x02, [device, bssid, other]),
                    5 => (0x00, [device, other, bssid]),
                    _ => (0x03, [bssid, device, other]),
                };
                let protected = if self.rng.chance(500) { 0x40 } else { 0 };
                let mut frame = header(kind, flags | protected, addresses[0], addresses[1], addresses[2]);
                if flags == 0x03 {
                    frame.extend(other);
                }
                if kind & 0x80 != 0 {
                    frame.extend([0, 0]);
                }
                if kind & 0x40 == 0 {
                    let more = 16 + self.rng.index(60);
                    self.rng.fill(&mut frame, more);
                }
                frame
            }
            _ => {
                let kind = [0xb4u8, 0xc4, 0xd4, 0xa4, 0xe4, 0x94][self.rng.index(6)];
                let (first, second) = if self.rng.chance(500) { (bssid, device) } else { (device, bssid) };
                let mut frame = [&[kind, 0, 0x2c, 0][..], &first].concat();
                if !matches!(kind, 0xc4 | 0xd4) {
                    frame.extend(second);
                    // Bandwidth signalling.
                    frame[10] |= u8::from(kind == 0xb4 && self.rng.chance(200));
                }
                if kind == 0x94 {
                    frame.extend([0x05, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0]);
                }
                frame
            }
        }
    }

    /// A capture header, with a signal as a rule.
    fn header(&mut self, form: Form, bad_fcs: bool) -> Vec<u8> {
        let freq = [2412u16, 2437, 2462, 5180, 5500, 5745][self.rng.index(6)];
        let channel = if freq < 3000 { (freq - 2407) / 5 } else { (freq - 5000) / 5 };
        let signal = match self.rng.below(12) {
            0 => -128,
            1 => 127,
            other => -30 - 5 * other as i8,
        };
        match form.header {
            Header::Bare => Vec::new(),
            Header::Radiotap => {
                let mut present = 0u32;
                let mut fields = Vec::new();
                let flags = if form.fcs { 0x10 } else { 0 } | if bad_fcs { 0x40 } else { 0 };
                for (bit, align, field) in [
                    (0, 8, vec![5; 8]),
                    (1, 1, vec![flags]),
                    (2, 1, vec![12]),
                    (3, 2, [freq.to_le_bytes(), [0xa0, 0]].concat()),
                    (4, 2, vec![3, 4]),
                    (5, 1, signal.to_le_bytes().to_vec()),
                    (6, 1, vec![0xa0]),
                    (11, 1, vec![1]),
                    (14, 2, vec![0, 0]),
                    (19, 1, vec![7, 0, 3]),
                ] {
                    let wanted = match bit {
                        1 => true,
                        3 | 5 => !self.rng.chance(80),
                        _ => self.rng.chance(400),
                    };
                    if wanted {
                        present |= 1 << bit;
                        let at: usize = 8 + fields.len();
                        fields.resize(at.next_multiple_of(align) - 8, 0);
                        fields.extend(field);
                    }
                }
                let len = (8 + fields.len()) as u16;
                [&[0, 0][..], &len.to_le_bytes(), &present.to_le_bytes(), &fields].concat()
            }
            Header::Prism => {
                let mut header = [0x44u32.to_le_bytes(), 144u32.to_le_bytes()].concat();
                header.extend(b"wlan0\0\0\0\0\0\0\0\0\0\0\0");
                for id in 1..=10u32 {
                    let value = if id == 3 { u32::from(channel) } else { 0 };
                    header.extend(((id << 16) | 0x44).to_le_bytes());
                    header.extend([0, 0, 4, 0]);
                    header.extend(value.to_le_bytes());
                }
                header
            }
            Header::Avs => {
                let words = [5u32, u32::from(channel), 10, 0, 0, 2, i32::from(signal).cast_unsigned(), 0, 0, 0];
                let mut header = [0x8021_1001u32, 64, 0, 1, 0, 1].map(u32::to_be_bytes).concat();
                header.extend(words.map(u32::to_be_bytes).concat());
                header
            }
            Header::Ppi => {
                let mut header = vec![0, 0, 32, 0, 105, 0, 0, 0, 2, 0, 20, 0];
                header.extend([0; 8]);
                header.extend([0, 0, 12, 0]);
                header.extend(freq.to_le_bytes());
                header.extend([0xa0, 0, 0, 0, signal.cast_unsigned(), 0xa0]);
                header
            }
        }
    }

    /// A packet as captured, and its length on the air.
    fn packet(&mut self, form: Form) -> (Vec<u8>, usize) {
        let mut frame = self.frame();
        let has_body = frame[0] & 0x0c != 0x04;
        let mut bad_fcs = false;
        if form.fcs {
            let mut fcs = crc32fast::hash(&frame);
            if self.rng.chance(60) {
                fcs ^= 1 << self.rng.below(32);
                bad_fcs = self.rng.chance(500);
            }
            frame.extend(fcs.to_le_bytes());
        }
        let header = self.header(form, bad_fcs);
        let (before, may_be_cut) = match form.carrier {
            Carrier::Nothing => (header, true),
            Carrier::Cooked => ([&[0, 0, 0x03, 0x23, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0, 4][..], &header].concat(), true),
            Carrier::Tzsp => {
                let signal = (-40 - self.rng.below(50) as i8).cast_unsigned();
                let channel = [1, 6, 13, 36, 149][self.rng.index(5)];
                let tzsp = [1, 0, 0, 18, 10, 1, signal, 18, 1, channel, 0, 1];
                let udp_len = (8 + tzsp.len() + frame.len()) as u16;
                let mut packet = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].concat();
                packet.extend([8, 0, 0x45, 0]);
                packet.extend((20 + udp_len).to_be_bytes());
                packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
                packet.extend([37_008u16, 37_008, udp_len, 0].map(u16::to_be_bytes).concat());
                packet.extend(tzsp);
                (packet, false)
            }
        };
        let mut packet = [before.clone(), frame.clone()].concat();
        let whole = packet.len();
        // Cut somewhere after four addresses and QoS control: of what is cut before, tshark may show nothing.
        if has_body && may_be_cut && frame.len() > 34 && self.rng.chance(80) {
            packet.truncate(before.len() + 34 + self.rng.index(frame.len() - 34));
        }
        (packet, whole)
    }
}

/// Writes what `seed` makes.
fn capture(seed: u64, path: &Path) -> Form {
    let mut rng = Rng::new(seed);
    let form = Form::of(seed, &mut rng);
    let mut air = Air::new(rng);
    let mut file = Vec::new();
    let (big, unit) = match form.container {
        Container::Pcap { nanos, big } => (big, if nanos { 1 } else { 1_000 }),
        Container::Ng { digits, big } => (big, 10u64.pow(9 - u32::from(digits))),
    };
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let body = [body, &vec![0; body.len().wrapping_neg() % 4]].concat();
        let len = word(body.len() as u32 + 12);
        [&word(kind)[..], &len, &body, &len].concat()
    };
    match form.container {
        Container::Pcap { nanos, .. } => {
            file.extend(word(if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
            file.extend([half(2), half(4)].concat());
            file.extend([0, 0, 262_144, u32::from(form.link())].map(word).concat());
        }
        Container::Ng { digits, .. } => {
            let section = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
            file.extend(block(0x0a0d_0d0a, &section));
            let options = [&half(9)[..], &half(1), &[digits, 0, 0, 0], &half(0), &half(0)].concat();
            file.extend(block(1, &[&half(form.link())[..], &half(0), &word(0), &options].concat()));
        }
    }
    let mut time = NOW + air.rng.below(60_000_000_000);
    for _ in 0..FRAMES {
        // Neighbours are a moment apart, and some a little before the one before them.
        time = (time + air.rng.below(400_000_000)).saturating_sub(if air.rng.chance(20) { 1_000_000 } else { 0 });
        let (packet, whole) = air.packet(form);
        match form.container {
            Container::Pcap { .. } => {
                let stamp = [(time / 1_000_000_000) as u32, (time % 1_000_000_000 / unit) as u32];
                file.extend(stamp.into_iter().chain([packet.len() as u32, whole as u32]).flat_map(word));
                file.extend(packet);
            }
            Container::Ng { .. } => {
                let units = time / unit;
                let head =
                    [0, (units >> 32) as u32, units as u32, packet.len() as u32, whole as u32].map(word).concat();
                file.extend(block(6, &[head, packet].concat()));
            }
        }
    }
    if form.gzip {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&file).unwrap();
        file = gzip.finish().unwrap();
    }
    fs::write(path, file).unwrap();
    form
}

/// A frame as tshark has it: every value of every field.
struct Row(BTreeMap<&'static str, String>);

const FIELDS: [&str; 35] = [
    "frame.time_epoch",
    "frame.len",
    "frame.cap_len",
    "wlan.ta",
    "wlan.ra",
    "wlan.bssid",
    "wlan.fc.type_subtype",
    "wlan.fc.ds",
    "wlan.fc.retry",
    "wlan.fcs.status",
    "radiotap.flags.badfcs",
    "radiotap.dbm_antsignal",
    "radiotap.channel.freq",
    "wlancap.dbm_antsignal",
    "wlancap.channel",
    "ppi.80211-common.dbm.antsignal",
    "ppi.80211-common.chan.freq",
    "prism.did.channel",
    "tzsp.wlan.signal",
    "tzsp.wlan.channel",
    "wlan.fixed.capabilities.ess",
    "wlan.fixed.capabilities.ibss",
    "wlan.fixed.capabilities.privacy",
    "wlan.ssid",
    "wlan.rsn.akms",
    "wlan.rsn.capabilities.mfpr",
    "wlan.wfa.ie.wpa.akms",
    "wlan.ds.current_channel",
    "wlan.ht.info.primarychannel",
    "wlan.ht.info.chanwidth",
    "wlan.ht.info.secchanoffset",
    "wlan.vht.op.channelwidth",
    "wlan.vht.op.channelcenter0",
    "wlan.vht.op.channelcenter1",
    "wlan.tag.number",
];

fn tshark(path: &Path) -> Vec<Row> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "wlan.check_checksum:TRUE", "-T", "fields", "-r"]).arg(path);
    FIELDS.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let output = command.stderr(Stdio::piped()).output().expect("tshark, which scripts/test installs");
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| Row(FIELDS.into_iter().zip(line.split('\t').map(str::to_owned)).collect())).collect()
}

fn number(text: &str) -> i64 {
    text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| i64::from_str_radix(hex, 16)).unwrap()
}

impl Row {
    fn all(&self, field: &str) -> Vec<&str> {
        self.0[field].split(',').filter(|value| !value.is_empty()).collect()
    }

    fn first(&self, field: &str) -> Option<&str> {
        self.all(field).first().copied()
    }

    fn number<T: TryFrom<i64>>(&self, field: &str) -> Option<T> {
        number(self.first(field)?).try_into().ok()
    }

    fn is_set(&self, field: &str) -> bool {
        matches!(self.first(field), Some("1" | "True"))
    }

    fn kind(&self) -> u16 {
        self.number("wlan.fc.type_subtype").unwrap_or_else(|| panic!("no type: {:?}", self.0))
    }

    fn mac(&self, field: &str) -> Option<Mac> {
        self.first(field)?.parse().ok()
    }

    fn is_whole(&self) -> bool {
        self.0["frame.len"] == self.0["frame.cap_len"]
    }

    fn signal(&self) -> Option<i64> {
        let fields =
            ["radiotap.dbm_antsignal", "wlancap.dbm_antsignal", "ppi.80211-common.dbm.antsignal", "tzsp.wlan.signal"];
        let value = fields.iter().find_map(|field| self.number::<i64>(field))?;
        // The ends of the field are "not measured".
        (!matches!(value, -128 | 127)).then_some(value)
    }

    fn freq(&self) -> Option<u64> {
        let of_channel = |channel: u64| if channel < 14 { 2407 + 5 * channel } else { 5000 + 5 * channel };
        let told = ["radiotap.channel.freq", "ppi.80211-common.chan.freq"].iter().find_map(|field| self.number(field));
        let channel = || {
            ["wlancap.channel", "prism.did.channel", "tzsp.wlan.channel"].iter().find_map(|field| self.number(field))
        };
        told.or_else(|| channel().map(of_channel))
    }

    /// The names of IEEE 802.11-2020, table 9-151, and of the Wi-Fi Alliance's WPA.
    fn security(&self) -> String {
        let numbers = |field: &str| -> Vec<i64> { self.all(field).into_iter().map(number).collect() };
        let (rsn, wpa) = (numbers("wlan.rsn.akms"), numbers("wlan.wfa.ie.wpa.akms"));
        let mut names = BTreeSet::new();
        for suite in &wpa {
            names.insert(match suite {
                0x0050_f202 => (1, "WPA"),
                0x0050_f201 => (2, "WPA-Enterprise"),
                _ => (9, "other"),
            });
        }
        for suite in &rsn {
            names.insert(match (suite, self.is_set("wlan.rsn.capabilities.mfpr")) {
                (0x000f_ac02 | 0x000f_ac04 | 0x000f_ac06, _) => (3, "WPA2"),
                (0x000f_ac05, true) => (6, "WPA3-Enterprise"),
                (0x000f_ac01 | 0x000f_ac03 | 0x000f_ac05, _) => (4, "WPA2-Enterprise"),
                (0x000f_ac08 | 0x000f_ac09 | 0x000f_ac18, _) => (5, "WPA3"),
                (0x000f_ac0b | 0x000f_ac0c, _) => (6, "WPA3-Enterprise"),
                (0x000f_ac12, _) => (7, "OWE"),
                _ => (9, "other"),
            });
        }
        let bits = ["wlan.fixed.capabilities.ess", "wlan.fixed.capabilities.ibss"];
        match (names.is_empty(), self.is_set("wlan.fixed.capabilities.privacy")) {
            (false, _) => names.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join("/"),
            (true, false) => "open".into(),
            (true, true) if bits.iter().any(|bit| self.is_set(bit)) => "WEP".into(),
            (true, true) => "encrypted, kind unknown".into(),
        }
    }

    fn channel(&self) -> Option<u64> {
        self.number("wlan.ds.current_channel").or_else(|| self.number("wlan.ht.info.primarychannel"))
    }

    /// IEEE 802.11-2020, tables 11-23 and 9-196.
    fn width(&self) -> Option<u64> {
        self.channel()?;
        let centre = |at: u8| self.number::<i64>(&format!("wlan.vht.op.channelcenter{at}")).unwrap_or(0);
        match self.number::<u64>("wlan.vht.op.channelwidth") {
            Some(1) if centre(1) > 0 && ((centre(1) - centre(0)).abs() == 8 || (centre(1) - centre(0)).abs() > 16) => {
                return Some(160);
            }
            Some(1) => return Some(80),
            Some(2 | 3) => return Some(160),
            _ => {}
        }
        let beside = self.number::<u64>("wlan.ht.info.secchanoffset");
        let any = self.is_set("wlan.ht.info.chanwidth");
        Some(if any && matches!(beside, Some(1 | 3)) { 40 } else { 20 })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    sent: u64,
    octets: u64,
    received: u64,
    retries: u64,
    /// Least and most, in dBm; the mean in tenths.
    signal: Option<(i64, i64, i64)>,
    freqs: BTreeSet<u64>,
    names: BTreeSet<String>,
    role: String,
    /// Security, channel, width, by the first whole announcement; empty where there is none.
    network: Option<(String, Option<u64>, Option<u64>)>,
    first: i64,
    last: i64,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Counted {
    frames: u64,
    octets: u64,
    bad_fcs: u64,
    without_ta: u64,
    group_ta: u64,
    malformed: u64,
    first: i64,
    last: i64,
    stations: BTreeMap<Mac, Seen>,
}

fn nanos(text: &str) -> i64 {
    let (seconds, fraction) = text.split_once('.').unwrap();
    seconds.parse::<i64>().unwrap() * 1_000_000_000 + fraction.parse::<i64>().unwrap()
}

/// What was counted, by tshark's fields.
fn theirs(rows: &[Row]) -> Counted {
    let mut all = Counted { first: i64::MAX, last: i64::MIN, ..Counted::default() };
    let mut done = BTreeMap::<Mac, BTreeSet<&str>>::new();
    let mut received = BTreeMap::<Mac, u64>::new();
    let mut signals = BTreeMap::<Mac, Vec<i64>>::new();
    for row in rows {
        let (time, len) = (nanos(&row.0["frame.time_epoch"]), row.number::<u64>("frame.len").unwrap());
        all.frames += 1;
        all.octets += len;
        (all.first, all.last) = (all.first.min(time), all.last.max(time));
        if row.is_set("radiotap.flags.badfcs") || row.first("wlan.fcs.status") == Some("0") {
            all.bad_fcs += 1;
            continue;
        }
        let kind = row.kind();
        if let Some(ra) = row.mac("wlan.ra").filter(|ra| !ra.is_group()) {
            *received.entry(ra).or_default() += 1;
        }
        // CF-End names the BSS, not who sent it (9.3.1.6).
        let ta = row.mac("wlan.ta").filter(|_| kind != 0x1e);
        let Some(ta) = ta.map(|ta| if kind >> 4 == 1 { ta.individual() } else { ta }) else {
            all.without_ta += 1;
            continue;
        };
        if ta.is_group() {
            all.group_ta += 1;
            continue;
        }
        let seen = all.stations.entry(ta).or_insert_with(|| Seen { first: time, last: time, ..Seen::default() });
        seen.sent += 1;
        seen.octets += len;
        seen.retries += u64::from(row.is_set("wlan.fc.retry"));
        (seen.first, seen.last) = (seen.first.min(time), seen.last.max(time));
        seen.freqs.extend(row.freq());
        signals.entry(ta).or_default().extend(row.signal());
        if matches!(kind, 0 | 2 | 4 | 5 | 8)
            && let Some(hex) = row.first("wlan.ssid")
            && !hex.starts_with('<')
        {
            let octets: Vec<u8> =
                (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
            seen.names.insert(ssid_text(&octets));
        }
        if matches!(kind, 5 | 8) && row.is_whole() && seen.network.is_none() {
            seen.network = Some((row.security(), row.channel(), row.width()));
        }
        let bssid = row.mac("wlan.bssid");
        let bits = (row.is_set("wlan.fixed.capabilities.ess"), row.is_set("wlan.fixed.capabilities.ibss"));
        let told = row.first("wlan.fixed.capabilities.ess").is_some();
        let ds: Option<u8> = row.number("wlan.fc.ds");
        let did = match (kind, ds) {
            (5 | 8, _) => match bits {
                (true, false) if told => Some("access_point"),
                (false, false) if told => Some("neither"),
                _ if told => Some("ad_hoc"),
                _ => (bssid == Some(ta)).then_some("access_point"),
            },
            (4, _) => Some("probed"),
            (0 | 2 | 0x1a, _) => Some("client"),
            (0xb, _) => (bssid == row.mac("wlan.ra") && bssid != Some(ta)).then_some("client"),
            (0x20.., Some(1)) => Some("client"),
            (0x20.., Some(2)) => (bssid == Some(ta)).then_some("access_point"),
            (0x20.., Some(0)) => (bssid != Some(ta)).then_some("ad_hoc"),
            _ => None,
        };
        done.entry(ta).or_default().extend(did);
    }
    for (mac, seen) in &mut all.stations {
        let did = done.get(mac).cloned().unwrap_or_default();
        let role = ["access_point", "client", "ad_hoc"].into_iter().find(|role| did.contains(role));
        let only_probes = did.contains("probed") && !did.contains("neither");
        seen.role = role.unwrap_or(if only_probes { "client" } else { "unknown" }).into();
        seen.received = received.get(mac).copied().unwrap_or(0);
        let signals = &signals[mac];
        let mean = || signals.iter().sum::<i64>() as f64 * 10.0 / signals.len() as f64;
        seen.signal =
            signals.iter().min().zip(signals.iter().max()).map(|(least, most)| (*least, *most, mean().round() as i64));
    }
    all
}

/// The same, by the program.
fn ours(path: &Path, theirs: &Counted) -> Counted {
    let arguments = ["inspect", "--format", "json", "--oui"].map(OsStr::new).into_iter();
    let output = program::run(arguments.chain([small_registry().as_os_str(), path.as_os_str()]));
    assert!(output.status.success(), "{}", program::text(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |value: &Value, key: &str| value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value}"));
    let time = |value: &Value| value.as_str().unwrap().parse::<UnixNanos>().unwrap().0;
    let stations = document["stations"].as_array().unwrap().iter().map(|station| {
        let mac: Mac = station["mac"].as_str().unwrap().parse().unwrap();
        let signal = station["signal_dbm"].as_object().map(|dbm| {
            let mean = (dbm["mean"].as_f64().unwrap() * 10.0).round() as i64;
            (dbm["min"].as_i64().unwrap(), dbm["max"].as_i64().unwrap(), mean)
        });
        // Who was only heard in cut frames has said something that a whole one would complete.
        let is_known = theirs.stations.get(&mac).is_some_and(|seen| seen.network.is_some());
        let network = || {
            (
                station["security"].as_str().unwrap().to_owned(),
                station["channel"].as_u64(),
                station["width_mhz"].as_u64(),
            )
        };
        let seen = Seen {
            sent: number(station, "frames_sent"),
            octets: number(station, "bytes_sent"),
            received: number(station, "frames_received"),
            retries: number(station, "retries"),
            signal,
            freqs: station["freqs_mhz"].as_array().unwrap().iter().map(|freq| freq.as_u64().unwrap()).collect(),
            names: station["ssids"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            role: station["role"].as_str().unwrap().to_owned(),
            network: is_known.then(network),
            first: time(&station["first_seen"]),
            last: time(&station["last_seen"]),
        };
        (mac, seen)
    });
    Counted {
        frames: number(&document, "frames"),
        octets: number(&document, "bytes"),
        bad_fcs: number(&document, "bad_fcs"),
        without_ta: number(&document, "without_ta"),
        group_ta: number(&document, "group_ta"),
        malformed: number(&document, "malformed"),
        first: time(&document["first_time"]),
        last: time(&document["last_time"]),
        stations: stations.collect(),
    }
}

#[test]
fn generated_captures_are_read_as_tshark_reads_them() {
    let dir = temp_dir();
    // Other seeds, for a longer look: AIRTALLY_SEEDS=100-400.
    let seeds = std::env::var("AIRTALLY_SEEDS").ok();
    let (from, to) = seeds
        .as_deref()
        .and_then(|text| text.split_once('-'))
        .map_or((0, SEEDS), |(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
    let (mut frames, mut wrong) = (0, Vec::new());
    for seed in from..to {
        let path = dir.path().join(format!("{seed}.pcap"));
        let form = capture(seed, &path);
        let rows = tshark(&path);
        assert_eq!(rows.len(), FRAMES);
        let theirs = theirs(&rows);
        let ours = ours(&path, &theirs);
        frames += rows.len();
        let (mut left, mut right) = (ours.clone(), theirs.clone());
        for (mac, seen) in &theirs.stations {
            if ours.stations.get(mac) != Some(seen) {
                wrong.push(format!("seed {seed}, {mac}:\n  {:?}\n  tshark: {seen:?}", ours.stations.get(mac)));
            }
        }
        let more = ours.stations.keys().filter(|mac| !theirs.stations.contains_key(mac));
        wrong.extend(more.map(|mac| format!("seed {seed}: tshark does not have {mac}")));
        (left.stations, right.stations) = Default::default();
        if left != right {
            wrong.push(format!("seed {seed}:\n  {left:?}\n  tshark: {right:?}"));
        }
        if !wrong.is_empty() {
            wrong.push(format!("seed {seed} is {form:?}"));
        }
    }
    eprintln!("{frames} frames of seeds {from} to {} compared", to - 1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
