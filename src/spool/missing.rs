//! What an ingest declares lost by itself: windows that it knows to be missing, and that nobody sent or declared. Such a gap
//! is kept beside the ledger, so that it can be withdrawn if the windows come after all.

use super::{
    Spool, SpoolError,
    entry::code,
    evict::put_gap,
    failure::SqlResult,
    rows::{Rows, Times, signed},
    store::Safety,
};
use crate::{
    UnixNanos,
    wire::{GAP_SCHEMA, Gap, GapReason, MISSING, STAMPING},
};
use uuid::Uuid;

/// What the keys begin with under which a run's declared gaps are kept.
const PREFIX: &str = "missing ";
/// Runs whose gaps can be withdrawn, at most: then those of the run declared longest ago stay declared for ever.
const MOST_RUNS: usize = 2_000;
/// Gaps of one run that can be withdrawn, at most.
const MOST_GAPS: usize = 256;

/// Missing windows of one run, to be declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The place.
    pub site: String,
    /// The sensor's name.
    pub sensor: String,
    /// The run.
    pub run: Uuid,
    /// The first missing window.
    pub first_seq: u64,
    /// The last missing window.
    pub last_seq: u64,
    /// When the run was last heard of: the gap's time where no window of the run is here.
    pub heard: UnixNanos,
}

fn key(site: &str, sensor: &str, run: Uuid) -> String {
    format!("{PREFIX}{run} {site}/{sensor}")
}

