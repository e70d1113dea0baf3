//! The views of a report: rows about stations, vendors, access points, BSSs, network names, channels, frame types.
//! Everything borrows from the report; nothing here prints.

use super::Report;
use crate::{
    Mac, UnixNanos,
    oui::Registry,
    tally::{Bases, Station},
    wire::{Channel, Role, ssid_text},
};
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};

/// What rows are ordered by; the largest first, except for addresses, names and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Frames sent.
    Frames,
    /// Octets sent.
    Bytes,
    /// Frames received.
    Received,
    /// Frames sent with the Retry bit.
    Retries,
    /// Strongest signal.
    Signal,
    /// Address.
    Mac,
    /// Vendor's name; the unknown last.
    Vendor,
    /// When it was first seen.
    First,
    /// When it was last seen.
    Last,
}

/// Signal of the frames sent that reported one, in dBm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SignalRow {
    /// The weakest.
    pub min: i8,
    /// The mean.
    pub mean: f64,
    /// The strongest.
    pub max: i8,
}

/// The signal of a station.
fn signal_row(station: &Station<'_>) -> Option<SignalRow> {
    station.signal().map(|signal| SignalRow { min: signal.min, mean: signal.mean, max: signal.max })
}

/// One transmitter.
#[derive(Debug, Serialize)]
pub struct StationRow<'a> {
    /// Its address.
    pub mac: Mac,
    /// Its vendor; `None` if unknown or randomised, but see [`Bases`].
    pub vendor: Option<&'a str>,
    /// Locally administered: the address says nothing of its maker.
    pub randomised: bool,
    /// What the address means by itself, where a standard says so.
    pub special: Option<&'a str>,
    /// What it was seen doing.
    pub role: Role,
    /// Frames transmitted by it.
    pub frames_sent: u64,
    /// Their length in octets, capture headers included.
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
    /// Signal of the frames sent.
    pub signal_dbm: Option<SignalRow>,
    /// Frequencies it was heard on.
    pub freqs_mhz: Vec<u16>,
    /// The BSS it was last seen sending in.
    pub bssid: Option<Mac>,
    /// Network names that it announced or looked for.
    pub ssids: Vec<String>,
    /// How many names it used beyond those kept, at most: see [`Station::names_left_out`]. Absent where none.
    #[serde(skip_serializing_if = "is_zero")]
    pub ssids_left_out: u64,
    /// How the network that it announced protects itself.
    pub security: Option<String>,
    /// The number of the primary channel that it announced.
    pub channel: Option<u8>,
    /// How wide the channel is that it announced, in MHz.
    pub width_mhz: Option<u16>,
    /// When its first frame was captured.
    pub first_seen: Option<UnixNanos>,
    /// When its last frame was captured.
    pub last_seen: Option<UnixNanos>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whose the stations of a report are.
#[must_use]
pub fn bases<'r>(report: &Report, registry: &'r Registry) -> Bases<'r> {
    Bases::new(registry, report.stations_unsorted())
}

/// The row of a station.
#[must_use]
pub fn station<'a>(station: &Station<'_>, registry: &'a Registry, bases: &Bases<'a>) -> StationRow<'a> {
    let network = station.network();
    let (mac, counts) = (station.mac(), station.counts());
    let mut ssids: Vec<String> = station.announced().chain(station.sought()).map(ssid_text).collect();
    ssids.sort_unstable();
    ssids.dedup();
    StationRow {
        mac,
        vendor: bases.vendor(station),
        randomised: mac.is_randomised(),
        special: registry.special(mac),
        role: station.role(),
        frames_sent: counts.frames_sent,
        bytes_sent: counts.bytes_sent,
        frames_received: counts.frames_received,
        management: counts.management,
        control: counts.control,
        data: counts.data,
        retries: counts.retries,
        signal_dbm: signal_row(station),
        freqs_mhz: station.freqs_mhz(),
        bssid: station.bssid(),
        ssids,
        ssids_left_out: station.names_left_out(),
        security: network.map(|network| network.security.to_string()),
        channel: network.and_then(|network| network.channel),
        width_mhz: network.and_then(|network| network.width_mhz),
        first_seen: station.first_seen().known(),
        last_seen: station.last_seen().known(),
    }
}

