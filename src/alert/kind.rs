//! The rules by name, with class and severity. Reads no frame.

use crate::wire::{AlertClass, Severity};
use serde::{Deserialize, Serialize};

/// A rule. `docs/alerts.md` says of each what it looks for, and what it misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Many unprotected deauthentications or disassociations in one BSS.
    DeauthFlood,
    /// Deauthentications in my access point's name that it did not send.
    DeauthSpoofed,
    /// My network's name at an access point that is not mine.
    EvilTwin,
    /// My protected network's name at an access point that asks for no key.
    OpenTwin,
    /// My access point is not what it was.
    BssChanged,
    /// My access point's clock ran back, or there are two of them.
    TsfBack,
    /// Channel switches that lead nowhere, or too many of them.
    CsaAbuse,
    /// Networks appear by the dozen, all alike.
    BeaconFlood,
    /// One access point answers to whatever name it is asked for.
    Karma,
    /// Stations by the dozen want in at one access point.
    AuthFlood,
    /// Somebody tries PINs of Wi-Fi Protected Setup.
    WpsBruteforce,
    /// Somebody collects the first message of handshakes.
    PmkidHarvest,
    /// Frames that reserve the channel for longer than any exchange takes.
    NavAbuse,
    /// A device that was never seen in my network.
    NewDevice,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::DeauthFlood,
        Self::DeauthSpoofed,
        Self::EvilTwin,
        Self::OpenTwin,
        Self::BssChanged,
        Self::TsfBack,
        Self::CsaAbuse,
        Self::BeaconFlood,
        Self::Karma,
        Self::AuthFlood,
        Self::WpsBruteforce,
        Self::PmkidHarvest,
        Self::NavAbuse,
        Self::NewDevice,
    ];

    /// Its word on the wire and in `[[alerts.expected]]`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeauthFlood => "deauth_flood",
            Self::DeauthSpoofed => "deauth_spoofed",
            Self::EvilTwin => "evil_twin",
            Self::OpenTwin => "open_twin",
            Self::BssChanged => "bss_changed",
            Self::TsfBack => "tsf_back",
            Self::CsaAbuse => "csa_abuse",
            Self::BeaconFlood => "beacon_flood",
            Self::Karma => "karma",
            Self::AuthFlood => "auth_flood",
            Self::WpsBruteforce => "wps_bruteforce",
            Self::PmkidHarvest => "pmkid_harvest",
            Self::NavAbuse => "nav_abuse",
            Self::NewDevice => "new_device",
        }
    }

    /// Whom it is about.
    #[must_use]
    pub const fn class(self) -> AlertClass {
        match self {
            Self::DeauthFlood
            | Self::BeaconFlood
            | Self::Karma
            | Self::AuthFlood
            | Self::WpsBruteforce
            | Self::PmkidHarvest
            | Self::NavAbuse => AlertClass::Air,
            Self::DeauthSpoofed
            | Self::EvilTwin
            | Self::OpenTwin
            | Self::BssChanged
            | Self::TsfBack
            | Self::CsaAbuse
            | Self::NewDevice => AlertClass::Mine,
        }
    }

    /// How much it matters, of alerts of this class.
    #[must_use]
    pub const fn severity(self, class: AlertClass) -> Severity {
        match (self, class) {
            (Self::NewDevice, _) => Severity::Info,
            (Self::BssChanged, _) | (Self::CsaAbuse, AlertClass::Air) => Severity::Low,
            _ => Severity::High,
        }
    }
}
