//! pcapng files (draft-ietf-opsawg-pcapng), each block parsed by `pcap-parser`: several sections, either byte
//! order, several interfaces with link types and clocks of their own.

use super::{
    CaptureError, Packet, Polled,
    input::{Input, MAX_RECORD},
};
use crate::{
    UnixNanos,
    dot11::{LinkType, Told},
    units::noun,
};
use pcap_parser::{Block, OptionCode, pcapng};
use std::collections::HashSet;

/// Block type, block length, and the first word of the body, which in a section header tells the byte order.
const BLOCK_HEAD: usize = 12;
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// The packet block of early files, replaced by the enhanced one.
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// The section header's third word, as a writer of the same byte order puts it.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Options of interfaces and packets (draft-ietf-opsawg-pcapng, 4.2 and 4.3.1).
const IF_FCSLEN: u16 = 13;
const EPB_FLAGS: u16 = 2;
const SECOND: i128 = 1_000_000_000;
/// Link types that a sentence names, at most.
const NAMED: usize = 8;
/// Interfaces of a section, at most: what describes more is not a capture that anybody made.
const MAX_INTERFACES: usize = 1 << 16;
/// Packets handed over at a time, as those of classic files.
const PACKETS: usize = 32;

/// One interface of the section.
struct Interface {
    link: LinkType,
    supported: bool,
    /// Octets kept of a packet; 0 is no limit.
    snaplen: u32,
    /// Octets of the check sequence that packets end with, if it says.
    fcs_len: Option<u8>,
    /// Units of a time stamp in a second.
    per_second: Option<u64>,
    /// The description says so; else it is what the format says for those that do not.
    told: bool,
    /// Seconds to add.
    offset: i64,
}

impl Interface {
    /// The time of a packet, and whether it is in another unit than the file says. [`UnixNanos::NONE`] where it tells none
    /// that a calendar has.
    fn time(&self, high: u32, low: u32) -> (UnixNanos, bool) {
        let units = i128::from(u64::from(high) << 32 | u64::from(low));
        let offset = i128::from(self.offset) * SECOND;
        let time = |nanos: i128| i64::try_from(nanos.saturating_add(offset)).ok().map(UnixNanos);
        let told = self.per_second.and_then(|per_second| time(units * SECOND / i128::from(per_second.max(1))));
        match told {
            Some(time) => (time, false),
            // Nanoseconds where microseconds are the rule.
            None => match time(units).filter(|_| !self.told) {
                Some(time) => (time, true),
                None => (UnixNanos::NONE, false),
            },
        }
    }
}

/// Link types in the order met, each once, however many a file describes.
#[derive(Default)]
struct LinkTypes {
    order: Vec<LinkType>,
    met: HashSet<u16>,
}

impl LinkTypes {
    fn add(&mut self, link: LinkType) {
        if self.met.insert(link.0) {
            self.order.push(link);
        }
    }
}

/// What packet flags and interface say of a packet with so many octets kept: bits 5 to 8 are the check sequence's
/// length, if not 0; bit 24 a CRC error (draft-ietf-opsawg-pcapng, 4.3.1).
fn told(flags: u32, interface: &Interface, kept: usize) -> Told {
    let of_packet = u8::try_from(flags >> 5 & 0x0f).ok().filter(|&len| len > 0);
    let at_snaplen = kept > 0 && u32::try_from(kept) == Ok(interface.snaplen);
    Told { fcs_len: of_packet.or(interface.fcs_len), crc_error: flags & 1 << 24 != 0, at_snaplen }
}

/// A pcapng capture being read.
pub(super) struct Ng {
    input: Input,
    section: Section,
    link_types: LinkTypes,
    handed: u64,
    skipped: u64,
    warning: Option<String>,
}

/// What the blocks before told about those that follow.
#[derive(Default)]
struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
}

/// Why a block cannot be read.
enum Fault {
    Damaged(&'static str),
    /// It claims so many octets.
    TooLarge(u64),
}

/// What a block has for whoever reads the capture.
enum Content<'a> {
    Packet(Packet<'a>),
    /// A packet of an interface that is not read.
    Skipped,
    /// The link type of an interface.
    Link(LinkType),
    Nothing,
}

impl Section {
    /// Length of the block at hand, once its first words are there.
    fn block_len(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let Some(&[t0, t1, t2, t3, l0, l1, l2, l3, b0, b1, b2, b3]) = bytes.first_chunk::<BLOCK_HEAD>() else {
            return Ok(None);
        };
        if u32::from_le_bytes([t0, t1, t2, t3]) == SECTION_HEADER {
            self.big_endian = match [b0, b1, b2, b3] {
                order if u32::from_le_bytes(order) == BYTE_ORDER => false,
                order if u32::from_be_bytes(order) == BYTE_ORDER => true,
                _ => return Err(Fault::Damaged("a section header does not tell its byte order")),
            };
        }
        let len = self.word([l0, l1, l2, l3]);
        if len < 12 {
            return Err(Fault::Damaged("a block claims to be shorter than its own head and tail"));
        }
        // Writers that forget the padding of 32 bits do exist; the trailing length comes after it.
        let len = (len as usize).saturating_add(3) & !3;
        if len > MAX_RECORD {
            return Err(Fault::TooLarge(len as u64));
        }
        Ok(Some(len))
    }

