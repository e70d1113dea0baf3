//! How a network protects itself, from the RSN element (IEEE 802.11-2020, 9.4.2.24), the Wi-Fi Alliance's WPA and OSEN
//! elements, the WAPI element (GB 15629.11), and the privacy bit of the capability information (9.4.1.4).

use super::elements::{self, Element};
use std::fmt;

/// Bits of the capability information (9.4.1.4).
pub(crate) const ESS: u16 = 0x0001;
pub(crate) const IBSS: u16 = 0x0002;
pub(super) const PRIVACY: u16 = 0x0010;
/// The organisation of the standard's own suites.
pub(super) const STANDARD: [u8; 3] = [0x00, 0x0f, 0xac];
/// The organisation of the WPA element, of its type 1, and of its suites.
pub(super) const MICROSOFT: [u8; 3] = [0x00, 0x50, 0xf2];
/// The organisation of the OSEN element, type 0x12 (Hotspot 2.0 Specification, 3.2).
const WIFI_ALLIANCE: [u8; 3] = [0x50, 0x6f, 0x9a];
/// The organisation of WAPI's suites.
const WAPI_SUITES: [u8; 3] = [0x00, 0x14, 0x72];
/// The version that RSN, WPA and WAPI elements begin with.
pub(super) const VERSION: [u8; 2] = [1, 0];

/// What a network offers: a set, for many offer the old and the new together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Security(u16);

impl Security {
    /// Neither encryption nor authentication.
    pub const OPEN: Self = Self(0);
    /// Encrypted, without an element that says how: WEP.
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
    /// WAPI, China's national standard.
    pub const WAPI: Self = Self(1 << 9);
    /// OSEN: the sign-up network of Hotspot 2.0, where the server alone is authenticated.
    pub const OSEN: Self = Self(1 << 10);
    /// Encrypted, and nobody knows how: the frame was cut before it said, or what it says cannot be read.
    pub const ENCRYPTED: Self = Self(1 << 11);

