//! Payloads to containers of a bounded size: for a file, or each one a datagram.

use super::{
    Limits, Payload,
    body::{self, SEQUENCED},
    fragments::Fragment,
    header::{self, DEFAULT_MTU, FILE_CONTAINER, FRAGMENT, HEADER, Header, LEAST_MTU, ZLIB},
};
use flate2::Compress;
use prost::Message as _;
use std::collections::VecDeque;

/// Octets that a fragment's own fields take beside the header, at most.
const FRAGMENT_FIELDS: usize = 22;

/// How containers are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterSettings {
    /// Octets of a container, header included, at most: a datagram's, without those of UDP and IP. Less than
    /// [`LEAST_MTU`] counts as that.
    pub most: usize,
    /// Compress containers that become smaller by it.
    pub zlib: bool,
    /// Number the containers, as is done on sockets.
    pub sequence: bool,
    /// The output's id, and what tells its fragments from others: any random number.
    pub id: u64,
    /// A container for each payload.
    pub unbuffered: bool,
    /// The source of every payload, instead of its own.
    pub source: Option<u32>,
    /// The operator of every payload, instead of its own.
    pub operator: Option<u32>,
    /// The group of every payload, instead of its own.
    pub group: Option<u32>,
}

impl WriterSettings {
    /// For a file or a pipe: large containers without numbers.
    #[must_use]
    pub const fn file() -> Self {
        Self {
            most: FILE_CONTAINER,
            zlib: false,
            sequence: false,
            id: 0,
            unbuffered: false,
            source: None,
            operator: None,
            group: None,
        }
    }

    /// For a socket: numbered datagrams of [`DEFAULT_MTU`] octets. `id` must be random.
    #[must_use]
    pub const fn socket(id: u64) -> Self {
        Self { most: DEFAULT_MTU, sequence: true, id, ..Self::file() }
    }
}

/// A payload larger than what readers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {0} octets is larger than what a reader takes; it is left out")]
pub struct TooLarge(pub usize);

/// Makes containers.
#[derive(Debug)]
pub struct Writer {
    settings: WriterSettings,
    /// Encoded payloads of the open container, with their check sums.
    payloads: Vec<(Vec<u8>, u32)>,
    /// Octets that they will take.
    size: usize,
    /// The number of the next container.
    number: u32,
    /// The id of the next fragmented container.
    fragmented: u32,
    ready: VecDeque<Vec<u8>>,
    zlib: Option<Compress>,
}

impl Writer {
    /// A writer with these settings.
    #[must_use]
    pub fn new(mut settings: WriterSettings) -> Self {
        settings.most = settings.most.max(LEAST_MTU);
        // Of the id's upper half: the lower may be a counter of somebody's.
        let fragmented =
            u32::try_from(settings.id >> 32).unwrap_or(0) ^ u32::try_from(settings.id & 0xffff_ffff).unwrap_or(0);
        let zlib = settings.zlib.then(body::compressor);
        Self { settings, payloads: Vec::new(), size: 0, number: 0, fragmented, ready: VecDeque::new(), zlib }
    }

    /// Adds a payload. Containers that are full by it wait for [`Writer::pop`].
    ///
    /// # Errors
    ///
    /// The payload is larger than what a [`Reader`](super::Reader) takes by its default. It is left out.
    pub fn push(&mut self, mut payload: Payload) -> Result<(), TooLarge> {
        let settings = self.settings;
        payload.source = settings.source.or(payload.source);
        payload.operator = settings.operator.or(payload.operator);
        payload.group = settings.group.or(payload.group);
        let len = payload.octets.len();
        if body::size(len) + 128 > Limits::default().body {
            return Err(TooLarge(len));
        }
        let sum = header::check_sum(&payload.octets);
        let octets = payload.encode();
        let size = body::size(octets.len());
        // Compressed, twice as much will fit as a rule; what does not is cut in two.
        let room = (settings.most - HEADER - SEQUENCED) * if settings.zlib { 2 } else { 1 };
        if self.size + size > room {
            self.flush();
        }
        self.size += size;
        self.payloads.push((octets, sum));
        if settings.unbuffered {
            self.flush();
        }
        Ok(())
    }

    /// Closes the open container, if it has payloads.
    pub fn flush(&mut self) {
        let payloads = std::mem::take(&mut self.payloads);
        self.size = 0;
        self.close(&payloads);
    }

    /// The next container, header included; for a socket: the next datagram.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.ready.pop_front()
    }

    /// Whether payloads wait in the open container.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.payloads.is_empty()
    }

    /// The number that the next container will have: how many were made.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    fn close(&mut self, payloads: &[(Vec<u8>, u32)]) {
        if payloads.is_empty() {
            return;
        }
        let sequence = self.settings.sequence.then_some((self.settings.id, self.number));
        let plain = body::write(payloads, sequence);
        let squeezed = self.zlib.as_mut().and_then(|zlib| body::deflate(zlib, &plain));
        let (flags, body) = match squeezed {
            Some(squeezed) if squeezed.len() < plain.len() => (ZLIB, squeezed),
            _ => (0, plain),
        };
        if HEADER + body.len() <= self.settings.most {
            self.number = self.number.wrapping_add(1);
            self.ready.push_back(with_header(flags, &body));
        } else if payloads.len() > 1 {
            let (first, second) = payloads.split_at(payloads.len() / 2);
            self.close(first);
            self.close(second);
        } else {
            self.number = self.number.wrapping_add(1);
            self.fragment(flags, &body);
        }
    }

    fn fragment(&mut self, flags: u8, body: &[u8]) {
        let size = self.settings.most - HEADER - FRAGMENT_FIELDS - 4;
        let crc = Some(header::check_sum(body));
        let id = Some(self.fragmented);
        self.fragmented = self.fragmented.wrapping_add(1);
        let last = u32::try_from(body.len().div_ceil(size) - 1).ok();
        for (current, piece) in (0..).zip(body.chunks(size)) {
            let fragment = Fragment { id, current: Some(current), last, fragment: Some(piece.to_vec()), crc };
            self.ready.push_back(with_header(flags | FRAGMENT, &fragment.encode_to_vec()));
        }
    }
}

fn with_header(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + body.len());
    Header::write(flags, body.len(), &mut out);
    out.extend_from_slice(body);
    out
}
