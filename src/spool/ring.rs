//! The spool itself: append, read in order, acknowledge, offer again. Knows no SQL; where a record is kept and what
//! gives way is the business of `tiers` and `evict`.

use super::{
    Appended, Counts, Entry, NewEntry, Offered, Opening, RunInfo, Settings, SpoolError,
    entry::{PackedEntry, Packer, Want, Which},
    failure::Damage,
    files::{self, COLD, HOT, Opened},
    rows::{Head, Rows, Spot},
    run_info::progress_of,
    store::{Safety, Store},
};
use crate::UnixNanos;
use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map},
    fs::File,
    iter,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Most readers: a bit each in a signed 64-bit number.
const MAX_READERS: usize = 63;
/// Acknowledgements kept in memory before they are written together; losing them costs duplicates, nothing else.
const ACKS_TOGETHER: usize = 30;

/// A store-and-forward log over one or two tiers.
pub struct Spool {
    pub(super) settings: Settings,
    pub(super) hot: Option<Store>,
    pub(super) cold: Store,
    pub(super) wal_limit: u64,
    /// Position of the next entry.
    pub(super) next_id: u64,
    /// Acknowledged, not yet written: position and readers.
    acked: BTreeMap<u64, u64>,
    /// Of each reader: a position up to which nothing waits for it.
    pub(super) floors: Vec<u64>,
    pub(super) counts: Counts,
    /// When runs and state were last written from the hot tier to the cold one.
    pub(super) noted: Option<UnixNanos>,
    _locks: Vec<File>,
    damage: Damage,
}

impl Spool {
    /// Opens the spool, making what is not there.
    ///
    /// # Errors
    /// When a directory cannot be used, another process has the spool, or a newer version wrote it. A damaged file
    /// is no error: it is set aside, and [`Opening`] says so.
    pub fn open(now: UnixNanos, settings: Settings) -> Result<(Self, Opening), SpoolError> {
        let mut set_aside = Vec::new();
        // Each tier may turn out to be damaged when what it holds is read, and is set aside then.
        for _ in 0..2 {
            match Self::open_once(now, settings.clone(), &mut set_aside) {
                Err(SpoolError::Corrupt { .. }) => {}
                Err(other) => return Err(other),
                Ok((spool, opening)) => return Ok((spool, Opening { set_aside, ..opening })),
            }
        }
        let (spool, opening) = Self::open_once(now, settings, &mut set_aside)?;
        Ok((spool, Opening { set_aside, ..opening }))
    }

    fn open_once(
        now: UnixNanos,
        mut settings: Settings,
        set_aside: &mut Vec<PathBuf>,
    ) -> Result<(Self, Opening), SpoolError> {
        let mut seen = HashSet::new();
        settings.readers.retain(|name| seen.insert(name.clone()));
        let wanted = settings.readers.len();
        if wanted > MAX_READERS {
            return Err(SpoolError::TooManyReaders { wanted, limit: MAX_READERS });
        }
        let wal_limit = (settings.max_bytes / 32).clamp(128 << 10, 2 << 20);
        let mut opening = Opening::default();
        let (mut locks, damage) = (Vec::new(), Damage::default());
        let mut tier = |opened: Opened| {
            set_aside.extend(opened.set_aside);
            locks.push(opened.lock);
            let mut store = opened.store;
            store.damage = damage.clone();
            store
        };
        let cold = tier(files::open(now, &settings.state_dir, COLD, wal_limit)?);
        let hot = match &settings.runtime_dir {
            Some(dir) if !settings.durable || files::exists(dir, HOT) => {
                Some(tier(files::open(now, dir, HOT, wal_limit)?))
            }
            _ => None,
        };
        let mut spool = Self {
            hot,
            cold,
            wal_limit,
            next_id: 1,
            acked: BTreeMap::new(),
            floors: vec![0; wanted],
            counts: Counts::default(),
            noted: None,
            _locks: locks,
            damage,
            settings,
        };
        opening.erased = spool.reconcile(now)?;
        if !spool.settings.ledger {
            opening.unfinished = spool.runs()?.into_iter().filter(|run| !run.finished).collect();
        }
        Ok((spool, opening))
    }

