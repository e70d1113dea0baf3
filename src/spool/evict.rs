//! The byte bound: what gives way when space is needed, and how that is declared.
//!
//! The oldest window that everybody has goes first; when there is none, the oldest that somebody still waits for, and
//! in the same transaction a gap record takes its place. Windows go whole. Gap records go when they are delivered.

use super::{
    NewEntry, Spool, SpoolError,
    entry::{Held, PackedEntry, Packer, code},
    failure::Failure,
    ring::{SLACK, needed_for},
    rows::{Head, Rows, Spot, signed},
    store::{Safety, Store},
};
use crate::{
    UnixNanos,
    wire::{ERASED, GAP_SCHEMA, Gap, GapReason, Record, STAMPING},
};
use std::collections::BTreeSet;

/// How many entries are looked at for what is to go.
const LOOK: usize = 256;

/// Why windows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Their space is needed, or they are damaged.
    Evicted,
    /// They may not be kept any more.
    Erased,
}

impl Why {
    /// How the loss is declared.
    const fn reason(self) -> (GapReason, Option<&'static str>) {
        match self {
            Self::Evicted => (GapReason::Evicted, None),
            Self::Erased => (GapReason::Unavailable, Some(ERASED)),
        }
    }

    const fn code(self) -> i64 {
        match self {
            Self::Evicted => code::EVICTED_HERE,
            Self::Erased => code::ERASED_HERE,
        }
    }
}

/// Windows lost to the same readers, one after the other.
#[derive(Clone, Debug)]
struct Loss {
    run_id: i64,
    /// The readers that waited for them.
    mask: u64,
    first: u64,
    last: u64,
    start: UnixNanos,
    end: UnixNanos,
    frames: u64,
    /// When the last of them was appended: the gap has waited since then.
    added: UnixNanos,
    /// How the first of them was held.
    held: Option<Held>,
}

impl Loss {
    /// The loss of the window whose stored parts these are; `None` if nobody waits for any.
    fn of(run_id: i64, seq: u64, parts: &[Head]) -> Option<Self> {
        let waiting = || parts.iter().filter(|part| part.pending != 0);
        Some(Self {
            run_id,
            mask: waiting().fold(0, |mask, part| mask | part.pending),
            first: seq,
            last: seq,
            start: waiting().map(|part| part.start).min()?,
            end: waiting().map(|part| part.end).max()?,
            frames: waiting().fold(0, |frames, part| frames.saturating_add(part.frames)),
            added: waiting().map(|part| part.added).max()?,
            held: waiting().find_map(|part| part.held),
        })
    }

    /// Takes `next` in, if it follows on this.
    fn extend(&mut self, next: &Self) -> bool {
        let boot = |loss: &Self| loss.held.map(|held| held.boot);
        let follows = (next.run_id, next.mask, boot(next)) == (self.run_id, self.mask, boot(self))
            && next.first == self.last.saturating_add(1);
        if follows {
            self.last = next.last;
            (self.start, self.end) = (self.start.min(next.start), self.end.max(next.end));
            self.frames = self.frames.saturating_add(next.frames);
            self.added = self.added.max(next.added);
        }
        follows
    }
}

impl Spool {
    /// Sees to it that `need` more octets in the hot or the cold tier keep both files under the bound. Says whether
    /// they do; `lost` gets what gave way undelivered.
    pub(super) fn make_room(&mut self, in_hot: bool, need: u64, lost: &mut Vec<Gap>) -> Result<bool, SpoolError> {
        let budget = self.budget();
        if need > budget {
            return Ok(false);
        }
        let mut generosity = 1;
        loop {
            let (mut files, mut free_here, mut free_there) = (0, 0, 0);
            for (is_hot, tier) in self.tiers() {
                let space = tier.space()?;
                files += space.file;
                *if is_hot == in_hot { &mut free_here } else { &mut free_there } += space.free;
            }
            let growth = need.saturating_sub(free_here);
            let over = (files + growth).saturating_sub(budget);
            if over == 0 {
                return Ok(true);
            }
            if free_there > 0 {
                self.tier_mut(!in_hot).give_back(free_there)?;
            } else if growth == 0 && free_here > need + SLACK {
                self.tier_mut(in_hot).give_back(free_here - need)?;
            } else {
                self.flush()?;
                if !self.evict(over.saturating_mul(generosity), lost)? {
                    return Ok(false);
                }
                generosity = (generosity * 2).min(64);
            }
        }
    }

