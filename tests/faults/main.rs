//! Random faults against the whole pipeline, by the real programs: every frame that a sensor was handed is stored once, or
//! its loss is declared.
//!
//! * [`scenario`]: what may happen, as data, and the numbers that a seed gives; * [`world`]: one run;
//! * [`octets`]: spools with one octet changed; * [`daemon`]: daemons that are started again; * [`proxy`]: connections that fail;
//! * [`stores`]: what is there, against what was handed over.
//!
//! The quick set (`seeds.toml`) is part of every test run; `scripts/soak SECONDS SEED` runs as many more as there is time
//! for. The seed decides which faults come in which order, on whom, and for how long; the machine decides what the programs
//! are doing just then.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod daemon;
mod octets;
mod proxy;
mod scenario;
mod stores;
#[path = "../support/mod.rs"]
mod support;
mod world;

use scenario::{Scenario, kept};
use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};
use stores::Verdict;
use world::World;

/// Runs one, prints a line, and says whether it held and how many faults there were.
fn run(name: &str, seed: u64) -> (bool, usize) {
    let began = Instant::now();
    let run = || World::new(&Scenario::read(name), seed).run();
    let Ok(outcome) = panic::catch_unwind(panic::AssertUnwindSafe(run)) else {
        println!("BROKEN {name}:{seed} came to no end: its panic is above\n{}", again(name, seed));
        return (false, 0);
    };
    let (word, seconds) = (if outcome.holds { "held" } else { "BROKEN" }, began.elapsed().as_secs());
    let mut line = format!("{word} {name}:{seed} {} faults, {seconds} s", outcome.faults);
    for (store, verdict) in &outcome.verdicts {
        let Verdict { stored, declared, undeclared, doubled, wrongly } = verdict;
        line += &format!(
            "; {store} stored {stored} declared {declared} undeclared {undeclared} doubled {doubled} both {wrongly}"
        );
    }
    println!("{line}");
    if !outcome.holds {
        println!("{}", outcome.story);
        println!(
            "once more: AIRTALLY_FAULTS={name}:{seed} cargo test --features manual,synth --test faults -- --ignored one --nocapture"
        );
    }
    (outcome.holds, outcome.faults)
}

/// The command that runs it again.
fn again(name: &str, seed: u64) -> String {
    let program = "cargo test --features manual,synth --test faults -- --ignored --exact one --nocapture";
    format!("once more: AIRTALLY_FAULTS={name}:{seed} {program}")
}

/// So many at a time: they wait more than they work.
fn run_all(runs: &[(String, u64)], at_once: usize, until: Option<Instant>) {
    let [next, ran, faults, broken] = [const { AtomicUsize::new(0) }; 4];
    let work = || {
        while let Some((name, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if until.is_some_and(|until| Instant::now() > until) {
                break;
            }
            let (held, of_run) = run(name, *seed);
            ran.fetch_add(1, Ordering::Relaxed);
            faults.fetch_add(of_run, Ordering::Relaxed);
            broken.fetch_add(usize::from(!held), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
    let (ran, faults, broken) = (ran.into_inner(), faults.into_inner(), broken.into_inner());
    println!("{faults} faults in {ran} runs: {broken} runs broke the promise");
    assert_eq!(broken, 0, "frames are lost undeclared, or counted twice: see above");
}

#[test]
fn the_quick_set_loses_nothing_undeclared_and_doubles_nothing() {
    let runs: Vec<_> = kept().into_iter().map(|kept| (kept.scenario, kept.seed)).collect();
    run_all(&runs, 4, None);
}

/// `AIRTALLY_FAULTS=SCENARIO:SEED`.
#[test]
#[ignore = "runs what AIRTALLY_FAULTS names"]
fn one() {
    let named = std::env::var("AIRTALLY_FAULTS").expect("AIRTALLY_FAULTS=SCENARIO:SEED");
    let (name, seed) = named.split_once(':').expect("SCENARIO:SEED");
    assert!(run(name, seed.parse().expect("a number")).0);
}

/// `AIRTALLY_SOAK=SECONDS:SEED`: every scenario in turn, each with the next seed.
#[test]
#[ignore = "runs for as long as AIRTALLY_SOAK says: scripts/soak"]
fn soak() {
    let named = std::env::var("AIRTALLY_SOAK").expect("AIRTALLY_SOAK=SECONDS:SEED");
    let (seconds, seed) = named.split_once(':').expect("SECONDS:SEED");
    let until = Instant::now() + Duration::from_secs(seconds.parse().expect("seconds"));
    let first: u64 = seed.parse().expect("a seed");
    let names = Scenario::all();
    let runs: Vec<_> = (0..100_000).map(|n| (names[n % names.len()].clone(), first + n as u64)).collect();
    run_all(&runs, 3, Some(until));
}
