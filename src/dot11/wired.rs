//! Links that are not 802.11: Ethernet and Linux "cooked" captures, tallied by source address. VLAN tags come
//! after the addresses and change nothing here.

use super::{Ends, Facts, Outcome};
use crate::Mac;
use etherparse::{Ethernet2HeaderSlice, LinuxSllHeaderSlice};

/// Octets of a version 2 "cooked" header.
const SLL2: usize = 20;

/// An Ethernet frame.
#[must_use]
pub fn ethernet(data: &[u8]) -> Facts<'_> {
    match Ethernet2HeaderSlice::from_slice(data) {
        Ok(header) => {
            let destination = Mac(header.destination());
            Facts { ra: Some(destination), frame: data, ..sent_by(Mac(header.source())) }
        }
        Err(_) => Facts::only(Outcome::Malformed),
    }
}

/// Source and destination of an Ethernet frame.
pub(super) fn ends(frame: &[u8]) -> Ends {
    match Ethernet2HeaderSlice::from_slice(frame) {
        Ok(header) => Ends { sa: Some(Mac(header.source())), da: Some(Mac(header.destination())), amsdu: false },
        Err(_) => Ends::default(),
    }
}

/// A "cooked" packet of version 1: the source address alone, if the link has addresses of six octets.
#[must_use]
pub fn sll(data: &[u8]) -> Facts<'_> {
    match LinuxSllHeaderSlice::from_slice(data) {
        Ok(header) => cooked(usize::from(header.sender_address_valid_length()), header.sender_address_full()),
        // Hardware types that etherparse does not know put their addresses in the same place.
        Err(etherparse::err::linux_sll::HeaderSliceError::Content(_)) => match data.first_chunk::<16>() {
            Some(&[_, _, _, _, high, low, a, b, c, d, e, f, g, h, _, _]) => {
                cooked(usize::from(u16::from_be_bytes([high, low])), [a, b, c, d, e, f, g, h])
            }
            None => Facts::only(Outcome::Malformed),
        },
        Err(_) => Facts::only(Outcome::Malformed),
    }
}

/// A "cooked" packet of version 2 (`LINKTYPE_LINUX_SLL2`).
#[must_use]
pub fn sll2(data: &[u8]) -> Facts<'_> {
    match data.first_chunk::<SLL2>() {
        Some(&[_, _, _, _, _, _, _, _, _, _, _, len, a, b, c, d, e, f, g, h]) => {
            cooked(usize::from(len), [a, b, c, d, e, f, g, h])
        }
        None => Facts::only(Outcome::Malformed),
    }
}

fn cooked<'a>(len: usize, address: [u8; 8]) -> Facts<'a> {
    match address {
        [a, b, c, d, e, f, _, _] if len == 6 => sent_by(Mac([a, b, c, d, e, f])),
        _ => Facts::only(Outcome::WithoutTa),
    }
}

fn sent_by<'a>(source: Mac) -> Facts<'a> {
    let outcome = if source.is_group() { Outcome::GroupTa } else { Outcome::Sent(source) };
    Facts::only(outcome)
}
