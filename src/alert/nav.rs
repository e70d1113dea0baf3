//! `nav_abuse`: frames that reserve the channel for longer than any exchange takes (IEEE 802.11-2020, 9.2.5, 10.3.2.4).

use super::{
    Kind, Subject,
    ledger::{FREQS, Ledger},
    table::{Table, apart},
};
use crate::{
    Mac, UnixNanos,
    dot11::{Class, Facts, Outcome},
};
use std::time::Duration;

/// Longer than any: a transmission opportunity is 8.16 ms at most (9.4.2.28, its limit has 8 bits of 32 µs), the longest frame at
/// 1 Mbit/s some 19 ms.
const LONG_US: u16 = 20_000;
/// So many within [`WITHIN`], and half of all control frames of that address.
const MANY: u64 = 50;
const WITHIN: Duration = Duration::from_secs(10);
const ADDRESSES: usize = 1_024;

#[derive(Debug)]
struct Counted {
    since: UnixNanos,
    long: u64,
    all: u64,
    longest_us: u16,
}

impl Default for Counted {
    fn default() -> Self {
        Self { since: UnixNanos::NONE, long: 0, all: 0, longest_us: 0 }
    }
}

impl Counted {
    /// One more. Whether it is too many.
    fn add(&mut self, time: UnixNanos, us: u16) -> bool {
        if self.since == UnixNanos::NONE || apart(time, self.since) > WITHIN {
            *self = Self { since: time, ..Self::default() };
        }
        self.all += 1;
        if us > LONG_US {
            self.long += 1;
            self.longest_us = self.longest_us.max(us);
        }
        us > LONG_US && self.long >= MANY && self.long * 2 >= self.all
    }
}

#[derive(Debug)]
pub struct Nav {
    addresses: Table<Mac, Counted>,
    /// Of all addresses together, for who makes up another each time.
    all: Counted,
    /// When the last long one was heard: without any, nothing is looked up.
    long: UnixNanos,
}

impl Nav {
    pub fn new() -> Self {
        Self { addresses: Table::new(ADDRESSES), all: Counted::default(), long: UnixNanos::NONE }
    }

    pub const fn evicted(&self) -> u64 {
        self.addresses.evicted()
    }

    /// A frame of any kind but a data frame.
    #[inline]
    pub fn frame(&mut self, time: UnixNanos, facts: &Facts<'_>, ledger: &mut Ledger) {
        if let Some(us) = facts.duration_us()
            && (us > LONG_US || self.long != UnixNanos::NONE)
        {
            self.control(time, us, facts, ledger);
        }
    }

    #[cold]
    fn control(&mut self, time: UnixNanos, us: u16, facts: &Facts<'_>, ledger: &mut Ledger) {
        if us > LONG_US {
            self.long = time;
        } else if apart(time, self.long) > WITHIN {
            self.long = UnixNanos::NONE;
        }
        // Who sends a CTS it does not say, but to whom: to itself, where it reserves the channel (10.3.2.13).
        let address = match facts.outcome {
            Outcome::Sent(ta) => Some(ta),
            _ => facts.ra,
        };
        let Some(address) = address else { return };
        let all = facts.class() == Some(Class::Control) && self.all.add(time, us);
        let Some((counted, _)) = self.addresses.entry(address, time) else { return };
        if counted.add(time, us) {
            tell(counted, time, Subject::Address(address), facts, ledger);
        } else if all && counted.long * 2 < MANY {
            tell(&self.all, time, Subject::Air, facts, ledger);
        }
    }
}

fn tell(counted: &Counted, time: UnixNanos, subject: Subject, facts: &Facts<'_>, ledger: &mut Ledger) {
    let frames = if ledger.is_open(Kind::NavAbuse, subject) { 1 } else { counted.long };
    if let Some(seen) = ledger.evidence(Kind::NavAbuse, subject, (counted.since, time), frames) {
        seen.most("longest_us", i64::from(counted.longest_us));
        if let Some(kind) = facts.kind {
            seen.word("frames_of", kind.name());
        }
        if let Some(freq) = facts.freq_mhz {
            seen.among(FREQS, freq);
        }
    }
}
