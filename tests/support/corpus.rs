//! Captures that nobody here made, with tshark's answers beside them.
//!
//! The folder is named by `AIRTALLY_CORPUS`, or else is `../shared/corpus` beside the checkout. It does not travel
//! with the project: where it is absent, [`Corpus::find`] says so and tests use captures of their own.

use airtally::Mac;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The folder and its index.
pub struct Corpus {
    root: PathBuf,
    /// All captures, in the manifest's order.
    pub entries: Vec<Entry>,
}

/// A line of the manifest.
#[derive(Clone, Debug)]
pub struct Entry {
    /// File name, below `captures/`.
    pub file: String,
    /// Link types of its packets; empty where it is no capture.
    pub link_types: Vec<u16>,
    /// Packets in it, as a plain reader finds them.
    pub frames: u64,
    /// Packets that tshark finds.
    pub tshark_frames: u64,
    /// wifi, ether, rawip, other, format, malformed, notpcap or derived.
    pub category: String,
    /// `pcap-usLE`, `pcapngLE`, …, or `other:` and the first octets.
    pub container: String,
    /// `gz`, `zst`, or `-`.
    pub compression: String,
}

/// tshark's answers on one capture: `key`, then item, then value.
#[derive(Default, Debug)]
pub struct Truth(BTreeMap<String, BTreeMap<String, String>>);

impl Corpus {
    /// The corpus, if it is there. A folder named by the environment that is absent is an error.
    pub fn find() -> Option<Self> {
        let root = match std::env::var_os("AIRTALLY_CORPUS") {
            Some(root) => {
                assert!(Path::new(&root).is_dir(), "AIRTALLY_CORPUS names {root:?}, which is no folder");
                PathBuf::from(root)
            }
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"),
        };
        let manifest = fs::read_to_string(root.join("MANIFEST.tsv")).ok()?;
        let entries = manifest.lines().skip(1).map(Entry::parse).collect();
        Some(Self { root, entries })
    }

    /// Where a capture is.
    pub fn path(&self, entry: &Entry) -> PathBuf {
        self.root.join("captures").join(&entry.file)
    }

    /// tshark's answers.
    pub fn truth(&self, entry: &Entry) -> Truth {
        let path = self.root.join("truth").join(format!("{}.tsv", entry.file));
        Truth::parse(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// Captures whose packets are all of one of these link types.
    pub fn of_link_types(&self, types: &[u16]) -> Vec<&Entry> {
        let wanted = |entry: &&Entry| {
            !entry.link_types.is_empty() && entry.link_types.iter().all(|link_type| types.contains(link_type))
        };
        self.entries.iter().filter(wanted).collect()
    }
}

impl Entry {
    fn parse(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        Self {
            file: columns[0].to_owned(),
            link_types: columns[2].split(',').filter_map(|number| number.parse().ok()).collect(),
            frames: columns[3].parse().expect("a number of frames in the manifest"),
            tshark_frames: columns[4].parse().expect("a number of frames in the manifest"),
            category: columns[5].to_owned(),
            container: columns[6].to_owned(),
            compression: columns[7].to_owned(),
        }
    }
}

impl Truth {
    fn parse(text: &str) -> Self {
        let mut truth = Self::default();
        for line in text.lines() {
            let mut columns = line.split('\t');
            let (Some(key), Some(item), Some(value)) = (columns.next(), columns.next(), columns.next()) else {
                continue;
            };
            truth.0.entry(key.to_owned()).or_default().insert(item.to_owned(), value.to_owned());
        }
        truth
    }

    /// The number under a key without items.
    pub fn number(&self, key: &str) -> u64 {
        self.0.get(key).and_then(|items| items.get("")).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// Items and their numbers.
    pub fn counts(&self, key: &str) -> BTreeMap<String, u64> {
        let parse = |(item, value): (&String, &String)| Some((item.clone(), value.parse().ok()?));
        self.0.get(key).map(|items| items.iter().filter_map(parse).collect()).unwrap_or_default()
    }

    /// Items that are addresses, and their numbers.
    pub fn macs(&self, key: &str) -> BTreeMap<Mac, u64> {
        self.counts(key).into_iter().filter_map(|(mac, count)| Some((mac.parse().ok()?, count))).collect()
    }

    /// Items and their texts.
    pub fn texts(&self, key: &str) -> BTreeMap<String, String> {
        self.0.get(key).cloned().unwrap_or_default()
    }

    /// Individual transmitters and their good frames.
    pub fn stations(&self) -> BTreeMap<Mac, u64> {
        self.macs("ta_goodfcs").into_iter().filter(|(mac, _)| !mac.is_group()).collect()
    }

    /// Good frames with a group address as transmitter.
    pub fn group_transmitters(&self) -> u64 {
        self.macs("ta_goodfcs").iter().filter(|(mac, _)| mac.is_group()).map(|(_, frames)| frames).sum()
    }
}
