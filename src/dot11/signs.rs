//! What attacks leave in a frame: reasons, durations, sequence numbers, timestamps, channel switches, handshakes. Each is
//! read where it stands, when asked for: a count asks for none of them.

use super::{Facts, FrameKind, elements};

/// Octets before the body of a management frame, and of a data frame with three addresses (IEEE 802.11-2020, 9.2.3).
const HEADER: usize = 24;
/// The Protected Frame bit of the second octet (9.2.4.1.9), the +HTC/Order bit (9.2.4.1.10).
const PROTECTED: u8 = 0x40;
const HTC: u8 = 0x80;
/// LLC and SNAP header of EAPOL (IEEE 802.1X-2020, 11.1.4).
const EAPOL: [u8; 8] = [0xaa, 0xaa, 0x03, 0, 0, 0, 0x88, 0x8e];

/// What a beacon or probe response announces, as far as it tells an access point from what it was: see
/// [`Facts::announced`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced<'a> {
    /// The first SSID element.
    pub ssid: Option<&'a [u8]>,
    /// The primary channel: of the DSSS Parameter Set (9.4.2.4), else of HT Operation (9.4.2.56).
    pub channel: Option<u8>,
    /// The country string of the Country element (9.4.2.8).
    pub country: Option<[u8; 2]>,
    /// A channel switch.
    pub switch: Option<ChannelSwitch>,
}

/// A channel switch that a frame announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSwitch {
    /// To which channel.
    pub channel: u8,
    /// Beacons until then.
    pub count: u8,
    /// Stations are to be silent until then (9.4.2.18).
    pub silent: bool,
}

/// What an EAPOL frame is, by what is not encrypted of it (IEEE 802.1X-2020, 11.3; IEEE 802.11-2020, 12.7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eapol {
    /// A station asks to begin.
    Start,
    /// EAP: the station says who it is.
    Identity,
    /// The same, for Wi-Fi Protected Setup; `registrar` where it wants to set up the access point, by its PIN.
    WscIdentity {
        /// It is no station that wants in.
        registrar: bool,
    },
    /// EAP-WSC with a message of Wi-Fi Protected Setup, by its type: 4 for M1, 12 for M8 (Wi-Fi Simple Configuration
    /// 2.0.8, table 34).
    Wsc(u8),
    /// A message of the four-way handshake: 1 to 4; 0 for others of the key.
    Key(u8),
    /// Anything else.
    Other,
}

impl<'a> Facts<'a> {
    /// Octet 2 and 3, Duration/ID (9.2.5): microseconds, where it is no identifier.
    #[must_use]
    #[inline]
    pub fn duration_us(&self) -> Option<u16> {
        let [_, _, low, high] = *self.frame.first_chunk()?;
        let value = u16::from_le_bytes([low, high]);
        (value < 0x8000 && self.kind != Some(FrameKind::PS_POLL)).then_some(value)
    }

    /// The sequence number of a management or data frame (9.2.4.4).
    #[must_use]
    #[inline]
    pub fn sequence(&self) -> Option<u16> {
        let &[low, high] = self.frame.get(HEADER - 2..)?.first_chunk()?;
        Some(u16::from_le_bytes([low, high]) >> 4)
    }

    /// The Protected Frame bit.
    #[must_use]
    #[inline]
    pub fn is_protected(&self) -> bool {
        self.frame.get(1).is_some_and(|flags| flags & PROTECTED != 0)
    }

