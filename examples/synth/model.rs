//! The neighbourhood: access points that beacon, clients that come, join, move data and leave, devices that pass
//! by probing under a randomised address. Knows no capture format.

use super::{
    Options,
    air::{Air, Device, Meaning, Name},
    frame::{self, BROADCAST, bit, kind},
    tally::MacBytes,
};
use std::io::{self, Write};

/// Assigned prefixes (IEEE MA-L), as makers of such devices have them.
const PREFIXES: [[u8; 3]; 15] = [
    [0x3c, 0x22, 0xfb],
    [0xf0, 0x18, 0x98],
    [0x8c, 0x79, 0xf5],
    [0xb8, 0x27, 0xeb],
    [0xdc, 0xa6, 0x32],
    [0x24, 0x0a, 0xc4],
    [0xa4, 0xcf, 0x12],
    [0x00, 0x1a, 0x11],
    [0x14, 0xcc, 0x20],
    [0x50, 0xc7, 0xbf],
    [0xfc, 0xec, 0xda],
    [0x38, 0x10, 0xd5],
    [0xc8, 0x0e, 0x14],
    [0x00, 0x1b, 0x21],
    [0x34, 0x13, 0xe8],
];

/// Centre frequency in MHz and the channel's number.
const CHANNELS: [(u16, u8); 6] = [(2412, 1), (2437, 6), (2462, 11), (5180, 36), (5500, 100), (5745, 149)];

/// Names that are hard to carry, with the text that stands for them; an empty one is hidden.
const HARD_NAMES: [(&[u8], &str); 6] = [
    ("Café Zürich".as_bytes(), "Café Zürich"),
    (b"back\\slash", "back\\\\slash"),
    (b"raw\xff\xfe", "raw\\xff\\xfe"),
    (b"", ""),
    (b"say \"hi\", a=b", "say \"hi\", a=b"),
    (b"ends in a backslash\\", "ends in a backslash\\\\"),
];

const TU_NANOS: u64 = 1_024_000;

struct AccessPoint {
    device: Device,
    freq_mhz: u16,
    channel: u8,
    name: usize,
    wired: MacBytes,
    next_beacon: u64,
}

#[derive(Clone, Copy)]
struct Client {
    device: Device,
    access_point: usize,
}

/// Who is there.
pub struct Neighbourhood {
    access_points: Vec<AccessPoint>,
    interval_tu: u16,
    next_to_beacon: usize,
    clients: Vec<Client>,
    /// Clients that stay from the first minute to the last.
    residents: usize,
    arrivals: Vec<Arrival>,
    first_probe_name: usize,
    probe_names: u64,
    sequence: u16,
    /// Whether there are frames enough for everybody to join properly.
    generous: bool,
    /// The planted clients, and the name they ask for.
    planted: Option<([Device; 2], usize)>,
}

#[derive(Clone, Copy)]
enum Arrival {
    Joins(Client),
    PassesBy(Device),
}

fn global_mac(seed: u64, index: u64) -> MacBytes {
    let prefixes = PREFIXES.len() as u64;
    let prefix = PREFIXES[(index % prefixes) as usize];
    let suffix = (index / prefixes).wrapping_mul(0x5bd1e5).wrapping_add(seed) & 0x00ff_ffff;
    let [.., d, e, f] = suffix.to_be_bytes();
    [prefix[0], prefix[1], prefix[2], d, e, f]
}

fn randomised_mac(seed: u64, index: u64) -> MacBytes {
    // An odd factor permutes the 46 free bits, so that no two devices share an address.
    let bits = (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed) & ((1 << 46) - 1);
    let [.., a, b, c, d, e, f] = bits.to_be_bytes();
    [a << 2 | 0x02, b, c, d, e, f]
}

