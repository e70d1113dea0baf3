//! The stations of a window as a sketch: enough to say about how many distinct ones there were, also over several windows and
//! sensors, and nothing of who they were.

use crate::sketch::{DayKey, Sketch};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// Octets of the longest sketch.
const LONGEST: usize = 4_136;

/// A sketch as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distinct {
    /// Which key it was made with: that of a site and a UTC day. Sketches of one key can be merged, and no others.
    pub key: String,
    /// The sketch, as Apache DataSketches writes it (HLL, 4,096 registers), in base64.
    pub hll: String,
}

impl Distinct {
    /// A sketch that was made with this key.
    #[must_use]
    pub fn new(key: &DayKey, sketch: &Sketch) -> Self {
        Self { key: key.name().to_owned(), hll: STANDARD.encode(sketch.encode()) }
    }

    /// The sketch; nothing where it is none, or its key has no name of ours.
    #[must_use]
    pub fn sketch(&self) -> Option<Sketch> {
        let is_name = self.key.len() == 16 && self.key.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if !is_name || self.hll.len() > LONGEST.div_ceil(3) * 4 {
            return None;
        }
        Sketch::decode(&STANDARD.decode(&self.hll).ok()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Mac, sketch::SiteSecret};

    #[test]
    fn it_is_read_as_it_was_made_and_nothing_else_is() {
        let key = SiteSecret::new(1, [1; 32]).key();
        for stations in [0, 3, 100, 10_000] {
            let mut sketch = Sketch::new();
            (0..stations).for_each(|station| sketch.add(&key, Mac::from_u64(station)));
            let sent = Distinct::new(&key, &sketch);
            let read = sent.sketch().unwrap().about().stations;
            assert!((read - sketch.about().stations).abs() <= 0.02 * f64::from(u32::try_from(stations).unwrap()));
            for (key, hll) in [
                ("", &*sent.hll),
                ("0123456789abcdeF", &sent.hll),
                (&sent.key, ""),
                (&sent.key, "AAAA"),
                (&sent.key, "!"),
            ] {
                assert!(Distinct { key: key.into(), hll: hll.into() }.sketch().is_none());
            }
        }
    }
}
