//! What moves from memory to disk, and when; and how two tiers are made one again at start.
//!
//! A move writes to the cold tier first and deletes from the hot one after: a crash in between leaves an entry in both,
//! and the next start keeps one.

use super::{
    Erased, Moved, RunInfo, Spool, SpoolError,
    entry::{PackedEntry, Want},
    failure::Failure,
    files::{self, HOT},
    ring::{SLACK, needed_for},
    rows::{Head, Rows, Spot},
    store::Safety,
};
use crate::UnixNanos;
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};
use uuid::Uuid;

/// Entries moved in one transaction, and octets of them, unless one window alone has more.
const MOVED_TOGETHER: usize = 256;
const MOVED_BYTES: u64 = 1 << 20;
/// How old the copy of the state on disk may be: a power cut takes it back to there.
const STATE_AGE: Duration = Duration::from_secs(3600);

impl Spool {
    /// Moves what waits undelivered from memory to disk once the oldest of it has waited for `age_out`, all of it
    /// together: a write a minute is easier on a card than a write for each window. As often, notes on disk how far
    /// each run is safe, and every hour the state. Call it every few seconds.
    ///
    /// # Errors
    /// When a store cannot be read or written; what was to move is then still where it was.
    pub fn age_out(&mut self, now: UnixNanos) -> Result<Moved, SpoolError> {
        if self.hot.is_some() {
            self.flush()?;
        }
        let Some(hot) = &self.hot else { return Ok(Moved::default()) };
        let due = |since: UnixNanos, age: Duration| now.saturating_since(since) >= age || now < since;
        let mut moved = Moved::default();
        let oldest =
            hot.read(|tier| tier.pending(u64::MAX >> 1, Want::Everything, 0, 1, true))?.first().map(|head| head.added);
        if oldest.is_some_and(|added| due(added, self.settings.age_out)) {
            moved = self.move_undelivered(now)?;
        }
        if moved.entries > 0 || self.noted.is_none_or(|noted| due(noted, self.settings.age_out)) {
            let written = self.cold.read(|tier| tier.state_written())?;
            self.note(now, written.is_none_or(|written| due(written, STATE_AGE)))?;
        }
        Ok(moved)
    }

    /// For a clean stop: brings everything undelivered and the state to disk, after which the hot tier may vanish.
    ///
    /// # Errors
    /// When a store cannot be read or written; what was to move is then still where it was.
    pub fn settle(&mut self, now: UnixNanos) -> Result<Moved, SpoolError> {
        self.flush()?;
        let mut moved = Moved::default();
        if self.hot.is_some() {
            moved = self.move_undelivered(now)?;
            self.note(now, true)?;
        }
        self.cold.checkpoint()?;
        Ok(moved)
    }

    fn move_undelivered(&mut self, now: UnixNanos) -> Result<Moved, SpoolError> {
        let (mut moved, mut after) = (Moved::default(), 0);
        loop {
            let (places, need, last) = self.next_to_move(after)?;
            if places.is_empty() || !self.make_room(false, need, &mut moved.evicted)? {
                return Ok(moved);
            }
            after = last;
            let Some(hot) = &mut self.hot else { return Ok(moved) };
            let rows: Vec<PackedEntry> = hot.read(|tier| {
                let mut rows = Vec::new();
                for &spot in &places {
                    for head in tier.window(spot)? {
                        rows.extend(tier.load(head.id)?);
                    }
                }
                Ok(rows)
            })?;
            self.cold.write(Safety::Synced, |tier| {
                rows.iter().try_for_each(|row| {
                    let run_id = tier.run_id(&row.key.site, &row.key.sensor, row.key.run, row.start, now)?;
                    tier.put(run_id, row)
                })
            })?;
            self.cold.trim_log()?;
            hot.write(Safety::Lazy, |tier| rows.iter().try_for_each(|row| tier.remove(row.id)))?;
            moved.entries += rows.len() as u64;
        }
    }

    /// The next undelivered windows in the hot tier, whole: where they are, what they will take, and up to which
    /// position this looked.
    fn next_to_move(&self, after: u64) -> Result<(BTreeSet<Spot>, u64, u64), SpoolError> {
        let Some(hot) = &self.hot else { return Ok(Default::default()) };
        hot.read(|tier| {
            let (mut places, mut need, mut last) = (BTreeSet::new(), SLACK, after);
            for head in tier.pending(u64::MAX >> 1, Want::Everything, after, MOVED_TOGETHER, true)? {
                if need > MOVED_BYTES && !places.contains(&head.spot) {
                    break;
                }
                last = head.id;
                if places.insert(head.spot) {
                    need += tier.window(head.spot)?.iter().map(|part| needed_for(part.stored)).sum::<u64>();
                }
            }
            Ok((places, need, last))
        })
    }