impl Neighbourhood {
    /// Settles `options.stations` devices.
    pub fn new<W: Write>(options: &Options, air: &mut Air<W>) -> Self {
        let aps = options.access_points.clamp(1, options.stations.max(1));
        let mut globals = 0..;
        let mut randoms = 0..;
        let mut global = |air: &mut Air<W>| air.add(global_mac(options.seed, globals.next().unwrap_or(0)));
        let mut random = |air: &mut Air<W>| air.add(randomised_mac(options.seed, randoms.next().unwrap_or(0)));

        let mut access_points: Vec<AccessPoint> = (0..aps)
            .map(|index| {
                let (freq_mhz, channel) = CHANNELS[index % CHANNELS.len()];
                let name = match HARD_NAMES.get(index) {
                    Some((octets, text)) => air.add_name(octets, text),
                    None => air.add_name(format!("net-{index:04}").as_bytes(), &format!("net-{index:04}")),
                };
                let device = global(air);
                let mut wired = air.mac(device);
                wired[5] ^= 0x80;
                AccessPoint { device, freq_mhz, channel, name, wired, next_beacon: 0 }
            })
            .collect();
        // At 102.4 ms unless beacons would then be more than a third of all frames.
        let room = options.seconds * 3 * aps as u64 * 1_000_000_000 / (options.frames.max(1) * TU_NANOS);
        let interval_tu = room.clamp(100, u64::from(u16::MAX)) as u16;
        for (index, ap) in access_points.iter_mut().enumerate() {
            ap.next_beacon = u64::from(interval_tu) * TU_NANOS * index as u64 / aps as u64;
        }

        let others = options.stations.saturating_sub(aps);
        let mut arrivals = Vec::with_capacity(others);
        for index in 0..others {
            let access_point = air.rng.index(aps);
            arrivals.push(match index % 20 {
                0..7 => Arrival::Joins(Client { device: global(air), access_point }),
                7..10 => Arrival::Joins(Client { device: random(air), access_point }),
                _ => Arrival::PassesBy(random(air)),
            });
        }
        let first_probe_name = air.add_name(b"", "");
        for index in 0..options.probe_ssids {
            let name = format!("home-{index:05}");
            air.add_name(name.as_bytes(), &name);
        }
        let mut this = Self {
            access_points,
            interval_tu,
            next_to_beacon: 0,
            clients: Vec::new(),
            residents: (others / 20).clamp(1, 200),
            arrivals,
            first_probe_name,
            probe_names: options.probe_ssids,
            sequence: 0,
            generous: options.frames / options.stations.max(1) as u64 >= 12,
            planted: None,
        };
        if options.plant {
            this.plant(air);
        }
        this
    }

    /// Settles three devices and two names to be searched for.
    fn plant<W: Write>(&mut self, air: &mut Air<W>) {
        let macs = [
            [0x00, 0x0e, 0x8e, 0xc0, 0xff, 0xee],
            [0xda, 0x7a, 0x5e, 0xc0, 0xff, 0xee],
            [0x00, 0x0e, 0x8e, 0xac, 0xce, 0x55],
            [0x00, 0x0e, 0x8e, 0xbe, 0x1d, 0xed],
        ];
        let names = ["planted-beacon-name", "planted-probe-name"];
        let [client, randomised, device] = [macs[0], macs[1], macs[2]].map(|mac| air.add(mac));
        let name = air.add_name(names[0].as_bytes(), names[0]);
        let (freq_mhz, channel) = CHANNELS[1];
        let access_point = self.access_points.len();
        self.access_points.push(AccessPoint { device, freq_mhz, channel, name, wired: macs[3], next_beacon: 0 });
        for device in [client, randomised] {
            self.arrivals.insert(0, Arrival::Joins(Client { device, access_point }));
        }
        self.planted = Some(([client, randomised], air.add_name(names[1].as_bytes(), names[1])));
        self.residents += 2;
        air.planted(macs, names);
    }

