//! What came and is not in the history yet: windows in memory, added to what the history answers.

use crate::{
    UnixNanos,
    sink::{
        Arrival, Recent, Stage,
        history::{
            Counts, Crowd, History, HistoryError, Kinds, Order, Paging, Range, Scope,
            query::{ChannelRow, SensorRow, StationRow, WindowRow},
        },
    },
    wire::{Batch, Record, Signal, Station},
};
use std::collections::{HashMap, HashSet};

/// Windows of one minute that are told apart, at most.
const MOST: usize = 5_000;

/// Site, sensor, run, number: what a window is known by.
type Key = (String, String, String, u64);

/// Windows of a range that are not stored yet.
pub struct Fresh {
    arrivals: Vec<Arrival>,
}

impl Fresh {
    /// Those of `scope`, whenever they began. To be asked before the history: what is stored meanwhile is in both, and
    /// [`Fresh::unknown_to`] leaves it out.
    #[must_use]
    pub fn new(recent: &Recent, scope: &Scope) -> Self {
        let is_meant = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let arrivals = recent.unstored().into_iter().filter(|arrival| match &*arrival.record {
            Record::Batch(batch) => {
                is_meant(&scope.site, &batch.identity.site) && is_meant(&scope.sensor, &batch.identity.sensor)
            }
            Record::Flows(_) | Record::Alerts(_) | Record::Gap(_) => false,
        });
        let mut fresh = Self { arrivals: arrivals.collect() };
        // A message may come twice before it is stored.
        let mut met = HashSet::new();
        fresh.arrivals.retain(|arrival| batch(arrival).is_some_and(|batch| met.insert((key(batch), batch.part))));
        fresh
    }

    /// Those that begin in `range` and that the history does not have.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn unknown_to(&self, history: &History, range: Range, scope: &Scope) -> Result<Self, HistoryError> {
        let mut arrivals = self.arrivals.clone();
        arrivals.retain(|arrival| batch(arrival).is_some_and(|batch| range.contains(batch.start)));
        if !arrivals.is_empty() {
            let stored = history.windows(range, scope, Order::Descending, &Paging { limit: MOST, cursor: None })?;
            let stored: HashSet<Key> =
                stored.items.into_iter().map(|row| (row.site, row.sensor, row.run, row.seq)).collect();
            arrivals.retain(|arrival| batch(arrival).is_some_and(|batch| !stored.contains(&key(batch))));
        }
        Ok(Self { arrivals })
    }

    fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.arrivals.iter().filter_map(batch)
    }

    /// Adds them to the sums of the sensors over `range`.
    pub fn add_to_sensors(&self, rows: &mut Vec<SensorRow>, range: Range) {
        for batch in self.batches() {
            let name = (&batch.identity.site, &batch.identity.sensor);
            let at = rows.iter().position(|row| (&row.site, &row.sensor) == name).unwrap_or_else(|| {
                rows.push(empty(batch, range));
                rows.len() - 1
            });
            let Some(row) = rows.get_mut(at) else { continue };
            row.counts.add(&counts(batch));
            let kinds = Kinds::of(batch);
            row.stations.add(&Crowd { most: kinds, sum: kinds });
            row.first_start = Some(row.first_start.map_or(batch.start, |first| first.min(batch.start)));
            row.last_end = Some(row.last_end.map_or(batch.end, |last| last.max(batch.end)));
        }
        rows.sort_by(|a, b| (&a.site, &a.sensor).cmp(&(&b.site, &b.sensor)));
    }

    /// Adds them to the sums of the channels.
    pub fn add_to_channels(&self, rows: &mut Vec<ChannelRow>) {
        for channel in self.batches().flat_map(|batch| &batch.channels) {
            let at = rows.binary_search_by_key(&channel.freq_mhz, |row| row.freq_mhz);
            let at = at.unwrap_or_else(|at| {
                let (freq_mhz, steps) = (channel.freq_mhz, Vec::new());
                rows.insert(at, ChannelRow { freq_mhz, listened_ms: None, frames: 0, bytes: 0, steps });
                at
            });
            let Some(row) = rows.get_mut(at) else { continue };
            row.frames = row.frames.saturating_add(channel.frames);
            row.bytes = row.bytes.saturating_add(channel.bytes);
            row.listened_ms = sum(row.listened_ms, channel.listened_ms);
        }
    }

    /// Adds them to the sums of the stations, and gives the `most` busiest.
    #[must_use]
    pub fn add_to_stations(&self, mut rows: Vec<StationRow>, most: usize) -> Vec<StationRow> {
        let mut places: HashMap<_, usize> = rows.iter().enumerate().map(|(place, row)| (row.station, place)).collect();
        for station in self.batches().flat_map(|batch| &batch.stations) {
            let place = *places.entry(station.mac).or_insert(rows.len());
            match rows.get_mut(place) {
                Some(row) => add(row, station),
                None => rows.push(first(station)),
            }
        }
        rows.sort_by_key(|row| (std::cmp::Reverse(row.frames_sent), row.station));
        rows.truncate(most);
        rows
    }

    /// The newest windows, with those of `rows` that are stored: each with its stage.
    #[must_use]
    pub fn add_to_windows(&self, rows: Vec<WindowRow>, most: usize) -> Vec<(WindowRow, Stage)> {
        let stored: HashSet<Key> =
            rows.iter().map(|row| (row.site.clone(), row.sensor.clone(), row.run.clone(), row.seq)).collect();
        let mut windows: Vec<(WindowRow, Stage)> = rows.into_iter().map(|row| (row, Stage::Stored)).collect();
        let fresh = self.arrivals.iter().filter_map(|arrival| Some((batch(arrival)?, arrival.stage)));
        windows.extend(
            fresh
                .filter(|(batch, _)| batch.part == 0 && !stored.contains(&key(batch)))
                .map(|(batch, stage)| (window(batch), stage)),
        );
        windows
            .sort_by(|(a, _), (b, _)| (b.start, &a.site, &a.sensor, b.seq).cmp(&(a.start, &b.site, &b.sensor, a.seq)));
        windows.truncate(most);
        windows
    }

    /// How many windows these are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches().filter(|batch| batch.part == 0).count()
    }
}

