//! The prism header (linux-wlan-ng's monitor header): a message of named values, in the byte order of the machine
//! that captured. Its signal has no unit that drivers agreed on, so it is not reported.

use super::{Radio, avs};

/// Message code and message length, before the device's name.
const FIXED: usize = 8;
/// Message code, message length, device name.
const PREAMBLE: usize = 24;
/// The two message codes in use.
const MESSAGES: [u32; 2] = [0x44, 0x41];
/// The channel's identifier under each of them.
const CHANNEL: [u32; 2] = [0x0003_0044, 0x0000_3041];

/// Reads the header; `None` where it cannot be one.
#[must_use]
pub fn read(data: &[u8]) -> Option<Radio> {
    if avs::looks_like(data) {
        return avs::read(data);
    }
    let &[c0, c1, c2, c3, l0, l1, l2, l3] = data.first_chunk::<FIXED>()?;
    let word: fn([u8; 4]) -> u32 = if MESSAGES.contains(&u32::from_le_bytes([c0, c1, c2, c3])) {
        u32::from_le_bytes
    } else if MESSAGES.contains(&u32::from_be_bytes([c0, c1, c2, c3])) {
        u32::from_be_bytes
    } else {
        return None;
    };
    let header_len = usize::try_from(word([l0, l1, l2, l3])).ok()?;
    let values = data.get(..header_len)?.get(PREAMBLE..)?;
    // Each value: identifier (4), status (2; 0 is "supplied"), length (2), value (4).
    let freq_mhz = values.chunks_exact(12).find_map(|value| match *value {
        [d0, d1, d2, d3, 0, 0, _, _, v0, v1, v2, v3] if CHANNEL.contains(&word([d0, d1, d2, d3])) => {
            avs::frequency(word([v0, v1, v2, v3]))
        }
        _ => None,
    });
    Some(Radio { header_len, freq_mhz, ..Radio::default() })
}
