//! The frame check sequence (IEEE 802.11-2020, 9.2.4.8): the CRC-32 of everything before it. Knows no header.

/// Its octets.
pub const LEN: usize = 4;

/// Whether `frame` ends with the CRC-32 of what comes before it.
#[must_use]
#[inline]
pub fn is_good(frame: &[u8]) -> bool {
    frame
        .split_last_chunk::<LEN>()
        .is_some_and(|(calculated_over, fcs)| crc32fast::hash(calculated_over) == u32::from_le_bytes(*fcs))
}
