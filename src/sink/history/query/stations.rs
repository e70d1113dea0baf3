//! Stations: which ones there were, and one of them in time.

use super::{MOST_STATIONS, Steps};
use crate::{
    UnixNanos,
    sink::history::{
        History,
        counts::Counts,
        range::{HistoryError, Key, Order, Page, Paging, Place, Range, Scope, page},
        station::StationSum,
    },
    wire::{Address, Role, Signal},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    time::Duration,
};

/// One station over a range.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct StationRow {
    /// Its address or pseudonym.
    pub station: Address,
    /// Its vendor, where known.
    pub vendor: Option<String>,
    /// Whether its address is randomised.
    pub randomised: bool,
    /// Whether it has a history of its own: others are forgotten with the windows.
    pub tracked: bool,
    /// What it was last seen doing.
    pub role: Role,
    /// Windows it was seen in, summed over sensors.
    pub windows: u64,
    /// Frames it sent.
    pub frames_sent: u64,
    /// Their octets.
    pub bytes_sent: u64,
    /// Frames addressed to it.
    pub frames_received: u64,
    /// Management frames among those sent.
    pub management: u64,
    /// Control frames among those sent.
    pub control: u64,
    /// Data frames among those sent.
    pub data: u64,
    /// Frames sent with the Retry bit.
    pub retries: u64,
    /// Signal of the frames sent, over all sensors; absent where none was reported.
    pub signal_dbm: Option<Signal>,
    /// Frequencies it was heard on, in MHz, ascending.
    pub freqs_mhz: Vec<u16>,
    /// The BSS it was last seen sending in.
    pub bssid: Option<Address>,
    /// Network names it sent, ascending.
    pub ssids: Vec<String>,
    /// Of an access point: how its network protects itself.
    pub security: Option<String>,
    /// Of an access point: the primary channel that it announces.
    pub channel: Option<u8>,
    /// Of an access point: how wide its channel is, in MHz.
    pub width_mhz: Option<u16>,
    /// When it was first heard in the range.
    pub first_seen: UnixNanos,
    /// When it was last heard in the range.
    pub last_seen: UnixNanos,
}

impl StationRow {
    pub(super) fn new(station: Address, sum: StationSum) -> Self {
        Self {
            station,
            vendor: sum.vendor,
            randomised: sum.randomised,
            tracked: sum.tracked,
            role: sum.role,
            windows: sum.windows,
            frames_sent: sum.frames_sent,
            bytes_sent: sum.bytes_sent,
            frames_received: sum.frames_received,
            management: sum.management,
            control: sum.control,
            data: sum.data,
            retries: sum.retries,
            signal_dbm: sum.signal.map(|signal| signal.signal()),
            freqs_mhz: sum.freqs_mhz,
            bssid: sum.bssid,
            ssids: sum.ssids,
            security: sum.security,
            channel: sum.channel,
            width_mhz: sum.width_mhz,
            first_seen: sum.first_seen,
            last_seen: sum.last_seen,
        }
    }
}

/// Which stations are wanted: what is absent is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationFilter {
    /// Part of the address, the vendor or a network's name, whatever the case.
    pub text: Option<String>,
    /// Part of the vendor's name, whatever the case.
    pub vendor: Option<String>,
    /// Its role.
    pub role: Option<Role>,
    /// Heard at this time or later.
    pub heard_since: Option<UnixNanos>,
    /// Whether its address is randomised.
    pub randomised: Option<bool>,
    /// Whether it is tracked.
    pub tracked: Option<bool>,
    /// The BSS it belongs to.
    pub bssid: Option<Address>,
}

impl StationFilter {
    fn takes(&self, address: Address, sum: &StationSum) -> bool {
        let within = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let vendor = sum.vendor.as_deref().unwrap_or_default();
        self.role.is_none_or(|role| role == sum.role)
            && self.randomised.is_none_or(|randomised| randomised == sum.randomised)
            && self.tracked.is_none_or(|tracked| tracked == sum.tracked)
            && self.heard_since.is_none_or(|since| sum.last_seen >= since)
            && self.bssid.is_none_or(|bssid| sum.bssid == Some(bssid) || address == bssid)
            && self.vendor.as_deref().is_none_or(|part| within(vendor, part))
            && self.text.as_deref().is_none_or(|part| {
                within(&address.to_string(), part)
                    || within(vendor, part)
                    || sum.ssids.iter().any(|ssid| within(ssid, part))
            })
    }
}

/// What a list of stations is sorted by; ties by address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StationSort {
    /// Frames sent.
    #[default]
    Frames,
    /// Octets sent.
    Bytes,
    /// Frames addressed to it.
    Received,
    /// Windows it was seen in.
    Windows,
    /// Strongest signal.
    Signal,
    /// When it was first heard.
    FirstSeen,
    /// When it was last heard.
    LastSeen,
    /// Its address.
    Address,
    /// Its vendor's name.
    Vendor,
}

impl StationSort {
    fn place(self, address: Address, sum: &StationSum) -> Place {
        let number = |number: u64| Key::Number(i64::try_from(number).unwrap_or(i64::MAX));
        let key = match self {
            Self::Frames => number(sum.frames_sent),
            Self::Bytes => number(sum.bytes_sent),
            Self::Received => number(sum.frames_received),
            Self::Windows => number(sum.windows),
            Self::Signal => Key::Number(sum.signal.map_or(i64::MIN, |signal| signal.max.into())),
            Self::FirstSeen => Key::Number(sum.first_seen.0),
            Self::LastSeen => Key::Number(sum.last_seen.0),
            Self::Address => Key::Number(0),
            Self::Vendor => Key::Text(sum.vendor.clone().unwrap_or_default()),
        };
        Place(key, address.to_string())
    }
}

