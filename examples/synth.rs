//! Writes a synthetic 802.11 capture of any size, and the exact tally that a correct program must find in it.
//!
//! ```text
//! cargo run --release --features synth --bin synth -- --frames 100000 --stations 500 --tally tally.json neighbourhood.pcap
//! cargo run --release --features synth --bin synth -- --frames 6500000 --stations 180000 - | airtally inspect -
//! ```

#[path = "synth/mod.rs"]
mod generator;

use airtally::UnixNanos;
use anyhow::Context as _;
use clap::Parser;
use generator::Options;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// A seeded generator of radiotap captures with a known tally.
#[derive(Parser)]
struct Arguments {
    /// Where the capture goes; `-` is standard output.
    out: PathBuf,
    /// Where its exact tally goes, as JSON.
    #[arg(long, value_name = "FILE")]
    tally: Option<PathBuf>,
    /// Frames in the capture.
    #[arg(long, default_value_t = 20_000)]
    frames: u64,
    /// Transmitters, access points included (reached with some ten frames for each).
    #[arg(long, default_value_t = 300)]
    stations: usize,
    /// Access points among them.
    #[arg(long, default_value_t = 12)]
    aps: usize,
    /// Network names that probe requests are drawn from.
    #[arg(long, default_value_t = 50)]
    probe_ssids: u64,
    /// Another seed, another neighbourhood; the same seed, the same octets.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time of the first frame, RFC 3339.
    #[arg(long, default_value = "2026-01-01T00:00:00Z")]
    start: UnixNanos,
    /// How long the capture lasts; by default as long as 400 frames a second make it.
    #[arg(long)]
    seconds: Option<u64>,
    /// Frames with a bad check sequence, of a thousand.
    #[arg(long, default_value_t = 15)]
    bad_fcs: u64,
    /// Malformed frames, of ten thousand.
    #[arg(long, default_value_t = 30)]
    malformed: u64,
    /// Add the addresses and network names that the tally lists as `planted`.
    #[arg(long)]
    plant: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        frames: arguments.frames,
        stations: arguments.stations,
        access_points: arguments.aps,
        probe_ssids: arguments.probe_ssids,
        seed: arguments.seed,
        start: arguments.start.0,
        seconds: arguments.seconds.unwrap_or((arguments.frames / 400).max(1)),
        plant: arguments.plant,
        bad_fcs_per_mille: arguments.bad_fcs,
        malformed_per_10k: arguments.malformed,
    };
    let out: Box<dyn Write> =
        if arguments.out == Path::new("-") { Box::new(io::stdout().lock()) } else { Box::new(create(&arguments.out)?) };
    let tally = generator::generate(&options, BufWriter::with_capacity(1 << 20, out))
        .with_context(|| format!("cannot write the capture to {}", arguments.out.display()))?;
    if let Some(path) = &arguments.tally {
        let mut out = BufWriter::new(create(path)?);
        serde_json::to_writer(&mut out, &tally)
            .map_err(io::Error::from)
            .and_then(|()| out.flush())
            .with_context(|| format!("cannot write the tally to {}", path.display()))?;
    }
    eprintln!("{} frames of {} transmitters, {} octets on the air", tally.frames, tally.stations.len(), tally.bytes);
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}
