//! How a network protects itself, from the RSN element (IEEE 802.11-2020, 9.4.2.24), the Wi-Fi Alliance's WPA
//! element before it, and the privacy bit of the capability information (9.4.1.4).

use super::elements::{self, Element};
use std::fmt;

/// The privacy bit of the capability information.
const PRIVACY: u16 = 0x0010;
/// The organisation of the standard's own suites.
const STANDARD: [u8; 3] = [0x00, 0x0f, 0xac];
/// The organisation of the WPA element, of its type 1, and of its suites.
const MICROSOFT: [u8; 3] = [0x00, 0x50, 0xf2];
/// The organisation of the OWE transition element, type 0x1c (Wi-Fi Alliance, Opportunistic Wireless Encryption).
const WIFI_ALLIANCE: [u8; 3] = [0x50, 0x6f, 0x9a];

/// What a network offers: a set, for many offer the old and the new together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Security(u16);

impl Security {
    /// Neither encryption nor authentication.
    pub const OPEN: Self = Self(0);
    /// Encrypted, without WPA or RSN element: WEP.
    pub const WEP: Self = Self(1);
    /// WPA with a pre-shared key.
    pub const WPA_PERSONAL: Self = Self(1 << 1);
    /// WPA with 802.1X.
    pub const WPA_ENTERPRISE: Self = Self(1 << 2);
    /// WPA2 with a pre-shared key.
    pub const WPA2_PERSONAL: Self = Self(1 << 3);
    /// WPA2 with 802.1X.
    pub const WPA2_ENTERPRISE: Self = Self(1 << 4);
    /// WPA3: SAE.
    pub const WPA3_PERSONAL: Self = Self(1 << 5);
    /// WPA3 with 802.1X: Suite B, or SHA-256 and more with management frame protection required.
    pub const WPA3_ENTERPRISE: Self = Self(1 << 6);
    /// Opportunistic wireless encryption: encrypted for everybody, authenticated for nobody.
    pub const OWE: Self = Self(1 << 7);
    /// An RSN or WPA element whose suites are none of these.
    pub const OTHER: Self = Self(1 << 8);

    const NAMES: [(Self, &'static str); 9] = [
        (Self::WEP, "WEP"),
        (Self::WPA_PERSONAL, "WPA"),
        (Self::WPA_ENTERPRISE, "WPA-Enterprise"),
        (Self::WPA2_PERSONAL, "WPA2"),
        (Self::WPA2_ENTERPRISE, "WPA2-Enterprise"),
        (Self::WPA3_PERSONAL, "WPA3"),
        (Self::WPA3_ENTERPRISE, "WPA3-Enterprise"),
        (Self::OWE, "OWE"),
        (Self::OTHER, "other"),
    ];

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What a frame with this capability information and these elements says.
    #[must_use]
    pub fn read(capability: u16, bytes: &[u8]) -> Self {
        let mut found = Self::OPEN;
        for element in elements::iter(bytes) {
            if element.id == elements::RSN {
                found.0 |= Self::rsn(element.body).0;
            } else if let Some((MICROSOFT, 1, rest)) = element.vendor() {
                found.0 |= Self::wpa(rest).0;
            } else if is_owe_transition(&element) {
                found.0 |= Self::OWE.0;
            }
        }
        if found == Self::OPEN && capability & PRIVACY != 0 { Self::WEP } else { found }
    }

    /// The body of an RSN element: version, group cipher, pairwise ciphers, key management, RSN capabilities. What
    /// is left out has a default: 802.1X (9.4.2.24.1).
    fn rsn(body: &[u8]) -> Self {
        let Some((suites, rest)) = key_management(body) else { return Self::WPA2_ENTERPRISE };
        let protected_management = rest.first().is_some_and(|&low| low & 0x40 != 0);
        suites.chunks_exact(4).fold(Self::OPEN, |found, suite| {
            let one = match (suite.first_chunk(), suite.last()) {
                (Some(&STANDARD), Some(kind)) => match kind {
                    2 | 4 | 6 | 19 | 20 => Self::WPA2_PERSONAL,
                    5 if protected_management => Self::WPA3_ENTERPRISE,
                    1 | 3 | 5 => Self::WPA2_ENTERPRISE,
                    8 | 9 | 24 | 25 => Self::WPA3_PERSONAL,
                    11..=13 | 22 | 23 => Self::WPA3_ENTERPRISE,
                    18 => Self::OWE,
                    _ => Self::OTHER,
                },
                _ => Self::OTHER,
            };
            Self(found.0 | one.0)
        })
    }

    /// The body of a WPA element, after its type: laid out like an RSN element's.
    fn wpa(body: &[u8]) -> Self {
        let Some((suites, _)) = key_management(body) else { return Self::WPA_ENTERPRISE };
        suites.chunks_exact(4).fold(Self::OPEN, |found, suite| {
            let one = match (suite.first_chunk(), suite.last()) {
                (Some(&MICROSOFT), Some(1)) => Self::WPA_ENTERPRISE,
                (Some(&MICROSOFT), Some(2)) => Self::WPA_PERSONAL,
                _ => Self::OTHER,
            };
            Self(found.0 | one.0)
        })
    }
}

/// The key management suites and what follows them; `None` where the element ends before them.
fn key_management(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let counted = |bytes: &'_ [u8]| -> Option<usize> {
        bytes.first_chunk().map(|&[low, high]| 4 * usize::from(u16::from_le_bytes([low, high])))
    };
    let pairwise = body.get(6..)?;
    let rest = pairwise.get(2 + counted(pairwise)?..)?;
    let len = counted(rest).filter(|&len| len > 0)?;
    rest.get(2..)?.split_at_checked(len)
}

fn is_owe_transition(element: &Element<'_>) -> bool {
    matches!(element.vendor(), Some((WIFI_ALLIANCE, 0x1c, _)))
}

impl fmt::Display for Security {
    /// The names parted by `/`, like `WPA2/WPA3`; `open` where there is nothing.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::OPEN {
            return out.write_str("open");
        }
        let mut separator = "";
        for (one, name) in Self::NAMES {
            if self.contains(one) {
                write!(out, "{separator}{name}")?;
                separator = "/";
            }
        }
        Ok(())
    }
}
