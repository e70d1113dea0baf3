//! A container's body: its payloads one by one, without a list of them, so that memory is the body's and no more.

use super::{Payload, header};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use prost::{
    bytes::Buf as _,
    encoding::{self, DecodeContext, WireType},
};

/// Field numbers of the container.
const PAYLOADS: u32 = 1;
const CHECK_SUMS: u32 = 2;
const SEQUENCE: u32 = 3;
const SEQUENCE_ID: u32 = 4;

/// A body that was looked through once.
#[derive(Debug)]
pub(super) struct Body {
    octets: Vec<u8>,
    /// Where to look for the next payload.
    at: usize,
    check_sums: Vec<u32>,
    /// The payload that is next.
    index: usize,
    /// Output and number, if both are told.
    pub(super) sequence: Option<(u64, u32)>,
}

/// What a payload was.
pub(super) enum Found {
    Payload(Payload),
    Damaged,
    BadCheckSum,
}

/// A field of the container that matters.
enum Field<'a> {
    Payload(&'a [u8]),
    CheckSum(u32),
    CheckSums(&'a [u8]),
    Sequence(u32),
    SequenceId(u64),
    Other,
}

/// The field at the front of `rest`, which then begins after it.
fn field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let (number, wire) = encoding::decode_key(rest).ok()?;
    Some(match (number, wire) {
        (PAYLOADS, WireType::LengthDelimited) => Field::Payload(delimited(rest)?),
        (CHECK_SUMS, WireType::LengthDelimited) => Field::CheckSums(delimited(rest)?),
        (CHECK_SUMS, WireType::Varint) => Field::CheckSum(number_of_32_bits(rest)?),
        (SEQUENCE, WireType::Varint) => Field::Sequence(number_of_32_bits(rest)?),
        (SEQUENCE_ID, WireType::Varint) => Field::SequenceId(encoding::decode_varint(rest).ok()?),
        (PAYLOADS..=SEQUENCE_ID, _) => return None,
        _ => {
            encoding::skip_field(wire, number, rest, DecodeContext::default()).ok()?;
            Field::Other
        }
    })
}

/// A `uint32`: what is longer is cut, as protobuf says.
fn number_of_32_bits(rest: &mut &[u8]) -> Option<u32> {
    let number = encoding::decode_varint(rest).ok()?;
    u32::try_from(number & u64::from(u32::MAX)).ok()
}

fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(encoding::decode_varint(rest).ok()?).ok()?;
    let (octets, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(octets)
}

impl Body {
    /// Looks through a body; nothing if it is not what the format says.
    pub(super) fn read(octets: Vec<u8>) -> Option<Self> {
        let mut body = Self { octets, at: 0, check_sums: Vec::new(), index: 0, sequence: None };
        let (mut number, mut id) = (None, None);
        let mut rest = body.octets.as_slice();
        while rest.has_remaining() {
            match field(&mut rest)? {
                Field::CheckSum(sum) => body.check_sums.push(sum),
                // Some writers pack them, and readers of protobuf take both.
                Field::CheckSums(mut packed) => {
                    while packed.has_remaining() {
                        body.check_sums.push(number_of_32_bits(&mut packed)?);
                    }
                }
                Field::Sequence(value) => number = Some(value),
                Field::SequenceId(value) => id = Some(value),
                Field::Payload(_) | Field::Other => {}
            }
        }
        body.sequence = id.zip(number);
        Some(body)
    }

    /// The next payload.
    pub(super) fn next(&mut self) -> Option<Found> {
        loop {
            let mut rest = self.octets.get(self.at..)?;
            if rest.is_empty() {
                return None;
            }
            let found = field(&mut rest)?;
            self.at = self.octets.len() - rest.len();
            let Field::Payload(octets) = found else { continue };
            let sum = self.check_sums.get(self.index).copied();
            self.index += 1;
            return Some(match Payload::decode(octets) {
                None => Found::Damaged,
                Some(payload) if sum.is_some_and(|sum| sum != header::check_sum(&payload.octets)) => Found::BadCheckSum,
                Some(payload) => Found::Payload(payload),
            });
        }
    }
}

