//! The AVS header (AbsoluteValue Systems, "Proposed Linux capture header", versions 1 and 2): big-endian words.

use super::Radio;

/// The first word without its version, which is the last octet.
const MAGIC: [u8; 3] = [0x80, 0x21, 0x10];
/// Up to and including the noise.
const NEEDED: usize = 52;
/// `ssi_type` of signals given in dBm; the other types have no unit.
const SSI_DBM: u32 = 2;

/// Whether `data` begins like an AVS header: drivers also deliver it under the prism link type.
#[must_use]
pub fn looks_like(data: &[u8]) -> bool {
    data.starts_with(&MAGIC)
}

/// Reads the header; `None` where its magic or length cannot be true.
#[must_use]
pub fn read(data: &[u8]) -> Option<Radio> {
    let header_len = usize::try_from(word(data, 4)?).ok()?;
    if !looks_like(data) || header_len < 8 {
        return None;
    }
    let header = data.get(..header_len)?;
    let mut radio = Radio { header_len, ..Radio::default() };
    if header_len >= NEEDED {
        radio.freq_mhz = word(header, 28).and_then(frequency);
        if word(header, 44) == Some(SSI_DBM) {
            let signal = word(header, 48).and_then(|signal| i8::try_from(signal.cast_signed()).ok());
            radio.signal_dbm = signal.and_then(super::signal_dbm);
        }
    }
    Some(radio)
}

/// The centre frequency of a channel number of the 2.4 GHz band (IEEE 802.11-2020, 15.4.4.3 and 19.3.15) or the
/// 5 GHz band (17.3.8.4.2). These headers are older than every other band, so that the number says which it is.
#[must_use]
pub fn frequency(channel: u32) -> Option<u16> {
    let channel = u16::try_from(channel).ok()?;
    match channel {
        1..=13 => Some(2407 + 5 * channel),
        14 => Some(2484),
        34..=177 => Some(5000 + 5 * channel),
        _ => None,
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}
