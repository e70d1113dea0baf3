//! Scenarios, read from `scenarios/*.toml`, and the numbers that a seed gives.

use serde::Deserialize;
use std::{fs, path::PathBuf, time::Duration};

/// A kind of fault, as a scenario names it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// `kill -9`, and a start after a while.
    KillIngest,
    KillSensor,
    /// Its memory is what it had saved.
    KillBroker,
    /// Killed, and its memory removed.
    ForgetBroker,
    /// SIGTERM, and a start after a while.
    StopIngest,
    StopSensor,
    /// SIGSTOP, and SIGCONT after a while.
    FreezeIngest,
    FreezeSensor,
    /// All connections to the broker are cut; closed for a while; still for a while.
    CutBroker,
    CloseBroker,
    StallBroker,
    /// A database is killed; away; still; answers 500, 503 or 429.
    KillDatabase,
    CloseDatabase,
    StallDatabase,
    FailDatabase,
    /// No file may grow beyond some KiB for a while (EFBIG).
    FullIngest,
    FullSensor,
    /// Killed; octets of its spool's files changed; started.
    DamageIngest,
    DamageSensor,
    /// Killed; its state directory removed; started.
    LoseIngest,
    LoseSensor,
    /// The history's file is removed while ingest runs.
    RemoveHistory,
    /// Ingest is killed; octets of the history changed; started.
    DamageHistory,
}

/// What happens, and to what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Sensors, each with a capture of its own.
    pub sensors: usize,
    /// Frames of each capture, and how long it takes to replay.
    pub frames: u64,
    pub seconds: u64,
    /// How many faults a seed makes, of these kinds.
    pub faults: usize,
    pub kinds: Vec<Fault>,
    /// Further lines of the broker's configuration.
    #[serde(default)]
    pub broker: String,
}

impl Scenario {
    pub fn read(name: &str) -> Self {
        let path = folder().join("scenarios").join(format!("{name}.toml"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The names of all of them.
    pub fn all() -> Vec<String> {
        let files = fs::read_dir(folder().join("scenarios")).expect("the scenarios");
        let name = |file: fs::DirEntry| file.path().file_stem()?.to_str().map(str::to_owned);
        let mut names: Vec<String> = files.flatten().filter_map(name).collect();
        names.sort();
        names
    }
}

/// A scenario and a seed that are run in every test run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub scenario: String,
    pub seed: u64,
}

#[derive(Deserialize)]
struct AllKept {
    run: Vec<Kept>,
}

/// The seeds of the quick set.
pub fn kept() -> Vec<Kept> {
    let text = fs::read_to_string(folder().join("seeds.toml")).expect("seeds.toml");
    toml::from_str::<AllKept>(&text).unwrap_or_else(|error| panic!("seeds.toml: {error}")).run
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/faults")
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// One of them.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.number() % (to - from))
    }
}
