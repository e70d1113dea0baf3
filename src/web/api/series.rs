//! Series: windows or their sums, channels, one station, step by step. A step in which nobody listened says so.

use super::{
    Api,
    answer::Problem,
    exposure::{Expected, Exposure},
    parameters::Asked,
};
use crate::{
    UnixNanos,
    sink::history::{
        Counts, Crowd, Page, Tier,
        query::{ChannelRow, SeriesRow, StationDetail, StationRow, StationStep},
    },
    web::Response,
    wire::Signal,
};
use serde::Serialize;
use std::time::Duration;

/// Steps of all channels together, at most.
const MOST_CHANNEL_STEPS: u64 = 1_000;

const WINDOW_COLUMNS: &[&str] = &[
    "id",
    "site",
    "sensor",
    "run",
    "seq",
    "parts",
    "parts_here",
    "start",
    "end",
    "clock",
    "final",
    "frames",
    "bytes",
    "station_frames",
    "bad_fcs",
    "malformed",
    "without_ta",
    "group_ta",
    "overflow_frames",
    "late",
    "kernel_drops",
    "interface_drops",
];
const STEP_COLUMNS: &[&str] = &[
    "from",
    "to",
    "exposure/windows",
    "exposure/expected_windows",
    "exposure/covered_ms",
    "exposure/listened_ms",
    "counts/switching_ms",
    "counts/off_ms",
    "counts/frames",
    "counts/bytes",
    "counts/station_frames",
    "counts/bad_fcs",
    "counts/malformed",
    "counts/without_ta",
    "counts/group_ta",
    "counts/overflow_frames",
    "counts/late",
    "counts/kernel_drops",
    "counts/interface_drops",
    "stations/most/access_points",
    "stations/most/known_vendor",
    "stations/most/randomised",
    "stations/most/other",
    "gap_ms",
    "lost_frames",
];
const CHANNEL_COLUMNS: &[&str] = &["freq_mhz", "listened_ms", "frames", "bytes"];
const CHANNEL_STEP_COLUMNS: &[&str] = &[
    "freq_mhz",
    "from",
    "to",
    "exposure/windows",
    "exposure/expected_windows",
    "exposure/listened_ms",
    "listened_ms",
    "frames",
    "bytes",
];
const STATION_STEP_COLUMNS: &[&str] = &[
    "from",
    "to",
    "exposure/windows",
    "exposure/expected_windows",
    "exposure/covered_ms",
    "exposure/listened_ms",
    "windows",
    "frames_sent",
    "bytes_sent",
    "frames_received",
    "signal_dbm/min",
    "signal_dbm/mean",
    "signal_dbm/max",
];

/// One step.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct StepAnswer {
    /// Its start.
    from: UnixNanos,
    /// Its end (exclusive).
    to: UnixNanos,
    /// How well was listened in it.
    exposure: Exposure,
    /// What was counted in the windows that began in it; null where there is none: nobody listened, or it is not stored
    /// (yet). That is not zero.
    counts: Option<Counts>,
    /// Stations at a time; null as `counts` is.
    stations: Option<Crowd>,
    /// Milliseconds of it that sensors declared as lost, summed over sensors.
    gap_ms: u64,
    /// Frames declared as lost, of the losses that begin in it; null where nobody counted them.
    lost_frames: Option<u64>,
}

/// One frequency.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ChannelAnswer {
    /// Centre frequency in MHz.
    freq_mhz: u16,
    /// Milliseconds listened there; null where nobody can know.
    listened_ms: Option<u64>,
    /// Frames captured there.
    frames: u64,
    /// Their octets.
    bytes: u64,
    /// The same in steps, where a step is asked for: those in which there is something.
    steps: Vec<ChannelStepAnswer>,
}

/// One step of a frequency.
#[derive(Serialize, utoipa::ToSchema)]
struct ChannelStepAnswer {
    /// Its frequency in MHz.
    freq_mhz: u16,
    /// Its start.
    from: UnixNanos,
    /// Its end (exclusive).
    to: UnixNanos,
    /// How well was listened in it, over all frequencies.
    exposure: Exposure,
    /// Milliseconds listened at this frequency; null where nobody can know.
    listened_ms: Option<u64>,
    /// Frames captured.
    frames: u64,
    /// Their octets.
    bytes: u64,
}

/// One station in time.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct StationAnswer {
    /// The start of the time.
    from: UnixNanos,
    /// Its end (exclusive).
    to: UnixNanos,
    /// Its sums over the time.
    #[serde(flatten)]
    row: StationRow,
    /// The sensors that heard it.
    sensors: Vec<Name>,
    /// The time in steps, without holes.
    steps: Vec<StationStepAnswer>,
    /// Of an access point: the stations that were last seen sending in its BSS, the busiest first, 100 at most.
    clients: Vec<StationRow>,
}

/// A sensor.
#[derive(Serialize, utoipa::ToSchema)]
struct Name {
    /// The place.
    site: String,
    /// Its name.
    sensor: String,
}

