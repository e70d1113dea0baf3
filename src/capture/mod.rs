//! Where frames come from: an interface, capture files, standard input. Counts nothing.
//!
//! [`Source`] hands out [`Packet`]s, one buffer at a time, so that whoever calls can look at clocks and stop flags
//! in between. `input` opens and decompresses files, `classic` and `ng` read their two formats, `live` listens to
//! an interface, `filter` judges packets, [`segments`] divides a large file among threads, [`survey`] looks at the
//! first packets before they are counted.

mod classic;
mod error;
#[cfg(feature = "pcap")]
mod filter;
mod input;
#[cfg(feature = "pcap")]
mod live;
mod ng;
#[cfg(not(feature = "pcap"))]
mod no_filter;
pub mod segments;
pub mod survey;

pub use error::CaptureError;
#[cfg(feature = "pcap")]
pub use filter::Filter;
#[cfg(feature = "pcap")]
pub use live::{Drops, LiveOptions, Waker};
#[cfg(not(feature = "pcap"))]
pub use no_filter::Filter;

use crate::{
    UnixNanos,
    dot11::{LinkType, Told},
};
use input::{Format, Input};
use std::{io::Read, path::Path};

/// One captured packet, borrowed from its source for as long as it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it was captured.
    pub time: UnixNanos,
    /// What its bytes begin with.
    pub link: LinkType,
    /// The bytes that were kept.
    pub data: &'a [u8],
    /// How many there were on the air, the capture header included: what Wireshark calls `frame.len`.
    pub original_len: u32,
    /// What else the file says of it.
    pub told: Told,
}

/// How a call of [`Source::poll`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// There may be more at once.
    More,
    /// Nothing came for a while, or somebody called [`Waker::wake`]; live sources only.
    Idle,
    /// The source has ended; [`Source::warning`] says whether well.
    End,
}

/// A source of packets.
pub struct Source(Kind);

enum Kind {
    Classic(classic::Classic),
    Ng(Box<ng::Ng>),
    #[cfg(feature = "pcap")]
    Live(live::Live),
}

impl Source {
    /// Opens a capture file: pcap or pcapng, as it is or compressed with gzip or zstd.
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

    fn open(mut input: Input) -> Result<Self, CaptureError> {
        Ok(Self(match input.format()? {
            Format::Classic => Kind::Classic(classic::Classic::new(input)?),
            Format::Ng => Kind::Ng(Box::new(ng::Ng::new(input))),
        }))
    }

    /// Listens to an interface.
    ///
    /// # Errors
    /// When there is no such interface, it is down, this user may not capture, or its link type is not supported.
    #[cfg(feature = "pcap")]
    pub fn open_live(options: &LiveOptions) -> Result<Self, CaptureError> {
        live::Live::open(options).map(|live| Self(Kind::Live(live)))
    }

    /// Hands every packet that is at hand to `each`: those of one buffer of a file, or what an interface received,
    /// waiting for it up to 200 ms (longer if it is quiet: see [`Waker`]).
    ///
    /// # Errors
    /// When reading fails or what is read makes no sense. Every packet before that point has been handed over. A
    /// capture that merely stops short is no error: it ends, with a [`warning`](Self::warning).
    #[inline]
    pub fn poll<F: FnMut(Packet<'_>)>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        match &mut self.0 {
            Kind::Classic(classic) => classic.poll_blocks(&mut |block| block.iter().for_each(|packet| each(*packet))),
            Kind::Ng(ng) => ng.poll(each),
            #[cfg(feature = "pcap")]
            Kind::Live(live) => live.poll(each),
        }
    }

    /// As [`Self::poll`], but hands over several consecutive packets at a time where they are at hand anyway, for
    /// who can count a block of them faster than one after another.
    ///
    /// # Errors
    /// As [`Self::poll`].
    #[inline]
    pub fn poll_blocks<F: FnMut(&[Packet<'_>])>(&mut self, each: &mut F) -> Result<Polled, CaptureError> {
        match &mut self.0 {
            Kind::Classic(classic) => classic.poll_blocks(each),
            Kind::Ng(ng) => ng.poll(&mut |packet| each(&[packet])),
            #[cfg(feature = "pcap")]
            Kind::Live(live) => live.poll(&mut |packet| each(&[packet])),
        }
    }

    /// What is not right with the source although it could be read: cut short, or with packets that no reader here
    /// knows. Complete after [`Polled::End`].
    #[must_use]
    pub fn warning(&self) -> Option<&str> {
        match &self.0 {
            Kind::Classic(classic) => classic.warning(),
            Kind::Ng(ng) => ng.warning(),
            #[cfg(feature = "pcap")]
            Kind::Live(_) => None,
        }
    }

    /// Reads no more than the first `octets` of a capture, uncompressed, and ends there with a warning if there are
    /// more. Does nothing for live sources.
    pub fn limit(&mut self, octets: u64) {
        match &mut self.0 {
            Kind::Classic(classic) => classic.input_mut().limit(octets),
            Kind::Ng(ng) => ng.input_mut().limit(octets),
            #[cfg(feature = "pcap")]
            Kind::Live(_) => {}
        }
    }

    /// How many octets of the uncompressed capture were dealt with; 0 for live sources.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match &self.0 {
            Kind::Classic(classic) => classic.offset(),
            Kind::Ng(ng) => ng.offset(),
            #[cfg(feature = "pcap")]
            Kind::Live(_) => 0,
        }
    }

    /// Frames lost since the last call (or since the start); `None` for files, and where the system cannot say.
    #[cfg(feature = "pcap")]
    pub fn drops(&mut self) -> Option<Drops> {
        match &mut self.0 {
            #[cfg(feature = "pcap")]
            Kind::Live(live) => live.drops(),
            Kind::Classic(_) | Kind::Ng(_) => None,
        }
    }

    /// What ends a wait for packets from another thread; `None` for files.
    #[cfg(feature = "pcap")]
    #[must_use]
    pub fn waker(&mut self) -> Option<Waker> {
        match &mut self.0 {
            #[cfg(feature = "pcap")]
            Kind::Live(live) => Some(live.waker()),
            Kind::Classic(_) | Kind::Ng(_) => None,
        }
    }

    /// The link types met so far, in the order met, unsupported ones included.
    #[must_use]
    pub fn link_types(&self) -> Vec<LinkType> {
        match &self.0 {
            Kind::Classic(classic) => vec![classic.link()],
            Kind::Ng(ng) => ng.link_types().to_vec(),
            #[cfg(feature = "pcap")]
            Kind::Live(live) => vec![live.link()],
        }
    }
}
