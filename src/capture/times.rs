//! Times of capture that cannot be right, mended: a rule for every one of them is in docs/inspect.md. Pure: packets come
//! in and go out, in their order; a few wait for those behind them where these must tell what is right.

use super::Packet;
use crate::{
    UnixNanos,
    dot11::{LinkType, Told},
    time::LEAP as NEIGHBOURS,
};
use std::collections::VecDeque;

const SECOND: u64 = 1_000_000_000;
/// Neighbours further apart than this are asked which of them is right.
const LEAP: u64 = NEIGHBOURS.unsigned_abs();
/// A single stamp at the beginning or the end, which nothing comes back from, is wrong only if it is further away.
const LONE: u64 = 365 * 86_400 * SECOND;
/// Packets behind a leap that agree with it make it a new clock.
const AGREE: usize = 2;
/// Packets behind a leap that are where time was before it make it one packet's fault, if none agrees with it.
const RETURN: usize = 3;
/// Packets that wait, at most: then the majority tells.
const MOST_HELD: usize = 9;
/// Octets that wait, at most.
const MOST_OCTETS: usize = 4 << 20;

/// A packet that waits for those behind it.
struct Held {
    time: UnixNanos,
    mended: bool,
    link: LinkType,
    data: Vec<u8>,
    original_len: u32,
    told: Told,
}

/// What is said of a packet once those behind it are known.
enum Verdict {
    /// Its time is as it says.
    Right,
    /// Its time is this.
    Mended(UnixNanos),
}

/// Mends the times of one capture.
#[derive(Default)]
pub(super) struct Times {
    /// Time of the packet handed over last.
    last: Option<i64>,
    /// Of the first.
    first: Option<i64>,
    /// Packets handed over since the last leap.
    standing: u64,
    held: VecDeque<Held>,
    held_octets: usize,
    counts: Counts,
    /// It ended with packets that waited.
    cut: bool,
}

/// What was mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Fractions that are none of a second, and yet tell the time.
    fractions: u64,
    /// Stamps that their neighbours contradict.
    wild: u64,
    /// Packets without a time, after one that has one.
    without: u64,
    /// Packets before the first that has a time.
    before: u64,
    /// New clocks: leaps back, and leaps of more than a year.
    clocks: u64,
    /// Packets had to be looked at one by one, with those behind them.
    asked: bool,
}

impl Times {
    /// Takes consecutive packets; hands over those whose time is known.
    #[inline]
    pub(super) fn block<F: FnMut(&[Packet<'_>])>(&mut self, packets: &[Packet<'_>], each: &mut F) {
        if let (Some(last), true) = (self.last, self.held.is_empty()) {
            let (mut before, mut near, mut mended) = (last, true, 0);
            for packet in packets {
                near &= packet.time.0.abs_diff(before) <= LEAP;
                before = packet.time.0;
                mended += u64::from(packet.mended);
            }
            if near {
                self.last = Some(before);
                self.standing += packets.len() as u64;
                self.counts.fractions += mended;
                return each(packets);
            }
        }
        self.one_by_one(packets, each);
    }

    /// As [`Self::block`], where there is something to ask.
    #[cold]
    fn one_by_one<F: FnMut(&[Packet<'_>])>(&mut self, packets: &[Packet<'_>], each: &mut F) {
        for packet in packets {
            if self.held.is_empty() && self.is_settled(packet.time) {
                self.hand_over(*packet, packet.mended, each);
            } else {
                self.held_octets += packet.data.len();
                self.held.push_back(Held {
                    time: packet.time,
                    mended: packet.mended,
                    link: packet.link,
                    data: packet.data.to_vec(),
                    original_len: packet.original_len,
                    told: packet.told,
                });
                self.release(false, each);
            }
        }
    }

