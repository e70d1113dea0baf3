//! Dividing one large classic capture among threads. Records have no marks to find them by, so the places to
//! divide at are guessed, and [`Segments::fit`] says afterwards whether the guesses were right.
//!
//! The proof: the first segment begins at the file's first record. Every segment reads whole records until one
//! begins at or past its end, so what begins there is a record if its own beginning was. If that place is where
//! the next segment began, that one was right too, and so on: then every record was read once. Otherwise the
//! answer is thrown away, and the file is read from one end to the other.

use super::{
    CaptureError, Reader, Source,
    classic::{Classic, FILE_HEADER, Header},
    input::Input,
};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// A segment is at least this long: shorter ones do not repay a thread.
const MIN_SEGMENT: u64 = 4 << 20;
/// How far past a dividing point a record is searched for.
const SEARCH: usize = 1 << 20;
/// How many records in a row must look like records.
const CHAIN: usize = 32;

/// A plan for reading a file in segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    path: PathBuf,
    header: Header,
    /// Where each segment begins.
    starts: Vec<u64>,
}

impl Segments {
    /// Plans to read the file at `path` in at most `parts` segments. `None` where it cannot be divided: compressed,
    /// pcapng, not a regular file, too small, or without a place that looks right.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn plan(path: &Path, parts: usize) -> Result<Option<Self>, CaptureError> {
        let name = || path.display().to_string();
        let open = || File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let (mut file, metadata) = open().map_err(|source| CaptureError::Open { name: name(), source })?;
        let parts = u64::try_from(parts).unwrap_or(u64::MAX).min(metadata.len() / MIN_SEGMENT);
        if !metadata.is_file() || parts < 2 {
            return Ok(None);
        }
        Self::divide(path, &mut file, metadata.len(), parts)
            .map_err(|source| CaptureError::Read { name: name(), source })
    }

    fn divide(path: &Path, file: &mut File, len: u64, parts: u64) -> io::Result<Option<Self>> {
        let mut head = [0; FILE_HEADER + 4];
        file.read_exact(&mut head)?;
        let header = head.first_chunk().and_then(Header::read).filter(|header| header.link.is_supported());
        let Some(header) = header else { return Ok(None) };
        let mut near = header.second(head.last_chunk().copied().unwrap_or_default());
        let mut starts = vec![FILE_HEADER as u64];
        let mut window = Vec::with_capacity(SEARCH);
        for part in 1..parts {
            let from = len / parts * part;
            file.seek(SeekFrom::Start(from))?;
            window.clear();
            file.by_ref().take(SEARCH as u64).read_to_end(&mut window)?;
            let Some((at, second)) = find(header, &window, near) else { return Ok(None) };
            starts.push(from + at as u64);
            near = second;
        }
        Ok(Some(Self { path: path.to_owned(), header, starts }))
    }

    /// How many segments there are; two at least.
    #[must_use]
    pub fn count(&self) -> usize {
        self.starts.len()
    }

    /// Opens one of them, from 0.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(&self, index: usize) -> Result<Source, CaptureError> {
        let start = self.starts.get(index).copied().unwrap_or(u64::MAX);
        let end = self.starts.get(index + 1).copied().unwrap_or(u64::MAX);
        let name = self.path.display().to_string();
        let open = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(start))?;
            Ok(file)
        };
        let file = open().map_err(|source| CaptureError::Open { name: name.clone(), source })?;
        Ok(Source::of(Reader::Classic(Classic::part(Input::part(file, &name, start), self.header, end))))
    }

    /// Whether the segments, each read to its end and given in order, fit together: whether their records are
    /// those of the file, each once, and no time among them is one to be asked about, which takes the packets before it.
    /// An error while reading one also means that they do not.
    #[must_use]
    pub fn fit(&self, read: &[Source]) -> bool {
        let ends = read.iter().map(|source| match &source.kind {
            Reader::Classic(classic) => Some(classic.offset()),
            Reader::Ng(_) => None,
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(_) => None,
        });
        let alike = |pair: &[Source]| matches!(pair, [one, other] if one.times.continues(&other.times));
        read.len() == self.starts.len()
            && read.windows(2).all(alike)
            && ends.zip(self.starts.iter().skip(1)).all(|(end, &start)| end == Some(start))
    }
}

/// The first place in `window` from which a chain of records goes on, and the second of the first of them.
fn find(header: Header, window: &[u8], near: u32) -> Option<(usize, u32)> {
    (0..window.len()).find_map(|at| {
        let (mut next, mut second, mut first) = (at, near, None);
        for _ in 0..CHAIN {
            let (len, at_second) = header.plausible(window.get(next..)?, second)?;
            (next, second) = (next + len, at_second);
            first = first.or(Some(at_second));
        }
        Some((at, first?))
    })
}
