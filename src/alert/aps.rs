//! Access points as the air shows them: `beacon_flood`, `karma`, and channel switches of any of them (`csa_abuse`).

use super::{
    Kind, Subject,
    ledger::{FREQS, Ledger},
    switch::Switch,
    table::{Table, Times, apart, mixed},
};
use crate::{
    Mac, UnixNanos,
    dot11::{Announced, Facts, FrameKind},
};
use std::time::Duration;

/// Access points that are remembered, and makes of them.
const APS: usize = 8_192;
const MAKES: usize = 512;
/// So many networks that were never heard before, of one make and within [`WITHIN`], are looked at: whether they come from
/// one transmitter.
const NEW: usize = 8;
/// Of these, so many have to be alike.
const ALIKE: usize = NEW - 2;
/// So many whose clocks stand still together are enough: no two access points began within a tenth of a second and were first
/// heard seconds apart.
const STILL: usize = 5;
const WITHIN: Duration = Duration::from_secs(10);
/// So many names within [`WITHIN`] in beacons of one BSSID: a BSS has one (IEEE 802.11-2020, 4.3.1, 9.4.2.2).
const RENAMED: usize = 5;
/// BSSIDs of one device, whose addresses are alike: an access point has up to 16.
const FAMILY: u8 = 16;
/// Timestamps of one clock: of a tool that counts frames, and of a card that puts in its own time.
const STILL_US: u64 = 100_000;
const LINE_US: i64 = 10_000;
/// So long after a timestamp, another one shows whether a clock stands still.
const STILL_FOR: Duration = Duration::from_secs(1);
/// Sequence numbers of one counter.
const COUNTER: u16 = 64;
/// Signals of one place, in dB: half of it to each side.
const PLACE_DB: i8 = 4;
/// Beacons for each new network, at most, where networks are gone as soon as they were there.
const GONE: u64 = 2;
const GONE_AFTER: Duration = Duration::from_secs(2);
/// So many different names answered within [`ASKED`] by one BSSID that beacons none of them.
const ANSWERED: usize = 4;
const ASKED: Duration = Duration::from_secs(60);
/// Names of one BSSID that are remembered.
const NAMES: usize = 8;

#[derive(Debug, Default)]
struct Ap {
    /// Names in its beacons, as hashes; the latest in turn.
    names: [u64; NAMES],
    next: usize,
    /// Whether a beacon of it was heard.
    beaconed: bool,
    make: u64,
    /// A timestamp, when it was heard, and whether its clock was found to stand still.
    clock: (u64, UnixNanos, bool),
    renamed: Times<RENAMED>,
    /// Names that it answered to and had not beaconed, and when last.
    answered: [(u64, UnixNanos); ANSWERED],
    switch: Switch,
}

/// A network that was never heard before.
#[derive(Clone, Copy, Debug)]
struct New {
    time: UnixNanos,
    bssid: Mac,
    tsf: u64,
    sequence: u16,
    signal: Option<i8>,
}

const NONE: New = New { time: UnixNanos::NONE, bssid: Mac::ZERO, tsf: 0, sequence: 0, signal: None };

/// Access points that look the same.
#[derive(Debug)]
struct Make {
    new: [New; NEW],
    next: usize,
    since: UnixNanos,
    /// Since then: beacons of networks that were known, new networks, and those among them whose address is like the one before.
    again: u64,
    fresh: u64,
    family: u8,
    /// Access points whose clock was found to stand still.
    stopped: Times<STILL>,
}

impl Default for Make {
    fn default() -> Self {
        Self {
            new: [NONE; NEW],
            next: 0,
            since: UnixNanos::NONE,
            again: 0,
            fresh: 0,
            family: 0,
            stopped: Times::default(),
        }
    }
}

#[derive(Debug)]
pub struct Aps {
    aps: Table<Mac, Ap>,
    makes: Table<u64, Make>,
}

impl Aps {
    pub fn new() -> Self {
        Self { aps: Table::new(APS), makes: Table::new(MAKES) }
    }

    pub const fn evicted(&self) -> u64 {
        self.aps.evicted() + self.makes.evicted()
    }

