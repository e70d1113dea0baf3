//! Where frames come from: an interface, capture files, standard input. Counts nothing.
//!
//! [`Source`] hands out [`Packet`]s, one buffer at a time, so that whoever calls can look at clocks and stop flags
//! in between. `input` opens and decompresses files, `classic` and `ng` read their two formats, `live` listens to
//! an interface, `filter` judges packets, [`segments`] divides a large file among threads, [`survey`] looks at the
//! first packets before they are counted.

mod classic;
mod compressed;
mod error;
#[cfg(feature = "pcap")]
mod filter;
mod input;
#[cfg(feature = "pcap")]
mod live;
mod ng;
#[cfg(not(feature = "pcap"))]
mod no_filter;
mod pipe;
pub mod segments;
pub mod survey;
mod times;

pub use error::CaptureError;
#[cfg(feature = "pcap")]
pub use filter::Filter;
#[cfg(feature = "pcap")]
pub use live::{Drops, LiveOptions, Waker};
#[cfg(not(feature = "pcap"))]
pub use no_filter::Filter;
pub use pipe::Stdin;

use crate::{
    UnixNanos,
    dot11::{LinkType, Told},
};
use input::{Format, Input};
use std::{io::Read, path::Path};
use times::Times;

/// One captured packet, borrowed from its source for as long as it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it was captured, mended where that could not be right (docs/inspect.md); [`UnixNanos::NONE`] if it has no time
    /// and none before it has.
    pub time: UnixNanos,
    /// What its bytes begin with.
    pub link: LinkType,
    /// The bytes that were kept.
    pub data: &'a [u8],
    /// How many there were on the air, the capture header included: what Wireshark calls `frame.len`.
    pub original_len: u32,
    /// What else the file says of it.
    pub told: Told,
    /// Whether `time` is another than the capture says.
    pub mended: bool,
}

/// How a call of [`Source::poll`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// There may be more at once.
    More,
    /// Nothing came for a while, or somebody called [`Waker::wake`]; live sources only.
    Idle,
    /// The source has ended; [`Source::warnings`] says whether well.
    End,
}

/// A source of packets.
pub struct Source {
    kind: Reader,
    times: Times,
}

enum Reader {
    Classic(classic::Classic),
    Ng(Box<ng::Ng>),
    #[cfg(feature = "pcap")]
    LiveCapture(live::LiveCapture),
}

impl Source {
    /// Opens a capture file: pcap or pcapng, as it is or compressed with gzip, zstd, lz4 or xz.
    ///
    /// # Errors
    /// When it cannot be read, is not a capture, or its link type is not supported.
    pub fn open_file(path: &Path) -> Result<Self, CaptureError> {
        Self::open(Input::open(path)?)
    }

    /// Reads a capture from `reader`, as from a file; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`Self::open_file`].
    pub fn from_reader(reader: Box<dyn Read + Send>, name: &str) -> Result<Self, CaptureError> {
        Self::open(Input::new(reader, name)?)
    }

    fn of(kind: Reader) -> Self {
        Self { kind, times: Times::default() }
    }

    fn open(mut input: Input) -> Result<Self, CaptureError> {
        Ok(Self::of(match input.format()? {
            Format::Classic => Reader::Classic(classic::Classic::new(input)?),
            Format::Ng => Reader::Ng(Box::new(ng::Ng::new(input))),
        }))
    }

    /// Listens to an interface.
    ///
    /// # Errors
    /// When there is no such interface, it is down, this user may not capture, or its link type is not supported.
    #[cfg(feature = "pcap")]
    pub fn open_live(options: &LiveOptions) -> Result<Self, CaptureError> {
        live::LiveCapture::open(options).map(|live| Self::of(Reader::LiveCapture(live)))
    }