/// One station in time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StationDetail {
    /// Its sums over the range.
    #[serde(flatten)]
    pub row: StationRow,
    /// The sensors that heard it, as site and name.
    pub sensors: Vec<(String, String)>,
    /// The range in steps, without holes.
    pub steps: Vec<StationStep>,
    /// Of an access point: the stations that were last seen sending in its BSS, the busiest first, 100 at most.
    pub clients: Vec<StationRow>,
}

/// One step of a station.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StationStep {
    /// Its start.
    pub from: UnixNanos,
    /// Its end (exclusive).
    pub to: UnixNanos,
    /// How the sensors that heard the station listened in this step: what they counted in all. Absent where none of them has a
    /// window: then that the station was not heard says nothing.
    pub exposure: Option<Counts>,
    /// Windows it was seen in.
    pub windows: u64,
    /// Frames it sent.
    pub frames_sent: u64,
    /// Their octets.
    pub bytes_sent: u64,
    /// Frames addressed to it.
    pub frames_received: u64,
    /// Signal of the frames sent.
    pub signal_dbm: Option<Signal>,
}

/// Stations by address, as many as one answer counts.
pub(super) type Stations = HashMap<Address, StationSum>;

/// Adds up; false if there is no room for one more.
pub(super) fn add(stations: &mut Stations, address: Address, sum: StationSum) -> bool {
    let room = stations.len() < MOST_STATIONS;
    match stations.entry(address) {
        Entry::Occupied(mut known) => known.get_mut().add(&sum),
        Entry::Vacant(new) if room => {
            new.insert(sum);
        }
        Entry::Vacant(_) => return false,
    }
    true
}

impl History {
    /// The stations heard in the range. Over a long range only those are named that have a history of their own: the page's
    /// `tier` says so.
    ///
    /// # Errors
    /// When the file cannot be read, or the cursor is not of this list.
    pub fn stations(
        &self,
        range: Range,
        scope: &Scope,
        filter: &StationFilter,
        (sort, order): (StationSort, Order),
        paging: &Paging,
    ) -> Result<Page<StationRow>, HistoryError> {
        let transaction = self.moment()?;
        let moment = Self::at(&transaction, range, scope);
        let (mut stations, mut truncated) = (Stations::new(), false);
        moment.stations(None, |_, address, sum| truncated |= !add(&mut stations, address, sum))?;
        let rows = stations
            .into_iter()
            .filter(|(address, sum)| filter.takes(*address, sum))
            .map(|(address, sum)| (sort.place(address, &sum), (address, sum)));
        let (rows, next) = page(rows.collect(), order, paging)?;
        let items = rows.into_iter().map(|(address, sum)| StationRow::new(address, sum)).collect();
        Ok(Page { tier: moment.tier(), items, next, truncated })
    }

    /// One station over the range, in steps; absent where it was not heard, or is not known any more.
    ///
    /// # Errors
    /// When the file cannot be read, or there would be more than [`super::MOST_STEPS`] steps.
    pub fn station(
        &self,
        address: Address,
        range: Range,
        step: Duration,
        scope: &Scope,
    ) -> Result<Option<StationDetail>, HistoryError> {
        let steps = Steps::new(range, step)?;
        let transaction = self.moment()?;
        let moment = Self::at(&transaction, range, scope).in_steps(step);
        let mut of_step: Vec<(StationStep, Option<StationSum>)> =
            steps.ranges().map(|Range { from, to }| (StationStep { from, to, ..Default::default() }, None)).collect();
        let (mut sensors, mut all, mut clients) = (BTreeSet::new(), None::<StationSum>, Stations::new());
        moment.stations(Some(address), |origin, found, sum| {
            if found != address {
                add(&mut clients, found, sum);
                return;
            }
            sensors.insert((origin.site.to_owned(), origin.sensor.to_owned()));
            if let Some((_, known)) = of_step.get_mut(steps.of(origin.start)) {
                match known {
                    Some(known) => known.add(&sum),
                    None => *known = Some(sum.clone()),
                }
            }
            match &mut all {
                Some(all) => all.add(&sum),
                None => all = Some(sum),
            }
        })?;
        let Some(all) = all else { return Ok(None) };
        moment.cells(|cell| {
            if sensors.contains(&(cell.site.clone(), cell.sensor.clone()))
                && let Some((step, _)) = of_step.get_mut(steps.of(cell.start))
            {
                step.exposure.get_or_insert_default().add(&cell.counts);
            }
        })?;
        let steps = of_step.into_iter().map(|(step, sum)| match sum {
            None => step,
            Some(sum) => StationStep {
                windows: sum.windows,
                frames_sent: sum.frames_sent,
                bytes_sent: sum.bytes_sent,
                frames_received: sum.frames_received,
                signal_dbm: sum.signal.map(|signal| signal.signal()),
                ..step
            },
        });
        let mut clients: Vec<StationRow> = clients
            .into_iter()
            .filter(|(_, sum)| sum.bssid == Some(address))
            .map(|(address, sum)| StationRow::new(address, sum))
            .collect();
        clients.sort_by_key(|row| (std::cmp::Reverse(row.frames_sent), row.station));
        clients.truncate(100);
        let row = StationRow::new(address, all);
        Ok(Some(StationDetail { row, sensors: sensors.into_iter().collect(), steps: steps.collect(), clients }))
    }
}
