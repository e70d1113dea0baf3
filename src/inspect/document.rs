//! A report as one JSON object, described by docs/inspect.md and docs/schema/inspect.schema.json. Stations are written
//! one by one: there is never a second copy of all of them.

use super::{
    FileCount, Report,
    rows::{self, AccessPointRow, ChannelRow, GroupRow, Sort, VendorRow},
};
use crate::{UnixNanos, oui::Registry};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// The schema of the document. Keys may be added within a major version; none changes or goes.
pub const SCHEMA: &str = "airtally.inspect/1";

/// A report and how to write it.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// What was counted.
    pub report: &'a Report,
    /// Who the vendors are.
    pub registry: &'a Registry,
    /// Order of the stations.
    pub sort: Sort,
    /// How many stations, access points, vendors and groups; all if `None`.
    pub top: Option<usize>,
}

#[derive(Serialize)]
struct Whole<'a> {
    schema: &'static str,
    files: &'a [FileCount],
    link_types: Vec<u16>,
    first_time: Option<UnixNanos>,
    last_time: Option<UnixNanos>,
    frames: u64,
    bytes: u64,
    station_frames: u64,
    bad_fcs: u64,
    malformed: u64,
    without_ta: u64,
    group_ta: u64,
    overflow: u64,
    warnings: Vec<String>,
    subtypes: BTreeMap<String, u64>,
    channels: Vec<ChannelRow>,
    group_count: usize,
    groups: Vec<GroupRow<'a>>,
    vendor_count: usize,
    vendors: Vec<VendorRow<'a>>,
    access_point_count: usize,
    access_points: Vec<AccessPointRow<'a>>,
    station_count: usize,
    stations: Stations<'a>,
}

/// Every warning of a report, and every failure in one sentence.
#[must_use]
pub fn warnings(report: &Report) -> Vec<String> {
    let failures = report.failures.iter().map(ToString::to_string);
    report.warnings.iter().cloned().chain(failures).chain(report.bounds_reached()).collect()
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { report, registry, top, .. } = *self;
        let most = top.unwrap_or(usize::MAX);
        let (mut groups, mut vendors) = (rows::groups(report, registry), rows::vendors(report, registry));
        let (group_count, vendor_count) = (groups.len(), vendors.len());
        groups.truncate(most);
        vendors.truncate(most);
        let (capture, span) = (report.tally().capture(), report.span());
        let subtypes = rows::subtypes(report).into_iter().map(|row| (row.subtype, row.frames)).collect();
        Whole {
            schema: SCHEMA,
            files: &report.files,
            link_types: report.link_types.iter().map(|link| link.0).collect(),
            first_time: span.map(|(first, _)| first),
            last_time: span.map(|(_, last)| last),
            frames: capture.frames,
            bytes: capture.bytes,
            station_frames: capture.station_frames,
            bad_fcs: capture.bad_fcs,
            malformed: capture.malformed,
            without_ta: capture.without_ta,
            group_ta: capture.group_ta,
            overflow: capture.overflow_frames,
            warnings: warnings(report),
            subtypes,
            channels: rows::channels(report),
            group_count,
            groups,
            vendor_count,
            vendors,
            access_point_count: rows::count_access_points(report).0,
            access_points: rows::access_points(report, registry, top),
            station_count: report.tally().transmitters(),
            stations: Stations(*self),
        }
        .serialize(serializer)
    }
}

/// The array of stations.
struct Stations<'a>(Document<'a>);

impl Serialize for Stations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Document { report, registry, sort, top } = self.0;
        let bases = rows::bases(report, registry);
        if sort == Sort::Mac {
            let stations = report.stations().take(top.unwrap_or(usize::MAX));
            return serializer.collect_seq(stations.map(|station| rows::station(&station, registry, &bases)));
        }
        let stations = rows::sorted(report, registry, sort, top);
        serializer.collect_seq(stations.iter().map(|station| rows::station(station, registry, &bases)))
    }
}
