//! The Per-Packet Information header (CACE Technologies, PPI 1.0.10): fields of type, length, value.

use super::{LinkType, Radio};

const FIXED: usize = 8;
/// Flag of the packet header: fields are padded to 32 bits.
const FLAG_ALIGNED: u8 = 0x01;
/// Field type of 802.11-Common.
const COMMON: u16 = 2;

const COMMON_FCS_AT_END: u16 = 0x0001;
const COMMON_BAD_FCS: u16 = 0x0004;

/// Reads the header: the link type of what follows and what the receiver said. `None` where its version or length
/// cannot be true.
#[must_use]
pub fn read(data: &[u8]) -> Option<(LinkType, Radio)> {
    let &[version, flags, len_low, len_high, d0, d1, d2, d3] = data.first_chunk::<FIXED>()?;
    let header_len = usize::from(u16::from_le_bytes([len_low, len_high]));
    let header = data.get(..header_len)?;
    let mut fields = header.get(FIXED..)?;
    let inner = LinkType(u16::try_from(u32::from_le_bytes([d0, d1, d2, d3])).ok()?);
    if version != 0 {
        return None;
    }
    let mut radio = Radio { header_len, ..Radio::default() };
    while let Some((&[type_low, type_high, len_low, len_high], rest)) = fields.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([len_low, len_high]));
        let Some(value) = rest.get(..len) else { break };
        if u16::from_le_bytes([type_low, type_high]) == COMMON {
            common(value, &mut radio);
        }
        let stride = if flags & FLAG_ALIGNED != 0 { len.next_multiple_of(4) } else { len };
        fields = rest.get(stride..).unwrap_or_default();
    }
    Some((inner, radio))
}

/// The 802.11-Common field: TSF timer (8), flags (2), rate (2), frequency (2), channel flags (2), hopping (2),
/// signal, noise.
fn common(value: &[u8], radio: &mut Radio) {
    let Some(&value) = value.first_chunk::<20>() else { return };
    let flags = u16::from_le_bytes([value[8], value[9]]);
    radio.fcs_at_end |= flags & COMMON_FCS_AT_END != 0;
    radio.bad_fcs |= flags & COMMON_BAD_FCS != 0;
    radio.freq_mhz = radio.freq_mhz.or(Some(u16::from_le_bytes([value[12], value[13]])).filter(|&freq| freq != 0));
    radio.signal_dbm = radio.signal_dbm.or_else(|| super::signal_dbm(i8::from_le_bytes([value[18]])));
}