fn batch(arrival: &Arrival) -> Option<&Batch> {
    match &*arrival.record {
        Record::Batch(batch) => Some(batch),
        Record::Flows(_) | Record::Alerts(_) | Record::Gap(_) => None,
    }
}

fn key(batch: &Batch) -> Key {
    let identity = &batch.identity;
    (identity.site.clone(), identity.sensor.clone(), identity.run.to_string(), identity.seq)
}

/// Absent is "nobody knows", and the sum of that and a number is the number.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

fn millis(from: UnixNanos, to: UnixNanos) -> u64 {
    u64::try_from(to.saturating_since(from).as_millis()).unwrap_or(u64::MAX)
}

/// What a part of a window counts.
fn counts(batch: &Batch) -> Counts {
    let Some(capture) = &batch.capture else { return Counts::default() };
    Counts {
        windows: 1,
        covered_ms: millis(batch.start, batch.end),
        listened_ms: batch.channels.iter().filter_map(|channel| channel.listened_ms).reduce(u64::saturating_add),
        switching_ms: capture.switching_ms,
        off_ms: capture.off_ms,
        frames: capture.frames,
        bytes: capture.bytes,
        station_frames: capture.station_frames,
        bad_fcs: capture.bad_fcs,
        malformed: capture.malformed,
        without_ta: capture.without_ta,
        group_ta: capture.group_ta,
        overflow_frames: capture.overflow_frames,
        late: capture.late,
        kernel_drops: capture.kernel_drops,
        interface_drops: capture.interface_drops,
    }
}

fn empty(batch: &Batch, range: Range) -> SensorRow {
    SensorRow {
        site: batch.identity.site.clone(),
        sensor: batch.identity.sensor.clone(),
        counts: Counts::default(),
        range_ms: millis(range.from, range.to),
        window_ms: millis(batch.start, batch.end),
        expected_windows: 0,
        stations: Crowd::default(),
        runs: 1,
        gaps: 0,
        gap_ms: 0,
        lost_frames: None,
        first_start: None,
        last_end: None,
    }
}

fn first(station: &Station) -> StationRow {
    StationRow {
        station: station.mac,
        vendor: station.vendor.clone(),
        randomised: station.randomised,
        tracked: station.tracked,
        role: station.role,
        windows: 1,
        frames_sent: station.frames_sent,
        bytes_sent: station.bytes_sent,
        frames_received: station.frames_received,
        management: station.management,
        control: station.control,
        data: station.data,
        retries: station.retries,
        signal_dbm: station.signal_dbm,
        freqs_mhz: station.freqs_mhz.clone(),
        bssid: station.bssid,
        ssids: station.ssids.clone(),
        security: station.security.clone(),
        channel: station.channel,
        width_mhz: station.width_mhz,
        first_seen: station.first_seen,
        last_seen: station.last_seen,
    }
}

/// Adds what the view shows.
fn add(row: &mut StationRow, station: &Station) {
    row.windows += 1;
    row.frames_sent = row.frames_sent.saturating_add(station.frames_sent);
    row.signal_dbm = match (row.signal_dbm, station.signal_dbm) {
        (Some(one), Some(other)) => Some(both(one, other)),
        (one, other) => one.or(other),
    };
    row.first_seen = row.first_seen.min(station.first_seen);
    if station.last_seen > row.last_seen {
        (row.last_seen, row.role) = (station.last_seen, station.role);
        if row.ssids.is_empty() {
            row.ssids.clone_from(&station.ssids);
        }
    }
}

fn both(one: Signal, other: Signal) -> Signal {
    let frames = one.frames.saturating_add(other.frames);
    let weighed = |signal: Signal| signal.mean * super::text::real(signal.frames);
    let mean = if frames == 0 { one.mean } else { (weighed(one) + weighed(other)) / super::text::real(frames) };
    Signal { min: one.min.min(other.min), mean, max: one.max.max(other.max), frames }
}

fn window(batch: &Batch) -> WindowRow {
    let counts = counts(batch);
    WindowRow {
        id: 0,
        site: batch.identity.site.clone(),
        sensor: batch.identity.sensor.clone(),
        run: batch.identity.run.to_string(),
        seq: batch.identity.seq,
        parts: u64::from(batch.parts),
        parts_here: u64::from(batch.parts),
        start: batch.start,
        end: batch.end,
        clock: String::new(),
        last: batch.last,
        frames: counts.frames,
        bytes: counts.bytes,
        station_frames: counts.station_frames,
        bad_fcs: counts.bad_fcs,
        malformed: counts.malformed,
        without_ta: counts.without_ta,
        group_ta: counts.group_ta,
        overflow_frames: counts.overflow_frames,
        late: counts.late,
        kernel_drops: counts.kernel_drops,
        interface_drops: counts.interface_drops,
    }
}
