//! Every capture of the corpus, read by `capture` and `dot11`, agrees with what tshark counted in it.
//!
//! The corpus is no part of the project: `AIRTALLY_CORPUS` says where it is, or else it is looked for beside the
//! checkout. Where there is none, nothing is compared here, and `dot11_capture.rs` and `dot11_differential.rs`
//! stand alone.
//!
//! Where airtally and tshark differ, a rule below says why, with the clause that decides. No rule knows a file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use airtally::{
    Mac,
    capture::{CaptureError, Packet, Polled, Source},
    dot11::{self, FrameKind, LinkType, Outcome},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("AIRTALLY_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if path.join("MANIFEST.tsv").exists() {
        return Some(path);
    }
    assert!(std::env::var_os("AIRTALLY_CORPUS").is_none(), "AIRTALLY_CORPUS names {path:?}, which is no corpus");
    eprintln!("there is no corpus at {path:?}: nothing compared");
    None
}

/// A row of the manifest.
struct Capture {
    file: String,
    path: PathBuf,
    frames: u64,
    category: String,
    truth: Truth,
}

/// Key, item, value.
struct Truth(BTreeMap<String, BTreeMap<String, String>>);

impl Truth {
    fn read(path: &Path) -> Self {
        let mut map = BTreeMap::<_, BTreeMap<_, _>>::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            let mut fields = line.splitn(3, '\t').map(str::to_owned);
            let (key, item, value) = (fields.next().unwrap(), fields.next().unwrap(), fields.next().unwrap());
            map.entry(key).or_default().insert(item, value);
        }
        Self(map)
    }

    fn one(&self, key: &str) -> u64 {
        self.0.get(key).and_then(|items| items.get("")).map_or(0, |value| value.parse().unwrap())
    }

    fn counts(&self, key: &str) -> BTreeMap<String, u64> {
        self.0.get(key).into_iter().flatten().map(|(item, value)| (item.clone(), value.parse().unwrap())).collect()
    }

    fn texts(&self, key: &str) -> BTreeMap<String, String> {
        self.0.get(key).cloned().unwrap_or_default()
    }
}

fn captures(corpus: &Path) -> Vec<Capture> {
    fs::read_to_string(corpus.join("MANIFEST.tsv"))
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| {
            let row: Vec<_> = line.split('\t').collect();
            Capture {
                file: row[0].into(),
                path: corpus.join("captures").join(row[0]),
                frames: row[3].parse().unwrap(),
                category: row[5].into(),
                truth: Truth::read(&corpus.join("truth").join(format!("{}.tsv", row[0]))),
            }
        })
        .collect()
}

/// Item → frames.
type Counts = BTreeMap<String, u64>;

/// What airtally counts in a capture.
#[derive(Default)]
struct Counted {
    frames: u64,
    skipped: u64,
    links: BTreeSet<LinkType>,
    outcomes: BTreeMap<&'static str, u64>,
    kinds: Counts,
    kinds_of_cut_frames: Counts,
    sent: Counts,
    group_sent: u64,
    ra: Counts,
    sa: Counts,
    da: Counts,
    bssid: Counts,
    eth_src: Counts,
    eth_dst: Counts,
    retries: u64,
    amsdus: u64,
    freqs: Counts,
    signals: BTreeMap<String, (i8, i8, u64)>,
    ssids: BTreeMap<&'static str, Counts>,
    /// Frames of another protocol version, and those of them that the receiver flagged as damaged.
    other_version: u64,
    other_version_flagged: u64,
    /// Frames of subtypes that the standard reserves, whose layout nobody knows.
    reserved: u64,
}

fn add(map: &mut Counts, key: impl ToString) {
    *map.entry(key.to_string()).or_default() += 1;
}

