//! One registry file: what kind it is, by its content, and what it says. A file that is not wholly one is refused
//! with a sentence that says why; nothing of it is used.

use super::{ethers, ieee, ieee_text, list, parsed::Parsed};
use crate::oui::Assignment;
use sha2::{Digest, Sha256};
use std::fmt;

/// The size of the largest file that is read, in bytes; the largest real one has 5 million.
pub const MAX_BYTES: u64 = 64 << 20;

/// What a registry file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// One of the IEEE's files, CSV or text; named for the registry of its first row.
    Ieee(Assignment),
    /// Wireshark's `manuf`.
    Manuf,
    /// Wireshark's `wka`: well-known addresses.
    Wka,
    /// arp-scan's `ieee-oui.txt`.
    ArpScan,
    /// nmap's `nmap-mac-prefixes`.
    Nmap,
}

impl FileKind {
    /// `MA-L`, `MA-M`, `MA-S`, `IAB`, `CID`, `manuf`, `wka`, `arp-scan` or `nmap`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ieee(registry) => registry.name(),
            Self::Manuf => "manuf",
            Self::Wka => "wka",
            Self::ArpScan => "arp-scan",
            Self::Nmap => "nmap",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.label())
    }
}

/// A registry file, parsed, with where it is from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's path, or the address it was fetched from.
    pub origin: String,
    /// What it is.
    pub kind: FileKind,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the server said about its version: `ETag` and `Last-Modified`.
    pub etag: Option<String>,
    /// See [`Source::etag`].
    pub last_modified: Option<String>,
    /// What it says.
    pub parsed: Parsed,
}

impl Source {
    /// Tells what `bytes` are and parses them.
    ///
    /// # Errors
    /// The reason, as the rest of a sentence that begins with the file's name, when they are not wholly a registry
    /// file.
    pub fn parse(origin: &str, bytes: Vec<u8>) -> Result<Self, String> {
        let (kind, parsed) = parse(&bytes)?;
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok(Self { origin: origin.to_owned(), kind, sha256, bytes, etag: None, last_modified: None, parsed })
    }

    /// How many entries it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        (self.parsed.entries.len() + self.parsed.special.len()) as u64
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(bytes: &[u8]) -> Result<(FileKind, Parsed), String> {
    let text = decode(bytes)?;
    let start = text.trim_start();
    if start.is_empty() {
        return Err("is empty".into());
    }
    if start.starts_with('<') {
        return Err("is a web page and not a registry file: open the address in a browser to see what it says".into());
    }
    if !text.ends_with('\n') {
        return Err("ends within a line, as half a download does: fetch it again".into());
    }
    let (kind, parsed) = if let Some(rest) = start.strip_prefix(ieee::HEADER) {
        if !rest.starts_with(['\r', '\n']) {
            return Err("has more columns than the IEEE's files: it may be another table".into());
        }
        let parsed = ieee::parse(start)?;
        let registry = parsed.entries.first().and_then(|row| row.registry);
        (registry.map(FileKind::Ieee).ok_or("has a header and no entries: fetch it again")?, parsed)
    } else if ieee_text::is_one(start) {
        let parsed = ieee_text::parse(text)?;
        let registry = parsed.entries.first().and_then(|row| row.registry);
        (registry.map(FileKind::Ieee).ok_or("has column titles and no entries: fetch it again")?, parsed)
    } else {
        let first = start
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .ok_or("has only comments: fetch it again")?;
        if let Some(separator) = list::separator(first) {
            let kind = if separator == '\t' { FileKind::ArpScan } else { FileKind::Nmap };
            return Ok((kind, list::parse(text, separator)?));
        }
        if ethers::parse_line(first).is_err() {
            return Err(
                "is no registry file: neither a list of the IEEE (CSV or text), nor Wireshark's manuf or wka, nor \
                arp-scan's ieee-oui.txt or nmap's nmap-mac-prefixes"
                    .into(),
            );
        }
        // wka writes 01-80-C2, manuf 00:00:0C.
        let well_known_only = first.as_bytes().get(2) == Some(&b'-');
        (if well_known_only { FileKind::Wka } else { FileKind::Manuf }, ethers::parse(text, well_known_only)?)
    };
    Ok((kind, parsed))
}

fn decode(bytes: &[u8]) -> Result<&str, String> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err("is UTF-16: convert it to UTF-8".into()),
        [0x1f, 0x8b, ..] => return Err("is compressed with gzip: unpack it first".into()),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        match error.error_len() {
            None => "ends within a character, as half a download does: fetch it again".to_owned(),
            Some(_) => format!("is not UTF-8 (line {line}): convert it, or fetch it again"),
        }
    })?;
    if text.contains('\0') {
        return Err("has zero bytes: it is not a text file".into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn said(bytes: &[u8]) -> String {
        parse(bytes).err().unwrap()
    }

    #[test]
    fn tells_files_apart_by_content() {
        for (text, label) in [
            ("Registry,Assignment,Organization Name,Organization Address\r\nCID,1A2B3C,x,y\r\n", "CID"),
            ("\u{feff}Registry,Assignment,Organization Name,Organization Address\nMA-M,0055DA0,x,y\n", "MA-M"),
            ("# made by hand\n00:00:0C\tCisco\n", "manuf"),
            ("# made by hand\n01-80-C2-00-00-00\tSTP\n", "wka"),
            ("00:00:00\tXerox                  # XEROX CORPORATION\n", "manuf"),
            ("OUI/MA-L  Organization\n\n00-22-72   (hex)\t\tA\n002272     (base 16)\t\tA\n\n", "MA-L"),
            ("# made by hand\n00000C\tCisco\n", "arp-scan"),
            ("# made by hand\n00000C Cisco\n", "nmap"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap().0.label(), label);
        }
    }

    #[test]
    fn what_is_not_a_registry_file_is_refused_with_the_reason() {
        assert!(said(b"").contains("is empty"));
        assert!(said(b"<!DOCTYPE html><html></html>\n").contains("web page"));
        assert!(said(b"00:00:0C\tCis").contains("half a download"));
        assert!(said(b"00:00:0C\tCaf\xc3").contains("half a download"));
        assert!(said(b"00:00:0C\tCisco\n00:00:0D\tCaf\xe9 Ltd\n").contains("not UTF-8 (line 2)"));
        assert!(said(b"\xff\xfe0\x000\x00").contains("UTF-16"));
        assert!(said(b"\x1f\x8b\x08\x00").contains("gzip"));
        for other in ["hello world\n", "d17af3e Tests: a store\n", "123456 78 a file\nand more\n", "a,b\n1,2\n", "{}\n"]
        {
            let said = said(other.as_bytes());
            assert!(said.contains("neither") || said.contains("line 2"), "{other}: {said}");
        }
        assert!(said(b"# nothing\n").contains("only comments"));
        assert!(said(format!("{}\r\n", ieee::HEADER).as_bytes()).contains("no entries"));
        assert!(said(b"00:00:0C\tCisco\x00\n").contains("zero bytes"));
        let unclosed = format!("{}\r\nMA-L,002272,\"half a na\n", ieee::HEADER);
        assert!(said(unclosed.as_bytes()).contains("half a download"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
