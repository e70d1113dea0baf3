//! Where the key of pseudonyms is, and when one that is needed no more is erased. Knows no address.

use crate::{
    UnixNanos,
    config::Sensor,
    run::{key_file::KeyFile, site_secret::SiteSecretFile},
    tally::{rotation_index, settings::PrivacyMac},
};

/// The key file that a configuration asks for.
#[must_use]
pub fn file(config: &Sensor) -> KeyFile {
    KeyFile::new(config.privacy.key_dir.as_ref().unwrap_or(&config.spool.state_dir))
}

/// Erases a key whose rotation has passed, or whose mode was left. One that cannot be erased stops nobody from counting;
/// the log says so.
pub fn erase(config: &Sensor) {
    let mut file = file(config);
    let erased = match config.privacy.mac {
        PrivacyMac::Pseudonym => file.erase_past(rotation_index(UnixNanos::now(), config.privacy.rotation)),
        PrivacyMac::Plain | PrivacyMac::Vendor => file.leave(),
    };
    if let Err(error) = erased {
        tracing::error!(%error, "an old key of pseudonyms cannot be erased; remove the file by hand");
    }
    let secret = SiteSecretFile::kept(&config.spool.state_dir);
    let left = if config.sketch.enabled { Ok(()) } else { secret.leave() };
    if let Err(error) = left {
        tracing::error!(%error, "the secret of sketches, which are not wanted any more, cannot be erased; remove the file by hand");
    }
}