    /// Lets life go on until the capture is full.
    pub fn run<W: Write>(mut self, air: &mut Air<W>) -> io::Result<()> {
        let total = air.left().max(1);
        let arriving = self.arrivals.len() as u64;
        let mut arrived = 0;
        if let Some((devices, name)) = self.planted {
            for device in devices {
                self.probe_for(air, device, CHANNELS[1].0, name)?;
            }
        }
        while air.left() > 0 {
            self.beacons(air)?;
            // Everybody has come when nine tenths of the capture are written.
            let due = ((total - air.left()) * arriving * 10 / (total * 9)).max(self.residents as u64).min(arriving);
            if arrived < due {
                match self.arrivals[arrived as usize] {
                    Arrival::PassesBy(device) => self.pass_by(air, device)?,
                    Arrival::Joins(client) => self.join(air, client)?,
                }
                arrived += 1;
                if arrived < due && air.rng.chance(if self.generous { 600 } else { 950 }) {
                    continue;
                }
            }
            self.converse(air)?;
        }
        Ok(())
    }

    /// Somebody who is there now: a resident, or one of those who came lately.
    fn present<W: Write>(&self, air: &mut Air<W>) -> Option<Client> {
        let stay = (self.arrivals.len() / 16).clamp(4, 20_000);
        let recent = self.clients.len().saturating_sub(stay);
        let residents = self.residents.min(self.clients.len());
        let index = if air.rng.chance(500) {
            air.rng.index(residents)
        } else {
            recent + air.rng.index(self.clients.len() - recent)
        };
        self.clients.get(index).copied()
    }

    fn next_sequence(&mut self) -> u16 {
        self.sequence = (self.sequence + 1) % 4096;
        self.sequence
    }

    fn beacons<W: Write>(&mut self, air: &mut Air<W>) -> io::Result<()> {
        let interval = u64::from(self.interval_tu) * TU_NANOS;
        for _ in 0..self.access_points.len() {
            let index = self.next_to_beacon;
            let now = air.elapsed();
            let ap = &mut self.access_points[index];
            if ap.next_beacon > now {
                break;
            }
            ap.next_beacon = (ap.next_beacon + interval).max(now.saturating_sub(interval));
            self.next_to_beacon = (index + 1) % self.access_points.len();
            let sequence = self.next_sequence();
            let ap = &self.access_points[index];
            let mac = air.mac(ap.device);
            frame::begin_three(&mut air.frame, kind::BEACON, 0, [&BROADCAST, &mac, &mac], sequence);
            let name = air.name(ap.name);
            frame::beacon_body(&mut air.frame, now / 1000, self.interval_tu, &name, ap.channel, false);
            let ssid = Some(Name::Announced(ap.name));
            air.send(&Meaning { by: ap.device, ta: Some(ap.device), ra: None, freq_mhz: ap.freq_mhz, ssid })?;
        }
        Ok(())
    }

    /// A probe request; half of them for no name in particular.
    fn probe<W: Write>(&mut self, air: &mut Air<W>, device: Device, freq_mhz: u16) -> io::Result<()> {
        let drawn = if air.rng.chance(500) { 0 } else { air.rng.below(self.probe_names + 1) as usize };
        self.probe_for(air, device, freq_mhz, self.first_probe_name + drawn)
    }

    fn probe_for<W: Write>(&mut self, air: &mut Air<W>, device: Device, freq_mhz: u16, name: usize) -> io::Result<()> {
        let mac = air.mac(device);
        let sequence = self.next_sequence();
        frame::begin_three(&mut air.frame, kind::PROBE_REQ, 0, [&BROADCAST, &mac, &BROADCAST], sequence);
        let octets = air.name(name);
        frame::ssid_and_rates(&mut air.frame, &octets);
        air.send(&Meaning { by: device, ta: Some(device), ra: None, freq_mhz, ssid: Some(Name::Sought(name)) })
    }

    fn pass_by<W: Write>(&mut self, air: &mut Air<W>, device: Device) -> io::Result<()> {
        let probes = if self.generous { 2 + air.rng.below(4) } else { 1 };
        for _ in 0..probes {
            let (freq_mhz, _) = CHANNELS[air.rng.index(3)];
            self.probe(air, device, freq_mhz)?;
        }
        Ok(())
    }

    /// ACK or CTS by `by` to `to`.
    fn answer<W: Write>(air: &mut Air<W>, kind: u8, by: Device, to: Device, freq_mhz: u16) -> io::Result<()> {
        frame::begin(&mut air.frame, kind, 0);
        let ra = air.mac(to);
        air.frame.extend_from_slice(&ra);
        air.send(&Meaning { by, ta: None, ra: Some(to), freq_mhz, ssid: None })
    }

