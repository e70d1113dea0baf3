//! From a frame to a packet in the file: reception, damage, the pcap record, and its place in the tally.

use super::{
    Options,
    frame::{self, bit},
    radiotap::{self, Layout, Reception},
    rng::Rng,
    tally::{Channel, MacBytes, Planted, Station, Tally, mac_text},
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

/// Number of a device in the neighbourhood.
pub type Device = usize;

/// Largest packet kept, like a capture taken with `tcpdump -s`.
const SNAPLEN: usize = 2048;

/// A device's radio and what it sent so far.
struct Radio {
    mac: MacBytes,
    layout: Layout,
    signal_dbm: i8,
    sent: Station,
}

/// What a frame means for the tally.
#[derive(Clone, Copy)]
pub struct Meaning {
    /// The device that sends it, for signal and layout.
    pub by: Device,
    /// Whose address is the transmitter address; `None` for ACK and CTS.
    pub ta: Option<Device>,
    /// Whose address is the receiver address; `None` for groups and strangers.
    pub ra: Option<Device>,
    /// The frame's frequency.
    pub freq_mhz: u16,
    /// The network name in it, as text.
    pub ssid: Option<Name>,
}

/// A network name in a frame, by number: see [`Air::name`].
#[derive(Clone, Copy)]
pub enum Name {
    /// In a beacon or probe response.
    Announced(usize),
    /// In a probe or association request.
    Sought(usize),
}

/// The file being written, the clock, and the tally.
pub struct Air<W: Write> {
    out: W,
    /// Random numbers for everything.
    pub rng: Rng,
    /// The 802.11 frame under construction.
    pub frame: Vec<u8>,
    packet: Vec<u8>,
    time: i64,
    start: i64,
    gap: u64,
    radios: Vec<Radio>,
    names: Vec<(Vec<u8>, String)>,
    subtypes: [u64; 64],
    channels: BTreeMap<u16, Channel>,
    tally: Tally,
    frames: u64,
    bad_fcs_per_mille: u64,
    malformed_per_10k: u64,
}

enum Damage {
    None,
    BadFcs,
    /// Protocol version 1 to 3.
    Version,
    /// The capture ends within the addresses.
    CutAddresses,
    /// The capture ends within the radiotap header.
    CutRadiotap,
    /// The capture ends within the body: nothing is wrong with that.
    CutBody,
    /// The transmitter address has the group bit.
    GroupTa,
}

impl<W: Write> Air<W> {
    /// Writes the file's header.
    pub fn open(options: &Options, mut out: W) -> io::Result<Self> {
        let mut header = Vec::new();
        header.extend_from_slice(&0xa1b2_c3d4u32.to_le_bytes()); // microseconds
        header.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend_from_slice(&262_144u32.to_le_bytes());
        header.extend_from_slice(&127u32.to_le_bytes()); // LINKTYPE_IEEE802_11_RADIOTAP
        out.write_all(&header)?;
        Ok(Self {
            out,
            rng: Rng::new(options.seed),
            frame: Vec::with_capacity(4096),
            packet: Vec::with_capacity(4096),
            time: options.start,
            start: options.start,
            gap: options.seconds.saturating_mul(1_000_000_000) / options.frames.max(1),
            radios: Vec::with_capacity(options.stations),
            names: Vec::new(),
            subtypes: [0; 64],
            channels: BTreeMap::new(),
            tally: Tally { seed: options.seed, first_time: options.start, ..Tally::default() },
            frames: options.frames,
            bad_fcs_per_mille: options.bad_fcs_per_mille,
            malformed_per_10k: options.malformed_per_10k,
        })
    }

    /// Adds a device.
    pub fn add(&mut self, mac: MacBytes) -> Device {
        let layout = Layout::ALL[self.rng.index(Layout::ALL.len())];
        let signal_dbm = -30 - self.rng.below(60) as i8;
        let sent = Station { randomised: mac[0] & 2 != 0, ..Station::default() };
        self.radios.push(Radio { mac, layout, signal_dbm, sent });
        self.radios.len() - 1
    }

    /// A device's address.
    pub fn mac(&self, device: Device) -> MacBytes {
        self.radios[device].mac
    }

    /// Adds a network name: its octets, and the text that stands for them.
    pub fn add_name(&mut self, octets: &[u8], text: &str) -> usize {
        self.names.push((octets.to_vec(), text.to_owned()));
        self.names.len() - 1
    }

    /// The octets of a name.
    pub fn name(&self, index: usize) -> Vec<u8> {
        self.names[index].0.clone()
    }

    /// Frames still to write.
    pub fn left(&self) -> u64 {
        self.frames - self.tally.frames
    }

    /// Nanoseconds since the capture began.
    pub fn elapsed(&self) -> u64 {
        (self.time - self.start).cast_unsigned()
    }

    /// Lets time pass in silence.
    pub fn idle_until(&mut self, elapsed: u64) {
        self.time = self.time.max(self.start + elapsed.cast_signed());
    }

    /// Writes [`Air::frame`], if the capture is not full, with the damage that chance brings.
    pub fn send(&mut self, meaning: &Meaning) -> io::Result<()> {
        if self.left() == 0 {
            return Ok(());
        }
        let damage = self.damage(meaning);
        let radio = &self.radios[meaning.by];
        let layout = radio.layout;
        let signal_dbm = radio.signal_dbm + self.rng.below(7) as i8 - 3;
        let with_fcs = meaning.by.is_multiple_of(2);
        let mut flags = if with_fcs { radiotap::FCS_AT_END } else { 0 };
        if matches!(damage, Damage::BadFcs) {
            flags |= radiotap::BAD_FCS;
        }
        self.packet.clear();
        let reception = Reception { flags, freq_mhz: meaning.freq_mhz, signal_dbm, tsft: self.elapsed() / 1000 };
        radiotap::write(&mut self.packet, layout, &reception, &mut self.rng);
        let header = self.packet.len();
        self.packet.extend_from_slice(&self.frame);
        match damage {
            Damage::Version => self.packet[header] |= 1 + self.rng.below(3) as u8,
            Damage::GroupTa => self.packet[header + 10] |= 1,
            _ => {}
        }
        if with_fcs {
            let fcs = frame::fcs(&self.packet[header..]);
            self.packet.extend_from_slice(&fcs);
        }
        if matches!(damage, Damage::BadFcs) {
            let place = header + 2 + self.rng.index(self.frame.len() - 2);
            self.packet[place] ^= 1 << self.rng.below(8);
        }
        let whole = self.packet.len();
        let kept = match damage {
            Damage::CutAddresses => header + 2 + self.rng.index(if self.frame.len() < 16 { 8 } else { 14 }),
            Damage::CutRadiotap => 1 + self.rng.index(header - 1),
            Damage::CutBody => header + 32, // past a fourth address
            _ => whole.min(SNAPLEN),
        };
        self.record(kept, whole)?;
        self.count(meaning, &damage, layout.has_signal().then_some(signal_dbm), whole as u64);
        self.time += (self.gap / 2 + self.rng.below(self.gap + 1)).cast_signed();
        Ok(())
    }

    fn damage(&mut self, meaning: &Meaning) -> Damage {
        if self.radios[meaning.by].sent.frames_sent == 0 {
            return Damage::None; // so that every device is heard at least once
        }
        if self.rng.chance(self.bad_fcs_per_mille) {
            return Damage::BadFcs;
        }
        let managed = self.frame.len() >= 28 && self.frame[0] & 0x0c == 0;
        match self.rng.below(10_000) {
            draw if draw < self.malformed_per_10k => match self.rng.below(5) {
                0 | 1 => Damage::Version,
                2 | 3 => Damage::CutAddresses,
                _ => Damage::CutRadiotap,
            },
            9_000..9_100 if self.frame.len() > 60 => Damage::CutBody,
            9_990.. if managed => Damage::GroupTa,
            _ => Damage::None,
        }
    }

    fn record(&mut self, kept: usize, whole: usize) -> io::Result<()> {
        let micros = self.time / 1000;
        let mut head = [0; 16];
        head[..4].copy_from_slice(&((micros / 1_000_000) as u32).to_le_bytes());
        head[4..8].copy_from_slice(&((micros % 1_000_000) as u32).to_le_bytes());
        head[8..12].copy_from_slice(&(kept as u32).to_le_bytes());
        head[12..].copy_from_slice(&(whole as u32).to_le_bytes());
        self.out.write_all(&head)?;
        self.out.write_all(&self.packet[..kept])
    }

    fn count(&mut self, meaning: &Meaning, damage: &Damage, signal_dbm: Option<i8>, bytes: u64) {
        let time = self.time / 1000 * 1000;
        let tally = &mut self.tally;
        tally.frames += 1;
        tally.bytes += bytes;
        tally.last_time = time;
        if !matches!(damage, Damage::CutRadiotap) {
            let channel = self.channels.entry(meaning.freq_mhz).or_default();
            channel.frames += 1;
            channel.bytes += bytes;
        }
        let (class, subtype) = (self.frame[0] >> 2 & 3, self.frame[0] >> 4);
        if !matches!(damage, Damage::CutRadiotap | Damage::Version) {
            self.subtypes[usize::from(class << 4 | subtype)] += 1;
        }
        match damage {
            Damage::BadFcs => return tally.bad_fcs += 1,
            Damage::Version | Damage::CutAddresses | Damage::CutRadiotap => return tally.malformed += 1,
            _ => {}
        }
        if let Some(receiver) = meaning.ra {
            self.radios[receiver].sent.frames_received += 1;
        }
        let Some(ta) = meaning.ta else { return tally.without_ta += 1 };
        if matches!(damage, Damage::GroupTa) {
            return tally.group_ta += 1;
        }
        tally.station_frames += 1;
        let retry = self.frame[1] & bit::RETRY != 0;
        tally.retries += u64::from(retry);
        let station = &mut self.radios[ta].sent;
        if station.frames_sent == 0 {
            station.first_seen = time;
        }
        station.last_seen = time;
        station.frames_sent += 1;
        station.bytes_sent += bytes;
        station.retries += u64::from(retry);
        match class {
            0 => station.management += 1,
            1 => station.control += 1,
            _ => station.data += 1,
        }
        station.freqs_mhz.insert(meaning.freq_mhz);
        if let Some(signal) = signal_dbm {
            station.signal_min = Some(station.signal_min.map_or(signal, |least| least.min(signal)));
            station.signal_max = Some(station.signal_max.map_or(signal, |most| most.max(signal)));
            station.signal_sum += i64::from(signal);
            station.signal_frames += 1;
        }
        if !matches!(damage, Damage::CutBody) {
            let (names, name) = match meaning.ssid {
                Some(Name::Announced(name)) => (&mut station.ssids, name),
                Some(Name::Sought(name)) => (&mut station.sought_ssids, name),
                None => return,
            };
            let text = &self.names[name].1;
            if !text.is_empty() && !names.contains(text) {
                names.insert(text.clone());
            }
        }
    }

    /// Notes what was planted: client, randomised client, access point and wired host; beacon and probe name.
    pub fn planted(&mut self, macs: [MacBytes; 4], names: [&str; 2]) {
        let [client, randomised, access_point, wired_host] = macs.map(|mac| mac_text(&mac));
        let [beacon_ssid, probe_ssid] = names.map(str::to_owned);
        self.tally.planted = Some(Planted { client, randomised, access_point, wired_host, beacon_ssid, probe_ssid });
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<Tally> {
        self.out.flush()?;
        let mut tally = self.tally;
        tally.channels = self.channels;
        tally.subtypes = (0u8..)
            .zip(self.subtypes)
            .filter(|&(_, count)| count > 0)
            .map(|(kind, count)| (format!("0x{kind:04x}"), count))
            .collect();
        tally.stations = self
            .radios
            .into_iter()
            .filter(|radio| radio.sent.frames_sent > 0)
            .map(|radio| (radio.mac, radio.sent))
            .collect();
        Ok(tally)
    }
}
