//! The registry that travels with the program, so that a fresh install names vendors before its first update: the
//! IEEE's own files, without postal addresses. `scripts/oui-snapshot` makes it; docs/oui.md says from what.

use super::{
    age, ieee,
    merge::hash_entry,
    parsed::clean,
    source::{Source, hex},
};
use crate::{
    UnixNanos,
    oui::{Registry, table::Builder},
};
use sha2::{Digest as _, Sha256};

const PACKED: &[u8] = include_bytes!("snapshot/ieee.csv.zst");
const ORIGIN: &str = include_str!("snapshot/ORIGIN");

/// Rows and octets of names that the snapshot has, or a few more: room taken at once is not taken twice.
const ROOM: (usize, usize) = (48 << 10, 1 << 20);

/// What the origin of the snapshot's files begins with, in a cache that is made of it.
pub const PREFIX: &str = "snapshot: ";

/// The day on which the newest of its lists was published, at midnight in UTC.
#[must_use]
pub fn date() -> Option<UnixNanos> {
    format!("{}T00:00:00Z", ORIGIN.get(..10)?).parse().ok()
}

/// What the snapshot is and of which day, in one line.
#[must_use]
pub fn origin() -> &'static str {
    ORIGIN.lines().next().unwrap_or_default()
}

/// That it serves in place of a cache at `now`, and that it is old if it is.
#[must_use]
pub fn serves(now: UnixNanos) -> String {
    let old = date().and_then(|date| age::warning(date, now)).map(|old| format!("; it {old}")).unwrap_or_default();
    format!("names come from a snapshot: {}{old}", origin())
}

/// The files that the snapshot holds, one for each registry.
#[must_use]
pub fn sources() -> Vec<Source> {
    let text = zstd::decode_all(PACKED).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let origin = format!("{PREFIX}{}", origin());
    let files = text.split(ieee::HEADER).filter(|body| !body.is_empty());
    let files = files.map(|body| Source::parse(&origin, format!("{}{body}", ieee::HEADER).into_bytes()));
    files.filter_map(Result::ok).collect()
}

impl Registry {
    /// The registry that travels with the program: what merging its [`sources`] gives, without the copies on the way.
    /// A sensor on a small machine begins with it.
    #[must_use]
    pub fn snapshot() -> Self {
        let mut builder = Builder::with_room(ROOM.0, ROOM.1);
        let Ok(text) = zstd::Decoder::with_buffer(PACKED) else { return Self::empty() };
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).unwrap_or(false) {
            // Not so the first line of each file.
            if let Ok((registry, prefix)) = ieee::assignment(&record) {
                builder.holder(prefix, registry, &clean(record.get(2).unwrap_or_default()));
            }
        }
        let mut registry = builder.build(String::new());
        let mut hasher = Sha256::new();
        registry.entries().for_each(|entry| hash_entry(&mut hasher, entry));
        registry.set_hash(hex(&hasher.finalize()));
        registry
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{age::day, merge::merge};
    use super::*;

    #[test]
    fn it_holds_what_its_origin_says() {
        let sources = sources();
        let said: Vec<String> = ORIGIN.lines().skip(2).map(str::to_owned).collect();
        assert!(!said.is_empty());
        assert_eq!(sources.len(), said.len());
        for (source, line) in sources.iter().zip(&said) {
            assert!(line.contains(&format!(": {} entries", source.rows())), "{line}");
        }
        assert!(origin().starts_with(&day(date().unwrap())), "{}", origin());
        let registry = Registry::snapshot();
        assert!(registry.len() > 55_000);
        // A holder of 2026, a block of the IEEE's that it has closed, a prefix with two holders.
        let named = |mac| registry.vendor(crate::Mac(mac)).unwrap_or_default();
        assert_eq!(named([0x00, 0x61, 0x68, 1, 2, 3]), "Nokia");
        assert!(!named([0x00, 0x50, 0xc2, 0xf7, 0x10, 0]).is_empty());
        assert!(named([0x08, 0x00, 0x30, 1, 2, 3]).contains(" | "));
        assert_eq!(registry.vendor(crate::Mac([0xb8, 0x27, 0xeb, 1, 2, 3])), Some("Raspberry Pi Foundation"));
        assert!(PACKED.len() < 600_000);
    }

    #[test]
    fn it_is_what_its_files_say() {
        let (short, long) = (Registry::snapshot(), Registry::new(&merge(&sources())));
        assert!(short.entries().eq(long.entries()));
        assert_eq!(short.hash(), long.hash());
        assert!(short.entries().any(|entry| entry.organisation.is_some_and(|name| name.contains(" | "))));
    }
}