    /// Hands every packet that is at hand to `each`: those of one buffer of a file, or what an interface received,
    /// waiting for it up to 200 ms (longer if it is quiet: see [`Waker`]).
    ///
    /// # Errors
    /// When reading fails or what is read makes no sense. Every packet before that point has been handed over. A
    /// capture that merely stops short is no error: it ends, with a [warning](Self::warnings).
    #[inline]
    pub fn poll<F: FnMut(Packet<'_>)>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        self.poll_blocks(&mut |block| block.iter().for_each(|packet| each(*packet)))
    }

    /// As [`Self::poll`], but hands over several consecutive packets at a time where they are at hand anyway, for
    /// who can count a block of them faster than one after another.
    ///
    /// # Errors
    /// As [`Self::poll`].
    #[inline]
    pub fn poll_blocks<F: FnMut(&[Packet<'_>])>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        let times = &mut self.times;
        let polled = match &mut self.kind {
            Reader::Classic(classic) => classic.poll_blocks(&mut |block| times.block(block, each)),
            Reader::Ng(ng) => ng.poll_blocks(&mut |block| times.block(block, each)),
            // The kernel's stamps are the sensor's to judge: it has clocks to hold them against.
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(live) => return live.poll(&mut |packet| each(&[packet])),
        };
        if matches!(polled, Ok(Polled::End) | Err(_)) {
            times.end(each);
        }
        polled
    }

    /// What messages call it: a file's path, or the name that it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            Reader::Classic(classic) => classic.name(),
            Reader::Ng(ng) => ng.name(),
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(_) => "the interface",
        }
    }

    /// What is not right with the source although it could be read: cut short, packets that no reader here knows,
    /// times that were mended. Complete after [`Polled::End`].
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let with_times =
            |name: &str, more: &mut dyn Iterator<Item = String>| more.chain(self.times.notes(name)).collect();
        match &self.kind {
            Reader::Classic(classic) => with_times(classic.name(), &mut classic.warnings()),
            Reader::Ng(ng) => with_times(ng.name(), &mut ng.warnings()),
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(_) => Vec::new(),
        }
    }

    /// Reads no more than the first `octets` of a capture, uncompressed, and ends there with a warning if there are
    /// more. Does nothing for live sources.
    pub fn limit(&mut self, octets: u64) {
        match &mut self.kind {
            Reader::Classic(classic) => classic.input_mut().limit(octets),
            Reader::Ng(ng) => ng.input_mut().limit(octets),
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(_) => {}
        }
    }

    /// A part of a capture goes on to the capture's end. `false` if it cannot: packets at its end had to be judged without
    /// those behind them, or it is no such part.
    pub fn read_on(&mut self) -> bool {
        match &mut self.kind {
            Reader::Classic(classic) if !self.times.was_cut() => {
                classic.read_on();
                true
            }
            _ => false,
        }
    }

    /// How many octets of the uncompressed capture were dealt with; 0 for live sources.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match &self.kind {
            Reader::Classic(classic) => classic.offset(),
            Reader::Ng(ng) => ng.offset(),
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(_) => 0,
        }
    }

    /// Frames lost since the last call (or since the start); `None` for files, and where the system cannot say.
    #[cfg(feature = "pcap")]
    pub fn drops(&mut self) -> Option<Drops> {
        match &mut self.kind {
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(live) => live.drops(),
            Reader::Classic(_) | Reader::Ng(_) => None,
        }
    }

    /// What ends a wait for packets from another thread; `None` for files.
    #[cfg(feature = "pcap")]
    #[must_use]
    pub fn waker(&mut self) -> Option<Waker> {
        match &mut self.kind {
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(live) => Some(live.waker()),
            Reader::Classic(_) | Reader::Ng(_) => None,
        }
    }

    /// The link types met so far, in the order met, unsupported ones included.
    #[must_use]
    pub fn link_types(&self) -> Vec<LinkType> {
        match &self.kind {
            Reader::Classic(classic) => vec![classic.link()],
            Reader::Ng(ng) => ng.link_types().to_vec(),
            #[cfg(feature = "pcap")]
            Reader::LiveCapture(live) => vec![live.link()],
        }
    }
}
