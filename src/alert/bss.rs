//! One access point of the user's own: what it announces, its clock, its counter, its signal.

use super::{
    Kind, Subject,
    clock::{Clock, Told},
    ledger::Ledger,
    mine::freq,
    table::{Run, Times, apart},
};
use crate::{
    Mac, UnixNanos,
    dot11::{Announced, Facts, FrameKind, Security, Suites},
};
use std::time::Duration;

/// A channel that the access point said it would go to lately, and a restart lately: no news.
const LATELY: Duration = Duration::from_secs(300);
/// Frames that agree before they are what it announces.
const SETTLED: u8 = 3;
/// A frame in its name whose sequence number is further from its beacons', and whose signal differs by more: not its own. Either
/// alone says nothing: access points have several counters, and signals vary.
const FAR: u16 = 64;
const DIFFERENT_DB: i16 = 15;
/// Beacons of which the signal is the mean, and how old they may be.
const MEAN_OF: i32 = 8;
const FRESH: Duration = Duration::from_secs(10);
const SPOOFED: usize = 3;

/// What it announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    channel: Option<u8>,
    security: Option<(Security, Suites)>,
    interval: u16,
    country: Option<[u8; 2]>,
}

impl Look {
    fn of(said: &Announced<'_>, interval: u16, facts: &Facts<'_>) -> Self {
        // A cut frame does not say how it protects itself; whether Wi-Fi Protected Setup is on changes by the push of a button.
        let network = facts.body().network().filter(|network| network.whole);
        let security = network.map(|network| (network.security, Suites { wps: None, ..network.suites }));
        Self { channel: said.channel, security, interval, country: said.country }
    }

    /// What differs, of what both say.
    fn differences(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one != other)
        }
        [
            ("channel", differ(self.channel, other.channel)),
            ("security", differ(self.security, other.security)),
            ("interval", self.interval != other.interval),
            ("country", differ(self.country, other.country)),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
    }

    fn with(self, other: Self) -> Self {
        Self {
            channel: self.channel.or(other.channel),
            security: self.security.or(other.security),
            interval: self.interval,
            country: self.country.or(other.country),
        }
    }
}

#[derive(Debug)]
pub struct Bss {
    pub bssid: Mac,
    look: Option<Look>,
    settled: u8,
    /// When it last looked so.
    looked: UnixNanos,
    other: Option<Look>,
    others: Run,
    announced: Option<(u8, UnixNanos)>,
    clock: Clock,
    restarted: UnixNanos,
    /// Sequence number of the latest beacon, when it was heard, and the mean signal, in sixteenths of a dB.
    beacon: Option<(u16, UnixNanos)>,
    signal: Option<i32>,
    spoofed: Times<SPOOFED>,
}

impl Bss {
    pub fn new(bssid: Mac) -> Self {
        Self {
            bssid,
            look: None,
            settled: 0,
            looked: UnixNanos::NONE,
            other: None,
            others: Run::default(),
            announced: None,
            clock: Clock::default(),
            restarted: UnixNanos::NONE,
            beacon: None,
            signal: None,
            spoofed: Times::default(),
        }
    }

    /// A beacon or probe response in its name.
    pub fn beacon(
        &mut self,
        time: UnixNanos,
        said: &Announced<'_>,
        facts: &Facts<'_>,
        subject: Subject,
        ledger: &mut Ledger,
    ) {
        let Some((tsf, interval)) = facts.timestamp() else { return };
        if let Some(switch) = said.switch {
            self.announced = Some((switch.channel, time));
        }
        self.clock(time, tsf, facts, subject, ledger);
        let look = Look::of(said, interval, facts);
        self.compare(time, look, facts, subject, ledger);
        if facts.kind == Some(FrameKind::BEACON) {
            self.beacon = facts.sequence().map(|sequence| (sequence, time));
            if let Some(dbm) = facts.signal_dbm.map(|dbm| i32::from(dbm) * 16) {
                let mean = self.signal.unwrap_or(dbm);
                self.signal = Some(mean + (dbm - mean) / MEAN_OF);
            }
        }
    }

