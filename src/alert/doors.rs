//! Who wants in at an access point: `auth_flood`, `wps_bruteforce`, `pmkid_harvest`.

use super::{
    Kind, Subject,
    ledger::{FREQS, Ledger},
    table::{Table, Times, apart},
};
use crate::{
    Mac, UnixNanos,
    dot11::{Eapol, Facts, FrameKind},
};
use std::time::Duration;

/// So many stations that ask to be let in within [`WITHIN`] are judged, once [`JUDGED_AFTER`] of it have passed.
const MANY: u32 = 20;
/// So many are a flood at once, if none of them came in.
const VERY_MANY: u32 = 100;
const WITHIN: Duration = Duration::from_secs(10);
const JUDGED_AFTER: Duration = Duration::from_secs(2);
/// Of a flood, at most one in so many comes in. When school is out, all do.
const ONE_IN: u32 = 5;
/// The latest stations that asked, which may yet come in.
const LATEST: usize = 32;
/// Messages of Wi-Fi Protected Setup that each test half a PIN, and identities of who wants to test one, within
/// [`PINS_WITHIN`]. A push of a button gives one of the former, and two if something goes wrong.
const PINS: usize = 5;
const IDENTITIES: usize = 10;
const PINS_WITHIN: Duration = Duration::from_secs(300);
/// Two of them within this are one that was sent again.
const AGAIN: Duration = Duration::from_millis(200);
const M3: u8 = 7;
const M4: u8 = 8;
/// So many associations of one station within [`HARVEST_WITHIN`] that got the first message of the handshake and answered
/// none.
const HARVEST: usize = 5;
const HARVEST_WITHIN: Duration = Duration::from_secs(60);
const DOORS: usize = 2_048;
const STATIONS: usize = 4_096;

#[derive(Debug)]
struct Door {
    since: UnixNanos,
    asked: u32,
    came_in: u32,
    latest: [(Mac, bool); LATEST],
    next: usize,
    m3: (Times<PINS>, UnixNanos),
    m4: (Times<PINS>, UnixNanos),
    identities: (Times<IDENTITIES>, UnixNanos),
}

impl Default for Door {
    fn default() -> Self {
        let never = UnixNanos::NONE;
        Self {
            since: never,
            asked: 0,
            came_in: 0,
            latest: [(Mac::ZERO, false); LATEST],
            next: 0,
            m3: (Times::default(), never),
            m4: (Times::default(), never),
            identities: (Times::default(), never),
        }
    }
}

#[derive(Debug, Default)]
struct Station {
    associated: bool,
    first_messages: Times<HARVEST>,
}

#[derive(Debug)]
pub struct Doors {
    doors: Table<Mac, Door>,
    stations: Table<Mac, Station>,
    /// When somebody last asked: long after that, nobody is looked for.
    asked: UnixNanos,
}

impl Doors {
    pub fn new() -> Self {
        Self { doors: Table::new(DOORS), stations: Table::new(STATIONS), asked: UnixNanos::NONE }
    }

    pub const fn evicted(&self) -> u64 {
        self.doors.evicted() + self.stations.evicted()
    }

    /// An authentication or (re)association request of `ta`.
    pub fn asks(&mut self, time: UnixNanos, ta: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
        let Some(ap) = facts.ra.filter(|ra| !ra.is_group()) else { return };
        // What an access point answers.
        if facts.bssid == Some(ta) {
            return;
        }
        self.asked = time;
        if facts.kind != Some(FrameKind::AUTHENTICATION)
            && let Some((station, _)) = self.stations.entry(ta, time)
        {
            station.associated = true;
        }
        let Some((door, _)) = self.doors.entry(ap, time) else { return };
        if door.since == UnixNanos::NONE || apart(time, door.since) > WITHIN {
            (door.since, door.asked, door.came_in) = (time, 0, 0);
            door.latest = [(Mac::ZERO, false); LATEST];
        }
        if door.latest.iter().any(|(known, _)| *known == ta) {
            return;
        }
        if let Some(place) = door.latest.get_mut(door.next) {
            *place = (ta, false);
        }
        door.next = (door.next + 1) % LATEST;
        door.asked = door.asked.saturating_add(1);
        let judged = door.asked >= MANY && time.saturating_since(door.since) >= JUDGED_AFTER || door.asked >= VERY_MANY;
        if !judged || door.came_in.saturating_mul(ONE_IN) > door.asked {
            return;
        }
        let subject = Subject::Address(ap);
        let frames = if ledger.is_open(Kind::AuthFlood, subject) { 1 } else { u64::from(door.asked) };
        if let Some(seen) = ledger.evidence(Kind::AuthFlood, subject, (door.since, time), frames) {
            seen.add("stations", i64::try_from(frames).unwrap_or(i64::MAX));
            seen.most("came_in", i64::from(door.came_in));
            if let Some(kind) = facts.kind {
                seen.word("frames_of", kind.name());
            }
            freq(seen, facts);
        }
    }

