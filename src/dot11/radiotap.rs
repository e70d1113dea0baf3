//! The radiotap header (radiotap.org, version 0): what the receiver adds before the frame. Knows no 802.11.
//!
//! Fields stand in the order of their present bits, each aligned to its natural size from the header's start.
//! Bit 31 of a present word announces another word. A word begins anew at bit 0 (the same fields, for another
//! antenna) or, after bit 30, belongs to a vendor and is skipped by its length.

use super::Radio;

/// Octets of the part that every header has: version, padding, length, first present word.
const FIXED: usize = 8;

const FLAGS: u32 = 1 << 1;
const CHANNEL: u32 = 1 << 3;
const SIGNAL: u32 = 1 << 5;
/// What airtally wants, announced by the first present word.
const KNOWN_BY_FIRST: u32 = FLAGS | CHANNEL | SIGNAL;
/// The bit of XChannel, a channel field of BSD drivers, which some write in place of [`CHANNEL`].
const XCHANNEL_BIT: usize = 18;
const XCHANNEL: u32 = 1 << XCHANNEL_BIT;
const ZERO_LENGTH_PSDU: u32 = 1 << 26;
const TLVS: u32 = 1 << 28;
/// All bits that stand for fields.
const FIELDS: u32 = RADIOTAP_NAMESPACE - 1;
const RADIOTAP_NAMESPACE: u32 = 1 << 29;
const VENDOR_NAMESPACE: u32 = 1 << 30;
const MORE: u32 = 1 << 31;

const FLAG_FCS_AT_END: u8 = 0x10;
const FLAG_BAD_FCS: u8 = 0x40;

/// Alignment and size of the fields of bits 0 to 27.
#[rustfmt::skip]
const LAYOUT: [(u8, u8); 28] = [
    (8, 8),  // 0 TSFT
    (1, 1),  // 1 flags
    (1, 1),  // 2 rate
    (2, 4),  // 3 channel
    (2, 2),  // 4 FHSS: two octets, aligned as one number of 16 bits
    (1, 1),  // 5 antenna signal, dBm
    (1, 1),  // 6 antenna noise, dBm
    (2, 2),  // 7 lock quality
    (2, 2),  // 8 TX attenuation
    (2, 2),  // 9 TX attenuation, dB
    (1, 1),  // 10 TX power, dBm
    (1, 1),  // 11 antenna
    (1, 1),  // 12 antenna signal, dB
    (1, 1),  // 13 antenna noise, dB
    (2, 2),  // 14 RX flags
    (2, 2),  // 15 TX flags
    (1, 1),  // 16 RTS retries
    (1, 1),  // 17 data retries
    (4, 8),  // 18 XChannel
    (1, 3),  // 19 MCS
    (4, 8),  // 20 A-MPDU status
    (2, 12), // 21 VHT
    (8, 12), // 22 timestamp
    (2, 12), // 23 HE
    (2, 12), // 24 HE-MU
    (2, 6),  // 25 HE-MU, other user
    (1, 1),  // 26 0-length PSDU
    (2, 4),  // 27 L-SIG
];

/// Reads the header; `None` where its version or length cannot be true, so that nobody knows where the frame is.
#[must_use]
#[inline(always)]
pub fn read(data: &[u8]) -> Option<Radio> {
    let fixed: &[u8; FIXED] = data.first_chunk()?;
    let header_len = usize::from(u16::from_le_bytes([fixed[2], fixed[3]]));
    let header = data.get(..header_len)?;
    if fixed[0] != 0 || header_len < FIXED {
        return None;
    }
    let present = u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    let mut radio = Radio { header_len, no_frame: present & ZERO_LENGTH_PSDU != 0, ..Radio::default() };
    if present & MORE == 0 {
        leading_fields(present, header, FIXED, &mut radio);
        if present & XCHANNEL != 0 {
            xchannel(present, header, FIXED, &mut radio);
        }
        Some(radio)
    } else {
        several_words(present, header, radio)
    }
}

/// Bits of the fields up to the last that airtally wants, as a rule.
const LEADING_FIELDS: usize = 6;

/// How far behind the beginning of a namespace's fields those of flags, channel and signal are: by where it begins, as
/// alignment has it, and by which of the fields of bits 0 to 5 there are. Computed when this is compiled.
const LEADING: [[[u8; 3]; 1 << LEADING_FIELDS]; 8] = {
    let mut table = [[[0; 3]; 1 << LEADING_FIELDS]; 8];
    let mut start = 0usize;
    while start < 8 {
        let mut present = 0;
        while present < 1 << LEADING_FIELDS {
            let (mut at, mut bit) = (start, 0);
            while bit < LEADING_FIELDS {
                if present >> bit & 1 == 1 {
                    let (align, size) = LAYOUT[bit];
                    at = at.next_multiple_of(align as usize);
                    let offset = (at - start) as u8;
                    match 1 << bit {
                        FLAGS => table[start][present][0] = offset,
                        CHANNEL => table[start][present][1] = offset,
                        SIGNAL => table[start][present][2] = offset,
                        _ => {}
                    }
                    at += size as usize;
                }
                bit += 1;
            }
            present += 1;
        }
        start += 1;
    }
    table
};