    /// The body of a management frame that is not encrypted.
    fn management_body(&self) -> Option<&'a [u8]> {
        let flags = *self.frame.get(1)?;
        if flags & PROTECTED != 0 {
            return None;
        }
        self.frame.get(if flags & HTC == 0 { HEADER } else { HEADER + 4 }..)
    }

    /// Why a deauthentication or disassociation says it ends things (9.4.1.7); `None` where it is encrypted or cut.
    #[must_use]
    pub fn reason(&self) -> Option<u16> {
        self.management_body()?.first_chunk().map(|&reason| u16::from_le_bytes(reason))
    }

    /// Timestamp, in microseconds, and beacon interval, in time units of 1,024 of these, of a beacon or probe response
    /// (9.4.1.10, 9.4.1.3).
    #[must_use]
    pub fn timestamp(&self) -> Option<(u64, u16)> {
        let (&timestamp, rest) = self.management_body()?.split_first_chunk::<8>()?;
        Some((u64::from_le_bytes(timestamp), u16::from_le_bytes(*rest.first_chunk()?)))
    }

    /// What a beacon or probe response announces, in one pass over its elements.
    #[must_use]
    pub fn announced(&self) -> Announced<'a> {
        let mut found = Announced::default();
        for element in elements::iter(self.body().elements) {
            match (element.id, element.body) {
                (elements::SSID, name) => found.ssid = found.ssid.or(Some(name)),
                (elements::DSSS_PARAMETER_SET, &[channel]) => found.channel = Some(channel),
                (elements::HT_OPERATION, &[channel, ..]) => found.channel = found.channel.or(Some(channel)),
                (elements::COUNTRY, &[a, b, ..]) => found.country = Some([a, b]),
                _ => found.switch = found.switch.or_else(|| switch(&element)),
            }
        }
        found
    }

    /// The channel switch that an action frame announces: of Spectrum Management and Public Action (9.6.2.6, 9.6.7.7).
    #[must_use]
    pub fn switch_action(&self) -> Option<ChannelSwitch> {
        match self.management_body()? {
            [0, 4, elements @ ..] => elements::iter(elements).find_map(|element| switch(&element)),
            &[4, 4, mode, _, channel, count, ..] => Some(ChannelSwitch { channel, count, silent: mode == 1 }),
            _ => None,
        }
    }

    /// A number that is the same for all access points of one make and settings, however they are named and wherever they
    /// are: of capability information, beacon interval, and all elements, without those that differ or change by nature
    /// (SSID, DSSS Parameter Set, TIM, Country, BSS Load, HT Operation, and the contents of long and of vendors' ones).
    #[must_use]
    pub fn make(&self) -> u64 {
        let body = self.body();
        let interval = self.timestamp().map_or(0, |(_, interval)| u64::from(interval));
        let mut sum = spread(u64::from(body.capability.unwrap_or_default()) << 16 | interval);
        for element in elements::iter(body.elements) {
            let kept: &[u8] = match element.id {
                elements::SSID
                | elements::DSSS_PARAMETER_SET
                | elements::TIM
                | elements::COUNTRY
                | elements::BSS_LOAD
                | elements::HT_OPERATION => continue,
                elements::SUPPORTED_RATES | elements::EXTENDED_RATES | elements::RSN => element.body,
                elements::VENDOR => element.body.get(..4).unwrap_or(element.body),
                _ => &[],
            };
            let head = u64::from(element.id) << 16 | u64::from(element.extension.unwrap_or_default()) << 8;
            sum = spread(sum ^ head ^ (element.body.len() as u64) << 32);
            sum = kept.iter().fold(sum, |sum, octet| spread(sum ^ u64::from(*octet)));
        }
        sum
    }

    /// What a data frame that is not encrypted carries of 802.1X; `None` if nothing.
    #[must_use]
    pub fn eapol(&self) -> Option<Eapol> {
        let (kind, flags) = (self.kind?, *self.frame.get(1)?);
        // Data and QoS Data: others have no body. Four addresses are of relays, not of stations.
        let qos = match kind.0 {
            0x20 => 0,
            0x28 => 2 + if flags & HTC == 0 { 0 } else { 4 },
            _ => return None,
        };
        if flags & PROTECTED != 0 || self.to_ds && self.from_ds {
            return None;
        }
        let (llc, body) = self.frame.get(HEADER + qos..)?.split_first_chunk()?;
        if *llc != EAPOL {
            return None;
        }
        let &[_version, packet_type, _, _, ..] = body.first_chunk::<4>()?;
        let body = body.get(4..)?;
        Some(match packet_type {
            0 => eap(body),
            1 => Eapol::Start,
            3 => key(body),
            _ => Eapol::Other,
        })
    }
}

/// The channel switch that an element announces (9.4.2.18, 9.4.2.52).
fn switch(element: &elements::Element<'_>) -> Option<ChannelSwitch> {
    match (element.id, element.body) {
        (elements::CHANNEL_SWITCH, &[mode, channel, count, ..])
        | (elements::EXTENDED_CHANNEL_SWITCH, &[mode, _, channel, count, ..]) => {
            Some(ChannelSwitch { channel, count, silent: mode == 1 })
        }
        _ => None,
    }
}

/// One step of the hash of [`Facts::make`] (FNV-1a, with the bits mixed once more).
const fn spread(sum: u64) -> u64 {
    let sum = (sum ^ sum >> 29).wrapping_mul(0x0000_0100_0000_01b3);
    sum ^ sum >> 32
}

/// EAP (RFC 3748, 4): code, identifier, length, type.
fn eap(body: &[u8]) -> Eapol {
    match *body {
        [2, _, _, _, 1, ref identity @ ..] => match identity.strip_prefix(b"WFA-SimpleConfig-") {
            Some(role) => Eapol::WscIdentity { registrar: role.starts_with(b"Registrar") },
            None => Eapol::Identity,
        },
        // Expanded type of the Wi-Fi Alliance, SimpleConfig, operation WSC_MSG (4), flags; then attributes.
        [_, _, _, _, 254, 0x00, 0x37, 0x2a, 0, 0, 0, 1, 4, flags, ref rest @ ..] => {
            let attributes = if flags & 2 == 0 { rest } else { rest.get(2..).unwrap_or_default() };
            wsc(attributes)
        }
        _ => Eapol::Other,
    }
}

/// The attribute Message Type (0x1022) among the first of a message.
fn wsc(mut attributes: &[u8]) -> Eapol {
    while let Some((&[a, b, c, d], rest)) = attributes.split_first_chunk()
        && let Some((value, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes([c, d])))
    {
        if let ([0x10, 0x22], &[message]) = ([a, b], value) {
            return Eapol::Wsc(message);
        }
        attributes = rest;
    }
    Eapol::Other
}

/// An EAPOL-Key frame (IEEE 802.11-2020, 12.7.2): which message of the four-way handshake its key information says it is.
fn key(body: &[u8]) -> Eapol {
    const PAIRWISE: u16 = 1 << 3;
    const ACK: u16 = 1 << 7;
    const MIC: u16 = 1 << 8;
    const SECURE: u16 = 1 << 9;
    const REQUEST: u16 = 1 << 11;
    const NONCE: std::ops::Range<usize> = 13..45;
    let Some(&[_descriptor, high, low]) = body.first_chunk() else { return Eapol::Other };
    let information = u16::from_be_bytes([high, low]);
    let is = |bit: u16| information & bit != 0;
    if !is(PAIRWISE) || is(REQUEST) {
        return Eapol::Key(0);
    }
    Eapol::Key(match (is(ACK), is(MIC), is(SECURE)) {
        (true, false, _) => 1,
        (true, true, _) => 3,
        // The fourth has no nonce; WPA sets Secure in neither.
        (false, true, false) if body.get(NONCE).is_some_and(|nonce| nonce.iter().any(|octet| *octet != 0)) => 2,
        (false, true, _) => 4,
        (false, false, _) => 0,
    })
}
