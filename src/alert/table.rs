//! A table that never grows: a place for each key that was met lately, and the one quiet for longest gives way. Knows no
//! rule.

use crate::UnixNanos;
use std::time::Duration;

/// Places among which a key may stand.
const WAYS: usize = 8;

/// Keys and what is known of each, in `WAYS` places times a power of two.
#[derive(Debug)]
pub struct Table<K, V> {
    places: Vec<Option<Place<K, V>>>,
    sets: usize,
    evicted: u64,
}

#[derive(Clone, Debug)]
struct Place<K, V> {
    key: K,
    value: V,
    used: UnixNanos,
}

/// What a table is asked by: spread over 64 bits.
pub trait Key: Copy + Eq {
    /// The same bits for the same key.
    fn bits(self) -> u64;
}

impl Key for crate::Mac {
    fn bits(self) -> u64 {
        self.to_u64()
    }
}

impl Key for u64 {
    fn bits(self) -> u64 {
        self
    }
}

/// Mixes bits, so that similar keys stand far apart.
pub fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (bits ^ bits >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53) ^ bits >> 29
}

impl<K: Key, V: Default> Table<K, V> {
    /// Room for some `places` keys.
    pub fn new(places: usize) -> Self {
        let sets = places.div_ceil(WAYS).next_power_of_two();
        let mut all = Vec::new();
        all.resize_with(sets * WAYS, || None);
        Self { places: all, sets, evicted: 0 }
    }

    /// Keys that gave way to others.
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    fn set(&mut self, key: K) -> &mut [Option<Place<K, V>>] {
        let number = usize::try_from(mixed(key.bits()) >> 16).unwrap_or_default() & (self.sets - 1);
        self.places.get_mut(number * WAYS..(number + 1) * WAYS).unwrap_or_default()
    }

    /// What is known of `key`, if anything.
    pub fn get(&mut self, key: K) -> Option<&mut V> {
        self.set(key).iter_mut().flatten().find(|place| place.key == key).map(|place| &mut place.value)
    }

    /// All keys that are remembered.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.places.iter().flatten().map(|place| (place.key, &place.value))
    }

    /// What is known of `key`, which is nothing if it is new, and whether it is.
    pub fn entry(&mut self, key: K, now: UnixNanos) -> Option<(&mut V, bool)> {
        let set = self.set(key);
        let known = set.iter().position(|place| place.as_ref().is_some_and(|place| place.key == key));
        let at = match known {
            Some(at) => at,
            // A free place, else the one whose last use is the longest ago.
            None => set.iter().enumerate().min_by_key(|(_, place)| place.as_ref().map(|place| place.used))?.0,
        };
        let gives_way = known.is_none() && set.get(at).is_some_and(Option::is_some);
        self.evicted += u64::from(gives_way);
        let place = self.set(key).get_mut(at)?;
        if known.is_none() {
            *place = None;
        }
        let place = place.get_or_insert_with(|| Place { key, value: V::default(), used: now });
        place.used = place.used.max(now);
        Some((&mut place.value, known.is_none()))
    }
}

/// How far two times lie from each other: frames of a capture may be out of order, and a clock may be set.
pub fn apart(one: UnixNanos, other: UnixNanos) -> Duration {
    Duration::from_nanos(one.0.abs_diff(other.0))
}

/// The latest `N` times of something: whether it happened so often within so long is one comparison.
#[derive(Clone, Copy, Debug)]
pub struct Times<const N: usize> {
    times: [UnixNanos; N],
    next: usize,
}

impl<const N: usize> Default for Times<N> {
    fn default() -> Self {
        Self { times: [UnixNanos::NONE; N], next: 0 }
    }
}

impl<const N: usize> Times<N> {
    /// It happened once more. Gives the time of the first of the latest `N`, if these lie within so long.
    pub fn add(&mut self, time: UnixNanos, within: Duration) -> Option<UnixNanos> {
        if let Some(place) = self.times.get_mut(self.next) {
            *place = time;
        }
        self.next = (self.next + 1) % N;
        let first = self.times.get(self.next).copied().and_then(UnixNanos::known)?;
        (apart(first, time) <= within).then_some(first)
    }
}

/// Frames that say the same, no minute between two of them.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The time of the first.
    pub first: UnixNanos,
    /// The time of the latest.
    pub last: UnixNanos,
    /// How many.
    pub frames: u64,
}

impl Default for Run {
    fn default() -> Self {
        Self { first: UnixNanos::NONE, last: UnixNanos::NONE, frames: 0 }
    }
}

impl Run {
    /// Frames that it takes, and how long there is to be between the first and the last: one may be a damaged one, and a
    /// few at once are one event.
    const FRAMES: u64 = 3;
    const LEAST: Duration = Duration::from_secs(2);
    const GAP: Duration = Duration::from_secs(60);

    /// One more. Whether it is sustained.
    pub fn add(&mut self, time: UnixNanos) -> bool {
        if self.frames == 0 || apart(time, self.last) > Self::GAP {
            *self = Self { first: time, last: time, frames: 0 };
        }
        self.last = self.last.max(time);
        self.frames = self.frames.saturating_add(1);
        self.is_sustained()
    }

    /// Whether it is sustained.
    pub fn is_sustained(&self) -> bool {
        self.frames >= Self::FRAMES && self.last.saturating_since(self.first) >= Self::LEAST
    }

    /// Frames of evidence that the latest adds to an alert: all of them when it opens.
    pub const fn news(&self, is_open: bool) -> u64 {
        if is_open { 1 } else { self.frames }
    }
}