impl Counted {
    fn packet(&mut self, packet: Packet<'_>) {
        self.frames += 1;
        self.links.insert(packet.link);
        let facts = dot11::parse(packet.link, packet.data, packet.original_len);
        let class = match facts.outcome {
            Outcome::BadFcs => "bad_fcs",
            Outcome::Malformed => "malformed",
            Outcome::WithoutTa => "without_ta",
            Outcome::GroupTa => "group_ta",
            Outcome::Sent(_) => "sent",
        };
        *self.outcomes.entry(class).or_default() += 1;
        if packet.link == LinkType::ETHERNET {
            facts.ends().sa.iter().for_each(|sa| add(&mut self.eth_src, sa));
            facts.ends().da.iter().for_each(|da| add(&mut self.eth_dst, da));
        }
        if !packet.link.is_wireless() {
            return;
        }
        match facts.outcome {
            Outcome::Sent(ta) => add(&mut self.sent, ta),
            Outcome::GroupTa => self.group_sent += 1,
            _ => {}
        }
        match facts.kind {
            Some(kind) => {
                add(&mut self.kinds, kind);
                self.reserved += u64::from(kind.name() == "reserved");
                if facts.outcome == Outcome::Malformed {
                    add(&mut self.kinds_of_cut_frames, kind);
                }
            }
            None => {
                self.other_version += 1;
                self.other_version_flagged += u64::from(facts.outcome == Outcome::BadFcs);
            }
        }
        for (address, counts) in [
            (facts.ra, &mut self.ra),
            (facts.ends().sa, &mut self.sa),
            (facts.ends().da, &mut self.da),
            (facts.bssid, &mut self.bssid),
        ] {
            address.iter().for_each(|address| add(counts, address));
        }
        facts.freq_mhz.iter().for_each(|freq| add(&mut self.freqs, freq));
        self.retries += u64::from(facts.retry);
        self.amsdus += u64::from(facts.ends().amsdu);
        // tshark's signals are those of all frames: as if no check sequence had been verified.
        let unverified = dot11::parse(packet.link, packet.data, packet.original_len.saturating_add(4));
        if let (Outcome::Sent(ta), Some(signal)) = (unverified.outcome, facts.signal_dbm) {
            let (min, max, n) = self.signals.entry(ta.to_string()).or_insert((signal, signal, 0));
            (*min, *max, *n) = (signal.min(*min), signal.max(*max), *n + 1);
        }
        let key = match facts.kind {
            Some(FrameKind::BEACON) => "ssid_beacon_hex",
            Some(FrameKind::PROBE_REQUEST) => "ssid_probe_req_hex",
            Some(FrameKind::PROBE_RESPONSE) => "ssid_probe_resp_hex",
            _ => return,
        };
        let hex: String = facts.body().ssid().unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
        add(self.ssids.entry(key).or_default(), hex);
    }
}

fn count(path: &Path) -> (Counted, Result<Option<String>, CaptureError>) {
    let mut counted = Counted::default();
    let mut source = match Source::open_file(path) {
        Ok(source) => source,
        Err(error) => return (counted, Err(error)),
    };
    loop {
        match source.poll(&mut |packet| counted.packet(packet)) {
            Ok(Polled::End) => break,
            Ok(_) => {}
            Err(error) => return (counted, Err(error)),
        }
    }
    let warning = Some(source.warnings().join("\n")).filter(|text| !text.is_empty());
    if let Some((before, _)) = warning.as_deref().and_then(|text| text.split_once(" of interfaces with link type")) {
        counted.skipped = before.rsplit(' ').nth(1).unwrap().parse().unwrap();
    }
    (counted, Ok(warning))
}

/// Collects what is not explained, so that one run shows it all.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    /// For each item, `explained(ours, theirs)` says whether a rule allows the difference.
    fn compare(&mut self, what: &str, ours: &Counts, theirs: &Counts, explained: impl Fn(&str, u64, u64) -> bool) {
        for item in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let (ours, theirs) = (ours.get(item).copied().unwrap_or(0), theirs.get(item).copied().unwrap_or(0));
            if ours != theirs && !explained(item, ours, theirs) {
                self.0.push(format!("{what} {item}: {ours}, tshark has {theirs}"));
            }
        }
    }

    fn expect(&mut self, what: &str, holds: bool) {
        if !holds {
            self.0.push(what.to_owned());
        }
    }
}

fn never(_: &str, _: u64, _: u64) -> bool {
    false
}

fn excess(ours: &Counts, theirs: &Counts) -> u64 {
    theirs.iter().map(|(item, theirs)| theirs.saturating_sub(ours.get(item).copied().unwrap_or(0))).sum()
}

