//! Bytes to frame facts: the capture header, the 802.11 (or Ethernet) header, information elements.
//!
//! Everything here borrows from the captured bytes, allocates nothing, does no I/O and never panics: each
//! byte comes from strangers.
//!
//! [`parse`] is the one way in. A file per header: [`radiotap`], [`ppi`], [`prism`] and [`avs`] are what capture
//! cards put before the frame, [`fcs`] is its check, [`mac_header`] its addresses, [`elements`], [`security`] and
//! [`network`] what a management frame says; [`wired`] reads the links that are not 802.11, `carrier` what carries it.
//! [`signs`] reads what attacks leave in a frame. [`evidence`] judges by many frames what one bit claims.

pub mod avs;
mod carrier;
pub mod channels;
pub mod elements;
pub mod evidence;
pub mod fcs;
pub mod kind;
pub mod link_type;
pub mod mac_header;
pub mod network;
pub mod ppi;
pub mod prism;
pub mod radiotap;
pub mod rates;
pub mod security;
pub mod signs;
pub mod suites;
pub mod wired;

pub use evidence::{Checks, Reading, Told, Verdict};
pub use kind::{Class, FrameKind};
pub use link_type::LinkType;
pub use network::Network;
pub use rates::{Generation, Rates};
pub use security::Security;
pub use signs::{Announced, ChannelSwitch, Eapol};
pub use suites::{Akms, Ciphers, Pmf, Suites, Wps};

use crate::Mac;

/// Where a captured frame is counted. Exactly one holds for every frame, decided in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver says that the frame check sequence is wrong, so no address bit can be trusted.
    BadFcs,
    /// Protocol version other than 0, or cut before the addresses that its type needs.
    Malformed,
    /// A frame without a transmitter address: ACK, CTS and the like (IEEE 802.11-2020, 9.3.1); raw IP and other links
    /// without MAC addresses.
    WithoutTa,
    /// A group address as the transmitter.
    GroupTa,
    /// Transmitted by this individual address.
    Sent(Mac),
}

/// What one captured frame says, without copying it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Where the frame is counted.
    pub outcome: Outcome,
    /// Type and subtype; `None` where there is no 802.11 frame control field.
    pub kind: Option<FrameKind>,
    /// Receiver address; `None` for frames cut before it.
    pub ra: Option<Mac>,
    /// Basic service set identifier, where the frame carries one.
    pub bssid: Option<Mac>,
    /// The ToDS bit.
    pub to_ds: bool,
    /// The FromDS bit.
    pub from_ds: bool,
    /// The Retry bit.
    pub retry: bool,
    /// Signal at the first antenna that reports one, in dBm; absent is absent, never 0.
    pub signal_dbm: Option<i8>,
    /// Centre frequency of the (primary) channel, in MHz.
    pub freq_mhz: Option<u16>,
    /// The frame as captured, without capture header and check sequence: what else it says is read when asked for.
    pub frame: &'a [u8],
    /// The frame was longer: its end was not kept.
    pub cut: bool,
}

impl Facts<'_> {
    /// Nothing but where the frame is counted.
    pub(crate) const fn only(outcome: Outcome) -> Self {
        Self {
            outcome,
            kind: None,
            ra: None,
            bssid: None,
            to_ds: false,
            from_ds: false,
            retry: false,
            signal_dbm: None,
            freq_mhz: None,
            frame: &[],
            cut: false,
        }
    }

    /// The frame's type; `None` where there is no 802.11 frame control field.
    #[must_use]
    #[inline]
    pub fn class(&self) -> Option<Class> {
        self.kind.map(FrameKind::class)
    }
}

impl<'a> Facts<'a> {
    /// What the body of a management frame says.
    #[must_use]
    #[inline]
    pub fn body(&self) -> Body<'a> {
        match self.kind {
            Some(kind) if kind.class() == Class::Management => {
                Body { cut: self.cut, ..mac_header::body(kind, self.frame) }
            }
            _ => Body::default(),
        }
    }

    /// Source and destination address, which ToDS and FromDS decide (IEEE 802.11-2020, table 9-30), where the frame
    /// names them. The third and fourth address of an A-MSDU name the BSS instead (9.3.2.1.2).
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.kind.map_or_else(|| wired::ends(self.frame), |kind| mac_header::ends(kind, self.frame))
    }
}