fn kept(tier: &Rows<'_>, key: &str) -> SqlResult<Vec<Gap>> {
    Ok(tier.state(key)?.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
}

fn keep(tier: &Rows<'_>, key: &str, gaps: &[Gap], now: UnixNanos) -> SqlResult<()> {
    match serde_json::to_vec(gaps) {
        Ok(value) if !gaps.is_empty() => tier.set_state(key, &value, now),
        _ => tier.forget_state(key),
    }
}

/// The time that missing windows cover: from the stored window before them to the one after. Where one of these is not here,
/// as if windows were as long as the other; where both are not, when the run was last heard of.
fn between((before, after): (Option<Times>, Option<Times>), lost: &Missing) -> Times {
    let windows = i64::try_from(lost.last_seq - lost.first_seq).unwrap_or(i64::MAX).saturating_add(1);
    let all = |(start, end): Times| windows.saturating_mul(end.0.saturating_sub(start.0).max(0));
    match (before, after) {
        (Some((_, start)), Some((end, _))) => (start, end.max(start)),
        (Some(window), None) => (window.1, UnixNanos(window.1.0.saturating_add(all(window)))),
        (None, Some(window)) => (UnixNanos(window.0.0.saturating_sub(all(window))), window.0),
        (None, None) => (lost.heard, lost.heard),
    }
}

impl Spool {
    /// Declares what is `missing` to this ingest, called `ingest`: a gap record for each reader, and the ledger has these
    /// windows settled. Gives what was declared: less than was missing, where too many gaps wait to be stored.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn declare_missing(
        &mut self,
        now: UnixNanos,
        ingest: &str,
        missing: &[Missing],
    ) -> Result<Vec<Gap>, SpoolError> {
        let (limit, mask, first_id) = (self.most_gaps() / 2, self.everyone(), self.next_id);
        let declared = self.cold.write(Safety::Synced, |tier| {
            let mut declared: Vec<Gap> = Vec::new();
            let waiting = tier.waiting_gaps()?;
            for lost in missing {
                if waiting + declared.len() as u64 >= limit {
                    break;
                }
                let Missing { site, sensor, run, first_seq, last_seq, heard } = lost;
                let run_id = tier.run_id(site, sensor, *run, *heard, now)?;
                // What it could not note may have come.
                if tier.is_full(run_id)? {
                    continue;
                }
                let (start, end) = between(tier.around(run_id, *first_seq, *last_seq)?, lost);
                let gap = Gap {
                    schema: GAP_SCHEMA.into(),
                    site: site.clone(),
                    sensor: sensor.clone(),
                    run: *run,
                    reason: GapReason::Unavailable,
                    first_seq: *first_seq,
                    last_seq: Some(*last_seq),
                    start,
                    end,
                    frames: None,
                    detail: Some(MISSING.to_owned()),
                    stamping: Some(STAMPING),
                    ingest: Some(ingest.to_owned()),
                    withdrawn: false,
                };
                let id = first_id + declared.len() as u64;
                put_gap(tier, run_id, &gap, None, code::MISSING_HERE, id, mask, now)?;
                tier.add_range(run_id, signed(*first_seq), signed(*last_seq))?;
                let key = key(site, sensor, *run);
                let mut gaps = kept(tier, &key)?;
                gaps.drain(..(gaps.len() + 1).saturating_sub(MOST_GAPS));
                gaps.push(gap.clone());
                keep(tier, &key, &gaps, now)?;
                declared.push(gap);
            }
            let runs = tier.states_of(PREFIX)?;
            let beyond = runs.len().saturating_sub(MOST_RUNS);
            runs.iter().take(beyond).try_for_each(|(key, _)| tier.forget_state(key))?;
            Ok(declared)
        })?;
        self.next_id += declared.len() as u64;
        Ok(declared)
    }

    /// Withdraws what was declared by [`Spool::declare_missing`] of a run and meets the windows from `first_seq` to
    /// `last_seq`, for they came: a record for each reader that says so. All other windows of such a gap are missing again.
    /// Gives what was withdrawn.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn withdraw(
        &mut self,
        now: UnixNanos,
        (site, sensor, run): (&str, &str, Uuid),
        first_seq: u64,
        last_seq: u64,
    ) -> Result<Vec<Gap>, SpoolError> {
        let key = key(site, sensor, run);
        let meets = |gap: &Gap| gap.first_seq <= last_seq && gap.last_seq.is_none_or(|last| last >= first_seq);
        let gaps = self.cold.read(|tier| kept(tier, &key))?;
        let (void, rest): (Vec<Gap>, Vec<Gap>) = gaps.into_iter().partition(meets);
        if void.is_empty() {
            return Ok(void);
        }
        let void: Vec<Gap> = void.into_iter().map(|gap| Gap { withdrawn: true, ..gap }).collect();
        let (mask, first_id) = (self.everyone(), self.next_id);
        self.cold.write(Safety::Synced, |tier| {
            let run_id = tier.run_id(site, sensor, run, now, now)?;
            for (id, gap) in (first_id..).zip(&void) {
                put_gap(tier, run_id, gap, None, code::MISSING_HERE, id, mask, now)?;
                tier.remove_range(run_id, signed(gap.first_seq), gap.last_seq.map_or(i64::MAX, signed))?;
            }
            keep(tier, &key, &rest, now)
        })?;
        self.next_id += void.len() as u64;
        Ok(void)
    }

    /// The last window of a run that has ended, if all of it is here or declared lost.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn complete(&self, site: &str, sensor: &str, run: Uuid) -> Result<Option<u64>, SpoolError> {
        self.cold.read(|tier| match tier.find_run(site, sensor, run)? {
            Some(run_id) => tier.complete(run_id),
            None => Ok(None),
        })
    }

    /// How many windows are declared missing here, and not withdrawn.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn declared_missing(&self) -> Result<u64, SpoolError> {
        let runs = self.cold.read(|tier| tier.states_of(PREFIX))?;
        let gaps = runs.iter().filter_map(|(_, value)| serde_json::from_slice::<Vec<Gap>>(value).ok()).flatten();
        let windows = |gap: Gap| gap.last_seq.map_or(0, |last| last.saturating_sub(gap.first_seq).saturating_add(1));
        Ok(gaps.map(windows).fold(0, u64::saturating_add))
    }

    /// The runs of which windows are missing before the newest that came: site, sensor, run and that newest one, those heard
    /// of last first, at most `max`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn incomplete_runs(&self, max: usize) -> Result<Vec<(String, String, Uuid, u64)>, SpoolError> {
        self.cold.read(|tier| tier.incomplete_runs(max))
    }
}