    fn word(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// Reads one whole block.
    fn block<'a>(&mut self, bytes: &'a [u8]) -> Result<Content<'a>, Fault> {
        let kind = bytes.first_chunk().map(|&kind| self.word(kind));
        // Blocks without packets need not even be well-formed.
        if !matches!(
            kind,
            Some(SECTION_HEADER | INTERFACE_DESCRIPTION | OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET)
        ) {
            return Ok(Content::Nothing);
        }
        let parsed = if self.big_endian { pcapng::parse_block_be(bytes) } else { pcapng::parse_block_le(bytes) };
        let Ok((_, block)) = parsed else {
            return Err(Fault::Damaged("a block contradicts itself"));
        };
        let mut flags = 0;
        let (interface, time, captured, original_len) = match &block {
            Block::SectionHeader(_) => {
                self.interfaces.clear();
                return Ok(Content::Nothing);
            }
            Block::InterfaceDescription(description) => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(Fault::Damaged("it describes more interfaces than any capture has"));
                }
                let link = u16::try_from(description.linktype.0).map_or(LinkType(u16::MAX), LinkType);
                let option =
                    |code| description.options.iter().find(|option| option.code == code).map(|option| option.value());
                // The resolution's highest bit says whether the rest is an exponent of 2 or of 10. pcap-parser 0.17
                // knows no exponent of 2, and reads the offset in one byte order only.
                let told = option(OptionCode::IfTsresol).and_then(<[u8]>::first);
                let per_second = match told {
                    Some(exponent @ 0x80..) => 1u64.checked_shl(u32::from(exponent & 0x7f)),
                    Some(&exponent) => 10u64.checked_pow(u32::from(exponent)),
                    None => Some(1_000_000),
                };
                let offset = option(OptionCode::IfTsoffset).and_then(<[u8]>::first_chunk).copied();
                let offset = offset.map_or(0, if self.big_endian { i64::from_be_bytes } else { i64::from_le_bytes });
                self.interfaces.push(Interface {
                    link,
                    supported: link.is_supported(),
                    snaplen: description.snaplen,
                    fcs_len: option(OptionCode(IF_FCSLEN)).and_then(<[u8]>::first).copied(),
                    per_second,
                    told: told.is_some(),
                    offset,
                });
                return Ok(Content::Link(link));
            }
            Block::EnhancedPacket(packet) => {
                let option = packet.options.iter().find(|option| option.code == OptionCode(EPB_FLAGS));
                flags = option.and_then(|option| option.value().first_chunk()).map_or(0, |&word| self.word(word));
                (
                    packet.if_id,
                    Some((packet.ts_high, packet.ts_low)),
                    packet.data.get(..packet.caplen as usize),
                    packet.origlen,
                )
            }
            Block::SimplePacket(packet) => {
                let snaplen = self.interfaces.first().map_or(0, |interface| interface.snaplen);
                let kept = if snaplen == 0 { packet.origlen } else { packet.origlen.min(snaplen) };
                (0, None, packet.data.get(..kept as usize), packet.origlen)
            }
            Block::Unknown(obsolete) => {
                let Some((head, data)) = obsolete.data.split_first_chunk::<20>() else {
                    return Err(Fault::Damaged("a packet block is too short"));
                };
                let &[i0, i1, _, _, h0, h1, h2, h3, l0, l1, l2, l3, c0, c1, c2, c3, o0, o1, o2, o3] = head;
                let interface =
                    if self.big_endian { u16::from_be_bytes([i0, i1]) } else { u16::from_le_bytes([i0, i1]) };
                (
                    u32::from(interface),
                    Some((self.word([h0, h1, h2, h3]), self.word([l0, l1, l2, l3]))),
                    data.get(..self.word([c0, c1, c2, c3]) as usize),
                    self.word([o0, o1, o2, o3]),
                )
            }
            _ => return Ok(Content::Nothing),
        };
        let Some(data) = captured else {
            return Err(Fault::Damaged("a packet is longer than its block"));
        };
        let Some(interface) = self.interfaces.get(interface as usize) else {
            return Err(Fault::Damaged("a packet names an interface that no block before it describes"));
        };
        if !interface.supported {
            return Ok(Content::Skipped);
        }
        let (time, mended) = time.map_or((UnixNanos::NONE, false), |(high, low)| interface.time(high, low));
        let told = told(flags, interface, data.len());
        Ok(Content::Packet(Packet { time, link: interface.link, data, original_len, told, mended }))
    }
}

