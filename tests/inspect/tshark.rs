//! The synthetic traffic's own expectation agrees with tshark, so that it may judge airtally.

use crate::support::{
    synth::{self, Options, tally::MacBytes},
    synthesise, temp_dir, tshark,
};
use airtally::Mac;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default, Debug, PartialEq)]
struct Counted {
    sent: u64,
    octets: u64,
    received: u64,
    retries: u64,
    signal: Option<(i8, i8, i64, u64)>,
    freqs: BTreeSet<u16>,
    ssids: BTreeSet<String>,
}

/// Network names as tshark's hexadecimal, so that no character set comes between.
fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Undoes `\xNN` and `\\`.
fn unescape(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let octet;
        (octet, rest) = match (first, after) {
            (b'\\', [b'x', a, b, after @ ..]) => {
                (u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap(), after)
            }
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            _ => (first, after),
        };
        out.push(octet);
    }
    out
}

#[test]
fn tshark_counts_what_the_generator_meant() {
    let dir = temp_dir();
    let options = Options { frames: 20_000, seed: 7, plant: true, malformed_per_10k: 60, ..Options::default() };
    let (path, tally) = synthesise(dir.path(), &options);
    let names = [
        "frame.len",
        "wlan.ta",
        "wlan.ra",
        "wlan.fc.type_subtype",
        "wlan.fcs.status",
        "radiotap.flags.badfcs",
        "wlan.fc.retry",
        "radiotap.dbm_antsignal",
        "wlan.fc.version",
        "radiotap.channel.freq",
        "wlan.fc.type",
        "wlan.ssid",
        "frame.cap_len",
        "radiotap.length",
    ];
    let rows = tshark::fields(&path, &names);
    assert_eq!(rows.len() as u64, tally.frames);

    let mut stations: BTreeMap<Mac, Counted> = BTreeMap::new();
    let mut received: BTreeMap<Mac, u64> = BTreeMap::new();
    let mut subtypes: BTreeMap<String, u64> = BTreeMap::new();
    let mut channels: BTreeMap<u16, synth::tally::Channel> = BTreeMap::new();
    let (mut untold, mut octets, mut bad, mut without_ta, mut group_ta, mut malformed) = (0, 0, 0, 0, 0, 0);
    for row in &rows {
        let [len, ta, ra, kind, status, flag, retry, signal, version, freq, class, ssid, kept, header] = &row[..]
        else {
            panic!("a row of {} columns: {row:?}", row.len());
        };
        let len: u64 = len.parse().unwrap();
        octets += len;
        if let Ok(freq) = freq.parse() {
            let channel = channels.entry(freq).or_default();
            channel.frames += 1;
            channel.bytes += len;
        }
        let understood = version == "0";
        // Of some data frames cut within their addresses, tshark does not say the type, though it is there.
        let kept: u64 = kept.parse().unwrap();
        untold += u64::from(version.is_empty() && header.parse().is_ok_and(|header: u64| kept >= header + 2));
        if understood {
            *subtypes.entry(kind.clone()).or_default() += 1;
        }
        if flag == "1" {
            // Where a check sequence is there to verify, it is really wrong; 0 is "bad" in tshark.
            assert!(status == "0" || status.is_empty(), "flagged bad, but tshark verified it: {row:?}");
            bad += 1;
            continue;
        }
        assert_ne!(status, "0", "tshark finds a wrong check sequence in a good frame: {row:?}");
        if !understood {
            malformed += 1;
            continue;
        }
        let (Ok(ra), ta) = (ra.parse::<Mac>(), ta.parse::<Mac>()) else {
            malformed += 1;
            continue;
        };
        let Ok(ta) = ta else {
            match kind.as_str() {
                "0x001c" | "0x001d" => {
                    without_ta += 1;
                    *received.entry(ra).or_default() += 1;
                }
                _ => malformed += 1,
            }
            continue;
        };
        *received.entry(ra).or_default() += 1;
        // Bandwidth signalling (802.11-2020, 9.2.4.3.7): the group bit of a control frame's TA is not its own.
        let ta = if class == "1" { ta.individual() } else { ta };
        if ta.is_group() {
            group_ta += 1;
            continue;
        }
        let station = stations.entry(ta).or_default();
        station.sent += 1;
        station.octets += len;
        station.retries += u64::from(retry == "1");
        station.freqs.insert(freq.parse().unwrap());
        if let Ok(signal) = signal.parse::<i8>() {
            let (least, most, sum, count) = station.signal.unwrap_or((signal, signal, 0, 0));
            station.signal = Some((least.min(signal), most.max(signal), sum + i64::from(signal), count + 1));
        }
        if !ssid.is_empty() && ssid != "<MISSING>" {
            station.ssids.insert(ssid.clone());
        }
    }
    assert_eq!(octets, tally.bytes, "octets");
    assert_eq!(bad, tally.bad_fcs, "bad FCS");
    assert_eq!(without_ta, tally.without_ta, "without TA");
    assert_eq!(group_ta, tally.group_ta, "group TA");
    assert_eq!(malformed, tally.malformed, "malformed");
    for (kind, &count) in &tally.subtypes {
        let told = subtypes.get(kind).copied().unwrap_or(0);
        assert!(told == count || kind.starts_with("0x002") && told < count, "{kind}: {told} for tshark, {count} meant");
    }
    assert_eq!(subtypes.values().sum::<u64>() + untold, tally.subtypes.values().sum::<u64>(), "by type and subtype");
    assert_eq!(channels, tally.channels, "by frequency");
    for (&mac, station) in &mut stations {
        station.received = received.get(&mac).copied().unwrap_or(0);
    }
    let expected: BTreeMap<Mac, Counted> = tally.stations.iter().map(|(mac, station)| expect(mac, station)).collect();
    for (mac, station) in &expected {
        assert_eq!(stations.get(mac), Some(station), "{mac}");
    }
    assert_eq!(stations.len(), expected.len());

    assert!(bad > 200 && malformed > 50 && group_ta > 0 && without_ta > 2_000, "every class occurs");
    assert_eq!(octets, tally.bytes);
    let sum = tally.station_frames + bad + malformed + without_ta + group_ta;
    assert_eq!(sum, tally.frames, "conservation");
    assert!(tally.stations.len() >= options.stations, "every device was heard");
}