fn wireless(capture: &Capture, counted: &Counted, found: &mut Differences) {
    let truth = &capture.truth;

    // A frame cut behind its frame control has a type all the same (9.2.4.1.3); tshark dissects only those it can
    // show more of.
    found.compare("type/subtype", &counted.kinds, &truth.counts("type_subtype"), |kind, ours, theirs| {
        theirs < ours && ours - theirs <= counted.kinds_of_cut_frames.get(kind).copied().unwrap_or(0)
    });

    // Where the frame check sequence is known to be wrong, and who sent the others. A frame of another protocol
    // version that the receiver flagged as damaged is damaged (9.2.4.1.2 leaves the rest of it undefined); tshark
    // does not look further.
    let bad_fcs = counted.outcomes.get("bad_fcs").copied().unwrap_or(0);
    found.expect("bad_fcs", bad_fcs - counted.other_version_flagged == truth.one("bad_fcs_frames"));
    let (group, individual): (Counts, Counts) =
        truth.counts("ta_goodfcs").into_iter().partition(|(mac, _)| mac.parse::<Mac>().unwrap().is_group());
    found.compare("ta", &counted.sent, &individual, never);
    found.expect("group transmitters", counted.group_sent == group.values().sum::<u64>());

    // tshark shows the addresses of frames of another protocol version, and of reserved subtypes, as if their
    // layout were known (9.2.4.1.2, table 9-1).
    let unknown_layout = counted.other_version + counted.reserved;
    for (key, ours) in [("ra", &counted.ra), ("da", &counted.da), ("sa", &counted.sa), ("bssid", &counted.bssid)] {
        let theirs = truth.counts(key);
        // And it counts source and destination of the subframes of an A-MSDU (9.3.2.2.2), in place of the header's.
        let allowed = if counted.amsdus > 0 && matches!(key, "sa" | "da") { u64::MAX } else { unknown_layout };
        found.compare(key, ours, &theirs, |_, ours, theirs| ours < theirs);
        found.expect(&format!("too many more of {key}"), excess(ours, &theirs) <= allowed);
    }
    let retries = truth.one("retry_frames");
    found.expect("retries", (counted.retries..=counted.retries + unknown_layout).contains(&retries));

    if counted.links.contains(&LinkType::RADIOTAP) {
        found.compare("frequency", &counted.freqs, &truth.counts("radiotap_freq"), never);
    } else if counted.links.iter().any(|&link| link == LinkType::PRISM) {
        // The prism header tells a channel, from which the frequency follows (15.4.4.3); tshark shows the channel
        // alone. Its signal has no unit; tshark shows it as dBm.
        found.expect("prism frequencies", counted.freqs.values().sum::<u64>() == counted.frames);
        found.expect("prism signals", counted.signals.is_empty());
    } else {
        found.compare("frequency", &counted.freqs, &truth.counts("radio_freq"), never);
    }
    if !counted.links.contains(&LinkType::PRISM) {
        let radiotap = counted.links.contains(&LinkType::RADIOTAP);
        let key = if radiotap { "ta_radiotap_first_antsignal_min_max_n" } else { "ta_signal_dbm_min_max_n" };
        let theirs = truth.texts(key);
        let ours: BTreeMap<_, _> =
            counted.signals.iter().map(|(ta, (min, max, n))| (ta.clone(), format!("{min},{max},{n}"))).collect();
        found.expect(&format!("signals: {ours:?}, tshark has {theirs:?}"), ours == theirs);
    }

    for key in ["ssid_beacon_hex", "ssid_probe_req_hex", "ssid_probe_resp_hex"] {
        let mut theirs = Counts::new();
        for (ssid, frames) in truth.counts(key) {
            *theirs.entry(if ssid.starts_with('<') { String::new() } else { ssid }).or_default() += frames;
        }
        found.compare(key, counted.ssids.get(key).unwrap_or(&Counts::new()), &theirs, never);
    }
}

fn wired(capture: &Capture, counted: &Counted, found: &mut Differences) {
    // Cooked captures carry a sender, which is no eth.src; frames within frames have several. Where tshark gave up
    // in the middle of a file it has fewer.
    let gave_up = capture.truth.one("tshark_exit") != 0;
    let several = capture.truth.texts("frames_with_several_values");
    for (key, ours) in [("eth.src", &counted.eth_src), ("eth.dst", &counted.eth_dst)] {
        let nested = several.contains_key(key);
        found.compare(key, ours, &capture.truth.counts(key), |_, ours, theirs| {
            (nested && ours < theirs) || (gave_up && theirs < ours)
        });
    }
}

#[test]
fn every_capture_agrees_with_tshark() {
    let Some(corpus) = corpus() else { return };
    let (mut files, mut frames, mut unexplained) = (0, 0, Vec::new());
    for capture in captures(&corpus) {
        let (counted, ended) = count(&capture.path);
        let mut found = Differences::default();
        found.expect("conservation", counted.outcomes.values().sum::<u64>() == counted.frames);
        // The manifest counts packets; tshark also numbers pcapng blocks that hold none, but reads cut gzip on.
        let total = counted.frames + counted.skipped;
        match &ended {
            Ok(_) => {
                let expected = [capture.frames, capture.truth.one("frames")];
                found.expect(&format!("{total} frames, not one of {expected:?}"), expected.contains(&total));
            }
            Err(CaptureError::LinkType { link, .. }) => {
                found.expect("refused although supported", !link.is_supported() && counted.frames == 0);
            }
            Err(
                CaptureError::NotACapture { .. }
                | CaptureError::Foreign { .. }
                | CaptureError::Decompress { .. }
                | CaptureError::Empty { .. }
                | CaptureError::CutHeader { .. },
            ) => {
                found.expect("has frames and was refused", capture.frames == 0 && capture.truth.one("frames") == 0);
            }
            Err(error) => found.0.push(format!("refused: {error}")),
        }
        if let Err(error) = &ended {
            let text = error.to_string();
            found.expect(&format!("not one sentence: {text}"), !text.contains('\n') && text.contains(&capture.file));
        }
        found.expect("a file of something else was read", capture.category != "notpcap" || ended.is_err());
        if ended.is_ok() {
            wireless(&capture, &counted, &mut found);
            wired(&capture, &counted, &mut found);
        }
        files += 1;
        frames += total;
        unexplained.extend(found.0.iter().map(|text| format!("{}: {text}", capture.file)));
    }
    eprintln!("{files} captures, {frames} frames");
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}
