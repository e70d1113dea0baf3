//! Lists: sensors, stations, networks, vendors, gaps, flows, alerts, people, distinct stations.

use super::{Api, answer::Problem, exposure::Expected, parameters::Asked};
use crate::{
    UnixNanos,
    roster::Sensor,
    sink::history::{
        Counts, Crowd, Page,
        query::{AlertFilter, AlertState, FlowFilter, NetworkSort, SensorRow, StationFilter, StationSort},
    },
    web::Response,
    wire::State,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// What stations are sorted by.
pub(super) const STATION_SORTS: &[&str] = &[
    "frames",
    "-frames",
    "bytes",
    "-bytes",
    "received",
    "-received",
    "windows",
    "-windows",
    "signal",
    "-signal",
    "first_seen",
    "-first_seen",
    "last_seen",
    "-last_seen",
    "address",
    "-address",
    "vendor",
    "-vendor",
];
/// What networks are sorted by.
pub(super) const NETWORK_SORTS: &[&str] = &[
    "ssid",
    "-ssid",
    "bssid",
    "-bssid",
    "channel",
    "-channel",
    "signal",
    "-signal",
    "clients",
    "-clients",
    "frames",
    "-frames",
    "last_seen",
    "-last_seen",
];
/// What has a start.
pub(super) const START: &[&str] = &["start", "-start"];

const SENSOR_COLUMNS: &[&str] = &[
    "site",
    "sensor",
    "windows",
    "expected_windows",
    "range_ms",
    "covered_ms",
    "listened_ms",
    "switching_ms",
    "off_ms",
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
    "window_ms",
    "runs",
    "gaps",
    "gap_ms",
    "lost_frames",
    "first_start",
    "last_end",
    "stations/most/access_points",
    "stations/most/known_vendor",
    "stations/most/randomised",
    "stations/most/other",
    "said/state",
    "said/reason",
    "said/time",
    "said/heard",
    "said/version",
    "said/source",
    "said/window",
    "said/privacy",
];
const STATION_COLUMNS: &[&str] = &[
    "station",
    "vendor",
    "randomised",
    "tracked",
    "role",
    "windows",
    "frames_sent",
    "bytes_sent",
    "frames_received",
    "management",
    "control",
    "data",
    "retries",
    "signal_dbm/min",
    "signal_dbm/mean",
    "signal_dbm/max",
    "freqs_mhz",
    "bssid",
    "ssids",
    "security",
    "channel",
    "width_mhz",
    "first_seen",
    "last_seen",
];
const NETWORK_COLUMNS: &[&str] = &[
    "bssid",
    "ssids",
    "vendor",
    "channel",
    "width_mhz",
    "freqs_mhz",
    "security",
    "signal_dbm/min",
    "signal_dbm/mean",
    "signal_dbm/max",
    "clients",
    "windows",
    "frames_sent",
    "bytes_sent",
    "first_seen",
    "last_seen",
];
const VENDOR_COLUMNS: &[&str] = &["vendor", "randomised", "station_windows", "frames_sent", "bytes_sent"];
const GAP_COLUMNS: &[&str] = &["site", "sensor", "run", "reason", "first_seq", "last_seq", "start", "end", "frames"];

const DISTINCT_COLUMNS: &[&str] = &["site", "from", "to", "sensors", "stations", "low", "high", "untold"];
const FLOW_COLUMNS: &[&str] = &[
    "site",
    "sensor",
    "proto",
    "src",
    "src_port",
    "dst",
    "dst_port",
    "records",
    "packets_out",
    "bytes_out",
    "packets_in",
    "bytes_in",
    "first_time",
    "last_time",
    "layer7",
    "layer7_info",
];

const ALERT_COLUMNS: &[&str] =
    &["site", "kind", "class", "severity", "subject", "state", "start", "end", "frames", "sensors"];

const PEOPLE_COLUMNS: &[&str] = &["site", "sensor", "start", "end", "low", "estimate", "high", "reason", "listened_ms"];

/// One sensor over the time, and what it said last.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SensorAnswer {
    #[serde(flatten)]
    row: SensorRow,
    /// What it said last of itself, whenever that was; null where ingest has not heard of it since it started.
    said: Option<Said>,
}

/// What a sensor said last of itself.
#[derive(Serialize, utoipa::ToSchema)]
struct Said {
    /// How it is; null where only its description is known.
    state: Option<State>,
    /// Why, in a word.
    reason: Option<String>,
    /// When it wrote that.
    time: Option<UnixNanos>,
    /// When ingest heard it.
    heard: UnixNanos,
    /// Its program's version.
    version: Option<String>,
    /// Where its frames come from: radio, interface, file, stdin.
    source: Option<String>,
    /// Length of its windows, like 10s.
    window: Option<String>,
    /// Its privacy mode: plain, pseudonym, vendor.
    privacy: Option<String>,
}

impl Said {
    fn new(sensor: Sensor) -> Self {
        let about = sensor.about.unwrap_or_default();
        let status = sensor.status;
        Self {
            state: status.as_ref().map(|status| status.status.state),
            time: status.as_ref().map(|status| status.time),
            reason: status.and_then(|status| status.status.reason),
            heard: sensor.heard,
            version: Some(about.version).filter(|version| !version.is_empty()),
            source: about.source,
            window: about.window,
            privacy: about.privacy,
        }
    }
}

/// The word of a closed list as what it stands for.
fn word<T: DeserializeOwned + Default>(word: &str) -> T {
    serde_json::from_value(word.into()).unwrap_or_default()
}