    /// Hands over all that waits: no packets follow.
    pub(super) fn end<F: FnMut(&[Packet<'_>])>(&mut self, each: &mut F) {
        self.cut |= !self.held.is_empty();
        self.release(true, each);
    }

    /// Whether nothing about this time is to be asked.
    fn is_settled(&self, time: UnixNanos) -> bool {
        time == UnixNanos::NONE || self.last.is_some_and(|last| time.0.abs_diff(last) <= LEAP)
    }

    /// Hands over the packets of which enough is known.
    fn release<F: FnMut(&[Packet<'_>])>(&mut self, ended: bool, each: &mut F) {
        while let Some(time) = self.held.front().map(|front| front.time) {
            let verdict = if self.is_settled(time) || self.is_first_of_several(time) {
                Some(Verdict::Right)
            } else {
                self.counts.asked |= self.last.is_some() || self.held.len() > 1;
                self.judge(time, ended)
            };
            let Some(verdict) = verdict else { return };
            let Some(front) = self.held.pop_front() else { return };
            self.held_octets -= front.data.len();
            let Held { time, mended, link, data, original_len, told } = &front;
            let (link, original_len, told) = (*link, *original_len, *told);
            match verdict {
                Verdict::Right => {
                    self.hand_over(
                        Packet { time: *time, link, data, original_len, told, mended: *mended },
                        *mended,
                        each,
                    );
                }
                Verdict::Mended(time) => {
                    self.counts.wild += 1;
                    // Of two faults of one packet, the greater is counted.
                    self.hand_over(Packet { time, link, data, original_len, told, mended: true }, false, each);
                }
            }
        }
    }

    /// Whether the first packet of all has this time, and another near it agrees.
    fn is_first_of_several(&self, time: UnixNanos) -> bool {
        let near = |held: &Held| held.time != UnixNanos::NONE && held.time.0.abs_diff(time.0) <= LEAP;
        self.last.is_none() && self.held.iter().skip(1).any(near)
    }

    /// Hands over a packet whose time is known; `fraction`: which comes from a fraction that was mended.
    fn hand_over<F: FnMut(&[Packet<'_>])>(&mut self, mut packet: Packet<'_>, fraction: bool, each: &mut F) {
        self.counts.fractions += u64::from(fraction);
        match (packet.time, self.last) {
            (UnixNanos::NONE, Some(last)) => {
                self.counts.without += 1;
                (packet.time, packet.mended) = (UnixNanos(last), true);
            }
            (UnixNanos::NONE, None) => self.counts.before += 1,
            (time, last) => {
                if let Some(last) = last
                    && time.0.abs_diff(last) > LEAP
                {
                    self.standing = 0;
                    self.counts.clocks += u64::from(time.0 < last || time.0.abs_diff(last) > LONE);
                }
                self.standing += 1;
                self.last = Some(time.0);
                self.first = self.first.or(self.last);
            }
        }
        each(&[packet]);
    }

    /// Judges the first of those that wait, whose time is far from that of the packet before it; `None` if it takes more
    /// packets to tell.
    fn judge(&self, time: UnixNanos, ended: bool) -> Option<Verdict> {
        let ended = ended || self.held.len() >= MOST_HELD || self.held_octets > MOST_OCTETS;
        let behind = || self.held.iter().skip(1).map(|held| held.time).filter(|&time| time != UnixNanos::NONE);
        let near = |this: i64| behind().filter(|time| time.0.abs_diff(this) <= LEAP).count();
        let agree = near(time.0);
        let Some(last) = self.last else { return Self::judge_first(time, &behind().collect::<Vec<_>>(), ended) };
        let back = near(last);
        let wild = Some(Verdict::Mended(UnixNanos(last)));
        match () {
            () if agree >= AGREE => Some(Verdict::Right),
            () if agree == 0 && back >= RETURN => wild,
            () if !ended => None,
            // Too few are no majority.
            () if back > agree && self.standing + back as u64 > 3 => wild,
            // The last of all, after enough others.
            () if behind().next().is_none() && self.standing >= 3 && time.0.abs_diff(last) > LONE => wild,
            () => Some(Verdict::Right),
        }
    }

    /// As [`Self::judge`], for the first packet of all, which those `behind` it do not agree with.
    fn judge_first(time: UnixNanos, behind: &[UnixNanos], ended: bool) -> Option<Verdict> {
        let agree_without_it = |next: &UnixNanos| {
            let near = |time: &&UnixNanos| time.0.abs_diff(next.0) <= LEAP;
            behind.iter().filter(near).count() > AGREE && next.0.abs_diff(time.0) > LONE
        };
        match behind.first().copied().filter(agree_without_it) {
            Some(next) => Some(Verdict::Mended(next)),
            None if ended || behind.len() > AGREE => Some(Verdict::Right),
            None => None,
        }
    }

    /// Whether packets at its end were judged without those that may be behind them.
    pub(super) fn was_cut(&self) -> bool {
        self.cut
    }

    /// Whether the times of packets would be the same had `later` been this one's continuation.
    pub(super) fn continues(&self, later: &Self) -> bool {
        let alone = |times: &Self| times.held.is_empty() && times.counts == Counts::default();
        let (Some(last), Some(first)) = (self.last, later.first) else { return false };
        alone(self) && alone(later) && last.abs_diff(first) <= LEAP
    }

    /// What was mended in the capture called `name`, as sentences.
    pub(super) fn notes(&self, name: &str) -> Vec<String> {
        let Counts { fractions, wild, without, before, clocks, .. } = self.counts;
        let mut mended: Vec<String> = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                mended.push(format!("{count} {what}"));
            }
        };
        say(fractions, "with a fraction of a second that is negative or in another unit than the file says");
        say(wild, "with a time that the packets around it contradict");
        say(without, "without a time");
        let packets = |count: u64| if count == 1 { "packet" } else { "packets" };
        let come = if before == 1 { "comes" } else { "come" };
        let mut notes = Vec::new();
        if !mended.is_empty() {
            let total = fractions + wild + without;
            notes.push(format!(
                "{name}: the time of {total} {} was mended: {} (docs/inspect.md says how)",
                packets(total),
                mended.join(", ")
            ));
        }
        if before > 0 {
            notes.push(format!(
                "{name}: {before} {} {come} before the first that has a time, and no window has a place for that",
                packets(before)
            ));
        }
        if clocks > 0 {
            let times = if clocks == 1 { "once".to_owned() } else { format!("{clocks} times") };
            notes.push(format!(
                "{name}: the clock was set {times}, back or by more than a year: times are as the capture has them"
            ));
        }
        notes
    }
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