    const NAMES: [(Self, &'static str); 12] = [
        (Self::WEP, "WEP"),
        (Self::WPA_PERSONAL, "WPA"),
        (Self::WPA_ENTERPRISE, "WPA-Enterprise"),
        (Self::WPA2_PERSONAL, "WPA2"),
        (Self::WPA2_ENTERPRISE, "WPA2-Enterprise"),
        (Self::WPA3_PERSONAL, "WPA3"),
        (Self::WPA3_ENTERPRISE, "WPA3-Enterprise"),
        (Self::OWE, "OWE"),
        (Self::WAPI, "WAPI"),
        (Self::OSEN, "OSEN"),
        (Self::OTHER, "other"),
        (Self::ENCRYPTED, "encrypted, kind unknown"),
    ];

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What a frame with this capability information and these elements says; `cut` if it had more than these.
    ///
    /// * Elements that name how keys are managed say what it is.
    /// * Without any, a clear privacy bit is an open network. An element of a version and little more, whose suites
    ///   would be the default, changes nothing about that: it is as likely the octets of a check sequence.
    /// * A set privacy bit alone is WEP, but only in a whole frame, of an access point or an independent BSS, whose
    ///   elements can all be read; else nobody knows.
    #[must_use]
    pub fn read(capability: u16, bytes: &[u8], cut: bool) -> Self {
        let private = capability & PRIVACY != 0;
        let (mut found, mut unreadable) = (Self::OPEN, cut);
        for element in elements::iter(bytes) {
            match suites(&element) {
                Some(Suites::Named(security)) => found.0 |= security.0,
                Some(Suites::Default(security)) if private => found.0 |= security.0,
                Some(Suites::Unreadable) => unreadable = true,
                Some(Suites::Default(_)) | None => {}
            }
        }
        match found {
            Self::OPEN if !private => Self::OPEN,
            Self::OPEN if unreadable || capability & (ESS | IBSS) == 0 => Self::ENCRYPTED,
            Self::OPEN => Self::WEP,
            found => found,
        }
    }

    /// What two cut frames of one network say together: an element that one of them has, the other may have lost.
    pub(super) fn and_of_a_cut_frame(self, other: Self) -> Self {
        match Self(self.0 | other.0) {
            Self::ENCRYPTED => Self::ENCRYPTED,
            Self(both) => Self(both & !Self::ENCRYPTED.0),
        }
    }
}

/// What an element says about keys.
enum Suites {
    /// How they are managed.
    Named(Security),
    /// It ends before its key management suites, which then are 802.1X (9.4.2.24.1).
    Default(Security),
    /// Another version, or counts that do not fit.
    Unreadable,
}

/// What `element` says about keys; `None` for elements about other things.
fn suites(element: &Element<'_>) -> Option<Suites> {
    if element.id == elements::RSN {
        return Some(keys(element.body, Security::WPA2_ENTERPRISE, |suites, rest| {
            let protected_management = rest.first().is_some_and(|&low| low & 0x40 != 0);
            each(suites, |suite| rsn(suite, protected_management))
        }));
    }
    if element.id == elements::WAPI {
        // The same number is BSS AC Access Delay (9.4.2.43), which is no longer than four octets. Version, count of key
        // management suites, suites.
        return match *element.body {
            [version_low, version_high, 1..=u8::MAX, _, a, b, c, _, ..]
                if [version_low, version_high] == VERSION && [a, b, c] == WAPI_SUITES =>
            {
                Some(Suites::Named(Security::WAPI))
            }
            _ => None,
        };
    }
    match element.vendor()? {
        (MICROSOFT, 1, body) => Some(keys(body, Security::WPA_ENTERPRISE, |suites, _| each(suites, wpa))),
        (WIFI_ALLIANCE, 0x12, _) => Some(Suites::Named(Security::OSEN)),
        _ => None,
    }
}

/// Reads version, group cipher, pairwise ciphers, key management suites: all but the version may be missing, from the
/// end on.
fn keys(body: &[u8], default: Security, read: impl Fn(&[u8], &[u8]) -> Security) -> Suites {
    let Some((&VERSION, rest)) = body.split_first_chunk() else { return Suites::Unreadable };
    if rest.is_empty() {
        return Suites::Default(default);
    }
    let Some((_group, rest)) = rest.split_at_checked(4) else { return Suites::Unreadable };
    if rest.is_empty() {
        return Suites::Default(default);
    }
    let Some((_pairwise, rest)) = counted(rest) else { return Suites::Unreadable };
    if rest.is_empty() {
        return Suites::Default(default);
    }
    counted(rest).map_or(Suites::Unreadable, |(suites, rest)| Suites::Named(read(suites, rest)))
}

/// A count, that many suites, and what follows them; `None` where they do not fit, and for a count of 0.
pub(super) fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&count, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(4 * usize::from(u16::from_le_bytes(count))).filter(|(suites, _)| !suites.is_empty())
}

fn each(suites: &[u8], one: impl Fn(&[u8]) -> Security) -> Security {
    suites.chunks_exact(4).fold(Security::OPEN, |found, suite| Security(found.0 | one(suite).0))
}

/// A key management suite of an RSN element (table 9-151).
fn rsn(suite: &[u8], protected_management: bool) -> Security {
    match (suite.first_chunk(), suite.last()) {
        (Some(&STANDARD), Some(kind)) => match kind {
            2 | 4 | 6 | 19 | 20 => Security::WPA2_PERSONAL,
            5 if protected_management => Security::WPA3_ENTERPRISE,
            1 | 3 | 5 => Security::WPA2_ENTERPRISE,
            8 | 9 | 24 | 25 => Security::WPA3_PERSONAL,
            11..=13 | 22 | 23 => Security::WPA3_ENTERPRISE,
            18 => Security::OWE,
            _ => Security::OTHER,
        },
        _ => Security::OTHER,
    }
}

/// A key management suite of a WPA element.
fn wpa(suite: &[u8]) -> Security {
    match (suite.first_chunk(), suite.last()) {
        (Some(&MICROSOFT), Some(1)) => Security::WPA_ENTERPRISE,
        (Some(&MICROSOFT), Some(2)) => Security::WPA_PERSONAL,
        _ => Security::OTHER,
    }
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
