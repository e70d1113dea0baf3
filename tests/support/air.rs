//! Air that never was: 802.11 frames with stated times, signals and channels, as a capture. What tools of attack and well-behaved
//! networks send, by the standard's formats; no octet is from a capture of others.

use std::fmt::Write as _;

/// An address that ends in these.
pub const fn mac(vendor: u8, number: u16) -> [u8; 6] {
    let [high, low] = number.to_be_bytes();
    [0x10, vendor, 0x5a, 0x77, high, low]
}
pub const ALL: [u8; 6] = [0xff; 6];

/// As text.
pub fn text(mac: [u8; 6]) -> String {
    let mut text = String::new();
    for (at, octet) in mac.iter().enumerate() {
        let _ = write!(text, "{}{octet:02x}", if at == 0 { "" } else { ":" });
    }
    text
}

/// Numbers that look like chance, and are the same each time.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    /// Any address, group addresses among them, as careless tools make them up.
    pub fn mac(&mut self) -> [u8; 6] {
        let [a, b, c, d, e, f, ..] = self.roll().to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// An address that a station may have.
    pub fn station(&mut self) -> [u8; 6] {
        let mut mac = self.mac();
        mac[0] &= 0xfe;
        mac
    }
}

/// An access point.
#[derive(Clone)]
pub struct Ap {
    pub bssid: [u8; 6],
    pub ssid: Vec<u8>,
    pub channel: u8,
    pub protected: bool,
    pub signal: i8,
    /// Its clock, in microseconds, at time 0.
    pub tsf: u64,
    /// The sequence number of its next frame.
    pub sequence: u16,
    /// What its maker puts at the end.
    pub vendor: [u8; 3],
    pub interval: u16,
}

impl Ap {
    pub fn new(bssid: [u8; 6], ssid: &str) -> Self {
        let [_, b, _, _, e, f] = bssid.map(u64::from);
        let uptime = 86_400_000_000 + f * 7_777_777_777 + e * 991_777_777 + b * 55_555_555;
        let sequence = u16::try_from((f * 211 + b * 97) & 0x0fff).unwrap();
        Self {
            bssid,
            ssid: ssid.as_bytes().to_vec(),
            channel: 6,
            protected: true,
            signal: -50,
            tsf: uptime,
            sequence,
            vendor: [0x00, 0x10, 0x18],
            interval: 100,
        }
    }

    fn body(&self, at_us: u64, more: &[u8]) -> Vec<u8> {
        let capability: u16 = if self.protected { 0x0411 } else { 0x0401 };
        let mut body = self.tsf.wrapping_add(at_us).to_le_bytes().to_vec();
        body.extend(self.interval.to_le_bytes());
        body.extend(capability.to_le_bytes());
        body.extend(element(0, &self.ssid));
        body.extend(element(1, &[0x82, 0x84, 0x8b, 0x96, 0x0c, 0x12, 0x18, 0x24]));
        body.extend(element(3, &[self.channel]));
        body.extend(element(5, &[0, 1, 0, 0]));
        body.extend(more);
        if self.protected {
            let suite = |kind| [0x00, 0x0f, 0xac, kind];
            let rsn = [&[1, 0][..], &suite(4), &[1, 0], &suite(4), &[1, 0], &suite(2), &[0, 0]].concat();
            body.extend(element(48, &rsn));
        }
        body.extend(element(221, &[&self.vendor[..], &[2, 0, 0]].concat()));
        body
    }
}

pub fn element(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id, u8::try_from(body.len()).unwrap()], body].concat()
}

/// What precedes a frame in the capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// Radiotap, with a check sequence that is right.
    Radiotap,
    /// Radiotap, with a check sequence that is wrong.
    BadFcs,
    /// Radiotap that says nothing of a check sequence.
    Silent,
    /// None: link type 105.
    None,
}

#[derive(Clone)]
struct Frame {
    at_us: u64,
    signal: i8,
    channel: u8,
    octets: Vec<u8>,
}

/// The air.
#[derive(Clone, Default)]
pub struct Air {
    frames: Vec<Frame>,
}

impl Air {
    fn put(&mut self, at_us: u64, signal: i8, channel: u8, octets: Vec<u8>) {
        self.frames.push(Frame { at_us, signal, channel, octets });
    }

    /// Any frame: frame control, duration, addresses, sequence number if it has one, body.
    #[allow(clippy::too_many_arguments)]
    pub fn frame(
        &mut self,
        at_us: u64,
        signal: i8,
        channel: u8,
        control: [u8; 2],
        duration: u16,
        addresses: &[[u8; 6]],
        sequence: Option<u16>,
        body: &[u8],
    ) {
        let mut octets = control.to_vec();
        octets.extend(duration.to_le_bytes());
        addresses.iter().for_each(|address| octets.extend(address));
        octets.extend(sequence.into_iter().flat_map(|sequence| (sequence << 4).to_le_bytes()));
        octets.extend(body);
        self.put(at_us, signal, channel, octets);
    }

