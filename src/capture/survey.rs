//! The first packets of a capture, looked at before they are counted: whether its headers can be believed. The same
//! packets are looked at however the capture is read, so that the verdict does not depend on it.

use super::{CaptureError, Packet, Polled, Source};
use crate::{
    UnixNanos,
    dot11::{
        LinkType,
        evidence::{Evidence, Told, Verdict},
    },
};
use std::{ops::Range, path::Path};

/// Octets of packets after which no more are looked at.
const OCTETS: usize = 1 << 20;
/// Capture time from the first packet after which no more are looked at, in nanoseconds: who reads a pipe does not
/// want to wait.
const SPAN: u64 = 60_000_000_000;

/// The packets that were read, to be counted now.
pub struct Survey {
    octets: Vec<u8>,
    packets: Vec<Kept>,
    verdict: Verdict,
    ended: Result<Polled, CaptureError>,
}

/// A packet without its octets.
struct Kept {
    time: UnixNanos,
    link: LinkType,
    original_len: u32,
    told: Told,
    mended: bool,
    octets: Range<usize>,
}

impl Survey {
    /// Reads as much of `source` as the verdict needs.
    #[must_use]
    pub fn begin(source: &mut Source) -> Self {
        let (mut octets, mut packets, mut evidence) = (Vec::new(), Vec::<Kept>::new(), Evidence::default());
        let mut is_enough = false;
        let ended = loop {
            let polled = source.poll(&mut |packet| {
                let (now, first) = (packet.time.known(), packets.iter().find_map(|first| first.time.known()));
                let is_late = now.zip(first).is_some_and(|(now, first)| now.0.abs_diff(first.0) > SPAN);
                is_enough |= evidence.is_enough() || octets.len() >= OCTETS || is_late;
                if !is_enough {
                    evidence.add(packet.link, packet.data, packet.original_len, packet.told);
                }
                let start = octets.len();
                octets.extend_from_slice(packet.data);
                let Packet { time, link, original_len, told, mended, .. } = packet;
                packets.push(Kept { time, link, original_len, told, mended, octets: start..octets.len() });
            });
            match polled {
                Ok(Polled::More) if !is_enough => {}
                ended => break ended,
            }
        };
        Self { octets, packets, verdict: evidence.verdict(), ended }
    }

    /// The verdict on the capture at `path`; that nothing is wrong if it cannot be read.
    #[must_use]
    pub fn of_file(path: &Path) -> Verdict {
        Source::open_file(path).map_or(Verdict::default(), |mut source| Self::begin(&mut source).verdict)
    }

    /// What the packets show.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Hands over the packets that were read, and says how reading them ended: as [`Source::poll`].
    ///
    /// # Errors
    /// As [`Source::poll`].
    pub fn replay<F: FnMut(Packet<'_>)>(self, each: &mut F) -> Result<Polled, CaptureError> {
        for Kept { time, link, original_len, told, mended, octets } in self.packets {
            let data = self.octets.get(octets).unwrap_or_default();
            each(Packet { time, link, data, original_len, told, mended });
        }
        self.ended
    }
}
