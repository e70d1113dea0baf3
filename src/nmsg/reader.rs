//! Containers to payloads: a stream's octets as they come, or datagrams. Whatever comes, it is bounded, and counted.

use super::{
    Counts, Payload,
    body::{self, Body, Found, Inflate},
    fragments::Fragments,
    header::{FRAGMENT, Header, ZLIB},
    sequence::Sequences,
};
use flate2::Decompress;
use std::{collections::VecDeque, time::Duration};

/// What a reader allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a container's body, before and after decompression, and put together of fragments.
    pub body: usize,
    /// Octets of fragments that wait for others, with what it costs to keep them.
    pub fragments: usize,
    /// How long fragments wait for others.
    pub patience: Duration,
    /// Outputs whose sequence numbers are followed.
    pub outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 8 << 20, fragments: 32 << 20, patience: Duration::from_secs(30), outputs: 1024 }
    }
}

/// Why a stream is read no further: where the next container begins is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// What stands there is no NMSG.
    #[error("what stands at octet {0} is no NMSG container")]
    NotNmsg(u64),
    /// A version that is not known.
    #[error("the container at octet {at} is of version {version}; versions 1 and 2 are read")]
    Version {
        /// Where it begins.
        at: u64,
        /// Its version.
        version: u8,
    },
    /// A container that is larger than the limit.
    #[error("the container at octet {at} says that it has {len} octets; {most} are read at most")]
    TooLarge {
        /// Where it begins.
        at: u64,
        /// Octets of its body, as it says.
        len: usize,
        /// The limit.
        most: usize,
    },
    /// The stream ends within a container.
    #[error("the container at octet {0} is cut: the input ends within it")]
    Cut(u64),
}

