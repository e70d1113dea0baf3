//! What a probe request says of the model that sent it, as a keyed hash: which elements it has, in which order, and what is
//! in those that stay the same from one request to the next.

use super::Key;
use crate::dot11::elements::{self, Element};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

/// The vendor specific element of Wi-Fi Protected Setup (Wi-Fi Simple Configuration, 8.1): Microsoft's identifier, type 4.
const WPS: ([u8; 3], u8) = ([0x00, 0x50, 0xf2], 4);

/// The fingerprint of a probe request with these elements. Of the SSID, of the channel and of Wi-Fi Protected Setup only that they
/// are there: the first two differ from one request to the next, and the last has a number of the device in it, which is
/// more than is needed.
#[must_use]
pub fn fingerprint(key: &Key, bytes: &[u8]) -> u64 {
    let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else { return 0 }; // A key of any length will do.
    for element in elements::iter(bytes) {
        let body = if says_the_same(&element) { element.body } else { &[] };
        // A body has at most 255 octets.
        let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
        hmac.update(&[element.id, element.extension.unwrap_or_default(), len]);
        hmac.update(body);
    }
    let hash = hmac.finalize().into_bytes();
    hash.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// Whether the element says the same in every request of a device.
fn says_the_same(element: &Element<'_>) -> bool {
    match element.id {
        elements::SSID | elements::DSSS_PARAMETER_SET => false,
        _ => element.vendor().is_none_or(|(organisation, kind, _)| (organisation, kind) != WPS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u8; 6] = [1, 4, 2, 4, 11, 22];

    fn of(key: u8, parts: &[&[u8]]) -> u64 {
        fingerprint(&[key; 32], &parts.concat())
    }

    #[test]
    fn a_model_has_one_and_another_model_another() {
        let any = of(1, &[&[0, 0], &RATES, &[3, 1, 6]]);
        assert_eq!(
            any,
            of(1, &[&[0, 4, b'h', b'o', b'm', b'e'], &RATES, &[3, 1, 11]]),
            "another name, another channel"
        );
        assert_ne!(any, of(1, &[&[0, 0], &RATES]), "without a channel");
        assert_ne!(any, of(1, &[&RATES, &[0, 0], &[3, 1, 6]]), "another order");
        assert_ne!(any, of(1, &[&[0, 0], &[1, 4, 2, 4, 11, 12], &[3, 1, 6]]), "other rates");
        assert_ne!(any, of(2, &[&[0, 0], &RATES, &[3, 1, 6]]), "another key");
        let wps = |last| of(1, &[&RATES, &[221, 6, 0x00, 0x50, 0xf2, 4, 0, last]]);
        assert_eq!(wps(1), wps(2));
        let other = |last| of(1, &[&RATES, &[221, 6, 0x00, 0x17, 0xf2, 4, 0, last]]);
        assert_ne!(other(1), other(2));
        let extended = |extension| of(1, &[&RATES, &[255, 2, extension, 0]]);
        assert_ne!(extended(35), extended(36));
    }
}
