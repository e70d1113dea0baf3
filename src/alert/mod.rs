//! Frames to alerts: what in the air looks like an attack, and on whose networks. Does no I/O and reads no clock; its memory
//! is bounded, and nothing is allocated for a frame.
//!
//! * [`Watch`] is the way in: [`Watch::frame`] for each frame, [`Watch::window_closed`] at the end of each window, whatever
//!   its length, [`Watch::finish`] when nobody watches any longer. The last two give the [`Change`]s: an alert that has opened,
//!   goes on (once a minute at most), or has ended after a minute of watched silence.
//! * [`Rules`] is what it goes by: [`Settings`] (`[alerts]`), [`Networks`] (`[[networks]]`), the addresses of one's devices.
//! * [`Change::alert`] is an [`Alert`] before privacy. [`Alert::told`] makes the [`crate::wire::Alert`] that may leave.
//! * [`Watch::counts`] says what there was, and what fell off.
//!
//! A file per rule, or for several that remember the same; `ledger` has the open alerts, `table` the bounded memory.
//! `docs/alerts.md` says of each rule what it looks for, why, and what it misses.

mod aps;
mod bss;
mod clock;
mod deauth;
mod doors;
mod kind;
mod ledger;
mod mine;
mod nav;
mod settings;
mod switch;
mod table;
#[cfg(test)]
mod tests;

pub use kind::Kind;
pub use ledger::{Alert, Change, Closed, News, Subject};
pub use settings::{AIR, Expected, Network, Networks, Rules, Settings};

use crate::{
    Mac, UnixNanos,
    dot11::{Class, Facts, FrameKind, Outcome},
};
use aps::Aps;
use deauth::Deauths;
use doors::Doors;
use ledger::Ledger;
use mine::Mine;
use nav::Nav;

/// What a watch has seen, and what fell off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts opened, in the order of [`Kind::ALL`].
    pub opened: [u64; Kind::ALL.len()],
    /// Frames of evidence for alerts that are expected, and were not told.
    pub silenced: u64,
    /// Frames of evidence for alerts beyond those that may be open at the same time.
    pub left_out: u64,
    /// Transmitters, access points and so on that were forgotten before their time, to make room for others.
    pub forgotten: u64,
}

/// Watches the air.
#[derive(Debug)]
pub struct Watch {
    ledger: Ledger,
    deauths: Deauths,
    aps: Aps,
    doors: Doors,
    nav: Nav,
    mine: Mine,
}

impl Watch {
    /// A watch that goes by `rules`, and has seen nothing yet.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        let expected = rules.settings.expected.iter().filter_map(|expected| {
            let subject = match expected.subject.as_str() {
                AIR => Subject::Air,
                address => Subject::Address(address.parse().ok()?),
            };
            Some((expected.kind, subject))
        });
        Self {
            ledger: Ledger::new(expected.collect()),
            deauths: Deauths::new(),
            aps: Aps::new(),
            doors: Doors::new(),
            nav: Nav::new(),
            mine: Mine::new(rules),
        }
    }

    /// Looks at a frame. Those with a bad check sequence, cut before their addresses, or without a time, say nothing.
    #[inline]
    pub fn frame(&mut self, time: UnixNanos, facts: &Facts<'_>) {
        let Some(kind) = facts.kind.filter(|_| time != UnixNanos::NONE) else { return };
        match (kind.class(), facts.outcome) {
            (_, Outcome::BadFcs | Outcome::Malformed) => {}
            (Class::Data, Outcome::Sent(ta)) => {
                self.doors.data(time, ta, facts, &mut self.ledger);
                if !self.mine.is_empty() {
                    self.mine.data(time, ta, facts, &mut self.ledger);
                }
            }
            (Class::Management, _) => {
                self.nav.frame(time, facts, &mut self.ledger);
                self.management(time, kind, facts);
            }
            (Class::Control, _) => self.nav.frame(time, facts, &mut self.ledger),
            _ => {}
        }
    }

    fn management(&mut self, time: UnixNanos, kind: FrameKind, facts: &Facts<'_>) {
        // Tools that make up addresses make up group addresses too.
        let ta = match facts.outcome {
            Outcome::Sent(ta) => ta,
            _ => facts.bssid.unwrap_or(Mac::BROADCAST),
        };
        let ledger = &mut self.ledger;
        match kind {
            FrameKind::BEACON | FrameKind::PROBE_RESPONSE => {
                let said = facts.announced();
                let mine = facts.bssid.is_some_and(|bssid| self.mine.has(bssid));
                self.aps.frame(time, &said, facts, mine, ledger);
                if !self.mine.is_empty() {
                    self.mine.beacon(time, &said, facts, ledger);
                }
            }
            FrameKind::DEAUTHENTICATION | FrameKind::DISASSOCIATION => {
                self.deauths.frame(time, ta, facts, ledger);
                self.mine.deauth(time, ta, facts, ledger);
            }
            FrameKind::AUTHENTICATION | FrameKind::ASSOCIATION_REQUEST | FrameKind::REASSOCIATION_REQUEST => {
                self.doors.asks(time, ta, facts, ledger);
            }
            FrameKind::ACTION => {
                if let Some(bssid) = facts.bssid.filter(|bssid| *bssid == ta) {
                    let mine = self.mine.has(bssid);
                    self.aps.action(time, bssid, facts, mine, ledger);
                }
            }
            _ => {}
        }
    }

    /// A window has closed: what became of the alerts.
    pub fn window_closed(&mut self, closed: &Closed<'_>) -> Vec<Change> {
        self.ledger.closed(closed)
    }

    /// Nobody watches any longer: open alerts end with what was seen.
    pub fn finish(&mut self) -> Vec<Change> {
        self.ledger.finish()
    }

    /// What an earlier watch had learnt: when it began to, and the devices in the user's networks that it knew.
    pub fn remember(&mut self, began: UnixNanos, devices: impl IntoIterator<Item = Mac>) {
        self.mine.remember(began, devices);
    }

    /// What a later watch is to [`Watch::remember`].
    pub fn learnt(&self) -> (UnixNanos, impl Iterator<Item = Mac>) {
        self.mine.learnt()
    }

    /// What there was so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        Counts {
            opened: self.ledger.opened,
            silenced: self.ledger.silenced,
            left_out: self.ledger.left_out,
            forgotten: self.deauths.evicted()
                + self.aps.evicted()
                + self.doors.evicted()
                + self.nav.evicted()
                + self.mine.evicted(),
        }
    }
}