/// Reads containers.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    counts: Counts,
    fragments: Fragments,
    sequences: Sequences,
    /// Bodies that are not yet read to their end.
    bodies: VecDeque<Body>,
    /// Octets of a stream that do not yet make a container.
    pending: Vec<u8>,
    /// Octets of `pending` that were read.
    read: usize,
    /// Where in the stream the next container begins.
    at: u64,
    stopped: Option<Stop>,
    ended: bool,
    zlib: Decompress,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Reader {
    /// A reader with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            counts: Counts::default(),
            fragments: Fragments::default(),
            sequences: Sequences::new(limits.outputs),
            bodies: VecDeque::new(),
            pending: Vec::new(),
            read: 0,
            at: 0,
            stopped: None,
            ended: false,
            zlib: Decompress::new(true),
        }
    }

    /// What was read and refused so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Why the stream is read no further, if it is not.
    #[must_use]
    pub const fn stopped(&self) -> Option<Stop> {
        self.stopped
    }

    /// Takes octets of a stream: a file or a pipe. They are kept until [`Reader::next_payload`] has been asked for all
    /// payloads; give some 64 KiB at a time.
    pub fn push(&mut self, octets: &[u8]) {
        if self.stopped.is_some() {
            return;
        }
        self.counts.octets += octets.len() as u64;
        self.pending.extend_from_slice(octets);
    }

    /// The stream has ended.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Takes one datagram: exactly one container. `from` tells senders apart, so that their fragments do not mix; `now`
    /// is the time since any fixed moment, by which fragments that wait too long are dropped.
    pub fn datagram(&mut self, octets: &[u8], from: u64, now: Duration) {
        self.counts.octets += octets.len() as u64;
        self.fragments.expire(now, &self.limits, &mut self.counts);
        match Header::read(octets) {
            Header::Foreign => self.counts.not_nmsg += 1,
            Header::Short => self.counts.wrong_length += 1,
            Header::Version(_) => self.counts.unknown_version += 1,
            Header::Known { header, flags, body } => match octets.get(header..) {
                Some(there) if there.len() == body => self.container(flags, there.to_vec(), Some(from), now),
                _ => self.counts.wrong_length += 1,
            },
        }
    }

    /// Drops fragments that wait too long, where no datagram has come for a while.
    pub fn tick(&mut self, now: Duration) {
        self.fragments.expire(now, &self.limits, &mut self.counts);
    }

    /// The next payload of what was taken so far.
    pub fn next_payload(&mut self) -> Option<Payload> {
        loop {
            while let Some(body) = self.bodies.front_mut() {
                match body.next() {
                    Some(Found::Payload(payload)) => {
                        self.counts.payloads += 1;
                        return Some(payload);
                    }
                    Some(Found::Damaged) => self.counts.damaged_payloads += 1,
                    Some(Found::BadCheckSum) => self.counts.bad_check_sums += 1,
                    None => {
                        self.bodies.pop_front();
                    }
                }
            }
            if !self.next_container() {
                return None;
            }
        }
    }

    /// Takes the next container out of the stream; whether there was one.
    fn next_container(&mut self) -> bool {
        if self.stopped.is_some() {
            return false;
        }
        let rest = self.pending.get(self.read..).unwrap_or_default();
        let (stop, count) = match Header::read(rest) {
            _ if rest.is_empty() => {
                self.give_room();
                self.finish();
                return false;
            }
            Header::Foreign => (Stop::NotNmsg(self.at), &mut self.counts.not_nmsg),
            Header::Version(version) => (Stop::Version { at: self.at, version }, &mut self.counts.unknown_version),
            Header::Known { body, .. } if body > self.limits.body => {
                (Stop::TooLarge { at: self.at, len: body, most: self.limits.body }, &mut self.counts.too_large)
            }
            Header::Known { header, flags, body } if rest.len() >= header + body => {
                let octets = rest.get(header..header + body).unwrap_or_default().to_vec();
                self.read += header + body;
                self.at += (header + body) as u64;
                self.container(flags, octets, None, Duration::ZERO);
                return true;
            }
            Header::Short | Header::Known { .. } if self.ended => (Stop::Cut(self.at), &mut self.counts.wrong_length),
            Header::Short | Header::Known { .. } => {
                self.give_room();
                return false;
            }
        };
        *count += 1;
        self.stopped = Some(stop);
        self.pending = Vec::new();
        self.read = 0;
        self.fragments.end(&mut self.counts);
        false
    }

    /// Forgets what was read of the stream.
    fn give_room(&mut self) {
        self.pending.drain(..self.read.min(self.pending.len()));
        self.read = 0;
    }

    /// What is still incomplete when all has come will stay so.
    fn finish(&mut self) {
        if self.ended {
            self.fragments.end(&mut self.counts);
        }
    }

    /// Takes a container's body as it came: from a sender, or from a stream.
    fn container(&mut self, flags: u8, octets: Vec<u8>, from: Option<u64>, now: Duration) {
        if flags & !(ZLIB | FRAGMENT) != 0 {
            self.counts.unknown_flags += 1;
            return;
        }
        let octets = if flags & FRAGMENT == 0 {
            octets
        } else {
            match self.fragments.take((from.unwrap_or_default(), flags), &octets, now, &self.limits, &mut self.counts) {
                Some(whole) => whole,
                None => return,
            }
        };
        let octets = if flags & ZLIB == 0 {
            octets
        } else {
            match body::inflate(&mut self.zlib, &octets, self.limits.body) {
                Ok(octets) => octets,
                Err(Inflate::TooLarge) => {
                    self.counts.too_large += 1;
                    return;
                }
                Err(Inflate::Bad) => {
                    self.counts.bad_zlib += 1;
                    return;
                }
            }
        };
        let Some(body) = Body::read(octets) else {
            self.counts.damaged += 1;
            return;
        };
        let is_new = body.sequence.is_none_or(|(id, number)| self.sequences.came(id, number, &mut self.counts));
        // The network doubles datagrams; what stands in a file twice was put there twice.
        if is_new || from.is_none() {
            self.counts.containers += 1;
            self.bodies.push_back(body);
        }
    }
}
