//! A seeded generator of 802.11 captures: a neighbourhood's traffic as a radiotap pcap, and its exact tally.
//!
//! The same [`Options`] give the same octets on every machine. The tally comes from what the generator meant, so
//! it can judge a program that reads the octets; it uses nothing of airtally.
//!
//! * [`model`]: who is there and what they do; * [`air`]: how a frame becomes a packet in the file;
//! * [`frame`], [`radiotap`]: octets; * [`tally`]: the expectation; * [`rng`]: the numbers.

pub mod air;
pub mod frame;
pub mod model;
pub mod radiotap;
pub mod rng;
pub mod tally;

use std::io::{self, Write};

/// What to generate.
#[derive(Clone, Debug)]
pub struct Options {
    /// Frames in the file, exactly.
    pub frames: u64,
    /// Transmitters, access points included; reached if there are frames enough (some ten for each).
    pub stations: usize,
    /// Access points among them.
    pub access_points: usize,
    /// Network names that probe requests are drawn from.
    pub probe_ssids: u64,
    /// Whatever number: another seed is another neighbourhood.
    pub seed: u64,
    /// Time of the first frame, nanoseconds since 1970.
    pub start: i64,
    /// How long the capture lasts.
    pub seconds: u64,
    /// Adds the addresses and names of [`tally::Planted`].
    pub plant: bool,
    /// Frames with a bad check sequence, of a thousand.
    pub bad_fcs_per_mille: u64,
    /// Malformed frames, of ten thousand.
    pub malformed_per_10k: u64,
}

/// 2026-01-01T00:00:00Z.
pub const DEFAULT_START: i64 = 1_767_225_600_000_000_000;

impl Default for Options {
    fn default() -> Self {
        Self {
            frames: 20_000,
            stations: 300,
            access_points: 12,
            probe_ssids: 50,
            seed: 1,
            start: DEFAULT_START,
            seconds: 120,
            plant: false,
            bad_fcs_per_mille: 15,
            malformed_per_10k: 30,
        }
    }
}

/// Writes the capture that `options` describe to `out` and returns its tally. Memory grows with the stations only.
///
/// # Errors
/// What writing to `out` says.
pub fn generate<W: Write>(options: &Options, out: W) -> io::Result<tally::Tally> {
    let mut air = air::Air::open(options, out)?;
    model::Neighbourhood::new(options, &mut air).run(&mut air)?;
    air.finish()
}
