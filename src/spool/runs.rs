//! Runs: where they begin, how far they have come, what one lost that ended badly, what of one never arrived.

use super::{
    NewEntry, RunInfo, Spool, SpoolError,
    entry::{PackedEntry, Packer},
    store::Safety,
};
use crate::{
    UnixNanos,
    wire::{GAP_SCHEMA, Gap, GapReason, Record, STAMPING},
};
use std::{collections::HashMap, iter};
use uuid::Uuid;

impl Spool {
    /// Every run known, oldest first.
    ///
    /// # Errors
    /// When a store cannot be read.
    pub fn runs(&self) -> Result<Vec<RunInfo>, SpoolError> {
        let mut runs = self.cold.read(|tier| tier.runs())?;
        let Some(hot) = &self.hot else { return Ok(runs) };
        let places: HashMap<Uuid, usize> = runs.iter().enumerate().map(|(place, run)| (run.run, place)).collect();
        for newer in hot.read(|tier| tier.runs())? {
            match places.get(&newer.run).and_then(|&place| runs.get_mut(place)) {
                Some(run) => run.advance(&newer),
                None => runs.push(newer),
            }
        }
        Ok(runs)
    }

    /// Notes on disk that a run begins, so that its loss is declared even if no window of it ever is. `guess` as in
    /// [`RunInfo`].
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn begin_run(
        &mut self,
        now: UnixNanos,
        site: &str,
        sensor: &str,
        run: Uuid,
        guess: Option<(Uuid, i64)>,
    ) -> Result<(), SpoolError> {
        self.cold.write(Safety::Synced, |tier| {
            let run_id = tier.run_id(site, sensor, run, now, now)?;
            guess.map_or(Ok(()), |(boot, anchor)| tier.guess_run(run_id, boot, anchor))
        })
    }

    /// Declares what a run lost that ended without its `final` mark: one gap record, from the end of its last window
    /// to `until`, on disk when this returns. The run then counts as finished, so this happens once.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn declare_crash(
        &mut self,
        now: UnixNanos,
        run: &RunInfo,
        until: UnixNanos,
    ) -> Result<Option<Gap>, SpoolError> {
        if self.runs()?.iter().any(|known| known.run == run.run && known.finished) {
            return Ok(None);
        }
        let gap = Gap {
            schema: GAP_SCHEMA.into(),
            site: run.site.clone(),
            sensor: run.sensor.clone(),
            run: run.run,
            reason: GapReason::Crash,
            first_seq: run.last_seq.map_or(0, |last| last.saturating_add(1)),
            last_seq: None,
            start: run.last_end,
            end: until.max(run.last_end),
            frames: None,
            detail: None,
            stamping: Some(STAMPING),
            ingest: None,
            withdrawn: false,
        };
        let mut row = PackedEntry::pack(
            &NewEntry::encode(&Record::Gap(gap.clone()))?,
            now,
            self.everyone(),
            &mut Packer::default(),
        );
        row.id = self.take_id();
        self.cold.write(Safety::Synced, |tier| {
            let run_id = tier.run_id(&run.site, &run.sensor, run.run, run.last_end, now)?;
            tier.put(run_id, &row)?;
            tier.advance_run(run_id, &RunInfo { finished: true, ..run.clone() }, now)
        })?;
        Ok(Some(gap))
    }

    /// Windows of a run from 0 to `last_seq` that neither arrived whole nor were declared lost: ranges, both ends
    /// included, ascending, at most `max` of them. Needs [`super::Settings::ledger`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn holes(
        &self,
        site: &str,
        sensor: &str,
        run: Uuid,
        last_seq: u64,
        max: usize,
    ) -> Result<Vec<(u64, u64)>, SpoolError> {
        self.cold.read(|tier| match tier.find_run(site, sensor, run)? {
            Some(run_id) => tier.holes(run_id, last_seq, max),
            None => Ok(iter::once((0, last_seq)).take(max).collect()),
        })
    }
}
