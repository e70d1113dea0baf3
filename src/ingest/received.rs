//! What came and is not on disk yet: the windows of a few seconds, in memory. The broker has them still.

use super::holes::SensorName;
use crate::{mqtt::Receipt, spool::NewEntry, wire::Record};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// What the next commit takes.
#[derive(Default)]
pub struct Waiting {
    /// Records, each with the number of its arrival.
    pub entries: Vec<(NewEntry, u64)>,
    /// Payloads that are no records: where from, why, and the payload.
    pub refused: Vec<(String, String, Vec<u8>)>,
    /// Runs whose sensors have ended them, and may wait for the word that all is here.
    pub ended: Vec<(SensorName, Uuid)>,
}

/// Records in memory, and which windows they are.
#[derive(Default)]
pub struct Received(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    waiting: Waiting,
    /// Those that wait, and those that are being written.
    windows: HashMap<(SensorName, Uuid), BTreeSet<u64>>,
}

impl Received {
    /// A record came; its entry, and the number of its arrival.
    pub fn add(&self, record: &Arc<Record>, entry: NewEntry, arrival: u64) {
        let mut inner = self.lock();
        if entry.kind.is_window() {
            let sensor = (record.site().to_owned(), record.sensor().to_owned());
            inner.windows.entry((sensor, entry.key.run)).or_default().insert(entry.key.seq);
        }
        inner.waiting.entries.push((entry, arrival));
    }

    /// A payload came that is no record.
    pub fn refuse(&self, topic: String, reason: String, payload: Vec<u8>) {
        self.lock().waiting.refused.push((topic, reason, payload));
    }

    /// A sensor has ended this run.
    pub fn ended(&self, sensor: SensorName, run: Uuid) {
        self.lock().waiting.ended.push((sensor, run));
    }

    /// Whether there is something to commit, and somebody who waits for it.
    pub fn receipt(&self) -> Receipt {
        match &self.lock().waiting {
            waiting if !waiting.ended.is_empty() => Receipt::Urgent,
            waiting if waiting.entries.is_empty() && waiting.refused.is_empty() => Receipt::Done,
            _ => Receipt::Waits,
        }
    }

    /// What is to be written now. Its windows count as received until [`Received::written`].
    pub fn take(&self) -> Waiting {
        std::mem::take(&mut self.lock().waiting)
    }

    /// What was taken is on disk, or was not to be written and comes again.
    pub fn written(&self) {
        let mut inner = self.lock();
        inner.windows.clear();
        let waiting: Vec<_> = inner
            .waiting
            .entries
            .iter()
            .filter(|(entry, _)| entry.kind.is_window())
            .map(|(entry, _)| (((entry.key.site.clone(), entry.key.sensor.clone()), entry.key.run), entry.key.seq))
            .collect();
        for (key, seq) in waiting {
            inner.windows.entry(key).or_default().insert(seq);
        }
    }

    /// Of these ranges of windows, both ends included, what is not here.
    pub fn without(&self, sensor: &SensorName, run: Uuid, ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
        let inner = self.lock();
        let Some(here) = inner.windows.get(&(sensor.clone(), run)) else { return ranges };
        let mut missing = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            let mut next = Some(first);
            for &seq in here.range(first..=last) {
                if let Some(first) = next.filter(|first| *first < seq) {
                    missing.push((first, seq - 1));
                }
                next = seq.checked_add(1);
            }
            missing.extend(next.filter(|first| *first <= last).map(|first| (first, last)));
        }
        missing
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        UnixNanos,
        wire::{BATCH_SCHEMA, Batch, Capture, Identity, TimeSource},
    };

    fn window(seq: u64) -> Arc<Record> {
        Arc::new(Record::Batch(Box::new(Batch {
            schema: BATCH_SCHEMA.into(),
            identity: Identity { site: "home".into(), sensor: "pi".into(), run: Uuid::nil(), seq },
            part: 0,
            parts: 1,
            flow_parts: None,
            alert_parts: None,
            people: Vec::new(),
            start: UnixNanos(0),
            end: UnixNanos(1),
            clock: TimeSource::System,
            last: false,
            stamping: None,
            capture: Some(Capture::default()),
            subtypes: [].into(),
            channels: Vec::new(),
            stations: Vec::new(),
            vendors: Vec::new(),
            distinct: None,
        })))
    }

    #[test]
    fn windows_in_memory_are_not_missing_until_they_are_written() {
        let received = Received::default();
        let add = |seq| {
            let record = window(seq);
            let entry = NewEntry::encode(&record).unwrap();
            received.add(&record, entry, seq);
        };
        let sensor = ("home".to_owned(), "pi".to_owned());
        let missing = || received.without(&sensor, Uuid::nil(), vec![(0, 3), (5, 9)]);
        add(0);
        add(2);
        add(9);
        assert_eq!(missing(), [(1, 1), (3, 3), (5, 8)]);
        assert_eq!(received.take().entries.len(), 3);
        add(7);
        assert_eq!(missing(), [(1, 1), (3, 3), (5, 6), (8, 8)]);
        received.written();
        assert_eq!(missing(), [(0, 3), (5, 6), (8, 9)]);
        assert_eq!(received.without(&sensor, Uuid::max(), vec![(7, 7)]), [(7, 7)]);
    }
}
