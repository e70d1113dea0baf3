//! The registry that travels with the program, so that a fresh install names vendors before its first update: the
//! IEEE's own files, without postal addresses. `scripts/oui-snapshot` makes it; docs/oui.md says from what.

use super::{Registry, merge::merge, source::Source};

const PACKED: &[u8] = include_bytes!("snapshot/ieee.csv.zst");
const ORIGIN: &str = include_str!("snapshot/ORIGIN");

/// What the snapshot is and of which day, in one line.
#[must_use]
pub fn origin() -> &'static str {
    ORIGIN.lines().next().unwrap_or_default()
}

/// The files that the snapshot holds, one for each registry.
#[must_use]
pub fn sources() -> Vec<Source> {
    const HEADER: &str = super::ieee::HEADER;
    let text = zstd::decode_all(PACKED).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let origin = format!("snapshot: {}", origin());
    let files = text.split(HEADER).filter(|body| !body.is_empty());
    files.filter_map(|body| Source::parse(&origin, format!("{HEADER}{body}").into_bytes()).ok()).collect()
}

impl Registry {
    /// The registry that travels with the program.
    #[must_use]
    pub fn snapshot() -> Self {
        Self::new(&merge(&sources()))
    }
}

#[cfg(test)]
mod tests {
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
        let registry = Registry::snapshot();
        assert!(registry.len() > 40_000);
        assert_eq!(registry.vendor(crate::Mac([0xb8, 0x27, 0xeb, 1, 2, 3])), Some("Raspberry Pi Foundation"));
        assert!(PACKED.len() < 600_000);
    }
}