fn expect(mac: &MacBytes, station: &synth::tally::Station) -> (Mac, Counted) {
    let names = station.ssids.iter().chain(&station.sought_ssids);
    let counted = Counted {
        sent: station.frames_sent,
        octets: station.bytes_sent,
        received: station.frames_received,
        retries: station.retries,
        signal: station
            .signal_min
            .zip(station.signal_max)
            .map(|(least, most)| (least, most, station.signal_sum, station.signal_frames)),
        freqs: station.freqs_mhz.clone(),
        ssids: names.map(|name| hex(&unescape(name))).collect(),
    };
    (Mac(*mac), counted)
}

#[test]
fn a_seed_is_a_capture_for_ever() {
    let dir = temp_dir();
    let octets = |seed| {
        let options = Options { seed, frames: 5_000, ..Options::default() };
        std::fs::read(synthesise(dir.path(), &options).0).unwrap()
    };
    let (first, again, other) = (octets(1), octets(1), octets(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn frames_stations_and_time_are_as_asked() {
    let dir = temp_dir();
    for (frames, stations) in [(1, 1), (500, 10), (60_000, 4_000), (60_000, 20_000)] {
        let options = Options { frames, stations, access_points: 5, seconds: 3_600, ..Options::default() };
        let (_, tally) = synthesise(dir.path(), &options);
        assert_eq!(tally.frames, frames);
        assert_eq!(tally.stations.len(), stations.min(frames as usize), "{frames} frames of {stations} stations");
        let seconds = (tally.last_time - tally.first_time) as f64 / 1e9;
        assert!(frames == 1 || (3_500.0..3_700.0).contains(&seconds), "{seconds} s");
    }
}