    /// A management frame between client and access point with `body`, and its ACK.
    fn manage<W: Write>(
        &mut self,
        air: &mut Air<W>,
        (kind, from, to): (u8, Device, Device),
        at: usize,
        body: &[u8],
        ssid: Option<Name>,
    ) -> io::Result<()> {
        let ap = &self.access_points[at];
        let (bssid, freq_mhz) = (air.mac(ap.device), ap.freq_mhz);
        let (ra, ta) = (air.mac(to), air.mac(from));
        let sequence = self.next_sequence();
        frame::begin_three(&mut air.frame, kind, 0, [&ra, &ta, &bssid], sequence);
        air.frame.extend_from_slice(body);
        air.send(&Meaning { by: from, ta: Some(from), ra: Some(to), freq_mhz, ssid })?;
        Self::answer(air, kind::ACK, to, from, freq_mhz)
    }

    fn join<W: Write>(&mut self, air: &mut Air<W>, client: Client) -> io::Result<()> {
        self.clients.push(client);
        let at = client.access_point;
        let ap = &self.access_points[at];
        let (device, station) = (ap.device, client.device);
        if !self.generous {
            let freq_mhz = ap.freq_mhz;
            return self.probe(air, station, freq_mhz);
        }
        let (announced, sought) = (Some(Name::Announced(ap.name)), Some(Name::Sought(ap.name)));
        let octets = air.name(ap.name);
        let (freq_mhz, channel) = (ap.freq_mhz, ap.channel);
        self.probe(air, station, freq_mhz)?;
        let mut body = Vec::with_capacity(160);
        frame::beacon_body(&mut body, air.elapsed() / 1000, self.interval_tu, &octets, channel, false);
        self.manage(air, (kind::PROBE_RESP, device, station), at, &body, announced)?;
        self.manage(air, (kind::AUTH, station, device), at, &[0, 0, 1, 0, 0, 0], None)?;
        self.manage(air, (kind::AUTH, device, station), at, &[0, 0, 2, 0, 0, 0], None)?;
        body.clear();
        body.extend_from_slice(&[0x11, 0x04, 0x0a, 0x00]);
        frame::ssid_and_rates(&mut body, &octets);
        self.manage(air, (kind::ASSOC_REQ, station, device), at, &body, sought)?;
        body.clear();
        body.extend_from_slice(&[0x11, 0x04, 0, 0, 0x01, 0xc0]);
        frame::element(&mut body, 1, &[0x82, 0x84, 0x8b, 0x96]);
        self.manage(air, (kind::ASSOC_RESP, device, station), at, &body, None)
    }

    fn converse<W: Write>(&mut self, air: &mut Air<W>) -> io::Result<()> {
        let Some(client) = self.present(air) else {
            air.idle_until(self.access_points[self.next_to_beacon].next_beacon);
            return Ok(());
        };
        match air.rng.below(100) {
            0..35 => self.data(air, client, true, false),
            35..65 => self.data(air, client, false, false),
            65..75 => self.data(air, client, true, true),
            75..80 => self.sleep(air, client),
            80..85 => self.multicast(air, client),
            85..89 => self.probe(air, client.device, self.access_points[client.access_point].freq_mhz),
            89..92 => self.block_ack_setup(air, client),
            92..94 => self.wds(air),
            94..97 => self.ad_hoc(air),
            _ => self.leave(air, client),
        }
    }

