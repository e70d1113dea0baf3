//! `csa_abuse`: channel switches that nobody makes (IEEE 802.11-2020, 11.8.8, 11.9).

use super::{
    Kind, Subject,
    ledger::{FREQS, Ledger},
    table::{Run, Times, apart},
};
use crate::{
    UnixNanos,
    dot11::{Announced, ChannelSwitch},
    wire::AlertClass,
};
use std::time::Duration;

/// So many switches, each to be made, within a minute: more than radar asks for.
const SWITCHES: usize = 4;
const WITHIN: Duration = Duration::from_secs(60);
/// A switch that was announced for so long after it was to be made, or that the access point did not make by then, is none.
const GRACE: Duration = Duration::from_secs(2);
/// Who is not heard on the old channel for so long after the switch was due has made it, and may come back.
const WENT: Duration = Duration::from_secs(5);
/// Frames that say so.
const FRAMES: u64 = 3;
/// A time unit, in microseconds (IEEE 802.11-2020, 3.1), and the usual interval of beacons in these.
const TU_US: u64 = 1_024;
const USUAL_TU: u16 = 100;

/// The switch that an access point announces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Switch {
    now: Option<Now>,
    begun: Times<SWITCHES>,
    nowhere: Run,
    interval_tu: u16,
    channel: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Now {
    to: u8,
    count: u8,
    first: UnixNanos,
    last: UnixNanos,
    due: UnixNanos,
    frames: u64,
    /// Beacons on the old channel that announce no switch, since it was announced.
    stayed: u64,
}

impl Switch {
    /// A beacon, whether or not it announces one.
    #[expect(clippy::too_many_arguments, reason = "where it was, whose it is and where to tell are asked for by name")]
    pub fn beacon(
        &mut self,
        time: UnixNanos,
        said: &Announced<'_>,
        interval_tu: u16,
        subject: Subject,
        freq: Option<u16>,
        mine: bool,
        ledger: &mut Ledger,
    ) {
        (self.interval_tu, self.channel) = (interval_tu, said.channel.or(self.channel));
        if let Some(switch) = said.switch {
            self.action(time, switch, subject, freq, mine, ledger);
            return;
        }
        let Some(now) = &mut self.now else { return };
        let went = now.stayed == 0 && time > now.due.saturating_add(WENT);
        if said.channel.is_none_or(|channel| channel == now.to) || went || apart(time, now.last) > WITHIN {
            // It went where it said, and may be back, or it is long ago.
            self.now = None;
            return;
        }
        now.stayed = now.stayed.saturating_add(1);
        if now.frames >= FRAMES && now.stayed >= FRAMES && time >= now.due.saturating_add(GRACE) {
            let (span, frames) = ((now.first, time), now.frames);
            tell(span, frames, now.to, "stayed", subject, freq, mine, ledger);
            self.now = None;
        }
    }

    /// A frame that announces one.
    pub fn action(
        &mut self,
        time: UnixNanos,
        switch: ChannelSwitch,
        subject: Subject,
        freq: Option<u16>,
        mine: bool,
        ledger: &mut Ledger,
    ) {
        if !is_channel(switch.channel, self.channel) && self.nowhere.add(time) {
            let (first, frames) = (self.nowhere.first, self.nowhere.frames);
            tell((first, time), frames, switch.channel, "no_channel", subject, freq, mine, ledger);
        }
        let interval = if self.interval_tu == 0 { USUAL_TU } else { self.interval_tu };
        let until = Duration::from_micros(u64::from(interval) * TU_US * (u64::from(switch.count) + 2));
        match &mut self.now {
            Some(now)
                if now.to == switch.channel && switch.count <= now.count && time <= now.due.saturating_add(WITHIN) =>
            {
                (now.count, now.last, now.frames) = (switch.count, time, now.frames.saturating_add(1));
                if now.frames >= FRAMES && time >= now.due.saturating_add(GRACE) {
                    let (span, frames) = ((now.first, time), now.frames);
                    tell(span, frames, now.to, "overdue", subject, freq, mine, ledger);
                }
            }
            now => {
                let due = time.saturating_add(until);
                *now = Some(Now {
                    to: switch.channel,
                    count: switch.count,
                    first: time,
                    last: time,
                    due,
                    frames: 1,
                    stayed: 0,
                });
                let first = self.begun.add(time, WITHIN);
                if let Some(first) = first {
                    tell((first, time), SWITCHES as u64, switch.channel, "many", subject, freq, mine, ledger);
                }
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "what was seen, whose it is and where to tell are asked for by name")]
fn tell(
    span: (UnixNanos, UnixNanos),
    frames: u64,
    channel: u8,
    sign: &'static str,
    subject: Subject,
    freq: Option<u16>,
    mine: bool,
    ledger: &mut Ledger,
) {
    let frames = if ledger.is_open(Kind::CsaAbuse, subject) { 1 } else { frames };
    if let Some(seen) = ledger.evidence(Kind::CsaAbuse, subject, span, frames) {
        seen.among("to_channels", channel);
        seen.word("signs", sign);
        if let Some(freq) = freq {
            seen.among(FREQS, freq);
        }
        if !mine {
            ledger.set_class(Kind::CsaAbuse, subject, AlertClass::Air);
        }
    }
}

/// Whether a network on channel `from` can go there: a channel of the same band (annex E).
fn is_channel(to: u8, from: Option<u8>) -> bool {
    let two = matches!(to, 1..=14);
    let five = matches!(to, 36..=64 | 100..=144) && to.is_multiple_of(4) || matches!(to, 149..=177) && to % 4 == 1;
    let six = to == 2 || matches!(to, 1..=233) && to % 4 == 1;
    match from {
        // Channels 1, 5, 9 and 13 are of 6 GHz too.
        Some(1 | 5 | 9 | 13) => two || six,
        Some(1..=14) => two,
        Some(36..=177) => five || six,
        _ => two || five || six,
    }
}