/// Where a frame comes from and where it goes, beyond the hop that was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Source address.
    pub sa: Option<Mac>,
    /// Destination address.
    pub da: Option<Mac>,
    /// The body is an A-MSDU, each subframe of which has ends of its own.
    pub amsdu: bool,
}

/// What the body of a management frame says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body<'a> {
    kind: Option<FrameKind>,
    /// The capability information of beacons, probe and association frames (9.4.1.4), where captured.
    pub capability: Option<u16>,
    /// The information elements; empty where the body has none, is encrypted, or goes on from another fragment.
    pub elements: &'a [u8],
    /// The frame, whose end is that of the elements.
    frame: &'a [u8],
    /// There were more elements, or more of the last one.
    cut: bool,
}

impl<'a> Body<'a> {
    /// The first SSID element of a frame that names a network: beacon, probe request and response, association
    /// and reassociation request. Empty stands for any network (in a probe request) or a hidden one.
    #[must_use]
    pub fn ssid(&self) -> Option<&'a [u8]> {
        match self.kind {
            Some(
                FrameKind::BEACON
                | FrameKind::PROBE_REQUEST
                | FrameKind::PROBE_RESPONSE
                | FrameKind::ASSOCIATION_REQUEST
                | FrameKind::REASSOCIATION_REQUEST,
            ) => elements::iter(self.elements).find(|element| element.id == elements::SSID).map(|element| element.body),
            _ => None,
        }
    }

    /// The names of the networks that a beacon or probe response announces for other BSSIDs of the same radio, in Multiple
    /// BSSID elements (IEEE 802.11-2020, 11.1.3.8): those networks send no beacons of their own.
    pub fn other_ssids(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = if self.names_others() { self.whole_elements() } else { &[] };
        let multiple = elements::iter(bytes).filter(|element| element.id == elements::MULTIPLE_BSSID);
        multiple.flat_map(|element| elements::profile_ssids(element.body))
    }

    /// Whether there may be any of [`Body::other_ssids`].
    #[inline]
    pub(crate) fn names_others(&self) -> bool {
        matches!(self.kind, Some(FrameKind::BEACON | FrameKind::PROBE_RESPONSE))
            && elements::iter(self.elements).any(|element| element.id == elements::MULTIPLE_BSSID)
    }

    /// The primary channel that the frame itself names: see [`Network::channel`].
    #[must_use]
    pub fn channel(&self) -> Option<u8> {
        Network::read(0, self.whole_elements(), self.cut).channel
    }

    /// What a beacon or probe response announces; `None` for other frames, and those cut before they say.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        match self.kind {
            Some(FrameKind::BEACON | FrameKind::PROBE_RESPONSE) => {
                self.capability.map(|capability| Network::read(capability, self.whole_elements(), self.cut))
            }
            _ => None,
        }
    }

    /// The elements without a check sequence after them that no capture header told of: its octets may look like one.
    #[must_use]
    pub fn whole_elements(&self) -> &'a [u8] {
        match self.elements.split_last_chunk::<{ fcs::LEN }>() {
            Some((elements, _)) if !self.cut && fcs::is_good(self.frame) => elements,
            _ => self.elements,
        }
    }

    /// How the network of a beacon or probe response protects itself; of a (re)association request, what was asked
    /// for. `None` for frames that do not say.
    #[must_use]
    pub fn security(&self) -> Option<Security> {
        match self.kind {
            Some(
                FrameKind::BEACON
                | FrameKind::PROBE_RESPONSE
                | FrameKind::ASSOCIATION_REQUEST
                | FrameKind::REASSOCIATION_REQUEST,
            ) => {
                let elements = self.whole_elements();
                self.capability.map(|capability| Network::read(capability, elements, self.cut).security)
            }
            _ => None,
        }
    }
}

