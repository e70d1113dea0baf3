//! Classic pcap files (draft-ietf-opsawg-pcap): either byte order, microseconds or nanoseconds. This is the hot
//! path of every file: one buffer, no copy, no allocation for a packet.

use super::{
    CaptureError, Packet, Polled,
    input::{Input, MICROS, MODIFIED, NANOS},
};
use crate::{
    UnixNanos,
    dot11::{LinkType, Told},
};

/// Octets of the file header.
pub(super) const FILE_HEADER: usize = 24;
/// Octets of a record header.
const RECORD_HEADER: usize = 16;
/// Octets of the record header of "modified" files: interface, protocol and packet type follow the usual ones.
const MODIFIED_RECORD_HEADER: usize = 24;

/// Neighbours in a capture are not further apart than this, as a rule; here a week.
const PLAUSIBLE_SECONDS: u32 = 7 * 86_400;
/// Nor are packets longer than this; capture programs keep no more.
const PLAUSIBLE_LEN: u32 = 256 << 10;
/// Packets handed over at a time: enough for memory to be waited for together, few enough to stay in the cache.
const BLOCK: usize = 32;

/// Fractions of a second that are too large for microseconds, and yet nanoseconds of one, before those of the file are
/// taken for nanoseconds, in points: such a fraction gives some, a fitting one takes one.
const UNTOLD: u32 = 24;
const UNTOLD_GAIN: u32 = 8;
const UNTOLD_MOST: u32 = 1_024;
const SECOND: i64 = 1_000_000_000;

/// What was learnt about the stamps of a file beside what its header says.
#[derive(Clone, Copy, Debug, Default)]
struct Stamps {
    /// Evidence that fractions are nanoseconds although the header says microseconds, in points.
    untold: u32,
    /// Records of nothing but zeros.
    zeros: u64,
}

impl Stamps {
    /// Reads a fraction of a second that is not simply one. Gives its nanoseconds, and whether they are other than what
    /// the header says.
    #[cold]
    fn fraction(&mut self, raw: u32, unit: i64) -> (i64, bool) {
        let (signed, raw, least) = (i64::from(raw.cast_signed()), i64::from(raw), -SECOND / unit);
        if raw < SECOND / unit {
            let untold = self.untold >= UNTOLD;
            self.untold = self.untold.saturating_sub(1);
            return if untold { (raw, true) } else { (raw * unit, false) };
        }
        if raw < SECOND {
            self.untold = (self.untold + UNTOLD_GAIN).min(UNTOLD_MOST);
            return (raw, true);
        }
        // airodump-ng writes what is left of a second below zero; other values say nothing.
        (if least < signed && signed < 0 { signed * unit } else { 0 }, true)
    }
}

/// What the file header says about the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Numbers are big-endian.
    big_endian: bool,
    /// Nanoseconds in a unit of the time stamps' fraction.
    unit_nanos: i64,
    /// Octets of a record header.
    record_header: usize,
    /// What each packet begins with.
    pub(super) link: LinkType,
    /// Octets of the check sequence that each packet ends with, if it says.
    fcs_len: Option<u8>,
    /// Octets kept of a packet, at most.
    snaplen: u32,
}

