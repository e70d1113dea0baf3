//! `airtally inspect` over every capture of the corpus: its JSON agrees with what tshark counted.
//!
//! Where the two differ, a rule below says why, with the clause of IEEE 802.11-2020 that decides. No rule knows a
//! file. Without a corpus, a synthetic capture's own tally judges alone (`synth.rs`).

use crate::support::{
    corpus::{Corpus, Entry, Truth},
    program::{self, small_registry},
};
use airtally::{Mac, wire::ssid_text};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    process::Output,
};

const ETHERNET: u16 = 1;
const PRISM: u16 = 119;
const RADIOTAP: u16 = 127;
const WIRELESS: [u16; 5] = [105, PRISM, RADIOTAP, 163, 192];

/// What is not explained, so that one run shows it all.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what());
        }
    }

    fn compare<K: Ord + std::fmt::Debug>(
        &mut self,
        what: &str,
        ours: &BTreeMap<K, u64>,
        theirs: &BTreeMap<K, u64>,
        explained: impl Fn(u64, u64) -> bool,
    ) {
        for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let (ours, theirs) = (ours.get(key).copied().unwrap_or(0), theirs.get(key).copied().unwrap_or(0));
            self.expect(ours == theirs || explained(ours, theirs), || {
                format!("{what} {key:?}: {ours}, tshark has {theirs}")
            });
        }
    }
}

/// The document's numbers.
struct Answer(Value);

impl Answer {
    fn number(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or_else(|| panic!("no number '{key}' in {}", self.0))
    }

    fn stations(&self) -> &[Value] {
        self.0["stations"].as_array().expect("stations")
    }

    fn sent(&self) -> BTreeMap<Mac, u64> {
        self.stations()
            .iter()
            .map(|station| (mac(&station["mac"]), station["frames_sent"].as_u64().expect("frames_sent")))
            .collect()
    }

    fn counts(&self, key: &str) -> BTreeMap<String, u64> {
        let map = self.0[key].as_object().expect("an object");
        map.iter().map(|(item, count)| (item.clone(), count.as_u64().expect("a count"))).collect()
    }

    fn warnings(&self) -> Vec<&str> {
        self.0["warnings"].as_array().expect("warnings").iter().filter_map(Value::as_str).collect()
    }

    /// Packets of interfaces that are not read, from the warning that says so.
    fn skipped(&self) -> u64 {
        let said = self.warnings().into_iter().find_map(|text| text.split_once(" of interfaces with link type"));
        said.map_or(0, |(before, _)| before.rsplit(' ').nth(1).unwrap().parse().unwrap())
    }
}

fn mac(value: &Value) -> Mac {
    value.as_str().and_then(|text| text.parse().ok()).expect("an address")
}

fn never(_: u64, _: u64) -> bool {
    false
}