/// What a capture header says about the frame after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Radio {
    /// Octets before the frame.
    pub header_len: usize,
    /// The frame ends with its check sequence.
    pub fcs_at_end: bool,
    /// The receiver found the check sequence wrong.
    pub bad_fcs: bool,
    /// There is no frame after the header: a sounding PPDU, for instance.
    pub no_frame: bool,
    /// Signal at the first antenna that reports one.
    pub signal_dbm: Option<i8>,
    /// Centre frequency of the channel, in MHz.
    pub freq_mhz: Option<u16>,
}

/// A signal as capture headers write it, in dBm; `None` for values that stand for "not measured". -128 and +127 are the
/// ends of the field; 0 is a field that nobody filled in: a milliwatt at the antenna is a thousand times what an OFDM
/// receiver is made for (IEEE 802.11-2020, 17.3.10.5).
#[inline]
const fn signal_dbm(octet: i8) -> Option<i8> {
    match octet {
        i8::MIN | 0 | i8::MAX => None,
        dbm => Some(dbm),
    }
}

/// Reads one captured packet of link type `link`. `data` are the octets that were kept of `original_len` on the
/// air (capture header included, as capture files count it): the frame check sequence at the end can be verified
/// only of a packet that was kept whole.
///
/// Total: each input has facts, if only that it is [`Outcome::Malformed`]. The addresses of a frame with a bad
/// check sequence are reported as they stand, for [`Outcome::BadFcs`] says what they are worth.
#[must_use]
#[inline]
pub fn parse<'a>(link: LinkType, data: &'a [u8], original_len: u32) -> Facts<'a> {
    parse_as(link, data, original_len, Reading::default())
}

/// As [`parse`], with what else is known of the packet.
#[must_use]
#[inline(never)]
pub fn parse_as<'a>(link: LinkType, data: &'a [u8], original_len: u32, reading: Reading) -> Facts<'a> {
    let mut facts = Facts::only(Outcome::Malformed);
    parse_into(link, data, original_len, reading, &mut facts);
    facts
}

/// As [`parse_as`], into the place where the facts are wanted: they are large, and moving them costs as much as a tenth of
/// reading them.
#[inline(always)]
pub fn parse_into<'a>(link: LinkType, data: &'a [u8], original_len: u32, reading: Reading, facts: &mut Facts<'a>) {
    *facts = Facts::only(Outcome::Malformed);
    match link {
        LinkType::RADIOTAP => {
            if let Some(radio) = radiotap::read(data) {
                frame(link, radio, data, original_len, reading, facts);
            }
        }
        LinkType::IEEE802_11 => rare_frame(link, Radio::default(), data, original_len, reading, facts),
        LinkType::ETHERNET => *facts = ethernet(data, original_len, reading),
        _ => *facts = parse_rare(link, data, original_len, reading),
    }
    if reading.told.crc_error {
        facts.outcome = Outcome::BadFcs;
    }
}

/// An Ethernet frame, or the 802.11 frame that it carries.
#[inline]
fn ethernet(data: &[u8], original_len: u32, reading: Reading) -> Facts<'_> {
    match carrier::tzsp(data) {
        Some((link, radio)) => inside(link, radio, data, original_len, reading.checks),
        None => wired::ethernet(data),
    }
}

/// The packet of link type `link` within `data`. What the file says of check sequences is about the carrier's.
#[cold]
fn inside(link: LinkType, carrier: Radio, data: &[u8], original_len: u32, checks: Checks) -> Facts<'_> {
    let rest = data.get(carrier.header_len..).unwrap_or_default();
    let before = u32::try_from(carrier.header_len).unwrap_or(u32::MAX);
    let mut facts = parse_as(link, rest, original_len.saturating_sub(before), Reading { checks, ..Reading::default() });
    if carrier.bad_fcs {
        facts.outcome = Outcome::BadFcs;
    }
    facts.signal_dbm = facts.signal_dbm.or(carrier.signal_dbm);
    facts.freq_mhz = facts.freq_mhz.or(carrier.freq_mhz);
    facts
}

