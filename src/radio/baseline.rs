//! What a place usually gives: frames per frequency, spell by spell, over the last day. Pure but for its two functions
//! that read and write a file.

use crate::own_file;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::Path,
    time::Duration,
};

/// Spells that are remembered: with spells of an hour a day of listening.
const MOST_SPELLS: usize = 24;
/// Frequencies in one spell, at most: those of all bands are fewer.
const MOST_FREQS: usize = 128;

/// Frames, and the milliseconds they were listened for.
type Heard = (u64, u64);
/// How the file begins: the mark of ours.
const START: &[u8] = b"{\"spell_ms\":";
const WANTED: &str = "what a sensor knows of its place";

/// One spell's, by frequency in MHz.
type Spell = BTreeMap<u16, Heard>;

/// What was heard in each of the last spells of listening.
///
/// Silence is held against the *poorest* of them: a place that is quiet at night is not taken for a deaf radio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// How much listening makes a spell, in milliseconds.
    spell_ms: u64,
    spells: VecDeque<Spell>,
    open: Spell,
    #[serde(skip)]
    changed: bool,
}

impl Baseline {
    /// One that knows nothing yet; a spell is `spell` of listening.
    #[must_use]
    pub fn new(spell: Duration) -> Self {
        let spell_ms = u64::try_from(spell.as_millis()).unwrap_or(u64::MAX).max(1);
        Self { spell_ms, spells: VecDeque::new(), open: Spell::new(), changed: false }
    }

    /// Adds what was heard. True if that completed a spell: then it is worth keeping.
    pub fn learn(&mut self, freq_mhz: u16, frames: u64, listened: Duration) -> bool {
        if self.open.len() < MOST_FREQS || self.open.contains_key(&freq_mhz) {
            let heard = self.open.entry(freq_mhz).or_default();
            heard.0 = heard.0.saturating_add(frames);
            heard.1 = heard.1.saturating_add(u64::try_from(listened.as_millis()).unwrap_or(u64::MAX));
        }
        if self.open.values().map(|heard| heard.1).fold(0, u64::saturating_add) < self.spell_ms {
            return false;
        }
        self.spells.push_back(std::mem::take(&mut self.open));
        if self.spells.len() > MOST_SPELLS {
            self.spells.pop_front();
        }
        self.changed = true;
        true
    }

    /// Whether a spell was completed since this was last asked.
    pub fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// How many frames such listening gave at least, in any of the spells; `None` before the first is complete.
    #[must_use]
    pub fn expected(&self, listened: &BTreeMap<u16, Duration>) -> Option<f64> {
        self.spells.iter().map(|spell| given(spell, listened)).min_by(f64::total_cmp)
    }

    /// What `path` holds; a fresh one if it holds nothing of use, or was made with other spells.
    #[must_use]
    pub fn read(path: &Path, spell: Duration) -> Self {
        let fresh = Self::new(spell);
        let kept = own_file::read(path, START, WANTED).ok().flatten();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        match kept {
            Some(mut kept) if kept.spell_ms == fresh.spell_ms => {
                kept.spells.truncate(MOST_SPELLS);
                kept
            }
            _ => fresh,
        }
    }

    /// Replaces `path` in one piece.
    ///
    /// # Errors
    /// When it cannot be written, or is somebody else's.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        own_file::replace(path, &serde_json::to_vec(self)?, START, WANTED)
    }
}

#[expect(clippy::cast_precision_loss, reason = "an expectation needs no more precision")]
fn given(spell: &Spell, listened: &BTreeMap<u16, Duration>) -> f64 {
    let of = |(freq_mhz, time): (&u16, &Duration)| match spell.get(freq_mhz) {
        Some(&(frames, ms)) if ms > 0 => frames as f64 / ms as f64 * time.as_secs_f64() * 1000.0,
        _ => 0.0,
    };
    listened.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn listened(seconds: u64) -> BTreeMap<u16, Duration> {
        BTreeMap::from([(2412, Duration::from_secs(seconds)), (2437, Duration::from_secs(seconds))])
    }

    #[test]
    fn silence_is_held_against_the_poorest_spell_once_there_is_one() {
        let mut baseline = Baseline::new(Duration::from_secs(60));
        assert!(!baseline.learn(2412, 300, Duration::from_secs(59)));
        assert_eq!(baseline.expected(&listened(10)), None);
        assert!(baseline.learn(2437, 0, Duration::from_secs(1)));
        let expected = baseline.expected(&listened(10)).unwrap();
        assert!((expected - 300.0 / 59.0 * 10.0).abs() < 1e-9, "{expected}");
        baseline.learn(2412, 6, Duration::from_secs(60));
        assert!((baseline.expected(&listened(10)).unwrap() - 1.0).abs() < 1e-9);
        for _ in 0..MOST_SPELLS {
            baseline.learn(2412, 60, Duration::from_secs(60));
        }
        assert!((baseline.expected(&listened(10)).unwrap() - 10.0).abs() < 1e-9, "yesterday is forgotten");
        for freq_mhz in 0..2000 {
            baseline.learn(freq_mhz, 1, Duration::ZERO);
        }
        assert_eq!(baseline.open.len(), MOST_FREQS);
    }

    #[test]
    fn it_is_kept_in_a_file_and_survives_a_bad_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("baseline.json");
        let spell = Duration::from_secs(60);
        let mut baseline = Baseline::read(&path, spell);
        baseline.learn(2412, 100, spell);
        assert!(baseline.has_changed() && !baseline.has_changed());
        baseline.write(&path).unwrap();
        assert_eq!(Baseline::read(&path, spell), baseline);
        assert_eq!(Baseline::read(&path, spell * 2), Baseline::new(spell * 2), "another measure, another baseline");
        fs::write(&path, "{\"spell_ms\":").unwrap();
        assert_eq!(Baseline::read(&path, spell), Baseline::new(spell));
        baseline.write(&path).unwrap();
        fs::write(&path, "notes").unwrap();
        assert!(baseline.write(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"notes", "somebody else's file stays");
    }
}
