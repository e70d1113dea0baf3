//! An alert as privacy lets it leave: what a sensor publishes, and what `inspect --alerts` prints.

use crate::{
    UnixNanos,
    alert::Alert,
    tally::{
        KeyError, Keys, pseudonym, rotation_index,
        settings::{Privacy, PrivacyMac},
    },
    wire::{self, Address},
};

/// The alert in the mode of `privacy`. Addresses are pseudonyms of the rotation that `at` is in; in mode `vendor` there are none,
/// and no names either. Which names devices asked for is in no alert.
///
/// # Errors
/// When there is no key for pseudonyms.
pub fn told(alert: &Alert, privacy: &Privacy, keys: &mut dyn Keys, at: UnixNanos) -> Result<wire::Alert, KeyError> {
    Ok(match privacy.mac {
        PrivacyMac::Plain => alert.told(&mut |mac| Some(Address::Mac(mac)), true),
        PrivacyMac::Pseudonym => {
            let key = keys.key(rotation_index(at, privacy.rotation))?;
            alert.told(&mut |mac| Some(Address::Pseudonym(pseudonym(&key, mac))), true)
        }
        PrivacyMac::Vendor => alert.told(&mut |_| None, false),
    })
}
