//! Counting one frame: the hot path. Allocates only for addresses, names and frequencies not met before.

use super::{
    KINDS, MAX_CHANNELS, Tally,
    ahead::Ahead,
    at_mut,
    station::{
        Extra, MAC_BITS, MAX_ALL_NAMES, MAX_NAME_LEN, MAX_NAMES, Name, Origin, Rare, Slot, first_key, flag, join,
    },
};
use crate::{
    Mac, UnixNanos,
    dot11::{
        Body, Class, Facts, FrameKind, Outcome,
        security::{ESS, IBSS},
    },
    wire::Channel,
};

const AUTHENTICATION: FrameKind = FrameKind(0x0b);
const PS_POLL: FrameKind = FrameKind(0x1a);

impl Tally {
    /// Counts one frame of `original_len` octets, captured at `time`.
    #[inline]
    pub fn add(&mut self, time: UnixNanos, facts: &Facts<'_>, original_len: u32) {
        self.count(time, facts, original_len, Ahead::UNKNOWN);
    }

    /// Counts one frame; `ahead` may say where its addresses likely are.
    #[inline]
    pub(super) fn count(&mut self, time: UnixNanos, facts: &Facts<'_>, original_len: u32, ahead: Ahead) {
        self.capture.frames += 1;
        self.capture.bytes += u64::from(original_len);
        if let Some(kind) = facts.kind
            && let Some(frames) = self.subtypes.get_mut(kind_place(kind))
        {
            *frames += 1;
        }
        let channel = facts.freq_mhz.and_then(|freq_mhz| self.channel(freq_mhz, original_len));
        match facts.outcome {
            Outcome::BadFcs => {
                self.capture.bad_fcs += 1;
                return;
            }
            Outcome::Malformed => {
                self.capture.malformed += 1;
                return;
            }
            Outcome::WithoutTa => self.capture.without_ta += 1,
            Outcome::GroupTa => self.capture.group_ta += 1,
            Outcome::Sent(ta) => match self.transmitter(ta, time, ahead.ta) {
                Some(place) => {
                    self.capture.station_frames += 1;
                    self.sent(place, ta, time, facts, original_len, channel);
                }
                None => self.capture.overflow_frames += 1,
            },
        }
        if let Some(ra) = facts.ra
            && !ra.is_group()
        {
            self.received(ra, ahead.ra);
        }
    }

    /// Counts the frame on its channel; gives the channel's place.
    #[inline]
    fn channel(&mut self, freq_mhz: u16, original_len: u32) -> Option<u8> {
        let place = *self.channel_places.get(usize::from(freq_mhz))?;
        match at_mut(&mut self.channels, u32::from(place)) {
            Some(channel) => {
                channel.frames += 1;
                channel.bytes += u64::from(original_len);
                Some(place - 1)
            }
            None => {
                let place = self.channel_place(freq_mhz);
                match place.and_then(|place| self.channels.get_mut(usize::from(place))) {
                    Some(channel) => (channel.frames, channel.bytes) = (1, u64::from(original_len)),
                    None => self.channel_overflow += 1,
                }
                place
            }
        }
    }

    /// The place of a channel, new or not; `None` when there are too many.
    pub(super) fn channel_place(&mut self, freq_mhz: u16) -> Option<u8> {
        let place = self.channel_places.get_mut(usize::from(freq_mhz))?;
        if *place == 0 {
            if self.channels.len() >= MAX_CHANNELS {
                return None;
            }
            self.channels.push(Channel { freq_mhz, listened_ms: None, frames: 0, bytes: 0 });
            *place = u8::try_from(self.channels.len()).ok()?;
        }
        Some(*place - 1)
    }

    /// Where an address is, if it is known.
    #[inline]
    pub(super) fn find(&self, mac: u64, hash: u64) -> Option<u32> {
        self.index.find(hash, |place| self.entries.get(place as usize).is_some_and(|entry| entry.mac() == mac))
    }

    /// Gives an address a place. It must not have one.
    pub(super) fn enter(&mut self, entry: Slot) -> Option<u32> {
        let place = u32::try_from(self.entries.len()).ok()?;
        let hash = self.index.hash(entry.mac());
        let entries = &self.entries;
        self.index.insert(hash, place, |index, place| {
            index.hash(entries.get(place as usize).map(Slot::mac).unwrap_or_default())
        });
        self.entries.push(entry);
        Some(place)
    }

    /// The place of an address that transmits at `time`, which is the likely one as a rule; `None` when there are too many.
    #[inline]
    fn transmitter(&mut self, ta: Mac, time: UnixNanos, likely: u32) -> Option<u32> {
        let mac = ta.to_u64();
        let is_sender = |place: &u32| {
            self.entries
                .get(*place as usize)
                .is_some_and(|entry| entry.key & (MAC_BITS | flag::SENT) == mac | flag::SENT)
        };
        if is_sender(&likely) {
            return Some(likely);
        }
        let found = self.find(mac, self.index.hash(mac));
        match found.filter(is_sender) {
            Some(place) => Some(place),
            None => self.first_sent(ta, found, time),
        }
    }

