//! Whether the frames of a capture are what its headers say: whether check sequences are there, and radiotap headers.
//! One bit decides about each of them, and writers set it wrongly. Pure: looks at packets, keeps numbers.

use super::{LinkType, Outcome, Radio, avs, carrier, fcs, mac_header, ppi, prism, radiotap};
use crate::Mac;

/// What a capture file says of a packet beside its octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Octets of the frame check sequence at the end; `None` where the file does not say. What radiotap and PPI headers
    /// say themselves goes before.
    pub fcs_len: Option<u8>,
    /// The receiver found the check sequence wrong.
    pub crc_error: bool,
    /// As many octets were kept as the capture keeps at most: some writers then give this as the whole length.
    pub at_snaplen: bool,
}

/// How to read a packet: what its file says of it, and what the first of the capture have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What the file says of this packet.
    pub told: Told,
    /// What holds for all of its capture.
    pub checks: Checks,
}

/// Where frames end with a check sequence, against what is said of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Frames that are said to end with a check sequence do not.
    pub stripped: bool,
    /// Frames that are not said to end with a check sequence do.
    pub present: bool,
}

/// What the first frames of a capture have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Where check sequences are.
    pub checks: Checks,
    /// Frames that were judged: with a right check sequence, and with another end.
    said: [u32; 2],
    unsaid: [u32; 2],
    /// Packets of link type 127 that begin with an 802.11 header.
    headerless: u32,
    /// A packet that carries 802.11 in a way that is not read.
    carried: Option<&'static str>,
}

/// Frames that are judged at most, and packets that are looked at for them.
const ENOUGH: u32 = 64;
const MOST_PACKETS: u32 = 1024;
/// Frames without a check sequence that it takes to disbelieve those that say they have one: of so many in a row, one
/// would have arrived undamaged.
const LEAST_STRIPPED: u32 = 8;
/// Frames with a right one that it takes to see that they have one: by chance it is one in 2^32.
const LEAST_PRESENT: u32 = 3;
/// Packets without a radiotap header that it takes to say so.
const LEAST_HEADERLESS: u32 = 3;

/// What packets of a capture show, until there is enough of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence {
    /// Frames by whether a header says that there is a check sequence: right ones, and others.
    said: [u32; 2],
    unsaid: [u32; 2],
    /// Packets of link type 127: with a header, and with 802.11 in its place.
    headers: [u32; 2],
    carried: Option<&'static str>,
    packets: u32,
}

impl Evidence {
    /// Looks at a packet.
    pub fn add(&mut self, link: LinkType, data: &[u8], original_len: u32, told: Told) {
        self.packets = self.packets.saturating_add(1);
        if link == LinkType::ETHERNET {
            self.carried = self.carried.or_else(|| carrier::unread(data));
        }
        let radio = header(link, data);
        if link == LinkType::RADIOTAP && radio.is_none() {
            // A hole of zeros is no frame.
            let sent = matches!(mac_header::read(data).outcome, Outcome::Sent(ta) if ta != Mac::ZERO);
            self.headers[1] += u32::from(sent);
        }
        let Some(radio) = radio else { return };
        self.headers[0] += u32::from(link == LinkType::RADIOTAP);
        let captured = data.get(radio.header_len..).unwrap_or_default();
        let whole = data.len() >= usize::try_from(original_len).unwrap_or(usize::MAX) && !told.at_snaplen;
        // An ack is the shortest frame there is; of another protocol version nobody knows where its end is.
        let is_frame = captured.len() >= 10 + fcs::LEN && captured.first().is_some_and(|first| first & 0x03 == 0);
        if !whole || !is_frame || radio.bad_fcs || told.crc_error {
            return;
        }
        let counts = if says_fcs(link, radio, told) { &mut self.said } else { &mut self.unsaid };
        counts[usize::from(!fcs::is_good(captured))] += 1;
    }

    /// Whether more of it would not change the verdict.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.packets >= MOST_PACKETS || self.said.iter().chain(&self.unsaid).sum::<u32>() >= ENOUGH
    }

    /// What it shows.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Self { said, unsaid, headers, carried, packets: _ } = *self;
        Verdict {
            checks: Checks {
                stripped: said[0] == 0 && said[1] >= LEAST_STRIPPED,
                present: unsaid[0] >= LEAST_PRESENT && unsaid[0] > unsaid[1],
            },
            said,
            unsaid,
            headerless: if headers[1] >= LEAST_HEADERLESS && headers[1] > 8 * headers[0] { headers[1] } else { 0 },
            carried,
        }
    }
}

impl Verdict {
    /// What a reader of the counts must know, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.checks.stripped {
            warnings.push(format!(
                "the headers say that frames end with a frame check sequence, and none of the first {} does: all are \
                 counted as frames without one",
                self.said[1]
            ));
        }
        if self.checks.present {
            warnings.push(format!(
                "{} of the first {} frames end with a right frame check sequence that no header announces: it is \
                 verified, and frames whose end is wrong are counted as bad FCS",
                self.unsaid[0],
                self.unsaid[0] + self.unsaid[1]
            ));
        }
        if self.headerless > 0 {
            warnings.push(format!(
                "link type {} promises a radiotap header, and packets begin with 802.11 at once: \
                 'editcap -T ieee-802-11' names them rightly",
                LinkType::RADIOTAP
            ));
        }
        if let Some(carrier) = self.carried {
            warnings.push(format!(
                "some packets carry 802.11 frames in {carrier}, which airtally does not read: they count at the wired \
                 address that sent them"
            ));
        }
        warnings
    }
}

/// Whether anything says that a frame ends with its check sequence.
#[inline]
pub(super) fn says_fcs(link: LinkType, radio: Radio, told: Told) -> bool {
    radio.fcs_at_end || told.fcs_len == Some(4) && !matches!(link, LinkType::RADIOTAP | LinkType::PPI)
}

/// The capture header before an 802.11 frame.
fn header(link: LinkType, data: &[u8]) -> Option<Radio> {
    match link {
        LinkType::RADIOTAP => radiotap::read(data),
        LinkType::IEEE802_11 => Some(Radio::default()),
        LinkType::PRISM => prism::read(data),
        LinkType::AVS => avs::read(data),
        LinkType::PPI => ppi::read(data).filter(|(inner, _)| *inner == LinkType::IEEE802_11).map(|(_, radio)| radio),
        _ => None,
    }
}