    /// Damage that was met while the spool was in use, if any.
    pub(super) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// Appends `entries`, which wait for every reader, and keeps `state`: all of it or nothing, however the process
    /// ends. (More windows at once than half the spool takes are appended in several steps, the state with the last.)
    /// On disk when it returns, if the spool is durable. What is stored of the same identity is replaced.
    ///
    /// # Errors
    /// [`SpoolError::Refused`] before anything is stored; a full disk and the like, after which the same append may
    /// be tried again.
    pub fn append(
        &mut self,
        now: UnixNanos,
        entries: &[NewEntry],
        state: &[(&str, &[u8])],
    ) -> Result<Appended, SpoolError> {
        entries.iter().try_for_each(NewEntry::check)?;
        let everyone = self.everyone();
        let mut packer = Packer::default();
        let mut rows: Vec<PackedEntry> =
            entries.iter().map(|entry| PackedEntry::pack(entry, now, everyone, &mut packer)).collect();
        let state_bytes: usize = state.iter().map(|(key, value)| key.len() + value.len()).sum();
        let need = needed(&rows) + state_bytes as u64;
        if need > self.budget() / 2
            && let Some((first, rest)) = halves(entries)
        {
            let mut appended = self.append(now, first, &[])?;
            let rest = self.append(now, rest, state)?;
            appended.ids.extend(rest.ids);
            appended.evicted.extend(rest.evicted);
            return Ok(appended);
        }
        let mut evicted = Vec::new();
        let fits = self.make_room(self.home_is_hot(), need, &mut evicted)?;
        if !fits {
            evicted.extend(self.give_up_unstored(now, entries)?);
        }
        let mut ids = Vec::with_capacity(rows.len());
        for (row, entry) in rows.iter_mut().zip(entries) {
            let stored = fits || !entry.kind.is_window();
            row.id = if stored { self.take_id() } else { 0 };
            ids.push(row.id);
        }
        let ledger = self.settings.ledger;
        self.home().write(Safety::Synced, |tier| {
            let mut runs: HashMap<_, (i64, RunInfo)> = HashMap::new();
            for (row, entry) in rows.iter().zip(entries) {
                let key = &entry.key;
                let run_id = match runs.entry((&key.site, &key.sensor, key.run)) {
                    hash_map::Entry::Occupied(mut known) => {
                        let (run_id, progress) = known.get_mut();
                        progress.advance(&progress_of(entry));
                        *run_id
                    }
                    hash_map::Entry::Vacant(new) => {
                        let run_id = tier.run_id(&key.site, &key.sensor, key.run, entry.start, now)?;
                        if let Some(held) = entry.held {
                            tier.guess_run(run_id, held.boot, entry.start.0.saturating_sub(held.start))?;
                        }
                        new.insert((run_id, progress_of(entry))).0
                    }
                };
                if row.id != 0 {
                    tier.put(run_id, row)?;
                }
                if ledger {
                    tier.settle(run_id, entry)?;
                }
            }
            runs.values().try_for_each(|(run_id, progress)| tier.advance_run(*run_id, progress, now))?;
            state.iter().try_for_each(|(key, value)| tier.set_state(key, value, now))
        })?;
        self.home().trim_log()?;
        self.displace_in_cold(entries)?;
        if entries.iter().any(|entry| !entry.kind.is_window()) {
            self.bound_gaps()?;
        }
        Ok(Appended { ids, evicted })
    }

