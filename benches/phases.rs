//! What a frame costs in each phase of the hot path: reading, parsing, counting. `scripts/bench` runs it, as it is for
//! nanoseconds and under callgrind for instructions; the difference of two phases is the cost of the later one.
//!
//! ```text
//! cargo run --release --example phases -- tally CAPTURE
//! ```

use airtally::{
    capture::{Packet, Polled, Source},
    dot11,
    inspect::Report,
};
use clap::{Parser, ValueEnum};
use std::{hint::black_box, path::PathBuf, time::Instant};

/// Reads a capture once, up to a phase, and says what a frame cost.
#[derive(Parser)]
struct Arguments {
    /// How far to go.
    phase: Phase,
    /// The capture.
    capture: PathBuf,
    /// Stations with counts of their own.
    #[arg(long, default_value_t = 1 << 20)]
    max_stations: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Phase {
    /// Packets are handed over and not looked at.
    Read,
    /// And parsed.
    Parse,
    /// And counted.
    Tally,
}

fn main() -> anyhow::Result<()> {
    let Arguments { phase, capture, max_stations } = Arguments::parse();
    let mut report = Report::new(max_stations);
    let mut source = Source::open_file(&capture)?;
    let mut frames = 0_u64;
    let began = Instant::now();
    let mut take = |packets: &[Packet<'_>]| {
        frames += packets.len() as u64;
        match phase {
            Phase::Read => {
                black_box(packets);
            }
            Phase::Parse => {
                for packet in packets {
                    black_box(dot11::parse(packet.link, packet.data, packet.original_len));
                }
            }
            Phase::Tally => report.add_all(packets),
        }
    };
    while source.poll_blocks(&mut take)? != Polled::End {}
    let took = began.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a figure of three digits is printed")]
    let each = took.as_nanos() as f64 / frames.max(1) as f64;
    eprintln!("{phase:?}: {frames} frames, {each:.1} ns each, {} stations", report.tally().transmitters());
    Ok(())
}