/// The stations in this order, and by address where it leaves two alike; the `top` first ones.
#[must_use]
pub fn sorted<'a>(report: &'a Report, registry: &Registry, sort: Sort, top: Option<usize>) -> Vec<Station<'a>> {
    let stations = report.stations_unsorted();
    match sort {
        Sort::Frames => first(stations, top, |station| Reverse(station.counts().frames_sent)),
        Sort::Bytes => first(stations, top, |station| Reverse(station.counts().bytes_sent)),
        Sort::Received => first(stations, top, |station| Reverse(station.counts().frames_received)),
        Sort::Retries => first(stations, top, |station| Reverse(station.counts().retries)),
        Sort::Signal => first(stations, top, |station| Reverse(station.signal().map(|signal| signal.max))),
        Sort::Mac => first(stations, top, |_| ()),
        Sort::Vendor => {
            let bases = bases(report, registry);
            let mut stations: Vec<_> = report.stations().collect();
            stations.sort_by_cached_key(|station| {
                let name = bases.vendor(station);
                (name.is_none(), name.unwrap_or_default().to_lowercase())
            });
            stations.truncate(top.unwrap_or(usize::MAX));
            stations
        }
        Sort::First => first(stations, top, Station::first_seen),
        Sort::Last => first(stations, top, Station::last_seen),
    }
}

/// Stations looked at before those that are not among the first are forgotten.
const MORE_AT_ONCE: usize = 1 << 14;

/// The `top` first stations by `key`: sorting all of very many to show a few would take longer than counting some
/// hundred thousand frames.
fn first<'a, K: Ord>(
    stations: impl Iterator<Item = Station<'a>>,
    top: Option<usize>,
    key: impl Fn(&Station<'a>) -> K,
) -> Vec<Station<'a>> {
    let order =
        |one: &Station<'a>, other: &Station<'a>| key(one).cmp(&key(other)).then_with(|| one.mac().cmp(&other.mac()));
    let top = top.unwrap_or(usize::MAX);
    let mut found: Vec<Station<'a>> = Vec::new();
    let keep = |found: &mut Vec<Station<'a>>| {
        if found.len() > top {
            found.select_nth_unstable_by(top, order);
            found.truncate(top);
        }
    };
    for station in stations {
        found.push(station);
        if found.len() >= top.saturating_add(MORE_AT_ONCE) {
            keep(&mut found);
        }
    }
    keep(&mut found);
    found.sort_unstable_by(order);
    found
}

/// One vendor, the randomised addresses, or those of no known vendor.
#[derive(Debug, Serialize)]
pub struct VendorRow<'a> {
    /// Its name; `None` for randomised and unknown addresses.
    pub vendor: Option<&'a str>,
    /// Whether this row stands for randomised addresses.
    pub randomised: bool,
    /// Transmitters.
    pub stations: u64,
    /// Frames transmitted by them.
    pub frames_sent: u64,
    /// Their length in octets.
    pub bytes_sent: u64,
}

/// The protocol whose address `mac` is, which stands for a vendor. The all-zero address is no address of anything.
fn protocol(registry: &Registry, mac: Mac) -> Option<&str> {
    if mac == Mac::default() { None } else { registry.special(mac) }
}