    #[cold]
    fn first_sent(&mut self, ta: Mac, found: Option<u32>, time: UnixNanos) -> Option<u32> {
        if self.transmitters >= self.max_stations {
            return None;
        }
        let place = match found {
            Some(place) => {
                self.receivers -= 1;
                place
            }
            None => self.enter(Slot::new(ta.to_u64()))?,
        };
        self.transmitters += 1;
        let entry = self.entries.get_mut(place as usize)?;
        entry.key |= flag::SENT;
        (entry.first, entry.last) = (first_key(time), time.0);
        Some(place)
    }

    #[inline]
    fn received(&mut self, ra: Mac, likely: u32) {
        let mac = ra.to_u64();
        let is_likely = self.entries.get(likely as usize).is_some_and(|entry| entry.mac() == mac);
        let found = if is_likely { Some(likely) } else { self.find(mac, self.index.hash(mac)) };
        let place = match found {
            Some(place) => place,
            None => {
                if self.receivers >= self.max_stations {
                    self.receiver_overflow += 1;
                    return;
                }
                let Some(place) = self.enter(Slot::new(mac)) else { return };
                self.receivers += 1;
                self.most_receivers = self.most_receivers.max(self.receivers);
                place
            }
        };
        if let Some(entry) = self.entries.get_mut(place as usize) {
            entry.received += 1;
            if entry.received == u16::MAX {
                self.carry(place);
            }
        }
    }

    #[inline]
    fn sent(&mut self, place: u32, ta: Mac, time: UnixNanos, facts: &Facts<'_>, len: u32, channel: Option<u8>) {
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        let bytes_full;
        (entry.bytes, bytes_full) = entry.bytes.overflowing_add(len);
        entry.frames += 1;
        let full = entry.frames == u16::MAX;
        entry.first = entry.first.min(first_key(time));
        entry.last = entry.last.max(time.0);
        entry.retries += u16::from(facts.retry);
        if let Some(dbm) = facts.signal_dbm {
            entry.signal_min = entry.signal_min.min(dbm);
            entry.signal_max = entry.signal_max.max(dbm);
            entry.signal_sum += i32::from(dbm);
            entry.signals += 1;
        }
        if let Some(bssid) = facts.bssid
            && !bssid.is_group()
        {
            entry.bssid = bssid.0;
            entry.key |= flag::HAS_BSSID;
        }
        let class = facts.class();
        entry.management += u16::from(class == Some(Class::Management));
        entry.control += u16::from(class == Some(Class::Control));
        let body = if class == Some(Class::Management) { facts.body() } else { Body::default() };
        entry.key |= role_flags(ta, class, facts, body.capability);
        match channel {
            Some(channel @ 0..64) => entry.channels |= 1 << channel,
            Some(channel) => self.extra(place, |extra| extra.channels |= 1 << (channel & 63)),
            None => {}
        }
        match class {
            Some(Class::Management) => self.management_body(place, facts.kind, &body),
            Some(Class::Extension) => self.extra(place, |extra| extra.extension += 1),
            _ => {}
        }
        if bytes_full || full {
            self.carry(place);
            self.extra(place, |extra| extra.counts.bytes_sent += u64::from(bytes_full) << u32::BITS);
        }
    }

    /// What the body of a management frame says of its sender.
    fn management_body(&mut self, place: u32, kind: Option<FrameKind>, body: &Body<'_>) {
        let origin = match kind {
            Some(FrameKind::BEACON | FrameKind::PROBE_RESPONSE) => Origin::Announced,
            Some(FrameKind::PROBE_REQUEST | FrameKind::ASSOCIATION_REQUEST | FrameKind::REASSOCIATION_REQUEST) => {
                Origin::Sought
            }
            _ => return,
        };
        let rare = self.entries.get(place as usize).map(|entry| self.rare_of(entry)).unwrap_or_default();
        if origin == Origin::Announced
            && rare.network.is_none_or(|network| !network.whole)
            && let Some(network) = body.network()
        {
            self.rare(place, |rare| rare.network = join(rare.network, Some(network)));
        }
        // An empty name is any network's in a probe request and a hidden one's in a beacon; a longer one is none.
        let is_name = |octets: &&[u8]| (1..=MAX_NAME_LEN).contains(&octets.len());
        if let Some(octets) = body.ssid().filter(is_name) {
            self.name(place, origin, octets, 1);
        }
        if origin == Origin::Announced && body.names_others() {
            for octets in body.other_ssids().filter(is_name) {
                self.name(place, origin, octets, 1);
            }
        }
    }

