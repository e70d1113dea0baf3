//! What ingest does with a message: decode it, make it durable together with others, and only then let it be acknowledged.

use super::{
    hearsay::Hearsay,
    holes::{LAST_BELIEVED, SensorName},
    judge,
    metrics::Figures,
    neighbour::Neighbour,
    overlaps::Overlaps,
    received::{Received, Waiting},
};
use crate::{
    UnixNanos,
    mqtt::{Inbox, InboxError, Incoming, Leaf, Outgoing, Receipt},
    pace::Seldom,
    roster::Roster,
    sink::{DeadLetters, Recent},
    spool::{EntryKind, Key, NewEntry, SharedSpool, Spool, SpoolError},
    wire::{Gap, Info, Overlap, Record, State, StatusMessage, Stored},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

/// Ranges of missing windows that a declared loss is held against, at most.
const MAX_RANGES: usize = 10_000;
/// Sensors whose log lines are told apart, at most.
const MAX_LOGGED: usize = 1_000;

/// Where messages arrive.
pub struct SpoolInbox {
    spool: Arc<SharedSpool>,
    dead: Arc<Mutex<DeadLetters>>,
    hearsay: Arc<Hearsay>,
    roster: Arc<Roster>,
    received: Arc<Received>,
    recent: Arc<Recent>,
    figures: Arc<Figures>,
    overlaps: Mutex<Overlaps>,
    overlapping: watch::Sender<Vec<Overlap>>,
    missing: watch::Sender<u64>,
    /// This ingest's name, and where it says that it has all of a run.
    said: (String, mpsc::Sender<Outgoing>),
    neighbour: Arc<Neighbour>,
    complaints: Mutex<Complaints>,
}

impl SpoolInbox {
    /// An inbox that fills `spool`, keeps what is no batch in `dead`, tells `hearsay` and `roster` what sensors say of
    /// themselves, `overlapping` which of them share a name, and `missing` how many windows are declared missing here.
    /// What is not on disk yet is in `received`, and in `recent` too; `figures` counts all of it, and `neighbour` tells others.
    #[must_use]
    pub fn new(
        spool: &Arc<SharedSpool>,
        dead: &Arc<Mutex<DeadLetters>>,
        hearsay: &Arc<Hearsay>,
        (roster, figures, neighbour): (&Arc<Roster>, &Arc<Figures>, &Arc<Neighbour>),
        (received, recent): (&Arc<Received>, &Arc<Recent>),
        (overlapping, missing): (watch::Sender<Vec<Overlap>>, watch::Sender<u64>),
        said: (String, mpsc::Sender<Outgoing>),
    ) -> Self {
        Self {
            spool: Arc::clone(spool),
            dead: Arc::clone(dead),
            hearsay: Arc::clone(hearsay),
            roster: Arc::clone(roster),
            received: Arc::clone(received),
            recent: Arc::clone(recent),
            figures: Arc::clone(figures),
            overlaps: Mutex::default(),
            overlapping,
            missing,
            said,
            neighbour: Arc::clone(neighbour),
            complaints: Mutex::default(),
        }
    }

    /// The entry for a payload, or why it is none.
    fn read(site: &str, sensor: &str, payload: Vec<u8>) -> Result<(Record, NewEntry), (String, Vec<u8>)> {
        let record = match Record::decode(&payload) {
            Ok(record) => record,
            Err(error) => return Err((error.to_string(), payload)),
        };
        // The broker's access rules are about topics: a payload must not speak for another sensor.
        if record.site() != site || record.sensor() != sensor {
            let reason = format!("it claims to be from {}/{}", record.site(), record.sensor());
            return Err((reason, payload));
        }
        if let Record::Gap(gap) = &record
            && (gap.first_seq.max(gap.last_seq.unwrap_or(0)) > LAST_BELIEVED
                || gap.last_seq.is_some_and(|last_seq| last_seq < gap.first_seq))
        {
            return Err(("it is a gap of windows that cannot be".to_owned(), payload));
        }
        if let Record::Gap(gap) = &record
            && (gap.ingest.is_some() || gap.withdrawn)
        {
            return Err(("it is a gap that an ingest declared for itself".to_owned(), payload));
        }
        let copy = payload.clone();
        match NewEntry::new(&record, payload) {
            Ok(entry) => Ok((record, entry)),
            Err(error) => Err((error.to_string(), copy)),
        }
    }

    /// A record: for the next commit, and for whoever wants to see it now.
    fn accept(&self, record: Record, entry: NewEntry) {
        self.figures.record(&record);
        self.neighbour.record(&record);
        let record = Arc::new(record);
        let arrival = self.recent.came(Arc::clone(&record), entry.body.len());
        self.received.add(&record, entry, arrival);
    }

    /// No record: for the dead letters.
    fn refuse(&self, site: &str, sensor: &str, reason: String, payload: Vec<u8>) {
        let topic = format!("{site}/{sensor}");
        if let Some(count) = lock(&self.complaints).due(&topic, Instant::now()) {
            tracing::warn!(sensor = topic, payloads = count, reason, "not a batch; kept as a dead letter");
        }
        self.figures.refuse();
        self.received.refuse(topic, reason, payload);
    }
}

impl SpoolInbox {
    /// Looks whether the time of these windows is also that of another run of the same name.
    fn compare(&self, entries: &[(NewEntry, u64)]) {
        let now = Instant::now();
        let mut overlaps = lock(&self.overlaps);
        for (entry, _) in entries.iter().filter(|(entry, _)| entry.kind.is_window() && entry.key.part == 0) {
            let (site, sensor, run) = (&entry.key.site, &entry.key.sensor, entry.key.run);
            let other = overlaps.window(now, &(site.clone(), sensor.clone()), run, entry.start, entry.end);
            if let Some(other) = other
                && lock(&self.complaints).due(&format!("runs of {site}/{sensor}"), now).is_some()
            {
                tracing::warn!(
                    site, sensor, %run, %other,
                    "two runs of this name cover the same time, and sums over it count both: give each sensor a name of \
                     its own; if a capture was replayed, remove the run that is not wanted (docs/inspect.md)"
                );
            }
        }
        let told = overlaps.now(now);
        self.overlapping.send_if_modified(|known| {
            let changed = *known != told;
            *known = told;
            changed
        });
    }
}

impl SpoolInbox {
    /// Tells the sensors of those runs that have ended and are all here.
    async fn confirm(&self, runs: Vec<(SensorName, Uuid)>) {
        if runs.is_empty() {
            return;
        }
        let name = self.said.0.clone();
        let all = move |spool: &mut Spool| -> Vec<Stored> {
            let stored = |((site, sensor), run): (SensorName, Uuid)| {
                let last_seq = spool.complete(&site, &sensor, run).ok().flatten()?;
                Some(Stored::new(&name, (&site, &sensor), run, last_seq, UnixNanos::now()))
            };
            runs.into_iter().filter_map(stored).collect()
        };
        for stored in self.spool.with(all).await.unwrap_or_default() {
            // Without room it is not said: the sensor's next status is another occasion.
            let _ = self.said.1.try_send(Outgoing::Stored(stored));
        }
    }
}

/// The run of a sensor that has ended by itself, and may wait for our word.
fn ended_run(message: &StatusMessage) -> Option<Uuid> {
    let status = &message.status;
    let run = status.run.filter(|_| status.state != State::Offline)?;
    status.runs.iter().any(|range| range.run == run && range.finished).then_some(run)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox for SpoolInbox {
    fn receive(&self, messages: Vec<Incoming>) -> Receipt {
        for message in messages {
            let Incoming { site, sensor, leaf, payload, retained } = message;
            // Windows and events are told once. What the broker kept, somebody else had it keep, and it comes again at each
            // connection: an old one would be taken for new.
            if retained && matches!(leaf, Leaf::Batch | Leaf::Flow | Leaf::Alert | Leaf::Event) {
                if lock(&self.complaints).due(&format!("retained of {site}/{sensor}"), Instant::now()).is_some() {
                    tracing::warn!(
                        site,
                        sensor,
                        "the broker keeps a message that is to be told once: it is ignored; remove it with an empty retained message"
                    );
                }
                continue;
            }
            match leaf {
                Leaf::Batch | Leaf::Flow | Leaf::Alert => match Self::read(&site, &sensor, payload) {
                    Ok((record, entry)) => self.accept(record, entry),
                    Err((reason, payload)) => self.refuse(&site, &sensor, reason, payload),
                },
                // Gaps travel here among events that are only news: those end in the log.
                Leaf::Event => match Self::read(&site, &sensor, payload) {
                    Ok((record, entry)) => self.accept(record, entry),
                    Err((reason, payload)) if Record::decode(&payload).is_ok() => {
                        self.refuse(&site, &sensor, reason, payload);
                    }
                    Err((_, payload)) => tracing::info!(site, sensor, text = excerpt(&payload), "event"),
                },
                Leaf::Status if payload.is_empty() => self.neighbour.gone(&site, &sensor),
                Leaf::Status => match StatusMessage::decode(&payload) {
                    Ok(message) => {
                        if (&message.site, &message.sensor) == (&site, &sensor) {
                            self.roster.status(UnixNanos::now(), message.clone());
                            self.neighbour.status(&message);
                        }
                        if let Some(run) = ended_run(&message) {
                            self.received.ended((site.clone(), sensor.clone()), run);
                        }
                        self.hearsay.status((site, sensor), message.time, message.status);
                    }
                    Err(reason) => tracing::debug!(site, sensor, reason, "unreadable status"),
                },
                Leaf::Response(_) => tracing::debug!(site, sensor, text = excerpt(&payload), "answer"),
                Leaf::Info => match serde_json::from_slice::<Info>(&payload) {
                    Ok(info) if (&info.site, &info.sensor) == (&site, &sensor) => {
                        self.roster.info(UnixNanos::now(), &info);
                        self.neighbour.info(&info);
                    }
                    _ => tracing::debug!(site, sensor, "unreadable info"),
                },
                Leaf::Request(_) | Leaf::Stored | Leaf::Summary => {}
            }
        }
        self.received.receipt()
    }

    async fn commit(&self) -> Result<(), InboxError> {
        let Waiting { entries, refused, mut ended } = self.received.take();
        for (NewEntry { key, .. }, _) in &entries {
            let run = ((key.site.clone(), key.sensor.clone()), key.run);
            if !ended.contains(&run) {
                ended.push(run);
            }
        }
        let arrivals: Vec<u64> = entries.iter().map(|(_, arrival)| *arrival).collect();
        let committed = self.write(entries, refused).await;
        self.received.written();
        if committed.is_err() {
            // They come again.
            self.recent.forget(&arrivals);
            return committed;
        }
        self.confirm(ended).await;
        Ok(())
    }

    fn connected(&self, session_present: bool) {
        self.figures.connected();
        self.neighbour.connected();
        if !session_present {
            self.hearsay.queue_lost();
        }
    }

    fn disconnected(&self, _reason: &str) {
        self.figures.disconnected();
    }
}

impl SpoolInbox {
    async fn write(
        &self,
        entries: Vec<(NewEntry, u64)>,
        refused: Vec<(String, String, Vec<u8>)>,
    ) -> Result<(), InboxError> {
        if !refused.is_empty() {
            let dead = Arc::clone(&self.dead);
            let written = tokio::task::spawn_blocking(move || {
                let (mut dead, now) = (lock(&dead), UnixNanos::now());
                refused.iter().try_for_each(|(topic, reason, payload)| dead.undecodable(topic, reason, payload, now))
            });
            let written = written.await.map_err(|_| InboxError("the dead letters' task ended".into()))?;
            written.map_err(|error| InboxError(error.to_string()))?;
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.compare(&entries);
        let now = UnixNanos::now();
        let (entries, arrivals): (Vec<NewEntry>, Vec<(Key, EntryKind, u64)>) = entries
            .into_iter()
            .map(|(entry, arrival)| {
                let key = (entry.key.clone(), entry.kind, arrival);
                (entry, key)
            })
            .unzip();
        let Appended { evicted, withdrawn, places } = self
            .spool
            .with(move |spool| append(spool, now, entries))
            .await
            .ok_or_else(|| InboxError("the spool's task ended".into()))?
            .map_err(|error| InboxError(error.to_string()))?;
        let kept: Vec<(u64, u64)> = arrivals
            .into_iter()
            .filter_map(|(key, kind, arrival)| Some((arrival, *places.get(&(key, kind.is_window()))?)))
            .collect();
        self.recent.kept(&kept);
        if let Some((gap, missing)) = withdrawn {
            self.missing.send_replace(missing);
            let topic = format!("withdrawn of {}/{}", gap.site, gap.sensor);
            if lock(&self.complaints).due(&topic, Instant::now()).is_some() {
                tracing::info!(
                    site = gap.site, sensor = gap.sensor, run = %gap.run, first_seq = gap.first_seq, last_seq = gap.last_seq,
                    "windows came after all that were recorded as a gap here: the gap is withdrawn"
                );
            }
        }
        for gap in &evicted {
            tracing::error!(
                site = gap.site,
                sensor = gap.sensor,
                first_seq = gap.first_seq,
                last_seq = gap.last_seq,
                "the spool is full: windows that no database has taken were given up, and a gap recorded; \
                 mend the database, or raise spool.max_bytes"
            );
        }
        self.spool.announce();
        Ok(())
    }
}

/// What appending did.
#[derive(Debug, Default)]
struct Appended {
    /// What the spool gave up for it.
    evicted: Vec<Gap>,
    /// One of the gaps that were withdrawn, and how many windows are still declared missing.
    withdrawn: Option<(Gap, u64)>,
    /// Where entries are in the spool: by identity, batches (true) and gaps.
    places: HashMap<(Key, bool), u64>,
}

/// Appends entries in their order; of declared losses what is one here. What was declared missing here and comes, or is
/// declared by its sensor, is withdrawn before that.
fn append(spool: &mut Spool, now: UnixNanos, entries: Vec<NewEntry>) -> Result<Appended, SpoolError> {
    let mut withdrawn = None;
    for NewEntry { key, last_seq, kind, .. } in &entries {
        let last = if kind.is_window() { key.seq } else { last_seq.unwrap_or(u64::MAX) };
        let gaps = spool.withdraw(now, (&key.site, &key.sensor, key.run), key.seq, last)?;
        withdrawn = gaps.into_iter().next().or(withdrawn);
    }
    let withdrawn = match withdrawn {
        Some(gap) => Some((gap, spool.declared_missing()?)),
        None => None,
    };
    let (evicted, places) = append_new(spool, now, entries)?;
    Ok(Appended { evicted, withdrawn, places })
}

type Placed = (Vec<Gap>, HashMap<(Key, bool), u64>);

fn append_new(spool: &mut Spool, now: UnixNanos, entries: Vec<NewEntry>) -> Result<Placed, SpoolError> {
    let (mut evicted, mut places) = (Vec::new(), HashMap::new());
    let mut append = |spool: &mut Spool, ready: Vec<NewEntry>| -> Result<(), SpoolError> {
        let appended = spool.append(now, &ready, &[])?;
        evicted.extend(appended.evicted);
        let identities = ready.into_iter().map(|entry| (entry.key, entry.kind.is_window()));
        places.extend(identities.zip(appended.ids));
        Ok(())
    };
    let mut ready: Vec<NewEntry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let (EntryKind::Gap(_), Some(last_seq)) = (entry.kind, entry.last_seq) else {
            ready.push(entry);
            continue;
        };
        let key = &entry.key;
        let is_same_run = |other: &NewEntry| {
            let other = &other.key;
            (&other.site, &other.sensor, other.run) == (&key.site, &key.sensor, key.run)
        };
        // The ledger is to know of what came before it.
        if ready.iter().any(is_same_run) {
            append(spool, std::mem::take(&mut ready))?;
        }
        let missing = spool.holes(&key.site, &key.sensor, key.run, last_seq, MAX_RANGES)?;
        match Record::decode(&entry.body) {
            Ok(Record::Gap(gap)) => {
                for lost in judge::lost_here(gap.clone(), &missing) {
                    let same = lost == gap;
                    ready.push(if same { entry.clone() } else { NewEntry::encode(&Record::Gap(lost))? });
                }
            }
            _ => ready.push(entry),
        }
    }
    if !ready.is_empty() {
        append(spool, ready)?;
    }
    Ok((evicted, places))
}

/// The beginning of a payload, fit for a line of the log.
fn excerpt(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload.get(..payload.len().min(512)).unwrap_or_default()).escape_debug().to_string()
}

/// Counts complaints, and says when one is due in the log.
#[derive(Debug, Default)]
struct Complaints {
    topics: HashMap<String, Seldom>,
}

impl Complaints {
    /// How many payloads a line in the log now stands for; `None` while the last line is fresh.
    fn due(&mut self, topic: &str, now: Instant) -> Option<u64> {
        if let Some(seldom) = self.topics.get_mut(topic) {
            return seldom.due(now);
        }
        if self.topics.len() >= MAX_LOGGED {
            self.topics.clear();
        }
        self.topics.entry(topic.to_owned()).or_default().due(now)
    }
}

/// Asks which windows of a run neither arrived nor were declared lost.
pub fn missing(
    spool: &SharedSpool,
    received: &Received,
    sensor: &SensorName,
    run: Uuid,
    last_seq: u64,
) -> Vec<(u64, u64)> {
    let (site, name) = sensor;
    // First memory, then the disk: what moves over meanwhile is found there.
    let ranges = received.without(sensor, run, vec![(0, last_seq)]);
    if ranges.is_empty() {
        return ranges;
    }
    match spool.lock().holes(site, name, run, last_seq, 64) {
        Ok(holes) => ranges_of_both(&holes, &ranges),
        Err(error) => {
            tracing::warn!(%error, "cannot tell what is missing");
            Vec::new()
        }
    }
}

/// What lies in ranges of both lists: ascending, both ends included.
fn ranges_of_both(one: &[(u64, u64)], other: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut both = Vec::new();
    for &(first, last) in one {
        for &(from, to) in other {
            if first.max(from) <= last.min(to) {
                both.push((first.max(from), last.min(to)));
            }
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{GAP_SCHEMA, Gap, GapReason};

    #[test]
    fn a_gap_of_windows_that_cannot_be_is_none() {
        let read = |first_seq, last_seq| {
            let (site, sensor) = ("home".to_owned(), "attic".to_owned());
            let (schema, run, reason) = (GAP_SCHEMA.to_owned(), Uuid::from_u128(1), GapReason::Unavailable);
            let (start, end) = (UnixNanos(0), UnixNanos(0));
            let gap = Gap {
                schema,
                site,
                sensor,
                run,
                reason,
                first_seq,
                last_seq,
                start,
                end,
                frames: None,
                detail: None,
                stamping: None,
                ingest: None,
                withdrawn: false,
            };
            SpoolInbox::read("home", "attic", Record::Gap(gap).encode()).map(drop).map_err(|(reason, _)| reason)
        };
        assert_eq!(read(0, Some(LAST_BELIEVED)), Ok(()));
        assert_eq!(read(5, None), Ok(()));
        for (first, last) in [(0, Some(u64::MAX)), (0, Some(LAST_BELIEVED + 1)), (u64::MAX, None), (5, Some(4))] {
            assert!(read(first, last).is_err_and(|why| why.contains("cannot be")), "{first} {last:?}");
        }
    }

    #[test]
    fn complaints_are_counted_and_said_once_a_minute() {
        let (mut complaints, start) = (Complaints::default(), Instant::now());
        assert_eq!(complaints.due("a", start), Some(1));
        assert_eq!(complaints.due("a", start), None);
        assert_eq!(complaints.due("b", start), Some(1));
        assert_eq!(complaints.due("a", start + std::time::Duration::from_secs(60)), Some(2));
    }
}