/// The vendors, most frames first.
#[must_use]
pub fn vendors<'a>(report: &Report, registry: &'a Registry) -> Vec<VendorRow<'a>> {
    let mut rows: BTreeMap<(bool, Option<&str>), VendorRow<'a>> = BTreeMap::new();
    for station in report.stations_unsorted() {
        let (mac, counts) = (station.mac(), station.counts());
        let (randomised, vendor) = (mac.is_randomised(), registry.vendor(mac).or_else(|| protocol(registry, mac)));
        let empty = VendorRow { vendor, randomised, stations: 0, frames_sent: 0, bytes_sent: 0 };
        let row = rows.entry((randomised, vendor)).or_insert(empty);
        row.stations += 1;
        row.frames_sent += counts.frames_sent;
        row.bytes_sent += counts.bytes_sent;
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| Reverse(row.frames_sent));
    rows
}

/// One access point.
#[derive(Debug, Serialize)]
pub struct AccessPointRow<'a> {
    /// Its address, which is its BSSID.
    pub mac: Mac,
    /// Its vendor; `None` if unknown or randomised, but see [`Bases`].
    pub vendor: Option<&'a str>,
    /// Network names that it announced; none if it hides them.
    pub ssids: Vec<String>,
    /// Frequencies it was heard on.
    pub freqs_mhz: Vec<u16>,
    /// How its network protects itself; `None` if it was not heard to say.
    pub security: Option<String>,
    /// The number of the primary channel that it announced.
    pub channel: Option<u8>,
    /// How wide the channel is that it announced, in MHz.
    pub width_mhz: Option<u16>,
    /// Frames transmitted by it.
    pub frames_sent: u64,
    /// Clients that were last seen sending in its BSS.
    pub clients: u64,
    /// Signal of the frames sent.
    pub signal_dbm: Option<SignalRow>,
    /// Ciphers for frames to one station, parted by `/`; `None` where none was announced, and so below.
    pub pairwise_ciphers: Option<String>,
    /// Ciphers for frames to several stations.
    pub group_ciphers: Option<String>,
    /// How keys are managed.
    pub akms: Option<String>,
    /// Whether management frames are protected: `no`, `capable`, `required`.
    pub pmf: Option<String>,
    /// Wi-Fi Protected Setup: `on`, `unconfigured`, `locked`.
    pub wps: Option<String>,
    /// The newest standard announced, like `11ax`.
    pub generation: Option<String>,
    /// Rates announced for stations without HT, in Mbit/s.
    pub rates_mbps: Vec<f64>,
    /// Those of them that every station must understand.
    pub basic_rates_mbps: Vec<f64>,
    /// The fastest that it receives, by its newest standard and its width, in Mbit/s.
    pub top_mbps: Option<f64>,
}

/// Mbit/s, to a tenth.
fn mbps(kbps: u32) -> f64 {
    f64::from(kbps.saturating_add(50) / 100) / 10.0
}

/// A text, where there is one.
fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string()).filter(|text| !text.is_empty())
}

/// How many access points there are, and how many of them announced themselves without a name.
#[must_use]
pub fn count_access_points(report: &Report) -> (usize, usize) {
    let mut counts = (0, 0);
    for station in access_point_stations(report) {
        counts.0 += 1;
        counts.1 += usize::from(station.announced().next().is_none() && station.security().is_some());
    }
    counts
}

fn access_point_stations(report: &Report) -> impl Iterator<Item = Station<'_>> {
    report.stations_unsorted().filter(|station| station.role() == Role::AccessPoint)
}

