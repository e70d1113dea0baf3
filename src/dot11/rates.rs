//! How fast a network is: the rates that it announces, and its newest standard with what that can do at most.

use super::elements;
use std::fmt;

/// Rates of Supported Rates elements, in 500 kbit/s (IEEE 802.11-2020, 9.4.2.3): DSSS, PBCC, and OFDM in channels of 20,
/// 10 and 5 MHz.
const RATES: [u8; 16] = [2, 3, 4, 6, 9, 11, 12, 18, 22, 24, 36, 44, 48, 72, 96, 108];
/// The first number that is no rate when bit 7 is set, but a condition of membership (table 9-92).
const FIRST_SELECTOR: u8 = 122;

/// The rates that all stations of a network understand, and others that some may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// A bit for each of [`RATES`].
    all: u16,
    basic: u16,
}

impl Rates {
    /// Reads Supported Rates and Extended Supported Rates and BSS Membership Selectors (9.4.2.12).
    pub(super) fn read(bytes: &[u8]) -> Self {
        let of_rates = |id| id == elements::SUPPORTED_RATES || id == elements::EXTENDED_RATES;
        let octets = elements::iter(bytes).filter(|element| of_rates(element.id)).flat_map(|element| element.body);
        octets.fold(Self::default(), |found, &octet| {
            let (basic, rate) = (octet & 0x80 != 0, octet & 0x7f);
            match RATES.iter().position(|&known| known == rate) {
                Some(at) if !(basic && rate >= FIRST_SELECTOR) => {
                    Self { all: found.all | 1 << at, basic: found.basic | u16::from(basic) << at }
                }
                _ => found,
            }
        })
    }

    /// What two frames say together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { all: self.all | other.all, basic: self.basic | other.basic }
    }

    /// All rates, ascending, in kbit/s.
    pub fn kbps(self) -> impl Iterator<Item = u32> {
        RATES
            .into_iter()
            .enumerate()
            .filter(move |(at, _)| self.all >> at & 1 != 0)
            .map(|(_, rate)| u32::from(rate) * 500)
    }

    /// Those that every station of the network must understand, ascending, in kbit/s.
    pub fn basic_kbps(self) -> impl Iterator<Item = u32> {
        Self { all: self.basic, basic: 0 }.kbps()
    }

    /// The fastest of them.
    #[must_use]
    pub fn top_kbps(self) -> Option<u32> {
        self.kbps().last()
    }

    fn any(self, is: impl FnMut(u32) -> bool) -> bool {
        self.kbps().any(is)
    }
}

/// The newest of the standards that a network announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// 802.11-1997 and 802.11b: DSSS alone, up to 11 Mbit/s.
    B,
    /// 802.11a: OFDM alone.
    A,
    /// 802.11g: OFDM in the 2.4 GHz band.
    G,
    /// 802.11n: HT (Wi-Fi 4).
    N,
    /// 802.11ac: VHT (Wi-Fi 5).
    Ac,
    /// 802.11ax: HE (Wi-Fi 6).
    Ax,
    /// 802.11be: EHT (Wi-Fi 7).
    Be,
}

impl fmt::Display for Generation {
    /// As the standard's amendments are named, like `11ax`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::B => "11b",
            Self::A => "11a",
            Self::G => "11g",
            Self::N => "11n",
            Self::Ac => "11ac",
            Self::Ax => "11ax",
            Self::Be => "11be",
        })
    }
}

/// Data bits of a subcarrier and symbol at the modulation and coding schemes 0 to 13, in sixths (tables 19-27, 21-29,
/// 27-55 of IEEE 802.11ax-2021, 36-61 of IEEE 802.11be-2024).
const SIXTHS: [u32; 14] = [3, 6, 9, 12, 18, 24, 27, 30, 36, 40, 45, 50, 54, 60];

