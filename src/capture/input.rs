//! The octets of a capture file: opened, decompressed, and buffered with a bound. Knows magic numbers, no records.

use super::{
    CaptureError,
    compressed::{self, Compression, MEMORY_MIB},
};
use std::{
    fs::File,
    io::{self, Cursor, ErrorKind, Read},
    path::Path,
};

/// Octets read at a time: large enough to make system calls cheap, small enough to stay in the cache.
const BUFFER: usize = 256 << 10;
/// The largest record or block that is read. Capture programs keep at most 256 KiB of a packet.
pub(super) const MAX_RECORD: usize = 16 << 20;

const NG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The classic magic numbers as little-endian words: microseconds, nanoseconds, and with a longer record header.
pub(super) const MICROS: u32 = 0xa1b2_c3d4;
pub(super) const NANOS: u32 = 0xa1b2_3c4d;
pub(super) const MODIFIED: u32 = 0xa1b2_cd34;

/// What kind of capture it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Classic,
    Ng,
}

fn is_classic(magic: [u8; 4]) -> bool {
    [u32::from_le_bytes(magic), u32::from_be_bytes(magic)].iter().any(|magic| [MICROS, NANOS, MODIFIED].contains(magic))
}

/// A file's octets, decompressed, and a window on them.
pub(super) struct Input {
    name: String,
    compression: Option<Compression>,
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Octets before `start`, in the uncompressed capture.
    consumed: u64,
    /// Octets that may still be read.
    left: u64,
    ended: Option<Ended>,
}

/// How the octets ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Well,
    /// In the middle of compressed data, or with compressed data that is damaged.
    Cut,
    /// Where the decompressor would take more memory than it is given.
    Memory,
    /// Where [`Input::limit`] said.
    Limit,
}