/// The access points, most frames first: the `top` first ones.
#[must_use]
pub fn access_points<'a>(report: &Report, registry: &'a Registry, top: Option<usize>) -> Vec<AccessPointRow<'a>> {
    let bases = bases(report, registry);
    let stations = first(access_point_stations(report), top, |station| Reverse(station.counts().frames_sent));
    let mut clients: BTreeMap<Mac, u64> = stations.iter().map(|station| (station.mac(), 0)).collect();
    for station in report.stations_unsorted().filter(|station| station.role() == Role::Client) {
        if let Some(count) = station.bssid().and_then(|bssid| clients.get_mut(&bssid)) {
            *count += 1;
        }
    }
    let row = |station: &Station<'_>| {
        let network = station.network();
        let suites = network.map(|network| network.suites).unwrap_or_default();
        let rates = network.map(|network| network.rates).unwrap_or_default();
        AccessPointRow {
            mac: station.mac(),
            vendor: bases.vendor(station),
            ssids: {
                let mut ssids: Vec<String> = station.announced().map(ssid_text).collect();
                ssids.sort_unstable();
                ssids
            },
            freqs_mhz: station.freqs_mhz(),
            security: network.map(|network| network.security.to_string()),
            channel: network.and_then(|network| network.channel),
            width_mhz: network.and_then(|network| network.width_mhz),
            frames_sent: station.counts().frames_sent,
            clients: clients.get(&station.mac()).copied().unwrap_or_default(),
            signal_dbm: signal_row(station),
            pairwise_ciphers: text(suites.pairwise),
            group_ciphers: text(suites.group),
            akms: text(suites.akms),
            pmf: suites.pmf.map(|pmf| pmf.to_string()),
            wps: suites.wps.map(|wps| wps.to_string()),
            generation: network.and_then(|network| network.generation).map(|generation| generation.to_string()),
            rates_mbps: rates.kbps().map(mbps).collect(),
            basic_rates_mbps: rates.basic_kbps().map(mbps).collect(),
            top_mbps: network.and_then(|network| network.top_kbps).map(mbps),
        }
    };
    stations.iter().map(row).collect()
}

/// One basic service set: the stations that were last seen sending in it.
#[derive(Debug, Serialize)]
pub struct BssRow<'a> {
    /// Its identifier; `None` for stations that named none.
    pub bssid: Option<Mac>,
    /// The vendor of the identifier.
    pub vendor: Option<&'a str>,
    /// Network names that its access point announced.
    pub ssids: Vec<String>,
    /// Whether it was heard to announce itself: then it is hidden if it has no name.
    #[serde(skip)]
    pub announced: bool,
    /// Transmitters in it, the access point included.
    pub stations: u64,
    /// Frames transmitted by them, whichever BSS each frame was of.
    pub frames_sent: u64,
    /// Their length in octets.
    pub bytes_sent: u64,
}

/// The basic service sets, most frames first.
#[must_use]
pub fn bsss<'a>(report: &Report, registry: &'a Registry) -> Vec<BssRow<'a>> {
    let bases = bases(report, registry);
    let mut rows: BTreeMap<Option<Mac>, BssRow<'a>> = BTreeMap::new();
    for station in report.stations() {
        let (bssid, counts) = (station.bssid(), station.counts());
        let row = rows.entry(bssid).or_insert_with(|| BssRow {
            bssid,
            vendor: bssid.and_then(|bssid| bases.vendor_of_bss(bssid)),
            ssids: Vec::new(),
            announced: false,
            stations: 0,
            frames_sent: 0,
            bytes_sent: 0,
        });
        row.stations += 1;
        row.frames_sent += counts.frames_sent;
        row.bytes_sent += counts.bytes_sent;
        row.announced |= bssid == Some(station.mac()) && station.security().is_some();
        row.ssids.extend(station.announced().map(ssid_text));
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    for row in &mut rows {
        row.ssids.sort_unstable();
        row.ssids.dedup();
    }
    rows.sort_by_key(|row| Reverse(row.frames_sent));
    rows
}

/// One network name.
#[derive(Debug, Serialize)]
pub struct SsidRow {
    /// The name.
    pub ssid: String,
    /// Stations that announced it.
    pub announced_by: u64,
    /// Stations that looked for it.
    pub sought_by: u64,
}