/// Reads the fields of bits 0 to 5 of a radiotap namespace whose fields start at `at`; all that airtally wants is
/// among them.
#[inline(always)]
fn leading_fields(present: u32, header: &[u8], at: usize, radio: &mut Radio) {
    let [flags, channel, signal] = LEADING[at % 8][present as usize % (1 << LEADING_FIELDS)];
    if present & FLAGS != 0
        && let Some(&flags) = header.get(at + usize::from(flags))
    {
        radio.fcs_at_end |= flags & FLAG_FCS_AT_END != 0;
        radio.bad_fcs |= flags & FLAG_BAD_FCS != 0;
    }
    if present & CHANNEL != 0
        && radio.freq_mhz.is_none()
        && let Some(&[low, high]) = header.get(at + usize::from(channel)..).and_then(<[u8]>::first_chunk)
    {
        radio.freq_mhz = Some(u16::from_le_bytes([low, high])).filter(|&freq| freq != 0);
    }
    if present & SIGNAL != 0 && radio.signal_dbm.is_none() {
        let signal = header.get(at + usize::from(signal));
        radio.signal_dbm = signal.and_then(|&signal| super::signal_dbm(i8::from_le_bytes([signal])));
    }
}

/// Reads the frequency of an XChannel field (flags, frequency, number, power) where no other field gave one.
#[cold]
fn xchannel(present: u32, header: &[u8], at: usize, radio: &mut Radio) {
    let at = offset(present, at, XCHANNEL_BIT);
    if let (None, Some(&[_, _, _, _, low, high])) =
        (radio.freq_mhz, header.get(at.next_multiple_of(4)..).and_then(<[u8]>::first_chunk))
    {
        radio.freq_mhz = Some(u16::from_le_bytes([low, high])).filter(|&freq| freq != 0);
    }
}

/// Whose fields a present word announces.
#[derive(PartialEq)]
enum Namespace {
    Radiotap,
    Vendor,
    /// Bits past 31 of the namespace before: radiotap has defined none.
    Beyond,
}

/// Reads a header of several present words: one a further antenna, as a rule, of which nothing is wanted that the
/// first word did not tell.
#[inline]
fn several_words(first: u32, header: &[u8], mut radio: Radio) -> Option<Radio> {
    let mut at = FIXED;
    let mut others = 0;
    loop {
        let word = u32::from_le_bytes(*header.get(at..)?.first_chunk()?);
        at += 4;
        others |= word;
        if word & MORE == 0 {
            break;
        }
    }
    if first & KNOWN_BY_FIRST == KNOWN_BY_FIRST && others & (FLAGS | ZERO_LENGTH_PSDU) == 0 {
        leading_fields(first, header, at, &mut radio);
        if radio.freq_mhz.is_some() && radio.signal_dbm.is_some() {
            return Some(radio);
        }
    }
    namespaces(header, Radio { signal_dbm: None, freq_mhz: None, ..radio }, at)
}

/// Walks all namespaces of a header; `at` is where the fields of the first begin.
#[cold]
fn namespaces(header: &[u8], mut radio: Radio, mut at: usize) -> Option<Radio> {
    let words = header.get(4..at)?.chunks_exact(4).map(|word| word.try_into().map_or(0, u32::from_le_bytes));
    let mut namespace = Namespace::Radiotap;
    for present in words {
        match namespace {
            Namespace::Radiotap => {
                radio.no_frame |= present & ZERO_LENGTH_PSDU != 0;
                leading_fields(present, header, at, &mut radio);
                if present & XCHANNEL != 0 {
                    xchannel(present, header, at, &mut radio);
                }
                match skip(present, at) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            Namespace::Beyond if present & FIELDS != 0 => break,
            Namespace::Vendor | Namespace::Beyond => {}
        }
        if present & VENDOR_NAMESPACE != 0 {
            // OUI, sub-namespace, length of the vendor's fields; aligned to 2.
            at = at.next_multiple_of(2);
            let Some(&[_, _, _, _, low, high]) = header.get(at..).and_then(<[u8]>::first_chunk) else { break };
            at += 6 + usize::from(u16::from_le_bytes([low, high]));
            namespace = Namespace::Vendor;
        } else if present & RADIOTAP_NAMESPACE != 0 {
            namespace = Namespace::Radiotap;
        } else if namespace == Namespace::Radiotap {
            namespace = Namespace::Beyond;
        }
    }
    Some(radio)
}

/// Where the fields of a radiotap namespace end; `None` past an unknown bit, or where TLVs take up the rest.
fn skip(present: u32, at: usize) -> Option<usize> {
    (present & TLVS == 0).then(|| offset(present, at, LAYOUT.len()))
}

/// Where the fields below bit `end` of a radiotap namespace end, if they begin at `at`.
fn offset(present: u32, at: usize, end: usize) -> usize {
    let fields = LAYOUT.iter().take(end).enumerate().filter(|&(bit, _)| present & (1 << bit) != 0);
    fields.fold(at, |at, (_, &(align, size))| at.next_multiple_of(usize::from(align)) + usize::from(size))
}
