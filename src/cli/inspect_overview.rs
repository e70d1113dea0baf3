//! What `airtally inspect` shows before the stations: what the captures are, and the networks in them.

use super::{
    inspect_table::View,
    inspect_text::{and_more, channel_list, cut, group, names, second},
    table::{self, Column, Screen},
};
use crate::{
    inspect::{
        Report,
        rows::{self, AccessPointRow},
    },
    units::noun,
};
use std::io::{self, Write};

/// Link types that are named, at most.
const MOST_LINK_TYPES: usize = 8;
/// Networks, where nobody says how many rows are wanted.
const NETWORKS: usize = 20;
/// What is said of a network, by importance as [`Column::leaves`] has it.
const COLUMNS: [Column; 16] = [
    Column::new("NETWORK").cut(),
    Column::new("BSSID"),
    Column::new("CLIENTS").number(),
    Column::new("CH").number(),
    Column::new("MHZ").number(),
    Column::new("DBM").number().leaves(1),
    Column::new("SECURITY").cut_to(16),
    Column::new("CIPHER").leaves(4),
    Column::new("AKM").leaves(7),
    Column::new("PMF").leaves(3),
    Column::new("WPS").leaves(5),
    Column::new("STD").leaves(2),
    Column::new("MBIT/S").number().leaves(6),
    Column::new("FRAMES").number().leaves(8),
    Column::new("HEARD ON").leaves(10),
    Column::new("VENDOR").cut().leaves(9),
];

impl View<'_> {
    /// Writes it.
    ///
    /// # Errors
    /// What `out` says.
    pub(super) fn overview(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        self.facts(out, report)?;
        self.networks(out, report)
    }

    fn networks(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        let most = self.top_asked.unwrap_or(NETWORKS);
        let networks = rows::access_points(report, self.registry, Some(most));
        if networks.is_empty() {
            return Ok(());
        }
        let rows: Vec<Vec<String>> = networks.iter().map(|row| self.network(row)).collect();
        table::write(out, Screen::stdout(), &COLUMNS, &rows)?;
        let (count, _) = rows::count_access_points(report);
        if let Some(more) = count.checked_sub(networks.len()).filter(|&more| more > 0) {
            let (what, them) = (noun(more as u64, "network", "networks"), noun(more as u64, "it", "them"));
            writeln!(out, "{} more {what}: --top shows {them}, and --format json all", group(more as u64))?;
        }
        writeln!(out)
    }

    fn network(&self, row: &AccessPointRow<'_>) -> Vec<String> {
        let shown = |text: &Option<String>| text.clone().unwrap_or_default();
        let number = |number: Option<u16>| number.map(|number| number.to_string()).unwrap_or_default();
        vec![
            cut(&names(&row.ssids, row.security.is_some())),
            row.mac.to_string(),
            group(row.clients),
            number(row.channel.map(u16::from)),
            number(row.width_mhz),
            row.signal_dbm.map(|dbm| format!("{:.0}", dbm.mean)).unwrap_or_default(),
            shown(&row.security),
            shown(&row.pairwise_ciphers),
            shown(&row.akms),
            shown(&row.pmf),
            shown(&row.wps),
            shown(&row.generation),
            speeds(row),
            group(row.frames_sent),
            channel_list(&row.freqs_mhz),
            cut(self.whose(row.mac, row.vendor, row.mac.is_randomised())),
        ]
    }

    fn facts(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        let capture = report.tally().capture();
        let files = match report.files.as_slice() {
            [file] => file.name.clone(),
            files => format!("{} captures", group(files.len() as u64)),
        };
        let mut links: Vec<_> = report.link_types.iter().take(MOST_LINK_TYPES).map(ToString::to_string).collect();
        if let Some(others) = report.link_types.len().checked_sub(MOST_LINK_TYPES).filter(|&others| others > 0) {
            links.push(format!("and {} others", group(others as u64)));
        }
        let vendors = rows::vendors(report, self.registry);
        let randomised: u64 = vendors.iter().filter(|row| row.randomised).map(|row| row.stations).sum();
        let known = vendors.iter().filter(|row| row.vendor.is_some()).count();
        let mut facts: Vec<(&str, String)> = vec![("capture", files), ("link types", links.join(", "))];
        if let Some((first, last)) = report.span() {
            let seconds = last.saturating_since(first).as_secs();
            let lasted = humantime::format_duration(std::time::Duration::from_secs(seconds));
            facts.push(("time", format!("{} to {} UTC ({lasted})", second(first), second(last))));
        }
        let octets = noun(capture.bytes, "octet", "octets");
        facts.push(("frames", format!("{} ({} {octets})", group(capture.frames), group(capture.bytes))));
        let classes = [
            ("of stations", capture.station_frames),
            ("bad FCS", capture.bad_fcs),
            ("malformed", capture.malformed),
            ("without TA", capture.without_ta),
            ("with a group TA", capture.group_ta),
            ("overflow", capture.overflow_frames),
        ];
        let classes = classes.iter().filter(|(_, frames)| *frames > 0);
        facts.push((
            "",
            classes.map(|(class, frames)| format!("{} {class}", group(*frames))).collect::<Vec<_>>().join(", "),
        ));
        let stations = group(report.tally().transmitters() as u64);
        let vendors = noun(known as u64, "vendor", "vendors");
        facts.push(("stations", format!("{stations} ({} randomised), {known} {vendors}", group(randomised))));
        let kinds = rows::subtypes(report);
        let kinds: Vec<_> = kinds.iter().map(|row| format!("{} {}", group(row.frames), row.name)).collect();
        facts.push(("types", kinds.join(", ")));
        let groups = rows::groups(report, self.registry);
        let named = |row: &rows::GroupRow<'_>| {
            let what = row.name.map_or_else(|| "group address".to_owned(), str::to_owned);
            format!("{} {} ({what})", group(row.frames_received), row.mac)
        };
        facts.push(("to groups", and_more(groups.iter().map(named), 5)));
        let talkative = report.stations_unsorted().filter(|station| station.names_left_out() > 0).count() as u64;
        if talkative > 0 {
            let what = noun(talkative, "station", "stations");
            let text = format!("{} {what} used more than are told: those heard most are", group(talkative));
            facts.push(("names", text));
        }
        let screen = Screen::stdout();
        for (title, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
            screen.fact(out, title, 12, text)?;
        }
        writeln!(out)
    }
}

/// The slowest rate that every station must understand (or may use, if none must), and the fastest.
fn speeds(row: &AccessPointRow<'_>) -> String {
    let slowest = row.basic_rates_mbps.first().or(row.rates_mbps.first());
    match (slowest, row.top_mbps.or(row.rates_mbps.last().copied())) {
        (Some(slowest), Some(fastest)) => format!("{slowest}-{fastest:.0}"),
        (None, Some(fastest)) => format!("{fastest:.0}"),
        (_, None) => String::new(),
    }
}