/// A body of encoded payloads, with their check sums.
pub(super) fn write(payloads: &[(Vec<u8>, u32)], sequence: Option<(u64, u32)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(payloads.iter().map(|(octets, _)| size(octets.len())).sum::<usize>() + SEQUENCED);
    for (octets, _) in payloads {
        encoding::encode_key(PAYLOADS, WireType::LengthDelimited, &mut out);
        encoding::encode_varint(octets.len() as u64, &mut out);
        out.extend_from_slice(octets);
    }
    for &(_, sum) in payloads {
        encoding::encode_key(CHECK_SUMS, WireType::Varint, &mut out);
        encoding::encode_varint(u64::from(sum), &mut out);
    }
    if let Some((id, number)) = sequence {
        encoding::encode_key(SEQUENCE, WireType::Varint, &mut out);
        encoding::encode_varint(u64::from(number), &mut out);
        encoding::encode_key(SEQUENCE_ID, WireType::Varint, &mut out);
        encoding::encode_varint(id, &mut out);
    }
    out
}

/// Octets that sequence number and id take, at most.
pub(super) const SEQUENCED: usize = 6 + 11;

/// Octets that a payload of `len` octets takes in a body, with its check sum, at most.
pub(super) const fn size(len: usize) -> usize {
    // Key and length (32 bits at most) before it; key and check sum after.
    1 + 5 + len + 1 + 5
}

/// What compresses bodies, one after the other.
pub(super) fn compressor() -> Compress {
    Compress::new(Compression::new(6), true)
}

/// Compresses a body: its length, then a zlib stream.
pub(super) fn deflate(zlib: &mut Compress, body: &[u8]) -> Option<Vec<u8>> {
    zlib.reset();
    let mut out = Vec::with_capacity(4 + body.len() / 2 + 64);
    out.extend(u32::try_from(body.len()).ok()?.to_be_bytes());
    loop {
        let rest = body.get(usize::try_from(zlib.total_in()).ok()?..)?;
        match zlib.compress_vec(rest, &mut out, FlushCompress::Finish).ok()? {
            Status::StreamEnd => return Some(out),
            Status::Ok | Status::BufError => out.reserve(out.len().max(1024)),
        }
    }
}

/// Why a body was not decompressed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Inflate {
    TooLarge,
    Bad,
}

/// Decompresses a body of at most `most` octets.
pub(super) fn inflate(zlib: &mut Decompress, octets: &[u8], most: usize) -> Result<Vec<u8>, Inflate> {
    let (len, stream) = octets.split_first_chunk().ok_or(Inflate::Bad)?;
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| Inflate::TooLarge)?;
    if len > most {
        return Err(Inflate::TooLarge);
    }
    // A lying length is not given memory before there are octets for it.
    let mut out = Vec::with_capacity(len.min(stream.len().saturating_mul(4)).saturating_add(1));
    zlib.reset(true);
    loop {
        let taken = usize::try_from(zlib.total_in()).map_err(|_| Inflate::Bad)?;
        let rest = stream.get(taken..).ok_or(Inflate::Bad)?;
        let before = (taken, out.len());
        let status = zlib.decompress_vec(rest, &mut out, FlushDecompress::None).map_err(|_| Inflate::Bad)?;
        if out.len() > len {
            return Err(Inflate::Bad);
        }
        match status {
            Status::StreamEnd if out.len() == len => return Ok(out),
            Status::StreamEnd => return Err(Inflate::Bad),
            Status::Ok | Status::BufError => {}
        }
        if out.len() == out.capacity() {
            out.reserve((len - out.len()).min(out.len()).saturating_add(1));
        } else if before == (usize::try_from(zlib.total_in()).map_err(|_| Inflate::Bad)?, out.len()) {
            // The stream ends before its end.
            return Err(Inflate::Bad);
        }
    }
}