    /// QoS data between client and access point: up or down, perhaps protected by RTS and CTS, perhaps an
    /// aggregate with a block ack, sometimes repeated.
    fn data<W: Write>(&mut self, air: &mut Air<W>, client: Client, up: bool, aggregate: bool) -> io::Result<()> {
        let ap = &self.access_points[client.access_point];
        let (freq_mhz, wired, ap) = (ap.freq_mhz, ap.wired, ap.device);
        let (from, to) = if up { (client.device, ap) } else { (ap, client.device) };
        let (ta, ra) = (air.mac(from), air.mac(to));
        let meaning = Meaning { by: from, ta: Some(from), ra: Some(to), freq_mhz, ssid: None };
        if aggregate || air.rng.chance(100) {
            frame::begin(&mut air.frame, kind::RTS, 0);
            air.frame.extend_from_slice(&ra);
            // One in two signals its bandwidth by the group bit of its own address (9.2.4.3.7).
            let signalling = u8::from(air.rng.chance(500));
            air.frame.extend_from_slice(&[ta[0] | signalling, ta[1], ta[2], ta[3], ta[4], ta[5]]);
            air.send(&meaning)?;
            Self::answer(air, kind::CTS, to, from, freq_mhz)?;
        }
        let direction = if up { bit::TO_DS } else { bit::FROM_DS };
        let frames = if aggregate { 2 + air.rng.below(5) } else { 1 };
        let sequence = self.next_sequence();
        for part in 0..frames {
            let (qos, htc) = (air.rng.chance(850), air.rng.chance(50));
            let kind = if qos { kind::QOS_DATA } else { kind::DATA };
            let flags = direction | bit::PROTECTED | if qos && htc { bit::HTC } else { 0 };
            let len = match air.rng.below(100) {
                0..94 => 8 + air.rng.index(150),
                94..98 => 300 + air.rng.index(600),
                _ => 1200 + air.rng.index(900),
            };
            let third = if air.rng.chance(100) { BROADCAST } else { wired };
            frame::begin_three(&mut air.frame, kind, flags, [&ra, &ta, &third], (sequence + part as u16) % 4096);
            if qos {
                let amsdu = if air.rng.chance(30) { 0x80 } else { 0 };
                air.frame.extend_from_slice(&[amsdu, 0]);
                if htc {
                    air.frame.extend_from_slice(&[0x03, 0x40, 0, 0]);
                }
            }
            frame::protected_body(&mut air.frame, len, &mut air.rng);
            air.send(&meaning)?;
            while !aggregate && air.rng.chance(80) {
                air.frame[1] |= bit::RETRY;
                air.send(&meaning)?;
            }
        }
        if !aggregate {
            return Self::answer(air, kind::ACK, to, from, freq_mhz);
        }
        if air.rng.chance(200) {
            frame::begin(&mut air.frame, kind::BLOCK_ACK_REQ, 0);
            air.frame.extend_from_slice(&ra);
            air.frame.extend_from_slice(&ta);
            air.frame.extend_from_slice(&[0x04, 0x00, 0, 0]);
            air.send(&meaning)?;
        }
        frame::begin(&mut air.frame, kind::BLOCK_ACK, 0);
        air.frame.extend_from_slice(&ta);
        air.frame.extend_from_slice(&ra);
        air.frame.extend_from_slice(&[0x04, 0x00, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0]);
        air.send(&Meaning { by: to, ta: Some(to), ra: Some(from), freq_mhz, ssid: None })
    }

    /// A client dozes off, wakes, and asks for what was kept for it.
    fn sleep<W: Write>(&mut self, air: &mut Air<W>, client: Client) -> io::Result<()> {
        let ap = &self.access_points[client.access_point];
        let (freq_mhz, ap, device) = (ap.freq_mhz, ap.device, client.device);
        let (ra, ta) = (air.mac(ap), air.mac(device));
        let meaning = Meaning { by: device, ta: Some(device), ra: Some(ap), freq_mhz, ssid: None };
        let qos = air.rng.chance(500);
        let sequence = self.next_sequence();
        let kind = if qos { kind::QOS_NULL } else { kind::NULL };
        frame::begin_three(&mut air.frame, kind, bit::TO_DS | bit::POWER_MGMT, [&ra, &ta, &ra], sequence);
        if qos {
            air.frame.extend_from_slice(&[0, 0]);
        }
        air.send(&meaning)?;
        Self::answer(air, kind::ACK, ap, device, freq_mhz)?;
        frame::begin(&mut air.frame, kind::PS_POLL, 0);
        air.frame[2..4].copy_from_slice(&[0x01, 0xc0]); // the association identifier
        air.frame.extend_from_slice(&ra);
        air.frame.extend_from_slice(&ta);
        air.send(&meaning)?;
        self.data(air, client, false, false)
    }