    fn clock(&mut self, time: UnixNanos, tsf: u64, facts: &Facts<'_>, subject: Subject, ledger: &mut Ledger) {
        let (first, frames, sign) = match self.clock.heard(time, tsf) {
            Told::Nothing => return,
            Told::Restarted => {
                self.restarted = time;
                return;
            }
            Told::Back(first, frames) => (first, frames, "back"),
            Told::Two(first, frames) => (first, frames, "two_clocks"),
        };
        let frames = if ledger.is_open(Kind::TsfBack, subject) { 1 } else { frames };
        if let Some(seen) = ledger.evidence(Kind::TsfBack, subject, (first, time), frames) {
            seen.word("signs", sign);
            freq(seen, facts);
        }
    }

    fn compare(&mut self, time: UnixNanos, look: Look, facts: &Facts<'_>, subject: Subject, ledger: &mut Ledger) {
        let Some(base) = self.look.filter(|_| self.settled >= SETTLED) else {
            // Not yet known: the first frames that agree.
            let agrees = self.look.is_some_and(|known| known.differences(&look).next().is_none());
            self.settled = if agrees { self.settled + 1 } else { 1 };
            self.look = Some(self.look.filter(|_| agrees).map_or(look, |known| known.with(look)));
            self.looked = time;
            return;
        };
        if base.differences(&look).next().is_none() {
            (self.look, self.looked) = (Some(base.with(look)), time);
            return;
        }
        let lately = |at: UnixNanos| at != UnixNanos::NONE && apart(time, at) <= LATELY;
        let moved = base.differences(&look).all(|what| what == "channel");
        let said_so = self.announced.is_some_and(|(to, at)| look.channel == Some(to) && lately(at));
        if moved && (said_so || lately(self.restarted)) {
            (self.look, self.looked, self.other) = (Some(look.with(base)), time, None);
            return;
        }
        if self.other.is_none_or(|other| other.differences(&look).next().is_some()) {
            (self.other, self.others) = (Some(look), Run::default());
        }
        if !self.others.add(time) {
            return;
        }
        let run = self.others;
        if let Some(seen) = ledger.run(Kind::BssChanged, subject, &run, time) {
            base.differences(&look).for_each(|what| seen.word("changed", what));
            for channel in [base.channel, look.channel].into_iter().flatten() {
                seen.among("channels", channel);
            }
            freq(seen, facts);
        }
        // So it is from now on, unless it is two at once.
        if apart(time, self.looked) > Duration::from_secs(60) {
            (self.look, self.looked, self.other) = (Some(look.with(base)), time, None);
        }
    }

    /// A deauthentication or disassociation in its name.
    pub fn deauth(&mut self, time: UnixNanos, facts: &Facts<'_>, ledger: &mut Ledger) {
        let (Some((sequence, heard)), Some(mean), Some(dbm), Some(own)) =
            (self.beacon, self.signal, facts.signal_dbm, facts.sequence())
        else {
            return;
        };
        if facts.retry || facts.is_protected() || apart(time, heard) > FRESH {
            return;
        }
        let ahead = own.wrapping_sub(sequence) & 0x0fff;
        let gap = ahead.min(0x1000 - ahead);
        let difference = i16::from(dbm) - i16::try_from(mean / 16).unwrap_or_default();
        if gap <= FAR || difference.abs() <= DIFFERENT_DB {
            return;
        }
        let subject = Subject::Address(self.bssid);
        let Some(first) = self.spoofed.add(time, Duration::from_secs(60)) else { return };
        let run = Run { first, frames: SPOOFED as u64, ..Run::default() };
        if let Some(seen) = ledger.run(Kind::DeauthSpoofed, subject, &run, time) {
            seen.among("reasons", facts.reason().unwrap_or_default());
            seen.set("signal_of_beacons_dbm", i64::from(mean / 16));
            seen.set("signal_dbm", i64::from(dbm));
            seen.most("sequence_gap", i64::from(gap));
            freq(seen, facts);
        }
    }
}