impl Ng {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            section: Section::default(),
            link_types: LinkTypes::default(),
            handed: 0,
            skipped: 0,
            warning: None,
        }
    }

    pub(super) fn input_mut(&mut self) -> &mut Input {
        &mut self.input
    }

    /// Where the next block begins.
    pub(super) fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// See [`super::Source::poll_blocks`].
    pub(super) fn poll_blocks<F: FnMut(&[Packet<'_>])>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        let (done, read) = self.blocks(each);
        self.input.consume(done);
        let need = read.map_err(|fault| {
            let (name, offset) = (self.input.name().to_owned(), self.input.offset());
            match fault {
                Fault::Damaged(what) => CaptureError::Damaged { name, offset, what },
                Fault::TooLarge(claimed) => CaptureError::TooLarge { name, offset, claimed, bound: MAX_RECORD },
            }
        })?;
        if done > 0 || self.input.fill(need)? { Ok(Polled::More) } else { self.end() }
    }

    /// Hands over the packets of the whole blocks at hand, a few at a time. Says how many octets the blocks took, and how
    /// many the next one needs, as far as is known.
    fn blocks<F: FnMut(&[Packet<'_>])>(&mut self, each: &mut F) -> (usize, Result<usize, Fault>) {
        let (told, time) = (Told::default(), UnixNanos(0));
        let nothing = Packet { time, link: LinkType(0), data: &[], original_len: 0, told, mended: false };
        let (mut packets, mut filled) = ([nothing; PACKETS], 0);
        let (bytes, mut done) = (self.input.bytes(), 0);
        let ended = loop {
            let rest = bytes.get(done..).unwrap_or_default();
            let content = match self.section.block_len(rest) {
                Ok(Some(len)) => match rest.get(..len) {
                    Some(block) => self.section.block(block).map(|content| (content, len)),
                    None => break Ok(len),
                },
                Ok(None) => break Ok(BLOCK_HEAD),
                Err(fault) => Err(fault),
            };
            match content {
                Ok((content, len)) => {
                    done += len;
                    match content {
                        Content::Packet(packet) => {
                            self.handed += 1;
                            if let Some(place) = packets.get_mut(filled) {
                                *place = packet;
                                filled += 1;
                            }
                        }
                        Content::Skipped => self.skipped += 1,
                        Content::Link(link) => self.link_types.add(link),
                        Content::Nothing => {}
                    }
                }
                Err(fault) => break Err(fault),
            }
            if filled == PACKETS {
                each(&packets);
                filled = 0;
            }
        };
        if filled > 0 {
            each(packets.get(..filled).unwrap_or_default());
        }
        (done, ended)
    }

    /// Says what was left out; an error where that is everything.
    fn end(&mut self) -> Result<Polled, CaptureError> {
        let mut unsupported = self.link_types.order.iter().copied().filter(|link| !link.is_supported());
        let skipped = match unsupported.next() {
            Some(link) if self.handed == 0 && self.skipped > 0 => {
                return Err(CaptureError::LinkType { name: self.input.name().to_owned(), link });
            }
            Some(link) if self.skipped > 0 => {
                let mut links: Vec<_> = std::iter::once(link).chain(unsupported).map(|link| link.to_string()).collect();
                let others = links.len().saturating_sub(NAMED);
                links.truncate(NAMED);
                if others > 0 {
                    links.push(format!("and {others} others"));
                }
                let links = links.join(", ");
                Some(format!(
                    "{}: {} {} of interfaces with link type {links} {} skipped, for airtally does not read it",
                    self.input.name(),
                    self.skipped,
                    noun(self.skipped, "packet", "packets"),
                    noun(self.skipped, "was", "were"),
                ))
            }
            _ => None,
        };
        self.warning = match (skipped, self.input.cut()) {
            (Some(skipped), Some(cut)) => Some(format!("{skipped}; {cut}")),
            (skipped, cut) => skipped.or(cut),
        };
        Ok(Polled::End)
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.warning.clone().into_iter()
    }

    pub(super) fn name(&self) -> &str {
        self.input.name()
    }

    pub(super) fn link_types(&self) -> &[LinkType] {
        &self.link_types.order
    }
}
