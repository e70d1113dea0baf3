//! The flows that are going on, bounded: which packets are one, when one has ended, which one gives way. Knows no packet.

use super::{
    fate::Sum,
    layer7::{self, Layer7},
    packet::{IpPacket, Tuple},
    record::{End, Flow},
    settings::Settings,
};
use crate::UnixNanos;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    time::Duration,
};

/// Packets with a payload whose content is looked at, at most, of each flow.
const MOST_LOOKED_AT: u8 = 8;
/// No place: the end of the list.
const NOWHERE: u32 = u32::MAX;

/// What packets of both directions share: the two ends in the order of their numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    low: u128,
    high: u128,
    /// The lower end's port in the high half.
    ports: u32,
    proto: u8,
    is_v6: bool,
}

impl Key {
    /// The key of a tuple, and whether its source is the lower end.
    #[inline]
    fn of(tuple: &Tuple) -> (Self, bool) {
        let number = |address| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        let (src, dst) = ((number(tuple.src), tuple.sport), (number(tuple.dst), tuple.dport));
        let from_low = src <= dst;
        let (low, high) = if from_low { (src, dst) } else { (dst, src) };
        let ports = u32::from(low.1) << 16 | u32::from(high.1);
        (Self { low: low.0, high: high.0, ports, proto: tuple.proto.0, is_v6: tuple.src.is_ipv6() }, from_low)
    }

    /// The tuple whose source is the lower end, or the higher one.
    #[expect(clippy::cast_possible_truncation, reason = "the halves of two words")]
    fn tuple(self, from_low: bool) -> Tuple {
        let address = |number: u128| match self.is_v6 {
            true => IpAddr::V6(Ipv6Addr::from(number)),
            false => IpAddr::V4(Ipv4Addr::from(number as u32)),
        };
        let (low, high) = ((address(self.low), (self.ports >> 16) as u16), (address(self.high), self.ports as u16));
        let (src, dst) = if from_low { (low, high) } else { (high, low) };
        Tuple { proto: super::packet::Proto(self.proto), src: src.0, sport: src.1, dst: dst.0, dport: dst.1 }
    }
}

impl Hash for Key {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of two words")]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The upper halves of IPv4 addresses are nothing.
        state.write_u64(self.low as u64);
        state.write_u64(self.high as u64);
        if self.is_v6 {
            state.write_u64((self.low >> 64) as u64);
            state.write_u64((self.high >> 64) as u64);
        }
        state.write_u64(u64::from(self.ports) << 16 | u64::from(self.proto) << 1 | u64::from(self.is_v6));
    }
}

/// A multiplication for each word, by a random seed of each table: who does not know it cannot choose packets that collide.
#[derive(Clone)]
struct Seeds([u64; 2]);

struct Folding {
    state: u64,
    by: u64,
}

impl BuildHasher for Seeds {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding { state: self.0[0], by: self.0[1] }
    }
}

impl Hasher for Folding {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|&octet| self.write_u64(u64::from(octet)));
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.by);
        self.state = product as u64 ^ (product >> 64) as u64;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}

/// A flow that goes on.
struct Slot {
    key: Key,
    from_low: bool,
    sent: Sum,
    received: Sum,
    first: UnixNanos,
    last: UnixNanos,
    flags_out: u8,
    flags_in: u8,
    looked_at: u8,
    layer7: Option<Layer7>,
    name: Option<Box<str>>,
    /// Which flow this was, in the order of their first packets.
    number: u64,
    /// How many records of it came before.
    part: u32,
    /// The neighbours in the order of their latest packets.
    older: u32,
    newer: u32,
}

/// The flows that are going on.
pub(super) struct Table {
    settings: Settings,
    index: HashMap<Key, u32, Seeds>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    started: u64,
    evicted: u64,
}

impl Table {
    pub(super) fn new(settings: Settings) -> Self {
        let random = RandomState::new();
        let seeds = Seeds([random.hash_one(0u8), random.hash_one(1u8) | 1]);
        Self {
            settings,
            index: HashMap::with_hasher(seeds),
            slots: Vec::new(),
            free: Vec::new(),
            oldest: NOWHERE,
            newest: NOWHERE,
            started: 0,
            evicted: 0,
        }
    }

    /// Flows that are going on.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Flows that gave way to others before they had ended.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// A packet of the flow of `tuple`. `packet` says what else it shows; it may be a fragment without ports of its own.
    #[inline]
    pub(super) fn packet(
        &mut self,
        time: UnixNanos,
        tuple: &Tuple,
        packet: &IpPacket<'_>,
        bytes: u32,
        emit: &mut impl FnMut(Flow),
    ) {
        if self.settings.idle.is_some() {
            self.sweep(time, emit);
        }
        let (key, from_low) = Key::of(tuple);
        let at = match self.index.get(&key) {
            Some(&at) => {
                self.renew(at, time, emit);
                self.touch(at);
                at
            }
            None => self.start(key, from_low, emit),
        };
        let names = self.settings.names;
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        if slot.from_low == from_low {
            slot.sent.add(bytes);
            slot.flags_out |= packet.tcp_flags;
        } else {
            slot.received.add(bytes);
            slot.flags_in |= packet.tcp_flags;
        }
        if time != UnixNanos::NONE {
            if slot.last == UnixNanos::NONE {
                (slot.first, slot.last) = (time, time);
            }
            slot.first = slot.first.min(time);
            slot.last = slot.last.max(time);
        }
        if slot.looked_at < MOST_LOOKED_AT && !packet.payload.is_empty() {
            slot.look(tuple, packet.payload, names);
        }
    }

