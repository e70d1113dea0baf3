//! With what a network protects itself: ciphers, key management, protection of management frames (the RSN element, IEEE
//! 802.11-2020, 9.4.2.24, and the Wi-Fi Alliance's WPA element), and Wi-Fi Protected Setup.

use super::{
    elements,
    security::{MICROSOFT, STANDARD, VERSION, counted},
};
use std::{fmt, ops::RangeInclusive};

/// The bit of suites that have no name here: other organisations', and numbers that were reserved.
const OTHER: u32 = 1 << 31;
/// Attributes of Wi-Fi Protected Setup (Wi-Fi Simple Configuration 2.0.8, table 28).
const SETUP_STATE: u16 = 0x1044;
const SETUP_LOCKED: u16 = 0x1057;

/// A set of cipher suites: a bit for each suite type of table 9-149.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ciphers(u32);

impl Ciphers {
    const NAMES: [(u8, &'static str); 14] = [
        (9, "GCMP-256"),
        (10, "CCMP-256"),
        (8, "GCMP"),
        (4, "CCMP"),
        (2, "TKIP"),
        (5, "WEP-104"),
        (1, "WEP-40"),
        (0, "group's"),
        (7, "none"),
        (12, "BIP-GMAC-256"),
        (13, "BIP-CMAC-256"),
        (11, "BIP-GMAC"),
        (6, "BIP"),
        (31, "other"),
    ];
}

/// A set of authentication and key management suites: a bit for each suite type of table 9-151.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Akms(u32);

impl Akms {
    const NAMES: [(u8, &'static str); 26] = [
        (1, "802.1X"),
        (2, "PSK"),
        (3, "FT-802.1X"),
        (4, "FT-PSK"),
        (5, "802.1X-SHA256"),
        (6, "PSK-SHA256"),
        (7, "TDLS"),
        (8, "SAE"),
        (9, "FT-SAE"),
        (10, "AP-PeerKey"),
        (11, "Suite-B"),
        (12, "Suite-B-192"),
        (13, "FT-802.1X-SHA384"),
        (14, "FILS-SHA256"),
        (15, "FILS-SHA384"),
        (16, "FT-FILS-SHA256"),
        (17, "FT-FILS-SHA384"),
        (18, "OWE"),
        (19, "FT-PSK-SHA384"),
        (20, "PSK-SHA384"),
        (21, "PASN"),
        (22, "FT-802.1X-SHA384-any"),
        (23, "802.1X-SHA384"),
        (24, "SAE-EXT"),
        (25, "FT-SAE-EXT"),
        (31, "other"),
    ];
}

/// Writes the names of the bits that are set, parted by `/`.
fn names(out: &mut fmt::Formatter<'_>, bits: u32, names: &[(u8, &str)]) -> fmt::Result {
    let mut separator = "";
    for (_, name) in names.iter().filter(|(bit, _)| bits >> bit & 1 != 0) {
        write!(out, "{separator}{name}")?;
        separator = "/";
    }
    Ok(())
}

impl fmt::Display for Ciphers {
    /// The names parted by `/`, the strongest first; nothing for none.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        names(out, self.0, &Self::NAMES)
    }
}

impl fmt::Display for Akms {
    /// The names parted by `/`; nothing for none.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        names(out, self.0, &Self::NAMES)
    }
}

/// Whether management frames are protected: the RSN capabilities' bits 7 and 6 (9.4.2.24.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pmf {
    /// It cannot be.
    No,
    /// For stations that can.
    Capable,
    /// For all; others are refused.
    Required,
}

impl fmt::Display for Pmf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::No => "no",
            Self::Capable => "capable",
            Self::Required => "required",
        })
    }
}

/// What Wi-Fi Protected Setup is said to be; of several the last of this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wps {
    /// The network has been configured, and more stations may join by it.
    On,
    /// The network waits for whoever configures it.
    Unconfigured,
    /// It takes no more PINs.
    Locked,
}

impl fmt::Display for Wps {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::On => "on",
            Self::Unconfigured => "unconfigured",
            Self::Locked => "locked",
        })
    }
}