    /// Writes to disk how far each run is safe from a power cut (delivered, or on disk itself), and the state.
    fn note(&mut self, now: UnixNanos, with_state: bool) -> Result<(), SpoolError> {
        let Some(hot) = &self.hot else { return Ok(()) };
        let (runs, waiting, states) = hot.read(|tier| {
            let states = if with_state { tier.states()? } else { Vec::new() };
            Ok((tier.runs()?, tier.first_waiting()?, states))
        })?;
        let waiting: HashMap<Uuid, (u64, UnixNanos)> =
            waiting.into_iter().map(|(run, seq, start)| (run, (seq, start))).collect();
        let known: HashMap<Uuid, (Option<u64>, bool)> = self
            .cold
            .read(|tier| tier.runs())?
            .into_iter()
            .map(|run| (run.run, (run.last_seq, run.finished)))
            .collect();
        let news: Vec<RunInfo> = runs
            .into_iter()
            .map(|run| match waiting.get(&run.run) {
                Some(&(seq, start)) => {
                    RunInfo { last_seq: seq.checked_sub(1), last_end: start, finished: false, ..run }
                }
                None => run,
            })
            .filter(|run| {
                known.get(&run.run).is_none_or(|&(last, finished)| run.last_seq > last || run.finished && !finished)
            })
            .collect();
        if !news.is_empty() || !states.is_empty() {
            self.cold.write(Safety::Synced, |tier| {
                for run in &news {
                    let run_id = tier.run_id(&run.site, &run.sensor, run.run, run.last_end, now)?;
                    tier.advance_run(run_id, run, now)?;
                }
                states.iter().try_for_each(|(key, value)| tier.set_state(key, value, now))
            })?;
        }
        self.noted = Some(now);
        Ok(())
    }

    /// At start: gives cursors their bits, finds entries that a crash left in both tiers, erases what may not be kept,
    /// and empties a hot tier that the configuration has no use for any more.
    pub(super) fn reconcile(&mut self, now: UnixNanos) -> Result<Option<Erased>, SpoolError> {
        let readers = self.settings.readers.clone();
        for tier in self.hot.iter_mut().chain([&mut self.cold]) {
            tier.write(Safety::Synced, |tier| tier.set_readers(&readers))?;
            self.next_id = self.next_id.max(tier.read(|tier| tier.last_id())? + 1);
        }
        self.part_tiers()?;
        let erased = self.obey_privacy(now)?;
        if self.settings.durable && self.hot.is_some() {
            self.settle(now)?;
            let left = self.hot.as_ref().map_or(Ok(0), |hot| hot.read(|tier| tier.waiting(u64::MAX >> 1)))?;
            if left == 0 {
                self.hot = None;
                self.settings.runtime_dir.as_deref().map_or(Ok(()), |dir| files::delete(dir, HOT))?;
            }
        }
        Ok(erased)
    }

    fn part_tiers(&mut self) -> Result<(), SpoolError> {
        let Some(hot) = &mut self.hot else { return Ok(()) };
        if self.cold.read(|tier| tier.last_id())? == 0 {
            return Ok(());
        }
        let (heads, names) = hot.read(|tier| {
            let heads = tier.all()?;
            let runs: BTreeSet<i64> = heads.iter().map(|head| head.spot.run_id).collect();
            let names: HashMap<_, _> =
                runs.into_iter().map(|id| Ok((id, tier.run_name(id)?))).collect::<Result<_, Failure>>()?;
            Ok((heads, names))
        })?;
        let (mut from_hot, mut from_cold, mut delivered, mut clashing) = (vec![], vec![], vec![], vec![]);
        self.cold.read(|tier| {
            for head in heads {
                match twin(tier, &head, names.get(&head.spot.run_id))? {
                    Some(twin) if twin.id < head.id => from_cold.push(twin.id),
                    Some(twin) => {
                        from_hot.push(head.id);
                        if twin.id == head.id {
                            delivered.push((twin.id, !head.pending));
                        }
                    }
                    None if tier.load(head.id)?.is_some() => clashing.push(head.id),
                    None => {}
                }
            }
            Ok(())
        })?;
        if !from_cold.is_empty() || !delivered.is_empty() {
            self.cold.write(Safety::Synced, |tier| {
                delivered.iter().try_for_each(|&(id, mask)| tier.acknowledge(id, mask & u64::MAX >> 1).map(drop))?;
                from_cold.iter().try_for_each(|&id| tier.remove(id))
            })?;
        }
        let mut next_id = self.next_id;
        hot.write(Safety::Lazy, |tier| {
            from_hot.iter().try_for_each(|&id| tier.remove(id))?;
            for &id in &clashing {
                tier.reposition(id, next_id, 0)?;
                next_id += 1;
            }
            Ok(())
        })?;
        self.next_id = next_id;
        Ok(())
    }
}

/// The same entry as `head` in another tier.
fn twin(tier: &Rows<'_>, head: &Head, name: Option<&(String, String, Uuid)>) -> Result<Option<Head>, Failure> {
    let Some((site, sensor, run)) = name else { return Ok(None) };
    let Some(run_id) = tier.find_run(site, sensor, *run)? else { return Ok(None) };
    let twins = tier.window(Spot { run_id, ..head.spot })?;
    Ok(twins.into_iter().find(|twin| twin.part == head.part))
}