    /// Ends what was idle for too long at `now`.
    #[inline]
    pub(super) fn sweep(&mut self, now: UnixNanos, emit: &mut impl FnMut(Flow)) {
        let Some(idle) = self.settings.idle else { return };
        while let Some(slot) = self.slots.get(self.oldest as usize)
            && is_past(slot.last, now, idle)
        {
            emit(self.end(self.oldest, End::Idle));
        }
    }

    /// Ends all, in the order in which they began.
    pub(super) fn finish(&mut self, emit: &mut impl FnMut(Flow)) {
        let mut left: Vec<(u64, u32)> =
            self.index.values().filter_map(|&at| Some((self.slots.get(at as usize)?.number, at))).collect();
        left.sort_unstable();
        self.index.clear();
        for (_, at) in left {
            if let Some(slot) = self.slots.get_mut(at as usize) {
                emit(slot.record(End::Capture));
            }
        }
        (self.oldest, self.newest) = (NOWHERE, NOWHERE);
        (self.slots, self.free) = (Vec::new(), Vec::new());
    }

    /// A record of what a long flow did so far, and it goes on; or the end of one that was idle out of turn, which happens
    /// where times are not in order.
    #[inline]
    fn renew(&mut self, at: u32, time: UnixNanos, emit: &mut impl FnMut(Flow)) {
        let Settings { idle, active, .. } = self.settings;
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        if idle.is_some_and(|idle| is_past(slot.last, time, idle)) {
            emit(slot.record(End::Idle));
            slot.clear();
        } else if active.is_some_and(|active| is_past(slot.first, time, active)) {
            emit(slot.record(End::Active));
            slot.clear();
            slot.part += 1;
        }
    }

    /// A place for a flow that is new, the one whose latest packet is the oldest giving way if there is no room.
    fn start(&mut self, key: Key, from_low: bool, emit: &mut impl FnMut(Flow)) -> u32 {
        if self.index.len() >= self.settings.max_flows.max(1) && self.oldest != NOWHERE {
            self.evicted += 1;
            emit(self.end(self.oldest, End::Evicted));
        }
        let slot = Slot {
            key,
            from_low,
            sent: Sum::default(),
            received: Sum::default(),
            first: UnixNanos::NONE,
            last: UnixNanos::NONE,
            flags_out: 0,
            flags_in: 0,
            looked_at: 0,
            layer7: None,
            name: None,
            number: self.started,
            part: 0,
            older: NOWHERE,
            newer: NOWHERE,
        };
        self.started += 1;
        let at = match self.free.pop() {
            Some(at) => at,
            None => u32::try_from(self.slots.len()).unwrap_or(NOWHERE),
        };
        match self.slots.get_mut(at as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        self.index.insert(key, at);
        self.append(at);
        at
    }

    /// Takes a flow out of the table.
    fn end(&mut self, at: u32, end: End) -> Flow {
        self.unlink(at);
        // Both exist: `at` comes from the list, which has what the index has.
        let slot = &mut self.slots[at as usize];
        self.index.remove(&slot.key);
        self.free.push(at);
        slot.record(end)
    }

    /// Puts a flow at the end of the list.
    #[inline]
    fn touch(&mut self, at: u32) {
        if self.newest != at {
            self.unlink(at);
            self.append(at);
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(slot) = self.slots.get(at as usize) else { return };
        let (older, newer) = (slot.older, slot.newer);
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }

    fn append(&mut self, at: u32) {
        let newest = self.newest;
        if let Some(slot) = self.slots.get_mut(at as usize) {
            (slot.older, slot.newer) = (newest, NOWHERE);
        }
        match self.slots.get_mut(newest as usize) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }
}

impl Slot {
    #[cold]
    #[inline(never)]
    fn look(&mut self, tuple: &Tuple, payload: &[u8], names: bool) {
        self.looked_at += 1;
        if self.layer7.is_none() {
            self.layer7 = layer7::of_payload(tuple.proto, tuple.sport, tuple.dport, payload);
        }
        let Some(layer7) = self.layer7 else { return };
        if names {
            self.name = layer7::name(layer7, tuple.proto, payload);
        }
        if !names || self.name.is_some() {
            self.looked_at = MOST_LOOKED_AT;
        }
    }

    fn record(&mut self, end: End) -> Flow {
        Flow {
            tuple: self.key.tuple(self.from_low),
            sent: self.sent,
            received: self.received,
            first: self.first.known(),
            last: self.last.known(),
            flags_out: self.flags_out,
            flags_in: self.flags_in,
            layer7: self.layer7,
            name: self.name.clone(),
            part: self.part,
            end,
        }
    }

    fn clear(&mut self) {
        (self.sent, self.received) = (Sum::default(), Sum::default());
        (self.first, self.last) = (UnixNanos::NONE, UnixNanos::NONE);
        (self.flags_out, self.flags_in) = (0, 0);
    }
}

/// Whether more than `bound` lies between two times that are known.
#[inline]
fn is_past(then: UnixNanos, now: UnixNanos, bound: Duration) -> bool {
    then != UnixNanos::NONE && now.saturating_since(then) > bound
}
