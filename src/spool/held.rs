//! Records whose times are a guess, because the sensor's clock was not synchronised: they are stored, counted and given
//! way like others, and offered to nobody until they are released, restamped or as they are.

use super::{
    NewEntry, Spool, SpoolError,
    entry::{PackedEntry, Packer},
    rows::Spot,
    store::Safety,
};
use crate::{UnixNanos, wire::Record};
use std::iter;
use uuid::Uuid;

/// Records restamped in one transaction.
const TOGETHER: usize = 256;

impl Spool {
    /// Restamps what is held of `boot`, for good, and lets it go: the time of each is its time since boot plus `anchor`
    /// nanoseconds. If this is cut off, the same call with the same anchor does the rest. Returns how many there were.
    ///
    /// # Errors
    /// When a store cannot be read or written.
    pub fn release(&mut self, boot: Uuid, anchor: i64) -> Result<u64, SpoolError> {
        let mut released = 0;
        // Who is on disk came first.
        for in_hot in [false, true] {
            while let Some(tier) = self.tier(in_hot) {
                let rows: Vec<(Spot, Option<PackedEntry>)> = tier.read(|tier| {
                    let heads = tier.held(boot, TOGETHER)?;
                    heads.into_iter().map(|head| Ok((head.spot, tier.load(head.id)?))).collect()
                })?;
                if rows.is_empty() {
                    break;
                }
                let mut packer = Packer::default();
                let (mut restamped, mut damaged) = (Vec::with_capacity(rows.len()), Vec::new());
                for (spot, row) in rows {
                    match row.and_then(|row| restamp(row, anchor, &mut packer)) {
                        Some(row) => restamped.push((spot, PackedEntry { id: self.take_id(), ..row })),
                        None => damaged.push((in_hot, spot)),
                    }
                }
                released += restamped.len() as u64;
                self.tier_mut(in_hot).write(Safety::Synced, |tier| {
                    restamped.iter().try_for_each(|(spot, row)| tier.put(spot.run_id, row))
                })?;
                if !damaged.is_empty() {
                    self.give_up(&damaged)?; // What declares them is held too, and is restamped in the next round.
                }
                self.tier_mut(in_hot).trim_log()?;
            }
        }
        for tier in self.hot.iter_mut().chain(iter::once(&mut self.cold)) {
            tier.write(Safety::Synced, |tier| tier.anchor_runs(boot, anchor))?;
        }
        self.floors.fill(0);
        Ok(released)
    }

    /// Lets go, as it is, what is held of any boot but `boot`: nobody can tell its time any more. Returns how many
    /// records there were.
    ///
    /// # Errors
    /// When a store cannot be written.
    pub fn release_unsynced(&mut self, but: Option<Uuid>) -> Result<u64, SpoolError> {
        let mut released = 0;
        for tier in self.hot.iter_mut().chain(iter::once(&mut self.cold)) {
            released += tier.write(Safety::Synced, |tier| tier.unhold(but))?;
        }
        self.floors.fill(0);
        Ok(released)
    }
}

/// The row of the same record at its true time; `None` if its body is damaged.
fn restamp(row: PackedEntry, anchor: i64, packer: &mut Packer) -> Option<PackedEntry> {
    let held = row.held?;
    let shift = held.start.saturating_add(anchor).saturating_sub(row.start.0);
    let (added, pending, code) = (row.added, row.pending, row.code);
    let entry = row.unpack()?;
    let record = Record::decode(&entry.body).ok()?.restamped(shift);
    let entry = NewEntry::encode(&record).ok()?;
    debug_assert_eq!(entry.start, UnixNanos(held.start.saturating_add(anchor)));
    Some(PackedEntry { code, ..PackedEntry::pack(&entry, added, pending, packer) })
}