impl Input {
    /// Opens the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            if file.metadata()?.is_dir() { Err(io::Error::from(ErrorKind::IsADirectory)) } else { Ok(file) }
        };
        let file = open().map_err(|source| CaptureError::Open { name: name.clone(), source })?;
        Self::new(Box::new(file), &name)
    }

    /// Looks at the first octets of `reader` and sets up decompression where they ask for it.
    pub(super) fn new(mut reader: Box<dyn Read + Send>, name: &str) -> Result<Self, CaptureError> {
        let read_error = |source| CaptureError::Read { name: name.to_owned(), source };
        let mut magic = Vec::with_capacity(Compression::MAGIC_LEN);
        reader.by_ref().take(Compression::MAGIC_LEN as u64).read_to_end(&mut magic).map_err(read_error)?;
        if magic.is_empty() {
            return Err(CaptureError::Empty { name: name.to_owned() });
        }
        let compression = Compression::of(&magic);
        let whole = Cursor::new(magic).chain(reader);
        let reader = match compression {
            Some(compression) => compression.reader(whole).map_err(read_error)?,
            None => Box::new(whole),
        };
        let buffer = vec![0; BUFFER];
        Ok(Self {
            name: name.to_owned(),
            compression,
            reader,
            buffer,
            start: 0,
            end: 0,
            consumed: 0,
            left: u64::MAX,
            ended: None,
        })
    }

    /// The octets of `file`, which stands at `offset`, as they are.
    pub(super) fn part(file: File, name: &str, offset: u64) -> Self {
        let (name, reader, buffer) = (name.to_owned(), Box::new(file), vec![0; BUFFER]);
        Self {
            name,
            compression: None,
            reader,
            buffer,
            start: 0,
            end: 0,
            consumed: offset,
            left: u64::MAX,
            ended: None,
        }
    }

    /// Ends after the first `octets` of the uncompressed capture, those at hand included.
    pub(super) fn limit(&mut self, octets: u64) {
        let at_hand = self.bytes().len() as u64;
        let wanted = octets.saturating_sub(self.consumed);
        self.left = wanted.saturating_sub(at_hand);
        if let Some(excess) = at_hand.checked_sub(wanted).filter(|&excess| excess > 0) {
            self.end -= usize::try_from(excess).unwrap_or(usize::MAX);
            self.ended = Some(Ended::Limit);
        }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Tells the format by the first octets, which stay.
    pub(super) fn format(&mut self) -> Result<Format, CaptureError> {
        self.at_least(4)?;
        if self.bytes().len() < 4
            && let Some(kind) = self.compression
        {
            let (name, compression, command) = (self.name.clone(), kind.name(), kind.command());
            match self.ended {
                Some(Ended::Cut) => return Err(CaptureError::Decompress { name, compression }),
                Some(Ended::Memory) => {
                    return Err(CaptureError::Memory { name, compression, command, mib: MEMORY_MIB });
                }
                _ => {}
            }
        }
        let known = matches!(self.bytes().first_chunk(), Some(&magic) if magic == NG || is_classic(magic));
        if !known
            && self.at_least(16)?
            && let Some((what, advice)) = compressed::foreign(self.bytes())
        {
            return Err(CaptureError::Foreign { name: self.name.clone(), what, advice });
        }
        let bytes = self.bytes();
        let not_a_capture = || CaptureError::NotACapture {
            name: self.name.clone(),
            found: bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
        };
        match bytes.first_chunk::<4>() {
            _ if bytes.is_empty() => Err(CaptureError::Empty { name: self.name.clone() }),
            Some(&NG) => Ok(Format::Ng),
            Some(&magic) if is_classic(magic) => Ok(Format::Classic),
            _ => Err(not_a_capture()),
        }
    }

    /// The octets at hand.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Goes past `len` of them.
    #[inline]
    pub(super) fn consume(&mut self, len: usize) {
        let len = len.min(self.end - self.start);
        self.start += len;
        self.consumed += len as u64;
    }

    /// Where the octets at hand begin, in the uncompressed capture.
    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }

    /// Reads once, with room for a record of `need` octets from the first at hand. `false` at the end.
    pub(super) fn fill(&mut self, need: usize) -> Result<bool, CaptureError> {
        if self.ended.is_some() {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if need > self.buffer.len() {
            if need > MAX_RECORD {
                return Err(CaptureError::TooLarge {
                    name: self.name.clone(),
                    offset: self.consumed,
                    claimed: need as u64,
                    bound: MAX_RECORD,
                });
            }
            self.buffer.resize(need.next_power_of_two(), 0);
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        // One octet past the limit tells whether there is more.
        let allowed = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX).min(room.len());
        let room = room.get_mut(..allowed).unwrap_or_default();
        loop {
            match self.reader.read(room) {
                Ok(0) => {
                    self.ended = Some(Ended::Well);
                    return Ok(false);
                }
                Ok(len) if len as u64 > self.left => {
                    self.end += len - 1;
                    self.left = 0;
                    self.ended = Some(Ended::Limit);
                    return Ok(len > 1);
                }
                Ok(len) => {
                    self.end += len;
                    self.left -= len as u64;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The system's own errors have a number; those of a decompressor mean that its input is damaged.
                Err(error) if error.raw_os_error().is_none() => {
                    self.ended = Some(if compressed::wants_memory(&error) { Ended::Memory } else { Ended::Cut });
                    return Ok(false);
                }
                Err(source) => return Err(CaptureError::Read { name: self.name.clone(), source }),
            }
        }
    }

    /// Reads until `len` octets are at hand; `false` if the input ends before.
    pub(super) fn at_least(&mut self, len: usize) -> Result<bool, CaptureError> {
        while self.bytes().len() < len {
            if !self.fill(len)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// After the end: what is wrong with it, if octets are left over or the decompressor found damage.
    pub(super) fn cut(&self) -> Option<String> {
        let (name, offset) = (&self.name, self.consumed);
        match self.ended {
            Some(Ended::Cut) => Some(format!(
                "{name} is cut or damaged in its compressed data: what comes before octet {offset} of the capture \
                 was read"
            )),
            Some(Ended::Memory) => Some(format!(
                "{name} needs more than {MEMORY_MIB} MiB of memory to be decompressed further: what comes before octet \
                 {offset} of the capture was read"
            )),
            Some(Ended::Limit) => {
                Some(format!("{name} is longer than was to be read: what comes before octet {offset} was counted"))
            }
            Some(Ended::Well) if !self.bytes().is_empty() => {
                Some(format!("{name} is cut within a record at octet {offset}: what comes before was read"))
            }
            _ => None,
        }
    }
}
