//! Channel numbers, frequencies and widths (IEEE 802.11-2020, 15.4.4, 17.3.8.4, 27.3.23 and annex E), and the text in
//! which a configuration names channels. Pure; knows no card.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// A frequency band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// 2.4 GHz: channels 1 to 14.
    Two,
    /// 5 GHz: channels 36 to 177.
    Five,
    /// 6 GHz: channels 1 to 233.
    Six,
}

impl Band {
    const ALL: [Self; 3] = [Self::Two, Self::Five, Self::Six];

    /// Its channels of 20 MHz.
    pub fn channels(self) -> impl Iterator<Item = u8> {
        let all: Vec<u8> = match self {
            Self::Two => (1..=14).collect(),
            // Annex E, table E-4: operating classes 115, 118, 121, 125.
            Self::Five => (36..=64).step_by(4).chain((100..=144).step_by(4)).chain((149..=177).step_by(4)).collect(),
            // Table E-4: class 136 (channel 2, on its own raster) and class 131.
            Self::Six => std::iter::once(2).chain((1..=233).step_by(4)).collect(),
        };
        all.into_iter()
    }

    /// The centre frequency of one of its channels of 20 MHz, in MHz.
    #[must_use]
    pub fn freq_mhz(self, channel: u8) -> Option<u16> {
        let number = u16::from(channel);
        self.channels().any(|known| known == channel).then(|| match (self, channel) {
            (Self::Two, 14) => 2484,
            (Self::Two, _) => 2407 + 5 * number,
            (Self::Five, _) => 5000 + 5 * number,
            (Self::Six, 2) => 5935,
            (Self::Six, _) => 5950 + 5 * number,
        })
    }
}

impl fmt::Display for Band {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Two => "2.4",
            Self::Five => "5",
            Self::Six => "6",
        })
    }
}

impl FromStr for Band {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|band| band.to_string() == text).ok_or(())
    }
}

/// The band and number of the channel of 20 MHz with this centre frequency.
#[must_use]
pub fn channel_of(freq_mhz: u16) -> Option<(Band, u8)> {
    Band::ALL.into_iter().find_map(|band| {
        band.channels().find(|&channel| band.freq_mhz(channel) == Some(freq_mhz)).map(|channel| (band, channel))
    })
}

/// How wide a card listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// 20 MHz.
    #[default]
    Mhz20,
    /// 40 MHz.
    Mhz40,
    /// 80 MHz.
    Mhz80,
    /// 160 MHz.
    Mhz160,
}

impl Width {
    const ALL: [Self; 4] = [Self::Mhz20, Self::Mhz40, Self::Mhz80, Self::Mhz160];

    /// In MHz.
    #[must_use]
    pub const fn mhz(self) -> u16 {
        match self {
            Self::Mhz20 => 20,
            Self::Mhz40 => 40,
            Self::Mhz80 => 80,
            Self::Mhz160 => 160,
        }
    }
}

/// Where a card listens: a primary channel, and how wide around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuning {
    /// Centre frequency of the primary channel, in MHz.
    pub freq_mhz: u16,
    /// Width of the whole.
    pub width: Width,
}

impl Tuning {
    /// Twenty MHz around `freq_mhz`.
    #[must_use]
    pub const fn narrow(freq_mhz: u16) -> Self {
        Self { freq_mhz, width: Width::Mhz20 }
    }

    /// The centre of the whole, in MHz: the block of this width that the primary channel belongs to (annex E).
    /// `None` where there is no such block.
    #[must_use]
    pub fn centre_mhz(self) -> Option<u16> {
        let channels = match self.width {
            Width::Mhz20 => return Some(self.freq_mhz),
            Width::Mhz40 => 2,
            Width::Mhz80 => 4,
            Width::Mhz160 => 8,
        };
        // Blocks are counted from the first channel of each contiguous stretch.
        let (first, last) = match self.freq_mhz {
            5180..=5320 => (5180, 5320),
            5500..=5720 => (5500, 5720),
            5745..=5885 => (5745, 5885),
            5955..=7115 => (5955, 7115),
            _ => return None,
        };
        let steps = self.freq_mhz - first;
        let width = 20 * channels;
        let lowest = first + steps / width * width;
        (steps.is_multiple_of(20) && lowest + width - 20 <= last).then_some(lowest + width / 2 - 10)
    }

