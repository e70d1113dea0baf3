//! Compressed captures: which compression it is, by its first octets, and a reader of what is in it, in bounded memory.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

/// Memory that a decompressor may take for its window, in mebibytes: what zstd's and xz's own programs take at their usual
/// levels, and no file can make it more.
pub(super) const MEMORY_MIB: u32 = 128;
/// zstd's window of so many octets, as an exponent of 2.
const ZSTD_WINDOW_LOG: u32 = 27;

/// What LZ4's legacy frames begin with.
const LZ4_LEGACY: u8 = 0x02;

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// LZ4's frame format, and its legacy one.
    Lz4,
    /// The .xz format.
    Xz,
}

impl Compression {
    /// Octets that tell a compression.
    pub(super) const MAGIC_LEN: usize = 6;

    /// What begins with `magic`.
    pub(super) fn of(magic: &[u8]) -> Option<Self> {
        match *magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] | [LZ4_LEGACY, 0x21, 0x4c, 0x18, ..] => Some(Self::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    /// Its name, as its program is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        }
    }

    /// The command that decompresses what needs more memory.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Gzip => "gzip -dc",
            Self::Zstd => "zstd -dc --long=31",
            Self::Lz4 => "lz4 -dc",
            Self::Xz => "xz -dc",
        }
    }

    /// Reads what is in `reader`, several pieces after one another too.
    ///
    /// # Errors
    /// When the decompressor cannot be made.
    pub(super) fn reader(self, reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(reader)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Self::Lz4 => {
                let reader = BufReader::new(Tail { reader, first: None, last: [0; 8] });
                Box::new(Lz4(lz4_flex::frame::FrameDecoder::new(reader)))
            }
            // Its headers and checks are read in few octets at a time.
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(BufReader::new(reader), true, MEMORY_MIB << 10)),
        })
    }
}

/// Whether a decompressor stopped because it would take more memory than it has: zstd says so in words only.
pub(super) fn wants_memory(error: &io::Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory || error.to_string().contains("memory")
}

/// LZ4 frames, one after the other. The decoder alone ends with each, and between two blocks of a frame that is cut.
struct Lz4<R: Read>(lz4_flex::frame::FrameDecoder<BufReader<Tail<R>>>);

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.0.read(room)?;
            if len > 0 || room.is_empty() {
                return Ok(len);
            }
            let reader = self.0.get_mut();
            if reader.fill_buf()?.is_empty() {
                return if reader.get_ref().is_whole() { Ok(0) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }
}

/// Remembers how its octets began and ended.
struct Tail<R> {
    reader: R,
    first: Option<u8>,
    last: [u8; 8],
}

impl<R> Tail<R> {
    /// Whether the end mark of a frame is where it belongs: four zeros, and perhaps a check sum of four octets behind them.
    /// Legacy frames have none.
    fn is_whole(&self) -> bool {
        self.first == Some(LZ4_LEGACY) || self.last.starts_with(&[0; 4]) || self.last.ends_with(&[0; 4])
    }
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(room)?;
        let read = room.get(..len).unwrap_or_default();
        self.first = self.first.or(read.first().copied());
        for &octet in read.iter().skip(len.saturating_sub(self.last.len())) {
            self.last.rotate_left(1);
            if let Some(last) = self.last.last_mut() {
                *last = octet;
            }
        }
        Ok(len)
    }
}

/// What is no capture, and yet known: its name, and how to make a capture of it.
pub(super) fn foreign(start: &[u8]) -> Option<(&'static str, &'static str)> {
    match *start {
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            Some(("in bzip2, which is not read", "`bzcat FILE | airtally inspect -` reads what is in it"))
        }
        [b'S', b'Q', b'L', b'i', b't', b'e', b' ', b'f', ..] => Some((
            "a SQLite database, as Kismet writes it (.kismet)",
            "Kismet's `kismetdb_to_pcap --in FILE --out NAME.pcap` makes a capture of it",
        )),
        [b'P', b'K', 3, 4, ..] => Some(("in a zip archive", "unpack it first")),
        [b'7', b'z', 0xbc, 0xaf, ..] => Some(("in a 7-Zip archive", "unpack it first")),
        _ => None,
    }
}