    /// A beacon or probe response. `mine` says whether the BSSID is one of the user's own.
    pub fn frame(&mut self, time: UnixNanos, said: &Announced<'_>, facts: &Facts<'_>, mine: bool, ledger: &mut Ledger) {
        let Some(bssid) = facts.bssid else { return };
        // Networks that hide their name send it empty, or of zeros.
        let name = said.ssid.filter(|name| name.iter().any(|octet| *octet != 0)).map(hash);
        let Some((ap, _)) = self.aps.entry(bssid, time) else { return };
        if facts.kind == Some(FrameKind::BEACON) {
            let renamed = name.is_some_and(|name| !ap.names.contains(&name));
            let (fresh, other) = (!ap.beaconed, ap.beaconed && renamed);
            if let Some(name) = name.filter(|_| renamed) {
                if let Some(place) = ap.names.get_mut(ap.next) {
                    *place = name;
                }
                ap.next = (ap.next + 1) % NAMES;
            }
            ap.beaconed = true;
            if fresh {
                ap.make = facts.make();
            }
            if let Some(interval) = facts.timestamp().map(|(_, interval)| interval) {
                ap.switch.beacon(time, said, interval, Subject::Address(bssid), facts.freq_mhz, mine, ledger);
            }
            if other {
                let first = ap.renamed.add(time, WITHIN);
                if let Some(first) = first {
                    flood(first, time, RENAMED as u64, "one_bssid", facts, ledger);
                }
                return;
            }
            let stopped = ap.has_stopped(time, fresh, facts);
            let key = ap.make;
            if let Some((make, _)) = self.makes.entry(key, time) {
                make.beacon(time, fresh, bssid, facts, ledger);
                if stopped && let Some(first) = make.stopped.add(time, WITHIN) {
                    flood(first, time, STILL as u64, "clocks_stand_still", facts, ledger);
                }
            }
        } else if let Some(name) = name.filter(|name| !ap.names.contains(name)) {
            answer(ap, time, bssid, name, facts, ledger);
        }
    }

    /// A channel switch in an action frame of `bssid`.
    pub fn action(&mut self, time: UnixNanos, bssid: Mac, facts: &Facts<'_>, mine: bool, ledger: &mut Ledger) {
        if let (Some(switch), Some((ap, _))) = (facts.switch_action(), self.aps.entry(bssid, time)) {
            ap.switch.action(time, switch, Subject::Address(bssid), facts.freq_mhz, mine, ledger);
        }
    }
}

impl Ap {
    /// Whether a beacon shows, for the first time, that its clock stands still.
    fn has_stopped(&mut self, time: UnixNanos, fresh: bool, facts: &Facts<'_>) -> bool {
        let Some((tsf, _)) = facts.timestamp() else { return false };
        let (before, heard, stopped) = self.clock;
        if !fresh && (stopped || apart(time, heard) < STILL_FOR) {
            return false;
        }
        let stopped = !fresh && tsf.abs_diff(before) <= STILL_US;
        self.clock = (tsf, time, stopped);
        stopped
    }
}

fn hash(name: &[u8]) -> u64 {
    // Never 0, which stands for no name.
    name.iter().fold(mixed(name.len() as u64 + 1), |sum, octet| mixed(sum ^ u64::from(*octet))) | 1
}

/// `karma`: a name that the access point does not announce, and says it has.
fn answer(ap: &mut Ap, time: UnixNanos, bssid: Mac, name: u64, facts: &Facts<'_>, ledger: &mut Ledger) {
    let known = ap.answered.iter().position(|(known, _)| *known == name);
    let oldest = || ap.answered.iter().enumerate().min_by_key(|(_, (_, at))| *at).map(|(at, _)| at);
    if let Some(place) = known.or_else(oldest).and_then(|at| ap.answered.get_mut(at)) {
        *place = (name, time);
    }
    let first = ap.answered.iter().map(|(_, at)| *at).min().unwrap_or(UnixNanos::NONE);
    if ap.answered.iter().any(|(name, at)| *name == 0 || apart(time, *at) > ASKED) {
        return;
    }
    let subject = Subject::Address(bssid);
    let is_open = ledger.is_open(Kind::Karma, subject);
    let frames = if is_open { 1 } else { ANSWERED as u64 };
    if let Some(seen) = ledger.evidence(Kind::Karma, subject, (first, time), frames) {
        // How many names; which they are would tell where the owners of devices have been.
        let names = i64::from(known.is_none()) + if is_open { 0 } else { ANSWERED as i64 - 1 };
        seen.add("names", names);
        freq(seen, facts);
    }
}

fn freq(seen: &mut super::ledger::Seen, facts: &Facts<'_>) {
    if let Some(freq) = facts.freq_mhz {
        seen.among(FREQS, freq);
    }
}

