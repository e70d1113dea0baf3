//! How many distinct stations there were, from sketches that can be merged: HyperLogLog as Apache DataSketches writes it, over
//! keyed hashes of addresses. Knows no window and does no I/O: who keeps the secret is another's subject.
//!
//! The key is of one site and one UTC day. Whoever has a sketch but not that key can test no address against it, and the sketches
//! of two days have nothing to do with each other. The next day's secret is made from this day's by a one-way function, so each
//! sensor of a site comes to it by itself, and nobody who keeps a day's secret can make that of a day before.

use crate::{Mac, UnixNanos};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use std::{fmt, str::FromStr};

/// 4,096 registers: a standard error of 1.3 % for one sketch, 1.6 % for merged ones.
const LG_K: u8 = 12;
/// An octet a register: the form that can be looked through before it is believed.
const KIND: HllType = HllType::Hll8;
/// The same in a sketch's eighth octet, where the kind stands above the mode.
const KIND_BITS: u8 = 2 << 2;
/// Entries of a sketch that has not become registers yet, at most.
const MOST_ENTRIES: usize = 384;
/// The highest value of a register.
const HIGHEST: u8 = 63;
/// Nanoseconds of a UTC day.
const DAY: i64 = 86_400_000_000_000;
/// How many days a secret is taken forward at once: a clock that is wrong by more must not use it up.
const MOST_DAYS: i64 = 400;

/// Which UTC day a time lies in, counted from 1970.
#[must_use]
pub const fn day_of(time: UnixNanos) -> i64 {
    time.0.div_euclid(DAY)
}

/// The secret of a site on one UTC day. Never printed by accident: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SiteSecret {
    day: i64,
    octets: [u8; 32],
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be one line: a date like 2026-11-28, a space, and 64 hexadecimal digits")]
pub struct NoSecret;

impl SiteSecret {
    /// A secret of these random octets, from `day` on.
    #[must_use]
    pub const fn new(day: i64, octets: [u8; 32]) -> Self {
        Self { day, octets }
    }

    /// The day that it is of.
    #[must_use]
    pub const fn day(&self) -> i64 {
        self.day
    }

    /// The secret of `day`: this one or a later one. There is none of a day before, and none too far ahead.
    #[must_use]
    pub fn on(&self, day: i64) -> Option<Self> {
        let days = day.checked_sub(self.day).filter(|days| (0..=MOST_DAYS).contains(days))?;
        let mut octets = self.octets;
        for _ in 0..days {
            octets = derived(&octets, b"airtally: the next day's secret");
        }
        Some(Self { day, octets })
    }

    /// The key of this day's sketches.
    #[must_use]
    pub fn key(&self) -> DayKey {
        let name = derived(&self.octets, b"airtally: the name of this day's key");
        let mut digits = String::with_capacity(16);
        for octet in name.iter().take(8) {
            digits.push_str(&format!("{octet:02x}"));
        }
        DayKey { name: digits, octets: derived(&self.octets, b"airtally: this day's key of sketches") }
    }
}

/// The line of a file that keeps it.
impl fmt::Display for SiteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = UnixNanos(self.day.saturating_mul(DAY)).to_string();
        write!(f, "{} ", start.split('T').next().unwrap_or_default())?;
        self.octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl FromStr for SiteSecret {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let (date, digits) = text.trim_end().split_once(' ').ok_or(NoSecret)?;
        if date.len() != 10 || digits.len() != 64 || !digits.is_ascii() {
            return Err(NoSecret);
        }
        let start: UnixNanos = format!("{date}T00:00:00Z").parse().map_err(|_| NoSecret)?;
        let mut octets = [0; 32];
        for (place, octet) in octets.iter_mut().enumerate() {
            let pair = digits.get(place * 2..place * 2 + 2).ok_or(NoSecret)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| NoSecret)?;
        }
        Ok(Self { day: day_of(start), octets })
    }
}

/// What the sketches of one site and day are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct DayKey {
    name: String,
    octets: [u8; 32],
}

impl DayKey {
    /// What tells it from other keys, and says nothing of it: 16 hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// HMAC-SHA256 of a few octets.
fn derived(key: &[u8; 32], what: &[u8]) -> [u8; 32] {
    let mut block = [0; 64]; // A short key is padded with zeros to SHA-256's block (RFC 2104, clause 2).
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::<Sha256>::new(&block.into()).chain_update(what).finalize().into_bytes().into()
}

/// About how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct About {
    /// The estimate.
    pub stations: f64,
    /// Two standard errors below it.
    pub low: f64,
    /// Two standard errors above it.
    pub high: f64,
}

/// A set of stations that can be added to and merged, and says about how many they are.
#[derive(Clone)]
pub struct Sketch(HllUnion);

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch of about {:.0}", self.about().stations)
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self::new()
    }
}