/// With what a network protects itself: what all its elements say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Suites {
    /// For frames to one station.
    pub pairwise: Ciphers,
    /// For frames to several.
    pub group: Ciphers,
    /// How keys are managed.
    pub akms: Akms,
    /// Of networks with a readable RSN element.
    pub pmf: Option<Pmf>,
    /// Of networks that announce it.
    pub wps: Option<Wps>,
}

impl Suites {
    /// Reads the elements of a frame with the privacy bit, or without. Elements that end early stand for the defaults
    /// (9.4.2.24.1), but only where the privacy bit is set: see [`super::Security::read`].
    pub(super) fn read(private: bool, bytes: &[u8]) -> Self {
        let mut found = Self::default();
        for element in elements::iter(bytes) {
            let one = match element.vendor() {
                _ if element.id == elements::RSN => keys(element.body, private, STANDARD, 4),
                Some((MICROSOFT, 1, body)) => keys(body, private, MICROSOFT, 2).map(|wpa| Self { pmf: None, ..wpa }),
                Some((MICROSOFT, 4, body)) => Some(Self { wps: Some(setup(body)), ..Self::default() }),
                _ => None,
            };
            found = found.and(one.unwrap_or_default());
        }
        found
    }

    /// What two frames say together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            pairwise: Ciphers(self.pairwise.0 | other.pairwise.0),
            group: Ciphers(self.group.0 | other.group.0),
            akms: Akms(self.akms.0 | other.akms.0),
            pmf: self.pmf.max(other.pmf),
            wps: self.wps.max(other.wps),
        }
    }
}

/// Reads version, group cipher, pairwise ciphers, key management suites, capabilities of an element whose own suites are
/// those of `organisation`; the default cipher is of type `default`. `None` where counts do not fit.
fn keys(body: &[u8], private: bool, organisation: [u8; 3], default: u8) -> Option<Suites> {
    let (&VERSION, rest) = body.split_first_chunk()? else { return None };
    let defaults = Suites {
        pairwise: Ciphers(1 << default),
        group: Ciphers(1 << default),
        akms: Akms(1 << 1),
        pmf: Some(Pmf::No),
        wps: None,
    };
    let early = |found: Suites| private.then_some(found);
    if rest.is_empty() {
        return early(defaults);
    }
    let (group, rest) = rest.split_at_checked(4)?;
    let found = Suites { group: Ciphers(set(group, organisation, &(0..=13))), ..defaults };
    if rest.is_empty() {
        return early(found);
    }
    let (pairwise, rest) = counted(rest)?;
    let found = Suites { pairwise: Ciphers(set(pairwise, organisation, &(0..=13))), ..found };
    if rest.is_empty() {
        return early(found);
    }
    let (akms, rest) = counted(rest)?;
    let types = if organisation == STANDARD { 1..=25 } else { 1..=2 };
    let pmf = match rest {
        [low, _, ..] if low & 0x40 != 0 => Pmf::Required,
        [low, _, ..] if low & 0x80 != 0 => Pmf::Capable,
        _ => Pmf::No,
    };
    Some(Suites { akms: Akms(set(akms, organisation, &types)), pmf: Some(pmf), ..found })
}

/// The suites of `organisation` by their `types`; any other sets [`OTHER`].
fn set(suites: &[u8], organisation: [u8; 3], types: &RangeInclusive<u8>) -> u32 {
    suites.chunks_exact(4).fold(0, |found, suite| {
        found
            | match suite {
                &[a, b, c, kind] if [a, b, c] == organisation && types.contains(&kind) => 1 << kind,
                _ => OTHER,
            }
    })
}

/// Reads attributes of Wi-Fi Protected Setup: type and length of two octets each, most significant first.
fn setup(mut attributes: &[u8]) -> Wps {
    let mut found = Wps::On;
    while let Some((&[a, b, c, d], rest)) = attributes.split_first_chunk()
        && let Some((value, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes([c, d])))
    {
        found = found.max(match (u16::from_be_bytes([a, b]), value) {
            (SETUP_STATE, [1]) => Wps::Unconfigured,
            (SETUP_LOCKED, [1]) => Wps::Locked,
            _ => Wps::On,
        });
        attributes = rest;
    }
    found
}