/// One step of a station.
#[derive(Serialize, utoipa::ToSchema)]
struct StationStepAnswer {
    /// Its start.
    from: UnixNanos,
    /// Its end (exclusive).
    to: UnixNanos,
    /// How well the sensors that heard the station listened in this step. Where they have no window, that the station was
    /// not heard says nothing.
    exposure: Exposure,
    /// Windows it was seen in.
    windows: u64,
    /// Frames it sent.
    frames_sent: u64,
    /// Their octets.
    bytes_sent: u64,
    /// Frames addressed to it.
    frames_received: u64,
    /// Signal of the frames sent; null where none was reported.
    signal_dbm: Option<Signal>,
}

pub(super) fn windows(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let expected = Expected::new(&history, asked.range, &asked.scope)?;
    let Some(step) = asked.step else {
        let (_, order) = asked.sort("start");
        let page = history.windows(asked.range, &asked.scope, order, &asked.paging())?;
        return Ok(asked.list(&page, &expected.in_all(), WINDOW_COLUMNS));
    };
    if let Some(name) = ["sort", "limit", "cursor"].into_iter().find(|name| asked.get(name).is_some()) {
        return Err(Problem::Wrong(format!("'{name}' does not go with 'step': all steps come, in their order")));
    }
    let page = history.series(asked.range, step, &asked.scope)?;
    let exposure = expected.in_all();
    let items = page.items.into_iter().map(|row| {
        let SeriesRow { from, to, counts, stations, gap_ms, lost_frames } = row;
        let exposure = expected.beside(to.saturating_since(from), counts.as_ref());
        StepAnswer { from, to, exposure, counts, stations, gap_ms, lost_frames }
    });
    let page = Page { tier: page.tier, items: items.collect(), next: None, truncated: page.truncated };
    Ok(asked.list(&page, &exposure, STEP_COLUMNS))
}

pub(super) fn channels(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let expected = Expected::new(&history, asked.range, &asked.scope)?;
    let mut exposures = Vec::new();
    if let Some(step) = asked.step {
        if asked.range.length().div_duration_f64(step) > MOST_CHANNEL_STEPS as f64 {
            let what =
                format!("that makes more than {MOST_CHANNEL_STEPS} steps of each channel: ask for a longer step");
            return Err(Problem::Wrong(what));
        }
        let series = history.series(asked.range, step, &asked.scope)?;
        exposures.extend(series.items.into_iter().map(|row| {
            let exposure = expected.beside(row.to.saturating_since(row.from), row.counts.as_ref());
            (row.from, row.to, exposure)
        }));
    }
    let page = history.channels(asked.range, asked.step, &asked.scope)?;
    let items = page.items.into_iter().map(|row| {
        let ChannelRow { freq_mhz, listened_ms, frames, bytes, steps } = row;
        let steps = steps.into_iter().filter_map(|step| {
            let at = exposures.binary_search_by_key(&step.from, |(from, ..)| *from).ok()?;
            let (from, to, exposure) = exposures.get(at)?.clone();
            let (listened_ms, frames, bytes) = (step.listened_ms, step.frames, step.bytes);
            Some(ChannelStepAnswer { freq_mhz, from, to, exposure, listened_ms, frames, bytes })
        });
        ChannelAnswer { freq_mhz, listened_ms, frames, bytes, steps: steps.collect() }
    });
    let items: Vec<ChannelAnswer> = items.collect();
    if asked.is_csv && asked.step.is_some() {
        let items = items.into_iter().flat_map(|row| row.steps).collect();
        return Ok(asked.list(&all(page.tier, items), &expected.in_all(), CHANNEL_STEP_COLUMNS));
    }
    Ok(asked.list(&all(page.tier, items), &expected.in_all(), CHANNEL_COLUMNS))
}

fn all<T>(tier: Tier, items: Vec<T>) -> Page<T> {
    Page { tier, items, next: None, truncated: false }
}

pub(super) fn station(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let item = asked.request.item();
    let address = item.parse().map_err(|_| {
        let shown: String = item.chars().take(64).collect();
        Problem::Wrong(format!("'{shown}' is neither an address like 02:00:00:00:00:01 nor a pseudonym"))
    })?;
    let history = api.open()?;
    let step = asked.step.unwrap_or_else(|| asked.range.length().max(Duration::from_nanos(1)));
    let found = history.station(address, asked.range, step, &asked.scope)?;
    let Some(StationDetail { row, sensors, steps, clients }) = found else {
        let what = "this station was not heard in this time, or is not known any more: only tracked ones and access points \
                    have a history of their own";
        return Err(Problem::Absent(what.to_owned()));
    };
    let expected = Expected::new(&history, asked.range, &asked.scope)?
        .only(|row| sensors.iter().any(|(site, sensor)| (site, sensor) == (&row.site, &row.sensor)));
    let steps = steps.into_iter().map(|step| {
        let StationStep { from, to, exposure, windows, frames_sent, bytes_sent, frames_received, signal_dbm } = step;
        let exposure = expected.beside(to.saturating_since(from), exposure.as_ref());
        StationStepAnswer { from, to, exposure, windows, frames_sent, bytes_sent, frames_received, signal_dbm }
    });
    let answer = StationAnswer {
        from: asked.range.from,
        to: asked.range.to,
        row,
        sensors: sensors.into_iter().map(|(site, sensor)| Name { site, sensor }).collect(),
        steps: steps.collect(),
        clients,
    };
    Ok(asked.one(&answer, &answer.steps, STATION_STEP_COLUMNS))
}
