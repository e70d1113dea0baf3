//! `deauth_flood`: stations are thrown out by frames that anybody can send.

use super::{
    Kind, Subject,
    ledger::{FREQS, Ledger},
    table::{Table, Times},
};
use crate::{
    Mac, UnixNanos,
    dot11::{Facts, FrameKind},
};
use std::time::Duration;

/// So many of one transmitter within [`WITHIN`] are a flood. An access point that steers, or shuts down, sends one or two
/// to each of its stations; attacks send one a second and more.
const MANY: usize = 5;
const WITHIN: Duration = Duration::from_secs(10);
/// Transmitters that are remembered.
const SENDERS: usize = 4_096;

/// One transmitter.
#[derive(Debug, Default)]
struct Sender {
    times: Times<MANY>,
    /// The sequence number of the latest.
    sequence: Option<u16>,
}

#[derive(Debug)]
pub struct Deauths {
    senders: Table<Mac, Sender>,
}

impl Deauths {
    pub fn new() -> Self {
        Self { senders: Table::new(SENDERS) }
    }

    pub const fn evicted(&self) -> u64 {
        self.senders.evicted()
    }

    /// A deauthentication or disassociation of `ta`.
    pub fn frame(&mut self, time: UnixNanos, ta: Mac, facts: &Facts<'_>, ledger: &mut Ledger) {
        let Some(reason) = facts.reason() else { return };
        let Some((sender, _)) = self.senders.entry(ta, time) else { return };
        // Sent again because nobody acknowledged it: that is what happens to the goodbye to a station that has left.
        let sequence = facts.sequence();
        if facts.retry && sender.sequence == sequence {
            return;
        }
        sender.sequence = sequence;
        let first = sender.times.add(time, WITHIN);
        let subject = Subject::Address(facts.bssid.unwrap_or(ta));
        let (since, frames) = match first {
            Some(first) if ledger.is_open(Kind::DeauthFlood, subject) => (first, 1),
            Some(first) => (first, MANY as u64),
            // What comes after a flood, and less often, belongs to it.
            None if ledger.is_open(Kind::DeauthFlood, subject) => (time, 1),
            None => return,
        };
        let Some(seen) = ledger.evidence(Kind::DeauthFlood, subject, (since, time), frames) else { return };
        seen.among("reasons", reason);
        seen.address("senders", ta);
        let broadcast = facts.ra.is_some_and(Mac::is_group);
        seen.add(if broadcast { "to_all" } else { "to_one" }, i64::try_from(frames).unwrap_or(i64::MAX));
        if facts.kind == Some(FrameKind::DISASSOCIATION) {
            seen.add("disassociations", 1);
        }
        if let Some(freq) = facts.freq_mhz {
            seen.among(FREQS, freq);
        }
    }
}
