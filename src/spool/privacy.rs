//! The privacy mode in force governs what is kept: at a start in a stricter mode than a tier was written in, every window
//! in it is erased. Whoever waited for one is told by a gap record.
//!
//! Each tier's file says in which mode it was written. That mark changes last, when nothing is left: a start that was cut
//! off finds the old mark and does the rest. Nothing is read from a spool before.

use super::{
    Spool, SpoolError,
    entry::PackedEntry,
    evict::Why,
    files::{self, COLD, HOT},
    rows::Spot,
    store::{Safety, Store},
};
use crate::{
    UnixNanos,
    wire::{Addresses, Exposure, Record},
};
use std::collections::BTreeSet;

/// The tier's name for the mode that it was written in.
const MODE: &str = "privacy";
/// Entries looked at, or erased, in one transaction.
const TOGETHER: usize = 256;

/// What may be kept.
#[derive(Clone, Debug)]
pub struct Privacy {
    /// What records may tell.
    pub allowed: Exposure,
    /// The states ([`Spool::append`]) that hold addresses: kept only where records may hold them too.
    pub states: Vec<String>,
    /// Called every now and then while there is something to look through or to erase, which can take minutes.
    pub progress: fn(),
}

/// What had to be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The mode it was written in.
    pub from: Exposure,
    /// The mode now.
    pub to: Exposure,
    /// Windows.
    pub windows: u64,
    /// Those among them that somebody waited for: they are declared.
    pub undelivered: u64,
}

/// What a tier holds.
#[derive(Clone, Copy)]
struct Written {
    exposure: Exposure,
    /// Whether the file says so itself.
    marked: bool,
}

impl Spool {
    /// Erases what may not be kept any more, and marks the tiers with the mode from now on.
    pub(super) fn obey_privacy(&mut self, now: UnixNanos) -> Result<Option<Erased>, SpoolError> {
        let Some(privacy) = self.settings.privacy.clone() else { return Ok(None) };
        let to = privacy.allowed;
        let mut tiers = Vec::new();
        for (is_hot, tier) in self.tiers() {
            tiers.push((is_hot, written(tier, &privacy)?));
        }
        let from = tiers.iter().fold(Exposure::NOTHING, |all, (_, tier)| all.and(tier.exposure));
        let stricter = from.exceeds(to);
        // Files that were set aside are of the same modes, and of a tier without a mark nobody knows which.
        let unknown = to.addresses != Addresses::Plain && tiers.iter().any(|(_, tier)| !tier.marked);
        if stricter || unknown {
            files::erase_damaged(&self.settings.state_dir, COLD)?;
            self.settings.runtime_dir.as_deref().map_or(Ok(()), |dir| files::erase_damaged(dir, HOT))?;
        }
        let mut erased = Erased { from, to, windows: 0, undelivered: 0 };
        for (is_hot, tier) in tiers {
            self.tier_mut(is_hot).end_wipe()?;
            if tier.exposure.exceeds(to) {
                self.erase(is_hot, &privacy, &mut erased)?;
            }
            let mark = serde_json::to_vec(&to).unwrap_or_default(); // Two plain values: nothing that can fail.
            self.tier_mut(is_hot).write(Safety::Synced, |tier| tier.set_state(MODE, &mark, now))?;
        }
        Ok(stricter.then_some(erased))
    }

    fn erase(&mut self, is_hot: bool, privacy: &Privacy, erased: &mut Erased) -> Result<(), SpoolError> {
        self.tier_mut(is_hot).begin_wipe(privacy.progress)?;
        loop {
            (privacy.progress)();
            let heads = self.tier_mut(is_hot).read(|tier| tier.windows_after(0, TOGETHER))?;
            let spots: BTreeSet<Spot> = heads.into_iter().map(|head| head.spot).collect();
            if spots.is_empty() {
                break;
            }
            erased.windows += spots.len() as u64;
            erased.undelivered += self.lose(is_hot, &spots, Why::Erased)?.0;
            self.tier_mut(is_hot).trim_log()?;
        }
        let plain = privacy.allowed.addresses == Addresses::Plain;
        let tier = self.tier_mut(is_hot);
        tier.write(Safety::Synced, |tier| {
            tier.forget_windows()?;
            privacy.states.iter().filter(|_| !plain).try_for_each(|key| tier.forget_state(key))
        })?;
        tier.end_wipe()?;
        tier.rebuild()?;
        self.bound_gaps()
    }
}

/// What `tier` was written in. Without a mark (an earlier version's) its content tells; what cannot be read is taken for
/// the worst.
fn written(tier: &Store, privacy: &Privacy) -> Result<Written, SpoolError> {
    tier.read(|tier| {
        if let Some(mark) = tier.state(MODE)? {
            let exposure = serde_json::from_slice(&mark).unwrap_or(Exposure::EVERYTHING);
            return Ok(Written { exposure, marked: true });
        }
        let mut exposure = Exposure::NOTHING;
        for key in &privacy.states {
            if tier.state(key)?.is_some() {
                exposure.addresses = Addresses::Plain;
            }
        }
        let mut after = 0;
        while !exposure.exceeds(privacy.allowed) {
            (privacy.progress)();
            let heads = tier.windows_after(after, TOGETHER)?;
            let Some(last) = heads.last() else { break };
            after = last.id;
            for head in heads {
                let entry = tier.load(head.id)?.and_then(PackedEntry::unpack);
                let record = entry.and_then(|entry| Record::decode(&entry.body).ok());
                exposure = exposure.and(record.as_ref().map_or(Exposure::EVERYTHING, Exposure::of));
            }
        }
        Ok(Written { exposure, marked: false })
    })
}