    /// What the files may take beside their write-ahead logs.
    pub(super) fn budget(&self) -> u64 {
        self.settings.max_bytes.saturating_sub(self.wal_limit * self.tiers().count() as u64)
    }

    /// Deletes windows worth some `quota` octets, delivered ones first. Says whether there was any.
    fn evict(&mut self, quota: u64, lost: &mut Vec<Gap>) -> Result<bool, SpoolError> {
        for delivered in [true, false] {
            let mut oldest: Vec<(bool, Head)> = Vec::new();
            for (is_hot, tier) in self.tiers() {
                let heads = tier
                    .read(|tier| if delivered { tier.oldest_delivered(LOOK) } else { tier.oldest_undelivered(LOOK) })?;
                oldest.extend(heads.into_iter().map(|head| (is_hot, head)));
            }
            oldest.sort_by_key(|(_, head)| head.id);
            // Delivered windows go some at a time: each round costs a write to disk.
            let quota = if delivered { quota.max(self.budget() / 64) } else { quota };
            let (mut chosen, mut bytes) = (BTreeSet::new(), 0);
            for (is_hot, head) in oldest {
                if bytes >= quota {
                    break;
                }
                bytes += needed_for(head.stored);
                chosen.insert((is_hot, head.spot));
            }
            if !chosen.is_empty() {
                lost.extend(self.give_up(&chosen.into_iter().collect::<Vec<_>>())?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Deletes these windows and declares those that somebody waits for.
    pub(super) fn give_up(&mut self, places: &[(bool, Spot)]) -> Result<Vec<Gap>, SpoolError> {
        let mut declared = Vec::new();
        for is_hot in [false, true] {
            let spots: Vec<Spot> = places.iter().filter(|(hot, _)| *hot == is_hot).map(|(_, spot)| *spot).collect();
            if spots.is_empty() {
                continue;
            }
            let (windows, gaps) = self.lose(is_hot, &spots, Why::Evicted)?;
            self.count_evicted(windows, &gaps);
            declared.extend(gaps);
        }
        self.bound_gaps()?;
        Ok(declared)
    }

    /// Deletes windows of one tier and declares those that somebody waits for: how many, and how.
    pub(super) fn lose<'s>(
        &mut self,
        in_hot: bool,
        spots: impl IntoIterator<Item = &'s Spot>,
        why: Why,
    ) -> Result<(u64, Vec<Gap>), SpoolError> {
        self.declare(in_hot, why, |tier| {
            let mut losses = Vec::new();
            for &spot in spots {
                let parts = tier.window(spot)?;
                parts.iter().try_for_each(|part| tier.remove(part.id))?;
                if spot.code == code::BATCH {
                    losses.extend(Loss::of(spot.run_id, spot.seq, &parts));
                }
            }
            Ok(losses)
        })
    }

    fn count_evicted(&mut self, windows: u64, gaps: &[Gap]) {
        self.counts.evicted_windows += windows;
        self.counts.evicted_frames += gaps.iter().filter_map(|gap| gap.frames).sum::<u64>();
    }

    /// Declares windows that could not be stored at all.
    pub(super) fn give_up_unstored(&mut self, now: UnixNanos, entries: &[NewEntry]) -> Result<Vec<Gap>, SpoolError> {
        let mask = self.everyone();
        let lost = entries.iter().filter(|entry| entry.kind.is_window());
        let (windows, gaps) = self.declare(self.home_is_hot(), Why::Evicted, |tier| {
            let mut losses: Vec<Loss> = Vec::new();
            for NewEntry { key, start, end, frames, held, .. } in lost {
                let run_id = tier.run_id(&key.site, &key.sensor, key.run, *start, now)?;
                let (seq, start, end, frames, held) = (key.seq, *start, *end, *frames, *held);
                match losses.last_mut().filter(|loss| loss.run_id == run_id && loss.first == seq) {
                    Some(loss) => loss.frames = loss.frames.saturating_add(frames),
                    None => {
                        losses.push(Loss { run_id, mask, first: seq, last: seq, start, end, frames, added: now, held })
                    }
                }
            }
            Ok(losses)
        })?;
        self.count_evicted(windows, &gaps);
        Ok(gaps)
    }

    /// Writes gap records for what `lose` returns, and says how many windows that was, in the transaction in which it was lost: a power cut may bring back
    /// both the windows and the time before the gap, and that is as true.
    fn declare(
        &mut self,
        in_hot: bool,
        why: Why,
        lose: impl FnOnce(&Rows<'_>) -> Result<Vec<Loss>, Failure>,
    ) -> Result<(u64, Vec<Gap>), SpoolError> {
        let (mut next_id, ledger) = (self.next_id, self.settings.ledger);
        let (windows, gaps) = self.tier_mut(in_hot).write(Safety::Lazy, |tier| {
            let mut losses = lose(tier)?;
            let windows = losses.len() as u64;
            losses.sort_by_key(|loss| (loss.run_id, loss.mask, loss.first));
            losses.dedup_by(|next, loss| loss.extend(next));
            let mut gaps = Vec::with_capacity(losses.len());
            for loss in losses {
                gaps.push(write_loss(tier, &loss, why, next_id, ledger)?);
                next_id += 1;
            }
            Ok((windows, gaps))
        })?;
        self.next_id = next_id;
        Ok((windows, gaps))
    }

    /// Keeps the number of waiting gap records bounded: the oldest joins another of its run and kind, or goes.
    pub(super) fn bound_gaps(&mut self) -> Result<(), SpoolError> {
        let limit = self.most_gaps();
        let waiting: Vec<(bool, u64)> = self
            .tiers()
            .map(|(is_hot, tier)| Ok((is_hot, tier.read(|tier| tier.waiting_gaps())?)))
            .collect::<Result<_, SpoolError>>()?;
        for (is_hot, waiting) in waiting.into_iter().filter(|(_, waiting)| *waiting > limit) {
            let mut next_id = self.next_id;
            let dropped = self.tier_mut(is_hot).write(Safety::Lazy, |tier| {
                let mut dropped = 0;
                for _ in limit..waiting {
                    dropped += u64::from(!join_oldest(tier, next_id)?);
                    next_id += 1;
                }
                Ok(dropped)
            })?;
            self.next_id = next_id;
            self.counts.dropped_gaps += dropped;
        }
        Ok(())
    }

    /// How many gaps may wait in a tier.
    pub(super) fn most_gaps(&self) -> u64 {
        (self.settings.max_bytes >> 14).clamp(64, 16_384)
    }

    pub(super) fn tier_mut(&mut self, hot: bool) -> &mut Store {
        self.hot.as_mut().filter(|_| hot).unwrap_or(&mut self.cold)
    }
}

/// Writes the gap record for `loss`, joined with what adjoins it; returns that of this loss alone.
fn write_loss(tier: &Rows<'_>, loss: &Loss, why: Why, id: u64, ledger: bool) -> Result<Gap, Failure> {
    let (reason, detail) = why.reason();
    let (site, sensor, run) = tier.run_name(loss.run_id)?;
    let gap = Gap {
        schema: GAP_SCHEMA.into(),
        site,
        sensor,
        run,
        reason,
        first_seq: loss.first,
        last_seq: Some(loss.last),
        start: loss.start,
        end: loss.end,
        frames: Some(loss.frames),
        detail: detail.map(str::to_owned),
        stamping: Some(STAMPING),
        ingest: None,
        withdrawn: false,
    };
    let (mut joined, mut mask, mut last) = (gap.clone(), loss.mask, loss.last);
    loop {
        let spot = Spot { run_id: loss.run_id, code: why.code(), seq: joined.first_seq };
        let same = tier.displaced(spot, 0, 1)?.first().copied();
        let Some(other) = same.map_or_else(
            || tier.adjoining_loss(loss.run_id, why.code(), loss.mask, joined.first_seq, last),
            |id| Ok(Some(id)),
        )?
        else {
            break;
        };
        if let Some((waiting, other)) = load_gap(tier, other)? {
            join(&mut joined, &other);
            mask |= waiting;
            last = joined.last_seq.unwrap_or(last);
        }
        tier.remove(other)?;
    }
    let held = loss.held.map(|held| held.of(loss.start, joined.start));
    put_gap(tier, loss.run_id, &joined, held, why.code(), id, mask, loss.added)?;
    if ledger {
        tier.add_range(loss.run_id, signed(loss.first), signed(loss.last))?;
    }
    Ok(gap)
}

/// Joins the oldest waiting gap with another; says whether there was another, else it is gone.
fn join_oldest(tier: &Rows<'_>, id: u64) -> Result<bool, Failure> {
    let Some((oldest, other)) = tier.gaps_to_merge()? else { return Ok(true) };
    let (Some(first), second) = (tier.load(oldest)?, other.map_or(Ok(None), |other| load_gap(tier, other))?) else {
        return Ok(true);
    };
    tier.remove(oldest)?;
    let (Some((waiting, second)), Some(other)) = (second, other) else { return Ok(false) };
    let (code, added, mask) = (first.code, first.added, first.pending | waiting);
    let (held, began) = (first.held, first.start);
    let Some(mut joined) = decode(first) else { return Ok(false) };
    join(&mut joined, &second);
    tier.remove(other)?;
    let run_id = tier.run_id(&joined.site, &joined.sensor, joined.run, joined.start, added)?;
    put_gap(tier, run_id, &joined, held.map(|held| held.of(began, joined.start)), code, id, mask, added)?;
    Ok(true)
}

#[allow(clippy::too_many_arguments)] // The columns of one row.
pub(super) fn put_gap(
    tier: &Rows<'_>,
    run_id: i64,
    gap: &Gap,
    held: Option<Held>,
    code: i64,
    id: u64,
    mask: u64,
    added: UnixNanos,
) -> Result<(), Failure> {
    if let Ok(entry) = NewEntry::encode(&Record::Gap(gap.clone())) {
        tier.put(
            run_id,
            &PackedEntry { id, code, held, ..PackedEntry::pack(&entry, added, mask, &mut Packer::default()) },
        )?;
    }
    Ok(())
}

fn load_gap(tier: &Rows<'_>, id: u64) -> Result<Option<(u64, Gap)>, Failure> {
    Ok(tier.load(id)?.and_then(|row| Some((row.pending, decode(row)?))))
}

fn decode(row: PackedEntry) -> Option<Gap> {
    match Record::decode(&row.unpack()?.body) {
        Ok(Record::Gap(gap)) => Some(gap),
        _ => None,
    }
}

/// Widens `gap` to cover `other` of the same run too.
fn join(gap: &mut Gap, other: &Gap) {
    gap.first_seq = gap.first_seq.min(other.first_seq);
    gap.last_seq = gap.last_seq.zip(other.last_seq).map(|(a, b)| a.max(b));
    (gap.start, gap.end) = (gap.start.min(other.start), gap.end.max(other.end));
    gap.frames = match (gap.frames, other.frames) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    };
}