/// The capabilities elements of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capabilities<'a> {
    ht: Option<&'a [u8]>,
    vht: Option<&'a [u8]>,
    he: Option<&'a [u8]>,
    eht: Option<&'a [u8]>,
}

impl<'a> Capabilities<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let mut found = Self::default();
        for element in elements::iter(bytes) {
            let (place, least) = match (element.id, element.extension) {
                (elements::HT_CAPABILITIES, _) => (&mut found.ht, 26),
                (elements::VHT_CAPABILITIES, _) => (&mut found.vht, 12),
                (elements::EXTENDED, Some(elements::HE_CAPABILITIES)) => (&mut found.he, 21),
                (elements::EXTENDED, Some(elements::EHT_CAPABILITIES)) => (&mut found.eht, 14),
                _ => continue,
            };
            if element.body.len() >= least {
                *place = place.or(Some(element.body));
            }
        }
        found
    }

    /// The newest standard; of those before HT it is told by rates, and by the band that the channel is in.
    pub(super) fn generation(&self, rates: Rates, channel: Option<u8>) -> Option<Generation> {
        let is_dsss = |rate: u32| matches!(rate, 1_000 | 2_000 | 5_500 | 11_000);
        let in_two = channel.map_or_else(|| rates.any(is_dsss), |channel| channel <= 14);
        Some(match self {
            Self { eht: Some(_), .. } => Generation::Be,
            Self { he: Some(_), .. } => Generation::Ax,
            Self { vht: Some(_), .. } => Generation::Ac,
            Self { ht: Some(_), .. } => Generation::N,
            _ if rates.any(|rate| !is_dsss(rate)) => {
                if in_two {
                    Generation::G
                } else {
                    Generation::A
                }
            }
            _ if rates.all != 0 => Generation::B,
            _ => return None,
        })
    }

    /// The fastest that is received in a channel of `width_mhz`, by the newest standard; `None` before HT, and for what is
    /// no combination of the standard.
    pub(super) fn top_kbps(&self, generation: Generation, width_mhz: u16) -> Option<u32> {
        match generation {
            Generation::Be => self.eht(width_mhz),
            Generation::Ax => self.he(width_mhz),
            Generation::Ac => self.vht(width_mhz),
            Generation::N => self.ht(width_mhz),
            Generation::A | Generation::B | Generation::G => None,
        }
    }

    /// Bits 5 and 6 of HT Capability Information: the short guard interval at 20 and 40 MHz (9.4.2.55.2). The bitmask of
    /// received schemes begins at the fourth octet: one octet a stream (9.4.2.55.4).
    fn ht(&self, width_mhz: u16) -> Option<u32> {
        let ht = self.ht?;
        let (tones, short) = if width_mhz >= 40 { (108, 0x40) } else { (52, 0x20) };
        let short = ht.first()? & short != 0;
        let streams = (1..).zip(ht.get(3..7)?).filter(|&(_, &schemes)| schemes != 0);
        streams.map(|(streams, schemes)| rate(tones, schemes.ilog2(), streams, interval(short))).max()
    }

    /// VHT: bits 5 and 6 of its information are the short guard interval at 80 and 160 MHz (9.4.2.157.2); the map of
    /// received schemes follows.
    fn vht(&self, width_mhz: u16) -> Option<u32> {
        let &[information, _, _, _, low, high, ..] = self.vht? else { return None };
        let ht = self.ht.and_then(|ht| ht.first()).copied().unwrap_or_default();
        let (tones, short) = match width_mhz {
            160.. => (468, information & 0x40),
            80.. => (234, information & 0x20),
            40.. => (108, ht & 0x40),
            _ => (52, ht & 0x20),
        };
        best(u16::from_le_bytes([low, high]), [7, 8, 9], |streams, scheme| {
            // Where the encoded bits cannot be divided, the scheme is left out (21.5, notes to its tables).
            let left_out = scheme == 9
                && match width_mhz {
                    160.. => streams == 3,
                    80.. => streams == 6,
                    40.. => false,
                    _ => streams != 3 && streams != 6,
                };
            rate(tones, if left_out { 8 } else { scheme }, streams, interval(short != 0))
        })
    }

    /// HE: six octets of MAC and eleven of PHY capabilities, then maps of received and sent schemes up to 80 MHz, and at
    /// 160 MHz where bit 3 of the PHY capabilities says so.
    fn he(&self, width_mhz: u16) -> Option<u32> {
        let he = self.he?;
        let at_160 = he.get(6)? & 0x08 != 0;
        let at = if width_mhz >= 160 && at_160 { 21 } else { 17 };
        let &[low, high] = he.get(at..)?.first_chunk()?;
        let tones = match width_mhz {
            160.. if at_160 => 1_960,
            80.. => 980,
            40.. => 468,
            _ => 234,
        };
        best(u16::from_le_bytes([low, high]), [7, 9, 11], |streams, scheme| rate(tones, scheme, streams, LONG))
    }

    /// EHT: two octets of MAC and nine of PHY capabilities, then for each width (80, 160, 320 MHz) three octets, whose lower
    /// four bits are the streams received with the schemes 0 to 9, 10 and 11, 12 and 13.
    fn eht(&self, width_mhz: u16) -> Option<u32> {
        let (he, eht) = (self.he?, self.eht?);
        let at_160 = he.get(6)? & 0x08 != 0;
        let at_320 = eht.get(2)? & 0x02 != 0;
        let (at, tones) = match width_mhz {
            // Behind those of 80 MHz, and of 160 MHz if there are any.
            320.. if at_320 => (11 + 3 + if at_160 { 3 } else { 0 }, 3_920),
            160.. if at_160 => (14, 1_960),
            80.. => (11, 980),
            40.. => (11, 468),
            _ => (11, 234),
        };
        let streams = eht.get(at..at + 3)?.iter().zip([9, 11, 13]).filter(|&(&octet, _)| matches!(octet & 0x0f, 1..=8));
        streams.map(|(&octet, scheme)| rate(tones, scheme, u32::from(octet & 0x0f), LONG)).max()
    }
}