    /// A beacon with further elements.
    pub fn beacon(&mut self, at_us: u64, ap: &mut Ap, more: &[u8]) {
        let body = ap.body(at_us, more);
        let (sequence, bssid) = (ap.sequence, ap.bssid);
        self.frame(at_us, ap.signal, ap.channel, [0x80, 0], 0, &[ALL, bssid, bssid], Some(sequence), &body);
        ap.sequence = (ap.sequence + 1) & 0x0fff;
    }

    /// Beacons from one time to another, in milliseconds.
    pub fn beacons(&mut self, ap: &mut Ap, from_ms: u64, to_ms: u64) {
        let mut at = from_ms * 1_000 + u64::from(ap.bssid[5]) * 331;
        while at < to_ms * 1_000 {
            self.beacon(at, ap, &[]);
            at += u64::from(ap.interval) * 1_024;
        }
    }

    /// A probe response.
    pub fn answer(&mut self, at_us: u64, ap: &mut Ap, to: [u8; 6]) {
        let body = ap.body(at_us, &[]);
        let (sequence, bssid) = (ap.sequence, ap.bssid);
        self.frame(at_us, ap.signal, ap.channel, [0x50, 0], 314, &[to, bssid, bssid], Some(sequence), &body);
        ap.sequence = (ap.sequence + 1) & 0x0fff;
    }

    /// A deauthentication, or with `disassociates` a disassociation.
    #[allow(clippy::too_many_arguments)]
    pub fn deauth(
        &mut self,
        at_us: u64,
        signal: i8,
        disassociates: bool,
        (ra, ta, bssid): ([u8; 6], [u8; 6], [u8; 6]),
        sequence: u16,
        reason: u16,
        retry: bool,
    ) {
        let control = [if disassociates { 0xa0 } else { 0xc0 }, if retry { 0x08 } else { 0 }];
        self.frame(at_us, signal, 6, control, 314, &[ra, ta, bssid], Some(sequence), &reason.to_le_bytes());
    }

    /// Open system authentication of a station: its first frame.
    pub fn authenticates(&mut self, at_us: u64, sta: [u8; 6], bssid: [u8; 6]) {
        let sequence = u16::try_from(at_us / 700 % 4096).unwrap();
        self.frame(at_us, -60, 6, [0xb0, 0], 314, &[bssid, sta, bssid], Some(sequence), &[0, 0, 1, 0, 0, 0]);
    }

    /// An association request.
    pub fn associates(&mut self, at_us: u64, sta: [u8; 6], bssid: [u8; 6], ssid: &str) {
        let body = [&[0x11, 0x04, 10, 0][..], &element(0, ssid.as_bytes()), &element(1, &[0x82, 0x84])].concat();
        self.frame(at_us, -60, 6, [0x00, 0], 314, &[bssid, sta, bssid], Some(9), &body);
    }

    /// EAPOL from a station, or to it.
    pub fn eapol(&mut self, at_us: u64, sta: [u8; 6], bssid: [u8; 6], to_ap: bool, packet: &[u8]) {
        let (flags, ra, ta) = if to_ap { (0x01, bssid, sta) } else { (0x02, sta, bssid) };
        let body = [&[0xaa, 0xaa, 0x03, 0, 0, 0, 0x88, 0x8e][..], packet].concat();
        self.frame(at_us, -55, 6, [0x08, flags], 44, &[ra, ta, bssid], Some(7), &body);
    }

    /// A message of the four-way handshake.
    pub fn handshake(&mut self, at_us: u64, sta: [u8; 6], bssid: [u8; 6], message: u8) {
        let information: u16 = [0x008a, 0x010a, 0x13ca, 0x030a][usize::from(message) - 1];
        let nonce = [if message == 4 { 0 } else { 0x5a }; 32];
        let key = [&[2][..], &information.to_be_bytes(), &[0, 16], &[0; 8], &nonce, &[0; 50]].concat();
        let length = u16::try_from(key.len()).unwrap().to_be_bytes();
        self.eapol(at_us, sta, bssid, message.is_multiple_of(2), &[&[2, 3][..], &length, &key].concat());
    }