/// The link types that are not worth a place in the hot path.
#[cold]
fn parse_rare<'a>(link: LinkType, data: &'a [u8], original_len: u32, reading: Reading) -> Facts<'a> {
    let radio = match link {
        LinkType::PPI => match ppi::read(data) {
            Some((LinkType::IEEE802_11, radio)) => Some(radio),
            // PPI may stand before any link; one inside another has no meaning and no end.
            Some((inner, radio)) if inner != LinkType::PPI => {
                let radio = Radio { header_len: radio.header_len, ..Radio::default() };
                return inside(inner, radio, data, original_len, reading.checks);
            }
            _ => None,
        },
        LinkType::PRISM => prism::read(data),
        LinkType::AVS => avs::read(data),
        LinkType::LINUX_SLL | LinkType::LINUX_SLL2 => {
            let (hardware_at, header_len) = if link == LinkType::LINUX_SLL { (2, 16) } else { (8, 20) };
            let hardware = data.get(hardware_at..).and_then(<[u8]>::first_chunk).copied().map(u16::from_be_bytes);
            return match hardware.and_then(carrier::of_hardware_type) {
                Some(inner) if data.len() >= header_len => {
                    let radio = Radio { header_len, ..Radio::default() };
                    inside(inner, radio, data, original_len, reading.checks)
                }
                _ if link == LinkType::LINUX_SLL => wired::sll(data),
                _ => wired::sll2(data),
            };
        }
        link if link.is_without_mac() => return Facts::only(Outcome::WithoutTa),
        _ => None,
    };
    let mut facts = Facts::only(Outcome::Malformed);
    if let Some(radio) = radio {
        rare_frame(link, radio, data, original_len, reading, &mut facts);
    }
    facts
}

/// As [`frame`], once for all headers that few captures have.
#[inline(never)]
fn rare_frame<'a>(
    link: LinkType,
    radio: Radio,
    data: &'a [u8],
    original_len: u32,
    reading: Reading,
    facts: &mut Facts<'a>,
) {
    frame(link, radio, data, original_len, reading, facts);
}

/// The frame behind a capture header, into facts that say [`Outcome::Malformed`] and nothing else.
#[inline(always)]
fn frame<'a>(link: LinkType, radio: Radio, data: &'a [u8], original_len: u32, reading: Reading, facts: &mut Facts<'a>) {
    let captured = data.get(radio.header_len..).unwrap_or_default();
    let original_len = usize::try_from(original_len).unwrap_or(usize::MAX);
    let Reading { told, checks } = reading;
    let has_fcs = if evidence::says_fcs(link, radio, told) { !checks.stripped } else { checks.present };
    let is_whole = data.len() >= original_len;
    let (mut body, mut cut, mut bad) = (captured, !is_whole || told.at_snaplen, false);
    if has_fcs {
        bad = is_whole && !fcs::is_good(captured);
        if bad && told.at_snaplen {
            // It was cut, and its writer did not know how long it had been.
            (cut, bad) = (true, false);
        } else {
            let body_len = original_len.max(data.len()).saturating_sub(radio.header_len + fcs::LEN);
            body = captured.get(..body_len).unwrap_or(captured);
            cut = captured.len() < body_len;
        }
    }
    mac_header::read_into(body, facts);
    facts.cut = cut;
    if radio.no_frame && captured.is_empty() {
        facts.outcome = Outcome::WithoutTa;
    }
    // Of a frame of another protocol version nothing is known, not even where its check would be.
    if bad && facts.kind.is_some() {
        facts.outcome = Outcome::BadFcs;
    }
    if radio.bad_fcs {
        facts.outcome = Outcome::BadFcs;
    }
    facts.signal_dbm = radio.signal_dbm;
    facts.freq_mhz = radio.freq_mhz;
}