    /// Whether a frame that was received on `freq_mhz` may have been heard when tuned here.
    #[must_use]
    pub fn covers(self, freq_mhz: u16) -> bool {
        self.freq_mhz == freq_mhz
            || self.centre_mhz().is_some_and(|centre| centre.abs_diff(freq_mhz) < self.width.mhz() / 2)
    }
}

impl fmt::Display for Tuning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match channel_of(self.freq_mhz) {
            Some((Band::Six, channel)) => write!(out, "6:{channel}")?,
            Some((_, channel)) => write!(out, "{channel}")?,
            None => write!(out, "{} MHz", self.freq_mhz)?,
        }
        if self.width == Width::Mhz20 { Ok(()) } else { write!(out, "@{}", self.width.mhz()) }
    }
}

/// One part of a [`Selection`].
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// Whatever the card may listen to in the band.
    Band(Band),
    /// Channels named one by one, in the order named.
    List(Vec<Tuning>),
}

/// Which channels a configuration asks for.
///
/// Terms joined by `+`: a band (`2.4`, `5`, `6`), or a list of channels separated by commas. A channel is a number or a
/// range, `1` to `14` in the band of 2.4 GHz and `36` to `177` in that of 5 GHz; `6:37` is a channel of 6 GHz, and a
/// lone channel 5 or 6 of 2.4 GHz is written `2.4:6`. `@40`, `@80` and `@160` widen what they follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    text: String,
    terms: Vec<Term>,
}

impl Selection {
    /// Whatever a card may listen to in these bands.
    #[must_use]
    pub fn of_bands(bands: &[Band]) -> Self {
        let text = bands.iter().map(Band::to_string).collect::<Vec<_>>().join("+");
        Self { text, terms: bands.iter().copied().map(Term::Band).collect() }
    }

    /// The channels named one by one, each once.
    #[must_use]
    pub fn named(&self) -> Vec<Tuning> {
        let mut named = Vec::new();
        for term in &self.terms {
            if let Term::List(list) = term {
                list.iter().for_each(|tuning| push_new(&mut named, *tuning));
            }
        }
        named
    }

    /// Everything asked for, each once and in order; of the bands what `allowed` says the card may listen to.
    pub fn tunings(&self, allowed: impl Fn(u16) -> bool) -> Vec<Tuning> {
        let mut tunings = Vec::new();
        for term in &self.terms {
            match term {
                Term::List(list) => list.iter().for_each(|tuning| push_new(&mut tunings, *tuning)),
                Term::Band(band) => band
                    .channels()
                    .filter_map(|channel| band.freq_mhz(channel))
                    .filter(|&freq_mhz| allowed(freq_mhz))
                    .for_each(|freq_mhz| push_new(&mut tunings, Tuning::narrow(freq_mhz))),
            }
        }
        tunings
    }
}

/// One frequency has one entry: exposure is measured by it.
fn push_new(tunings: &mut Vec<Tuning>, tuning: Tuning) {
    if tunings.iter().all(|known| known.freq_mhz != tuning.freq_mhz) {
        tunings.push(tuning);
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut terms = Vec::new();
        for term in text.split('+').map(str::trim) {
            terms.push(match term.parse::<Band>() {
                Ok(band) => Term::Band(band),
                Err(()) => Term::List(list(text, term)?),
            });
        }
        Ok(Self { text: text.trim().to_owned(), terms })
    }
}

fn list(text: &str, term: &str) -> Result<Vec<Tuning>, String> {
    let mut tunings = Vec::new();
    for item in term.split(',').map(str::trim) {
        if item.is_empty() {
            return Err(format!(
                "'{text}' has an empty place: write bands like \"2.4+5\" or channels like \"1,6,11,36-48\""
            ));
        }
        channels(item)?.into_iter().for_each(|tuning| push_new(&mut tunings, tuning));
    }
    Ok(tunings)
}

