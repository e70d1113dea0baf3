//! How long a lookup takes, and loading the registry: `cargo bench --bench oui`. Prints a Markdown table and fails where
//! a figure misses its target. The cache is made of Debian's registry files.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use airtally::{
    Mac, UnixNanos,
    oui::{
        Registry,
        store::{Detail, cache, source::Source},
    },
};
use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

const FILES: [&str; 6] = [
    "/usr/share/ieee-data/oui.csv",
    "/usr/share/ieee-data/mam.csv",
    "/usr/share/ieee-data/oui36.csv",
    "/usr/share/ieee-data/iab.csv",
    "/usr/share/wireshark/manuf",
    "/usr/share/wireshark/wka",
];

fn main() {
    let sources: Vec<Source> = FILES
        .iter()
        .map(|path| Source::parse(path, fs::read(path).expect("Debian's ieee-data, libwireshark-data")).unwrap())
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("oui.sqlite");
    let update = time(1, || cache::update(&path, &sources, UnixNanos(0), true).unwrap());
    let load = time(20, || Registry::load(&path, Detail::All).unwrap());
    let registry = Registry::load(&path, Detail::All).unwrap();

    // A multiplicative generator's high bits: every address equally likely, none foreseeable for the processor.
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Mac::from_u64(state >> 16)
    };
    let any: Vec<Mac> = (0..1_000_000).map(|_| random()).collect();
    let starts: Vec<u64> = registry.entries().map(|entry| entry.prefix.first()).collect();
    let known: Vec<Mac> = any.iter().map(|mac| Mac::from_u64(starts[mac.to_u64() as usize % starts.len()])).collect();
    let each = |macs: &[Mac]| {
        let whole = time(5, || macs.iter().filter(|mac| black_box(registry.lookup(**mac)).is_some()).count());
        whole.as_nanos() as f64 / macs.len() as f64
    };
    let (any, known) = (each(&any), each(&known));
    let snapshot = time(3, Registry::snapshot);
    println!("| what | measured | target |\n|---|---|---|");
    println!("| lookup, random addresses | {any:.0} ns | 200 ns |");
    println!("| lookup, assigned addresses | {known:.0} ns | |");
    println!("| load {} prefixes | {:.1} ms | 30 ms |", registry.len(), millis(load));
    println!("| cache file | {:.1} MB | 8 MB |", fs::metadata(&path).unwrap().len() as f64 / 1e6);
    println!("| write the cache | {:.0} ms | |", millis(update));
    println!("| unpack the snapshot | {:.0} ms | |", millis(snapshot));
    assert!(any <= 200.0 && load <= Duration::from_millis(30), "a target is missed");
}

/// The best of `rounds`: what the work takes when nothing else is in the way.
fn time<T>(rounds: u32, mut work: impl FnMut() -> T) -> Duration {
    let round = |_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed()
    };
    (0..rounds).map(round).min().unwrap_or_default()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