impl Header {
    /// Reads the file header; `None` if the magic number is another format's.
    pub(super) fn read(bytes: &[u8; FILE_HEADER]) -> Option<Self> {
        let (magic, link) = ([bytes[0], bytes[1], bytes[2], bytes[3]], [bytes[20], bytes[21], bytes[22], bytes[23]]);
        let known = |magic: u32| [MICROS, NANOS, MODIFIED].contains(&magic);
        let snaplen = [bytes[16], bytes[17], bytes[18], bytes[19]];
        let (big_endian, magic, link) = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (magic, _) if known(magic) => (false, magic, u32::from_le_bytes(link)),
            (_, magic) if known(magic) => (true, magic, u32::from_be_bytes(link)),
            _ => return None,
        };
        Some(Self {
            big_endian,
            unit_nanos: if magic == NANOS { 1 } else { 1_000 },
            record_header: if magic == MODIFIED { MODIFIED_RECORD_HEADER } else { RECORD_HEADER },
            fcs_len: fcs_len(link),
            snaplen: if big_endian { u32::from_be_bytes(snaplen) } else { u32::from_le_bytes(snaplen) },
            link: LinkType(u16::try_from(link & 0xffff).unwrap_or(u16::MAX)),
        })
    }

    /// The second that the first word of a record says.
    pub(super) fn second(self, word: [u8; 4]) -> u32 {
        self.word(word)
    }

    /// Length and second of the record that `bytes` begin with, if its header looks like one of a capture that has
    /// others from about second `near`: what [`super::segments`] searches for.
    pub(super) fn plausible(self, bytes: &[u8], near: u32) -> Option<(usize, u32)> {
        let &[s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, l0, l1, l2, l3] = bytes.first_chunk()?;
        let (seconds, fraction) = (self.word([s0, s1, s2, s3]), self.word([f0, f1, f2, f3]));
        let (captured, original) = (self.word([c0, c1, c2, c3]), self.word([l0, l1, l2, l3]));
        let holds = seconds.abs_diff(near) < PLAUSIBLE_SECONDS
            && i64::from(fraction) * self.unit_nanos < SECOND
            && captured <= original
            && original <= PLAUSIBLE_LEN;
        holds.then_some((self.record_header + captured as usize, seconds))
    }

    #[inline]
    fn word(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// Hands over the whole records at the beginning of `bytes`, in blocks of at most [`BLOCK`], but none that begins
    /// within its last `beyond` octets. Says how many octets they took, and how many the record after them needs, as
    /// far as is known.
    #[inline]
    fn records<F: FnMut(&[Packet<'_>])>(
        self,
        bytes: &[u8],
        beyond: usize,
        stamps: &mut Stamps,
        each: &mut F,
    ) -> (usize, usize) {
        if self.big_endian {
            self.records_by(u32::from_be_bytes, bytes, beyond, stamps, each)
        } else {
            self.records_by(u32::from_le_bytes, bytes, beyond, stamps, each)
        }
    }

    /// The same, with `word` to read numbers by: known when this is compiled, and not asked for each of them.
    #[inline(always)]
    fn records_by<F: FnMut(&[Packet<'_>])>(
        self,
        word: impl Fn([u8; 4]) -> u32,
        bytes: &[u8],
        beyond: usize,
        stamps: &mut Stamps,
        each: &mut F,
    ) -> (usize, usize) {
        let (told, time) = (Told::default(), UnixNanos(0));
        let nothing = Packet { time, link: self.link, data: &[], original_len: 0, told, mended: false };
        let mut block = [nothing; BLOCK];
        let limit = SECOND / self.unit_nanos;
        let mut rest = bytes;
        loop {
            let mut filled = 0;
            let mut ended = None;
            for place in &mut block {
                if rest.len() <= beyond {
                    ended = Some(self.record_header);
                    break;
                }
                let Some((head, _)) = rest.split_first_chunk::<RECORD_HEADER>() else {
                    ended = Some(self.record_header);
                    break;
                };
                let [s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, l0, l1, l2, l3] = *head;
                let captured = word([c0, c1, c2, c3]) as usize;
                let need = self.record_header.saturating_add(captured);
                let Some((record, after)) = rest.split_at_checked(need) else {
                    ended = Some(need);
                    break;
                };
                let seconds = i64::from(word([s0, s1, s2, s3]));
                let raw = word([f0, f1, f2, f3]);
                let nanos;
                (nanos, place.mended) = if i64::from(raw) < limit && stamps.untold == 0 {
                    (i64::from(raw) * self.unit_nanos, false)
                } else {
                    stamps.fraction(raw, self.unit_nanos)
                };
                place.time = UnixNanos(seconds * SECOND + nanos);
                // What a power cut leaves in place of records.
                if seconds == 0 && *head == [0; RECORD_HEADER] {
                    place.time = UnixNanos::NONE;
                    stamps.zeros += 1;
                }
                place.data = record.get(self.record_header..).unwrap_or_default();
                place.original_len = word([l0, l1, l2, l3]);
                let at_snaplen = captured == self.snaplen as usize && captured > 0;
                place.told = Told { fcs_len: self.fcs_len, crc_error: false, at_snaplen };
                rest = after;
                filled += 1;
            }
            if filled > 0 {
                each(block.get(..filled).unwrap_or_default());
            }
            if let Some(need) = ended {
                return (bytes.len() - rest.len(), need);
            }
        }
    }
}

/// The length of the check sequence, for links whose packets cannot say so themselves: the upper four bits of the link
/// type, if bit 26 is set (pcap-savefile(5)). Writers differ in the unit, octets or pairs of them, but 802.11 and
/// Ethernet have four octets or none.
fn fcs_len(link: u32) -> Option<u8> {
    match link >> 26 & 0x3d {
        0x01 => Some(0),
        0x09 | 0x11 => Some(4),
        _ => None,
    }
}

/// A classic capture being read.
pub(super) struct Classic {
    input: Input,
    header: Header,
    stamps: Stamps,
    /// Octets that the next record needs in all.
    need: usize,
    /// No record that begins here or further on is read.
    end: u64,
    warning: Option<String>,
}

impl Classic {
    /// Reads the file header.
    pub(super) fn new(mut input: Input) -> Result<Self, CaptureError> {
        input.at_least(FILE_HEADER)?;
        let cut = || CaptureError::CutHeader { name: input.name().to_owned() };
        let header = input.bytes().first_chunk().and_then(Header::read).ok_or_else(cut)?;
        if !header.link.is_supported() {
            return Err(CaptureError::LinkType { name: input.name().to_owned(), link: header.link });
        }
        input.consume(FILE_HEADER);
        Ok(Self { input, header, stamps: Stamps::default(), need: RECORD_HEADER, end: u64::MAX, warning: None })
    }

    /// The part of a capture whose records begin before `end`; `input` stands at the first of them.
    pub(super) fn part(input: Input, header: Header, end: u64) -> Self {
        Self { input, header, stamps: Stamps::default(), need: RECORD_HEADER, end, warning: None }
    }

    /// The part has no end but that of the capture.
    pub(super) fn read_on(&mut self) {
        self.end = u64::MAX;
    }

    /// Where the next record begins.
    pub(super) fn offset(&self) -> u64 {
        self.input.offset()
    }

    pub(super) fn input_mut(&mut self) -> &mut Input {
        &mut self.input
    }

    /// See [`super::Source::poll_blocks`].
    #[inline]
    pub(super) fn poll_blocks<F: FnMut(&[Packet<'_>])>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        let bytes = self.input.bytes();
        let wanted = usize::try_from(self.end.saturating_sub(self.input.offset())).unwrap_or(usize::MAX);
        let (done, need) = self.header.records(bytes, bytes.len().saturating_sub(wanted), &mut self.stamps, each);
        self.input.consume(done);
        self.need = need;
        if done > 0 { Ok(Polled::More) } else { self.fill() }
    }

    /// Reads on, until the next record is whole.
    #[cold]
    fn fill(&mut self) -> Result<Polled, CaptureError> {
        if self.input.offset() >= self.end {
            return Ok(Polled::End);
        }
        if self.input.fill(self.need)? {
            return Ok(Polled::More);
        }
        self.warning = self.input.cut();
        Ok(Polled::End)
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let zeros = (self.stamps.zeros > 0).then(|| {
            let (records, are) = if self.stamps.zeros == 1 { ("record", "is") } else { ("records", "are") };
            format!(
                "{}: {} {records} {are} nothing but zeros, as a power cut leaves them: there is a hole in the capture",
                self.input.name(),
                self.stamps.zeros
            )
        });
        self.warning.clone().into_iter().chain(zeros)
    }

    pub(super) fn name(&self) -> &str {
        self.input.name()
    }

    pub(super) fn link(&self) -> LinkType {
        self.header.link
    }
}