    /// A data frame of `ta`: whoever asked has come in.
    #[inline]
    pub fn data(&mut self, time: UnixNanos, ta: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
        if facts.to_ds && !facts.from_ds && self.asked != UnixNanos::NONE {
            self.came_in(time, ta, facts);
        }
        if let Some(eapol) = facts.eapol() {
            self.eapol(time, ta, eapol, facts, ledger);
        }
    }

    fn came_in(&mut self, time: UnixNanos, ta: Mac, facts: &Facts<'_>) {
        if apart(time, self.asked) > WITHIN {
            self.asked = UnixNanos::NONE;
            return;
        }
        let Some(door) = facts.ra.and_then(|ra| self.doors.get(ra)) else { return };
        if let Some((_, came_in)) = door.latest.iter_mut().find(|(known, came_in)| *known == ta && !came_in) {
            *came_in = true;
            door.came_in += 1;
        }
    }

    #[cold]
    fn eapol(&mut self, time: UnixNanos, ta: Mac, eapol: Eapol, facts: &Facts<'_>, ledger: &mut Ledger) {
        let (Some(ap), Some(ra)) = (facts.bssid, facts.ra) else { return };
        match eapol {
            Eapol::Wsc(message @ (M3 | M4)) => {
                let Some((door, _)) = self.doors.entry(ap, time) else { return };
                let (times, last) = if message == M3 { &mut door.m3 } else { &mut door.m4 };
                if fresh(last, time, facts) {
                    let first = times.add(time, PINS_WITHIN);
                    setup(first, PINS as u64, time, ap, facts, ledger);
                }
            }
            Eapol::WscIdentity { registrar: true } => {
                let Some((door, _)) = self.doors.entry(ap, time) else { return };
                let (times, last) = &mut door.identities;
                if fresh(last, time, facts) {
                    let first = times.add(time, PINS_WITHIN);
                    setup(first, IDENTITIES as u64, time, ap, facts, ledger);
                }
            }
            // The second message: this station knows a password, right or wrong.
            Eapol::Key(2) => {
                if let Some(station) = self.stations.get(ta) {
                    *station = Station::default();
                }
            }
            Eapol::Key(1) if !ra.is_group() => {
                let Some(station) = self.stations.get(ra) else { return };
                // It is sent again until it is answered.
                if !std::mem::take(&mut station.associated) {
                    return;
                }
                let Some(first) = station.first_messages.add(time, HARVEST_WITHIN) else { return };
                let subject = Subject::Address(ra);
                let frames = if ledger.is_open(Kind::PmkidHarvest, subject) { 1 } else { HARVEST as u64 };
                if let Some(seen) = ledger.evidence(Kind::PmkidHarvest, subject, (first, time), frames) {
                    seen.address("access_points", ap);
                    freq(seen, facts);
                }
            }
            _ => {}
        }
    }
}

/// Whether a message is no repetition of the one before.
fn fresh(last: &mut UnixNanos, time: UnixNanos, facts: &Facts<'_>) -> bool {
    let before = std::mem::replace(last, time);
    !facts.retry && (before == UnixNanos::NONE || apart(time, before) > AGAIN)
}

fn setup(first: Option<UnixNanos>, many: u64, time: UnixNanos, ap: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
    let subject = Subject::Address(ap);
    let is_open = ledger.is_open(Kind::WpsBruteforce, subject);
    let first = match first {
        Some(first) => first,
        None if is_open => time,
        None => return,
    };
    let frames = if is_open { 1 } else { many };
    if let Some(seen) = ledger.evidence(Kind::WpsBruteforce, subject, (first, time), frames) {
        let ends = [facts.ra, Some(ap)];
        let station = match facts.outcome {
            crate::dot11::Outcome::Sent(ta) if ta != ap => Some(ta),
            _ => ends.into_iter().flatten().find(|end| *end != ap),
        };
        if let Some(station) = station {
            seen.address("senders", station);
        }
        freq(seen, facts);
    }
}

fn freq(seen: &mut super::ledger::Seen, facts: &Facts<'_>) {
    if let Some(freq) = facts.freq_mhz {
        seen.among(FREQS, freq);
    }
}