/// The network names, those used by most stations first.
#[must_use]
pub fn ssids(report: &Report) -> Vec<SsidRow> {
    let mut uses: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
    for station in report.stations() {
        for name in station.announced() {
            uses.entry(name.to_vec()).or_default().0 += 1;
        }
        for name in station.sought() {
            uses.entry(name.to_vec()).or_default().1 += 1;
        }
    }
    let row =
        |(name, (announced_by, sought_by)): (Vec<u8>, _)| SsidRow { ssid: ssid_text(&name), announced_by, sought_by };
    let mut rows: Vec<_> = uses.into_iter().map(row).collect();
    rows.sort_by_key(|row| Reverse(row.announced_by + row.sought_by));
    rows
}

/// One frequency.
#[derive(Debug, Serialize)]
pub struct ChannelRow {
    /// Centre frequency, in MHz.
    pub freq_mhz: u16,
    /// The channel's number in its band; `None` where no channel has its centre there.
    pub channel: Option<u16>,
    /// Frames captured there, whatever became of them.
    pub frames: u64,
    /// Their length in octets.
    pub bytes: u64,
}

/// The frequencies, ascending.
#[must_use]
pub fn channels(report: &Report) -> Vec<ChannelRow> {
    let row = |Channel { freq_mhz, frames, bytes, .. }| ChannelRow {
        freq_mhz,
        channel: channel_number(freq_mhz),
        frames,
        bytes,
    };
    report.tally().channels().into_iter().map(row).collect()
}

/// The number of the channel whose centre is at `freq_mhz` (IEEE 802.11-2020, 15.4.4.3, 17.3.8.4.3 and annex E;
/// 6 GHz by IEEE 802.11ax-2021, 27.3.23.2).
#[must_use]
pub fn channel_number(freq_mhz: u16) -> Option<u16> {
    match freq_mhz {
        2_484 => Some(14),
        5_935 => Some(2),
        2_412..=2_472 if freq_mhz % 5 == 2 => Some((freq_mhz - 2_407) / 5),
        4_910..=4_980 if freq_mhz.is_multiple_of(5) => Some((freq_mhz - 4_000) / 5),
        5_035..=5_895 if freq_mhz.is_multiple_of(5) => Some((freq_mhz - 5_000) / 5),
        5_955..=7_115 if freq_mhz.is_multiple_of(5) => Some((freq_mhz - 5_950) / 5),
        _ => None,
    }
}

/// One type and subtype.
#[derive(Debug, Serialize)]
pub struct SubtypeRow {
    /// Its number, like `0x0008`.
    pub subtype: String,
    /// Its name in the standard.
    pub name: &'static str,
    /// Frames of it, bad check sequences included.
    pub frames: u64,
}

/// The types and subtypes, by number.
#[must_use]
pub fn subtypes(report: &Report) -> Vec<SubtypeRow> {
    let row = |(kind, frames): (crate::dot11::FrameKind, u64)| SubtypeRow {
        subtype: format!("{:#06x}", kind.0),
        name: kind.name(),
        frames,
    };
    report.tally().subtypes().map(row).collect()
}

/// One group address.
#[derive(Debug, Serialize)]
pub struct GroupRow<'a> {
    /// The address.
    pub mac: Mac,
    /// What it means, or whose it is.
    pub name: Option<&'a str>,
    /// Frames addressed to it.
    pub frames_received: u64,
}

/// The group addresses that frames were sent to, most frames first.
#[must_use]
pub fn groups<'a>(report: &Report, registry: &'a Registry) -> Vec<GroupRow<'a>> {
    let name = |mac| registry.special(mac).or_else(|| registry.vendor(mac));
    let row = |(mac, frames_received)| GroupRow { mac, name: name(mac), frames_received };
    report.groups().into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_the_standards_numbers() {
        for (freq_mhz, channel) in
            [(2_412, 1), (2_472, 13), (2_484, 14), (5_180, 36), (5_825, 165), (5_955, 1), (6_415, 93)]
        {
            assert_eq!(channel_number(freq_mhz), Some(channel), "{freq_mhz} MHz");
        }
        assert_eq!(channel_number(2_407), None);
        assert_eq!(channel_number(2_413), None);
    }
}
