//! Joining the tallies of consecutive parts of one capture, which were counted apart.

use super::{
    Tally,
    station::{Extra, MAC_BITS, Slot, flag, join},
};

/// A bound was reached: which stations have counts of their own depends on the order of all frames, so only
/// counting the parts one after another is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parts of the capture reach a bound of the tally together: count them one after another")]
pub struct MergeError;

impl Tally {
    /// Adds what was counted in the part of the capture directly after this one's. The result is what counting
    /// both parts in a row would have given.
    ///
    /// # Errors
    /// When a bound (stations, receivers, channels, names, memory) was reached, or may have been had they been counted in a row.
    /// The tally is of no use then.
    pub fn merge(&mut self, later: Self) -> Result<(), MergeError> {
        let receivers = self.receivers + later.most_receivers;
        if self.is_beyond_merging() || later.is_beyond_merging() || receivers > self.max_stations {
            return Err(MergeError);
        }
        self.most_receivers = self.most_receivers.max(receivers);
        self.becomes_whole();
        self.merge_wide_counts(&later);
        let mut places = Vec::with_capacity(later.channels.len());
        for channel in &later.channels {
            let place = self.channel_place(channel.freq_mhz).ok_or(MergeError)?;
            if let Some(own) = self.channels.get_mut(usize::from(place)) {
                own.frames += channel.frames;
                own.bytes += channel.bytes;
            }
            places.push(place);
        }
        for entry in &later.entries {
            let place = self.merge_entry(entry)?;
            let rare = later.rare_of(entry);
            let extra = later.extra_of(&rare);
            self.merge_channels(place, entry.channels, places.iter().take(64));
            self.merge_channels(place, extra.channels, places.iter().skip(64));
            if rare.extra != 0 {
                self.extra(place, |own| add_extra(own, &extra));
            }
            if rare.network.is_some() {
                self.rare(place, |own| own.network = join(own.network, rare.network));
            }
            let names: Vec<_> = later.names_from(rare.names).collect();
            for name in names.into_iter().rev() {
                self.name(place, name.origin, name.octets(), name.heard);
            }
        }
        // Which names stay depends on the order of all frames.
        if self.names_overflowed { Err(MergeError) } else { Ok(()) }
    }

    pub(super) fn reached_a_bound(&self) -> bool {
        self.capture.overflow_frames > 0
            || self.receiver_overflow > 0
            || self.channel_overflow > 0
            || self.names_overflowed
    }

    fn merge_wide_counts(&mut self, later: &Self) {
        let (own, more) = (&mut self.capture, &later.capture);
        own.frames += more.frames;
        own.bytes += more.bytes;
        own.station_frames += more.station_frames;
        own.bad_fcs += more.bad_fcs;
        own.malformed += more.malformed;
        own.without_ta += more.without_ta;
        own.group_ta += more.group_ta;
        for (own, more) in self.subtypes.iter_mut().zip(&later.subtypes) {
            *own += more;
        }
    }

    /// Adds an entry's own counts; gives its place here.
    fn merge_entry(&mut self, more: &Slot) -> Result<u32, MergeError> {
        let hash = self.index.hash(more.mac());
        let place = match self.find(more.mac(), hash) {
            Some(place) => place,
            None => {
                self.receivers += 1;
                self.enter(Slot::new(more.mac())).ok_or(MergeError)?
            }
        };
        let own = self.entries.get_mut(place as usize).ok_or(MergeError)?;
        if more.has(flag::SENT) {
            if own.has(flag::SENT) {
                own.first = own.first.min(more.first);
                own.last = own.last.max(more.last);
            } else {
                (own.first, own.last) = (more.first, more.last);
                self.transmitters += 1;
                self.receivers -= 1;
            }
        }
        if self.transmitters > self.max_stations {
            return Err(MergeError);
        }
        if more.has(flag::HAS_BSSID) {
            own.bssid = more.bssid;
        }
        own.signal_min = own.signal_min.min(more.signal_min);
        own.signal_max = own.signal_max.max(more.signal_max);
        own.key |= more.key & !MAC_BITS;
        if !add_narrow(own, more) {
            self.carry(place);
            if let Some(own) = self.entries.get_mut(place as usize) {
                add_narrow(own, more);
            }
        }
        Ok(place)
    }

    /// Marks the channels in `bits`, whose places in the later tally have these places here.
    fn merge_channels<'a>(&mut self, place: u32, bits: u64, places: impl Iterator<Item = &'a u8>) {
        for (_, &channel) in (0..).zip(places).filter(|&(bit, _): &(u32, _)| bits >> bit & 1 != 0) {
            match channel {
                0..64 => {
                    if let Some(entry) = self.entries.get_mut(place as usize) {
                        entry.channels |= 1 << channel;
                    }
                }
                _ => self.extra(place, |extra| extra.channels |= 1 << (channel & 63)),
            }
        }
    }
}

/// Adds narrow counts to narrow counts; changes nothing and says so if one would overflow. What is left after
/// [`Tally::carry`] is zero, so a second try always succeeds.
fn add_narrow(own: &mut Slot, more: &Slot) -> bool {
    let added = (|| {
        Some(Slot {
            frames: own.frames.checked_add(more.frames)?,
            bytes: own.bytes.checked_add(more.bytes)?,
            received: own.received.checked_add(more.received)?,
            // These count some of the frames, so they fit where those do.
            management: own.management.checked_add(more.management)?,
            control: own.control.checked_add(more.control)?,
            retries: own.retries.checked_add(more.retries)?,
            signals: own.signals.checked_add(more.signals)?,
            signal_sum: own.signal_sum.checked_add(more.signal_sum)?,
            ..*own
        })
    })();
    added.map(|added| *own = added).is_some()
}

fn add_extra(own: &mut Extra, more: &Extra) {
    let counts = &mut own.counts;
    counts.frames_sent += more.counts.frames_sent;
    counts.bytes_sent += more.counts.bytes_sent;
    counts.frames_received += more.counts.frames_received;
    counts.management += more.counts.management;
    counts.control += more.counts.control;
    counts.retries += more.counts.retries;
    own.signals += more.signals;
    own.signal_sum += more.signal_sum;
    own.extension += more.extension;
}