    /// What was last kept under `key` by [`Spool::append`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn state(&self, key: &str) -> Result<Option<Vec<u8>>, SpoolError> {
        for tier in self.hot.iter().chain(iter::once(&self.cold)) {
            if let Some(value) = tier.read(|tier| tier.state(key))? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Entries past position `after_id` that `reader` has not acknowledged, oldest first: at most `max_entries`, and
    /// no more than `max_bytes` of bodies unless the first alone is larger.
    ///
    /// An entry whose body turns out to be damaged is given up and declared, with the window it belongs to.
    ///
    /// # Errors
    /// An unknown reader; a store that cannot be read.
    pub fn pending(
        &mut self,
        reader: &str,
        want: Want,
        after_id: u64,
        max_entries: usize,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, SpoolError> {
        let bit = self.bit(reader)?;
        if max_entries == 0 {
            return Ok(Vec::new());
        }
        let mask = 1 << bit;
        let floor = self.floors.get(bit).copied().unwrap_or(0);
        // What is acknowledged in memory alone still waits in the store, and is passed over.
        let limit = max_entries.saturating_add(self.acked.len());
        let mut heads: Vec<(bool, Head)> = Vec::new();
        for (is_hot, tier) in self.tiers() {
            let found = tier.read(|tier| tier.pending(mask, want, after_id.max(floor), limit, false))?;
            heads.extend(found.into_iter().map(|head| (is_hot, head)));
        }
        heads.retain(|(_, head)| self.acked.get(&head.id).is_none_or(|acked| acked & mask == 0));
        heads.sort_by_key(|(_, head)| head.id);
        if want == Want::Everything
            && after_id <= floor
            && let Some(floor) = self.floors.get_mut(bit)
        {
            *floor = heads.first().map_or(self.next_id, |(_, head)| head.id) - 1;
        }
        let (mut entries, mut bytes, mut damaged) = (Vec::new(), 0u64, Vec::new());
        for (is_hot, head) in heads.into_iter().take(max_entries) {
            bytes = bytes.saturating_add(head.size);
            if bytes > max_bytes as u64 && !entries.is_empty() {
                break;
            }
            let tier = self.hot.as_ref().filter(|_| is_hot).unwrap_or(&self.cold);
            match tier.read(|tier| tier.load(head.id))?.and_then(PackedEntry::unpack) {
                Some(entry) => entries.push(((is_hot, head.spot), entry)),
                None => damaged.push((is_hot, head.spot)),
            }
        }
        if !damaged.is_empty() {
            self.give_up(&damaged)?;
            entries.retain(|(place, _)| !damaged.contains(place));
        }
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// `reader` has delivered these entries, in whatever order. Written some at a time: a crash in between means
    /// that they are offered once more.
    ///
    /// # Errors
    /// An unknown reader; a store that cannot be written, in which case they stay noted in memory.
    pub fn acknowledge(&mut self, reader: &str, ids: &[u64]) -> Result<(), SpoolError> {
        let mask = 1 << self.bit(reader)?;
        for &id in ids {
            *self.acked.entry(id).or_default() |= mask;
        }
        if self.acked.len() >= ACKS_TOGETHER { self.flush() } else { Ok(()) }
    }

    /// Writes what [`Spool::acknowledge`] has noted in memory.
    ///
    /// # Errors
    /// When a store cannot be written.
    pub fn flush(&mut self) -> Result<(), SpoolError> {
        if self.acked.is_empty() {
            return Ok(());
        }
        let mut rest: Vec<(u64, u64)> = self.acked.iter().map(|(&id, &mask)| (id, mask)).collect();
        for tier in self.hot.iter_mut().chain(iter::once(&mut self.cold)) {
            if rest.is_empty() {
                break;
            }
            let elsewhere = tier.write(Safety::Lazy, |tier| {
                let mut elsewhere = Vec::new();
                for &(id, mask) in &rest {
                    if !tier.acknowledge(id, mask)? {
                        elsewhere.push((id, mask));
                    }
                }
                Ok(elsewhere)
            })?;
            rest = elsewhere;
        }
        self.acked.clear();
        Ok(())
    }

    /// Makes the stored windows of `run` from `first_seq` to `last_seq`, both included, wait for `reader` again, at
    /// new positions; those that wait anyway stay where they are. Says which are not stored, of those that were: windows of
    /// runs that nobody knows, and past a run's newest one, are not.
    ///
    /// # Errors
    /// An unknown reader; a store that cannot be read or written.
    pub fn offer_again(
        &mut self,
        reader: &str,
        run: Uuid,
        first_seq: u64,
        last_seq: u64,
    ) -> Result<Offered, SpoolError> {
        let mask = 1 << self.bit(reader)?;
        self.flush()?;
        let newest = self.runs()?.into_iter().find(|known| known.run == run).and_then(|known| known.last_seq);
        let Some(last_seq) = newest.map(|newest| last_seq.min(newest)) else { return Ok(Offered::default()) };
        let mut heads: Vec<(bool, Head)> = Vec::new();
        for (is_hot, tier) in self.tiers() {
            let found = tier.read(|tier| tier.windows_between(run, first_seq, last_seq))?;
            heads.extend(found.into_iter().map(|head| (is_hot, head)));
        }
        heads.sort_by_key(|(_, head)| (head.spot.seq, head.part));
        let mut offered = Offered::default();
        let (mut next, mut moves) = (first_seq, Vec::new());
        for (is_hot, head) in heads {
            if head.spot.seq >= next {
                if head.spot.seq > next {
                    offered.missing.push((next, head.spot.seq - 1));
                }
                next = head.spot.seq.saturating_add(1);
                offered.windows += 1;
            }
            if head.pending & mask == 0 {
                moves.push((is_hot, head.id, self.take_id()));
            }
        }
        if next <= last_seq {
            offered.missing.push((next, last_seq));
        }
        for (is_hot, tier) in self.hot.iter_mut().map(|hot| (true, hot)).chain(iter::once((false, &mut self.cold))) {
            let here: Vec<_> = moves.iter().filter(|(hot, ..)| *hot == is_hot).collect();
            if !here.is_empty() {
                let offer =
                    |tier: &Rows<'_>| here.iter().try_for_each(|(_, id, new_id)| tier.reposition(*id, *new_id, mask));
                tier.write(Safety::Lazy, offer)?;
            }
        }
        Ok(offered)
    }

    /// Whether there is a spool in this state directory. Makes none.
    #[must_use]
    pub fn is_in(state_dir: &Path) -> bool {
        state_dir.join(COLD.file).exists()
    }

    /// Makes these entries wait for `reader` again, where they are. Says how many wait now that did not.
    ///
    /// # Errors
    /// An unknown reader; a store that cannot be read or written.
    pub fn refill(&mut self, reader: &str, which: Which) -> Result<u64, SpoolError> {
        let bit = self.bit(reader)?;
        self.flush()?;
        let which = match which {
            Which::Last(time) => {
                let mut newest = None;
                for (_, tier) in self.tiers() {
                    newest = newest.max(tier.read(|tier| tier.newest())?);
                }
                let Some((_, added)) = newest else { return Ok(0) };
                Which::Since(UnixNanos(added.0.saturating_sub(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))))
            }
            other => other,
        };
        let mut entries = 0;
        for tier in self.hot.iter_mut().chain(iter::once(&mut self.cold)) {
            entries += tier.write(Safety::Synced, |tier| tier.refill(1 << bit, which))?;
        }
        if let Some(floor) = self.floors.get_mut(bit) {
            *floor = 0;
        }
        Ok(entries)
    }

    /// When the oldest record was appended that waits for `reader`, if one does.
    ///
    /// # Errors
    /// An unknown reader; a store that cannot be read.
    pub fn oldest_waiting(&self, reader: &str) -> Result<Option<UnixNanos>, SpoolError> {
        let mask = 1 << self.bit(reader)?;
        // What is acknowledged in memory alone still waits in the store, and is passed over.
        let mut oldest = None;
        for (_, tier) in self.tiers() {
            let found = tier.read(|tier| tier.pending(mask, Want::Everything, 0, self.acked.len() + 1, true))?;
            let waits = |head: &&Head| self.acked.get(&head.id).is_none_or(|acked| acked & mask == 0);
            let added = found.iter().find(waits).map(|head| head.added);
            oldest = [oldest, added].into_iter().flatten().min();
        }
        Ok(oldest)
    }

    /// How full the spool is, and what it had to give up.
    ///
    /// # Errors
    /// When a store cannot be read, or acknowledgements cannot be written.
    pub fn counts(&mut self) -> Result<Counts, SpoolError> {
        self.flush()?;
        let mut counts = self.counts.clone();
        counts.undelivered = self.settings.readers.iter().map(|name| (name.clone(), 0)).collect();
        for (_, tier) in self.tiers() {
            counts.bytes += tier.bytes();
            counts.entries += tier.read(|tier| tier.entries())?;
            for (bit, (_, waiting)) in counts.undelivered.iter_mut().enumerate() {
                *waiting += tier.read(|tier| tier.waiting(1 << bit))?;
            }
        }
        Ok(counts)
    }

    /// The tier that appends go to.
    pub(super) fn home(&mut self) -> &mut Store {
        let durable = self.settings.durable;
        self.hot.as_mut().filter(|_| !durable).unwrap_or(&mut self.cold)
    }

    pub(super) fn home_is_hot(&self) -> bool {
        self.hot.is_some() && !self.settings.durable
    }

    /// The hot tier, if there is one, or the cold one.
    pub(super) const fn tier(&self, hot: bool) -> Option<&Store> {
        if hot { self.hot.as_ref() } else { Some(&self.cold) }
    }

    /// The tiers, and whether each is the hot one.
    pub(super) fn tiers(&self) -> impl Iterator<Item = (bool, &Store)> {
        self.hot.iter().map(|hot| (true, hot)).chain(iter::once((false, &self.cold)))
    }

    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// The mask of all readers.
    pub(super) fn everyone(&self) -> u64 {
        (1 << self.settings.readers.len()) - 1
    }

    fn bit(&self, reader: &str) -> Result<usize, SpoolError> {
        let bit = self.settings.readers.iter().position(|name| name == reader);
        bit.ok_or_else(|| SpoolError::UnknownReader(reader.to_owned()))
    }

    /// Deletes from the cold tier what an append to the hot one has replaced.
    fn displace_in_cold(&mut self, entries: &[NewEntry]) -> Result<(), SpoolError> {
        if !self.home_is_hot() {
            return Ok(());
        }
        let replaced = self.cold.read(|tier| {
            let mut ids = Vec::new();
            for NewEntry { kind, key, parts, .. } in entries {
                if let Some(run_id) = tier.find_run(&key.site, &key.sensor, key.run)? {
                    let spot = Spot { run_id, code: kind.code(), seq: key.seq };
                    ids.extend(tier.displaced(spot, key.part, *parts)?);
                }
            }
            Ok(ids)
        })?;
        if replaced.is_empty() {
            return Ok(());
        }
        self.cold.write(Safety::Synced, |tier| replaced.iter().try_for_each(|&id| tier.remove(id)))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Losing acknowledgements costs duplicates only, and there is nobody left to tell.
        let _ = self.flush();
    }
}

/// Parts the entries in two near the middle, between two windows; `None` if they are all of one.
fn halves(entries: &[NewEntry]) -> Option<(&[NewEntry], &[NewEntry])> {
    let window = |entry: &NewEntry| (entry.kind.code(), entry.key.run, entry.key.seq);
    let middle = entries.len() / 2;
    let cuts =
        || entries.windows(2).zip(1_usize..).filter(|(pair, _)| pair.first().map(window) != pair.last().map(window));
    let cut = cuts().map(|(_, cut)| cut).min_by_key(|cut| cut.abs_diff(middle))?;
    entries.split_at_checked(cut)
}

/// What an append of `rows` adds to a file, at most: bodies, metadata and its indexes, and pages begun.
pub(super) fn needed(rows: &[PackedEntry]) -> u64 {
    rows.iter().map(|row| needed_for(row.body.len() as u64)).sum::<u64>() + SLACK
}

/// What one entry with a compressed body of this size takes.
pub(super) const fn needed_for(stored: u64) -> u64 {
    // Large bodies sit on pages of their own, of which the last is half empty on average.
    stored + stored / 16 + if stored > 1000 { 2500 } else { 300 }
}

/// Pages begun by a transaction whatever its size.
pub(super) const SLACK: u64 = 24 << 10;