impl Sketch {
    /// Of nobody.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "12 is one of the sizes that there are: 4 to 21"
    )]
    pub fn new() -> Self {
        Self(HllUnion::new(LG_K).expect("a size between 4 and 21"))
    }

    /// Adds a station. Again is the same as once.
    pub fn add(&mut self, key: &DayKey, station: Mac) {
        let hash = derived(&key.octets, &station.0);
        let mut first = [0; 8];
        first.copy_from_slice(hash.first_chunk::<8>().unwrap_or(&[0; 8]));
        self.0.update_value(u64::from_be_bytes(first));
    }

    /// Adds all stations of another sketch, which was made with the same key.
    pub fn merge(&mut self, other: &Self) {
        self.0.update(&other.0.to_sketch(HllType::Hll8));
    }

    /// About how many stations were added.
    #[must_use]
    pub fn about(&self) -> About {
        use datasketches::common::NumStdDev::Two;
        About { stations: self.0.estimate(), low: self.0.lower_bound(Two), high: self.0.upper_bound(Two) }
    }

    /// As Apache DataSketches writes it, in every language: some 12 octets and 4 a station up to 384, and 4,136 for more.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_sketch(KIND).serialize()
    }

    /// Reads what [`Self::encode`] or another of its libraries wrote, compact and of this size; nothing where it is none. What
    /// comes from elsewhere is looked through first, entry by entry, and written anew: the library believes what it reads.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (&[words, 1, FAMILY, LG_K, _, flags, count, mode], body) = octets.split_first_chunk::<8>()? else {
            return None;
        };
        let image = match (words, mode & 3) {
            (2, 0) if flags & COMPACT != 0 => list(entries(body, usize::from(count))?),
            (3, 1) if flags & COMPACT != 0 => {
                let (count, body) = body.split_first_chunk::<4>()?;
                list(entries(body, usize::try_from(u32::from_le_bytes(*count)).ok()?)?)
            }
            (10, 2) if mode == KIND_BITS | 2 => registers(body.get(32..)?)?,
            _ => return None,
        };
        let mut read = Self::new();
        read.0.update(&HllSketch::deserialize(&image).ok()?);
        Some(read)
    }
}

/// The number of HyperLogLog among the library's sketches.
const FAMILY: u8 = 7;
/// A flag: no empty entries between.
const COMPACT: u8 = 8;
/// A flag: the registers did not come one after the other, so the estimate is made of them alone.
const MERGED: u8 = 16;

/// The entries of a sketch of few: each a place and a value of 1 to 63 above 26 bits.
fn entries(body: &[u8], count: usize) -> Option<Vec<u32>> {
    if count > MOST_ENTRIES || body.len() != count * 4 {
        return None;
    }
    let (entries, _) = body.as_chunks::<4>();
    let mut entries: Vec<u32> = entries.iter().map(|entry| u32::from_le_bytes(*entry)).collect();
    entries.sort_unstable();
    entries.dedup();
    entries.iter().all(|entry| entry >> 26 > 0).then_some(entries)
}

/// A sketch of these entries: a list of seven at most, a hash table else, three quarters full at most.
fn list(entries: Vec<u32>) -> Vec<u8> {
    let count = u32::try_from(entries.len()).unwrap_or(0);
    let mut image = if count < 8 {
        let flags = if count == 0 { COMPACT | 4 } else { COMPACT };
        vec![2, 1, FAMILY, LG_K, 3, flags, u8::try_from(count).unwrap_or(0), KIND_BITS]
    } else {
        let size = (5..=9_u8).find(|size| count * 4 <= 3 << size).unwrap_or(9);
        let mut image = vec![3, 1, FAMILY, LG_K, size, COMPACT, 0, KIND_BITS | 1];
        image.extend(count.to_le_bytes());
        image
    };
    image.extend(entries.into_iter().flat_map(u32::to_le_bytes));
    image
}

/// A sketch of these registers, with the sums that belong to them.
fn registers(registers: &[u8]) -> Option<Vec<u8>> {
    if registers.len() != 1 << LG_K || registers.iter().any(|register| *register > HIGHEST) {
        return None;
    }
    let sum = |of: std::ops::Range<u8>| -> f64 {
        registers.iter().filter(|register| of.contains(register)).map(|register| (-f64::from(*register)).exp2()).sum()
    };
    let empty = registers.iter().filter(|register| **register == 0).count();
    let mut image = vec![10, 1, FAMILY, LG_K, 0, MERGED, 0, KIND_BITS | 2];
    for sum in [0.0, sum(0..32), sum(32..64)] {
        image.extend(sum.to_le_bytes());
    }
    image.extend(u32::try_from(empty).ok()?.to_le_bytes());
    image.extend([0; 4]);
    image.extend(registers);
    Some(image)
}

#[cfg(test)]
#[path = "sketch_tests.rs"]
mod tests;