/// The channels of one item: `6`, `36-48`, `6:37`, `36@80`.
fn channels(item: &str) -> Result<Vec<Tuning>, String> {
    let (range, width) = match item.split_once('@') {
        None => (item, Width::Mhz20),
        Some((range, mhz)) => {
            let width = Width::ALL.into_iter().find(|width| width.mhz().to_string() == mhz.trim());
            (range.trim(), width.ok_or_else(|| format!("'{item}': a width is 20, 40, 80 or 160"))?)
        }
    };
    let (band, range) = match range.split_once(':') {
        None => (None, range),
        Some((band, range)) => {
            let band = band
                .trim()
                .parse::<Band>()
                .map_err(|()| format!("'{item}': before ':' stands a band, \"2.4\", \"5\" or \"6\", as in \"6:37\""))?;
            (Some(band), range.trim())
        }
    };
    let number = |text: &str| {
        text.trim()
            .parse::<u8>()
            .map_err(|_| format!("'{item}' is not a channel: write a number like 6, a range like 36-48, or 6:37"))
    };
    let (first, last) = match range.split_once('-') {
        None => (number(range)?, number(range)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    if first > last {
        return Err(format!("'{item}' runs backwards: write {last}-{first}"));
    }
    let band = band.unwrap_or(if first <= 14 { Band::Two } else { Band::Five });
    let ends = [first, last].map(|channel| band.freq_mhz(channel));
    if ends.contains(&None) {
        let known: Vec<String> = band.channels().map(|channel| channel.to_string()).collect();
        let known = if band == Band::Six { "2, and every fourth from 1 to 233".to_owned() } else { known.join(", ") };
        let hint = if band == Band::Five && first > 14 { "; channels of 6 GHz are written 6:37" } else { "" };
        return Err(format!("'{item}': the channels of {band} GHz are {known}{hint}"));
    }
    band.channels()
        .filter(|channel| (first..=last).contains(channel) && (band != Band::Six || *channel != 2 || first == 2))
        .filter_map(|channel| band.freq_mhz(channel))
        .map(|freq_mhz| {
            let tuning = Tuning { freq_mhz, width };
            match tuning.centre_mhz() {
                Some(_) => Ok(tuning),
                None if band == Band::Two => Err(format!("'{item}': in the band of 2.4 GHz listen 20 MHz wide")),
                None => Err(format!(
                    "'{item}': channel {} belongs to no block of {} MHz",
                    Tuning::narrow(freq_mhz),
                    width.mhz()
                )),
            }
        })
        .collect()
}

impl Serialize for Selection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let selection: Selection = text.parse().unwrap();
        let tunings = selection.tunings(|freq_mhz| freq_mhz != 2484);
        tunings.iter().map(Tuning::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn frequencies_are_those_of_the_standard() {
        for (freq_mhz, band, channel) in [
            (2412, Band::Two, 1),
            (2472, Band::Two, 13),
            (2484, Band::Two, 14),
            (5180, Band::Five, 36),
            (5720, Band::Five, 144),
            (5745, Band::Five, 149),
            (5885, Band::Five, 177),
            (5935, Band::Six, 2),
            (5955, Band::Six, 1),
            (7115, Band::Six, 233),
        ] {
            assert_eq!(band.freq_mhz(channel), Some(freq_mhz));
            assert_eq!(channel_of(freq_mhz), Some((band, channel)));
        }
        assert_eq!(channel_of(2413), None);
    }

    #[test]
    fn every_channel_has_one_frequency_and_every_frequency_one_channel() {
        let mut seen = std::collections::BTreeSet::new();
        for band in Band::ALL {
            for channel in band.channels() {
                let freq_mhz = band.freq_mhz(channel).unwrap();
                assert!(seen.insert(freq_mhz));
                assert_eq!(channel_of(freq_mhz), Some((band, channel)));
            }
        }
        assert_eq!(seen.len(), 14 + 8 + 12 + 8 + 60);
    }

    #[test]
    fn wide_blocks_lie_where_annex_e_puts_them() {
        for (freq_mhz, width, centre) in [
            (5180, Width::Mhz40, Some(5190)),
            (5200, Width::Mhz40, Some(5190)),
            (5200, Width::Mhz80, Some(5210)),
            (5320, Width::Mhz160, Some(5250)),
            (5500, Width::Mhz160, Some(5570)),
            (5720, Width::Mhz80, Some(5690)),
            (5720, Width::Mhz160, None),
            (5765, Width::Mhz80, Some(5775)),
            (5885, Width::Mhz160, Some(5815)),
            (5955, Width::Mhz160, Some(6025)),
            (7115, Width::Mhz40, None),
            (5935, Width::Mhz40, None),
            (2437, Width::Mhz40, None),
        ] {
            assert_eq!(Tuning { freq_mhz, width }.centre_mhz(), centre, "{freq_mhz} {width:?}");
        }
        let wide = Tuning { freq_mhz: 5180, width: Width::Mhz80 };
        assert!(wide.covers(5240) && !wide.covers(5260) && !Tuning::narrow(5180).covers(5200));
    }

    #[test]
    fn bands_lists_ranges_and_widths_are_read() {
        assert_eq!(shown("1,6,11,36-48"), "1 6 11 36 40 44 48");
        assert_eq!(shown("2.4"), "1 2 3 4 5 6 7 8 9 10 11 12 13");
        assert_eq!(shown("13-14"), "13 14", "what is named is asked for, allowed or not");
        assert_eq!(shown("2.4:6"), "6");
        assert_eq!(shown(" 5 + 6:5-13, 6:37@80 "), format!("{} 6:5 6:9 6:13 6:37@80", shown("5")));
        assert_eq!(shown("36@80,36,40@40"), "36@80 40@40", "one frequency, one entry");
        assert_eq!(shown("6").split(' ').count(), 60);
        assert_eq!("2.4+36".parse::<Selection>().unwrap().named(), [Tuning::narrow(5180)]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_sentence() {
        for (text, word) in [
            ("", "empty place"),
            ("1,,6", "empty place"),
            ("15", "the channels of 5 GHz are 36, 40"),
            ("37", "channels of 6 GHz are written 6:37"),
            ("48-36", "runs backwards: write 36-48"),
            ("1-36", "the channels of 2.4 GHz are 1, 2"),
            ("6@40", "listen 20 MHz wide"),
            ("36@30", "a width is 20, 40, 80 or 160"),
            ("144@160", "belongs to no block of 160 MHz"),
            ("7:1", "before ':' stands a band"),
            ("six", "is not a channel"),
            ("6:4", "every fourth from 1 to 233"),
            ("300", "is not a channel"),
        ] {
            let said = text.parse::<Selection>().unwrap_err();
            assert!(said.contains(word) && !said.contains('\n'), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-z.,:@+ -]{0,24}") {
            if let Ok(selection) = text.parse::<Selection>() {
                let tunings = selection.tunings(|_| true);
                prop_assert!(!tunings.is_empty());
                for tuning in &tunings {
                    prop_assert!(channel_of(tuning.freq_mhz).is_some() && tuning.centre_mhz().is_some());
                    prop_assert!(tuning.covers(tuning.freq_mhz));
                }
                prop_assert_eq!(selection.to_string().parse::<Selection>().unwrap().tunings(|_| true), tunings);
            }
        }

        #[test]
        fn what_is_shown_is_read_back(freq_mhz in 2400u16..7200, width in 0usize..4) {
            let tuning = Tuning { freq_mhz, width: Width::ALL[width] };
            if channel_of(freq_mhz).is_some() && tuning.centre_mhz().is_some() {
                let text = format!("{tuning},{tuning}");
                prop_assert_eq!(text.parse::<Selection>().unwrap().named(), vec![tuning]);
            }
        }
    }
}
