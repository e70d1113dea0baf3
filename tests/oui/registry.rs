//! The vendor registry against files nobody here wrote: Debian's `manuf`, `wka` and IEEE lists, and the addresses of
//! the corpus with the answers worked out from the same files by another program.
use airtally::{
    Mac, UnixNanos,
    oui::{
        Registry,
        store::{Detail, cache, merge::merge, source::Source},
    },
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const MANUF: &str = "/usr/share/wireshark/manuf";
const WKA: &str = "/usr/share/wireshark/wka";
const IEEE: [&str; 4] = [
    "/usr/share/ieee-data/oui.csv",
    "/usr/share/ieee-data/mam.csv",
    "/usr/share/ieee-data/oui36.csv",
    "/usr/share/ieee-data/iab.csv",
];

fn source(path: &str) -> Source {
    let bytes = fs::read(path)
        .unwrap_or_else(|error| panic!("{path}: {error}: install Debian's libwireshark-data and ieee-data"));
    Source::parse(path, bytes).unwrap_or_else(|problem| panic!("{path} {problem}"))
}

fn all_sources() -> Vec<Source> {
    [MANUF, WKA].into_iter().chain(IEEE).map(source).collect()
}

/// The rows of the corpus' table of answers; none where the corpus is absent.
fn truth() -> Vec<Vec<String>> {
    let corpus = std::env::var_os("AIRTALLY_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    let Ok(text) = fs::read_to_string(corpus.join("OUI_TRUTH.tsv")) else {
        println!("no corpus: checked against the registry files alone");
        return Vec::new();
    };
    let rows: Vec<Vec<String>> =
        text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    assert_eq!(rows.len(), 2_000);
    rows
}

/// A name whose runs of blanks are one.
fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The IEEE publishes each list in two forms that say the same, but that the text leaves quotation marks out of names.
#[test]
fn the_ieee_s_text_files_say_what_its_tables_say() {
    for path in IEEE {
        let [table, text] = [path.to_owned(), path.replace(".csv", ".txt")].map(|path| source(&path));
        assert_eq!((text.kind, text.rows()), (table.kind, table.rows()), "{path}");
        let holders = |source: &Source| -> BTreeSet<_> {
            let entries = source.parsed.entries.iter();
            let name = |name: &Option<String>| folded(&name.as_deref().unwrap_or_default().replace('"', ""));
            entries.map(|row| (row.prefix, row.registry, name(&row.organisation))).collect()
        };
        let (text, table) = (holders(&text), holders(&table));
        let differ: Vec<_> = text.symmetric_difference(&table).collect();
        assert!(differ.is_empty(), "{path}: {differ:?}");
    }
}

/// A registry after a journey through a cache file.
fn through_cache(sources: &[Source]) -> Registry {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oui.sqlite");
    cache::update(&path, sources, UnixNanos(0), false).unwrap();
    let registry = Registry::load(&path, Detail::All).unwrap();
    assert_eq!(registry.hash(), Registry::new(&merge(sources)).hash());
    registry
}

#[test]
fn every_row_of_the_truth_by_manuf() {
    let registry = through_cache(&[source(MANUF)]);
    assert_eq!(registry.len(), 52_417);
    for row in truth() {
        let mac: Mac = row[0].parse().unwrap();
        if mac == Mac::default() {
            // Xerox holds the prefix, and nobody this address, which is none.
            assert_eq!((registry.lookup(mac), registry.vendor(mac)), (None, None));
            continue;
        }
        let entry = registry.lookup(mac);
        let bits = entry.map_or(String::new(), |entry| entry.prefix.bits().to_string());
        let short = entry.and_then(|entry| entry.short_name).unwrap_or_default();
        let long = entry.and_then(|entry| entry.organisation.or(entry.short_name)).unwrap_or_default();
        let expected = folded(&row[6]);
        assert_eq!((bits.as_str(), short, long), (row[4].as_str(), row[5].as_str(), &*expected), "{row:?}");
        let vendor = if mac.is_randomised() { "" } else { &expected };
        assert_eq!(registry.vendor(mac).unwrap_or_default(), vendor, "{row:?}");
    }
}

#[test]
fn every_row_of_the_truth_by_the_ieee_files() {
    let registry = through_cache(&IEEE.map(source));
    assert_eq!(registry.len(), 32_530 + 4_390 + 5_029 + 4_575 - 3);
    for row in truth().iter().filter(|row| row[0] != "00:00:00:00:00:00") {
        let entry = registry.lookup(row[0].parse().unwrap());
        let bits = entry.map_or(String::new(), |entry| entry.prefix.bits().to_string());
        let assigned = entry.and_then(|entry| entry.registry).map_or("", |registry| registry.name());
        let holder = entry.and_then(|entry| entry.organisation).unwrap_or_default();
        let expected = folded(&row[9]).replace('|', " | ");
        assert_eq!((bits.as_str(), assigned, holder), (row[7].as_str(), row[8].as_str(), expected.as_str()), "{row:?}");
    }
}

#[test]
fn all_files_together_fit_the_cache_and_name_each_file_s_prefixes() {
    let sources = all_sources();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oui.sqlite");
    let report = cache::update(&path, &sources, UnixNanos(0), false).unwrap();
    assert!(report.changed && report.left_out.is_empty());
    let size = fs::metadata(&path).unwrap().len();
    assert!(size <= 8 << 20, "the cache has {size} bytes");
    let registry = Registry::load(&path, Detail::All).unwrap();
    assert_eq!(registry.len() as u64, report.entries);
    for row in sources.iter().flat_map(|source| &source.parsed.entries) {
        let entry = registry.lookup_query(row.prefix.to_string().parse().unwrap()).unwrap();
        assert_eq!(entry.prefix, row.prefix);
        assert!(row.short.is_none() || entry.short_name == row.short.as_deref(), "{row:?}");
    }
    assert_eq!(registry.special("01:00:3c:00:00:01".parse().unwrap()), Some("Auspex-Systems-(Serverguard)"));
    // The well-known 02-0E prefix is 16 bits: it says nothing about a random address that begins so.
    assert_eq!(registry.special("02:0e:8f:63:eb:11".parse().unwrap()), None);
    let info = cache::info(&path).unwrap();
    let labels: Vec<_> = info.sources.iter().map(|source| (source.label.as_str(), source.rows)).collect();
    let expected =
        [("manuf", 52_417), ("wka", 216), ("MA-L", 32_530), ("MA-M", 4_390), ("MA-S", 5_029), ("IAB", 4_575)];
    assert_eq!(labels, expected);
    println!("cache of {size} bytes, {} entries", registry.len());
}