pub(super) fn sensors(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let page = api.open()?.sensors(asked.range, &asked.scope)?;
    let exposure = Expected::of(&page.items).in_all();
    let is_meant = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let heard =
        api.roster.all().into_iter().filter(|sensor| {
            is_meant(&asked.scope.site, &sensor.site) && is_meant(&asked.scope.sensor, &sensor.sensor)
        });
    let mut said: BTreeMap<(String, String), Said> =
        heard.map(|sensor| ((sensor.site.clone(), sensor.sensor.clone()), Said::new(sensor))).collect();
    let mut rows: Vec<SensorAnswer> = page
        .items
        .into_iter()
        .map(|row| {
            let said = said.remove(&(row.site.clone(), row.sensor.clone()));
            SensorAnswer { row, said }
        })
        .collect();
    let range_ms = u64::try_from(asked.range.length().as_millis()).unwrap_or(u64::MAX);
    rows.extend(
        said.into_iter()
            .map(|((site, sensor), said)| SensorAnswer { row: silent(site, sensor, range_ms), said: Some(said) }),
    );
    rows.sort_by(|one, other| (&one.row.site, &one.row.sensor).cmp(&(&other.row.site, &other.row.sensor)));
    let paging = asked.paging();
    if let Some(cursor) = &paging.cursor {
        let (site, sensor) = cursor_of(cursor)?;
        rows.retain(|row| (&row.row.site, &row.row.sensor) > (&site, &sensor));
    }
    let more = rows.len() > paging.limit;
    rows.truncate(paging.limit);
    let next = rows.last().filter(|_| more).map(|row| hexadecimal(&format!("{}/{}", row.row.site, row.row.sensor)));
    let page = Page { tier: page.tier, items: rows, next, truncated: false };
    Ok(asked.list(&page, &exposure, SENSOR_COLUMNS))
}

/// A sensor of which there is nothing in the history.
fn silent(site: String, sensor: String, range_ms: u64) -> SensorRow {
    SensorRow {
        site,
        sensor,
        counts: Counts::default(),
        range_ms,
        window_ms: 0,
        expected_windows: 0,
        stations: Crowd::default(),
        runs: 0,
        gaps: 0,
        gap_ms: 0,
        lost_frames: None,
        first_start: None,
        last_end: None,
    }
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|octet| format!("{octet:02x}")).collect()
}

fn cursor_of(cursor: &str) -> Result<(String, String), Problem> {
    let octets = (0..cursor.len()).step_by(2).map(|at| u8::from_str_radix(cursor.get(at..at + 2)?, 16).ok());
    let text = octets.collect::<Option<Vec<u8>>>().and_then(|octets| String::from_utf8(octets).ok());
    // Neither name has a slash in it: they are levels of a topic.
    let names = text.as_deref().and_then(|text| text.split_once('/'));
    let names = names.map(|(site, sensor)| (site.to_owned(), sensor.to_owned()));
    names.ok_or_else(|| Problem::Wrong("the cursor is not one of this list: begin with its first page".into()))
}

pub(super) fn stations(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let text = |name| asked.get(name).map(str::to_owned);
    let filter = StationFilter {
        text: text("q"),
        vendor: text("vendor"),
        role: asked.role(),
        heard_since: asked.parsed("heard_since"),
        randomised: asked.parsed("randomised"),
        tracked: asked.parsed("tracked"),
        bssid: asked.parsed("bssid"),
    };
    let (sort, order) = asked.sort("-frames");
    let sort = (word::<StationSort>(sort), order);
    let page = history.stations(asked.range, &asked.scope, &filter, sort, &asked.paging())?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), STATION_COLUMNS))
}

pub(super) fn networks(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let (sort, order) = asked.sort("-signal");
    let sort = (word::<NetworkSort>(sort), order);
    let page = history.networks(asked.range, &asked.scope, asked.get("q"), sort, &asked.paging())?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), NETWORK_COLUMNS))
}

pub(super) fn vendors(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let page = history.vendors(asked.range, &asked.scope, &asked.paging())?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), VENDOR_COLUMNS))
}

pub(super) fn gaps(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let (_, order) = asked.sort("start");
    let page = history.gaps(asked.range, &asked.scope, order, &asked.paging())?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), GAP_COLUMNS))
}

pub(super) fn distinct(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let page = history.distinct(asked.range, asked.step, &asked.scope)?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), DISTINCT_COLUMNS))
}

pub(super) fn flows(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    // As addresses are stored, however they are written.
    let host = asked.get("host").map(|host| host.parse().map(|host: std::net::IpAddr| host.to_string()));
    let host = host.transpose().map_err(|_| Problem::Wrong("'host' is an IP address".into()))?;
    let filter = FlowFilter { proto: asked.get("proto").map(str::to_lowercase), host };
    let page = history.flows(asked.range, &asked.scope, &filter, &asked.paging())?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), FLOW_COLUMNS))
}

pub(super) fn alerts(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let text = |name| asked.get(name).map(str::to_owned);
    let filter =
        AlertFilter { kind: text("kind"), subject: text("subject"), state: asked.get("state").map(word::<AlertState>) };
    let (_, order) = asked.sort("-start");
    let page = history.alerts(asked.range, &asked.scope, &filter, order, &asked.paging())?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), ALERT_COLUMNS))
}

pub(super) fn people(api: &Api, asked: &Asked<'_>) -> Result<Response, Problem> {
    let history = api.open()?;
    let (_, order) = asked.sort("start");
    let page = history.people(asked.range, &asked.scope, order, &asked.paging())?;
    Ok(asked.list(&page, &Expected::new(&history, asked.range, &asked.scope)?.in_all(), PEOPLE_COLUMNS))
}