    /// A message of Wi-Fi Protected Setup: of the access point those with an odd `to_ap`.
    pub fn wsc(&mut self, at_us: u64, sta: [u8; 6], bssid: [u8; 6], to_ap: bool, message: u8) {
        let code = if to_ap { 2 } else { 1 };
        let attributes = [0x10, 0x4a, 0, 1, 0x10, 0x10, 0x22, 0, 1, message];
        let eap = [&[code, 1, 0, 24, 254, 0x00, 0x37, 0x2a, 0, 0, 0, 1, 4, 0][..], &attributes].concat();
        self.eapol(at_us, sta, bssid, to_ap, &[&[1, 0, 0, 24][..], &eap].concat());
    }

    /// Who a station says it is to Wi-Fi Protected Setup.
    pub fn wsc_identity(&mut self, at_us: u64, sta: [u8; 6], bssid: [u8; 6], identity: &str) {
        let length = u16::try_from(identity.len() + 5).unwrap().to_be_bytes();
        let eap = [&[2, 1][..], &length, &[1], identity.as_bytes()].concat();
        self.eapol(at_us, sta, bssid, true, &[&[1, 0][..], &length, &eap].concat());
    }

    /// An encrypted data frame of a station.
    pub fn data(&mut self, at_us: u64, sta: [u8; 6], bssid: [u8; 6]) {
        let sequence = u16::try_from(at_us / 900 % 4096).unwrap();
        self.frame(at_us, -60, 6, [0x88, 0x41], 48, &[bssid, sta, mac(9, 9)], Some(sequence), &[0; 40]);
    }

    /// All that a station does to come in, and ten frames of data.
    pub fn comes_in(&mut self, at_ms: u64, sta: [u8; 6], bssid: [u8; 6], ssid: &str) {
        let at = at_ms * 1_000;
        self.authenticates(at, sta, bssid);
        self.associates(at + 3_000, sta, bssid, ssid);
        (1..=4).for_each(|message| self.handshake(at + 5_000 + u64::from(message) * 2_000, sta, bssid, message));
        (0..10).for_each(|number| self.data(at + 20_000 + number * 300_000, sta, bssid));
    }

    /// RTS from one to another.
    pub fn rts(&mut self, at_us: u64, ra: [u8; 6], ta: [u8; 6], duration: u16) {
        self.frame(at_us, -60, 6, [0xb4, 0], duration, &[ra, ta], None, &[]);
    }

    /// CTS to a receiver.
    pub fn cts(&mut self, at_us: u64, ra: [u8; 6], duration: u16) {
        self.frame(at_us, -60, 6, [0xc4, 0], duration, &[ra], None, &[]);
    }

    /// Only what a card hears that listens here for so many of each second, in milliseconds.
    pub fn heard(mut self, listened_ms: u64) -> Self {
        self.frames.retain(|frame| frame.at_us / 1_000 % 1_000 < listened_ms);
        self
    }

    /// As a capture.
    pub fn pcap(mut self, header: Header, snaplen: usize) -> Vec<u8> {
        self.frames.sort_by_key(|frame| frame.at_us);
        let link: u32 = if header == Header::None { 105 } else { 127 };
        let mut pcap = Vec::new();
        pcap.extend(0xa1b2_c3d4_u32.to_le_bytes());
        pcap.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        pcap.extend(65_535_u32.to_le_bytes());
        pcap.extend(link.to_le_bytes());
        for frame in self.frames {
            let freq = if frame.channel <= 14 {
                2407 + 5 * u16::from(frame.channel)
            } else {
                5000 + 5 * u16::from(frame.channel)
            };
            let mut packet = Vec::new();
            if header != Header::None {
                let flags = match header {
                    Header::Radiotap => 0x10,
                    Header::BadFcs => 0x50,
                    _ => 0,
                };
                // Flags, rate, channel, signal.
                packet.extend([0, 0, 15, 0, 0x2e, 0, 0, 0, flags, 2]);
                packet.extend(freq.to_le_bytes());
                packet.extend([0xa0, 0, frame.signal.to_le_bytes()[0]]);
            }
            let fcs = crc32(&frame.octets);
            packet.extend(&frame.octets);
            match header {
                Header::Radiotap => packet.extend(fcs.to_le_bytes()),
                Header::BadFcs => packet.extend((!fcs).to_le_bytes()),
                Header::Silent | Header::None => {}
            }
            let kept = packet.len().min(snaplen);
            pcap.extend(u32::try_from(1_790_000_000 + frame.at_us / 1_000_000).unwrap().to_le_bytes());
            pcap.extend(u32::try_from(frame.at_us % 1_000_000).unwrap().to_le_bytes());
            pcap.extend(u32::try_from(kept).unwrap().to_le_bytes());
            pcap.extend(u32::try_from(packet.len()).unwrap().to_le_bytes());
            pcap.extend(&packet[..kept]);
        }
        pcap
    }
}

/// The check sequence of IEEE 802.11-2020, 9.2.4.8.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0xedb8_8320 })
    })
}