fn flood(first: UnixNanos, time: UnixNanos, frames: u64, sign: &'static str, facts: &Facts<'_>, ledger: &mut Ledger) {
    let frames = if ledger.is_open(Kind::BeaconFlood, Subject::Air) { 1 } else { frames };
    if let Some(seen) = ledger.evidence(Kind::BeaconFlood, Subject::Air, (first, time), frames) {
        seen.add("networks", i64::try_from(frames).unwrap_or(i64::MAX));
        seen.word("signs", sign);
        freq(seen, facts);
    }
}

impl Make {
    fn beacon(&mut self, time: UnixNanos, fresh: bool, bssid: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
        if self.since == UnixNanos::NONE || apart(time, self.since) > WITHIN {
            (self.since, self.again, self.fresh, self.family) = (time, 0, 0, 0);
        }
        if !fresh {
            self.again = self.again.saturating_add(1);
            return;
        }
        // The networks of one device, one address after the other.
        if self.new.iter().any(|new| new.time != UnixNanos::NONE && is_family(new.bssid, bssid)) && self.family < FAMILY
        {
            self.family += 1;
            return;
        }
        self.fresh = self.fresh.saturating_add(1);
        let Some((tsf, _)) = facts.timestamp() else { return };
        let sequence = facts.sequence().unwrap_or_default();
        let new = New { time, bssid, tsf, sequence, signal: facts.signal_dbm };
        if let Some(place) = self.new.get_mut(self.next) {
            *place = new;
        }
        self.next = (self.next + 1) % NEW;
        for (many, signs) in [(STILL, Self::still as fn(&Self, &New) -> Option<&'static str>), (NEW, Self::sign)] {
            let first = self.new.get((self.next + NEW - many) % NEW).and_then(|first| first.time.known());
            if let Some(first) = first.filter(|first| apart(time, *first) <= WITHIN)
                && let Some(sign) = signs(self, &new)
            {
                flood(first, time, many as u64, sign, facts, ledger);
                return;
            }
        }
    }

    /// Whether the clocks of the latest stand still.
    fn still(&self, latest: &New) -> Option<&'static str> {
        let back = |steps: usize| self.new.get((self.next + 2 * NEW - 1 - steps) % NEW);
        let all = (0..STILL).all(|steps| back(steps).is_some_and(|new| new.tsf.abs_diff(latest.tsf) <= STILL_US));
        all.then_some("clocks_stand_still")
    }

    /// What shows that all of them come from one transmitter.
    fn sign(&self, latest: &New) -> Option<&'static str> {
        let alike = |is: &dyn Fn(&New) -> bool| self.new.iter().filter(|new| is(new)).count() >= ALIKE;
        // Microseconds since it was heard, with which its clock should have moved.
        let line = |new: &New| i128::from(new.tsf) - i128::from(new.time.0 / 1_000);
        if alike(&|new| (line(new) - line(latest)).abs() <= i128::from(LINE_US)) {
            return Some("one_clock");
        }
        if alike(&|new| {
            let ahead = latest.sequence.wrapping_sub(new.sequence) & 0x0fff;
            ahead <= COUNTER || ahead >= 0x1000 - COUNTER
        }) {
            return Some("one_counter");
        }
        if !self.many_vendors() {
            return None;
        }
        let signal = latest.signal.filter(|dbm| {
            self.new.iter().all(|new| new.signal.is_some_and(|other| other.abs_diff(*dbm) <= PLACE_DB.unsigned_abs()))
        });
        if signal.is_some() {
            return Some("one_place");
        }
        let long = apart(latest.time, self.since) >= GONE_AFTER && self.fresh >= NEW as u64;
        (long && self.again < GONE * self.fresh).then_some("gone_at_once")
    }

    /// Of one make, and by their addresses of nearly as many makers as there are: made up.
    fn many_vendors(&self) -> bool {
        let prefix = |mac: Mac| mac.to_u64() >> 24;
        let known_before =
            |at: usize, new: &New| self.new.iter().take(at).any(|other| prefix(other.bssid) == prefix(new.bssid));
        self.new.iter().enumerate().filter(|(at, new)| !known_before(*at, new)).count() >= NEW - 1
    }
}

/// Whether two addresses differ where those of one device do: in the first octet (locally administered ones), and in the last
/// four bits.
fn is_family(one: Mac, other: Mac) -> bool {
    (one.to_u64() ^ other.to_u64()) & 0x00ff_ffff_fff0 == 0
}