fn wireless(answer: &Answer, truth: &Truth, links: &[u16], found: &mut Differences) {
    let (malformed, bad_fcs) = (answer.number("malformed"), answer.number("bad_fcs"));
    let (group, individual): (BTreeMap<Mac, u64>, _) =
        truth.macs("ta_goodfcs").into_iter().partition(|(mac, _)| mac.is_group());
    found.compare("frames_sent of", &answer.sent(), &individual, never);
    found.expect(group.values().sum::<u64>() == answer.number("group_ta"), || "group transmitters".into());

    // A frame cut behind its frame control has a type all the same (9.2.4.1.3); tshark dissects only those it can
    // show more of. It is malformed here.
    let (ours, theirs) = (answer.counts("subtypes"), truth.counts("type_subtype"));
    found.compare("subtype", &ours, &theirs, |ours, theirs| theirs < ours && ours - theirs <= malformed);
    let (typed, typed_there) = (ours.values().sum::<u64>(), theirs.values().sum::<u64>());
    found.expect(typed <= typed_there + malformed, || "more cut frames than are malformed".into());

    // A frame of another protocol version that the receiver flagged as damaged is damaged (9.2.4.1.2 leaves the rest
    // of it undefined, so it has no type); tshark does not look further.
    let untyped = answer.number("frames") - typed;
    let theirs = truth.number("bad_fcs_frames");
    found.expect((theirs..=theirs + untyped).contains(&bad_fcs), || format!("bad_fcs {bad_fcs}, tshark has {theirs}"));

    let freqs: BTreeMap<String, u64> = answer.0["channels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["freq_mhz"].to_string(), row["frames"].as_u64().unwrap()))
        .collect();
    if links.contains(&PRISM) {
        // The prism header tells a channel, from which the frequency follows (15.4.4.3); tshark shows the channel
        // alone. Its signal has no unit; tshark shows it as dBm.
        found.expect(freqs.values().sum::<u64>() == answer.number("frames"), || "prism frequencies".into());
        let silent = answer.stations().iter().all(|station| station["signal_dbm"].is_null());
        found.expect(silent, || "a prism signal has no unit".into());
    } else {
        let radiotap = links.contains(&RADIOTAP);
        let key = if radiotap { "radiotap_freq" } else { "radio_freq" };
        found.compare("frequency", &freqs, &truth.counts(key), never);
        let key = if radiotap { "ta_radiotap_first_antsignal_min_max_n" } else { "ta_signal_dbm_min_max_n" };
        signals(answer, &truth.texts(key), bad_fcs, found);
    }
    names(answer, truth, bad_fcs, found);
}

/// tshark's signals are those of all frames; ours are not of frames whose check sequence is wrong, because their
/// transmitter is not known (9.2.4.8). With such frames, ours lie within theirs.
fn signals(answer: &Answer, theirs: &BTreeMap<String, String>, bad_fcs: u64, found: &mut Differences) {
    let mut missing: BTreeSet<&String> = theirs.keys().collect();
    for station in answer.stations() {
        let name = station["mac"].as_str().unwrap().to_owned();
        missing.remove(&name);
        let ours =
            station["signal_dbm"].as_object().map(|dbm| (dbm["min"].as_i64().unwrap(), dbm["max"].as_i64().unwrap()));
        let theirs = theirs.get(&name).map(|text| {
            let mut numbers = text.split(',').map(|number| number.parse::<i64>().unwrap());
            (numbers.next().unwrap(), numbers.next().unwrap())
        });
        let agree = match (ours, theirs) {
            (Some(ours), Some(theirs)) if bad_fcs > 0 => theirs.0 <= ours.0 && ours.1 <= theirs.1,
            (None, Some(_)) => bad_fcs > 0,
            (ours, theirs) => ours == theirs,
        };
        found.expect(agree, || format!("signal of {name}: {ours:?}, tshark has {theirs:?}"));
        if let (Some((min, max)), Some(mean)) = (ours, station["signal_dbm"]["mean"].as_f64()) {
            found.expect((min as f64..=max as f64).contains(&mean), || format!("mean signal of {name}: {mean}"));
        }
    }
    found.expect(missing.is_empty() || bad_fcs > 0, || format!("no signal of {missing:?}"));
}

/// Names in beacons, probe responses and probe requests. Ours are of good frames, at most 16 of a station and of each
/// kind, and include those of (re)association requests; a name of more than 32 octets is none (9.4.2.2).
fn names(answer: &Answer, truth: &Truth, bad_fcs: u64, found: &mut Differences) {
    let mut theirs = BTreeSet::new();
    for key in ["ssid_beacon_hex", "ssid_probe_req_hex", "ssid_probe_resp_hex"] {
        for hex in truth.counts(key).into_keys().filter(|hex| !hex.starts_with('<')) {
            let octets: Vec<u8> =
                (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
            if (1..=32).contains(&octets.len()) {
                theirs.insert(ssid_text(&octets));
            }
        }
    }
    let mut ours = BTreeSet::new();
    let mut full = false;
    for station in answer.stations() {
        let names = station["ssids"].as_array().unwrap();
        full |= names.len() >= 16;
        ours.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
    }
    let subtypes = answer.counts("subtypes");
    let joins = subtypes.contains_key("0x0000") || subtypes.contains_key("0x0002");
    let (more, less): (Vec<_>, Vec<_>) = (ours.difference(&theirs).collect(), theirs.difference(&ours).collect());
    found.expect(more.is_empty() || joins, || format!("names that tshark does not have: {more:?}"));
    let group = answer.number("group_ta") > 0;
    found.expect(less.is_empty() || bad_fcs > 0 || full || group, || format!("names that only tshark has: {less:?}"));
}

/// Ethernet, by `eth.src`. Where frames are nested tshark has several in one packet; where it gave up in the middle of
/// a file it has fewer.
fn wired(answer: &Answer, truth: &Truth, found: &mut Differences) {
    let gave_up = truth.number("tshark_exit") != 0;
    let nested = truth.texts("frames_with_several_values").contains_key("eth.src");
    let individual: BTreeMap<Mac, u64> = truth.macs("eth.src").into_iter().filter(|(mac, _)| !mac.is_group()).collect();
    found.compare("frames_sent of", &answer.sent(), &individual, |ours, theirs| {
        (nested && ours < theirs) || (gave_up && theirs < ours)
    });
    let roles = answer.stations().iter().all(|station| station["role"] == "wired");
    found.expect(roles, || "a station of a wire has another role".into());
}

fn judge(entry: &Entry, output: &Output, truth: &Truth) -> (Differences, u64) {
    let mut found = Differences::default();
    let (errors, status) = (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code());
    let said: Vec<&str> = errors.lines().filter(|line| !line.contains("snapshot")).collect();
    found.expect(matches!(status, Some(0 | 1)), || format!("ended with {status:?}: {errors}"));
    if status != Some(0) {
        found.expect(said.len() == 1 && said[0].contains(&entry.file), || format!("not one sentence: {errors}"));
        found.expect(output.stdout.is_empty(), || "refused, and has an answer".into());
        let supported = said.concat();
        let refused = supported.contains("does not read; it reads");
        let no_frames = entry.frames == 0 && truth.number("frames") == 0;
        found.expect(refused || no_frames, || format!("refused although it has frames: {errors}"));
        return (found, 0);
    }
    found.expect(entry.category != "notpcap", || "a file of something else was read".into());
    found.expect(said.is_empty(), || format!("said something: {errors}"));
    let answer = Answer(serde_json::from_slice(&output.stdout).expect("JSON"));
    let frames = answer.number("frames");
    let classes = ["station_frames", "bad_fcs", "malformed", "without_ta", "group_ta", "overflow"];
    let classes: u64 = classes.iter().map(|key| answer.number(key)).sum();
    found.expect(classes == frames, || format!("{classes} frames in the classes, {frames} in all"));
    found.expect(answer.sent().values().sum::<u64>() == answer.number("station_frames"), || "sum of stations".into());
    let total = frames + answer.skipped();
    let expected = [entry.frames, truth.number("frames")];
    found.expect(expected.contains(&total), || format!("{total} frames, not one of {expected:?}"));
    let links: Vec<u16> =
        answer.0["link_types"].as_array().unwrap().iter().map(|link| link.as_u64().unwrap() as u16).collect();
    if links.iter().any(|link| WIRELESS.contains(link)) && !links.contains(&ETHERNET) {
        wireless(&answer, truth, &links, &mut found);
    } else if links == [ETHERNET] {
        wired(&answer, truth, &mut found);
    }
    (found, frames)
}

#[test]
fn every_capture_agrees_with_tshark() {
    let Some(corpus) = Corpus::find() else {
        eprintln!("there is no corpus: nothing compared");
        return;
    };
    let (mut frames, mut unexplained) = (0, Vec::new());
    for entry in &corpus.entries {
        let path = corpus.path(entry);
        let arguments = ["inspect", "--format", "json", "--oui"].map(OsStr::new);
        let output = program::run(arguments.into_iter().chain([small_registry().as_os_str(), path.as_os_str()]));
        let (found, counted) = judge(entry, &output, &corpus.truth(entry));
        frames += counted;
        unexplained.extend(found.0.into_iter().map(|text| format!("{}: {text}", entry.file)));
    }
    eprintln!("{} captures, {frames} frames", corpus.entries.len());
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

/// One answer about many files is the sum of the answers about each, whatever the number of threads.
#[test]
fn a_directory_is_the_sum_of_its_files() {
    let Some(corpus) = Corpus::find() else {
        eprintln!("there is no corpus: nothing compared");
        return;
    };
    let directory = corpus.path(&corpus.entries[0]).parent().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let before = ["inspect", "--format", "json", "--oui"].map(OsStr::new).into_iter();
        let all = before.chain([small_registry().as_os_str()]).chain(arguments.iter().map(OsStr::new));
        let output = program::run(all.chain([directory.as_os_str()]));
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", program::text(&output));
        output.stdout
    };
    let one = run(&["--threads", "1"]);
    assert!(one == run(&["--threads", "4"]), "four threads give another answer than one");
    let whole: Value = serde_json::from_slice(&one).unwrap();
    let mut sent = BTreeMap::<Mac, u64>::new();
    let mut frames = 0;
    for line in run(&["--each", "--threads", "4"]).split(|&octet| octet == b'\n').filter(|line| !line.is_empty()) {
        let answer = Answer(serde_json::from_slice(line).unwrap());
        frames += answer.number("frames");
        answer.sent().into_iter().for_each(|(mac, count)| *sent.entry(mac).or_default() += count);
    }
    assert_eq!(whole["frames"].as_u64(), Some(frames));
    assert_eq!(Answer(whole).sent(), sent);
}