    /// The access point repeats a host's multicast to the air.
    fn multicast<W: Write>(&mut self, air: &mut Air<W>, client: Client) -> io::Result<()> {
        let ap = &self.access_points[client.access_point];
        let (freq_mhz, wired, ap) = (ap.freq_mhz, ap.wired, ap.device);
        let source = if air.rng.chance(300) { air.mac(client.device) } else { wired };
        let ta = air.mac(ap);
        let sequence = self.next_sequence();
        let group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb];
        let flags = bit::FROM_DS | bit::PROTECTED;
        frame::begin_three(&mut air.frame, kind::DATA, flags, [&group, &ta, &source], sequence);
        let len = 40 + air.rng.index(200);
        frame::protected_body(&mut air.frame, len, &mut air.rng);
        air.send(&Meaning { by: ap, ta: Some(ap), ra: None, freq_mhz, ssid: None })
    }

    fn block_ack_setup<W: Write>(&mut self, air: &mut Air<W>, client: Client) -> io::Result<()> {
        let ap = self.access_points[client.access_point].device;
        let request = [3, 0, 1, 0x02, 0x10, 0, 0, 0, 0];
        let response = [3, 1, 1, 0, 0, 0x02, 0x10, 0, 0];
        self.manage(air, (kind::ACTION, client.device, ap), client.access_point, &request, None)?;
        self.manage(air, (kind::ACTION, ap, client.device), client.access_point, &response, None)
    }

    /// Two access points relay by four addresses.
    fn wds<W: Write>(&mut self, air: &mut Air<W>) -> io::Result<()> {
        let (from, to) = (air.rng.index(self.access_points.len()), air.rng.index(self.access_points.len()));
        if from == to {
            return Ok(());
        }
        let sequence = self.next_sequence();
        let (from, to) = (&self.access_points[from], &self.access_points[to]);
        let (ra, ta) = (air.mac(to.device), air.mac(from.device));
        let flags = bit::TO_DS | bit::FROM_DS | bit::PROTECTED;
        frame::begin_three(&mut air.frame, kind::QOS_DATA, flags, [&ra, &ta, &to.wired], sequence);
        air.frame.extend_from_slice(&from.wired);
        air.frame.extend_from_slice(&[0, 0]);
        let len = 40 + air.rng.index(80);
        frame::protected_body(&mut air.frame, len, &mut air.rng);
        let (by, ra, freq_mhz) = (from.device, Some(to.device), from.freq_mhz);
        air.send(&Meaning { by, ta: Some(by), ra, freq_mhz, ssid: None })
    }

    /// Two clients talk without an access point.
    fn ad_hoc<W: Write>(&mut self, air: &mut Air<W>) -> io::Result<()> {
        let (Some(from), Some(to)) = (self.present(air), self.present(air)) else { return Ok(()) };
        if from.device == to.device {
            return Ok(());
        }
        let (ra, ta) = (air.mac(to.device), air.mac(from.device));
        let bssid = [0x02, 0x11, 0x87, 0x00, 0x00, from.access_point as u8];
        let sequence = self.next_sequence();
        frame::begin_three(&mut air.frame, kind::DATA, bit::PROTECTED, [&ra, &ta, &bssid], sequence);
        let len = 20 + air.rng.index(80);
        frame::protected_body(&mut air.frame, len, &mut air.rng);
        let (by, freq_mhz) = (from.device, CHANNELS[0].0);
        air.send(&Meaning { by, ta: Some(by), ra: Some(to.device), freq_mhz, ssid: None })
    }

    fn leave<W: Write>(&mut self, air: &mut Air<W>, client: Client) -> io::Result<()> {
        let ap = self.access_points[client.access_point].device;
        let kind = if air.rng.chance(500) { kind::DEAUTH } else { kind::DISASSOC };
        self.manage(air, (kind, client.device, ap), client.access_point, &[3, 0], None)
    }
}