/// An HE symbol with its shortest guard interval, in tenths of a microsecond.
const LONG: u32 = 136;

/// An HT or VHT symbol with its guard interval, likewise.
const fn interval(short: bool) -> u32 {
    if short { 36 } else { 40 }
}

/// The rate in kbit/s, rounded down.
fn rate(tones: u32, scheme: u32, streams: u32, tenths: u32) -> u32 {
    let sixths = usize::try_from(scheme).ok().and_then(|scheme| SIXTHS.get(scheme)).copied().unwrap_or_default();
    // Milliseconds have 10,000 tenths of a microsecond.
    let kbps = u64::from(tones) * u64::from(sixths) * u64::from(streams) * 10_000 / u64::from(6 * tenths);
    u32::try_from(kbps).unwrap_or(u32::MAX)
}

/// The best of a map that has two bits a stream: one of three highest schemes, or that there is none.
fn best(map: u16, schemes: [u32; 3], rate: impl Fn(u32, u32) -> u32) -> Option<u32> {
    let of =
        |streams: u32| schemes.get(usize::from(map >> (2 * (streams - 1)) & 3)).map(|&scheme| rate(streams, scheme));
    (1..=8).filter_map(of).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_standards_tables() {
        // Tables 19-30 and 19-36, 21-38 and 21-54, 27-111 of IEEE 802.11ax-2021.
        assert_eq!(rate(52, 7, 1, interval(false)), 65_000);
        assert_eq!(rate(108, 7, 4, interval(true)), 600_000);
        assert_eq!(rate(234, 9, 1, interval(true)), 433_333);
        assert_eq!(rate(468, 9, 8, interval(true)), 6_933_333);
        assert_eq!(rate(980, 11, 2, LONG), 1_200_980);
        assert_eq!(rate(3_920, 13, 1, LONG), 2_882_352);
    }
}