    /// Notes that a station used a network name `heard` times.
    pub(super) fn name(&mut self, place: u32, origin: Origin, octets: &[u8], heard: u32) {
        let rare = self.entries.get(place as usize).map(|entry| self.rare_of(entry)).unwrap_or_default();
        let (mut next, mut least) = (rare.names, None::<(u32, u32)>);
        while let Some(name) = at_mut(&mut self.names, next) {
            if name.origin == origin {
                if name.octets() == octets {
                    name.heard = name.heard.saturating_add(heard);
                    return;
                }
                if least.is_none_or(|(_, count)| name.heard < count) {
                    least = Some((next, name.heard));
                }
            }
            next = name.older;
        }
        let mut padded = [0; MAX_NAME_LEN];
        for (to, from) in padded.iter_mut().zip(octets) {
            *to = *from;
        }
        let len = u8::try_from(octets.len()).unwrap_or_default();
        let new = Name { octets: padded, len, origin, heard, older: rare.names };
        let kept = if origin == Origin::Announced { rare.announced } else { rare.sought };
        if kept < MAX_NAMES && self.names.len() < MAX_ALL_NAMES {
            self.names.push(new);
            let newest = u32::try_from(self.names.len()).unwrap_or_default();
            self.rare(place, |rare| {
                rare.names = newest;
                match origin {
                    Origin::Announced => rare.announced += 1,
                    Origin::Sought => rare.sought += 1,
                }
            });
            return;
        }
        self.rare(place, |rare| {
            let left_out = match origin {
                Origin::Announced => &mut rare.announced_left_out,
                Origin::Sought => &mut rare.sought_left_out,
            };
            *left_out = left_out.saturating_add(1);
        });
        self.names_overflowed = true;
        if let Some((at, count)) = least
            && let Some(name) = at_mut(&mut self.names, at)
        {
            *name = Name { heard: count.saturating_add(heard), older: name.older, ..new };
        }
    }

    /// Moves a station's narrow counts to where there is room.
    #[cold]
    pub(super) fn carry(&mut self, place: u32) {
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        let full = *entry;
        (entry.frames, entry.bytes, entry.received) = (0, 0, 0);
        (entry.management, entry.control, entry.retries) = (0, 0, 0);
        (entry.signals, entry.signal_sum) = (0, 0);
        self.extra(place, |extra| {
            let counts = &mut extra.counts;
            counts.frames_sent += u64::from(full.frames);
            counts.bytes_sent += u64::from(full.bytes);
            counts.frames_received += u64::from(full.received);
            counts.management += u64::from(full.management);
            counts.control += u64::from(full.control);
            counts.retries += u64::from(full.retries);
            extra.signals += u64::from(full.signals);
            extra.signal_sum += i64::from(full.signal_sum);
        });
    }

    /// Changes a station's [`Rare`], making it if need be.
    pub(super) fn rare(&mut self, place: u32, change: impl FnOnce(&mut Rare)) {
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        if entry.rare == 0 {
            self.rares.push(Rare::default());
            entry.rare = u32::try_from(self.rares.len()).unwrap_or_default();
        }
        if let Some(rare) = at_mut(&mut self.rares, entry.rare) {
            change(rare);
        }
    }

    /// Changes a station's [`Extra`], making it if need be.
    pub(super) fn extra(&mut self, place: u32, change: impl FnOnce(&mut Extra)) {
        let known = self.entries.get(place as usize).map(|entry| self.rare_of(entry).extra).unwrap_or_default();
        let known = match known {
            0 => {
                self.extras.push(Extra::default());
                let new = u32::try_from(self.extras.len()).unwrap_or_default();
                self.rare(place, |rare| rare.extra = new);
                new
            }
            known => known,
        };
        if let Some(extra) = at_mut(&mut self.extras, known) {
            change(extra);
        }
    }
}

#[inline]
fn kind_place(kind: FrameKind) -> usize {
    match kind.0 {
        kind @ 0..0x40 => usize::from(kind),
        kind @ 0x160..0x170 => usize::from(kind - 0x160 + 0x40),
        _ => KINDS,
    }
}

/// What a frame tells of its sender's role; [`super::Station::role`] says which of them counts.
#[inline]
fn role_flags(ta: Mac, class: Option<Class>, facts: &Facts<'_>, capability: Option<u16>) -> u64 {
    let own_bss = facts.bssid == Some(ta);
    match (class, facts.kind) {
        (None, _) => flag::WIRED,
        (_, Some(FrameKind::BEACON | FrameKind::PROBE_RESPONSE)) => {
            match capability.map(|capability| capability & (ESS | IBSS)) {
                Some(ESS) => flag::ACCESS_POINT,
                Some(0) => flag::NEITHER,
                Some(_) => flag::AD_HOC,
                None if own_bss => flag::ACCESS_POINT,
                None => 0,
            }
        }
        (_, Some(FrameKind::PROBE_REQUEST)) => flag::PROBED,
        (_, Some(FrameKind::ASSOCIATION_REQUEST | FrameKind::REASSOCIATION_REQUEST | PS_POLL)) => flag::CLIENT,
        (_, Some(AUTHENTICATION)) if facts.bssid.is_some() && facts.bssid == facts.ra && !own_bss => flag::CLIENT,
        (Some(Class::Data), _) => match (facts.to_ds, facts.from_ds) {
            (true, false) => flag::CLIENT,
            (false, true) if own_bss => flag::ACCESS_POINT,
            (false, false) if !own_bss && facts.bssid.is_some_and(|bssid| !bssid.is_group()) => flag::AD_HOC,
            _ => 0,
        },
        _ => 0,
    }
}

const _: () = assert!(MAC_BITS & (flag::SENT | flag::HAS_BSSID | flag::WIRED) == 0);
