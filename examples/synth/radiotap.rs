//! Radiotap headers in the layouts that drivers really write. Knows nothing of what follows them.

use super::rng::Rng;

/// Flags field (radiotap.org, "Flags"): a frame check sequence follows the frame.
pub const FCS_AT_END: u8 = 0x10;
/// Flags field: the frame failed its check.
pub const BAD_FCS: u8 = 0x40;

/// Which fields a header has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// One present word, as most USB cards write it.
    Plain,
    /// An overall signal, then two antennas' own in extended present words (ath9k and others).
    TwoAntennas,
    /// 802.11n: MCS and A-MPDU status.
    Ht,
    /// 802.11ac: VHT and the timestamp field.
    Vht,
    /// 802.11ax: HE.
    He,
    /// A vendor namespace to be skipped.
    Vendor,
    /// No signal reported.
    Silent,
}

impl Layout {
    /// Every layout; a station keeps to one.
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::TwoAntennas, Self::Ht, Self::Vht, Self::He, Self::Vendor, Self::Silent];

    /// Whether its headers report a signal.
    pub fn has_signal(self) -> bool {
        self != Self::Silent
    }
}

/// What to say about one frame.
pub struct Reception {
    /// [`FCS_AT_END`], [`BAD_FCS`].
    pub flags: u8,
    /// Centre frequency in MHz.
    pub freq_mhz: u16,
    /// Signal in dBm.
    pub signal_dbm: i8,
    /// Microseconds of the card's clock.
    pub tsft: u64,
}

const EXT: u32 = 1 << 31;
const RADIOTAP_NAMESPACE: u32 = 1 << 29;
const VENDOR_NAMESPACE: u32 = 1 << 30;

fn bits(fields: &[u32]) -> u32 {
    fields.iter().fold(0, |word, bit| word | 1 << bit)
}

fn align(out: &mut Vec<u8>, start: usize, to: usize) {
    while !(out.len() - start).is_multiple_of(to) {
        out.push(0);
    }
}

/// Appends a header in `layout`.
pub fn write(out: &mut Vec<u8>, layout: Layout, reception: &Reception, rng: &mut Rng) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0]);
    let words: &[u32] = match layout {
        Layout::Plain => &[bits(&[0, 1, 2, 3, 5, 6, 11])],
        Layout::TwoAntennas => &[
            bits(&[0, 1, 2, 3, 5]) | RADIOTAP_NAMESPACE | EXT,
            bits(&[5, 11]) | RADIOTAP_NAMESPACE | EXT,
            bits(&[5, 11]),
        ],
        Layout::Ht => &[bits(&[0, 1, 3, 5, 11, 14, 19, 20])],
        Layout::Vht => &[bits(&[1, 3, 5, 11, 21, 22])],
        Layout::He => &[bits(&[1, 3, 5, 11, 23])],
        Layout::Vendor => {
            &[bits(&[1, 3, 5]) | VENDOR_NAMESPACE | EXT, bits(&[0, 7]) | RADIOTAP_NAMESPACE | EXT, bits(&[11])]
        }
        Layout::Silent => &[bits(&[1, 3])],
    };
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
    let has = |bit: u32| words[0] & (1 << bit) != 0;
    if has(0) {
        align(out, start, 8);
        out.extend_from_slice(&reception.tsft.to_le_bytes());
    }
    out.push(reception.flags);
    if has(2) {
        out.push(12); // 6 Mb/s in units of 500 kb/s
    }
    align(out, start, 2);
    out.extend_from_slice(&reception.freq_mhz.to_le_bytes());
    let band: u16 = if reception.freq_mhz < 3000 { 0x0080 | 0x0020 } else { 0x0100 | 0x0040 };
    out.extend_from_slice(&band.to_le_bytes());
    let signal = reception.signal_dbm.cast_unsigned();
    if has(5) {
        out.push(signal);
    }
    if has(6) {
        out.push((-95i8).cast_unsigned());
    }
    if has(11) {
        out.push(0);
    }
    match layout {
        Layout::Plain | Layout::Silent => {}
        Layout::TwoAntennas => {
            let weaker = reception.signal_dbm.saturating_sub(4).cast_unsigned();
            out.extend_from_slice(&[signal, 0, weaker, 1]);
        }
        Layout::Ht => {
            align(out, start, 2);
            out.extend_from_slice(&[0, 0]); // RX flags
            out.extend_from_slice(&[0x07, 0x04, 7]); // MCS: known, short guard interval, index 7
            align(out, start, 4);
            out.extend_from_slice(&(reception.tsft as u32).to_le_bytes());
            out.extend_from_slice(&[0, 0, 0, 0]); // A-MPDU flags, delimiter CRC, reserved
        }
        Layout::Vht => {
            align(out, start, 2);
            out.extend_from_slice(&[0x44, 0, 0x04, 4]); // known: guard interval, bandwidth; 80 MHz
            out.extend_from_slice(&[0x92, 0, 0, 0, 0, 0, 0, 0]); // MCS 9, two streams
            align(out, start, 8);
            out.extend_from_slice(&reception.tsft.to_le_bytes());
            out.extend_from_slice(&[0, 0, 1, 1]); // accuracy unknown, microseconds, at the start
        }
        Layout::He => {
            align(out, start, 2);
            for data in [0x4620u16, 0x0002, 0x0b00, 0, 0x0002, 0x0002] {
                out.extend_from_slice(&data.to_le_bytes());
            }
        }
        Layout::Vendor => {
            align(out, start, 2);
            let skip = 3 + rng.index(6);
            out.extend_from_slice(&[0x00, 0x11, 0x22, 0x01, skip as u8, 0]);
            rng.fill(out, skip);
            out.push(0); // antenna, back in the radiotap namespace
        }
    }
    let length = ((out.len() - start) as u16).to_le_bytes();
    out[start + 2] = length[0];
    out[start + 3] = length[1];
}
